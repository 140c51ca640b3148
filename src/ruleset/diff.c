// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What turns one ruleset into another, in an order that the kernel takes in one transaction.
 *
 * The kernel works a batch off from front to back and only lets go what nobody refers to:
 * chains are referred to by rules and by elements, sets by rules. Hence the order: rules and
 * elements that change are taken away first, then sets and chains come, then what refers to them,
 * and the unused chains and sets go last. A set whose type changes must go before it comes again
 * under its name, so the rules that use it are taken away and put back even if they did not change.
 */
#include <nwfilter-nft/ruleset.h>

#include <string.h>

typedef struct {
  const NwfRuleset *have;
  const NwfRuleset *want;
  GHashTable *remade_sets; /* names of sets whose type changes */
  /* one array for each step, in the order in which they are sent */
  GArray *flushes, *element_removals, *early_removals, *sets, *chains, *elements, *rules, *removals;
} Diff;

static void add(GArray *changes, NwfChangeKind kind, const NwfChain *chain, const NwfSet *set,
                const NwfElement *element) {
  NwfChange change = {.kind = kind, .chain = chain, .set = set, .element = element};
  g_array_append_val(changes, change);
}

static GArray *changes_new(void) {
  return g_array_new(FALSE, FALSE, sizeof(NwfChange));
}

/* --- what has to be made anew --- */

static gboolean same_hook(const NwfChain *a, const NwfChain *b) {
  return a->hook == b->hook && (a->hook == NWF_HOOK_NONE || a->priority == b->priority);
}

static void find_remade(Diff *diff) {
  for (guint i = 0; i < diff->have->sets->len; i++) {
    const NwfSet *old = g_ptr_array_index(diff->have->sets, i);
    const NwfSet *new = nwf_ruleset_set(diff->want, old->name);
    if (new && !nwf_set_same_type(old, new))
      g_hash_table_add(diff->remade_sets, (gpointer)old->name);
  }
}

static gboolean expr_uses_remade(const Diff *diff, const NwfExpr *expr) {
  if (expr->kind == NWF_EXPR_LOOKUP)
    return g_hash_table_contains(diff->remade_sets, expr->lookup.set);
  return expr->kind == NWF_EXPR_CONNLIMIT && g_hash_table_contains(diff->remade_sets, expr->connlimit.set);
}

static gboolean chain_uses_remade(const Diff *diff, const NwfChain *chain) {
  if (g_hash_table_size(diff->remade_sets) == 0)
    return FALSE;
  for (guint i = 0; i < chain->rules->len; i++) {
    const NwfNftRule *rule = &g_array_index(chain->rules, NwfNftRule, i);
    for (guint j = 0; j < rule->n_exprs; j++)
      if (expr_uses_remade(diff, &rule->exprs[j]))
        return TRUE;
  }
  return FALSE;
}

/* --- chains --- */

static void add_rules(Diff *diff, const NwfChain *chain) {
  if (chain->rules->len)
    add(diff->rules, NWF_CHANGE_ADD_RULES, chain, NULL, NULL);
}

static void flush(Diff *diff, const NwfChain *chain) {
  if (chain->rules->len)
    add(diff->flushes, NWF_CHANGE_FLUSH_CHAIN, chain, NULL, NULL);
}

static void compare_chain(Diff *diff, const NwfChain *old, const NwfChain *new) {
  if (!same_hook(old, new)) { /* nothing refers to it: in one of the two it is a base chain, or in both */
    flush(diff, old);
    add(diff->early_removals, NWF_CHANGE_DELETE_CHAIN, old, NULL, NULL);
    add(diff->chains, NWF_CHANGE_ADD_CHAIN, new, NULL, NULL);
    add_rules(diff, new);
  } else if (!nwf_chain_equal(old, new) || chain_uses_remade(diff, old)) {
    flush(diff, old);
    add_rules(diff, new);
  }
}

static void compare_chains(Diff *diff) {
  for (guint i = 0; i < diff->have->chains->len; i++) {
    const NwfChain *old = g_ptr_array_index(diff->have->chains, i);
    const NwfChain *new = nwf_ruleset_chain(diff->want, old->name);
    if (new) {
      compare_chain(diff, old, new);
      continue;
    }
    flush(diff, old);
    add(diff->removals, NWF_CHANGE_DELETE_CHAIN, old, NULL, NULL);
  }
  for (guint i = 0; i < diff->want->chains->len; i++) {
    const NwfChain *new = g_ptr_array_index(diff->want->chains, i);
    if (nwf_ruleset_chain(diff->have, new->name))
      continue;
    add(diff->chains, NWF_CHANGE_ADD_CHAIN, new, NULL, NULL);
    add_rules(diff, new);
  }
}

/* --- sets --- */

/** Unused bytes of keys are zero, so the whole arrays can be hashed and compared. */
static guint element_hash(gconstpointer data) {
  const NwfElement *element = data;
  guint32 hash = 2166136261u, word;
  for (guint i = 0; i < NWF_KEY_MAX; i += sizeof word) {
    memcpy(&word, element->key + i, sizeof word);
    hash = (hash ^ word) * 16777619u;
    hash ^= hash >> 15;
  }
  return hash;
}

static gboolean element_same_key(gconstpointer a, gconstpointer b) {
  const NwfElement *x = a, *y = b;
  return memcmp(x->key, y->key, NWF_KEY_MAX) == 0 && memcmp(x->key_end, y->key_end, NWF_KEY_MAX) == 0;
}

static GHashTable *index_elements(const NwfSet *set) {
  GHashTable *index = g_hash_table_new(element_hash, element_same_key);
  for (guint i = 0; i < set->elements->len; i++)
    g_hash_table_add(index, &g_array_index(set->elements, NwfElement, i));
  return index;
}

/** The usual case, nothing changed, needs no index. */
static gboolean elements_stay(const NwfSet *old, const NwfSet *new) {
  if (old->elements->len != new->elements->len)
    return FALSE;
  for (guint i = 0; i < old->elements->len; i++)
    if (!nwf_element_equal(old, &g_array_index(old->elements, NwfElement, i),
                           &g_array_index(new->elements, NwfElement, i)))
      return FALSE;
  return TRUE;
}

static void compare_elements(Diff *diff, const NwfSet *old, const NwfSet *new) {
  if (new->dynamic || elements_stay(old, new))
    return;
  g_autoptr(GHashTable) have = index_elements(old);
  g_autoptr(GHashTable) want = index_elements(new);
  for (guint i = 0; i < old->elements->len; i++) {
    const NwfElement *element = &g_array_index(old->elements, NwfElement, i);
    const NwfElement *next = g_hash_table_lookup(want, element);
    if (!next || !nwf_element_equal(old, element, next))
      add(diff->element_removals, NWF_CHANGE_DELETE_ELEMENT, NULL, old, element);
  }
  for (guint i = 0; i < new->elements->len; i++) {
    const NwfElement *element = &g_array_index(new->elements, NwfElement, i);
    const NwfElement *before = g_hash_table_lookup(have, element);
    if (!before || !nwf_element_equal(new, before, element))
      add(diff->elements, NWF_CHANGE_ADD_ELEMENT, NULL, new, element);
  }
}

static void compare_sets(Diff *diff) {
  for (guint i = 0; i < diff->have->sets->len; i++) {
    const NwfSet *old = g_ptr_array_index(diff->have->sets, i);
    const NwfSet *new = nwf_ruleset_set(diff->want, old->name);
    if (!new)
      add(diff->early_removals, NWF_CHANGE_DELETE_SET, NULL, old, NULL);
    else if (g_hash_table_contains(diff->remade_sets, old->name)) {
      add(diff->early_removals, NWF_CHANGE_DELETE_SET, NULL, old, NULL);
      add(diff->sets, NWF_CHANGE_ADD_SET, NULL, new, NULL);
    } else
      compare_elements(diff, old, new);
  }
  for (guint i = 0; i < diff->want->sets->len; i++) {
    const NwfSet *new = g_ptr_array_index(diff->want->sets, i);
    if (!nwf_ruleset_set(diff->have, new->name))
      add(diff->sets, NWF_CHANGE_ADD_SET, NULL, new, NULL);
  }
}

/* --- the whole --- */

static void put(GArray *all, GArray *step) {
  if (step->len)
    g_array_append_vals(all, step->data, step->len);
  g_array_unref(step);
}

/** compare_sets comes before compare_chains, as a map whose elements jump to a chain has to go
 * before the chain. */
static void run(Diff *diff, GArray *changes) {
  diff->flushes = changes_new();
  diff->element_removals = changes_new();
  diff->early_removals = changes_new();
  diff->sets = changes_new();
  diff->chains = changes_new();
  diff->elements = changes_new();
  diff->rules = changes_new();
  diff->removals = changes_new();
  find_remade(diff);
  compare_sets(diff);
  compare_chains(diff);
  put(changes, diff->flushes);
  put(changes, diff->element_removals);
  put(changes, diff->early_removals);
  /* chains first: the elements that come with a new map may jump to them */
  put(changes, diff->chains);
  put(changes, diff->sets);
  put(changes, diff->elements);
  put(changes, diff->rules);
  put(changes, diff->removals);
}

GArray *nwf_ruleset_diff(const NwfRuleset *have, const NwfRuleset *want) {
  GArray *changes = changes_new();
  if (!want) {
    if (have)
      add(changes, NWF_CHANGE_DELETE_TABLE, NULL, NULL, NULL);
    return changes;
  }
  /* what is not ours in the table has no name here by which it could be taken away */
  gboolean replace = have && have->foreign;
  if (replace)
    add(changes, NWF_CHANGE_DELETE_TABLE, NULL, NULL, NULL);
  if (!have || replace)
    add(changes, NWF_CHANGE_ADD_TABLE, NULL, NULL, NULL);
  g_autoptr(NwfRuleset) empty = have && !replace ? NULL : nwf_ruleset_new();
  g_autoptr(GHashTable) sets = g_hash_table_new(g_str_hash, g_str_equal);
  Diff diff = {.have = empty ? empty : have, .want = want, .remade_sets = sets};
  run(&diff, changes);
  return changes;
}

/* --- for people --- */

static void append_change(GString *out, const NwfChange *change) {
  static const char *const lines[] = {
      [NWF_CHANGE_ADD_TABLE] = "+ table",
      [NWF_CHANGE_DELETE_TABLE] = "- table",
      [NWF_CHANGE_ADD_SET] = "+",
      [NWF_CHANGE_DELETE_SET] = "-",
      [NWF_CHANGE_ADD_CHAIN] = "+ chain",
      [NWF_CHANGE_ADD_RULES] = "+ rules of chain",
      [NWF_CHANGE_FLUSH_CHAIN] = "- rules of chain",
      [NWF_CHANGE_DELETE_CHAIN] = "- chain",
      [NWF_CHANGE_ADD_ELEMENT] = "+ element",
      [NWF_CHANGE_DELETE_ELEMENT] = "- element",
  };
  g_string_append(out, lines[change->kind]);
  if (change->chain)
    g_string_append_printf(out, " %s", change->chain->name);
  else if (change->element) {
    g_autofree char *key = nwf_element_key_to_text(change->set, change->element);
    g_string_append_printf(out, " %s of %s", key, change->set->name);
  } else if (change->set)
    g_string_append_printf(out, " %s %s", change->set->is_map ? "map" : "set", change->set->name);
  else
    g_string_append(out, " bridge " NWF_TABLE);
  if (change->kind == NWF_CHANGE_ADD_SET)
    g_string_append_printf(out, " (%u elements)", change->set->elements->len);
  g_string_append_c(out, '\n');
}

static void append_rules(GString *out, const NwfChain *chain) {
  for (guint i = 0; i < chain->rules->len; i++) {
    const NwfNftRule *rule = &g_array_index(chain->rules, NwfNftRule, i);
    g_autofree char *text = nwf_nft_rule_to_text(rule);
    g_string_append_printf(out, "+   %s", text);
    if (rule->comment)
      g_string_append_printf(out, " comment \"%s\"", rule->comment);
    g_string_append_c(out, '\n');
  }
}

char *nwf_diff_to_text(const GArray *changes) {
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < changes->len; i++) {
    const NwfChange *change = &g_array_index(changes, NwfChange, i);
    append_change(out, change);
    if (change->kind == NWF_CHANGE_ADD_RULES)
      append_rules(out, change->chain);
  }
  return g_string_free(out, FALSE);
}
