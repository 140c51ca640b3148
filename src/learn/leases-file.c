// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Lines of the lease file, and how they get there. The format is the stock driver's: "END UUID-MAC ADDRESS SERVER",
 * END in seconds since 1970, 0 when the lease was given back, 4294967295 when it never ends.
 */

#include "learn/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOR_GOOD G_MAXUINT32
#define UUID_TEXT 36
#define MAC_TEXT 17

gboolean nwf_lease_line_parse(const char *line, NwfLeaseKey *key, NwfLease *lease, gboolean *released) {
  g_auto(GStrv) words = g_strsplit(line, " ", 5);
  if (g_strv_length(words) != 4 || strlen(words[1]) != UUID_TEXT + 1 + MAC_TEXT || words[1][UUID_TEXT] != '-')
    return FALSE;
  guint64 until;
  if (!g_ascii_string_to_unsigned(words[0], 10, 0, FOR_GOOD, &until, NULL))
    return FALSE;
  words[1][UUID_TEXT] = 0;
  if (!nwf_uuid_parse(words[1], key->uuid) || !nwf_mac_parse(words[1] + UUID_TEXT + 1, key->mac) ||
      inet_pton(AF_INET, words[2], lease->address) != 1 || inet_pton(AF_INET, words[3], lease->server) != 1)
    return FALSE;
  *released = until == 0;
  lease->until = until == FOR_GOOD ? 0 : (gint64)until;
  return TRUE;
}

void nwf_lease_line_format(GString *text, const NwfLeaseKey *key, const NwfLease *lease, gboolean released) {
  char address[INET_ADDRSTRLEN], server[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, lease->address, address, sizeof address);
  inet_ntop(AF_INET, lease->server, server, sizeof server);
  g_autofree char *uuid = nwf_uuid_format(key->uuid);
  g_autofree char *mac = nwf_mac_format(key->mac);
  gint64 until = released ? 0 : lease->until ? lease->until : FOR_GOOD;
  g_string_append_printf(text, "%" G_GINT64_FORMAT " %s-%s %s %s\n", until, uuid, mac, address, server);
}

static gboolean fail(GError **error, const char *what, const char *path) {
  int code = errno;
  g_set_error(error, NWF_ERROR, NWF_ERROR_IO, "cannot %s %s: %s", what, path, g_strerror(code));
  return FALSE;
}

static gboolean write_all(int fd, const char *data, gsize length) {
  while (length > 0) {
    ssize_t n = write(fd, data, length);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return FALSE;
    data += n;
    length -= (gsize)n;
  }
  return TRUE;
}

/* Opens a file for writing, and makes its folder if that is what was missing. */
static int open_file(const char *path, int flags) {
  int fd = open(path, flags | O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd >= 0 || errno != ENOENT)
    return fd;
  g_autofree char *directory = g_path_get_dirname(path);
  g_mkdir_with_parents(directory, 0700); /* as the stock driver does; if it fails, so will open */
  return open(path, flags | O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
}

gboolean nwf_file_replace(const char *path, const char *data, gsize length, gboolean sync, GError **error) {
  g_autofree char *temporary = g_strconcat(path, ".new", NULL);
  int fd = open_file(temporary, O_TRUNC);
  if (fd < 0)
    return fail(error, "write", temporary);
  gboolean written = write_all(fd, data, length) && (!sync || fsync(fd) == 0);
  int code = errno;
  if (close(fd) < 0 && written) {
    written = FALSE;
    code = errno;
  }
  if (written && rename(temporary, path) == 0)
    return TRUE;
  if (!written)
    errno = code;
  fail(error, written ? "replace" : "write", written ? path : temporary);
  unlink(temporary);
  return FALSE;
}

gboolean nwf_lease_file_replace(const char *path, const GString *text, GError **error) {
  return nwf_file_replace(path, text->str, text->len, TRUE, error);
}

gboolean nwf_lease_file_append(const char *path, const char *text, gsize length, gboolean *fresh, GError **error) {
  int fd = open_file(path, O_APPEND);
  struct stat before;
  if (fd < 0)
    return fail(error, "write", path);
  if (fstat(fd, &before) < 0) {
    fail(error, "look at", path);
    close(fd);
    return FALSE;
  }
  *fresh = before.st_size == 0;
  gboolean written = write_all(fd, text, length);
  if (!written) {
    fail(error, "write", path);
    /* half a line would spoil the next one; if this fails as well, whoever reads the file skips it */
    if (ftruncate(fd, before.st_size) < 0)
      g_prefix_error(error, "a line was left unfinished: ");
  }
  close(fd);
  return written;
}
