// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The ruleset as nft's own language.
 *
 * A test of a field behind the Ethernet header is written as raw payload: its name would make
 * nft add a test of the protocol, and the text would be another ruleset than the one we send.
 */
#include "ruleset/values.h"

#include <string.h>

/* --- values and fields --- */

/** A name that text cannot hold is written so that nft refuses the document: what comes near it
 * might be loaded as something else. */
static void append_value(GString *out, guint8 type, const guint8 *value, guint length) {
  if (!nwf_value_is_name(type)) {
    nwf_value_append(out, type, value, length, FALSE);
    return;
  }
  g_autoptr(GString) name = g_string_new(NULL);
  if (nwf_value_append(name, type, value, length, FALSE))
    g_string_append_printf(out, "\"%s\"", name->str);
  else
    g_string_append_printf(out, "'%.*s'", (int)length, (const char *)value);
}

static void append_operand(GString *out, const NwfOperand *operand, guint8 arg) {
  if (operand->field == NWF_FIELD_TCP_OPTION)
    g_string_append_printf(out, "tcp option %u", arg);
  else if (operand->field == NWF_FIELD_IP6_FRAGMENT)
    g_string_append(out, nwf_fields[operand->field].name);
  else if (operand->name)
    g_string_append(out, operand->name);
  else
    g_string_append_printf(out, "@%s,%u,%u", nwf_base_names[operand->place.base], operand->place.offset * 8u,
                           operand->place.length * 8u);
}

static void append_number(GString *out, const guint8 *value) {
  guint32 number;
  memcpy(&number, value, sizeof number);
  g_string_append_printf(out, "0x%x", number);
}

/* --- tests --- */

static void append_states(GString *out, guint32 mask) {
  const char *separator = "ct state ";
  for (guint i = 0; i < NWF_N_STATE_NAMES; i++) {
    if (!(mask & nwf_state_names[i].bit))
      continue;
    g_string_append_printf(out, "%s%s", separator, nwf_state_names[i].name);
    separator = ",";
  }
}

static void append_ct_state(GString *out, const NwfTest *test) {
  guint32 mask = nwf_state_mask(test);
  if (mask) {
    append_states(out, mask);
    return;
  }
  g_string_append(out, "ct state ");
  if (test->has_mask) {
    g_string_append(out, "& ");
    append_number(out, test->mask);
    g_string_append_c(out, ' ');
  }
  g_string_append(out, test->op == NWF_OP_NE ? "!= " : "== ");
  append_number(out, test->low);
}

static void append_presence(GString *out, const NwfTest *test) {
  gboolean present = (test->low[0] != 0) == (test->op == NWF_OP_EQ);
  g_string_append(out, present ? " exists" : " missing");
}

static void append_comparison(GString *out, const NwfOperand *operand, const NwfTest *test) {
  gboolean range = test->op == NWF_OP_RANGE || test->op == NWF_OP_NOT_RANGE;
  if (test->has_mask) {
    g_string_append(out, " & ");
    append_value(out, operand->type, test->mask, test->length);
  }
  if (test->op == NWF_OP_NE || test->op == NWF_OP_NOT_RANGE)
    g_string_append(out, " !=");
  else if (test->has_mask)
    g_string_append(out, " ==");
  g_string_append_c(out, ' ');
  append_value(out, operand->type, test->low, test->length);
  if (range) {
    g_string_append_c(out, '-');
    append_value(out, operand->type, test->high, test->length);
  }
}

static void append_test(GString *out, NwfPrintContext *context, const NwfTest *test) {
  if (test->field == NWF_FIELD_CT_STATE) {
    append_ct_state(out, test);
    return;
  }
  NwfOperand operand = nwf_operand_of_test(context, test);
  append_operand(out, &operand, test->arg);
  if (test->field == NWF_FIELD_TCP_OPTION || test->field == NWF_FIELD_IP6_FRAGMENT)
    append_presence(out, test);
  else if (test->field == NWF_FIELD_CT_DIRECTION)
    g_string_append_printf(out, "%s %s", test->op == NWF_OP_NE ? " !=" : "", test->low[0] ? "reply" : "original");
  else
    append_comparison(out, &operand, test);
  nwf_print_context_add(context, test);
}

/* --- rules --- */

static void append_verdict(GString *out, const NwfVerdict *verdict) {
  g_string_append(out, nwf_verdict_names[verdict->kind]);
  if (verdict->kind == NWF_VERDICT_JUMP || verdict->kind == NWF_VERDICT_GOTO)
    g_string_append_printf(out, " %s", verdict->chain);
}

static void append_key(GString *out, const NwfField *fields, const NwfRawPart *raw, guint n) {
  for (guint i = 0; i < n; i++) {
    NwfOperand operand = nwf_operand_of_part(fields[i], &raw[i]);
    g_string_append(out, i ? " . " : "");
    append_operand(out, &operand, 0);
  }
}

static void append_connlimit(GString *out, const NwfExpr *expr) {
  g_string_append_printf(out, "add @%s { ", expr->connlimit.set);
  append_key(out, &expr->connlimit.field, &(NwfRawPart){0}, 1);
  g_string_append_printf(out, " ct count %s%u }", expr->connlimit.inverted ? "" : "over ", expr->connlimit.count);
}

static void append_lookup(GString *out, const NwfExpr *expr, gboolean vmap) {
  append_key(out, expr->lookup.fields, expr->lookup.raw, expr->lookup.n_fields);
  g_string_append_printf(out, " %s@%s", vmap ? "vmap " : expr->lookup.negated ? "!= " : "", expr->lookup.set);
}

static void append_expr(GString *out, NwfPrintContext *context, const NwfExpr *expr, gboolean vmap) {
  switch (expr->kind) {
  case NWF_EXPR_TEST:
    append_test(out, context, &expr->test);
    break;
  case NWF_EXPR_LOOKUP:
    append_lookup(out, expr, vmap);
    break;
  case NWF_EXPR_CONNLIMIT:
    append_connlimit(out, expr);
    break;
  case NWF_EXPR_LIMIT:
    g_string_append_printf(out, "limit rate %u/second burst %u packets", expr->limit.rate, expr->limit.burst);
    break;
  case NWF_EXPR_LOG:
    g_string_append_printf(out, "log group %u", expr->log.group);
    if (expr->log.snaplen)
      g_string_append_printf(out, " snaplen %u", expr->log.snaplen);
    break;
  case NWF_EXPR_REJECT:
    g_string_append(out, "reject with icmpx port-unreachable");
    break;
  case NWF_EXPR_NOTRACK:
    g_string_append(out, "notrack");
    break;
  case NWF_EXPR_VERDICT:
    append_verdict(out, &expr->verdict);
    break;
  case NWF_EXPR_FOREIGN:
    /* for people only; nft refuses it */
    g_string_append(out, "(foreign)");
    break;
  }
}

static void append_rule(GString *out, const NwfRuleset *ruleset, const NwfNftRule *rule) {
  NwfPrintContext context = {0};
  for (guint i = 0; i < rule->n_exprs; i++) {
    const NwfExpr *expr = &rule->exprs[i];
    g_string_append(out, i ? " " : "");
    append_expr(out, &context, expr, expr->kind == NWF_EXPR_LOOKUP && nwf_lookup_is_vmap(ruleset, rule, i));
  }
}

char *nwf_nft_rule_to_text(const NwfNftRule *rule) {
  GString *out = g_string_new(NULL);
  append_rule(out, NULL, rule);
  return g_string_free(out, FALSE);
}

/* --- sets --- */

static void append_element_key(GString *out, const NwfSet *set, const NwfElement *element) {
  guint offset = 0;
  for (guint i = 0; i < set->n_fields; i++) {
    NwfOperand operand = nwf_operand_of_part(set->fields[i], &set->raw[i]);
    guint length = operand.place.length;
    const guint8 *low = element->key + offset, *high = element->key_end + offset;
    g_string_append(out, i ? " . " : "");
    append_value(out, operand.type, low, length);
    if (set->interval && memcmp(low, high, length) != 0) {
      g_string_append_c(out, '-');
      append_value(out, operand.type, high, length);
    }
    offset += (length + 3) & ~3u;
  }
}

char *nwf_element_key_to_text(const NwfSet *set, const NwfElement *element) {
  GString *out = g_string_new(NULL);
  append_element_key(out, set, element);
  return g_string_free(out, FALSE);
}

static void append_elements(GString *out, const NwfSet *set) {
  for (guint i = 0; i < set->elements->len; i++) {
    const NwfElement *element = &g_array_index(set->elements, NwfElement, i);
    g_string_append(out, i ? ",\n      " : "    elements = {\n      ");
    append_element_key(out, set, element);
    if (element->comment)
      g_string_append_printf(out, " comment \"%s\"", element->comment);
    if (set->is_map) {
      g_string_append(out, " : ");
      append_verdict(out, &element->verdict);
    }
  }
  if (set->elements->len)
    g_string_append(out, "\n    }\n");
}

static void append_set_type(GString *out, const NwfSet *set) {
  gboolean by_place = nwf_set_needs_typeof(set);
  g_string_append(out, by_place ? "    typeof " : "    type ");
  if (by_place)
    append_key(out, set->fields, set->raw, set->n_fields);
  for (guint i = 0; i < set->n_fields && !by_place; i++)
    g_string_append_printf(out, "%s%s", i ? " . " : "", nwf_fields[set->fields[i]].set_type);
  g_string_append(out, set->is_map ? " : verdict\n" : "\n");
}

static void append_set(GString *out, const NwfSet *set) {
  g_string_append_printf(out, "  %s %s {\n", set->is_map ? "map" : "set", set->name);
  append_set_type(out, set);
  if (set->size)
    g_string_append_printf(out, "    size %u\n", set->size);
  if (set->interval || set->dynamic)
    g_string_append_printf(out, "    flags %s%s%s\n", set->interval ? "interval" : "",
                           set->interval && set->dynamic ? "," : "", set->dynamic ? "dynamic" : "");
  if (set->comment)
    g_string_append_printf(out, "    comment \"%s\"\n", set->comment);
  if (!set->dynamic)
    append_elements(out, set);
  g_string_append(out, "  }\n");
}

/* --- the document --- */

static void append_chain(GString *out, const NwfRuleset *ruleset, const NwfChain *chain) {
  g_string_append_printf(out, "  chain %s {\n", chain->name);
  if (chain->hook != NWF_HOOK_NONE)
    g_string_append_printf(out, "    type filter hook %s priority %d; policy drop;\n", nwf_hook_names[chain->hook],
                           chain->priority);
  for (guint i = 0; i < chain->rules->len; i++) {
    const NwfNftRule *rule = &g_array_index(chain->rules, NwfNftRule, i);
    g_string_append(out, "    ");
    append_rule(out, ruleset, rule);
    if (rule->comment)
      g_string_append_printf(out, " comment \"%s\"", rule->comment);
    g_string_append_c(out, '\n');
  }
  g_string_append(out, "  }\n");
}

char *nwf_ruleset_to_text(const NwfRuleset *ruleset) {
  GString *out = g_string_new("table bridge " NWF_TABLE "\n"
                              "delete table bridge " NWF_TABLE "\n"
                              "table bridge " NWF_TABLE " {\n");
  for (guint i = 0; i < ruleset->sets->len; i++)
    append_set(out, g_ptr_array_index(ruleset->sets, i));
  for (guint i = 0; i < ruleset->chains->len; i++)
    append_chain(out, ruleset, g_ptr_array_index(ruleset->chains, i));
  g_string_append(out, "}\n");
  return g_string_free(out, FALSE);
}
