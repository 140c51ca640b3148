// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ruleset-random.h"

#include <string.h>

#define TEST(...)                                                                                                      \
  { .kind = NWF_EXPR_TEST, .test = __VA_ARGS__ }
#define VERDICT(...)                                                                                                   \
  {                                                                                                                    \
    .kind = NWF_EXPR_VERDICT, .verdict = { __VA_ARGS__ }                                                               \
  }
#define ACCEPT VERDICT(.kind = NWF_VERDICT_ACCEPT)
#define DROP VERDICT(.kind = NWF_VERDICT_DROP)
#define RULE(...)                                                                                                      \
  do {                                                                                                                 \
    const NwfExpr exprs[] = {__VA_ARGS__};                                                                             \
    nwf_chain_add_rule(ruleset, chain, exprs, G_N_ELEMENTS(exprs), NULL);                                              \
  } while (0)

static NwfTest state(guint32 mask, NwfOp op) {
  guint32 none = 0;
  NwfTest test = nwf_test_masked(NWF_FIELD_CT_STATE, &none, &mask);
  test.op = op;
  return test;
}

static NwfTest option(guint8 kind, guint32 there) {
  NwfTest test = nwf_test_eq_number(NWF_FIELD_TCP_OPTION, there);
  test.arg = kind;
  return test;
}

static void add_sample_sets(NwfRuleset *ruleset) {
  static const NwfField saddr[] = {NWF_FIELD_IP_SADDR}, raw[] = {NWF_FIELD_RAW, NWF_FIELD_RAW};
  static const NwfField port[] = {NWF_FIELD_IIFNAME, NWF_FIELD_ETHER_TYPE};
  NwfSet *limit = nwf_ruleset_add_set(ruleset, "limit4", saddr, 1);
  limit->dynamic = TRUE;
  limit->size = 65535;
  NwfSet *pairs = nwf_ruleset_add_set(ruleset, "pairs", raw, 2);
  pairs->raw[0] = (NwfRawPart){NWF_BASE_NH, 14, 1};
  pairs->raw[1] = (NwfRawPart){NWF_BASE_NH, 24, 1};
  for (guint i = 0; i < 256; i++)
    nwf_set_add_element(ruleset, pairs, (guint8[]){(guint8)i, 0, 0, 0, (guint8)i, 0, 0, 0}, NULL, NULL, NULL);
  nwf_ruleset_add_set(ruleset, "ports", port, 2)->is_map = TRUE;
}

NwfChain *nwf_sample_rules(NwfRuleset *ruleset) {
  add_sample_sets(ruleset);
  nwf_ruleset_add_chain(ruleset, "other", NWF_HOOK_NONE, 0);
  NwfChain *chain = nwf_ruleset_add_chain(ruleset, "sample", NWF_HOOK_NONE, 0);
  RULE(TEST(nwf_test_masked(NWF_FIELD_ETHER_DADDR, "\1\0\0\0\0\0", "\1\0\0\0\0\0")), DROP);
  RULE(TEST(nwf_test_negate(nwf_test_eq_number(NWF_FIELD_ETHER_TYPE, 0x0806))), VERDICT(.kind = NWF_VERDICT_RETURN));
  RULE(TEST(state(0x0a, NWF_OP_NE)), TEST(nwf_test_eq_number(NWF_FIELD_CT_DIRECTION, 0)), ACCEPT);
  RULE(TEST(state(2, NWF_OP_EQ)), DROP);
  RULE(TEST(nwf_test_negate(nwf_test_eq_number(NWF_FIELD_CT_DIRECTION, 1))), ACCEPT);
  RULE(TEST(nwf_test_eq_number(NWF_FIELD_PROTOCOL, 0x0800)),
       {.kind = NWF_EXPR_CONNLIMIT, .connlimit = {NWF_FIELD_IP_SADDR, "limit4", 5, FALSE}}, DROP);
  RULE(TEST(nwf_test_eq_number(NWF_FIELD_PROTOCOL, 0x0800)),
       {.kind = NWF_EXPR_CONNLIMIT, .connlimit = {NWF_FIELD_IP_SADDR, "limit4", 5, TRUE}}, ACCEPT);
  RULE({.kind = NWF_EXPR_LIMIT, .limit = {5, 7}}, {.kind = NWF_EXPR_LOG, .log = {9, 128}});
  RULE({.kind = NWF_EXPR_REJECT});
  RULE(TEST(nwf_test_eq_number(NWF_FIELD_L4PROTO, 6)), TEST(nwf_test_range_number(NWF_FIELD_TH_DPORT, 80, 90)),
       TEST(option(5, 1)), ACCEPT);
  RULE(TEST(nwf_test_eq_number(NWF_FIELD_L4PROTO, 6)), TEST(nwf_test_negate(option(77, 1))),
       VERDICT(.kind = NWF_VERDICT_JUMP, .chain = "other"));
  RULE(TEST(nwf_test_negate(nwf_test_eq_number(NWF_FIELD_TH_DPORT, 53))),
       VERDICT(.kind = NWF_VERDICT_GOTO, .chain = "other"));
  RULE(TEST(nwf_test_masked(NWF_FIELD_IP_SADDR, "\x0a\0\0\1", "\xff\xff\xff\x80")), ACCEPT);
  RULE({.kind = NWF_EXPR_LOOKUP,
        .lookup = {.n_fields = 2,
                   .fields = {NWF_FIELD_RAW, NWF_FIELD_RAW},
                   .raw = {{NWF_BASE_NH, 14, 1}, {NWF_BASE_NH, 24, 1}},
                   .negated = TRUE,
                   .set = "pairs"}},
       ACCEPT);
  RULE({.kind = NWF_EXPR_LOOKUP,
        .lookup = {.n_fields = 2, .fields = {NWF_FIELD_IIFNAME, NWF_FIELD_ETHER_TYPE}, .set = "ports"}});
  return chain;
}

/* --- at random --- */

static void random_bytes(GRand *rand, guint8 *bytes, guint length) {
  for (guint i = 0; i < length; i++)
    bytes[i] = (guint8)g_rand_int_range(rand, 0, 256);
}

NwfTest nwf_random_test(GRand *rand, NwfField field) {
  guint8 low[NWF_VALUE_MAX], high[NWF_VALUE_MAX];
  guint length = nwf_fields[field].length;
  random_bytes(rand, low, length);
  random_bytes(rand, high, length);
  NwfTest test;
  switch (g_rand_int_range(rand, 0, 3)) {
  case 0:
    high[0] |= 1; /* nft has no word for a mask of nothing */
    test = nwf_test_masked(field, low, high);
    break;
  case 1:
    test = memcmp(low, high, length) < 0 ? nwf_test_range(field, low, high) : nwf_test_range(field, high, low);
    break;
  default:
    test = nwf_test_eq(field, low);
  }
  return g_rand_boolean(rand) ? nwf_test_negate(test) : test;
}

static char *name_of(const char *kind, gint i) {
  return g_strdup_printf("%s%d", kind, i);
}

#define POOL 6

static const char *pick_chain(GRand *rand, NwfRuleset *ruleset, gint after) {
  GPtrArray *fitting = g_ptr_array_new();
  for (gint i = after; i < POOL; i++) {
    g_autofree char *name = name_of("chain", i);
    NwfChain *chain = nwf_ruleset_chain(ruleset, name);
    if (chain && chain->hook == NWF_HOOK_NONE)
      g_ptr_array_add(fitting, (gpointer)chain->name);
  }
  const char *name =
      fitting->len ? g_ptr_array_index(fitting, (guint)g_rand_int_range(rand, 0, (gint)fitting->len)) : NULL;
  g_ptr_array_unref(fitting);
  return name;
}

static NwfVerdict random_verdict(GRand *rand, NwfRuleset *ruleset, gint after) {
  const char *chain = pick_chain(rand, ruleset, after);
  gint kind = g_rand_int_range(rand, 0, chain ? 5 : 3);
  return (NwfVerdict){.kind = (NwfVerdictKind)kind, .chain = kind >= NWF_VERDICT_JUMP ? chain : NULL};
}

static void random_set(GRand *rand, NwfRuleset *ruleset, gint i) {
  g_autofree char *name = name_of("set", i);
  const NwfField fields[] = {NWF_FIELD_IP_SADDR, g_rand_boolean(rand) ? NWF_FIELD_TH_DPORT : NWF_FIELD_ETHER_SADDR};
  NwfSet *set = nwf_ruleset_add_set(ruleset, name, fields, g_rand_boolean(rand) ? 1 : 2);
  set->size = g_rand_int_range(rand, 0, 3) ? 0 : 100;
  set->is_map = i % 2 == 0 || g_rand_int_range(rand, 0, 4) == 0;
  guint n = (guint)g_rand_int_range(rand, 0, 6);
  for (guint j = 0; j < n; j++) {
    guint8 key[NWF_KEY_MAX] = {10, 0, 0, (guint8)(j * 2 + g_rand_boolean(rand))};
    NwfVerdict verdict = random_verdict(rand, ruleset, i + 1); /* no loops: chain i, set i, chain i + 1 */
    nwf_set_add_element(ruleset, set, key, NULL, set->is_map ? &verdict : NULL,
                        g_rand_boolean(rand) ? "comment" : NULL);
  }
}

static NwfExpr random_lookup(const NwfSet *set) {
  NwfExpr expr = {.kind = NWF_EXPR_LOOKUP, .lookup = {.n_fields = set->n_fields, .set = set->name}};
  memcpy(expr.lookup.fields, set->fields, sizeof set->fields);
  return expr;
}

static void random_rule(GRand *rand, NwfRuleset *ruleset, NwfChain *chain, gint i) {
  NwfExpr exprs[3] = {TEST(nwf_test_eq_number(NWF_FIELD_PROTOCOL, 0x0800))};
  guint n = 1;
  g_autofree char *name = name_of("set", g_rand_int_range(rand, i, POOL));
  const NwfSet *set = nwf_ruleset_set(ruleset, name);
  if (set && g_rand_boolean(rand)) {
    exprs[n++] = random_lookup(set);
    if (!set->is_map)
      exprs[n++] = (NwfExpr){.kind = NWF_EXPR_VERDICT, .verdict = random_verdict(rand, ruleset, i + 1)};
  } else {
    exprs[n++] = (NwfExpr){.kind = NWF_EXPR_VERDICT, .verdict = random_verdict(rand, ruleset, i + 1)};
  }
  nwf_chain_add_rule(ruleset, chain, exprs, n, g_rand_int_range(rand, 0, 3) ? "rule" : NULL);
}

NwfRuleset *nwf_random_ruleset(GRand *rand) {
  NwfRuleset *ruleset = nwf_ruleset_new();
  for (gint i = 0; i < POOL; i++) {
    g_autofree char *name = name_of("chain", i);
    if (g_rand_int_range(rand, 0, 4) == 0)
      continue;
    gboolean base = g_rand_int_range(rand, 0, 4) == 0;
    nwf_ruleset_add_chain(ruleset, name, base ? (NwfHook)g_rand_int_range(rand, 1, 4) : NWF_HOOK_NONE,
                          base ? -150 - g_rand_int_range(rand, 0, 2) : 0);
  }
  for (gint i = 0; i < POOL; i++)
    if (g_rand_boolean(rand))
      random_set(rand, ruleset, i);
  for (gint i = 0; i < POOL; i++) {
    g_autofree char *name = name_of("chain", i);
    NwfChain *chain = nwf_ruleset_chain(ruleset, name);
    for (gint j = g_rand_int_range(rand, 0, 4); chain && j > 0; j--)
      random_rule(rand, ruleset, chain, i);
  }
  return ruleset;
}

/* --- copying --- */

static void shuffle(GRand *rand, GPtrArray *array) {
  for (guint i = array->len; rand && i > 1; i--) {
    guint j = (guint)g_rand_int_range(rand, 0, (gint)i);
    gpointer moved = array->pdata[i - 1];
    array->pdata[i - 1] = array->pdata[j];
    array->pdata[j] = moved;
  }
}

NwfRuleset *nwf_ruleset_shuffled(const NwfRuleset *ruleset, GRand *rand) {
  NwfRuleset *copy = nwf_ruleset_copy(ruleset);
  shuffle(rand, copy->chains);
  shuffle(rand, copy->sets);
  for (guint i = 0; i < copy->sets->len; i++) {
    GArray *elements = ((NwfSet *)g_ptr_array_index(copy->sets, i))->elements;
    for (guint j = elements->len; j > 1; j--) {
      NwfElement *a = &g_array_index(elements, NwfElement, j - 1);
      NwfElement *b = &g_array_index(elements, NwfElement, (guint)g_rand_int_range(rand, 0, (gint)j));
      NwfElement moved = *a;
      *a = *b;
      *b = moved;
    }
  }
  return copy;
}

/* --- the model --- */

static gboolean verdict_names(const NwfVerdict *verdict, const char *chain) {
  return verdict->kind >= NWF_VERDICT_JUMP && g_str_equal(verdict->chain, chain);
}

static guint references(const NwfRuleset *ruleset, const char *chain, const char *set) {
  guint n = 0;
  for (guint i = 0; i < ruleset->chains->len; i++) {
    GArray *rules = ((NwfChain *)g_ptr_array_index(ruleset->chains, i))->rules;
    for (guint j = 0; j < rules->len; j++) {
      const NwfNftRule *rule = &g_array_index(rules, NwfNftRule, j);
      for (guint k = 0; k < rule->n_exprs; k++) {
        const NwfExpr *expr = &rule->exprs[k];
        n += set && expr->kind == NWF_EXPR_LOOKUP && g_str_equal(expr->lookup.set, set);
        n += chain && expr->kind == NWF_EXPR_VERDICT && verdict_names(&expr->verdict, chain);
      }
    }
  }
  for (guint i = 0; i < ruleset->sets->len; i++) {
    const NwfSet *map = g_ptr_array_index(ruleset->sets, i);
    for (guint j = 0; chain && map->is_map && j < map->elements->len; j++)
      n += verdict_names(&g_array_index(map->elements, NwfElement, j).verdict, chain);
  }
  return n;
}

static void assert_resolves(const NwfRuleset *ruleset, const NwfVerdict *verdict) {
  if (verdict->kind < NWF_VERDICT_JUMP)
    return;
  const NwfChain *chain = nwf_ruleset_chain(ruleset, verdict->chain);
  g_assert_nonnull(chain);
  g_assert_cmpint(chain->hook, ==, NWF_HOOK_NONE);
}

static guint find_element(const NwfSet *set, const NwfElement *element) {
  for (guint i = 0; i < set->elements->len; i++)
    if (memcmp(g_array_index(set->elements, NwfElement, i).key, element->key, NWF_KEY_MAX) == 0)
      return i;
  return G_MAXUINT;
}

static void model_set(NwfRuleset *table, const NwfChange *change) {
  NwfSet *set = nwf_ruleset_set(table, change->set->name);
  if (change->kind == NWF_CHANGE_ADD_SET) {
    g_assert_null(set);
    set = nwf_ruleset_copy_set(table, change->set);
    for (guint i = 0; set->is_map && i < set->elements->len; i++)
      assert_resolves(table, &g_array_index(set->elements, NwfElement, i).verdict);
    return;
  }
  g_assert_nonnull(set);
  if (change->kind == NWF_CHANGE_DELETE_SET) {
    g_assert_cmpuint(references(table, NULL, set->name), ==, 0);
    nwf_ruleset_remove_set(table, change->set->name);
    return;
  }
  guint at = find_element(set, change->element);
  if (change->kind == NWF_CHANGE_DELETE_ELEMENT) {
    g_assert_cmpuint(at, !=, G_MAXUINT);
    g_array_remove_index(set->elements, at);
    return;
  }
  g_assert_cmpuint(at, ==, G_MAXUINT);
  if (set->is_map)
    assert_resolves(table, &change->element->verdict);
  nwf_set_add_element(table, set, change->element->key, change->element->key_end, &change->element->verdict,
                      change->element->comment);
}

static void model_add_rules(NwfRuleset *table, NwfChain *chain, const NwfChain *from) {
  g_assert_cmpuint(chain->rules->len, ==, 0);
  nwf_ruleset_copy_rules(table, chain, from);
  for (guint i = 0; i < from->rules->len; i++) {
    const NwfNftRule *rule = &g_array_index(from->rules, NwfNftRule, i);
    for (guint j = 0; j < rule->n_exprs; j++) {
      const NwfExpr *expr = &rule->exprs[j];
      if (expr->kind == NWF_EXPR_VERDICT)
        assert_resolves(table, &expr->verdict);
      if (expr->kind == NWF_EXPR_LOOKUP)
        g_assert_nonnull(nwf_ruleset_set(table, expr->lookup.set));
    }
  }
}

static void model_chain(NwfRuleset *table, const NwfChange *change) {
  const NwfChain *from = change->chain;
  NwfChain *chain = nwf_ruleset_chain(table, from->name);
  if (change->kind == NWF_CHANGE_ADD_CHAIN) {
    g_assert_null(chain);
    nwf_ruleset_add_chain(table, from->name, from->hook, from->priority);
    return;
  }
  g_assert_nonnull(chain);
  if (change->kind == NWF_CHANGE_ADD_RULES)
    model_add_rules(table, chain, from);
  else if (change->kind == NWF_CHANGE_FLUSH_CHAIN)
    g_array_set_size(chain->rules, 0);
  else {
    g_assert_cmpuint(chain->rules->len, ==, 0);
    g_assert_cmpuint(references(table, from->name, NULL), ==, 0);
    nwf_ruleset_remove_chain(table, from->name);
  }
}

NwfRuleset *nwf_model_apply(const NwfRuleset *have, const GArray *changes) {
  NwfRuleset *table = have ? nwf_ruleset_copy(have) : NULL;
  for (guint i = 0; i < changes->len; i++) {
    const NwfChange *change = &g_array_index(changes, NwfChange, i);
    if (change->kind == NWF_CHANGE_ADD_TABLE) {
      g_assert_null(table);
      table = nwf_ruleset_new();
      continue;
    }
    g_assert_nonnull(table);
    if (change->kind == NWF_CHANGE_DELETE_TABLE)
      g_clear_pointer(&table, nwf_ruleset_free);
    else if (change->set)
      model_set(table, change);
    else
      model_chain(table, change);
  }
  return table;
}
