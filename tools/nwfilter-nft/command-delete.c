// SPDX-License-Identifier: LGPL-2.1-or-later
#include "changes.h"
#include "cli.h"

static const GOptionEntry entries[] = {{NULL}};

/* What is left of the table without the ports that @data names; no name: nothing. */
static gboolean leave_out(const NwfRuleset *have, NwfRuleset **want, gpointer data, GError **error) {
  char **ports = data;
  if (!ports[0])
    return TRUE;
  g_autoptr(NwfRuleset) left = have ? nwf_ruleset_copy(have) : nwf_ruleset_new();
  for (char **port = ports; *port; port++)
    if (!nwf_ruleset_remove_port(left, *port)) {
      g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "port %s is not bound", *port);
      return FALSE;
    }
  nwf_ruleset_prune(left);
  g_autoptr(GPtrArray) others = nwf_ruleset_ports(left);
  *want = others->len ? g_steal_pointer(&left) : NULL;
  return TRUE;
}

static void say(const NwfRuleset *have, const NwfRuleset *want, const GArray *changes, gpointer data) {
  nwf_changes_print(have, want, changes);
}

int nwf_command_delete(int argc, char **argv) {
  int code;
  if (!nwf_cli_parse("delete", entries, &argc, &argv, &code))
    return code;
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfKernel) kernel = nwf_kernel_open(&error);
  NwfKernelUpdate update = {.make = leave_out, .done = say, .data = argv + 1};
  if (!kernel || !nwf_kernel_update(kernel, &update, &error))
    return nwf_cli_fail(error);
  return NWF_EXIT_DONE;
}
