// SPDX-License-Identifier: LGPL-2.1-or-later
// DHCP for the learner: the payload is what follows the UDP header, of the right ports; servers are 10.0.0.1.

#include "learn-feed.h"

static GByteArray *frame_of(const guint8 *data, gsize length, gboolean from_guest) {
  static const guint8 server[4] = {10, 0, 0, 1}, none[4];
  GByteArray *frame = feed_ethernet(NWF_ETHERTYPE_IPV4);
  g_byte_array_append(frame, (guint8[]){0x45, 0}, 2);
  feed_append16(frame, 28 + length);
  g_byte_array_append(frame, (guint8[]){0, 0, 0, 0, 64, 17, 0, 0}, 8);
  g_byte_array_append(frame, from_guest ? none : server, 4);
  g_byte_array_append(frame, (const guint8 *)"\xff\xff\xff\xff", 4);
  feed_append_udp(frame, from_guest ? 68 : 67, from_guest ? 67 : 68, data, length);
  return frame;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  feed_all(data, size, frame_of);
  return 0;
}
