// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libvirt/document.h"
#include "libvirt/log.h"
#include "libvirt/symbols.h"

#include <nwfilter-nft/xml.h>

#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <string.h>

/* The names that libvirt gives to documents in its messages. */
#define FILTER_DOCUMENT "(nwfilter_definition)"
#define BINDING_DOCUMENT "(nwfilterbinding_definition)"

static void collect(void *messages, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void collect(void *messages, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_string_append_vprintf(messages, format, args);
  va_end(args);
}

static gboolean is_valid(xmlDoc *document, const char *schema_file, GString *messages) {
  xmlRelaxNGParserCtxt *parser = xmlRelaxNGNewParserCtxt(schema_file);
  if (parser == NULL)
    return FALSE;
  xmlRelaxNGSetParserErrors(parser, collect, collect, messages);
  xmlRelaxNG *schema = xmlRelaxNGParse(parser);
  xmlRelaxNGValidCtxt *validator = schema != NULL ? xmlRelaxNGNewValidCtxt(schema) : NULL;
  gboolean valid = FALSE;
  if (validator != NULL) {
    xmlRelaxNGSetValidErrors(validator, collect, collect, messages);
    valid = xmlRelaxNGValidateDoc(validator, document) == 0;
    xmlRelaxNGFreeValidCtxt(validator);
  }
  if (schema != NULL)
    xmlRelaxNGFree(schema);
  xmlRelaxNGFreeParserCtxt(parser);
  return valid;
}

/* The text has been through our own parser, so that it holds no document type. */
static gboolean check_schema(const char *xml, const char *schema_file) {
  static GMutex one_at_a_time; /* libxml2 makes its table of data types at the first use */
  xmlDoc *document =
      xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
  if (document == NULL)
    return TRUE; /* it was refused already */
  g_autoptr(GString) messages = g_string_new(NULL);
  g_mutex_lock(&one_at_a_time);
  gboolean valid = is_valid(document, schema_file, messages);
  g_mutex_unlock(&one_at_a_time);
  xmlFreeDoc(document);
  if (!valid)
    nwf_libvirt.virReportErrorHelper(VIR_FROM_XML, VIR_ERR_XML_INVALID_SCHEMA, __FILE__, __func__, __LINE__,
                                     "Unable to validate doc against %s\n%s", schema_file, messages->str);
  return valid;
}

/* A document that is no XML is told as such, any other by the schema first when that is asked for. */
static gboolean check(const char *xml, const char *schema_file, GError *error) {
  gboolean readable =
      !g_error_matches(error, NWF_ERROR, NWF_ERROR_XML) && !g_error_matches(error, NWF_ERROR, NWF_ERROR_LIMIT);
  if (schema_file != NULL && readable && !check_schema(xml, schema_file)) {
    g_clear_error(&error);
    return FALSE;
  }
  if (error == NULL)
    return TRUE;
  nwf_report_error(error);
  return FALSE;
}

NwfFilter *nwf_document_filter(const char *xml, gboolean validate) {
  GError *error = NULL;
  g_autoptr(NwfFilter) filter = nwf_filter_parse(xml, strlen(xml), FILTER_DOCUMENT, &error);
  if (!check(xml, validate ? NWF_SCHEMA_DIR "/nwfilter.rng" : NULL, error))
    return NULL;
  return g_steal_pointer(&filter);
}

/* Bindings of hosts without libvirt need no owner; here access depends on it, and libvirt's own driver does not read a
 * binding without one back. */
static gboolean check_owner(const NwfBinding *binding) {
  if (binding->owner_name != NULL && binding->has_owner_uuid)
    return TRUE;
  nwf_report(VIR_ERR_XML_ERROR, "%s: the binding has no owner with name and uuid", BINDING_DOCUMENT);
  return FALSE;
}

NwfBinding *nwf_document_binding(const char *xml, gboolean validate) {
  GError *error = NULL;
  g_autoptr(NwfBinding) binding = nwf_binding_parse(xml, strlen(xml), BINDING_DOCUMENT, &error);
  if (!check(xml, validate ? NWF_SCHEMA_DIR "/nwfilterbinding.rng" : NULL, error) || !check_owner(binding))
    return NULL;
  return g_steal_pointer(&binding);
}
