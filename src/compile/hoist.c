// SPDX-License-Identifier: LGPL-2.1-or-later
/* Rules that all ask for a value of the port's own ("to $IP, from here; to $IP, from there ...") ask for it once, and
 * the rest of them stands in a sub-chain. That has nothing of the port's own left, and so is one for all ports. */
#include "compile/internal.h"

#include <string.h>

/* A jump costs about as much as four rules whose first comparison fails, and a chain more a message or two. */
#define HOIST_MIN 8

#define step_at(list, i) (&g_array_index(list, NwfStep, i))

static gboolean is_own(NwfPort *port, const NwfExpr *cond) {
  return cond->kind == NWF_EXPR_TEST && nwf_is_own_value(port, &cond->test);
}

static gboolean can_hoist(NwfPort *port, const NwfStep *step) {
  gboolean own = FALSE;
  if (step->sub || step->verdict == NWF_STEP_JUMP || step->verdict == NWF_STEP_RETURN || step->verdict == NWF_STEP_NEXT)
    return FALSE;
  for (guint i = 0; i < step->n_conds; i++) {
    if (step->conds[i].kind == NWF_EXPR_CONNLIMIT) /* counts where it stands, and its set is the port's */
      return FALSE;
    own |= is_own(port, &step->conds[i]);
  }
  return own;
}

static gboolean has(const NwfStep *step, const NwfExpr *cond) {
  for (guint i = 0; i < step->n_conds; i++)
    if (nwf_expr_equal(&step->conds[i], cond))
      return TRUE;
  return FALSE;
}

/* Whether both ask for the same values of the port's own. */
static gboolean same_own(NwfPort *port, const NwfStep *a, const NwfStep *b) {
  const NwfStep *sides[][2] = {{a, b}, {b, a}};
  for (guint s = 0; s < 2; s++)
    for (guint i = 0; i < sides[s][0]->n_conds; i++)
      if (is_own(port, &sides[s][0]->conds[i]) && !has(sides[s][1], &sides[s][0]->conds[i]))
        return FALSE;
  return TRUE;
}

/* Of the values of the port's own that it asks for, in any order. */
static guint64 own_hash(NwfPort *port, const NwfStep *step) {
  guint64 hash = 0;
  for (guint i = 0; i < step->n_conds; i++)
    if (is_own(port, &step->conds[i]))
      hash += nwf_hash_expr(NWF_HASH_START, &step->conds[i]);
  return hash;
}

/* nft's syntax wants this test in the rule that looks up an address by name. */
static gboolean stays_beside_lookup(const NwfExpr *cond) {
  return cond->kind == NWF_EXPR_TEST && cond->test.field == NWF_FIELD_PROTOCOL;
}

/* The step's conditions that all others of its group have, too, and the rest of each goes into the sub-chain. */
static NwfStep hoist(NwfPort *port, const GArray *steps, const GArray *group) {
  const NwfStep *first = step_at(steps, g_array_index(group, guint, 0));
  NwfStep jump = {.verdict = NWF_STEP_JUMP, .sub = nwf_port_list(port)};
  jump.conds = nwf_arena_new(&port->arena, NwfExpr, first->n_conds);
  for (guint i = 0; i < first->n_conds; i++) {
    gboolean common = !stays_beside_lookup(&first->conds[i]);
    for (guint j = 1; j < group->len && common; j++)
      common = has(step_at(steps, g_array_index(group, guint, j)), &first->conds[i]);
    if (common)
      jump.conds[jump.n_conds++] = first->conds[i];
  }
  for (guint i = 0; i < group->len; i++) {
    const NwfStep *step = step_at(steps, g_array_index(group, guint, i));
    NwfStep rest = *step;
    rest.conds = nwf_arena_new(&port->arena, NwfExpr, MAX(step->n_conds, 1));
    rest.n_conds = 0;
    for (guint j = 0; j < step->n_conds; j++)
      if (!has(&jump, &step->conds[j]))
        rest.conds[rest.n_conds++] = step->conds[j];
    g_array_append_val(jump.sub, rest);
  }
  return jump;
}

/* The first step of the group becomes the jump, and the others stand in its sub-chain. */
static void replace(NwfPort *port, GArray *steps, const GArray *group, guint8 *taken) {
  NwfStep jump = hoist(port, steps, group);
  for (guint i = 1; i < group->len; i++)
    taken[g_array_index(group, guint, i)] = TRUE;
  *step_at(steps, g_array_index(group, guint, 0)) = jump;
}

/* Neighbours keep their order, so that their verdicts may differ. */
static void hoist_neighbours(NwfPort *port, GArray *steps, GArray *group, guint8 *taken) {
  for (guint i = 0; i < steps->len; i += MAX(group->len, 1)) {
    g_array_set_size(group, 0);
    for (guint j = i;
         j < steps->len && can_hoist(port, step_at(steps, j)) && same_own(port, step_at(steps, i), step_at(steps, j));
         j++)
      g_array_append_val(group, j);
    if (group->len >= HOIST_MIN)
      replace(port, steps, group, taken);
  }
}

/* Within a run of one verdict it does not matter which step it is that holds. */
static void hoist_run(NwfPort *port, GArray *steps, guint first, guint n, guint8 *taken) {
  g_autoptr(GPtrArray) groups = nwf_group_steps(port, steps, first, n, own_hash, same_own);
  for (guint i = 0; i < groups->len; i++) {
    const GArray *group = g_ptr_array_index(groups, i);
    if (group->len >= HOIST_MIN)
      replace(port, steps, group, taken);
  }
}

static void remove_taken(GArray *steps, guint8 *taken) {
  guint kept = 0;
  for (guint i = 0; i < steps->len; i++)
    if (!taken[i])
      *step_at(steps, kept++) = *step_at(steps, i);
  memset(taken, 0, steps->len);
  g_array_set_size(steps, kept);
}

void nwf_hoist_own_values(NwfPort *port, GArray *steps) {
  if (steps->len < HOIST_MIN)
    return;
  g_autoptr(GArray) group = g_array_new(FALSE, FALSE, sizeof(guint)); /* of indices */
  guint8 *taken = nwf_arena_new(&port->arena, guint8, steps->len);    /* those that stand in a sub-chain now */
  hoist_neighbours(port, steps, group, taken);
  remove_taken(steps, taken);
  for (guint i = 0; i < steps->len;) {
    guint n = 0;
    while (i + n < steps->len && can_hoist(port, step_at(steps, i + n)) &&
           step_at(steps, i + n)->verdict == step_at(steps, i)->verdict)
      n++;
    if (n >= HOIST_MIN)
      hoist_run(port, steps, i, n, taken);
    i += MAX(n, 1);
  }
  remove_taken(steps, taken);
}
