// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ruleset/references.h"

#include <string.h>

gboolean nwf_set_is_by_port(const NwfSet *set) {
  return set->n_fields > 0 && (set->fields[0] == NWF_FIELD_IIFNAME || set->fields[0] == NWF_FIELD_OIFNAME);
}

/* --- counts --- */

static void take_chain(NwfRuleset *ruleset, const char *name, int step);

static void take_set(NwfRuleset *ruleset, const char *name, int step) {
  NwfSet *set = nwf_ruleset_set(ruleset, name);
  if (!set)
    return;
  set->uses += (guint)step;
  if (set->uses == 0)
    g_hash_table_add(ruleset->references->unused_sets, set);
}

/* What the chain leads to counts while the chain itself does. */
static void take_rules(NwfRuleset *ruleset, const NwfChain *chain, int step) {
  for (guint i = 0; i < chain->rules->len; i++) {
    const NwfNftRule *rule = &g_array_index(chain->rules, NwfNftRule, i);
    for (guint j = 0; j < rule->n_exprs; j++) {
      const NwfExpr *expr = &rule->exprs[j];
      if (expr->kind == NWF_EXPR_LOOKUP)
        take_set(ruleset, expr->lookup.set, step);
      else if (expr->kind == NWF_EXPR_CONNLIMIT)
        take_set(ruleset, expr->connlimit.set, step);
      else if (expr->kind == NWF_EXPR_VERDICT)
        take_chain(ruleset, expr->verdict.chain, step);
    }
  }
}

static void take_chain(NwfRuleset *ruleset, const char *name, int step) {
  NwfChain *chain = name ? nwf_ruleset_chain(ruleset, name) : NULL;
  if (!chain)
    return;
  chain->uses += (guint)step;
  if (chain->uses == (step > 0 ? 1 : 0)) {
    if (nwf_chain_features(chain) & NWF_FEATURE_CT)
      ruleset->references->tracking += (guint)step;
    take_rules(ruleset, chain, step);
  }
  if (chain->uses == 0)
    g_hash_table_add(ruleset->references->unused_chains, chain);
}

static void take_element(NwfRuleset *ruleset, NwfSet *set, const NwfElement *element, int step) {
  if (!set->is_map)
    return;
  if (element->verdict.kind != NWF_VERDICT_ACCEPT)
    set->deciding += (guint)step;
  take_chain(ruleset, element->verdict.chain, step);
}

/* --- what all ports accept --- */

static int class_of(const NwfElement *element) {
  static const guint16 types[NWF_N_CLASSES] = {
      [NWF_CLASS_IPV4] = 0x0800, [NWF_CLASS_ARP] = 0x0806, [NWF_CLASS_IPV6] = 0x86dd};
  guint type = (guint)element->key[16] << 8 | element->key[17];
  for (int i = 0; i < NWF_N_CLASSES; i++)
    if (types[i] == type)
      return i;
  return -1;
}

static const NwfElement *element_at(const NwfPlace *place) {
  return &g_array_index(place->set->elements, NwfElement, place->index);
}

/* A port's entries in the maps of what it is sent begin or cease to count. */
static void count_port(NwfReferences *references, const GArray *places, int step) {
  gboolean other_decides = FALSE;
  for (guint i = 0; i < places->len; i++) {
    const NwfPlace *place = &g_array_index(places, NwfPlace, i);
    if (strcmp(place->set->name, "to_port_other") == 0)
      other_decides = element_at(place)->verdict.kind != NWF_VERDICT_ACCEPT;
  }
  references->other_deciding += other_decides ? (guint)step : 0;
  for (guint i = 0; i < places->len; i++) {
    const NwfPlace *place = &g_array_index(places, NwfPlace, i);
    int class = strcmp(place->set->name, "to_port") == 0 ? class_of(element_at(place)) : -1;
    if (class < 0)
      continue;
    references->classes[class].deciding += element_at(place)->verdict.kind != NWF_VERDICT_ACCEPT ? (guint)step : 0;
    references->classes[class].covered += other_decides ? (guint)step : 0;
  }
}

gboolean nwf_references_all_accept(const NwfReferences *references, NwfClass class) {
  const NwfClassCount *count = &references->classes[class];
  return count->deciding == 0 && count->covered == references->other_deciding;
}

/* --- places --- */

static void array_free(gpointer data) {
  g_array_unref(data);
}

/* A port's name is the first 16 bytes of the key, of which the last is always zero. */
static const char *port_of(const NwfElement *element) {
  return (const char *)element->key;
}

static void add_place(NwfReferences *references, const char *port, NwfSet *set, guint index) {
  NwfPlace place = {.set = set, .index = index};
  GArray *places = g_hash_table_lookup(references->ports, port);
  if (!places) {
    places = g_array_new(FALSE, FALSE, sizeof(NwfPlace));
    g_hash_table_insert(references->ports, g_strdup(port), places);
  }
  g_array_append_val(places, place);
}

const GArray *nwf_references_places(const NwfReferences *references, const char *port) {
  return g_hash_table_lookup(references->ports, port);
}

NwfReferences *nwf_ruleset_references(NwfRuleset *ruleset) {
  if (ruleset->references)
    return ruleset->references;
  NwfReferences *references = ruleset->references = g_new0(NwfReferences, 1);
  references->ports = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, array_free);
  references->unused_chains = g_hash_table_new(NULL, NULL);
  references->unused_sets = g_hash_table_new(NULL, NULL);
  for (guint i = 0; i < ruleset->chains->len; i++)
    ((NwfChain *)g_ptr_array_index(ruleset->chains, i))->uses = 0;
  for (guint i = 0; i < ruleset->sets->len; i++) {
    NwfSet *set = g_ptr_array_index(ruleset->sets, i);
    set->uses = set->deciding = 0;
  }
  for (guint i = 0; i < ruleset->sets->len; i++) {
    NwfSet *set = g_ptr_array_index(ruleset->sets, i);
    for (guint j = 0; nwf_set_is_by_port(set) && j < set->elements->len; j++) {
      const NwfElement *element = &g_array_index(set->elements, NwfElement, j);
      add_place(references, port_of(element), set, j);
      take_element(ruleset, set, element, 1);
    }
  }
  GHashTableIter iter;
  gpointer places;
  g_hash_table_iter_init(&iter, references->ports);
  while (g_hash_table_iter_next(&iter, NULL, &places))
    count_port(references, places, 1);
  return references;
}

void nwf_ruleset_drop_references(NwfRuleset *ruleset) {
  if (!ruleset->references)
    return;
  g_hash_table_unref(ruleset->references->ports);
  g_hash_table_unref(ruleset->references->unused_chains);
  g_hash_table_unref(ruleset->references->unused_sets);
  g_clear_pointer(&ruleset->references, g_free);
}

void nwf_references_enter(NwfRuleset *ruleset, const char *port, const GArray *places) {
  for (guint i = 0; i < places->len; i++) {
    const NwfPlace *place = &g_array_index(places, NwfPlace, i);
    add_place(ruleset->references, port, place->set, place->index);
    take_element(ruleset, place->set, element_at(place), 1);
  }
  count_port(ruleset->references, places, 1);
}

/* The last element comes into the place of the one that goes. */
static void remove_element(NwfRuleset *ruleset, NwfSet *set, guint index) {
  guint last = set->elements->len - 1;
  take_element(ruleset, set, &g_array_index(set->elements, NwfElement, index), -1);
  if (index != last) {
    GArray *places =
        g_hash_table_lookup(ruleset->references->ports, port_of(&g_array_index(set->elements, NwfElement, last)));
    for (guint i = 0; i < places->len; i++) {
      NwfPlace *place = &g_array_index(places, NwfPlace, i);
      if (place->set == set && place->index == last)
        place->index = index;
    }
  }
  g_array_remove_index_fast(set->elements, index);
}

void nwf_references_leave(NwfRuleset *ruleset, const char *port) {
  GArray *places = g_hash_table_lookup(ruleset->references->ports, port);
  if (!places)
    return;
  count_port(ruleset->references, places, -1);
  /* from the end on, as a removal may move another element of this port, whose place is then noted here */
  while (places->len) {
    NwfPlace place = g_array_index(places, NwfPlace, places->len - 1);
    g_array_set_size(places, places->len - 1);
    remove_element(ruleset, place.set, place.index);
  }
  g_hash_table_remove(ruleset->references->ports, port);
}
