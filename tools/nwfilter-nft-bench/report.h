// SPDX-License-Identifier: LGPL-2.1-or-later
/** What was measured, for people and for programs. */
#pragma once

#include "bench.h"

G_BEGIN_DECLS

/** Adds to @series (of Series *) how the cost of a broadcast clone over the bare bridge grows from the smallest
 * bridge to the largest. */
void report_add_growth(GPtrArray *series);
/** Prints a table of @series on stdout, and the machine. */
void report_print(const Bench *bench, const GPtrArray *series);
/** Writes them with the samples and what is known of the machine into @path. */
gboolean report_write_json(const Bench *bench, const GPtrArray *series, const char *path, GError **error);

G_END_DECLS
