// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xml/reader.h>

/* Where there is nothing to watch, because it is over in an instant. */
#define PROGRESS_MIN 2000

static const char *const default_directories[] = {NWF_FILTER_DIR, "/etc/libvirt/nwfilter", NULL};

static int count_separators(int argc, char **argv) {
  int n = 0;
  for (int i = 1; i < argc; i++)
    n += strcmp(argv[i], "--") == 0;
  return n;
}

/* GLib leaves the first "--" in front of what looks like an option; the arguments of the commands are what follows. */
static void remove_separator(int *argc, char **argv) {
  int i = 1;
  while (i < *argc && strcmp(argv[i], "--") != 0)
    i++;
  for (; i < *argc; i++)
    argv[i] = argv[i + 1];
  (*argc)--;
}

gboolean nwf_cli_parse(const char *name, const GOptionEntry *entries, int *argc, char ***argv, int *code) {
  const NwfCommand *command = nwf_command_find(name);
  g_autofree char *program = g_strdup_printf("nwfilter-nft %s", name);
  g_set_prgname(program);
  g_autoptr(GOptionContext) context = g_option_context_new(command->arguments);
  g_option_context_set_summary(context, command->description);
  g_option_context_add_main_entries(context, entries, NULL);
  g_option_context_set_help_enabled(context, FALSE);
  for (int i = 1; i < *argc && strcmp((*argv)[i], "--") != 0; i++)
    if (strcmp((*argv)[i], "--help") == 0 || strcmp((*argv)[i], "-h") == 0) {
      g_option_context_set_help_enabled(context, TRUE);
      g_autofree char *help = g_option_context_get_help(context, TRUE, NULL);
      fputs(help, stdout);
      *code = NWF_EXIT_DONE;
      return FALSE;
    }
  int separators = count_separators(*argc, *argv);
  g_autoptr(GError) error = NULL;
  if (g_option_context_parse(context, argc, argv, &error)) {
    if (separators && count_separators(*argc, *argv) == separators)
      remove_separator(argc, *argv);
    return TRUE;
  }
  *code = nwf_cli_usage(name, "%s", error->message);
  return FALSE;
}

int nwf_cli_usage(const char *name, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  fprintf(stderr, "nwfilter-nft %s: %s\nTry `nwfilter-nft %s --help`.\n", name, message, name);
  return NWF_EXIT_USAGE;
}

int nwf_cli_fail(const GError *error) {
  nwf_cli_progress_end();
  fprintf(stderr, "%s\n", error->message);
  if (g_error_matches(error, NWF_ERROR, NWF_ERROR_KERNEL) && g_str_has_suffix(error->message, g_strerror(EPERM)))
    fputs("The kernel's tables are for root (CAP_NET_ADMIN) to read and change.\n", stderr);
  return NWF_EXIT_FAILED;
}

/* GLib puts the path into the middle of its sentence and the reason at the end. */
static void directory_error(GError **error, const char *path, const GError *reason) {
  const char *why = strrchr(reason->message, ':');
  g_set_error(error, NWF_ERROR, NWF_ERROR_IO, "%s: %s", path, why ? why + 2 : reason->message);
}

void nwf_cli_warning(const char *where, const char *what, gpointer data) {
  static GHashTable *said; /* each is said once, however many ports it concerns */
  said = said ? said : g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  if (!g_hash_table_add(said, g_strdup_printf("%s %s", where, what)))
    return;
  nwf_cli_progress_end();
  fprintf(stderr, "%s: warning: %s\n", where, what);
}

/* A filter whose file is bad is missing: one of the same name from a directory with less to say must
 * not take its place unnoticed. */
typedef struct {
  const NwfFilterStore *store;
  GHashTable *bad; /* names */
} BadFilters;

static void bad_filter(const char *path, const GError *error, gpointer data) {
  BadFilters *filters = data;
  g_autofree char *name = g_path_get_basename(path);
  if (g_str_has_suffix(name, ".xml"))
    name[strlen(name) - 4] = '\0';
  nwf_cli_progress_end();
  fprintf(stderr, "%s (skipped)\n", error->message);
  if (!nwf_filter_store_get(filters->store, name))
    g_hash_table_add(filters->bad, g_steal_pointer(&name));
}

NwfFilterStore *nwf_cli_load_filters(char **directories, GError **error) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  g_autoptr(GHashTable) bad = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  BadFilters filters = {.store = store, .bad = bad};
  gboolean given = directories != NULL;
  const char *const *list = given ? (const char *const *)directories : default_directories;
  /* A filter that is there is kept, so that the last directory has to come first. */
  for (guint i = g_strv_length((char **)list); i-- > 0;) {
    if (!given && !g_file_test(list[i], G_FILE_TEST_IS_DIR))
      continue;
    g_autoptr(GError) reason = NULL;
    if (nwf_filter_store_load(store, list[i], bad_filter, &filters, &reason))
      continue;
    directory_error(error, list[i], reason);
    return NULL;
  }
  GHashTableIter iter;
  gpointer name;
  g_hash_table_iter_init(&iter, bad);
  while (g_hash_table_iter_next(&iter, &name, NULL))
    nwf_filter_store_remove(store, name);
  return g_steal_pointer(&store);
}

static void document_free(gpointer data) {
  NwfDocument *document = data;
  g_free(document->path);
  g_free(document->text);
  g_free(document);
}

GPtrArray *nwf_cli_read_documents(const char *directory, GError **error) {
  g_autoptr(GError) reason = NULL;
  g_autoptr(GPtrArray) names = nwf_xml_list(directory, &reason);
  if (!names) {
    directory_error(error, directory, reason);
    return NULL;
  }
  g_autoptr(GPtrArray) documents = g_ptr_array_new_with_free_func(document_free);
  for (guint i = 0; i < names->len; i++) {
    NwfDocument *document = g_new0(NwfDocument, 1);
    g_ptr_array_add(documents, document);
    document->path = g_build_filename(directory, g_ptr_array_index(names, i), NULL);
    document->text = nwf_xml_read_regular(document->path, &document->length, error);
    if (!document->text)
      return NULL;
  }
  return g_steal_pointer(&documents);
}

GPtrArray *nwf_cli_parse_bindings(const GPtrArray *documents, GError **error) {
  g_autoptr(GPtrArray) bindings = g_ptr_array_new_with_free_func((GDestroyNotify)nwf_binding_free);
  for (guint i = 0; i < documents->len; i++) {
    const NwfDocument *document = g_ptr_array_index(documents, i);
    NwfBinding *binding = nwf_binding_parse(document->text, document->length, document->path, error);
    if (!binding)
      return NULL;
    g_ptr_array_add(bindings, binding);
  }
  return nwf_cli_ports_differ(bindings, error) ? g_steal_pointer(&bindings) : NULL;
}

static char *binding_where(const NwfBinding *binding) {
  return binding->file ? g_strdup_printf("%s:%u", binding->file, binding->line) : g_strdup("the command line");
}

gboolean nwf_cli_ports_differ(const GPtrArray *bindings, GError **error) {
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < bindings->len; i++) {
    const NwfBinding *binding = g_ptr_array_index(bindings, i);
    const NwfBinding *other = g_hash_table_lookup(seen, binding->port);
    if (other) {
      g_autofree char *here = binding_where(binding), *there = binding_where(other);
      g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "%s: port %s is bound by %s already", here, binding->port,
                  there);
      return FALSE;
    }
    g_hash_table_insert(seen, binding->port, (gpointer)binding);
  }
  return TRUE;
}

void nwf_cli_hash_filters(char **directories, GChecksum *sum) {
  const char *const *list = directories ? (const char *const *)directories : default_directories;
  for (; *list; list++) {
    g_autoptr(GPtrArray) documents = nwf_cli_read_documents(*list, NULL);
    g_checksum_update(sum, (const guchar *)*list, (gssize)strlen(*list) + 1);
    for (guint i = 0; documents && i < documents->len; i++) {
      const NwfDocument *document = g_ptr_array_index(documents, i);
      g_checksum_update(sum, (const guchar *)document->path, (gssize)strlen(document->path) + 1);
      g_checksum_update(sum, (const guchar *)document->text, (gssize)document->length);
    }
  }
}

static gboolean progress_shown;

void nwf_cli_progress(guint done, guint total, gpointer data) {
  if (total < PROGRESS_MIN || (done != total && done % (total / 100)) || !isatty(STDERR_FILENO))
    return;
  guint width = (guint)((guint64)done * 40 / total);
  fprintf(stderr, "\r[%.*s%*s] %u/%u ports", (int)width, "########################################", (int)(40 - width),
          "", done, total);
  progress_shown = TRUE;
  if (done == total)
    nwf_cli_progress_end();
}

void nwf_cli_progress_end(void) {
  if (progress_shown)
    fputs("\n", stderr);
  progress_shown = FALSE;
}
