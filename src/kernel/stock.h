// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What libvirt's own nwfilter driver leaves in the kernel: its chains in the tables of ebtables and iptables, or,
 * from libvirt 12 on, nftables tables of its own.
 */
#pragma once

#include <glib.h>

/** Removes them: what is in nftables' tables in one transaction, what legacy ebtables and iptables hold with
 * their own commands, which are only started when their kernel modules hold such chains. @removed (may be NULL)
 * counts the chains. */
gboolean nwf_stock_remove(guint *removed, GError **error);
