// SPDX-License-Identifier: LGPL-2.1-or-later
/* Bindings: looking them up, binding and unbinding ports. */
#include "engine/internal.h"

#include <nwfilter-nft/xml.h>

#include <string.h>

void nwf_binding_head_clear(NwfBindingHead *head) {
  g_clear_pointer(&head->port, g_free);
  g_clear_pointer(&head->filter, g_free);
  g_clear_pointer(&head->owner_name, g_free);
}

static void clear_head(gpointer head) {
  nwf_binding_head_clear(head);
}

static void fill_head(NwfBindingHead *head, const NwfBinding *binding) {
  head->port = g_strdup(binding->port);
  head->filter = g_strdup(binding->filter);
  head->owner_name = g_strdup(binding->owner_name);
  memcpy(head->owner_uuid, binding->owner_uuid, NWF_UUID_LEN);
}

/* What cannot be read does not exist for anybody but the kernel. */
static NwfEnginePort *port_or_error(const NwfEngine *engine, const char *name, GError **error) {
  NwfEnginePort *port = nwf_engine_port(engine, name);
  if (port && !port->unseen)
    return port;
  g_set_error(error, NWF_ENGINE_ERROR, NWF_ENGINE_ERROR_NO_BINDING, "no nwfilter binding for port dev '%s'", name);
  return NULL;
}

GArray *nwf_engine_bindings(NwfEngine *engine) {
  GArray *heads = g_array_new(FALSE, TRUE, sizeof(NwfBindingHead));
  g_array_set_clear_func(heads, clear_head);
  nwf_engine_lock(engine);
  g_autoptr(GPtrArray) ports = nwf_engine_ports(engine);
  for (guint i = 0; i < ports->len; i++) {
    const NwfEnginePort *port = g_ptr_array_index(ports, i);
    if (port->unseen)
      continue;
    NwfBindingHead head = {0};
    fill_head(&head, port->binding);
    g_array_append_val(heads, head);
  }
  nwf_engine_unlock(engine);
  return heads;
}

gboolean nwf_engine_binding(NwfEngine *engine, const char *name, NwfBindingHead *head, GError **error) {
  nwf_engine_lock(engine);
  const NwfEnginePort *port = port_or_error(engine, name, error);
  if (port)
    fill_head(head, port->binding);
  nwf_engine_unlock(engine);
  return port != NULL;
}

char *nwf_engine_binding_xml(NwfEngine *engine, const char *name, GError **error) {
  nwf_engine_lock(engine);
  const NwfEnginePort *port = port_or_error(engine, name, error);
  char *xml = port ? nwf_binding_format(port->binding) : NULL;
  nwf_engine_unlock(engine);
  return xml;
}

static gboolean install_one(NwfEngine *engine, NwfEnginePort *port, GError **error) {
  g_autoptr(GPtrArray) ports = g_ptr_array_new();
  g_ptr_array_add(ports, port);
  return nwf_install_ports(engine, ports, TRUE, error);
}

/* --- bind --- */

/* What is said of a binding that is being made names the caller's document, as its file does not stay if it is refused:
 * exchanges the names. */
static void exchange_places(NwfBinding *binding, char **file, guint *line) {
  char *other_file = binding->file;
  guint other_line = binding->line;
  binding->file = *file;
  binding->line = *line;
  *file = other_file;
  *line = other_line;
}

/* Writes the file, and takes the binding from there, since what stands in the kernel (the order of its parameters)
 * must be the same after a restart. */
static gboolean write_binding(const NwfEngine *engine, NwfEnginePort *port, char **file, guint *line, GError **error) {
  g_autofree char *path = nwf_storage_binding_path(engine, port->binding->port);
  g_autofree char *text = nwf_storage_binding_text(port->binding);
  NwfBinding *written = nwf_binding_parse(text, strlen(text), path, error);
  if (!written)
    return FALSE;
  *file = g_steal_pointer(&port->binding->file);
  *line = port->binding->line;
  exchange_places(written, file, line);
  nwf_binding_free(port->binding);
  port->binding = written;
  g_autofree char *temporary = nwf_storage_prepare(path, text, error);
  if (!temporary)
    return FALSE;
  if (nwf_storage_commit(temporary, path, error))
    return TRUE;
  nwf_storage_discard(temporary);
  return FALSE;
}

static void remove_binding(NwfEngine *engine, const char *port) {
  g_autofree char *path = nwf_storage_binding_path(engine, port);
  g_autoptr(GError) error = NULL;
  if (!nwf_storage_remove(path, &error))
    nwf_engine_say(engine, NWF_LOG_WARNING, "%s", error->message);
}

static void forget_learned(NwfEngine *engine, NwfEnginePort *port) {
  if (port->learning || port->given)
    nwf_learner_remove_port(engine->learner, port->binding->port, TRUE);
  nwf_learner_set_network(engine->learner, port->binding->port, 0, nwf_engine_now());
}

/* The file is there before the rules: should the daemon die between the two, the next one binds the port, and a port
 * that is bound too much is closed, not open. */
static gboolean bind_port(NwfEngine *engine, NwfEnginePort *port, gboolean keep_file, GError **error) {
  g_autofree char *file = NULL;
  guint line = 0;
  gboolean written = write_binding(engine, port, &file, &line, error);
  const char *name = port->binding->port;
  g_hash_table_insert(engine->ports, port->binding->port, port);
  if (written && install_one(engine, port, error)) {
    exchange_places(port->binding, &file, &line);
    return TRUE;
  }
  if (written && !keep_file)
    remove_binding(engine, name);
  forget_learned(engine, port);
  g_hash_table_steal(engine->ports, name);
  return FALSE;
}

static gboolean check_port(const NwfEngine *engine, const char *name, GError **error) {
  const NwfEnginePort *port = nwf_engine_port(engine, name);
  if (!port || port->unseen)
    return nwf_link_check_name(name, error);
  g_set_error(error, NWF_ENGINE_ERROR, NWF_ENGINE_ERROR_EXISTS, "binding '%s' already exists", name);
  return FALSE;
}

/* A port that nobody sees is closed until this succeeds. If its document cannot be read, it has a file that says so. */
static gboolean bind_new(NwfEngine *engine, NwfBinding *binding, GError **error) {
  nwf_links_catch_up(engine);
  if (!check_port(engine, binding->port, error)) {
    nwf_binding_free(binding);
    return FALSE;
  }
  NwfEnginePort *closed = nwf_engine_port(engine, binding->port);
  if (closed)
    g_hash_table_steal(engine->ports, binding->port);
  const NwfLink *link = nwf_links_by_name(engine->links, binding->port);
  NwfEnginePort *port = g_new0(NwfEnginePort, 1);
  port->binding = binding;
  binding->index = link ? link->index : 0;
  nwf_links_tell_network(engine, binding->port);
  if (bind_port(engine, port, closed && closed->unseen == NWF_UNSEEN_UNREADABLE, error)) {
    nwf_engine_port_free(closed);
    nwf_links_bound(engine, port->binding->port, TRUE);
    return TRUE;
  }
  nwf_engine_port_free(port);
  if (closed)
    g_hash_table_insert(engine->ports, closed->binding->port, closed);
  return FALSE;
}

gboolean nwf_engine_bind(NwfEngine *engine, NwfBinding *binding, GError **error) {
  nwf_engine_lock(engine);
  nwf_engine_warn_begin(engine);
  gboolean ok = bind_new(engine, binding, error);
  nwf_engine_warn_end(engine);
  nwf_engine_unlock(engine);
  return ok;
}

/* --- unbind --- */

/* libvirt gives a running guest's port another filter by deleting its binding and making a new one: so it stays closed
 * for a moment. NULL: there is no interface, or there is to be no moment. */
static NwfEnginePort *closed_for_a_moment(const NwfEngine *engine, const char *name) {
  if (!engine->config.unbind_grace || !nwf_links_by_name(engine->links, name))
    return NULL;
  NwfEnginePort *closed = nwf_closed_new(name, NWF_UNSEEN_UNBOUND);
  closed->until = nwf_closed_grace(engine);
  return closed;
}

static gboolean take_out(NwfEngine *engine, NwfEnginePort *port, GError **error) {
  port->doomed = TRUE;
  gboolean ok = install_one(engine, port, error);
  port->doomed = FALSE;
  if (ok)
    g_hash_table_steal(engine->ports, port->binding->port);
  return ok;
}

static gboolean exchange(NwfEngine *engine, NwfEnginePort *port, NwfEnginePort *closed, GError **error) {
  g_hash_table_steal(engine->ports, port->binding->port);
  g_hash_table_insert(engine->ports, closed->binding->port, closed);
  if (install_one(engine, closed, error)) {
    nwf_closed_await(engine, closed);
    return TRUE;
  }
  g_hash_table_remove(engine->ports, closed->binding->port);
  g_hash_table_insert(engine->ports, port->binding->port, port);
  return FALSE;
}

/* A port whose file stays would be bound again by the next daemon: it is bound still, here as there. */
static void put_back(NwfEngine *engine, NwfEnginePort *port, NwfEnginePort *closed) {
  g_autoptr(GPtrArray) ports = g_ptr_array_new();
  g_autoptr(GError) error = NULL;
  if (closed)
    g_hash_table_remove(engine->ports, closed->binding->port);
  g_hash_table_insert(engine->ports, port->binding->port, port);
  g_ptr_array_add(ports, port);
  if (nwf_install_ports(engine, ports, FALSE, &error))
    return;
  nwf_engine_say(engine, NWF_LOG_ERROR, "port %s: %s", port->binding->port, error->message);
  nwf_install_closed(engine, ports);
}

static gboolean unbind(NwfEngine *engine, const char *name, GError **error) {
  nwf_links_catch_up(engine);
  NwfEnginePort *port = port_or_error(engine, name, error);
  if (!port)
    return FALSE;
  g_autofree char *path = nwf_storage_binding_path(engine, name);
  g_autoptr(GPtrArray) one = g_ptr_array_new();
  g_ptr_array_add(one, port);
  g_autoptr(NwfFlows) flows = engine->config.keep_flows ? NULL : nwf_flows_of(engine, one);
  NwfEnginePort *closed = closed_for_a_moment(engine, name);
  if (!(closed ? exchange(engine, port, closed, error) : take_out(engine, port, error)))
    return FALSE;
  if (!nwf_storage_remove(path, error)) {
    put_back(engine, port, closed);
    return FALSE;
  }
  forget_learned(engine, port);
  nwf_engine_port_free(port);
  nwf_links_bound(engine, name, FALSE);
  nwf_flows_cut(engine, g_steal_pointer(&flows));
  return TRUE;
}

gboolean nwf_engine_unbind(NwfEngine *engine, const char *name, GError **error) {
  nwf_engine_lock(engine);
  gboolean ok = unbind(engine, name, error);
  nwf_engine_unlock(engine);
  return ok;
}
