// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * A rule's expressions as the kernel wants them, in the shape in which nft writes them: a value
 * is loaded into register 1, masked there, compared there.
 */
#include "kernel/internal.h"

#include <string.h>

static struct nlattr *begin_expr(struct nlmsghdr *message, const char *name, struct nlattr **data) {
  struct nlattr *expr = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
  mnl_attr_put_strz(message, NFTA_EXPR_NAME, name);
  *data = mnl_attr_nest_start(message, NFTA_EXPR_DATA);
  return expr;
}

static void end_expr(struct nlmsghdr *message, struct nlattr *expr, struct nlattr *data) {
  mnl_attr_nest_end(message, data);
  mnl_attr_nest_end(message, expr);
}

static void put_u32(struct nlmsghdr *message, guint16 attribute, guint32 value) {
  mnl_attr_put_u32(message, attribute, htonl(value));
}

static void put_value(struct nlmsghdr *message, guint16 attribute, const void *value, gsize length) {
  struct nlattr *nest = mnl_attr_nest_start(message, attribute);
  mnl_attr_put(message, NFTA_DATA_VALUE, length, value);
  mnl_attr_nest_end(message, nest);
}

/* --- loads --- */

static guint32 payload_base(NwfBase base) {
  static const guint32 bases[] = {
      [NWF_BASE_LL] = NFT_PAYLOAD_LL_HEADER,
      [NWF_BASE_NH] = NFT_PAYLOAD_NETWORK_HEADER,
      [NWF_BASE_TH] = NFT_PAYLOAD_TRANSPORT_HEADER,
  };
  return bases[base];
}

static void put_payload(struct nlmsghdr *message, NwfRawPart place, guint32 reg) {
  struct nlattr *data, *expr = begin_expr(message, "payload", &data);
  put_u32(message, NFTA_PAYLOAD_DREG, reg);
  put_u32(message, NFTA_PAYLOAD_BASE, payload_base(place.base));
  put_u32(message, NFTA_PAYLOAD_OFFSET, place.offset);
  put_u32(message, NFTA_PAYLOAD_LEN, place.length);
  end_expr(message, expr, data);
}

static void put_key(struct nlmsghdr *message, NwfBase base, guint32 key, guint32 reg) {
  struct nlattr *data, *expr = begin_expr(message, base == NWF_BASE_META ? "meta" : "ct", &data);
  put_u32(message, base == NWF_BASE_META ? NFTA_META_KEY : NFTA_CT_KEY, key);
  put_u32(message, base == NWF_BASE_META ? NFTA_META_DREG : NFTA_CT_DREG, reg);
  end_expr(message, expr, data);
}

/** Whether a TCP option or an IPv6 extension header of this kind is there. */
static void put_presence(struct nlmsghdr *message, NwfBase base, guint8 kind) {
  struct nlattr *data, *expr = begin_expr(message, "exthdr", &data);
  put_u32(message, NFTA_EXTHDR_DREG, NFT_REG_1);
  mnl_attr_put_u8(message, NFTA_EXTHDR_TYPE, kind);
  put_u32(message, NFTA_EXTHDR_OFFSET, 0);
  put_u32(message, NFTA_EXTHDR_LEN, 1);
  put_u32(message, NFTA_EXTHDR_OP, base == NWF_BASE_TCPOPT ? NFT_EXTHDR_OP_TCPOPT : NFT_EXTHDR_OP_IPV6);
  put_u32(message, NFTA_EXTHDR_FLAGS, NFT_EXTHDR_F_PRESENT);
  end_expr(message, expr, data);
}

static void put_load(struct nlmsghdr *message, NwfField field, NwfRawPart place, guint32 reg) {
  if (field != NWF_FIELD_RAW) {
    const NwfFieldSpec *spec = &nwf_fields[field];
    place = (NwfRawPart){spec->base, spec->offset, spec->length};
  }
  if (place.base == NWF_BASE_META || place.base == NWF_BASE_CT)
    put_key(message, place.base, place.offset, reg);
  else
    put_payload(message, place, reg);
}

/* --- tests --- */

static void put_mask(struct nlmsghdr *message, const NwfTest *test) {
  static const guint8 zero[NWF_VALUE_MAX];
  struct nlattr *data, *expr = begin_expr(message, "bitwise", &data);
  put_u32(message, NFTA_BITWISE_SREG, NFT_REG_1);
  put_u32(message, NFTA_BITWISE_DREG, NFT_REG_1);
  put_u32(message, NFTA_BITWISE_LEN, test->length);
  put_value(message, NFTA_BITWISE_MASK, test->mask, test->length);
  put_value(message, NFTA_BITWISE_XOR, zero, test->length);
  end_expr(message, expr, data);
}

static void put_compare(struct nlmsghdr *message, guint32 op, const guint8 *value, guint length) {
  struct nlattr *data, *expr = begin_expr(message, "cmp", &data);
  put_u32(message, NFTA_CMP_SREG, NFT_REG_1);
  put_u32(message, NFTA_CMP_OP, op);
  put_value(message, NFTA_CMP_DATA, value, length);
  end_expr(message, expr, data);
}

static void put_range(struct nlmsghdr *message, const NwfTest *test) {
  struct nlattr *data, *expr = begin_expr(message, "range", &data);
  put_u32(message, NFTA_RANGE_SREG, NFT_REG_1);
  put_u32(message, NFTA_RANGE_OP, NFT_RANGE_NEQ);
  put_value(message, NFTA_RANGE_FROM_DATA, test->low, test->length);
  put_value(message, NFTA_RANGE_TO_DATA, test->high, test->length);
  end_expr(message, expr, data);
}

static void put_test(struct nlmsghdr *message, const NwfTest *test) {
  if (test->base == NWF_BASE_TCPOPT || test->base == NWF_BASE_EXTHDR)
    put_presence(message, test->base, test->arg);
  else
    put_load(message, NWF_FIELD_RAW, (NwfRawPart){test->base, test->offset, test->length}, NFT_REG_1);
  if (test->has_mask)
    put_mask(message, test);
  switch (test->op) {
  case NWF_OP_EQ:
    put_compare(message, NFT_CMP_EQ, test->low, test->length);
    break;
  case NWF_OP_NE:
    put_compare(message, NFT_CMP_NEQ, test->low, test->length);
    break;
  case NWF_OP_RANGE:
    put_compare(message, NFT_CMP_GTE, test->low, test->length);
    put_compare(message, NFT_CMP_LTE, test->high, test->length);
    break;
  case NWF_OP_NOT_RANGE:
    put_range(message, test);
    break;
  }
}

/* --- the rest --- */

/** The parts of a key lie behind each other in units of 4 bytes; the first of each 16 has a name
 * of its own. */
static guint32 register_of(guint unit) {
  return unit % 4 == 0 ? NFT_REG_1 + unit / 4 : NFT_REG32_00 + unit;
}

/** @last: nothing follows in the rule. A lookup that nothing follows takes its verdict from the
 * map; looking into a set for nothing would be without effect, so nobody compiles that. */
static void put_lookup(struct nlmsghdr *message, const NwfExpr *lookup, gboolean last) {
  guint unit = 0;
  for (guint i = 0; i < lookup->lookup.n_fields; i++) {
    NwfField field = lookup->lookup.fields[i];
    put_load(message, field, lookup->lookup.raw[i], register_of(unit));
    guint length = field == NWF_FIELD_RAW ? lookup->lookup.raw[i].length : nwf_fields[field].length;
    unit += (length + 3) / 4;
  }
  struct nlattr *data, *expr = begin_expr(message, "lookup", &data);
  put_u32(message, NFTA_LOOKUP_SREG, NFT_REG_1);
  if (last && !lookup->lookup.negated)
    put_u32(message, NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
  mnl_attr_put_strz(message, NFTA_LOOKUP_SET, lookup->lookup.set);
  if (lookup->lookup.negated)
    put_u32(message, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
  end_expr(message, expr, data);
}

/** The kernel's connlimit holds while the count is at most the limit, its flag INV turns that round. */
static void put_connlimit(struct nlmsghdr *message, const NwfExpr *limit) {
  put_load(message, limit->connlimit.field, (NwfRawPart){0}, NFT_REG_1);
  struct nlattr *data, *expr = begin_expr(message, "dynset", &data);
  put_u32(message, NFTA_DYNSET_SREG_KEY, NFT_REG_1);
  put_u32(message, NFTA_DYNSET_OP, NFT_DYNSET_OP_ADD);
  mnl_attr_put_strz(message, NFTA_DYNSET_SET_NAME, limit->connlimit.set);
  struct nlattr *inner = mnl_attr_nest_start(message, NFTA_DYNSET_EXPR);
  mnl_attr_put_strz(message, NFTA_EXPR_NAME, "connlimit");
  struct nlattr *inner_data = mnl_attr_nest_start(message, NFTA_EXPR_DATA);
  put_u32(message, NFTA_CONNLIMIT_COUNT, limit->connlimit.count);
  put_u32(message, NFTA_CONNLIMIT_FLAGS, limit->connlimit.inverted ? 0 : NFT_CONNLIMIT_F_INV);
  mnl_attr_nest_end(message, inner_data);
  mnl_attr_nest_end(message, inner);
  end_expr(message, expr, data);
}

static void put_limit(struct nlmsghdr *message, const NwfExpr *limit) {
  struct nlattr *data, *expr = begin_expr(message, "limit", &data);
  mnl_attr_put_u64(message, NFTA_LIMIT_RATE, GUINT64_TO_BE((guint64)limit->limit.rate));
  mnl_attr_put_u64(message, NFTA_LIMIT_UNIT, GUINT64_TO_BE(G_GUINT64_CONSTANT(1)));
  put_u32(message, NFTA_LIMIT_BURST, limit->limit.burst);
  put_u32(message, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
  put_u32(message, NFTA_LIMIT_FLAGS, 0);
  end_expr(message, expr, data);
}

static void put_log(struct nlmsghdr *message, const NwfExpr *log) {
  struct nlattr *data, *expr = begin_expr(message, "log", &data);
  mnl_attr_put_u16(message, NFTA_LOG_GROUP, htons(log->log.group));
  if (log->log.snaplen)
    put_u32(message, NFTA_LOG_SNAPLEN, log->log.snaplen);
  end_expr(message, expr, data);
}

static void put_reject(struct nlmsghdr *message) {
  struct nlattr *data, *expr = begin_expr(message, "reject", &data);
  put_u32(message, NFTA_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH);
  mnl_attr_put_u8(message, NFTA_REJECT_ICMP_CODE, NFT_REJECT_ICMPX_PORT_UNREACH);
  end_expr(message, expr, data);
}

static void put_notrack(struct nlmsghdr *message) {
  struct nlattr *expr = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
  mnl_attr_put_strz(message, NFTA_EXPR_NAME, "notrack");
  mnl_attr_nest_end(message, expr);
}

void nwf_encode_verdict(struct nlmsghdr *message, guint16 attribute, const NwfVerdict *verdict) {
  static const int codes[] = {
      [NWF_VERDICT_ACCEPT] = NF_ACCEPT, [NWF_VERDICT_DROP] = NF_DROP,  [NWF_VERDICT_RETURN] = NFT_RETURN,
      [NWF_VERDICT_JUMP] = NFT_JUMP,    [NWF_VERDICT_GOTO] = NFT_GOTO,
  };
  struct nlattr *data = mnl_attr_nest_start(message, attribute);
  struct nlattr *nest = mnl_attr_nest_start(message, NFTA_DATA_VERDICT);
  put_u32(message, NFTA_VERDICT_CODE, (guint32)codes[verdict->kind]);
  if (verdict->kind == NWF_VERDICT_JUMP || verdict->kind == NWF_VERDICT_GOTO)
    mnl_attr_put_strz(message, NFTA_VERDICT_CHAIN, verdict->chain);
  mnl_attr_nest_end(message, nest);
  mnl_attr_nest_end(message, data);
}

static void put_verdict(struct nlmsghdr *message, const NwfVerdict *verdict) {
  struct nlattr *data, *expr = begin_expr(message, "immediate", &data);
  put_u32(message, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
  nwf_encode_verdict(message, NFTA_IMMEDIATE_DATA, verdict);
  end_expr(message, expr, data);
}

void nwf_encode_exprs(struct nlmsghdr *message, const NwfNftRule *rule) {
  struct nlattr *list = mnl_attr_nest_start(message, NFTA_RULE_EXPRESSIONS);
  for (guint i = 0; i < rule->n_exprs; i++) {
    const NwfExpr *expr = &rule->exprs[i];
    switch (expr->kind) {
    case NWF_EXPR_TEST:
      put_test(message, &expr->test);
      break;
    case NWF_EXPR_LOOKUP:
      put_lookup(message, expr, i + 1 == rule->n_exprs);
      break;
    case NWF_EXPR_CONNLIMIT:
      put_connlimit(message, expr);
      break;
    case NWF_EXPR_LIMIT:
      put_limit(message, expr);
      break;
    case NWF_EXPR_LOG:
      put_log(message, expr);
      break;
    case NWF_EXPR_REJECT:
      put_reject(message);
      break;
    case NWF_EXPR_NOTRACK:
      put_notrack(message);
      break;
    case NWF_EXPR_VERDICT:
      put_verdict(message, &expr->verdict);
      break;
    case NWF_EXPR_FOREIGN:
      break;
    }
  }
  mnl_attr_nest_end(message, list);
}
