// SPDX-License-Identifier: LGPL-2.1-or-later
/* The same through the program: how long `nwfilter-nft apply` takes from start to end, and the most
 * memory that it ever has. This process stays small, since what it has when it starts a program
 * counts as that program's peak. */
#include "bench.h"
#include "guests.h"
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORTS 1000
#define MEMORY_LIMIT 64 /* MiB */

typedef struct {
  double wall, cpu; /* ms */
  double memory;    /* MiB */
} Cost;

static gboolean run_apply(const Bench *bench, Cost *cost, GError **error) {
  const char *argv[] = {bench->program, "apply", "--filters", bench->filters, "--bindings", bench->folder, NULL};
  posix_spawn_file_actions_t actions;
  struct rusage usage;
  int status, code;
  pid_t child;

  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  gint64 start = bench_clock_wall();
  code = posix_spawn(&child, bench->program, &actions, NULL, (char *const *)argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (code == 0 && wait4(child, &status, 0, &usage) < 0)
    code = errno;
  cost->wall = (double)(bench_clock_wall() - start) / 1e6;
  if (code != 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s apply: %s", bench->program,
                code ? g_strerror(code) : "failed");
    return FALSE;
  }
  cost->cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
              (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
  cost->memory = (double)usage.ru_maxrss / 1024;
  return TRUE;
}

static const GuestsCase cases[] = {
    {"into an empty kernel", 0, PORTS, 150},
    {"one more port", PORTS, PORTS + 1, 10},
    {"the same again", PORTS, PORTS, 30},
};

/* Brings the folder to @ports bindings and applies it. */
static gboolean set_ports(const Bench *bench, guint ports, Cost *cost, GError **error) {
  guests_remove_bindings(bench->folder, ports, PORTS + 1);
  if (!guests_write_bindings(bench->folder, ports, error))
    return FALSE;
  return run_apply(bench, cost, error);
}

static gboolean run_once(NwfKernel *kernel, const Bench *bench, const GuestsCase *one, Cost *cost, GError **error) {
  guint32 before, after;

  if (!(one->before ? set_ports(bench, one->before, cost, error) : rig_flush(error)) ||
      !nwf_kernel_generation(kernel, &before, error) || !set_ports(bench, one->after, cost, error) ||
      !nwf_kernel_generation(kernel, &after, error))
    return FALSE;
  if ((before == after) == (one->before == one->after))
    return TRUE;
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: the kernel's ruleset went from generation %u to %u", one->name,
              before, after);
  return FALSE;
}

static gboolean run_case(NwfKernel *kernel, const Bench *bench, const GuestsCase *one, GError **error) {
  g_autofree char *cpu_name = g_strdup_printf("%s: processor time", one->name);
  g_autofree char *memory_name = g_strdup_printf("%s: peak memory", one->name);
  g_autoptr(Series) wall = bench_series(bench, one->name, "ms", one->after);
  g_autoptr(Series) cpu = bench_series(bench, cpu_name, "ms", one->after);
  g_autoptr(Series) memory = bench_series(bench, memory_name, "MiB", one->after);

  wall->limit = one->limit;
  memory->limit = MEMORY_LIMIT;
  for (guint run = 0; run < bench->runs; run++) {
    Cost cost;
    bench_progress(bench, 1, "%s: run %u of %u", one->name, run + 1, bench->runs);
    if (!run_once(kernel, bench, one, &cost, error))
      return FALSE;
    series_add(wall, cost.wall);
    series_add(cpu, cost.cpu);
    series_add(memory, cost.memory);
  }
  bench_emit(bench, wall);
  bench_emit(bench, cpu);
  bench_emit(bench, memory);
  return TRUE;
}

gboolean bench_command(const Bench *bench, GError **error) {
  g_autoptr(NwfKernel) kernel = nwf_kernel_open(error);

  if (!kernel)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    if (!run_case(kernel, bench, &cases[i], error))
      return FALSE;
  return TRUE;
}
