// SPDX-License-Identifier: LGPL-2.1-or-later
/** The layers that frame-text.c puts together: reading fields, building headers. */
#pragma once

#include "frame-text.h"

typedef struct FrameLayerType FrameLayerType;

typedef struct {
  const FrameLayerType *type;
  char **words; /* KEY=VALUE */
  gboolean *used;
  guint n;
} FrameLayer;

typedef struct {
  GPtrArray *layers; /* of FrameLayer, outermost first */
  GByteArray *bytes;
  const FrameStation *from, *to;
  FrameStationFunc find;
  gpointer data;
  guint8 pseudo[40]; /* source and destination address of the IP header above a transport header */
  guint pseudo_length;
  GError *error; /* the first one */
} FrameBuilder;

/** The layer of that name, or NULL. */
const FrameLayerType *frame_layer_type(const char *name);
/** Appends layer @index and all that are in it. */
void frame_build_from(FrameBuilder *builder, guint index);
/** Sets the builder's error; always FALSE. */
gboolean frame_fail(FrameBuilder *builder, const char *what, const char *word);

/** A field's text, or NULL when it was not given. */
const char *frame_field(FrameLayer *layer, const char *key);
guint frame_number(FrameBuilder *builder, FrameLayer *layer, const char *key, guint otherwise);
/** Appends the field's bytes, written in hexadecimal. */
void frame_put_hex(FrameBuilder *builder, FrameLayer *layer, const char *key);
void frame_put_mac(FrameBuilder *builder, FrameLayer *layer, const char *key, const guint8 *otherwise);
void frame_put_ip4(FrameBuilder *builder, FrameLayer *layer, const char *key, const guint8 *otherwise);
void frame_put_ip6(FrameBuilder *builder, FrameLayer *layer, const char *key, const guint8 *otherwise);
void frame_put8(FrameBuilder *builder, guint value);
void frame_put16(FrameBuilder *builder, guint value);
void frame_put32(FrameBuilder *builder, guint value);
void frame_set16(FrameBuilder *builder, guint offset, guint value);
/** The Internet checksum (RFC 1071) of all bytes from @start on, the pseudo header included when
 * @protocol is not 0. */
guint16 frame_checksum(const FrameBuilder *builder, guint start, guint protocol);
