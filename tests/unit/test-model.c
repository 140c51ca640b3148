// SPDX-License-Identifier: LGPL-2.1-or-later
// The model: values, variables, chains, parameters, names, the store.

#include <nwfilter-nft/model.h>

#include <string.h>

/* What @text means as a value of @attr in @protocol, written again; NULL: refused. */
static char *reformat(NwfProtocol protocol, NwfAttr attr, const char *text) {
  const NwfAttrSpec *spec = nwf_protocol_attr(protocol, attr);
  g_assert_nonnull(spec);
  NwfValue value, again;
  g_autoptr(GError) error = NULL;
  if (!nwf_value_parse(attr, spec->type, text, &value, &error)) {
    g_assert_error(error, NWF_ERROR, NWF_ERROR_INVALID);
    g_assert_nonnull(strstr(error->message, nwf_attr_name(attr)));
    return NULL;
  }
  char *written = nwf_value_format(attr, &value);
  g_assert_true(nwf_value_parse(attr, spec->type, written, &again, NULL));
  g_assert_true(nwf_value_equal(&value, &again));
  nwf_value_clear(&value);
  nwf_value_clear(&again);
  return written;
}

typedef struct {
  NwfProtocol protocol;
  NwfAttr attr;
  const char *text;
  const char *written; /* NULL: refused */
} Case;

static void check_cases(const Case *cases, guint count) {
  for (guint i = 0; i < count; i++) {
    g_autofree char *written = reformat(cases[i].protocol, cases[i].attr, cases[i].text);
    if (g_strcmp0(written, cases[i].written) != 0)
      g_error("%s='%s' gives %s, not %s", nwf_attr_name(cases[i].attr), cases[i].text, written, cases[i].written);
  }
}

#define CHECK(...)                                                                                                     \
  const Case cases[] = {__VA_ARGS__};                                                                                  \
  check_cases(cases, G_N_ELEMENTS(cases))

static void numbers_are_decimal_or_hex_and_stay_so(void) {
  CHECK(
      {NWF_PROTOCOL_TCP, NWF_ATTR_DSTPORTSTART, "0", "0"}, {NWF_PROTOCOL_TCP, NWF_ATTR_DSTPORTSTART, "65535", "65535"},
      {NWF_PROTOCOL_TCP, NWF_ATTR_DSTPORTSTART, "0xFFff", "0xffff"},
      {NWF_PROTOCOL_TCP, NWF_ATTR_DSTPORTSTART, "0012", "12"}, {NWF_PROTOCOL_TCP, NWF_ATTR_DSTPORTSTART, "ff", "0xff"},
      {NWF_PROTOCOL_TCP, NWF_ATTR_DSTPORTSTART, "65536", NULL}, {NWF_PROTOCOL_TCP, NWF_ATTR_DSTPORTSTART, "-1", NULL},
      {NWF_PROTOCOL_TCP, NWF_ATTR_DSTPORTSTART, "", NULL}, {NWF_PROTOCOL_TCP, NWF_ATTR_DSTPORTSTART, "0x", NULL},
      {NWF_PROTOCOL_TCP, NWF_ATTR_DSTPORTSTART, "80 ", NULL}, {NWF_PROTOCOL_TCP, NWF_ATTR_DSTPORTSTART, "8o", NULL},
      {NWF_PROTOCOL_TCP, NWF_ATTR_DSTPORTSTART, "99999999999999999999999", NULL},
      {NWF_PROTOCOL_ICMP, NWF_ATTR_TYPE, "255", "255"}, {NWF_PROTOCOL_ICMP, NWF_ATTR_TYPE, "256", NULL},
      {NWF_PROTOCOL_STP, NWF_ATTR_ROOT_COST, "4294967295", "4294967295"},
      {NWF_PROTOCOL_STP, NWF_ATTR_ROOT_COST, "0xffffffff", "0xffffffff"},
      {NWF_PROTOCOL_STP, NWF_ATTR_ROOT_COST, "4294967296", NULL});
}

static void bounds_of_single_attributes_hold(void) {
  CHECK({NWF_PROTOCOL_VLAN, NWF_ATTR_VLANID, "4095", "4095"}, {NWF_PROTOCOL_VLAN, NWF_ATTR_VLANID, "4096", NULL},
        {NWF_PROTOCOL_VLAN, NWF_ATTR_ENCAP_PROTOCOL, "0x3c", "0x3c"},
        {NWF_PROTOCOL_VLAN, NWF_ATTR_ENCAP_PROTOCOL, "0x3b", NULL},
        {NWF_PROTOCOL_MAC, NWF_ATTR_PROTOCOLID, "0x600", "0x600"},
        {NWF_PROTOCOL_MAC, NWF_ATTR_PROTOCOLID, "1535", NULL}, {NWF_PROTOCOL_MAC, NWF_ATTR_PROTOCOLID, "0x10000", NULL},
        {NWF_PROTOCOL_IP, NWF_ATTR_DSCP, "63", "63"}, {NWF_PROTOCOL_IP, NWF_ATTR_DSCP, "0x3f", "0x3f"},
        {NWF_PROTOCOL_IP, NWF_ATTR_DSCP, "64", NULL});
}

static void names_stand_for_numbers_in_any_case(void) {
  CHECK(
      {NWF_PROTOCOL_MAC, NWF_ATTR_PROTOCOLID, "arp", "arp"}, {NWF_PROTOCOL_MAC, NWF_ATTR_PROTOCOLID, "RARP", "rarp"},
      {NWF_PROTOCOL_MAC, NWF_ATTR_PROTOCOLID, "2048", "ipv4"}, {NWF_PROTOCOL_MAC, NWF_ATTR_PROTOCOLID, "0x800", "ipv4"},
      {NWF_PROTOCOL_MAC, NWF_ATTR_PROTOCOLID, "ipv6", "ipv6"}, {NWF_PROTOCOL_MAC, NWF_ATTR_PROTOCOLID, "vlan", "vlan"},
      {NWF_PROTOCOL_MAC, NWF_ATTR_PROTOCOLID, "ip", NULL}, {NWF_PROTOCOL_ARP, NWF_ATTR_OPCODE, "request", "Request"},
      {NWF_PROTOCOL_ARP, NWF_ATTR_OPCODE, "3", "Request_Reverse"},
      {NWF_PROTOCOL_ARP, NWF_ATTR_OPCODE, "inarp_request", "InARP_Request"},
      {NWF_PROTOCOL_ARP, NWF_ATTR_OPCODE, "9", "ARP_NAK"}, {NWF_PROTOCOL_ARP, NWF_ATTR_OPCODE, "10", "10"},
      {NWF_PROTOCOL_ARP, NWF_ATTR_OPCODE, "Requests", NULL}, {NWF_PROTOCOL_IP, NWF_ATTR_PROTOCOL, "UDP", "udp"},
      {NWF_PROTOCOL_IP, NWF_ATTR_PROTOCOL, "136", "udplite"}, {NWF_PROTOCOL_IP, NWF_ATTR_PROTOCOL, "icmpv6", "icmpv6"},
      {NWF_PROTOCOL_IP, NWF_ATTR_PROTOCOL, "dccp", NULL});
}

static void mac_octets_may_have_one_digit(void) {
  CHECK({NWF_PROTOCOL_MAC, NWF_ATTR_SRCMACADDR, "1:2:3:a:B:0", "01:02:03:0a:0b:00"},
        {NWF_PROTOCOL_MAC, NWF_ATTR_SRCMACADDR, "52:54:00:12:34:56", "52:54:00:12:34:56"},
        {NWF_PROTOCOL_MAC, NWF_ATTR_SRCMACADDR, "52:54:00:12:34", NULL},
        {NWF_PROTOCOL_MAC, NWF_ATTR_SRCMACADDR, "52:54:00:12:34:56:78", NULL},
        {NWF_PROTOCOL_MAC, NWF_ATTR_SRCMACADDR, "52-54-00-12-34-56", NULL},
        {NWF_PROTOCOL_MAC, NWF_ATTR_SRCMACADDR, "052:54:00:12:34:56", NULL},
        {NWF_PROTOCOL_MAC, NWF_ATTR_SRCMACADDR, "52:54::12:34:56", NULL},
        {NWF_PROTOCOL_MAC, NWF_ATTR_SRCMACADDR, "", NULL});
}

static void addresses_of_the_wrong_kind_are_refused(void) {
  CHECK({NWF_PROTOCOL_IP, NWF_ATTR_SRCIPADDR, "10.0.0.1", "10.0.0.1"},
        {NWF_PROTOCOL_IP, NWF_ATTR_SRCIPADDR, "10.1", "10.0.0.1"},
        {NWF_PROTOCOL_IP, NWF_ATTR_SRCIPADDR, "010.1.2.3", "8.1.2.3"},
        {NWF_PROTOCOL_IP, NWF_ATTR_SRCIPADDR, "10.0.0.256", NULL},
        {NWF_PROTOCOL_IP, NWF_ATTR_SRCIPADDR, "10.0.0.1 x", NULL}, {NWF_PROTOCOL_IP, NWF_ATTR_SRCIPADDR, "::1", NULL},
        {NWF_PROTOCOL_IPV6, NWF_ATTR_SRCIPADDR, "FE80::0001", "fe80::1"},
        {NWF_PROTOCOL_IPV6, NWF_ATTR_SRCIPADDR, "::ffff:1.2.3.4", "::ffff:1.2.3.4"},
        {NWF_PROTOCOL_IPV6, NWF_ATTR_SRCIPADDR, "fe80::1%eth0", NULL},
        {NWF_PROTOCOL_IPV6, NWF_ATTR_SRCIPADDR, "1.2.3.4", NULL});
}

static void masks_are_prefixes_and_contiguous(void) {
  CHECK({NWF_PROTOCOL_IP, NWF_ATTR_SRCIPMASK, "0", "0"}, {NWF_PROTOCOL_IP, NWF_ATTR_SRCIPMASK, "32", "32"},
        {NWF_PROTOCOL_IP, NWF_ATTR_SRCIPMASK, "33", NULL}, {NWF_PROTOCOL_IP, NWF_ATTR_SRCIPMASK, "255.255.248.0", "21"},
        {NWF_PROTOCOL_IP, NWF_ATTR_SRCIPMASK, "0.0.0.0", "0"},
        {NWF_PROTOCOL_IP, NWF_ATTR_SRCIPMASK, "255.255.255.255", "32"},
        {NWF_PROTOCOL_IP, NWF_ATTR_SRCIPMASK, "255.0.255.0", NULL}, {NWF_PROTOCOL_IP, NWF_ATTR_SRCIPMASK, "0x10", NULL},
        {NWF_PROTOCOL_IPV6, NWF_ATTR_DSTIPMASK, "128", "128"}, {NWF_PROTOCOL_IPV6, NWF_ATTR_DSTIPMASK, "129", NULL},
        {NWF_PROTOCOL_IPV6, NWF_ATTR_DSTIPMASK, "ffff:ffff:fc00::", "38"},
        {NWF_PROTOCOL_IPV6, NWF_ATTR_DSTIPMASK, "ffff::1", NULL},
        {NWF_PROTOCOL_MAC, NWF_ATTR_SRCMACMASK, "ff:ff:fc:0:0:0", "ff:ff:fc:00:00:00"},
        {NWF_PROTOCOL_MAC, NWF_ATTR_SRCMACMASK, "ff:0:ff:0:0:0", NULL});
}

static void state_and_flag_lists_are_read(void) {
  CHECK({NWF_PROTOCOL_TCP, NWF_ATTR_STATE, "related,NEW", "NEW,RELATED"},
        {NWF_PROTOCOL_TCP, NWF_ATTR_STATE, "NEW,NONE", "NONE"},
        {NWF_PROTOCOL_TCP, NWF_ATTR_STATE, "NEW, INVALID,", "NEW,INVALID"},
        {NWF_PROTOCOL_TCP, NWF_ATTR_STATE, "", NULL}, {NWF_PROTOCOL_TCP, NWF_ATTR_STATE, "NEW;RELATED", NULL},
        {NWF_PROTOCOL_TCP, NWF_ATTR_FLAGS, "syn,ACK/SYN", "SYN,ACK/SYN"},
        {NWF_PROTOCOL_TCP, NWF_ATTR_FLAGS, "FIN,SYN,RST,PSH,ACK,URG/none", "ALL/NONE"},
        {NWF_PROTOCOL_TCP, NWF_ATTR_FLAGS, "SYN", NULL}, {NWF_PROTOCOL_TCP, NWF_ATTR_FLAGS, "SYN/XYZ", NULL},
        {NWF_PROTOCOL_TCP, NWF_ATTR_FLAGS, "SYN/NONE/ACK", NULL});
}

static void ipset_names_and_flags_are_checked(void) {
  CHECK({NWF_PROTOCOL_TCP, NWF_ATTR_IPSET, "a b+c:d.e-f_g", "a b+c:d.e-f_g"},
        {NWF_PROTOCOL_TCP, NWF_ATTR_IPSET, "a/b", NULL}, {NWF_PROTOCOL_TCP, NWF_ATTR_IPSET, "", NULL},
        {NWF_PROTOCOL_TCP, NWF_ATTR_IPSET, "abcdefghijabcdefghijabcdefghija", "abcdefghijabcdefghijabcdefghija"},
        {NWF_PROTOCOL_TCP, NWF_ATTR_IPSET, "abcdefghijabcdefghijabcdefghijab", NULL},
        {NWF_PROTOCOL_TCP, NWF_ATTR_IPSETFLAGS, "src,DST,src,src,src,dst", "src,dst,src,src,src,dst"},
        {NWF_PROTOCOL_TCP, NWF_ATTR_IPSETFLAGS, "src,src,src,src,src,src,src", NULL},
        {NWF_PROTOCOL_TCP, NWF_ATTR_IPSETFLAGS, "src,", NULL}, {NWF_PROTOCOL_TCP, NWF_ATTR_IPSETFLAGS, "", NULL});
}

static void booleans_are_the_six_words(void) {
  CHECK({NWF_PROTOCOL_ARP, NWF_ATTR_GRATUITOUS, "yes", "true"}, {NWF_PROTOCOL_ARP, NWF_ATTR_GRATUITOUS, "1", "true"},
        {NWF_PROTOCOL_ARP, NWF_ATTR_GRATUITOUS, "true", "true"}, {NWF_PROTOCOL_ARP, NWF_ATTR_GRATUITOUS, "no", "false"},
        {NWF_PROTOCOL_ARP, NWF_ATTR_GRATUITOUS, "0", "false"},
        {NWF_PROTOCOL_ARP, NWF_ATTR_GRATUITOUS, "perhaps", NULL});
}

static void long_comments_are_cut_at_a_character(void) {
  g_autofree char *half = g_strnfill(NWF_COMMENT_MAX - 1, 'x');
  g_autofree char *text = g_strconcat(half, "ä and more", NULL);
  g_autofree char *written = reformat(NWF_PROTOCOL_MAC, NWF_ATTR_COMMENT, text);
  g_assert_cmpstr(written, ==, half);
}

static void variables_name_an_iterator_or_an_element(void) {
  static const char *const good[][2] = {{"$IP", "$IP"},         {"$IP[@0]", "$IP"}, {"$IP[@1000]", "$IP[@1000]"},
                                        {"$A_1[7]", "$A_1[7]"}, {"$A[0]", "$A[0]"}, {"$A[@ 1 ]", "$A[@1]"}};
  static const char *const bad[] = {"$",    "IP",        "$A-B",   "$A[",  "$A[@]",          "$A[]", "$A[1]x",
                                    "$[1]", "$A[@1001]", "$A[-1]", "$A[1", "$A[4294967296]", ""};
  for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(NwfVariable) variable = nwf_variable_parse(good[i][0], &error);
    g_assert_no_error(error);
    g_autofree char *written = nwf_variable_format(variable);
    g_assert_cmpstr(written, ==, good[i][1]);
  }
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(nwf_variable_parse(bad[i], &error));
    g_assert_error(error, NWF_ERROR, NWF_ERROR_INVALID);
  }
}

static void chains_have_a_prefix_and_its_priority(void) {
  static const struct {
    const char *name;
    int priority;
    guint16 ethertype;
  } good[] = {{"root", 0, 0},
              {"mac", -800, 0},
              {"vlan", -750, 0x8100},
              {"stp", 0, 0},
              {"ipv4", -700, 0x0800},
              {"ipv6-ip", -600, 0x86dd},
              {"arp-mac", -500, 0x0806},
              {"rarp", -400, 0x8035},
              {"arpabcdefghi", -500, 0x0806},
              {"ipv4_a.b:c-D", -700, 0x0800}};
  static const char *const bad[] = {"", "ip", "rootx", "ROOT", "arpabcdefghij", "arp/a", "arp a", "xarp"};
  for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
    int priority = 12345;
    g_assert_true(nwf_chain_check(good[i].name, &priority, NULL));
    g_assert_cmpint(priority, ==, good[i].priority);
    g_assert_cmphex(nwf_chain_ethertype(good[i].name), ==, good[i].ethertype);
    g_assert_cmpint(nwf_chain_is_stp(good[i].name), ==, g_str_has_prefix(good[i].name, "stp"));
  }
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
    g_assert_false(nwf_chain_check(bad[i], NULL, NULL));
}

static void tables_are_complete(void) {
  for (guint i = 1; i < NWF_N_PROTOCOLS; i++) {
    NwfProtocol found;
    g_assert_true(nwf_protocol_from_name(nwf_protocols[i].name, &found));
    g_assert_cmpint(found, ==, i);
    for (gsize k = 0; k < nwf_protocols[i].n_attrs; k++)
      for (gsize j = 0; j < k; j++)
        g_assert_cmpint(nwf_protocols[i].attrs[j].attr, !=, nwf_protocols[i].attrs[k].attr);
    g_assert_nonnull(nwf_protocol_attr((NwfProtocol)i, NWF_ATTR_COMMENT));
  }
  for (guint i = 0; i < NWF_N_ATTRS; i++)
    g_assert_nonnull(nwf_attr_name((NwfAttr)i));
  g_assert_false(nwf_protocol_from_name("TCP", &(NwfProtocol){0}));
  g_assert_null(nwf_protocol_attr(NWF_PROTOCOL_MAC, NWF_ATTR_SRCIPADDR));
  g_assert_null(nwf_protocol_attr(NWF_PROTOCOL_NONE, NWF_ATTR_COMMENT));
}

static void parameters_keep_lists_in_order(void) {
  g_autoptr(NwfParameters) parameters = nwf_parameters_new();
  g_assert_true(nwf_parameters_add(parameters, "IP", "10.0.0.2", NULL));
  g_assert_true(nwf_parameters_add(parameters, "MAC", "52:54:00:00:00:01", NULL));
  g_assert_true(nwf_parameters_add(parameters, "IP", "10.0.0.1", NULL));
  g_assert_cmpuint(nwf_parameters_count(parameters), ==, 2);
  g_assert_cmpstr(nwf_parameters_name(parameters, 0), ==, "IP");
  const GPtrArray *values = nwf_parameters_get(parameters, "IP");
  g_assert_cmpuint(values->len, ==, 2);
  g_assert_cmpstr(g_ptr_array_index(values, 0), ==, "10.0.0.2");

  g_autoptr(NwfParameters) copy = nwf_parameters_copy(parameters);
  g_assert_true(nwf_parameters_equal(parameters, copy));
  nwf_parameters_set(copy, "IP", values);
  g_assert_true(nwf_parameters_equal(parameters, copy));
  nwf_parameters_set(copy, "IP", nwf_parameters_get(copy, "MAC"));
  g_assert_false(nwf_parameters_equal(parameters, copy));
  nwf_parameters_set(copy, "IP", NULL);
  g_assert_null(nwf_parameters_get(copy, "IP"));
  g_assert_cmpuint(nwf_parameters_count(copy), ==, 1);
}

static void parameters_with_odd_characters_are_refused(void) {
  g_autoptr(NwfParameters) parameters = nwf_parameters_new();
  g_assert_false(nwf_parameters_add(parameters, "", "1", NULL));
  g_assert_false(nwf_parameters_add(parameters, "A-B", "1", NULL));
  g_assert_false(nwf_parameters_add(parameters, "A", "", NULL));
  static const char *const no_prefixes[] = {"10.0.0.1/8", "10.0.0.0/0",  "::/0", "10.0.0.0/33",
                                            "10.0.0.0/",  "10.0.0.0/+8", "/8",   "2001:db8::1/64",
                                            "a/8",        "10.0.0.0/8/8"};
  for (guint i = 0; i < G_N_ELEMENTS(no_prefixes); i++)
    g_assert_false(nwf_parameters_add(parameters, "A", no_prefixes[i], NULL));
  g_assert_false(nwf_parameters_add(parameters, "A", "a b", NULL));
  g_assert_cmpuint(nwf_parameters_count(parameters), ==, 0);
}

static void parameters_may_be_prefixes(void) {
  static const char *const prefixes[] = {"10.0.0.0/28", "10.0.0.1/32", "128.0.0.0/1", "2001:db8::/48", "fe80::1/128"};
  g_autoptr(NwfParameters) parameters = nwf_parameters_new();
  for (guint i = 0; i < G_N_ELEMENTS(prefixes); i++)
    g_assert_true(nwf_parameters_add(parameters, "A", prefixes[i], NULL));
  g_assert_cmpuint(nwf_parameters_get(parameters, "A")->len, ==, G_N_ELEMENTS(prefixes));
}

static void what_is_passed_over_is_no_value(void) {
  g_autoptr(NwfParameters) parameters = nwf_parameters_new();
  nwf_parameters_pass_over(parameters, "A-B", "1", 7);
  nwf_parameters_pass_over(parameters, "A", "", 8);
  g_assert_cmpuint(nwf_parameters_count(parameters), ==, 0);
  g_assert_null(nwf_parameters_get(parameters, "A"));
  g_autoptr(NwfParameters) copy = nwf_parameters_copy(parameters);
  g_assert_true(nwf_parameters_equal(parameters, copy));
  g_assert_cmpuint(nwf_parameters_n_passed_over(copy), ==, 2);
  g_assert_cmpstr(nwf_parameters_passed_over(copy, 1)->name, ==, "A");
  g_assert_cmpuint(nwf_parameters_passed_over(copy, 1)->line, ==, 8);
  nwf_parameters_pass_over(copy, "A", "", 9);
  g_assert_false(nwf_parameters_equal(parameters, copy));
}

static void hundred_thousand_values_are_quick(void) {
  g_autoptr(NwfParameters) parameters = nwf_parameters_new();
  gint64 start = g_get_monotonic_time();
  for (guint i = 0; i < 100000; i++) {
    g_autofree char *address = g_strdup_printf("10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
    g_autofree char *name = g_strdup_printf("N%u", i);
    g_assert_true(nwf_parameters_add(parameters, "IP", address, NULL));
    g_assert_true(nwf_parameters_add(parameters, name, address, NULL));
  }
  g_assert_cmpuint(nwf_parameters_get(parameters, "IP")->len, ==, 100000);
  g_assert_cmpint(g_get_monotonic_time() - start, <, 5 * G_USEC_PER_SEC);
}

static void uuids_are_read_with_and_without_dashes(void) {
  guint8 uuid[NWF_UUID_LEN];
  g_assert_true(nwf_uuid_parse(" 4BED002221af4c2b98fdcd10124b13a5\n", uuid));
  g_autofree char *written = nwf_uuid_format(uuid);
  g_assert_cmpstr(written, ==, "4bed0022-21af-4c2b-98fd-cd10124b13a5");
  g_assert_true(nwf_uuid_parse(written, uuid));
  g_assert_false(nwf_uuid_parse("4bed0022-21af-4c2b-98fd-cd10124b13a", uuid));
  g_assert_false(nwf_uuid_parse("4bed0022-21af-4c2b-98fd-cd10124b13a5-", uuid));
  g_assert_false(nwf_uuid_parse("", uuid));
}

static void port_names_are_those_the_kernel_takes(void) {
  static const char *const good[] = {"vnet0", "a", "fifteen-chars-1", "tap@home", "\"quoted\"", "*", "ü"};
  static const char *const bad[] = {"", ".", "..", "sixteen-chars-12", "a/b", "a b", "a:1", "a\tb", "a\xa0"};
  for (guint i = 0; i < G_N_ELEMENTS(good); i++)
    g_assert_true(nwf_port_name_valid(good[i]));
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
    g_assert_false(nwf_port_name_valid(bad[i]));
}

static void store_replaces_and_lists_by_name(void) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  nwf_filter_store_put(store, nwf_filter_new("b"));
  nwf_filter_store_put(store, nwf_filter_new("a"));
  NwfFilter *again = nwf_filter_new("b");
  nwf_filter_store_put(store, again);
  g_assert_true(nwf_filter_store_get(store, "b") == again);
  g_autoptr(GPtrArray) list = nwf_filter_store_list(store);
  g_assert_cmpuint(list->len, ==, 2);
  g_assert_cmpstr(((NwfFilter *)g_ptr_array_index(list, 0))->name, ==, "a");
  g_assert_true(nwf_filter_store_remove(store, "a"));
  g_assert_false(nwf_filter_store_remove(store, "a"));
  g_assert_null(nwf_filter_store_get(store, "a"));
}

static void rules_are_described_in_a_line(void) {
  g_autoptr(NwfRule) rule = nwf_rule_new();
  rule->action = NWF_ACTION_DROP;
  rule->direction = NWF_DIRECTION_OUT;
  rule->protocol = NWF_PROTOCOL_IP;
  NwfMatch address = {.attr = NWF_ATTR_SRCIPADDR, .negated = TRUE};
  g_assert_true(nwf_value_parse(NWF_ATTR_SRCIPADDR, NWF_TYPE_IPV4, "10.0.0.1", &address.value, NULL));
  NwfMatch destination = {.attr = NWF_ATTR_DSTIPADDR, .variable = nwf_variable_parse("$IP[@2]", NULL)};
  g_array_append_val(rule->matches, address);
  g_array_append_val(rule->matches, destination);
  g_autofree char *text = nwf_rule_describe(rule);
  g_assert_cmpstr(text, ==, "drop out ip srcipaddr!=10.0.0.1 dstipaddr=$IP[@2]");
}

#define TEST(name) g_test_add_func("/model/" #name, name)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  TEST(numbers_are_decimal_or_hex_and_stay_so);
  TEST(bounds_of_single_attributes_hold);
  TEST(names_stand_for_numbers_in_any_case);
  TEST(mac_octets_may_have_one_digit);
  TEST(addresses_of_the_wrong_kind_are_refused);
  TEST(masks_are_prefixes_and_contiguous);
  TEST(state_and_flag_lists_are_read);
  TEST(ipset_names_and_flags_are_checked);
  TEST(booleans_are_the_six_words);
  TEST(long_comments_are_cut_at_a_character);
  TEST(variables_name_an_iterator_or_an_element);
  TEST(chains_have_a_prefix_and_its_priority);
  TEST(tables_are_complete);
  TEST(parameters_keep_lists_in_order);
  TEST(parameters_with_odd_characters_are_refused);
  TEST(parameters_may_be_prefixes);
  TEST(what_is_passed_over_is_no_value);
  TEST(hundred_thousand_values_are_quick);
  TEST(uuids_are_read_with_and_without_dashes);
  TEST(port_names_are_those_the_kernel_takes);
  TEST(store_replaces_and_lists_by_name);
  TEST(rules_are_described_in_a_line);
  return g_test_run();
}
