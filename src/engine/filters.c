// SPDX-License-Identifier: LGPL-2.1-or-later
/* Filters: looking them up, defining and undefining them. */
#include "engine/internal.h"

#include <nwfilter-nft/xml.h>

#include <string.h>

void nwf_filter_head_clear(NwfFilterHead *head) {
  g_clear_pointer(&head->name, g_free);
}

static void clear_head(gpointer head) {
  nwf_filter_head_clear(head);
}

static void fill_head(NwfFilterHead *head, const NwfFilter *filter) {
  head->name = g_strdup(filter->name);
  memcpy(head->uuid, filter->uuid, NWF_UUID_LEN);
}

void nwf_engine_give_uuid(NwfFilter *filter) {
  g_autofree char *text = g_uuid_string_random();
  filter->has_uuid = nwf_uuid_parse(text, filter->uuid);
}

static const NwfFilter *by_uuid(const NwfEngine *engine, const guint8 uuid[NWF_UUID_LEN]) {
  g_autoptr(GBytes) key = g_bytes_new_static(uuid, NWF_UUID_LEN);
  const char *name = g_hash_table_lookup(engine->name_by_uuid, key);
  return name ? nwf_filter_store_get(engine->filters, name) : NULL;
}

static const NwfFilter *by_uuid_or_error(const NwfEngine *engine, const guint8 uuid[NWF_UUID_LEN], GError **error) {
  const NwfFilter *filter = by_uuid(engine, uuid);
  if (!filter) {
    g_autofree char *text = nwf_uuid_format(uuid);
    g_set_error(error, NWF_ENGINE_ERROR, NWF_ENGINE_ERROR_NO_FILTER, "no nwfilter with matching uuid '%s'", text);
  }
  return filter;
}

GArray *nwf_engine_filters(NwfEngine *engine) {
  GArray *heads = g_array_new(FALSE, TRUE, sizeof(NwfFilterHead));
  g_array_set_clear_func(heads, clear_head);
  nwf_engine_lock(engine);
  g_autoptr(GPtrArray) all = nwf_filter_store_list(engine->filters);
  g_array_set_size(heads, all->len);
  for (guint i = 0; i < all->len; i++)
    fill_head(&g_array_index(heads, NwfFilterHead, i), g_ptr_array_index(all, i));
  nwf_engine_unlock(engine);
  return heads;
}

gboolean nwf_engine_filter_by_name(NwfEngine *engine, const char *name, NwfFilterHead *head, GError **error) {
  nwf_engine_lock(engine);
  const NwfFilter *filter = nwf_filter_store_get(engine->filters, name);
  if (filter)
    fill_head(head, filter);
  else
    g_set_error(error, NWF_ENGINE_ERROR, NWF_ENGINE_ERROR_NO_FILTER, "no nwfilter with matching name '%s'", name);
  nwf_engine_unlock(engine);
  return filter != NULL;
}

gboolean nwf_engine_filter_by_uuid(NwfEngine *engine, const guint8 uuid[NWF_UUID_LEN], NwfFilterHead *head,
                                   GError **error) {
  nwf_engine_lock(engine);
  const NwfFilter *filter = by_uuid_or_error(engine, uuid, error);
  if (filter)
    fill_head(head, filter);
  nwf_engine_unlock(engine);
  return filter != NULL;
}

char *nwf_engine_filter_xml(NwfEngine *engine, const guint8 uuid[NWF_UUID_LEN], GError **error) {
  nwf_engine_lock(engine);
  const NwfFilter *filter = by_uuid_or_error(engine, uuid, error);
  char *xml = filter ? nwf_filter_format(filter) : NULL;
  nwf_engine_unlock(engine);
  return xml;
}

/* --- who needs a filter --- */

/* Whether @filter leads to @name; @seen holds the names of filters that were looked at, with the answer. */
static gboolean reaches(const NwfEngine *engine, const char *filter, const char *name, GHashTable *seen) {
  gpointer known;
  if (strcmp(filter, name) == 0)
    return TRUE;
  if (g_hash_table_lookup_extended(seen, filter, NULL, &known))
    return GPOINTER_TO_INT(known);
  g_hash_table_insert(seen, (gpointer)filter, GINT_TO_POINTER(FALSE));
  const NwfFilter *found = nwf_filter_store_get(engine->filters, filter);
  gboolean answer = FALSE;
  for (guint i = 0; found && !answer && i < found->entries->len; i++) {
    const NwfFilterRef *reference = g_array_index(found->entries, NwfEntry, i).reference;
    answer = reference && reaches(engine, reference->filter, name, seen);
  }
  g_hash_table_insert(seen, (gpointer)filter, GINT_TO_POINTER(answer));
  return answer;
}

/* The ports whose binding leads to the filter, and with @failed those that are closed for any reason: maybe for the
 * lack of it. */
static GPtrArray *ports_reaching(const NwfEngine *engine, const char *name, gboolean failed) {
  g_autoptr(GPtrArray) all = nwf_engine_ports(engine);
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  GPtrArray *ports = g_ptr_array_new();
  for (guint i = 0; i < all->len; i++) {
    NwfEnginePort *port = g_ptr_array_index(all, i);
    if ((!port->unseen && reaches(engine, port->binding->filter, name, seen)) || (failed && port->failed))
      g_ptr_array_add(ports, port);
  }
  return ports;
}

/* --- define --- */

static gboolean check_identity(const NwfEngine *engine, const NwfFilter *filter, GError **error) {
  const NwfFilter *same_uuid = by_uuid(engine, filter->uuid);
  const NwfFilter *same_name = nwf_filter_store_get(engine->filters, filter->name);
  if (same_uuid && strcmp(same_uuid->name, filter->name) != 0) {
    g_set_error(error, NWF_ENGINE_ERROR, NWF_ENGINE_ERROR_CLASH,
                "filter with same UUID but different name ('%s') already exists", same_uuid->name);
    return FALSE;
  }
  if (same_name && !same_uuid) {
    g_autofree char *uuid = nwf_uuid_format(same_name->uuid);
    g_set_error(error, NWF_ENGINE_ERROR, NWF_ENGINE_ERROR_CLASH, "filter '%s' already exists with uuid %s",
                filter->name, uuid);
    return FALSE;
  }
  return TRUE;
}

/* Puts @filter in the place of the one of its name (*@old then, the caller's). */
static void exchange(NwfEngine *engine, NwfFilter *filter, NwfFilter **old) {
  *old = nwf_filter_store_steal(engine->filters, filter->name);
  nwf_filter_store_put(engine->filters, filter);
}

static void restore(NwfEngine *engine, const char *name, NwfFilter *old) {
  g_autofree char *key = g_strdup(name);
  nwf_filter_store_remove(engine->filters, key);
  if (old)
    nwf_filter_store_put(engine->filters, old);
}

/* The new filter stands in the store. First the file is written beside the old one, then the kernel has its say, and
 * then the file takes its name: whichever fails, the others are put back. */
static gboolean install_filter(NwfEngine *engine, const NwfFilter *filter, NwfFilter *old, GError **error) {
  g_autofree char *path = nwf_storage_filter_path(engine, filter->name);
  g_autofree char *text = nwf_storage_filter_text(filter);
  g_autofree char *name = g_strdup(filter->name);
  g_autofree char *temporary = nwf_storage_prepare(path, text, error);
  if (!temporary)
    return FALSE;
  g_autoptr(GPtrArray) ports = ports_reaching(engine, name, TRUE);
  g_autoptr(NwfFlows) flows = engine->config.cut_flows_on_redefine ? nwf_flows_of(engine, ports) : NULL;
  if (ports->len && !nwf_install_ports(engine, ports, TRUE, error)) {
    nwf_storage_discard(temporary);
    return FALSE;
  }
  if (nwf_storage_commit(temporary, path, error)) {
    nwf_flows_cut(engine, g_steal_pointer(&flows));
    return TRUE;
  }
  g_autoptr(GError) reason = NULL;
  nwf_storage_discard(temporary);
  restore(engine, name, old);
  if (ports->len && !nwf_install_ports(engine, ports, FALSE, &reason)) {
    nwf_engine_say(engine, NWF_LOG_ERROR, "filter '%s' cannot be put back: %s", name, reason->message);
    nwf_install_closed(engine, ports);
  }
  return FALSE;
}

/* The filter as it will be read from its file: rules say in the kernel in which line of it they stand, and must say
 * the same after a restart. */
static NwfFilter *as_written(const NwfEngine *engine, const NwfFilter *filter, GError **error) {
  g_autofree char *path = nwf_storage_filter_path(engine, filter->name);
  g_autofree char *text = nwf_storage_filter_text(filter);
  return nwf_filter_parse(text, strlen(text), path, error);
}

/* The line of @given's document with what stands in that line of @written's; 0: nothing does. */
static guint line_as_given(const NwfFilter *written, const NwfFilter *given, guint line) {
  for (guint i = 0; line && i < MIN(written->entries->len, given->entries->len); i++) {
    const NwfEntry *now = &g_array_index(written->entries, NwfEntry, i);
    const NwfEntry *then = &g_array_index(given->entries, NwfEntry, i);
    if (now->rule && then->rule && now->rule->line == line)
      return then->rule->line;
    if (now->reference && then->reference && now->reference->line == line)
      return then->reference->line;
  }
  return 0;
}

/* "FILE:LINE: what" or "FILE: what" of a file that never came to be, as one of the caller's document. */
static void name_as_given(const NwfFilter *written, const NwfFilter *given, GError *error) {
  gsize length = strlen(written->file);
  if (g_error_matches(error, NWF_ERROR, NWF_ERROR_IO) || strncmp(error->message, written->file, length) != 0 ||
      error->message[length] != ':')
    return;
  char *rest = error->message + length + 1;
  guint line = line_as_given(written, given, (guint)g_ascii_strtoull(rest, &rest, 10));
  rest += *rest == ':';
  g_autoptr(GString) message = g_string_new(NULL);
  if (given->file && line)
    g_string_printf(message, "%s:%u: ", given->file, line);
  else if (given->file)
    g_string_printf(message, "%s: ", given->file);
  else if (line)
    g_string_printf(message, "line %u: ", line);
  g_string_append(message, g_strchug(rest));
  g_free(error->message);
  error->message = g_string_free(g_steal_pointer(&message), FALSE);
}

static gboolean define(NwfEngine *engine, NwfFilter *document, NwfFilterHead *head, GError **error) {
  g_autoptr(NwfFilter) given = document;
  if (!document->has_uuid)
    nwf_engine_give_uuid(document);
  if (!check_identity(engine, document, error))
    return FALSE;
  NwfFilter *old, *filter = as_written(engine, document, error);
  g_autoptr(NwfFilter) taken = filter;
  if (!filter)
    return FALSE;
  g_autofree char *name = g_strdup(filter->name);
  GError *reason = NULL;
  exchange(engine, g_steal_pointer(&taken), &old);
  if (!nwf_check_filter(engine->filters, filter, NULL, &engine->options, &reason) ||
      !install_filter(engine, filter, old, &reason)) {
    if (nwf_filter_store_get(engine->filters, name) == filter) { /* else it was put back already */
      name_as_given(filter, document, reason);
      restore(engine, name, old);
    }
    g_propagate_error(error, reason);
    return FALSE;
  }
  if (!old)
    g_hash_table_insert(engine->name_by_uuid, g_bytes_new(filter->uuid, NWF_UUID_LEN), g_strdup(name));
  nwf_filter_free(old);
  if (head)
    fill_head(head, filter);
  return TRUE;
}

gboolean nwf_engine_define(NwfEngine *engine, NwfFilter *filter, NwfFilterHead *head, GError **error) {
  nwf_engine_lock(engine);
  nwf_engine_warn_begin(engine);
  gboolean ok = define(engine, filter, head, error);
  nwf_engine_warn_end(engine);
  nwf_engine_unlock(engine);
  return ok;
}

static gboolean undefine(NwfEngine *engine, const guint8 uuid[NWF_UUID_LEN], GError **error) {
  const NwfFilter *filter = by_uuid_or_error(engine, uuid, error);
  if (!filter)
    return FALSE;
  g_autoptr(GPtrArray) ports = ports_reaching(engine, filter->name, FALSE);
  if (ports->len) {
    g_set_error(error, NWF_ENGINE_ERROR, NWF_ENGINE_ERROR_IN_USE, "nwfilter is in use");
    return FALSE;
  }
  g_autofree char *path = nwf_storage_filter_path(engine, filter->name);
  if (!nwf_storage_remove(path, error))
    return FALSE;
  g_autofree char *name = g_strdup(filter->name);
  g_autoptr(GBytes) key = g_bytes_new(uuid, NWF_UUID_LEN);
  g_hash_table_remove(engine->name_by_uuid, key);
  nwf_filter_store_remove(engine->filters, name);
  return TRUE;
}

gboolean nwf_engine_undefine(NwfEngine *engine, const guint8 uuid[NWF_UUID_LEN], GError **error) {
  nwf_engine_lock(engine);
  gboolean ok = undefine(engine, uuid, error);
  nwf_engine_unlock(engine);
  return ok;
}
