// SPDX-License-Identifier: LGPL-2.1-or-later
#include "compile/arena.h"

#include <stddef.h>
#include <string.h>

#define BLOCK_SIZE (64 * 1024)

void nwf_arena_init(NwfArena *arena) {
  arena->blocks = g_ptr_array_new_with_free_func(g_free);
  arena->used = arena->size = arena->total = arena->most = 0;
}

void nwf_arena_clear(NwfArena *arena) {
  g_clear_pointer(&arena->blocks, g_ptr_array_unref);
}

void nwf_arena_reset(NwfArena *arena) {
  if (arena->blocks->len > 1) {
    g_ptr_array_set_size(arena->blocks, 1);
    arena->size = arena->total = BLOCK_SIZE;
  }
  arena->used = 0;
}

gpointer nwf_arena_alloc(NwfArena *arena, gsize size) {
  const gsize align = _Alignof(max_align_t);
  size = (size + align - 1) & ~(align - 1);
  if (arena->blocks->len == 0 || arena->used + size > arena->size) {
    /* The first block has the standard size, so that a reset knows what it keeps. */
    gsize wanted = arena->blocks->len == 0 ? BLOCK_SIZE : MAX(size, BLOCK_SIZE);
    g_ptr_array_add(arena->blocks, g_malloc(wanted));
    arena->size = wanted;
    arena->total += wanted;
    arena->most = MAX(arena->most, arena->total);
    arena->used = 0;
    if (size > wanted)
      return nwf_arena_alloc(arena, size);
  }
  char *block = g_ptr_array_index(arena->blocks, arena->blocks->len - 1);
  gpointer piece = block + arena->used;
  arena->used += size;
  return memset(piece, 0, size);
}

#define INSERTION_MAX 48 /* elements; above it the merge sort is quicker */

void nwf_array_sort(GArray *array, GCompareFunc compare) {
  gsize size = g_array_get_element_size(array);
  char element[256];
  if (array->len > INSERTION_MAX || size > sizeof element) {
    g_array_sort(array, compare);
    return;
  }
  for (guint i = 1; i < array->len; i++) {
    char *from = array->data + i * size, *to = from;
    while (to > array->data && compare(to - size, from) > 0)
      to -= size;
    if (to == from)
      continue;
    memcpy(element, from, size);
    memmove(to + size, to, (gsize)(from - to));
    memcpy(to, element, size);
  }
}
