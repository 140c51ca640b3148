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

gboolean nwf_xml_read_parameter(const NwfXmlElement *element, NwfParameters *parameters, GError **error) {
  const char *name = nwf_xml_attr(element, "name");
  const char *value = nwf_xml_attr(element, "value");
  if (name == NULL || value == NULL) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "parameter has no %s", name == NULL ? "name" : "value");
    return FALSE;
  }
  return nwf_parameters_add(parameters, name, value, error);
}

static int compare_names(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In the order of their names, as the stock driver writes them; the order of a name's values has a meaning. */
static GPtrArray *sorted_names(const NwfParameters *parameters) {
  guint count = nwf_parameters_count(parameters);
  GPtrArray *names = g_ptr_array_sized_new(count);
  for (guint i = 0; i < count; i++)
    g_ptr_array_add(names, (gpointer)nwf_parameters_name(parameters, i));
  g_ptr_array_sort(names, compare_names);
  return names;
}

void nwf_xml_append_filterref(GString *xml, guint indent, const char *filter, const NwfParameters *parameters) {
  guint count = nwf_parameters_count(parameters);
  nwf_xml_append_attr(xml, "filter", filter);
  if (count == 0) {
    g_string_append(xml, "/>\n");
    return;
  }
  g_string_append(xml, ">\n");
  g_autoptr(GPtrArray) names = sorted_names(parameters);
  for (guint i = 0; i < count; i++) {
    const char *name = g_ptr_array_index(names, i);
    const GPtrArray *values = nwf_parameters_get(parameters, name);
    for (guint k = 0; k < values->len; k++) {
      g_string_append_printf(xml, "%*s<parameter", (int)indent + 2, "");
      nwf_xml_append_attr(xml, "name", name);
      nwf_xml_append_attr(xml, "value", g_ptr_array_index(values, k));
      g_string_append(xml, "/>\n");
    }
  }
  g_string_append_printf(xml, "%*s</filterref>\n", (int)indent, "");
}
