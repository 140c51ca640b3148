// SPDX-License-Identifier: LGPL-2.1-or-later
// Files into memory, and directories of filters into a store.

#include "xml/reader.h"

#include <nwfilter-nft/xml.h>

#include <dirent.h>
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

/* Not waiting for the other end of a FIFO, which may never come. */
static int open_file(const char *path, gboolean regular) {
  int fd;
  do {
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (regular ? O_NONBLOCK : 0));
  } while (fd < 0 && errno == EINTR);
  return fd;
}

static char *read_open(int fd, const char *path, gboolean regular, gsize *length, GError **error) {
  struct stat status;
  if (fstat(fd, &status) < 0) {
    set_io_error(error, path, "cannot read", errno);
    return NULL;
  }
  gboolean is_regular = S_ISREG(status.st_mode);
  if (regular && !is_regular)
    g_set_error(error, NWF_ERROR, NWF_ERROR_IO, "%s: not a regular file", path);
  else if (is_regular && status.st_size > NWF_DOCUMENT_MAX)
    g_set_error(error, NWF_ERROR, NWF_ERROR_LIMIT, "%s: larger than %d MiB", path, NWF_DOCUMENT_MAX >> 20);
  else
    return read_all(fd, is_regular ? (gsize)status.st_size : 4096, path, length, error);
  return NULL;
}

static char *read_path(const char *path, gboolean regular, gsize *length, GError **error) {
  int fd = open_file(path, regular);
  if (fd < 0) {
    set_io_error(error, path, "cannot open", errno);
    return NULL;
  }
  char *text = read_open(fd, path, regular, length, error);
  close(fd);
  return text;
}

char *nwf_xml_read_file(const char *path, gsize *length, GError **error) {
  return read_path(path, FALSE, length, error);
}

char *nwf_xml_read_regular(const char *path, gsize *length, GError **error) {
  return read_path(path, TRUE, length, error);
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

NwfFilter *nwf_filter_load(const char *path, GError **error) {
  gsize length;
  g_autofree char *text = nwf_xml_read_regular(path, &length, error);
  return text != NULL ? nwf_filter_parse(text, length, path, error) : NULL;
}

NwfBinding *nwf_binding_load(const char *path, GError **error) {
  gsize length;
  g_autofree char *text = nwf_xml_read_regular(path, &length, error);
  return text != NULL ? nwf_binding_parse(text, length, path, error) : NULL;
}

/* Names with a dot in front last: where the first document of a name counts, what an editor left beside it does not. */
static int compare_names(gconstpointer a, gconstpointer b) {
  const char *x = *(const char *const *)a, *y = *(const char *const *)b;
  int order = (*x == '.') - (*y == '.');
  return order != 0 ? order : strcmp(x, y);
}

/* The next name; NULL with errno 0 at the end, else with what went wrong, which GDir would not tell. */
static const char *next_name(DIR *dir) {
  errno = 0;
  const struct dirent *entry = readdir(dir);
  return entry != NULL ? entry->d_name : NULL;
}

GPtrArray *nwf_xml_list(const char *directory, GError **error) {
  DIR *dir = opendir(directory);
  if (dir == NULL) {
    set_io_error(error, directory, "cannot list the directory", errno);
    return NULL;
  }
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  const char *name;
  while ((name = next_name(dir)) != NULL)
    if (g_str_has_suffix(name, ".xml"))
      g_ptr_array_add(names, g_strdup(name));
  int number = errno;
  closedir(dir);
  if (number != 0) {
    set_io_error(error, directory, "cannot list the directory", number);
    return NULL;
  }
  g_ptr_array_sort(names, compare_names);
  return g_steal_pointer(&names);
}

gboolean nwf_filter_store_load(NwfFilterStore *store, const char *directory, NwfXmlErrorFunc on_error, gpointer data,
                               GError **error) {
  g_autoptr(GPtrArray) names = nwf_xml_list(directory, error);
  if (names == NULL)
    return FALSE;
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *path = g_build_filename(directory, g_ptr_array_index(names, i), NULL);
    g_autoptr(GError) cause = NULL;
    g_autoptr(NwfFilter) filter = nwf_filter_load(path, &cause);
    if (filter == NULL) {
      if (on_error != NULL)
        on_error(path, cause, data);
    } else if (nwf_filter_store_get(store, filter->name) == NULL) {
      nwf_filter_store_put(store, g_steal_pointer(&filter));
    }
  }
  return TRUE;
}
