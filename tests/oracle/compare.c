// SPDX-License-Identifier: LGPL-2.1-or-later
#include "verdicts.h"

#include <string.h>

/* "REASON PATTERN STOCK OURS": frames whose ids match may and must differ in this way. */
typedef struct {
  char *reason, *pattern, *stock, *ours;
  guint line, seen;
} Known;

typedef struct {
  GPtrArray *known;
  GHashTable *ours; /* id -> verdict */
  guint n, failed;
} Comparison;

static void free_known(gpointer data) {
  Known *known = data;

  g_free(known->reason);
  g_free(known->pattern);
  g_free(known->stock);
  g_free(known->ours);
  g_free(known);
}

static void point(Comparison *comparison, gboolean ok, const char *what) {
  printf("%s %u - %s\n", ok ? "ok" : "not ok", ++comparison->n, what);
  comparison->failed += !ok;
}

static GPtrArray *read_known(const char *path, GError **error) {
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(free_known);
  g_autofree char *text = NULL;
  g_auto(GStrv) lines = NULL;

  if (!g_file_get_contents(path, &text, NULL, error))
    return NULL;
  lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    Known *known;
    char reason[64], pattern[256], stock[16], ours[16];
    int n = sscanf(lines[i], "%63s %255s %15s %15s", reason, pattern, stock, ours);

    if (n <= 0 || *reason == '#')
      continue;
    if (n != 4) {
      g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s:%u: not REASON PATTERN STOCK OURS", path, i + 1);
      return NULL;
    }
    known = g_new0(Known, 1);
    *known = (Known){g_strdup(reason), g_strdup(pattern), g_strdup(stock), g_strdup(ours), i + 1, 0};
    g_ptr_array_add(list, known);
  }
  return g_steal_pointer(&list);
}

static GHashTable *read_record(const char *path, GError **error) {
  g_autoptr(GHashTable) record = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_autofree char *text = NULL;
  g_auto(GStrv) lines = NULL;

  if (!g_file_get_contents(path, &text, NULL, error))
    return NULL;
  lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    char *tab = strchr(lines[i], '\t');
    if (*lines[i] == '#') {
      printf("%s\n", lines[i]);
    } else if (tab) {
      *tab = '\0';
      g_hash_table_insert(record, g_strdup(lines[i]), g_strdup(tab + 1));
    }
  }
  return g_steal_pointer(&record);
}

static Known *find_known(const Comparison *comparison, const char *id, const char *stock, const char *ours) {
  for (guint i = 0; i < comparison->known->len; i++) {
    Known *known = comparison->known->pdata[i];
    if (g_pattern_match_simple(known->pattern, id) && g_str_equal(known->stock, stock) &&
        g_str_equal(known->ours, ours))
      return known;
  }
  return NULL;
}

static void compare_one(Comparison *comparison, const char *id, const char *stock) {
  const char *ours = g_hash_table_lookup(comparison->ours, id);
  g_autofree char *what = NULL;
  Known *known;

  if (ours && g_str_equal(stock, ours)) {
    what = g_strdup_printf("%s: %s", id, stock);
    point(comparison, TRUE, what);
    return;
  }
  known = ours ? find_known(comparison, id, stock, ours) : NULL;
  what = g_strdup_printf("%s: stock %s, ours %s (%s)", id, stock, ours ? ours : "nothing",
                         known ? known->reason : "not a known difference");
  if (known)
    known->seen++;
  point(comparison, known != NULL, what);
}

/* A difference that is gone, or that nobody explains, must not stay in the list. */
static void check_known(Comparison *comparison, const char *reasons) {
  for (guint i = 0; i < comparison->known->len; i++) {
    const Known *known = comparison->known->pdata[i];
    g_autofree char *heading = g_strdup_printf("\n### %s\n", known->reason);
    g_autofree char *what = g_strdup_printf(
        "known difference of line %u, %s %s, seen %u times%s", known->line, known->reason, known->pattern, known->seen,
        strstr(reasons, heading) ? "" : ", but no such heading in the documentation");

    point(comparison, known->seen > 0 && strstr(reasons, heading), what);
  }
}

int oracle_compare(const char *stock, const char *ours, const char *known, const char *reasons, GError **error) {
  g_autoptr(GHashTable) stock_record = read_record(stock, error);
  g_autoptr(GHashTable) ours_record = stock_record ? read_record(ours, error) : NULL;
  g_autoptr(GPtrArray) list = ours_record ? read_known(known, error) : NULL;
  g_autofree char *text = NULL;
  Comparison comparison = {.known = list, .ours = ours_record};
  g_autoptr(GList) ids = NULL;

  if (!list || !g_file_get_contents(reasons, &text, NULL, error))
    return 1;
  ids = g_list_sort(g_hash_table_get_keys(stock_record), (GCompareFunc)strcmp);
  for (GList *id = ids; id; id = id->next)
    compare_one(&comparison, id->data, g_hash_table_lookup(stock_record, id->data));
  point(&comparison, g_hash_table_size(stock_record) == g_hash_table_size(ours_record) && comparison.n > 0,
        "both drivers were given the same frames");
  check_known(&comparison, text);
  printf("1..%u\n", comparison.n);
  return comparison.failed ? 1 : 0;
}
