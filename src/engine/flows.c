// SPDX-License-Identifier: LGPL-2.1-or-later
/* Connections that a port's rules had let through, and that its addresses' next user must not inherit. */
#include "engine/internal.h"

#include "kernel/conntrack.h"

#include <arpa/inet.h>

static void add_addresses(GArray *flows, const NwfBinding *binding, const char *name, gboolean ipv6) {
  const GPtrArray *values = nwf_parameters_get(binding->parameters, name);
  for (guint i = 0; values && i < values->len; i++) {
    NwfFlowAddress address = {.ipv6 = ipv6};
    if (inet_pton(ipv6 ? AF_INET6 : AF_INET, g_ptr_array_index(values, i), address.address) == 1)
      g_array_append_val(flows, address);
  }
}

/* Without rules that ask for a connection's state nothing depends on it. */
GArray *nwf_flows_of(const NwfEngine *engine, const NwfEnginePort *port) {
  if (!engine->probed || !(engine->options.features & NWF_FEATURE_CT) || !port->effective || port->own_filter)
    return NULL;
  GArray *flows = g_array_new(FALSE, FALSE, sizeof(NwfFlowAddress));
  add_addresses(flows, port->effective, "IP", FALSE);
  add_addresses(flows, port->effective, "IPV6", TRUE);
  if (flows->len == 0)
    g_clear_pointer(&flows, g_array_unref);
  return flows;
}

/* --- cutting --- */

/* With half a million entries it takes seconds, so neither callers nor the engine's own thread wait for it. The thread
 * is made here and not by GLib's pools, which use threads again that may be of another network namespace. */
struct NwfCutter {
  GThread *thread;
  GAsyncQueue *queue; /* of GArray *; an empty one is the end */
};

static void cut(NwfEngine *engine, const GArray *flows) {
  g_autoptr(GError) error = NULL;
  guint n = 0;
  gboolean ok = nwf_conntrack_cut((const NwfFlowAddress *)flows->data, flows->len, &n, &error);
  nwf_engine_lock(engine);
  if (!ok)
    nwf_engine_say(engine, NWF_LOG_WARNING, "established connections stay: %s", error->message);
  else if (n)
    nwf_engine_say(engine, NWF_LOG_INFO, "cut %u established connections", n);
  nwf_engine_unlock(engine);
}

static gpointer serve(gpointer data) {
  NwfEngine *engine = data;
  for (;;) {
    g_autoptr(GArray) flows = g_async_queue_pop(engine->cutter->queue);
    if (flows->len == 0)
      return NULL;
    cut(engine, flows);
  }
}

void nwf_flows_cut(NwfEngine *engine, GArray *addresses) {
  if (!addresses)
    return;
  if (!engine->cutter) {
    engine->cutter = g_new0(NwfCutter, 1);
    engine->cutter->queue = g_async_queue_new();
    engine->cutter->thread = g_thread_new("nwfilter-cut", serve, engine);
  }
  g_async_queue_push(engine->cutter->queue, addresses);
}

void nwf_flows_stop(NwfEngine *engine) {
  if (!engine->cutter)
    return;
  g_async_queue_push(engine->cutter->queue, g_array_new(FALSE, FALSE, sizeof(NwfFlowAddress)));
  g_thread_join(engine->cutter->thread);
  g_async_queue_unref(engine->cutter->queue);
  g_clear_pointer(&engine->cutter, g_free);
}
