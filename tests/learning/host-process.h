// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * An engine-host as a process of its own, so that what it takes of the machine can be read.
 */
#pragma once

#include <glib.h>

typedef struct {
  GPid pid;
  int input;
  GThread *reader;
  int output;
  char *dir;         /* of its files; removed at the end */
  GAsyncQueue *said; /* of char *, lines */
} HostProcess;

/** Starts @program with the filters of @filters (a folder); fails the test when it does not get ready. */
HostProcess *host_start(const char *program, const char *filters);
void host_end(HostProcess *host);
/** Puts the binding on disk and has it bound. @parameters: <parameter> elements, or NULL. */
void host_bind(HostProcess *host, const char *port, const guint8 mac[6], const char *filter, const char *parameters);
/** The next line that it says, without waiting longer than @microseconds; NULL: none. The caller frees it. */
char *host_line(HostProcess *host, gint64 microseconds);

/** What the process has taken until now. */
typedef struct {
  double cpu;       /* seconds, user and system */
  guint64 resident; /* bytes */
  guint64 peak;     /* bytes */
  guint threads;
} HostUse;
HostUse host_use(GPid pid);
