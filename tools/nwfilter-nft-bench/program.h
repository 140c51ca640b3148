// SPDX-License-Identifier: LGPL-2.1-or-later
/** Other programs: nft, ebtables, ip. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** Runs @argv with @input on its stdin (NULL: nothing); @output (may be NULL) gets what it prints, the caller's to
 * free. What it says on stderr is in @error when it fails. */
gboolean program_run(const char *const *argv, const char *input, char **output, GError **error);
/** The same within the system in @root, or in this one when that is NULL. */
gboolean program_run_in(const char *root, const char *const *argv, const char *input, char **output, GError **error);
gboolean program_exists(const char *name);

G_END_DECLS
