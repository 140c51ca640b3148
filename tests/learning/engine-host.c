// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * engine-host FOLDER: an engine in the network namespace it is started in, for tests that need no libvirt.
 *
 * Its files are in FOLDER: filters/, bindings/, leases, state/. It prints "ready", then each message as it is said
 * ("info: ..."), and obeys lines on its standard input, each of which is answered by "ok", or by "failed: why":
 *
 *   bind FILE      binds the port of a <filterbinding>
 *   unbind PORT
 *   define FILE    (re)defines a filter
 *   reload
 *   verify
 *
 * Ends at the end of its input or at SIGTERM; the table stays.
 */
#include "engine/engine.h"

#include <nwfilter-nft/xml.h>

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

static const char *const levels[] = {"debug", "info", "warning", "error"};

static void say(NwfLogLevel level, const char *message, gpointer data) {
  printf("%s: %s\n", levels[level], message);
  fflush(stdout);
}

static gboolean bind_port(NwfEngine *engine, const char *path, GError **error) {
  NwfBinding *binding = nwf_binding_parse_file(path, error);
  return binding && nwf_engine_bind(engine, binding, error);
}

static gboolean define_filter(NwfEngine *engine, const char *path, GError **error) {
  NwfFilter *filter = nwf_filter_parse_file(path, error);
  return filter && nwf_engine_define(engine, filter, NULL, error);
}

static gboolean reload(NwfEngine *engine, const char *argument, GError **error) {
  return nwf_engine_reload(engine, error);
}

static gboolean verify(NwfEngine *engine, const char *argument, GError **error) {
  return nwf_engine_verify(engine, NULL, error);
}

static const struct {
  const char *name;
  gboolean (*run)(NwfEngine *engine, const char *argument, GError **error);
} commands[] = {
    {"bind", bind_port}, {"unbind", nwf_engine_unbind}, {"define", define_filter}, {"reload", reload},
    {"verify", verify},
};

static void obey(NwfEngine *engine, char *line) {
  g_autoptr(GError) error = NULL;
  char *argument = strchr(line, ' ');
  if (argument)
    *argument++ = 0;
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
    if (strcmp(commands[i].name, line) != 0)
      continue;
    if (commands[i].run(engine, argument ? argument : "", &error))
      printf("ok\n");
    else
      printf("failed: %s\n", error->message);
    fflush(stdout);
    return;
  }
  printf("failed: no command '%s'\n", line);
  fflush(stdout);
}

typedef struct {
  NwfEngine *engine;
  GMainLoop *loop;
  GIOChannel *input;
} Host;

static gboolean on_input(gint fd, GIOCondition condition, gpointer data) {
  Host *host = data;
  g_autofree char *line = NULL;
  gsize end;
  do {
    g_clear_pointer(&line, g_free);
    if (g_io_channel_read_line(host->input, &line, NULL, &end, NULL) != G_IO_STATUS_NORMAL) {
      g_main_loop_quit(host->loop);
      return G_SOURCE_REMOVE;
    }
    line[end] = 0;
    obey(host->engine, line);
  } while (g_io_channel_get_buffer_condition(host->input) & G_IO_IN);
  return G_SOURCE_CONTINUE;
}

static gboolean on_term(gint fd, GIOCondition condition, gpointer data) {
  g_main_loop_quit(((Host *)data)->loop);
  return G_SOURCE_REMOVE;
}

/* Not by g_unix_signal_add, which starts a thread: a test counts them. */
static int block_term(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, NULL);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: engine-host FOLDER\n");
    return 2;
  }
  g_autofree char *filters = g_build_filename(argv[1], "filters", NULL);
  g_autofree char *bindings = g_build_filename(argv[1], "bindings", NULL);
  g_autofree char *leases = g_build_filename(argv[1], "leases", NULL);
  g_autofree char *state = g_build_filename(argv[1], "state", NULL);
  NwfEngineConfig config = {.filter_dir = filters,
                            .binding_dir = bindings,
                            .lease_file = leases,
                            .state_dir = state,
                            .keep_stock = TRUE,
                            .no_bus = TRUE,
                            .log = say};
  g_autoptr(GError) error = NULL;
  int term = block_term();
  g_autoptr(NwfEngine) engine = nwf_engine_new(&config, &error);
  if (!engine) {
    fprintf(stderr, "engine-host: %s\n", error->message);
    return 1;
  }
  g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
  g_autoptr(GIOChannel) input = g_io_channel_unix_new(0);
  Host host = {.engine = engine, .loop = loop, .input = input};
  g_unix_fd_add(0, G_IO_IN | G_IO_HUP, on_input, &host);
  g_unix_fd_add(term, G_IO_IN, on_term, &host);
  printf("ready\n");
  fflush(stdout);
  g_main_loop_run(loop);
  return 0;
}
