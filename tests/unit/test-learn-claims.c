// SPDX-License-Identifier: LGPL-2.1-or-later
// Who has an address: ports of one network or of two, of one owner or of two, and what bindings give.

#include "learn-help.h"

#include <string.h>

static void add_owned(Rig *rig, const char *name, guint8 n, guint8 owner) {
  NwfLearnPort port = port_of(name, n);
  port.owner_uuid[15] = owner;
  port.ipv6 = FALSE;
  nwf_learner_add_port(rig->learner, &port, NOW);
}

static void one_owner_may_have_it_twice(void) {
  g_auto(Rig) rig;
  rig_init(&rig);
  add_owned(&rig, "a", 1, 7);
  add_owned(&rig, "b", 2, 7);
  add_owned(&rig, "c", 3, 8);
  g_assert_true(shows(&rig, "a", 1, "10.0.0.5"));
  g_assert_true(shows(&rig, "b", 2, "10.0.0.5"));
  g_assert_false(shows(&rig, "c", 3, "10.0.0.5"));
  /* the other one has it still */
  nwf_learner_remove_port(rig.learner, "a", TRUE);
  g_assert_false(shows(&rig, "c", 3, "10.0.0.5"));
  nwf_learner_remove_port(rig.learner, "b", TRUE);
  g_assert_true(shows(&rig, "c", 3, "10.0.0.5"));
  /* those without an owner are not one owner's */
  add_owned(&rig, "d", 4, 0);
  add_owned(&rig, "e", 5, 0);
  g_assert_true(shows(&rig, "d", 4, "10.0.0.6"));
  g_assert_false(shows(&rig, "e", 5, "10.0.0.6"));
}

static void each_network_has_its_addresses(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_ANY);
  nwf_learner_set_network(rig.learner, "a", 10, NOW);
  nwf_learner_set_network(rig.learner, "b", 11, NOW);
  g_assert_true(shows(&rig, "a", 1, "10.0.0.5"));
  g_assert_true(shows(&rig, "b", 2, "10.0.0.5"));
  add_port(&rig, "c", 3, NWF_LEARN_ANY); /* of a network that is not known */
  g_assert_false(shows(&rig, "c", 3, "10.0.0.5"));
  nwf_learner_set_network(rig.learner, "c", 12, NOW);
  g_assert_true(shows(&rig, "c", 3, "10.0.0.5"));
  g_assert_cmpint(nwf_learner_next_expiry(rig.learner), ==, 0);
  /* both are known again after a restart, if their networks are told first */
  rig_restart(&rig, NOW);
  nwf_learner_set_network(rig.learner, "a", 10, NOW);
  nwf_learner_set_network(rig.learner, "b", 11, NOW);
  add_port(&rig, "a", 1, NWF_LEARN_ANY);
  add_port(&rig, "b", 2, NWF_LEARN_ANY);
  assert_known(&rig, "a", "10.0.0.5 arp 0");
  assert_known(&rig, "b", "10.0.0.5 arp 0");
}

static void assert_lost(Rig *rig, const char *port) {
  g_assert_cmpint(nwf_learner_next_expiry(rig->learner), ==, NOW);
  g_autoptr(GPtrArray) changed = nwf_learner_expire(rig->learner, NOW);
  g_assert_cmpuint(changed->len, ==, 1);
  g_assert_cmpstr(g_ptr_array_index(changed, 0), ==, port);
  assert_known(rig, port, "");
  g_assert_cmpint(nwf_learner_next_expiry(rig->learner), ==, 0);
  g_assert_null(nwf_learner_expire(rig->learner, NOW));
}

static void who_comes_into_a_network_makes_way(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_ANY);
  nwf_learner_set_network(rig.learner, "a", 10, NOW);
  nwf_learner_set_network(rig.learner, "b", 11, NOW);
  g_assert_true(shows(&rig, "a", 1, "10.0.0.5"));
  g_assert_true(shows(&rig, "b", 2, "10.0.0.5"));
  /* through none into the other's */
  nwf_learner_set_network(rig.learner, "b", 0, NOW);
  assert_known(&rig, "b", "10.0.0.5 arp 0");
  g_string_truncate(rig.log, 0);
  nwf_learner_set_network(rig.learner, "b", 10, NOW);
  g_assert_cmpstr(rig.log->str, ==, "W b: 10.0.0.5 is taken away: a has it\n");
  assert_lost(&rig, "b");
  assert_known(&rig, "a", "10.0.0.5 arp 0");
  g_assert_false(shows(&rig, "b", 2, "10.0.0.5"));
  rig_restart(&rig, NOW);
  add_port(&rig, "b", 2, NWF_LEARN_ANY);
  assert_known(&rig, "b", "");
}

static void a_lease_that_was_lost_comes_back_elsewhere(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_DHCP);
  nwf_learner_set_network(rig.learner, "a", 10, NOW);
  nwf_learner_set_network(rig.learner, "b", 11, NOW);
  g_assert_true(lease(&rig, "a", 1, "10.0.0.5", 600, NOW));
  g_assert_true(lease(&rig, "b", 2, "10.0.0.5", 600, NOW));
  nwf_learner_set_network(rig.learner, "b", 10, NOW);
  g_autoptr(GPtrArray) changed = nwf_learner_expire(rig.learner, NOW);
  g_assert_cmpuint(changed->len, ==, 1);
  assert_known(&rig, "b", "");
  /* nobody gave it back: where it is free it holds */
  rig_restart(&rig, NOW + 1);
  nwf_learner_set_network(rig.learner, "b", 11, NOW + 1);
  add_port(&rig, "b", 2, NWF_LEARN_DHCP);
  assert_known(&rig, "b", "10.0.0.5 dhcp 600");
}

static void give(Rig *rig, const char *port, guint8 n, const char *name, const char *value) {
  g_autoptr(NwfBinding) binding = nwf_binding_new();
  binding->port = g_strdup(port);
  memcpy(binding->mac, (guint8[]){0x52, 0x54, 0, 0, 0, n}, 6);
  binding->has_owner_uuid = TRUE;
  binding->owner_uuid[15] = n;
  const GPtrArray *none = NULL;
  g_autoptr(GPtrArray) values = g_ptr_array_new();
  g_ptr_array_add(values, (gpointer)value);
  nwf_parameters_set(binding->parameters, name, value ? values : none);
  nwf_learner_set_given(rig->learner, binding, NOW);
}

static void what_is_given_is_not_learned(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_ANY);
  give(&rig, "g", 9, "IP", "10.0.0.5");
  g_assert_false(shows(&rig, "a", 1, "10.0.0.5"));
  g_assert_nonnull(strstr(rig.log->str, "W a: 10.0.0.5 (arp) is refused: g has it"));
  g_assert_false(lease(&rig, "a", 1, "10.0.0.5", 60, NOW));
  give(&rig, "h", 8, "IP", "10.0.0.5"); /* two may be given one: whoever gave them knows */
  nwf_learner_remove_port(rig.learner, "g", FALSE);
  g_assert_false(shows(&rig, "a", 1, "10.0.0.5"));
  nwf_learner_remove_port(rig.learner, "g", TRUE);
  g_assert_false(shows(&rig, "a", 1, "10.0.0.5"));
  nwf_learner_remove_port(rig.learner, "h", TRUE);
  g_assert_true(shows(&rig, "a", 1, "10.0.0.5"));
  give(&rig, "g", 9, "IP", "no address"); /* that is for the compiler to say */
  give(&rig, "g", 9, "OTHER", "10.0.0.6");
  g_assert_true(shows(&rig, "b", 2, "10.0.0.6"));
}

static void what_was_learned_makes_way_for_what_is_given(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_ANY);
  nwf_learner_set_network(rig.learner, "a", 10, NOW);
  g_assert_true(shows(&rig, "a", 1, "10.0.0.5"));
  nwf_learner_set_network(rig.learner, "g", 11, NOW);
  give(&rig, "g", 9, "IP", "10.0.0.5");
  assert_known(&rig, "a", "10.0.0.5 arp 0");
  nwf_learner_set_network(rig.learner, "g", 10, NOW);
  assert_lost(&rig, "a");
  g_assert_cmpint(nwf_learner_phase(rig.learner, "a"), ==, NWF_LEARN_ANY);
  g_assert_true(shows(&rig, "a", 1, "10.0.0.6"));
  give(&rig, "h", 8, "IP", "10.0.0.6"); /* of a network that is not known */
  assert_lost(&rig, "a");
}

static void a_prefix_has_all_that_is_in_it(void) {
  g_auto(Rig) rig;
  rig_init(&rig);
  for (guint8 n = 1; n <= 2; n++) {
    NwfLearnPort port = port_of(n == 1 ? "a" : "b", n);
    port.ipv4 = FALSE;
    nwf_learner_add_port(rig.learner, &port, NOW);
  }
  g_assert_true(reply6(&rig, "2001:db8:1000::", 56, 60, NOW));
  g_assert_false(feed(&rig, "b", TRUE, nd_frame(2, 135, "::", "2001:db8:1000:7::5"), NOW));
  g_assert_true(feed(&rig, "b", TRUE, nd_frame(2, 135, "::", "2001:db8:1001::5"), NOW));
  g_assert_false(reply6(&rig, "2001:db8:1001::", 56, 60, NOW)); /* nor a prefix around what another has */
  give(&rig, "g", 9, "IPV6", "2001:db8:2000::/48");
  g_assert_false(feed(&rig, "b", TRUE, nd_frame(2, 135, "::", "2001:db8:2000:ff::5"), NOW));
}

/* Else a guest could keep another from having what follows from its MAC. */
static void a_link_local_address_is_the_macs(void) {
  g_auto(Rig) rig;
  rig_init(&rig);
  NwfLearnPort a = port_of("a", 1), b = port_of("b", 2);
  a.ipv4 = b.ipv4 = FALSE;
  nwf_learner_add_port(rig.learner, &b, NOW);
  g_assert_true(feed(&rig, "b", TRUE, nd_frame(2, 135, "::", "fe80::5054:ff:fe00:1"), NOW));
  nwf_learner_add_port(rig.learner, &a, NOW);
  assert_known(&rig, "a", LINK_LOCAL);
  assert_known(&rig, "b", "fe80::5054:ff:fe00:2 link-local 0");
  g_autoptr(GPtrArray) changed = nwf_learner_expire(rig.learner, NOW);
  g_assert_cmpuint(changed->len, ==, 1);
  g_assert_cmpstr(g_ptr_array_index(changed, 0), ==, "b");
  g_assert_false(feed(&rig, "b", TRUE, nd_frame(2, 135, "::", "fe80::5054:ff:fe00:1"), NOW));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/learn-claims/one-owner-may-have-an-address-twice", one_owner_may_have_it_twice);
  g_test_add_func("/learn-claims/each-network-has-its-addresses", each_network_has_its_addresses);
  g_test_add_func("/learn-claims/who-comes-into-a-network-makes-way", who_comes_into_a_network_makes_way);
  g_test_add_func("/learn-claims/a-lease-that-was-lost-comes-back-elsewhere",
                  a_lease_that_was_lost_comes_back_elsewhere);
  g_test_add_func("/learn-claims/what-is-given-is-not-learned", what_is_given_is_not_learned);
  g_test_add_func("/learn-claims/what-was-learned-makes-way-for-what-is-given",
                  what_was_learned_makes_way_for_what_is_given);
  g_test_add_func("/learn-claims/a-prefix-has-all-that-is-in-it", a_prefix_has_all_that_is_in_it);
  g_test_add_func("/learn-claims/a-link-local-address-is-the-macs", a_link_local_address_is_the_macs);
  return g_test_run();
}
