// SPDX-License-Identifier: LGPL-2.1-or-later
/* Rules with one verdict that compare the same fields with different values become one lookup of these fields
 * together: 300 rules "tcp from A to port P" are one rule and a set of 300 elements, which ports share whose rules name
 * the same values. */
#include "compile/internal.h"

#include <string.h>

/* A comparison that fails costs 10-15 ns, and each rule makes one or two of them; a lookup of several fields costs
 * about 100 (docs/architecture.md). */
#define TUPLES_MIN 8

#define step_at(list, i) (&g_array_index(list, NwfStep, i))

/* Values of the port's own are not: with them in it the set could not be shared. */
static gboolean can_be_part(NwfPort *port, const NwfExpr *expr) {
  if (expr->kind != NWF_EXPR_TEST)
    return FALSE;
  const NwfTest *test = &expr->test;
  const NwfFieldSpec *spec = &nwf_fields[test->field];
  return spec->set_type && !spec->host_order && test->field != NWF_FIELD_ETHER_TYPE && test->op == NWF_OP_EQ &&
         !test->has_mask && !nwf_is_own_value(port, test);
}

/* ARP's fields have names for sets in nft's syntax, the same bytes of RARP have none. Connections are counted where the
 * rule stands. */
static gboolean can_merge(const NwfStep *step) {
  if (step->sub || step->n_conds == 0 || step->verdict == NWF_STEP_JUMP || step->verdict == NWF_STEP_NEXT ||
      (step->n_origins && step->origins[0].rule->protocol == NWF_PROTOCOL_RARP))
    return FALSE;
  for (guint i = 0; i < step->n_conds; i++)
    if (step->conds[i].kind == NWF_EXPR_CONNLIMIT)
      return FALSE;
  return TRUE;
}

/* Steps of one shape: the same conditions in the same order but for the values of those that may be looked up. */
static guint64 shape_hash(NwfPort *port, const NwfStep *step) {
  guint64 hash = NWF_HASH_START;
  for (guint i = 0; i < step->n_conds; i++) {
    const NwfExpr *cond = &step->conds[i];
    if (can_be_part(port, cond))
      hash = nwf_hash(hash, &cond->test.field, sizeof cond->test.field);
    else
      hash = nwf_hash_expr(hash, cond);
  }
  return hash;
}

static gboolean same_shape(NwfPort *port, const NwfStep *a, const NwfStep *b) {
  if (a->n_conds != b->n_conds)
    return FALSE;
  for (guint i = 0; i < a->n_conds; i++) {
    const NwfExpr *x = &a->conds[i], *y = &b->conds[i];
    gboolean parts = can_be_part(port, x) && can_be_part(port, y);
    if (parts ? x->test.field != y->test.field : !nwf_expr_equal(x, y))
      return FALSE;
  }
  return TRUE;
}

/* --- the set --- */

typedef struct {
  guint n;
  guint conds[NWF_KEY_PARTS]; /* which conditions become parts of the key */
  NwfField fields[NWF_KEY_PARTS];
  guint length;
} Key;

/* The conditions that are not the same in all steps; FALSE when they are none or too many. */
static gboolean find_key(const GArray *steps, const GArray *members, Key *key) {
  const NwfStep *first = step_at(steps, g_array_index(members, guint, 0));
  *key = (Key){0};
  for (guint i = 0; i < first->n_conds; i++) {
    gboolean differs = FALSE;
    for (guint j = 1; j < members->len && !differs; j++)
      differs = !nwf_expr_equal(&first->conds[i], &step_at(steps, g_array_index(members, guint, j))->conds[i]);
    if (!differs)
      continue;
    if (key->n == NWF_KEY_PARTS)
      return FALSE;
    key->conds[key->n] = i;
    key->fields[key->n++] = first->conds[i].test.field;
    key->length += (first->conds[i].test.length + 3u) & ~3u;
  }
  if (key->n == 1)
    key->length = nwf_fields[key->fields[0]].length;
  return key->n > 0 && key->length <= NWF_KEY_MAX;
}

static int compare_keys(gconstpointer a, gconstpointer b) {
  return memcmp(a, b, NWF_KEY_MAX);
}

static GArray *make_keys(const GArray *steps, const GArray *members, const Key *key) {
  GArray *keys = g_array_sized_new(FALSE, TRUE, NWF_KEY_MAX, members->len);
  g_array_set_size(keys, members->len);
  for (guint i = 0; i < members->len; i++) {
    const NwfStep *step = step_at(steps, g_array_index(members, guint, i));
    guint8 *at = (guint8 *)keys->data + i * NWF_KEY_MAX;
    for (guint j = 0; j < key->n; j++) {
      const NwfTest *test = &step->conds[key->conds[j]].test;
      memcpy(at, test->low, test->length);
      at += (test->length + 3u) & ~3u;
    }
  }
  qsort(keys->data, keys->len, NWF_KEY_MAX, compare_keys);
  guint n = 0;
  for (guint i = 0; i < keys->len; i++) {
    const char *from = keys->data + i * NWF_KEY_MAX;
    if (n == 0 || memcmp(keys->data + (n - 1) * NWF_KEY_MAX, from, NWF_KEY_MAX) != 0)
      memmove(keys->data + n++ * NWF_KEY_MAX, from, NWF_KEY_MAX);
  }
  g_array_set_size(keys, n);
  return keys;
}

static gboolean holds_keys(const NwfSet *set, const Key *key, const GArray *keys) {
  if (set->n_fields != key->n || set->elements->len != keys->len || set->interval)
    return FALSE;
  for (guint i = 0; i < key->n; i++)
    if (set->fields[i] != key->fields[i])
      return FALSE;
  for (guint i = 0; i < keys->len; i++)
    if (memcmp(g_array_index(set->elements, NwfElement, i).key, keys->data + i * NWF_KEY_MAX, NWF_KEY_MAX) != 0)
      return FALSE;
  return TRUE;
}

static const char *set_of(NwfRuleset *ruleset, const Key *key, const GArray *keys) {
  guint64 hash = nwf_hash(NWF_HASH_START, key->fields, sizeof key->fields[0] * key->n);
  hash = nwf_hash(hash, keys->data, (gsize)keys->len * NWF_KEY_MAX);
  for (;; hash++) { /* on to the next name when another set has this one */
    char digits[17];
    g_autofree char *name = g_strconcat("tuples-", nwf_format_hash(hash, digits), NULL);
    NwfSet *set = nwf_ruleset_set(ruleset, name);
    if (set && holds_keys(set, key, keys))
      return set->name;
    if (set)
      continue;
    set = nwf_ruleset_add_set(ruleset, name, key->fields, key->n);
    for (guint i = 0; i < keys->len; i++)
      nwf_set_add_element(ruleset, set, (const guint8 *)keys->data + i * NWF_KEY_MAX, NULL, NULL, NULL);
    return set->name;
  }
}

/* --- the step --- */

static gboolean is_part(const Key *key, guint cond) {
  for (guint i = 0; i < key->n; i++)
    if (key->conds[i] == cond)
      return TRUE;
  return FALSE;
}

static void add_required(NwfStep *step, NwfField field) {
  const NwfFieldSpec *spec = &nwf_fields[field];
  if (spec->requires == NWF_FIELD_NONE)
    return;
  NwfExpr expr = {.kind = NWF_EXPR_TEST, .test = nwf_test_eq_number(spec->requires, spec->required_value)};
  for (guint i = 0; i < step->n_conds; i++)
    if (nwf_expr_equal(&step->conds[i], &expr))
      return;
  step->conds[step->n_conds++] = expr;
}

static NwfStep merge(NwfPort *port, const GArray *steps, const GArray *members, const Key *key) {
  const NwfStep *first = step_at(steps, g_array_index(members, guint, 0));
  NwfStep merged = *first;
  g_autoptr(GArray) keys = make_keys(steps, members, key);
  merged.conds = nwf_arena_new(&port->arena, NwfExpr, first->n_conds + key->n + 1);
  merged.n_conds = 0;
  for (guint i = 0; i < first->n_conds; i++)
    if (!is_part(key, i))
      merged.conds[merged.n_conds++] = first->conds[i];
  NwfExpr lookup = {.kind = NWF_EXPR_LOOKUP};
  for (guint i = 0; i < key->n; i++) {
    add_required(&merged, key->fields[i]);
    lookup.lookup.fields[i] = key->fields[i];
  }
  lookup.lookup.n_fields = (guint8)key->n;
  lookup.lookup.set = set_of(port->ruleset, key, keys);
  merged.conds[merged.n_conds++] = lookup;
  guint n_origins = 0;
  for (guint i = 0; i < members->len; i++)
    n_origins += step_at(steps, g_array_index(members, guint, i))->n_origins;
  merged.origins = nwf_arena_new(&port->arena, NwfOrigin, n_origins);
  merged.n_origins = 0;
  for (guint i = 0; i < members->len; i++) {
    const NwfStep *step = step_at(steps, g_array_index(members, guint, i));
    if (step->n_origins)
      memcpy(merged.origins + merged.n_origins, step->origins, sizeof(NwfOrigin) * step->n_origins);
    merged.n_origins += step->n_origins;
  }
  return merged;
}

/* Within a run of one verdict it does not matter which step it is that holds. @gone has a byte for each step. */
static gboolean merge_run(NwfPort *port, GArray *steps, guint first, guint n, guint8 *gone) {
  g_autoptr(GPtrArray) shapes = nwf_group_steps(port, steps, first, n, shape_hash, same_shape);
  gboolean any = FALSE;
  for (guint i = 0; i < shapes->len; i++) {
    const GArray *members = g_ptr_array_index(shapes, i);
    Key key;
    if (members->len < TUPLES_MIN || !find_key(steps, members, &key))
      continue;
    NwfStep merged = merge(port, steps, members, &key);
    for (guint j = 1; j < members->len; j++)
      gone[g_array_index(members, guint, j)] = TRUE;
    *step_at(steps, g_array_index(members, guint, 0)) = merged;
    any = TRUE;
  }
  return any;
}

void nwf_merge_tuples(NwfPort *port, GArray *steps) {
  if (steps->len < TUPLES_MIN)
    return;
  guint8 *gone = nwf_arena_new(&port->arena, guint8, steps->len);
  gboolean any = FALSE;
  for (guint i = 0; i < steps->len;) {
    guint n = 0;
    while (i + n < steps->len && can_merge(step_at(steps, i + n)) &&
           step_at(steps, i + n)->verdict == step_at(steps, i)->verdict)
      n++;
    if (n >= TUPLES_MIN)
      any |= merge_run(port, steps, i, n, gone);
    i += MAX(n, 1);
  }
  if (!any)
    return;
  guint kept = 0;
  for (guint i = 0; i < steps->len; i++)
    if (!gone[i])
      *step_at(steps, kept++) = *step_at(steps, i);
  g_array_set_size(steps, kept);
}
