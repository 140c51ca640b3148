// SPDX-License-Identifier: LGPL-2.1-or-later
/* L2 elements: mac, vlan, stp, arp, rarp, ip, ipv6, and rules without an element. */
#include "compile/internal.h"

#include <netinet/in.h>
#include <string.h>

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_RARP 0x8035
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_IPV6 0x86dd

/* IEEE 802.1D: BPDUs go to this group address. */
static const guint8 bridge_group[NWF_MAC_LEN] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x00};

static void add(NwfLower *lower, NwfTest test) {
  nwf_conjunctions_add(lower->conjunctions, test);
}

static void lower_ethernet(NwfLower *lower) {
  NwfField source = lower->swapped ? NWF_FIELD_ETHER_DADDR : NWF_FIELD_ETHER_SADDR;
  NwfField destination = lower->swapped ? NWF_FIELD_ETHER_SADDR : NWF_FIELD_ETHER_DADDR;
  nwf_lower_mac(lower, NWF_ATTR_SRCMACADDR, NWF_ATTR_SRCMACMASK, source);
  nwf_lower_mac(lower, NWF_ATTR_DSTMACADDR, NWF_ATTR_DSTMACMASK, destination);
}

static gboolean lower_mac_element(NwfLower *lower, GError **error) {
  lower_ethernet(lower);
  nwf_lower_number(lower, NWF_ATTR_PROTOCOLID, NWF_FIELD_ETHER_TYPE);
  return TRUE;
}

static gboolean lower_vlan(NwfLower *lower, GError **error) {
  add(lower, nwf_test_eq_number(NWF_FIELD_ETHER_TYPE, ETHERTYPE_VLAN));
  lower_ethernet(lower);
  if (NWF_HAS(lower, NWF_ATTR_VLANID)) {
    guint32 id = NWF_NUMBER(lower, NWF_ATTR_VLANID);
    guint8 value[2] = {(guint8)(id >> 8), (guint8)id}, mask[2] = {0x0f, 0xff};
    NwfTest test = nwf_test_masked(NWF_FIELD_VLAN_TCI, value, mask);
    add(lower, NWF_NEGATED(lower, NWF_ATTR_VLANID) ? nwf_test_negate(test) : test);
  }
  nwf_lower_number(lower, NWF_ATTR_ENCAP_PROTOCOL, NWF_FIELD_VLAN_TYPE);
  return TRUE;
}

/* --- STP --- */

static const struct {
  NwfAttr low, high; /* high == low: there is no range */
  NwfField field;
} stp_numbers[] = {
    {NWF_ATTR_STP_FLAGS, NWF_ATTR_STP_FLAGS, NWF_FIELD_STP_FLAGS},
    {NWF_ATTR_ROOT_PRIORITY, NWF_ATTR_ROOT_PRIORITY_HI, NWF_FIELD_STP_ROOT_PRIORITY},
    {NWF_ATTR_ROOT_COST, NWF_ATTR_ROOT_COST_HI, NWF_FIELD_STP_ROOT_COST},
    {NWF_ATTR_SENDER_PRIORITY, NWF_ATTR_SENDER_PRIORITY_HI, NWF_FIELD_STP_SENDER_PRIORITY},
    {NWF_ATTR_PORT, NWF_ATTR_PORT_HI, NWF_FIELD_STP_PORT},
    {NWF_ATTR_AGE, NWF_ATTR_AGE_HI, NWF_FIELD_STP_AGE},
    {NWF_ATTR_MAX_AGE, NWF_ATTR_MAX_AGE_HI, NWF_FIELD_STP_MAX_AGE},
    {NWF_ATTR_HELLO_TIME, NWF_ATTR_HELLO_TIME_HI, NWF_FIELD_STP_HELLO_TIME},
    {NWF_ATTR_FORWARD_DELAY, NWF_ATTR_FORWARD_DELAY_HI, NWF_FIELD_STP_FORWARD_DELAY},
};

static gboolean names_stp_config(const NwfLower *lower) {
  gboolean any = NWF_HAS(lower, NWF_ATTR_ROOT_ADDRESS) || NWF_HAS(lower, NWF_ATTR_SENDER_ADDRESS);
  for (guint i = 0; i < G_N_ELEMENTS(stp_numbers); i++)
    any |= NWF_HAS(lower, stp_numbers[i].low);
  return any;
}

/* The tests of a configuration BPDU's fields, gathered apart. */
static gboolean lower_stp_config(NwfLower *lower, NwfConjunctions *config, GError **error) {
  NwfLower inner = *lower;
  inner.conjunctions = config;
  for (guint i = 0; i < G_N_ELEMENTS(stp_numbers); i++)
    if (!nwf_lower_range(&inner, stp_numbers[i].low, stp_numbers[i].high, stp_numbers[i].field, error))
      return FALSE;
  nwf_lower_mac(&inner, NWF_ATTR_ROOT_ADDRESS, NWF_ATTR_ROOT_ADDRESS_MASK, NWF_FIELD_STP_ROOT_ADDRESS);
  nwf_lower_mac(&inner, NWF_ATTR_SENDER_ADDRESS, NWF_ATTR_SENDER_ADDRESS_MASK, NWF_FIELD_STP_SENDER_ADDRESS);
  return TRUE;
}

static gboolean lower_stp(NwfLower *lower, GError **error) {
  static const guint8 header[6] = {0x42, 0x42, 0x03, 0x00, 0x00, 0x00};
  if (lower->swapped && NWF_HAS(lower, NWF_ATTR_SRCMACADDR)) {
    nwf_port_error(lower->port, lower->collected->filter, lower->collected->rule, NWF_ERROR_INVALID, error,
                   "an stp rule with srcmacaddr cannot have the direction inout");
    return FALSE;
  }
  nwf_lower_mac(lower, NWF_ATTR_SRCMACADDR, NWF_ATTR_SRCMACMASK, NWF_FIELD_ETHER_SADDR);
  add(lower, nwf_test_eq(NWF_FIELD_ETHER_DADDR, bridge_group));

  NwfConjunctions config;
  nwf_conjunctions_init(&config, &lower->port->arena);
  NwfTest is_config = nwf_test_eq_number(NWF_FIELD_STP_TYPE, 0);
  nwf_conjunctions_add(&config, is_config);
  if (!lower_stp_config(lower, &config, error))
    return FALSE;
  gboolean has_config = names_stp_config(lower);
  if (!has_config && !NWF_HAS(lower, NWF_ATTR_STP_TYPE))
    return TRUE;
  add(lower, nwf_test_eq(NWF_FIELD_STP_LLC, header));
  nwf_lower_number(lower, NWF_ATTR_STP_TYPE, NWF_FIELD_STP_TYPE);
  if (!has_config)
    return TRUE;

  /* Only a configuration BPDU (type 0) has these fields: others are not asked for them. */
  NwfExpr other = {.kind = NWF_EXPR_TEST, .test = nwf_test_negate(is_config)};
  NwfConjunction alternatives[] = {{.exprs = &other, .n = 1}, config.all[0]};
  nwf_conjunctions_split(lower->conjunctions, alternatives, config.never ? 1 : 2);
  return TRUE;
}

/* --- ARP --- */

/* The two addresses are equal when each pair of their bytes is. There is no comparison of two
 * fields in nftables, but a set can hold all pairs of equal bytes. */
static NwfRawPart address_byte(guint target, guint byte) {
  NwfField field = target ? NWF_FIELD_ARP_DADDR_IP : NWF_FIELD_ARP_SADDR_IP;
  return (NwfRawPart){.base = NWF_BASE_NH, .offset = (guint16)(nwf_fields[field].offset + byte), .length = 1};
}

static const char *equal_bytes_set(NwfRuleset *ruleset) {
  static const char name[] = "equal_bytes";
  if (nwf_ruleset_set(ruleset, name))
    return name;
  static const NwfField fields[] = {NWF_FIELD_RAW, NWF_FIELD_RAW};
  NwfSet *set = nwf_ruleset_add_set(ruleset, name, fields, 2);
  for (guint i = 0; i < 2; i++)
    set->raw[i] = address_byte(i, 0);
  for (guint byte = 0; byte < 256; byte++) {
    guint8 key[8] = {(guint8)byte, 0, 0, 0, (guint8)byte};
    nwf_set_add_element(ruleset, set, key, NULL, NULL, NULL);
  }
  return name;
}

static NwfExpr equal_byte(NwfRuleset *ruleset, guint byte, gboolean negated) {
  NwfExpr expr = {.kind = NWF_EXPR_LOOKUP};
  expr.lookup.set = equal_bytes_set(ruleset);
  expr.lookup.n_fields = 2;
  expr.lookup.negated = negated;
  for (guint i = 0; i < 2; i++) {
    expr.lookup.fields[i] = NWF_FIELD_RAW;
    expr.lookup.raw[i] = address_byte(i, byte);
  }
  return expr;
}

static void lower_gratuitous(NwfLower *lower) {
  NwfConjunctions *conjunctions = lower->conjunctions;
  NwfRuleset *ruleset = lower->port->ruleset;
  if (!NWF_NEGATED(lower, NWF_ATTR_GRATUITOUS)) {
    for (guint byte = 0; byte < 4; byte++) {
      NwfExpr expr = equal_byte(ruleset, byte, FALSE);
      nwf_conjunctions_add_expr(conjunctions, &expr);
    }
    return;
  }
  /* Any byte may be the one that differs, but all have to be there. */
  nwf_conjunctions_add(conjunctions, nwf_test_range_number(NWF_FIELD_ARP_DADDR_IP, 0, G_MAXUINT32));
  NwfExpr exprs[4];
  NwfConjunction alternatives[4];
  for (guint byte = 0; byte < 4; byte++) {
    exprs[byte] = equal_byte(ruleset, byte, TRUE);
    alternatives[byte] = (NwfConjunction){.exprs = &exprs[byte], .n = 1};
  }
  nwf_conjunctions_split(conjunctions, alternatives, 4);
}

static gboolean lower_arp(NwfLower *lower, GError **error) {
  gboolean swap = lower->swapped;
  NwfField sender_mac = swap ? NWF_FIELD_ARP_DADDR_ETHER : NWF_FIELD_ARP_SADDR_ETHER;
  NwfField target_mac = swap ? NWF_FIELD_ARP_SADDR_ETHER : NWF_FIELD_ARP_DADDR_ETHER;
  NwfField sender_ip = swap ? NWF_FIELD_ARP_DADDR_IP : NWF_FIELD_ARP_SADDR_IP;
  NwfField target_ip = swap ? NWF_FIELD_ARP_SADDR_IP : NWF_FIELD_ARP_DADDR_IP;
  gboolean rarp = lower->collected->rule->protocol == NWF_PROTOCOL_RARP;
  gboolean gratuitous = NWF_HAS(lower, NWF_ATTR_GRATUITOUS) && NWF_NUMBER(lower, NWF_ATTR_GRATUITOUS);
  gboolean macs = NWF_HAS(lower, NWF_ATTR_ARPSRCMACADDR) || NWF_HAS(lower, NWF_ATTR_ARPDSTMACADDR);
  gboolean ips = NWF_HAS(lower, NWF_ATTR_ARPSRCIPADDR) || NWF_HAS(lower, NWF_ATTR_ARPDSTIPADDR) || gratuitous;

  add(lower, nwf_test_eq_number(NWF_FIELD_ETHER_TYPE, rarp ? ETHERTYPE_RARP : ETHERTYPE_ARP));
  lower_ethernet(lower);
  nwf_lower_number(lower, NWF_ATTR_HWTYPE, NWF_FIELD_ARP_HTYPE);
  nwf_lower_number(lower, NWF_ATTR_PROTOCOLTYPE, NWF_FIELD_ARP_PTYPE);
  nwf_lower_number(lower, NWF_ATTR_OPCODE, NWF_FIELD_ARP_OPERATION);
  /* The addresses are where we look for them only if they have the lengths of Ethernet and IPv4. */
  if (macs)
    add(lower, nwf_test_eq_number(NWF_FIELD_ARP_HTYPE, 1));
  if (ips)
    add(lower, nwf_test_eq_number(NWF_FIELD_ARP_PTYPE, ETHERTYPE_IPV4));
  if (macs || ips)
    add(lower, nwf_test_eq_number(NWF_FIELD_ARP_HLEN, 6));
  if (ips)
    add(lower, nwf_test_eq_number(NWF_FIELD_ARP_PLEN, 4));
  nwf_lower_mac(lower, NWF_ATTR_ARPSRCMACADDR, NWF_ATTR_ARPSRCMACADDR, sender_mac);
  nwf_lower_mac(lower, NWF_ATTR_ARPDSTMACADDR, NWF_ATTR_ARPDSTMACADDR, target_mac);
  nwf_lower_ip(lower, NWF_ATTR_ARPSRCIPADDR, NWF_ATTR_ARPSRCIPMASK, sender_ip);
  nwf_lower_ip(lower, NWF_ATTR_ARPDSTIPADDR, NWF_ATTR_ARPDSTIPMASK, target_ip);
  if (gratuitous)
    lower_gratuitous(lower);
  return TRUE;
}

/* --- ip and ipv6 --- */

static gboolean lower_ip_element(NwfLower *lower, GError **error) {
  add(lower, nwf_test_eq_number(NWF_FIELD_ETHER_TYPE, ETHERTYPE_IPV4));
  lower_ethernet(lower);
  nwf_lower_ip(lower, NWF_ATTR_SRCIPADDR, NWF_ATTR_SRCIPMASK, lower->swapped ? NWF_FIELD_IP_DADDR : NWF_FIELD_IP_SADDR);
  nwf_lower_ip(lower, NWF_ATTR_DSTIPADDR, NWF_ATTR_DSTIPMASK, lower->swapped ? NWF_FIELD_IP_SADDR : NWF_FIELD_IP_DADDR);
  nwf_lower_number(lower, NWF_ATTR_PROTOCOL, NWF_FIELD_IP_PROTOCOL);
  nwf_lower_dscp(lower, FALSE);
  return nwf_lower_ports(lower, FALSE, error);
}

static gboolean lower_icmpv6_types(NwfLower *lower, GError **error) {
  static const NwfAttr attrs[] = {NWF_ATTR_TYPE, NWF_ATTR_TYPEEND, NWF_ATTR_CODE, NWF_ATTR_CODEEND};
  guint32 low[2], high[2];
  gboolean negated = FALSE, any = FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(attrs); i++)
    if (NWF_HAS(lower, attrs[i]) && !any) {
      any = TRUE;
      negated = NWF_NEGATED(lower, attrs[i]);
    }
  if (!any)
    return TRUE;
  for (guint i = 0; i < 2; i++) {
    gboolean has_low = NWF_HAS(lower, attrs[i * 2]), has_high = NWF_HAS(lower, attrs[i * 2 + 1]);
    low[i] = has_low ? NWF_NUMBER(lower, attrs[i * 2]) : 0;
    high[i] = has_high ? NWF_NUMBER(lower, attrs[i * 2 + 1]) : has_low ? low[i] : 255;
    if (low[i] > high[i]) {
      nwf_port_error(lower->port, lower->collected->filter, lower->collected->rule, NWF_ERROR_INVALID, error,
                     "%s is greater than %s", nwf_attr_name(attrs[i * 2]), nwf_attr_name(attrs[i * 2 + 1]));
      return FALSE;
    }
  }
  add(lower, nwf_test_eq_number(NWF_FIELD_L4PROTO, IPPROTO_ICMPV6));
  NwfTest tests[2];
  guint n = 0;
  for (guint i = 0; i < 2; i++) {
    NwfField field = i ? NWF_FIELD_ICMP_CODE : NWF_FIELD_ICMP_TYPE;
    if (low[i] == high[i])
      tests[n++] = nwf_test_eq_number(field, low[i]);
    else if (low[i] > 0 || high[i] < 255)
      tests[n++] = nwf_test_range_number(field, low[i], high[i]);
  }
  if (n)
    nwf_lower_first_fragment(lower, TRUE);
  nwf_conjunctions_add_pair(lower->conjunctions, tests, n, negated);
  return TRUE;
}

static gboolean lower_ipv6_element(NwfLower *lower, GError **error) {
  NwfField source = lower->swapped ? NWF_FIELD_IP6_DADDR : NWF_FIELD_IP6_SADDR;
  NwfField destination = lower->swapped ? NWF_FIELD_IP6_SADDR : NWF_FIELD_IP6_DADDR;
  add(lower, nwf_test_eq_number(NWF_FIELD_ETHER_TYPE, ETHERTYPE_IPV6));
  lower_ethernet(lower);
  nwf_lower_ip(lower, NWF_ATTR_SRCIPADDR, NWF_ATTR_SRCIPMASK, source);
  nwf_lower_ip(lower, NWF_ATTR_DSTIPADDR, NWF_ATTR_DSTIPMASK, destination);
  nwf_lower_number(lower, NWF_ATTR_PROTOCOL, NWF_FIELD_L4PROTO);
  nwf_lower_dscp(lower, TRUE);
  return lower_icmpv6_types(lower, error) && nwf_lower_ports(lower, TRUE, error);
}

static gboolean lower_nothing(NwfLower *lower, GError **error) {
  return TRUE;
}

static gboolean (*const elements[])(NwfLower *, GError **) = {
    [NWF_PROTOCOL_NONE] = lower_nothing,  [NWF_PROTOCOL_MAC] = lower_mac_element,   [NWF_PROTOCOL_VLAN] = lower_vlan,
    [NWF_PROTOCOL_STP] = lower_stp,       [NWF_PROTOCOL_ARP] = lower_arp,           [NWF_PROTOCOL_RARP] = lower_arp,
    [NWF_PROTOCOL_IP] = lower_ip_element, [NWF_PROTOCOL_IPV6] = lower_ipv6_element,
};

static const NwfStepVerdict verdicts[] = {
    [NWF_ACTION_DROP] = NWF_STEP_DROP,
    [NWF_ACTION_ACCEPT] = NWF_STEP_ACCEPT,
    [NWF_ACTION_REJECT] = NWF_STEP_DROP,
    [NWF_ACTION_RETURN] = NWF_STEP_RETURN,
};

gboolean nwf_lower_l2(NwfPort *port, const NwfCollected *collected, const NwfResolved *resolved, gboolean out,
                      GArray *steps, GError **error) {
  NwfConjunctions conjunctions;
  nwf_conjunctions_init(&conjunctions, &port->arena);
  NwfLower lower = {.port = port,
                    .collected = collected,
                    .resolved = resolved,
                    .conjunctions = &conjunctions,
                    .swapped = out && collected->rule->direction == NWF_DIRECTION_INOUT};
  if (!elements[collected->rule->protocol](&lower, error))
    return FALSE;
  if (conjunctions.never || collected->rule->action == NWF_ACTION_CONTINUE)
    return TRUE;
  return nwf_steps_append(port, steps, collected, &conjunctions, verdicts[collected->rule->action], error);
}
