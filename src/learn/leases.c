// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DHCP leases of all VMs, those that do not run included, and their file.
 *
 * Each change is a line more. Once most lines are dead the file is written anew. It is not synced line by line: it is
 * in /run, which forgets everything when the machine stops, and what the process has written stays if only the
 * process ends.
 */

#include "learn/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_LENGTH 256  /* of a line that is believed */
#define WARNINGS 5       /* for corrupt lines, each by itself */
#define SLACK 256        /* dead lines that are never worth a rewrite */
#define DEAD_FOR_EACH 4  /* lines for each living one beyond that */
#define RETRY_SECONDS 10 /* after a failed write */

typedef struct {
  NwfLeaseKey key;
  GArray *leases; /* of NwfLease, the latest last */
} Holder;

struct NwfLeases {
  const NwfLearnConfig *config;
  char *path;
  GHashTable *holders; /* by key */
  guint lines;         /* in the file */
  guint living;        /* leases in memory */
  gboolean broken;     /* the file is not what it should be */
  gboolean unread;     /* there is more in it than could be read: it is added to, and never replaced */
  gint64 retry;        /* when to try again */
};

static guint key_hash(gconstpointer data) {
  const NwfLeaseKey *key = data;
  guint hash = 5381;
  for (guint i = 0; i < NWF_UUID_LEN; i++)
    hash = hash * 33 + key->uuid[i];
  for (guint i = 0; i < NWF_MAC_LEN; i++)
    hash = hash * 33 + key->mac[i];
  return hash;
}

static gboolean key_equal(gconstpointer a, gconstpointer b) {
  return memcmp(a, b, sizeof(NwfLeaseKey)) == 0;
}

static void holder_free(gpointer data) {
  Holder *holder = data;
  g_array_unref(holder->leases);
  g_free(holder);
}

static Holder *holder_get(NwfLeases *leases, const NwfLeaseKey *key) {
  Holder *holder = g_hash_table_lookup(leases->holders, key);
  if (!holder) {
    holder = g_new0(Holder, 1);
    holder->key = *key;
    holder->leases = g_array_sized_new(FALSE, FALSE, sizeof(NwfLease), 1);
    g_hash_table_insert(leases->holders, &holder->key, holder);
  }
  return holder;
}

static gboolean forget(NwfLeases *leases, const NwfLeaseKey *key, const guint8 address[4]) {
  Holder *holder = g_hash_table_lookup(leases->holders, key);
  for (guint i = 0; holder && i < holder->leases->len; i++) {
    if (memcmp(g_array_index(holder->leases, NwfLease, i).address, address, 4) != 0)
      continue;
    g_array_remove_index(holder->leases, i);
    leases->living--;
    if (holder->leases->len == 0)
      g_hash_table_remove(leases->holders, key);
    return TRUE;
  }
  return FALSE;
}

static void remember(NwfLeases *leases, const NwfLeaseKey *key, const NwfLease *lease) {
  Holder *holder = g_hash_table_lookup(leases->holders, key);
  NwfLease *last = holder ? &g_array_index(holder->leases, NwfLease, holder->leases->len - 1) : NULL;
  if (last && memcmp(last->address, lease->address, 4) == 0) {
    *last = *lease; /* a renewal, most of the time */
    return;
  }
  forget(leases, key, lease->address);
  holder = holder_get(leases, key);
  g_array_append_vals(holder->leases, lease, 1);
  leases->living++;
}

static gboolean has_ended(const NwfLease *lease, gint64 now) {
  return lease->until != 0 && lease->until <= now;
}

static gboolean prune_holder(gpointer key, gpointer value, gpointer data) {
  Holder *holder = value;
  for (guint i = holder->leases->len; i > 0; i--)
    if (has_ended(&g_array_index(holder->leases, NwfLease, i - 1), *(gint64 *)data))
      g_array_remove_index(holder->leases, i - 1);
  return holder->leases->len == 0;
}

/* Forgets what has ended, and counts the rest. */
static void prune(NwfLeases *leases, gint64 now) {
  g_hash_table_foreach_remove(leases->holders, prune_holder, &now);
  leases->living = 0;
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, leases->holders);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    leases->living += ((Holder *)value)->leases->len;
}

/* Logs the first failure and the first success after it. */
static void note(NwfLeases *leases, GError *error, gint64 now) {
  if (error) {
    if (!leases->broken)
      nwf_learn_log(leases->config, NWF_LEARN_LOG_ERROR, "DHCP leases are not kept: %s", error->message);
    leases->broken = TRUE;
    leases->retry = now + RETRY_SECONDS;
  } else if (leases->broken) {
    nwf_learn_log(leases->config, NWF_LEARN_LOG_INFO, "DHCP leases are kept again in %s", leases->path);
    leases->broken = FALSE;
  }
}

static void rewrite(NwfLeases *leases, gint64 now) {
  prune(leases, now);
  g_autoptr(GString) text = g_string_new(NULL);
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, leases->holders);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const Holder *holder = value;
    for (guint i = 0; i < holder->leases->len; i++)
      nwf_lease_line_format(text, &holder->key, &g_array_index(holder->leases, NwfLease, i), FALSE);
  }
  g_autoptr(GError) error = NULL;
  if (nwf_lease_file_replace(leases->path, text, &error))
    leases->lines = leases->living;
  note(leases, error, now);
}

static void write_line(NwfLeases *leases, const NwfLeaseKey *key, const NwfLease *lease, gboolean released,
                       gint64 now) {
  if (leases->broken && now < leases->retry)
    return;
  if (leases->broken && !leases->unread) {
    rewrite(leases, now);
    return;
  }
  if (!leases->unread && leases->lines >= SLACK + DEAD_FOR_EACH * leases->living) {
    rewrite(leases, now); /* has the change in it */
    return;
  }
  g_autoptr(GString) line = g_string_sized_new(112);
  nwf_lease_line_format(line, key, lease, released);
  g_autoptr(GError) error = NULL;
  gboolean fresh = FALSE;
  if (!nwf_lease_file_append(leases->path, line->str, line->len, &fresh, &error)) {
    note(leases, error, now);
  } else if (fresh && leases->lines > 0) {
    rewrite(leases, now); /* somebody took the file away */
  } else {
    leases->lines++;
    note(leases, NULL, now);
  }
}

void nwf_leases_put(NwfLeases *leases, const NwfLeaseKey *key, const NwfLease *lease, gint64 now) {
  remember(leases, key, lease);
  write_line(leases, key, lease, FALSE, now);
}

void nwf_leases_remove(NwfLeases *leases, const NwfLeaseKey *key, const guint8 address[4], gint64 now) {
  if (!forget(leases, key, address))
    return;
  NwfLease lease = {0};
  memcpy(lease.address, address, 4);
  write_line(leases, key, &lease, TRUE, now);
}

const GArray *nwf_leases_get(const NwfLeases *leases, const NwfLeaseKey *key) {
  const Holder *holder = g_hash_table_lookup(leases->holders, key);
  return holder ? holder->leases : NULL;
}

/* One line without its newline. FALSE at the end of the file. One that is too long, torn off (what is left of an
 * address may be another address) or has a zero byte becomes empty, which is no lease. */
static gboolean read_line(FILE *file, char line[LINE_LENGTH]) {
  gsize length = 0;
  gboolean bad = FALSE;
  int c = getc(file);
  if (c == EOF)
    return FALSE;
  for (; c != '\n' && c != EOF; c = getc(file)) {
    bad = bad || c == 0 || length == LINE_LENGTH - 1;
    if (!bad)
      line[length++] = (char)c;
  }
  line[bad || c == EOF ? 0 : length] = 0;
  return TRUE;
}

/* FALSE: corrupt. */
static gboolean load_line(NwfLeases *leases, const char *line) {
  NwfLeaseKey key;
  NwfLease lease;
  gboolean released;
  if (!nwf_lease_line_parse(line, &key, &lease, &released))
    return FALSE;
  if (released)
    forget(leases, &key, lease.address);
  else
    remember(leases, &key, &lease);
  return TRUE;
}

/* Gives the number of corrupt lines. */
static guint load_lines(NwfLeases *leases, FILE *file) {
  char line[LINE_LENGTH];
  guint corrupt = 0;
  while (read_line(file, line)) {
    leases->lines++;
    if (!load_line(leases, line) && corrupt++ < WARNINGS)
      nwf_learn_log(leases->config, NWF_LEARN_LOG_WARNING, "%s:%u: corrupt line skipped", leases->path, leases->lines);
  }
  if (corrupt > WARNINGS)
    nwf_learn_log(leases->config, NWF_LEARN_LOG_WARNING, "%s: %u corrupt lines", leases->path, corrupt);
  return corrupt;
}

/* Also FALSE when it ended before the file's end. */
static gboolean load_file(NwfLeases *leases, guint *corrupt) {
  int fd = open(leases->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return errno == ENOENT;
  FILE *file = fdopen(fd, "r");
  if (!file) {
    close(fd);
    return FALSE;
  }
  *corrupt = load_lines(leases, file);
  gboolean whole = !ferror(file);
  fclose(file);
  return whole;
}

NwfLeases *nwf_leases_new(const NwfLearnConfig *config, gint64 now) {
  NwfLeases *leases = g_new0(NwfLeases, 1);
  guint corrupt = 0;
  leases->config = config;
  leases->path = g_strdup(config->lease_file);
  leases->holders = g_hash_table_new_full(key_hash, key_equal, NULL, holder_free);
  leases->unread = !load_file(leases, &corrupt);
  if (leases->unread)
    nwf_learn_log(config, NWF_LEARN_LOG_WARNING, "cannot read all of %s: %s", leases->path, g_strerror(errno));
  prune(leases, now);
  /* the stock driver reads up to the first corrupt line only */
  if (!leases->unread && (corrupt > 0 || leases->lines > leases->living))
    rewrite(leases, now);
  return leases;
}

gboolean nwf_leases_unsaved(const NwfLeases *leases) {
  return leases->broken && !leases->unread;
}

void nwf_leases_save(NwfLeases *leases, gint64 now) {
  if (nwf_leases_unsaved(leases))
    rewrite(leases, now);
}

void nwf_leases_free(NwfLeases *leases, gint64 now) {
  if (!leases)
    return;
  if (leases->broken && !leases->unread)
    rewrite(leases, now);
  g_hash_table_unref(leases->holders);
  g_free(leases->path);
  g_free(leases);
}
