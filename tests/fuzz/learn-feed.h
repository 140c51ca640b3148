// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What the targets of learning share: a learner with four ports, fed with the messages of the input one by one, and
 * what must hold after each.
 *
 * A message of the input: one byte (bit 0: from the guest; bits 1-2: the port; bit 3: the header's MAC is another's;
 * bits 4-7: seconds that have passed, times 20), two bytes of length, and the payload that the target puts headers
 * before.
 */
#pragma once

#include "learn/internal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FEED_PORTS 4
#define FEED_MAX 3 /* addresses */
#define FEED_START 1700000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const feed_names[FEED_PORTS] = {"any", "dhcp", "any2", "dhcp2"};
static const guint8 feed_mac[NWF_MAC_LEN] = {0x52, 0x54, 0, 0, 0, 1}; /* of all ports: seeds reach each */

static inline void feed_log(NwfLearnLogLevel level, const char *message, gpointer data) {
  if (!g_utf8_validate(message, -1, NULL))
    abort();
}

static inline void feed_add(NwfLearner *learner, guint i) {
  g_autoptr(GPtrArray) servers = g_ptr_array_new();
  g_ptr_array_add(servers, (gpointer) "10.0.0.1");
  NwfLearnPort port = {.port = feed_names[i],
                       .ipv4 = TRUE,
                       .ipv6 = TRUE,
                       .has_owner_uuid = TRUE,
                       .owner_uuid = {(guint8)(i % 2)},
                       .method = i % 2 ? NWF_LEARN_DHCP : NWF_LEARN_ANY,
                       .max_addresses = FEED_MAX,
                       .dhcp_servers = i > 1 ? servers : NULL};
  memcpy(port.mac, feed_mac, sizeof feed_mac);
  nwf_learner_add_port(learner, &port, FEED_START);
}

static inline void feed_check_port(const NwfLearner *learner, guint i, gint64 next) {
  g_autoptr(GArray) addresses = nwf_learner_addresses(learner, feed_names[i]);
  guint n[2] = {0, 0};
  for (guint j = 0; j < addresses->len; j++) {
    const NwfLearned *learned = &g_array_index(addresses, NwfLearned, j);
    gboolean good = learned->ipv6 ? learned->prefix >= 32 && learned->prefix <= 128 && nwf_ipv6_usable(learned->address)
                                  : learned->prefix == 32 && nwf_ipv4_usable(learned->address);
    if (!good || (learned->until != 0 && (next == 0 || next > learned->until)))
      abort();
    gboolean seen =
        learned->how == NWF_LEARNED_ARP || learned->how == NWF_LEARNED_IPV4 || learned->how == NWF_LEARNED_ND;
    if (seen && i % 2)
      abort();
    n[learned->ipv6] += learned->how != NWF_LEARNED_LINK_LOCAL;
  }
  if (n[0] > (i % 2 ? FEED_MAX : 1) || n[1] > FEED_MAX)
    abort();
}

static inline void feed_all(const uint8_t *data, size_t size,
                            GByteArray *(*frame_of)(const guint8 *, gsize, gboolean)) {
  NwfLearnConfig config = {.log = feed_log};
  gint64 now = FEED_START;
  NwfLearner *learner = nwf_learner_new(&config, now);
  for (guint i = 0; i < FEED_PORTS; i++)
    feed_add(learner, i);
  while (size >= 3) {
    guint8 head = data[0];
    gsize length = MIN(nwf_read16(data + 1), size - 3);
    GByteArray *frame = frame_of(data + 3, length, head & 1);
    if (head & 8)
      frame->data[11] ^= 1;
    now += (head >> 4) * 20;
    guint8 *copy = g_memdup2(frame->data, frame->len); /* of just this size */
    gsize copied = frame->len;
    g_byte_array_unref(frame);
    nwf_learner_frame(learner, feed_names[head >> 1 & 3], head & 1, copy, copied, now);
    g_free(copy);
    g_autoptr(GPtrArray) ended = nwf_learner_expire(learner, now);
    for (guint i = 0; i < FEED_PORTS; i++)
      feed_check_port(learner, i, nwf_learner_next_expiry(learner));
    data += 3 + length;
    size -= 3 + length;
  }
  nwf_learner_free(learner);
}

static inline GByteArray *feed_ethernet(guint16 type) {
  GByteArray *frame = g_byte_array_new();
  g_byte_array_append(frame, (const guint8 *)"\xff\xff\xff\xff\xff\xff", 6);
  g_byte_array_append(frame, feed_mac, sizeof feed_mac);
  g_byte_array_append(frame, (guint8[]){(guint8)(type >> 8), (guint8)type}, 2);
  return frame;
}

static inline void feed_append16(GByteArray *frame, gsize value) {
  g_byte_array_append(frame, (guint8[]){(guint8)(value >> 8), (guint8)value}, 2);
}

static inline void feed_append_udp(GByteArray *frame, guint16 from, guint16 to, const guint8 *payload, gsize length) {
  feed_append16(frame, from);
  feed_append16(frame, to);
  feed_append16(frame, 8 + length);
  feed_append16(frame, 0);
  g_byte_array_append(frame, payload, (guint)length);
}
