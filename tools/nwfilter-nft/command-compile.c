// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli.h"

#include <net/if.h>
#include <ruleset/values.h>
#include <stdio.h>
#include <string.h>

static char *chain_end;
static gboolean chain_end_accepts;
static char **directories, **parameters;
static char *format, *filter, *port, *mac;

static const GOptionEntry entries[] = {
    {"filters", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &directories, "Read filters here instead (may be repeated)", "DIR"},
    {"format", 0, 0, G_OPTION_ARG_STRING, &format, "nft (the default) or json", "nft|json"},
    {"filter", 0, 0, G_OPTION_ARG_STRING, &filter, "Compile this filter without a binding file", "NAME"},
    {"port", 0, 0, G_OPTION_ARG_STRING, &port, "with --filter: the port's interface name", "DEV"},
    {"mac", 0, 0, G_OPTION_ARG_STRING, &mac, "with --filter: the guest's MAC address", "MAC"},
    {"param", 0, 0, G_OPTION_ARG_STRING_ARRAY, &parameters, "with --filter: a parameter (repeat for lists)",
     "NAME=VALUE"},
    {"chain-end", 0, 0, G_OPTION_ARG_STRING, &chain_end,
     "What becomes of a frame at the end of a chain: return to root "
     "(the default), or accept as ebtables does",
     "return|accept"},
    {NULL}};

static gboolean add_parameter(NwfBinding *binding, const char *text, GError **error) {
  const char *equals = strchr(text, '=');
  if (!equals) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "--param %s: not of the form NAME=VALUE", text);
    return FALSE;
  }
  g_autofree char *name = g_strndup(text, (gsize)(equals - text));
  return nwf_parameters_add(binding->parameters, name, equals + 1, error);
}

static NwfBinding *binding_from_options(GError **error) {
  g_autoptr(NwfBinding) binding = nwf_binding_new();
  binding->filter = g_strdup(filter);
  binding->port = g_strdup(port);
  if (!nwf_mac_parse(mac, binding->mac)) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "--mac %s: not a MAC address", mac);
    return NULL;
  }
  for (char **p = parameters; p && *p; p++)
    if (!add_parameter(binding, *p, error))
      return NULL;
  return g_steal_pointer(&binding);
}

static gboolean read_bindings(GPtrArray *bindings, int argc, char **argv, GError **error) {
  for (int i = 1; i < argc; i++) {
    NwfBinding *binding = nwf_binding_parse_file(argv[i], error);
    if (!binding)
      return FALSE;
    g_ptr_array_add(bindings, binding);
  }
  return nwf_cli_ports_differ(bindings, error);
}

/* A few names that an interface can have are beyond nft's grammars; netlink, and so apply, takes any. */
static gboolean names_can_be_written(const GPtrArray *bindings, gboolean json, GError **error) {
  for (guint i = 0; i < bindings->len; i++) {
    const NwfBinding *binding = g_ptr_array_index(bindings, i);
    guint8 name[IFNAMSIZ] = {0};
    g_autoptr(GString) written = g_string_new(NULL);
    memcpy(name, binding->port, strnlen(binding->port, IFNAMSIZ));
    if (nwf_value_append(written, nwf_fields[NWF_FIELD_IIFNAME].set_type_id, name, IFNAMSIZ, json))
      continue;
    g_autofree char *where = binding->file ? g_strdup_printf("%s:%u: ", binding->file, binding->line) : g_strdup("");
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID,
                "%sport %s: nft has no way to write this name in %s (apply can use it)", where, binding->port,
                json ? "JSON" : "its language");
    return FALSE;
  }
  return TRUE;
}

/* ipsets are asked of the kernel, and only when a filter names one. */
static gboolean lazy_ipset(const char *name, guint dimensions, gboolean ipv6, NwfRuleset *ruleset, NwfSet *set,
                           gpointer data, GError **error) {
  g_autoptr(NwfKernel) kernel = nwf_kernel_open(error);
  return kernel && nwf_kernel_ipset(name, dimensions, ipv6, ruleset, set, kernel, error);
}

static int compile(const GPtrArray *bindings, gboolean json) {
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfFilterStore) store = nwf_cli_load_filters(directories, &error);
  if (!store || !names_can_be_written(bindings, json, &error))
    return nwf_cli_fail(error);
  NwfCompileOptions options = {.features = NWF_FEATURE_ALL,
                               .ipset = lazy_ipset,
                               .warning = nwf_cli_warning,
                               .progress = nwf_cli_progress,
                               .chain_end_accepts = chain_end_accepts,
                               .no_raw_sets = json};
  g_autoptr(NwfRuleset) ruleset =
      nwf_compile(store, (NwfBinding *const *)bindings->pdata, bindings->len, &options, &error);
  if (!ruleset)
    return nwf_cli_fail(error);
  g_autofree char *text = json ? nwf_ruleset_to_json(ruleset) : nwf_ruleset_to_text(ruleset);
  fputs(text, stdout);
  return NWF_EXIT_DONE;
}

int nwf_command_compile(int argc, char **argv) {
  int code;
  if (!nwf_cli_parse("compile", entries, &argc, &argv, &code))
    return code;
  if (chain_end && !nwf_chain_end_parse(chain_end, &chain_end_accepts))
    return nwf_cli_usage("compile", "--chain-end %s: it is return or accept", chain_end);
  if (format && strcmp(format, "nft") != 0 && strcmp(format, "json") != 0)
    return nwf_cli_usage("compile", "--format %s: it is nft or json", format);
  if (filter ? !port || !mac : (port || mac || parameters))
    return nwf_cli_usage("compile", "--filter, --port and --mac go together");
  if (!filter && argc < 2)
    return nwf_cli_usage("compile", "no binding: name files, or give --filter, --port and --mac");
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) bindings = g_ptr_array_new_with_free_func((GDestroyNotify)nwf_binding_free);
  if (filter) {
    NwfBinding *binding = binding_from_options(&error);
    if (!binding)
      return nwf_cli_usage("compile", "%s", error->message);
    g_ptr_array_add(bindings, binding);
  }
  if (!read_bindings(bindings, argc, argv, &error))
    return nwf_cli_fail(error);
  return compile(bindings, format && strcmp(format, "json") == 0);
}
