// SPDX-License-Identifier: LGPL-2.1-or-later
// Bindings, read and written.

#include "xml/reader.h"

#include <nwfilter-nft/xml.h>

#include <string.h>

typedef struct {
  NwfBinding *binding;
  guint base;        /* depth of <filterbinding>: 1 within a <filterbindingstatus>, else 0 */
  const char *child; /* the child of <filterbinding> that is open: one of the names below */
  gboolean has_mac;
} BindingReader;

G_GNUC_PRINTF(2, 3) static NwfXmlNext fail(GError **error, const char *format, ...) {
  va_list values;
  va_start(values, format);
  if (error != NULL)
    *error = g_error_new_valist(NWF_ERROR, NWF_ERROR_INVALID, format, values);
  va_end(values);
  return NWF_XML_FAIL;
}

/* The name= of <portdev> or <linkdev>. Of repeated elements the first one counts, here
 * and below, as in the stock parser's paths. */
static NwfXmlNext read_device(const NwfXmlElement *element, char **name, GError **error) {
  const char *value = nwf_xml_attr(element, "name");
  if (*name != NULL || value == NULL)
    return NWF_XML_SKIP;
  if (!nwf_port_name_valid(value))
    return fail(error, "'%.64s' is no interface's name: 1 to 15 bytes without slash, colon or white space", value);
  *name = g_strdup(value);
  return NWF_XML_SKIP;
}

static NwfXmlNext read_mac(BindingReader *reader, const NwfXmlElement *element, GError **error) {
  const char *address = nwf_xml_attr(element, "address");
  if (reader->has_mac || address == NULL)
    return NWF_XML_SKIP;
  if (!nwf_mac_parse(address, reader->binding->mac))
    return fail(error, "mac has illegal address '%.64s'", address);
  reader->has_mac = TRUE;
  return NWF_XML_SKIP;
}

static NwfXmlNext read_filterref(BindingReader *reader, const NwfXmlElement *element, GError **error) {
  const char *filter = nwf_xml_attr(element, "filter");
  if (reader->binding->filter != NULL)
    return NWF_XML_SKIP;
  if (filter == NULL || *filter == '\0')
    return fail(error, "filterref's filter has no name");
  if (strchr(filter, '/') != NULL)
    return fail(error, "filterref's filter has name '%.64s', which holds a slash", filter);
  reader->binding->filter = g_strdup(filter);
  reader->binding->line = element->line;
  reader->child = "filterref";
  return NWF_XML_ENTER;
}

/* Beside the binding, in a status: which interface the port was. */
static NwfXmlNext read_interface(BindingReader *reader, const NwfXmlElement *element) {
  const char *index = nwf_xml_attr(element, "index");
  guint64 number;
  if (reader->binding != NULL && index != NULL && g_ascii_string_to_unsigned(index, 10, 1, G_MAXINT, &number, NULL))
    reader->binding->index = (guint)number;
  return NWF_XML_SKIP;
}

static NwfXmlNext start_root(BindingReader *reader, const NwfXmlElement *element, GError **error) {
  if (element->depth == 0 && strcmp(element->name, "filterbindingstatus") == 0) {
    reader->base = 1;
    return NWF_XML_ENTER;
  }
  if (strcmp(element->name, "filterbinding") == 0) {
    if (reader->binding != NULL)
      return NWF_XML_SKIP;
    reader->binding = nwf_binding_new();
    return NWF_XML_ENTER;
  }
  if (element->depth > 0)
    return strcmp(element->name, "interface") == 0 ? read_interface(reader, element) : NWF_XML_SKIP;
  g_set_error(error, NWF_ERROR, NWF_ERROR_XML, "the root element is <%.64s>, not <filterbinding>", element->name);
  return NWF_XML_FAIL;
}

static NwfXmlNext start_child(BindingReader *reader, const NwfXmlElement *element, GError **error) {
  if (strcmp(element->name, "portdev") == 0)
    return read_device(element, &reader->binding->port, error);
  if (strcmp(element->name, "linkdev") == 0)
    return read_device(element, &reader->binding->link, error);
  if (strcmp(element->name, "mac") == 0)
    return read_mac(reader, element, error);
  if (strcmp(element->name, "filterref") == 0)
    return read_filterref(reader, element, error);
  if (strcmp(element->name, "owner") != 0)
    return NWF_XML_SKIP;
  reader->child = "owner";
  return NWF_XML_ENTER;
}

static NwfXmlNext start(gpointer data, const NwfXmlElement *element, GError **error) {
  BindingReader *reader = data;
  if (element->depth <= reader->base)
    return start_root(reader, element, error);
  if (element->depth == reader->base + 1)
    return start_child(reader, element, error);
  if (strcmp(reader->child, "owner") == 0)
    return strcmp(element->name, "name") == 0 || strcmp(element->name, "uuid") == 0 ? NWF_XML_ENTER : NWF_XML_SKIP;
  if (strcmp(element->name, "parameter") == 0)
    nwf_xml_read_parameter(element, reader->binding->parameters);
  return NWF_XML_SKIP;
}

static gboolean end(gpointer data, const char *name, guint depth, const char *text, GError **error) {
  BindingReader *reader = data;
  if (depth != reader->base + 2) /* only <name> and <uuid> of the owner are entered there */
    return TRUE;
  NwfBinding *binding = reader->binding;
  if (strcmp(name, "name") == 0) {
    if (binding->owner_name == NULL)
      binding->owner_name = g_strdup(text);
  } else if (!binding->has_owner_uuid) {
    if (!nwf_uuid_parse(text, binding->owner_uuid)) {
      fail(error, "owner's uuid has illegal value '%.64s'", text);
      return FALSE;
    }
    binding->has_owner_uuid = TRUE;
  }
  return TRUE;
}

static gboolean check_complete(const BindingReader *reader, GError **error) {
  const NwfBinding *binding = reader->binding;
  const char *missing = NULL;
  if (binding == NULL)
    missing = "filterbinding";
  else if (binding->port == NULL)
    missing = "portdev with a name";
  else if (!reader->has_mac)
    missing = "mac with an address";
  else if (binding->filter == NULL)
    missing = "filterref";
  if (missing != NULL)
    fail(error, "the binding has no %s", missing);
  return missing == NULL;
}

NwfBinding *nwf_binding_parse(const char *text, gsize length, const char *file, GError **error) {
  static const NwfXmlHandler handler = {start, end};
  BindingReader reader = {NULL};
  gboolean good = nwf_xml_read(text, length, file, &handler, &reader, error);
  if (good && !check_complete(&reader, error)) {
    if (file != NULL)
      g_prefix_error(error, "%s:1: ", file);
    good = FALSE;
  }
  if (!good) {
    nwf_binding_free(reader.binding);
    return NULL;
  }
  reader.binding->file = g_strdup(file);
  return reader.binding;
}

static void format_owner(GString *xml, const NwfBinding *binding) {
  if (binding->owner_name == NULL && !binding->has_owner_uuid)
    return;
  g_string_append(xml, "  <owner>\n");
  if (binding->owner_name != NULL) {
    g_string_append(xml, "    <name>");
    nwf_xml_append_text(xml, binding->owner_name);
    g_string_append(xml, "</name>\n");
  }
  if (binding->has_owner_uuid) {
    g_autofree char *uuid = nwf_uuid_format(binding->owner_uuid);
    g_string_append_printf(xml, "    <uuid>%s</uuid>\n", uuid);
  }
  g_string_append(xml, "  </owner>\n");
}

static void format_device(GString *xml, const char *element, const char *name) {
  g_string_append_printf(xml, "  <%s", element);
  nwf_xml_append_attr(xml, "name", name);
  g_string_append(xml, "/>\n");
}

char *nwf_binding_format(const NwfBinding *binding) {
  GString *xml = g_string_new("<filterbinding>\n");
  g_autofree char *mac = nwf_mac_format(binding->mac);
  format_owner(xml, binding);
  format_device(xml, "portdev", binding->port);
  if (binding->link != NULL)
    format_device(xml, "linkdev", binding->link);
  g_string_append_printf(xml, "  <mac address='%s'/>\n  <filterref", mac);
  nwf_xml_append_filterref(xml, 2, binding->filter, binding->parameters);
  g_string_append(xml, "</filterbinding>\n");
  return g_string_free(xml, FALSE);
}
