// SPDX-License-Identifier: LGPL-2.1-or-later
#include "packet.h"

#include <netinet/in.h>

const guint8 *packet_at(const Packet *packet, gsize offset, gsize length) {
  if (offset > packet->length || length > packet->length - offset)
    return NULL;
  return packet->bytes + offset;
}

const guint8 *packet_transport_at(const Packet *packet, gsize offset, gsize length) {
  return packet->has_transport ? packet_at(packet, packet->transport + offset, length) : NULL;
}

guint32 packet_number(const guint8 *bytes, gsize length) {
  guint32 number = 0;
  for (gsize i = 0; i < length; i++)
    number = number << 8 | bytes[i];
  return number;
}

/* RFC 791, 3.1 */
static void read_ipv4(Packet *packet) {
  const guint8 *header = packet_at(packet, ETHERNET_HEADER, 20);
  if (header == NULL || header[0] >> 4 != 4)
    return;
  gsize header_length = (header[0] & 0x0f) * 4u;
  gsize total_length = packet_number(header + 2, 2);
  if (header_length < 20 || total_length < header_length || total_length > packet->length - ETHERNET_HEADER)
    return;
  packet->well_formed = TRUE;
  packet->protocol = header[9];
  packet->has_transport = (packet_number(header + 6, 2) & 0x1fff) == 0;
  packet->transport = ETHERNET_HEADER + header_length;
}

static gboolean is_extension(guint8 protocol) {
  return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING || protocol == IPPROTO_FRAGMENT ||
         protocol == IPPROTO_AH || protocol == IPPROTO_NONE || protocol == IPPROTO_DSTOPTS;
}

/* RFC 8200, 4. An authentication header ends the walk as it does in the kernel's, where it
 * counts as the upper layer (so that rules for it can match). */
static void read_ipv6(Packet *packet) {
  const guint8 *header = packet_at(packet, ETHERNET_HEADER, 40);
  if (header == NULL || header[0] >> 4 != 6)
    return;
  if (packet_number(header + 4, 2) > packet->length - ETHERNET_HEADER - 40)
    return;
  guint8 next = header[6];
  gsize offset = ETHERNET_HEADER + 40;
  while (is_extension(next) && next != IPPROTO_NONE) {
    const guint8 *extension = packet_at(packet, offset, 2);
    if (extension == NULL)
      return;
    if (next == IPPROTO_AH)
      break;
    gsize extension_length = (extension[1] + 1u) * 8;
    if (next == IPPROTO_FRAGMENT) {
      const guint8 *fragment = packet_at(packet, offset + 2, 2);
      if (fragment == NULL)
        return;
      if ((packet_number(fragment, 2) & 0xfff8) != 0) {
        /* What follows is not the header that the field names, so an extension header there
         * cannot be walked. */
        if (is_extension(extension[0]) && extension[0] != IPPROTO_NONE)
          return;
        packet->well_formed = TRUE;
        packet->protocol = extension[0];
        return;
      }
      extension_length = 8;
    }
    next = extension[0];
    offset += extension_length;
  }
  packet->well_formed = TRUE;
  packet->protocol = next;
  packet->has_transport = TRUE;
  packet->transport = offset;
}

void packet_read(Packet *packet, const guint8 *bytes, gsize length) {
  g_assert(length >= ETHERNET_HEADER);
  *packet = (Packet){.bytes = bytes, .length = length, .protocol = -1};
  packet->type = (guint16)packet_number(bytes + 12, 2);
  gboolean tagged = packet->type == ETHERTYPE_VLAN || packet->type == ETHERTYPE_QINQ;
  packet->network = ETHERNET_HEADER + (tagged ? 4 : 0);
  if (packet->type == ETHERTYPE_IPV4)
    read_ipv4(packet);
  else if (packet->type == ETHERTYPE_IPV6)
    read_ipv6(packet);
}

void packet_skip_tags(Packet *packet) {
  for (;;) {
    const guint8 *type = packet_at(packet, packet->network - 2, 2);
    guint32 number = type ? packet_number(type, 2) : 0;
    if (number != ETHERTYPE_VLAN && number != ETHERTYPE_QINQ)
      return;
    packet->network += 4;
  }
}

/* RFC 9293, 3.2: kinds 0 and 1 are a byte, the others say their length. */
gboolean packet_tcp_option(const Packet *packet, guint8 kind) {
  const guint8 *header = packet_transport_at(packet, 0, 20);
  if (packet->protocol != IPPROTO_TCP || header == NULL)
    return FALSE;
  gsize length = (header[12] >> 4) * 4u;
  if (length < 20 || packet_transport_at(packet, 0, length) == NULL)
    return FALSE;
  for (gsize i = 20; i + 1 < length;) {
    gsize option_length = header[i] <= 1 || header[i + 1] == 0 ? 1 : header[i + 1];
    if (header[i] == kind)
      return i + option_length <= length;
    i += option_length;
  }
  return FALSE;
}
