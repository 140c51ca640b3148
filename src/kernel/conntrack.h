// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Cutting established flows: deleting the conntrack entries of addresses that a port had. Few addresses are found by
 * the kernel's own filter where it has one, many in one pass over all entries.
 */
#pragma once

#include <glib.h>

typedef struct {
  gboolean ipv6;
  guint8 address[16]; /* IPv4: bytes 0..3 */
} NwfFlowAddress;

/** Deletes every entry that one of @n_addresses @addresses is an end of: the source of its original or of its reply
 * direction, in any zone. (Without NAT the latter is the original destination; with DNAT it is where the packets
 * really go.) @cut (may be NULL) counts them. A kernel without connection tracking has none: TRUE.
 * In the network namespace of the calling thread; any thread. */
gboolean nwf_conntrack_cut(const NwfFlowAddress *addresses, guint n_addresses, guint *cut, GError **error);
