// SPDX-License-Identifier: LGPL-2.1-or-later
#include "table-rules.h"

#include <net/if.h>
#include <string.h>

#define TRACKING (-200) /* priority of bridge connection tracking, linux/netfilter_bridge.h */

typedef struct {
  const NwfRuleset *ruleset;
  GString *broken;
} Look;

static void complain(Look *look, const char *name, const char *what) {
  g_string_append_printf(look->broken, "%s: %s\n", name, what);
}

static gboolean is_port(NwfField field) {
  return field == NWF_FIELD_IIFNAME || field == NWF_FIELD_OIFNAME;
}

static const NwfNftRule *rule_at(const NwfChain *chain, guint i) {
  return &g_array_index(chain->rules, NwfNftRule, i);
}

/* The verdict in which a rule ends, or NULL. */
static const NwfVerdict *verdict_of(const NwfNftRule *rule) {
  const NwfExpr *last = rule->n_exprs ? &rule->exprs[rule->n_exprs - 1] : NULL;
  return last && last->kind == NWF_EXPR_VERDICT ? &last->verdict : NULL;
}

/* --- base chains --- */

static void look_at_base_chain(Look *look, const NwfChain *chain) {
  const NwfNftRule *last = chain->rules->len ? rule_at(chain, chain->rules->len - 1) : NULL;
  const NwfVerdict *verdict = last ? verdict_of(last) : NULL;
  if (!verdict || last->n_exprs != 1 || verdict->kind != NWF_VERDICT_ACCEPT)
    complain(look, chain->name, "does not end by accepting what has no entry");
  const NwfNftRule *before = chain->rules->len > 1 ? rule_at(chain, chain->rules->len - 2) : NULL;
  verdict = before ? verdict_of(before) : NULL;
  if (!verdict || before->n_exprs != 2 || verdict->kind != NWF_VERDICT_DROP ||
      before->exprs[0].kind != NWF_EXPR_LOOKUP || !g_str_has_prefix(before->exprs[0].lookup.set, "bound"))
    complain(look, chain->name, "lets through what is bound and found no verdict");
}

/* --- chains that ports share --- */

static void look_at_chain(Look *look, const NwfChain *chain) {
  guint passed = 0;
  gboolean dropped_members = FALSE;
  for (guint i = 0; i < chain->rules->len; i++) {
    const NwfNftRule *rule = rule_at(chain, i);
    const NwfVerdict *verdict = verdict_of(rule);
    const NwfExpr *lookup = NULL;
    for (guint j = 0; j < rule->n_exprs; j++)
      if (rule->exprs[j].kind == NWF_EXPR_LOOKUP && is_port(rule->exprs[j].lookup.fields[0]))
        lookup = &rule->exprs[j];
    gboolean drops =
        verdict ? verdict->kind == NWF_VERDICT_DROP : rule->exprs[rule->n_exprs - 1].kind == NWF_EXPR_REJECT;
    if (drops && lookup)
      passed += lookup->lookup.negated ? 1 : 0;
    if (drops && lookup && !lookup->lookup.negated)
      dropped_members = TRUE;
    if (!drops && verdict && (dropped_members || (lookup && lookup->lookup.negated) || passed + (lookup != NULL) > 1))
      complain(look, chain->name, "lets through what it looks up at more than one moment");
  }
}

/* --- where state is tested --- */

static gboolean leads_to_state(const NwfRuleset *ruleset, const char *name, GHashTable *seen) {
  const NwfChain *chain = name ? nwf_ruleset_chain(ruleset, name) : NULL;
  if (!chain || !g_hash_table_add(seen, (gpointer)chain->name))
    return FALSE;
  if (nwf_chain_features(chain) & NWF_FEATURE_CT)
    return TRUE;
  for (guint i = 0; i < chain->rules->len; i++) {
    const NwfVerdict *verdict = verdict_of(rule_at(chain, i));
    if (verdict && leads_to_state(ruleset, verdict->chain, seen))
      return TRUE;
  }
  return FALSE;
}

/* A base chain before connection tracking looks into no map that leads to a test of state. */
static void look_at_state(Look *look, const NwfChain *base) {
  for (guint i = 0; i < base->rules->len && base->priority < TRACKING; i++) {
    const NwfNftRule *rule = rule_at(base, i);
    const NwfExpr *last = &rule->exprs[rule->n_exprs - 1];
    const NwfSet *map = last->kind == NWF_EXPR_LOOKUP ? nwf_ruleset_set(look->ruleset, last->lookup.set) : NULL;
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint j = 0; map && j < map->elements->len; j++)
      if (leads_to_state(look->ruleset, g_array_index(map->elements, NwfElement, j).verdict.chain, seen))
        complain(look, map->name, "leads to a test of state before connections are tracked");
  }
  if (base->hook == NWF_HOOK_PREROUTING && g_str_equal(base->name, "prerouting") && base->priority >= TRACKING)
    complain(look, base->name, "drops behind connection tracking");
}

/* --- EtherTypes with an entry, and the rest --- */

static gboolean has_type(const NwfSet *set, const guint8 type[2]) {
  for (guint i = 0; set && i < set->elements->len; i++)
    if (memcmp(g_array_index(set->elements, NwfElement, i).key, type, 2) == 0)
      return TRUE;
  return FALSE;
}

/* The set of EtherTypes that the chain for the rest drops first, or NULL. */
static const NwfSet *dropped_first(const NwfRuleset *ruleset, const NwfVerdict *verdict) {
  const NwfChain *chain = verdict->chain ? nwf_ruleset_chain(ruleset, verdict->chain) : NULL;
  if (!chain || !chain->rules->len)
    return NULL;
  const NwfNftRule *first = rule_at(chain, 0);
  const NwfVerdict *drop = verdict_of(first);
  gboolean guards = drop && drop->kind == NWF_VERDICT_DROP && first->n_exprs == 2 &&
                    first->exprs[0].kind == NWF_EXPR_LOOKUP && !first->exprs[0].lookup.negated &&
                    first->exprs[0].lookup.fields[0] == NWF_FIELD_ETHER_TYPE;
  return guards ? nwf_ruleset_set(ruleset, first->exprs[0].lookup.set) : NULL;
}

static void look_at_rest(Look *look, const char *typed_name, const char *other_name) {
  const NwfSet *typed = nwf_ruleset_set(look->ruleset, typed_name), *other = nwf_ruleset_set(look->ruleset, other_name);
  for (guint i = 0; typed && other && i < other->elements->len; i++) {
    const NwfElement *rest = &g_array_index(other->elements, NwfElement, i);
    const NwfSet *guard = dropped_first(look->ruleset, &rest->verdict);
    gboolean decides = FALSE, guarded = TRUE;
    for (guint j = 0; j < typed->elements->len; j++) {
      const NwfElement *element = &g_array_index(typed->elements, NwfElement, j);
      if (memcmp(element->key, rest->key, IFNAMSIZ) != 0)
        continue;
      decides |= element->verdict.kind != NWF_VERDICT_ACCEPT;
      guarded &= has_type(guard, element->key + IFNAMSIZ);
    }
    if (decides && !guarded && rest->verdict.kind != NWF_VERDICT_DROP)
      complain(look, other_name, "lets through EtherTypes that have an entry of their own");
  }
}

char *table_rules_broken(const NwfRuleset *ruleset) {
  Look look = {.ruleset = ruleset, .broken = g_string_new(NULL)};
  for (guint i = 0; i < ruleset->chains->len; i++) {
    const NwfChain *chain = g_ptr_array_index(ruleset->chains, i);
    if (chain->hook == NWF_HOOK_NONE)
      look_at_chain(&look, chain);
    else {
      look_at_base_chain(&look, chain);
      look_at_state(&look, chain);
    }
  }
  look_at_rest(&look, "from_port", "from_port_other");
  look_at_rest(&look, "to_port", "to_port_other");
  return g_string_free(look.broken, FALSE);
}
