// SPDX-License-Identifier: LGPL-2.1-or-later
#include "owner.h"

#define NAME_LEN 16

json_t *nwf_owner_to_json(NwfKernel *kernel) {
  guint32 pid;
  char name[NAME_LEN];
  if (!nwf_kernel_owner(kernel, &pid, name))
    return json_null();
  return json_pack("{s:o, s:o}", "pid", pid ? json_integer(pid) : json_null(), "name",
                   *name ? json_string(name) : json_null());
}

char *nwf_owner_to_text(NwfKernel *kernel) {
  guint32 pid;
  char name[NAME_LEN];
  if (!nwf_kernel_owner(kernel, &pid, name))
    return NULL;
  if (!pid)
    return g_strdup("a process that cannot be seen from here");
  return g_strdup_printf("%s (pid %u)", *name ? name : "a process", pid);
}
