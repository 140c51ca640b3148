// SPDX-License-Identifier: LGPL-2.1-or-later
/* Ports that nobody sees but the kernel, where they are closed: how they come and go. */
#include "engine/internal.h"

/* Those that are due within so long after the first one go with it, in one batch. */
#define TOGETHER (100 * G_TIME_SPAN_MILLISECOND)
/* After that time what the kernel has refused is tried again. */
#define RETRY G_TIME_SPAN_SECOND

NwfEnginePort *nwf_closed_new(const char *name, NwfUnseen why) {
  NwfEnginePort *port = g_new0(NwfEnginePort, 1);
  port->unseen = why;
  port->binding = nwf_binding_new();
  port->binding->port = g_strdup(name);
  port->binding->filter = g_strdup(NWF_OWN_FILTER_CLOSED);
  return port;
}

gint64 nwf_closed_grace(const NwfEngine *engine) {
  return g_get_monotonic_time() + engine->config.unbind_grace * G_TIME_SPAN_MILLISECOND;
}

/* --- when --- */

static void arm(NwfEngine *engine, gint64 when) {
  NwfEvents *events = &engine->events;
  if (!events->closed || (events->closed_until && events->closed_until <= when))
    return;
  events->closed_until = when;
  g_source_set_ready_time(events->closed, when);
}

void nwf_closed_await(NwfEngine *engine, const NwfEnginePort *port) {
  arm(engine, port->until + TOGETHER);
}

/* --- into the kernel and out of it --- */

void nwf_closed_doom(NwfEnginePort *port, GPtrArray *ports) {
  port->doomed = TRUE;
  if (!g_ptr_array_find(ports, port, NULL))
    g_ptr_array_add(ports, port);
}

/* What was to go is due at once, and what was to come is seen by its having nothing in the kernel. */
static void keep_for_later(NwfEngine *engine, const GPtrArray *ports) {
  for (guint i = 0; i < ports->len; i++) {
    NwfEnginePort *port = g_ptr_array_index(ports, i);
    if (port->doomed)
      port->until = g_get_monotonic_time();
    port->doomed = FALSE;
  }
  arm(engine, g_get_monotonic_time() + RETRY);
}

void nwf_closed_settle(NwfEngine *engine, const GPtrArray *ports) {
  g_autoptr(GError) error = NULL;
  if (ports->len == 0)
    return;
  if (!nwf_install_ports(engine, ports, FALSE, &error)) {
    nwf_engine_say(engine, NWF_LOG_ERROR, "%u ports that are to be closed, or no longer, are not: %s", ports->len,
                   error->message);
    keep_for_later(engine, ports);
    return;
  }
  for (guint i = 0; i < ports->len; i++) {
    NwfEnginePort *port = g_ptr_array_index(ports, i);
    if (!port->doomed)
      continue;
    nwf_engine_say(engine, NWF_LOG_DEBUG, "%s is no longer closed", port->binding->port);
    g_hash_table_remove(engine->ports, port->binding->port);
  }
}

void nwf_closed_expire(NwfEngine *engine) {
  g_autoptr(GPtrArray) ports = g_ptr_array_new();
  gint64 now = g_get_monotonic_time(), next = 0;
  GHashTableIter iter;
  gpointer value;
  engine->events.closed_until = 0;
  g_hash_table_iter_init(&iter, engine->ports);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    NwfEnginePort *port = value;
    if (port->unseen && port->until && port->until <= now)
      nwf_closed_doom(port, ports);
    else if (port->unseen && !port->effective)
      g_ptr_array_add(ports, port);
    else if (port->unseen && port->until)
      next = next ? MIN(next, port->until) : port->until;
  }
  if (next)
    arm(engine, next + TOGETHER);
  nwf_closed_settle(engine, ports);
}
