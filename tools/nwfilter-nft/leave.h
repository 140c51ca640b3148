// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * How our table goes when libvirt's own driver comes back: never before that has its rules in force, or guests would be
 * open for so long, and not never. The daemon's next start sees to it, with a unit in /run, which ends with this boot
 * as the table does. It needs virsh and nft, and nothing of ours: the package may be gone by then.
 */
#pragma once

#include "files.h"

/** Writes the unit for @service. FALSE without @error: there is no virsh or no nft to do it. */
gboolean nwf_leave_arrange(NwfFiles *files, const char *service, GError **error);
/** Takes the unit away. */
gboolean nwf_leave_forget(NwfFiles *files, GError **error);
/** Does it now, waiting for the daemon, however long that takes it. */
gboolean nwf_leave_now(GError **error);
