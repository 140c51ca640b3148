// SPDX-License-Identifier: LGPL-2.1-or-later
// ICMPv6 for the learner: the payload is the source address and what follows the IPv6 header.

#include "learn-feed.h"

static GByteArray *frame_of(const guint8 *data, gsize length, gboolean from_guest) {
  guint8 source[16] = {0};
  gsize taken = MIN(length, sizeof source);
  memcpy(source, data, taken);
  GByteArray *frame = feed_ethernet(NWF_ETHERTYPE_IPV6);
  g_byte_array_append(frame, (guint8[]){0x60, 0, 0, 0}, 4);
  feed_append16(frame, length - taken);
  g_byte_array_append(frame, (guint8[]){58, 255}, 2);
  g_byte_array_append(frame, source, 16);
  g_byte_array_append(frame, source, 16);
  if (length > taken)
    g_byte_array_append(frame, data + taken, (guint)(length - taken));
  return frame;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  feed_all(data, size, frame_of);
  return 0;
}
