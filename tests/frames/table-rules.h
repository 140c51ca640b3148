// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What every compiled table must keep so that no change of it opens a port for a frame that is on its way
 * (docs/architecture.md, "What a commit is for a frame"). Written against the table alone, as the kernel has it.
 */
#pragma once

#include <nwfilter-nft/ruleset.h>

/** What @ruleset does not keep, a line each; empty when it keeps all. The caller frees it. */
char *table_rules_broken(const NwfRuleset *ruleset);
