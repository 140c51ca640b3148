// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Frames written as text, for the oracle's cases: layers from the outside in, each a word and
 * its KEY=VALUE fields; a field that is not given is what makes the frame whole.
 *
 *   ip4 tcp dp=22 flags=S          arp op=2 spa=10.0.0.1          ip6 hbh udp dp=53 cut=60
 *
 * docs: tests/oracle/README.md lists layers and fields.
 */
#pragma once

#include <glib.h>

/** Where a frame comes from and goes to: what its addresses are when none are given, and what
 * "@NAME" means in an address. */
typedef struct {
  guint8 mac[6];
  guint8 ip4[4];
  guint8 ip6[16];
} FrameStation;

/** The station of that name, or NULL; borrowed. */
typedef const FrameStation *(*FrameStationFunc)(const char *name, gpointer data);

/** The frame that @text describes; NULL with @error (G_OPTION_ERROR_BAD_VALUE), which quotes the word at fault. */
GByteArray *frame_from_text(const char *text, const FrameStation *from, const FrameStation *to, FrameStationFunc find,
                            gpointer data, GError **error);
