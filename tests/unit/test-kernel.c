// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The netlink side against the running kernel, each test in a network namespace of its own, with nft as
 * witness and as the other program that changes things.
 */
#include "kernel-help.h"
#include "ruleset-random.h"

#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- helpers --- */

/** Handles tell what was made before; the rest of a listing is what counts. */
static char *listing(void) {
  g_autofree char *json = nwf_test_shell("nft -j list table bridge nwfilter");
  g_autoptr(GRegex) regex = g_regex_new("\"handle\": [0-9]+,? ?", 0, 0, NULL);
  return g_regex_replace_literal(regex, json, -1, 0, "", 0, NULL);
}

static void load_text(const NwfRuleset *ruleset) {
  g_autofree char *text = nwf_ruleset_to_text(ruleset);
  g_autofree char *path = NULL;
  int fd = g_file_open_tmp("nwf-XXXXXX.nft", &path, NULL);
  g_assert_cmpint(fd, >=, 0);
  close(fd);
  g_assert_true(g_file_set_contents(path, text, -1, NULL));
  g_autofree char *command = g_strdup_printf("nft -f %s", path);
  nwf_test_run(command);
  g_unlink(path);
}

#define EXPR_TEST(...)                                                                                                 \
  { .kind = NWF_EXPR_TEST, .test = __VA_ARGS__ }
#define EXPR_VERDICT(kind_, chain_)                                                                                    \
  {                                                                                                                    \
    .kind = NWF_EXPR_VERDICT, .verdict = {.kind = kind_, .chain = chain_ }                                             \
  }

static const NwfField port_key[] = {NWF_FIELD_IIFNAME, NWF_FIELD_ETHER_TYPE};

static void add_port(NwfRuleset *ruleset, const char *port, guint n) {
  g_autofree char *name = g_strdup_printf("port%u-ip", n);
  NwfChain *chain = nwf_ruleset_add_chain(ruleset, name, NWF_HOOK_NONE, 0);
  guint8 mac[] = {0x52, 0x54, 0, (guint8)(n >> 16), (guint8)(n >> 8), (guint8)n};
  guint8 address[] = {10, (guint8)(n >> 16), (guint8)(n >> 8), (guint8)n};
  const NwfExpr spoofed[] = {EXPR_TEST(nwf_test_negate(nwf_test_eq(NWF_FIELD_ETHER_SADDR, mac))),
                             EXPR_VERDICT(NWF_VERDICT_DROP, NULL)};
  const NwfExpr own[] = {EXPR_TEST(nwf_test_eq(NWF_FIELD_IP_SADDR, address)), EXPR_VERDICT(NWF_VERDICT_ACCEPT, NULL)};
  const NwfExpr end[] = {EXPR_VERDICT(NWF_VERDICT_DROP, NULL)};
  nwf_chain_add_rule(ruleset, chain, spoofed, 2, "no-mac-spoofing:3");
  nwf_chain_add_rule(ruleset, chain, own, 2, "no-ip-spoofing:5");
  nwf_chain_add_rule(ruleset, chain, end, 1, NULL);
  guint8 key[NWF_KEY_MAX] = {0};
  g_strlcpy((char *)key, port, 16);
  key[16] = 8;
  NwfVerdict verdict = {NWF_VERDICT_GOTO, name};
  nwf_set_add_element(ruleset, nwf_ruleset_set(ruleset, "from_port"), key, NULL, &verdict, NULL);
}

static NwfRuleset *ruleset_of(const char *const *ports, guint n) {
  NwfRuleset *ruleset = nwf_ruleset_new();
  nwf_ruleset_add_set(ruleset, "from_port", port_key, 2)->is_map = TRUE;
  for (guint i = 0; i < n; i++) {
    g_autofree char *name = ports ? g_strdup(ports[i]) : g_strdup_printf("vnet%u", i);
    add_port(ruleset, name, i);
  }
  NwfChain *base = nwf_ruleset_add_chain(ruleset, "prerouting", NWF_HOOK_PREROUTING, -150);
  NwfExpr lookup = {.kind = NWF_EXPR_LOOKUP, .lookup = {.n_fields = 2, .set = "from_port"}};
  memcpy(lookup.lookup.fields, port_key, sizeof port_key);
  nwf_chain_add_rule(ruleset, base, &lookup, 1, NULL);
  nwf_ruleset_sort(ruleset);
  return ruleset;
}

/* --- installing --- */

static void test_the_same_twice_sends_nothing(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  g_autoptr(NwfRuleset) want = ruleset_of(NULL, 3);
  guint32 before, after;
  g_assert_cmpuint(nwf_test_install(kernel, want), >, 0);
  nwf_assert_holds(kernel, want);
  g_assert_true(nwf_kernel_generation(kernel, &before, NULL));
  g_assert_cmpuint(nwf_test_install(kernel, want), ==, 0);
  g_assert_true(nwf_kernel_generation(kernel, &after, NULL));
  g_assert_cmpuint(before, ==, after);
}

static void test_no_table_reads_as_none(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  g_autoptr(NwfRuleset) none = nwf_test_read(kernel);
  g_assert_null(none);
  g_assert_cmpuint(nwf_test_install(kernel, NULL), ==, 0);
  g_autoptr(NwfRuleset) want = ruleset_of(NULL, 1);
  nwf_test_install(kernel, want);
  g_assert_cmpuint(nwf_test_install(kernel, NULL), ==, 1);
  none = nwf_test_read(kernel);
  g_assert_null(none);
}

static void test_what_others_changed_is_put_right(void) {
  static const char *const commands[] = {
      "nft add rule bridge nwfilter port1-ip accept",
      "nft insert rule bridge nwfilter port1-ip counter accept",
      "nft insert rule bridge nwfilter prerouting meta mark 5 accept",
      "nft flush chain bridge nwfilter port2-ip",
      "nft delete rule bridge nwfilter port0-ip handle "
      "$(nft -a list chain bridge nwfilter port0-ip | sed -n 's/.*drop.*handle //p' | head -n 1)",
      "nft flush ruleset",
      "nft flush table bridge nwfilter",
      "nft delete table bridge nwfilter",
      "nft delete element bridge nwfilter from_port '{ \"vnet1\" . ip }'",
      "nft flush map bridge nwfilter from_port",
      "nft add element bridge nwfilter from_port '{ \"evil\" . ip : accept }'",
      "nft add chain bridge nwfilter stranger && nft add rule bridge nwfilter stranger ip saddr '{ 1.2.3.4, 5.6.7.8 }' "
      "drop",
      "nft add chain bridge nwfilter mine '{ type filter hook input priority 0; policy drop; }'",
      "nft add chain bridge nwfilter prerouting '{ policy accept; }'",
      "nft add set bridge nwfilter numbers '{ type mark; elements = { 1, 2 }; }'",
      "nft add set bridge nwfilter old '{ type ipv4_addr; timeout 1h; elements = { 1.2.3.4 }; }'",
      "nft add counter bridge nwfilter hits",
      "nft add table bridge nwfilter '{ flags dormant; }'",
      "nft delete table bridge nwfilter && nft add table bridge nwfilter '{ comment \"left behind\"; }'",
      "nft add rule bridge nwfilter port1-ip jump '{ drop; }'",
  };
  g_autoptr(NwfRuleset) want = ruleset_of(NULL, 3);
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
    g_autoptr(NwfKernel) kernel = nwf_test_enter();
    if (!kernel)
      return;
    nwf_test_install(kernel, want);
    g_autofree char *before = listing();
    nwf_test_run(commands[i]);
    g_test_message("%s", commands[i]);
    g_assert_cmpuint(nwf_test_install(kernel, want), >, 0);
    nwf_assert_holds(kernel, want);
    g_assert_cmpuint(nwf_test_install(kernel, want), ==, 0);
    g_autofree char *after = listing();
    /* maps are listed in the order of their hash, which a new map does not share */
    g_assert_cmpuint(strlen(before), ==, strlen(after));
  }
}

static void test_one_more_port_is_a_small_change(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  g_autoptr(NwfRuleset) three = ruleset_of(NULL, 3);
  g_autoptr(NwfRuleset) four = ruleset_of(NULL, 4);
  nwf_test_install(kernel, three);
  g_assert_cmpuint(nwf_test_install(kernel, four), ==, 3); /* a chain, its rules, an element */
  nwf_assert_holds(kernel, four);
  nwf_test_install(kernel, three);
  nwf_assert_holds(kernel, three);
}

/** What proves quickly that nothing changed must not outlive a change that comes back to the same. */
static void test_a_mark_is_only_good_for_its_generation(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  g_autoptr(NwfRuleset) three = ruleset_of(NULL, 3);
  g_autoptr(NwfRuleset) four = ruleset_of(NULL, 4);
  nwf_test_install(kernel, three);
  g_assert_cmpuint(nwf_test_install(kernel, four), >, 0);
  g_assert_cmpuint(nwf_test_install(kernel, three), >, 0);
  nwf_assert_holds(kernel, three);
  nwf_test_run("nft add table inet other");
  g_assert_cmpuint(nwf_test_install(kernel, three), ==, 0);
  nwf_test_run("nft add element bridge nwfilter from_port '{ \"evil\" . ip : accept }'");
  nwf_test_run("nft delete table inet other");
  g_assert_cmpuint(nwf_test_install(kernel, three), ==, 1);
  nwf_assert_holds(kernel, three);
  /* the same ruleset as text has no mark, and is known all the same */
  nwf_test_run("nft delete table bridge nwfilter");
  load_text(three);
  g_assert_cmpuint(nwf_test_install(kernel, three), ==, 0);
}

static void test_odd_port_names(void) {
  static const char *const names[] = {"fifteen-bytes-x", "a",         "vnet*",    "a\"b",  "sp$(x)",
                                      "back\\slash",     "tap.100@x", "\xc3\xa4", "{};#!", "-n"};
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  g_autoptr(NwfRuleset) want = ruleset_of(names, G_N_ELEMENTS(names));
  nwf_test_install(kernel, want);
  nwf_assert_holds(kernel, want);
  g_autoptr(NwfRuleset) have = nwf_test_read(kernel);
  g_autoptr(GPtrArray) ports = nwf_ruleset_ports(have);
  g_assert_cmpuint(ports->len, ==, G_N_ELEMENTS(names));
}

static void test_a_thousand_ports_in_one_batch(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  g_autoptr(NwfRuleset) want = ruleset_of(NULL, 1000);
  guint32 before, after;
  g_assert_true(nwf_kernel_generation(kernel, &before, NULL));
  nwf_test_install(kernel, want);
  g_assert_true(nwf_kernel_generation(kernel, &after, NULL));
  g_assert_cmpuint(after, ==, before + 1);
  nwf_assert_holds(kernel, want);
  g_autoptr(NwfRuleset) one = ruleset_of(NULL, 1);
  nwf_test_install(kernel, one);
  nwf_assert_holds(kernel, one);
}

/** Some of them jump in circles, which the kernel refuses; then all stays as it was. */
static void test_random_rulesets_follow_each_other(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  GRand *rand = g_rand_new_with_seed(7);
  g_autoptr(NwfRuleset) held = NULL;
  guint installed = 0;
  for (guint i = 0; i < 400; i++) {
    g_autoptr(NwfRuleset) want = nwf_random_ruleset(rand);
    g_autoptr(GError) error = NULL;
    nwf_ruleset_sort(want);
    if (nwf_kernel_install(kernel, want, NULL, &error)) {
      installed++;
      g_clear_pointer(&held, nwf_ruleset_free);
      held = g_steal_pointer(&want);
    } else {
      g_assert_nonnull(strstr(error->message, "Too many links"));
    }
    nwf_assert_holds(kernel, held);
  }
  g_assert_cmpuint(installed, >, 100);
  g_rand_free(rand);
}

/* --- text and netlink --- */

static void assert_text_agrees(NwfRuleset *ruleset) {
  nwf_ruleset_sort(ruleset);
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  nwf_test_install(kernel, ruleset);
  nwf_assert_holds(kernel, ruleset);
  g_autofree char *netlink = listing();
  g_assert_cmpint(unshare(CLONE_NEWNET), ==, 0);
  load_text(ruleset);
  g_autofree char *text = listing();
  g_assert_cmpstr(netlink, ==, text);
}

static gboolean can_be_tested(NwfField field) {
  return field != NWF_FIELD_NONE && field != NWF_FIELD_RAW && nwf_fields[field].base <= NWF_BASE_META &&
         field != NWF_FIELD_IIFNAME && field != NWF_FIELD_OIFNAME;
}

static void test_text_agrees_on_every_field(void) {
  GRand *rand = g_rand_new_with_seed(1);
  g_autoptr(NwfRuleset) ruleset = nwf_ruleset_new();
  NwfChain *chain = nwf_ruleset_add_chain(ruleset, "input", NWF_HOOK_PREROUTING, -150);
  for (NwfField field = 1; field < NWF_N_FIELDS; field++) {
    for (guint i = 0; can_be_tested(field) && i < 12; i++) {
      const NwfExpr exprs[] = {EXPR_TEST(nwf_random_test(rand, field)), EXPR_VERDICT(NWF_VERDICT_ACCEPT, NULL)};
      nwf_chain_add_rule(ruleset, chain, exprs, 2, i % 2 ? "a comment" : NULL);
    }
  }
  assert_text_agrees(ruleset);
  g_rand_free(rand);
}

/** Whether the kernel takes it, that is, nothing in it jumps in circles. */
static gboolean takes(NwfRuleset *ruleset) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  return kernel && nwf_kernel_install(kernel, ruleset, NULL, NULL);
}

static void test_text_agrees_on_rulesets(void) {
  GRand *rand = g_rand_new_with_seed(3);
  for (guint i = 0; i < 30; i++) {
    g_autoptr(NwfRuleset) ruleset = nwf_random_ruleset(rand);
    /* the order in which a hash lists its elements differs from table to table */
    for (guint j = 0; j < ruleset->sets->len; j++) {
      NwfSet *set = g_ptr_array_index(ruleset->sets, j);
      if (set->elements->len > 1)
        g_array_set_size(set->elements, 1);
    }
    if (takes(ruleset))
      assert_text_agrees(ruleset);
  }
  g_rand_free(rand);
}

/** Sets of each kind, as far as possible with one element: a hash has no order. */
static void test_text_agrees_on_sets(void) {
  static const struct {
    const char *name;
    guint n;
    NwfField fields[NWF_KEY_PARTS];
    NwfRawPart raw[NWF_KEY_PARTS];
    gboolean interval, is_map;
    guint8 low[NWF_KEY_MAX], high[NWF_KEY_MAX];
  } sets[] = {
      {"addresses", 1, {NWF_FIELD_IP_SADDR}, {{0}}, FALSE, FALSE, {10, 0, 0, 1}, {10, 0, 0, 1}},
      {"names", 1, {NWF_FIELD_IIFNAME}, {{0}}, FALSE, TRUE, "vnet0", "vnet0"},
      {"macs", 1, {NWF_FIELD_ETHER_SADDR}, {{0}}, FALSE, FALSE, {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 1}},
      {"protocols", 1, {NWF_FIELD_L4PROTO}, {{0}}, FALSE, FALSE, {6}, {6}},
      {"types", 1, {NWF_FIELD_ETHER_TYPE}, {{0}}, FALSE, TRUE, {8, 6}, {8, 6}},
      {"ports", 1, {NWF_FIELD_TH_DPORT}, {{0}}, TRUE, FALSE, {0, 80}, {0, 90}},
      {"ranges", 1, {NWF_FIELD_IP_SADDR}, {{0}}, TRUE, FALSE, {10, 0, 0, 1}, {10, 0, 0, 9}},
      {"open", 1, {NWF_FIELD_IP_SADDR}, {{0}}, TRUE, FALSE, {224, 0, 0, 0}, {255, 255, 255, 255}},
      {"whole", 1, {NWF_FIELD_IP_SADDR}, {{0}}, TRUE, FALSE, {0, 0, 0, 0}, {255, 255, 255, 255}},
      {"ending", 1, {NWF_FIELD_TH_DPORT}, {{0}}, TRUE, FALSE, {255, 255}, {255, 255}},
      {"ranges6", 1, {NWF_FIELD_IP6_SADDR}, {{0}}, TRUE, FALSE, {0xfe, 0x80}, {0xfe, 0x80, 0xff}},
      {"rangemap", 1, {NWF_FIELD_IP_SADDR}, {{0}}, TRUE, TRUE, {10, 0, 0, 1}, {10, 0, 0, 9}},
      {"macranges", 1, {NWF_FIELD_ETHER_SADDR}, {{0}}, TRUE, FALSE, {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 5}},
      {"pair",
       2,
       {NWF_FIELD_ETHER_SADDR, NWF_FIELD_IP_SADDR},
       {{0}},
       FALSE,
       FALSE,
       {2, 0, 0, 0, 0, 1, 0, 0, 10},
       {2, 0, 0, 0, 0, 1, 0, 0, 10}},
      {"pairmap",
       2,
       {NWF_FIELD_OIFNAME, NWF_FIELD_ETHER_TYPE},
       {{0}},
       FALSE,
       TRUE,
       "vnet0\0\0\0\0\0\0\0\0\0\0\0\x08\x06",
       "vnet0\0\0\0\0\0\0\0\0\0\0\0\x08\x06"},
      {"triple",
       3,
       {NWF_FIELD_IP_SADDR, NWF_FIELD_L4PROTO, NWF_FIELD_TH_DPORT},
       {{0}},
       TRUE,
       FALSE,
       {10, 0, 0, 1, 6, 0, 0, 0, 0, 80},
       {10, 0, 0, 1, 6, 0, 0, 0, 0, 90}},
      {"triple6",
       4,
       {NWF_FIELD_IP6_SADDR, NWF_FIELD_L4PROTO, NWF_FIELD_TH_DPORT, NWF_FIELD_IP6_SADDR},
       {{0}},
       TRUE,
       FALSE,
       {0xfe},
       {0xfe, 1}},
      {"bytes", 1, {NWF_FIELD_RAW}, {{NWF_BASE_NH, 12, 4}}, FALSE, FALSE, {10, 0, 0, 1}, {10, 0, 0, 1}},
      {"byteranges", 1, {NWF_FIELD_RAW}, {{NWF_BASE_NH, 12, 2}}, TRUE, FALSE, {10, 0}, {10, 9}},
      {"bytepair",
       2,
       {NWF_FIELD_RAW, NWF_FIELD_RAW},
       {{NWF_BASE_LL, 6, 6}, {NWF_BASE_NH, 14, 4}},
       FALSE,
       FALSE,
       {2, 0, 0, 0, 0, 1, 0, 0, 10},
       {2, 0, 0, 0, 0, 1, 0, 0, 10}},
      {"mixed",
       3,
       {NWF_FIELD_IIFNAME, NWF_FIELD_RAW, NWF_FIELD_ETHER_SADDR},
       {{0}, {NWF_BASE_NH, 8, 3}},
       FALSE,
       FALSE,
       "vnet0\0\0\0\0\0\0\0\0\0\0\0\1\2\3\0\2\2\2\2\2\2",
       "vnet0\0\0\0\0\0\0\0\0\0\0\0\1\2\3\0\2\2\2\2\2\2"},
      {"arpkey", 2, {NWF_FIELD_ARP_SADDR_ETHER, NWF_FIELD_ARP_SADDR_IP}, {{0}}, FALSE, FALSE, {2}, {2}},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(sets); i++) {
    g_autoptr(NwfRuleset) ruleset = nwf_ruleset_new();
    NwfSet *set = nwf_ruleset_add_set(ruleset, sets[i].name, sets[i].fields, sets[i].n);
    memcpy(set->raw, sets[i].raw, sizeof set->raw);
    set->interval = sets[i].interval;
    set->is_map = sets[i].is_map;
    set->comment = i % 2 ? nwf_ruleset_intern(ruleset, "what it is for") : NULL;
    NwfVerdict verdict = {.kind = NWF_VERDICT_DROP};
    nwf_set_add_element(ruleset, set, sets[i].low, sets[i].high, set->is_map ? &verdict : NULL,
                        i % 3 ? "an element" : NULL);
    g_test_message("%s", sets[i].name);
    assert_text_agrees(ruleset);
  }
}

static guint feature_of(const NwfExpr *expr) {
  if (expr->kind == NWF_EXPR_REJECT)
    return NWF_FEATURE_REJECT;
  if (expr->kind == NWF_EXPR_CONNLIMIT)
    return NWF_FEATURE_CONNLIMIT;
  return expr->kind == NWF_EXPR_TEST && expr->test.base == NWF_BASE_CT ? NWF_FEATURE_CT : 0;
}

/** Everything but what this kernel lacks. */
static void test_text_agrees_on_every_expression(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  guint features = 0;
  if (!kernel)
    return;
  g_assert_true(nwf_kernel_probe(kernel, &features, NULL));
  g_autoptr(NwfRuleset) ruleset = nwf_ruleset_new();
  GArray *rules = nwf_sample_rules(ruleset)->rules;
  for (guint i = rules->len; i-- > 0;) {
    const NwfNftRule *rule = &g_array_index(rules, NwfNftRule, i);
    guint needs = 0;
    for (guint j = 0; j < rule->n_exprs; j++)
      needs |= feature_of(&rule->exprs[j]);
    if (needs & ~features) {
      g_test_message("rule %u: not on this kernel", i + 1);
      g_array_remove_index(rules, i);
    }
  }
  g_array_set_size(nwf_ruleset_set(ruleset, "pairs")->elements, 1);
  assert_text_agrees(ruleset);
}

static void test_adjacent_intervals(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  static const NwfField field[] = {NWF_FIELD_IP_SADDR};
  GRand *rand = g_rand_new_with_seed(5);
  for (guint round = 0; round < 50; round++) {
    g_autoptr(NwfRuleset) want = nwf_ruleset_new();
    NwfSet *set = nwf_ruleset_add_set(want, "s", field, 1);
    set->interval = TRUE;
    for (guint at = 0; at < 250; at += 5) {
      guint8 low[] = {at < 125 ? 0 : 255, at < 125 ? 0 : 255, at < 125 ? 0 : 255, (guint8)(at + 1 * !!at)};
      guint8 high[] = {low[0], low[1], low[2], (guint8)(at + (g_rand_boolean(rand) ? 5 : 3))};
      if (at == 245)
        high[3] = 255;
      if (g_rand_boolean(rand))
        nwf_set_add_element(want, set, low, high, NULL, NULL);
    }
    nwf_test_install(kernel, want);
    nwf_assert_holds(kernel, want);
  }
  g_rand_free(rand);
}

/* --- errors --- */

static void test_an_error_names_the_rule(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  guint features = 0;
  GError *error = NULL;
  g_assert_true(nwf_kernel_probe(kernel, &features, &error));
  g_assert_no_error(error);
  g_autofree char *tables = nwf_test_shell("nft list tables");
  g_assert_cmpstr(tables, ==, "");
  if (features & NWF_FEATURE_CT) {
    g_test_skip("this kernel has connection tracking for bridges");
    return;
  }
  g_autoptr(NwfRuleset) want = ruleset_of(NULL, 2);
  guint32 established = 2, none = 0;
  NwfTest test = nwf_test_masked(NWF_FIELD_CT_STATE, &none, &established);
  test.op = NWF_OP_NE;
  const NwfExpr exprs[] = {EXPR_TEST(test), EXPR_VERDICT(NWF_VERDICT_ACCEPT, NULL)};
  nwf_chain_add_rule(want, nwf_ruleset_chain(want, "port1-ip"), exprs, 2, "allow-tracked:7");
  g_assert_false(nwf_kernel_install(kernel, want, NULL, &error));
  g_assert_error(error, NWF_ERROR, NWF_ERROR_KERNEL);
  g_assert_nonnull(strstr(error->message, "port1-ip"));
  g_assert_nonnull(strstr(error->message, "allow-tracked:7"));
  g_assert_nonnull(strstr(error->message, "nf_conntrack_bridge"));
  g_clear_error(&error);
  g_autoptr(NwfRuleset) have = nwf_test_read(kernel);
  g_assert_null(have); /* nothing of it holds */
}

static void test_an_error_names_the_element(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  g_autoptr(NwfRuleset) want = ruleset_of(NULL, 300);
  NwfSet *map = nwf_ruleset_set(want, "from_port");
  for (guint i = 0; i < map->elements->len; i++) {
    NwfElement *element = &g_array_index(map->elements, NwfElement, i);
    if (strcmp((const char *)element->key, "vnet217") == 0)
      element->verdict.chain = nwf_ruleset_intern(want, "nowhere");
  }
  g_autoptr(GError) error = NULL;
  g_assert_false(nwf_kernel_install(kernel, want, NULL, &error));
  g_assert_error(error, NWF_ERROR, NWF_ERROR_KERNEL);
  g_test_message("%s", error->message);
  g_assert_nonnull(strstr(error->message, "vnet217"));
  g_assert_nonnull(strstr(error->message, "from_port"));
}

static void test_another_generation_is_refused(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  g_autoptr(NwfRuleset) want = ruleset_of(NULL, 1);
  g_autoptr(GArray) changes = nwf_ruleset_diff(NULL, want);
  guint32 generation;
  GError *error = NULL;
  g_assert_true(nwf_kernel_generation(kernel, &generation, NULL));
  nwf_test_run("nft add table inet other");
  g_assert_false(nwf_kernel_commit(kernel, changes, generation, &error));
  g_assert_error(error, NWF_ERROR, NWF_ERROR_CHANGED);
  g_clear_error(&error);
  g_autoptr(NwfRuleset) have = nwf_test_read(kernel);
  g_assert_null(have);
  g_assert_true(nwf_kernel_commit(kernel, changes, 0, &error));
  g_assert_no_error(error);
  nwf_assert_holds(kernel, want);
}

/** Somebody commits between reading and sending, but only the first times. */
static gboolean make_while_others_write(const NwfRuleset *have, NwfRuleset **want, gpointer data, GError **error) {
  guint *calls = data;
  if ((*calls)++ < 3)
    nwf_test_run(*calls % 2 ? "nft add table inet other" : "nft delete table inet other");
  *want = ruleset_of(NULL, 3);
  return TRUE;
}

static void test_a_change_in_between_starts_it_over(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  g_autoptr(NwfRuleset) want = ruleset_of(NULL, 3);
  guint calls = 0;
  NwfKernelUpdate update = {.make = make_while_others_write, .data = &calls};
  GError *error = NULL;
  g_assert_true(nwf_kernel_update(kernel, &update, &error));
  g_assert_no_error(error);
  g_assert_cmpuint(calls, ==, 4);
  nwf_assert_holds(kernel, want);
}

static void test_concurrent_writers(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  const char *argv[] = {"sh", "-c", "while :; do nft add table inet other; nft delete table inet other; done", NULL};
  GPid pid;
  g_assert_true(g_spawn_async(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                              &pid, NULL));
  for (guint i = 0; i < 100; i++) {
    g_autoptr(NwfRuleset) want = ruleset_of(NULL, 20 + i % 60);
    nwf_test_install(kernel, want);
    nwf_assert_holds(kernel, want);
  }
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define ADD(name_) g_test_add_func("/kernel/" #name_, test_##name_)
  ADD(no_table_reads_as_none);
  ADD(the_same_twice_sends_nothing);
  ADD(what_others_changed_is_put_right);
  ADD(one_more_port_is_a_small_change);
  ADD(a_mark_is_only_good_for_its_generation);
  ADD(odd_port_names);
  ADD(a_thousand_ports_in_one_batch);
  ADD(random_rulesets_follow_each_other);
  ADD(adjacent_intervals);
  ADD(text_agrees_on_every_field);
  ADD(text_agrees_on_every_expression);
  ADD(text_agrees_on_rulesets);
  ADD(text_agrees_on_sets);
  ADD(an_error_names_the_rule);
  ADD(an_error_names_the_element);
  ADD(another_generation_is_refused);
  ADD(a_change_in_between_starts_it_over);
  ADD(concurrent_writers);
  return g_test_run();
}
