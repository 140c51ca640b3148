// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Addresses learned from real frames: what a port may send before and after, and what is known after a restart.
 */
#include "engine-help.h"
#include "lab.h"
#include "teaching-frames.h"

#include <string.h>

static const guint8 mac0[6] = {0x52, 0x54, 0, 0, 0, 1}, mac1[6] = {0x52, 0x54, 0, 0, 0, 2},
                    mac2[6] = {0x52, 0x54, 0, 0, 0, 3};
static const guint8 *const macs[] = {mac0, mac1, mac2};
static const char *const names[] = {"tap0", "tap1", "tap2"};

#define IPV6_FILTER                                                                                                    \
  "<filter name='clean-ipv6'><uuid>11111111-2222-4333-8444-555555555503</uuid>"                                        \
  "<rule action='accept' direction='out'><ipv6 srcipaddr='$IPV6'/></rule>"                                             \
  "<rule action='accept' direction='in'><ipv6/></rule>"                                                                \
  "<rule action='drop' direction='inout' priority='1000'/></filter>"

typedef struct {
  Bench *bench;
  Lab *lab;
} Fixture;

static void start(Fixture *fixture, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  fixture->bench = bench_new();
  fixture->lab = lab_new_here(names, G_N_ELEMENTS(names), &error);
  g_assert_no_error(error);
  bench_stock_filters(fixture->bench);
  bench_start(fixture->bench);
}

static void stop(Fixture *fixture, gconstpointer data) {
  lab_free(fixture->lab);
  bench_free(fixture->bench);
}

static void bind_tap(Fixture *fixture, guint tap, const char *filter, const char *parameters) {
  g_autoptr(GError) error = NULL;
  bench_bind_mac(fixture->bench, names[tap], macs[tap], filter, parameters, &error);
  g_assert_no_error(error);
}

static gboolean passes(Fixture *fixture, guint from, Frame frame) {
  g_autoptr(GError) error = NULL;
  gboolean arrived[4] = {0};
  lab_send(fixture->lab, from, frame.bytes, frame.length, arrived, &error);
  g_assert_no_error(error);
  for (guint i = 0; i < G_N_ELEMENTS(arrived); i++)
    if (i != from && arrived[i])
      return TRUE;
  return FALSE;
}

static void send(Fixture *fixture, guint from, Frame frame) {
  g_autoptr(GError) error = NULL;
  lab_send_blind(fixture->lab, from, frame.bytes, frame.length, &error);
  g_assert_no_error(error);
}

static Frame udp_from(guint tap, const char *address) {
  return frame_udp(macs[tap], macs[(tap + 1) % 3], address, "10.0.0.99");
}

static void assert_filter_begins(const char *port, const char *start) {
  g_autofree char *filter = bench_filter_of(port);
  if (!filter || !g_str_has_prefix(filter, start))
    g_error("port %s has the filter '%s', not '%s'", port, filter ? filter : "(none)", start);
}

static void await_address(Fixture *fixture, guint tap, const char *address) {
  g_autofree char *filter = NULL;
  const guint8 *mac = macs[tap];
  filter = g_strdup_printf("clean-traffic MAC=%02x:%02x:%02x:%02x:%02x:%02x %sIP=%s", mac[0], mac[1], mac[2], mac[3],
                           mac[4], mac[5], fixture->bench->parameters_before_ip, address);
  bench_await_filter(fixture->bench, names[tap], filter);
}

#define DHCP_ONLY "<parameter name='CTRL_IP_LEARNING' value='dhcp'/>"

static void test_any_by_arp(Fixture *fixture, gconstpointer data) {
  bind_tap(fixture, 0, "clean-traffic", NULL);
  assert_filter_begins("tap0", "learning-any");
  g_assert_false(passes(fixture, 0, frame_udp6(mac0, mac1, "fe80::1", "fe80::2")));
  g_assert_false(passes(fixture, 0, frame_arp(mac1, "10.0.0.1"))); /* of another's MAC; teaches nothing */
  g_assert_false(passes(fixture, 0, frame_arp(mac0, "10.0.0.1"))); /* teaches, and is lost */
  await_address(fixture, 0, "10.0.0.1");
  g_assert_true(passes(fixture, 0, frame_arp(mac0, "10.0.0.1")));
  g_assert_true(passes(fixture, 0, udp_from(0, "10.0.0.1")));
  g_assert_false(passes(fixture, 0, udp_from(0, "10.0.0.2")));
  g_assert_false(passes(fixture, 0, frame_arp(mac0, "10.0.0.2")));
}

static void test_any_by_ipv4(Fixture *fixture, gconstpointer data) {
  bind_tap(fixture, 0, "clean-traffic", NULL);
  send(fixture, 0, udp_from(0, "0.0.0.0"));
  send(fixture, 0, udp_from(0, "224.0.0.1"));
  send(fixture, 0, udp_from(0, "10.0.0.7"));
  await_address(fixture, 0, "10.0.0.7");
}

static void test_learned_survives_restart(Fixture *fixture, gconstpointer data) {
  bind_tap(fixture, 0, "clean-traffic", NULL);
  send(fixture, 0, frame_arp(mac0, "10.0.0.1"));
  await_address(fixture, 0, "10.0.0.1");
  g_autofree char *before = bench_table();
  bench_stop(fixture->bench);
  bench_start(fixture->bench);
  g_autofree char *after = bench_table();
  g_assert_true(g_str_equal(before, after));
}

static void test_unbound_is_forgotten(Fixture *fixture, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  bind_tap(fixture, 0, "clean-traffic", NULL);
  send(fixture, 0, frame_arp(mac0, "10.0.0.1"));
  await_address(fixture, 0, "10.0.0.1");
  g_assert_true(nwf_engine_unbind(fixture->bench->engine, "tap0", &error));
  bind_tap(fixture, 0, "clean-traffic", NULL);
  assert_filter_begins("tap0", "learning-any");
}

static void test_first_claim_holds(Fixture *fixture, gconstpointer data) {
  bind_tap(fixture, 0, "clean-traffic", NULL);
  bind_tap(fixture, 1, "clean-traffic", NULL);
  send(fixture, 0, frame_arp(mac0, "10.0.0.1"));
  await_address(fixture, 0, "10.0.0.1");
  send(fixture, 1, frame_arp(mac1, "10.0.0.1"));
  bench_await(fixture->bench, "10.0.0.1");
  send(fixture, 1, frame_arp(mac1, "10.0.0.2"));
  await_address(fixture, 1, "10.0.0.2");
}

/* A guest that uses what another has is not let out with it, however often it claims it: also when there are more
 * frames than are copied, and when nobody reads the copies. */
static void test_refused_claims_pass_nothing(Fixture *fixture, gconstpointer data) {
  bind_tap(fixture, 0, "clean-traffic", NULL);
  bind_tap(fixture, 1, "clean-traffic", NULL);
  send(fixture, 0, frame_arp(mac0, "10.0.0.1"));
  await_address(fixture, 0, "10.0.0.1");
  guint passed = 0;
  for (guint i = 0; i < 300; i++) {
    if (i == 200)
      bench_stop(fixture->bench);
    passed += passes(fixture, 1, frame_arp(mac1, "10.0.0.1"));
    passed += passes(fixture, 1, udp_from(1, "10.0.0.1"));
  }
  g_assert_cmpuint(passed, ==, 0);
  bench_start(fixture->bench);
  /* its flood has used up what is copied of it, so its own address has to wait */
  while (!passes(fixture, 1, udp_from(1, "10.0.0.2")))
    send(fixture, 1, frame_arp(mac1, "10.0.0.2"));
  g_assert_false(passes(fixture, 1, udp_from(1, "10.0.0.1")));
}

/* What names no address passes: a client that asks a DHCP server, and who asks whether an address is free. */
static void test_any_before_an_address(Fixture *fixture, gconstpointer data) {
  bind_tap(fixture, 0, "clean-traffic", NULL);
  Dhcp discover = {.type = DHCP_DISCOVER, .xid = 1}, renewal = {.type = DHCP_REQUEST, .xid = 2, .ciaddr = "0.0.0.0"};
  memcpy(discover.guest, mac0, 6);
  memcpy(renewal.guest, mac1, 6);
  g_assert_true(passes(fixture, 0, frame_dhcp(&discover)));
  g_assert_false(passes(fixture, 0, frame_dhcp(&renewal))); /* of another's MAC */
  g_assert_true(passes(fixture, 0, frame_arp_probe(mac0, "10.0.0.1")));
  g_assert_false(passes(fixture, 0, frame_arp_probe(mac1, "10.0.0.1")));
  g_assert_false(passes(fixture, 0, udp_from(0, "0.0.0.0")));
  g_assert_false(passes(fixture, 0, udp_from(0, "224.0.0.1")));
  assert_filter_begins("tap0", "learning-any");
}

/* What a binding gives is nobody else's: neither learned afterwards, nor kept by who learned it before. */
static void test_given_is_not_learned(Fixture *fixture, gconstpointer data) {
  bind_tap(fixture, 0, "clean-traffic", NULL);
  send(fixture, 0, frame_arp(mac0, "10.0.0.1"));
  await_address(fixture, 0, "10.0.0.1");
  bind_tap(fixture, 1, "clean-traffic", "<parameter name='IP' value='10.0.0.1'/>");
  bench_await(fixture->bench, "tap0: 10.0.0.1 is taken away: tap1 has it");
  bench_await_filter(fixture->bench, "tap0", "learning-any");
  for (guint i = 0; i < 100; i++)
    g_assert_false(passes(fixture, 0, udp_from(0, "10.0.0.1")));
  g_assert_true(passes(fixture, 1, udp_from(1, "10.0.0.1")));
  bind_tap(fixture, 2, "clean-traffic", NULL);
  send(fixture, 2, frame_arp(mac2, "10.0.0.1"));
  bench_await(fixture->bench, "tap2: 10.0.0.1 (arp) is refused: tap1 has it");
  /* until the binding goes */
  g_autoptr(GError) error = NULL;
  g_assert_true(nwf_engine_unbind(fixture->bench->engine, "tap1", &error));
  send(fixture, 2, frame_arp(mac2, "10.0.0.1"));
  await_address(fixture, 2, "10.0.0.1");
}

static Dhcp request_of(guint tap, const char *address) {
  Dhcp dhcp = {.type = DHCP_REQUEST, .xid = 0x1234 + tap, .requested = address, .server = "10.0.0.254"};
  memcpy(dhcp.guest, macs[tap], 6);
  return dhcp;
}

static Dhcp ack_to(guint tap, const char *address, guint32 lease, const char *server) {
  Dhcp dhcp = {.to_guest = TRUE,
               .type = DHCP_ACK,
               .xid = 0x1234 + tap,
               .yiaddr = address,
               .server = server,
               .lease = lease,
               .broadcast = TRUE};
  memcpy(dhcp.guest, macs[tap], 6);
  return dhcp;
}

static void test_dhcp(Fixture *fixture, gconstpointer data) {
  fixture->bench->parameters_before_ip = "CTRL_IP_LEARNING=dhcp ";
  bind_tap(fixture, 0, "clean-traffic", DHCP_ONLY);
  assert_filter_begins("tap0", "learning-dhcp");
  g_assert_false(passes(fixture, 0, frame_arp(mac0, "10.0.0.5")));
  g_assert_false(passes(fixture, 0, udp_from(0, "10.0.0.5")));
  Dhcp request = request_of(0, "10.0.0.5"), ack = ack_to(0, "10.0.0.5", 2, "10.0.0.254");
  g_assert_true(passes(fixture, 0, frame_dhcp(&request)));
  g_assert_true(passes(fixture, 1, frame_dhcp(&ack)));
  await_address(fixture, 0, "10.0.0.5");
  g_assert_true(passes(fixture, 0, udp_from(0, "10.0.0.5")));
  g_assert_false(passes(fixture, 0, udp_from(0, "10.0.0.6")));
  /* the lease ends */
  bench_await_filter(fixture->bench, "tap0", "learning-dhcp");
  g_assert_false(passes(fixture, 0, udp_from(0, "10.0.0.5")));
}

/* A guest that was started anew, with an address of its own where it had a lease. */
static void test_static_after_lease(Fixture *fixture, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  bind_tap(fixture, 0, "clean-traffic", NULL);
  Dhcp request = request_of(0, "10.0.0.5"), ack = ack_to(0, "10.0.0.5", 600, "10.0.0.254");
  send(fixture, 0, frame_dhcp(&request));
  send(fixture, 1, frame_dhcp(&ack));
  await_address(fixture, 0, "10.0.0.5");
  send(fixture, 0, frame_arp(mac0, "10.0.0.7"));
  g_assert_true(nwf_engine_unbind(fixture->bench->engine, "tap0", &error));
  bind_tap(fixture, 0, "clean-traffic", NULL);
  await_address(fixture, 0, "10.0.0.5");
  g_assert_false(passes(fixture, 0, udp_from(0, "10.0.0.7"))); /* teaches, and is lost */
  await_address(fixture, 0, "10.0.0.7");
  g_assert_true(passes(fixture, 0, udp_from(0, "10.0.0.7")));
  g_assert_false(passes(fixture, 0, udp_from(0, "10.0.0.5")));
}

static void test_rogue_server(Fixture *fixture, gconstpointer data) {
  fixture->bench->parameters_before_ip = "CTRL_IP_LEARNING=dhcp DHCPSERVER=10.0.0.254 ";
  bind_tap(fixture, 0, "clean-traffic", DHCP_ONLY "<parameter name='DHCPSERVER' value='10.0.0.254'/>");
  Dhcp request = request_of(0, "10.0.0.5"), rogue = ack_to(0, "10.0.0.66", 60, "10.0.0.253"),
       ack = ack_to(0, "10.0.0.5", 60, "10.0.0.254");
  send(fixture, 0, frame_dhcp(&request));
  send(fixture, 1, frame_dhcp(&rogue));
  send(fixture, 1, frame_dhcp(&ack));
  await_address(fixture, 0, "10.0.0.5");
}

#define TRUSTED DHCP_ONLY "<parameter name='DHCPSERVER' value='10.0.0.254'/>"
#define TRUNK_FILTER                                                                                                   \
  "<filter name='trunk'><uuid>11111111-2222-4333-8444-555555555506</uuid><filterref filter='clean-traffic'/>"          \
  "<rule action='accept' direction='inout' priority='-900'><vlan/></rule></filter>"

/* Within a tag nobody's rules look at addresses, so anybody can be the server there. */
static void test_tagged_answer(Fixture *fixture, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_assert_true(bench_define(fixture->bench, TRUNK_FILTER, &error));
  static const char *const filters[] = {"clean-traffic", "trunk"};
  for (guint i = 0; i < G_N_ELEMENTS(filters); i++) {
    bind_tap(fixture, i, filters[i], TRUSTED);
    Dhcp request = request_of(i, "10.0.0.5"), answer = ack_to(i, "10.0.0.66", 60, "10.0.0.254"),
         ack = ack_to(i, "10.0.0.5", 60, "10.0.0.254");
    ack.yiaddr = request.requested = i ? "10.0.0.6" : "10.0.0.5";
    for (guint round = 0; round < 2; round++) { /* closed first, then with the filter's own rules */
      request.xid = answer.xid = ack.xid = 100 * i + round;
      send(fixture, i, frame_dhcp(&request));
      send(fixture, 2, frame_tagged(frame_dhcp(&answer), 5));
      send(fixture, 2, frame_tagged(frame_dhcp(&answer), 0));
      send(fixture, 2, frame_dhcp(&ack));
      bench_await(fixture->bench, round ? "renewed until" : "filter ");
      g_assert_true(passes(fixture, i, udp_from(i, ack.yiaddr)));
      g_assert_false(passes(fixture, i, udp_from(i, "10.0.0.66")));
    }
  }
}

#define CHOOSY_FILTER                                                                                                  \
  "<filter name='choosy'><uuid>11111111-2222-4333-8444-555555555507</uuid>"                                            \
  "<rule action='drop' direction='in' priority='-900'><ip srcipaddr='10.0.0.253'/></rule>"                             \
  "<rule action='drop' direction='out' priority='-900'><udp dstipaddr='10.0.0.253'/></rule>"                           \
  "<filterref filter='clean-traffic'/></filter>"

/* What the port's filter drops was neither asked nor answered. */
static void test_dropped_dhcp(Fixture *fixture, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_assert_true(bench_define(fixture->bench, CHOOSY_FILTER, &error));
  bind_tap(fixture, 0, "choosy", DHCP_ONLY);
  Dhcp request = request_of(0, "10.0.0.5"), ack = ack_to(0, "10.0.0.5", 60, "10.0.0.254");
  send(fixture, 0, frame_dhcp(&request));
  send(fixture, 1, frame_dhcp(&ack));
  bench_await_filter(fixture->bench, "tap0", "choosy ");
  /* an answer that is not let in */
  Dhcp dropped = ack_to(0, "10.0.0.66", 60, "10.0.0.253");
  request.xid = dropped.xid = ack.xid = 1;
  g_assert_true(passes(fixture, 0, frame_dhcp(&request)));
  send(fixture, 1, frame_dhcp(&dropped));
  send(fixture, 1, frame_dhcp(&ack));
  bench_await(fixture->bench, "10.0.0.5 renewed until");
  g_assert_false(passes(fixture, 0, udp_from(0, "10.0.0.66")));
  /* a request that is not let out, by the second stage, and one that is */
  request.xid = dropped.xid = 2;
  dropped.server = "10.0.0.254";
  Frame lost = frame_dhcp(&request);
  frame_set_destination(&lost, "10.0.0.253");
  g_assert_false(passes(fixture, 0, lost));
  send(fixture, 1, frame_dhcp(&dropped));
  request.xid = ack.xid = 3;
  send(fixture, 0, frame_dhcp(&request));
  send(fixture, 1, frame_dhcp(&ack));
  bench_await(fixture->bench, "10.0.0.5 renewed until");
  g_assert_false(passes(fixture, 0, udp_from(0, "10.0.0.66")));
}

static void test_release(Fixture *fixture, gconstpointer data) {
  fixture->bench->parameters_before_ip = "CTRL_IP_LEARNING=dhcp ";
  bind_tap(fixture, 0, "clean-traffic", DHCP_ONLY);
  Dhcp request = request_of(0, "10.0.0.5"), ack = ack_to(0, "10.0.0.5", 600, "10.0.0.254"), release = request;
  send(fixture, 0, frame_dhcp(&request));
  send(fixture, 1, frame_dhcp(&ack));
  await_address(fixture, 0, "10.0.0.5");
  release.type = DHCP_RELEASE;
  release.requested = NULL;
  release.ciaddr = "10.0.0.5";
  send(fixture, 0, frame_dhcp(&release));
  bench_await_filter(fixture->bench, "tap0", "learning-dhcp");
}

static void test_ipv6(Fixture *fixture, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_assert_true(bench_define(fixture->bench, IPV6_FILTER, &error));
  bind_tap(fixture, 0, "clean-ipv6", NULL);
  assert_filter_begins("tap0", "clean-ipv6 MAC=52:54:00:00:00:01 IPV6=fe80::5054:ff:fe00:1");
  g_assert_true(passes(fixture, 0, frame_udp6(mac0, mac1, "fe80::5054:ff:fe00:1", "fe80::2")));
  g_assert_false(passes(fixture, 0, frame_udp6(mac0, mac1, "2001:db8::5", "fe80::2")));
  send(fixture, 0, frame_dad(mac0, "2001:db8::5"));
  bench_await_filter(fixture->bench, "tap0", "clean-ipv6 MAC=52:54:00:00:00:01 IPV6=fe80::5054:ff:fe00:1,2001:db8::5");
  g_assert_true(passes(fixture, 0, frame_udp6(mac0, mac1, "2001:db8::5", "fe80::2")));
  g_assert_false(passes(fixture, 0, frame_udp6(mac0, mac1, "2001:db8::6", "fe80::2")));
}

#define BOTH_FILTER                                                                                                    \
  "<filter name='both'><uuid>11111111-2222-4333-8444-555555555504</uuid>"                                              \
  "<rule action='drop' direction='out' priority='-700'><mac match='no' srcmacaddr='$MAC'/></rule>"                     \
  "<rule action='accept' direction='out'><ip srcipaddr='$IP'/></rule>"                                                 \
  "<rule action='accept' direction='out'><ipv6 srcipaddr='$IPV6'/></rule>"                                             \
  "<rule action='drop' direction='out' priority='1000'/></filter>"

/* A guest of one family has its rules; nothing of the other passes but what teaches it an address. */
static void test_ipv6_beside_dhcp(Fixture *fixture, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_assert_true(bench_define(fixture->bench, BOTH_FILTER, &error));
  bind_tap(fixture, 0, "both", DHCP_ONLY);
  assert_filter_begins("tap0", "both ");
  g_assert_true(passes(fixture, 0, frame_dhcp6(mac0, "fe80::5054:ff:fe00:1")));
  g_assert_false(passes(fixture, 0, frame_dhcp6(mac1, "fe80::5054:ff:fe00:1")));
  g_assert_false(passes(fixture, 0, frame_dhcp6(mac0, "fe80::1")));
  g_assert_true(passes(fixture, 0, frame_udp6(mac0, mac1, "fe80::5054:ff:fe00:1", "fe80::2")));
  g_assert_false(passes(fixture, 0, udp_from(0, "10.0.0.5")));
  g_assert_false(passes(fixture, 0, frame_arp(mac0, "10.0.0.5")));
  g_assert_false(passes(fixture, 0, frame_arp_probe(mac0, "10.0.0.5")));
  Dhcp request = request_of(0, "10.0.0.5"), ack = ack_to(0, "10.0.0.5", 600, "10.0.0.254");
  g_assert_true(passes(fixture, 0, frame_dhcp(&request)));
  g_assert_true(passes(fixture, 1, frame_dhcp(&ack)));
  bench_await(fixture->bench, "filter both with 1 IPv4");
  g_assert_true(passes(fixture, 0, udp_from(0, "10.0.0.5")));
  g_assert_false(passes(fixture, 0, udp_from(0, "10.0.0.6")));
  g_assert_true(passes(fixture, 0, frame_udp6(mac0, mac1, "fe80::5054:ff:fe00:1", "fe80::2")));
}

/* A rule that is left out opens what it would have dropped. */
#define NEGATIVE_FILTER                                                                                                \
  "<filter name='negative'><uuid>11111111-2222-4333-8444-555555555508</uuid>"                                          \
  "<rule action='drop' direction='out'><ip match='no' srcipaddr='$IP'/></rule>"                                        \
  "<rule action='drop' direction='out'><arp match='no' arpsrcipaddr='$IP'/></rule>"                                    \
  "<rule action='drop' direction='out'><rarp match='no' arpsrcipaddr='$IP'/></rule>"                                   \
  "<rule action='drop' direction='out'><ipv6 match='no' srcipaddr='$IPV6'/></rule>"                                    \
  "<rule action='drop' direction='out'><all match='no' srcipaddr='$IP'/></rule>"                                       \
  "<rule action='accept' direction='out' priority='-1000'><vlan vlanid='7'/></rule></filter>"

static void assert_ipv4_is_closed(Fixture *fixture) {
  const Frame packet = udp_from(0, "10.0.0.5"), arp = frame_arp(mac0, "10.0.0.5");
  Frame rarp = arp;
  rarp.bytes[13] = 0x35;
  rarp.bytes[12] = 0x80;
  Frame qinq = frame_tagged(packet, 5);
  qinq.bytes[12] = 0x88;
  qinq.bytes[13] = 0xa8;
  const Frame closed[] = {packet,
                          arp,
                          rarp,
                          frame_tagged(packet, 5),
                          frame_tagged(packet, 7), /* also what the filter would let pass before all else */
                          frame_tagged(arp, 5),
                          frame_tagged(rarp, 5),
                          frame_tagged(frame_tagged(packet, 5), 5),
                          qinq};
  for (guint i = 0; i < G_N_ELEMENTS(closed); i++) {
    if (passes(fixture, 0, closed[i]))
      g_error("frame %u passes", i);
  }
}

static void test_one_family_is_closed(Fixture *fixture, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_assert_true(bench_define(fixture->bench, NEGATIVE_FILTER, &error));
  static const char *const methods[] = {NULL, DHCP_ONLY};
  Frame ipv6 = frame_udp6(mac0, mac1, "fe80::5054:ff:fe00:1", "fe80::2"),
        spoofed = frame_udp6(mac0, mac1, "fe80::1", "fe80::2");
  for (guint i = 0; i < G_N_ELEMENTS(methods); i++) {
    bind_tap(fixture, 0, "negative", methods[i]);
    g_assert_true(passes(fixture, 0, ipv6));
    g_assert_false(passes(fixture, 0, spoofed));
    g_assert_true(passes(fixture, 0, frame_tagged(ipv6, 5)));
    assert_ipv4_is_closed(fixture);
    gboolean arrived[4] = {0};
    Frame to_guest = frame_udp(mac1, mac0, "10.0.0.9", "10.0.0.5");
    lab_send(fixture->lab, 1, to_guest.bytes, to_guest.length, arrived, &error);
    g_assert_no_error(error);
    g_assert_false(arrived[0]);
    if (methods[i]) {
      Dhcp request = request_of(0, "10.0.0.5"), ack = ack_to(0, "10.0.0.5", 600, "10.0.0.254");
      g_assert_true(passes(fixture, 0, frame_dhcp(&request)));
      send(fixture, 1, frame_dhcp(&ack));
    } else {
      g_assert_true(passes(fixture, 0, frame_arp_probe(mac0, "10.0.0.5")));
      send(fixture, 0, frame_arp(mac0, "10.0.0.5"));
    }
    bench_await(fixture->bench, "filter negative with 1 IPv4");
    g_assert_true(passes(fixture, 0, udp_from(0, "10.0.0.5")));
    g_assert_false(passes(fixture, 0, udp_from(0, "10.0.0.6")));
    g_assert_true(nwf_engine_unbind(fixture->bench->engine, "tap0", &error));
  }
}

#define ADD(name, function) g_test_add("/learning/" name, Fixture, NULL, start, function, stop)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD("an-arp-teaches-the-address", test_any_by_arp);
  ADD("an-ipv4-packet-teaches-the-address", test_any_by_ipv4);
  ADD("what-was-learned-survives-a-restart", test_learned_survives_restart);
  ADD("what-was-unbound-is-forgotten", test_unbound_is_forgotten);
  ADD("the-first-who-claims-an-address-keeps-it", test_first_claim_holds);
  ADD("refused-claims-pass-nothing", test_refused_claims_pass_nothing);
  ADD("what-is-given-is-not-learned", test_given_is_not_learned);
  ADD("what-names-no-address-passes-before-one-is-known", test_any_before_an_address);
  ADD("a-lease-opens-and-its-end-closes", test_dhcp);
  ADD("a-lease-of-before-makes-way-for-what-is-used", test_static_after_lease);
  ADD("a-rogue-server-is-not-believed", test_rogue_server);
  ADD("a-tagged-answer-to-an-untagged-request-is-not-believed", test_tagged_answer);
  ADD("dhcp-that-the-filter-drops-does-not-count", test_dropped_dhcp);
  ADD("a-release-closes", test_release);
  ADD("ipv6-is-learned-from-duplicate-address-detection", test_ipv6);
  ADD("dhcpv6-does-not-wait-for-an-ipv4-lease", test_ipv6_beside_dhcp);
  ADD("a-family-without-an-address-is-closed", test_one_family_is_closed);
  return g_test_run();
}
