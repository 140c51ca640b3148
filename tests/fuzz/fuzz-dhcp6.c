// SPDX-License-Identifier: LGPL-2.1-or-later
// DHCPv6 for the learner: the payload is what follows the UDP header, of the right ports.

#include "learn-feed.h"

static GByteArray *frame_of(const guint8 *data, gsize length, gboolean from_guest) {
  static const guint8 address[16] = {0xfe, 0x80, [15] = 1};
  GByteArray *frame = feed_ethernet(NWF_ETHERTYPE_IPV6);
  g_byte_array_append(frame, (guint8[]){0x60, 0, 0, 0}, 4);
  feed_append16(frame, 8 + length);
  g_byte_array_append(frame, (guint8[]){17, 64}, 2);
  g_byte_array_append(frame, address, 16);
  g_byte_array_append(frame, address, 16);
  feed_append_udp(frame, from_guest ? 546 : 547, from_guest ? 547 : 546, data, length);
  return frame;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  feed_all(data, size, frame_of);
  return 0;
}
