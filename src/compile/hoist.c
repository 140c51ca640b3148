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

/* The step's conditions that all others of its group have, too, and the rest of each goes into the sub-chain. */
static NwfStep hoist(NwfPort *port, const GArray *steps, const GArray *group) {
  const NwfStep *first = step_at(steps, g_array_index(group, guint, 0));
  NwfStep jump = {.verdict = NWF_STEP_JUMP, .sub = nwf_port_list(port)};
  jump.conds = nwf_arena_new(&port->arena, NwfExpr, first->n_conds);
  for (guint i = 0; i < first->n_conds; i++) {
    gboolean common = TRUE;
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

/* Within a run of one verdict it does not matter which step it is that holds. @taken has a byte for each step. */
static void hoist_run(NwfPort *port, GArray *steps, guint first, guint n, guint8 *taken) {
  g_autoptr(GArray) group = g_array_new(FALSE, FALSE, sizeof(guint));
  for (guint i = first; i < first + n; i++) {
    if (taken[i])
      continue;
    g_array_set_size(group, 0);
    for (guint j = i; j < first + n; j++)
      if (!taken[j] && (j == i || same_own(port, step_at(steps, i), step_at(steps, j))))
        g_array_append_val(group, j);
    for (guint j = 0; j < group->len; j++)
      taken[g_array_index(group, guint, j)] = j > 0 && group->len >= HOIST_MIN ? 2 : 1;
    if (group->len >= HOIST_MIN) {
      NwfStep jump = hoist(port, steps, group);
      *step_at(steps, i) = jump;
    }
  }
}

void nwf_hoist_own_values(NwfPort *port, GArray *steps) {
  if (steps->len < HOIST_MIN)
    return;
  guint8 *taken = nwf_arena_new(&port->arena, guint8, steps->len); /* 2: stands in a sub-chain now */
  for (guint i = 0; i < steps->len;) {
    guint n = 0;
    while (i + n < steps->len && can_hoist(port, step_at(steps, i + n)) &&
           step_at(steps, i + n)->verdict == step_at(steps, i)->verdict)
      n++;
    if (n >= HOIST_MIN)
      hoist_run(port, steps, i, n, taken);
    i += MAX(n, 1);
  }
  guint kept = 0;
  for (guint i = 0; i < steps->len; i++)
    if (taken[i] != 2)
      *step_at(steps, kept++) = *step_at(steps, i);
  g_array_set_size(steps, kept);
}
