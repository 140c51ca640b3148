// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * A scenario measures one thing. Each runs in a process and in namespaces of its own (network, mounts,
 * processes), which take everything with them when they end, and hands its series to the process that
 * prints them.
 */
#pragma once

#include "series.h"

#include <stdio.h>

G_BEGIN_DECLS

typedef struct {
  guint runs;               /* of measuring each variant */
  guint window_ms;          /* of sending frames in one run */
  GArray *ports;            /* of guint, ascending: sizes of bridges */
  guint most_stock;         /* ports that libvirt's own driver gets at most, as each takes it a second */
  const char *filters;      /* folder of the filters */
  const char *program;      /* nwfilter-nft */
  gboolean no_br_netfilter; /* bridge-nf-call-* off, as on hosts where nothing loaded br_netfilter */
  char **tables;            /* documents for nft whose rules are measured as well, or NULL */
  const char *libvirt_root; /* a system with another libvirt to run in a chroot, or NULL */
  const char *driver_dir;   /* libvirt's drivers with our module among them, or NULL */
  const char *folder;       /* an empty folder to write in; what is left there is removed */
  const char *name;         /* the scenario that runs */
  guint place, places;      /* which of how many it is, from 1 */
  FILE *results;
} Bench;

typedef struct {
  const char *name;
  const char *summary;
  gboolean (*run)(const Bench *bench, GError **error);
} BenchScenario;

extern const BenchScenario bench_scenarios[];
extern const guint bench_n_scenarios;

gboolean bench_broadcast(const Bench *bench, GError **error);
gboolean bench_share(const Bench *bench, GError **error);
gboolean bench_unicast(const Bench *bench, GError **error);
gboolean bench_rules(const Bench *bench, GError **error);
gboolean bench_lifecycle(const Bench *bench, GError **error);
gboolean bench_table(const Bench *bench, GError **error);
gboolean bench_conntrack(const Bench *bench, GError **error);
gboolean bench_apply(const Bench *bench, GError **error);
gboolean bench_command(const Bench *bench, GError **error);

/** The number of ports nearest to @wanted among those asked for. */
guint bench_ports_near(const Bench *bench, guint wanted);

/** A series of the scenario that runs. */
Series *bench_series(const Bench *bench, const char *what, const char *unit, guint ports);
/** Hands a series over. */
void bench_emit(const Bench *bench, const Series *series);
/** Hands over a series of one sample. */
void bench_emit_one(const Bench *bench, const char *what, const char *unit, guint ports, double sample);
/** Hands over that something could not be measured, and why. */
void bench_emit_missing(const Bench *bench, const char *what, guint ports, const char *why);

/** The scenario is going to do so much work more; any unit that is in proportion to time. */
void bench_plan(double work);
/** So much of it is done, and what is being done next ("300 ports: run 3 of 15"); said on stderr, on a terminal
 * with the time that remains. */
void bench_progress(const Bench *bench, double done, const char *format, ...) G_GNUC_PRINTF(3, 4);
void bench_progress_end(void);

/** Nanoseconds on the wall, and of this thread on a processor. */
gint64 bench_clock_wall(void);
gint64 bench_clock_cpu(void);

/** Runs @scenario apart; @series (of Series *) gets what it emits. G_IO_ERROR_CANCELLED when a signal ended it. */
gboolean bench_run_apart(const Bench *bench, const BenchScenario *scenario, GPtrArray *series, GError **error);

G_END_DECLS
