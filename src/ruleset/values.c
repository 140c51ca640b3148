// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Values and names for the two printers.
 */
#include "ruleset/values.h"

#include <arpa/inet.h>
#include <string.h>

const char *const nwf_base_names[] = {
    [NWF_BASE_LL] = "ll", [NWF_BASE_NH] = "nh",   [NWF_BASE_TH] = "th",   [NWF_BASE_META] = "",
    [NWF_BASE_CT] = "",   [NWF_BASE_TCPOPT] = "", [NWF_BASE_EXTHDR] = "",
};

const char *const nwf_hook_names[] = {
    [NWF_HOOK_NONE] = "",           [NWF_HOOK_PREROUTING] = "prerouting",   [NWF_HOOK_INPUT] = "input",
    [NWF_HOOK_FORWARD] = "forward", [NWF_HOOK_POSTROUTING] = "postrouting",
};

const char *const nwf_verdict_names[] = {
    [NWF_VERDICT_ACCEPT] = "accept", [NWF_VERDICT_DROP] = "drop", [NWF_VERDICT_RETURN] = "return",
    [NWF_VERDICT_JUMP] = "jump",     [NWF_VERDICT_GOTO] = "goto",
};

/* linux/netfilter/nf_conntrack_common.h, NF_CT_STATE_BIT and NF_CT_STATE_UNTRACKED_BIT */
const NwfStateName nwf_state_names[NWF_N_STATE_NAMES] = {
    {1, "invalid"}, {2, "established"}, {4, "related"}, {8, "new"}, {64, "untracked"},
};

/* --- what a place is called --- */

/** Ethernet, meta, ct and TCP option names need nothing tested before them; transport ports
 * may have theirs once the protocol is known. All else would make nft add a test of its own. */
static const char *port_name(guint8 l4proto, NwfField field) {
  static const struct {
    guint8 protocol;
    const char *sport, *dport;
  } names[] = {
      {IPPROTO_TCP, "tcp sport", "tcp dport"},
      {IPPROTO_UDP, "udp sport", "udp dport"},
      {IPPROTO_DCCP, "dccp sport", "dccp dport"},
      {IPPROTO_SCTP, "sctp sport", "sctp dport"},
      {IPPROTO_UDPLITE, "udplite sport", "udplite dport"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    if (names[i].protocol == l4proto)
      return field == NWF_FIELD_TH_SPORT ? names[i].sport : names[i].dport;
  return NULL;
}

static gboolean is_port(NwfField field) {
  return field == NWF_FIELD_TH_SPORT || field == NWF_FIELD_TH_DPORT;
}

static gboolean needs_no_context(NwfField field) {
  return (nwf_fields[field].base == NWF_BASE_LL && nwf_fields[field].always) || nwf_fields[field].base >= NWF_BASE_META;
}

NwfOperand nwf_operand_of_test(const NwfPrintContext *context, const NwfTest *test) {
  NwfOperand operand = {
      .field = test->field,
      .place = {.base = test->base, .offset = test->offset, .length = test->length},
      .type = TYPE_INTEGER,
  };
  if (test->field == NWF_FIELD_RAW)
    return operand;
  if (needs_no_context(test->field))
    operand.name = nwf_fields[test->field].name;
  else if (is_port(test->field) && !test->has_mask)
    operand.name = port_name(context->l4proto, test->field);
  if (operand.name)
    operand.type = nwf_fields[test->field].set_type_id;
  return operand;
}

NwfOperand nwf_operand_of_part(NwfField field, const NwfRawPart *raw) {
  const NwfFieldSpec *spec = &nwf_fields[field];
  if (field == NWF_FIELD_RAW)
    return (NwfOperand){.field = field, .place = *raw, .type = TYPE_INTEGER};
  return (NwfOperand){
      .field = field,
      .place = {.base = spec->base, .offset = spec->offset, .length = spec->length},
      .name = spec->set_type || spec->base >= NWF_BASE_META ? spec->name : NULL,
      .type = spec->set_type ? spec->set_type_id : TYPE_INTEGER,
  };
}

void nwf_print_context_add(NwfPrintContext *context, const NwfTest *test) {
  if (test->field == NWF_FIELD_L4PROTO && test->op == NWF_OP_EQ && !test->has_mask)
    context->l4proto = test->low[0];
}

/* --- values --- */

gboolean nwf_value_is_name(guint8 type) {
  return type == TYPE_IFNAME;
}

/** In text nothing quotes a double quote; in JSON a leading @ is a set; and where an asterisk at the end is
 * escaped, nft takes away every backslash. */
static gboolean can_be_said(const guint8 *value, gsize used, gboolean json) {
  if (used > 0 && value[used - 1] == '*' && memchr(value, '\\', used))
    return FALSE;
  if (json)
    return value[0] != '@' && g_utf8_validate((const char *)value, (gssize)used, NULL);
  return memchr(value, '"', used) == NULL;
}

/** nft takes a name that ends in an asterisk for a pattern, unless a backslash stands before it. */
static gboolean append_name(GString *out, const guint8 *value, guint length, gboolean json) {
  gsize used = strnlen((const char *)value, length);
  if (!can_be_said(value, used, json))
    return FALSE;
  g_string_append_len(out, (const char *)value, (gssize)used);
  if (used > 0 && value[used - 1] == '*')
    g_string_insert_c(out, (gssize)out->len - 1, '\\');
  return TRUE;
}

static void append_hex(GString *out, const guint8 *value, guint length) {
  g_string_append(out, "0x");
  for (guint i = 0; i < length; i++)
    g_string_append_printf(out, "%02x", value[i]);
}

gboolean nwf_value_append(GString *out, guint8 type, const guint8 *value, guint length, gboolean json) {
  char address[INET6_ADDRSTRLEN];
  switch (type) {
  case TYPE_IPADDR:
    g_string_append(out, inet_ntop(AF_INET, value, address, sizeof address));
    return TRUE;
  case TYPE_IP6ADDR:
    g_string_append(out, inet_ntop(AF_INET6, value, address, sizeof address));
    return TRUE;
  case TYPE_ETHERADDR:
    g_string_append_printf(out, "%02x:%02x:%02x:%02x:%02x:%02x", value[0], value[1], value[2], value[3], value[4],
                           value[5]);
    return TRUE;
  case TYPE_INET_PROTOCOL:
    g_string_append_printf(out, "%u", value[0]);
    return TRUE;
  case TYPE_INET_SERVICE:
    g_string_append_printf(out, "%u", value[0] << 8 | value[1]);
    return TRUE;
  case TYPE_IFNAME:
    return append_name(out, value, length, json);
  default:
    append_hex(out, value, length);
    return TRUE;
  }
}

guint32 nwf_state_mask(const NwfTest *test) {
  guint32 mask, value, known = 0;
  memcpy(&mask, test->mask, sizeof mask);
  memcpy(&value, test->low, sizeof value);
  for (guint i = 0; i < NWF_N_STATE_NAMES; i++)
    known |= nwf_state_names[i].bit;
  gboolean plain = test->has_mask && value == 0 && test->op == NWF_OP_NE;
  return plain && (mask & ~known) == 0 ? mask : 0;
}

/* --- sets --- */

gboolean nwf_set_needs_typeof(const NwfSet *set) {
  for (guint i = 0; i < set->n_fields; i++)
    if (!nwf_fields[set->fields[i]].set_type)
      return TRUE;
  return FALSE;
}

gboolean nwf_lookup_is_vmap(const NwfRuleset *ruleset, const NwfNftRule *rule, guint i) {
  const NwfSet *set = ruleset ? nwf_ruleset_set(ruleset, rule->exprs[i].lookup.set) : NULL;
  return set ? set->is_map : i + 1 == rule->n_exprs && !rule->exprs[i].lookup.negated;
}
