// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * An engine in a network namespace and directories of its own, for tests.
 */
#pragma once

#include "engine/engine.h"

typedef struct {
  char *dir; /* of all files; removed at the end */
  NwfEngineConfig config;
  NwfEngine *engine;
  GAsyncQueue *said;                /* of char *: "error: what" */
  const char *parameters_before_ip; /* how a test's element comment goes on before IP= */
} Bench;

/** A new network namespace and empty directories, without an engine. */
Bench *bench_new(void);
void bench_free(Bench *bench);
/** Starts an engine there; fails the test if it does not start. */
void bench_start(Bench *bench);
/** Ends it; the kernel and the files stay. */
void bench_stop(Bench *bench);

/** Puts the project's filters on disk (before the start). */
void bench_stock_filters(Bench *bench);
/** DIR/KIND/NAME.xml; the caller frees it. */
char *bench_filter_path(const Bench *bench, const char *name);
char *bench_binding_path(const Bench *bench, const char *port);
/** Frees @path. */
void bench_write(char *path, const char *text);

/** Makes a tap of that name, held open until the end of the test program. */
void bench_tap(const char *name);
gboolean bench_define(Bench *bench, const char *xml, GError **error);
/** Each MAC address has an owner of its own. */
gboolean bench_bind_mac(Bench *bench, const char *port, const guint8 mac[6], const char *filter, const char *parameters,
                        GError **error);
/** With the MAC 52:54:00:00:00:01. */
gboolean bench_bind(Bench *bench, const char *port, const char *filter, const char *parameters, GError **error);

/** The kernel's table as nft prints it, with handles: equal texts mean that nothing was written. */
char *bench_table(void);
/** The filter that stands in the comment of the port's element; NULL: the port is not bound. The caller frees it. */
char *bench_filter_of(const char *port);
/** Waits until something that contains @text was said; fails the test when it is not within ten seconds. */
void bench_await(Bench *bench, const char *text);
/** Waits until bench_filter_of(@port) begins with @start. */
void bench_await_filter(Bench *bench, const char *port, const char *start);
/** A shell command's output; the caller frees it. Fails the test when the command fails. */
char *bench_shell(const char *command);
