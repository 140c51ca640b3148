// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Cutting established flows: deleting the conntrack entries of addresses that a port had. Addresses of a family go
 * in one pass, by the kernel's own filter where it has one.
 */
#pragma once

#include <glib.h>

typedef struct {
  gboolean ipv6;
  guint8 address[16]; /* IPv4: bytes 0..3 */
} NwfFlowAddress;

/** Deletes every entry whose original source or destination, or reply source or destination, is one of
 * @n_addresses @addresses. @cut (may be NULL) counts them. A kernel without connection tracking has none: TRUE. */
gboolean nwf_conntrack_cut(const NwfFlowAddress *addresses, guint n_addresses, guint *cut, GError **error);
