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

typedef struct {
  NwfEngine *engine;
  GArray *flows;
} Cut;

static void cut_free(gpointer data) {
  Cut *cut = data;
  g_array_unref(cut->flows);
  g_free(cut);
}

static gboolean cut_now(gpointer data) {
  const Cut *cut = data;
  g_autoptr(GError) error = NULL;
  guint n = 0;
  gboolean ok = nwf_conntrack_cut((const NwfFlowAddress *)cut->flows->data, cut->flows->len, &n, &error);
  nwf_engine_lock(cut->engine);
  if (!ok)
    nwf_engine_say(cut->engine, NWF_LOG_WARNING, "established connections stay: %s", error->message);
  else if (n)
    nwf_engine_say(cut->engine, NWF_LOG_DEBUG, "cut %u established connections", n);
  nwf_engine_unlock(cut->engine);
  return G_SOURCE_REMOVE;
}

void nwf_flows_cut(NwfEngine *engine, GArray *addresses) {
  if (!addresses)
    return;
  Cut *cut = g_new(Cut, 1);
  *cut = (Cut){.engine = engine, .flows = addresses};
  g_autoptr(GSource) source = g_idle_source_new();
  g_source_set_callback(source, cut_now, cut, cut_free);
  g_source_attach(source, engine->events.context);
}
