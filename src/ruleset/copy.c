// SPDX-License-Identifier: LGPL-2.1-or-later
#include <nwfilter-nft/ruleset.h>

void nwf_ruleset_copy_rules(NwfRuleset *copy, NwfChain *to, const NwfChain *chain) {
  for (guint i = 0; i < chain->rules->len; i++) {
    const NwfNftRule *rule = &g_array_index(chain->rules, NwfNftRule, i);
    nwf_chain_add_rule(copy, to, rule->exprs, rule->n_exprs, rule->comment);
  }
}

NwfSet *nwf_ruleset_copy_set(NwfRuleset *copy, const NwfSet *set) {
  NwfSet *to = nwf_ruleset_add_set(copy, set->name, set->fields, set->n_fields);
  to->is_map = set->is_map;
  to->interval = set->interval;
  to->dynamic = set->dynamic;
  to->size = set->size;
  to->comment = nwf_ruleset_intern(copy, set->comment);
  for (guint i = 0; i < set->n_fields; i++)
    to->raw[i] = set->raw[i];
  for (guint i = 0; i < set->elements->len; i++) {
    const NwfElement *element = &g_array_index(set->elements, NwfElement, i);
    nwf_set_add_element(copy, to, element->key, element->key_end, set->is_map ? &element->verdict : NULL,
                        element->comment);
  }
  return to;
}

NwfRuleset *nwf_ruleset_copy(const NwfRuleset *ruleset) {
  NwfRuleset *copy = nwf_ruleset_new();
  for (guint i = 0; i < ruleset->chains->len; i++) {
    const NwfChain *chain = g_ptr_array_index(ruleset->chains, i);
    nwf_ruleset_copy_rules(copy, nwf_ruleset_add_chain(copy, chain->name, chain->hook, chain->priority), chain);
  }
  for (guint i = 0; i < ruleset->sets->len; i++)
    nwf_ruleset_copy_set(copy, g_ptr_array_index(ruleset->sets, i));
  return copy;
}
