// SPDX-License-Identifier: LGPL-2.1-or-later
#include "changes.h"
#include "cli.h"

#include <stdio.h>

static const GOptionEntry entries[] = {{NULL}};

typedef struct {
  char **ports; /* none: the whole table */
  const char *unknown;
} Deletion;

/* What is left of the table without the ports; NULL: nothing. */
static gboolean without_ports(NwfRuleset *have, gpointer data) {
  Deletion *deletion = data;
  for (char **port = deletion->ports; *port; port++)
    if (!nwf_ruleset_remove_port(have, *port)) {
      deletion->unknown = *port;
      return FALSE;
    }
  nwf_ruleset_prune(have);
  return TRUE;
}

static gboolean delete_ports(NwfKernel *kernel, Deletion *deletion, GError **error) {
  for (;;) {
    g_autoptr(NwfRuleset) have = NULL;
    g_autoptr(NwfRuleset) want = NULL;
    guint32 generation;
    if (!nwf_kernel_read(kernel, &have, &generation, error))
      return FALSE;
    if (!have && !deletion->ports[0]) {
      puts("there is no table");
      return TRUE;
    }
    if (have && deletion->ports[0] && !nwf_kernel_read(kernel, &want, NULL, error))
      return FALSE;
    if (deletion->ports[0] && (!want || !without_ports(want, deletion))) {
      g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "port %s is not bound",
                  deletion->unknown ? deletion->unknown : deletion->ports[0]);
      return FALSE;
    }
    g_autoptr(GPtrArray) left = want ? nwf_ruleset_ports(want) : NULL;
    if (left && left->len == 0)
      g_clear_pointer(&want, nwf_ruleset_free);
    g_autoptr(GArray) changes = nwf_ruleset_diff(have, want);
    g_autoptr(GError) reason = NULL;
    if (nwf_kernel_commit(kernel, changes, generation, &reason)) {
      nwf_changes_print(have, want, changes);
      return TRUE;
    }
    if (!g_error_matches(reason, NWF_ERROR, NWF_ERROR_CHANGED)) {
      g_propagate_error(error, g_steal_pointer(&reason));
      return FALSE;
    }
  }
}

int nwf_command_delete(int argc, char **argv) {
  int code;
  if (!nwf_cli_parse("delete", entries, &argc, &argv, &code))
    return code;
  g_autoptr(GError) error = NULL;
  Deletion deletion = {.ports = argv + 1};
  g_autoptr(NwfKernel) kernel = nwf_kernel_open(&error);
  if (!kernel || !delete_ports(kernel, &deletion, &error))
    return nwf_cli_fail(error);
  return NWF_EXIT_DONE;
}
