// SPDX-License-Identifier: LGPL-2.1-or-later
// The tables of the language: protocol elements and their attributes.

#include <nwfilter-nft/model.h>

#include <netinet/in.h>
#include <string.h>

G_DEFINE_QUARK(nwf - error - quark, nwf_error)

/* Each table is in the order in which the stock driver writes the attributes. */

#define SRC_MAC                                                                                                        \
  { NWF_ATTR_SRCMACADDR, NWF_TYPE_MAC }
#define SRC_MAC_MASK                                                                                                   \
  { NWF_ATTR_SRCMACMASK, NWF_TYPE_MAC_MASK }
#define BOTH_MACS                                                                                                      \
  SRC_MAC, SRC_MAC_MASK, {NWF_ATTR_DSTMACADDR, NWF_TYPE_MAC}, {                                                        \
    NWF_ATTR_DSTMACMASK, NWF_TYPE_MAC_MASK                                                                             \
  }
#define ADDRESSES(type)                                                                                                \
  {NWF_ATTR_SRCIPADDR, type}, {NWF_ATTR_SRCIPMASK, type##_MASK}, {NWF_ATTR_DSTIPADDR, type}, {                         \
    NWF_ATTR_DSTIPMASK, type##_MASK                                                                                    \
  }
#define ADDRESS_RANGES(type)                                                                                           \
  {NWF_ATTR_SRCIPFROM, type}, {NWF_ATTR_SRCIPTO, type}, {NWF_ATTR_DSTIPFROM, type}, {                                  \
    NWF_ATTR_DSTIPTO, type                                                                                             \
  }
#define PORTS                                                                                                          \
  {NWF_ATTR_SRCPORTSTART, NWF_TYPE_UINT16}, {NWF_ATTR_SRCPORTEND, NWF_TYPE_UINT16},                                    \
      {NWF_ATTR_DSTPORTSTART, NWF_TYPE_UINT16}, {                                                                      \
    NWF_ATTR_DSTPORTEND, NWF_TYPE_UINT16                                                                               \
  }
#define IP_PROTOCOL                                                                                                    \
  { NWF_ATTR_PROTOCOL, NWF_TYPE_IPPROTO }
#define DSCP                                                                                                           \
  { NWF_ATTR_DSCP, NWF_TYPE_DSCP }
#define TRAFFIC                                                                                                        \
  DSCP, {NWF_ATTR_CONNLIMIT_ABOVE, NWF_TYPE_UINT16}, {                                                                 \
    NWF_ATTR_STATE, NWF_TYPE_STATE                                                                                     \
  }
#define IPSET                                                                                                          \
  {NWF_ATTR_IPSET, NWF_TYPE_IPSET}, {                                                                                  \
    NWF_ATTR_IPSETFLAGS, NWF_TYPE_IPSET_FLAGS                                                                          \
  }
#define COMMENT                                                                                                        \
  { NWF_ATTR_COMMENT, NWF_TYPE_STRING }
#define RANGE16(name)                                                                                                  \
  {NWF_ATTR_##name, NWF_TYPE_UINT16}, {                                                                                \
    NWF_ATTR_##name##_HI, NWF_TYPE_UINT16                                                                              \
  }

static const NwfAttrSpec mac_attrs[] = {BOTH_MACS, {NWF_ATTR_PROTOCOLID, NWF_TYPE_ETHERTYPE}, COMMENT};

static const NwfAttrSpec vlan_attrs[] = {
    BOTH_MACS, {NWF_ATTR_VLANID, NWF_TYPE_UINT16}, {NWF_ATTR_ENCAP_PROTOCOL, NWF_TYPE_ETHERTYPE}, COMMENT};

static const NwfAttrSpec stp_attrs[] = {
    SRC_MAC,
    SRC_MAC_MASK,
    {NWF_ATTR_STP_TYPE, NWF_TYPE_UINT8},
    {NWF_ATTR_STP_FLAGS, NWF_TYPE_UINT8},
    RANGE16(ROOT_PRIORITY),
    {NWF_ATTR_ROOT_ADDRESS, NWF_TYPE_MAC},
    {NWF_ATTR_ROOT_ADDRESS_MASK, NWF_TYPE_MAC_MASK},
    {NWF_ATTR_ROOT_COST, NWF_TYPE_UINT32},
    {NWF_ATTR_ROOT_COST_HI, NWF_TYPE_UINT32},
    RANGE16(SENDER_PRIORITY),
    {NWF_ATTR_SENDER_ADDRESS, NWF_TYPE_MAC},
    {NWF_ATTR_SENDER_ADDRESS_MASK, NWF_TYPE_MAC_MASK},
    RANGE16(PORT),
    RANGE16(AGE),
    RANGE16(MAX_AGE),
    RANGE16(HELLO_TIME),
    RANGE16(FORWARD_DELAY),
    COMMENT,
};

static const NwfAttrSpec arp_attrs[] = {
    BOTH_MACS,
    {NWF_ATTR_HWTYPE, NWF_TYPE_UINT16},
    {NWF_ATTR_PROTOCOLTYPE, NWF_TYPE_UINT16},
    {NWF_ATTR_OPCODE, NWF_TYPE_OPCODE},
    {NWF_ATTR_ARPSRCMACADDR, NWF_TYPE_MAC},
    {NWF_ATTR_ARPDSTMACADDR, NWF_TYPE_MAC},
    {NWF_ATTR_ARPSRCIPADDR, NWF_TYPE_IPV4},
    {NWF_ATTR_ARPSRCIPMASK, NWF_TYPE_IPV4_MASK},
    {NWF_ATTR_ARPDSTIPADDR, NWF_TYPE_IPV4},
    {NWF_ATTR_ARPDSTIPMASK, NWF_TYPE_IPV4_MASK},
    {NWF_ATTR_GRATUITOUS, NWF_TYPE_BOOLEAN},
    COMMENT,
};

static const NwfAttrSpec ip_attrs[] = {BOTH_MACS, ADDRESSES(NWF_TYPE_IPV4), IP_PROTOCOL, PORTS, DSCP, COMMENT};

static const NwfAttrSpec ipv6_attrs[] = {BOTH_MACS,
                                         ADDRESSES(NWF_TYPE_IPV6),
                                         IP_PROTOCOL,
                                         PORTS,
                                         {NWF_ATTR_TYPE, NWF_TYPE_UINT8},
                                         {NWF_ATTR_TYPEEND, NWF_TYPE_UINT8},
                                         {NWF_ATTR_CODE, NWF_TYPE_UINT8},
                                         {NWF_ATTR_CODEEND, NWF_TYPE_UINT8},
                                         COMMENT};

#define L4(type) SRC_MAC, ADDRESSES(type), ADDRESS_RANGES(type)
#define TCP_ATTRS(type)                                                                                                \
  L4(type), TRAFFIC, PORTS, {NWF_ATTR_OPTION, NWF_TYPE_UINT8}, {NWF_ATTR_FLAGS, NWF_TYPE_TCP_FLAGS}, IPSET, COMMENT
#define PORT_ATTRS(type) L4(type), TRAFFIC, PORTS, IPSET, COMMENT
#define ICMP_ATTRS(type)                                                                                               \
  L4(type), TRAFFIC, {NWF_ATTR_TYPE, NWF_TYPE_UINT8}, {NWF_ATTR_CODE, NWF_TYPE_UINT8}, IPSET, COMMENT
#define PLAIN_ATTRS(type) L4(type), TRAFFIC, IPSET, COMMENT

static const NwfAttrSpec tcp_attrs[] = {TCP_ATTRS(NWF_TYPE_IPV4)};
static const NwfAttrSpec tcp6_attrs[] = {TCP_ATTRS(NWF_TYPE_IPV6)};
static const NwfAttrSpec port_attrs[] = {PORT_ATTRS(NWF_TYPE_IPV4)};
static const NwfAttrSpec port6_attrs[] = {PORT_ATTRS(NWF_TYPE_IPV6)};
static const NwfAttrSpec icmp_attrs[] = {ICMP_ATTRS(NWF_TYPE_IPV4)};
static const NwfAttrSpec icmp6_attrs[] = {ICMP_ATTRS(NWF_TYPE_IPV6)};
static const NwfAttrSpec plain_attrs[] = {PLAIN_ATTRS(NWF_TYPE_IPV4)};
static const NwfAttrSpec plain6_attrs[] = {PLAIN_ATTRS(NWF_TYPE_IPV6)};

#define SPEC(name, stage, ip_protocol, attrs)                                                                          \
  { name, NWF_STAGE_##stage, ip_protocol, attrs, G_N_ELEMENTS(attrs) }

const NwfProtocolSpec nwf_protocols[NWF_N_PROTOCOLS] = {
    [NWF_PROTOCOL_NONE] = {NULL, NWF_STAGE_L2, 0, NULL, 0},
    [NWF_PROTOCOL_MAC] = SPEC("mac", L2, 0, mac_attrs),
    [NWF_PROTOCOL_VLAN] = SPEC("vlan", L2, 0, vlan_attrs),
    [NWF_PROTOCOL_STP] = SPEC("stp", L2, 0, stp_attrs),
    [NWF_PROTOCOL_ARP] = SPEC("arp", L2, 0, arp_attrs),
    [NWF_PROTOCOL_RARP] = SPEC("rarp", L2, 0, arp_attrs),
    [NWF_PROTOCOL_IP] = SPEC("ip", L2, 0, ip_attrs),
    [NWF_PROTOCOL_IPV6] = SPEC("ipv6", L2, 0, ipv6_attrs),
    [NWF_PROTOCOL_TCP] = SPEC("tcp", IPV4, IPPROTO_TCP, tcp_attrs),
    [NWF_PROTOCOL_UDP] = SPEC("udp", IPV4, IPPROTO_UDP, port_attrs),
    [NWF_PROTOCOL_UDPLITE] = SPEC("udplite", IPV4, IPPROTO_UDPLITE, plain_attrs),
    [NWF_PROTOCOL_ESP] = SPEC("esp", IPV4, IPPROTO_ESP, plain_attrs),
    [NWF_PROTOCOL_AH] = SPEC("ah", IPV4, IPPROTO_AH, plain_attrs),
    [NWF_PROTOCOL_SCTP] = SPEC("sctp", IPV4, IPPROTO_SCTP, port_attrs),
    [NWF_PROTOCOL_ICMP] = SPEC("icmp", IPV4, IPPROTO_ICMP, icmp_attrs),
    [NWF_PROTOCOL_IGMP] = SPEC("igmp", IPV4, IPPROTO_IGMP, plain_attrs),
    [NWF_PROTOCOL_ALL] = SPEC("all", IPV4, 0, plain_attrs),
    [NWF_PROTOCOL_TCP_IPV6] = SPEC("tcp-ipv6", IPV6, IPPROTO_TCP, tcp6_attrs),
    [NWF_PROTOCOL_UDP_IPV6] = SPEC("udp-ipv6", IPV6, IPPROTO_UDP, port6_attrs),
    [NWF_PROTOCOL_UDPLITE_IPV6] = SPEC("udplite-ipv6", IPV6, IPPROTO_UDPLITE, plain6_attrs),
    [NWF_PROTOCOL_ESP_IPV6] = SPEC("esp-ipv6", IPV6, IPPROTO_ESP, plain6_attrs),
    [NWF_PROTOCOL_AH_IPV6] = SPEC("ah-ipv6", IPV6, IPPROTO_AH, plain6_attrs),
    [NWF_PROTOCOL_SCTP_IPV6] = SPEC("sctp-ipv6", IPV6, IPPROTO_SCTP, port6_attrs),
    [NWF_PROTOCOL_ICMPV6] = SPEC("icmpv6", IPV6, IPPROTO_ICMPV6, icmp6_attrs),
    [NWF_PROTOCOL_ALL_IPV6] = SPEC("all-ipv6", IPV6, 0, plain6_attrs),
};

static const char *const attr_names[NWF_N_ATTRS] = {
    [NWF_ATTR_SRCMACADDR] = "srcmacaddr",
    [NWF_ATTR_SRCMACMASK] = "srcmacmask",
    [NWF_ATTR_DSTMACADDR] = "dstmacaddr",
    [NWF_ATTR_DSTMACMASK] = "dstmacmask",
    [NWF_ATTR_PROTOCOLID] = "protocolid",
    [NWF_ATTR_VLANID] = "vlanid",
    [NWF_ATTR_ENCAP_PROTOCOL] = "encap-protocol",
    [NWF_ATTR_STP_TYPE] = "type",
    [NWF_ATTR_STP_FLAGS] = "flags",
    [NWF_ATTR_ROOT_PRIORITY] = "root-priority",
    [NWF_ATTR_ROOT_PRIORITY_HI] = "root-priority-hi",
    [NWF_ATTR_ROOT_ADDRESS] = "root-address",
    [NWF_ATTR_ROOT_ADDRESS_MASK] = "root-address-mask",
    [NWF_ATTR_ROOT_COST] = "root-cost",
    [NWF_ATTR_ROOT_COST_HI] = "root-cost-hi",
    [NWF_ATTR_SENDER_PRIORITY] = "sender-priority",
    [NWF_ATTR_SENDER_PRIORITY_HI] = "sender-priority-hi",
    [NWF_ATTR_SENDER_ADDRESS] = "sender-address",
    [NWF_ATTR_SENDER_ADDRESS_MASK] = "sender-address-mask",
    [NWF_ATTR_PORT] = "port",
    [NWF_ATTR_PORT_HI] = "port-hi",
    [NWF_ATTR_AGE] = "age",
    [NWF_ATTR_AGE_HI] = "age-hi",
    [NWF_ATTR_MAX_AGE] = "max-age",
    [NWF_ATTR_MAX_AGE_HI] = "max-age-hi",
    [NWF_ATTR_HELLO_TIME] = "hello-time",
    [NWF_ATTR_HELLO_TIME_HI] = "hello-time-hi",
    [NWF_ATTR_FORWARD_DELAY] = "forward-delay",
    [NWF_ATTR_FORWARD_DELAY_HI] = "forward-delay-hi",
    [NWF_ATTR_HWTYPE] = "hwtype",
    [NWF_ATTR_PROTOCOLTYPE] = "protocoltype",
    [NWF_ATTR_OPCODE] = "opcode",
    [NWF_ATTR_ARPSRCMACADDR] = "arpsrcmacaddr",
    [NWF_ATTR_ARPDSTMACADDR] = "arpdstmacaddr",
    [NWF_ATTR_ARPSRCIPADDR] = "arpsrcipaddr",
    [NWF_ATTR_ARPSRCIPMASK] = "arpsrcipmask",
    [NWF_ATTR_ARPDSTIPADDR] = "arpdstipaddr",
    [NWF_ATTR_ARPDSTIPMASK] = "arpdstipmask",
    [NWF_ATTR_GRATUITOUS] = "gratuitous",
    [NWF_ATTR_SRCIPADDR] = "srcipaddr",
    [NWF_ATTR_SRCIPMASK] = "srcipmask",
    [NWF_ATTR_DSTIPADDR] = "dstipaddr",
    [NWF_ATTR_DSTIPMASK] = "dstipmask",
    [NWF_ATTR_SRCIPFROM] = "srcipfrom",
    [NWF_ATTR_SRCIPTO] = "srcipto",
    [NWF_ATTR_DSTIPFROM] = "dstipfrom",
    [NWF_ATTR_DSTIPTO] = "dstipto",
    [NWF_ATTR_PROTOCOL] = "protocol",
    [NWF_ATTR_SRCPORTSTART] = "srcportstart",
    [NWF_ATTR_SRCPORTEND] = "srcportend",
    [NWF_ATTR_DSTPORTSTART] = "dstportstart",
    [NWF_ATTR_DSTPORTEND] = "dstportend",
    [NWF_ATTR_TYPE] = "type",
    [NWF_ATTR_TYPEEND] = "typeend",
    [NWF_ATTR_CODE] = "code",
    [NWF_ATTR_CODEEND] = "codeend",
    [NWF_ATTR_DSCP] = "dscp",
    [NWF_ATTR_CONNLIMIT_ABOVE] = "connlimit-above",
    [NWF_ATTR_STATE] = "state",
    [NWF_ATTR_FLAGS] = "flags",
    [NWF_ATTR_OPTION] = "option",
    [NWF_ATTR_IPSET] = "ipset",
    [NWF_ATTR_IPSETFLAGS] = "ipsetflags",
    [NWF_ATTR_COMMENT] = "comment",
};

static const char *const action_names[] = {
    [NWF_ACTION_DROP] = "drop",     [NWF_ACTION_ACCEPT] = "accept",     [NWF_ACTION_REJECT] = "reject",
    [NWF_ACTION_RETURN] = "return", [NWF_ACTION_CONTINUE] = "continue",
};

static const char *const direction_names[] = {
    [NWF_DIRECTION_IN] = "in",
    [NWF_DIRECTION_OUT] = "out",
    [NWF_DIRECTION_INOUT] = "inout",
};

static gboolean find_name(const char *const *names, guint count, const char *name, guint *index) {
  for (guint i = 0; i < count; i++) {
    if (strcmp(names[i], name) == 0) {
      *index = i;
      return TRUE;
    }
  }
  return FALSE;
}

const char *nwf_attr_name(NwfAttr attr) {
  g_return_val_if_fail((guint)attr < NWF_N_ATTRS, NULL);
  return attr_names[attr];
}

gboolean nwf_protocol_from_name(const char *name, NwfProtocol *protocol) {
  for (guint i = NWF_PROTOCOL_NONE + 1; i < NWF_N_PROTOCOLS; i++) {
    if (strcmp(nwf_protocols[i].name, name) == 0) {
      *protocol = (NwfProtocol)i;
      return TRUE;
    }
  }
  return FALSE;
}

const NwfAttrSpec *nwf_protocol_attr(NwfProtocol protocol, NwfAttr attr) {
  g_return_val_if_fail((guint)protocol < NWF_N_PROTOCOLS, NULL);
  const NwfProtocolSpec *spec = &nwf_protocols[protocol];
  for (gsize i = 0; i < spec->n_attrs; i++)
    if (spec->attrs[i].attr == attr)
      return &spec->attrs[i];
  return NULL;
}

const char *nwf_action_name(NwfAction action) {
  g_return_val_if_fail((guint)action < G_N_ELEMENTS(action_names), NULL);
  return action_names[action];
}

gboolean nwf_action_from_name(const char *name, NwfAction *action) {
  guint index;
  if (!find_name(action_names, G_N_ELEMENTS(action_names), name, &index))
    return FALSE;
  *action = (NwfAction)index;
  return TRUE;
}

const char *nwf_direction_name(NwfDirection direction) {
  g_return_val_if_fail((guint)direction < G_N_ELEMENTS(direction_names), NULL);
  return direction_names[direction];
}

gboolean nwf_direction_from_name(const char *name, NwfDirection *direction) {
  guint index;
  if (!find_name(direction_names, G_N_ELEMENTS(direction_names), name, &index))
    return FALSE;
  *direction = (NwfDirection)index;
  return TRUE;
}
