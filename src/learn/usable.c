// SPDX-License-Identifier: LGPL-2.1-or-later
// Which addresses a guest may have.

#include "learn/internal.h"

#include <string.h>

gboolean nwf_ipv4_usable(const guint8 address[4]) {
  return address[0] != 0 && address[0] != 127 && address[0] < 224;
}

gboolean nwf_ipv6_usable(const guint8 address[16]) {
  static const guint8 zero[10];
  if (address[0] == 0xff)
    return FALSE;
  if (memcmp(address, zero, 10) != 0)
    return TRUE;
  /* ::/96 has ::, ::1 and the IPv4-compatible addresses, ::ffff:0:0/96 the IPv4-mapped ones (RFC 4291, 2.5) */
  return !(address[10] == address[11] && (address[10] == 0 || address[10] == 0xff));
}

gboolean nwf_ipv6_prefix_usable(const guint8 address[16], guint prefix) {
  gboolean link_local = address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
  return prefix >= 32 && prefix <= 128 && nwf_ipv6_usable(address) && !link_local;
}

void nwf_ipv6_link_local(const guint8 mac[NWF_MAC_LEN], guint8 address[16]) {
  memset(address, 0, 16);
  address[0] = 0xfe;
  address[1] = 0x80;
  memcpy(address + 8, mac, 3);
  address[8] ^= 2;
  address[11] = 0xff;
  address[12] = 0xfe;
  memcpy(address + 13, mac + 3, 3);
}

gboolean nwf_learned_usable(const NwfLearned *learned) {
  if (!learned->ipv6)
    return learned->prefix == 32 && nwf_ipv4_usable(learned->address);
  if (learned->how == NWF_LEARNED_DHCPV6)
    return nwf_ipv6_prefix_usable(learned->address, learned->prefix);
  return learned->prefix == 128 && nwf_ipv6_usable(learned->address);
}

void nwf_learned_set_prefix(NwfLearned *learned, guint prefix) {
  learned->prefix = prefix;
  for (guint bit = prefix; bit < (learned->ipv6 ? 128 : 32); bit++)
    learned->address[bit / 8] &= (guint8) ~(0x80 >> bit % 8);
}

gboolean nwf_learned_same_address(const NwfLearned *a, const NwfLearned *b) {
  return a->ipv6 == b->ipv6 && a->prefix == b->prefix && memcmp(a->address, b->address, a->ipv6 ? 16 : 4) == 0;
}
