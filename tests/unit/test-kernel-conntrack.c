// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Cutting flows: entries are made through ctnetlink, and the kernel's list in /proc is the witness.
 */
#include "kernel-help.h"
#include "kernel/conntrack.h"
#include "kernel/internal.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

#define LIST "/proc/thread-self/net/nf_conntrack"

/* --- making entries --- */

typedef struct {
  const char *source, *target;             /* of the original direction */
  const char *reply_source, *reply_target; /* NULL: no NAT */
  guint16 port;
  guint8 protocol; /* 0: UDP */
  guint16 zone;
} Flow;

static void put_tuple(struct nlmsghdr *message, guint16 attribute, const char *source, const char *target,
                      guint16 source_port, guint16 target_port, guint8 protocol) {
  gboolean ipv6 = strchr(source, ':') != NULL;
  guint8 from[16], to[16];
  g_assert_cmpint(inet_pton(ipv6 ? AF_INET6 : AF_INET, source, from), ==, 1);
  g_assert_cmpint(inet_pton(ipv6 ? AF_INET6 : AF_INET, target, to), ==, 1);
  struct nlattr *tuple = mnl_attr_nest_start(message, attribute);
  struct nlattr *ip = mnl_attr_nest_start(message, CTA_TUPLE_IP);
  mnl_attr_put(message, ipv6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, ipv6 ? 16 : 4, from);
  mnl_attr_put(message, ipv6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, ipv6 ? 16 : 4, to);
  mnl_attr_nest_end(message, ip);
  struct nlattr *proto = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
  mnl_attr_put_u8(message, CTA_PROTO_NUM, protocol);
  mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(source_port));
  mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(target_port));
  mnl_attr_nest_end(message, proto);
  mnl_attr_nest_end(message, tuple);
}

static int ignore(const struct nlmsghdr *message, void *data) {
  return MNL_CB_OK;
}

static void add_flow(NwfKernel *kernel, const Flow *flow) {
  guint8 buffer[1024];
  int code = 0;
  guint family = strchr(flow->source, ':') ? AF_INET6 : AF_INET;
  guint8 protocol = flow->protocol ? flow->protocol : IPPROTO_UDP;
  struct nlmsghdr *message =
      nwf_kernel_request(kernel, buffer, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, family);
  put_tuple(message, CTA_TUPLE_ORIG, flow->source, flow->target, flow->port, 80, protocol);
  put_tuple(message, CTA_TUPLE_REPLY, flow->reply_source ? flow->reply_source : flow->target,
            flow->reply_target ? flow->reply_target : flow->source, 80, flow->port, protocol);
  mnl_attr_put_u32(message, CTA_TIMEOUT, htonl(3600));
  mnl_attr_put_u32(message, CTA_STATUS, htonl(IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
  if (flow->zone)
    mnl_attr_put_u16(message, CTA_ZONE, htons(flow->zone));
  if (protocol == IPPROTO_TCP) {
    struct nlattr *info = mnl_attr_nest_start(message, CTA_PROTOINFO);
    struct nlattr *tcp = mnl_attr_nest_start(message, CTA_PROTOINFO_TCP);
    mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
    mnl_attr_nest_end(message, tcp);
    mnl_attr_nest_end(message, info);
  }
  if (!nwf_kernel_talk(kernel, message, ignore, NULL, &code))
    g_error("%s -> %s: %s", flow->source, flow->target, g_strerror(code));
}

/* --- helpers --- */

/** A kernel in a namespace where connections can be tracked; NULL: skipped. */
static NwfKernel *enter(void) {
  NwfKernel *kernel = nwf_test_enter();
  if (!kernel)
    return NULL;
  nwf_test_run("modprobe -q nf_conntrack_netlink 2> /dev/null || true");
  if (g_file_test(LIST, G_FILE_TEST_EXISTS))
    return kernel;
  g_test_skip("no connection tracking, or no list of it in /proc");
  nwf_kernel_close(kernel);
  return NULL;
}

static guint count(void) {
  g_autofree char *text = NULL;
  guint lines = 0;
  g_assert_true(g_file_get_contents(LIST, &text, NULL, NULL));
  for (const char *at = text; (at = strchr(at, '\n')); at++)
    lines++;
  return lines;
}

static gboolean is_listed(guint16 port) {
  g_autofree char *text = NULL, *word = g_strdup_printf("sport=%u ", port);
  g_assert_true(g_file_get_contents(LIST, &text, NULL, NULL));
  return strstr(text, word) != NULL;
}

static NwfFlowAddress address_of(const char *text) {
  NwfFlowAddress address = {.ipv6 = strchr(text, ':') != NULL};
  g_assert_cmpint(inet_pton(address.ipv6 ? AF_INET6 : AF_INET, text, address.address), ==, 1);
  if (!address.ipv6)
    memset(address.address + 4, 0xee, 12); /* nobody's business */
  return address;
}

static guint cut(const NwfFlowAddress *addresses, guint n) {
  GError *error = NULL;
  guint number = 0;
  g_assert_true(nwf_conntrack_cut(&(NwfConntrackCut){.addresses = addresses, .n_addresses = n}, &number, &error));
  g_assert_no_error(error);
  return number;
}

/* Ports tell them apart in the list. */
static const Flow flows[] = {
    {"10.0.0.1", "10.0.0.9", .port = 1001},
    {"10.0.0.9", "10.0.0.1", .port = 1002},
    {"10.0.0.1", "10.0.0.9", .port = 1003, .protocol = IPPROTO_TCP},
    {"10.0.0.1", "8.8.8.8", "8.8.8.8", "192.0.2.1", .port = 1004}, /* masqueraded */
    {"8.8.8.8", "192.0.2.1", "10.0.0.1", "8.8.8.8", .port = 1005}, /* let in */
    {"10.0.0.1", "10.0.0.9", .port = 1006, .zone = 7},
    {"10.0.0.2", "10.0.0.9", .port = 2001},
    {"10.0.0.11", "10.0.0.9", .port = 2002, .protocol = IPPROTO_TCP},
    {"10.0.0.2", "10.0.0.9", .port = 2003, .zone = 7},
    {"fe80::1", "2001:db8::1", .port = 3001},
    {"2001:db8::1", "2001:db8::9", .port = 3002, .protocol = IPPROTO_TCP},
    {"2001:db8::2", "2001:db8::9", .port = 4001},
    {"a00:1::", "2001:db8::9", .port = 4002}, /* begins with the bytes of 10.0.0.1 */
};

static void add_flows(NwfKernel *kernel) {
  for (gsize i = 0; i < G_N_ELEMENTS(flows); i++)
    add_flow(kernel, &flows[i]);
  g_assert_cmpuint(count(), ==, G_N_ELEMENTS(flows));
}

/** Just the flows with ports of these thousands are gone. */
static void assert_gone(const char *thousands) {
  for (gsize i = 0; i < G_N_ELEMENTS(flows); i++) {
    gboolean gone = strchr(thousands, '0' + flows[i].port / 1000) != NULL;
    g_test_message("port %u", flows[i].port);
    g_assert_cmpint(is_listed(flows[i].port), ==, !gone);
  }
}

/* --- tests --- */

static void test_the_flows_of_one_address_go(void) {
  g_autoptr(NwfKernel) kernel = enter();
  if (!kernel)
    return;
  NwfFlowAddress v4 = address_of("10.0.0.1"), v6 = address_of("2001:db8::1");
  add_flows(kernel);
  g_assert_cmpuint(cut(&v4, 1), ==, 6);
  assert_gone("1");
  g_assert_cmpuint(cut(&v6, 1), ==, 2);
  assert_gone("13");
  g_assert_cmpuint(cut(&v4, 1), ==, 0);
  g_assert_cmpuint(cut(&v6, 1), ==, 0);
}

static void test_both_ends_of_a_flow_at_once(void) {
  g_autoptr(NwfKernel) kernel = enter();
  if (!kernel)
    return;
  const NwfFlowAddress both[] = {address_of("10.0.0.1"), address_of("2001:db8::1"), address_of("8.8.8.8")};
  add_flows(kernel);
  g_assert_cmpuint(cut(both, G_N_ELEMENTS(both)), ==, 8);
  assert_gone("13");
}

static void test_many_addresses_in_one_pass(void) {
  g_autoptr(NwfKernel) kernel = enter();
  if (!kernel)
    return;
  NwfFlowAddress many[1000];
  for (guint i = 0; i < G_N_ELEMENTS(many); i++) {
    g_autofree char *text = g_strdup_printf("10.9.%u.%u", i / 250, i % 250);
    many[i] = address_of(text);
  }
  many[500] = address_of("10.0.0.1");
  many[700] = address_of("2001:db8::1");
  add_flows(kernel);
  for (guint i = 0; i < 400; i++) {
    g_autofree char *text = g_strdup_printf("10.9.%u.%u", i / 250, i % 250);
    add_flow(kernel, &(Flow){text, "10.0.0.9", .port = 5000});
  }
  g_assert_cmpuint(cut(many, G_N_ELEMENTS(many)), ==, 408);
  assert_gone("135");
  g_assert_cmpuint(count(), ==, G_N_ELEMENTS(flows) - 8);
}

static void test_what_is_not_tracked_needs_no_cutting(void) {
  g_autoptr(NwfKernel) kernel = enter();
  if (!kernel)
    return;
  NwfFlowAddress address = address_of("10.0.0.1");
  g_assert_cmpuint(cut(&address, 1), ==, 0);
  g_assert_cmpuint(cut(NULL, 0), ==, 0);
}

/** A flow that packets made, cut while it lives: the next packet is that of a new one. */
static void test_a_real_flow_is_cut(void) {
  g_autoptr(NwfKernel) kernel = enter();
  if (!kernel)
    return;
  nwf_test_run("ip link set lo up; nft 'table ip t { chain c { type filter hook input priority 0; "
               "ct state established accept; }; }'; "
               "bash -c 'echo x > /dev/udp/127.0.0.5/9; echo x > /dev/udp/127.0.0.6/9'");
  NwfFlowAddress address = address_of("127.0.0.5");
  guint before = count();
  g_assert_cmpuint(before, >=, 2);
  g_assert_cmpuint(cut(&address, 1), ==, 1);
  g_assert_cmpuint(count(), ==, before - 1);
}

static void test_those_with_spared_ends_stay(void) {
  g_autoptr(GError) error = NULL;
  guint n = 0;
  NwfKernel *kernel = enter();
  if (!kernel)
    return;
  add_flows(kernel);
  NwfFlowAddress address = address_of("10.0.0.1"), spared = address_of("10.0.0.9");
  NwfConntrackCut cut = {.addresses = &address, .n_addresses = 1, .spared = &spared, .n_spared = 1};
  g_assert_true(nwf_conntrack_cut(&cut, &n, &error));
  g_assert_no_error(error);
  g_assert_cmpuint(n, ==, 2);
  for (gsize i = 0; i < G_N_ELEMENTS(flows); i++)
    g_assert_cmpint(is_listed(flows[i].port), ==, flows[i].port != 1004 && flows[i].port != 1005);
  nwf_kernel_close(kernel);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define ADD(name_) g_test_add_func("/kernel-conntrack/" #name_, test_##name_)
  ADD(the_flows_of_one_address_go);
  ADD(both_ends_of_a_flow_at_once);
  ADD(many_addresses_in_one_pass);
  ADD(what_is_not_tracked_needs_no_cutting);
  ADD(a_real_flow_is_cut);
  ADD(those_with_spared_ends_stay);
  return g_test_run();
}
