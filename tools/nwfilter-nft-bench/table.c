// SPDX-License-Identifier: LGPL-2.1-or-later
/* How large the table is, and what memory it takes: the kernel's and ours. */
#include "guests.h"
#include "rig.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIG_PORTS 5000
#define BIG_RULES 300 /* of each port */
#define BIG_SECONDS 10
#define BIG_MEMORY 2048 /* MiB */

typedef struct {
  double rules, chains, elements;
  double compile, install; /* ms */
  double kernel, own;      /* MiB: the kernel's memory for it, and the most that this process had */
  char error[256];
} Size;

static guint64 memory_line(const char *text, const char *key) {
  const char *at = text ? strstr(text, key) : NULL;
  return at ? g_ascii_strtoull(at + strlen(key), NULL, 10) : 0;
}

/* What the kernel uses for itself. Others on the machine change it, too, so it is for a quiet one. */
static guint64 kernel_memory_kib(void) {
  g_autofree char *text = NULL;

  g_file_get_contents("/proc/meminfo", &text, NULL, NULL);
  return memory_line(text, "\nSlab:") + memory_line(text, "\nPercpu:") + memory_line(text, "\nVmallocUsed:");
}

static guint64 peak_kib(void) {
  g_autofree char *text = NULL;

  g_file_get_contents("/proc/self/status", &text, NULL, NULL);
  return memory_line(text, "VmHWM:");
}

static void count(const NwfRuleset *table, Size *size) {
  size->chains = table->chains->len;
  for (guint i = 0; i < table->chains->len; i++)
    size->rules += ((const NwfChain *)g_ptr_array_index(table->chains, i))->rules->len;
  for (guint i = 0; i < table->sets->len; i++)
    size->elements += ((const NwfSet *)g_ptr_array_index(table->sets, i))->elements->len;
}

/* Three hundred rules of each port, which allow an address with a port of its own each. No other guest has the same,
 * so that nothing is there to be shared. */
static const char big_filter[] =
    "<filter name='big' chain='root'>\n"
    "<rule action='accept' direction='out'>"
    "<ip srcipaddr='$IP' dstipaddr='$TO[@1]' protocol='tcp' dstportstart='$TO_PORT[@1]'/></rule>\n"
    "<rule action='drop' direction='out'><ip/></rule>\n</filter>\n";

static char *big_parameters(guint port) {
  GString *text = g_string_new(NULL);

  for (guint i = 0; i + 1 < BIG_RULES; i++)
    g_string_append_printf(text, "<parameter name='TO' value='100.%u.%u.%u'/><parameter name='TO_PORT' value='%u'/>\n",
                           64 + port / 256, port % 256, i % 256, 1000 + i);
  return g_string_free(text, FALSE);
}

static GPtrArray *make_bindings(gboolean big, guint ports, GError **error) {
  g_autoptr(GPtrArray) bindings = g_ptr_array_new_with_free_func((GDestroyNotify)nwf_binding_free);

  for (guint i = 0; i < ports; i++) {
    g_autofree char *parameters = big ? big_parameters(i) : NULL;
    g_autofree char *text = guest_binding_xml_to(i, big ? "big" : GUEST_FILTER, parameters);
    NwfBinding *binding = nwf_binding_parse(text, strlen(text), NULL, error);
    if (!binding)
      return NULL;
    g_ptr_array_add(bindings, binding);
  }
  return g_steal_pointer(&bindings);
}

static NwfFilterStore *load(const Bench *bench, gboolean big, GError **error) {
  if (!big)
    return guests_load_filters(bench->filters, error);
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  NwfFilter *filter = nwf_filter_parse(big_filter, strlen(big_filter), NULL, error);
  if (!filter)
    return NULL;
  nwf_filter_store_put(store, filter);
  return g_steal_pointer(&store);
}

static gboolean measure(const Bench *bench, gboolean big, guint ports, Size *size, GError **error) {
  guint features;
  g_autoptr(NwfFilterStore) store = load(bench, big, error);
  g_autoptr(NwfKernel) kernel = store ? nwf_kernel_open(error) : NULL;

  if (!kernel || !nwf_kernel_probe(kernel, &features, error) || !rig_flush(error))
    return FALSE;
  g_autoptr(GPtrArray) bindings = make_bindings(big, ports, error);
  if (!bindings)
    return FALSE;
  gint64 start = bench_clock_wall();
  g_autoptr(NwfRuleset) table = guests_compile(store, bindings, ports, features, error);
  if (!table)
    return FALSE;
  gint64 compiled = bench_clock_wall();
  guint64 before = kernel_memory_kib();
  gint64 installing = bench_clock_wall();
  if (!nwf_kernel_install(kernel, table, NULL, error))
    return FALSE;
  size->install = (double)(bench_clock_wall() - installing) / 1e6;
  size->compile = (double)(compiled - start) / 1e6;
  size->kernel = ((double)kernel_memory_kib() - (double)before) / 1024;
  size->own = (double)peak_kib() / 1024;
  count(table, size);
  return rig_flush(error);
}

/* In a process of its own, as the most memory that one had counts for ever. */
static gboolean measure_apart(const Bench *bench, gboolean big, guint ports, Size *size, GError **error) {
  int result[2], status;
  pid_t child;

  if (pipe(result) < 0 || (child = fork()) < 0) {
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "fork: %s", g_strerror(errno));
    return FALSE;
  }
  if (child == 0) {
    g_autoptr(GError) failed = NULL;
    *size = (Size){0};
    if (!measure(bench, big, ports, size, &failed))
      g_strlcpy(size->error, failed->message, sizeof size->error);
    _exit(write(result[1], size, sizeof *size) == (ssize_t)sizeof *size ? 0 : 1);
  }
  close(result[1]);
  gboolean got = read(result[0], size, sizeof *size) == (ssize_t)sizeof *size;
  close(result[0]);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;
  if (got && !*size->error)
    return TRUE;
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%u ports: %s", ports, got ? size->error : "the process died");
  return FALSE;
}

typedef struct {
  const char *what, *unit;
  gsize offset;
} Column;

static const Column columns[] = {
    {"rules", "rules", offsetof(Size, rules)},
    {"chains", "chains", offsetof(Size, chains)},
    {"elements", "elements", offsetof(Size, elements)},
    {"compile", "ms", offsetof(Size, compile)},
    {"install", "ms", offsetof(Size, install)},
    {"the kernel's memory", "MiB", offsetof(Size, kernel)},
    {"most memory of the process", "MiB", offsetof(Size, own)},
};

static gboolean run(const Bench *bench, gboolean big, guint ports, guint runs, GError **error) {
  Series *series[G_N_ELEMENTS(columns)];
  g_autoptr(Series) total = bench_series(bench, "a million and a half rules: compile and install", "s", ports);
  gboolean ok = TRUE;

  for (guint i = 0; i < G_N_ELEMENTS(columns); i++) {
    g_autofree char *what = g_strconcat(big ? "a million and a half rules: " : "", columns[i].what, NULL);
    series[i] = bench_series(bench, what, columns[i].unit, ports);
  }
  for (guint r = 0; ok && r < runs; r++) {
    Size size;
    ok = measure_apart(bench, big, ports, &size, error);
    bench_progress(bench, big ? 10000 : ports, "%u ports: %u of %u runs", ports, r + 1, runs);
    for (guint i = 0; ok && i < G_N_ELEMENTS(columns); i++)
      series_add(series[i], *(double *)((char *)&size + columns[i].offset));
    series_add(total, (size.compile + size.install) / 1e3);
  }
  total->limit = BIG_SECONDS;
  series[G_N_ELEMENTS(columns) - 1]->limit = big ? BIG_MEMORY : 0;
  for (guint i = 0; i < G_N_ELEMENTS(columns); i++) {
    if (ok)
      bench_emit(bench, series[i]);
    series_free(series[i]);
  }
  if (ok && big)
    bench_emit(bench, total);
  return ok;
}

gboolean bench_table(const Bench *bench, GError **error) {
  guint runs = MIN(bench->runs, 5), big_runs = MIN(bench->runs, 3);

  for (guint i = 0; i < bench->ports->len; i++)
    bench_plan(runs * g_array_index(bench->ports, guint, i));
  bench_plan(big_runs * 10000);
  for (guint i = 0; i < bench->ports->len; i++)
    if (!run(bench, FALSE, g_array_index(bench->ports, guint, i), runs, error))
      return FALSE;
  return run(bench, TRUE, BIG_PORTS, big_runs, error);
}
