// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Tests by value: making them, and comparing what rules and sets hold.
 */
#include <nwfilter-nft/ruleset.h>

#include <string.h>

/* --- making tests --- */

static NwfTest test_of(NwfField field, NwfOp op) {
  const NwfFieldSpec *spec = &nwf_fields[field];
  return (NwfTest){.field = field, .op = op, .base = spec->base, .offset = spec->offset, .length = spec->length};
}

static void put_number(NwfField field, guint32 number, guint8 *value) {
  const NwfFieldSpec *spec = &nwf_fields[field];
  if (spec->host_order) {
    memcpy(value, &number, sizeof number);
    return;
  }
  for (guint i = spec->length; i-- > 0; number >>= 8)
    value[i] = number & 0xff;
}

NwfTest nwf_test_eq(NwfField field, const void *value) {
  NwfTest test = test_of(field, NWF_OP_EQ);
  memcpy(test.low, value, test.length);
  return test;
}

NwfTest nwf_test_eq_number(NwfField field, guint32 value) {
  NwfTest test = test_of(field, NWF_OP_EQ);
  put_number(field, value, test.low);
  return test;
}

NwfTest nwf_test_masked(NwfField field, const void *value, const void *mask) {
  NwfTest test = test_of(field, NWF_OP_EQ);
  const guint8 *values = value, *bits = mask;
  gboolean all = field != NWF_FIELD_CT_STATE;
  for (guint i = 0; i < test.length; i++) {
    test.mask[i] = bits[i];
    test.low[i] = values[i] & bits[i];
    all = all && bits[i] == 0xff;
  }
  /* a mask of all ones would make the same test look different from its plain form */
  if (all)
    memset(test.mask, 0, sizeof test.mask);
  test.has_mask = !all;
  return test;
}

NwfTest nwf_test_range(NwfField field, const void *low, const void *high) {
  NwfTest test = test_of(field, NWF_OP_RANGE);
  if (memcmp(low, high, test.length) == 0)
    return nwf_test_eq(field, low);
  memcpy(test.low, low, test.length);
  memcpy(test.high, high, test.length);
  return test;
}

NwfTest nwf_test_range_number(NwfField field, guint32 low, guint32 high) {
  guint8 first[NWF_VALUE_MAX] = {0}, last[NWF_VALUE_MAX] = {0};
  put_number(field, low, first);
  put_number(field, high, last);
  return nwf_test_range(field, first, last);
}

NwfTest nwf_test_negate(NwfTest test) {
  static const NwfOp negated[] = {
      [NWF_OP_EQ] = NWF_OP_NE,
      [NWF_OP_NE] = NWF_OP_EQ,
      [NWF_OP_RANGE] = NWF_OP_NOT_RANGE,
      [NWF_OP_NOT_RANGE] = NWF_OP_RANGE,
  };
  /* "missing" is what nft writes for an option that is not there, and it compares with zero */
  if (test.base == NWF_BASE_TCPOPT || test.base == NWF_BASE_EXTHDR)
    test.low[0] = !test.low[0];
  else
    test.op = negated[test.op];
  return test;
}

/* --- comparing --- */

/* Fields are compared by where they are: one place has several names (ip daddr is the root
 * cost of a BPDU), and what is read back from the kernel has none. */

static gboolean test_equal(const NwfTest *a, const NwfTest *b) {
  if (a->op != b->op || a->base != b->base || a->offset != b->offset || a->length != b->length || a->arg != b->arg ||
      !a->has_mask != !b->has_mask)
    return FALSE;
  if (memcmp(a->low, b->low, a->length) != 0)
    return FALSE;
  if (a->has_mask && memcmp(a->mask, b->mask, a->length) != 0)
    return FALSE;
  return (a->op != NWF_OP_RANGE && a->op != NWF_OP_NOT_RANGE) || memcmp(a->high, b->high, a->length) == 0;
}

static gboolean verdict_equal(const NwfVerdict *a, const NwfVerdict *b) {
  if (a->kind != b->kind)
    return FALSE;
  return (a->kind != NWF_VERDICT_JUMP && a->kind != NWF_VERDICT_GOTO) || g_str_equal(a->chain, b->chain);
}

static NwfRawPart place_of(NwfField field, const NwfRawPart *raw) {
  if (field == NWF_FIELD_RAW)
    return *raw;
  const NwfFieldSpec *spec = &nwf_fields[field];
  return (NwfRawPart){.base = spec->base, .offset = spec->offset, .length = spec->length};
}

static gboolean place_equal(NwfRawPart a, NwfRawPart b) {
  return a.base == b.base && a.offset == b.offset && a.length == b.length;
}

static gboolean lookup_equal(const NwfExpr *a, const NwfExpr *b) {
  if (a->lookup.n_fields != b->lookup.n_fields || !a->lookup.negated != !b->lookup.negated)
    return FALSE;
  for (guint i = 0; i < a->lookup.n_fields; i++)
    if (!place_equal(place_of(a->lookup.fields[i], &a->lookup.raw[i]),
                     place_of(b->lookup.fields[i], &b->lookup.raw[i])))
      return FALSE;
  return g_str_equal(a->lookup.set, b->lookup.set);
}

static gboolean connlimit_equal(const NwfExpr *a, const NwfExpr *b) {
  return place_equal(place_of(a->connlimit.field, NULL), place_of(b->connlimit.field, NULL)) &&
         a->connlimit.count == b->connlimit.count && !a->connlimit.inverted == !b->connlimit.inverted &&
         g_str_equal(a->connlimit.set, b->connlimit.set);
}

gboolean nwf_expr_equal(const NwfExpr *a, const NwfExpr *b) {
  if (a->kind != b->kind)
    return FALSE;
  switch (a->kind) {
  case NWF_EXPR_TEST:
    return test_equal(&a->test, &b->test);
  case NWF_EXPR_LOOKUP:
    return lookup_equal(a, b);
  case NWF_EXPR_CONNLIMIT:
    return connlimit_equal(a, b);
  case NWF_EXPR_LIMIT:
    return a->limit.rate == b->limit.rate && a->limit.burst == b->limit.burst;
  case NWF_EXPR_LOG:
    return a->log.group == b->log.group && a->log.snaplen == b->log.snaplen;
  case NWF_EXPR_REJECT:
  case NWF_EXPR_NOTRACK:
    return TRUE;
  case NWF_EXPR_VERDICT:
    return verdict_equal(&a->verdict, &b->verdict);
  case NWF_EXPR_FOREIGN:
    return FALSE;
  }
  return FALSE;
}

static gboolean rule_equal(const NwfNftRule *a, const NwfNftRule *b) {
  if (a->n_exprs != b->n_exprs || g_strcmp0(a->comment, b->comment) != 0)
    return FALSE;
  for (guint i = 0; i < a->n_exprs; i++)
    if (!nwf_expr_equal(&a->exprs[i], &b->exprs[i]))
      return FALSE;
  return TRUE;
}

gboolean nwf_chain_equal(const NwfChain *a, const NwfChain *b) {
  if (a->hook != b->hook || (a->hook != NWF_HOOK_NONE && a->priority != b->priority) || a->rules->len != b->rules->len)
    return FALSE;
  for (guint i = 0; i < a->rules->len; i++)
    if (!rule_equal(&g_array_index(a->rules, NwfNftRule, i), &g_array_index(b->rules, NwfNftRule, i)))
      return FALSE;
  return TRUE;
}

gboolean nwf_set_same_type(const NwfSet *a, const NwfSet *b) {
  if (!a->is_map != !b->is_map || !a->interval != !b->interval || !a->dynamic != !b->dynamic ||
      a->n_fields != b->n_fields || a->size != b->size || g_strcmp0(a->comment, b->comment) != 0)
    return FALSE;
  for (guint i = 0; i < a->n_fields; i++) {
    if (nwf_fields[a->fields[i]].set_type_id != nwf_fields[b->fields[i]].set_type_id ||
        nwf_set_part_length(a, i) != nwf_set_part_length(b, i))
      return FALSE;
  }
  return TRUE;
}

gboolean nwf_element_equal(const NwfSet *set, const NwfElement *a, const NwfElement *b) {
  return memcmp(a->key, b->key, NWF_KEY_MAX) == 0 && memcmp(a->key_end, b->key_end, NWF_KEY_MAX) == 0 &&
         (!set->is_map || verdict_equal(&a->verdict, &b->verdict)) && g_strcmp0(a->comment, b->comment) == 0;
}
