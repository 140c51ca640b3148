// SPDX-License-Identifier: LGPL-2.1-or-later
// What a learner believes: of whom, for how long, and what it does not.

#include "learn-help.h"

#include <string.h>

/* --- any --- */

static void any_first_arp(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_ANY);
  g_assert_cmpint(nwf_learner_watch(rig.learner, "a"), ==, NWF_WATCH_ARP | NWF_WATCH_IPV4 | NWF_WATCH_DHCP);
  g_assert_false(feed(&rig, "a", TRUE, arp_frame(1, 1, "0.0.0.0", "10.0.0.9"), NOW)); /* a probe */
  g_assert_false(feed(&rig, "a", TRUE, arp_frame(2, 2, "10.0.0.5", "10.0.0.9"), NOW));
  g_assert_false(feed(&rig, "a", TRUE, arp_frame(1, 2, "10.0.0.5", "10.0.0.9"), NOW));
  g_assert_false(feed(&rig, "a", FALSE, arp_frame(1, 1, "10.0.0.5", "10.0.0.9"), NOW));
  g_assert_false(feed(&rig, "c", TRUE, arp_frame(1, 1, "10.0.0.5", "10.0.0.9"), NOW));
  assert_known(&rig, "a", "");
  g_assert_true(feed(&rig, "a", TRUE, arp_frame(1, 1, "10.0.0.5", "10.0.0.9"), NOW)); /* the sender, not the target */
  assert_known(&rig, "a", "10.0.0.5 arp 0");
  g_assert_cmpint(nwf_learner_watch(rig.learner, "a"), ==, NWF_WATCH_DHCP);
  g_assert_false(feed(&rig, "a", TRUE, arp_frame(1, 1, "10.0.0.6", "10.0.0.9"), NOW));
  assert_known(&rig, "a", "10.0.0.5 arp 0");
}

static void any_first_ipv4(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_ANY);
  static const char *const unusable[] = {"0.0.0.0", "127.0.0.1", "224.0.0.251", "250.1.1.1", "255.255.255.255"};
  for (guint i = 0; i < G_N_ELEMENTS(unusable); i++)
    g_assert_false(feed(&rig, "a", TRUE, ipv4_frame(1, unusable[i], 6, NULL, 0), NOW));
  g_assert_false(feed(&rig, "a", FALSE, ipv4_frame(0, "10.0.0.7", 6, NULL, 0), NOW));
  g_assert_true(feed(&rig, "a", TRUE, ipv4_frame(1, "10.0.0.5", 6, NULL, 0), NOW));
  assert_known(&rig, "a", "10.0.0.5 ipv4 0");
}

/* No filter looks for addresses within a tag. */
static void any_tagged(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_ANY);
  GByteArray *frames[] = {arp_frame(1, 1, "10.0.0.5", "10.0.0.9"), ipv4_frame(1, "10.0.0.5", 6, NULL, 0)};
  for (guint i = 0; i < G_N_ELEMENTS(frames); i++) {
    add_tag(frames[i], 0x8100);
    g_assert_false(feed(&rig, "a", TRUE, frames[i], NOW));
  }
}

static void any_two_guests_one_address(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_ANY);
  g_assert_true(feed(&rig, "a", TRUE, arp_frame(1, 1, "10.0.0.5", "10.0.0.9"), NOW));
  g_string_truncate(rig.log, 0);
  for (guint i = 0; i < 1000; i++)
    g_assert_false(feed(&rig, "b", TRUE, arp_frame(2, 2, "10.0.0.5", "10.0.0.9"), NOW + i / 100));
  g_assert_cmpstr(rig.log->str, ==, "W b: 10.0.0.5 (arp) is refused: a has it\n");
  g_assert_false(feed(&rig, "b", TRUE, arp_frame(2, 2, "10.0.0.5", "10.0.0.9"), NOW + 61));
  g_assert_nonnull(strstr(rig.log->str, "and 999 more"));
  assert_known(&rig, "b", "");
  nwf_learner_remove_port(rig.learner, "a", TRUE);
  g_assert_true(feed(&rig, "b", TRUE, arp_frame(2, 2, "10.0.0.5", "10.0.0.9"), NOW + 62));
}

static void any_ack(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_ANY);
  g_assert_cmpint(nwf_learner_phase(rig.learner, "a"), ==, NWF_LEARN_ANY);
  g_assert_true(lease(&rig, "a", 1, "10.0.0.5", 60, NOW));
  assert_known(&rig, "a", "10.0.0.5 dhcp 60");
  /* another one from DHCP comes instead of it */
  g_assert_true(lease(&rig, "a", 1, "10.0.0.6", 60, NOW));
  assert_known(&rig, "a", "10.0.0.6 dhcp 60");
}

/* Or a guest would be free of its filter as soon as it gives its lease back. */
static void any_ended_lease_does_not_open(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_ANY);
  g_assert_true(lease(&rig, "a", 1, "10.0.0.5", 60, NOW));
  Dhcp release = {.type = NWF_DHCP4_RELEASE, .xid = 1, .n = 1, .ciaddr = "10.0.0.5"};
  g_assert_true(feed(&rig, "a", TRUE, dhcp_frame(&release, NULL), NOW));
  assert_known(&rig, "a", "");
  for (guint round = 0; round < 2; round++) {
    g_assert_cmpint(nwf_learner_phase(rig.learner, "a"), ==, NWF_LEARN_DHCP);
    g_assert_false(feed(&rig, "a", TRUE, arp_frame(1, 1, "10.0.0.1", "10.0.0.9"), NOW));
    rig_restart(&rig, NOW); /* and a daemon that starts again still knows */
    add_port(&rig, "a", 1, NWF_LEARN_ANY);
  }
  g_assert_true(feed(&rig, "a", TRUE, arp_frame(1, 1, "10.0.0.5", "10.0.0.9"), NOW));
  assert_known(&rig, "a", "10.0.0.5 arp 0");
}

static void any_lease_that_ended_meanwhile(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_ANY);
  g_assert_true(lease(&rig, "a", 1, "10.0.0.5", 60, NOW));
  rig_restart(&rig, NOW + 100);
  NwfLearnPort port = port_of("a", 1);
  nwf_learner_add_port(rig.learner, &port, NOW + 100);
  g_assert_cmpint(nwf_learner_phase(rig.learner, "a"), ==, NWF_LEARN_DHCP);
}

/* Port "a", whose binding was deleted and made anew while its lease went on. */
static void remade_port(Rig *rig) {
  rig_ports(rig, NWF_LEARN_ANY);
  g_assert_true(lease(rig, "a", 1, "10.0.0.5", 600, NOW));
  nwf_learner_remove_port(rig->learner, "a", TRUE);
  add_port(rig, "a", 1, NWF_LEARN_ANY);
  assert_known(rig, "a", "10.0.0.5 dhcp 600");
  g_assert_cmpint(nwf_learner_watch(rig->learner, "a"), ==, NWF_WATCH_ARP | NWF_WATCH_IPV4 | NWF_WATCH_DHCP);
}

static void assert_settled(Rig *rig, const char *known) {
  assert_known(rig, "a", known);
  g_assert_cmpint(nwf_learner_watch(rig->learner, "a"), ==, NWF_WATCH_DHCP);
  g_assert_false(shows(rig, "a", 1, "10.0.0.8"));
  rig_restart(rig, NOW);
  add_port(rig, "a", 1, NWF_LEARN_ANY);
  assert_known(rig, "a", known);
  g_assert_false(shows(rig, "a", 1, "10.0.0.8"));
  assert_known(rig, "a", known);
}

static void any_old_lease_makes_way_for_what_is_seen(void) {
  g_auto(Rig) rig;
  remade_port(&rig);
  add_port(&rig, "c", 3, NWF_LEARN_ANY);
  g_assert_true(shows(&rig, "c", 3, "10.0.0.6"));
  g_assert_false(shows(&rig, "a", 1, "10.0.0.6")); /* not for what is another's */
  assert_known(&rig, "a", "10.0.0.5 dhcp 600");
  rig_restart(&rig, NOW); /* a daemon that starts again knows that it is an old one */
  add_port(&rig, "a", 1, NWF_LEARN_ANY);
  g_assert_true(shows(&rig, "a", 1, "10.0.0.7"));
  assert_settled(&rig, "10.0.0.7 arp 0");
}

static void any_old_lease_that_is_used_holds(void) {
  g_auto(Rig) rig;
  remade_port(&rig);
  g_assert_true(shows(&rig, "a", 1, "10.0.0.5")); /* no other address, but less to look for */
  assert_settled(&rig, "10.0.0.5 dhcp 600");
}

static void any_old_lease_that_is_renewed_holds(void) {
  g_auto(Rig) rig;
  remade_port(&rig);
  g_assert_true(lease(&rig, "a", 1, "10.0.0.5", 900, NOW));
  assert_settled(&rig, "10.0.0.5 dhcp 900");
  Dhcp release = {.type = NWF_DHCP4_RELEASE, .xid = 1, .n = 1, .ciaddr = "10.0.0.5"};
  g_assert_true(feed(&rig, "a", TRUE, dhcp_frame(&release, NULL), NOW));
  g_assert_cmpint(nwf_learner_phase(rig.learner, "a"), ==, NWF_LEARN_DHCP);
}

static void any_old_lease_that_ends_was_none(void) {
  g_auto(Rig) rig;
  remade_port(&rig);
  g_autoptr(GPtrArray) changed = nwf_learner_expire(rig.learner, NOW + 600);
  g_assert_cmpuint(changed->len, ==, 1);
  assert_known(&rig, "a", "");
  g_assert_cmpint(nwf_learner_phase(rig.learner, "a"), ==, NWF_LEARN_ANY);
  g_assert_true(shows(&rig, "a", 1, "10.0.0.7"));
}

static void any_static_address_and_dhcp(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_ANY);
  g_assert_true(feed(&rig, "a", TRUE, arp_frame(1, 1, "10.0.0.5", "10.0.0.9"), NOW));
  g_assert_false(lease(&rig, "a", 1, "10.0.0.6", 60, NOW)); /* anybody could be that server */
  assert_known(&rig, "a", "10.0.0.5 arp 0");
  g_assert_false(lease(&rig, "a", 1, "10.0.0.5", 60, NOW)); /* the same: no change, but it ends now */
  assert_known(&rig, "a", "10.0.0.5 dhcp 60");
  g_assert_cmpint(nwf_learner_next_expiry(rig.learner), ==, NOW + 60);
  g_assert_true(feed(&rig, "b", TRUE, arp_frame(2, 2, "169.254.3.4", "10.0.0.9"), NOW));
  g_assert_true(lease(&rig, "b", 2, "10.0.0.7", 60, NOW));
  assert_known(&rig, "b", "10.0.0.7 dhcp 60");
}

/* --- DHCP --- */

static void dhcp_only_dhcp(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_DHCP);
  g_assert_cmpint(nwf_learner_watch(rig.learner, "a"), ==, NWF_WATCH_DHCP);
  g_assert_false(feed(&rig, "a", TRUE, arp_frame(1, 1, "10.0.0.5", "10.0.0.9"), NOW));
  g_assert_false(feed(&rig, "a", TRUE, ipv4_frame(1, "10.0.0.5", 6, NULL, 0), NOW));
  g_assert_true(lease(&rig, "a", 1, "10.0.0.5", 60, NOW));
  assert_known(&rig, "a", "10.0.0.5 dhcp 60");
}

static void dhcp_answer_must_fit(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_DHCP);
  Dhcp request = {.type = NWF_DHCP4_REQUEST, .xid = 7, .n = 1, .requested = "10.0.0.5", .server_id = "10.0.0.1"};
  Dhcp good = {.type = NWF_DHCP4_ACK, .xid = 7, .n = 1, .yiaddr = "10.0.0.5", .server_id = "10.0.0.1", .lease = 60};
  Dhcp wrong[8];
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
    wrong[i] = good;
  wrong[0].xid = 8;
  wrong[1].n = 2; /* chaddr */
  wrong[2].server_id = "10.0.0.66";
  wrong[3].lease = -1;
  wrong[4].lease = 0;
  wrong[5].yiaddr = "0.0.0.0";
  wrong[6].yiaddr = "255.255.255.255";
  wrong[7].type = NWF_DHCP4_OFFER;
  g_assert_false(feed(&rig, "a", FALSE, dhcp_frame(&good, "10.0.0.1"), NOW)); /* nobody asked */
  feed(&rig, "a", TRUE, dhcp_frame(&request, NULL), NOW);
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
    g_assert_false(feed(&rig, "a", FALSE, dhcp_frame(&wrong[i], "10.0.0.1"), NOW));
  g_assert_false(feed(&rig, "b", FALSE, dhcp_frame(&good, "10.0.0.1"), NOW)); /* the clone to another port */
  g_assert_false(feed(&rig, "a", TRUE, dhcp_frame(&good, "10.0.0.1"), NOW));  /* the guest itself */
  g_assert_false(feed(&rig, "a", FALSE, dhcp_frame(&good, "10.0.0.1"), NOW + NWF_TRANSACTION_SECONDS + 1));
  assert_known(&rig, "a", "");
  g_assert_true(feed(&rig, "a", FALSE, dhcp_frame(&good, "10.0.0.1"), NOW));
  /* a second answer to one question */
  Dhcp late = good;
  late.yiaddr = "10.0.0.6";
  g_assert_false(feed(&rig, "a", FALSE, dhcp_frame(&late, "10.0.0.1"), NOW));
  assert_known(&rig, "a", "10.0.0.5 dhcp 60");
}

/* Requests of another MAC or for another machine teach nothing about the port's. */
static void dhcp_request_must_be_the_guests(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_DHCP);
  Dhcp good = {.type = NWF_DHCP4_ACK, .xid = 7, .n = 1, .yiaddr = "10.0.0.5", .lease = 60};
  Dhcp discover = {.type = NWF_DHCP4_DISCOVER, .xid = 7, .n = 1};
  Dhcp inform = {.type = NWF_DHCP4_INFORM, .xid = 7, .n = 1, .ciaddr = "10.0.0.5"};
  Dhcp relayed = {.type = NWF_DHCP4_REQUEST, .xid = 7, .n = 1, .giaddr = "10.0.0.9"};
  Dhcp other = {.type = NWF_DHCP4_REQUEST, .xid = 7, .n = 2};
  const Dhcp *wrong[] = {&discover, &inform, &relayed, &other};
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
    GByteArray *frame = dhcp_frame(wrong[i], NULL);
    memcpy(frame->data + 6, (guint8[]){0x52, 0x54, 0, 0, 0, 1}, 6);
    feed(&rig, "a", TRUE, frame, NOW);
    g_assert_false(feed(&rig, "a", FALSE, dhcp_frame(&good, "10.0.0.1"), NOW));
  }
  Dhcp request = {.type = NWF_DHCP4_REQUEST, .xid = 7, .n = 1};
  GByteArray *fragment = dhcp_frame(&request, NULL);
  fragment->data[14 + 7] = 1; /* a later piece of a packet */
  feed(&rig, "a", TRUE, fragment, NOW);
  g_assert_false(feed(&rig, "a", FALSE, dhcp_frame(&good, "10.0.0.1"), NOW));
  GByteArray *tagged = dhcp_frame(&request, NULL), *answer = dhcp_frame(&good, "10.0.0.1");
  add_tag(tagged, 0x8100);
  add_tag(answer, 0x8100);
  feed(&rig, "a", TRUE, tagged, NOW);
  g_assert_true(feed(&rig, "a", FALSE, answer, NOW));
}

/* Tags of a frame, from the outer one: id and, where it is not 802.1Q, type; "-" is none. */
static void put_tags(GByteArray *frame, const char *tags) {
  for (const char *tag = tags + strlen(tags); tag-- > tags;) {
    if (!g_ascii_isdigit(*tag))
      continue;
    add_tag(frame, tag > tags && tag[-1] == 'q' ? 0x88a8 : 0x8100);
    frame->data[14] = 0xe0; /* a priority is not part of the id */
    frame->data[15] = (guint8)(*tag - '0');
  }
}

static const struct {
  const char *request, *answer;
  gboolean counts;
} tag_cases[] = {{"-", "-", TRUE},  {"-", "5", FALSE},  {"5", "-", FALSE},   {"5", "5", TRUE},     {"5", "6", FALSE},
                 {"5", "q5", TRUE}, {"5", "55", FALSE}, {"q65", "65", TRUE}, {"65", "56", FALSE},  {"-", "0", TRUE},
                 {"0", "-", TRUE},  {"5", "05", TRUE},  {"-", "05", FALSE},  {"777", "777", FALSE}};

/* A server's answer goes where the request came from. A tag with id 0 names no VLAN, only a priority. */
static void dhcp_answer_in_its_requests_tag(void) {
  for (guint i = 0; i < G_N_ELEMENTS(tag_cases); i++) {
    g_auto(Rig) rig;
    rig_ports(&rig, NWF_LEARN_DHCP);
    Dhcp request = {.type = NWF_DHCP4_REQUEST, .xid = 7, .n = 1};
    Dhcp ack = {.type = NWF_DHCP4_ACK, .xid = 7, .n = 1, .yiaddr = "10.0.0.5", .lease = 60};
    GByteArray *asked = dhcp_frame(&request, NULL), *answer = dhcp_frame(&ack, "10.0.0.1");
    put_tags(asked, tag_cases[i].request);
    put_tags(answer, tag_cases[i].answer);
    feed(&rig, "a", TRUE, asked, NOW);
    g_test_message("%s asked, %s answered", tag_cases[i].request, tag_cases[i].answer);
    g_assert_cmpint(feed(&rig, "a", FALSE, answer, NOW), ==, tag_cases[i].counts);
    /* the wrong answer has not used up the question */
    if (!tag_cases[i].counts && strlen(tag_cases[i].request) < 3) {
      answer = dhcp_frame(&ack, "10.0.0.1");
      put_tags(answer, tag_cases[i].request);
      g_assert_true(feed(&rig, "a", FALSE, answer, NOW));
    }
  }
}

/* Nobody's rules look at the address that an answer within a tag comes from. */
static void dhcp_server_within_a_tag_is_not_believed(void) {
  g_auto(Rig) rig;
  rig_init(&rig);
  g_autoptr(GPtrArray) servers = g_ptr_array_new();
  g_ptr_array_add(servers, (gpointer) "10.0.0.1");
  NwfLearnPort port = port_of("a", 1);
  port.method = NWF_LEARN_DHCP;
  port.dhcp_servers = servers;
  nwf_learner_add_port(rig.learner, &port, NOW);
  static const char *const tags[] = {"5", "0"};
  for (guint i = 0; i < G_N_ELEMENTS(tags); i++) {
    Dhcp request = {.type = NWF_DHCP4_REQUEST, .xid = 7, .n = 1};
    Dhcp ack = {.type = NWF_DHCP4_ACK, .xid = 7, .n = 1, .yiaddr = "10.0.0.5", .lease = 60};
    GByteArray *asked = dhcp_frame(&request, NULL), *answer = dhcp_frame(&ack, "10.0.0.1");
    put_tags(asked, tags[i]);
    put_tags(answer, tags[i]);
    feed(&rig, "a", TRUE, asked, NOW);
    g_assert_false(feed(&rig, "a", FALSE, answer, NOW));
  }
  g_assert_nonnull(strstr(rig.log->str, "an answer of the DHCP server 10.0.0.1 is ignored, it is within a VLAN tag"));
}

static void dhcp_rapid_commit(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_DHCP);
  Dhcp discover = {.type = NWF_DHCP4_DISCOVER, .xid = 7, .n = 1, .rapid = TRUE};
  Dhcp ack = {.type = NWF_DHCP4_ACK, .xid = 7, .n = 1, .yiaddr = "10.0.0.5", .lease = 60};
  feed(&rig, "a", TRUE, dhcp_frame(&discover, NULL), NOW);
  g_assert_false(feed(&rig, "a", FALSE, dhcp_frame(&ack, "10.0.0.1"), NOW));
  ack.rapid = TRUE;
  g_assert_true(feed(&rig, "a", FALSE, dhcp_frame(&ack, "10.0.0.1"), NOW));
}

static void dhcp_rogue_server(void) {
  g_auto(Rig) rig;
  rig_init(&rig);
  g_autoptr(GPtrArray) servers = g_ptr_array_new();
  g_ptr_array_add(servers, (gpointer) "10.0.0.2");
  g_ptr_array_add(servers, (gpointer) "10.0.0.1");
  NwfLearnPort port = port_of("a", 1);
  port.method = NWF_LEARN_DHCP;
  port.ipv6 = FALSE;
  port.dhcp_servers = servers;
  nwf_learner_add_port(rig.learner, &port, NOW);
  Dhcp request = {.type = NWF_DHCP4_REQUEST, .xid = 7, .n = 1, .requested = "10.0.0.5"};
  /* it may claim to be the trusted one, but not from its address */
  Dhcp ack = {.type = NWF_DHCP4_ACK, .xid = 7, .n = 1, .yiaddr = "10.0.0.5", .server_id = "10.0.0.1", .lease = 60};
  feed(&rig, "a", TRUE, dhcp_frame(&request, NULL), NOW);
  g_assert_false(feed(&rig, "a", FALSE, dhcp_frame(&ack, "10.0.0.66"), NOW));
  g_assert_cmpstr(rig.log->str, ==, "W a: an answer of the DHCP server 10.0.0.66 is ignored, it is no DHCPSERVER\n");
  g_assert_true(feed(&rig, "a", FALSE, dhcp_frame(&ack, "10.0.0.1"), NOW));
  ack.type = NWF_DHCP4_NAK;
  feed(&rig, "a", TRUE, dhcp_frame(&request, NULL), NOW);
  g_assert_false(feed(&rig, "a", FALSE, dhcp_frame(&ack, "10.0.0.66"), NOW));
  assert_known(&rig, "a", "10.0.0.5 dhcp 60");
}

static void dhcp_renew(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_DHCP);
  g_assert_true(lease(&rig, "a", 1, "10.0.0.5", 60, NOW));
  g_assert_false(lease(&rig, "a", 1, "10.0.0.5", 60, NOW + 30)); /* no other address */
  assert_known(&rig, "a", "10.0.0.5 dhcp 90");
  g_assert_null(nwf_learner_expire(rig.learner, NOW + 89));
  g_assert_false(lease(&rig, "a", 1, "10.0.0.5", 10, NOW + 31)); /* shorter than it was */
  assert_known(&rig, "a", "10.0.0.5 dhcp 41");
  g_assert_false(lease(&rig, "a", 1, "10.0.0.5", 0xffffffff, NOW + 31));
  assert_known(&rig, "a", "10.0.0.5 dhcp 0");
  g_assert_cmpint(nwf_learner_next_expiry(rig.learner), ==, 0);
  g_assert_false(lease(&rig, "a", 1, "10.0.0.5", 0xfffffffe, NOW + 31));
  g_assert_cmpint(nwf_learner_next_expiry(rig.learner), ==, (gint64)G_MAXUINT32 - 1);
}

static void dhcp_given_up(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_DHCP);
  g_assert_true(lease(&rig, "a", 1, "10.0.0.5", 60, NOW));
  g_assert_true(lease(&rig, "a", 1, "10.0.0.6", 60, NOW));
  g_assert_true(lease(&rig, "a", 1, "10.0.0.7", 60, NOW));
  g_assert_true(lease(&rig, "b", 2, "10.0.0.8", 60, NOW));
  assert_known(&rig, "a", "10.0.0.5 dhcp 60, 10.0.0.6 dhcp 60, 10.0.0.7 dhcp 60");
  Dhcp release = {.type = NWF_DHCP4_RELEASE, .xid = 1, .n = 1, .ciaddr = "10.0.0.5"};
  Dhcp others = {.type = NWF_DHCP4_RELEASE, .xid = 1, .n = 1, .ciaddr = "10.0.0.8"};
  Dhcp decline = {.type = NWF_DHCP4_DECLINE, .xid = 2, .n = 1, .requested = "10.0.0.6"};
  g_assert_false(feed(&rig, "a", FALSE, dhcp_frame(&release, NULL), NOW)); /* not from the guest */
  g_assert_false(feed(&rig, "a", TRUE, dhcp_frame(&others, NULL), NOW));
  g_assert_true(feed(&rig, "a", TRUE, dhcp_frame(&release, NULL), NOW));
  g_assert_true(feed(&rig, "a", TRUE, dhcp_frame(&decline, NULL), NOW));
  assert_known(&rig, "a", "10.0.0.7 dhcp 60");
  assert_known(&rig, "b", "10.0.0.8 dhcp 60");
}

static void dhcp_nak(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_DHCP);
  g_assert_true(lease(&rig, "a", 1, "10.0.0.5", 60, NOW));
  g_assert_true(lease(&rig, "a", 1, "10.0.0.6", 60, NOW));
  Dhcp renewing = {.type = NWF_DHCP4_REQUEST, .xid = 9, .n = 1, .ciaddr = "10.0.0.5"};
  Dhcp nak = {.type = NWF_DHCP4_NAK, .xid = 9, .n = 1, .server_id = "10.0.0.1", .lease = -1};
  g_assert_false(feed(&rig, "a", FALSE, dhcp_frame(&nak, "10.0.0.1"), NOW));
  feed(&rig, "a", TRUE, dhcp_frame(&renewing, NULL), NOW);
  g_assert_true(feed(&rig, "a", FALSE, dhcp_frame(&nak, "10.0.0.1"), NOW));
  assert_known(&rig, "a", "10.0.0.6 dhcp 60");
}

static void dhcp_full(void) {
  g_auto(Rig) rig;
  rig_init(&rig);
  NwfLearnPort port = port_of("a", 1);
  port.method = NWF_LEARN_DHCP;
  port.ipv6 = FALSE;
  port.max_addresses = 2;
  nwf_learner_add_port(rig.learner, &port, NOW);
  g_assert_true(lease(&rig, "a", 1, "10.0.0.5", 60, NOW));
  g_assert_true(lease(&rig, "a", 1, "10.0.0.6", 50, NOW));
  g_assert_false(lease(&rig, "a", 1, "10.0.0.7", 60, NOW));
  g_assert_nonnull(strstr(rig.log->str, "W a: 10.0.0.7 (dhcp) is refused: it has as many addresses as it may have"));
  g_autoptr(GPtrArray) changed = nwf_learner_expire(rig.learner, NOW + 50);
  g_assert_cmpint(changed->len, ==, 1);
  g_assert_true(lease(&rig, "a", 1, "10.0.0.7", 60, NOW + 50));
}

static void expiry_order(void) {
  g_auto(Rig) rig;
  rig_ports(&rig, NWF_LEARN_DHCP);
  lease(&rig, "a", 1, "10.0.0.5", 60, NOW);
  lease(&rig, "b", 2, "10.0.0.6", 30, NOW);
  lease(&rig, "a", 1, "10.0.0.7", 40, NOW);
  g_assert_cmpint(nwf_learner_next_expiry(rig.learner), ==, NOW + 30);
  g_assert_null(nwf_learner_expire(rig.learner, NOW + 29));
  g_autoptr(GPtrArray) first = nwf_learner_expire(rig.learner, NOW + 30);
  g_assert_cmpint(first->len, ==, 1);
  g_assert_cmpstr(g_ptr_array_index(first, 0), ==, "b");
  g_assert_cmpint(nwf_learner_next_expiry(rig.learner), ==, NOW + 40);
  g_autoptr(GPtrArray) rest = nwf_learner_expire(rig.learner, NOW + 100);
  g_assert_cmpint(rest->len, ==, 1);
  g_assert_cmpstr(g_ptr_array_index(rest, 0), ==, "a");
  assert_known(&rig, "a", "");
  g_assert_cmpint(nwf_learner_next_expiry(rig.learner), ==, 0);
  lease(&rig, "a", 1, "10.0.0.5", 60, NOW);
  nwf_learner_remove_port(rig.learner, "a", FALSE); /* a port that goes takes its times along */
  g_assert_cmpint(nwf_learner_next_expiry(rig.learner), ==, 0);
}

/* --- IPv6 --- */

static void ipv6_port(Rig *rig, NwfLearnMethod method, guint max) {
  rig_init(rig);
  NwfLearnPort port = port_of("a", 1);
  port.method = method;
  port.ipv4 = FALSE;
  port.max_addresses = max;
  nwf_learner_add_port(rig->learner, &port, NOW);
}

static void ipv6_nd(void) {
  g_auto(Rig) rig;
  ipv6_port(&rig, NWF_LEARN_ANY, 0);
  g_assert_cmpint(nwf_learner_watch(rig.learner, "a"), ==, NWF_WATCH_ND | NWF_WATCH_DHCPV6);
  assert_known(&rig, "a", LINK_LOCAL);
  g_assert_false(feed(&rig, "a", TRUE, nd_frame(1, 135, "::", "fe80::5054:ff:fe00:1"), NOW));
  g_assert_true(feed(&rig, "a", TRUE, nd_frame(1, 135, "::", "2001:db8::5"), NOW));
  g_assert_true(feed(&rig, "a", TRUE, nd_frame(1, 136, "2001:db8::6", "2001:db8::6"), NOW));
  /* who asks for a neighbour's address shows its own */
  g_assert_true(feed(&rig, "a", TRUE, nd_frame(1, 135, "2001:db8::7", "2001:db8::9"), NOW));
  g_assert_false(feed(&rig, "a", FALSE, nd_frame(1, 136, "2001:db8::8", "2001:db8::8"), NOW));
  g_assert_false(feed(&rig, "a", TRUE, nd_frame(2, 136, "2001:db8::8", "2001:db8::8"), NOW));
  g_assert_false(feed(&rig, "a", TRUE, nd_frame(1, 136, "ff02::1", "ff02::1"), NOW));
  g_assert_false(feed(&rig, "a", TRUE, nd_frame(1, 136, "::1", "::ffff:10.0.0.1"), NOW));
  assert_known(&rig, "a", LINK_LOCAL ", 2001:db8::5 nd 0, 2001:db8::6 nd 0, 2001:db8::7 nd 0");
}

static void ipv6_full(void) {
  g_auto(Rig) rig;
  ipv6_port(&rig, NWF_LEARN_ANY, 2);
  g_assert_true(feed(&rig, "a", TRUE, nd_frame(1, 135, "::", "2001:db8::1"), NOW));
  g_assert_true(feed(&rig, "a", TRUE, nd_frame(1, 135, "::", "2001:db8::2"), NOW + 1));
  g_assert_false(feed(&rig, "a", TRUE, nd_frame(1, 135, "::", "2001:db8::3"), NOW + 2));  /* too fast */
  g_assert_false(feed(&rig, "a", TRUE, nd_frame(1, 136, "::", "2001:db8::1"), NOW + 90)); /* still used */
  g_assert_true(feed(&rig, "a", TRUE, nd_frame(1, 135, "::", "2001:db8::3"), NOW + 100));
  assert_known(&rig, "a", LINK_LOCAL ", 2001:db8::1 nd 0, 2001:db8::3 nd 0");
}

static void dhcp6_leases(void) {
  g_auto(Rig) rig;
  ipv6_port(&rig, NWF_LEARN_DHCP, 0);
  g_assert_cmpint(nwf_learner_watch(rig.learner, "a"), ==, NWF_WATCH_DHCPV6);
  g_assert_false(feed(&rig, "a", TRUE, nd_frame(1, 135, "::", "2001:db8::5"), NOW));
  g_assert_true(reply6(&rig, "2001:db8::5", 128, 60, NOW));
  g_assert_true(reply6(&rig, "2001:db8:1::1", 56, 0xffffffff, NOW)); /* what lies behind the prefix is not its */
  g_assert_false(reply6(&rig, "2001:db8::5", 128, 60, NOW + 10));
  g_assert_false(reply6(&rig, "fe80::7", 128, 60, NOW));
  g_assert_false(reply6(&rig, "2001::", 16, 60, NOW));
  assert_known(&rig, "a", LINK_LOCAL ", 2001:db8::5 dhcpv6 70, 2001:db8:1::/56 dhcpv6 0");
  g_assert_true(reply6(&rig, "2001:db8::5", 128, 0, NOW)); /* withdrawn */
  assert_known(&rig, "a", LINK_LOCAL ", 2001:db8:1::/56 dhcpv6 0");
  g_autoptr(GByteArray) release = dhcp6_message(NWF_DHCP6_RELEASE, 5, "duid");
  append_ia(release, "2001:db8:1::", 56, 60, 0);
  g_assert_true(feed(&rig, "a", TRUE, udp6_frame(1, "fe80::5054:ff:fe00:1", 546, 547, release), NOW));
  assert_known(&rig, "a", LINK_LOCAL);
}

static void dhcp6_answer_must_fit(void) {
  g_auto(Rig) rig;
  ipv6_port(&rig, NWF_LEARN_DHCP, 0);
  static const struct {
    guint8 type;
    guint32 xid;
    const char *duid;
    guint16 to;
    gboolean from_guest, good;
  } cases[] = {{NWF_DHCP6_REPLY, 8, "duid", 546, FALSE, FALSE},
               {NWF_DHCP6_REPLY, 7, "other", 546, FALSE, FALSE},
               {NWF_DHCP6_REPLY, 7, NULL, 546, FALSE, FALSE},
               {2, 7, "duid", 546, FALSE, FALSE},
               {NWF_DHCP6_REPLY, 7, "duid", 547, FALSE, FALSE},
               {NWF_DHCP6_REPLY, 7, "duid", 546, TRUE, FALSE},
               {13, 7, "duid", 546, FALSE, FALSE},
               {NWF_DHCP6_REPLY, 7, "duid", 546, FALSE, TRUE},
               {NWF_DHCP6_REPLY, 7, "duid", 546, FALSE, FALSE}}; /* the second answer to one question */
  g_autoptr(GByteArray) request = dhcp6_message(NWF_DHCP6_REQUEST, 7, "duid");
  feed(&rig, "a", TRUE, udp6_frame(1, "fe80::5054:ff:fe00:1", 546, 547, request), NOW);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GByteArray) reply = dhcp6_message(cases[i].type, cases[i].xid, cases[i].duid);
    append_ia(reply, "2001:db8::5", 128, 60, 0);
    g_test_message("case %u", i);
    g_assert_cmpint(feed(&rig, "a", cases[i].from_guest,
                         udp6_frame(cases[i].from_guest ? 1 : 0, "fe80::1", 547, cases[i].to, reply), NOW),
                    ==, cases[i].good);
  }
}

static void dhcp6_answer_in_its_requests_tag(void) {
  for (guint i = 0; i < G_N_ELEMENTS(tag_cases); i++) {
    g_auto(Rig) rig;
    ipv6_port(&rig, NWF_LEARN_DHCP, 0);
    g_autoptr(GByteArray) request = dhcp6_message(NWF_DHCP6_REQUEST, 7, "duid");
    g_autoptr(GByteArray) reply = dhcp6_message(NWF_DHCP6_REPLY, 7, "duid");
    append_ia(reply, "2001:db8::5", 128, 60, 0);
    GByteArray *asked = udp6_frame(1, "fe80::5054:ff:fe00:1", 546, 547, request),
               *answer = udp6_frame(0, "fe80::1", 547, 546, reply);
    put_tags(asked, tag_cases[i].request);
    put_tags(answer, tag_cases[i].answer);
    feed(&rig, "a", TRUE, asked, NOW);
    g_assert_cmpint(feed(&rig, "a", FALSE, answer, NOW), ==, tag_cases[i].counts);
  }
}

static void dhcp6_rogue_server(void) {
  g_auto(Rig) rig;
  rig_init(&rig);
  g_autoptr(GPtrArray) servers = g_ptr_array_new();
  g_ptr_array_add(servers, (gpointer) "fe80::2");
  NwfLearnPort port = port_of("a", 1);
  port.ipv4 = FALSE;
  port.dhcpv6_servers = servers;
  nwf_learner_add_port(rig.learner, &port, NOW);
  g_assert_false(reply6(&rig, "2001:db8::5", 128, 60, NOW));
  g_assert_nonnull(strstr(rig.log->str, "an answer of the DHCPv6 server fe80::1 is ignored"));
}

static void cut_everywhere(void) {
  g_auto(Rig) rig;
  Dhcp ack = {.type = NWF_DHCP4_ACK, .xid = 7, .n = 1, .yiaddr = "10.0.0.5", .lease = 60};
  g_autoptr(GByteArray) reply = dhcp6_message(NWF_DHCP6_REPLY, 7, "duid");
  append_ia(reply, "2001:db8::5", 128, 60, 0);
  g_autoptr(GPtrArray) frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
  g_ptr_array_add(frames, arp_frame(1, 1, "10.0.0.5", "10.0.0.1"));
  g_ptr_array_add(frames, dhcp_frame(&ack, "10.0.0.1"));
  g_ptr_array_add(frames, nd_frame(1, 135, "::", "2001:db8::5"));
  g_ptr_array_add(frames, udp6_frame(0, "fe80::1", 547, 546, reply));
  rig_init(&rig);
  for (guint i = 0; i < 2 * frames->len; i++) {
    const GByteArray *frame = g_ptr_array_index(frames, i / 2);
    NwfLearnPort port = port_of("a", 1);
    nwf_learner_add_port(rig.learner, &port, NOW);
    for (guint length = 0; length < frame->len; length++) {
      GByteArray *cut = g_byte_array_new();
      g_byte_array_append(cut, frame->data, length);
      feed(&rig, "a", i % 2, cut, NOW);
    }
    nwf_learner_remove_port(rig.learner, "a", TRUE);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/learn/any-first-arp-sender", any_first_arp);
  g_test_add_func("/learn/any-first-ipv4-source", any_first_ipv4);
  g_test_add_func("/learn/any-tagged-frame-teaches-nothing", any_tagged);
  g_test_add_func("/learn/any-first-of-two-guests-keeps-address", any_two_guests_one_address);
  g_test_add_func("/learn/any-dhcp-address-has-its-time", any_ack);
  g_test_add_func("/learn/any-ended-lease-does-not-open-the-port", any_ended_lease_does_not_open);
  g_test_add_func("/learn/any-lease-that-ended-while-nobody-looked", any_lease_that_ended_meanwhile);
  g_test_add_func("/learn/any-old-lease-makes-way-for-what-is-seen", any_old_lease_makes_way_for_what_is_seen);
  g_test_add_func("/learn/any-old-lease-that-is-used-holds", any_old_lease_that_is_used_holds);
  g_test_add_func("/learn/any-old-lease-that-is-renewed-holds", any_old_lease_that_is_renewed_holds);
  g_test_add_func("/learn/any-old-lease-that-ends-was-none", any_old_lease_that_ends_was_none);
  g_test_add_func("/learn/any-static-address-and-dhcp", any_static_address_and_dhcp);
  g_test_add_func("/learn/dhcp-learns-from-dhcp-only", dhcp_only_dhcp);
  g_test_add_func("/learn/dhcp-answer-must-fit-question", dhcp_answer_must_fit);
  g_test_add_func("/learn/dhcp-request-must-be-the-guests", dhcp_request_must_be_the_guests);
  g_test_add_func("/learn/dhcp-answer-in-its-requests-tag", dhcp_answer_in_its_requests_tag);
  g_test_add_func("/learn/dhcp-server-within-a-tag-is-not-believed", dhcp_server_within_a_tag_is_not_believed);
  g_test_add_func("/learn/dhcp-rapid-commit", dhcp_rapid_commit);
  g_test_add_func("/learn/dhcp-rogue-server-is-not-believed", dhcp_rogue_server);
  g_test_add_func("/learn/dhcp-renewal", dhcp_renew);
  g_test_add_func("/learn/dhcp-release-and-decline", dhcp_given_up);
  g_test_add_func("/learn/dhcp-nak-ends-lease", dhcp_nak);
  g_test_add_func("/learn/dhcp-lease-beyond-bound-is-refused", dhcp_full);
  g_test_add_func("/learn/expiry-in-order", expiry_order);
  g_test_add_func("/learn/ipv6-neighbour-discovery", ipv6_nd);
  g_test_add_func("/learn/ipv6-oldest-makes-way", ipv6_full);
  g_test_add_func("/learn/dhcpv6-addresses-and-prefixes", dhcp6_leases);
  g_test_add_func("/learn/dhcpv6-answer-must-fit-question", dhcp6_answer_must_fit);
  g_test_add_func("/learn/dhcpv6-answer-in-its-requests-tag", dhcp6_answer_in_its_requests_tag);
  g_test_add_func("/learn/dhcpv6-rogue-server-is-not-believed", dhcp6_rogue_server);
  g_test_add_func("/learn/frames-cut-at-every-length", cut_everywhere);
  return g_test_run();
}
