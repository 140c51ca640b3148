// SPDX-License-Identifier: LGPL-2.1-or-later
#include "changes.h"
#include "cli.h"

#include <stdio.h>

static char **directories;
static char *bindings_directory;
static gboolean dry_run;

static const GOptionEntry entries[] = {
    {"filters", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &directories, "Read filters here instead (may be repeated)", "DIR"},
    {"bindings", 0, 0, G_OPTION_ARG_FILENAME, &bindings_directory, "Every *.xml in it is a binding", "DIR"},
    {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &dry_run, "Print the difference and change nothing", NULL},
    {NULL}};

/* Asking the kernel what it can do takes it tens of milliseconds, since it looks for the modules that
 * it lacks: it is asked only when the table needs any of it. */
static NwfRuleset *compile(NwfKernel *kernel, GError **error) {
  g_autoptr(NwfFilterStore) store = nwf_cli_load_filters(directories, error);
  g_autoptr(GPtrArray) bindings = store ? nwf_cli_load_bindings(bindings_directory, error) : NULL;
  if (!bindings)
    return NULL;
  NwfBinding *const *list = (NwfBinding *const *)bindings->pdata;
  NwfCompileOptions options = {.features = NWF_FEATURE_ALL,
                               .ipset = nwf_kernel_ipset,
                               .warning = nwf_cli_warning,
                               .progress = nwf_cli_progress,
                               .data = kernel};
  g_autoptr(NwfRuleset) ruleset = nwf_compile(store, list, bindings->len, &options, error);
  guint needed = ruleset ? nwf_ruleset_features(ruleset) : 0;
  if (!needed)
    return g_steal_pointer(&ruleset);
  if (!nwf_kernel_probe(kernel, &options.features, error))
    return NULL;
  if ((needed & ~options.features) == 0)
    return g_steal_pointer(&ruleset);
  return nwf_compile(store, list, bindings->len, &options, error);
}

static void say(const NwfRuleset *have, const NwfRuleset *want, const GArray *changes, gpointer data) {
  g_autofree char *text = dry_run ? nwf_diff_to_text(changes) : NULL;
  if (text)
    fputs(text, stdout);
  nwf_changes_print(have, want, changes);
}

int nwf_command_apply(int argc, char **argv) {
  int code;
  if (!nwf_cli_parse("apply", entries, &argc, &argv, &code))
    return code;
  if (argc > 1)
    return nwf_cli_usage("apply", "unexpected argument '%s'", argv[1]);
  if (!bindings_directory)
    return nwf_cli_usage("apply", "--bindings DIR is missing");
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfKernel) kernel = nwf_kernel_open(&error);
  g_autoptr(NwfRuleset) want = kernel ? compile(kernel, &error) : NULL;
  if (!want)
    return nwf_cli_fail(error);
  NwfKernelUpdate update = {.want = want, .done = say, .dry_run = dry_run};
  return nwf_kernel_update(kernel, &update, &error) ? NWF_EXIT_DONE : nwf_cli_fail(error);
}
