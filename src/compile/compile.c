// SPDX-License-Identifier: LGPL-2.1-or-later
#include "compile/internal.h"

#include <malloc.h>
#include <string.h>

#define ARENA_LARGE (16 << 20) /* bytes, more than any but a few ports need */

static void made_up_free(gpointer data) {
  nwf_parameters_free(data);
}

static void list_free(gpointer data) {
  g_array_unref(data);
}

void nwf_port_init(NwfPort *port, const NwfFilterStore *store, NwfRuleset *ruleset, const NwfCompileOptions *options) {
  *port = (NwfPort){.store = store, .ruleset = ruleset, .options = options};
  nwf_arena_init(&port->arena);
  port->made_up = g_ptr_array_new_with_free_func(made_up_free);
  port->lists = g_ptr_array_new_with_free_func(list_free);
  port->collected = g_array_new(FALSE, FALSE, sizeof(NwfCollected));
}

/* What a large port took is given back to the system: a daemon would keep it for good. */
static void give_back(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

void nwf_port_clear(NwfPort *port) {
  gboolean large = port->arena.most > ARENA_LARGE;
  nwf_arena_clear(&port->arena);
  g_ptr_array_unref(port->made_up);
  g_ptr_array_unref(port->lists);
  g_array_unref(port->collected);
  nwf_parameters_free(port->parameters);
  g_free(port->filter_name);
  g_clear_pointer(&port->own_values, g_array_unref);
  g_clear_pointer(&port->places, g_array_unref);
  g_clear_pointer(&port->known, g_hash_table_unref);
  if (large)
    give_back();
}

static void reset(NwfPort *port, const NwfBinding *binding) {
  nwf_arena_reset(&port->arena);
  g_ptr_array_set_size(port->made_up, 0);
  port->n_lists = 0;
  g_array_set_size(port->collected, 0);
  g_clear_pointer(&port->parameters, nwf_parameters_free);
  g_clear_pointer(&port->filter_name, g_free);
  g_clear_pointer(&port->own_values, g_array_unref);
  port->binding = binding;
  port->n_connlimits = 0;
  port->warned = NULL;
  port->n_lowered = port->n_merged = port->n_rules = 0;
}

/* MAC is the binding's unless the binding gives another as a parameter. */
static NwfParameters *parameters_of(const NwfBinding *binding) {
  NwfParameters *parameters = nwf_parameters_new();
  if (!nwf_parameters_get(binding->parameters, "MAC")) {
    g_autofree char *mac = nwf_mac_format(binding->mac);
    nwf_parameters_add(parameters, "MAC", mac, NULL);
  }
  for (guint i = 0; i < nwf_parameters_count(binding->parameters); i++) {
    const char *name = nwf_parameters_name(binding->parameters, i);
    nwf_parameters_set(parameters, name, nwf_parameters_get(binding->parameters, name));
  }
  return parameters;
}

void nwf_port_bind(NwfPort *port, const NwfBinding *binding) {
  reset(port, binding);
  port->parameters = parameters_of(binding);
}

gboolean nwf_port_compile(NwfPort *port, const NwfBinding *binding, GError **error) {
  nwf_port_bind(port, binding);
  if (!nwf_port_name_valid(binding->port)) {
    nwf_port_error(port, NULL, NULL, NWF_ERROR_INVALID, error, "not a name that an interface can have");
    return FALSE;
  }
  nwf_warn_of_passed_over(port->options, binding->parameters, binding->file, "port", binding->port);
  if (!nwf_collect(port, error))
    return FALSE;
  nwf_collected_sort(port->collected);
  return nwf_dispatch_port(port, error);
}

static gboolean compile_all(NwfPort *port, NwfBinding *const *bindings, guint n_bindings, GError **error) {
  const NwfCompileOptions *options = port->options;
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < n_bindings; i++) {
    port->binding = bindings[i];
    if (!g_hash_table_add(seen, bindings[i]->port)) {
      nwf_port_error(port, NULL, NULL, NWF_ERROR_INVALID, error, "this port has another binding already");
      return FALSE;
    }
    if (!nwf_port_compile(port, bindings[i], error))
      return FALSE;
    if (options->progress)
      options->progress(i + 1, n_bindings, options->data);
  }
  return TRUE;
}

NwfRuleset *nwf_compile(const NwfFilterStore *store, NwfBinding *const *bindings, guint n_bindings,
                        const NwfCompileOptions *options, GError **error) {
  static const NwfCompileOptions defaults = {.features = NWF_FEATURE_ALL};
  g_autoptr(NwfRuleset) ruleset = nwf_ruleset_new();
  NwfPort port;
  nwf_port_init(&port, store, ruleset, options ? options : &defaults);
  gboolean ok = compile_all(&port, bindings, n_bindings, error);
  nwf_port_clear(&port);
  if (!ok)
    return NULL;
  nwf_dispatch_finish(ruleset);
  nwf_ruleset_prune(ruleset); /* chains and sets of rules that then turned out to be out of reach */
  nwf_ruleset_sort(ruleset);
  return g_steal_pointer(&ruleset);
}
