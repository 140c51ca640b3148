// SPDX-License-Identifier: LGPL-2.1-or-later
/* The one thread: what others do to the ruleset, frames that teach addresses, addresses that end, the system bus. */
#include "engine/internal.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Frames taken at a time: what they teach is installed in one batch, and others get their turn. */
#define FRAMES_AT_ONCE 256
/* Bytes of a frame: a whole DHCP message (RFC 2131 wants 576 to be accepted; Ethernet carries 1,514). */
#define FRAME_BYTES 1518

/* --- addresses --- */

void nwf_events_rearm(NwfEngine *engine) {
  if (!engine->events.expiry)
    return;
  if (nwf_learner_unsaved(engine->learner))
    nwf_retry_later(engine);
  gint64 next = nwf_learner_next_expiry(engine->learner);
  gint64 wait = MAX(next - nwf_engine_now(), 0) * G_USEC_PER_SEC;
  g_source_set_ready_time(engine->events.expiry, next ? g_get_monotonic_time() + wait : -1);
}

static void describe_change(NwfEngine *engine, const NwfEnginePort *port) {
  const GPtrArray *ip = nwf_parameters_get(port->effective->parameters, "IP");
  const GPtrArray *ip6 = nwf_parameters_get(port->effective->parameters, "IPV6");
  nwf_engine_say(engine, NWF_LOG_DEBUG, "port %s: filter %s with %u IPv4 and %u IPv6 addresses", port->binding->port,
                 port->effective->filter, ip ? ip->len : 0, ip6 ? ip6->len : 0);
}

/* Rules for what is known now. Should the kernel not take them, an address that has ended may still be in the old ones:
 * the ports are closed. */
static void addresses_changed(NwfEngine *engine, char *const *names, guint n_names) {
  g_autoptr(GPtrArray) ports = g_ptr_array_new();
  g_autoptr(GError) error = NULL;
  for (guint i = 0; i < n_names; i++) {
    NwfEnginePort *port = nwf_engine_port(engine, names[i]);
    if (port && port->learning)
      g_ptr_array_add(ports, port);
  }
  if (ports->len && !nwf_install_ports(engine, ports, FALSE, &error)) {
    nwf_engine_say(engine, NWF_LOG_ERROR, "learned addresses cannot be installed: %s", error->message);
    nwf_install_closed(engine, ports);
  }
  for (guint i = 0; !error && i < ports->len; i++)
    describe_change(engine, g_ptr_array_index(ports, i));
  nwf_events_rearm(engine);
}

typedef struct {
  NwfEngine *engine;
  GHashTable *changed; /* names of ports, owned */
  gint64 now;
} Reading;

static void frame_arrived(const NwfNflogFrame *frame, gpointer data) {
  Reading *reading = data;
  if (frame->port[0] && nwf_learner_frame(reading->engine->learner, frame->port, frame->from_guest, frame->frame,
                                          frame->length, reading->now))
    g_hash_table_add(reading->changed, g_strdup(frame->port));
}

static gboolean on_frames(gint fd, GIOCondition condition, gpointer data) {
  NwfEngine *engine = data;
  g_autoptr(GHashTable) changed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GError) error = NULL;
  Reading reading = {.engine = engine, .changed = changed, .now = nwf_engine_now()};
  guint lost = 0;
  nwf_engine_lock(engine);
  gboolean ok = nwf_nflog_read(engine->events.nflog, FRAMES_AT_ONCE, frame_arrived, &reading, &lost, &error);
  if (lost)
    nwf_engine_say(engine, NWF_LOG_DEBUG, "frames to learn from were lost %u times", lost);
  if (g_hash_table_size(changed)) {
    guint n_names;
    g_autofree gpointer *names = g_hash_table_get_keys_as_array(changed, &n_names);
    addresses_changed(engine, (char *const *)names, n_names);
  } else {
    nwf_events_rearm(engine); /* a renewal changes no address but when it ends */
  }
  if (!ok) {
    nwf_engine_say(engine, NWF_LOG_ERROR, "no more addresses are learned for now: %s", error->message);
    g_clear_pointer(&engine->events.nflog, nwf_nflog_close);
    nwf_retry_later(engine);
  }
  nwf_engine_unlock(engine);
  return ok ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean on_expiry(gpointer data) {
  NwfEngine *engine = data;
  nwf_engine_lock(engine);
  g_autoptr(GPtrArray) names = nwf_learner_expire(engine->learner, nwf_engine_now());
  if (names)
    addresses_changed(engine, (char *const *)names->pdata, names->len);
  else
    nwf_events_rearm(engine);
  nwf_engine_unlock(engine);
  return G_SOURCE_CONTINUE;
}

/* A source that is only ever made ready by its time. */
static gboolean dispatch_timer(GSource *source, GSourceFunc callback, gpointer data) {
  g_source_set_ready_time(source, -1);
  return callback(data);
}

static GSourceFuncs timer_functions = {.dispatch = dispatch_timer};

static gboolean on_closed(gpointer data) {
  NwfEngine *engine = data;
  nwf_engine_lock(engine);
  nwf_closed_expire(engine);
  nwf_engine_unlock(engine);
  return G_SOURCE_CONTINUE;
}

/* --- what others do --- */

static gboolean on_links(gint fd, GIOCondition condition, gpointer data) {
  NwfEngine *engine = data;
  nwf_engine_lock(engine);
  nwf_links_catch_up(engine);
  nwf_engine_unlock(engine);
  return G_SOURCE_CONTINUE;
}

static gboolean on_watch(gint fd, GIOCondition condition, gpointer data) {
  NwfEngine *engine = data;
  NwfKernelWatchEvent event = {0};
  g_autoptr(GError) error = NULL;
  guint changes = 0;
  nwf_engine_lock(engine);
  gboolean ok = nwf_kernel_watch_read(engine->events.watch, &event, &error);
  if (!ok) {
    nwf_engine_say(engine, NWF_LOG_ERROR, "no notifications of nftables for now: %s", error->message);
    g_clear_pointer(&engine->events.watch, nwf_kernel_watch_close);
    nwf_retry_later(engine);
  } else if (event.touched && !nwf_install_verify(engine, &changes, &error))
    nwf_engine_say(engine, NWF_LOG_ERROR, "the table cannot be put right: %s", error->message);
  else if (changes)
    nwf_engine_say(engine, NWF_LOG_WARNING, "put %u things right in the table after %s (pid %u)", changes,
                   event.pid ? event.process : "somebody", event.pid);
  nwf_engine_unlock(engine);
  return ok ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* --- the thread --- */

static void attach_fd(NwfEngine *engine, int fd, int priority, GUnixFDSourceFunc callback) {
  g_autoptr(GSource) source = g_unix_fd_source_new(fd, G_IO_IN);
  g_source_set_priority(source, priority);
  g_source_set_callback(source, G_SOURCE_FUNC(callback), engine, NULL);
  g_source_attach(source, engine->events.context);
}

static GSource *add_timer(NwfEngine *engine, GSourceFunc callback) {
  GSource *timer = g_source_new(&timer_functions, sizeof(GSource));
  g_source_set_callback(timer, callback, engine, NULL);
  g_source_attach(timer, engine->events.context);
  return timer;
}

static void drop_timer(GSource **timer) {
  if (*timer)
    g_source_destroy(*timer);
  g_clear_pointer(timer, g_source_unref);
}

static gpointer serve(gpointer data) {
  NwfEngine *engine = data;
  g_main_context_push_thread_default(engine->events.context);
  if (!engine->config.no_bus)
    engine->events.firewalld = nwf_firewalld_new(engine, engine->events.context);
  g_main_loop_run(engine->events.loop);
  g_clear_pointer(&engine->events.firewalld, nwf_firewalld_free);
  g_main_context_pop_thread_default(engine->events.context);
  return NULL;
}

gboolean nwf_events_open(NwfEngine *engine, GError **error) {
  NwfEvents *events = &engine->events;
  g_autoptr(GError) reason = NULL;
  /* A table of our own cannot be touched, and a listener would make the kernel write down all that we change. */
  if (!engine->owned && !(events->watch = nwf_kernel_watch_open(engine->kernel, error)))
    return FALSE;
  events->nflog = nwf_nflog_open(engine->config.log_group, FRAME_BYTES, &reason);
  if (!events->nflog) /* no reason to leave all the others without a driver */
    nwf_engine_say(engine, NWF_LOG_ERROR, "no addresses are learned, and ports that need one stay closed: %s",
                   reason->message);
  return TRUE;
}

static void attach_watch(NwfEngine *engine) {
  attach_fd(engine, nwf_kernel_watch_fd(engine->events.watch), G_PRIORITY_HIGH, on_watch);
}

static void attach_nflog(NwfEngine *engine) {
  attach_fd(engine, nwf_nflog_fd(engine->events.nflog), G_PRIORITY_DEFAULT, on_frames);
}

void nwf_events_reopen(NwfEngine *engine) {
  NwfEvents *events = &engine->events;
  if (!engine->owned && !events->watch && (events->watch = nwf_kernel_watch_open(engine->kernel, NULL))) {
    engine->unverified = TRUE;
    attach_watch(engine);
  }
  if (!events->nflog && (events->nflog = nwf_nflog_open(engine->config.log_group, FRAME_BYTES, NULL))) {
    nwf_engine_say(engine, NWF_LOG_INFO, "addresses are learned again");
    attach_nflog(engine);
  }
}

/* GLib ends the process when it has no descriptor for a context. */
static gboolean has_descriptors(GError **error) {
  int fd = eventfd(0, EFD_CLOEXEC);
  if (fd < 0)
    g_set_error(error, NWF_ERROR, NWF_ERROR_IO, "cannot make an event loop: %s", g_strerror(errno));
  else
    close(fd);
  return fd >= 0;
}

gboolean nwf_events_start(NwfEngine *engine, GError **error) {
  NwfEvents *events = &engine->events;
  if (!has_descriptors(error))
    return FALSE;
  events->context = g_main_context_new();
  events->loop = g_main_loop_new(events->context, FALSE);
  events->expiry = add_timer(engine, on_expiry);
  events->closed = add_timer(engine, on_closed);
  events->retry = add_timer(engine, nwf_retry);
  nwf_events_rearm(engine);
  nwf_retry_later(engine);
  attach_fd(engine, nwf_links_fd(engine->links), G_PRIORITY_HIGH, on_links); /* an interface may be open until then */
  if (events->watch)
    attach_watch(engine);
  if (events->nflog)
    attach_nflog(engine);
  events->thread = g_thread_try_new("nwfilter-nft", serve, engine, error);
  return events->thread != NULL;
}

static gboolean quit(gpointer data) {
  g_main_loop_quit(data);
  return G_SOURCE_REMOVE;
}

void nwf_events_stop(NwfEngine *engine) {
  NwfEvents *events = &engine->events;
  if (events->thread) {
    /* as an event, since the loop may not be running yet */
    g_autoptr(GSource) source = g_idle_source_new();
    g_source_set_callback(source, quit, events->loop, NULL);
    g_source_attach(source, events->context);
    g_thread_join(g_steal_pointer(&events->thread));
  }
  drop_timer(&events->expiry);
  drop_timer(&events->closed);
  drop_timer(&events->retry);
  g_clear_pointer(&events->loop, g_main_loop_unref);
  g_clear_pointer(&events->context, g_main_context_unref);
  g_clear_pointer(&events->nflog, nwf_nflog_close);
  g_clear_pointer(&events->watch, nwf_kernel_watch_close);
}
