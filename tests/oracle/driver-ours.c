// SPDX-License-Identifier: LGPL-2.1-or-later
#include "driver.h"

#include "kernel/kernel.h"

#include <nwfilter-nft/compile.h>
#include <nwfilter-nft/xml.h>

#include <string.h>

typedef struct {
  OracleDriver driver;
  NwfFilterStore *store;
  NwfKernel *kernel;
  GPtrArray *bindings;
  NwfCompileOptions options;
} Ours;

static gboolean define(OracleDriver *driver, const char *xml, GError **error) {
  Ours *ours = (Ours *)driver;
  NwfFilter *filter = nwf_filter_parse(xml, strlen(xml), NULL, error);

  if (!filter)
    return FALSE;
  nwf_filter_store_put(ours->store, filter);
  return TRUE;
}

/* Compiled alone to see whether it is refused; all that are not are compiled together in the end. */
static gboolean bind_port(OracleDriver *driver, const char *xml, GError **error) {
  Ours *ours = (Ours *)driver;
  g_autoptr(NwfBinding) binding = nwf_binding_parse(xml, strlen(xml), NULL, error);
  g_autoptr(NwfRuleset) ruleset = NULL;

  if (!binding)
    return FALSE;
  ruleset = nwf_compile(ours->store, &binding, 1, &ours->options, error);
  if (!ruleset)
    return FALSE;
  g_ptr_array_add(ours->bindings, g_steal_pointer(&binding));
  return TRUE;
}

static gboolean finish(OracleDriver *driver, GError **error) {
  Ours *ours = (Ours *)driver;
  g_autoptr(NwfRuleset) ruleset =
      nwf_compile(ours->store, (NwfBinding *const *)ours->bindings->pdata, ours->bindings->len, &ours->options, error);

  return ruleset && nwf_kernel_install(ours->kernel, ruleset, NULL, error);
}

static void free_ours(OracleDriver *driver) {
  Ours *ours = (Ours *)driver;

  g_ptr_array_unref(ours->bindings);
  nwf_filter_store_free(ours->store);
  nwf_kernel_close(ours->kernel);
  g_free(ours);
}

OracleDriver *oracle_ours_new(const char *filters, GError **error) {
  static const OracleDriverType type = {define, bind_port, finish, free_ours};
  g_autoptr(OracleDriver) driver = (OracleDriver *)g_new0(Ours, 1);
  Ours *ours = (Ours *)driver;

  driver->type = &type;
  ours->bindings = g_ptr_array_new_with_free_func((GDestroyNotify)nwf_binding_free);
  ours->store = nwf_filter_store_new();
  ours->kernel = nwf_kernel_open(error);
  if (!ours->kernel || !nwf_kernel_probe(ours->kernel, &ours->options.features, error) ||
      !nwf_filter_store_load(ours->store, filters, NULL, NULL, error))
    return NULL;
  ours->options.ipset = nwf_kernel_ipset;
  ours->options.data = ours->kernel;
  return g_steal_pointer(&driver);
}
