// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What libvirt's own nwfilter driver left in the legacy (not nf_tables) ebtables and iptables, which only their own
 * programs can change. Each table is changed in one step.
 */
#include "kernel/stock-chains.h"

#include <nwfilter-nft/model.h>

#include <gio/gio.h>
#include <string.h>

/* --- programs --- */

/** The first of the programs that is installed, NULL: none. */
static char *find_program(const char *legacy, const char *plain) {
  char *path = g_find_program_in_path(legacy);
  return path ? path : g_find_program_in_path(plain);
}

/** Runs a program with @input; its output (caller frees), NULL with @error. */
static char *run(const char *const *argv, const char *input, GError **error) {
  g_autoptr(GError) reason = NULL;
  g_autofree char *output = NULL, *complaint = NULL;
  GSubprocessFlags flags =
      G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE;
  g_autoptr(GSubprocess) process = g_subprocess_newv(argv, flags, &reason);
  if (process && g_subprocess_communicate_utf8(process, input ? input : "", NULL, &output, &complaint, &reason) &&
      g_subprocess_get_successful(process))
    return g_steal_pointer(&output);
  g_set_error(error, NWF_ERROR, NWF_ERROR_KERNEL, "cannot remove what libvirt's own nwfilter driver left: %s: %s",
              argv[0],
              reason                    ? reason->message
              : complaint && *complaint ? g_strchomp(complaint)
                                        : "it failed");
  return NULL;
}

static gboolean has_line(const char *file, const char *line_begin) {
  g_autofree char *text = NULL;
  if (!g_file_get_contents(file, &text, NULL, NULL))
    return FALSE;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line; line++)
    if (g_str_has_prefix(*line, line_begin))
      return TRUE;
  return FALSE;
}

/** The chain that a rule in text jumps to, or NULL; the caller frees it. */
static char *target_of(const char *rule) {
  g_auto(GStrv) words = g_strsplit(rule, " ", -1);
  for (char **word = words; *word; word++)
    if ((strcmp(*word, "-j") == 0 || strcmp(*word, "-g") == 0) && word[1])
      return g_strdup(word[1]);
  return NULL;
}

/* --- a table --- */

/** How a table of one of the programs is read and changed. */
typedef struct {
  gboolean bridge;
  const char *const *list;    /* the command that prints it */
  const char *const *restore; /* the command that takes the changes */
  void (*read)(char **lines, NwfStockChains *chains);
  char *(*script)(char **lines, const NwfStockChains *chains);
} LegacyTable;

static gboolean clean(const LegacyTable *table, guint *removed, GError **error) {
  g_autofree char *text = run(table->list, NULL, error);
  if (!text)
    return FALSE;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  g_autoptr(NwfStockChains) chains = nwf_stock_chains_new(table->bridge);
  table->read(lines, chains);
  guint found = nwf_stock_chains_decide(chains);
  if (!found)
    return TRUE;
  g_autofree char *script = table->script(lines, chains);
  g_autofree char *output = run(table->restore, script, error);
  *removed += output ? found : 0;
  return output != NULL;
}

/* --- iptables --- */

/** "-A CHAIN rest": the chain, and what follows it. NULL: another line. */
static char *chain_of(const char *line, const char **rest) {
  if (!g_str_has_prefix(line, "-A "))
    return NULL;
  *rest = strchr(line + 3, ' ');
  return *rest ? g_strndup(line + 3, (gsize)(*rest - line - 3)) : NULL;
}

/** Of what iptables-save prints; a jump's handle is its line. */
static void read_iptables(char **lines, NwfStockChains *chains) {
  for (guint i = 0; lines[i]; i++) {
    const char *rest = NULL, *space = strchr(lines[i], ' ');
    if (lines[i][0] == ':' && space && g_str_has_prefix(space, " - ")) {
      g_autofree char *name = g_strndup(lines[i] + 1, (gsize)(space - lines[i] - 1));
      nwf_stock_chains_add(chains, name);
      continue;
    }
    g_autofree char *chain = chain_of(lines[i], &rest);
    g_autofree char *target = chain ? target_of(rest) : NULL;
    if (target)
      nwf_stock_chains_jump(chains, chain, target, i);
  }
}

/** What iptables-restore --noflush is told. */
static char *iptables_script(char **lines, const NwfStockChains *chains) {
  GString *script = g_string_new("*filter\n");
  GHashTableIter iter;
  gpointer name;
  for (guint i = 0; i < chains->jumps->len; i++) {
    const NwfStockJump *jump = &g_array_index(chains->jumps, NwfStockJump, i);
    if (nwf_stock_jump_goes(chains, jump))
      g_string_append_printf(script, "-D%s\n", lines[jump->handle] + strlen("-A"));
  }
  g_hash_table_iter_init(&iter, chains->found);
  while (g_hash_table_iter_next(&iter, &name, NULL))
    g_string_append_printf(script, "-F %s\n", (const char *)name);
  g_hash_table_iter_init(&iter, chains->found);
  while (g_hash_table_iter_next(&iter, &name, NULL))
    g_string_append_printf(script, "-X %s\n", (const char *)name);
  g_string_append(script, "COMMIT\n");
  return g_string_free(script, FALSE);
}

/** @names: the kernel's list of the tables that legacy iptables made in this namespace. */
static gboolean remove_iptables(const char *names, const char *const programs[4], guint *removed, GError **error) {
  if (!has_line(names, "filter"))
    return TRUE;
  g_autofree char *save = find_program(programs[0], programs[1]);
  g_autofree char *restore = find_program(programs[2], programs[3]);
  if (!save || !restore)
    return TRUE;
  const LegacyTable table = {
      .list = (const char *const[]){save, "-t", "filter", NULL},
      .restore = (const char *const[]){restore, "--noflush", NULL},
      .read = read_iptables,
      .script = iptables_script,
  };
  return clean(&table, removed, error);
}

/* --- ebtables --- */

#define BRIDGE_CHAIN "Bridge chain: "

/** "Bridge chain: NAME, entries: 3, policy: ACCEPT": the name, NULL: another line. */
static char *heading(const char *line, const char **policy) {
  const char *comma = g_str_has_prefix(line, BRIDGE_CHAIN) ? strstr(line, ", entries: ") : NULL;
  const char *colon = comma ? strstr(comma, "policy: ") : NULL;
  if (!colon)
    return NULL;
  *policy = colon + strlen("policy: ");
  return g_strndup(line + strlen(BRIDGE_CHAIN), (gsize)(comma - line) - strlen(BRIDGE_CHAIN));
}

static gboolean is_hook(const char *chain) {
  static const char *const names[] = {"PREROUTING", "OUTPUT", "POSTROUTING", NULL};
  return g_strv_contains(names, chain);
}

static void read_ebtables(char **lines, NwfStockChains *chains) {
  g_autofree char *chain = NULL;
  for (char **line = lines; *line; line++) {
    const char *policy;
    char *next = heading(*line, &policy);
    if (next) {
      g_free(chain);
      chain = next;
      if (!is_hook(chain))
        nwf_stock_chains_add(chains, chain);
      continue;
    }
    g_autofree char *target = chain && **line == '-' ? target_of(*line) : NULL;
    if (target)
      nwf_stock_chains_jump(chains, chain, target, 0);
  }
}

/** The table without libvirt's chains, as ebtables-restore reads it: it has no way to take single rules away. */
static char *ebtables_script(char **lines, const NwfStockChains *chains) {
  g_autoptr(GString) rules = g_string_new(NULL);
  g_autofree char *chain = NULL;
  GString *script = g_string_new("*nat\n");
  for (char **line = lines; *line; line++) {
    const char *policy;
    char *next = heading(*line, &policy);
    if (next) {
      g_free(chain);
      chain = next;
      if (!nwf_stock_chains_has(chains, chain))
        g_string_append_printf(script, ":%s %s\n", chain, policy);
      continue;
    }
    if (!chain || **line != '-' || nwf_stock_chains_has(chains, chain))
      continue;
    g_autofree char *target = target_of(*line);
    if (!target || !nwf_stock_chains_has(chains, target))
      g_string_append_printf(rules, "-A %s %s\n", chain, *line);
  }
  g_string_append(script, rules->str);
  return g_string_free(script, FALSE);
}

static gboolean remove_ebtables(guint *removed, GError **error) {
  if (!has_line("/proc/modules", "ebtable_nat "))
    return TRUE;
  g_autofree char *ebtables = find_program("ebtables-legacy", "ebtables");
  g_autofree char *restore = find_program("ebtables-legacy-restore", "ebtables-restore");
  if (!ebtables || !restore)
    return TRUE;
  const LegacyTable table = {
      .bridge = TRUE,
      .list = (const char *const[]){ebtables, "-t", "nat", "-L", NULL},
      .restore = (const char *const[]){restore, NULL},
      .read = read_ebtables,
      .script = ebtables_script,
  };
  return clean(&table, removed, error);
}

gboolean nwf_stock_remove_legacy(guint *removed, GError **error) {
  static const char *const ip[] = {"iptables-legacy-save", "iptables-save", "iptables-legacy-restore",
                                   "iptables-restore"};
  static const char *const ip6[] = {"ip6tables-legacy-save", "ip6tables-save", "ip6tables-legacy-restore",
                                    "ip6tables-restore"};
  return remove_iptables("/proc/thread-self/net/ip_tables_names", ip, removed, error) &&
         remove_iptables("/proc/thread-self/net/ip6_tables_names", ip6, removed, error) &&
         remove_ebtables(removed, error);
}
