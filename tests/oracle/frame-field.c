// SPDX-License-Identifier: LGPL-2.1-or-later
/* Fields of a frame's layers: KEY=VALUE to bytes. */
#include "frame-layer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

gboolean frame_fail(FrameBuilder *builder, const char *what, const char *word) {
  if (!builder->error)
    g_set_error(&builder->error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s: \"%s\"", what, word);
  return FALSE;
}

const char *frame_field(FrameLayer *layer, const char *key) {
  gsize length = strlen(key);

  for (guint i = 0; i < layer->n; i++)
    if (strncmp(layer->words[i], key, length) == 0 && layer->words[i][length] == '=') {
      layer->used[i] = TRUE;
      return layer->words[i] + length + 1;
    }
  return NULL;
}

guint frame_number(FrameBuilder *builder, FrameLayer *layer, const char *key, guint otherwise) {
  const char *text = frame_field(layer, key);
  char *end;
  guint64 value;

  if (!text)
    return otherwise;
  value = g_ascii_strtoull(text, &end, 0);
  if (!*text || *end || value > G_MAXUINT32)
    frame_fail(builder, "not a number", text);
  return (guint)value;
}

void frame_put_hex(FrameBuilder *builder, FrameLayer *layer, const char *key) {
  const char *text = frame_field(layer, key);

  for (; text && *text; text += 2) {
    if (!g_ascii_isxdigit(text[0]) || !g_ascii_isxdigit(text[1])) {
      frame_fail(builder, "not hexadecimal", text);
      return;
    }
    frame_put8(builder, (guint)(g_ascii_xdigit_value(text[0]) * 16 + g_ascii_xdigit_value(text[1])));
  }
}

static const FrameStation *named(FrameBuilder *builder, const char *text) {
  const FrameStation *station = text && *text == '@' ? builder->find(text + 1, builder->data) : NULL;

  if (text && *text == '@' && !station)
    frame_fail(builder, "no such station", text);
  return station;
}

void frame_put_mac(FrameBuilder *builder, FrameLayer *layer, const char *key, const guint8 *otherwise) {
  const char *text = frame_field(layer, key);
  const FrameStation *station = named(builder, text);
  guint8 mac[6] = {0};
  guint octets[6];

  if (station)
    otherwise = station->mac;
  if (text && g_str_equal(text, "all")) {
    memset(mac, 0xff, 6);
  } else if (text && !station) {
    if (sscanf(text, "%x:%x:%x:%x:%x:%x", &octets[0], &octets[1], &octets[2], &octets[3], &octets[4], &octets[5]) != 6)
      frame_fail(builder, "not a MAC address", text);
    else
      for (guint i = 0; i < 6; i++)
        mac[i] = (guint8)octets[i];
  } else if (otherwise) {
    memcpy(mac, otherwise, 6);
  }
  g_byte_array_append(builder->bytes, mac, 6);
}

static void put_address(FrameBuilder *builder, FrameLayer *layer, const char *key, int family,
                        const guint8 *otherwise) {
  const char *text = frame_field(layer, key);
  const FrameStation *station = named(builder, text);
  guint8 address[16] = {0};
  guint length = family == AF_INET ? 4 : 16;

  if (station)
    otherwise = family == AF_INET ? station->ip4 : station->ip6;
  if (text && !station) {
    if (inet_pton(family, text, address) != 1)
      frame_fail(builder, "not an address", text);
  } else if (otherwise) {
    memcpy(address, otherwise, length);
  }
  g_byte_array_append(builder->bytes, address, length);
}

void frame_put_ip4(FrameBuilder *builder, FrameLayer *layer, const char *key, const guint8 *otherwise) {
  put_address(builder, layer, key, AF_INET, otherwise);
}

void frame_put_ip6(FrameBuilder *builder, FrameLayer *layer, const char *key, const guint8 *otherwise) {
  put_address(builder, layer, key, AF_INET6, otherwise);
}

void frame_put8(FrameBuilder *builder, guint value) {
  guint8 byte = (guint8)value;

  g_byte_array_append(builder->bytes, &byte, 1);
}

void frame_put16(FrameBuilder *builder, guint value) {
  frame_put8(builder, value >> 8);
  frame_put8(builder, value);
}

void frame_put32(FrameBuilder *builder, guint value) {
  frame_put16(builder, value >> 16);
  frame_put16(builder, value);
}

void frame_set16(FrameBuilder *builder, guint offset, guint value) {
  if (offset + 2 > builder->bytes->len)
    return; /* a header that was made too short for it */
  builder->bytes->data[offset] = (guint8)(value >> 8);
  builder->bytes->data[offset + 1] = (guint8)value;
}

static guint32 sum(guint32 start, const guint8 *bytes, guint length) {
  for (guint i = 0; i < length; i++)
    start += i % 2 ? bytes[i] : (guint32)bytes[i] << 8;
  return start;
}

guint16 frame_checksum(const FrameBuilder *builder, guint start, guint protocol) {
  guint length = builder->bytes->len - start;
  guint32 total = sum(0, builder->bytes->data + start, length);

  if (protocol)
    total = sum(total + protocol + length, builder->pseudo, builder->pseudo_length);
  while (total >> 16)
    total = (total & 0xffff) + (total >> 16);
  return (guint16)~total;
}
