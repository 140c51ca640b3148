// SPDX-License-Identifier: LGPL-2.1-or-later
// Documents that are broken, hostile or oddly encoded: an error or the right result, soon.

#include "xml-help.h"

static void broken_documents_are_refused(void) {
  static const char *const cases[] = {"",
                                      " ",
                                      "<",
                                      "<filter name",
                                      "<filter name='f'",
                                      "<filter name='f'>",
                                      "<filter name='f'/>x",
                                      "<filter name='f' name='g'/>",
                                      "<filter name='f'/><filter name='g'/>",
                                      "<filter name='\x01'/>",
                                      "<filter name='&unknown;'/>",
                                      "\xff\xfe",
                                      "<filter name='\xff'/>"};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    assert_refused(cases[i], -1, NWF_ERROR_XML, NULL);
  assert_refused("<filter name='f'/>\0x", 20, NWF_ERROR_XML, NULL);
}

static void document_types_are_refused(void) {
  const char *secret = "<!DOCTYPE f [<!ENTITY e SYSTEM 'file:///etc/hostname'>]><filter name='&e;'/>";
  const char *laughs =
      "<!DOCTYPE f [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>"
      "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;'>]><filter name='&d;'/>";
  assert_refused(secret, -1, NWF_ERROR_XML, "DOCTYPE");
  assert_refused(laughs, -1, NWF_ERROR_XML, "DOCTYPE");
  assert_refused("<!DOCTYPE f SYSTEM 'file:///etc/passwd'><filter name='f'/>", -1, NWF_ERROR_XML, "DOCTYPE");
  assert_refused("<!DOCTYPE f PUBLIC 'x' 'http://127.0.0.1:1/x.dtd'><filter name='f'/>", -1, NWF_ERROR_XML, "DOCTYPE");
  assert_refused("<filter xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='/etc/passwd'/></filter>", -1,
                 NWF_ERROR_INVALID, "no name");
}

static void character_references_are_characters(void) {
  g_autoptr(NwfFilter) filter = parse("<filter name='&#x66;&amp;&lt;'><rule action='drop' direction='in'>"
                                      "<mac comment='a&#10;b'/></rule></filter>");
  g_assert_cmpstr(filter->name, ==, "f&<");
  g_assert_cmpstr(nwf_rule_match(rule_of(filter, 0), NWF_ATTR_COMMENT)->value.string, ==, "a\nb");
}

static void append_times(GString *text, const char *piece, guint times) {
  for (guint i = 0; i < times; i++)
    g_string_append(text, piece);
}

static void deep_documents_are_refused_at_once(void) {
  g_autoptr(GString) text = g_string_new("<filter name='f'>");
  append_times(text, "<a>", 10000);
  append_times(text, "</a>", 10000);
  g_string_append(text, "</filter>");
  assert_refused(text->str, -1, NWF_ERROR_LIMIT, "nested");
  append_times(g_string_truncate(text, 0), "<filter name='f'>", 10000);
  assert_refused(text->str, -1, NWF_ERROR_LIMIT, "nested");
}

static void too_large_documents_are_refused(void) {
  gsize length = NWF_DOCUMENT_MAX + 1;
  g_autofree char *text = g_strnfill(length, ' ');
  memcpy(text, "<filter name='f'/>", 18);
  assert_refused(text, (gssize)length, NWF_ERROR_LIMIT, "larger");
}

/* What libxml2 needs quadratic time for; each is several megabytes. */
static void many_attributes_and_namespaces_end_soon(void) {
  gint64 start = g_get_monotonic_time();
  g_autoptr(GString) text = g_string_new("<filter name='f'>\n<a ");
  for (guint i = 0; i < 500000; i++)
    g_string_append_printf(text, "a%u='' ", i);
  g_string_append(text, "/></filter>");
  assert_refused(text->str, -1, NWF_ERROR_LIMIT, "f.xml:2: an element has more than");

  g_string_assign(text, "<filter name='f'>");
  for (guint i = 0; i < 100000; i++)
    g_string_append_printf(text, "<a xmlns:n%u='x'/>", i);
  g_string_append(text, "</filter>");
  assert_refused(text->str, -1, NWF_ERROR_LIMIT, "namespaces");
  g_assert_cmpint(g_get_monotonic_time() - start, <, 5 * G_USEC_PER_SEC);
}

static void many_different_names_end_soon(void) {
  gint64 start = g_get_monotonic_time();
  g_autoptr(GString) text = g_string_new("<filter name='f'>");
  for (guint i = 0; i < 1000000; i++)
    g_string_append_printf(text, "<a%u/>", i);
  g_string_append(text, "</filter>");
  assert_refused(text->str, -1, NWF_ERROR_XML, NULL);
  g_assert_cmpint(g_get_monotonic_time() - start, <, 5 * G_USEC_PER_SEC);

  /* each document with new names must not fill up what the next one has to use */
  for (guint i = 0; i < 20000; i++) {
    g_string_printf(text, "<filter name='f'><quite-a-long-name-that-no-other-document-has-%u/></filter>", i);
    g_autoptr(NwfFilter) filter = parse(text->str);
    g_assert_nonnull(filter);
  }
}

static void hundred_thousand_rules_and_values_are_read(void) {
  gint64 start = g_get_monotonic_time();
  g_autoptr(GString) text = g_string_new("<filter name='f'>");
  append_times(text, "<rule action='drop' direction='in'><ip srcipaddr='10.0.0.1'/></rule>", 100000);
  g_string_append(text, "<filterref filter='x'>");
  append_times(text, "<parameter name='IP' value='10.0.0.1'/>", 100000);
  g_string_append(text, "</filterref></filter>");
  g_autoptr(NwfFilter) filter = parse(text->str);
  g_assert_cmpuint(filter->entries->len, ==, 100001);
  const NwfParameters *parameters = g_array_index(filter->entries, NwfEntry, 100000).reference->parameters;
  g_assert_cmpuint(nwf_parameters_get(parameters, "IP")->len, ==, 100000);
  g_assert_cmpint(g_get_monotonic_time() - start, <, 10 * G_USEC_PER_SEC);
}

static void other_encodings_are_converted_or_refused(void) {
  const char *plain = "<filter name='\xc3\xa4'/>";
  static const char *const encodings[] = {"UTF-16", "UTF-16LE", "UTF-16BE", "UTF-32BE", "UTF-32LE", "UTF-32"};
  for (guint i = 0; i < G_N_ELEMENTS(encodings); i++) {
    gsize length;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_convert(plain, -1, encodings[i], "UTF-8", NULL, &length, NULL);
    g_autoptr(NwfFilter) filter = nwf_filter_parse(text, length, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(filter->name, ==, "ä");
  }
  g_autoptr(NwfFilter) latin = parse("<?xml version='1.0' encoding='ISO-8859-1'?><filter name='\xe4'/>");
  g_assert_cmpstr(latin->name, ==, "ä");
  g_autoptr(NwfFilter) marked = parse("\xef\xbb\xbf<?xml version='1.0' encoding=\"utf-8\"?><filter name='f'/>");
  g_assert_cmpstr(marked->name, ==, "f");
  assert_refused("<?xml version='1.0' encoding='no-such-thing'?><filter name='f'/>", -1, NWF_ERROR_XML,
                 "no-such-thing");
  assert_refused("<?xml version='1.0' encoding='UTF-16'?><filter name='f'/>", -1, NWF_ERROR_XML, NULL);
  assert_refused("\xff\xfe<\x00", 4, NWF_ERROR_XML, NULL);
}

static void a_parser_is_good_again_after_an_error(void) {
  for (guint i = 0; i < 3; i++) {
    assert_refused("<filter name='f'><rule action='drop'", -1, NWF_ERROR_XML, NULL);
    assert_refused("<filter/>", -1, NWF_ERROR_INVALID, NULL);
    g_autoptr(NwfFilter) filter = parse("<filter name='f'/>");
    g_assert_nonnull(filter);
  }
}

#define TEST(name) g_test_add_func("/xml-hostile/" #name, name)

int main(int argc, char **argv) {
  nwf_xml_init();
  g_test_init(&argc, &argv, NULL);
  TEST(broken_documents_are_refused);
  TEST(document_types_are_refused);
  TEST(character_references_are_characters);
  TEST(deep_documents_are_refused_at_once);
  TEST(too_large_documents_are_refused);
  TEST(many_attributes_and_namespaces_end_soon);
  TEST(many_different_names_end_soon);
  TEST(hundred_thousand_rules_and_values_are_read);
  TEST(other_encodings_are_converted_or_refused);
  TEST(a_parser_is_good_again_after_an_error);
  return g_test_run();
}
