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

/** Which entries are to be deleted: those that one of @n_addresses @addresses is an end of (the source of its original
 * or of its reply direction, in any zone), unless the other end is one of @n_spared @spared. Without NAT the source of
 * the reply direction is the original destination; with DNAT it is where the packets really go. */
typedef struct {
  const NwfFlowAddress *addresses;
  guint n_addresses;
  const NwfFlowAddress *spared;
  guint n_spared;
} NwfConntrackCut;

/** Deletes them; @count (may be NULL) counts them. A kernel without connection tracking has none: TRUE.
 * In the network namespace of the calling thread; any thread. */
gboolean nwf_conntrack_cut(const NwfConntrackCut *cut, guint *count, GError **error);

/** Addresses as keys of a hash table; of IPv4 only the first four bytes count. */
guint nwf_flow_address_hash(gconstpointer address);
gboolean nwf_flow_address_equal(gconstpointer a, gconstpointer b);
