// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The kernel's expressions back to ours: only the shapes that expr-encode.c writes are
 * understood, anything else makes the whole rule foreign.
 */
#include "kernel/internal.h"

#include <string.h>

#define REGISTER_NONE G_MAXUINT32

/** What stands in the registers between two of our expressions. */
typedef struct {
  NwfExpr *exprs;
  guint n_exprs;
  struct {
    NwfField field;
    NwfRawPart place;
    guint unit;
  } loads[NWF_KEY_PARTS];
  guint n_loads;
  guint8 option; /* kind of a TCP option or an extension header */
  NwfTest test;  /* masks and the lower bound so far */
  gboolean has_low;
} Reader;

typedef gboolean (*ReadFunc)(Reader *reader, const NwfAttrs *attrs);

/** The 4-byte unit at which a register begins. */
static guint32 unit_of(const struct nlattr *attr) {
  guint32 reg = nwf_attr_u32(attr, REGISTER_NONE);
  if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
    return (reg - NFT_REG_1) * 4;
  if (reg >= NFT_REG32_00 && reg <= NFT_REG32_15)
    return reg - NFT_REG32_00;
  return REGISTER_NONE;
}

NwfField nwf_field_at(NwfBase base, guint32 offset, guint32 length) {
  for (NwfField field = NWF_FIELD_NONE + 1; field < NWF_N_FIELDS; field++) {
    const NwfFieldSpec *spec = &nwf_fields[field];
    if (field != NWF_FIELD_RAW && spec->base == base && spec->offset == offset &&
        (length == 0 || spec->length == length))
      return field;
  }
  return base <= NWF_BASE_TH ? NWF_FIELD_RAW : NWF_FIELD_NONE;
}

static NwfExpr *add_expr(Reader *reader, NwfExprKind kind) {
  if (reader->n_exprs == NWF_RULE_EXPRS_MAX)
    return NULL;
  NwfExpr *expr = &reader->exprs[reader->n_exprs++];
  memset(expr, 0, sizeof *expr);
  expr->kind = kind;
  return expr;
}

static gboolean idle(const Reader *reader) {
  return reader->n_loads == 0;
}

/* --- loads --- */

static gboolean add_load(Reader *reader, NwfField field, NwfRawPart place, guint32 unit) {
  if (field == NWF_FIELD_NONE || unit == REGISTER_NONE || reader->n_loads == NWF_KEY_PARTS || reader->test.has_mask ||
      reader->has_low)
    return FALSE;
  guint n = reader->n_loads++;
  reader->loads[n].field = field;
  reader->loads[n].place = place;
  reader->loads[n].unit = unit;
  return TRUE;
}

static gboolean read_payload(Reader *reader, const NwfAttrs *attrs) {
  static const NwfBase bases[] = {
      [NFT_PAYLOAD_LL_HEADER] = NWF_BASE_LL,
      [NFT_PAYLOAD_NETWORK_HEADER] = NWF_BASE_NH,
      [NFT_PAYLOAD_TRANSPORT_HEADER] = NWF_BASE_TH,
  };
  guint32 base = nwf_attr_u32(attrs->attr[NFTA_PAYLOAD_BASE], G_MAXUINT32);
  guint32 offset = nwf_attr_u32(attrs->attr[NFTA_PAYLOAD_OFFSET], G_MAXUINT32);
  guint32 length = nwf_attr_u32(attrs->attr[NFTA_PAYLOAD_LEN], 0);
  if (base >= G_N_ELEMENTS(bases) || offset > G_MAXUINT16 || length == 0 || length > NWF_VALUE_MAX ||
      attrs->attr[NFTA_PAYLOAD_SREG])
    return FALSE;
  NwfRawPart place = {bases[base], (guint16)offset, (guint8)length};
  return add_load(reader, nwf_field_at(place.base, offset, length), place, unit_of(attrs->attr[NFTA_PAYLOAD_DREG]));
}

static gboolean read_key(Reader *reader, NwfBase base, guint32 key, const struct nlattr *dreg) {
  NwfField field = key > G_MAXUINT16 ? NWF_FIELD_NONE : nwf_field_at(base, key, 0);
  NwfRawPart place = {base, (guint16)key, nwf_fields[field].length};
  return add_load(reader, field, place, unit_of(dreg));
}

static gboolean read_meta(Reader *reader, const NwfAttrs *attrs) {
  return !attrs->attr[NFTA_META_SREG] &&
         read_key(reader, NWF_BASE_META, nwf_attr_u32(attrs->attr[NFTA_META_KEY], G_MAXUINT32),
                  attrs->attr[NFTA_META_DREG]);
}

static gboolean read_ct(Reader *reader, const NwfAttrs *attrs) {
  return !attrs->attr[NFTA_CT_DIRECTION] && !attrs->attr[NFTA_CT_SREG] &&
         read_key(reader, NWF_BASE_CT, nwf_attr_u32(attrs->attr[NFTA_CT_KEY], G_MAXUINT32), attrs->attr[NFTA_CT_DREG]);
}

static gboolean read_exthdr(Reader *reader, const NwfAttrs *attrs) {
  const struct nlattr *type = attrs->attr[NFTA_EXTHDR_TYPE];
  guint32 op = nwf_attr_u32(attrs->attr[NFTA_EXTHDR_OP], G_MAXUINT32);
  if (!type || mnl_attr_get_payload_len(type) != 1 || attrs->attr[NFTA_EXTHDR_SREG] ||
      (op != NFT_EXTHDR_OP_TCPOPT && (op != NFT_EXTHDR_OP_IPV6 || mnl_attr_get_u8(type) != IPPROTO_FRAGMENT)) ||
      nwf_attr_u32(attrs->attr[NFTA_EXTHDR_FLAGS], 0) != NFT_EXTHDR_F_PRESENT ||
      nwf_attr_u32(attrs->attr[NFTA_EXTHDR_OFFSET], G_MAXUINT32) != 0 ||
      nwf_attr_u32(attrs->attr[NFTA_EXTHDR_LEN], G_MAXUINT32) != 1 || !idle(reader))
    return FALSE;
  reader->option = mnl_attr_get_u8(type);
  gboolean tcp = op == NFT_EXTHDR_OP_TCPOPT;
  NwfRawPart place = {tcp ? NWF_BASE_TCPOPT : NWF_BASE_EXTHDR, 0, 1};
  return add_load(reader, tcp ? NWF_FIELD_TCP_OPTION : NWF_FIELD_IP6_FRAGMENT, place,
                  unit_of(attrs->attr[NFTA_EXTHDR_DREG]));
}

/* --- tests --- */

/** Whether one value, loaded into the first register, waits for its comparison. */
static gboolean comparable(const Reader *reader, const struct nlattr *sreg) {
  return reader->n_loads == 1 && reader->loads[0].unit == 0 && unit_of(sreg) == 0;
}

static gboolean read_bitwise(Reader *reader, const NwfAttrs *attrs) {
  static const guint8 zero[NWF_VALUE_MAX];
  guint8 xor [NWF_VALUE_MAX];
  if (!comparable(reader, attrs->attr[NFTA_BITWISE_SREG]) || unit_of(attrs->attr[NFTA_BITWISE_DREG]) != 0 ||
      reader->test.has_mask || reader->has_low || nwf_attr_u32(attrs->attr[NFTA_BITWISE_OP], 0) != NFT_BITWISE_BOOL)
    return FALSE;
  guint length = reader->loads[0].place.length;
  if (nwf_attr_u32(attrs->attr[NFTA_BITWISE_LEN], 0) != length ||
      !nwf_attr_value(attrs->attr[NFTA_BITWISE_MASK], reader->test.mask, length) ||
      !nwf_attr_value(attrs->attr[NFTA_BITWISE_XOR], xor, length) || memcmp(xor, zero, length) != 0)
    return FALSE;
  reader->test.has_mask = TRUE;
  return TRUE;
}

static gboolean end_test(Reader *reader, NwfOp op) {
  NwfExpr *expr = add_expr(reader, NWF_EXPR_TEST);
  if (!expr)
    return FALSE;
  NwfRawPart place = reader->loads[0].place;
  expr->test = reader->test;
  expr->test.field = reader->loads[0].field;
  expr->test.op = op;
  expr->test.base = place.base;
  expr->test.offset = place.offset;
  expr->test.length = place.length;
  expr->test.arg = place.base >= NWF_BASE_TCPOPT ? reader->option : 0;
  memset(&reader->test, 0, sizeof reader->test);
  reader->n_loads = 0;
  reader->has_low = FALSE;
  return TRUE;
}

static gboolean read_cmp(Reader *reader, const NwfAttrs *attrs) {
  if (!comparable(reader, attrs->attr[NFTA_CMP_SREG]))
    return FALSE;
  guint32 op = nwf_attr_u32(attrs->attr[NFTA_CMP_OP], G_MAXUINT32);
  gboolean high = op == NFT_CMP_LTE;
  if (high != reader->has_low)
    return FALSE;
  if (!nwf_attr_value(attrs->attr[NFTA_CMP_DATA], high ? reader->test.high : reader->test.low,
                      reader->loads[0].place.length))
    return FALSE;
  switch (op) {
  case NFT_CMP_EQ:
    return end_test(reader, NWF_OP_EQ);
  case NFT_CMP_NEQ:
    return end_test(reader, NWF_OP_NE);
  case NFT_CMP_GTE:
    reader->has_low = TRUE;
    return !reader->test.has_mask;
  case NFT_CMP_LTE:
    return end_test(reader, NWF_OP_RANGE);
  default:
    return FALSE;
  }
}

static gboolean read_range(Reader *reader, const NwfAttrs *attrs) {
  if (!comparable(reader, attrs->attr[NFTA_RANGE_SREG]) || reader->test.has_mask || reader->has_low ||
      nwf_attr_u32(attrs->attr[NFTA_RANGE_OP], G_MAXUINT32) != NFT_RANGE_NEQ)
    return FALSE;
  guint length = reader->loads[0].place.length;
  return nwf_attr_value(attrs->attr[NFTA_RANGE_FROM_DATA], reader->test.low, length) &&
         nwf_attr_value(attrs->attr[NFTA_RANGE_TO_DATA], reader->test.high, length) &&
         end_test(reader, NWF_OP_NOT_RANGE);
}

/* --- the rest --- */

/** Whether the loads fill registers without a gap from the first on. */
static gboolean is_key(const Reader *reader) {
  guint unit = 0;
  if (reader->n_loads == 0 || reader->test.has_mask || reader->has_low)
    return FALSE;
  for (guint i = 0; i < reader->n_loads; i++) {
    if (reader->loads[i].unit != unit || reader->loads[i].place.base >= NWF_BASE_TCPOPT)
      return FALSE;
    unit += (reader->loads[i].place.length + 3u) / 4;
  }
  return TRUE;
}

static gboolean read_lookup(Reader *reader, const NwfAttrs *attrs) {
  const char *set = nwf_attr_text(attrs->attr[NFTA_LOOKUP_SET]);
  guint32 flags = nwf_attr_u32(attrs->attr[NFTA_LOOKUP_FLAGS], 0);
  if (!set || !is_key(reader) || unit_of(attrs->attr[NFTA_LOOKUP_SREG]) != 0 || (flags & ~(guint32)NFT_LOOKUP_F_INV) ||
      nwf_attr_u32(attrs->attr[NFTA_LOOKUP_DREG], NFT_REG_VERDICT) != NFT_REG_VERDICT)
    return FALSE;
  NwfExpr *expr = add_expr(reader, NWF_EXPR_LOOKUP);
  if (!expr)
    return FALSE;
  expr->lookup.set = set;
  expr->lookup.negated = (flags & NFT_LOOKUP_F_INV) != 0;
  expr->lookup.n_fields = (guint8)reader->n_loads;
  for (guint i = 0; i < reader->n_loads; i++) {
    expr->lookup.fields[i] = reader->loads[i].field;
    if (reader->loads[i].field == NWF_FIELD_RAW)
      expr->lookup.raw[i] = reader->loads[i].place;
  }
  reader->n_loads = 0;
  return TRUE;
}

static gboolean read_dynset(Reader *reader, const NwfAttrs *attrs) {
  const char *set = nwf_attr_text(attrs->attr[NFTA_DYNSET_SET_NAME]);
  NwfAttrs inner, data;
  nwf_attrs_nested(attrs->attr[NFTA_DYNSET_EXPR], NFTA_EXPR_MAX, &inner);
  nwf_attrs_nested(inner.attr[NFTA_EXPR_DATA], NFTA_CONNLIMIT_MAX, &data);
  if (!set || !is_key(reader) || reader->n_loads != 1 || unit_of(attrs->attr[NFTA_DYNSET_SREG_KEY]) != 0 ||
      nwf_attr_u32(attrs->attr[NFTA_DYNSET_OP], G_MAXUINT32) != NFT_DYNSET_OP_ADD ||
      (nwf_attr_u32(attrs->attr[NFTA_DYNSET_FLAGS], 0) & NFT_DYNSET_F_INV) || attrs->attr[NFTA_DYNSET_SREG_DATA] ||
      nwf_attr_u64(attrs->attr[NFTA_DYNSET_TIMEOUT], 0) != 0 || reader->loads[0].field == NWF_FIELD_RAW ||
      g_strcmp0(nwf_attr_text(inner.attr[NFTA_EXPR_NAME]), "connlimit") != 0 || !data.attr[NFTA_CONNLIMIT_COUNT])
    return FALSE;
  NwfExpr *expr = add_expr(reader, NWF_EXPR_CONNLIMIT);
  if (!expr)
    return FALSE;
  expr->connlimit.field = reader->loads[0].field;
  expr->connlimit.set = set;
  expr->connlimit.count = nwf_attr_u32(data.attr[NFTA_CONNLIMIT_COUNT], 0);
  expr->connlimit.inverted = !(nwf_attr_u32(data.attr[NFTA_CONNLIMIT_FLAGS], 0) & NFT_CONNLIMIT_F_INV);
  reader->n_loads = 0;
  return TRUE;
}

static gboolean read_limit(Reader *reader, const NwfAttrs *attrs) {
  guint64 rate = nwf_attr_u64(attrs->attr[NFTA_LIMIT_RATE], G_MAXUINT64);
  if (!idle(reader) || rate > G_MAXUINT32 || nwf_attr_u64(attrs->attr[NFTA_LIMIT_UNIT], 0) != 1 ||
      nwf_attr_u32(attrs->attr[NFTA_LIMIT_TYPE], G_MAXUINT32) != NFT_LIMIT_PKTS ||
      nwf_attr_u32(attrs->attr[NFTA_LIMIT_FLAGS], 0) != 0)
    return FALSE;
  NwfExpr *expr = add_expr(reader, NWF_EXPR_LIMIT);
  if (!expr)
    return FALSE;
  expr->limit.rate = (guint32)rate;
  expr->limit.burst = nwf_attr_u32(attrs->attr[NFTA_LIMIT_BURST], 0);
  return TRUE;
}

static gboolean read_log(Reader *reader, const NwfAttrs *attrs) {
  const struct nlattr *group = attrs->attr[NFTA_LOG_GROUP];
  const struct nlattr *threshold = attrs->attr[NFTA_LOG_QTHRESHOLD];
  if (!idle(reader) || !group || mnl_attr_get_payload_len(group) != 2 || attrs->attr[NFTA_LOG_PREFIX] ||
      attrs->attr[NFTA_LOG_LEVEL] || attrs->attr[NFTA_LOG_FLAGS] ||
      (threshold && (mnl_attr_get_payload_len(threshold) != 2 || mnl_attr_get_u16(threshold) != 0)))
    return FALSE;
  NwfExpr *expr = add_expr(reader, NWF_EXPR_LOG);
  if (!expr)
    return FALSE;
  expr->log.group = ntohs(mnl_attr_get_u16(group));
  expr->log.snaplen = nwf_attr_u32(attrs->attr[NFTA_LOG_SNAPLEN], 0);
  return TRUE;
}

static gboolean read_reject(Reader *reader, const NwfAttrs *attrs) {
  const struct nlattr *code = attrs->attr[NFTA_REJECT_ICMP_CODE];
  return idle(reader) && code && mnl_attr_get_payload_len(code) == 1 &&
         mnl_attr_get_u8(code) == NFT_REJECT_ICMPX_PORT_UNREACH &&
         nwf_attr_u32(attrs->attr[NFTA_REJECT_TYPE], G_MAXUINT32) == NFT_REJECT_ICMPX_UNREACH &&
         add_expr(reader, NWF_EXPR_REJECT);
}

static gboolean read_notrack(Reader *reader, const NwfAttrs *attrs) {
  return idle(reader) && add_expr(reader, NWF_EXPR_NOTRACK);
}

gboolean nwf_decode_verdict(const struct nlattr *nest, NwfVerdict *verdict) {
  static const struct {
    int code;
    NwfVerdictKind kind;
  } codes[] = {
      {NF_ACCEPT, NWF_VERDICT_ACCEPT}, {NF_DROP, NWF_VERDICT_DROP},  {NFT_RETURN, NWF_VERDICT_RETURN},
      {NFT_JUMP, NWF_VERDICT_JUMP},    {NFT_GOTO, NWF_VERDICT_GOTO},
  };
  NwfAttrs data, attrs;
  nwf_attrs_nested(nest, NFTA_DATA_MAX, &data);
  if (!data.attr[NFTA_DATA_VERDICT])
    return FALSE;
  nwf_attrs_nested(data.attr[NFTA_DATA_VERDICT], NFTA_VERDICT_MAX, &attrs);
  int code = (int)nwf_attr_u32(attrs.attr[NFTA_VERDICT_CODE], G_MAXINT32);
  for (gsize i = 0; i < G_N_ELEMENTS(codes); i++) {
    if (codes[i].code != code)
      continue;
    gboolean jumps = code == NFT_JUMP || code == NFT_GOTO;
    verdict->kind = codes[i].kind;
    verdict->chain = jumps ? nwf_attr_text(attrs.attr[NFTA_VERDICT_CHAIN]) : NULL;
    return !jumps || verdict->chain;
  }
  return FALSE;
}

static gboolean read_immediate(Reader *reader, const NwfAttrs *attrs) {
  if (!idle(reader) || nwf_attr_u32(attrs->attr[NFTA_IMMEDIATE_DREG], G_MAXUINT32) != NFT_REG_VERDICT)
    return FALSE;
  NwfExpr *expr = add_expr(reader, NWF_EXPR_VERDICT);
  return expr && nwf_decode_verdict(attrs->attr[NFTA_IMMEDIATE_DATA], &expr->verdict);
}

static const struct {
  const char *name;
  guint max; /* attributes that are known of it (0: it has none); one beyond makes the rule foreign */
  ReadFunc read;
} readers[] = {
    {"payload", NFTA_PAYLOAD_MAX, read_payload},
    {"cmp", NFTA_CMP_MAX, read_cmp},
    {"immediate", NFTA_IMMEDIATE_MAX, read_immediate},
    {"meta", NFTA_META_MAX, read_meta},
    {"lookup", NFTA_LOOKUP_MAX, read_lookup},
    {"bitwise", NFTA_BITWISE_MAX, read_bitwise},
    {"range", NFTA_RANGE_MAX, read_range},
    {"ct", NFTA_CT_MAX, read_ct},
    {"exthdr", NFTA_EXTHDR_MAX, read_exthdr},
    {"dynset", NFTA_DYNSET_MAX, read_dynset},
    {"limit", NFTA_LIMIT_MAX, read_limit},
    {"log", NFTA_LOG_MAX, read_log},
    {"reject", NFTA_REJECT_MAX, read_reject},
    {"notrack", 0, read_notrack},
};

static gboolean read_expr(Reader *reader, const struct nlattr *element) {
  NwfAttrs expr, attrs;
  nwf_attrs_nested(element, NFTA_EXPR_MAX, &expr);
  const char *name = nwf_attr_text(expr.attr[NFTA_EXPR_NAME]);
  for (gsize i = 0; name && i < G_N_ELEMENTS(readers); i++)
    if (strcmp(readers[i].name, name) == 0)
      return (nwf_attrs_nested(expr.attr[NFTA_EXPR_DATA], readers[i].max, &attrs) ||
              (!expr.attr[NFTA_EXPR_DATA] && !readers[i].max)) &&
             readers[i].read(reader, &attrs);
  return FALSE;
}

gboolean nwf_decode_exprs(const struct nlattr *list, NwfExpr *exprs, guint *n_exprs) {
  Reader reader = {.exprs = exprs};
  const struct nlattr *element;
  if (list) {
    mnl_attr_for_each_nested(element, list) {
      if (!read_expr(&reader, element))
        return FALSE;
    }
  }
  *n_exprs = reader.n_exprs;
  return idle(&reader);
}
