// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * A collection of frames, each with a name: ordinary ones of every protocol that filters know, and
 * each of them tagged, fragmented, cut off and broken. They are the guest's: from its MAC address
 * 52:54:00:00:00:01 and 10.0.0.1 or fe80::1.
 */
#pragma once

#include "frame.h"

typedef struct {
  char *name;
  Frame frame;
} GalleryFrame;

/** All frames (of GalleryFrame); freed with g_array_unref. */
GArray *gallery_new(void);
