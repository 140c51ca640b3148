// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Base chains: which are there follows from what the ports' entries in the dispatch maps decide, and so do their rules.
 *
 * Their policy is drop, and what has no entry is accepted by their last rule. A base chain is made once; when its rules
 * change, they are replaced within it, since a chain that takes another's place loses frames of ports that are not
 * bound.
 */
#pragma once

#include <nwfilter-nft/ruleset.h>

/** Base chains at most: NWF_N_DISPATCHES with NWF_DISPATCH_CHAINS each. */
#define NWF_N_BASE_CHAINS 8

/** What a base chain's rules follow from; 0: the chain is not there. */
typedef guint NwfBaseChainForm;

/** The forms that the base chains are to have, in the order of the plan. */
void nwf_base_chains_wanted(NwfRuleset *ruleset, NwfBaseChainForm forms[NWF_N_BASE_CHAINS]);
/** The name of a base chain; NULL: none has this index. */
const char *nwf_base_chain_name(guint index);
/** Adds the base chains that are missing, with their maps and sets, and gives them the rules of @forms; those of form 0
 * are left alone. @had: the forms of those that are there, whose rules are not written when their form is as wanted;
 * NULL: none is there. */
void nwf_base_chains_make(NwfRuleset *ruleset, const NwfBaseChainForm *had, const NwfBaseChainForm *forms);
/** Whether a base chain of one of @forms looks into this set or map. */
gboolean nwf_base_chains_need(const NwfSet *set, const NwfBaseChainForm *forms);
/** Whether a set holds what a base chain accepts before it looks for the port. */
gboolean nwf_base_chains_is_accepted(const NwfSet *set);
