// SPDX-License-Identifier: LGPL-2.1-or-later
// What filters and bindings share when they are written: attributes, text, parameters.

#include "xml/reader.h"

void nwf_xml_append_text(GString *xml, const char *text) {
  for (; *text != '\0'; text++) {
    switch (*text) {
    case '&':
      g_string_append(xml, "&amp;");
      break;
    case '<':
      g_string_append(xml, "&lt;");
      break;
    case '>':
      g_string_append(xml, "&gt;");
      break;
    case '\'':
      g_string_append(xml, "&apos;");
      break;
    case '"':
      g_string_append(xml, "&quot;");
      break;
    case '\t':
    case '\n':
    case '\r': /* would be read back as blanks */
      g_string_append_printf(xml, "&#%d;", *text);
      break;
    default:
      g_string_append_c(xml, *text);
    }
  }
}

void nwf_xml_append_attr(GString *xml, const char *name, const char *value) {
  g_string_append_printf(xml, " %s='", name);
  nwf_xml_append_text(xml, value);
  g_string_append_c(xml, '\'');
}

void nwf_xml_read_parameter(const NwfXmlElement *element, NwfParameters *parameters) {
  const char *name = nwf_xml_attr(element, "name");
  const char *value = nwf_xml_attr(element, "value");
  if (name == NULL || value == NULL || !nwf_parameters_add(parameters, name, value, NULL))
    nwf_parameters_pass_over(parameters, name != NULL ? name : "", value != NULL ? value : "", element->line);
}

typedef struct {
  const char *name, *value;
} Pair;

static int compare_names(gconstpointer a, gconstpointer b) {
  return strcmp(((const Pair *)a)->name, ((const Pair *)b)->name);
}

static void append_pair(GArray *pairs, const char *name, const char *value) {
  Pair pair = {.name = name, .value = value};
  g_array_append_val(pairs, pair);
}

/* In the order of their names, as the stock driver writes them; the order of a name's values has a meaning. */
static GArray *sorted_pairs(const NwfParameters *parameters) {
  GArray *pairs = g_array_new(FALSE, FALSE, sizeof(Pair));
  for (guint i = 0; i < nwf_parameters_count(parameters); i++) {
    const char *name = nwf_parameters_name(parameters, i);
    const GPtrArray *values = nwf_parameters_get(parameters, name);
    for (guint k = 0; k < values->len; k++)
      append_pair(pairs, name, g_ptr_array_index(values, k));
  }
  for (guint i = 0; i < nwf_parameters_n_passed_over(parameters); i++) {
    const NwfPassedOver *passed_over = nwf_parameters_passed_over(parameters, i);
    append_pair(pairs, passed_over->name, passed_over->value);
  }
  g_array_sort(pairs, compare_names); /* stable */
  return pairs;
}

void nwf_xml_append_filterref(GString *xml, guint indent, const char *filter, const NwfParameters *parameters) {
  g_autoptr(GArray) pairs = sorted_pairs(parameters);
  nwf_xml_append_attr(xml, "filter", filter);
  if (pairs->len == 0) {
    g_string_append(xml, "/>\n");
    return;
  }
  g_string_append(xml, ">\n");
  for (guint i = 0; i < pairs->len; i++) {
    const Pair *pair = &g_array_index(pairs, Pair, i);
    g_string_append_printf(xml, "%*s<parameter", (int)indent + 2, "");
    nwf_xml_append_attr(xml, "name", pair->name);
    nwf_xml_append_attr(xml, "value", pair->value);
    g_string_append(xml, "/>\n");
  }
  g_string_append_printf(xml, "%*s</filterref>\n", (int)indent, "");
}
