// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli.h"

#include <stdio.h>
#include <string.h>
#include <xml/reader.h>

static char *chain_end;
static gboolean chain_end_accepts;
static char **directories;

static const GOptionEntry entries[] = {
    {"filters", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &directories, "Read filters here instead (may be repeated)", "DIR"},
    {"chain-end", 0, 0, G_OPTION_ARG_STRING, &chain_end,
     "What becomes of a frame at the end of a chain: return to root "
     "(the default), or accept as ebtables does",
     "return|accept"},
    {NULL}};

typedef struct {
  NwfFilterStore *store;
  GPtrArray *filters;  /* names, of the filters among the files */
  GPtrArray *bindings; /* NwfBinding */
  NwfCompileOptions options;
  gboolean failed;
} Check;

static void report(Check *check, const GError *error) {
  nwf_cli_fail(error);
  check->failed = TRUE;
}

/* A file is a binding when it says so; everything else is read as a filter. */
static void read_file(Check *check, const char *path) {
  g_autoptr(GError) error = NULL;
  gsize length;
  g_autofree char *text = nwf_xml_read_file(path, &length, &error);
  if (!text) {
    report(check, error);
    return;
  }
  if (g_strstr_len(text, (gssize)length, "<filterbinding")) {
    NwfBinding *binding = nwf_binding_parse(text, length, path, &error);
    if (binding)
      g_ptr_array_add(check->bindings, binding);
    else
      report(check, error);
    return;
  }
  NwfFilter *filter = nwf_filter_parse(text, length, path, &error);
  if (!filter) {
    report(check, error);
    return;
  }
  g_ptr_array_add(check->filters, g_strdup(filter->name));
  nwf_filter_store_put(check->store, filter);
}

static void check_binding(Check *check, const NwfBinding *binding) {
  g_autoptr(GError) error = NULL;
  const NwfFilter *filter = nwf_filter_store_get(check->store, binding->filter);
  g_autofree char *where = g_strdup_printf("%s:%u", binding->file, binding->line);
  g_autofree char *what = g_strdup_printf("no filter directory has the filter '%s'", binding->filter);
  if (!filter)
    nwf_cli_warning(where, what, NULL);
  else if (!nwf_port_name_valid(binding->port)) {
    error = g_error_new(NWF_ERROR, NWF_ERROR_INVALID, "%s: '%s' is no name that an interface can have", where,
                        binding->port);
    report(check, error);
  } else if (!nwf_check_filter(check->store, filter, binding, &check->options, &error)) {
    report(check, error);
  }
}

int nwf_command_check(int argc, char **argv) {
  int code;
  if (!nwf_cli_parse("check", entries, &argc, &argv, &code))
    return code;
  if (chain_end && !nwf_chain_end_parse(chain_end, &chain_end_accepts))
    return nwf_cli_usage("check", "--chain-end %s: it is return or accept", chain_end);
  if (argc < 2)
    return nwf_cli_usage("check", "no file to check");
  g_autoptr(GError) error = NULL;
  Check check = {.store = nwf_cli_load_filters(directories, &error)};
  if (!check.store)
    return nwf_cli_fail(error);
  check.options = (NwfCompileOptions){.warning = nwf_cli_warning, .chain_end_accepts = chain_end_accepts};
  check.filters = g_ptr_array_new_with_free_func(g_free);
  check.bindings = g_ptr_array_new_with_free_func((GDestroyNotify)nwf_binding_free);
  for (int i = 1; i < argc; i++)
    read_file(&check, argv[i]);
  for (guint i = 0; i < check.filters->len; i++) {
    g_autoptr(GError) reason = NULL;
    const NwfFilter *filter = nwf_filter_store_get(check.store, g_ptr_array_index(check.filters, i));
    if (!nwf_check_filter(check.store, filter, NULL, &check.options, &reason))
      report(&check, reason);
  }
  for (guint i = 0; i < check.bindings->len; i++)
    check_binding(&check, g_ptr_array_index(check.bindings, i));
  nwf_filter_store_free(check.store);
  g_ptr_array_unref(check.filters);
  g_ptr_array_unref(check.bindings);
  return check.failed ? NWF_EXIT_FAILED : NWF_EXIT_DONE;
}
