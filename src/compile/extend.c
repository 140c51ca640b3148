// SPDX-License-Identifier: LGPL-2.1-or-later
/* One port more in a table that is there: what it adds is what has to be sent. */
#include "compile/internal.h"

typedef struct {
  guint n_chains, n_sets;
  GArray *n_elements; /* of guint, by set */
} Extent;

static void measure(const NwfRuleset *ruleset, Extent *extent) {
  extent->n_chains = ruleset->chains->len;
  extent->n_sets = ruleset->sets->len;
  extent->n_elements = g_array_sized_new(FALSE, FALSE, sizeof(guint), ruleset->sets->len);
  for (guint i = 0; i < ruleset->sets->len; i++)
    g_array_append_val(extent->n_elements, ((NwfSet *)g_ptr_array_index(ruleset->sets, i))->elements->len);
}

/* Takes back what was added. */
static void restore(NwfRuleset *ruleset, const Extent *extent) {
  while (ruleset->chains->len > extent->n_chains)
    nwf_ruleset_remove_chain(ruleset, ((NwfChain *)g_ptr_array_index(ruleset->chains, ruleset->chains->len - 1))->name);
  while (ruleset->sets->len > extent->n_sets)
    nwf_ruleset_remove_set(ruleset, ((NwfSet *)g_ptr_array_index(ruleset->sets, ruleset->sets->len - 1))->name);
  for (guint i = 0; i < extent->n_sets; i++)
    g_array_set_size(((NwfSet *)g_ptr_array_index(ruleset->sets, i))->elements,
                     g_array_index(extent->n_elements, guint, i));
}

static void add_change(GArray *changes, NwfChangeKind kind, const NwfChain *chain, const NwfSet *set,
                       const NwfElement *element) {
  NwfChange change = {.kind = kind, .chain = chain, .set = set, .element = element};
  g_array_append_val(changes, change);
}

/* Chains before the elements that lead to them, sets before the rules that look into them. */
static GArray *added(const NwfRuleset *ruleset, const Extent *extent) {
  GArray *changes = g_array_new(FALSE, TRUE, sizeof(NwfChange));
  if (extent->n_chains == 0 && extent->n_sets == 0)
    add_change(changes, NWF_CHANGE_ADD_TABLE, NULL, NULL, NULL);
  for (guint i = extent->n_chains; i < ruleset->chains->len; i++)
    add_change(changes, NWF_CHANGE_ADD_CHAIN, g_ptr_array_index(ruleset->chains, i), NULL, NULL);
  for (guint i = extent->n_sets; i < ruleset->sets->len; i++)
    add_change(changes, NWF_CHANGE_ADD_SET, NULL, g_ptr_array_index(ruleset->sets, i), NULL);
  for (guint i = 0; i < extent->n_sets; i++) {
    const NwfSet *set = g_ptr_array_index(ruleset->sets, i);
    for (guint j = g_array_index(extent->n_elements, guint, i); j < set->elements->len; j++)
      add_change(changes, NWF_CHANGE_ADD_ELEMENT, NULL, set, &g_array_index(set->elements, NwfElement, j));
  }
  for (guint i = extent->n_chains; i < ruleset->chains->len; i++)
    add_change(changes, NWF_CHANGE_ADD_RULES, g_ptr_array_index(ruleset->chains, i), NULL, NULL);
  return changes;
}

GArray *nwf_compile_extend(NwfRuleset *ruleset, const NwfFilterStore *store, const NwfBinding *binding,
                           const NwfCompileOptions *options, GError **error) {
  static const NwfCompileOptions defaults = {.features = NWF_FEATURE_ALL};
  Extent extent;
  measure(ruleset, &extent);
  NwfPort port;
  nwf_port_init(&port, store, ruleset, options ? options : &defaults);
  gboolean ok = nwf_port_compile(&port, binding, error);
  nwf_port_clear(&port);
  if (ok)
    nwf_dispatch_finish(ruleset);
  else
    restore(ruleset, &extent);
  GArray *changes = ok ? added(ruleset, &extent) : NULL;
  g_array_unref(extent.n_elements);
  return changes;
}
