// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the compiler makes of filters, and what it refuses. Verdicts on frames are tested in
 * tests/frames; here it is the shape of the table and the errors. */
#include <nwfilter-nft/compile.h>
#include <nwfilter-nft/xml.h>

#include <string.h>

static void put(NwfFilterStore *store, const char *xml) {
  g_autoptr(GError) error = NULL;
  NwfFilter *filter = nwf_filter_parse(xml, strlen(xml), "test.xml", &error);
  g_assert_no_error(error);
  nwf_filter_store_put(store, filter);
}

static NwfBinding *bind(const char *filter, const char *port) {
  NwfBinding *binding = nwf_binding_new();
  binding->filter = g_strdup(filter);
  binding->port = g_strdup(port);
  g_assert_true(nwf_mac_parse("52:54:00:00:00:01", binding->mac));
  return binding;
}

static NwfRuleset *compile_with(NwfFilterStore *store, NwfBinding *binding, guint features, GError **error) {
  NwfCompileOptions options = {.features = features};
  NwfRuleset *ruleset = nwf_compile(store, &binding, 1, &options, error);
  nwf_binding_free(binding);
  return ruleset;
}

static NwfRuleset *compile(NwfFilterStore *store, const char *filter) {
  g_autoptr(GError) error = NULL;
  NwfRuleset *ruleset = compile_with(store, bind(filter, "vnet0"), NWF_FEATURE_ALL, &error);
  g_assert_no_error(error);
  return ruleset;
}

/* The verdict that the dispatch map gives the port for an EtherType; -1 the other ones. */
static const NwfVerdict *verdict_of(const NwfRuleset *ruleset, const char *map, int ethertype) {
  const NwfSet *set = nwf_ruleset_set(ruleset, map);
  for (guint i = 0; set && i < set->elements->len; i++) {
    const NwfElement *element = &g_array_index(set->elements, NwfElement, i);
    if (ethertype < 0 || (element->key[16] << 8 | element->key[17]) == ethertype)
      return &element->verdict;
  }
  return NULL;
}

static guint n_rules(const NwfRuleset *ruleset, const NwfVerdict *verdict) {
  g_assert_cmpint(verdict->kind, ==, NWF_VERDICT_GOTO);
  return nwf_ruleset_chain(ruleset, verdict->chain)->rules->len;
}

/* nft 1.0.6 would read `a != 1 b != 2` of neighbouring bytes as one number that must differ. */
static void neighbouring_negations_stay_two(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='f'><rule action='drop' direction='out'>"
             "<arp match='no' hwtype='1' protocoltype='0x800'/></rule></filter>");
  g_autoptr(NwfRuleset) ruleset = compile(store, "f");
  g_autofree char *text = nwf_ruleset_to_text(ruleset);
  g_assert_nonnull(strstr(text, "& 0xffff != "));
}

/* --- dispatch --- */

static void no_binding_makes_no_base_chain(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfRuleset) ruleset = nwf_compile(store, NULL, 0, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(ruleset->chains->len, ==, 0);
  g_assert_cmpuint(ruleset->sets->len, ==, 0);
}

static void empty_filter_still_has_its_entries(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='f'/>");
  g_autoptr(NwfRuleset) ruleset = compile(store, "f");
  g_assert_cmpint(verdict_of(ruleset, "from_port_other", -1)->kind, ==, NWF_VERDICT_ACCEPT);
  g_assert_cmpint(verdict_of(ruleset, "to_port_other", -1)->kind, ==, NWF_VERDICT_ACCEPT);
  g_assert_cmpuint(ruleset->chains->len, ==, 0); /* and no hook that could only accept */
}

static void decided_class_is_a_plain_verdict(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='f'><rule action='accept' direction='out'><mac protocolid='arp'/></rule>"
             "<rule action='drop' direction='out' priority='900'/></filter>");
  g_autoptr(NwfRuleset) ruleset = compile(store, "f");
  g_assert_cmpint(verdict_of(ruleset, "from_port", 0x0806)->kind, ==, NWF_VERDICT_ACCEPT);
  g_assert_cmpint(verdict_of(ruleset, "from_port_other", -1)->kind, ==, NWF_VERDICT_DROP);
  g_assert_cmpint(verdict_of(ruleset, "to_port_other", -1)->kind, ==, NWF_VERDICT_ACCEPT);
}

static void ports_with_equal_rules_share_a_chain(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='f'><rule action='drop' direction='out'><ip dstipaddr='10.0.0.1'/></rule></filter>");
  g_autoptr(NwfBinding) a = bind("f", "vnet0");
  g_autoptr(NwfBinding) b = bind("f", "vnet1");
  NwfBinding *both[] = {a, b};
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfRuleset) ruleset = nwf_compile(store, both, 2, NULL, &error);
  g_assert_no_error(error);
  const NwfSet *map = nwf_ruleset_set(ruleset, "from_port");
  g_assert_cmpuint(map->elements->len, ==, 6); /* IPv4, and ARP and IPv6, which would else be among the rest */
  g_assert_cmpstr(g_array_index(map->elements, NwfElement, 0).verdict.chain, ==,
                  g_array_index(map->elements, NwfElement, 3).verdict.chain);
}

static void many_addresses_become_a_set(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='f'><rule action='accept' direction='out'><ip srcipaddr='$IP'/></rule>"
             "<rule action='drop' direction='out' priority='900'/></filter>");
  NwfBinding *binding = bind("f", "vnet0");
  for (guint i = 0; i < 100000; i++) {
    g_autofree char *address = g_strdup_printf("10.%u.%u.%u", i >> 16, i >> 8 & 0xff, i & 0xff);
    g_assert_true(nwf_parameters_add(binding->parameters, "IP", address, NULL));
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfRuleset) ruleset = compile_with(store, binding, NWF_FEATURE_ALL, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(n_rules(ruleset, verdict_of(ruleset, "from_port", 0x0800)), ==, 2);
  guint n_values = 0;
  for (guint i = 0; i < ruleset->sets->len; i++) {
    const NwfSet *set = g_ptr_array_index(ruleset->sets, i);
    n_values += set->fields[0] == NWF_FIELD_IP_SADDR ? set->elements->len : 0;
  }
  g_assert_cmpuint(n_values, ==, 100000);
}

/* nft has no name for RARP's fields, and the test that ARP's names want would never hold. */
static void rarp_addresses_are_looked_up_as_bytes(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='f'><rule action='accept' direction='out'><rarp arpsrcipaddr='$IP'/></rule>"
             "<rule action='drop' direction='out' priority='900'/></filter>");
  NwfBinding *binding = bind("f", "vnet0");
  for (guint i = 1; i <= 20; i++) {
    g_autofree char *address = g_strdup_printf("10.0.0.%u", i);
    g_assert_true(nwf_parameters_add(binding->parameters, "IP", address, NULL));
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfRuleset) ruleset = compile_with(store, binding, NWF_FEATURE_ALL, &error);
  g_assert_no_error(error);
  const NwfChain *chain = nwf_ruleset_chain(ruleset, verdict_of(ruleset, "from_port", 0x8035)->chain);
  const NwfNftRule *rule = &g_array_index(chain->rules, NwfNftRule, 0);
  guint n_lookups = 0;
  for (guint i = 0; i < rule->n_exprs; i++) {
    const NwfExpr *expr = &rule->exprs[i];
    g_assert_false(expr->kind == NWF_EXPR_TEST && expr->test.field == NWF_FIELD_PROTOCOL);
    n_lookups += expr->kind == NWF_EXPR_LOOKUP && expr->lookup.fields[1] == NWF_FIELD_RAW;
  }
  g_assert_cmpuint(n_lookups, ==, 1);
}

/* Seen as fail-open: the jump to such a chain became a return of the chain that jumps, which accepts. */
/* Ten rules for addresses and ports, tcp and udp, between which stands one of another shape. */
static void rules_of_one_shape_become_one_lookup(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  g_autoptr(GString) text = g_string_new("<filter name='f'>");
  for (guint i = 0; i < 10; i++)
    g_string_append_printf(text,
                           "<rule action='accept' direction='in' statematch='0'>"
                           "<%s srcipaddr='10.0.0.%u' dstipaddr='$IP' dstportstart='%u'/></rule>%s",
                           i & 1 ? "tcp" : "udp", i, 100 + i,
                           i == 5 ? "<rule action='accept' direction='in' statematch='0'><icmp/></rule>" : "");
  g_string_append(text, "<rule action='drop' direction='in' priority='900'><all/></rule></filter>");
  put(store, text->str);
  NwfBinding *both[] = {bind("f", "vnet0"), bind("f", "vnet1")};
  nwf_parameters_add(both[0]->parameters, "IP", "10.1.0.1", NULL);
  nwf_parameters_add(both[1]->parameters, "IP", "10.1.0.2", NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfRuleset) ruleset = nwf_compile(store, both, 2, NULL, &error);
  g_assert_no_error(error);
  guint n_sets = 0;
  for (guint i = 0; i < ruleset->sets->len; i++) {
    const NwfSet *set = g_ptr_array_index(ruleset->sets, i);
    if (set->fields[0] == NWF_FIELD_ETHER_TYPE || set->fields[0] == NWF_FIELD_IIFNAME)
      continue; /* EtherTypes that have an entry in a map, and what is bound */
    n_sets += !set->is_map;
    g_assert_true(set->is_map || (set->n_fields == 3 && set->elements->len == 10));
  }
  g_assert_cmpuint(n_sets, ==, 2); /* one for each direction, for both ports */
  const char *wrapper = verdict_of(ruleset, "forward_port", 0x0800)->chain;
  const NwfNftRule *enter = &g_array_index(nwf_ruleset_chain(ruleset, wrapper)->rules, NwfNftRule, 0);
  const GArray *rules = nwf_ruleset_chain(ruleset, enter->exprs[enter->n_exprs - 1].verdict.chain)->rules;
  g_assert_cmpuint(rules->len, ==, 3);
  for (guint i = 0; i < 2; i++)
    nwf_binding_free(both[i]);
}

/* Ranges do not go into one set: the port's own address is asked for once, and the rest is one chain for both. */
static void rules_for_own_address_share_the_rest(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  g_autoptr(GString) text = g_string_new("<filter name='f'>");
  for (guint i = 0; i < 10; i++)
    g_string_append_printf(
        text,
        "<rule action='accept' direction='in' statematch='0'>"
        "<tcp srcipaddr='10.0.%u.0' srcipmask='24' dstipaddr='$IP' dstportstart='%u' dstportend='%u'/></rule>",
        i, 100 * i + 1, 100 * i + 1 + i + (i & 1 ? 1 : 20));
  g_string_append(text, "<rule action='accept' direction='in' statematch='0'><udp dstipaddr='$IP'/></rule>"
                        "<rule action='drop' direction='in' priority='900'><all/></rule></filter>");
  put(store, text->str);
  NwfBinding *both[] = {bind("f", "vnet0"), bind("f", "vnet1")};
  nwf_parameters_add(both[0]->parameters, "IP", "10.1.0.1", NULL);
  nwf_parameters_add(both[1]->parameters, "IP", "10.1.0.2", NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfRuleset) one = nwf_compile(store, both, 1, NULL, &error);
  g_autoptr(NwfRuleset) two = nwf_compile(store, both, 2, NULL, &error);
  g_assert_no_error(error);
  /* the second port brings, for each direction, its chain and the one by which it is entered, of two rules each */
  g_assert_cmpuint(two->chains->len, ==, one->chains->len + 4);
  guint n_rules[2] = {0};
  for (guint i = 0; i < two->chains->len; i++) {
    const NwfChain *chain = g_ptr_array_index(two->chains, i);
    n_rules[nwf_ruleset_chain(one, chain->name) != NULL] += chain->rules->len;
  }
  g_assert_cmpuint(n_rules[0], ==, 8);
  g_assert_cmpuint(two->sets->len, ==, one->sets->len);
  for (guint i = 0; i < 2; i++)
    nwf_binding_free(both[i]);
}

static void sub_chain_that_only_returns_is_no_return_of_root(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='m' chain='mac-x'><rule action='return' direction='out'><mac match='no' srcmacaddr='$MACS'/>"
             "</rule><rule action='accept' direction='out' priority='900'/></filter>");
  put(store, "<filter name='f'><filterref filter='m'><parameter name='MACS' value='52:54:00:00:00:02'/>"
             "<parameter name='MACS' value='52:54:00:00:00:03'/></filterref>"
             "<rule action='accept' direction='out'><ip srcipaddr='10.0.0.1'/></rule>"
             "<rule action='drop' direction='out' priority='900'/></filter>");
  g_autoptr(NwfRuleset) ruleset = compile(store, "f");
  g_assert_cmpint(verdict_of(ruleset, "from_port_other", -1)->kind, ==, NWF_VERDICT_DROP);
}

static void host_sent_frames_meet_no_second_stage(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='f'><rule action='drop' direction='in'><tcp dstportstart='22'/></rule></filter>");
  g_autoptr(NwfRuleset) ruleset = compile(store, "f");
  g_assert_nonnull(nwf_ruleset_chain(ruleset, "forward"));
  g_assert_nonnull(verdict_of(ruleset, "forward_port", 0x0800));
  g_assert_null(verdict_of(ruleset, "to_port", 0x0800));
}

static gboolean give_addresses_and_ports(const char *name, guint dimensions, gboolean ipv6, NwfRuleset *ruleset,
                                         NwfSet *set, gpointer data, GError **error) {
  g_assert_cmpuint(dimensions, ==, 2);
  set->n_fields = 3;
  set->fields[0] = NWF_FIELD_IP_SADDR;
  set->fields[1] = NWF_FIELD_L4PROTO;
  set->fields[2] = NWF_FIELD_TH_DPORT;
  return TRUE;
}

/* A later fragment has payload where the ports would be. */
static void ports_of_an_ipset_are_not_looked_for_in_later_fragments(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store,
      "<filter name='f'><rule action='drop' direction='out'><all ipset='s' ipsetflags='dst,src'/></rule></filter>");
  g_autoptr(NwfBinding) binding = bind("f", "vnet0");
  NwfCompileOptions options = {.ipset = give_addresses_and_ports};
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfRuleset) ruleset = nwf_compile(store, &binding, 1, &options, &error);
  g_assert_no_error(error);
  guint n_lookups = 0;
  for (guint i = 0; i < ruleset->chains->len; i++) {
    const NwfChain *chain = g_ptr_array_index(ruleset->chains, i);
    const NwfNftRule *rule = &g_array_index(chain->rules, NwfNftRule, 0);
    gboolean guarded = FALSE;
    for (guint j = 0; j < rule->n_exprs; j++) {
      const NwfExpr *expr = &rule->exprs[j];
      guarded |= expr->kind == NWF_EXPR_TEST && expr->test.field == NWF_FIELD_IP_FRAG_OFF;
      if (expr->kind != NWF_EXPR_LOOKUP || expr->lookup.n_fields != 3)
        continue;
      n_lookups++;
      g_assert_true(guarded);
      gboolean out = strstr(chain->name, "-out-") != NULL;
      g_assert_cmpint(expr->lookup.fields[0], ==, out ? NWF_FIELD_IP_DADDR : NWF_FIELD_IP_SADDR);
      g_assert_cmpint(expr->lookup.fields[2], ==, out ? NWF_FIELD_TH_SPORT : NWF_FIELD_TH_DPORT);
    }
  }
  g_assert_cmpuint(n_lookups, ==, 2);
}

static gboolean give_addresses(const char *name, guint dimensions, gboolean ipv6, NwfRuleset *ruleset, NwfSet *set,
                               gpointer data, GError **error) {
  return TRUE; /* that is what it is from the start */
}

static void gather(const char *where, const char *what, gpointer data) {
  g_string_append_printf(data, "%s: %s\n", where, what);
}

/* libvirt's own tests have `src,src` for an ipset of one dimension; iptables takes the first. */
static void ipset_takes_the_first_of_too_many_flags(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='f'>\n<rule action='drop' direction='out'><all ipset='s' ipsetflags='dst,src'/></rule>"
             "</filter>");
  g_autoptr(GString) warnings = g_string_new(NULL);
  NwfCompileOptions options = {.ipset = give_addresses, .warning = gather, .data = warnings};
  g_autoptr(NwfBinding) binding = bind("f", "vnet0");
  NwfBinding *bindings[] = {binding};
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfRuleset) ruleset = nwf_compile(store, bindings, 1, &options, &error);
  g_assert_no_error(error);
  g_assert_true(g_str_has_prefix(warnings->str, "test.xml:2: filter f: ipset 's' has 1 dimension, and ipsetflags "
                                                "names 2: the first 1 counts"));
  g_autofree char *text = nwf_ruleset_to_text(ruleset);
  g_assert_nonnull(strstr(text, "ip daddr @ipset-s drop")); /* what the guest sends */
  g_assert_nonnull(strstr(text, "ip saddr @ipset-s drop")); /* what it is sent */
}

/* --- errors --- */

static void expect_error(NwfFilterStore *store, NwfBinding *binding, guint features, int code,
                         const char *const *parts) {
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfRuleset) ruleset = compile_with(store, binding, features, &error);
  g_assert_null(ruleset);
  g_assert_error(error, NWF_ERROR, code);
  for (; *parts; parts++)
    if (!strstr(error->message, *parts))
      g_error("'%s' is not in '%s'", *parts, error->message);
}
#define PARTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Seen: the members that one rule has asked for were looked into by another with fewer flags, or of the other family,
 * and it never matched. */
static void an_ipset_is_not_had_for_other_flags(void) {
  static const struct {
    const char *rule, *says;
  } cases[] = {{"<all ipset='s' ipsetflags='src'/>", "it has 2 dimensions, and ipsetflags names 1"},
               {"<all-ipv6 ipset='s' ipsetflags='src,src'/>", "it holds IPv4 addresses"}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
    g_autofree char *filter = g_strdup_printf(
        "<filter name='f'><rule action='drop' direction='out'><all ipset='s' ipsetflags='dst,src'/></rule>\n"
        "<rule action='drop' direction='out'>%s</rule></filter>",
        cases[i].rule);
    put(store, filter);
    NwfCompileOptions options = {.ipset = give_addresses_and_ports};
    g_autoptr(NwfBinding) binding = bind("f", "vnet0");
    NwfBinding *bindings[] = {binding};
    g_autoptr(GError) error = NULL;
    g_autoptr(NwfRuleset) ruleset = nwf_compile(store, bindings, 1, &options, &error);
    g_assert_null(ruleset);
    g_assert_error(error, NWF_ERROR, NWF_ERROR_UNSUPPORTED);
    if (!strstr(error->message, cases[i].says) || !strstr(error->message, "test.xml:2"))
      g_error("%s", error->message);
  }
}

static void loop_is_named(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='a'><filterref filter='b'/></filter>");
  put(store, "<filter name='b'>\n<filterref filter='a'/></filter>");
  expect_error(store, bind("a", "vnet0"), NWF_FEATURE_ALL, NWF_ERROR_LOOP, PARTS("test.xml:2", "vnet0", "a -> b -> a"));
}

static void missing_filter_is_named(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='a'><filterref filter='gone'/></filter>");
  expect_error(store, bind("a", "vnet0"), NWF_FEATURE_ALL, NWF_ERROR_MISSING_FILTER, PARTS("'gone'", "test.xml:1"));
  expect_error(store, bind("none", "vnet0"), NWF_FEATURE_ALL, NWF_ERROR_MISSING_FILTER, PARTS("'none'", "vnet0"));
}

static void all_missing_variables_are_named(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='a'><rule action='drop' direction='out'><ip srcipaddr='$A' dstipaddr='$B[2]'/></rule>"
             "<rule action='drop' direction='in'><ip srcipaddr='$A'/></rule></filter>");
  expect_error(store, bind("a", "vnet0"), NWF_FEATURE_ALL, NWF_ERROR_MISSING_VARIABLE, PARTS("variables A, B[2]"));
}

static void lists_of_one_iterator_must_be_as_long(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store,
      "<filter name='a'><rule action='drop' direction='out'><ip srcipaddr='$A' dstipaddr='$B'/></rule></filter>");
  NwfBinding *binding = bind("a", "vnet0");
  nwf_parameters_add(binding->parameters, "A", "10.0.0.1", NULL);
  nwf_parameters_add(binding->parameters, "A", "10.0.0.2", NULL);
  nwf_parameters_add(binding->parameters, "B", "10.0.0.3", NULL);
  expect_error(store, binding, NWF_FEATURE_ALL, NWF_ERROR_INVALID, PARTS("A", "B", "2 and 1"));
}

static void wrong_value_of_a_variable_is_named(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='a'><rule action='drop' direction='out'><ip srcipaddr='$A'/></rule></filter>");
  NwfBinding *binding = bind("a", "vnet0");
  nwf_parameters_add(binding->parameters, "A", "10.0.0.256", NULL);
  expect_error(store, binding, NWF_FEATURE_ALL, NWF_ERROR_INVALID, PARTS("test.xml:1", "vnet0", "A", "10.0.0.256"));
}

/* A prefix stands where an address can have a mask; where it cannot, or the mask says more, it would let through what
 * is not in it. */
static void prefixes_stand_where_a_mask_can(void) {
  static const struct {
    const char *rule, *value, *error; /* NULL: it is taken */
  } cases[] = {
      {"<ip srcipaddr='$A'/>", "10.0.0.0/28", NULL},
      {"<ip match='no' dstipaddr='$A'/>", "10.0.0.0/28", NULL},
      {"<arp arpsrcipaddr='$A' arpdstipaddr='$A'/>", "10.0.0.0/28", NULL},
      {"<ipv6 srcipaddr='$A'/>", "2001:db8::/48", NULL},
      {"<tcp-ipv6 dstipaddr='$A'/>", "2001:db8::/48", NULL},
      {"<ipv6 srcipaddr='$A' srcipmask='64'/>", "2001:db8::/48", NULL},
      {"<ipv6 srcipaddr='$A' srcipmask='32'/>", "2001:db8::/48",
       "srcipmask of 32 bits is shorter than the prefix of 48 bits that srcipaddr has"},
      {"<all srcipfrom='$A' srcipto='10.0.0.200'/>", "10.0.0.0/28", "srcipfrom has illegal value '10.0.0.0/28'"},
      {"<all srcipfrom='$A' srcipto='10.0.0.200'/>", "10.0.0.0/32", NULL},
      {"<tcp dstportstart='$A'/>", "10.0.0.0/28", "dstportstart has illegal value '10.0.0.0/28'"},
      {"<ipv6 srcipaddr='$A'/>", "10.0.0.0/28", "srcipaddr has illegal value '10.0.0.0'"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
    g_autofree char *xml =
        g_strdup_printf("<filter name='f'>\n<rule action='drop' direction='out'>%s</rule></filter>", cases[i].rule);
    put(store, xml);
    NwfBinding *binding = bind("f", "vnet0");
    g_assert_true(nwf_parameters_add(binding->parameters, "A", cases[i].value, NULL));
    if (cases[i].error) {
      expect_error(store, binding, NWF_FEATURE_ALL, NWF_ERROR_INVALID, PARTS("test.xml:2", "vnet0", cases[i].error));
      continue;
    }
    g_autoptr(GError) error = NULL;
    g_autoptr(NwfRuleset) ruleset = compile_with(store, binding, NWF_FEATURE_ALL, &error);
    g_assert_no_error(error);
  }
}

static void kernel_without_conntrack_is_named(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='a'>\n<rule action='accept' direction='in'><tcp dstportstart='22'/></rule></filter>");
  expect_error(store, bind("a", "vnet0"), 0, NWF_ERROR_UNSUPPORTED,
               PARTS("test.xml:2", "filter a", "CONFIG_NF_CONNTRACK_BRIDGE"));
}

static void too_many_instances_are_refused(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='a'><rule action='drop' direction='out'>"
             "<ip srcipaddr='$A[@1]' dstipaddr='$A[@2]' protocol='tcp' srcportstart='$P[@3]'/></rule></filter>");
  NwfBinding *binding = bind("a", "vnet0");
  for (guint i = 1; i < 200; i++) {
    g_autofree char *address = g_strdup_printf("10.0.0.%u", i), *number = g_strdup_printf("%u", i);
    nwf_parameters_add(binding->parameters, "A", address, NULL);
    nwf_parameters_add(binding->parameters, "P", number, NULL);
  }
  expect_error(store, binding, NWF_FEATURE_ALL, NWF_ERROR_LIMIT, PARTS("more than"));
}

static void two_bindings_of_a_port_are_refused(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='f'/>");
  g_autoptr(NwfBinding) a = bind("f", "vnet0");
  g_autoptr(NwfBinding) b = bind("f", "vnet0");
  NwfBinding *both[] = {a, b};
  g_autoptr(GError) error = NULL;
  g_assert_null(nwf_compile(store, both, 2, NULL, &error));
  g_assert_error(error, NWF_ERROR, NWF_ERROR_INVALID);
}

/* --- variables --- */

static char *missing_of(NwfFilterStore *store, NwfBinding *binding) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) missing = nwf_missing_variables(store, binding, &error);
  g_assert_no_error(error);
  g_ptr_array_add(missing, NULL);
  return g_strjoinv(" ", (char **)missing->pdata);
}

static void missing_variables_are_named_once_and_sorted(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='in'><rule action='drop' direction='out'><ip srcipaddr='$IP' dstipaddr='$B[2]'/></rule>"
             "<rule action='drop' direction='in'><ip srcipaddr='$IP[1]'/></rule>"
             "<rule action='drop' direction='in'><mac srcmacaddr='$MAC'/></rule></filter>");
  put(store, "<filter name='out'><filterref filter='in'><parameter name='B' value='10.0.0.1'/></filterref></filter>");
  g_autoptr(NwfBinding) alone = bind("in", "vnet0"), within = bind("out", "vnet0");
  g_autofree char *all = missing_of(store, alone), *some = missing_of(store, within);
  g_assert_cmpstr(all, ==, "B IP");
  g_assert_cmpstr(some, ==, "B[2] IP");
  nwf_parameters_add(within->parameters, "IP", "10.0.0.1", NULL);
  nwf_parameters_add(within->parameters, "IP", "10.0.0.2", NULL);
  for (guint i = 0; i < 3; i++)
    nwf_parameters_add(within->parameters, "B", "10.0.0.3", NULL);
  g_autofree char *none = missing_of(store, within);
  g_assert_cmpstr(none, ==, "");
}

static void missing_variables_of_a_missing_filter_are_not_known(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='f'><filterref filter='gone'/></filter>");
  g_autoptr(NwfBinding) binding = bind("f", "vnet0");
  g_autoptr(GError) error = NULL;
  g_assert_null(nwf_missing_variables(store, binding, &error));
  g_assert_error(error, NWF_ERROR, NWF_ERROR_MISSING_FILTER);
}

/* --- check --- */

static char *warnings_of(NwfFilterStore *store, const char *filter, const NwfBinding *binding) {
  g_autoptr(GError) error = NULL;
  GString *text = g_string_new(NULL);
  NwfCompileOptions options = {.warning = gather, .data = text};
  nwf_check_filter(store, nwf_filter_store_get(store, filter), binding, &options, &error);
  g_assert_no_error(error);
  return g_string_free(text, FALSE);
}

static void check_finds_the_rule_that_nothing_reaches(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='f'>\n<rule action='drop' direction='out'/>\n"
             "<rule action='accept' direction='out' priority='600'><ip srcipaddr='$IP'/></rule></filter>");
  g_autofree char *text = warnings_of(store, "f", NULL);
  g_assert_nonnull(strstr(text, "test.xml:3"));
  g_assert_nonnull(strstr(text, "nothing can reach"));
  g_assert_null(strstr(text, "test.xml:2"));
}

/* Seen: the rule that decides what a chain returns was taken for one that nothing reaches. */
static void check_knows_that_returns_reach_the_next_rule(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='c' chain='ipv4'><rule action='return' direction='out'><ip srcipaddr='10.0.0.1'/></rule>"
             "<rule action='drop' direction='out' priority='900'/></filter>");
  put(store, "<filter name='f'><filterref filter='c'/><rule action='accept' direction='out'><mac protocolid='ipv4'/>"
             "</rule></filter>");
  g_autofree char *text = warnings_of(store, "f", NULL);
  g_assert_cmpstr(text, ==, "");
}

static void check_says_what_a_bridge_with_stp_does(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='f'>\n<rule action='drop' direction='in'><stp type='0'/></rule>\n"
             "<rule action='drop' direction='out'><stp type='0'/></rule></filter>");
  g_autofree char *text = warnings_of(store, "f", NULL);
  g_assert_nonnull(strstr(text, "test.xml:3"));
  g_assert_nonnull(strstr(text, "runs STP"));
  g_assert_null(strstr(text, "test.xml:2"));
}

static void check_finds_the_missing_reference(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='f'>\n<filterref filter='gone'/></filter>");
  g_autofree char *text = warnings_of(store, "f", NULL);
  g_assert_nonnull(strstr(text, "test.xml:2"));
  g_assert_nonnull(strstr(text, "'gone'"));
}

static void check_finds_the_open_end_of_a_chain(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='f' chain='ipv4'>\n<rule action='accept' direction='out'><ip srcipaddr='10.0.0.1'/></rule>"
             "</filter>");
  put(store, "<filter name='g'><filterref filter='f'/><rule action='drop' direction='out' priority='900'/></filter>");
  g_autofree char *alone = warnings_of(store, "f", NULL);
  g_assert_cmpstr(alone, ==, "");
  g_autofree char *text = warnings_of(store, "g", NULL);
  g_assert_nonnull(strstr(text, "filter f: chain ipv4 ends without a verdict"));
}

/* Seen: no warning where nothing is left of the chain's list: only a return, or rules for another EtherType. */
static void check_finds_the_open_end_of_a_chain_that_does_nothing(void) {
  static const char *const chains[] = {"<rule action='return' direction='in'><mac dstmacaddr='$MAC'/></rule>",
                                       "<rule action='drop' direction='in'><mac protocolid='arp'/></rule>",
                                       "<rule action='continue' direction='in'/>"};
  for (guint i = 0; i < G_N_ELEMENTS(chains); i++) {
    g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
    g_autofree char *xml = g_strdup_printf("<filter name='c' chain='mac'>%s</filter>", chains[i]);
    put(store, xml);
    put(store, "<filter name='f'><filterref filter='c'/><rule action='drop' direction='in'/></filter>");
    put(store, "<filter name='g'><filterref filter='c'/><rule action='accept' direction='in'/></filter>");
    g_autofree char *text = warnings_of(store, "f", NULL);
    g_assert_nonnull(strstr(text, "filter c: chain mac ends without a verdict"));
    g_assert_true(nwf_check_chain_ends(store, nwf_filter_store_get(store, "f")));
    g_autofree char *alike = warnings_of(store, "g", NULL);
    g_assert_null(strstr(alike, "chain mac ends"));
    g_assert_false(nwf_check_chain_ends(store, nwf_filter_store_get(store, "g")));
  }
}

/* Seen: a return that the chain's end would do as well was said to be out of reach, though it keeps frames from the
 * rules behind it. A chain that ends in one has a verdict. */
static void check_knows_that_a_final_return_is_reached(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='c' chain='ipv4'>\n"
             "<rule action='accept' direction='out' priority='1'><ip srcipaddr='10.0.0.1'/></rule>\n"
             "<rule action='return' direction='out' priority='2'/></filter>");
  put(store, "<filter name='f' chain='ipv4'><filterref filter='c'/>"
             "<rule action='return' direction='out' priority='2'/></filter>");
  g_autofree char *alone = warnings_of(store, "c", NULL);
  g_assert_cmpstr(alone, ==, "");
  g_autofree char *text = warnings_of(store, "f", NULL); /* its own is behind the other */
  g_assert_nonnull(strstr(text, "nothing can reach the rule 'return out'"));
}

/* Seen: it was said of a variable that a reference on the way gives. */
static void check_knows_what_references_give(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  g_autoptr(GError) error = NULL;
  put(store, "<filter name='c'><rule action='accept' direction='out'><ip srcipaddr='$A' dstipaddr='$B'/></rule>"
             "</filter>");
  static const char xml[] = "<filter name='f'><filterref filter='c'><parameter name='A' value='10.0.0.1'/>"
                            "<parameter name='A' value='10.0.0.2'/></filterref></filter>";
  put(store, xml);
  g_autoptr(NwfBinding) binding = bind("f", "vnet0");
  g_autofree char *text = warnings_of(store, "f", binding);
  g_assert_null(strstr(text, "variable A"));
  g_assert_nonnull(strstr(text, "neither port vnet0 nor a reference on the way gives the variable B"));
}

/* Seen: what is made up for two variables was the same value, and the second rule out of reach. */
static void check_makes_up_different_values(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store, "<filter name='f'><rule action='accept' direction='out'><ip srcipaddr='$A'/></rule>"
             "<rule action='drop' direction='out'><ip srcipaddr='$B'/></rule>"
             "<rule action='drop' direction='out'><tcp dstportstart='$P' dstportend='$Q'/></rule>"
             "<rule action='drop' direction='out'><all ipset='x' ipsetflags='$F'/></rule></filter>");
  g_autofree char *text = warnings_of(store, "f", NULL);
  g_assert_cmpstr(text, ==, "");
}

static guint rules_to_port(gboolean accepts) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  g_autoptr(GError) error = NULL;
  put(store, "<filter name='c' chain='mac'><rule action='return' direction='in'><mac dstmacaddr='$MAC'/></rule>"
             "</filter>");
  put(store, "<filter name='f'><filterref filter='c'/><rule action='drop' direction='in'/></filter>");
  g_autoptr(NwfBinding) binding = bind("f", "vnet0");
  NwfBinding *bindings[] = {binding};
  NwfCompileOptions options = {.chain_end_accepts = accepts};
  g_autoptr(NwfRuleset) ruleset = nwf_compile(store, bindings, 1, &options, &error);
  g_assert_no_error(error);
  const NwfVerdict *verdict = verdict_of(ruleset, "to_port_other", -1);
  return verdict->kind == NWF_VERDICT_GOTO ? n_rules(ruleset, verdict) : 0;
}

static void chains_may_accept_at_their_end(void) {
  g_assert_cmpuint(rules_to_port(FALSE), ==, 0); /* drop */
  g_assert_cmpuint(rules_to_port(TRUE), ==, 2);  /* drop what is for the guest, accept the rest, as ebtables would */
}

static void check_finds_the_variable_that_nobody_gives(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  put(store,
      "<filter name='f'><rule action='drop' direction='out'><ip srcipaddr='$OTHER' dstipaddr='$IP'/></rule></filter>");
  g_autoptr(NwfBinding) binding = bind("f", "vnet0");
  g_autofree char *text = warnings_of(store, "f", binding);
  g_assert_nonnull(strstr(text, "OTHER"));
  g_autofree char *unknown = warnings_of(store, "f", NULL);
  g_assert_cmpstr(unknown, ==, "");
}

/* Where from does not matter: the binding, or a reference, whose own document is named. */
static void check_finds_what_is_passed_over(void) {
  static const char xml[] = "<filterbinding><portdev name='vnet0'/><mac address='52:54:00:00:00:01'/>\n"
                            "<filterref filter='g'>\n<parameter name='TENANT' value='blue-team'/></filterref>"
                            "</filterbinding>";
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  g_autoptr(GError) error = NULL;
  put(store, "<filter name='f'><rule action='drop' direction='out'/></filter>");
  put(store, "<filter name='g'>\n<filterref filter='f'>\n<parameter name='A-B' value='1'/></filterref></filter>");
  g_autoptr(NwfBinding) binding = nwf_binding_parse(xml, strlen(xml), "b.xml", &error);
  g_assert_no_error(error);
  g_autofree char *text = warnings_of(store, "g", binding);
  g_assert_nonnull(strstr(text, "b.xml:3: port vnet0: the parameter TENANT='blue-team' is passed over"));
  g_assert_nonnull(strstr(text, "test.xml:3: filter g: the parameter A-B='1' is passed over"));
}

/* The set of EtherTypes that postrouting accepts first. */
static const char *accepted_first(const NwfRuleset *ruleset) {
  const NwfNftRule *rule = &g_array_index(nwf_ruleset_chain(ruleset, "postrouting")->rules, NwfNftRule, 0);
  return rule->n_exprs == 2 ? rule->exprs[0].lookup.set : "none";
}

/* The port's lookup is left out for EtherTypes that no port has anything against; one port that has is enough. */
static void what_all_ports_accept_needs_no_lookup(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  g_autoptr(GError) error = NULL;
  put(store, "<filter name='some'><rule action='accept' direction='in'><mac protocolid='arp'/></rule>"
             "<rule action='accept' direction='in'><mac protocolid='ipv4'/></rule>"
             "<rule action='drop' direction='in' priority='900'/></filter>");
  put(store, "<filter name='no-arp'><rule action='drop' direction='in'><mac protocolid='arp'/></rule></filter>");
  put(store, "<filter name='only-arp'><rule action='accept' direction='in'><mac protocolid='arp'/></rule>"
             "<rule action='drop' direction='in' priority='900'/></filter>");
  g_autoptr(NwfRuleset) ruleset = compile(store, "some");
  g_assert_cmpstr(accepted_first(ruleset), ==, "accepted-ipv4-arp");
  g_assert_cmpuint(nwf_ruleset_set(ruleset, "accepted-ipv4-arp")->elements->len, ==, 2);
  static const struct { const char *filter, *set; } steps[] = {{"no-arp", "accepted-ipv4"}, {"only-arp", "none"}};
  for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
    g_autofree char *port = g_strdup_printf("vnet%u", i + 1);
    NwfBinding *binding = bind(steps[i].filter, port);
    NwfEdit *edit = nwf_edit_new(ruleset);
    g_assert_true(nwf_edit_add(edit, store, binding, NULL, &error));
    nwf_edit_keep(edit);
    nwf_binding_free(binding);
    g_assert_cmpstr(accepted_first(ruleset), ==, steps[i].set);
  }
  g_assert_null(nwf_ruleset_set(ruleset, "accepted-ipv4"));
  for (guint i = G_N_ELEMENTS(steps); i-- > 0;) {
    g_autofree char *port = g_strdup_printf("vnet%u", i + 1);
    NwfEdit *edit = nwf_edit_new(ruleset);
    g_assert_true(nwf_edit_remove(edit, port));
    nwf_edit_keep(edit);
  }
  g_assert_cmpstr(accepted_first(ruleset), ==, "accepted-ipv4-arp");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define TEST(group, function) g_test_add_func("/" group "/" #function, function)
  TEST("dispatch", no_binding_makes_no_base_chain);
  TEST("dispatch", empty_filter_still_has_its_entries);
  TEST("dispatch", decided_class_is_a_plain_verdict);
  TEST("dispatch", ports_with_equal_rules_share_a_chain);
  TEST("dispatch", many_addresses_become_a_set);
  TEST("dispatch", rules_of_one_shape_become_one_lookup);
  TEST("dispatch", rules_for_own_address_share_the_rest);
  TEST("dispatch", sub_chain_that_only_returns_is_no_return_of_root);
  TEST("dispatch", rarp_addresses_are_looked_up_as_bytes);
  TEST("dispatch", host_sent_frames_meet_no_second_stage);
  TEST("dispatch", ports_of_an_ipset_are_not_looked_for_in_later_fragments);
  TEST("dispatch", ipset_takes_the_first_of_too_many_flags);
  TEST("errors", an_ipset_is_not_had_for_other_flags);
  TEST("errors", loop_is_named);
  TEST("errors", missing_filter_is_named);
  TEST("errors", all_missing_variables_are_named);
  TEST("errors", lists_of_one_iterator_must_be_as_long);
  TEST("errors", wrong_value_of_a_variable_is_named);
  TEST("variables", prefixes_stand_where_a_mask_can);
  TEST("errors", kernel_without_conntrack_is_named);
  TEST("errors", too_many_instances_are_refused);
  TEST("errors", two_bindings_of_a_port_are_refused);
  TEST("variables", missing_variables_are_named_once_and_sorted);
  TEST("variables", missing_variables_of_a_missing_filter_are_not_known);
  TEST("check", check_finds_the_rule_that_nothing_reaches);
  TEST("check", check_knows_that_returns_reach_the_next_rule);
  TEST("check", check_says_what_a_bridge_with_stp_does);
  TEST("check", check_finds_the_missing_reference);
  TEST("check", check_finds_the_open_end_of_a_chain);
  TEST("check", check_finds_the_open_end_of_a_chain_that_does_nothing);
  TEST("check", check_knows_that_a_final_return_is_reached);
  TEST("check", check_knows_what_references_give);
  TEST("check", check_makes_up_different_values);
  TEST("dispatch", chains_may_accept_at_their_end);
  TEST("check", check_finds_what_is_passed_over);
  TEST("check", check_finds_the_variable_that_nobody_gives);
  TEST("rules", neighbouring_negations_stay_two);
  TEST("dispatch", what_all_ports_accept_needs_no_lookup);
  return g_test_run();
}
