// SPDX-License-Identifier: LGPL-2.1-or-later
/* Edits of a compiled ruleset: whatever comes and goes, what is left is what compiling the same bindings gives, in
 * memory and in the kernel. */
#include "table-rules.h"
#include "generate.h"
#include "kernel-help.h"

#include <nwfilter-nft/compile.h>
#include <nwfilter-nft/xml.h>

#include <glib/gstdio.h>
#include <string.h>

#define N_PORTS 6
#define N_KINDS 5 /* filters and values that a port may be bound with */

/* What may be bound: for each port some bindings, of which one is bound, or none. */
typedef struct {
  Random random;
  NwfFilterStore *store;
  NwfBinding *choices[N_PORTS][N_KINDS];
  NwfBinding *bound[N_PORTS]; /* one of them, or NULL */
  NwfCompileOptions options;
} World;

static NwfFilter *make_filter(const char *name, NwfProtocol protocol, NwfAttr attr, const char *variable,
                              NwfDirection direction, NwfAction action) {
  NwfFilter *filter = nwf_filter_new(name);
  NwfRule *rule = nwf_rule_new();
  rule->protocol = protocol;
  rule->direction = direction;
  rule->action = action;
  NwfMatch match = {.attr = attr, .variable = nwf_variable_parse(variable, NULL)};
  match.value.type = nwf_protocol_attr(protocol, attr)->type;
  g_array_append_val(rule->matches, match);
  nwf_filter_add_rule(filter, rule);
  NwfRule *rest = nwf_rule_new();
  rest->action = NWF_ACTION_DROP;
  rest->priority = 900;
  nwf_filter_add_rule(filter, rest);
  return filter;
}

static NwfBinding *bind(World *world, guint port, const char *filter, const char *variable, const char *prefix,
                        guint n_values) {
  NwfBinding *binding = nwf_binding_new();
  binding->port = g_strdup_printf("vnet%u", port);
  binding->filter = g_strdup(filter);
  binding->mac[0] = 2;
  binding->mac[5] = (guint8)random_below(&world->random, 3);
  for (guint i = 0; i < n_values; i++) {
    g_autofree char *value = g_strdup_printf("%s%u", prefix, i + random_below(&world->random, 2));
    g_assert_true(nwf_parameters_add(binding->parameters, variable, value, NULL));
  }
  return binding;
}

static gboolean can_be_bound(const World *world, NwfBinding *binding) {
  g_autoptr(NwfRuleset) ruleset = nwf_compile(world->store, &binding, 1, &world->options, NULL);
  return ruleset != NULL;
}

/* Each port: two random filter trees of its own, one that others have as well with values of its own, one whose values
 * make a set, and one that counts connections. */
static void world_init(World *world, guint64 seed, guint features) {
  GenerateOptions generate = {.ct = (features & NWF_FEATURE_CT) != 0,
                              .connlimit = (features & NWF_FEATURE_CONNLIMIT) != 0};
  *world = (World){.options = {.features = features, .log_group = 7}};
  random_seed(&world->random, seed);
  world->store = nwf_filter_store_new();
  nwf_filter_store_put(world->store, make_filter("arp", NWF_PROTOCOL_ARP, NWF_ATTR_ARPSRCIPADDR, "$A",
                                                 NWF_DIRECTION_OUT, NWF_ACTION_ACCEPT));
  nwf_filter_store_put(world->store, make_filter("set", NWF_PROTOCOL_IP, NWF_ATTR_SRCIPADDR, "$A", NWF_DIRECTION_INOUT,
                                                 NWF_ACTION_ACCEPT));
  nwf_filter_store_put(world->store, make_filter("limit", NWF_PROTOCOL_TCP, NWF_ATTR_CONNLIMIT_ABOVE, "$N",
                                                 NWF_DIRECTION_IN, NWF_ACTION_DROP));
  NwfFilter *bad = make_filter("bad", NWF_PROTOCOL_IP, NWF_ATTR_SRCIPADDR, "$B", NWF_DIRECTION_IN, NWF_ACTION_ACCEPT);
  nwf_filter_add_reference(bad, nwf_filter_ref_new("arp"));
  nwf_filter_add_reference(bad, nwf_filter_ref_new("set"));
  nwf_filter_store_put(world->store, bad);
  for (guint i = 0; i < N_PORTS; i++) {
    g_autofree char *port = g_strdup_printf("vnet%u", i);
    for (guint j = 0; j < 2; j++) {
      g_autofree char *prefix = g_strdup_printf("p%u-%u-", i, j);
      do {
        nwf_binding_free(world->choices[i][j]);
        world->choices[i][j] = generate_binding(&world->random, &generate, world->store, prefix, port);
      } while (!can_be_bound(world, world->choices[i][j]));
    }
    world->choices[i][2] = bind(world, i, "arp", "A", "10.0.0.", 1 + random_below(&world->random, 3));
    world->choices[i][3] = bind(world, i, "set", "A", "10.0.1.", 12);
    world->choices[i][4] = features & NWF_FEATURE_CONNLIMIT ? bind(world, i, "limit", "N", "", 2)
                                                            : bind(world, i, "arp", "A", "10.0.9.", 2);
    for (guint j = 0; j < N_KINDS; j++)
      world->choices[i][j]->watch = random_chance(&world->random, 30) ? random_below(&world->random, 32) : 0;
  }
}

static void world_clear(World *world) {
  for (guint i = 0; i < N_PORTS; i++)
    for (guint j = 0; j < N_KINDS; j++)
      nwf_binding_free(world->choices[i][j]);
  nwf_filter_store_free(world->store);
}

static NwfRuleset *compile_bound(const World *world, NwfBinding *const bound[N_PORTS]) {
  NwfBinding *bindings[N_PORTS];
  guint n = 0;
  for (guint i = 0; i < N_PORTS; i++)
    if (bound[i])
      bindings[n++] = bound[i];
  g_autoptr(GError) error = NULL;
  NwfRuleset *ruleset = nwf_compile(world->store, bindings, n, &world->options, &error);
  g_assert_no_error(error);
  return ruleset;
}

static void assert_equal(const NwfRuleset *have, const NwfRuleset *want) {
  g_autoptr(GArray) difference = nwf_ruleset_diff(have, want);
  if (difference->len) {
    g_autofree char *text = nwf_diff_to_text(difference);
    g_error("%s", text);
  }
  g_assert_cmpuint(have->chains->len, ==, want->chains->len);
  g_assert_cmpuint(have->sets->len, ==, want->sets->len);
  g_autofree char *broken = table_rules_broken(have);
  g_assert_cmpstr(broken, ==, "");
}

/* Its chains for what the guest sends are made before the rule is found that cannot be. */
static void try_what_cannot_be(World *world, NwfEdit *edit, guint port) {
  g_autoptr(NwfBinding) bad = bind(world, port, "bad", "A", "10.0.1.", 12);
  nwf_parameters_add(bad->parameters, "B", "10.0.0.300", NULL);
  g_autoptr(GError) error = NULL;
  g_assert_false(nwf_edit_add(edit, world->store, bad, &world->options, &error));
  g_assert_error(error, NWF_ERROR, NWF_ERROR_INVALID);
}

/* One to three ports come, go or change in one edit. */
static void change_some(World *world, NwfEdit *edit, NwfBinding *bound[N_PORTS]) {
  guint n = 1 + random_below(&world->random, 3);
  while (n--) {
    guint port = random_below(&world->random, N_PORTS);
    NwfBinding *next = world->choices[port][random_below(&world->random, N_KINDS)];
    if (bound[port]) {
      g_assert_true(nwf_edit_remove(edit, bound[port]->port));
      bound[port] = NULL;
      if (random_chance(&world->random, 40))
        continue;
    }
    if (random_chance(&world->random, 20))
      try_what_cannot_be(world, edit, port);
    g_autoptr(GError) error = NULL;
    g_assert_true(nwf_edit_add(edit, world->store, next, &world->options, &error));
    g_assert_false(nwf_edit_add(edit, world->store, next, &world->options, NULL)); /* it is there now */
    bound[port] = next;
    if (random_chance(&world->random, 20))
      nwf_edit_changes(edit); /* being asked changes nothing */
  }
}

static void step(World *world, NwfRuleset *ruleset, NwfKernel *kernel) {
  NwfBinding *bound[N_PORTS];
  memcpy(bound, world->bound, sizeof bound);
  NwfEdit *edit = nwf_edit_new(ruleset);
  change_some(world, edit, bound);
  if (random_chance(&world->random, 25)) {
    if (random_chance(&world->random, 50))
      nwf_edit_changes(edit);
    nwf_edit_undo(edit);
  } else {
    g_autoptr(GError) error = NULL;
    const GArray *changes = nwf_edit_changes(edit);
    if (kernel)
      nwf_kernel_commit(kernel, changes, 0, &error);
    if (error) {
      g_autofree char *text = nwf_diff_to_text(changes);
      g_error("%s\n%s", error->message, text);
    }
    nwf_edit_keep(edit);
    memcpy(world->bound, bound, sizeof bound);
  }
  g_autoptr(NwfRuleset) whole = compile_bound(world, world->bound);
  assert_equal(ruleset, whole);
}

/* What nft makes of the printed form is what was sent. */
static void assert_text_is_the_same(NwfKernel *kernel, const NwfRuleset *ruleset) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = NULL, *text = nwf_ruleset_to_text(ruleset);
  int fd = g_file_open_tmp("nwfilter-nft-XXXXXX", &path, &error);
  g_assert_cmpint(fd, >=, 0);
  g_close(fd, NULL);
  g_assert_true(g_file_set_contents(path, text, -1, &error));
  g_autofree char *command = g_strdup_printf("nft -f %s; s=$?; rm %s; exit $s", path, path);
  nwf_test_run(command);
  nwf_assert_holds(kernel, ruleset);
}

static void run(guint64 seed, guint n_steps, NwfKernel *kernel, guint features) {
  World world;
  world_init(&world, seed, features);
  g_autoptr(NwfRuleset) ruleset = compile_bound(&world, world.bound);
  if (kernel)
    nwf_test_install(kernel, ruleset);
  for (guint i = 0; i < n_steps; i++) {
    step(&world, ruleset, kernel);
    if (kernel)
      nwf_assert_holds(kernel, ruleset);
    if (i % 16 == 15)
      nwf_ruleset_sort(ruleset); /* moves what was counted */
  }
  world_clear(&world);
}

static void what_is_kept_is_what_compiling_gives(void) {
  for (guint64 seed = 1; seed <= 60; seed++)
    run(seed, 60, NULL, NWF_FEATURE_ALL);
}

static void the_kernel_takes_the_changes(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  guint features;
  g_autoptr(GError) error = NULL;
  nwf_kernel_probe(kernel, &features, &error);
  g_assert_no_error(error);
  for (guint64 seed = 1; seed <= 12; seed++)
    run(1000 + seed, 40, kernel, features);
}

static NwfBinding *bind_plain(const char *filter, const char *port, const char *address) {
  NwfBinding *binding = nwf_binding_new();
  binding->port = g_strdup(port);
  binding->filter = g_strdup(filter);
  if (address)
    nwf_parameters_add(binding->parameters, "A", address, NULL);
  return binding;
}

static void add_rules(GString *text, const char *action, const char *format) {
  for (guint i = 0; i < 10; i++) {
    g_string_append_printf(text, "<rule action='%s' direction='in' statematch='0'>", action);
    g_string_append_printf(text, format, i, 100 + i, 200 + 2 * i);
    g_string_append(text, "</rule>");
  }
}

/* Lookups of several fields, and sub-chains of rules that name the port's address: of values, ranges and both
 * families. */
static void text_of_merged_rules_is_the_same(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  g_autoptr(GString) text = g_string_new("<filter name='f'>");
  add_rules(text, "accept", "<tcp srcipaddr='10.0.0.%u' dstipaddr='$A' dstportstart='%u'/>");
  add_rules(text, "accept",
            "<tcp srcipaddr='10.0.%u.0' srcipmask='24' dstipaddr='$A' dstportstart='%u' dstportend='%u'/>");
  add_rules(text, "drop",
            "<udp srcipaddr='10.1.%u.0' srcipmask='24' dstipaddr='$A' dstportstart='%u' dstportend='%u'/>");
  add_rules(text, "drop", "<all srcipaddr='10.2.0.%u' dstipaddr='$A' dscp='3'/>");
  add_rules(text, "accept", "<udp-ipv6 srcipaddr='fe80::%u' dstportstart='%u'/>");
  add_rules(text, "accept", "<ip srcipaddr='10.3.0.%u' protocol='udp' dstportstart='%u'/>");
  g_string_append(text, "</filter>");
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  nwf_filter_store_put(store, nwf_filter_parse(text->str, text->len, "test.xml", &error));
  g_autoptr(NwfBinding) a = bind_plain("f", "vnet0", "10.9.0.1"), b = bind_plain("f", "vnet1", "10.9.0.2");
  NwfBinding *both[] = {a, b};
  g_autoptr(NwfRuleset) ruleset = nwf_compile(store, both, 2, NULL, &error);
  g_assert_no_error(error);
  nwf_test_install(kernel, ruleset);
  nwf_assert_holds(kernel, ruleset);
  assert_text_is_the_same(kernel, ruleset);
}

/* --- what an edit sends --- */

static NwfRuleset *two_ports(NwfFilterStore *store) {
  nwf_filter_store_put(
      store, make_filter("f", NWF_PROTOCOL_IP, NWF_ATTR_SRCIPADDR, "$A", NWF_DIRECTION_OUT, NWF_ACTION_ACCEPT));
  NwfBinding *bindings[] = {bind_plain("f", "vnet0", "10.0.0.1"), bind_plain("f", "vnet1", "10.0.0.2")};
  g_autoptr(GError) error = NULL;
  NwfRuleset *ruleset = nwf_compile(store, bindings, 2, NULL, &error);
  g_assert_no_error(error);
  nwf_binding_free(bindings[0]);
  nwf_binding_free(bindings[1]);
  return ruleset;
}

static guint count(const GArray *changes, NwfChangeKind kind) {
  guint n = 0;
  for (guint i = 0; i < changes->len; i++)
    n += g_array_index(changes, NwfChange, i).kind == kind;
  return n;
}

static void replacing_a_port_by_itself_sends_nothing(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  g_autoptr(NwfRuleset) ruleset = two_ports(store);
  g_autoptr(NwfBinding) same = bind_plain("f", "vnet1", "10.0.0.2");
  NwfEdit *edit = nwf_edit_new(ruleset);
  g_assert_true(nwf_edit_remove(edit, "vnet1"));
  g_assert_true(nwf_edit_add(edit, store, same, NULL, NULL));
  g_assert_cmpuint(nwf_edit_changes(edit)->len, ==, 0);
  nwf_edit_keep(edit);
}

/* One chain with the new address, its elements, and the old ones go. */
static void another_address_sends_only_what_names_it(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  g_autoptr(NwfRuleset) ruleset = two_ports(store);
  g_autoptr(NwfBinding) other = bind_plain("f", "vnet1", "10.0.0.9");
  NwfEdit *edit = nwf_edit_new(ruleset);
  g_assert_true(nwf_edit_remove(edit, "vnet1"));
  g_assert_true(nwf_edit_add(edit, store, other, NULL, NULL));
  const GArray *changes = nwf_edit_changes(edit);
  g_assert_cmpuint(count(changes, NWF_CHANGE_ADD_CHAIN), ==, 1);
  g_assert_cmpuint(count(changes, NWF_CHANGE_DELETE_CHAIN), ==, 1);
  g_assert_cmpuint(count(changes, NWF_CHANGE_ADD_SET), ==, 0);
  g_assert_cmpuint(count(changes, NWF_CHANGE_DELETE_SET), ==, 0);
  /* the class that names the address, and the two that show the parameters */
  g_assert_cmpuint(count(changes, NWF_CHANGE_ADD_ELEMENT), ==, 3);
  g_assert_cmpuint(count(changes, NWF_CHANGE_DELETE_ELEMENT), ==, 3);
  nwf_edit_keep(edit);
}

static void first_and_last_port_bring_and_take_the_base_chains(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  g_autoptr(NwfRuleset) with_ports = two_ports(store), ruleset = nwf_ruleset_new();
  g_autoptr(NwfBinding) binding = bind_plain("f", "vnet1", "10.0.0.2");
  NwfEdit *edit = nwf_edit_new(ruleset);
  g_assert_true(nwf_edit_add(edit, store, binding, NULL, NULL));
  g_assert_cmpuint(count(nwf_edit_changes(edit), NWF_CHANGE_ADD_TABLE), ==, 1);
  nwf_edit_keep(edit);
  g_assert_nonnull(nwf_ruleset_chain(ruleset, "prerouting"));
  edit = nwf_edit_new(ruleset);
  g_assert_true(nwf_edit_remove(edit, "vnet1"));
  g_assert_false(nwf_edit_remove(edit, "vnet1"));
  nwf_edit_keep(edit);
  g_assert_cmpuint(ruleset->chains->len, ==, 0);
  g_assert_cmpuint(ruleset->sets->len, ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define TEST(function) g_test_add_func("/edit/" #function, function)
  TEST(replacing_a_port_by_itself_sends_nothing);
  TEST(another_address_sends_only_what_names_it);
  TEST(first_and_last_port_bring_and_take_the_base_chains);
  TEST(what_is_kept_is_what_compiling_gives);
  TEST(the_kernel_takes_the_changes);
  TEST(text_of_merged_rules_is_the_same);
  return g_test_run();
}
