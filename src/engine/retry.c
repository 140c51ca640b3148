// SPDX-License-Identifier: LGPL-2.1-or-later
/* What failed for a reason of the moment (no memory, no descriptor) is done again, each time later, until it is done:
 * no port is to stay open, or closed, because of a moment. */
#include "engine/internal.h"

/* Seconds; the wait doubles from one to this. */
#define WAIT_MAX 64

static void arm(NwfEngine *engine) {
  NwfEvents *events = &engine->events;
  events->retry_wait = CLAMP(events->retry_wait * 2, 1, WAIT_MAX);
  g_source_set_ready_time(events->retry, g_get_monotonic_time() + events->retry_wait * G_USEC_PER_SEC);
}

/* A port that is closed as the kernel refuses its rules time and again stays so, and has been told of. */
static gboolean is_due(const NwfEngine *engine, const NwfEnginePort *port) {
  return port->stale && (!port->failed || engine->events.retry_wait < WAIT_MAX);
}

static GPtrArray *due_ports(const NwfEngine *engine) {
  GPtrArray *ports = nwf_engine_ports(engine);
  for (guint i = ports->len; i-- > 0;)
    if (!is_due(engine, g_ptr_array_index(ports, i)))
      g_ptr_array_remove_index(ports, i);
  return ports;
}

static gboolean is_unsettled(const NwfEngine *engine) {
  return engine->unverified || engine->links_unread || nwf_kernel_unsure(engine->kernel);
}

static gboolean is_wanted(const NwfEngine *engine) {
  g_autoptr(GPtrArray) ports = due_ports(engine);
  return ports->len || is_unsettled(engine) || nwf_learner_unsaved(engine->learner) || !engine->events.nflog ||
         (!engine->owned && !engine->events.watch);
}

void nwf_retry_later(NwfEngine *engine) {
  if (engine->events.retry && g_source_get_ready_time(engine->events.retry) < 0 && is_wanted(engine))
    arm(engine);
}

static void settle_table(NwfEngine *engine) {
  guint changes = 0;
  if (engine->links_unread)
    nwf_links_catch_up(engine);
  if ((engine->unverified || nwf_kernel_unsure(engine->kernel)) && nwf_install_verify(engine, &changes, NULL))
    nwf_engine_say(engine, NWF_LOG_INFO, "the table is what it should be again (%u changes)", changes);
}

static void settle_ports(NwfEngine *engine) {
  g_autoptr(GPtrArray) ports = due_ports(engine);
  if (ports->len == 0)
    return;
  if (!nwf_install_ports(engine, ports, FALSE, NULL))
    nwf_install_closed(engine, ports);
  for (guint i = 0; i < ports->len; i++) {
    const NwfEnginePort *port = g_ptr_array_index(ports, i);
    if (!port->stale)
      nwf_engine_say(engine, NWF_LOG_INFO, "port %s is what it should be again", port->binding->port);
  }
}

gboolean nwf_retry(gpointer data) {
  NwfEngine *engine = data;
  nwf_engine_lock(engine);
  nwf_events_reopen(engine);
  settle_table(engine);
  settle_ports(engine);
  if (nwf_learner_unsaved(engine->learner))
    nwf_learner_save(engine->learner, nwf_engine_now());
  if (is_wanted(engine))
    arm(engine);
  else
    engine->events.retry_wait = 0;
  nwf_engine_unlock(engine);
  return G_SOURCE_CONTINUE;
}
