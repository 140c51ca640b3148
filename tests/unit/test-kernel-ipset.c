// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Kernel ipsets as sets of ours.
 */
#include "kernel-help.h"

#include <string.h>

/** The elements of a mirrored ipset, one a line, sorted; or the error. */
static char *mirror(NwfKernel *kernel, const char *name, guint dimensions, gboolean ipv6) {
  g_autoptr(NwfRuleset) ruleset = nwf_ruleset_new();
  g_autoptr(GError) error = NULL;
  NwfField field = ipv6 ? NWF_FIELD_IP6_SADDR : NWF_FIELD_IP_SADDR;
  NwfSet *set = nwf_ruleset_add_set(ruleset, "mirror", &field, 1);
  set->interval = TRUE;
  if (!nwf_kernel_ipset(name, dimensions, ipv6, ruleset, set, kernel, &error))
    return g_strdup(error->message);
  nwf_ruleset_sort(ruleset);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < set->elements->len; i++) {
    g_autofree char *key = nwf_element_key_to_text(set, &g_array_index(set->elements, NwfElement, i));
    g_string_append_printf(text, "%s%s", i ? ", " : "", key);
  }
  nwf_test_install(kernel, ruleset);
  nwf_assert_holds(kernel, ruleset);
  return g_string_free(text, FALSE);
}

static void test_ipsets_are_mirrored(void) {
  static const struct {
    const char *create, *members; /* members: separated by spaces */
    guint dimensions;
    gboolean ipv6;
    const char *want; /* "!" and a part of the error, or the elements */
  } cases[] = {
      {"hash:ip", "10.0.0.1 10.0.0.7", 1, FALSE, "10.0.0.1, 10.0.0.7"},
      {"hash:ip", "10.0.0.1 10.0.0.7", 2, FALSE, "10.0.0.1, 10.0.0.7"},
      {"hash:ip netmask 24", "10.0.0.1 10.0.7.7", 1, FALSE, "10.0.0.0-10.0.0.255, 10.0.7.0-10.0.7.255"},
      {"hash:ip family inet6", "fe80::1", 1, TRUE, "fe80::1"},
      {"hash:ip family inet6", "fe80::1", 1, FALSE, "!IPv6"},
      {"hash:net", "10.0.0.0/8 10.1.0.0/16 11.0.0.0/8", 1, FALSE, "10.0.0.0-10.255.255.255, 11.0.0.0-11.255.255.255"},
      {"hash:net", "10.0.0.0/8 10.1.0.0/16,nomatch", 1, FALSE, "!nomatch"},
      {"hash:ip,port", "10.0.0.1,tcp:80 10.0.0.1,udp:53", 2, FALSE, "10.0.0.1 . 6 . 80, 10.0.0.1 . 17 . 53"},
      {"hash:ip,port", "10.0.0.1,icmp:8/0", 2, FALSE, "!ICMP"},
      {"hash:ip,port", "10.0.0.1,tcp:80", 1, FALSE, "!2 dimensions"},
      {"hash:net,port", "10.0.0.0/24,tcp:80", 2, FALSE, "10.0.0.0-10.0.0.255 . 6 . 80"},
      {"hash:ip,port,ip", "10.0.0.1,tcp:80,10.0.0.2", 3, FALSE, "10.0.0.1 . 6 . 80 . 10.0.0.2"},
      {"hash:ip,port,net", "10.0.0.1,tcp:80,10.2.0.0/16 10.0.0.1,tcp:80,10.2.3.0/24", 3, FALSE,
       "10.0.0.1 . 6 . 80 . 10.2.0.0-10.2.255.255"},
      {"hash:net,net", "10.0.0.0/24,10.1.0.0/16", 2, FALSE, "10.0.0.0-10.0.0.255 . 10.1.0.0-10.1.255.255"},
      {"bitmap:ip range 10.0.0.0/24", "10.0.0.3 10.0.0.4", 1, FALSE, "10.0.0.3, 10.0.0.4"},
      {"bitmap:ip range 10.0.0.0/16 netmask 24", "10.0.3.0", 1, FALSE, "10.0.3.0-10.0.3.255"},
      {"bitmap:port range 0-1023", "80", 1, FALSE, "6 . 80, 17 . 80"},
      {"hash:mac", "52:54:00:00:00:01", 1, FALSE, "52:54:00:00:00:01"},
      {"list:set", "", 1, FALSE, "!list:set"},
      {"hash:ip,mark", "10.0.0.1,5", 2, FALSE, "!hash:ip,mark"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(NwfKernel) kernel = nwf_test_enter();
    if (!kernel)
      return;
    g_autofree char *command = g_strdup_printf("ipset create s %s || exit 0; for m in %s; do m=$(echo $m | sed "
                                               "'s/,nomatch/ nomatch/'); ipset add s $m; done; echo made",
                                               cases[i].create, cases[i].members);
    g_autofree char *made = nwf_test_shell(command);
    if (!g_str_has_prefix(made, "made")) {
      g_test_message("%s: not on this kernel", cases[i].create);
      continue;
    }
    g_autofree char *got = mirror(kernel, "s", cases[i].dimensions, cases[i].ipv6);
    if (cases[i].want[0] != '!')
      g_assert_cmpstr(got, ==, cases[i].want);
    else if (!strstr(got, cases[i].want + 1) || !strstr(got, "ipset 's'"))
      g_error("%s: %s", cases[i].create, got);
  }
}

static void test_an_ipset_that_is_not_there(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  g_autofree char *got = mirror(kernel, "nosuch", 1, FALSE);
  g_assert_nonnull(strstr(got, "nosuch"));
}

static void test_a_large_ipset(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  g_autofree char *made =
      nwf_test_shell("ipset create s hash:net || exit 0; for i in $(seq 0 199); do for j in $(seq 0 99); do "
                     "echo add s 10.$i.$j.0/25; done; done | ipset restore && echo made");
  if (!g_str_has_prefix(made, "made")) {
    g_test_skip("no ipset of type hash:net on this kernel");
    return;
  }
  g_autoptr(NwfRuleset) ruleset = nwf_ruleset_new();
  NwfField field = NWF_FIELD_IP_SADDR;
  NwfSet *set = nwf_ruleset_add_set(ruleset, "mirror", &field, 1);
  set->interval = TRUE;
  GError *error = NULL;
  nwf_kernel_ipset("s", 1, FALSE, ruleset, set, kernel, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(set->elements->len, ==, 20000);
  nwf_test_install(kernel, ruleset);
  nwf_assert_holds(kernel, ruleset);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define ADD(name_) g_test_add_func("/kernel-ipset/" #name_, test_##name_)
  ADD(ipsets_are_mirrored);
  ADD(an_ipset_that_is_not_there);
  ADD(a_large_ipset);
  return g_test_run();
}
