// SPDX-License-Identifier: LGPL-2.1-or-later
/* Everything that keeps a list's meaning and makes it shorter. */
#include "compile/internal.h"

#include <string.h>

/* Facts that are remembered along a list; more would cost more than they save. */
#define FACTS_MAX 16

#define step_at(list, i) (&g_array_index(list, NwfStep, i))

gboolean nwf_steps_equal(const NwfStep *a, const NwfStep *b) {
  if (a->n_conds != b->n_conds || a->verdict != b->verdict || a->sub != b->sub)
    return FALSE;
  for (guint i = 0; i < a->n_conds; i++)
    if (!nwf_expr_equal(&a->conds[i], &b->conds[i]))
      return FALSE;
  return TRUE;
}

NwfStep nwf_step_both(NwfPort *port, const NwfStep *a, const NwfStep *b, NwfStepVerdict verdict) {
  NwfStep both = {.verdict = verdict};
  both.conds = nwf_arena_new(&port->arena, NwfExpr, a->n_conds + b->n_conds);
  both.origins = nwf_arena_new(&port->arena, NwfOrigin, a->n_origins + b->n_origins);
  const NwfStep *parts[] = {a, b};
  for (guint p = 0; p < 2; p++) {
    for (guint i = 0; i < parts[p]->n_conds; i++) {
      gboolean known = FALSE;
      for (guint j = 0; j < both.n_conds && !known; j++)
        known = nwf_expr_equal(&both.conds[j], &parts[p]->conds[i]);
      if (!known)
        both.conds[both.n_conds++] = parts[p]->conds[i];
    }
    for (guint i = 0; i < parts[p]->n_origins; i++)
      both.origins[both.n_origins++] = parts[p]->origins[i];
  }
  return both;
}

/* --- facts --- */

typedef struct {
  NwfTest tests[FACTS_MAX];
  gboolean holds[FACTS_MAX]; /* the test (an EQ) holds, or is known not to */
  guint n;
} Facts;

static gboolean is_plain(const NwfTest *test) {
  return (test->op == NWF_OP_EQ || test->op == NWF_OP_NE) && !test->has_mask && test->field != NWF_FIELD_TCP_OPTION;
}

static gboolean same_place(const NwfTest *a, const NwfTest *b) {
  return a->field == b->field && a->base == b->base && a->offset == b->offset && a->length == b->length;
}

/* What holds behind a step that decides: the contrary of its only condition. A frame without the
 * field passes both == and !=, so that "it equals" is only known of a field that is always there. */
static void learn(Facts *facts, const NwfStep *step) {
  if (step->verdict == NWF_STEP_JUMP || step->n_conds != 1 || step->conds[0].kind != NWF_EXPR_TEST ||
      facts->n == FACTS_MAX)
    return;
  NwfTest test = step->conds[0].test;
  if (!is_plain(&test) || (test.op == NWF_OP_NE && !nwf_fields[test.field].always))
    return;
  facts->holds[facts->n] = test.op == NWF_OP_NE;
  test.op = NWF_OP_EQ;
  facts->tests[facts->n++] = test;
}

typedef enum { UNKNOWN, ALWAYS, NEVER } Known;

static Known ask(const Facts *facts, const NwfExpr *cond) {
  if (cond->kind != NWF_EXPR_TEST || !is_plain(&cond->test))
    return UNKNOWN;
  const NwfTest *test = &cond->test;
  for (guint i = 0; i < facts->n; i++) {
    const NwfTest *fact = &facts->tests[i];
    if (!same_place(fact, test))
      continue;
    gboolean same = memcmp(fact->low, test->low, test->length) == 0;
    if (facts->holds[i])
      return same == (test->op == NWF_OP_EQ) ? ALWAYS : NEVER;
    if (same && test->op == NWF_OP_EQ)
      return NEVER;
    if (same && nwf_fields[test->field].always)
      return ALWAYS;
  }
  return UNKNOWN;
}

/* Two tests of one field for different values never hold together. */
static gboolean contradicts_itself(const NwfStep *step) {
  for (guint i = 0; i < step->n_conds; i++)
    for (guint j = i + 1; j < step->n_conds; j++) {
      const NwfExpr *a = &step->conds[i], *b = &step->conds[j];
      if (a->kind != NWF_EXPR_TEST || b->kind != NWF_EXPR_TEST || !is_plain(&a->test) || !is_plain(&b->test) ||
          !same_place(&a->test, &b->test))
        continue;
      gboolean same = memcmp(a->test.low, b->test.low, a->test.length) == 0;
      gboolean both_eq = a->test.op == NWF_OP_EQ && b->test.op == NWF_OP_EQ;
      if (both_eq ? !same : same && a->test.op != b->test.op)
        return TRUE;
    }
  return FALSE;
}

static gboolean apply_facts(const Facts *facts, NwfStep *step) {
  if (contradicts_itself(step))
    return FALSE;
  guint n = 0;
  for (guint i = 0; i < step->n_conds; i++) {
    Known known = ask(facts, &step->conds[i]);
    if (known == NEVER)
      return FALSE;
    if (known == UNKNOWN)
      step->conds[n++] = step->conds[i];
  }
  step->n_conds = n;
  return TRUE;
}

static void copy_conds(NwfPort *port, NwfStep *step) {
  NwfExpr *conds = nwf_arena_new(&port->arena, NwfExpr, MAX(step->n_conds, 1));
  if (step->n_conds)
    memcpy(conds, step->conds, sizeof(NwfExpr) * step->n_conds);
  step->conds = conds;
}

static void use_facts(NwfPort *port, GArray *steps) {
  Facts facts = {0};
  guint n = 0;
  for (guint i = 0; i < steps->len; i++) {
    NwfStep step = *step_at(steps, i);
    copy_conds(port, &step);
    if (!apply_facts(&facts, &step))
      continue;
    learn(&facts, &step);
    *step_at(steps, n++) = step;
    if (step.n_conds == 0 && step.verdict != NWF_STEP_JUMP)
      break;
  }
  g_array_set_size(steps, n);
}

/* --- repeated verdicts --- */

static void drop_repeated(GArray *steps) {
  if (steps->len == 0)
    return;
  NwfStep last = *step_at(steps, steps->len - 1);
  if (last.n_conds || last.verdict == NWF_STEP_JUMP)
    return;
  guint n = steps->len - 1;
  while (n > 0 && step_at(steps, n - 1)->verdict == last.verdict)
    n--;
  *step_at(steps, n) = last;
  g_array_set_size(steps, n + 1);
}

/* "drop unless A; accept if B; drop" is "accept if A and B; drop", with one rule less to run. */
static void fold_guard(NwfPort *port, GArray *steps) {
  if (steps->len < 3)
    return;
  const NwfStep *guard = step_at(steps, steps->len - 3), *only = step_at(steps, steps->len - 2);
  const NwfStep *end = step_at(steps, steps->len - 1);
  if (guard->verdict != end->verdict || end->n_conds || end->verdict == NWF_STEP_JUMP ||
      only->verdict == NWF_STEP_JUMP || guard->n_conds != 1 || guard->conds[0].kind != NWF_EXPR_TEST ||
      guard->conds[0].test.op != NWF_OP_NE || !nwf_fields[guard->conds[0].test.field].always)
    return;
  NwfStep folded = nwf_step_both(port, guard, only, only->verdict);
  folded.conds[0].test = nwf_test_negate(folded.conds[0].test);
  *step_at(steps, steps->len - 3) = folded;
  g_array_remove_index(steps, steps->len - 2);
}

/* Neighbours with one verdict may change places: what asks less, and so mostly is met more often,
 * goes first. What counts connections stays where it is. */
static gboolean may_move(const NwfStep *step) {
  for (guint i = 0; i < step->n_conds; i++)
    if (step->conds[i].kind == NWF_EXPR_CONNLIMIT)
      return FALSE;
  return step->verdict != NWF_STEP_JUMP && step->verdict != NWF_STEP_REJECT;
}

static int compare_steps(gconstpointer a, gconstpointer b) {
  return (int)((const NwfStep *)a)->n_conds - (int)((const NwfStep *)b)->n_conds;
}

static void order_neighbours(NwfPort *port, GArray *steps) {
  for (guint i = 0; i < steps->len;) {
    guint run = 0;
    while (i + run < steps->len && step_at(steps, i + run)->n_conds && may_move(step_at(steps, i + run)) &&
           step_at(steps, i + run)->verdict == step_at(steps, i)->verdict)
      run++;
    if (run > 1) {
      GArray *part = nwf_port_list(port);
      g_array_append_vals(part, step_at(steps, i), run);
      nwf_array_sort(part, compare_steps);
      memcpy(step_at(steps, i), part->data, sizeof(NwfStep) * run);
    }
    i += MAX(run, 1);
  }
}

/* --- the order of conditions, and neighbouring bytes as one comparison --- */

static int cost(const NwfExpr *expr) {
  switch (expr->kind) {
  case NWF_EXPR_LOOKUP:
    return 8;
  case NWF_EXPR_CONNLIMIT: /* counts what comes as far as this: last */
    return 9;
  default:
    break;
  }
  switch (expr->test.base) {
  case NWF_BASE_META:
    return 0;
  case NWF_BASE_LL:
    return 1;
  case NWF_BASE_NH:
    return 2;
  case NWF_BASE_TH:
    return 3;
  case NWF_BASE_CT:
    return 5;
  default:
    return 6;
  }
}

static gboolean goes_before(const NwfExpr *a, const NwfExpr *b) {
  int ca = cost(a), cb = cost(b);
  if (ca != cb || a->kind != NWF_EXPR_TEST || b->kind != NWF_EXPR_TEST)
    return ca < cb;
  return a->test.offset < b->test.offset;
}

static void sort_conds(NwfStep *step) {
  for (guint i = 1; i < step->n_conds; i++)
    for (guint j = i; j > 0 && goes_before(&step->conds[j], &step->conds[j - 1]); j--) {
      NwfExpr swap = step->conds[j];
      step->conds[j] = step->conds[j - 1];
      step->conds[j - 1] = swap;
    }
}

static gboolean is_payload(const NwfTest *test) {
  return test->base == NWF_BASE_LL || test->base == NWF_BASE_NH || test->base == NWF_BASE_TH;
}

/* A field of which only the first bytes count is a shorter field. */
static void shorten_masked(NwfTest *test) {
  if (!test->has_mask || !is_payload(test))
    return;
  guint counted = test->length;
  while (counted > 1 && test->mask[counted - 1] == 0)
    counted--;
  guint whole = 0;
  while (whole < counted && test->mask[whole] == 0xff)
    whole++;
  if (counted < test->length)
    test->field = NWF_FIELD_RAW;
  test->length = (guint8)counted;
  if (whole == counted) {
    test->has_mask = FALSE;
    memset(test->mask, 0, sizeof test->mask);
  }
}

static gboolean join(NwfTest *a, const NwfTest *b) {
  if (a->op != NWF_OP_EQ || b->op != NWF_OP_EQ || a->has_mask || b->has_mask || !is_payload(a) || a->base != b->base ||
      a->offset + a->length != b->offset || a->length + b->length > NWF_VALUE_MAX)
    return FALSE;
  memcpy(a->low + a->length, b->low, b->length);
  a->length = (guint8)(a->length + b->length);
  a->field = NWF_FIELD_RAW;
  return TRUE;
}

static gboolean compares_plainly(const NwfExpr *expr) {
  return expr->kind == NWF_EXPR_TEST && is_payload(&expr->test) && !expr->test.has_mask &&
         (expr->test.op == NWF_OP_EQ || expr->test.op == NWF_OP_NE);
}

static gboolean touch(const NwfTest *a, const NwfTest *b) {
  return a->base == b->base && (a->offset + a->length == b->offset || b->offset + b->length == a->offset);
}

/* nft (1.0.6) reads two neighbouring bytes that must differ from something as one number that must differ: one that
 * is right would do. It leaves alone what has a mask. */
static void part_negations(NwfStep *step) {
  for (guint i = 0; i < step->n_conds; i++) {
    NwfTest *test = &step->conds[i].test;
    if (!compares_plainly(&step->conds[i]) || test->op != NWF_OP_NE)
      continue;
    for (guint j = 0; j < step->n_conds && !test->has_mask; j++)
      if (j != i && compares_plainly(&step->conds[j]) && touch(test, &step->conds[j].test)) {
        test->has_mask = TRUE;
        memset(test->mask, 0xff, test->length);
      }
  }
}

static void compact(NwfStep *step) {
  sort_conds(step);
  guint n = 0;
  for (guint i = 0; i < step->n_conds; i++) {
    NwfExpr expr = step->conds[i];
    if (expr.kind == NWF_EXPR_TEST)
      shorten_masked(&expr.test);
    if (n && expr.kind == NWF_EXPR_TEST && step->conds[n - 1].kind == NWF_EXPR_TEST &&
        join(&step->conds[n - 1].test, &expr.test))
      continue;
    step->conds[n++] = expr;
  }
  step->n_conds = n;
  part_negations(step);
}

/* A sub-chain that can only return: returning is what happens without the jump. */
static gboolean is_idle(const GArray *steps) {
  for (guint i = 0; i < steps->len; i++)
    if (step_at(steps, i)->verdict != NWF_STEP_RETURN)
      return FALSE;
  return TRUE;
}

static void simplify_sub_chains(NwfPort *port, GArray *steps) {
  guint n = 0;
  for (guint i = 0; i < steps->len; i++) {
    NwfStep step = *step_at(steps, i);
    if (step.sub)
      nwf_simplify(port, step.sub);
    if (!step.sub || !is_idle(step.sub))
      *step_at(steps, n++) = step;
  }
  g_array_set_size(steps, n);
}

void nwf_simplify(NwfPort *port, GArray *steps) {
  simplify_sub_chains(port, steps);
  use_facts(port, steps);
  drop_repeated(steps);
  order_neighbours(port, steps);
  fold_guard(port, steps);
}

void nwf_compact(GArray *steps) {
  for (guint i = 0; i < steps->len; i++) {
    compact(step_at(steps, i));
    if (step_at(steps, i)->sub)
      nwf_compact(step_at(steps, i)->sub);
  }
}
