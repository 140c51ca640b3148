// SPDX-License-Identifier: LGPL-2.1-or-later
/* Rules that differ in one value only become one lookup in a set. */
#include "compile/internal.h"

#include <string.h>

/* A comparison costs 10-15 ns and a lookup with the test it needs about 70 (docs/architecture.md),
 * and on average half of the comparisons are made. */
#define SET_MIN 8

#define step_at(list, i) (&g_array_index(list, NwfStep, i))

static gboolean is_leading_ones(const guint8 *mask, guint length) {
  gboolean ones = TRUE;
  for (guint i = 0; i < length * 8; i++) {
    gboolean bit = mask[i / 8] >> (7 - i % 8) & 1;
    if (bit && !ones)
      return FALSE;
    ones = bit;
  }
  return TRUE;
}

static gboolean can_be_member(const NwfExpr *expr) {
  if (expr->kind != NWF_EXPR_TEST)
    return FALSE;
  const NwfTest *test = &expr->test;
  const NwfFieldSpec *spec = &nwf_fields[test->field];
  if (!spec->set_type || spec->host_order || test->field == NWF_FIELD_ETHER_TYPE)
    return FALSE;
  return test->op == NWF_OP_RANGE ||
         (test->op == NWF_OP_EQ && (!test->has_mask || is_leading_ones(test->mask, test->length)));
}

/* ARP's fields have names for sets in nft's syntax, the same bytes of RARP have none. */
static gboolean can_have_sets(const NwfStep *step) {
  return step->n_origins == 0 || step->origins[0].rule->protocol != NWF_PROTOCOL_RARP;
}

/* The index of the one condition in which the steps differ, or -1. */
static int difference(const NwfStep *a, const NwfStep *b) {
  if (a->n_conds != b->n_conds || a->verdict != b->verdict || a->sub || b->sub)
    return -1;
  int index = -1;
  for (guint i = 0; i < a->n_conds; i++) {
    if (nwf_expr_equal(&a->conds[i], &b->conds[i]))
      continue;
    if (index >= 0 || !can_be_member(&a->conds[i]) || !can_be_member(&b->conds[i]) ||
        a->conds[i].test.field != b->conds[i].test.field)
      return -1;
    index = (int)i;
  }
  return index;
}

typedef struct {
  guint8 low[NWF_VALUE_MAX], high[NWF_VALUE_MAX];
} Range;

static void test_to_range(const NwfTest *test, Range *range) {
  memcpy(range->low, test->low, NWF_VALUE_MAX);
  memcpy(range->high, test->op == NWF_OP_RANGE ? test->high : test->low, NWF_VALUE_MAX);
  for (guint i = 0; test->has_mask && i < test->length; i++)
    range->high[i] = (guint8)(test->low[i] | ~test->mask[i]);
}

static int compare_ranges(gconstpointer a, gconstpointer b) {
  return memcmp(((const Range *)a)->low, ((const Range *)b)->low, NWF_VALUE_MAX);
}

static gboolean follows(const guint8 *end, const guint8 *next, guint length) {
  guint8 after[NWF_VALUE_MAX];
  memcpy(after, end, length);
  for (guint i = length; i-- > 0;)
    if (++after[i] != 0)
      return memcmp(next, after, length) <= 0;
  return TRUE; /* @end is the greatest value: whatever comes next lies within */
}

/* Sorted, without overlap; neighbours become one. */
static gboolean join_ranges(GArray *ranges, guint length) {
  g_array_sort(ranges, compare_ranges);
  gboolean interval = FALSE;
  guint n = 0;
  for (guint i = 0; i < ranges->len; i++) {
    Range *range = &g_array_index(ranges, Range, i);
    Range *last = n ? &g_array_index(ranges, Range, n - 1) : NULL;
    interval |= memcmp(range->low, range->high, length) != 0;
    gboolean overlap = last && memcmp(range->low, last->high, length) <= 0;
    if (overlap || (last && interval && follows(last->high, range->low, length))) {
      if (memcmp(range->high, last->high, length) > 0)
        memcpy(last->high, range->high, NWF_VALUE_MAX);
      interval |= memcmp(last->low, last->high, length) != 0;
    } else {
      Range copy = *range;
      g_array_index(ranges, Range, n++) = copy;
    }
  }
  g_array_set_size(ranges, n);
  return interval;
}

static gboolean same_elements(const NwfSet *set, const GArray *ranges, guint length) {
  if (set->elements->len != ranges->len)
    return FALSE;
  for (guint i = 0; i < ranges->len; i++) {
    const NwfElement *element = &g_array_index(set->elements, NwfElement, i);
    const Range *range = &g_array_index(ranges, Range, i);
    if (memcmp(element->key, range->low, length) != 0 || memcmp(element->key_end, range->high, length) != 0)
      return FALSE;
  }
  return TRUE;
}

/* The set of these values: one that is there already, or a new one, named after its content. */
static const char *value_set(NwfRuleset *ruleset, NwfField field, GArray *ranges) {
  guint length = nwf_fields[field].length;
  gboolean interval = join_ranges(ranges, length);
  guint64 hash = NWF_HASH_START;
  for (guint i = 0; i < ranges->len; i++) {
    hash = nwf_hash(hash, g_array_index(ranges, Range, i).low, length);
    hash = nwf_hash(hash, g_array_index(ranges, Range, i).high, length);
  }
  for (;; hash++) { /* on to the next name when another set has this one */
    g_autofree char *name = g_strdup_printf("%s-%016" G_GINT64_MODIFIER "x", nwf_fields[field].set_type, hash);
    NwfSet *set = nwf_ruleset_set(ruleset, name);
    if (set && same_elements(set, ranges, length))
      return set->name;
    if (set)
      continue;
    set = nwf_ruleset_add_set(ruleset, name, &field, 1);
    set->interval = interval;
    for (guint i = 0; i < ranges->len; i++)
      nwf_set_add_element(ruleset, set, g_array_index(ranges, Range, i).low, g_array_index(ranges, Range, i).high, NULL,
                          NULL);
    return set->name;
  }
}

const char *nwf_ethertype_set(NwfRuleset *ruleset, const GArray *types) {
  g_autoptr(GArray) ranges = g_array_sized_new(FALSE, TRUE, sizeof(Range), types->len);
  for (guint i = 0; i < types->len; i++) {
    guint16 type = g_array_index(types, guint16, i);
    Range range = {.low = {(guint8)(type >> 8), (guint8)type}, .high = {(guint8)(type >> 8), (guint8)type}};
    g_array_append_val(ranges, range);
  }
  return value_set(ruleset, NWF_FIELD_ETHER_TYPE, ranges);
}

/* The origins of all steps of a run, each rule once: mostly it is one rule with many values. */
static void merge_origins(NwfPort *port, const GArray *steps, guint first, guint n, NwfStep *merged) {
  const NwfRule *last = NULL;
  guint count = 0;
  for (guint pass = 0; pass < 2; pass++, last = NULL) {
    if (pass)
      merged->origins = nwf_arena_new(&port->arena, NwfOrigin, count);
    merged->n_origins = 0;
    for (guint i = first; i < first + n; i++)
      for (guint j = 0; j < step_at(steps, i)->n_origins; j++) {
        const NwfOrigin *origin = &step_at(steps, i)->origins[j];
        if (origin->rule == last)
          continue;
        last = origin->rule;
        count += !pass;
        if (pass)
          merged->origins[merged->n_origins++] = *origin;
      }
  }
}

/* Steps first..first+n-1, which differ in condition @index, become one. */
static NwfStep merge_run(NwfPort *port, const GArray *steps, guint first, guint n, guint index) {
  const NwfStep *model = step_at(steps, first);
  NwfField field = model->conds[index].test.field;
  const NwfFieldSpec *spec = &nwf_fields[field];
  g_autoptr(GArray) ranges = g_array_sized_new(FALSE, FALSE, sizeof(Range), n);
  for (guint i = 0; i < n; i++) {
    Range range;
    test_to_range(&step_at(steps, first + i)->conds[index].test, &range);
    g_array_append_val(ranges, range);
  }
  NwfStep merged = *model;
  merge_origins(port, steps, first, n, &merged);
  merged.conds = nwf_arena_new(&port->arena, NwfExpr, model->n_conds + 1);
  merged.n_conds = 0;
  for (guint i = 0; i < model->n_conds; i++)
    if (i != index)
      merged.conds[merged.n_conds++] = model->conds[i];
  if (spec->requires != NWF_FIELD_NONE)
    merged.conds[merged.n_conds++] =
        (NwfExpr){.kind = NWF_EXPR_TEST, .test = nwf_test_eq_number(spec->requires, spec->required_value)};
  NwfExpr *lookup = &merged.conds[merged.n_conds++];
  *lookup = (NwfExpr){.kind = NWF_EXPR_LOOKUP};
  lookup->lookup.n_fields = 1;
  lookup->lookup.fields[0] = field;
  lookup->lookup.set = value_set(port->ruleset, field, ranges);
  return merged;
}

void nwf_merge_values(NwfPort *port, GArray *steps) {
  guint n = 0;
  for (guint i = 0; i < steps->len;) {
    guint run = 1;
    int index = -1;
    if (i + SET_MIN <= steps->len && can_have_sets(step_at(steps, i)) &&
        (index = difference(step_at(steps, i), step_at(steps, i + 1))) >= 0)
      while (i + run < steps->len) {
        int other = difference(step_at(steps, i), step_at(steps, i + run));
        if (other != index && !(other < 0 && nwf_steps_equal(step_at(steps, i), step_at(steps, i + run))))
          break;
        run++;
      }
    NwfStep step = run >= SET_MIN ? merge_run(port, steps, i, run, (guint)index) : *step_at(steps, i);
    *step_at(steps, n++) = step;
    i += run >= SET_MIN ? run : 1;
  }
  g_array_set_size(steps, n);
  nwf_merge_tuples(port, steps);
}
