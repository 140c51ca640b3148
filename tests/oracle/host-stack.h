// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What the host's IP stack gets, behind its own filters: the stock driver keeps its rules for
 * host-bound packets in iptables' INPUT, where a packet socket on the bridge has seen them already.
 */
#pragma once

#include <glib.h>

typedef struct HostStack HostStack;

/** Gives br0 the addresses 10.0.255.1/16 and fd00::ff01/64, opens raw sockets for every protocol that
 * the cases use, and makes the host say nothing by itself. */
HostStack *host_stack_new(GError **error);
void host_stack_free(HostStack *stack);
/** Whether a packet has arrived since the last call; throws away all that wait. */
gboolean host_stack_arrived(HostStack *stack);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostStack, host_stack_free)
