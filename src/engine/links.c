// SPDX-License-Identifier: LGPL-2.1-or-later
/* What becomes of interfaces. The table knows ports by their names, so when a bound interface gets another one, that
 * is closed: what is bound is never open. The binding waits for an interface of its name, which may be another by
 * then. */
#include "engine/internal.h"

#include <string.h>

/* --- names that stand for others --- */

/* FALSE: it has a binding of its own, or a file that is to be one. */
static gboolean stand_in(NwfEngine *engine, const NwfLink *link, const char *stands_for, gint64 until,
                         GPtrArray *ports) {
  NwfEnginePort *port = nwf_engine_port(engine, link->name);
  if (port && (port->unseen == NWF_UNSEEN_NOT || port->unseen == NWF_UNSEEN_UNREADABLE))
    return FALSE;
  if (!port) {
    port = nwf_closed_new(link->name, NWF_UNSEEN_RENAMED);
    g_hash_table_insert(engine->ports, port->binding->port, port);
  }
  engine->renamed = TRUE;
  port->unseen = NWF_UNSEEN_RENAMED;
  port->doomed = FALSE;
  port->until = until;
  port->index = link->index;
  g_free(port->stands_for);
  port->stands_for = g_strdup(stands_for);
  if (!g_ptr_array_find(ports, port, NULL))
    g_ptr_array_add(ports, port);
  if (until)
    nwf_closed_await(engine, port);
  return TRUE;
}

void nwf_links_bound(NwfEngine *engine, const char *name, gboolean bound) {
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, engine->ports);
  while (engine->renamed && g_hash_table_iter_next(&iter, NULL, &value)) {
    NwfEnginePort *port = value;
    if (port->unseen != NWF_UNSEEN_RENAMED || strcmp(port->stands_for, name) != 0)
      continue;
    port->until = bound ? 0 : nwf_closed_grace(engine);
    if (port->until)
      nwf_closed_await(engine, port);
  }
}

/* --- bridges --- */

void nwf_links_tell_network(NwfEngine *engine, const char *port) {
  const NwfLink *bridge = nwf_links_bridge(engine->links, port);
  nwf_learner_set_network(engine->learner, port, bridge ? bridge->index : 0, nwf_engine_now());
}

void nwf_links_tell_networks(NwfEngine *engine) {
  g_autoptr(GPtrArray) all = nwf_engine_ports(engine);
  for (guint i = 0; i < all->len; i++)
    nwf_links_tell_network(engine, ((NwfEnginePort *)g_ptr_array_index(all, i))->binding->port);
}

static void tell_if_bound(NwfEngine *engine, const NwfLink *link) {
  const NwfEnginePort *port = link->index ? nwf_engine_port(engine, link->name) : NULL;
  if (port && !port->unseen)
    nwf_links_tell_network(engine, link->name);
}

/* --- what becomes of them --- */

static void name_taken(NwfEngine *engine, const NwfEnginePort *port, const NwfLink *now, GPtrArray *ports) {
  g_autofree char *bound = g_strdup(port->unseen == NWF_UNSEEN_RENAMED ? port->stands_for : port->binding->port);
  if (strcmp(now->name, bound) == 0)
    nwf_engine_say(engine, NWF_LOG_INFO, "interface %u has the name %s again, by which it is bound", now->index, bound);
  else if (stand_in(engine, now, bound, port->until, ports))
    nwf_engine_say(engine, NWF_LOG_WARNING,
                   "interface %u, bound as %s, was renamed to %s, for which there is no binding: %s is closed",
                   now->index, bound, now->name, now->name);
  else
    nwf_engine_say(engine, NWF_LOG_WARNING, "interface %u, bound as %s, was renamed to %s and has that name's binding",
                   now->index, bound, now->name);
}

static void take_change(NwfEngine *engine, const NwfLinkChange *change, GPtrArray *ports) {
  NwfEnginePort *port = change->before.index ? nwf_engine_port(engine, change->before.name) : NULL;
  gboolean left = strcmp(change->before.name, change->now.name) != 0;
  tell_if_bound(engine, &change->before);
  tell_if_bound(engine, &change->now);
  if (!port || !left || port->doomed)
    return;
  /* when changes were lost, the name may stand for another one by now */
  gboolean stood_in = port->unseen == NWF_UNSEEN_RENAMED && port->index == change->before.index;
  if (stood_in || port->unseen == NWF_UNSEEN_UNBOUND)
    nwf_closed_doom(port, ports);
  if (change->now.index)
    name_taken(engine, port, &change->now, ports);
}

void nwf_links_catch_up(NwfEngine *engine) {
  g_autoptr(GArray) changes = g_array_new(FALSE, FALSE, sizeof(NwfLinkChange));
  g_autoptr(GPtrArray) ports = g_ptr_array_new();
  g_autoptr(GError) error = NULL;
  engine->links_unread = !nwf_links_read(engine->links, changes, &error);
  if (engine->links_unread) {
    nwf_engine_say(engine, NWF_LOG_ERROR, "interfaces that are renamed may be open: %s", error->message);
    nwf_retry_later(engine);
  }
  for (guint i = 0; i < changes->len; i++)
    take_change(engine, &g_array_index(changes, NwfLinkChange, i), ports);
  nwf_closed_settle(engine, ports);
  if (changes->len)
    nwf_events_rearm(engine);
}

/* --- names that are given --- */

/* The interface that a binding is about and that has another name, or NULL. */
static const NwfLink *renamed(const NwfEngine *engine, const NwfBinding *binding) {
  guint index = if_nametoindex(binding->port);
  const NwfLink *link = nwf_links_by_index(engine->links, index ? index : binding->index);
  return link && strcmp(link->name, binding->port) != 0 ? link : NULL;
}

gboolean nwf_links_is_gone(const NwfEngine *engine, const NwfBinding *binding) {
  return nwf_link_is_absent(binding->port) && !renamed(engine, binding);
}

void nwf_links_find_renamed(NwfEngine *engine) {
  g_autoptr(GPtrArray) all = nwf_engine_ports(engine), ports = g_ptr_array_new();
  for (guint i = 0; i < all->len; i++) {
    const NwfEnginePort *port = g_ptr_array_index(all, i);
    const NwfLink *link = port->unseen ? NULL : renamed(engine, port->binding);
    if (link)
      name_taken(engine, port, link, ports);
  }
}
