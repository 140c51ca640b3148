// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libvirt/symbols.h"

#include <dlfcn.h>
#include <string.h>

NwfLibvirt nwf_libvirt;

/* The daemon is linked to libvirt, so that the default scope has it. */
static void resolve(gpointer place, const char *name, GString *missing) {
  void *symbol = dlsym(RTLD_DEFAULT, name);
  if (symbol == NULL)
    g_string_append_printf(missing, "%s%s", missing->len > 0 ? ", " : "", name);
  memcpy(place, &symbol, sizeof symbol);
}

gboolean nwf_libvirt_resolve(char **missing) {
  g_autoptr(GString) names = g_string_new(NULL);
#define NWF_RESOLVE_SYMBOL(result, name, arguments) resolve(&nwf_libvirt.name, #name, names);
  NWF_LIBVIRT_SYMBOLS(NWF_RESOLVE_SYMBOL)
#undef NWF_RESOLVE_SYMBOL
  if (names->len == 0)
    return TRUE;
  *missing = g_string_free(g_steal_pointer(&names), FALSE);
  return FALSE;
}
