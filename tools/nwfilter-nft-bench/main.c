// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bench.h"
#include "guests.h"
#include "plot.h"
#include "report.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define PORTS_LEAST 4
#define PORTS_MOST 1020 /* a bridge has 1,024 ports at most */

const BenchScenario bench_scenarios[] = {
    {"broadcast", "what a clone of a broadcast costs, and with other ways to filter", bench_broadcast},
    {"share", "the share of a processor that 100 broadcasts a second take", bench_share},
    {"unicast", "what a frame from guest to guest or to the uplink costs", bench_unicast},
    {"rules", "the same under filters of many rules and long lists", bench_rules},
    {"lifecycle", "bind, delete, redefine, restart and reload through libvirtd", bench_lifecycle},
    {"table", "size of the table and memory, by ports; a million and a half rules", bench_table},
    {"conntrack", "cutting a port's flows among 500,000", bench_conntrack},
    {"apply", "how long 1,000 ports take, through the library", bench_apply},
    {"command", "the same through nwfilter-nft, and its memory", bench_command},
};
const guint bench_n_scenarios = G_N_ELEMENTS(bench_scenarios);

static Bench bench = {.runs = 15, .window_ms = 100, .most_stock = 100, .filters = NWF_FILTER_DIR};
static char *json_path, *plot_path, *ports_text, *scenario_text;
static gboolean show_version;

static const GOptionEntry entries[] = {
    {"scenario", 's', 0, G_OPTION_ARG_STRING, &scenario_text, "Only these, with commas between (all)", "NAME"},
    {"ports", 'p', 0, G_OPTION_ARG_STRING, &ports_text, "Bridges of these sizes (10,50,100,300,600,1000)", "N,N..."},
    {"runs", 'r', 0, G_OPTION_ARG_INT, &bench.runs, "Measure each variant so often (15)", "N"},
    {"window", 'w', 0, G_OPTION_ARG_INT, &bench.window_ms, "Send frames for so long in a run (100)", "MS"},
    {"json", 'j', 0, G_OPTION_ARG_FILENAME, &json_path, "Write all samples here", "FILE"},
    {"plot", 0, 0, G_OPTION_ARG_FILENAME, &plot_path, "Draw it (by gnuplot), as .svg or .png", "FILE"},
    {"libvirt-root", 0, 0, G_OPTION_ARG_FILENAME, &bench.libvirt_root,
     "A system with a libvirt whose nftables backend is measured (chroot)", "DIR"},
    {"driver-dir", 0, 0, G_OPTION_ARG_FILENAME, &bench.driver_dir,
     "libvirt's drivers with our module (" NWF_MODULE_DIR ")", "DIR"},
    {"stock-ports", 0, 0, G_OPTION_ARG_INT, &bench.most_stock, "Ports that libvirt's own driver gets at most (100)",
     "N"},
    {"filters", 'f', 0, G_OPTION_ARG_FILENAME, &bench.filters, "Folder of the filters (" NWF_FILTER_DIR ")", "DIR"},
    {"program", 0, 0, G_OPTION_ARG_FILENAME, &bench.program, "The nwfilter-nft to measure", "FILE"},
    {"table", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &bench.tables,
     "Send frames through this nft document (of vnet0 ..) as well", "FILE"},
    {"no-br-netfilter", 0, 0, G_OPTION_ARG_NONE, &bench.no_br_netfilter,
     "Without br_netfilter's detour through the IP hooks", NULL},
    {"version", 'V', 0, G_OPTION_ARG_NONE, &show_version, "Print the version", NULL},
    {NULL}};

static char *list_scenarios(void) {
  GString *text = g_string_new("Scenarios:\n");

  for (guint i = 0; i < bench_n_scenarios; i++)
    g_string_append_printf(text, "  %-10s %s\n", bench_scenarios[i].name, bench_scenarios[i].summary);
  return g_string_free(text, FALSE);
}

static gboolean refuse(GError **error, const char *option, const char *value) {
  g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s %s: not a value that it takes", option, value);
  return FALSE;
}

static int by_number(gconstpointer a, gconstpointer b) {
  guint x = *(const guint *)a, y = *(const guint *)b;
  return (x > y) - (x < y);
}

static gboolean parse_ports(const char *text, GError **error) {
  g_auto(GStrv) parts = g_strsplit(text, ",", -1);

  bench.ports = g_array_new(FALSE, FALSE, sizeof(guint));
  for (char **part = parts; *part; part++) {
    guint64 number;
    if (!g_ascii_string_to_unsigned(*part, 10, PORTS_LEAST, PORTS_MOST, &number, NULL))
      return refuse(error, "ports", *part);
    guint ports = (guint)number;
    g_array_append_val(bench.ports, ports);
  }
  g_array_sort(bench.ports, by_number);
  return bench.ports->len > 0 || refuse(error, "ports", text);
}

static char **scenarios_wanted;

static gboolean parse_scenarios(const char *text, GError **error) {
  scenarios_wanted = g_strsplit(text, ",", -1);
  for (char **name = scenarios_wanted; *name; name++) {
    gboolean known = FALSE;
    for (guint i = 0; i < bench_n_scenarios; i++)
      known |= g_str_equal(bench_scenarios[i].name, *name);
    if (!known)
      return refuse(error, "scenario", *name);
  }
  return TRUE;
}

static gboolean parse_arguments(int *argc, char ***argv, GError **error) {
  g_autoptr(GOptionContext) context = g_option_context_new("- what filtering costs on this machine");
  g_autofree char *scenarios = list_scenarios();

  g_option_context_add_main_entries(context, entries, NULL);
  g_option_context_set_summary(context, scenarios);
  if (!g_option_context_parse(context, argc, argv, error))
    return FALSE;
  if (*argc > 1)
    return refuse(error, "scenario", (*argv)[1]);
  if ((int)bench.runs < 1 || bench.runs > 100000)
    return refuse(error, "runs", "");
  if ((int)bench.window_ms < 1 || bench.window_ms > 60000)
    return refuse(error, "window", "");
  if ((int)bench.most_stock < 0)
    return refuse(error, "stock-ports", "");
  return parse_ports(ports_text ? ports_text : "10,50,100,300,600,1000", error) &&
         (!scenario_text || parse_scenarios(scenario_text, error)) && (!plot_path || plot_can_write(plot_path, error));
}

static gboolean wanted(const BenchScenario *scenario) {
  return !scenarios_wanted || g_strv_contains((const char *const *)scenarios_wanted, scenario->name);
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
static gboolean run_all(GPtrArray *series) {
  gboolean ok = TRUE;

  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  for (guint i = 0; i < bench_n_scenarios; i++)
    bench.places += wanted(&bench_scenarios[i]) ? 1 : 0;
  for (guint i = 0; i < bench_n_scenarios; i++) {
    g_autoptr(GError) error = NULL;
    if (!wanted(&bench_scenarios[i]))
      continue;
    bench.place++;
    if (bench_run_apart(&bench, &bench_scenarios[i], series, &error))
      continue;
    g_printerr("%s\n", error->message);
    ok = FALSE;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
      break;
  }
  return ok;
}

static gboolean write_results(GPtrArray *series, GError **error) {
  g_autoptr(GPtrArray) pictures = g_ptr_array_new_with_free_func(g_free);

  report_add_growth(series);
  report_print(&bench, series);
  if (json_path && !report_write_json(&bench, series, json_path, error))
    return FALSE;
  if (plot_path && !plot_write(series, plot_path, pictures, error))
    return FALSE;
  for (guint i = 0; i < pictures->len; i++)
    printf("%s\n", (const char *)g_ptr_array_index(pictures, i));
  return TRUE;
}

/* The program that was built with this one, or else the one that is installed. */
static char *find_program(void) {
  g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
  g_autofree char *folder = g_path_get_dirname(self ? self : ".");
  g_autofree char *installed = g_build_filename(folder, "nwfilter-nft", NULL);
  g_autofree char *built = g_build_filename(folder, "..", "nwfilter-nft", NULL);

  if (g_file_test(installed, G_FILE_TEST_IS_REGULAR))
    return g_steal_pointer(&installed);
  return g_file_test(built, G_FILE_TEST_IS_REGULAR) ? g_steal_pointer(&built) : g_strdup("nwfilter-nft");
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) series = g_ptr_array_new_with_free_func(free_series);

  setlocale(LC_ALL, "");
  setlocale(LC_NUMERIC, "C"); /* JSON's numbers */
  if (!parse_arguments(&argc, &argv, &error)) {
    g_printerr("nwfilter-nft-bench: %s\n", error->message);
    return 2;
  }
  if (show_version) {
    puts("nwfilter-nft-bench " NWF_VERSION);
    return 0;
  }
  if (geteuid() != 0) {
    g_printerr("nwfilter-nft-bench: only root can make network namespaces and taps\n");
    return 1;
  }
  g_autofree char *program = find_program(), *filters = g_canonicalize_filename(bench.filters, NULL);
  g_autofree char *folder = g_dir_make_tmp("nwfilter-bench-XXXXXX", &error);
  if (!folder) {
    g_printerr("nwfilter-nft-bench: %s\n", error->message);
    return 1;
  }
  if (!bench.program)
    bench.program = program;
  if (!bench.driver_dir && g_file_test(NWF_MODULE_DIR "/libvirt_driver_nwfilter.so", G_FILE_TEST_EXISTS))
    bench.driver_dir = NWF_MODULE_DIR;
  bench.filters = filters;
  bench.folder = folder;
  gboolean ok = run_all(series);
  remove_folder(folder);
  if (!write_results(series, &error)) {
    g_printerr("nwfilter-nft-bench: %s\n", error->message);
    ok = FALSE;
  }
  return ok ? 0 : 1;
}
