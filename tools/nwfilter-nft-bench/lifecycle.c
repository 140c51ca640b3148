// SPDX-License-Identifier: LGPL-2.1-or-later
/* What changes cost through libvirtd: bind, redefine, reload, restart, delete; with our module and with libvirt's own
 * driver. Counted besides: processes started, transactions of nftables, and messages to and from netfilter. */
#include "daemon.h"
#include "guests.h"
#include "isolate.h"
#include "netlink-count.h"
#include "rig.h"

#include <gio/gio.h>
#include <string.h>

#define BIND_LIMIT 2       /* ms, at 1,000 ports */
#define REDEFINE_LIMIT 100 /* ms, under 1,000 ports */
#define RESTART_LIMIT 0.1  /* s, beyond an empty daemon, when nothing changed */
#define SETTLE_MS 500      /* libvirtd passes over a signal while other drivers still reload, and tells nobody */
#define RELOAD_SECONDS 60  /* in which a reload has begun */
#define SAMPLE 20          /* ports that are bound and deleted one by one with the others there */

typedef struct {
  const char *name;
  DaemonSetup setup;
  gboolean ours;
} Contender;

typedef struct {
  const Bench *bench;
  const Contender *contender;
  Daemon *daemon;
  NwfKernel *kernel;
  NetlinkCount *netlink; /* or NULL: this kernel cannot tell */
  guint ports;
  double empty_start; /* s */
} Course;

/* --- one operation --- */

typedef struct {
  gint64 wall;
  guint64 processes;
  guint64 messages;
  guint32 generation;
} Mark;

static Mark take_mark(const Course *course) {
  Mark mark = {.processes = isolate_processes_begun()};
  nwf_kernel_generation(course->kernel, &mark.generation, NULL);
  if (course->netlink)
    mark.messages = netlink_count_read(course->netlink);
  mark.wall = bench_clock_wall();
  return mark;
}

typedef struct {
  Series *time, *processes, *transactions, *messages;
  double scale; /* nanoseconds in its unit */
} Operation;

static Operation operation_new(const Course *course, const char *what, const char *unit) {
  g_autofree char *time = g_strdup_printf("%s: %s", course->contender->name, what);
  g_autofree char *processes = g_strdup_printf("%s, processes started", time);
  g_autofree char *transactions = g_strdup_printf("%s, nftables transactions", time);
  g_autofree char *messages = g_strdup_printf("%s, netlink messages", time);

  return (Operation){
      .time = bench_series(course->bench, time, unit, course->ports),
      .processes = bench_series(course->bench, processes, "", course->ports),
      .transactions = bench_series(course->bench, transactions, "", course->ports),
      .messages = bench_series(course->bench, messages, "", course->ports),
      .scale = g_str_equal(unit, "s") ? 1e9 : 1e6,
  };
}

static void operation_add(Operation *operation, const Course *course, const Mark *begin) {
  gint64 end = bench_clock_wall();
  Mark now = take_mark(course);

  series_add(operation->time, (double)(end - begin->wall) / operation->scale);
  series_add(operation->processes, (double)(now.processes - begin->processes));
  series_add(operation->transactions, now.generation - begin->generation);
  if (course->netlink)
    series_add(operation->messages, (double)(now.messages - begin->messages));
}

static void operation_finish(Operation *operation, const Course *course) {
  if (operation->time->samples->len > 0) {
    bench_emit(course->bench, operation->time);
    bench_emit(course->bench, operation->processes);
    bench_emit(course->bench, operation->transactions);
    if (course->netlink)
      bench_emit(course->bench, operation->messages);
  }
  series_free(operation->time);
  series_free(operation->processes);
  series_free(operation->transactions);
  series_free(operation->messages);
}

/* --- what is done --- */

static gboolean bind_ports(const Course *course, guint from, guint to, Operation *operation, GError **error) {
  for (guint i = from; i < to; i++) {
    g_autofree char *xml = guest_binding_xml(i);
    Mark begin = take_mark(course);
    if (!daemon_bind(course->daemon, xml, error))
      return FALSE;
    if (operation)
      operation_add(operation, course, &begin);
    bench_progress(course->bench, 1, "%s: bound %u of %u", course->contender->name, i + 1, to);
  }
  return TRUE;
}

static gboolean unbind_ports(const Course *course, guint from, guint to, Operation *operation, GError **error) {
  for (guint i = from; i < to; i++) {
    Mark begin = take_mark(course);
    if (!daemon_unbind(course->daemon, guest_make(i).port, error))
      return FALSE;
    if (operation)
      operation_add(operation, course, &begin);
    bench_progress(course->bench, 1, "%s: deleted %u of %u", course->contender->name, i + 1 - from, to - from);
  }
  return TRUE;
}

/* The last ports one by one, beside all the others. */
static gboolean bind_last(const Course *course, GError **error) {
  guint first = course->ports - MIN(SAMPLE, course->ports);
  Operation binding = operation_new(course, "bind a port", "ms"),
            deleting = operation_new(course, "delete a port", "ms");

  if (course->contender->ours)
    binding.time->limit = BIND_LIMIT;
  gboolean ok = bind_ports(course, first, course->ports, &binding, error) &&
                unbind_ports(course, first, course->ports, &deleting, error) &&
                bind_ports(course, first, course->ports, NULL, error);
  operation_finish(&binding, course);
  operation_finish(&deleting, course);
  return ok;
}

/* clean-traffic with one more rule, and then without it again, so that its rules really change. */
static char *redefinition(const Bench *bench, gboolean changed, GError **error) {
  g_autofree char *path = g_build_filename(bench->filters, GUEST_FILTER ".xml", NULL), *text = NULL;

  if (!g_file_get_contents(path, &text, NULL, error))
    return NULL;
  GString *xml = g_string_new(text);
  if (changed)
    g_string_replace(xml, "</filter>",
                     "<rule action='drop' direction='out' priority='-900'><mac dstmacaddr='02:00:00:00:00:01'/></rule>"
                     "</filter>",
                     1);
  return g_string_free(xml, FALSE);
}

static gboolean redefine(const Course *course, guint times, GError **error) {
  Operation operation = operation_new(course, "redefine " GUEST_FILTER, "ms");
  gboolean ok = TRUE;

  if (course->contender->ours)
    operation.time->limit = REDEFINE_LIMIT;
  for (guint i = 0; ok && i < times * 2; i++) {
    g_autofree char *xml = redefinition(course->bench, i % 2 == 0, error);
    Mark begin = take_mark(course);
    ok = xml && daemon_define(course->daemon, GUEST_FILTER, xml, error);
    if (ok)
      operation_add(&operation, course, &begin);
    bench_progress(course->bench, course->ports, "%s: redefined", course->contender->name);
  }
  operation_finish(&operation, course);
  return ok;
}

/* The signal is answered by nothing: that the reload has begun is seen by the first transaction, and its end by
 * a definition, which waits for it. */
static gboolean reload_once(const Course *course, GError **error) {
  static const char probe[] = "<filter name='bench-probe' chain='root'></filter>";
  gint64 until = g_get_monotonic_time() + RELOAD_SECONDS * G_USEC_PER_SEC;
  guint32 before = 0, now = 0;

  if (!nwf_kernel_generation(course->kernel, &before, error) || !daemon_reload(course->daemon, error))
    return FALSE;
  do {
    if (!nwf_kernel_generation(course->kernel, &now, error))
      return FALSE;
    g_usleep(100);
  } while (now == before && g_get_monotonic_time() < until);
  if (now != before)
    return daemon_define(course->daemon, "bench-probe", probe, error);
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "a changed filter was not installed after SIGHUP");
  return FALSE;
}

static gboolean reload(const Course *course, guint times, GError **error) {
  Operation operation = operation_new(course, "reload (SIGHUP) with " GUEST_FILTER " changed", "ms");
  gboolean ok = TRUE;

  for (guint i = 0; ok && i < times * 2; i++) {
    g_autofree char *xml = redefinition(course->bench, i % 2 == 0, error);
    g_usleep(SETTLE_MS * 1000);
    ok = xml && daemon_write_filter(course->daemon, GUEST_FILTER, xml, error);
    Mark begin = take_mark(course);
    ok = ok && reload_once(course, error);
    if (ok)
      operation_add(&operation, course, &begin);
    bench_progress(course->bench, course->ports, "%s: reloaded", course->contender->name);
  }
  operation_finish(&operation, course);
  return ok;
}

static double restart_once(const Course *course, Operation *operation, GError **error) {
  daemon_stop(course->daemon);
  Mark begin = take_mark(course);
  if (!daemon_start(course->daemon, error))
    return -1;
  double took = (double)(bench_clock_wall() - begin.wall) / 1e9;
  if (operation)
    operation_add(operation, course, &begin);
  return took;
}

static gboolean restart(const Course *course, guint times, GError **error) {
  Operation operation = operation_new(course, "restart", "s");
  g_autofree char *what = g_strdup_printf("%s: restart, beyond an empty daemon's", course->contender->name);
  g_autoptr(Series) beyond = bench_series(course->bench, what, "s", course->ports);
  gboolean ok = TRUE;

  for (guint i = 0; ok && i < times; i++) {
    double took = restart_once(course, &operation, error);
    ok = took >= 0;
    series_add(beyond, MAX(took - course->empty_start, 0));
    bench_progress(course->bench, course->ports, "%s: restarted", course->contender->name);
  }
  if (course->contender->ours)
    beyond->limit = RESTART_LIMIT;
  operation_finish(&operation, course);
  if (ok)
    bench_emit(course->bench, beyond);
  return ok;
}

static gboolean start_empty(Course *course, GError **error) {
  g_autoptr(Series) starts = bench_series(course->bench, "", "s", 0);

  if (!daemon_start(course->daemon, error))
    return FALSE;
  for (guint i = 0; i < 3; i++) {
    double took = restart_once(course, NULL, error);
    if (took < 0)
      return FALSE;
    series_add(starts, took);
  }
  course->empty_start = series_median(starts);
  return TRUE;
}

static void emit_memory(const Course *course) {
  guint64 now, peak;
  g_autofree char *what = g_strdup_printf("%s: memory of the daemon", course->contender->name);

  daemon_memory(course->daemon, &now, &peak);
  bench_emit_one(course->bench, what, "MiB", course->ports, (double)now / 1024);
}

static gboolean run_course(Course *course, GError **error) {
  /* What takes libvirt's own driver minutes is not repeated. */
  guint times = course->contender->ours ? MIN(course->bench->runs, 5) : 1;
  guint first = course->ports - MIN(SAMPLE, course->ports);

  if (!start_empty(course, error) || !bind_ports(course, 0, first, NULL, error) || !bind_last(course, error))
    return FALSE;
  emit_memory(course);
  return redefine(course, times, error) && reload(course, times, error) && restart(course, times, error);
}

static gboolean measure(const Bench *bench, const Contender *contender, guint ports, GError **error) {
  g_autoptr(Rig) rig = rig_new(bench, ports, error);
  g_autoptr(Daemon) daemon = rig && rig_flush(error) ? daemon_new(&contender->setup, error) : NULL;
  if (!daemon)
    return FALSE;
  g_autoptr(NetlinkCount) netlink = netlink_count_new();
  Course course = {bench, contender, daemon, rig->kernel, netlink, ports, 0};
  gboolean ok = run_course(&course, error);
  daemon_stop(daemon);
  rig_flush(NULL);
  if (!ok)
    g_prefix_error(error, "%s, %u ports: ", contender->name, ports);
  return ok;
}

/* Each of the sizes that it takes in a time that can be waited for. */
static gboolean measure_sizes(const Bench *bench, const Contender *contender, GError **error) {
  guint measured = 0;

  for (guint i = 0; i < bench->ports->len; i++) {
    guint ports = g_array_index(bench->ports, guint, i);
    if (!contender->ours)
      ports = MIN(ports, bench->most_stock);
    if (ports == measured || ports < 1)
      continue;
    if (!measure(bench, contender, ports, error))
      return FALSE;
    measured = ports;
  }
  return TRUE;
}

static void plan(const Bench *bench, const Contender *contender) {
  for (guint i = 0; i < bench->ports->len; i++) {
    guint ports = g_array_index(bench->ports, guint, i);
    bench_plan((contender->ours ? ports : MIN(ports, bench->most_stock)) * 6);
  }
}

gboolean bench_lifecycle(const Bench *bench, GError **error) {
  g_autofree char *log = g_build_filename(bench->folder, "libvirtd.log", NULL);
  const DaemonSetup common = {.filters = bench->filters, .log = log};
  Contender contenders[] = {
      {.name = "ours", .setup = common, .ours = TRUE},
      {.name = "libvirt's, installed", .setup = common},
      {.name = "libvirt's nftables backend", .setup = common},
  };
  const char *const missing[] = {
      !daemon_exists(NULL) ? "no libvirtd"
      : bench->driver_dir  ? NULL
                           : "--driver-dir names no module of ours",
      !daemon_exists(NULL) ? "no libvirtd"
      : bench->most_stock  ? NULL
                           : "--stock-ports 0",
      !bench->libvirt_root ? "--libvirt-root names none"
      : bench->most_stock  ? NULL
                           : "--stock-ports 0",
  };

  contenders[0].setup.driver_dir = bench->driver_dir;
  contenders[2].setup.root = bench->libvirt_root;
  contenders[2].setup.backend = "nftables";
  for (guint i = 0; i < G_N_ELEMENTS(contenders); i++)
    if (!missing[i])
      plan(bench, &contenders[i]);
  for (guint i = 0; i < G_N_ELEMENTS(contenders); i++) {
    if (missing[i])
      bench_emit_missing(bench, contenders[i].name, 0, missing[i]);
    else if (!measure_sizes(bench, &contenders[i], error))
      return FALSE;
  }
  return TRUE;
}
