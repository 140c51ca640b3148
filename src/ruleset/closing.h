// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Changes that a frame could see half of.
 *
 * A frame meets the kernel's ruleset at several moments: each base chain, and each lookup in a set or map, finds what
 * is in force just then. So where a port's rules change at two hooks that a frame passes one after the other, the frame
 * may meet the old ones at the first and the new ones at the second, and pass although either forbid it. Such a port is
 * closed by a commit of its own, and opened with its new rules by the next.
 */
#pragma once

#include <nwfilter-nft/ruleset.h>

/** The ports, bound before and after @changes, whose changes a frame could see half of: name -> directions, for
 * nwf_ruleset_closed. NULL: there is none. The caller's. */
GHashTable *nwf_changes_torn_ports(const GArray *changes);
/** @have with these ports closed in these directions; the caller's. */
NwfRuleset *nwf_ruleset_closed(const NwfRuleset *have, GHashTable *ports);
