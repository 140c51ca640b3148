// SPDX-License-Identifier: LGPL-2.1-or-later
/** What was measured, for people and for programs. */
#pragma once

#include "bench.h"

G_BEGIN_DECLS

/** Prints a table of @series (of Series *) on stdout. */
void report_print(const GPtrArray *series);
/** Writes them with the samples and what is known of the machine into @path. */
gboolean report_write_json(const Bench *bench, const GPtrArray *series, const char *path, GError **error);

G_END_DECLS
