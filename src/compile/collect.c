// SPDX-License-Identifier: LGPL-2.1-or-later
#include "compile/internal.h"

#include <string.h>

char *nwf_where(const NwfFilter *filter, guint line) {
  if (!filter->file)
    return g_strdup(filter->name);
  return line ? g_strdup_printf("%s:%u", filter->file, line) : g_strdup(filter->file);
}

void nwf_port_error(const NwfPort *port, const NwfFilter *filter, const NwfRule *rule, int code, GError **error,
                    const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *what = g_strdup_vprintf(format, args);
  va_end(args);
  g_autoptr(GString) message = g_string_new(NULL);
  if (filter && filter->file) {
    g_autofree char *where = nwf_where(filter, rule ? rule->line : 0);
    g_string_append_printf(message, "%s: ", where);
  } else if (!filter && port->binding && port->binding->file) {
    g_string_append_printf(message, "%s:%u: ", port->binding->file, port->binding->line);
  }
  if (port->binding && !port->reached) /* else a filter is looked at for no port */
    g_string_append_printf(message, "port %s: ", port->binding->port);
  if (filter)
    g_string_append_printf(message, "filter %s: ", filter->name);
  g_set_error(error, NWF_ERROR, code, "%s%s", message->str, what);
}

void nwf_port_warn(const NwfPort *port, const NwfFilter *filter, guint line, const char *format, ...) {
  const NwfCompileOptions *options = port->options;
  if (!options || !options->warning)
    return;
  va_list args;
  va_start(args, format);
  g_autofree char *what = g_strdup_vprintf(format, args);
  va_end(args);
  g_autofree char *where = nwf_where(filter, line);
  g_autofree char *full = g_strdup_printf("filter %s: %s", filter->name, what);
  options->warning(where, full, options->data);
}

char *nwf_passed_over_describe(const NwfPassedOver *passed_over) {
  return g_strdup_printf("the parameter %.64s='%.64s' is passed over, as with libvirt, and counts as not given: names "
                         "have letters, digits and _ only, values these and . and :, or are prefixes",
                         passed_over->name, passed_over->value);
}

void nwf_warn_of_passed_over(const NwfCompileOptions *options, const NwfParameters *parameters, const char *file,
                             const char *kind, const char *name) {
  for (guint i = 0; options && options->warning && i < nwf_parameters_n_passed_over(parameters); i++) {
    const NwfPassedOver *passed_over = nwf_parameters_passed_over(parameters, i);
    g_autofree char *where =
        file ? g_strdup_printf("%s:%u", file, passed_over->line) : g_strdup_printf("%s %s", kind, name);
    g_autofree char *what = nwf_passed_over_describe(passed_over);
    g_autofree char *full = g_strdup_printf("%s %s: %s", kind, name, what);
    options->warning(where, full, options->data);
  }
}

const GPtrArray *nwf_scope_get(const NwfScope *scope, const char *name) {
  const GPtrArray *values = scope->outer && !scope->wins ? nwf_scope_get(scope->outer, name) : NULL;
  if (!values)
    values = nwf_parameters_get(scope->parameters, name);
  return values || !scope->wins ? values : nwf_scope_get(scope->outer, name);
}

/* Nothing is copied: a long list of values may be seen by very many filters. */
static const NwfScope *scope_for(NwfPort *port, const NwfFilterRef *reference, const NwfScope *outer) {
  if (nwf_parameters_count(reference->parameters) == 0)
    return outer;
  NwfScope *scope = nwf_arena_new(&port->arena, NwfScope, 1);
  *scope = (NwfScope){.outer = outer, .parameters = reference->parameters};
  return scope;
}

typedef struct Path Path;
struct Path {
  const Path *up;
  const NwfFilter *filter;
  guint depth;
};

static gboolean report_loop(NwfPort *port, const Path *path, const NwfFilterRef *reference, GError **error) {
  g_autoptr(GString) loop = g_string_new(reference->filter);
  for (const Path *p = path; p; p = p->up) {
    g_string_prepend(loop, " -> ");
    g_string_prepend(loop, p->filter->name);
    if (strcmp(p->filter->name, reference->filter) == 0)
      break;
  }
  NwfRule at = {.line = reference->line};
  nwf_port_error(port, path->filter, &at, NWF_ERROR_LOOP, error, "references lead back to where they began: %s",
                 loop->str);
  return FALSE;
}

static gboolean collect_filter(NwfPort *port, const Path *path, const NwfScope *scope, GError **error);

static gboolean follow(NwfPort *port, const Path *path, const NwfFilterRef *reference, const NwfScope *scope,
                       GError **error) {
  NwfRule at = {.line = reference->line};
  for (const Path *p = path; p; p = p->up)
    if (strcmp(p->filter->name, reference->filter) == 0)
      return report_loop(port, path, reference, error);
  const NwfFilter *next = nwf_filter_store_get(port->store, reference->filter);
  if (!next) {
    nwf_port_error(port, path->filter, &at, NWF_ERROR_MISSING_FILTER, error, "referenced filter '%s' is missing",
                   reference->filter);
    return FALSE;
  }
  if (path->depth + 1 >= NWF_DEPTH_MAX) {
    nwf_port_error(port, path->filter, &at, NWF_ERROR_LIMIT, error, "references are more than %d deep", NWF_DEPTH_MAX);
    return FALSE;
  }
  if (!port->reached) /* else check has said so */
    nwf_warn_of_passed_over(port->options, reference->parameters, path->filter->file, "filter", path->filter->name);
  Path deeper = {.up = path, .filter = next, .depth = path->depth + 1};
  return collect_filter(port, &deeper, scope_for(port, reference, scope), error);
}

/* Rules of a family's own elements concern nothing but its EtherTypes, which are closed as a whole. */
static gboolean is_left_out(const NwfPort *port, const NwfFilter *filter, const NwfRule *rule) {
  if (!port->binding->closed || filter == port->binding->before)
    return FALSE;
  switch (rule->protocol) {
  case NWF_PROTOCOL_ARP:
  case NWF_PROTOCOL_RARP:
  case NWF_PROTOCOL_IP:
    return (port->binding->closed & NWF_FAMILY_IPV4) != 0;
  case NWF_PROTOCOL_IPV6:
    return (port->binding->closed & NWF_FAMILY_IPV6) != 0;
  default:
    break;
  }
  NwfStage stage = nwf_protocols[rule->protocol].stage;
  return (stage == NWF_STAGE_IPV4 && port->binding->closed & NWF_FAMILY_IPV4) ||
         (stage == NWF_STAGE_IPV6 && port->binding->closed & NWF_FAMILY_IPV6);
}

static gboolean collect_filter(NwfPort *port, const Path *path, const NwfScope *scope, GError **error) {
  const NwfFilter *filter = path->filter;
  for (guint i = 0; i < filter->entries->len; i++) {
    const NwfEntry *entry = &g_array_index(filter->entries, NwfEntry, i);
    if (entry->rule && is_left_out(port, filter, entry->rule))
      continue;
    if (entry->rule) {
      NwfCollected collected = {.filter = filter, .rule = entry->rule, .scope = scope};
      g_array_append_val(port->collected, collected);
    } else if (!follow(port, path, entry->reference, scope, error)) {
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean variable_is_given(const NwfVariable *variable, const NwfScope *scope) {
  const GPtrArray *values = nwf_scope_get(scope, variable->name);
  return values && values->len > (variable->element ? variable->index : 0);
}

static void add_once(GPtrArray *names, GHashTable *seen, char *name) {
  if (g_hash_table_contains(seen, name)) {
    g_free(name);
    return;
  }
  g_hash_table_add(seen, name);
  g_ptr_array_add(names, name);
}

/* Each name once, in the order of the rules; the first rule that lacks one. Elements are named with their number, but
 * with @whole only if the variable has other elements. */
static GPtrArray *missing_variables(const NwfPort *port, gboolean whole, const NwfCollected **first) {
  GPtrArray *missing = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < port->collected->len; i++) {
    const NwfCollected *collected = &g_array_index(port->collected, NwfCollected, i);
    for (guint j = 0; j < collected->rule->matches->len; j++) {
      const NwfVariable *variable = g_array_index(collected->rule->matches, NwfMatch, j).variable;
      if (!variable || variable_is_given(variable, collected->scope))
        continue;
      if (missing->len == 0)
        *first = collected;
      gboolean numbered = variable->element && !(whole && !nwf_scope_get(collected->scope, variable->name));
      add_once(missing, seen,
               numbered ? g_strdup_printf("%s[%u]", variable->name, variable->index) : g_strdup(variable->name));
    }
  }
  return missing;
}

static gboolean find_missing_variables(NwfPort *port, GError **error) {
  const NwfCollected *first = NULL;
  g_autoptr(GPtrArray) missing = missing_variables(port, FALSE, &first);
  if (missing->len == 0)
    return TRUE;
  g_ptr_array_add(missing, NULL);
  g_autofree char *names = g_strjoinv(", ", (char **)missing->pdata);
  nwf_port_error(port, first->filter, first->rule, NWF_ERROR_MISSING_VARIABLE, error, "no value for the variable%s %s",
                 missing->len > 2 ? "s" : "", names);
  return FALSE;
}

gboolean nwf_collect_tree(NwfPort *port, GError **error) {
  const NwfFilter *root = nwf_filter_store_get(port->store, port->binding->filter);
  if (!root) {
    nwf_port_error(port, NULL, NULL, NWF_ERROR_MISSING_FILTER, error, "filter '%s' is missing", port->binding->filter);
    return FALSE;
  }
  Path path = {.filter = root}, before = {.filter = port->binding->before};
  NwfScope *scope = nwf_arena_new(&port->arena, NwfScope, 1);
  scope->parameters = port->parameters;
  return nwf_limit_tree(port, root, error) && (!before.filter || collect_filter(port, &before, scope, error)) &&
         collect_filter(port, &path, scope, error);
}

gboolean nwf_collect(NwfPort *port, GError **error) {
  return nwf_collect_tree(port, error) && find_missing_variables(port, error);
}

static int compare_names(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *nwf_missing_variables(const NwfFilterStore *store, const NwfBinding *binding, GError **error) {
  NwfPort port;
  const NwfCollected *first = NULL;
  nwf_port_init(&port, store, NULL, NULL);
  nwf_port_bind(&port, binding);
  GPtrArray *missing = nwf_collect_tree(&port, error) ? missing_variables(&port, TRUE, &first) : NULL;
  if (missing)
    g_ptr_array_sort(missing, compare_names);
  nwf_port_clear(&port);
  return missing;
}

static int compare_priority(gconstpointer a, gconstpointer b) {
  int pa = ((const NwfCollected *)a)->rule->priority;
  int pb = ((const NwfCollected *)b)->rule->priority;
  return (pa > pb) - (pa < pb);
}

void nwf_collected_sort(GArray *collected) {
  /* stable: document order among equal priorities */
  nwf_array_sort(collected, compare_priority);
}
