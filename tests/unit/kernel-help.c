// SPDX-License-Identifier: LGPL-2.1-or-later
#include "kernel-help.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

/** A kernel in an empty namespace; NULL: skipped. */
NwfKernel *nwf_test_enter(void) {
  if (geteuid() != 0) {
    g_test_skip("a network namespace needs root");
    return NULL;
  }
  if (unshare(CLONE_NEWNET) < 0) {
    g_test_skip("cannot make a network namespace");
    return NULL;
  }
  GError *error = NULL;
  NwfKernel *kernel = nwf_kernel_open(&error);
  g_assert_no_error(error);
  return kernel;
}

/** Runs a shell command in this namespace; its output (caller frees). Fails the test when it fails. */
char *nwf_test_shell(const char *command) {
  const char *argv[] = {"sh", "-c", command, NULL};
  char *output = NULL;
  g_autofree char *complaints = NULL;
  int status = 0;
  GError *error = NULL;
  g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, &complaints, &status, &error);
  g_assert_no_error(error);
  if (status != 0)
    g_test_message("%s: %s", command, complaints);
  g_assert_cmpint(status, ==, 0);
  return output;
}

void nwf_test_run(const char *command) {
  g_free(nwf_test_shell(command));
}

guint nwf_test_install(NwfKernel *kernel, const NwfRuleset *want) {
  GError *error = NULL;
  guint changed = 0;
  nwf_kernel_install(kernel, want, &changed, &error);
  g_assert_no_error(error);
  return changed;
}

NwfRuleset *nwf_test_read(NwfKernel *kernel) {
  GError *error = NULL;
  NwfRuleset *ruleset = NULL;
  nwf_kernel_read(kernel, &ruleset, NULL, &error);
  g_assert_no_error(error);
  return ruleset;
}

NwfRuleset *nwf_test_ports(guint n) {
  static const NwfField key[] = {NWF_FIELD_IIFNAME, NWF_FIELD_ETHER_TYPE};
  NwfRuleset *ruleset = nwf_ruleset_new();
  NwfSet *map = nwf_ruleset_add_set(ruleset, "from_port", key, 2);
  map->is_map = TRUE;
  for (guint i = 0; i < n; i++) {
    guint8 value[NWF_KEY_MAX] = {[16] = 8};
    g_snprintf((char *)value, 16, "vnet%u", i);
    NwfVerdict verdict = {.kind = NWF_VERDICT_ACCEPT};
    nwf_set_add_element(ruleset, map, value, NULL, &verdict, NULL);
  }
  NwfChain *base = nwf_ruleset_add_chain(ruleset, "prerouting", NWF_HOOK_PREROUTING, -150);
  NwfExpr exprs[2] = {{.kind = NWF_EXPR_LOOKUP, .lookup = {.n_fields = 2, .set = "from_port"}},
                      {.kind = NWF_EXPR_VERDICT, .verdict = {.kind = NWF_VERDICT_DROP}}};
  memcpy(exprs[0].lookup.fields, key, sizeof key);
  nwf_chain_add_rule(ruleset, base, &exprs[0], 1, NULL);
  nwf_chain_add_rule(ruleset, base, &exprs[1], 1, NULL);
  nwf_ruleset_sort(ruleset);
  return ruleset;
}

void nwf_assert_holds(NwfKernel *kernel, const NwfRuleset *want) {
  g_autoptr(NwfRuleset) have = nwf_test_read(kernel);
  g_autoptr(GArray) changes = nwf_ruleset_diff(have, want);
  g_autofree char *lines = nwf_diff_to_text(changes);
  g_assert_cmpstr(lines, ==, "");
}
