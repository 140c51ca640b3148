// SPDX-License-Identifier: LGPL-2.1-or-later
/* What it takes to make the kernel hold the table of many ports, through the library, and where the
 * time goes. No port needs to be there: the names are the keys. */
#include "bench.h"
#include "guests.h"
#include "rig.h"

#include <gio/gio.h>

#define PORTS 1000

enum { TOTAL, CPU, PARSE, COMPILE, INSTALL, READ, DIFF, COMMIT, N_PARTS };
static const char *const part_names[N_PARTS] = {
    [TOTAL] = NULL,        [CPU] = "processor time",   [PARSE] = "parse",     [COMPILE] = "compile",
    [INSTALL] = "install", [READ] = "read back alone", [DIFF] = "diff alone", [COMMIT] = "commit alone",
};

typedef struct {
  gint64 took[N_PARTS]; /* nanoseconds */
} Course;

static NwfRuleset *make_table(const Bench *bench, guint n, guint features, Course *course, GError **error) {
  gint64 start = bench_clock_wall();
  g_autoptr(NwfFilterStore) store = guests_load_filters(bench->filters, error);
  g_autoptr(GPtrArray) bindings = store ? guests_read_bindings(bench->folder, n, error) : NULL;
  if (!bindings)
    return NULL;
  gint64 parsed = bench_clock_wall();
  NwfRuleset *table = guests_compile(store, bindings, n, features, error);
  course->took[PARSE] = parsed - start;
  course->took[COMPILE] = bench_clock_wall() - parsed;
  return table;
}

/* The whole way, as a program goes it. */
static gboolean apply(NwfKernel *kernel, const Bench *bench, guint n, guint features, Course *course, GError **error) {
  gint64 start = bench_clock_wall(), cpu = bench_clock_cpu();
  g_autoptr(NwfRuleset) want = make_table(bench, n, features, course, error);
  gint64 compiled = bench_clock_wall();
  if (!want || !nwf_kernel_install(kernel, want, NULL, error))
    return FALSE;
  gint64 end = bench_clock_wall();
  course->took[INSTALL] = end - compiled;
  course->took[TOTAL] = end - start;
  course->took[CPU] = bench_clock_cpu() - cpu;
  return TRUE;
}

/* What installing may be made of; it need not take every step. */
static gboolean take_steps(NwfKernel *kernel, const Bench *bench, guint n, guint features, Course *course,
                           GError **error) {
  Course unused;
  g_autoptr(NwfRuleset) want = make_table(bench, n, features, &unused, error), have = NULL;
  gint64 start = bench_clock_wall();
  if (!want || !nwf_kernel_read(kernel, &have, NULL, error))
    return FALSE;
  gint64 read = bench_clock_wall();
  g_autoptr(GArray) changes = nwf_ruleset_diff(have, want);
  gint64 compared = bench_clock_wall();
  if (changes->len > 0 && !nwf_kernel_commit(kernel, changes, 0, error))
    return FALSE;
  course->took[READ] = read - start;
  course->took[DIFF] = compared - read;
  course->took[COMMIT] = bench_clock_wall() - compared;
  return TRUE;
}

static const GuestsCase cases[] = {
    {"into an empty kernel", 0, PORTS, 150},
    {"one more port, from nothing", PORTS, PORTS + 1, 0},
    {"the same again, from nothing", PORTS, PORTS, 0},
};

static gboolean prepare(NwfKernel *kernel, const Bench *bench, guint before, guint features, GError **error) {
  Course unused;

  /* The ruleset is emptied first, so that each run finds the same. */
  return rig_flush(error) && (before == 0 || apply(kernel, bench, before, features, &unused, error));
}

static gboolean run_once(NwfKernel *kernel, const Bench *bench, const GuestsCase *one, guint features, Course *course,
                         GError **error) {
  guint32 before, after;

  if (!prepare(kernel, bench, one->before, features, error) || !nwf_kernel_generation(kernel, &before, error) ||
      !apply(kernel, bench, one->after, features, course, error) || !nwf_kernel_generation(kernel, &after, error))
    return FALSE;
  if ((before == after) != (one->before == one->after)) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: the kernel's ruleset went from generation %u to %u",
                one->name, before, after);
    return FALSE;
  }
  return prepare(kernel, bench, one->before, features, error) &&
         take_steps(kernel, bench, one->after, features, course, error);
}

static gboolean run_case(NwfKernel *kernel, const Bench *bench, const GuestsCase *one, guint features, GError **error) {
  Series *parts[N_PARTS];
  gboolean ok = TRUE;

  for (guint part = 0; part < N_PARTS; part++) {
    g_autofree char *what =
        part == TOTAL ? g_strdup(one->name) : g_strdup_printf("%s: %s", one->name, part_names[part]);
    parts[part] = bench_series(bench, what, "ms", one->after);
  }
  parts[TOTAL]->limit = one->limit;
  for (guint run = 0; ok && run < bench->runs; run++) {
    Course course;
    bench_progress(bench, 1, "%s: run %u of %u", one->name, run + 1, bench->runs);
    ok = run_once(kernel, bench, one, features, &course, error);
    for (guint part = 0; ok && part < N_PARTS; part++)
      series_add(parts[part], (double)course.took[part] / 1e6);
  }
  for (guint part = 0; part < N_PARTS; part++) {
    if (ok)
      bench_emit(bench, parts[part]);
    series_free(parts[part]);
  }
  return ok;
}

/* A port more for a program that knows its table, as a daemon does: its document is read, compiled and sent. */
static gboolean extend_once(NwfKernel *kernel, const Bench *bench, const NwfFilterStore *store, NwfRuleset *table,
                            guint features, gint64 *took, GError **error) {
  NwfCompileOptions options = {.features = features};
  guint32 generation;
  g_autofree char *path = guests_binding_path(bench->folder, PORTS);
  gint64 start = bench_clock_wall();
  g_autoptr(NwfBinding) binding = nwf_binding_parse_file(path, error);
  NwfEdit *edit = nwf_edit_new(table);
  if (!binding || !nwf_edit_add(edit, store, binding, &options, error) ||
      !nwf_kernel_generation(kernel, &generation, error) ||
      !nwf_kernel_commit(kernel, nwf_edit_changes(edit), generation, error)) {
    nwf_edit_undo(edit);
    return FALSE;
  }
  nwf_edit_keep(edit);
  *took = bench_clock_wall() - start;
  return TRUE;
}

static gboolean run_extend(NwfKernel *kernel, const Bench *bench, guint features, GError **error) {
  g_autoptr(NwfFilterStore) store = guests_load_filters(bench->filters, error);
  g_autoptr(GPtrArray) bindings = store ? guests_read_bindings(bench->folder, PORTS, error) : NULL;
  g_autoptr(Series) series = bench_series(bench, "one more port, of a known table", "ms", PORTS + 1);
  series->limit = 10;
  for (guint run = 0; bindings && run < bench->runs; run++) {
    gint64 took;
    bench_progress(bench, 1, "one more port: run %u of %u", run + 1, bench->runs);
    g_autoptr(NwfRuleset) table = guests_compile(store, bindings, PORTS, features, error);
    if (!table || !rig_flush(error) || !nwf_kernel_install(kernel, table, NULL, error) ||
        !extend_once(kernel, bench, store, table, features, &took, error))
      return FALSE;
    series_add(series, (double)took / 1e6);
  }
  if (bindings)
    bench_emit(bench, series);
  return bindings != NULL;
}

/* For comparison: the same table as text, read by nft. */
static gboolean run_text(const Bench *bench, guint features, GError **error) {
  g_autoptr(NwfRuleset) table = guests_table(bench->filters, PORTS, features, error);
  if (!table)
    return FALSE;
  g_autofree char *text = nwf_ruleset_to_text(table);
  g_autoptr(Series) series = bench_series(bench, "its text into an empty kernel, by nft -f", "ms", PORTS);

  for (guint run = 0; run < bench->runs; run++) {
    bench_progress(bench, 1, "nft -f: run %u of %u", run + 1, bench->runs);
    if (!rig_flush(error))
      return FALSE;
    gint64 start = bench_clock_wall();
    if (!rig_load_text(text, error))
      return FALSE;
    series_add(series, (double)(bench_clock_wall() - start) / 1e6);
  }
  bench_emit(bench, series);
  return TRUE;
}

gboolean bench_apply(const Bench *bench, GError **error) {
  guint features;
  g_autoptr(NwfKernel) kernel = nwf_kernel_open(error);

  if (!kernel || !nwf_kernel_probe(kernel, &features, error) || !guests_write_bindings(bench->folder, PORTS + 1, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    if (!run_case(kernel, bench, &cases[i], features, error))
      return FALSE;
  return run_extend(kernel, bench, features, error) && run_text(bench, features, error);
}
