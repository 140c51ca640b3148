// SPDX-License-Identifier: LGPL-2.1-or-later
/* How much work a port is. Whoever compiles it holds up everybody else meanwhile, about a second at the limits: some 3
 * us for each rule that variables make, and 30 us, mostly the kernel's, for each that is left when there are sets. */
#include "compile/internal.h"

/* Rules of the first stage times EtherTypes, each of which has a list of its own: 10 to 90 ns for each. */
#define LOOKS_MAX 10000000

#define step_at(list, i) (&g_array_index(list, NwfStep, i))

/* --- numbers that do not overflow --- */

static guint64 add(guint64 a, guint64 b) {
  return a > G_MAXUINT64 - b ? G_MAXUINT64 : a + b;
}

static guint64 multiply(guint64 a, guint64 b) {
  return b && a > G_MAXUINT64 / b ? G_MAXUINT64 : a * b;
}

/* In @text, which it returns. */
static const char *format_count(guint64 count, char text[32]) {
  if (count == G_MAXUINT64)
    return "2^64 or more";
  g_snprintf(text, 32, "%" G_GUINT64_FORMAT, count);
  return text;
}

/* --- the tree --- */

typedef struct {
  NwfPort *port;
  GHashTable *counts; /* NwfFilter * -> guint64 *: the parts that lead from it; 0 while it is being counted */
} Tree;

/* Each filter is looked at once, however many ways lead to it. What is missing, leads back or is too deep is found by
 * the walk that follows, which comes to it as early as this one. */
static guint64 count_parts(Tree *tree, const NwfFilter *filter, guint depth) {
  const guint64 *known = filter ? g_hash_table_lookup(tree->counts, filter) : NULL;
  if (!filter || known || depth >= NWF_DEPTH_MAX)
    return known ? *known : 0;
  guint64 *count = g_new0(guint64, 1);
  g_hash_table_insert(tree->counts, (gpointer)filter, count);
  guint64 sum = 1;
  for (guint i = 0; i < filter->entries->len; i++) {
    const NwfEntry *entry = &g_array_index(filter->entries, NwfEntry, i);
    const NwfFilterRef *reference = entry->reference;
    sum = add(sum,
              reference ? count_parts(tree, nwf_filter_store_get(tree->port->store, reference->filter), depth + 1) : 1);
  }
  return *count = sum;
}

/* The furthest filter that is too much by itself: where it goes wrong. */
static const NwfFilter *find_too_large(const Tree *tree, const NwfFilter *filter, guint *line) {
  for (guint depth = 0; depth < NWF_DEPTH_MAX; depth++) {
    const NwfFilter *next = NULL;
    guint64 most = 0;
    for (guint i = 0; i < filter->entries->len; i++) {
      const NwfFilterRef *reference = g_array_index(filter->entries, NwfEntry, i).reference;
      const NwfFilter *to = reference ? nwf_filter_store_get(tree->port->store, reference->filter) : NULL;
      const guint64 *count = to ? g_hash_table_lookup(tree->counts, to) : NULL;
      if (!count || *count <= most)
        continue;
      most = *count;
      *line = reference->line;
      next = to;
    }
    if (most <= NWF_INSTANCES_MAX)
      return filter;
    filter = next;
  }
  return filter;
}

gboolean nwf_limit_tree(NwfPort *port, const NwfFilter *root, GError **error) {
  g_autoptr(GHashTable) counts = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  Tree tree = {.port = port, .counts = counts};
  guint64 count = count_parts(&tree, root, 0);
  if (count <= NWF_INSTANCES_MAX)
    return TRUE;
  char text[32];
  NwfRule at = {0};
  const NwfFilter *filter = find_too_large(&tree, root, &at.line);
  nwf_port_error(port, filter, &at, NWF_ERROR_LIMIT, error,
                 "references lead to %s filters and rules, each as often as it is reached: more than %d",
                 format_count(*(guint64 *)g_hash_table_lookup(counts, filter), text), NWF_INSTANCES_MAX);
  return FALSE;
}

/* --- the values of variables --- */

static const NwfVariable *variable_at(const NwfRule *rule, guint n) {
  return g_array_index(rule->matches, NwfMatch, n).variable;
}

static guint n_values(const NwfCollected *collected, const NwfVariable *variable) {
  const GPtrArray *values = nwf_scope_get(collected->scope, variable->name);
  return values ? values->len : 1;
}

/* Whether an earlier variable of the rule walks in step with the n-th match's. */
static gboolean walks_along(const NwfRule *rule, guint n) {
  for (guint i = 0; i < n; i++) {
    const NwfVariable *other = variable_at(rule, i);
    if (other && !other->element && other->index == variable_at(rule, n)->index)
      return TRUE;
  }
  return FALSE;
}

/* An upper bound, since values that are repeated count. */
static guint64 count_combinations(const NwfCollected *collected) {
  const NwfRule *rule = collected->rule;
  guint64 count = 1;
  for (guint i = 0; i < rule->matches->len; i++) {
    const NwfVariable *variable = variable_at(rule, i);
    if (variable && !variable->element && !walks_along(rule, i))
      count = multiply(count, n_values(collected, variable));
  }
  return count;
}

static guint count_directions(const NwfRule *rule) {
  gboolean (*checks)(const NwfRule *, gboolean) =
      nwf_protocols[rule->protocol].stage == NWF_STAGE_L2 ? nwf_l2_checks : nwf_stage2_checks;
  return (guint)checks(rule, TRUE) + (guint)checks(rule, FALSE);
}

static gboolean is_named_before(const NwfRule *rule, guint n) {
  for (guint i = 0; i < n; i++)
    if (variable_at(rule, i) && g_str_equal(variable_at(rule, i)->name, variable_at(rule, n)->name))
      return TRUE;
  return FALSE;
}

/* "the variables A (40 values), B (79 values) make 3160 of "; nothing when it has none. Caller frees. */
static char *describe_share(const NwfCollected *collected, guint64 count) {
  const NwfRule *rule = collected->rule;
  g_autoptr(GString) text = g_string_new(NULL);
  guint n = 0;
  for (guint i = 0; i < rule->matches->len; i++) {
    const NwfVariable *variable = variable_at(rule, i);
    if (!variable || variable->element || is_named_before(rule, i))
      continue;
    g_string_append_printf(text, "%s%s (%u values)", n++ ? ", " : "", variable->name, n_values(collected, variable));
  }
  char number[32];
  return n ? g_strdup_printf("the variable%s %s make%s %s of ", n > 1 ? "s" : "", text->str, n > 1 ? "" : "s",
                             format_count(count, number))
           : g_strdup("");
}

gboolean nwf_limit_instances(NwfPort *port, GError **error) {
  guint64 all = 0, most = 0;
  const NwfCollected *worst = NULL;
  for (guint i = 0; i < port->collected->len; i++) {
    const NwfCollected *collected = &g_array_index(port->collected, NwfCollected, i);
    guint64 count = multiply(count_combinations(collected), count_directions(collected->rule));
    all = add(all, count);
    if (count > most) {
      most = count;
      worst = collected;
    }
  }
  if (all <= NWF_INSTANCES_MAX)
    return TRUE;
  char text[32];
  g_autofree char *share = describe_share(worst, most);
  nwf_port_error(port, worst->filter, *share ? worst->rule : NULL, NWF_ERROR_LIMIT, error,
                 "%s%s rules that the port has: more than %d", share, format_count(all, text), NWF_INSTANCES_MAX);
  return FALSE;
}

/* --- what is known only when it is made --- */

gboolean nwf_limit_lowered(NwfPort *port, const NwfCollected *collected, guint n, GError **error) {
  port->n_lowered += n;
  if (port->n_lowered <= NWF_INSTANCES_MAX)
    return TRUE;
  g_autofree char *share = describe_share(collected, count_combinations(collected));
  nwf_port_error(port, collected->filter, collected->rule, NWF_ERROR_LIMIT, error,
                 "%s%" G_GUINT64_FORMAT
                 " rules that the port has by now, as match='no' can make several of one: more than %d",
                 share, port->n_lowered, NWF_INSTANCES_MAX);
  return FALSE;
}

gboolean nwf_limit_ethertypes(NwfPort *port, guint n_ethertypes, guint64 n_steps, GError **error) {
  if (multiply(n_steps, n_ethertypes) <= LOOKS_MAX)
    return TRUE;
  nwf_port_error(port, nwf_filter_store_get(port->store, port->binding->filter), NULL, NWF_ERROR_LIMIT, error,
                 "%" G_GUINT64_FORMAT " rules of the first stage for each of %u EtherTypes are more than %d", n_steps,
                 n_ethertypes, LOOKS_MAX);
  return FALSE;
}

/* The steps of each rule, with those in sub-chains; their sum. */
static guint64 count_steps(const GArray *steps, GHashTable *of_rules) {
  guint64 n = steps->len;
  for (guint i = 0; i < steps->len; i++) {
    const NwfStep *step = step_at(steps, i);
    if (step->sub)
      n += count_steps(step->sub, of_rules);
    gpointer rule = step->n_origins ? (gpointer)step->origins[0].rule : NULL;
    if (rule && of_rules)
      g_hash_table_insert(of_rules, rule, GUINT_TO_POINTER(1 + GPOINTER_TO_UINT(g_hash_table_lookup(of_rules, rule))));
  }
  return n;
}

static gboolean refuse_steps(NwfPort *port, const GArray *steps, guint64 all, int limit, GError **error) {
  g_autoptr(GHashTable) of_rules = g_hash_table_new(NULL, NULL);
  count_steps(steps, of_rules);
  const NwfCollected *worst = NULL;
  guint most = 0;
  for (guint i = 0; i < port->collected->len; i++) {
    const NwfCollected *collected = &g_array_index(port->collected, NwfCollected, i);
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(of_rules, collected->rule));
    if (count > most) {
      most = count;
      worst = collected;
    }
  }
  g_autofree char *share = worst ? describe_share(worst, most) : g_strdup("");
  nwf_port_error(port, worst ? worst->filter : NULL, *share ? worst->rule : NULL, NWF_ERROR_LIMIT, error,
                 "%s%" G_GUINT64_FORMAT " rules that the port has by now and that fall into no set: more than %d",
                 share, all, limit);
  return FALSE;
}

gboolean nwf_limit_merged(NwfPort *port, const GArray *steps, GError **error) {
  port->n_merged += count_steps(steps, NULL);
  return port->n_merged <= NWF_INSTANCES_MAX || refuse_steps(port, steps, port->n_merged, NWF_INSTANCES_MAX, error);
}

gboolean nwf_limit_rules(NwfPort *port, const GArray *steps, GError **error) {
  port->n_rules += count_steps(steps, NULL);
  return port->n_rules <= NWF_RULES_MAX || refuse_steps(port, steps, port->n_rules, NWF_RULES_MAX, error);
}
