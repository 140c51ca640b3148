// SPDX-License-Identifier: LGPL-2.1-or-later
#include <nwfilter-nft/ruleset.h>

guint nwf_expr_features(const NwfExpr *expr) {
  switch (expr->kind) {
  case NWF_EXPR_REJECT:
    return NWF_FEATURE_REJECT;
  case NWF_EXPR_NOTRACK:
    return NWF_FEATURE_CT;
  case NWF_EXPR_CONNLIMIT:
    return NWF_FEATURE_CONNLIMIT | NWF_FEATURE_CT;
  case NWF_EXPR_TEST:
    return nwf_fields[expr->test.field].base == NWF_BASE_CT ? NWF_FEATURE_CT : 0;
  default:
    return 0;
  }
}

guint nwf_chain_features(const NwfChain *chain) {
  guint features = 0;
  for (guint j = 0; j < chain->rules->len; j++) {
    const NwfNftRule *rule = &g_array_index(chain->rules, NwfNftRule, j);
    for (guint k = 0; k < rule->n_exprs; k++)
      features |= nwf_expr_features(&rule->exprs[k]);
  }
  return features;
}

guint nwf_ruleset_features(const NwfRuleset *ruleset) {
  guint features = 0;
  for (guint i = 0; i < ruleset->chains->len; i++)
    features |= nwf_chain_features(g_ptr_array_index(ruleset->chains, i));
  return features;
}
