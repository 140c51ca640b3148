// SPDX-License-Identifier: LGPL-2.1-or-later
#include "frame-text.h"
#include "frame-layer.h"

#include <string.h>

static void free_layer(gpointer data) {
  FrameLayer *layer = data;

  g_strfreev(layer->words);
  g_free(layer->used);
  g_free(layer);
}

static FrameLayer *new_layer(const char *name) {
  FrameLayer *layer = g_new0(FrameLayer, 1);

  layer->type = frame_layer_type(name);
  layer->words = g_new0(char *, 32);
  layer->used = g_new0(gboolean, 32);
  return layer;
}

/* Words without "=" begin a layer; those with one are fields of the layer before. */
static gboolean split(FrameBuilder *builder, const char *text) {
  g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);

  g_ptr_array_add(builder->layers, new_layer("eth"));
  for (guint i = 0; words[i]; i++) {
    FrameLayer *last = builder->layers->pdata[builder->layers->len - 1];

    if (!*words[i])
      continue;
    if (strchr(words[i], '=')) {
      if (last->n == 31)
        return frame_fail(builder, "too many fields", words[i]);
      last->words[last->n++] = g_strdup(words[i]);
    } else if (g_str_equal(words[i], "eth") && builder->layers->len == 1) {
      continue; /* the first layer, said aloud */
    } else {
      if (!frame_layer_type(words[i]))
        return frame_fail(builder, "no such layer", words[i]);
      g_ptr_array_add(builder->layers, new_layer(words[i]));
    }
  }
  return TRUE;
}

static void check_used(FrameBuilder *builder) {
  for (guint i = 0; i < builder->layers->len; i++) {
    const FrameLayer *layer = builder->layers->pdata[i];

    for (guint j = 0; j < layer->n; j++)
      if (!layer->used[j])
        frame_fail(builder, "the layer has no such field", layer->words[j]);
  }
}

GByteArray *frame_from_text(const char *text, const FrameStation *from, const FrameStation *to, FrameStationFunc find,
                            gpointer data, GError **error) {
  g_autoptr(GPtrArray) layers = g_ptr_array_new_with_free_func(free_layer);
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  FrameBuilder builder = {.layers = layers, .bytes = bytes, .from = from, .to = to, .find = find, .data = data};
  guint cut;

  if (split(&builder, text)) {
    cut = frame_number(&builder, layers->pdata[layers->len - 1], "cut", G_MAXUINT);
    frame_build_from(&builder, 0);
    check_used(&builder);
    if (bytes->len > cut)
      g_byte_array_set_size(bytes, cut);
  }
  if (builder.error) {
    g_propagate_error(error, builder.error);
    return NULL;
  }
  return g_steal_pointer(&bytes);
}
