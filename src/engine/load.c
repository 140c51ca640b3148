// SPDX-License-Identifier: LGPL-2.1-or-later
/* What is on disk when the engine starts or is told to look again. A bad file never keeps the rest from loading; a
 * directory that cannot be listed is not an empty one, but a failure. */
#include "engine/internal.h"

#include <nwfilter-nft/xml.h>

#include <string.h>

/* "NAME.xml" is what the document must call itself; else a later write would leave two files of one name. */
static gboolean name_matches(NwfEngine *engine, const char *path, const char *file, const char *name) {
  g_autofree char *wanted = g_strconcat(name, ".xml", NULL);
  if (strcmp(file, wanted) == 0)
    return TRUE;
  nwf_engine_say(engine, NWF_LOG_ERROR, "%s: skipped: it says that its name is '%s'", path, name);
  return FALSE;
}

/* A filter without UUID gets one, which must be the same the next time, and with it the lines of its new file. */
static NwfFilter *with_uuid(NwfEngine *engine, NwfFilter *filter, const char *path) {
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfFilter) given = filter;
  nwf_engine_give_uuid(filter);
  g_autofree char *text = nwf_storage_filter_text(filter);
  g_autofree char *temporary = nwf_storage_prepare(path, text, &error);
  NwfFilter *written = NULL;
  if (temporary && nwf_storage_commit(temporary, path, &error))
    written = nwf_filter_parse(text, strlen(text), path, &error);
  if (written)
    return written;
  nwf_engine_say(engine, NWF_LOG_WARNING, "the UUID given to filter '%s' could not be kept: %s", filter->name,
                 error->message);
  return g_steal_pointer(&given);
}

/* What is being loaded. */
typedef struct {
  NwfEngine *engine;
  NwfFilterStore *store, *old;
  GHashTable *by_uuid; /* NwfFilter.uuid -> NwfFilter, borrowed */
} Loading;

static guint uuid_hash(gconstpointer uuid) {
  guint hash;
  memcpy(&hash, uuid, sizeof hash);
  return hash;
}

static gboolean uuid_equal(gconstpointer a, gconstpointer b) {
  return memcmp(a, b, NWF_UUID_LEN) == 0;
}

static void add_filter(Loading *loading, const char *path, NwfFilter *filter) {
  const NwfFilter *other = g_hash_table_lookup(loading->by_uuid, filter->uuid);
  if (other) {
    nwf_engine_say(loading->engine, NWF_LOG_ERROR, "%s: skipped: filter '%s' has the same UUID", path, other->name);
    nwf_filter_free(filter);
    return;
  }
  g_hash_table_insert(loading->by_uuid, filter->uuid, filter);
  nwf_filter_store_put(loading->store, filter);
}

/* The file's old meaning stays when the file has become bad. */
static void keep_old(Loading *loading, const char *path, const char *file) {
  g_autofree char *name = g_strndup(file, strlen(file) - strlen(".xml"));
  const NwfFilter *filter = loading->old ? nwf_filter_store_get(loading->old, name) : NULL;
  if (!filter)
    return;
  g_autofree char *xml = nwf_filter_format(filter);
  NwfFilter *copy = nwf_filter_parse(xml, strlen(xml), filter->file, NULL);
  if (copy)
    add_filter(loading, path, copy);
  nwf_engine_say(loading->engine, NWF_LOG_WARNING, "filter '%s' stays as it was", name);
}

static void load_filter(Loading *loading, const char *file) {
  NwfEngine *engine = loading->engine;
  g_autofree char *path = g_build_filename(engine->config.filter_dir, file, NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfFilter) filter = nwf_filter_load(path, &error);
  if (!filter) {
    nwf_engine_say(engine, NWF_LOG_ERROR, "%s", error->message);
    keep_old(loading, path, file);
    return;
  }
  if (!name_matches(engine, path, file, filter->name))
    return;
  if (!filter->has_uuid)
    filter = with_uuid(engine, g_steal_pointer(&filter), path);
  add_filter(loading, path, g_steal_pointer(&filter));
}

NwfFilterStore *nwf_load_filters(NwfEngine *engine, NwfFilterStore *old, GError **error) {
  g_autoptr(GPtrArray) files = nwf_xml_list(engine->config.filter_dir, error);
  if (!files)
    return NULL;
  g_autoptr(GHashTable) by_uuid = g_hash_table_new(uuid_hash, uuid_equal);
  Loading loading = {.engine = engine, .store = nwf_filter_store_new(), .old = old, .by_uuid = by_uuid};
  for (guint i = 0; i < files->len; i++)
    load_filter(&loading, g_ptr_array_index(files, i));
  return loading.store;
}

void nwf_load_index(NwfEngine *engine) {
  g_hash_table_remove_all(engine->name_by_uuid);
  g_autoptr(GPtrArray) all = nwf_filter_store_list(engine->filters);
  for (guint i = 0; i < all->len; i++) {
    const NwfFilter *filter = g_ptr_array_index(all, i);
    g_hash_table_insert(engine->name_by_uuid, g_bytes_new(filter->uuid, NWF_UUID_LEN), g_strdup(filter->name));
  }
}

static void drop_binding(NwfEngine *engine, const char *path, const char *port) {
  g_autoptr(GError) error = NULL;
  nwf_engine_say(engine, NWF_LOG_INFO, "port %s is gone, and with it its binding", port);
  if (!nwf_storage_remove(path, &error))
    nwf_engine_say(engine, NWF_LOG_WARNING, "%s", error->message);
}

/* That the port is bound is known from the file's name: it stays closed until somebody binds it anew. */
static void close_unreadable(NwfEngine *engine, const char *file) {
  g_autofree char *name = g_strndup(file, strlen(file) - strlen(".xml"));
  if (!nwf_port_name_valid(name) || nwf_link_is_absent(name))
    return;
  NwfEnginePort *port = nwf_closed_new(name, NWF_UNSEEN_UNREADABLE);
  nwf_engine_say(engine, NWF_LOG_ERROR, "port %s is closed, since its binding cannot be read", name);
  g_hash_table_insert(engine->ports, port->binding->port, port);
}

static void load_binding(NwfEngine *engine, const char *file) {
  g_autofree char *path = g_build_filename(engine->config.binding_dir, file, NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfBinding) binding = nwf_binding_load(path, &error);
  if (!binding) {
    nwf_engine_say(engine, NWF_LOG_ERROR, "%s", error->message);
    close_unreadable(engine, file);
  } else if (!name_matches(engine, path, file, binding->port)) {
    close_unreadable(engine, file);
  } else if (nwf_links_is_gone(engine, binding)) {
    drop_binding(engine, path, binding->port);
  } else {
    NwfEnginePort *port = g_new0(NwfEnginePort, 1);
    port->binding = g_steal_pointer(&binding);
    g_hash_table_insert(engine->ports, port->binding->port, port);
  }
}

gboolean nwf_load_bindings(NwfEngine *engine, GError **error) {
  g_autoptr(GPtrArray) files = nwf_xml_list(engine->config.binding_dir, error);
  for (guint i = 0; files && i < files->len; i++)
    load_binding(engine, g_ptr_array_index(files, i));
  return files != NULL;
}
