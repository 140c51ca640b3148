// SPDX-License-Identifier: LGPL-2.1-or-later
/* The reference evaluator against verdicts worked out by hand. */
#include "evaluate.h"
#include "frame.h"

#include <nwfilter-nft/xml.h>

#include <netinet/in.h>
#include <string.h>

static const guint8 guest[6] = {0x52, 0x54, 0x00, 0x00, 0x00, 0x01};
static const guint8 other[6] = {0x52, 0x54, 0x00, 0x00, 0x00, 0x02};

#define OUT                                                                                                            \
  { .direction = NWF_DIRECTION_OUT }
#define IN                                                                                                             \
  { .direction = NWF_DIRECTION_IN }
static const EvaluateInput out = OUT, in = IN;
static const EvaluateInput from_host = {.direction = NWF_DIRECTION_IN, .host = TRUE};

typedef struct {
  NwfFilterStore *store;
  NwfBinding *binding;
} Fixture;

static void add_filter(Fixture *fixture, const char *text) {
  GError *error = NULL;
  NwfFilter *filter = nwf_filter_parse(text, strlen(text), NULL, &error);
  g_assert_no_error(error);
  nwf_filter_store_put(fixture->store, filter);
}

/* The guest has 52:54:00:00:00:01, 10.0.0.1 and 10.0.0.2; the binding's filter is "f". */
static void set_up(Fixture *fixture, gconstpointer data) {
  fixture->store = nwf_filter_store_new();
  fixture->binding = nwf_binding_new();
  fixture->binding->port = g_strdup("vm0");
  fixture->binding->filter = g_strdup("f");
  memcpy(fixture->binding->mac, guest, 6);
  nwf_parameters_add(fixture->binding->parameters, "IP", "10.0.0.1", NULL);
  nwf_parameters_add(fixture->binding->parameters, "IP", "10.0.0.2", NULL);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  nwf_filter_store_free(fixture->store);
  nwf_binding_free(fixture->binding);
}

static gboolean accepts(const Fixture *fixture, const EvaluateInput *input, const FrameSpec *spec) {
  Frame frame;
  Verdict verdict;
  GError *error = NULL;
  frame_build(spec, &frame);
  evaluate(fixture->store, fixture->binding, input, frame.bytes, frame.length, &verdict, &error);
  g_assert_no_error(error);
  g_test_message("%s", verdict.why);
  verdict_clear(&verdict);
  return verdict.accepted;
}

static void assert_refused(const Fixture *fixture, int code) {
  FrameSpec spec = frame_spec(FRAME_ARP);
  Frame frame;
  Verdict verdict;
  g_autoptr(GError) error = NULL;
  frame_build(&spec, &frame);
  g_assert_false(evaluate(fixture->store, fixture->binding, &out, frame.bytes, frame.length, &verdict, &error));
  g_assert_error(error, NWF_ERROR, code);
}

/* A packet between 10.0.0.@from and 10.0.0.@to. */
static FrameSpec ipv4(guint8 from, guint8 to, guint8 protocol) {
  FrameSpec spec = frame_spec(FRAME_IPV4);
  memcpy(spec.destination, other, 6);
  memcpy(spec.ip.source, (guint8[]){10, 0, 0, from}, 4);
  memcpy(spec.ip.destination, (guint8[]){10, 0, 0, to}, 4);
  spec.ip.protocol = protocol;
  return spec;
}

static FrameSpec ports(FrameSpec spec, guint16 source, guint16 destination) {
  spec.transport.source = source;
  spec.transport.destination = destination;
  return spec;
}

#define DROP_REST "<rule action='drop' direction='inout' priority='1000'/>"
#define FILTER(rules) "<filter name='f'>" rules "</filter>"

/* --- chains --- */

static void mac_spoofing(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, "<filter name='f' chain='mac' priority='-800'>"
                      "<rule direction='out' action='return'><mac srcmacaddr='$MAC'/></rule>"
                      "<rule direction='out' action='drop'><mac/></rule></filter>");
  FrameSpec spec = frame_spec(FRAME_ARP);
  g_assert_true(accepts(fixture, &out, &spec));
  memcpy(spec.source, other, 6);
  g_assert_false(accepts(fixture, &out, &spec));
  g_assert_true(accepts(fixture, &in, &spec));
}

static void ip_spoofing(Fixture *fixture, gconstpointer data) {
  add_filter(fixture,
             "<filter name='f' chain='ipv4-ip' priority='-710'>"
             "<rule action='return' direction='out' priority='100'><ip srcipaddr='0.0.0.0' protocol='udp'/></rule>"
             "<rule action='return' direction='out'><ip srcipaddr='$IP'/></rule>"
             "<rule action='drop' direction='out' priority='1000'/></filter>");
  for (guint8 last = 1; last <= 3; last++) {
    FrameSpec spec = ipv4(last, 9, IPPROTO_TCP);
    g_assert_cmpint(accepts(fixture, &out, &spec), ==, last <= 2);
    g_assert_true(accepts(fixture, &in, &spec));
  }
  FrameSpec dhcp = ipv4(0, 9, IPPROTO_UDP);
  memset(dhcp.ip.source, 0, 4);
  g_assert_true(accepts(fixture, &out, &dhcp));
  dhcp.ip.protocol = IPPROTO_TCP;
  g_assert_false(accepts(fixture, &out, &dhcp));
  FrameSpec arp = frame_spec(FRAME_ARP); /* is not in this chain */
  g_assert_true(accepts(fixture, &out, &arp));
}

static void return_goes_on_behind_the_jump(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, "<filter name='sub' chain='arp'><rule action='return' direction='out' priority='1'/>"
                      "<rule action='accept' direction='out' priority='2'/></filter>");
  add_filter(fixture, FILTER("<filterref filter='sub'/>" DROP_REST));
  FrameSpec spec = frame_spec(FRAME_ARP);
  g_assert_false(accepts(fixture, &out, &spec));
}

static void end_of_a_chain_goes_on_behind_the_jump(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, "<filter name='sub' chain='arp'><rule action='drop' direction='out'>"
                      "<arp opcode='Reply'/></rule></filter>");
  add_filter(fixture, FILTER("<filterref filter='sub'/>" DROP_REST));
  FrameSpec spec = frame_spec(FRAME_ARP);
  g_assert_false(accepts(fixture, &out, &spec));
}

static void return_in_root_accepts(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, FILTER("<rule action='return' direction='out' priority='1'/>" DROP_REST));
  FrameSpec spec = frame_spec(FRAME_ARP);
  g_assert_true(accepts(fixture, &out, &spec));
  g_assert_false(accepts(fixture, &in, &spec));
}

static void continue_does_nothing(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, FILTER("<rule action='continue' direction='out' priority='1'/>" DROP_REST));
  FrameSpec spec = frame_spec(FRAME_ARP);
  g_assert_false(accepts(fixture, &out, &spec));
}

static void jump_stands_before_equal_priority(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, "<filter name='sub' chain='arp' priority='100'><rule action='accept' direction='out'/></filter>");
  add_filter(fixture, FILTER("<rule action='drop' direction='out' priority='100'/><filterref filter='sub'/>"));
  FrameSpec spec = frame_spec(FRAME_ARP);
  g_assert_true(accepts(fixture, &out, &spec));
  add_filter(fixture, FILTER("<rule action='drop' direction='out' priority='99'/><filterref filter='sub'/>"));
  g_assert_false(accepts(fixture, &out, &spec));
}

static void chains_go_by_priority(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, "<filter name='a' chain='arp-a' priority='-1'><rule action='accept' direction='out'/></filter>");
  add_filter(fixture, "<filter name='b' chain='arp-b' priority='-2'><rule action='drop' direction='out'/></filter>");
  add_filter(fixture, FILTER("<filterref filter='a'/><filterref filter='b'/>"));
  FrameSpec spec = frame_spec(FRAME_ARP);
  g_assert_false(accepts(fixture, &out, &spec));
}

static void rules_go_by_priority_then_by_place(Fixture *fixture, gconstpointer data) {
  FrameSpec spec = frame_spec(FRAME_ARP);
  add_filter(fixture, FILTER("<rule action='drop' direction='out' priority='2'/>"
                             "<rule action='accept' direction='out' priority='1'/>"));
  g_assert_true(accepts(fixture, &out, &spec));
  add_filter(fixture, FILTER("<rule action='drop' direction='out'/><rule action='accept' direction='out'/>"));
  g_assert_false(accepts(fixture, &out, &spec));
}

static void the_last_rule_gives_its_chain_the_priority(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, "<filter name='a' chain='arp' priority='-900'>"
                      "<rule action='continue' direction='out' priority='1'/></filter>");
  add_filter(fixture, "<filter name='b' chain='arp' priority='900'>"
                      "<rule action='accept' direction='out' priority='2'/></filter>");
  add_filter(fixture, FILTER("<filterref filter='b'/><filterref filter='a'/>"
                             "<rule action='drop' direction='out' priority='0'/>"));
  FrameSpec spec = frame_spec(FRAME_ARP);
  g_assert_false(accepts(fixture, &out, &spec));
}

/* --- L2 elements --- */

static void inout_is_swapped_on_what_is_sent(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, FILTER("<rule action='accept' direction='inout'><ip srcipaddr='10.0.0.9' protocol='udp' "
                             "srcportstart='53'/></rule>" DROP_REST));
  FrameSpec answer = ports(ipv4(9, 1, IPPROTO_UDP), 53, 1000);
  FrameSpec query = ports(ipv4(1, 9, IPPROTO_UDP), 1000, 53);
  g_assert_true(accepts(fixture, &in, &answer));
  g_assert_false(accepts(fixture, &out, &answer));
  g_assert_true(accepts(fixture, &out, &query));
  g_assert_false(accepts(fixture, &in, &query));
}

static void each_attribute_is_negated_by_itself(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, FILTER("<rule action='accept' direction='out'><ip match='no' srcipaddr='10.0.0.1' "
                             "dstipaddr='10.0.0.9'/></rule>" DROP_REST));
  FrameSpec neither = ipv4(2, 8, IPPROTO_UDP), one = ipv4(1, 8, IPPROTO_UDP), both = ipv4(1, 9, IPPROTO_UDP);
  g_assert_true(accepts(fixture, &out, &neither));
  g_assert_false(accepts(fixture, &out, &one));
  g_assert_false(accepts(fixture, &out, &both));
}

static void cut_bytes_match_nothing(Fixture *fixture, gconstpointer data) {
  FrameSpec spec = ipv4(1, 9, IPPROTO_UDP);
  spec.cut = 14 + 15;
  add_filter(fixture, FILTER("<rule action='drop' direction='out'><ip srcipaddr='10.0.0.1'/></rule>"));
  g_assert_true(accepts(fixture, &out, &spec));
  add_filter(fixture, FILTER("<rule action='drop' direction='out'><ip match='no' srcipaddr='10.0.0.9'/></rule>"));
  g_assert_true(accepts(fixture, &out, &spec));
  spec.cut++;
  g_assert_false(accepts(fixture, &out, &spec));
}

static void tagged_arp_is_no_arp(Fixture *fixture, gconstpointer data) {
  add_filter(fixture,
             FILTER("<rule action='accept' direction='out'><arp/></rule>"
                    "<rule action='accept' direction='out'><vlan vlanid='5' encap-protocol='arp'/></rule>" DROP_REST));
  FrameSpec spec = frame_spec(FRAME_ARP);
  g_assert_true(accepts(fixture, &out, &spec));
  spec.tags = 1;
  g_assert_false(accepts(fixture, &out, &spec));
  spec.tci = 0xe005; /* priority 7, id 5 */
  g_assert_true(accepts(fixture, &out, &spec));
}

static void arp_addresses_want_their_lengths(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, FILTER("<rule action='drop' direction='out'><arp match='no' arpsrcipaddr='10.0.0.1'/></rule>"));
  FrameSpec spec = frame_spec(FRAME_ARP);
  g_assert_false(accepts(fixture, &out, &spec));
  spec.arp.plen = 6;
  g_assert_true(accepts(fixture, &out, &spec));
}

static void gratuitous_arp(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, FILTER("<rule action='drop' direction='out'><arp gratuitous='true'/></rule>"));
  FrameSpec spec = frame_spec(FRAME_ARP);
  g_assert_false(accepts(fixture, &out, &spec));
  spec.arp.target_ip[3] = 1;
  g_assert_true(accepts(fixture, &out, &spec));
}

static void stp_fields_are_config_bpdus_only(Fixture *fixture, gconstpointer data) {
  add_filter(
      fixture,
      FILTER("<rule action='accept' direction='out'><stp root-priority='1' root-priority-hi='5'/></rule>" DROP_REST));
  FrameSpec spec = frame_spec(FRAME_STP);
  g_assert_false(accepts(fixture, &out, &spec));
  spec.bpdu.root_priority = 5;
  g_assert_true(accepts(fixture, &out, &spec));
  spec.bpdu.root_priority = 6;
  spec.bpdu.type = 0x80;
  g_assert_true(accepts(fixture, &out, &spec));
  spec.bpdu.version = 2;
  g_assert_false(accepts(fixture, &out, &spec));
}

static void later_fragments_have_no_ports(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, FILTER("<rule action='drop' direction='out'><ip protocol='udp' dstportstart='53'/></rule>"));
  FrameSpec spec = ports(ipv4(1, 9, IPPROTO_UDP), 1000, 53);
  spec.ip.more_fragments = TRUE;
  g_assert_false(accepts(fixture, &out, &spec));
  spec.ip.fragment = 10;
  g_assert_true(accepts(fixture, &out, &spec));
}

static void ipv6_extension_headers_are_walked(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, FILTER("<rule action='drop' direction='out'><ipv6 type='135'/></rule>"));
  FrameSpec spec = frame_spec(FRAME_IPV6);
  spec.ip.protocol = IPPROTO_ICMPV6;
  spec.transport.type = 135;
  spec.ip.extensions[0] = IPPROTO_HOPOPTS;
  spec.ip.extensions[1] = IPPROTO_DSTOPTS;
  spec.ip.n_extensions = 2;
  g_assert_false(accepts(fixture, &out, &spec));
  spec.transport.type = 136;
  g_assert_true(accepts(fixture, &out, &spec));
}

/* --- L3/L4 --- */

static void drop_is_checked_both_ways(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, FILTER("<rule action='drop' direction='out'><tcp dstportstart='25'/></rule>"));
  FrameSpec request = ports(ipv4(1, 9, IPPROTO_TCP), 1000, 25), answer = ports(ipv4(9, 1, IPPROTO_TCP), 25, 1000);
  g_assert_false(accepts(fixture, &out, &request));
  g_assert_true(accepts(fixture, &in, &request));
  g_assert_false(accepts(fixture, &in, &answer));
  g_assert_true(accepts(fixture, &from_host, &answer));
  request.tags = 1;
  g_assert_true(accepts(fixture, &out, &request));
}

static void accept_follows_the_connection(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, FILTER("<rule action='accept' direction='out'><tcp dstportstart='25'/></rule>"
                             "<rule action='drop' direction='inout' priority='1000'><all/></rule>"));
  FrameSpec request = ports(ipv4(1, 9, IPPROTO_TCP), 1000, 25), answer = ports(ipv4(9, 1, IPPROTO_TCP), 25, 1000);
  EvaluateInput input = OUT;
  input.state = NWF_STATE_NEW;
  g_assert_true(accepts(fixture, &input, &request));
  input.state = NWF_STATE_INVALID;
  g_assert_false(accepts(fixture, &input, &request));
  input = (EvaluateInput)IN;
  input.state = NWF_STATE_NEW;
  g_assert_false(accepts(fixture, &input, &answer));
  input.state = NWF_STATE_ESTABLISHED;
  g_assert_false(accepts(fixture, &input, &answer));
  input.reply = TRUE;
  g_assert_true(accepts(fixture, &input, &answer));
}

static void state_is_asked_in_the_own_direction(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, FILTER("<rule action='drop' direction='in'><tcp state='NEW'/></rule>"));
  FrameSpec spec = ipv4(9, 1, IPPROTO_TCP);
  EvaluateInput input = IN;
  input.state = NWF_STATE_NEW;
  g_assert_false(accepts(fixture, &input, &spec));
  input.state = NWF_STATE_ESTABLISHED;
  g_assert_true(accepts(fixture, &input, &spec));
  g_assert_true(accepts(fixture, &out, &spec));
}

static void unknown_state_is_an_error(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, FILTER("<rule action='accept' direction='out'><all/></rule>"));
  FrameSpec spec = ipv4(1, 9, IPPROTO_TCP);
  Frame frame;
  Verdict verdict;
  g_autoptr(GError) error = NULL;
  frame_build(&spec, &frame);
  g_assert_false(evaluate(fixture->store, fixture->binding, &out, frame.bytes, frame.length, &verdict, &error));
  g_assert_error(error, NWF_ERROR, NWF_ERROR_UNSUPPORTED);
}

static void icmp_with_a_type_is_one_way(Fixture *fixture, gconstpointer data) {
  FrameSpec spec = ipv4(1, 9, IPPROTO_ICMP);
  spec.transport.type = 8;
  add_filter(fixture, FILTER("<rule action='drop' direction='out'><icmp type='8'/></rule>"));
  g_assert_false(accepts(fixture, &out, &spec));
  g_assert_true(accepts(fixture, &in, &spec));
  add_filter(fixture, FILTER("<rule action='drop' direction='inout'><icmp type='8'/></rule>"));
  g_assert_true(accepts(fixture, &out, &spec));
  g_assert_true(accepts(fixture, &in, &spec));
  add_filter(fixture, FILTER("<rule action='drop' direction='inout'><icmp code='0'/></rule>"));
  g_assert_false(accepts(fixture, &out, &spec));
  g_assert_false(accepts(fixture, &in, &spec));
}

static void source_mac_is_asked_as_written_only(Fixture *fixture, gconstpointer data) {
  FrameSpec spec = ipv4(9, 1, IPPROTO_TCP);
  memcpy(spec.source, other, 6);
  add_filter(fixture, FILTER("<rule action='drop' direction='out'><tcp srcmacaddr='$MAC'/></rule>"));
  g_assert_true(accepts(fixture, &in, &spec)); /* there is no swapped check */
  g_assert_true(accepts(fixture, &out, &spec));
  add_filter(fixture, FILTER("<rule action='drop' direction='out'><tcp srcmacaddr='$MAC' srcportend='9'/></rule>"));
  g_assert_true(accepts(fixture, &in, &spec)); /* nor with an attribute that means nothing */
  add_filter(fixture,
             FILTER("<rule action='drop' direction='out'><tcp srcmacaddr='$MAC' dstipaddr='10.0.0.9'/></rule>"));
  g_assert_false(accepts(fixture, &in, &spec));
}

static void malformed_packets_do_not_pass_l4_rules(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, FILTER("<rule action='return' direction='out'><all/></rule>"));
  FrameSpec spec = ipv4(1, 9, IPPROTO_TCP);
  g_assert_true(accepts(fixture, &out, &spec));
  static const struct {
    int version, header_length, total_length;
  } faults[] = {{5, FRAME_KEEP, FRAME_KEEP},
                {FRAME_KEEP, 4, FRAME_KEEP},
                {FRAME_KEEP, FRAME_KEEP, 19},
                {FRAME_KEEP, FRAME_KEEP, 999},
                {FRAME_KEEP, 15, 50}};
  for (guint i = 0; i < G_N_ELEMENTS(faults); i++) {
    FrameSpec broken = spec;
    broken.ip.version = faults[i].version;
    broken.ip.header_length = faults[i].header_length;
    broken.ip.total_length = faults[i].total_length;
    g_assert_false(accepts(fixture, &out, &broken));
  }
  add_filter(fixture, FILTER("<rule action='return' direction='out'><all-ipv6/></rule>"));
  spec.ip.version = 5; /* and that is no business of IPv6 rules */
  g_assert_true(accepts(fixture, &out, &spec));
}

static void l4_rules_come_after_l2(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, FILTER("<rule action='accept' direction='out' priority='1'><mac/></rule>"
                             "<rule action='drop' direction='out' priority='2'><udp/></rule>"));
  FrameSpec spec = ipv4(1, 9, IPPROTO_UDP);
  g_assert_false(accepts(fixture, &out, &spec));
  spec.ip.protocol = IPPROTO_TCP;
  g_assert_true(accepts(fixture, &out, &spec));
}

static void connections_above_the_limit(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, FILTER("<rule action='drop' direction='in'><tcp connlimit-above='2'/></rule>"));
  FrameSpec spec = ipv4(9, 1, IPPROTO_TCP);
  EvaluateInput input = IN;
  for (input.connections = 1; input.connections <= 4; input.connections++)
    g_assert_cmpint(accepts(fixture, &input, &spec), ==, input.connections <= 2);
}

static void tcp_flags_and_options(Fixture *fixture, gconstpointer data) {
  FrameSpec spec = ipv4(1, 9, IPPROTO_TCP);
  add_filter(fixture, FILTER("<rule action='drop' direction='out'><tcp flags='SYN,ACK/SYN'/></rule>"));
  g_assert_false(accepts(fixture, &out, &spec));
  spec.transport.tcp_flags = 0x12;
  g_assert_true(accepts(fixture, &out, &spec));
  add_filter(fixture, FILTER("<rule action='drop' direction='out'><tcp option='3'/></rule>"));
  g_assert_true(accepts(fixture, &out, &spec));
  memcpy(spec.transport.tcp_options, (guint8[]){1, 3, 3, 7}, 4);
  spec.transport.n_tcp_options = 4;
  g_assert_false(accepts(fixture, &out, &spec));
}

/* --- variables and references --- */

static void outer_value_wins(Fixture *fixture, gconstpointer data) {
  add_filter(fixture, "<filter name='sub'><rule action='accept' direction='out'><ip srcipaddr='$IP' "
                      "dstipaddr='$TO[0]'/></rule>" DROP_REST "</filter>");
  add_filter(fixture, FILTER("<filterref filter='sub'><parameter name='IP' value='10.0.0.7'/>"
                             "<parameter name='TO' value='10.0.0.9'/></filterref>"));
  FrameSpec binding = ipv4(2, 9, IPPROTO_UDP), reference = ipv4(7, 9, IPPROTO_UDP);
  g_assert_true(accepts(fixture, &out, &binding));
  g_assert_false(accepts(fixture, &out, &reference));
}

static void iterators_step_together_or_multiply(Fixture *fixture, gconstpointer data) {
  nwf_parameters_add(fixture->binding->parameters, "TO", "10.0.0.8", NULL);
  nwf_parameters_add(fixture->binding->parameters, "TO", "10.0.0.9", NULL);
  FrameSpec together = ipv4(2, 9, IPPROTO_UDP), crossed = ipv4(1, 9, IPPROTO_UDP);
  add_filter(fixture,
             FILTER("<rule action='accept' direction='out'><ip srcipaddr='$IP' dstipaddr='$TO'/></rule>" DROP_REST));
  g_assert_true(accepts(fixture, &out, &together));
  g_assert_false(accepts(fixture, &out, &crossed));
  add_filter(
      fixture,
      FILTER("<rule action='accept' direction='out'><ip srcipaddr='$IP' dstipaddr='$TO[@1]'/></rule>" DROP_REST));
  g_assert_true(accepts(fixture, &out, &crossed));
  add_filter(fixture, FILTER("<rule action='accept' direction='out'><ip srcipaddr='$IP[1]'/></rule>" DROP_REST));
  g_assert_true(accepts(fixture, &out, &together));
  g_assert_false(accepts(fixture, &out, &crossed));
}

static void the_end_of_a_chain_may_accept(Fixture *fixture, gconstpointer data) {
  FrameSpec spec = ipv4(1, 9, IPPROTO_UDP);
  EvaluateInput accepting = {.direction = NWF_DIRECTION_OUT, .chain_end_accepts = TRUE};
  add_filter(fixture, "<filter name='sub' chain='ipv4'><rule action='drop' direction='out'>"
                      "<ip srcipaddr='10.0.0.7'/></rule></filter>");
  add_filter(fixture, FILTER("<filterref filter='sub'/>" DROP_REST));
  g_assert_false(accepts(fixture, &out, &spec));
  g_assert_true(accepts(fixture, &accepting, &spec));
}

static void prefixes_are_compared_as_such(Fixture *fixture, gconstpointer data) {
  FrameSpec inside = ipv4(14, 9, IPPROTO_UDP), outside = ipv4(16, 9, IPPROTO_UDP);
  nwf_parameters_set(fixture->binding->parameters, "IP", NULL);
  nwf_parameters_add(fixture->binding->parameters, "IP", "10.0.0.0/28", NULL);
  add_filter(fixture, FILTER("<rule action='accept' direction='out'><ip srcipaddr='$IP'/></rule>" DROP_REST));
  g_assert_true(accepts(fixture, &out, &inside));
  g_assert_false(accepts(fixture, &out, &outside));
  add_filter(fixture, FILTER("<rule action='drop' direction='out'><ip match='no' srcipaddr='$IP'/></rule>"));
  g_assert_true(accepts(fixture, &out, &inside));
  g_assert_false(accepts(fixture, &out, &outside));
}

static void what_cannot_be_bound(Fixture *fixture, gconstpointer data) {
  assert_refused(fixture, NWF_ERROR_MISSING_FILTER);
  add_filter(fixture, FILTER("<filterref filter='g'/>"));
  add_filter(fixture, "<filter name='g'><filterref filter='f'/></filter>");
  assert_refused(fixture, NWF_ERROR_LOOP);
  add_filter(fixture, FILTER("<rule action='drop' direction='out'><ip srcipaddr='$NONE'/></rule>"));
  assert_refused(fixture, NWF_ERROR_MISSING_VARIABLE);
  add_filter(fixture, FILTER("<rule action='drop' direction='out'><ip srcipaddr='$IP[2]'/></rule>"));
  assert_refused(fixture, NWF_ERROR_MISSING_VARIABLE);
  add_filter(fixture, FILTER("<rule action='drop' direction='out'><ip srcmacaddr='$MAC' srcipaddr='$IP'/></rule>"));
  assert_refused(fixture, NWF_ERROR_INVALID); /* one MAC beside two addresses */
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  nwf_xml_init();
#define TEST(name, function) g_test_add("/evaluate/" name, Fixture, NULL, set_up, function, tear_down)
  TEST("mac-spoofed-frame-is-dropped", mac_spoofing);
  TEST("ip-spoofed-packet-is-dropped", ip_spoofing);
  TEST("return-goes-on-behind-the-jump", return_goes_on_behind_the_jump);
  TEST("end-of-a-chain-goes-on-behind-the-jump", end_of_a_chain_goes_on_behind_the_jump);
  TEST("return-in-root-accepts", return_in_root_accepts);
  TEST("continue-does-nothing", continue_does_nothing);
  TEST("jump-stands-before-rules-of-equal-priority", jump_stands_before_equal_priority);
  TEST("chains-go-by-priority", chains_go_by_priority);
  TEST("rules-go-by-priority-then-by-place", rules_go_by_priority_then_by_place);
  TEST("last-rule-gives-its-chain-the-priority", the_last_rule_gives_its_chain_the_priority);
  TEST("inout-is-swapped-on-what-is-sent", inout_is_swapped_on_what_is_sent);
  TEST("each-attribute-is-negated-by-itself", each_attribute_is_negated_by_itself);
  TEST("cut-bytes-match-nothing", cut_bytes_match_nothing);
  TEST("tagged-arp-is-no-arp", tagged_arp_is_no_arp);
  TEST("arp-addresses-want-their-lengths", arp_addresses_want_their_lengths);
  TEST("gratuitous-arp", gratuitous_arp);
  TEST("stp-fields-are-asked-of-config-bpdus-only", stp_fields_are_config_bpdus_only);
  TEST("later-fragments-have-no-ports", later_fragments_have_no_ports);
  TEST("ipv6-extension-headers-are-walked", ipv6_extension_headers_are_walked);
  TEST("drop-is-checked-both-ways", drop_is_checked_both_ways);
  TEST("accept-follows-the-connection", accept_follows_the_connection);
  TEST("state-is-asked-in-the-rule-s-own-direction", state_is_asked_in_the_own_direction);
  TEST("unknown-state-is-an-error", unknown_state_is_an_error);
  TEST("icmp-with-a-type-is-checked-one-way", icmp_with_a_type_is_one_way);
  TEST("source-mac-is-asked-as-written-only", source_mac_is_asked_as_written_only);
  TEST("malformed-packets-do-not-pass-l4-rules", malformed_packets_do_not_pass_l4_rules);
  TEST("l4-rules-come-after-l2", l4_rules_come_after_l2);
  TEST("connections-above-the-limit", connections_above_the_limit);
  TEST("tcp-flags-and-options", tcp_flags_and_options);
  TEST("outer-value-wins", outer_value_wins);
  TEST("iterators-step-together-or-multiply", iterators_step_together_or_multiply);
  TEST("the-end-of-a-chain-may-accept", the_end_of_a_chain_may_accept);
  TEST("prefixes-are-compared-as-such", prefixes_are_compared_as_such);
  TEST("what-cannot-be-bound-is-an-error", what_cannot_be_bound);
  return g_test_run();
}
