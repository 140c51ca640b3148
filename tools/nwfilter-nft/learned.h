// SPDX-License-Identifier: LGPL-2.1-or-later
/** Addresses that were learned of ports, told to people and programs. */
#pragma once

#include <jansson.h>
#include <learn/learn.h>

/** What counts now, of NwfLearned; the caller frees it. What cannot be read is a warning and nothing. */
GArray *nwf_learned_now(const char *state_dir, const char *port);
/** A list of {"address", "how", "until", "server"}; the latter two may be null. */
json_t *nwf_learned_to_json(const GArray *learned);
/** A line for each. */
void nwf_learned_print(const GArray *learned);
