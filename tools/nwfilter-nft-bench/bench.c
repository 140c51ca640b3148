// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bench.h"
#include "isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOG_SECONDS 5
#define ESTIMATE_AFTER 0.02 /* of the work: before, the remaining time is a guess */

static struct {
  double planned, done;
  gint64 started, last;
} progress;

guint bench_ports_near(const Bench *bench, guint wanted) {
  guint best = 0;

  for (guint i = 0; i < bench->ports->len; i++) {
    guint ports = g_array_index(bench->ports, guint, i);
    if (best == 0 || ABS((int)ports - (int)wanted) < ABS((int)best - (int)wanted))
      best = ports;
  }
  return best;
}

Series *bench_series(const Bench *bench, const char *what, const char *unit, guint ports) {
  return series_new(bench->name, what, unit, ports);
}

void bench_emit(const Bench *bench, const Series *series) {
  json_t *object = series_to_json(series);
  json_dumpf(object, bench->results, JSON_COMPACT | JSON_REAL_PRECISION(9));
  putc('\n', bench->results);
  fflush(bench->results);
  json_decref(object);
}

void bench_emit_one(const Bench *bench, const char *what, const char *unit, guint ports, double sample) {
  g_autoptr(Series) series = bench_series(bench, what, unit, ports);
  series_add(series, sample);
  bench_emit(bench, series);
}

void bench_emit_missing(const Bench *bench, const char *what, guint ports, const char *why) {
  g_autoptr(Series) series = bench_series(bench, what, "", ports);
  series->missing = g_strdup(why);
  bench_emit(bench, series);
}

void bench_plan(double work) {
  progress.planned += work;
}

static char *remaining_time(gint64 now) {
  if (progress.planned <= 0 || progress.done < ESTIMATE_AFTER * progress.planned)
    return g_strdup("");
  double left = (double)(now - progress.started) / G_USEC_PER_SEC * (progress.planned / progress.done - 1);
  guint seconds = (guint)MAX(left, 0);
  return g_strdup_printf(", %u:%02u left", seconds / 60, seconds % 60);
}

void bench_progress(const Bench *bench, double done, const char *format, ...) {
  gboolean terminal = isatty(STDERR_FILENO);
  gint64 now = g_get_monotonic_time();
  va_list arguments;

  if (!progress.started)
    progress.started = now;
  progress.done += done;
  /* A log wants to know that it goes on, not each step. */
  if (!terminal && progress.last && now - progress.last < LOG_SECONDS * G_USEC_PER_SEC)
    return;
  progress.last = now;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_autofree char *left = remaining_time(now);
  fprintf(stderr, terminal ? "\r\033[K[%u/%u] %s: %s%s" : "[%u/%u] %s: %s%s\n", bench->place, bench->places,
          bench->name, text, left);
}

void bench_progress_end(void) {
  if (isatty(STDERR_FILENO))
    fputs("\r\033[K", stderr);
}

static gint64 read_clock(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (gint64)now.tv_sec * 1000000000 + now.tv_nsec;
}

gint64 bench_clock_wall(void) {
  return read_clock(CLOCK_MONOTONIC);
}

gint64 bench_clock_cpu(void) {
  return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static G_NORETURN void run_scenario(const Bench *bench, const BenchScenario *scenario, int results) {
  g_autoptr(GError) error = NULL;
  Bench own = *bench;

  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  own.name = scenario->name;
  own.results = fdopen(results, "w");
  gboolean ok = isolate_process(&error) && scenario->run(&own, &error);
  bench_progress_end();
  if (!ok)
    fprintf(stderr, "%s: %s\n", scenario->name, error ? error->message : "failed");
  fflush(own.results);
  _exit(ok ? 0 : 1);
}

static void collect(int results, GPtrArray *series) {
  g_autoptr(GString) text = g_string_new(NULL);
  char buffer[4096];
  ssize_t n;

  while ((n = read(results, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR))
    if (n > 0)
      g_string_append_len(text, buffer, n);
  g_auto(GStrv) lines = g_strsplit(text->str, "\n", -1);
  for (char **line = lines; *line; line++) {
    json_t *object = json_loads(*line, 0, NULL);
    Series *one = object ? series_from_json(object) : NULL;
    if (one)
      g_ptr_array_add(series, one);
    json_decref(object);
  }
}

gboolean bench_run_apart(const Bench *bench, const BenchScenario *scenario, GPtrArray *series, GError **error) {
  int results[2], status;
  pid_t child;

  if (pipe2(results, O_CLOEXEC) < 0 || (child = fork()) < 0) {
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s", scenario->name, g_strerror(errno));
    return FALSE;
  }
  if (child == 0) {
    close(results[0]);
    run_scenario(bench, scenario, results[1]);
  }
  close(results[1]);
  collect(results[0], series);
  close(results[0]);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return TRUE;
  g_set_error(error, G_IO_ERROR, WIFSIGNALED(status) ? G_IO_ERROR_CANCELLED : G_IO_ERROR_FAILED, "%s: %s",
              scenario->name, WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "failed");
  return FALSE;
}
