// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The ruleset in the JSON that libnftables takes (libnftables-json(5)), saying the same as the text.
 */
#include "ruleset/values.h"

#include <jansson.h>
#include <string.h>

/* --- values and fields --- */

/** A name that JSON cannot hold becomes an object that nft refuses. */
static json_t *value_json(guint8 type, const guint8 *value, guint length) {
  g_autoptr(GString) text = g_string_new(NULL);
  if (nwf_value_append(text, type, value, length, TRUE))
    return json_string(text->str);
  nwf_value_append(text, 0, value, length, TRUE);
  return json_pack("{s:s}", "name that JSON cannot hold", text->str);
}

static json_t *range_json(guint8 type, const guint8 *low, const guint8 *high, guint length) {
  return json_pack("{s:[o,o]}", "range", value_json(type, low, length), value_json(type, high, length));
}

/** By number: the names differ between text and JSON, and between releases. */
static json_t *tcp_option_json(guint8 kind) {
  return json_pack("{s:{s:i,s:i,s:i}}", "tcp option", "base", kind, "offset", 0, "len", 8);
}

/** Names are "protocol field" or, for meta and ct, "meta key"; iifname and oifname are meta keys too. */
static json_t *operand_json(const NwfOperand *operand, guint8 arg) {
  if (operand->field == NWF_FIELD_TCP_OPTION)
    return tcp_option_json(arg);
  if (operand->field == NWF_FIELD_IP6_FRAGMENT)
    return json_pack("{s:{s:s}}", "exthdr", "name", "frag");
  if (!operand->name)
    return json_pack("{s:{s:s,s:i,s:i}}", "payload", "base", nwf_base_names[operand->place.base], "offset",
                     operand->place.offset * 8, "len", operand->place.length * 8);
  const char *space = strchr(operand->name, ' ');
  if (!space)
    return json_pack("{s:{s:s}}", "meta", "key", operand->name);
  g_autofree char *first = g_strndup(operand->name, (gsize)(space - operand->name));
  if (operand->place.base >= NWF_BASE_META)
    return json_pack("{s:{s:s}}", first, "key", space + 1);
  return json_pack("{s:{s:s,s:s}}", "payload", "protocol", first, "field", space + 1);
}

static json_t *key_json(const NwfField *fields, const NwfRawPart *raw, guint n) {
  json_t *parts = json_array();
  for (guint i = 0; i < n; i++) {
    NwfOperand operand = nwf_operand_of_part(fields[i], &raw[i]);
    if (n == 1) {
      json_decref(parts);
      return operand_json(&operand, 0);
    }
    json_array_append_new(parts, operand_json(&operand, 0));
  }
  return json_pack("{s:o}", "concat", parts);
}

/* --- tests --- */

static json_t *match_json(const char *op, json_t *left, json_t *right) {
  return json_pack("{s:{s:s,s:o,s:o}}", "match", "op", op, "left", left, "right", right);
}

static const char *op_name(const NwfTest *test) {
  return test->op == NWF_OP_NE || test->op == NWF_OP_NOT_RANGE ? "!=" : "==";
}

static json_t *number_json(const guint8 *value) {
  guint32 number;
  memcpy(&number, value, sizeof number);
  return json_integer(number);
}

static json_t *ct_state_json(const NwfTest *test) {
  json_t *state = json_pack("{s:{s:s}}", "ct", "key", "state");
  guint32 mask = nwf_state_mask(test);
  if (!mask) {
    if (test->has_mask)
      state = json_pack("{s:[o,o]}", "&", state, number_json(test->mask));
    return match_json(op_name(test), state, number_json(test->low));
  }
  json_t *names = json_array();
  for (guint i = 0; i < NWF_N_STATE_NAMES; i++)
    if (mask & nwf_state_names[i].bit)
      json_array_append_new(names, json_string(nwf_state_names[i].name));
  return match_json("in", state, names);
}

static json_t *test_json(NwfPrintContext *context, const NwfTest *test) {
  if (test->field == NWF_FIELD_CT_STATE)
    return ct_state_json(test);
  NwfOperand operand = nwf_operand_of_test(context, test);
  json_t *left = operand_json(&operand, test->arg);
  nwf_print_context_add(context, test);
  if (test->field == NWF_FIELD_TCP_OPTION || test->field == NWF_FIELD_IP6_FRAGMENT)
    return match_json("==", left, json_boolean((test->low[0] != 0) == (test->op == NWF_OP_EQ)));
  if (test->field == NWF_FIELD_CT_DIRECTION)
    return match_json(op_name(test), left, json_string(test->low[0] ? "reply" : "original"));
  if (test->has_mask)
    left = json_pack("{s:[o,o]}", "&", left, value_json(operand.type, test->mask, test->length));
  if (test->op == NWF_OP_RANGE || test->op == NWF_OP_NOT_RANGE)
    return match_json(op_name(test), left, range_json(operand.type, test->low, test->high, test->length));
  return match_json(op_name(test), left, value_json(operand.type, test->low, test->length));
}

/* --- rules --- */

static json_t *verdict_json(const NwfVerdict *verdict) {
  const char *name = nwf_verdict_names[verdict->kind];
  if (verdict->kind == NWF_VERDICT_JUMP || verdict->kind == NWF_VERDICT_GOTO)
    return json_pack("{s:{s:s}}", name, "target", verdict->chain);
  return json_pack("{s:n}", name);
}

static json_t *lookup_json(const NwfExpr *expr, gboolean vmap) {
  g_autofree char *set = g_strconcat("@", expr->lookup.set, NULL);
  json_t *key = key_json(expr->lookup.fields, expr->lookup.raw, expr->lookup.n_fields);
  if (vmap)
    return json_pack("{s:{s:o,s:s}}", "vmap", "key", key, "data", set);
  return match_json(expr->lookup.negated ? "!=" : "==", key, json_string(set));
}

static json_t *connlimit_json(const NwfExpr *expr) {
  g_autofree char *set = g_strconcat("@", expr->connlimit.set, NULL);
  json_t *count = json_pack("{s:{s:I,s:b}}", "ct count", "val", (json_int_t)expr->connlimit.count, "inv",
                            !expr->connlimit.inverted);
  return json_pack("{s:{s:s,s:o,s:s,s:[o]}}", "set", "op", "add", "elem",
                   key_json(&expr->connlimit.field, &(NwfRawPart){0}, 1), "set", set, "stmt", count);
}

static json_t *log_json(const NwfExpr *expr) {
  json_t *log = json_pack("{s:i}", "group", expr->log.group);
  if (expr->log.snaplen)
    json_object_set_new(log, "snaplen", json_integer(expr->log.snaplen));
  return json_pack("{s:o}", "log", log);
}

static json_t *expr_json(NwfPrintContext *context, const NwfExpr *expr, gboolean vmap) {
  switch (expr->kind) {
  case NWF_EXPR_TEST:
    return test_json(context, &expr->test);
  case NWF_EXPR_LOOKUP:
    return lookup_json(expr, vmap);
  case NWF_EXPR_CONNLIMIT:
    return connlimit_json(expr);
  case NWF_EXPR_LIMIT:
    return json_pack("{s:{s:I,s:s,s:I}}", "limit", "rate", (json_int_t)expr->limit.rate, "per", "second", "burst",
                     (json_int_t)expr->limit.burst);
  case NWF_EXPR_LOG:
    return log_json(expr);
  case NWF_EXPR_REJECT:
    return json_pack("{s:{s:s,s:s}}", "reject", "type", "icmpx", "expr", "port-unreachable");
  case NWF_EXPR_NOTRACK:
    return json_pack("{s:n}", "notrack");
  case NWF_EXPR_VERDICT:
    return verdict_json(&expr->verdict);
  case NWF_EXPR_FOREIGN:
    break;
  }
  return json_pack("{s:n}", "foreign"); /* for people only; nft refuses it */
}

static json_t *rule_json(const NwfRuleset *ruleset, const NwfChain *chain, const NwfNftRule *rule) {
  json_t *exprs = json_array();
  NwfPrintContext context = {0};
  for (guint i = 0; i < rule->n_exprs; i++) {
    const NwfExpr *expr = &rule->exprs[i];
    gboolean vmap = expr->kind == NWF_EXPR_LOOKUP && nwf_lookup_is_vmap(ruleset, rule, i);
    json_array_append_new(exprs, expr_json(&context, expr, vmap));
  }
  json_t *json =
      json_pack("{s:s,s:s,s:s,s:o}", "family", "bridge", "table", NWF_TABLE, "chain", chain->name, "expr", exprs);
  if (rule->comment)
    json_object_set_new(json, "comment", json_string(rule->comment));
  return json_pack("{s:{s:o}}", "add", "rule", json);
}

/* --- chains --- */

static json_t *chain_json(const NwfChain *chain) {
  json_t *json = json_pack("{s:s,s:s,s:s}", "family", "bridge", "table", NWF_TABLE, "name", chain->name);
  if (chain->hook != NWF_HOOK_NONE) {
    json_t *base = json_pack("{s:s,s:s,s:i,s:s}", "type", "filter", "hook", nwf_hook_names[chain->hook], "prio",
                             chain->priority, "policy", "drop");
    json_object_update(json, base);
    json_decref(base);
  }
  return json_pack("{s:{s:o}}", "add", "chain", json);
}

/* --- sets --- */

static json_t *element_key_json(const NwfSet *set, const NwfElement *element) {
  json_t *parts = json_array();
  guint offset = 0;
  for (guint i = 0; i < set->n_fields; i++) {
    NwfOperand operand = nwf_operand_of_part(set->fields[i], &set->raw[i]);
    guint length = operand.place.length;
    const guint8 *low = element->key + offset, *high = element->key_end + offset;
    gboolean range = set->interval && memcmp(low, high, length) != 0;
    json_array_append_new(parts,
                          range ? range_json(operand.type, low, high, length) : value_json(operand.type, low, length));
    offset += (length + 3) & ~3u;
  }
  if (set->n_fields > 1)
    return json_pack("{s:o}", "concat", parts);
  json_t *only = json_incref(json_array_get(parts, 0));
  json_decref(parts);
  return only;
}

static json_t *element_json(const NwfSet *set, const NwfElement *element) {
  json_t *key = element_key_json(set, element);
  if (element->comment)
    key = json_pack("{s:{s:o,s:s}}", "elem", "val", key, "comment", element->comment);
  return set->is_map ? json_pack("[o,o]", key, verdict_json(&element->verdict)) : key;
}

static json_t *elements_json(const NwfSet *set) {
  json_t *elements = json_array();
  for (guint i = 0; i < set->elements->len; i++)
    json_array_append_new(elements, element_json(set, &g_array_index(set->elements, NwfElement, i)));
  return elements;
}

/** Types that have no name can be told by where they come from only, which nft's JSON knows from
 * 1.1 on; older releases refuse the document. */
static json_t *set_type_json(const NwfSet *set) {
  if (nwf_set_needs_typeof(set))
    return json_pack("{s:o}", "typeof", key_json(set->fields, set->raw, set->n_fields));
  if (set->n_fields == 1)
    return json_string(nwf_fields[set->fields[0]].set_type);
  json_t *types = json_array();
  for (guint i = 0; i < set->n_fields; i++)
    json_array_append_new(types, json_string(nwf_fields[set->fields[i]].set_type));
  return types;
}

static json_t *set_json(const NwfSet *set) {
  json_t *json = json_pack("{s:s,s:s,s:s,s:o}", "family", "bridge", "table", NWF_TABLE, "name", set->name, "type",
                           set_type_json(set));
  if (set->is_map)
    json_object_set_new(json, "map", json_string("verdict"));
  /* nft 1.0 has no word for "dynamic" here, but concludes it from the rule that adds to the set */
  if (set->interval)
    json_object_set_new(json, "flags", json_pack("[s]", "interval"));
  if (set->size)
    json_object_set_new(json, "size", json_integer(set->size));
  if (set->comment) /* which nft 1.0 passes over */
    json_object_set_new(json, "comment", json_string(set->comment));
  if (set->elements->len && !set->dynamic)
    json_object_set_new(json, "elem", elements_json(set));
  return json_pack("{s:{s:o}}", "add", set->is_map ? "map" : "set", json);
}

/* --- the document --- */

static json_t *table_json(const char *command) {
  return json_pack("{s:{s:{s:s,s:s}}}", command, "table", "family", "bridge", "name", NWF_TABLE);
}

/** Chains come before the maps that point at them, and rules last. */
static json_t *commands_json(const NwfRuleset *ruleset) {
  json_t *commands = json_array();
  json_array_append_new(commands, table_json("add"));
  json_array_append_new(commands, table_json("delete"));
  json_array_append_new(commands, table_json("add"));
  for (guint i = 0; i < ruleset->chains->len; i++)
    json_array_append_new(commands, chain_json(g_ptr_array_index(ruleset->chains, i)));
  for (guint i = 0; i < ruleset->sets->len; i++)
    json_array_append_new(commands, set_json(g_ptr_array_index(ruleset->sets, i)));
  for (guint i = 0; i < ruleset->chains->len; i++) {
    const NwfChain *chain = g_ptr_array_index(ruleset->chains, i);
    for (guint j = 0; j < chain->rules->len; j++)
      json_array_append_new(commands, rule_json(ruleset, chain, &g_array_index(chain->rules, NwfNftRule, j)));
  }
  return commands;
}

char *nwf_ruleset_to_json(const NwfRuleset *ruleset) {
  json_t *document = json_pack("{s:[{s:{s:i}}]}", "nftables", "metainfo", "json_schema_version", 1);
  json_t *commands = commands_json(ruleset);
  json_array_extend(json_object_get(document, "nftables"), commands);
  json_decref(commands);
  char *dumped = json_dumps(document, JSON_INDENT(2));
  json_decref(document);
  /* the caller frees with g_free, jansson allocates with malloc: the same since GLib 2.46 */
  return dumped;
}
