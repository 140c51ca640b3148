// SPDX-License-Identifier: LGPL-2.1-or-later
// Who sends an ARP packet. The target is not looked at: it is whom the sender looks for.

#include "learn/internal.h"

#include <string.h>

gboolean nwf_arp_parse(const guint8 *data, gsize length, NwfArp *arp) {
  /* hardware Ethernet, protocol IPv4, lengths 6 and 4 (RFC 826) */
  static const guint8 start[] = {0, 1, 8, 0, 6, 4};
  if (length < 28 || memcmp(data, start, sizeof start) != 0)
    return FALSE;
  guint16 operation = nwf_read16(data + 6);
  if (operation != 1 && operation != 2)
    return FALSE;
  *arp = (NwfArp){.sender_mac = data + 8, .sender = data + 14};
  return TRUE;
}
