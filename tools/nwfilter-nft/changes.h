// SPDX-License-Identifier: LGPL-2.1-or-later
/** A difference told by ports. */
#pragma once

#include <nwfilter-nft/ruleset.h>

/** Prints "bound PORT", "changed PORT" and "unbound PORT" lines and how many objects of the kernel
 * that took. @have may be NULL. */
void nwf_changes_print(const NwfRuleset *have, const NwfRuleset *want, const GArray *changes);
/** Prints that the kernel holds these @ports ports already. */
void nwf_changes_print_none(guint ports);
