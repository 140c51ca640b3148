// SPDX-License-Identifier: LGPL-2.1-or-later
#include "files.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <nwfilter-nft/model.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

char *nwf_files_path(const NwfFiles *files, const char *path) {
  return g_strconcat(files->root, path, NULL);
}

static void say(NwfFiles *files, const char *did, const char *would, const char *path) {
  printf("%s %s\n", files->dry_run ? would : did, path);
  files->changes++;
}

static gboolean failed(const char *what, const char *path, GError **error) {
  g_set_error(error, NWF_ERROR, NWF_ERROR_IO, "%s: cannot %s: %s", path, what, g_strerror(errno));
  return FALSE;
}

static gboolean make_parent(const char *path, GError **error) {
  g_autofree char *parent = g_path_get_dirname(path);
  return g_mkdir_with_parents(parent, 0755) == 0 || failed("make it", parent, error);
}

gboolean nwf_files_write(NwfFiles *files, const char *path, const char *text, GError **error) {
  g_autofree char *real = nwf_files_path(files, path);
  g_autofree char *have = NULL;
  if (g_file_get_contents(real, &have, NULL, NULL) && strcmp(have, text) == 0)
    return TRUE;
  if (!files->dry_run) {
    g_autoptr(GError) reason = NULL;
    if (!make_parent(real, error))
      return FALSE;
    if (!g_file_set_contents_full(real, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0644,
                                  &reason)) {
      g_set_error(error, NWF_ERROR, NWF_ERROR_IO, "%s: cannot write it: %s", real, reason->message);
      return FALSE;
    }
  }
  say(files, "wrote", "would write", real);
  return TRUE;
}

gboolean nwf_files_link(NwfFiles *files, const char *target, const char *path, GError **error) {
  g_autofree char *real = nwf_files_path(files, path);
  g_autofree char *have = g_file_read_link(real, NULL);
  if (g_strcmp0(have, target) == 0)
    return TRUE;
  if (!have && g_file_test(real, G_FILE_TEST_EXISTS)) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_IO, "%s: is there, and not a link", real);
    return FALSE;
  }
  if (!files->dry_run) {
    /* renamed into place, since a daemon may start at any time */
    g_autofree char *fresh = g_strconcat(real, ".new", NULL);
    if (!make_parent(real, error))
      return FALSE;
    unlink(fresh);
    if (symlink(target, fresh) != 0 || rename(fresh, real) != 0)
      return failed("make the link", real, error);
  }
  say(files, "linked", "would link", real);
  return TRUE;
}

gboolean nwf_files_remove(NwfFiles *files, const char *path, gboolean with_directory, GError **error) {
  g_autofree char *real = nwf_files_path(files, path);
  GStatBuf info;
  if (g_lstat(real, &info) != 0)
    return errno == ENOENT || errno == ENOTDIR || failed("look at it", real, error);
  if (!files->dry_run) {
    if (unlink(real) != 0)
      return failed("remove it", real, error);
    g_autofree char *parent = g_path_get_dirname(real);
    if (with_directory)
      rmdir(parent); /* others may have files in it */
  }
  say(files, "removed", "would remove", real);
  return TRUE;
}
