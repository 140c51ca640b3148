// SPDX-License-Identifier: LGPL-2.1-or-later
/* Single attributes of a rule against the bytes of a frame. */
#include "instance.h"

#include <string.h>

/* Whether the first @bits bits are equal. */
static gboolean prefix_equal(const guint8 *a, const guint8 *b, guint bits) {
  for (guint i = 0; i < bits; i++)
    if (((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1) != 0)
      return FALSE;
  return TRUE;
}

gboolean holds_mac(const Instance *instance, NwfAttr address, NwfAttr mask, const Packet *packet, gsize offset) {
  static const guint8 all[NWF_MAC_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  if (!instance->has[address])
    return TRUE;
  const guint8 *want = instance->values[address].mac;
  const guint8 *bits = mask != address && instance->has[mask] ? instance->values[mask].mac : all;
  guint length = NWF_MAC_LEN;
  while (length > 0 && bits[length - 1] == 0)
    length--;
  const guint8 *field = packet_at(packet, offset, length);
  if (field == NULL && length > 0)
    return FALSE;
  gboolean equal = TRUE;
  for (guint i = 0; i < length; i++)
    equal = equal && (field[i] & bits[i]) == (want[i] & bits[i]);
  return equal != instance->negated[address];
}

gboolean holds_ip(const Instance *instance, NwfAttr address, NwfAttr mask, const Packet *packet, gsize offset,
                  gsize length) {
  if (!instance->has[address])
    return TRUE;
  guint bits = instance->has[mask] ? instance->values[mask].number : (guint)length * 8;
  if (instance->values[address].prefix != 0)
    bits = MIN(bits, instance->values[address].prefix);
  const guint8 *field = packet_at(packet, offset, (bits + 7) / 8);
  if (field == NULL && bits > 0)
    return FALSE;
  return prefix_equal(field, instance->values[address].address, bits) != instance->negated[address];
}

gboolean holds_ip_range(const Instance *instance, NwfAttr from, NwfAttr to, const guint8 *field, gsize length) {
  if (!instance->has[from])
    return TRUE;
  if (field == NULL)
    return FALSE;
  const guint8 *low = instance->values[from].address;
  const guint8 *high = instance->has[to] ? instance->values[to].address : low;
  gboolean inside = memcmp(field, low, length) >= 0 && memcmp(field, high, length) <= 0;
  return inside != instance->negated[from];
}

gboolean holds_number(const Instance *instance, NwfAttr attr, const guint8 *field, gsize length) {
  if (!instance->has[attr])
    return TRUE;
  if (field == NULL)
    return FALSE;
  return (packet_number(field, length) == instance->values[attr].number) != instance->negated[attr];
}

gboolean holds_range(const Instance *instance, NwfAttr low, NwfAttr high, const guint8 *field, gsize length) {
  if (!instance->has[low])
    return TRUE;
  if (field == NULL)
    return FALSE;
  guint32 number = packet_number(field, length);
  guint32 from = instance->values[low].number;
  guint32 to = instance->has[high] ? instance->values[high].number : from;
  return (number >= from && number <= to) != instance->negated[low];
}

gboolean holds_ports(const Instance *instance, const Packet *packet, gboolean swapped) {
  const guint8 *source = packet_transport_at(packet, swapped ? 2 : 0, 2);
  const guint8 *destination = packet_transport_at(packet, swapped ? 0 : 2, 2);
  return holds_range(instance, NWF_ATTR_SRCPORTSTART, NWF_ATTR_SRCPORTEND, source, 2) &&
         holds_range(instance, NWF_ATTR_DSTPORTSTART, NWF_ATTR_DSTPORTEND, destination, 2);
}

static void type_range(const Instance *instance, NwfAttr low, NwfAttr high, guint32 range[2]) {
  range[0] = instance->has[low] ? instance->values[low].number : 0;
  range[1] = instance->has[high] ? instance->values[high].number : instance->has[low] ? range[0] : 255;
}

/* Type and code are one test: its negation is that of the first of the four that was written. */
gboolean holds_types(const Instance *instance, const Packet *packet) {
  static const NwfAttr attrs[] = {NWF_ATTR_TYPE, NWF_ATTR_TYPEEND, NWF_ATTR_CODE, NWF_ATTR_CODEEND};
  guint first = 0;
  while (first < G_N_ELEMENTS(attrs) && !instance->has[attrs[first]])
    first++;
  if (first == G_N_ELEMENTS(attrs))
    return TRUE;
  gboolean inside = TRUE;
  for (guint i = 0; i < 2; i++) {
    guint32 range[2];
    type_range(instance, attrs[i * 2], attrs[i * 2 + 1], range);
    if (range[0] == 0 && range[1] == 255) /* looks at no byte */
      continue;
    const guint8 *field = packet_transport_at(packet, i, 1);
    if (field == NULL)
      return FALSE;
    inside = inside && *field >= range[0] && *field <= range[1];
  }
  return inside != instance->negated[attrs[first]];
}

gboolean holds_tcp(const Instance *instance, const Packet *packet) {
  if (instance->has[NWF_ATTR_FLAGS]) {
    const NwfValue *value = &instance->values[NWF_ATTR_FLAGS];
    const guint8 *flags = packet_transport_at(packet, 13, 1);
    guint8 mask = value->tcp_flags.mask;
    if (flags == NULL && mask != 0)
      return FALSE;
    gboolean equal = (mask != 0 ? *flags & mask : 0) == value->tcp_flags.flags;
    if (equal == instance->negated[NWF_ATTR_FLAGS])
      return FALSE;
  }
  if (!instance->has[NWF_ATTR_OPTION])
    return TRUE;
  /* A TCP header that is cut or too short has no options; only a packet without one matches neither way.
   * That IPv6 packets have one is asked by three bytes of it. */
  if (!packet->has_transport || (packet->type == ETHERTYPE_IPV6 && packet_transport_at(packet, 0, 3) == NULL))
    return FALSE;
  gboolean there = packet_tcp_option(packet, (guint8)instance->values[NWF_ATTR_OPTION].number);
  return there != instance->negated[NWF_ATTR_OPTION];
}
