// SPDX-License-Identifier: LGPL-2.1-or-later
// What ends when, for all ports: a binary heap whose nodes know their place, so that a renewal moves one.

#include "learn/internal.h"

/* Places count from 1: the children of n are 2n and 2n + 1. */
static NwfExpiryNode *at(const NwfExpiry *expiry, guint place) {
  return g_ptr_array_index(expiry->nodes, place - 1);
}

static void put(NwfExpiry *expiry, guint place, NwfExpiryNode *node) {
  g_ptr_array_index(expiry->nodes, place - 1) = node;
  node->place = place;
}

static void sift(NwfExpiry *expiry, NwfExpiryNode *node) {
  guint place = node->place;
  while (place > 1 && at(expiry, place / 2)->until > node->until) {
    put(expiry, place, at(expiry, place / 2));
    place /= 2;
  }
  for (;;) {
    guint child = place * 2;
    if (child > expiry->nodes->len)
      break;
    if (child < expiry->nodes->len && at(expiry, child + 1)->until < at(expiry, child)->until)
      child++;
    if (at(expiry, child)->until >= node->until)
      break;
    put(expiry, place, at(expiry, child));
    place = child;
  }
  put(expiry, place, node);
}

static void take_out(NwfExpiry *expiry, NwfExpiryNode *node) {
  NwfExpiryNode *last = at(expiry, expiry->nodes->len);
  guint place = node->place;
  g_ptr_array_set_size(expiry->nodes, (int)expiry->nodes->len - 1);
  node->place = 0;
  if (last == node)
    return;
  put(expiry, place, last);
  sift(expiry, last);
}

void nwf_expiry_init(NwfExpiry *expiry) {
  expiry->nodes = g_ptr_array_new();
}

void nwf_expiry_clear(NwfExpiry *expiry) {
  g_clear_pointer(&expiry->nodes, g_ptr_array_unref);
}

void nwf_expiry_set(NwfExpiry *expiry, NwfExpiryNode *node, gint64 until) {
  node->until = until;
  if (until == 0) {
    if (node->place)
      take_out(expiry, node);
    return;
  }
  if (!node->place) {
    g_ptr_array_add(expiry->nodes, node);
    node->place = expiry->nodes->len;
  }
  sift(expiry, node);
}

NwfExpiryNode *nwf_expiry_first(const NwfExpiry *expiry) {
  return expiry->nodes->len ? at(expiry, 1) : NULL;
}
