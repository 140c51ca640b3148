// SPDX-License-Identifier: LGPL-2.1-or-later
/** Files that commands write and remove, told one a line on stdout. */
#pragma once

#include <glib.h>

/** Where and how. Paths in the functions are those of the system at @root. */
typedef struct {
  const char *root; /* "" or a directory, as packagers' DESTDIR */
  gboolean dry_run; /* only say what would be done */
  guint changes;    /* how many were made, or would be */
} NwfFiles;

/** Where @path is, below the root; the caller frees it. */
char *nwf_files_path(const NwfFiles *files, const char *path);
/** Does nothing when the file has this text already; makes directories. */
gboolean nwf_files_write(NwfFiles *files, const char *path, const char *text, GError **error);
/** Makes a link or turns one; what is no link is left as it is, with an error. */
gboolean nwf_files_link(NwfFiles *files, const char *target, const char *path, GError **error);
/** A file that is not there is none to remove. The directory goes with its last file if @with_directory. */
gboolean nwf_files_remove(NwfFiles *files, const char *path, gboolean with_directory, GError **error);
