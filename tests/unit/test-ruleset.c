// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The compiled form: building, ordering, comparing, differences. What nft makes of the printed
 * forms is in test-ruleset-nft.c.
 */
#include "ruleset-random.h"

#include <string.h>

static void test_fields_are_complete(void) {
  for (guint i = 1; i < NWF_N_FIELDS; i++) {
    const NwfFieldSpec *spec = &nwf_fields[i];
    g_assert_nonnull(spec->name);
    g_assert_true(i == NWF_FIELD_RAW || (spec->length >= 1 && spec->length <= NWF_VALUE_MAX));
    g_assert_true(spec->set_type_id != 0);
  }
}

static void test_text_of_rules(void) {
  static const char *const expected[] = {
      "ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 drop",
      "ether type != 0x0806 return",
      "ct state established,new ct direction original accept",
      "ct state & 0x2 == 0x0 drop",
      "ct direction != reply accept",
      "meta protocol 0x0800 add @limit4 { ip saddr ct count over 5 } drop",
      "meta protocol 0x0800 add @limit4 { ip saddr ct count 5 } accept",
      "limit rate 5/second burst 7 packets log group 9 snaplen 128",
      "reject with icmpx port-unreachable",
      "meta l4proto 6 tcp dport 80-90 tcp option 5 exists accept",
      "meta l4proto 6 tcp option 77 missing jump other",
      "@th,16,16 != 0x0035 goto other",
      "@nh,96,32 & 0xffffff80 == 0x0a000000 accept",
      "@nh,112,8 . @nh,192,8 != @pairs accept",
      "iifname . ether type vmap @ports",
  };
  g_autoptr(NwfRuleset) ruleset = nwf_ruleset_new();
  NwfChain *chain = nwf_sample_rules(ruleset);
  g_assert_cmpuint(chain->rules->len, ==, G_N_ELEMENTS(expected));
  for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
    g_autofree char *text = nwf_nft_rule_to_text(&g_array_index(chain->rules, NwfNftRule, i));
    g_assert_cmpstr(text, ==, expected[i]);
  }
}

static void test_tests_are_negated(void) {
  NwfTest test = nwf_test_range_number(NWF_FIELD_TH_DPORT, 5, 9);
  g_assert_cmpint(nwf_test_negate(test).op, ==, NWF_OP_NOT_RANGE);
  g_assert_cmpint(nwf_test_range_number(NWF_FIELD_TH_DPORT, 5, 5).op, ==, NWF_OP_EQ);
  NwfExpr a = {.kind = NWF_EXPR_TEST, .test = test};
  NwfExpr b = {.kind = NWF_EXPR_TEST, .test = nwf_test_negate(nwf_test_negate(test))};
  g_assert_true(nwf_expr_equal(&a, &b));
  NwfTest plain = nwf_test_masked(NWF_FIELD_IP_TOS, "\x04", "\xff");
  g_assert_false(plain.has_mask);
}

static void test_comments_are_made_printable(void) {
  g_autoptr(NwfRuleset) ruleset = nwf_ruleset_new();
  NwfChain *chain = nwf_ruleset_add_chain(ruleset, "c", NWF_HOOK_NONE, 0);
  char text[200];
  memset(text, 'a', sizeof text);
  /* the character of two bytes would be cut in the middle */
  memcpy(text + NWF_COMMENT_LEN - 1, "\xc3\xa4", 3);
  nwf_chain_add_rule(ruleset, chain, NULL, 0, text);
  nwf_chain_add_rule(ruleset, chain, NULL, 0, "a \"b\"\nc");
  g_assert_cmpuint(strlen(g_array_index(chain->rules, NwfNftRule, 0).comment), ==, NWF_COMMENT_LEN - 1);
  g_assert_cmpstr(g_array_index(chain->rules, NwfNftRule, 1).comment, ==, "a 'b' c");
}

static void test_order_does_not_depend_on_history(void) {
  GRand *rand = g_rand_new_with_seed(7);
  for (guint i = 0; i < 50; i++) {
    g_autoptr(NwfRuleset) ruleset = nwf_random_ruleset(rand);
    g_autoptr(NwfRuleset) shuffled = nwf_ruleset_shuffled(ruleset, rand);
    nwf_ruleset_sort(ruleset);
    nwf_ruleset_sort(shuffled);
    g_autofree char *a = nwf_ruleset_to_text(ruleset);
    g_autofree char *b = nwf_ruleset_to_text(shuffled);
    g_assert_cmpstr(a, ==, b);
  }
  g_rand_free(rand);
}

/* --- differences, applied to a model that refuses what the kernel would refuse --- */

static void test_equal_rulesets_have_no_difference(void) {
  GRand *rand = g_rand_new_with_seed(8);
  for (guint i = 0; i < 50; i++) {
    g_autoptr(NwfRuleset) ruleset = nwf_random_ruleset(rand);
    g_autoptr(NwfRuleset) copy = nwf_ruleset_shuffled(ruleset, rand);
    g_autoptr(GArray) changes = nwf_ruleset_diff(ruleset, copy);
    g_assert_cmpuint(changes->len, ==, 0);
  }
  g_rand_free(rand);
}

static void assert_leads_to(const NwfRuleset *have, const NwfRuleset *want) {
  g_autoptr(GArray) changes = nwf_ruleset_diff(have, want);
  g_autofree char *said = nwf_diff_to_text(changes);
  g_autoptr(NwfRuleset) result = nwf_model_apply(have, changes);
  if (!want) {
    g_assert_null(result);
    return;
  }
  g_autoptr(NwfRuleset) sorted = nwf_ruleset_copy(want);
  nwf_ruleset_sort(sorted);
  nwf_ruleset_sort(result);
  g_autofree char *a = nwf_ruleset_to_text(result);
  g_autofree char *b = nwf_ruleset_to_text(sorted);
  if (strcmp(a, b) != 0)
    g_test_message("%s", said);
  g_assert_cmpstr(a, ==, b);
}

static void test_difference_leads_to_the_new_ruleset(void) {
  GRand *rand = g_rand_new_with_seed(9);
  for (guint i = 0; i < 1000; i++) {
    g_autoptr(NwfRuleset) have = nwf_random_ruleset(rand);
    g_autoptr(NwfRuleset) want = nwf_random_ruleset(rand);
    assert_leads_to(have, want);
    assert_leads_to(NULL, want);
    assert_leads_to(have, NULL);
    have->foreign = TRUE;
    assert_leads_to(have, want);
  }
  g_rand_free(rand);
}

static void test_a_set_of_another_type_takes_its_users_along(void) {
  GRand *rand = g_rand_new_with_seed(10);
  for (guint i = 0; i < 200; i++) {
    g_autoptr(NwfRuleset) have = nwf_random_ruleset(rand);
    g_autoptr(NwfRuleset) want = nwf_ruleset_shuffled(have, rand);
    for (guint j = 0; j < want->sets->len; j++)
      ((NwfSet *)g_ptr_array_index(want->sets, j))->size = 7;
    assert_leads_to(have, want);
  }
  g_rand_free(rand);
}

static void test_dynamic_elements_are_not_compared(void) {
  NwfField field = NWF_FIELD_IP_SADDR, other = NWF_FIELD_ARP_SADDR_IP;
  g_autoptr(NwfRuleset) have = nwf_ruleset_new();
  g_autoptr(NwfRuleset) want = nwf_ruleset_new();
  NwfSet *old = nwf_ruleset_add_set(have, "s", &field, 1);
  old->dynamic = nwf_ruleset_add_set(want, "s", &other, 1)->dynamic = TRUE;
  nwf_set_add_element(have, old, (const guint8 *)"\1\2\3\4", NULL, NULL, NULL);
  g_autoptr(GArray) changes = nwf_ruleset_diff(have, want);
  g_assert_cmpuint(changes->len, ==, 0);
}

static void test_a_foreign_rule_is_replaced(void) {
  g_autoptr(NwfRuleset) have = nwf_ruleset_new();
  NwfExpr foreign = {.kind = NWF_EXPR_FOREIGN};
  nwf_chain_add_rule(have, nwf_ruleset_add_chain(have, "c", NWF_HOOK_NONE, 0), &foreign, 1, NULL);
  g_autoptr(GArray) changes = nwf_ruleset_diff(have, have);
  g_assert_cmpuint(changes->len, ==, 2);
}

static void test_difference_of_a_large_table_is_quick(void) {
  g_autoptr(NwfRuleset) have = nwf_ruleset_new();
  g_autoptr(NwfRuleset) want = nwf_ruleset_new();
  NwfRuleset *both[] = {have, want};
  for (guint r = 0; r < 2; r++)
    for (guint i = 0; i < 20000; i++) {
      g_autofree char *name = g_strdup_printf("port%u", i);
      NwfChain *chain = nwf_ruleset_add_chain(both[r], name, NWF_HOOK_NONE, 0);
      for (guint j = 0; j < 17; j++) {
        NwfExpr exprs[] = {{.kind = NWF_EXPR_TEST, .test = nwf_test_eq_number(NWF_FIELD_IP_SADDR, i * 17 + j)},
                           {.kind = NWF_EXPR_VERDICT, .verdict = {.kind = NWF_VERDICT_ACCEPT}}};
        nwf_chain_add_rule(both[r], chain, exprs, 2, r && i == 777 ? "changed" : "rule");
      }
    }
  gint64 start = g_get_monotonic_time();
  g_autoptr(GArray) changes = nwf_ruleset_diff(have, want);
  g_test_message("340,000 rules: %" G_GINT64_FORMAT " us", g_get_monotonic_time() - start);
  g_assert_cmpuint(changes->len, ==, 2);
}

static void test_ports_are_listed(void) {
  g_autoptr(NwfRuleset) ruleset = nwf_ruleset_new();
  static const char *const names[] = {"vnet1", "a\"b", "vnet1", "vnet0123456789*"};
  NwfField field = NWF_FIELD_IIFNAME;
  NwfSet *from = nwf_ruleset_add_set(ruleset, "from_port", &field, 1);
  NwfSet *other = nwf_ruleset_add_set(ruleset, "other", &field, 1);
  from->is_map = other->is_map = TRUE;
  NwfVerdict accept = {.kind = NWF_VERDICT_ACCEPT};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    guint8 key[16] = {0};
    memcpy(key, names[i], strlen(names[i]));
    nwf_set_add_element(ruleset, from, key, NULL, &accept, NULL);
  }
  nwf_set_add_element(ruleset, other, (const guint8 *)"nobody\0\0\0\0\0\0\0\0\0", NULL, &accept, NULL);
  g_autoptr(GPtrArray) ports = nwf_ruleset_ports(ruleset);
  g_assert_cmpuint(ports->len, ==, 3);
  g_assert_cmpstr(g_ptr_array_index(ports, 0), ==, "a\"b");
  g_assert_cmpstr(g_ptr_array_index(ports, 2), ==, "vnet1");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/ruleset/fields-are-complete", test_fields_are_complete);
  g_test_add_func("/ruleset/text-of-rules", test_text_of_rules);
  g_test_add_func("/ruleset/tests-are-negated", test_tests_are_negated);
  g_test_add_func("/ruleset/comments-are-made-printable", test_comments_are_made_printable);
  g_test_add_func("/ruleset/order-does-not-depend-on-history", test_order_does_not_depend_on_history);
  g_test_add_func("/ruleset/equal-rulesets-have-no-difference", test_equal_rulesets_have_no_difference);
  g_test_add_func("/ruleset/difference-leads-to-the-new-ruleset", test_difference_leads_to_the_new_ruleset);
  g_test_add_func("/ruleset/a-set-of-another-type-takes-its-users-along",
                  test_a_set_of_another_type_takes_its_users_along);
  g_test_add_func("/ruleset/dynamic-elements-are-not-compared", test_dynamic_elements_are_not_compared);
  g_test_add_func("/ruleset/a-foreign-rule-is-replaced", test_a_foreign_rule_is_replaced);
  g_test_add_func("/ruleset/difference-of-a-large-table-is-quick", test_difference_of_a_large_table_is_quick);
  g_test_add_func("/ruleset/ports-are-listed", test_ports_are_listed);
  return g_test_run();
}
