// SPDX-License-Identifier: LGPL-2.1-or-later
/** Namespaces of one's own. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** Puts the process into new network and mount namespaces (mounts do not spread), and forks: only the child
 * returns, as the first process of a process namespace with its own /proc, which takes all processes with it
 * when it ends. The parent waits and ends as the child did. */
gboolean isolate_process(GError **error);

/** How many processes and threads were ever begun in the caller's process namespace. */
guint64 isolate_processes_begun(void);

G_END_DECLS
