// SPDX-License-Identifier: LGPL-2.1-or-later
// Neighbour Solicitations and Advertisements.

#include "learn/internal.h"

#include <string.h>

#define ICMPV6 58 /* IANA */
#define SOLICITATION 135
#define ADVERTISEMENT 136

gboolean nwf_nd_parse(const NwfIpv6 *ip, NwfNd *nd) {
  static const guint8 unspecified[16];
  /* RFC 4861, 7.1: a hop limit of 255 shows that no router has forwarded it */
  if (ip->next_header != ICMPV6 || ip->hop_limit != 255 || ip->length < 24)
    return FALSE;
  if ((ip->payload[0] != SOLICITATION && ip->payload[0] != ADVERTISEMENT) || ip->payload[1] != 0)
    return FALSE;
  *nd = (NwfNd){.advertisement = ip->payload[0] == ADVERTISEMENT, .target = ip->payload + 8};
  nd->detection = !nd->advertisement && memcmp(ip->source, unspecified, 16) == 0;
  return TRUE;
}
