// SPDX-License-Identifier: LGPL-2.1-or-later
/* How much of everybody's time one port may take: what is too much is refused before it is done, and says why. */
#include <nwfilter-nft/compile.h>
#include <nwfilter-nft/xml.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static NwfFilterStore *store;

static void put(const char *xml) {
  g_autoptr(GError) error = NULL;
  NwfFilter *filter = nwf_filter_parse(xml, strlen(xml), "test.xml", &error);
  g_assert_no_error(error);
  nwf_filter_store_put(store, filter);
}

static NwfBinding *begin(void) {
  NwfBinding *binding = nwf_binding_new();
  binding->filter = g_strdup("f");
  binding->port = g_strdup("vnet0");
  g_assert_true(nwf_mac_parse("52:54:00:00:00:01", binding->mac));
  g_clear_pointer(&store, nwf_filter_store_free);
  store = nwf_filter_store_new();
  return binding;
}

/* Every other address, so that no two of them are one range. */
static void give_addresses(NwfBinding *binding, const char *name, guint n) {
  for (guint i = 0; i < n; i++) {
    char text[16];
    g_snprintf(text, sizeof text, "10.%u.%u.%u", i >> 15, i >> 7 & 255, i << 1 & 255);
    g_assert_true(nwf_parameters_add(binding->parameters, name, text, NULL));
  }
}

static void give_ports(NwfBinding *binding, const char *name, guint n) {
  for (guint i = 0; i < n; i++) {
    char text[8];
    g_snprintf(text, sizeof text, "%u", i + 1);
    g_assert_true(nwf_parameters_add(binding->parameters, name, text, NULL));
  }
}

static NwfRuleset *compile(NwfBinding *binding) {
  g_autoptr(GError) error = NULL;
  NwfRuleset *ruleset = nwf_compile(store, &binding, 1, NULL, &error);
  g_assert_no_error(error);
  return ruleset;
}

static void assert_refused(const GError *error, const char *const *parts) {
  g_assert_error(error, NWF_ERROR, NWF_ERROR_LIMIT);
  for (; *parts; parts++)
    if (!strstr(error->message, *parts))
      g_error("'%s' is not in '%s'", *parts, error->message);
}
#define PARTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void expect_refusal(NwfBinding *binding, const char *const *parts) {
  g_autoptr(GError) error = NULL;
  g_assert_null(nwf_compile(store, &binding, 1, NULL, &error));
  assert_refused(error, parts);
}

static guint n_rules(const NwfRuleset *ruleset) {
  guint n = 0;
  for (guint i = 0; i < ruleset->chains->len; i++)
    n += ((const NwfChain *)g_ptr_array_index(ruleset->chains, i))->rules->len;
  return n;
}

/* --- before the work --- */

#define CUBE "$A[@1]' dstipaddr='$B[@2]' dstportstart='$P[@3]'/></rule>"

/* A value that no port can be is found by whoever looks at the first combination. */
static void combinations_are_counted_before_the_first_is_made(void) {
  g_autoptr(NwfBinding) binding = begin();
  put("<filter name='f'>\n<rule action='accept' direction='out'><tcp srcipaddr='" CUBE "</filter>");
  give_addresses(binding, "A", 79);
  give_addresses(binding, "B", 79);
  g_assert_true(nwf_parameters_add(binding->parameters, "P", "none", NULL));
  give_ports(binding, "P", 78);
  expect_refusal(binding, PARTS("test.xml:2: port vnet0: filter f: the variables A (79 values), B (79 values), P (79 "
                                "values) make 986078 of 986078 rules that the port has: more than 250000"));
}

static void sum_of_rules_and_directions_is_what_counts(void) {
  g_autoptr(NwfBinding) binding = begin();
  give_addresses(binding, "A", 300);
  put("<filter name='f'><rule action='drop' direction='out'><ip srcipaddr='$A[@1]' dstipaddr='$A[@2]'/></rule>\n"
      "<rule action='drop' direction='out'><ip dstipaddr='$A[@1]' srcipaddr='$A[@1]'/></rule></filter>");
  g_autoptr(NwfRuleset) ruleset = compile(binding);
  g_assert_cmpuint(n_rules(ruleset), <, 50);
  put("<filter name='f'><rule action='drop' direction='out'><ip srcipaddr='$A[@1]' dstipaddr='$A[@2]'/></rule>\n"
      "<rule action='drop' direction='inout'><ip dstipaddr='$A[@1]' srcipaddr='$A[@2]'/></rule></filter>");
  expect_refusal(binding, PARTS("test.xml:2: ", "the variable A (300 values) makes 180000 of 270000 rules"));
}

static void number_that_no_counter_holds_is_refused(void) {
  g_autoptr(NwfBinding) binding = begin();
  put("<filter name='f'><rule action='drop' direction='out'><tcp srcipaddr='$A[@1]' dstipaddr='$A[@2]' "
      "srcportstart='$A[@3]' dstportstart='$A[@4]'/></rule></filter>");
  give_addresses(binding, "A", 65536); /* 2^64 combinations: none, to a counter that overflows */
  expect_refusal(binding, PARTS("the variable A (65536 values) makes 2^64 or more of 2^64 or more rules"));
}

/* Each of 20 filters refers twice to the next. */
static void references_are_counted_before_they_are_followed(void) {
  g_autoptr(NwfBinding) binding = begin();
  for (guint i = 0; i < 20; i++) {
    g_autofree char *name = i ? g_strdup_printf("f%u", i) : g_strdup("f");
    g_autofree char *xml = g_strdup_printf("<filter name='%s'><filterref filter='f%u'/>\n<filterref filter='f%u'/>"
                                           "</filter>",
                                           name, i + 1, i + 1);
    put(xml);
  }
  put("<filter name='f20'><rule action='drop' direction='out'><tcp/></rule></filter>");
  expect_refusal(binding, PARTS("test.xml:1: port vnet0: filter f3: references lead to 393215 filters and rules, each "
                                "as often as it is reached: more than 250000"));
  g_autoptr(GError) error = NULL;
  g_assert_null(nwf_missing_variables(store, binding, &error));
  assert_refused(error, PARTS("filter f3: "));
}

static void filters_that_are_met_often_are_no_loop(void) {
  g_autoptr(NwfBinding) binding = begin();
  for (guint i = 0; i < 10; i++) {
    g_autofree char *name = i ? g_strdup_printf("f%u", i) : g_strdup("f");
    g_autofree char *xml = g_strdup_printf("<filter name='%s'><filterref filter='f%u'/><filterref filter='f%u'/>"
                                           "</filter>",
                                           name, i + 1, i + 1);
    put(xml);
  }
  put("<filter name='f10'><rule action='drop' direction='out'><ip/></rule></filter>");
  g_autoptr(NwfRuleset) ruleset = compile(binding);
  g_assert_cmpuint(n_rules(ruleset), <, 20);
  put("<filter name='f10'><filterref filter='f'/></filter>");
  g_autoptr(GError) error = NULL;
  g_assert_null(nwf_compile(store, (NwfBinding *const *)&binding, 1, NULL, &error));
  g_assert_error(error, NWF_ERROR, NWF_ERROR_LOOP);
}

/* Each EtherType that has an entry of its own looks at all rules. */
static void rules_times_ethertypes_are_refused(void) {
  g_autoptr(NwfBinding) binding = begin();
  g_autoptr(GString) xml = g_string_new("<filter name='f'>");
  for (guint i = 0; i < 5000; i++)
    g_string_append_printf(xml, "<rule action='drop' direction='out'><mac protocolid='0x%x'/></rule>", 0x600 + i);
  g_string_append(xml, "</filter>");
  put(xml->str);
  expect_refusal(binding, PARTS("test.xml: port vnet0: filter f: 5000 rules of the first stage for each of 5001 "
                                "EtherTypes are more than 10000000"));
}

/* --- as soon as it is known --- */

static void rules_that_are_several_are_counted_as_such(void) {
  g_autoptr(NwfBinding) binding = begin();
  put("<filter name='f'>\n<rule action='drop' direction='out'><arp match='no' arpsrcipaddr='$A' gratuitous='true'/>"
      "</rule></filter>");
  give_addresses(binding, "A", 65000); /* in four bytes each an address may differ from the other */
  expect_refusal(binding, PARTS("test.xml:2: port vnet0: filter f: the variable A (65000 values) makes 65000 of 250004 "
                                "rules that the port has by now",
                                "more than 250000"));
}

static void rules_that_fall_into_no_set_are_refused(void) {
  for (guint n = 27; n <= 40; n += 13) {
    g_autoptr(NwfBinding) binding = begin();
    put("<filter name='f'>\n<rule action='drop' direction='out'><ip match='no' protocol='tcp' srcipaddr='" CUBE
        "</filter>");
    give_addresses(binding, "A", n);
    give_addresses(binding, "B", n);
    give_ports(binding, "P", n);
    if (n > 27) {
      expect_refusal(binding, PARTS("test.xml:2: port vnet0: filter f: the variables A (40 values), B (40 values), P "
                                    "(40 values) make 64000 of 64001 rules that the port has by now and that fall into "
                                    "no set: more than 20000"));
      continue;
    }
    g_autoptr(NwfRuleset) ruleset = compile(binding);
    g_assert_cmpuint(n_rules(ruleset), >, 19683);
  }
}

static void combinations_that_fall_into_sets_are_taken(void) {
  g_autoptr(NwfBinding) binding = begin();
  put("<filter name='f'><rule action='accept' direction='out'><tcp srcipaddr='" CUBE "</filter>");
  give_addresses(binding, "A", 40);
  give_addresses(binding, "B", 40);
  give_ports(binding, "P", 40);
  g_autoptr(NwfRuleset) ruleset = compile(binding);
  g_assert_cmpuint(n_rules(ruleset), <, 50);
}

/* --- memory --- */

#if defined __SANITIZE_ADDRESS__
static void skip_memory(void) {
  g_test_skip("what is freed stays with the sanitizer");
}
#define long_list_is_not_copied_for_each_reference skip_memory
#define memory_is_given_back skip_memory
#else

/* MiB that the process has in memory. */
static gsize resident(void) {
  g_autofree char *text = NULL;
  gsize total, pages;
  g_assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
  g_assert_cmpint(sscanf(text, "%zu %zu", &total, &pages), ==, 2);
  return pages * (gsize)sysconf(_SC_PAGESIZE) >> 20;
}

static void note_resident(const char *where, const char *message, gpointer data) {
  gsize *most = data;
  *most = MAX(*most, resident());
}

/* Each reference gives a parameter of its own, and so what its filter sees is another. The last one is warned of, when
 * all others were followed. */
static void long_list_is_not_copied_for_each_reference(void) {
  g_autoptr(NwfBinding) binding = begin();
  g_autoptr(GString) xml = g_string_new("<filter name='f'>");
  for (guint i = 0; i < 200; i++)
    g_string_append_printf(xml, "<filterref filter='g'><parameter name='P' value='%u'/></filterref>", i + 1);
  g_string_append(xml, "<filterref filter='g'><parameter name='P' value='9'/><parameter name='P-' value='1'/>"
                       "</filterref></filter>");
  put(xml->str);
  put("<filter name='g'><rule action='drop' direction='out'><tcp dstportstart='$P'/></rule></filter>");
  give_addresses(binding, "IP", 100000);
  gsize before = resident(), most = 0;
  const NwfCompileOptions options = {.features = NWF_FEATURE_ALL, .warning = note_resident, .data = &most};
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfRuleset) ruleset = nwf_compile(store, (NwfBinding *const *)&binding, 1, &options, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(most, >, 0);
  g_assert_cmpuint(most, <, before + 64);
}

static void memory_is_given_back(void) {
  g_autoptr(NwfBinding) binding = begin();
  put("<filter name='f'><rule action='drop' direction='out'><ip match='no' protocol='tcp' srcipaddr='" CUBE
      "</filter>");
  give_addresses(binding, "A", 27);
  give_addresses(binding, "B", 27);
  give_ports(binding, "P", 27);
  gsize before = resident();
  g_autoptr(NwfRuleset) ruleset = compile(binding);
  g_assert_cmpuint(resident(), <, before + 24); /* the ruleset itself has some 12 */
}
#endif

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define TEST(group, function) g_test_add_func("/" group "/" #function, function)
  TEST("before", combinations_are_counted_before_the_first_is_made);
  TEST("before", sum_of_rules_and_directions_is_what_counts);
  TEST("before", number_that_no_counter_holds_is_refused);
  TEST("before", references_are_counted_before_they_are_followed);
  TEST("before", filters_that_are_met_often_are_no_loop);
  TEST("before", rules_times_ethertypes_are_refused);
  TEST("after", rules_that_are_several_are_counted_as_such);
  TEST("after", rules_that_fall_into_no_set_are_refused);
  TEST("after", combinations_that_fall_into_sets_are_taken);
  TEST("memory", long_list_is_not_copied_for_each_reference);
  TEST("memory", memory_is_given_back);
  int result = g_test_run();
  nwf_filter_store_free(store);
  return result;
}
