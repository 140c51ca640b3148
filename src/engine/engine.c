// SPDX-License-Identifier: LGPL-2.1-or-later
/* The engine's life, its lock, and what it has to say. */
#include "engine/internal.h"

#include "kernel/stock.h"

#include <nwfilter-nft/xml.h>

#include <errno.h>
#include <string.h>

G_DEFINE_QUARK(nwf - engine - error - quark, nwf_engine_error)

typedef struct {
  NwfLogLevel level;
  char *text;
} Message;

static void message_free(gpointer data) {
  Message *message = data;
  g_free(message->text);
  g_free(message);
}

void nwf_engine_lock(NwfEngine *engine) {
  g_mutex_lock(&engine->lock);
}

void nwf_engine_unlock(NwfEngine *engine) {
  g_autoptr(GPtrArray) messages = NULL;
  if (engine->messages->len) {
    messages = g_steal_pointer(&engine->messages);
    engine->messages = g_ptr_array_new_with_free_func(message_free);
  }
  g_mutex_unlock(&engine->lock);
  for (guint i = 0; messages && i < messages->len; i++) {
    const Message *message = g_ptr_array_index(messages, i);
    if (engine->config.log)
      engine->config.log(message->level, message->text, engine->config.data);
  }
}

void nwf_engine_say(NwfEngine *engine, NwfLogLevel level, const char *format, ...) {
  Message *message = g_new(Message, 1);
  message->level = level;
  va_list values;
  va_start(values, format);
  message->text = g_strdup_vprintf(format, values);
  va_end(values);
  g_ptr_array_add(engine->messages, message);
}

void nwf_engine_warn_begin(NwfEngine *engine) {
  engine->warned = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void nwf_engine_warn_end(NwfEngine *engine) {
  g_clear_pointer(&engine->warned, g_hash_table_unref);
}

void nwf_engine_warn(const char *where, const char *what, gpointer data) {
  NwfEngine *engine = data;
  if (engine->warned && g_hash_table_add(engine->warned, g_strdup_printf("%s: %s", where, what)))
    nwf_engine_say(engine, NWF_LOG_WARNING, "%s: %s", where, what);
}

gint64 nwf_engine_now(void) {
  return g_get_real_time() / G_USEC_PER_SEC;
}

static void learner_log(NwfLearnLogLevel level, const char *text, gpointer data) {
  static const NwfLogLevel levels[] = {
      [NWF_LEARN_LOG_DEBUG] = NWF_LOG_DEBUG,
      [NWF_LEARN_LOG_INFO] = NWF_LOG_INFO,
      [NWF_LEARN_LOG_WARNING] = NWF_LOG_WARNING,
      [NWF_LEARN_LOG_ERROR] = NWF_LOG_ERROR,
  };
  nwf_engine_say(data, levels[level], "%s", text);
}

static void copy_config(NwfEngineConfig *to, const NwfEngineConfig *from) {
  *to = *from;
  to->filter_dir = g_strdup(from->filter_dir);
  to->binding_dir = g_strdup(from->binding_dir);
  to->lease_file = g_strdup(from->lease_file);
  to->state_dir = g_strdup(from->state_dir);
  if (!to->log_group)
    to->log_group = NWF_ENGINE_LOG_GROUP;
}

static void clear_config(NwfEngineConfig *config) {
  g_free((char *)config->filter_dir);
  g_free((char *)config->binding_dir);
  g_free((char *)config->lease_file);
  g_free((char *)config->state_dir);
}

static gboolean make_directories(const NwfEngineConfig *config, GError **error) {
  g_autofree char *lease_dir = config->lease_file ? g_path_get_dirname(config->lease_file) : NULL;
  const char *directories[] = {config->filter_dir, config->binding_dir, config->state_dir, lease_dir};
  for (guint i = 0; i < G_N_ELEMENTS(directories); i++)
    if (directories[i] && !nwf_storage_make_directory(directories[i], error))
      return FALSE;
  return TRUE;
}

static void remove_stock(NwfEngine *engine) {
  g_autoptr(GError) error = NULL;
  guint removed = 0;
  if (engine->config.keep_stock)
    return;
  if (!nwf_stock_remove(&removed, &error))
    nwf_engine_say(engine, NWF_LOG_WARNING, "cannot remove all of what libvirt's own driver left: %s", error->message);
  else if (removed)
    nwf_engine_say(engine, NWF_LOG_INFO, "removed %u chains of libvirt's own driver", removed);
}

/* What makes the kernel's part: everything is compiled before anything is sent, and what another driver had in
 * force goes only when ours is. */
static gboolean start_kernel(NwfEngine *engine, GError **error) {
  const NwfLearnConfig learn = {.lease_file = engine->config.lease_file,
                                .state_dir = engine->config.state_dir,
                                .log = learner_log,
                                .data = engine};
  engine->kernel = nwf_kernel_open(error);
  if (!engine->kernel)
    return FALSE;
  engine->owned = nwf_kernel_own(engine->kernel);
  engine->learner = nwf_learner_new(&learn, nwf_engine_now());
  engine->links = nwf_links_open(error);
  if (!engine->links)
    return FALSE;
  if (!nwf_events_open(engine, error) || !nwf_load_bindings(engine, error))
    return FALSE;
  nwf_links_find_renamed(engine);
  nwf_links_tell_networks(engine);
  if (!nwf_install_all(engine, FALSE, error))
    return FALSE;
  remove_stock(engine);
  return nwf_events_start(engine, error);
}

static gboolean start(NwfEngine *engine, GError **error) {
  if (!make_directories(&engine->config, error) || !nwf_effective_init(engine, error))
    return FALSE;
  nwf_storage_clean(engine->config.filter_dir);
  nwf_storage_clean(engine->config.binding_dir);
  nwf_engine_lock(engine);
  engine->filters = nwf_load_filters(engine, NULL, error);
  gboolean ok = engine->filters != NULL;
  if (ok) {
    nwf_load_index(engine);
    nwf_engine_warn_begin(engine);
    ok = start_kernel(engine, error);
    nwf_engine_warn_end(engine);
  }
  nwf_engine_unlock(engine);
  return ok;
}

static gboolean read_ipset(const char *name, guint dimensions, gboolean ipv6, NwfRuleset *ruleset, NwfSet *set,
                           gpointer data, GError **error) {
  const NwfEngine *engine = data;
  return nwf_kernel_ipset(name, dimensions, ipv6, ruleset, set, engine->kernel, error);
}

static void port_free(gpointer data) {
  nwf_engine_port_free(data);
}

NwfEngine *nwf_engine_new(const NwfEngineConfig *config, GError **error) {
  nwf_xml_init();
  NwfEngine *engine = g_new0(NwfEngine, 1);
  copy_config(&engine->config, config);
  g_mutex_init(&engine->lock);
  engine->messages = g_ptr_array_new_with_free_func(message_free);
  engine->own = nwf_filter_store_new();
  engine->name_by_uuid = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, g_free);
  engine->ports = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, port_free);
  engine->options = (NwfCompileOptions){.features = NWF_FEATURE_ALL,
                                        .ipset = read_ipset,
                                        .warning = nwf_engine_warn,
                                        .chain_end_accepts = engine->config.chain_end_accepts,
                                        .log_group = engine->config.log_group,
                                        .data = engine};
  if (start(engine, error))
    return engine;
  nwf_engine_free(engine);
  return NULL;
}

void nwf_engine_free(NwfEngine *engine) {
  if (!engine)
    return;
  nwf_events_stop(engine);
  nwf_flows_stop(engine);
  g_clear_pointer(&engine->learner, nwf_learner_free);
  g_clear_pointer(&engine->links, nwf_links_close);
  g_clear_pointer(&engine->kernel, nwf_kernel_close);
  g_clear_pointer(&engine->table, nwf_ruleset_free);
  g_clear_pointer(&engine->ports, g_hash_table_unref);
  g_clear_pointer(&engine->name_by_uuid, g_hash_table_unref);
  g_clear_pointer(&engine->filters, nwf_filter_store_free);
  g_clear_pointer(&engine->own, nwf_filter_store_free);
  g_clear_pointer(&engine->messages, g_ptr_array_unref);
  g_mutex_clear(&engine->lock);
  clear_config(&engine->config);
  g_free(engine);
}

gboolean nwf_engine_verify(NwfEngine *engine, gboolean *repaired, GError **error) {
  guint changes = 0;
  nwf_engine_lock(engine);
  gboolean ok = nwf_install_verify(engine, &changes, error);
  nwf_engine_unlock(engine);
  if (repaired)
    *repaired = changes > 0;
  return ok;
}

static gboolean reload(NwfEngine *engine, GError **error) {
  NwfFilterStore *old = engine->filters, *filters = nwf_load_filters(engine, old, error);
  if (!filters)
    return FALSE;
  engine->filters = filters;
  g_autoptr(GPtrArray) ports = nwf_engine_ports(engine);
  nwf_engine_warn_begin(engine);
  gboolean ok = nwf_install_ports(engine, ports, TRUE, error);
  nwf_engine_warn_end(engine);
  if (!ok)
    engine->filters = old;
  nwf_filter_store_free(ok ? old : filters);
  nwf_load_index(engine);
  return ok;
}

gboolean nwf_engine_reload(NwfEngine *engine, GError **error) {
  nwf_engine_lock(engine);
  gboolean ok = reload(engine, error);
  nwf_engine_unlock(engine);
  return ok;
}

/* --- ports --- */

NwfEnginePort *nwf_engine_port(const NwfEngine *engine, const char *port) {
  return g_hash_table_lookup(engine->ports, port);
}

void nwf_engine_port_free(NwfEnginePort *port) {
  if (!port)
    return;
  nwf_binding_free(port->binding);
  nwf_binding_free(port->effective);
  nwf_binding_free(port->next);
  g_free(port->stands_for);
  g_free(port);
}

static int compare_ports(gconstpointer a, gconstpointer b) {
  const NwfEnginePort *const *left = a, *const *right = b;
  return strcmp((*left)->binding->port, (*right)->binding->port);
}

GPtrArray *nwf_engine_ports(const NwfEngine *engine) {
  GPtrArray *ports = g_ptr_array_sized_new(g_hash_table_size(engine->ports));
  GHashTableIter iter;
  gpointer port;
  g_hash_table_iter_init(&iter, engine->ports);
  while (g_hash_table_iter_next(&iter, NULL, &port))
    g_ptr_array_add(ports, port);
  g_ptr_array_sort(ports, compare_ports);
  return ports;
}
