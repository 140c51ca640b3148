// SPDX-License-Identifier: LGPL-2.1-or-later
/** Counts what is said over netlink in the caller's network namespace, by a monitor device (nlmon, a module of many
 * kernels' but not of all). */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct NetlinkCount NetlinkCount;

/** NULL where the kernel has no such device. */
NetlinkCount *netlink_count_new(void);
void netlink_count_free(NetlinkCount *count);
/** Datagrams of NETLINK_NETFILTER so far, to the kernel and from it. */
guint64 netlink_count_read(NetlinkCount *count);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkCount, netlink_count_free)

G_END_DECLS
