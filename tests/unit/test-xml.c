// SPDX-License-Identifier: LGPL-2.1-or-later
// Filters and bindings: what is read, what is refused, and that writing is reading's inverse.

#include "xml-help.h"

#include <string.h>
#include <unistd.h>

static void assert_match_equal(const NwfMatch *a, const NwfMatch *b) {
  g_assert_cmpint(a->attr, ==, b->attr);
  g_assert_cmpint(a->negated, ==, b->negated);
  g_assert_cmpint(a->variable != NULL, ==, b->variable != NULL);
  if (a->variable != NULL) {
    g_assert_cmpstr(a->variable->name, ==, b->variable->name);
    g_assert_cmpint(a->variable->element, ==, b->variable->element);
    g_assert_cmpuint(a->variable->index, ==, b->variable->index);
  } else {
    g_assert_true(nwf_value_equal(&a->value, &b->value));
    g_autofree char *left = nwf_value_format(a->attr, &a->value), *right = nwf_value_format(b->attr, &b->value);
    g_assert_cmpstr(left, ==, right);
  }
}

static void assert_rule_equal(const NwfRule *a, const NwfRule *b) {
  g_assert_cmpint(a->action, ==, b->action);
  g_assert_cmpint(a->direction, ==, b->direction);
  g_assert_cmpint(a->priority, ==, b->priority);
  g_assert_cmpint(a->no_statematch, ==, b->no_statematch);
  g_assert_cmpint(a->protocol, ==, b->protocol);
  g_assert_cmpuint(a->matches->len, ==, b->matches->len);
  for (guint i = 0; i < a->matches->len; i++)
    assert_match_equal(&g_array_index(a->matches, NwfMatch, i), &g_array_index(b->matches, NwfMatch, i));
}

static void assert_filter_equal(const NwfFilter *a, const NwfFilter *b) {
  g_assert_cmpstr(a->name, ==, b->name);
  g_assert_cmpstr(a->chain, ==, b->chain);
  g_assert_cmpint(a->priority, ==, b->priority);
  g_assert_cmpint(a->has_uuid, ==, b->has_uuid);
  g_assert_cmpmem(a->uuid, sizeof a->uuid, b->uuid, sizeof b->uuid);
  g_assert_cmpuint(a->entries->len, ==, b->entries->len);
  for (guint i = 0; i < a->entries->len; i++) {
    const NwfEntry *left = &g_array_index(a->entries, NwfEntry, i), *right = &g_array_index(b->entries, NwfEntry, i);
    g_assert_cmpint(left->rule != NULL, ==, right->rule != NULL);
    if (left->rule != NULL) {
      assert_rule_equal(left->rule, right->rule);
    } else {
      g_assert_cmpstr(left->reference->filter, ==, right->reference->filter);
      g_assert_true(nwf_parameters_equal(left->reference->parameters, right->reference->parameters));
    }
  }
}

/* Writes @filter, reads that, compares; gives what was written. */
static char *round_trip(const NwfFilter *filter) {
  char *text = nwf_filter_format(filter);
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfFilter) again = nwf_filter_parse(text, strlen(text), NULL, &error);
  g_assert_no_error(error);
  assert_filter_equal(filter, again);
  return text;
}

/* --- writing --- */

static void round_trip_directory(const char *directory) {
  g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
  const char *name;
  guint count = 0;
  while ((name = g_dir_read_name(dir)) != NULL) {
    if (!g_str_has_suffix(name, ".xml"))
      continue;
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(NwfFilter) filter = nwf_filter_parse_file(path, &error);
    g_assert_no_error(error);
    g_free(round_trip(filter));
    count++;
  }
  g_assert_cmpuint(count, >, 0);
}

static void stock_filters_are_written_as_they_were_read(void) {
  round_trip_directory(FILTERS_DIR);
}

/* Those of libvirt mean what ours mean, so what is written is the same but for the uuid. */
static void stock_filters_are_those_of_libvirt(void) {
  const char *directory = "/etc/libvirt/nwfilter";
  if (!g_file_test(directory, G_FILE_TEST_IS_DIR)) {
    g_test_skip("no libvirt here");
    return;
  }
  g_autoptr(NwfFilterStore) ours = nwf_filter_store_new();
  g_assert_true(nwf_filter_store_load(ours, FILTERS_DIR, NULL, NULL, NULL));
  g_autoptr(GPtrArray) list = nwf_filter_store_list(ours);
  g_assert_cmpuint(list->len, ==, 24);
  for (guint i = 0; i < list->len; i++) {
    const NwfFilter *filter = g_ptr_array_index(list, i);
    g_autofree char *path = g_strdup_printf("%s/%s.xml", directory, filter->name);
    g_autoptr(NwfFilter) theirs = nwf_filter_parse_file(path, NULL);
    if (theirs == NULL)
      continue;
    theirs->has_uuid = FALSE;
    memset(theirs->uuid, 0, sizeof theirs->uuid);
    assert_filter_equal(filter, theirs);
  }
}

static const char *sample(const NwfAttrSpec *spec, gboolean second) {
  switch (spec->type) {
  case NWF_TYPE_UINT8:
  case NWF_TYPE_UINT16:
  case NWF_TYPE_UINT32:
    return second ? "0x2a" : "17";
  case NWF_TYPE_ETHERTYPE:
    return second ? "0x1234" : "ipv6";
  case NWF_TYPE_OPCODE:
    return second ? "77" : "Reply";
  case NWF_TYPE_IPPROTO:
    return second ? "0x6" : "udp";
  case NWF_TYPE_DSCP:
    return second ? "0x3f" : "0";
  case NWF_TYPE_BOOLEAN:
    return second ? "false" : "true";
  case NWF_TYPE_MAC:
    return second ? "1:2:3:4:5:6" : "52:54:00:00:00:01";
  case NWF_TYPE_MAC_MASK:
    return second ? "ff:ff:ff:ff:ff:ff" : "ff:fe:00:00:00:00";
  case NWF_TYPE_IPV4:
    return second ? "255.255.255.255" : "10.1.2.3";
  case NWF_TYPE_IPV4_MASK:
    return second ? "255.255.0.0" : "32";
  case NWF_TYPE_IPV6:
    return second ? "::" : "2001:db8::1";
  case NWF_TYPE_IPV6_MASK:
    return second ? "ffff::" : "128";
  case NWF_TYPE_STATE:
    return second ? "NONE" : "NEW,RELATED";
  case NWF_TYPE_TCP_FLAGS:
    return second ? "ALL/NONE" : "SYN,ACK/SYN";
  case NWF_TYPE_IPSET:
    return second ? "b c" : "a";
  case NWF_TYPE_IPSET_FLAGS:
    return second ? "src,dst,src" : "dst";
  case NWF_TYPE_STRING:
    return second ? "&quot;&apos;&lt;&gt;&amp;&#10;&#9;&#13; &#228;" : "plain";
  }
  g_assert_not_reached();
}

/* An element with all attributes of @spec, the odd or the even ones as variables. */
static char *full_element(const NwfProtocolSpec *spec, const char *match, gboolean second, int variables) {
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "<%s%s", spec->name, match);
  for (gsize i = 0; i < spec->n_attrs; i++) {
    const char *name = nwf_attr_name(spec->attrs[i].attr);
    if ((int)(i % 2) == variables)
      g_string_append_printf(text, " %s='$V%u%s'", name, (guint)i, i % 3 == 0 ? "[2]" : i % 3 == 1 ? "[@3]" : "");
    else
      g_string_append_printf(text, " %s='%s'", name, sample(&spec->attrs[i], second));
  }
  g_string_append(text, "/>");
  return g_string_free(text, FALSE);
}

static void every_attribute_of_every_protocol_is_kept(void) {
  for (guint i = 1; i < NWF_N_PROTOCOLS; i++) {
    for (int way = 0; way < 12; way++) {
      gboolean negated = way % 2 != 0;
      g_autofree char *element =
          full_element(&nwf_protocols[i], negated ? " match='no'" : "", way / 2 % 2 != 0, way / 4 - 1);
      g_autoptr(NwfFilter) filter = parse_rule(element);
      const NwfRule *rule = rule_of(filter, 0);
      g_assert_cmpint(rule->protocol, ==, i);
      g_assert_cmpuint(rule->matches->len, ==, nwf_protocols[i].n_attrs);
      for (guint k = 0; k < rule->matches->len; k++) {
        const NwfMatch *match = nwf_rule_match(rule, nwf_protocols[i].attrs[k].attr);
        g_assert_nonnull(match);
        g_assert_cmpint(match->negated, ==, negated);
        g_assert_cmpint(match->value.type, ==, nwf_protocols[i].attrs[k].type);
      }
      g_free(round_trip(filter));
    }
  }
}

static void all_of_a_filter_is_written(void) {
  g_autoptr(NwfFilter) filter = parse("<filter name='a&amp;&apos;b' chain='ipv4-x' priority='-42'>\n"
                                      "<uuid>4BED0022-21af-4c2b-98fd-cd10124b13a5</uuid>\n"
                                      "<rule action='return' direction='out' priority='-7' statematch='0'/>\n"
                                      "<filterref filter='c'><parameter name='IP' value='1'/>"
                                      "<parameter name='X' value='3'/><parameter name='IP' value='2'/></filterref>"
                                      "<rule action='drop' direction='in'><ip dscp='0x10' protocol='0x11'/>"
                                      "<ip match='no' srcipaddr='$IP[@1]' srcipmask='255.0.0.0'/></rule></filter>");
  g_autofree char *text = round_trip(filter);
  g_assert_cmpstr(text, ==,
                  "<filter name='a&amp;&apos;b' chain='ipv4-x' priority='-42'>\n"
                  "  <uuid>4bed0022-21af-4c2b-98fd-cd10124b13a5</uuid>\n"
                  "  <rule action='return' direction='out' priority='-7' statematch='false'/>\n"
                  "  <filterref filter='c'>\n"
                  "    <parameter name='IP' value='1'/>\n"
                  "    <parameter name='IP' value='2'/>\n"
                  "    <parameter name='X' value='3'/>\n"
                  "  </filterref>\n"
                  "  <rule action='drop' direction='in' priority='500'>\n"
                  "    <ip protocol='udp' dscp='0x10'/>\n"
                  "    <ip match='no' srcipaddr='$IP[@1]' srcipmask='8'/>\n"
                  "  </rule>\n"
                  "</filter>\n");
}

static void priority_is_written_unless_nobody_needs_it(void) {
  g_autoptr(NwfFilter) filter = parse("<filter name='f' chain='arp'/>");
  g_assert_cmpint(filter->priority, ==, -500);
  g_autofree char *text = round_trip(filter);
  g_assert_nonnull(strstr(text, "chain='arp' priority='-500'"));
  g_autoptr(NwfFilter) zero = parse("<filter name='f' chain='arp' priority='0'/>");
  g_autofree char *written = round_trip(zero);
  g_assert_nonnull(strstr(written, "priority='0'"));
  g_autoptr(NwfFilter) root = parse("<filter name='f' priority='0'/>");
  g_autofree char *plain = round_trip(root);
  g_assert_null(strstr(plain, "priority"));
}

/* --- reading --- */

static void lines_are_remembered(void) {
  g_autoptr(NwfFilter) filter = parse("<filter name='f'>\n\n<rule action='drop' direction='in'/>\n"
                                      "<!-- a\ncomment -->\n<filterref filter='x'/>\n</filter>");
  g_assert_cmpuint(rule_of(filter, 0)->line, ==, 3);
  g_assert_cmpuint(g_array_index(filter->entries, NwfEntry, 1).reference->line, ==, 6);
  g_assert_cmpstr(filter->file, ==, "f.xml");
}

static void errors_name_file_line_filter_and_value(void) {
  assert_refused(
      "<filter name='me'>\n<rule action='drop' direction='in'>\n<tcp\ndstportstart='99999'/></rule></filter>", -1,
      NWF_ERROR_INVALID, "f.xml:4: filter me: dstportstart has illegal value '99999'");
  assert_refused("<filter name='me'>\n<rule action='drop' direction='in'>\n<mac srcmacaddr='$A-'/></rule></filter>", -1,
                 NWF_ERROR_INVALID, "f.xml:3: filter me: srcmacaddr: '$A-' is not a variable");
  assert_refused("<filter name='f'>\n<rule></filter>", -1, NWF_ERROR_INVALID, "f.xml:2: filter f: rule has no action");
  assert_refused("<filter name='f'>\n</filters>", -1, NWF_ERROR_XML, "f.xml:2: not well-formed");
}

static void unknown_elements_and_attributes_are_ignored(void) {
  g_autoptr(NwfFilter) filter =
      parse("<filter name='f' color='red'><note><rule action='x'/></note><rule action='drop' direction='in' x='y'>"
            "<note srcmacaddr='zz'/><mac colour='zz' srcipaddr='zz'><arp opcode='zz'/></mac></rule>"
            "<filterref filter='x'><note name='x'/></filterref></filter>");
  g_assert_cmpuint(filter->entries->len, ==, 2);
  g_assert_cmpint(rule_of(filter, 0)->protocol, ==, NWF_PROTOCOL_MAC);
  g_assert_cmpuint(rule_of(filter, 0)->matches->len, ==, 0);
}

static void rule_priorities_out_of_range_become_500(void) {
  static const struct {
    const char *text;
    int priority;
  } cases[] = {{"-1000", -1000}, {"1000", 1000}, {"1001", 500}, {"-1001", 500}, {"high", 500},
               {"0x10", 500},    {"", 500},      {"7x", 500},   {" 12", 12},    {"99999999999999999999", 500}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *text =
        g_strdup_printf("<filter name='f'><rule action='drop' direction='in' priority='%s'/></filter>", cases[i].text);
    g_autoptr(NwfFilter) filter = parse(text);
    g_assert_cmpint(rule_of(filter, 0)->priority, ==, cases[i].priority);
  }
}

static void statematch_is_off_for_0_and_false(void) {
  static const struct {
    const char *text;
    gboolean off;
  } cases[] = {{"0", TRUE}, {"false", TRUE}, {"FALSE", TRUE}, {"no", FALSE}, {"1", FALSE}, {"", FALSE}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *text = g_strdup_printf(
        "<filter name='f'><rule action='drop' direction='in' statematch='%s'/></filter>", cases[i].text);
    g_autoptr(NwfFilter) filter = parse(text);
    g_assert_cmpint(rule_of(filter, 0)->no_statematch, ==, cases[i].off);
  }
}

static void elements_of_one_kind_merge_and_others_are_passed_over(void) {
  g_autoptr(NwfFilter) filter = parse_rule("<arp hwtype='1' opcode='1'/><ip dscp='99'/><arp match='no' opcode='2'/>");
  const NwfRule *rule = rule_of(filter, 0);
  g_assert_cmpint(rule->protocol, ==, NWF_PROTOCOL_ARP);
  g_assert_cmpuint(rule->matches->len, ==, 2);
  g_assert_false(nwf_rule_match(rule, NWF_ATTR_HWTYPE)->negated);
  g_assert_true(nwf_rule_match(rule, NWF_ATTR_OPCODE)->negated);
  g_assert_cmpuint(nwf_rule_match(rule, NWF_ATTR_OPCODE)->value.number, ==, 2);
}

static void only_match_no_negates(void) {
  static const char *const positive[] = {"yes", "NO", "", "false"};
  for (guint i = 0; i < G_N_ELEMENTS(positive); i++) {
    g_autofree char *body = g_strdup_printf("<mac match='%s' srcmacaddr='$MAC'/>", positive[i]);
    g_autoptr(NwfFilter) filter = parse_rule(body);
    g_assert_false(nwf_rule_match(rule_of(filter, 0), NWF_ATTR_SRCMACADDR)->negated);
  }
}

static void ports_of_ip_want_a_protocol_that_has_some(void) {
  static const char *const good[] = {
      "<ip protocol='tcp' dstportstart='5'/>",       "<ip protocol='33' srcportend='5'/>",
      "<ip dstportstart='5'/><ip protocol='0x11'/>", "<ip protocol='$P' dstportend='5'/>",
      "<ipv6 protocol='sctp' srcportstart='5'/>",    "<tcp dstportstart='5'/>"};
  static const char *const bad[] = {"<ip dstportstart='5'/>", "<ip protocol='udplite' dstportstart='5'/>",
                                    "<ipv6 protocol='icmpv6' srcportend='5'/>"};
  for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
    g_autoptr(NwfFilter) filter = parse_rule(good[i]);
    g_assert_nonnull(filter);
  }
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autofree char *text =
        g_strdup_printf("<filter name='f'><rule action='drop' direction='in'>%s</rule></filter>", bad[i]);
    assert_refused(text, -1, NWF_ERROR_INVALID, "ports in");
  }
}

static void filters_that_break_a_rule_are_refused(void) {
  static const struct {
    const char *text;
    const char *message;
  } cases[] = {
      {"<filter/>", "no name"},
      {"<filter name=''/>", "no name"},
      {"<filter name='a/b'/>", "slash"},
      {"<filters name='a'/>", "root element"},
      {"<filter name='f' chain='rootx'/>", "chain 'rootx'"},
      {"<filter name='f' chain='arpabcdefghij'/>", "longer than 12"},
      {"<filter name='f' chain='arp/x'/>", "other characters"},
      {"<filter name='f' priority='1001'/>", "priority has illegal value '1001'"},
      {"<filter name='f' chain='arp' priority='-1001'/>", "priority"},
      {"<filter name='f' priority='x'/>", "priority"},
      {"<filter name='f'><uuid>zz</uuid></filter>", "uuid"},
      {"<filter name='f'><rule direction='in'/></filter>", "no action"},
      {"<filter name='f'><rule action='DROP' direction='in'/></filter>", "'DROP'"},
      {"<filter name='f'><rule action='drop'/></filter>", "no direction"},
      {"<filter name='f'><rule action='drop' direction='up'/></filter>", "'up'"},
      {"<filter name='f'><filterref/></filter>", "no name"},
      {"<filter name='f'><filterref filter='a/b'/></filter>", "slash"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    assert_refused(cases[i].text, -1, strstr(cases[i].text, "filters") != NULL ? NWF_ERROR_XML : NWF_ERROR_INVALID,
                   cases[i].message);
}

/* --- bindings --- */

#define BINDING                                                                                                        \
  "<filterbinding>\n  <owner>\n    <name>vm &lt;1&gt;</name>\n"                                                        \
  "    <uuid>4bed0022-21af-4c2b-98fd-cd10124b13a5</uuid>\n  </owner>\n"                                                \
  "  <portdev name='vnet0'/>\n  <linkdev name='eth0'/>\n  <mac address='52:54:00:00:00:01'/>\n"                        \
  "  <filterref filter='clean-traffic'>\n    <parameter name='IP' value='10.0.0.1'/>\n"                                \
  "    <parameter name='IP' value='10.0.0.2'/>\n    <parameter name='X' value='y'/>\n  </filterref>\n"                 \
  "</filterbinding>\n"

static void bindings_are_written_as_they_were_read(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfBinding) binding = nwf_binding_parse(BINDING, strlen(BINDING), "b.xml", &error);
  g_assert_no_error(error);
  g_assert_cmpstr(binding->owner_name, ==, "vm <1>");
  g_assert_true(binding->has_owner_uuid);
  g_assert_cmpstr(binding->port, ==, "vnet0");
  g_assert_cmpstr(binding->link, ==, "eth0");
  g_assert_cmpmem(binding->mac, 6, "\x52\x54\x00\x00\x00\x01", 6);
  g_assert_cmpstr(binding->filter, ==, "clean-traffic");
  g_assert_cmpuint(nwf_parameters_get(binding->parameters, "IP")->len, ==, 2);
  g_assert_cmpstr(binding->file, ==, "b.xml");
  g_assert_cmpuint(binding->line, ==, 9);
  g_autofree char *text = nwf_binding_format(binding);
  g_assert_cmpstr(text, ==, BINDING);
}

#define ODD_BINDING                                                                                                    \
  "<filterbinding>\n  <portdev name='vnet0'/>\n  <mac address='52:54:00:00:00:01'/>\n  <filterref filter='f'>\n"       \
  "    <parameter name='A-B' value='1'/>\n    <parameter name='IP' value='10.0.0.1'/>\n"                               \
  "    <parameter name='IP' value=''/>\n    <parameter name='TENANT' value='blue-team &lt;1&gt;'/>\n"                  \
  "    <parameter name='X' value='y'/>\n    <parameter name='Z' value='$X'/>\n  </filterref>\n</filterbinding>\n"

/* Such bindings come from hosting panels. */
static void what_libvirt_passes_over_is_written_back(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfBinding) binding = nwf_binding_parse(ODD_BINDING, strlen(ODD_BINDING), "b.xml", &error);
  g_assert_no_error(error);
  g_assert_cmpuint(nwf_parameters_count(binding->parameters), ==, 2);
  g_assert_cmpuint(nwf_parameters_get(binding->parameters, "IP")->len, ==, 1);
  g_assert_cmpuint(nwf_parameters_n_passed_over(binding->parameters), ==, 4);
  g_assert_cmpuint(nwf_parameters_passed_over(binding->parameters, 2)->line, ==, 8);
  g_assert_cmpstr(nwf_parameters_passed_over(binding->parameters, 2)->value, ==, "blue-team <1>");
  g_autofree char *text = nwf_binding_format(binding);
  g_assert_cmpstr(text, ==, ODD_BINDING);
}

static void references_with_odd_parameters_are_read(void) {
  static const char xml[] = "<filter name='f'><filterref filter='a'><parameter name='A'/><parameter value='B'/>"
                            "<parameter name='C-D' value='1'/><parameter name='E' value='F G'/></filterref></filter>";
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfFilter) filter = nwf_filter_parse(xml, strlen(xml), "f.xml", &error);
  g_assert_no_error(error);
  const NwfParameters *parameters = g_array_index(filter->entries, NwfEntry, 0).reference->parameters;
  g_assert_cmpuint(nwf_parameters_count(parameters), ==, 0);
  g_assert_cmpuint(nwf_parameters_n_passed_over(parameters), ==, 4);
  g_autofree char *text = nwf_filter_format(filter);
  g_assert_nonnull(strstr(text, "<parameter name='C-D' value='1'/>"));
  g_autoptr(NwfFilter) again = nwf_filter_parse(text, strlen(text), "f.xml", &error);
  g_assert_no_error(error);
  g_autofree char *same = nwf_filter_format(again);
  g_assert_cmpstr(text, ==, same);
}

static void bindings_within_a_status_are_read(void) {
  static const char text[] = "<!--\nWARNING: generated\n-->\n<filterbindingstatus>\n" BINDING "</filterbindingstatus>";
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfBinding) binding = nwf_binding_parse(text, strlen(text), NULL, &error);
  g_assert_no_error(error);
  g_autofree char *written = nwf_binding_format(binding);
  g_assert_cmpstr(written, ==, BINDING);
}

static void bindings_need_no_owner(void) {
  static const char text[] =
      "<filterbinding><portdev name='t\"&apos;'/><mac address='2:0:0:0:0:1'/><filterref filter='a'/>"
      "<filterref filter='b'><parameter name='IP' value='1'/></filterref></filterbinding>";
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfBinding) binding = nwf_binding_parse(text, strlen(text), NULL, &error);
  g_assert_no_error(error);
  g_assert_null(binding->owner_name);
  g_assert_cmpstr(binding->filter, ==, "a");
  g_assert_cmpuint(nwf_parameters_count(binding->parameters), ==, 0);
  g_autofree char *written = nwf_binding_format(binding);
  g_autoptr(NwfBinding) again = nwf_binding_parse(written, strlen(written), NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(again->port, ==, "t\"'");
}

static void bindings_that_lack_something_are_refused(void) {
#define PORT "<portdev name='p'/>"
#define MAC "<mac address='2:0:0:0:0:1'/>"
#define REF "<filterref filter='f'/>"
  static const struct {
    const char *body;
    const char *message;
  } cases[] = {
      {"", "no portdev"},
      {MAC REF, "no portdev"},
      {PORT REF, "no mac"},
      {PORT MAC, "no filterref"},
      {"<portdev name='sixteen-chars-12'/>" MAC REF, "no interface's name"},
      {"<portdev name='a/b'/>" MAC REF, "no interface's name"},
      {"<portdev name=''/>" MAC REF, "no interface's name"},
      {PORT "<linkdev name='a b'/>" MAC REF, "no interface's name"},
      {PORT "<mac address='2:0:0:0:0'/>" REF, "illegal address"},
      {PORT MAC "<filterref/>", "no name"},
      {PORT MAC "<filterref filter='a/b'/>", "slash"},
      {"<owner><uuid>7</uuid></owner>" PORT MAC REF, "uuid"},
      {"<portdev name='ends here'", "not well-formed"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *text = g_strdup_printf("<filterbinding>%s</filterbinding>", cases[i].body);
    g_autoptr(GError) error = NULL;
    g_assert_null(nwf_binding_parse(text, strlen(text), "b.xml", &error));
    g_assert_nonnull(error);
    g_assert_true(g_str_has_prefix(error->message, "b.xml:1: "));
    if (strstr(error->message, cases[i].message) == NULL)
      g_error("'%s' does not say '%s'", error->message, cases[i].message);
  }
  g_assert_null(nwf_binding_parse("<filterbindingstatus/>", 22, NULL, NULL));
  g_assert_null(nwf_binding_parse("<filter name='f'/>", 18, NULL, NULL));
}

/* --- directories --- */

static void count_error(const char *path, const GError *error, gpointer data) {
  g_assert_true(g_str_has_suffix(path, "b.xml"));
  g_assert_nonnull(strstr(error->message, path));
  ++*(guint *)data;
}

static void put_file(const char *directory, const char *name, const char *text) {
  g_autofree char *path = g_build_filename(directory, name, NULL);
  g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void a_bad_file_in_a_directory_does_not_stop_the_others(void) {
  g_autofree char *directory = g_dir_make_tmp("nwf-test-XXXXXX", NULL);
  static const char *const names[] = {"a.xml", "b.xml", "c.xml", "d.txt"};
  put_file(directory, names[0], "<filter name='one' chain='arp'/>");
  put_file(directory, names[1], "<filter name='two'");
  put_file(directory, names[2], "<filter name='one' chain='rarp'/>");
  put_file(directory, names[3], "no filter");
  guint errors = 0;
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  g_assert_true(nwf_filter_store_load(store, directory, count_error, &errors, &error));
  g_assert_cmpuint(errors, ==, 1);
  g_assert_cmpstr(nwf_filter_store_get(store, "one")->chain, ==, "arp");
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *path = g_build_filename(directory, names[i], NULL);
    unlink(path);
  }
  rmdir(directory);
  g_assert_false(nwf_filter_store_load(store, directory, NULL, NULL, &error));
  g_assert_error(error, NWF_ERROR, NWF_ERROR_IO);
}

static void files_that_are_none_are_errors(void) {
  static const char *const paths[] = {"/nonexistent/x.xml", "/", "/dev/null"};
  for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(nwf_filter_parse_file(paths[i], &error));
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, paths[i]));
  }
  g_autoptr(GError) error = NULL;
  g_assert_null(nwf_filter_parse_file("/dev/zero", &error));
  g_assert_error(error, NWF_ERROR, NWF_ERROR_LIMIT);
}

#define TEST(name) g_test_add_func("/xml/" #name, name)

static void add_reading_tests(void) {
  TEST(lines_are_remembered);
  TEST(errors_name_file_line_filter_and_value);
  TEST(unknown_elements_and_attributes_are_ignored);
  TEST(rule_priorities_out_of_range_become_500);
  TEST(statematch_is_off_for_0_and_false);
  TEST(elements_of_one_kind_merge_and_others_are_passed_over);
  TEST(only_match_no_negates);
  TEST(ports_of_ip_want_a_protocol_that_has_some);
  TEST(filters_that_break_a_rule_are_refused);
}

int main(int argc, char **argv) {
  nwf_xml_init();
  g_test_init(&argc, &argv, NULL);
  TEST(stock_filters_are_written_as_they_were_read);
  TEST(stock_filters_are_those_of_libvirt);
  TEST(every_attribute_of_every_protocol_is_kept);
  TEST(all_of_a_filter_is_written);
  TEST(priority_is_written_unless_nobody_needs_it);
  add_reading_tests();
  TEST(bindings_are_written_as_they_were_read);
  TEST(what_libvirt_passes_over_is_written_back);
  TEST(references_with_odd_parameters_are_read);
  TEST(bindings_within_a_status_are_read);
  TEST(bindings_need_no_owner);
  TEST(bindings_that_lack_something_are_refused);
  TEST(a_bad_file_in_a_directory_does_not_stop_the_others);
  TEST(files_that_are_none_are_errors);
  return g_test_run();
}
