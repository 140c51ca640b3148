// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * A rule with its variables replaced by values, and the question whether a packet has what it asks for.
 * The reference evaluator's inner half.
 */
#pragma once

#include "packet.h"

#include <nwfilter-nft/model.h>

typedef struct {
  const NwfRule *rule;
  gboolean has[NWF_N_ATTRS];
  gboolean negated[NWF_N_ATTRS];
  NwfValue values[NWF_N_ATTRS];
} Instance;

/** Every combination of the values of the rule's variables (of Instance *). NULL with @error. */
GPtrArray *instances_of(const NwfRule *rule, const NwfParameters *parameters, GError **error);

/** Whether the packet is what the rule's L2 element describes, with source and destination
 * exchanged when @swapped. */
gboolean instance_matches_l2(const Instance *instance, const Packet *packet, gboolean swapped);
/** The same for an L3/L4 element, but for state, connlimit-above and ipset. */
gboolean instance_matches_l4(const Instance *instance, const Packet *packet, gboolean swapped);

/* attributes.c: one attribute, or a pair that is one test. What the rule does not ask for holds; a
 * test on bytes that the frame does not have never holds, negated or not. @field is NULL then.
 * Bytes that a mask leaves out at the end are not asked for. */
gboolean holds_mac(const Instance *instance, NwfAttr address, NwfAttr mask, const Packet *packet, gsize offset);
gboolean holds_ip(const Instance *instance, NwfAttr address, NwfAttr mask, const Packet *packet, gsize offset,
                  gsize length);
gboolean holds_ip_range(const Instance *instance, NwfAttr from, NwfAttr to, const guint8 *field, gsize length);
gboolean holds_number(const Instance *instance, NwfAttr attr, const guint8 *field, gsize length);
gboolean holds_range(const Instance *instance, NwfAttr low, NwfAttr high, const guint8 *field, gsize length);
gboolean holds_ports(const Instance *instance, const Packet *packet, gboolean swapped);
gboolean holds_types(const Instance *instance, const Packet *packet);
gboolean holds_tcp(const Instance *instance, const Packet *packet);
