// SPDX-License-Identifier: LGPL-2.1-or-later
/* Protocol elements of a rule against a frame. */
#include "instance.h"

#include <netinet/in.h>
#include <string.h>

#define BPDU(offset) (packet->network + (offset))

static gboolean matches_macs(const Instance *instance, const Packet *packet, gboolean swapped) {
  return holds_mac(instance, NWF_ATTR_SRCMACADDR, NWF_ATTR_SRCMACMASK, packet, swapped ? 0 : 6) &&
         holds_mac(instance, NWF_ATTR_DSTMACADDR, NWF_ATTR_DSTMACMASK, packet, swapped ? 6 : 0);
}

static gboolean matches_mac(const Instance *instance, const Packet *packet, gboolean swapped) {
  return matches_macs(instance, packet, swapped) && holds_number(instance, NWF_ATTR_PROTOCOLID, packet->bytes + 12, 2);
}

static gboolean matches_vlan(const Instance *instance, const Packet *packet, gboolean swapped) {
  if (packet->type != ETHERTYPE_VLAN || !matches_macs(instance, packet, swapped))
    return FALSE;
  if (instance->has[NWF_ATTR_VLANID]) {
    const guint8 *tag = packet_at(packet, 14, 2);
    if (tag == NULL)
      return FALSE;
    gboolean equal = (packet_number(tag, 2) & 0xfff) == instance->values[NWF_ATTR_VLANID].number;
    if (equal == instance->negated[NWF_ATTR_VLANID])
      return FALSE;
  }
  return holds_number(instance, NWF_ATTR_ENCAP_PROTOCOL, packet_at(packet, 16, 2), 2);
}

/* IEEE 802.1D, 9.3.1: a configuration BPDU, behind three bytes of LLC. */
static const struct {
  NwfAttr low, high;
  gsize offset, length;
} bpdu_numbers[] = {
    {NWF_ATTR_STP_FLAGS, NWF_ATTR_STP_FLAGS, 7, 1},
    {NWF_ATTR_ROOT_PRIORITY, NWF_ATTR_ROOT_PRIORITY_HI, 8, 2},
    {NWF_ATTR_ROOT_COST, NWF_ATTR_ROOT_COST_HI, 16, 4},
    {NWF_ATTR_SENDER_PRIORITY, NWF_ATTR_SENDER_PRIORITY_HI, 20, 2},
    {NWF_ATTR_PORT, NWF_ATTR_PORT_HI, 28, 2},
    {NWF_ATTR_AGE, NWF_ATTR_AGE_HI, 30, 2},
    {NWF_ATTR_MAX_AGE, NWF_ATTR_MAX_AGE_HI, 32, 2},
    {NWF_ATTR_HELLO_TIME, NWF_ATTR_HELLO_TIME_HI, 34, 2},
    {NWF_ATTR_FORWARD_DELAY, NWF_ATTR_FORWARD_DELAY_HI, 36, 2},
};

static gboolean asks_for_config(const Instance *instance) {
  for (guint i = 0; i < G_N_ELEMENTS(bpdu_numbers); i++)
    if (instance->has[bpdu_numbers[i].low])
      return TRUE;
  return instance->has[NWF_ATTR_ROOT_ADDRESS] || instance->has[NWF_ATTR_SENDER_ADDRESS];
}

static gboolean matches_config(const Instance *instance, const Packet *packet) {
  for (guint i = 0; i < G_N_ELEMENTS(bpdu_numbers); i++) {
    const guint8 *field = packet_at(packet, BPDU(bpdu_numbers[i].offset), bpdu_numbers[i].length);
    if (!holds_range(instance, bpdu_numbers[i].low, bpdu_numbers[i].high, field, bpdu_numbers[i].length))
      return FALSE;
  }
  return holds_mac(instance, NWF_ATTR_ROOT_ADDRESS, NWF_ATTR_ROOT_ADDRESS_MASK, packet, BPDU(10)) &&
         holds_mac(instance, NWF_ATTR_SENDER_ADDRESS, NWF_ATTR_SENDER_ADDRESS_MASK, packet, BPDU(22));
}

static gboolean matches_stp(const Instance *instance, const Packet *packet) {
  static const guint8 group[6] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x00};
  static const guint8 llc[6] = {0x42, 0x42, 0x03, 0x00, 0x00, 0x00};
  if (memcmp(packet->bytes, group, 6) != 0 || !holds_mac(instance, NWF_ATTR_SRCMACADDR, NWF_ATTR_SRCMACMASK, packet, 6))
    return FALSE;
  gboolean config = asks_for_config(instance);
  if (!config && !instance->has[NWF_ATTR_STP_TYPE])
    return TRUE;
  const guint8 *header = packet_at(packet, BPDU(0), 6), *type = packet_at(packet, BPDU(6), 1);
  if (header == NULL || memcmp(header, llc, 6) != 0 || !holds_number(instance, NWF_ATTR_STP_TYPE, type, 1))
    return FALSE;
  if (!config)
    return TRUE;
  /* Other BPDUs do not have these fields, and are not asked for them. */
  return type != NULL && (*type != 0 || matches_config(instance, packet));
}

/* RFC 826. The addresses are looked for where Ethernet and IPv4 put them, so the header must say
 * that it speaks of those. */
static gboolean matches_arp_addresses(const Instance *instance, const Packet *packet, gboolean swapped) {
  gboolean gratuitous = instance->has[NWF_ATTR_GRATUITOUS] && instance->values[NWF_ATTR_GRATUITOUS].number != 0;
  gboolean macs = instance->has[NWF_ATTR_ARPSRCMACADDR] || instance->has[NWF_ATTR_ARPDSTMACADDR];
  gboolean ips = instance->has[NWF_ATTR_ARPSRCIPADDR] || instance->has[NWF_ATTR_ARPDSTIPADDR] || gratuitous;
  if (!macs && !ips)
    return TRUE;
  const guint8 *header = packet_at(packet, 14, 6);
  if (header == NULL || header[4] != 6)
    return FALSE;
  if (macs && packet_number(header, 2) != 1)
    return FALSE;
  if (ips && (packet_number(header + 2, 2) != ETHERTYPE_IPV4 || header[5] != 4))
    return FALSE;
  const gsize sender_mac = 22, sender_ip = 28, target_mac = 32, target_ip = 38;
  if (gratuitous) {
    const guint8 *sender = packet_at(packet, sender_ip, 4), *target = packet_at(packet, target_ip, 4);
    if (sender == NULL || target == NULL)
      return FALSE;
    if ((memcmp(sender, target, 4) == 0) == instance->negated[NWF_ATTR_GRATUITOUS])
      return FALSE;
  }
  return holds_mac(instance, NWF_ATTR_ARPSRCMACADDR, NWF_ATTR_ARPSRCMACADDR, packet,
                   swapped ? target_mac : sender_mac) &&
         holds_mac(instance, NWF_ATTR_ARPDSTMACADDR, NWF_ATTR_ARPDSTMACADDR, packet,
                   swapped ? sender_mac : target_mac) &&
         holds_ip(instance, NWF_ATTR_ARPSRCIPADDR, NWF_ATTR_ARPSRCIPMASK, packet, swapped ? target_ip : sender_ip, 4) &&
         holds_ip(instance, NWF_ATTR_ARPDSTIPADDR, NWF_ATTR_ARPDSTIPMASK, packet, swapped ? sender_ip : target_ip, 4);
}

static gboolean matches_arp(const Instance *instance, const Packet *packet, gboolean swapped) {
  guint16 type = instance->rule->protocol == NWF_PROTOCOL_RARP ? ETHERTYPE_RARP : ETHERTYPE_ARP;
  return packet->type == type && matches_macs(instance, packet, swapped) &&
         holds_number(instance, NWF_ATTR_HWTYPE, packet_at(packet, 14, 2), 2) &&
         holds_number(instance, NWF_ATTR_PROTOCOLTYPE, packet_at(packet, 16, 2), 2) &&
         holds_number(instance, NWF_ATTR_OPCODE, packet_at(packet, 20, 2), 2) &&
         matches_arp_addresses(instance, packet, swapped);
}

static gboolean holds_dscp(const Instance *instance, const Packet *packet) {
  if (!instance->has[NWF_ATTR_DSCP])
    return TRUE;
  guint32 dscp;
  if (packet->type == ETHERTYPE_IPV4) {
    const guint8 *tos = packet_at(packet, 15, 1);
    if (tos == NULL)
      return FALSE;
    dscp = *tos >> 2;
  } else {
    const guint8 *class = packet_at(packet, 14, 2);
    if (class == NULL)
      return FALSE;
    dscp = packet_number(class, 2) >> 6 & 0x3f;
  }
  return (dscp == instance->values[NWF_ATTR_DSCP].number) != instance->negated[NWF_ATTR_DSCP];
}

/* Addresses with masks, and ranges where no address is given. */
static gboolean matches_addresses(const Instance *instance, const Packet *packet, gboolean swapped) {
  gboolean v4 = packet->type == ETHERTYPE_IPV4;
  gsize length = v4 ? 4 : 16;
  gsize first = ETHERNET_HEADER + (v4 ? 12 : 8), second = ETHERNET_HEADER + (v4 ? 16 : 24);
  gsize source = swapped ? second : first, destination = swapped ? first : second;
  if (!holds_ip(instance, NWF_ATTR_SRCIPADDR, NWF_ATTR_SRCIPMASK, packet, source, length) ||
      !holds_ip(instance, NWF_ATTR_DSTIPADDR, NWF_ATTR_DSTIPMASK, packet, destination, length))
    return FALSE;
  return (instance->has[NWF_ATTR_SRCIPADDR] ||
          holds_ip_range(instance, NWF_ATTR_SRCIPFROM, NWF_ATTR_SRCIPTO, packet_at(packet, source, length), length)) &&
         (instance->has[NWF_ATTR_DSTIPADDR] || holds_ip_range(instance, NWF_ATTR_DSTIPFROM, NWF_ATTR_DSTIPTO,
                                                              packet_at(packet, destination, length), length));
}

static gboolean matches_ip(const Instance *instance, const Packet *packet, gboolean swapped) {
  return packet->type == ETHERTYPE_IPV4 && matches_macs(instance, packet, swapped) &&
         matches_addresses(instance, packet, swapped) &&
         holds_number(instance, NWF_ATTR_PROTOCOL, packet_at(packet, 23, 1), 1) && holds_dscp(instance, packet) &&
         holds_ports(instance, packet, swapped);
}

static gboolean matches_ipv6(const Instance *instance, const Packet *packet, gboolean swapped) {
  guint8 protocol = (guint8)packet->protocol;
  gboolean types = instance->has[NWF_ATTR_TYPE] || instance->has[NWF_ATTR_TYPEEND] || instance->has[NWF_ATTR_CODE] ||
                   instance->has[NWF_ATTR_CODEEND];
  return packet->type == ETHERTYPE_IPV6 && matches_macs(instance, packet, swapped) &&
         matches_addresses(instance, packet, swapped) &&
         holds_number(instance, NWF_ATTR_PROTOCOL, packet->well_formed ? &protocol : NULL, 1) &&
         (!types || (packet->well_formed && protocol == IPPROTO_ICMPV6)) && holds_types(instance, packet) &&
         holds_ports(instance, packet, swapped);
}

gboolean instance_matches_l2(const Instance *instance, const Packet *packet, gboolean swapped) {
  switch (instance->rule->protocol) {
  case NWF_PROTOCOL_NONE:
    return TRUE;
  case NWF_PROTOCOL_MAC:
    return matches_mac(instance, packet, swapped);
  case NWF_PROTOCOL_VLAN:
    return matches_vlan(instance, packet, swapped);
  case NWF_PROTOCOL_STP:
    return matches_stp(instance, packet);
  case NWF_PROTOCOL_ARP:
  case NWF_PROTOCOL_RARP:
    return matches_arp(instance, packet, swapped);
  case NWF_PROTOCOL_IP:
    return matches_ip(instance, packet, swapped);
  case NWF_PROTOCOL_IPV6:
    return matches_ipv6(instance, packet, swapped);
  default:
    g_assert_not_reached();
  }
}

gboolean instance_matches_l4(const Instance *instance, const Packet *packet, gboolean swapped) {
  guint8 protocol = nwf_protocols[instance->rule->protocol].ip_protocol;
  if (!packet->well_formed || (protocol != 0 && packet->protocol != protocol))
    return FALSE;
  /* The frame's source is the guest's own only where the rule is checked as it is written. */
  if (!swapped && !holds_mac(instance, NWF_ATTR_SRCMACADDR, NWF_ATTR_SRCMACADDR, packet, 6))
    return FALSE;
  if (!matches_addresses(instance, packet, swapped) || !holds_dscp(instance, packet) ||
      !holds_ports(instance, packet, swapped))
    return FALSE;
  if (protocol == IPPROTO_TCP)
    return holds_tcp(instance, packet);
  if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
    return holds_types(instance, packet);
  return TRUE;
}
