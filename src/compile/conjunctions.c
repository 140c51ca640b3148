// SPDX-License-Identifier: LGPL-2.1-or-later
#include "compile/internal.h"

#include <string.h>

#define ROOM_FIRST 8 /* conditions; few rules have more */

void nwf_conjunctions_init(NwfConjunctions *conjunctions, NwfArena *arena) {
  *conjunctions = (NwfConjunctions){.arena = arena, .n = 1};
  conjunctions->all = nwf_arena_new(arena, NwfConjunction, 1);
}

static void grow(NwfArena *arena, NwfConjunction *conjunction) {
  guint room = conjunction->room ? conjunction->room * 2 : ROOM_FIRST;
  NwfExpr *exprs = nwf_arena_new(arena, NwfExpr, room);
  if (conjunction->n)
    memcpy(exprs, conjunction->exprs, sizeof(NwfExpr) * conjunction->n);
  conjunction->exprs = exprs;
  conjunction->room = room;
}

static void append(NwfArena *arena, NwfConjunction *conjunction, const NwfExpr *expr) {
  for (guint i = 0; i < conjunction->n; i++)
    if (nwf_expr_equal(&conjunction->exprs[i], expr))
      return;
  if (conjunction->n == conjunction->room)
    grow(arena, conjunction);
  conjunction->exprs[conjunction->n++] = *expr;
}

void nwf_conjunctions_add_expr(NwfConjunctions *conjunctions, const NwfExpr *expr) {
  for (guint i = 0; i < conjunctions->n; i++)
    append(conjunctions->arena, &conjunctions->all[i], expr);
}

void nwf_conjunctions_add(NwfConjunctions *conjunctions, NwfTest test) {
  NwfExpr expr = {.kind = NWF_EXPR_TEST, .test = test};
  nwf_conjunctions_add_expr(conjunctions, &expr);
}

void nwf_conjunctions_split(NwfConjunctions *conjunctions, const NwfConjunction *alternatives, guint n) {
  NwfConjunction *all = nwf_arena_new(conjunctions->arena, NwfConjunction, conjunctions->n * n);
  guint filled = 0;
  for (guint i = 0; i < conjunctions->n; i++)
    for (guint j = 0; j < n; j++) {
      NwfConjunction *copy = &all[filled++];
      for (guint k = 0; k < conjunctions->all[i].n; k++)
        append(conjunctions->arena, copy, &conjunctions->all[i].exprs[k]);
      for (guint k = 0; k < alternatives[j].n; k++)
        append(conjunctions->arena, copy, &alternatives[j].exprs[k]);
    }
  conjunctions->all = all;
  conjunctions->n = filled;
}

void nwf_conjunctions_add_pair(NwfConjunctions *conjunctions, const NwfTest *tests, guint n, gboolean negated) {
  if (!negated) {
    for (guint i = 0; i < n; i++)
      nwf_conjunctions_add(conjunctions, tests[i]);
    return;
  }
  if (n == 0) { /* the negation of what always holds */
    conjunctions->never = TRUE;
    return;
  }
  NwfConjunction *alternatives = nwf_arena_new(conjunctions->arena, NwfConjunction, n);
  for (guint i = 0; i < n; i++) {
    NwfExpr expr = {.kind = NWF_EXPR_TEST, .test = nwf_test_negate(tests[i])};
    append(conjunctions->arena, &alternatives[i], &expr);
  }
  nwf_conjunctions_split(conjunctions, alternatives, n);
}
