// SPDX-License-Identifier: LGPL-2.1-or-later
// Ethernet, IPv4, IPv6 and UDP headers.

#include "learn/internal.h"

#include <string.h>

#define ETHERTYPE_8021Q 0x8100 /* linux/if_ether.h */
#define ETHERTYPE_8021AD 0x88a8

gboolean nwf_tags_same(const NwfTags *a, const NwfTags *b) {
  return a->n == b->n && memcmp(a->vlan, b->vlan, a->n * sizeof a->vlan[0]) == 0;
}

gboolean nwf_ethernet_parse(const guint8 *frame, gsize length, NwfEthernet *ethernet) {
  gsize offset = 12;
  NwfTags within = {0};
  for (guint tags = 0; length >= offset + 2; tags++, offset += 4) {
    guint16 type = nwf_read16(frame + offset);
    if (type != ETHERTYPE_8021Q && type != ETHERTYPE_8021AD) {
      *ethernet = (NwfEthernet){.source = frame + 6,
                                .tags = within,
                                .type = type,
                                .payload = frame + offset + 2,
                                .length = length - offset - 2};
      return TRUE;
    }
    if (tags == NWF_TAGS_MAX || length < offset + 4)
      return FALSE;
    guint16 vlan = nwf_read16(frame + offset + 2) & 0xfff;
    within.any = TRUE;
    if (vlan)
      within.vlan[within.n++] = vlan;
  }
  return FALSE;
}

gboolean nwf_ipv4_parse(const guint8 *data, gsize length, NwfIpv4 *ip) {
  if (length < 20 || data[0] >> 4 != 4)
    return FALSE;
  gsize header = (data[0] & 15u) * 4u;
  gsize total = nwf_read16(data + 2);
  if (header < 20 || total < header)
    return FALSE;
  *ip = (NwfIpv4){.source = data + 12, .protocol = data[9], .sent = total - header};
  ip->fragment = (nwf_read16(data + 6) & 0x3fff) != 0; /* an offset, or more to come */
  if (length < header)
    return TRUE;
  ip->payload = data + header;
  ip->length = MIN(length, total) - header;
  return TRUE;
}

gboolean nwf_ipv6_parse(const guint8 *data, gsize length, NwfIpv6 *ip) {
  if (length < 40 || data[0] >> 4 != 6)
    return FALSE;
  *ip = (NwfIpv6){.source = data + 8, .next_header = data[6], .hop_limit = data[7], .payload = data + 40};
  ip->sent = nwf_read16(data + 4);
  ip->length = MIN(length - 40, ip->sent);
  return TRUE;
}

gboolean nwf_udp_parse(const guint8 *data, gsize length, gsize sent, NwfUdp *udp) {
  if (length < 8)
    return FALSE;
  gsize total = nwf_read16(data + 4);
  if (total < 8 || total > sent)
    return FALSE;
  *udp = (NwfUdp){.source = nwf_read16(data), .destination = nwf_read16(data + 2), .payload = data + 8};
  udp->length = MIN(total, length) - 8;
  udp->cut = total > length;
  return TRUE;
}
