// SPDX-License-Identifier: LGPL-2.1-or-later
/** Memory that is given out piece by piece and taken back all at once: what compiling one port
 * needs lives no longer than that. Not shared between threads. */
#pragma once

#include <glib.h>

typedef struct {
  GPtrArray *blocks; /* of char[], the last one in use */
  gsize used, size;  /* of the last block */
  gsize total, most; /* of all blocks: now, and ever */
} NwfArena;

void nwf_arena_init(NwfArena *arena);
void nwf_arena_clear(NwfArena *arena);
/** Takes everything back but keeps one block for the next use. */
void nwf_arena_reset(NwfArena *arena);
/** @size bytes, zeroed, aligned for any type. */
gpointer nwf_arena_alloc(NwfArena *arena, gsize size);

#define nwf_arena_new(arena, type, n) ((type *)nwf_arena_alloc((arena), sizeof(type) * (gsize)(n)))

/** Sorts an array stably; short ones in place, without the memory that a merge takes. */
void nwf_array_sort(GArray *array, GCompareFunc compare);
