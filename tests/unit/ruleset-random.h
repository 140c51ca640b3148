// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Rulesets to test with, and a model of what the kernel does with changes.
 */
#pragma once

#include <nwfilter-nft/ruleset.h>

/** A chain "sample" with a rule for each kind of expression, and what they refer to. Borrowed. */
NwfChain *nwf_sample_rules(NwfRuleset *ruleset);
/** A small ruleset that the kernel would take: names from a small pool, so that two of them share some. */
NwfRuleset *nwf_random_ruleset(GRand *rand);
/** A test of a random kind on @field that has a value at random. */
NwfTest nwf_random_test(GRand *rand, NwfField field);
/** A copy whose chains, sets and elements are in another order. */
NwfRuleset *nwf_ruleset_shuffled(const NwfRuleset *ruleset, GRand *rand);
/** What the kernel holds after @changes; NULL: no table. Aborts on a change that it would refuse. */
NwfRuleset *nwf_model_apply(const NwfRuleset *have, const GArray *changes);
