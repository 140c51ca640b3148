// SPDX-License-Identifier: LGPL-2.1-or-later
#include "compile/internal.h"

#include <string.h>

static GArray *expr_array_new(void) {
  return g_array_new(FALSE, TRUE, sizeof(NwfExpr));
}

NwfConjunctions *nwf_conjunctions_new(void) {
  NwfConjunctions *conjunctions = g_new0(NwfConjunctions, 1);
  conjunctions->all = g_new(GArray *, 1);
  conjunctions->all[0] = expr_array_new();
  conjunctions->n = 1;
  return conjunctions;
}

void nwf_conjunctions_free(NwfConjunctions *conjunctions) {
  if (!conjunctions)
    return;
  for (guint i = 0; i < conjunctions->n; i++)
    g_array_unref(conjunctions->all[i]);
  g_free(conjunctions->all);
  g_free(conjunctions);
}

static void append(GArray *conjunction, const NwfExpr *expr) {
  for (guint i = 0; i < conjunction->len; i++)
    if (nwf_expr_equal(&g_array_index(conjunction, NwfExpr, i), expr))
      return;
  g_array_append_val(conjunction, *expr);
}

void nwf_conjunctions_add_expr(NwfConjunctions *conjunctions, const NwfExpr *expr) {
  for (guint i = 0; i < conjunctions->n; i++)
    append(conjunctions->all[i], expr);
}

void nwf_conjunctions_add(NwfConjunctions *conjunctions, NwfTest test) {
  NwfExpr expr = {.kind = NWF_EXPR_TEST, .test = test};
  nwf_conjunctions_add_expr(conjunctions, &expr);
}

static void append_tests(GArray *conjunction, const NwfTest *tests, guint n) {
  for (guint i = 0; i < n; i++) {
    NwfExpr expr = {.kind = NWF_EXPR_TEST, .test = tests[i]};
    append(conjunction, &expr);
  }
}

/* Every conjunction splits into one for each of @n alternatives. */
static void split(NwfConjunctions *conjunctions, const NwfTest *const *alternatives, const guint *lengths, guint n) {
  GArray **all = g_new(GArray *, conjunctions->n * n);
  guint filled = 0;
  for (guint i = 0; i < conjunctions->n; i++) {
    for (guint j = 0; j < n; j++) {
      GArray *copy = g_array_copy(conjunctions->all[i]);
      append_tests(copy, alternatives[j], lengths[j]);
      all[filled++] = copy;
    }
    g_array_unref(conjunctions->all[i]);
  }
  g_free(conjunctions->all);
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
  g_autofree NwfTest *negations = g_new(NwfTest, n);
  g_autofree const NwfTest **alternatives = g_new(const NwfTest *, n);
  g_autofree guint *lengths = g_new(guint, n);
  for (guint i = 0; i < n; i++) {
    negations[i] = nwf_test_negate(tests[i]);
    alternatives[i] = &negations[i];
    lengths[i] = 1;
  }
  split(conjunctions, alternatives, lengths, n);
}

void nwf_conjunctions_add_either(NwfConjunctions *conjunctions, const NwfTest *a, guint n_a, const NwfTest *b,
                                 guint n_b) {
  const NwfTest *alternatives[] = {a, b};
  const guint lengths[] = {n_a, n_b};
  split(conjunctions, alternatives, lengths, 2);
}
