// SPDX-License-Identifier: LGPL-2.1-or-later
/* What it takes to make the kernel hold the table of many ports, through the library, and where the
 * time goes. No port needs to be there: the names are the keys. */
#include "bench.h"
#include "guests.h"
#include "rig.h"

#include <gio/gio.h>

#define PORTS 1000

enum { PARSE, COMPILE, READ, DIFF, COMMIT, TOTAL, CPU, N_PARTS };
static const char *const part_names[N_PARTS] = {
    [PARSE] = "parse",   [COMPILE] = "compile", [READ] = "read back",         [DIFF] = "diff",
    [COMMIT] = "commit", [TOTAL] = NULL,        [CPU] = "all, processor time"};

typedef struct {
  gint64 at[TOTAL + 1]; /* when the part began; TOTAL: when all was done */
  gint64 cpu;           /* of this thread, for all */
  guint changes;
} Course;

static gboolean apply(NwfKernel *kernel, const Bench *bench, guint n, guint features, Course *course, GError **error) {
  gint64 cpu = bench_clock_cpu();
  course->at[PARSE] = bench_clock_wall();
  g_autoptr(NwfFilterStore) store = guests_load_filters(bench->filters, error);
  g_autoptr(GPtrArray) bindings = store ? guests_read_bindings(bench->folder, n, error) : NULL;
  if (!bindings)
    return FALSE;
  course->at[COMPILE] = bench_clock_wall();
  g_autoptr(NwfRuleset) want = guests_compile(store, bindings, n, features, error), have = NULL;
  if (!want)
    return FALSE;
  course->at[READ] = bench_clock_wall();
  if (!nwf_kernel_read(kernel, &have, NULL, error))
    return FALSE;
  course->at[DIFF] = bench_clock_wall();
  g_autoptr(GArray) changes = nwf_ruleset_diff(have, want);
  course->at[COMMIT] = bench_clock_wall();
  course->changes = changes->len;
  if (changes->len > 0 && !nwf_kernel_commit(kernel, changes, 0, error))
    return FALSE;
  course->at[TOTAL] = bench_clock_wall();
  course->cpu = bench_clock_cpu() - cpu;
  return TRUE;
}

/* One thing to apply, and what is in the kernel before. */
typedef struct {
  const char *name;
  guint before, after; /* ports */
  double limit;        /* ms */
} Case;

static const Case cases[] = {
    {"into an empty kernel", 0, PORTS, 150},
    {"one more port", PORTS, PORTS + 1, 10},
    {"the same again", PORTS, PORTS, 30},
};

static gboolean prepare(NwfKernel *kernel, const Bench *bench, guint before, guint features, GError **error) {
  Course course;

  if (before > 0)
    return apply(kernel, bench, before, features, &course, error);
  return rig_flush(NULL, error);
}

static gboolean run_once(NwfKernel *kernel, const Bench *bench, const Case *one, guint features, Series **parts,
                         GError **error) {
  guint32 before, after;
  Course course;

  if (!prepare(kernel, bench, one->before, features, error) || !nwf_kernel_generation(kernel, &before, error) ||
      !apply(kernel, bench, one->after, features, &course, error) || !nwf_kernel_generation(kernel, &after, error))
    return FALSE;
  if ((before == after) != (one->before == one->after)) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
                "%s: %u changes, the kernel's ruleset went from generation %u to %u", one->name, course.changes, before,
                after);
    return FALSE;
  }
  for (guint part = 0; part < TOTAL; part++)
    series_add(parts[part], (double)(course.at[part + 1] - course.at[part]) / 1e6);
  series_add(parts[TOTAL], (double)(course.at[TOTAL] - course.at[PARSE]) / 1e6);
  series_add(parts[CPU], (double)course.cpu / 1e6);
  return TRUE;
}

static gboolean run_case(NwfKernel *kernel, const Bench *bench, const Case *one, guint features, GError **error) {
  Series *parts[N_PARTS];
  gboolean ok = TRUE;

  for (guint part = 0; part < N_PARTS; part++) {
    g_autofree char *what =
        part == TOTAL ? g_strdup(one->name) : g_strdup_printf("%s: %s", one->name, part_names[part]);
    parts[part] = bench_series(bench, what, "ms", one->after);
  }
  parts[TOTAL]->limit = one->limit;
  for (guint round = 0; ok && round < bench->rounds; round++) {
    bench_progress(bench, "%s: round %u of %u", one->name, round + 1, bench->rounds);
    ok = run_once(kernel, bench, one, features, parts, error);
  }
  for (guint i = 0; i < N_PARTS; i++) {
    Series *series = parts[(i + TOTAL) % N_PARTS]; /* the total first */
    if (ok)
      bench_emit(bench, series);
    series_free(series);
  }
  return ok;
}

/* For comparison: the same table as text, read by nft. */
static gboolean run_text(const Bench *bench, guint features, GError **error) {
  g_autoptr(NwfRuleset) table = guests_table(bench->filters, PORTS, features, error);
  if (!table)
    return FALSE;
  g_autofree char *text = nwf_ruleset_to_text(table);
  g_autoptr(Series) series = bench_series(bench, "its text into an empty kernel, by nft -f", "ms", PORTS);

  for (guint round = 0; round < bench->rounds; round++) {
    bench_progress(bench, "nft -f: round %u of %u", round + 1, bench->rounds);
    if (!rig_flush(NULL, error))
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
  return run_text(bench, features, error);
}
