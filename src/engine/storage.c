// SPDX-License-Identifier: LGPL-2.1-or-later
/* Files that are there whole or not at all, where libvirt's own driver has them. */
#include "engine/internal.h"

#include <nwfilter-nft/xml.h>

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Names that end so are never read as filters or bindings. */
#define TEMPORARY_SUFFIX ".nwf-new"

static gboolean io_error(GError **error, const char *path, const char *what) {
  g_set_error(error, NWF_ERROR, NWF_ERROR_IO, "%s: %s: %s", path, what, g_strerror(errno));
  return FALSE;
}

gboolean nwf_storage_make_directory(const char *path, GError **error) {
  /* root's alone, as the stock driver makes them */
  return g_mkdir_with_parents(path, 0700) == 0 || io_error(error, path, "cannot make the directory");
}

static gboolean write_all(int fd, const char *text) {
  gsize length = strlen(text);
  while (length) {
    ssize_t written = write(fd, text, length);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return FALSE;
    text += written;
    length -= (gsize)written;
  }
  return fsync(fd) == 0;
}

char *nwf_storage_prepare(const char *path, const char *text, GError **error) {
  char *temporary = g_strconcat(path, TEMPORARY_SUFFIX, NULL);
  int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (fd >= 0) {
    gboolean written = write_all(fd, text);
    int number = errno;
    written &= close(fd) == 0;
    if (written)
      return temporary;
    errno = number;
  }
  io_error(error, path, "cannot write");
  nwf_storage_discard(temporary);
  g_free(temporary);
  return NULL;
}

/* The new name must reach the disk, too. */
static void sync_directory_of(const char *path) {
  g_autofree char *directory = g_path_get_dirname(path);
  int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return;
  fsync(fd);
  close(fd);
}

gboolean nwf_storage_commit(const char *temporary, const char *path, GError **error) {
  if (g_rename(temporary, path) < 0)
    return io_error(error, path, "cannot rename to");
  sync_directory_of(path);
  return TRUE;
}

void nwf_storage_discard(const char *temporary) {
  g_unlink(temporary);
}

gboolean nwf_storage_remove(const char *path, GError **error) {
  if (g_unlink(path) < 0 && errno != ENOENT)
    return io_error(error, path, "cannot remove");
  sync_directory_of(path);
  return TRUE;
}

/* All that is read as a document ends in ".xml", so that no port's or filter's name leads to such a one. What cannot be
 * removed now is harmless, and removed another time. */
void nwf_storage_clean(const char *directory) {
  g_autoptr(GDir) dir = directory ? g_dir_open(directory, 0, NULL) : NULL;
  const char *name;
  while (dir && (name = g_dir_read_name(dir)) != NULL)
    if (g_str_has_suffix(name, TEMPORARY_SUFFIX)) {
      g_autofree char *path = g_build_filename(directory, name, NULL);
      g_unlink(path);
    }
}

char *nwf_storage_filter_path(const NwfEngine *engine, const char *name) {
  return g_strdup_printf("%s/%s.xml", engine->config.filter_dir, name);
}

char *nwf_storage_binding_path(const NwfEngine *engine, const char *port) {
  return g_strdup_printf("%s/%s.xml", engine->config.binding_dir, port);
}

/* A name may hold what would end the comment. */
static char *with_header(const char *how, const char *name, const char *body) {
  g_autoptr(GString) safe = g_string_new(name);
  g_string_replace(safe, "--", "- -", 0);
  return g_strdup_printf("<!--\n"
                         "Written by libvirt's network filter driver, which does not look at changes made here\n"
                         "until it is reloaded, and may undo them. Instead, use:\n"
                         "  virsh %s %s\n"
                         "-->\n\n%s",
                         how, safe->str, body);
}

char *nwf_storage_filter_text(const NwfFilter *filter) {
  g_autofree char *body = nwf_filter_format(filter);
  return with_header("nwfilter-edit", filter->name, body);
}

static void append_indented(GString *text, const char *body) {
  g_auto(GStrv) lines = g_strsplit(body, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    if (*lines[i])
      g_string_append_printf(text, "  %s\n", lines[i]);
}

char *nwf_storage_binding_text(const NwfBinding *binding) {
  g_autofree char *body = nwf_binding_format(binding);
  g_autoptr(GString) text = g_string_new("<filterbindingstatus>\n");
  append_indented(text, body);
  if (binding->index)
    g_string_append_printf(text, "  <interface index='%u'/>\n", binding->index);
  g_string_append(text, "</filterbindingstatus>\n");
  return with_header("nwfilter-binding-create", binding->port, text->str);
}
