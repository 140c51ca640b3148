// SPDX-License-Identifier: LGPL-2.1-or-later
/* Frames of a port that are copied to user space, so that addresses can be learned: rules before those of the port's
 * filter, in a chain of the port's own, as each port has limits of its own.
 *
 * ARP, IPv4 and Neighbour Discovery show an address that the filter does not know yet: they are copied whatever it
 * decides. Of DHCP only what the filter lets pass counts, since what it drops was neither asked nor answered: such
 * frames go through a list of the port's own that is the filter's, but for a copy where it accepts. */
#include "compile/internal.h"

#include <arpa/inet.h>
#include <string.h>

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_IPV6 0x86dd

#define UDP 17
#define ICMPV6 58
#define ND_SOLICITATION 135 /* RFC 4861, 4.3 and 4.4 */
#define ND_ADVERTISEMENT 136
/* UDP source and destination port in one: DHCP (RFC 2131, 4.1), DHCPv6 (RFC 8415, 7.2) */
#define DHCP_TO_SERVER (68u << 16 | 67u)
#define DHCP_TO_CLIENT (67u << 16 | 68u)
#define DHCPV6_TO_SERVER (546u << 16 | 547u)
#define DHCPV6_TO_CLIENT (547u << 16 | 546u)
#define UDP_HEADER 8
#define DHCP_CHADDR 28 /* RFC 2131, 2 */
#define VLAN_IP 18     /* where a tagged frame's IP header begins: RFC 894 and 4 bytes of IEEE 802.1Q */
#define IPV4_HEADER 20 /* without options (RFC 791) */

/* Bytes that are copied; room for the Ethernet header and a tag, whether or not the kernel counts these. Of ARP and
 * IPv4 packets what holds the addresses, of ND an option with the link-layer address, too. */
#define SNAP_ARP (18 + 28)
#define SNAP_IPV4 (14 + IPV4_HEADER)
#define SNAP_ND (18 + 40 + 24 + 16)
#define SNAP_WHOLE 1500

/* More servers than this are not told apart by the kernel; who learns asks once more. */
#define SERVERS_MAX 8
#define CONDS_MAX 12

typedef struct {
  NwfPort *port;
  GArray *steps;
  gboolean out;
  const char *accepted; /* DHCP: the chain that copies what the filter accepts; NULL: it accepts all */
} Watch;

static NwfTest bytes(NwfBase base, guint offset, guint length, guint32 value) {
  NwfTest test = {.field = NWF_FIELD_RAW, .base = base, .offset = (guint16)offset, .length = (guint8)length};
  for (guint i = length; i-- > 0; value >>= 8)
    test.low[i] = (guint8)value;
  return test;
}

static NwfTest is_mac(NwfBase base, guint offset, const guint8 mac[NWF_MAC_LEN]) {
  NwfTest test = bytes(base, offset, NWF_MAC_LEN, 0);
  memcpy(test.low, mac, NWF_MAC_LEN);
  return test;
}

/* Later fragments have no transport header, and short loads from one do not say so (lower-common.c). */
static NwfTest first_fragment(NwfBase base, guint ip_header) {
  NwfTest test = bytes(base, ip_header + 6, 2, 0);
  test.has_mask = TRUE;
  test.mask[0] = 0x1f;
  test.mask[1] = 0xff;
  return test;
}

static void add_copy(NwfPort *port, GArray *steps, const NwfTest *tests, guint n, guint32 snaplen) {
  NwfStep step = {.conds = nwf_arena_new(&port->arena, NwfExpr, n + 2), .verdict = NWF_STEP_NEXT};
  for (guint i = 0; i < n; i++)
    step.conds[step.n_conds++] = (NwfExpr){.kind = NWF_EXPR_TEST, .test = tests[i]};
  step.conds[step.n_conds++] =
      (NwfExpr){.kind = NWF_EXPR_LIMIT, .limit = {.rate = NWF_WATCH_RATE, .burst = NWF_WATCH_BURST}};
  step.conds[step.n_conds++] =
      (NwfExpr){.kind = NWF_EXPR_LOG, .log = {.group = port->options->log_group, .snaplen = snaplen}};
  g_array_append_val(steps, step);
}

static void add_rule(const Watch *watch, const NwfTest *tests, guint n, guint32 snaplen) {
  add_copy(watch->port, watch->steps, tests, n, snaplen);
}

/* DHCP: what is accepted of it is copied, whole. */
static void add_accepted(const Watch *watch, const NwfTest *tests, guint n) {
  if (!watch->accepted) {
    add_rule(watch, tests, n, SNAP_WHOLE);
    return;
  }
  NwfStep step = {.conds = nwf_arena_new(&watch->port->arena, NwfExpr, n + 1), .verdict = NWF_STEP_NEXT};
  for (guint i = 0; i < n; i++)
    step.conds[step.n_conds++] = (NwfExpr){.kind = NWF_EXPR_TEST, .test = tests[i]};
  step.conds[step.n_conds++] =
      (NwfExpr){.kind = NWF_EXPR_VERDICT, .verdict = {.kind = NWF_VERDICT_GOTO, .chain = watch->accepted}};
  g_array_append_val(watch->steps, step);
}

/* --- DHCP --- */

/* The IPv4 addresses of DHCPSERVER (which may hold IPv6 ones for another filter); none: any server. */
static GArray *dhcp_servers(const NwfPort *port) {
  GArray *servers = g_array_new(FALSE, FALSE, sizeof(guint32));
  const GPtrArray *values = nwf_parameters_get(port->parameters, "DHCPSERVER");
  for (guint i = 0; values && i < values->len; i++) {
    struct in_addr address;
    if (inet_pton(AF_INET, g_ptr_array_index(values, i), &address) != 1)
      continue;
    guint32 server = ntohl(address.s_addr);
    g_array_append_val(servers, server);
  }
  if (servers->len > SERVERS_MAX)
    g_array_set_size(servers, 0);
  return servers;
}

/* Replies of servers are copied for the port whose MAC address is in them, as a broadcast comes by all. */
static void add_dhcp(const Watch *watch, NwfTest *tests, guint n, NwfTest source, NwfTest ports, NwfTest client) {
  if (watch->out) {
    tests[n++] = ports;
    add_accepted(watch, tests, n);
    return;
  }
  g_autoptr(GArray) servers = dhcp_servers(watch->port);
  for (guint i = 0; i < MAX(servers->len, 1); i++) {
    guint m = n;
    if (servers->len) {
      tests[m] = source;
      guint32 server = htonl(g_array_index(servers, guint32, i));
      memcpy(tests[m++].low, &server, sizeof server);
    }
    tests[m++] = ports;
    tests[m++] = client;
    add_accepted(watch, tests, m);
  }
}

static void watch_dhcp(const Watch *watch) {
  NwfTest tests[CONDS_MAX];
  guint n = 0;
  tests[n++] = nwf_test_eq_number(NWF_FIELD_IP_PROTOCOL, UDP);
  tests[n++] = first_fragment(NWF_BASE_NH, 0);
  add_dhcp(watch, tests, n, nwf_test_eq_number(NWF_FIELD_IP_SADDR, 0),
           bytes(NWF_BASE_TH, 0, 4, watch->out ? DHCP_TO_SERVER : DHCP_TO_CLIENT),
           is_mac(NWF_BASE_TH, UDP_HEADER + DHCP_CHADDR, watch->port->binding->mac));
}

/* The kernel finds no headers behind a tag, so they are where they are in all DHCP clients' packets. */
static void watch_tagged_dhcp(const Watch *watch) {
  NwfTest tests[CONDS_MAX];
  guint n = 0, udp = VLAN_IP + IPV4_HEADER;
  /* the type, and the version and length of the header: nft would make two neighbours one, too */
  tests[n++] = bytes(NWF_BASE_LL, VLAN_IP - 2, 3, ETHERTYPE_IPV4 << 8 | 4 << 4 | IPV4_HEADER / 4);
  tests[n++] = first_fragment(NWF_BASE_LL, VLAN_IP);
  tests[n++] = bytes(NWF_BASE_LL, VLAN_IP + 9, 1, UDP);
  add_dhcp(watch, tests, n, bytes(NWF_BASE_LL, VLAN_IP + 12, 4, 0),
           bytes(NWF_BASE_LL, udp, 4, watch->out ? DHCP_TO_SERVER : DHCP_TO_CLIENT),
           is_mac(NWF_BASE_LL, udp + UDP_HEADER + DHCP_CHADDR, watch->port->binding->mac));
}

/* --- the others --- */

static void watch_arp(const Watch *watch) {
  add_rule(watch, NULL, 0, SNAP_ARP);
}

/* What a guest without an address sends does not teach one, and is not to use up the limit. */
static void watch_ipv4(const Watch *watch) {
  NwfTest test = nwf_test_negate(nwf_test_eq_number(NWF_FIELD_IP_SADDR, 0));
  add_rule(watch, &test, 1, SNAP_IPV4);
}

/* Any 3 bytes: there is a transport header (lower-common.c). */
static NwfTest has_transport(void) {
  return (NwfTest){
      .field = NWF_FIELD_RAW, .op = NWF_OP_RANGE, .base = NWF_BASE_TH, .length = 3, .high = {0xff, 0xff, 0xff}};
}

static void watch_nd(const Watch *watch) {
  NwfTest tests[] = {nwf_test_eq_number(NWF_FIELD_L4PROTO, ICMPV6), has_transport(),
                     nwf_test_range_number(NWF_FIELD_ICMP_TYPE, ND_SOLICITATION, ND_ADVERTISEMENT)};
  add_rule(watch, tests, G_N_ELEMENTS(tests), SNAP_ND);
}

static void watch_dhcpv6(const Watch *watch) {
  NwfTest tests[] = {nwf_test_eq_number(NWF_FIELD_L4PROTO, UDP), has_transport(),
                     bytes(NWF_BASE_TH, 0, 4, watch->out ? DHCPV6_TO_SERVER : DHCPV6_TO_CLIENT)};
  add_accepted(watch, tests, G_N_ELEMENTS(tests));
}

/* Those that are copied whatever becomes of them come first, as the others may leave the chain. */
static const struct {
  NwfWatch kind;
  guint16 ethertype;
  gboolean in; /* what the guest is sent, too; these only when they are accepted */
  void (*add)(const Watch *watch);
} watches[] = {
    {NWF_WATCH_ARP, ETHERTYPE_ARP, FALSE, watch_arp},          {NWF_WATCH_IPV4, ETHERTYPE_IPV4, FALSE, watch_ipv4},
    {NWF_WATCH_ND, ETHERTYPE_IPV6, FALSE, watch_nd},           {NWF_WATCH_DHCP, ETHERTYPE_IPV4, TRUE, watch_dhcp},
    {NWF_WATCH_DHCP, ETHERTYPE_VLAN, TRUE, watch_tagged_dhcp}, {NWF_WATCH_DHCPV6, ETHERTYPE_IPV6, TRUE, watch_dhcpv6},
};

static gboolean applies(const NwfPort *port, gboolean out, guint i) {
  return port->options->log_group && port->binding->watch & watches[i].kind && (out || watches[i].in);
}

void nwf_watch_ethertypes(const NwfPort *port, gboolean out, GArray *types) {
  for (guint i = 0; i < G_N_ELEMENTS(watches); i++) {
    gboolean known = !applies(port, out, i);
    for (guint j = 0; j < types->len && !known; j++)
      known = g_array_index(types, guint16, j) == watches[i].ethertype;
    if (!known)
      g_array_append_val(types, watches[i].ethertype);
  }
}

/* The steps with NWF_STEP_STAGE2 for each that accepts. */
static GArray *handing_on(NwfPort *port, const GArray *steps) {
  GArray *result = nwf_port_list(port);
  g_array_append_vals(result, steps->data, steps->len);
  for (guint i = 0; i < result->len; i++) {
    NwfStep *step = &g_array_index(result, NwfStep, i);
    if (step->verdict == NWF_STEP_ACCEPT)
      step->verdict = NWF_STEP_STAGE2;
    if (step->verdict == NWF_STEP_JUMP)
      step->sub = handing_on(port, step->sub);
  }
  return result;
}

static char *origin_of(const NwfPort *port, const char *prefix) {
  g_autofree char *name = nwf_sanitise(port->binding->port);
  return g_strconcat(prefix, name, NULL);
}

/* The filter's own decision with a copy where it accepts. */
static const char *emit_accepted(NwfPort *port, const NwfWatched *watched) {
  g_autofree char *copy = origin_of(port, "copy-"), *accepted = origin_of(port, "accepted-");
  const char *direction = watched->out ? "out" : "in";
  GArray *copying = nwf_port_list(port);
  NwfStep end = {.verdict = NWF_STEP_ACCEPT};
  add_copy(port, copying, NULL, 0, SNAP_WHOLE);
  g_array_append_val(copying, end);
  const char *next = nwf_emit_as(port, copying, copy, direction, watched->label, NULL).chain;
  if (watched->stage2) {
    g_autofree char *label = g_strconcat(watched->label, "-stage2", NULL);
    next = nwf_emit_as(port, handing_on(port, watched->stage2), accepted, direction, label, next).chain;
  }
  return nwf_emit_as(port, handing_on(port, watched->steps), accepted, direction, watched->label, next).chain;
}

NwfVerdict nwf_watch(NwfPort *port, const NwfWatched *watched) {
  NwfVerdict verdict = watched->verdict;
  Watch watch = {.port = port, .steps = nwf_port_list(port), .out = watched->out};
  for (guint i = 0; i < G_N_ELEMENTS(watches); i++) {
    if (watches[i].ethertype != watched->ethertype || !applies(port, watched->out, i) ||
        (watches[i].in && verdict.kind == NWF_VERDICT_DROP))
      continue;
    if (watches[i].in && verdict.kind == NWF_VERDICT_GOTO && !watch.accepted)
      watch.accepted = emit_accepted(port, watched);
    watches[i].add(&watch);
  }
  if (watch.steps->len == 0)
    return verdict;
  NwfStep last = {.verdict = verdict.kind == NWF_VERDICT_GOTO   ? NWF_STEP_STAGE2
                             : verdict.kind == NWF_VERDICT_DROP ? NWF_STEP_DROP
                                                                : NWF_STEP_ACCEPT};
  g_array_append_val(watch.steps, last);
  g_autofree char *origin = origin_of(port, "watch-");
  return nwf_emit_as(port, watch.steps, origin, watched->out ? "out" : "in", watched->label, verdict.chain);
}
