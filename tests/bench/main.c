// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bench.h"
#include "guests.h"
#include "report.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <locale.h>
#include <signal.h>

const BenchScenario bench_scenarios[] = {
    {"broadcast", "what a clone of a broadcast costs", bench_broadcast},
    {"unicast", "what a frame from guest to guest costs", bench_unicast},
    {"apply", "how long 1,000 ports take, through the library", bench_apply},
    {"command", "the same through nwfilter-nft, and its memory", bench_command},
};
const guint bench_n_scenarios = G_N_ELEMENTS(bench_scenarios);

static Bench bench = {.rounds = 15, .window_ms = 100, .filters = "filters"};
static char *json_path;
static char **names;

static const GOptionEntry entries[] = {
    {"rounds", 0, 0, G_OPTION_ARG_INT, &bench.rounds, "Measure each variant so often (15)", "N"},
    {"window", 0, 0, G_OPTION_ARG_INT, &bench.window_ms, "Send frames for so long in a round (100)", "MS"},
    {"ports", 0, 0, G_OPTION_ARG_INT, &bench.ports, "Bridges of this size only", "N"},
    {"filters", 0, 0, G_OPTION_ARG_FILENAME, &bench.filters, "Folder of the filters (filters)", "DIR"},
    {"program", 0, 0, G_OPTION_ARG_FILENAME, &bench.program, "nwfilter-nft", "FILE"},
    {"table", 0, 0, G_OPTION_ARG_FILENAME, &bench.table, "Send frames through this nft document (of vnet0 ..) as well",
     "FILE"},
    {"no-br-netfilter", 0, 0, G_OPTION_ARG_NONE, &bench.no_br_netfilter,
     "Without br_netfilter's detour through the IP hooks", NULL},
    {"json", 0, 0, G_OPTION_ARG_FILENAME, &json_path, "Write all samples here as well", "FILE"},
    {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &names, NULL, "[SCENARIO...]"},
    {NULL}};

static char *list_scenarios(void) {
  GString *text = g_string_new("Scenarios:\n");

  for (guint i = 0; i < bench_n_scenarios; i++)
    g_string_append_printf(text, "  %-10s %s\n", bench_scenarios[i].name, bench_scenarios[i].summary);
  return g_string_free(text, FALSE);
}

static gboolean parse_arguments(int argc, char **argv, GError **error) {
  g_autoptr(GOptionContext) context = g_option_context_new("- what filtering costs");
  g_autofree char *scenarios = list_scenarios();

  g_option_context_add_main_entries(context, entries, NULL);
  g_option_context_set_summary(context, scenarios);
  if (!g_option_context_parse(context, &argc, &argv, error))
    return FALSE;
  for (char **name = names; name && *name; name++) {
    gboolean known = FALSE;
    for (guint i = 0; i < bench_n_scenarios; i++)
      known |= g_str_equal(bench_scenarios[i].name, *name);
    if (!known) {
      g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "no scenario '%s'", *name);
      return FALSE;
    }
  }
  if (bench.rounds < 1 || bench.rounds > 100000 || bench.window_ms < 1 || bench.window_ms > 60000 ||
      (bench.ports && (bench.ports < 3 || bench.ports > 1024))) {
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "a number is out of range");
    return FALSE;
  }
  return TRUE;
}

static gboolean wanted(const BenchScenario *scenario) {
  return !names || g_strv_contains((const char *const *)names, scenario->name);
}

static void free_series(gpointer series) {
  series_free(series);
}

static void remove_folder(const char *path) {
  g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
  const char *name;

  while (folder && (name = g_dir_read_name(folder))) {
    g_autofree char *file = g_build_filename(path, name, NULL);
    g_unlink(file);
  }
  g_rmdir(path);
}

/* A scenario that is interrupted ends; this process stays to take its files away. */
static void run_all(GPtrArray *series, gboolean *ok) {
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  for (guint i = 0; i < bench_n_scenarios; i++) {
    g_autoptr(GError) error = NULL;
    if (!wanted(&bench_scenarios[i]) || bench_run_apart(&bench, &bench_scenarios[i], series, &error))
      continue;
    g_printerr("%s\n", error->message);
    *ok = FALSE;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
      break;
  }
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) series = g_ptr_array_new_with_free_func(free_series);
  gboolean ok = TRUE;

  setlocale(LC_ALL, "");
  setlocale(LC_NUMERIC, "C"); /* JSON's numbers */
  if (!parse_arguments(argc, argv, &error)) {
    g_printerr("bench: %s\n", error->message);
    return 2;
  }
  g_autofree char *beside = g_path_get_dirname(argv[0]);
  g_autofree char *program = g_build_filename(beside, "..", "..", "tools", "nwfilter-nft", NULL);
  if (!bench.program)
    bench.program = program;
  g_autofree char *folder = g_dir_make_tmp("nwfilter-bench-XXXXXX", &error);
  if (!folder) {
    g_printerr("bench: %s\n", error->message);
    return 1;
  }
  bench.folder = folder;
  run_all(series, &ok);
  remove_folder(folder);
  report_print(series);
  if (json_path && !report_write_json(&bench, series, json_path, &error)) {
    g_printerr("bench: %s\n", error->message);
    ok = FALSE;
  }
  return ok ? 0 : 1;
}
