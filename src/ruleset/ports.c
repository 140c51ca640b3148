// SPDX-License-Identifier: LGPL-2.1-or-later
/* What of a table belongs to a port. */
#include <nwfilter-nft/ruleset.h>

#include "ruleset/plan.h"
#include "ruleset/references.h"

#include <net/if.h>
#include <string.h>

static gboolean is_dispatch(const NwfSet *set) {
  return set->is_map && nwf_set_is_by_port(set);
}

static gboolean is_of_port(const NwfElement *element, const char *port) {
  return strncmp((const char *)element->key, port, IFNAMSIZ) == 0;
}

/* --- what is still referred to --- */

typedef struct {
  const NwfRuleset *ruleset;
  GHashTable *chains, *sets; /* names that something leads to */
  GPtrArray *todo;           /* NwfChain */
} Reach;

static void reach_verdict(Reach *reach, const NwfVerdict *verdict) {
  NwfChain *chain = verdict->chain ? nwf_ruleset_chain(reach->ruleset, verdict->chain) : NULL;
  if (chain && g_hash_table_add(reach->chains, (gpointer)chain->name))
    g_ptr_array_add(reach->todo, chain);
}

static void reach_set(Reach *reach, const char *name) {
  const NwfSet *set = nwf_ruleset_set(reach->ruleset, name);
  if (!set || !g_hash_table_add(reach->sets, (gpointer)set->name))
    return;
  for (guint i = 0; set->is_map && i < set->elements->len; i++)
    reach_verdict(reach, &g_array_index(set->elements, NwfElement, i).verdict);
}

static void reach_chain(Reach *reach, const NwfChain *chain) {
  for (guint i = 0; i < chain->rules->len; i++) {
    const NwfNftRule *rule = &g_array_index(chain->rules, NwfNftRule, i);
    for (guint j = 0; j < rule->n_exprs; j++) {
      const NwfExpr *expr = &rule->exprs[j];
      if (expr->kind == NWF_EXPR_LOOKUP)
        reach_set(reach, expr->lookup.set);
      else if (expr->kind == NWF_EXPR_CONNLIMIT)
        reach_set(reach, expr->connlimit.set);
      else if (expr->kind == NWF_EXPR_VERDICT)
        reach_verdict(reach, &expr->verdict);
    }
  }
}

void nwf_ruleset_prune(NwfRuleset *ruleset) {
  nwf_ruleset_drop_references(ruleset);
  Reach reach = {.ruleset = ruleset};
  reach.chains = g_hash_table_new(g_str_hash, g_str_equal);
  reach.sets = g_hash_table_new(g_str_hash, g_str_equal);
  reach.todo = g_ptr_array_new();
  for (guint i = 0; i < ruleset->chains->len; i++) {
    NwfChain *chain = g_ptr_array_index(ruleset->chains, i);
    if (chain->hook != NWF_HOOK_NONE && g_hash_table_add(reach.chains, (gpointer)chain->name))
      g_ptr_array_add(reach.todo, chain);
  }
  /* The maps are kept without a base chain too: they say which ports are bound. */
  for (guint i = 0; i < ruleset->sets->len; i++) {
    const NwfSet *set = g_ptr_array_index(ruleset->sets, i);
    if (is_dispatch(set) || nwf_dispatch_is_bound(set->name))
      reach_set(&reach, set->name);
  }
  while (reach.todo->len)
    reach_chain(&reach, g_ptr_array_steal_index_fast(reach.todo, reach.todo->len - 1));
  for (guint i = ruleset->chains->len; i-- > 0;) {
    const char *name = ((NwfChain *)g_ptr_array_index(ruleset->chains, i))->name;
    if (!g_hash_table_contains(reach.chains, name))
      nwf_ruleset_remove_chain(ruleset, name);
  }
  for (guint i = ruleset->sets->len; i-- > 0;) {
    const char *name = ((NwfSet *)g_ptr_array_index(ruleset->sets, i))->name;
    if (!g_hash_table_contains(reach.sets, name))
      nwf_ruleset_remove_set(ruleset, name);
  }
  g_hash_table_unref(reach.chains);
  g_hash_table_unref(reach.sets);
  g_ptr_array_unref(reach.todo);
}

gboolean nwf_ruleset_remove_port(NwfRuleset *ruleset, const char *port) {
  gboolean found = FALSE;
  nwf_ruleset_drop_references(ruleset);
  for (guint i = 0; i < ruleset->sets->len; i++) {
    NwfSet *set = g_ptr_array_index(ruleset->sets, i);
    if (!nwf_set_is_by_port(set))
      continue;
    for (guint j = set->elements->len; j-- > 0;)
      if (is_of_port(&g_array_index(set->elements, NwfElement, j), port)) {
        g_array_remove_index(set->elements, j);
        found |= is_dispatch(set);
      }
  }
  return found;
}

/* --- what a port has --- */

static void count_chain(const NwfRuleset *ruleset, const char *name, GHashTable *seen, NwfPortInfo *info) {
  const NwfChain *chain = name ? nwf_ruleset_chain(ruleset, name) : NULL;
  if (!chain || !g_hash_table_add(seen, (gpointer)chain->name))
    return;
  info->chains++;
  info->rules += chain->rules->len;
  for (guint i = 0; i < chain->rules->len; i++) {
    const NwfNftRule *rule = &g_array_index(chain->rules, NwfNftRule, i);
    for (guint j = 0; j < rule->n_exprs; j++)
      if (rule->exprs[j].kind == NWF_EXPR_VERDICT)
        count_chain(ruleset, rule->exprs[j].verdict.chain, seen, info);
  }
}

static guint features_from(const NwfRuleset *ruleset, const char *name, GHashTable *seen) {
  const NwfChain *chain = name ? nwf_ruleset_chain(ruleset, name) : NULL;
  if (!chain || !g_hash_table_add(seen, (gpointer)chain->name))
    return 0;
  guint features = nwf_chain_features(chain);
  for (guint i = 0; i < chain->rules->len; i++) {
    const NwfNftRule *rule = &g_array_index(chain->rules, NwfNftRule, i);
    for (guint j = 0; j < rule->n_exprs; j++)
      if (rule->exprs[j].kind == NWF_EXPR_VERDICT)
        features |= features_from(ruleset, rule->exprs[j].verdict.chain, seen);
  }
  return features;
}

guint nwf_ruleset_port_features(NwfRuleset *ruleset, const char *port) {
  const GArray *places = nwf_references_places(nwf_ruleset_references(ruleset), port);
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  guint features = 0;
  for (guint i = 0; places && i < places->len; i++) {
    const NwfPlace *place = &g_array_index(places, NwfPlace, i);
    if (is_dispatch(place->set))
      features |=
          features_from(ruleset, g_array_index(place->set->elements, NwfElement, place->index).verdict.chain, seen);
  }
  return features;
}

GArray *nwf_ruleset_port_infos(const NwfRuleset *ruleset) {
  GArray *infos = g_array_new(FALSE, TRUE, sizeof(NwfPortInfo));
  g_autoptr(GPtrArray) ports = nwf_ruleset_ports(ruleset);
  g_autoptr(GHashTable) index = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GPtrArray) seen = g_ptr_array_new_with_free_func((GDestroyNotify)g_hash_table_unref);
  for (guint i = 0; i < ports->len; i++) {
    NwfPortInfo info = {.port = g_ptr_array_index(ports, i)};
    g_array_append_val(infos, info);
    g_hash_table_insert(index, (gpointer)info.port, GUINT_TO_POINTER(i));
    g_ptr_array_add(seen, g_hash_table_new(g_str_hash, g_str_equal));
  }
  for (guint i = 0; i < ruleset->sets->len; i++) {
    const NwfSet *set = g_ptr_array_index(ruleset->sets, i);
    for (guint j = 0; is_dispatch(set) && j < set->elements->len; j++) {
      const NwfElement *element = &g_array_index(set->elements, NwfElement, j);
      char name[IFNAMSIZ + 1] = {0};
      memcpy(name, element->key, IFNAMSIZ);
      gpointer at;
      if (!g_hash_table_lookup_extended(index, name, NULL, &at))
        continue;
      NwfPortInfo *info = &g_array_index(infos, NwfPortInfo, GPOINTER_TO_UINT(at));
      info->elements++;
      info->comment = info->comment ? info->comment : element->comment;
      count_chain(ruleset, element->verdict.chain, g_ptr_array_index(seen, GPOINTER_TO_UINT(at)), info);
    }
  }
  return infos;
}
