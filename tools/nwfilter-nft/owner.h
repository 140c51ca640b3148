// SPDX-License-Identifier: LGPL-2.1-or-later
/** Who owns the kernel's table, told to people and programs. */
#pragma once

#include <jansson.h>
#include <kernel/kernel.h>

/** {"pid", "name"} or null. */
json_t *nwf_owner_to_json(NwfKernel *kernel);
/** "libvirtd (pid 123)", or NULL for nobody; the caller frees it. */
char *nwf_owner_to_text(NwfKernel *kernel);
