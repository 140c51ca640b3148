// SPDX-License-Identifier: LGPL-2.1-or-later
// Rules, filters, bindings and the store of filters: making, freeing, finding.

#include <nwfilter-nft/model.h>

#include <string.h>

void nwf_match_clear(NwfMatch *match) {
  g_clear_pointer(&match->variable, nwf_variable_free);
  nwf_value_clear(&match->value);
}

static void clear_match(gpointer data) {
  nwf_match_clear(data);
}

NwfRule *nwf_rule_new(void) {
  NwfRule *rule = g_new0(NwfRule, 1);
  rule->action = NWF_ACTION_ACCEPT;
  rule->direction = NWF_DIRECTION_INOUT;
  rule->priority = NWF_RULE_PRIORITY_DEFAULT;
  rule->matches = g_array_new(FALSE, TRUE, sizeof(NwfMatch));
  g_array_set_clear_func(rule->matches, clear_match);
  return rule;
}

void nwf_rule_free(NwfRule *rule) {
  if (rule == NULL)
    return;
  g_array_unref(rule->matches);
  g_free(rule);
}

const NwfMatch *nwf_rule_match(const NwfRule *rule, NwfAttr attr) {
  for (guint i = 0; i < rule->matches->len; i++) {
    const NwfMatch *match = &g_array_index(rule->matches, NwfMatch, i);
    if (match->attr == attr)
      return match;
  }
  return NULL;
}

char *nwf_rule_describe(const NwfRule *rule) {
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "%s %s", nwf_action_name(rule->action), nwf_direction_name(rule->direction));
  if (rule->protocol != NWF_PROTOCOL_NONE)
    g_string_append_printf(text, " %s", nwf_protocols[rule->protocol].name);
  for (guint i = 0; i < rule->matches->len; i++) {
    const NwfMatch *match = &g_array_index(rule->matches, NwfMatch, i);
    g_autofree char *value =
        match->variable != NULL ? nwf_variable_format(match->variable) : nwf_value_format(match->attr, &match->value);
    g_string_append_printf(text, " %s%s%s", nwf_attr_name(match->attr), match->negated ? "!=" : "=", value);
  }
  return g_string_free(text, FALSE);
}

NwfFilterRef *nwf_filter_ref_new(const char *filter) {
  NwfFilterRef *reference = g_new0(NwfFilterRef, 1);
  reference->filter = g_strdup(filter);
  reference->parameters = nwf_parameters_new();
  return reference;
}

void nwf_filter_ref_free(NwfFilterRef *reference) {
  if (reference == NULL)
    return;
  g_free(reference->filter);
  nwf_parameters_free(reference->parameters);
  g_free(reference);
}

static void clear_entry(gpointer data) {
  NwfEntry *entry = data;
  nwf_rule_free(entry->rule);
  nwf_filter_ref_free(entry->reference);
}

NwfFilter *nwf_filter_new(const char *name) {
  NwfFilter *filter = g_new0(NwfFilter, 1);
  filter->name = g_strdup(name);
  filter->chain = g_strdup("root");
  filter->entries = g_array_new(FALSE, TRUE, sizeof(NwfEntry));
  g_array_set_clear_func(filter->entries, clear_entry);
  return filter;
}

void nwf_filter_free(NwfFilter *filter) {
  if (filter == NULL)
    return;
  g_free(filter->name);
  g_free(filter->chain);
  g_free(filter->file);
  g_array_unref(filter->entries);
  g_free(filter);
}

void nwf_filter_add_rule(NwfFilter *filter, NwfRule *rule) {
  NwfEntry entry = {.rule = rule};
  g_array_append_val(filter->entries, entry);
}

void nwf_filter_add_reference(NwfFilter *filter, NwfFilterRef *reference) {
  NwfEntry entry = {.reference = reference};
  g_array_append_val(filter->entries, entry);
}

NwfBinding *nwf_binding_new(void) {
  NwfBinding *binding = g_new0(NwfBinding, 1);
  binding->parameters = nwf_parameters_new();
  return binding;
}

void nwf_binding_free(NwfBinding *binding) {
  if (binding == NULL)
    return;
  g_free(binding->owner_name);
  g_free(binding->port);
  g_free(binding->link);
  g_free(binding->filter);
  g_free(binding->file);
  nwf_parameters_free(binding->parameters);
  g_free(binding);
}

NwfBinding *nwf_binding_copy(const NwfBinding *binding) {
  NwfBinding *copy = g_new(NwfBinding, 1);
  *copy = *binding;
  copy->owner_name = g_strdup(binding->owner_name);
  copy->port = g_strdup(binding->port);
  copy->link = g_strdup(binding->link);
  copy->filter = g_strdup(binding->filter);
  copy->file = g_strdup(binding->file);
  copy->parameters = nwf_parameters_copy(binding->parameters);
  return copy;
}

struct NwfFilterStore {
  GHashTable *by_name; /* borrowed name -> NwfFilter *, owned */
};

static void free_filter(gpointer data) {
  nwf_filter_free(data);
}

NwfFilterStore *nwf_filter_store_new(void) {
  NwfFilterStore *store = g_new0(NwfFilterStore, 1);
  store->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_filter);
  return store;
}

void nwf_filter_store_free(NwfFilterStore *store) {
  if (store == NULL)
    return;
  g_hash_table_unref(store->by_name);
  g_free(store);
}

void nwf_filter_store_put(NwfFilterStore *store, NwfFilter *filter) {
  /* replace, not insert: the key must be the new filter's, since the old one is freed */
  g_hash_table_replace(store->by_name, filter->name, filter);
}

const NwfFilter *nwf_filter_store_get(const NwfFilterStore *store, const char *name) {
  return g_hash_table_lookup(store->by_name, name);
}

gboolean nwf_filter_store_remove(NwfFilterStore *store, const char *name) {
  return g_hash_table_remove(store->by_name, name);
}

NwfFilter *nwf_filter_store_steal(NwfFilterStore *store, const char *name) {
  gpointer filter = NULL;
  g_hash_table_steal_extended(store->by_name, name, NULL, &filter);
  return filter;
}

static int compare_filters(gconstpointer a, gconstpointer b) {
  const NwfFilter *const *left = a, *const *right = b;
  return strcmp((*left)->name, (*right)->name);
}

GPtrArray *nwf_filter_store_list(const NwfFilterStore *store) {
  GPtrArray *list = g_ptr_array_sized_new(g_hash_table_size(store->by_name));
  GHashTableIter iter;
  gpointer filter;
  g_hash_table_iter_init(&iter, store->by_name);
  while (g_hash_table_iter_next(&iter, NULL, &filter))
    g_ptr_array_add(list, filter);
  g_ptr_array_sort(list, compare_filters);
  return list;
}
