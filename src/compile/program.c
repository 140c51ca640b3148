// SPDX-License-Identifier: LGPL-2.1-or-later
/* Root and its sub-chains -> for each EtherType one list of steps that ends in a verdict.
 *
 * The list is built from its end: what stands in it already (the tail) is what follows the rule or
 * chain that is put before it. So a `return` in a sub-chain, which goes on behind the jump, can be
 * answered by what the tail says. Tails are kept in reverse: the last step, which has no conditions,
 * comes first. */
#include "compile/internal.h"

#include <string.h>

/* A list may be multiplied by a sub-chain's returns up to this many steps before a jump is cheaper. */
#define PRODUCT_MAX 16

#define step_at(list, i) (&g_array_index(list, NwfStep, i))

#define LIST_FIRST 16 /* steps that a list has room for from the start */

GArray *nwf_port_list(NwfPort *port) {
  if (port->n_lists == port->lists->len)
    g_ptr_array_add(port->lists, g_array_sized_new(FALSE, FALSE, sizeof(NwfStep), LIST_FIRST));
  GArray *list = g_ptr_array_index(port->lists, port->n_lists++);
  g_array_set_size(list, 0);
  return list;
}

gboolean nwf_steps_append(NwfPort *port, GArray *steps, const NwfCollected *collected,
                          const NwfConjunctions *conjunctions, NwfStepVerdict verdict, GError **error) {
  NwfOrigin *origin = nwf_arena_new(&port->arena, NwfOrigin, 1);
  *origin = (NwfOrigin){.filter = collected->filter, .rule = collected->rule};
  for (guint i = 0; i < conjunctions->n; i++) {
    NwfStep step = {.conds = conjunctions->all[i].exprs,
                    .n_conds = conjunctions->all[i].n,
                    .verdict = verdict,
                    .origins = origin,
                    .n_origins = 1};
    g_array_append_val(steps, step);
  }
  return nwf_limit_lowered(port, collected, conjunctions->n, error);
}

/* --- from rules to chains --- */

static void chain_free(gpointer data) {
  NwfProgramChain *chain = data;
  if (chain->order)
    g_array_unref(chain->order);
  g_free(chain);
}

void nwf_program_free(NwfProgram *program) {
  if (!program)
    return;
  g_ptr_array_unref(program->chains);
  g_hash_table_unref(program->by_name);
  g_free(program);
}

static NwfProgramChain *add_chain(NwfPort *port, NwfProgram *program, const char *name) {
  NwfProgramChain *chain = g_new0(NwfProgramChain, 1);
  chain->name = name;
  chain->ethertype = nwf_chain_ethertype(name);
  chain->is_stp = nwf_chain_is_stp(name);
  chain->steps = nwf_port_list(port);
  g_ptr_array_add(program->chains, chain);
  g_hash_table_insert(program->by_name, (gpointer)name, chain);
  return chain;
}

static NwfProgramChain *chain_of(NwfPort *port, NwfProgram *program, const char *name) {
  NwfProgramChain *chain = g_hash_table_lookup(program->by_name, name);
  return chain ? chain : add_chain(port, program, name);
}

typedef struct {
  NwfProgramChain *chain;
  gboolean out;
} Target;

static gboolean lower_into_chain(NwfPort *port, const NwfCollected *collected, const NwfResolved *resolved,
                                 gpointer data, GError **error) {
  Target *target = data;
  if (!nwf_lower_l2(port, collected, resolved, target->out, target->chain->steps, error))
    return FALSE;
  if (target->chain->order) {
    int priority = collected->rule->priority;
    while (target->chain->order->len < target->chain->steps->len)
      g_array_append_val(target->chain->order, priority);
  }
  return TRUE;
}

gboolean nwf_l2_checks(const NwfRule *rule, gboolean out) {
  return nwf_protocols[rule->protocol].stage == NWF_STAGE_L2 &&
         (rule->direction == NWF_DIRECTION_INOUT || (rule->direction == NWF_DIRECTION_OUT) == out);
}

static int compare_chains(gconstpointer a, gconstpointer b) {
  const NwfProgramChain *ca = *(NwfProgramChain *const *)a, *cb = *(NwfProgramChain *const *)b;
  gboolean root_a = ca->order != NULL, root_b = cb->order != NULL;
  if (root_a != root_b)
    return root_a ? -1 : 1;
  return (ca->priority > cb->priority) - (ca->priority < cb->priority);
}

/* --- families that are closed --- */

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_RARP 0x8035
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8
#define ETHERTYPE_IPV6 0x86dd

static void drop_type(NwfPort *port, NwfProgramChain *root, guint16 type, guint16 within_tag) {
  const int first = NWF_PRIORITY_MIN - 1;
  NwfStep step = {.conds = nwf_arena_new(&port->arena, NwfExpr, 2), .verdict = NWF_STEP_DROP};
  step.conds[step.n_conds++] = (NwfExpr){.kind = NWF_EXPR_TEST, .test = nwf_test_eq_number(NWF_FIELD_ETHER_TYPE, type)};
  if (within_tag)
    step.conds[step.n_conds++] =
        (NwfExpr){.kind = NWF_EXPR_TEST, .test = nwf_test_eq_number(NWF_FIELD_VLAN_TYPE, within_tag)};
  g_array_append_val(root->steps, step);
  g_array_append_val(root->order, first);
}

/* Behind what was to be let through before all rules. Of the tags only the first is looked into: a second one is
 * dropped, and so is one of 802.1ad. */
static void close_families(NwfPort *port, NwfProgram *program) {
  static const struct {
    guint family;
    guint16 type;
  } types[] = {{NWF_FAMILY_IPV4, ETHERTYPE_IPV4},
               {NWF_FAMILY_IPV4, ETHERTYPE_ARP},
               {NWF_FAMILY_IPV4, ETHERTYPE_RARP},
               {NWF_FAMILY_IPV6, ETHERTYPE_IPV6}};
  NwfProgramChain *root = g_ptr_array_index(program->chains, 0);
  if (!port->binding->closed)
    return;
  for (guint i = 0; i < G_N_ELEMENTS(types); i++)
    if (port->binding->closed & types[i].family) {
      drop_type(port, root, types[i].type, 0);
      drop_type(port, root, ETHERTYPE_VLAN, types[i].type);
    }
  drop_type(port, root, ETHERTYPE_VLAN, ETHERTYPE_VLAN);
  drop_type(port, root, ETHERTYPE_VLAN, ETHERTYPE_QINQ);
  drop_type(port, root, ETHERTYPE_QINQ, 0);
}

NwfProgram *nwf_program_new(NwfPort *port, gboolean out, GError **error) {
  g_autoptr(NwfProgram) program = g_new0(NwfProgram, 1);
  program->chains = g_ptr_array_new_with_free_func(chain_free);
  program->by_name = g_hash_table_new(g_str_hash, g_str_equal);
  add_chain(port, program, "root")->order = g_array_new(FALSE, FALSE, sizeof(int));
  gboolean closed = FALSE;
  for (guint i = 0; i < port->collected->len; i++) {
    const NwfCollected *collected = &g_array_index(port->collected, NwfCollected, i);
    if (!closed && collected->filter != port->binding->before) {
      close_families(port, program);
      closed = TRUE;
    }
    if (!nwf_l2_checks(collected->rule, out))
      continue;
    Target target = {.chain = chain_of(port, program, collected->filter->chain), .out = out};
    /* Filters that disagree on a chain's priority: the last rule's filter has the last word. */
    target.chain->priority = collected->filter->priority;
    target.chain->last = (NwfOrigin){.filter = collected->filter, .rule = collected->rule};
    if (!nwf_expand(port, collected, lower_into_chain, &target, error))
      return NULL;
  }
  if (!closed)
    close_families(port, program);
  g_ptr_array_sort(program->chains, compare_chains);
  return g_steal_pointer(&program);
}

static int compare_ethertypes(gconstpointer a, gconstpointer b) {
  return *(const guint16 *)a - *(const guint16 *)b;
}

static guint16 test_number16(const NwfTest *test) {
  return (guint16)(test->low[0] << 8 | test->low[1]);
}

GArray *nwf_program_ethertypes(const NwfProgram *program) {
  GArray *types = g_array_new(FALSE, FALSE, sizeof(guint16));
  for (guint i = 0; i < program->chains->len; i++) {
    const NwfProgramChain *chain = g_ptr_array_index(program->chains, i);
    if (chain->ethertype)
      g_array_append_val(types, chain->ethertype);
    for (guint j = 0; j < chain->steps->len; j++) {
      const NwfStep *step = step_at(chain->steps, j);
      for (guint k = 0; k < step->n_conds; k++) {
        if (step->conds[k].kind != NWF_EXPR_TEST || step->conds[k].test.field != NWF_FIELD_ETHER_TYPE)
          continue;
        guint16 type = test_number16(&step->conds[k].test);
        g_array_append_val(types, type);
      }
    }
  }
  nwf_array_sort(types, compare_ethertypes);
  guint n = 0;
  for (guint i = 0; i < types->len; i++)
    if (!n || g_array_index(types, guint16, n - 1) != g_array_index(types, guint16, i))
      g_array_index(types, guint16, n++) = g_array_index(types, guint16, i);
  g_array_set_size(types, n);
  return types;
}

guint64 nwf_program_size(const NwfProgram *program) {
  guint64 size = program->chains->len - 1;
  for (guint i = 0; i < program->chains->len; i++)
    size += ((const NwfProgramChain *)g_ptr_array_index(program->chains, i))->steps->len;
  return size;
}

/* --- one EtherType --- */

typedef struct {
  NwfPort *port;
  int ethertype; /* or NWF_ETHERTYPE_OTHER */
  NwfStepVerdict accepted;
  /* of chains that the tail still has, or that led into it: */
  GPtrArray *open;     /* NwfProgramChain *: the frame's verdict depends on how they end */
  GPtrArray *returned; /* NwfRule *: returns that were left out */
} Class;

/* The step without the tests of the EtherType, whose outcome is known; FALSE when one fails. */
static gboolean specialise_step(const Class *class, const NwfStep *step, NwfStep *result) {
  *result = *step;
  gboolean tested = FALSE;
  for (guint i = 0; i < step->n_conds; i++) {
    const NwfExpr *cond = &step->conds[i];
    if (cond->kind != NWF_EXPR_TEST || cond->test.field != NWF_FIELD_ETHER_TYPE)
      continue;
    gboolean equal = test_number16(&cond->test) == class->ethertype;
    if (equal != (cond->test.op == NWF_OP_EQ))
      return FALSE;
    tested = TRUE;
  }
  if (!tested)
    return TRUE;
  result->conds = nwf_arena_new(&class->port->arena, NwfExpr, step->n_conds);
  result->n_conds = 0;
  for (guint i = 0; i < step->n_conds; i++)
    if (step->conds[i].kind != NWF_EXPR_TEST || step->conds[i].test.field != NWF_FIELD_ETHER_TYPE)
      result->conds[result->n_conds++] = step->conds[i];
  return TRUE;
}

/* The chain's steps for this class up to the first that has no conditions; returns that change
 * nothing, because the chain's end does the same, are left out. @open: frames come to its end. */
static GArray *specialise_chain(const Class *class, const NwfProgramChain *chain, gboolean *open) {
  GArray *steps = nwf_port_list(class->port);
  for (guint i = 0; i < chain->steps->len; i++) {
    NwfStep step;
    if (!specialise_step(class, step_at(chain->steps, i), &step))
      continue;
    if (step.verdict == NWF_STEP_ACCEPT)
      step.verdict = class->accepted;
    g_array_append_val(steps, step);
    if (step.n_conds == 0)
      break;
  }
  *open = steps->len == 0 || step_at(steps, steps->len - 1)->n_conds > 0;
  if (*open && class->port->options->chain_end_accepts) {
    NwfStep end = {.verdict = class->accepted};
    g_array_append_val(steps, end);
  }
  for (; steps->len && step_at(steps, steps->len - 1)->verdict == NWF_STEP_RETURN;
       g_array_set_size(steps, steps->len - 1))
    g_ptr_array_add(class->returned, (gpointer)step_at(steps, steps->len - 1)->origins[0].rule);
  nwf_merge_values(class->port, steps);
  return steps;
}

static void prepend(const Class *class, GArray *tail, const NwfStep *step) {
  if (step->n_conds == 0) {
    g_array_set_size(tail, 0);
    g_ptr_array_set_size(class->open, 0);
    g_ptr_array_set_size(class->returned, 0);
  }
  g_array_append_val(tail, *step);
}

static guint count_returns(const GArray *steps) {
  guint n = 0;
  for (guint i = 0; i < steps->len; i++)
    n += step_at(steps, i)->verdict == NWF_STEP_RETURN;
  return n;
}

/* No returns, or all that follows the jump is one verdict: the steps themselves can stand in the tail.
 * A return is then decided by the rule that follows, which becomes one of its origins. */
static void prepend_inline(const Class *class, GArray *tail, const GArray *steps, const NwfStep *guard) {
  const NwfStep after = *step_at(tail, 0);
  for (guint i = steps->len; i-- > 0;) {
    const NwfStep *step = step_at(steps, i);
    NwfStep guarded = nwf_step_both(class->port, guard, step, step->verdict);
    guarded.sub = step->sub;
    if (step->verdict == NWF_STEP_RETURN)
      guarded = nwf_step_both(class->port, &guarded, &after, after.verdict);
    prepend(class, tail, &guarded);
  }
}

static gboolean is_certain_test(const NwfStep *step) {
  return step->n_conds == 1 && step->conds[0].kind == NWF_EXPR_TEST && nwf_fields[step->conds[0].test.field].always;
}

/* "return if A; drop" before a tail: "drop if not A", when it is sure that A's field is there. */
static gboolean prepend_negated(const Class *class, GArray *tail, const GArray *steps) {
  const NwfStep *only = step_at(steps, 0), *end = step_at(steps, 1);
  if (!is_certain_test(only))
    return FALSE;
  NwfStep step = nwf_step_both(class->port, only, end, end->verdict);
  step.conds[0].test = nwf_test_negate(step.conds[0].test);
  prepend(class, tail, &step);
  return TRUE;
}

/* "return if A or B; drop" before a tail that itself ends in drop: each step of the tail holds only
 * for A or B, and the rest is dropped anyway. */
static gboolean prepend_product(const Class *class, GArray *tail, const GArray *steps) {
  guint n_returns = steps->len - 1, n_tail = tail->len - 1;
  const NwfStep *end = step_at(steps, n_returns);
  if (step_at(tail, 0)->verdict != end->verdict || end->verdict == NWF_STEP_JUMP || n_returns * n_tail > PRODUCT_MAX)
    return FALSE;
  GArray *old = nwf_port_list(class->port);
  g_array_append_vals(old, tail->data, tail->len);
  g_array_set_size(tail, 1);
  for (guint i = 1; i < old->len; i++)
    for (guint j = n_returns; j-- > 0;) {
      NwfStep step = nwf_step_both(class->port, step_at(steps, j), step_at(old, i), step_at(old, i)->verdict);
      step.sub = step_at(old, i)->sub;
      prepend(class, tail, &step);
    }
  return TRUE;
}

static gboolean all_accept(const Class *class, const GArray *steps) {
  for (guint i = 0; i < steps->len; i++) {
    const NwfStep *step = step_at(steps, i);
    gboolean accepts = step->verdict == class->accepted || step->verdict == NWF_STEP_RETURN;
    if (step->verdict == NWF_STEP_JUMP ? !all_accept(class, step->sub) : !accepts)
      return FALSE;
  }
  return TRUE;
}

static void warn_of_open_ends(const Class *class) {
  for (guint i = 0; i < class->open->len; i++) {
    const NwfProgramChain *chain = g_ptr_array_index(class->open, i);
    nwf_port_warn(class->port, chain->last.filter, chain->last.rule->line,
                  "chain %s ends without a verdict: what no rule of it decided goes back to root here (and with "
                  "libvirt's nftables backend), but is accepted with ebtables",
                  chain->name);
    if (class->port->open_ends)
      (*class->port->open_ends)++;
  }
}

static void prepend_chain(const Class *class, GArray *tail, const NwfProgramChain *chain) {
  static const guint8 bridge_group[NWF_MAC_LEN] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x00};
  if (chain->ethertype && chain->ethertype != class->ethertype)
    return;
  gboolean open;
  GArray *steps = specialise_chain(class, chain, &open);
  if (open && !class->port->options->chain_end_accepts && !all_accept(class, tail))
    g_ptr_array_add(class->open, (gpointer)chain);
  if (steps->len == 0)
    return;
  NwfStep guard = {0};
  if (chain->is_stp) {
    guard.conds = nwf_arena_new(&class->port->arena, NwfExpr, 1);
    guard.conds[0] = (NwfExpr){.kind = NWF_EXPR_TEST, .test = nwf_test_eq(NWF_FIELD_ETHER_DADDR, bridge_group)};
    guard.n_conds = 1;
  }
  guint n_returns = count_returns(steps);
  if (tail->len == 1 || n_returns == 0) {
    prepend_inline(class, tail, steps, &guard);
    return;
  }
  gboolean simple = n_returns == steps->len - 1 && guard.n_conds == 0 && step_at(steps, n_returns)->n_conds == 0;
  if (simple && n_returns == 1 && prepend_negated(class, tail, steps))
    return;
  if (simple && prepend_product(class, tail, steps))
    return;
  guard.verdict = NWF_STEP_JUMP;
  guard.sub = steps;
  g_array_append_val(tail, guard); /* what follows it stays: the sub-chain may come back */
}

static GArray *reversed(NwfPort *port, const GArray *tail) {
  GArray *steps = nwf_port_list(port);
  for (guint i = tail->len; i-- > 0;)
    g_array_append_val(steps, *step_at(tail, i));
  return steps;
}

static void mark_reached(NwfPort *port, const GArray *steps) {
  for (guint i = 0; port->reached && i < steps->len; i++) {
    const NwfStep *step = step_at(steps, i);
    for (guint j = 0; j < step->n_origins; j++)
      g_hash_table_add(port->reached, (gpointer)step->origins[j].rule);
    if (step->sub)
      mark_reached(port, step->sub);
  }
}

static void mark_returned(NwfPort *port, const GPtrArray *returned) {
  for (guint i = 0; port->reached && i < returned->len; i++)
    g_hash_table_add(port->reached, g_ptr_array_index(returned, i));
}

GArray *nwf_program_specialise(NwfPort *port, const NwfProgram *program, int ethertype, NwfStepVerdict accepted,
                               GError **error) {
  g_autoptr(GPtrArray) open = g_ptr_array_new();
  g_autoptr(GPtrArray) returned = g_ptr_array_new();
  Class class = {.port = port, .ethertype = ethertype, .accepted = accepted, .open = open, .returned = returned};
  const NwfProgramChain *root = g_ptr_array_index(program->chains, 0);
  GArray *tail = nwf_port_list(port);
  NwfStep end = {.verdict = accepted};
  g_array_append_val(tail, end);
  guint next_chain = program->chains->len;
  for (guint i = root->steps->len; i-- > 0;) {
    int priority = g_array_index(root->order, int, i);
    while (next_chain > 1 &&
           ((NwfProgramChain *)g_ptr_array_index(program->chains, next_chain - 1))->priority > priority)
      prepend_chain(&class, tail, g_ptr_array_index(program->chains, --next_chain));
    NwfStep step;
    if (!specialise_step(&class, step_at(root->steps, i), &step))
      continue;
    if (step.verdict == NWF_STEP_ACCEPT || step.verdict == NWF_STEP_RETURN)
      step.verdict = accepted;
    prepend(&class, tail, &step);
  }
  while (next_chain > 1)
    prepend_chain(&class, tail, g_ptr_array_index(program->chains, --next_chain));
  GArray *steps = reversed(port, tail);
  warn_of_open_ends(&class);
  mark_reached(port, steps);
  mark_returned(port, returned);
  nwf_merge_values(port, steps);
  if (!nwf_limit_merged(port, steps, error))
    return NULL;
  nwf_simplify(port, steps);
  return nwf_limit_rules(port, steps, error) ? steps : NULL;
}
