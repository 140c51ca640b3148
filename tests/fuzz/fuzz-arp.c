// SPDX-License-Identifier: LGPL-2.1-or-later
// Frames of any kind for the learner: the payload begins with the EtherType, so tags, ARP, IPv4 and IPv6 headers come
// by.

#include "learn-feed.h"

static GByteArray *frame_of(const guint8 *data, gsize length, gboolean from_guest) {
  GByteArray *frame = feed_ethernet(0);
  g_byte_array_set_size(frame, frame->len - 2);
  if (length)
    g_byte_array_append(frame, data, (guint)length);
  return frame;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  feed_all(data, size, frame_of);
  return 0;
}
