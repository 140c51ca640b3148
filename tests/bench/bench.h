// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * A scenario measures one thing. Each runs in a process and a network namespace of its own, which
 * take everything with them when they end, and hands its series to the process that prints them.
 */
#pragma once

#include "series.h"

#include <stdio.h>

G_BEGIN_DECLS

typedef struct {
  guint rounds;             /* of measuring each variant */
  guint window_ms;          /* of sending frames in one round */
  guint ports;              /* 0: those that the scenario names; else only this number */
  const char *filters;      /* folder of the filters */
  const char *program;      /* nwfilter-nft */
  gboolean no_br_netfilter; /* bridge-nf-call-* off, as on hosts where nothing loaded br_netfilter */
  const char *table;        /* a document for nft whose rules are measured as well, or NULL */
  const char *folder;       /* an empty folder to write in; what is left there is removed */
  const char *name;         /* the scenario that runs */
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
gboolean bench_unicast(const Bench *bench, GError **error);
gboolean bench_apply(const Bench *bench, GError **error);
gboolean bench_command(const Bench *bench, GError **error);

/** A series of the scenario that runs. */
Series *bench_series(const Bench *bench, const char *what, const char *unit, guint ports);
/** Hands a series over. */
void bench_emit(const Bench *bench, const Series *series);
/** Says on stderr what is being done: "broadcast: 300 ports: round 3 of 15". */
void bench_progress(const Bench *bench, const char *format, ...) G_GNUC_PRINTF(2, 3);
void bench_progress_end(void);

/** Nanoseconds on the wall, and of this thread on a processor. */
gint64 bench_clock_wall(void);
gint64 bench_clock_cpu(void);

/** Runs @scenario in a process and a network namespace of its own; @series (of Series *) gets what it
 * emits. G_IO_ERROR_CANCELLED when a signal ended it. */
gboolean bench_run_apart(const Bench *bench, const BenchScenario *scenario, GPtrArray *series, GError **error);

G_END_DECLS
