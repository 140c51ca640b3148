// SPDX-License-Identifier: LGPL-2.1-or-later
// Files into memory, and directories of filters into a store.

#include "xml/reader.h"

#include <nwfilter-nft/xml.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void set_io_error(GError **error, const char *path, const char *what, int number) {
  g_set_error(error, NWF_ERROR, NWF_ERROR_IO, "%s: %s: %s", path, what, g_strerror(number));
}

/* Reads to the end of @fd; the size is only a hint, since pipes have none. */
static char *read_all(int fd, gsize size_hint, const char *path, gsize *length, GError **error) {
  gsize space = size_hint + 1, used = 0;
  g_autofree char *text = g_malloc(space + 1);
  for (;;) {
    if (used == space) {
      space *= 2;
      text = g_realloc(text, space + 1);
    }
    ssize_t got = read(fd, text + used, space - used);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0) {
      set_io_error(error, path, "cannot read", errno);
      return NULL;
    }
    if (got == 0)
      break;
    used += (gsize)got;
    if (used > NWF_DOCUMENT_MAX) {
      g_set_error(error, NWF_ERROR, NWF_ERROR_LIMIT, "%s: larger than %d MiB", path, NWF_DOCUMENT_MAX >> 20);
      return NULL;
    }
  }
  text[used] = '\0';
  *length = used;
  return g_steal_pointer(&text);
}

char *nwf_xml_read_file(const char *path, gsize *length, GError **error) {
  struct stat status;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) {
    set_io_error(error, path, "cannot open", errno);
    return NULL;
  }
  char *text = NULL;
  if (fstat(fd, &status) < 0)
    set_io_error(error, path, "cannot read", errno);
  else if (S_ISREG(status.st_mode) && status.st_size > NWF_DOCUMENT_MAX)
    g_set_error(error, NWF_ERROR, NWF_ERROR_LIMIT, "%s: larger than %d MiB", path, NWF_DOCUMENT_MAX >> 20);
  else
    text = read_all(fd, S_ISREG(status.st_mode) ? (gsize)status.st_size : 4096, path, length, error);
  close(fd);
  return text;
}

NwfFilter *nwf_filter_parse_file(const char *path, GError **error) {
  gsize length;
  g_autofree char *text = nwf_xml_read_file(path, &length, error);
  return text != NULL ? nwf_filter_parse(text, length, path, error) : NULL;
}

NwfBinding *nwf_binding_parse_file(const char *path, GError **error) {
  gsize length;
  g_autofree char *text = nwf_xml_read_file(path, &length, error);
  return text != NULL ? nwf_binding_parse(text, length, path, error) : NULL;
}

static int compare_names(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *nwf_xml_list(const char *directory, GError **error) {
  g_autoptr(GError) cause = NULL;
  g_autoptr(GDir) dir = g_dir_open(directory, 0, &cause);
  if (dir == NULL) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_IO, "%s", cause->message);
    return NULL;
  }
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  const char *name;
  while ((name = g_dir_read_name(dir)) != NULL)
    if (name[0] != '.' && g_str_has_suffix(name, ".xml"))
      g_ptr_array_add(names, g_strdup(name));
  g_ptr_array_sort(names, compare_names);
  return names;
}

gboolean nwf_filter_store_load(NwfFilterStore *store, const char *directory, NwfXmlErrorFunc on_error, gpointer data,
                               GError **error) {
  g_autoptr(GPtrArray) names = nwf_xml_list(directory, error);
  if (names == NULL)
    return FALSE;
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *path = g_build_filename(directory, g_ptr_array_index(names, i), NULL);
    g_autoptr(GError) cause = NULL;
    g_autoptr(NwfFilter) filter = nwf_filter_parse_file(path, &cause);
    if (filter == NULL) {
      if (on_error != NULL)
        on_error(path, cause, data);
    } else if (nwf_filter_store_get(store, filter->name) == NULL) {
      nwf_filter_store_put(store, g_steal_pointer(&filter));
    }
  }
  return TRUE;
}
