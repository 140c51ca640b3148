// SPDX-License-Identifier: LGPL-2.1-or-later
/* Attributes that several protocol elements share. */
#include "compile/internal.h"

#include <string.h>

static void add(NwfLower *lower, NwfTest test, gboolean negated) {
  nwf_conjunctions_add(lower->conjunctions, negated ? nwf_test_negate(test) : test);
}

/* A test that always holds is none; its negation can never hold. */
static void add_certain(NwfLower *lower, gboolean holds) {
  if (!holds)
    lower->conjunctions->never = TRUE;
}

void nwf_lower_mac(NwfLower *lower, NwfAttr address, NwfAttr mask, NwfField field) {
  static const guint8 zero[NWF_MAC_LEN];
  if (!NWF_HAS(lower, address))
    return;
  gboolean negated = NWF_NEGATED(lower, address);
  const guint8 *mac = lower->resolved->values[address]->mac;
  const guint8 *bits = NULL;
  if (mask != address && NWF_HAS(lower, mask))
    bits = lower->resolved->values[mask]->mac;
  if (bits && memcmp(bits, zero, NWF_MAC_LEN) == 0)
    add_certain(lower, !negated);
  else
    add(lower, bits ? nwf_test_masked(field, mac, bits) : nwf_test_eq(field, mac), negated);
}

static void prefix_to_mask(guint prefix, guint8 mask[16]) {
  memset(mask, 0, 16);
  for (guint i = 0; i < prefix; i++)
    mask[i / 8] |= (guint8)(0x80 >> (i % 8));
}

void nwf_lower_ip(NwfLower *lower, NwfAttr address, NwfAttr mask, NwfField field) {
  if (!NWF_HAS(lower, address))
    return;
  gboolean negated = NWF_NEGATED(lower, address);
  guint whole = nwf_fields[field].length * 8u;
  guint prefix = NWF_HAS(lower, mask) ? MIN(NWF_NUMBER(lower, mask), whole) : whole;
  const guint8 *value = lower->resolved->values[address]->address;
  if (lower->resolved->values[address]->prefix)
    prefix = MIN(prefix, lower->resolved->values[address]->prefix);
  guint8 bits[16];
  prefix_to_mask(prefix, bits);
  if (prefix == 0)
    add_certain(lower, !negated);
  else
    add(lower, prefix == whole ? nwf_test_eq(field, value) : nwf_test_masked(field, value, bits), negated);
}

void nwf_lower_number(NwfLower *lower, NwfAttr attr, NwfField field) {
  if (NWF_HAS(lower, attr))
    add(lower, nwf_test_eq_number(field, NWF_NUMBER(lower, attr)), NWF_NEGATED(lower, attr));
}

static gboolean refuse_range(NwfLower *lower, NwfAttr low, NwfAttr high, GError **error) {
  nwf_port_error(lower->port, lower->collected->filter, lower->collected->rule, NWF_ERROR_INVALID, error,
                 "%s is greater than %s", nwf_attr_name(low), nwf_attr_name(high));
  return FALSE;
}

gboolean nwf_lower_range(NwfLower *lower, NwfAttr low, NwfAttr high, NwfField field, GError **error) {
  if (!NWF_HAS(lower, low))
    return TRUE;
  guint32 from = NWF_NUMBER(lower, low);
  guint32 to = NWF_HAS(lower, high) ? NWF_NUMBER(lower, high) : from;
  if (from > to)
    return refuse_range(lower, low, high, error);
  add(lower, from == to ? nwf_test_eq_number(field, from) : nwf_test_range_number(field, from, to),
      NWF_NEGATED(lower, low));
  return TRUE;
}

gboolean nwf_lower_ip_range(NwfLower *lower, NwfAttr from, NwfAttr to, NwfField field, GError **error) {
  if (!NWF_HAS(lower, from))
    return TRUE;
  const guint8 *low = lower->resolved->values[from]->address;
  const guint8 *high = NWF_HAS(lower, to) ? lower->resolved->values[to]->address : low;
  int order = memcmp(low, high, nwf_fields[field].length);
  if (order > 0)
    return refuse_range(lower, from, to, error);
  add(lower, order == 0 ? nwf_test_eq(field, low) : nwf_test_range(field, low, high), NWF_NEGATED(lower, from));
  return TRUE;
}

/* Loads of 1, 2 or 4 bytes from the transport header go by a shortcut in the kernel that does not ask
 * whether there is one: of a later fragment it takes payload (IPv4) or the IPv6 header itself, which the
 * sender fills as it likes (seen on 6.18). IPv4 says in its header which fragment it is; for IPv6 a
 * load of 3 bytes, which takes the long way, holds only where there is a transport header. */
void nwf_lower_first_fragment(NwfLower *lower, gboolean ipv6) {
  static const guint8 first[2] = {0, 0}, offset_mask[2] = {0x1f, 0xff}; /* RFC 791: 13 bits of offset */
  NwfTest test = nwf_test_masked(NWF_FIELD_IP_FRAG_OFF, first, offset_mask);
  if (ipv6)
    test = (NwfTest){
        .field = NWF_FIELD_RAW, .op = NWF_OP_RANGE, .base = NWF_BASE_TH, .length = 3, .high = {0xff, 0xff, 0xff}};
  add(lower, test, FALSE);
}

gboolean nwf_lower_ports(NwfLower *lower, gboolean ipv6, GError **error) {
  if (NWF_HAS(lower, NWF_ATTR_SRCPORTSTART) || NWF_HAS(lower, NWF_ATTR_DSTPORTSTART))
    nwf_lower_first_fragment(lower, ipv6);
  NwfField source = lower->swapped ? NWF_FIELD_TH_DPORT : NWF_FIELD_TH_SPORT;
  NwfField destination = lower->swapped ? NWF_FIELD_TH_SPORT : NWF_FIELD_TH_DPORT;
  return nwf_lower_range(lower, NWF_ATTR_SRCPORTSTART, NWF_ATTR_SRCPORTEND, source, error) &&
         nwf_lower_range(lower, NWF_ATTR_DSTPORTSTART, NWF_ATTR_DSTPORTEND, destination, error);
}

/* The six bits of DSCP: above ECN's two in IPv4's TOS byte (RFC 2474), and four bits further
 * up in the first two bytes of IPv6 (RFC 8200). */
void nwf_lower_dscp(NwfLower *lower, gboolean ipv6) {
  if (!NWF_HAS(lower, NWF_ATTR_DSCP))
    return;
  guint32 dscp = NWF_NUMBER(lower, NWF_ATTR_DSCP);
  guint8 tos = (guint8)(dscp << 2), tos_mask = 0xfc;
  guint8 class[2] = {(guint8)(dscp >> 2), (guint8)((dscp & 3) << 6)}, class_mask[2] = {0x0f, 0xc0};
  NwfTest test = ipv6 ? nwf_test_masked(NWF_FIELD_IP6_CLASS, class, class_mask)
                      : nwf_test_masked(NWF_FIELD_IP_TOS, &tos, &tos_mask);
  add(lower, test, NWF_NEGATED(lower, NWF_ATTR_DSCP));
}
