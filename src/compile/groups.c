// SPDX-License-Identifier: LGPL-2.1-or-later
/* Like steps together. A list may have very many, so that they are found by their hashes. */
#include "compile/internal.h"

#define step_at(list, i) (&g_array_index(list, NwfStep, i))

typedef struct {
  guint64 hash;
  guint next; /* group of the same bucket, from 1; 0: none */
} Link;

static void group_free(gpointer data) {
  g_array_unref(data);
}

GPtrArray *nwf_group_steps(NwfPort *port, const GArray *steps, guint first, guint n, NwfStepHashFunc hash,
                           NwfStepSameFunc same) {
  GPtrArray *groups = g_ptr_array_new_with_free_func(group_free);
  g_autoptr(GArray) links = g_array_new(FALSE, FALSE, sizeof(Link));
  g_autoptr(GHashTable) buckets = g_hash_table_new(NULL, NULL); /* a hash's bits -> its newest group, from 1 */
  for (guint i = first; i < first + n; i++) {
    Link link = {.hash = hash(port, step_at(steps, i))};
    gpointer bucket = GUINT_TO_POINTER((guint)(link.hash ^ link.hash >> 32));
    guint newest = GPOINTER_TO_UINT(g_hash_table_lookup(buckets, bucket)), found = newest;
    for (; found; found = g_array_index(links, Link, found - 1).next) {
      const GArray *group = g_ptr_array_index(groups, found - 1);
      if (g_array_index(links, Link, found - 1).hash == link.hash &&
          same(port, step_at(steps, g_array_index(group, guint, 0)), step_at(steps, i)))
        break;
    }
    if (!found) {
      link.next = newest;
      g_array_append_val(links, link);
      g_ptr_array_add(groups, g_array_new(FALSE, FALSE, sizeof(guint)));
      g_hash_table_insert(buckets, bucket, GUINT_TO_POINTER(groups->len));
      found = groups->len;
    }
    g_array_append_val((GArray *)g_ptr_array_index(groups, found - 1), i);
  }
  return groups;
}
