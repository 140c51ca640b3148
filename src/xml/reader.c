// SPDX-License-Identifier: LGPL-2.1-or-later
// The walk over a document's elements, over libxml2's SAX2 interface.

#include "xml/reader.h"
#include "xml/encoding.h"

#include <nwfilter-nft/xml.h>

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <string.h>

#define DEPTH_MAX 64 /* ours: the language itself needs 4 */
/* Bytes of different names in one document: ours. The dictionary that libxml2 keeps them in
 * slows down with their number. A parser whose dictionary has grown is not kept. */
#define NAMES_MAX (1 << 20)
#define NAMES_KEEP_MAX (64 << 10)

typedef struct {
  const NwfXmlHandler *handler;
  gpointer data;
  xmlParserCtxt *parser;
  guint depth;      /* of open elements */
  guint skip_depth; /* the element at this depth, from 1, is skipped; 0: none is */
  GString *text;
  GString *values;  /* of the attributes of the current element, each with its NUL */
  GPtrArray *attrs; /* its names and values */
  GError *error;
  guint error_line;
} Reader;

void nwf_xml_init(void) {
  xmlInitParser();
}

const char *nwf_xml_attr(const NwfXmlElement *element, const char *name) {
  for (guint i = 0; i < element->n_attrs; i++)
    if (strcmp(element->attrs[2 * i], name) == 0)
      return element->attrs[2 * i + 1];
  return NULL;
}

const char *nwf_xml_attr_nonempty(const NwfXmlElement *element, const char *name) {
  const char *value = nwf_xml_attr(element, name);
  return value != NULL && *value != '\0' ? value : NULL;
}

static guint current_line(const Reader *reader) {
  const xmlParserInput *input = reader->parser->input;
  return input != NULL ? (guint)input->line : 0;
}

static void stop(Reader *reader) {
  reader->error_line = current_line(reader);
  xmlStopParser(reader->parser);
}

/* libxml2 gives five pointers for each attribute: name, prefix, namespace, value, end of value. */
static void collect_attrs(Reader *reader, int n_attrs, const xmlChar **attrs) {
  g_string_truncate(reader->values, 0);
  g_ptr_array_set_size(reader->attrs, 0);
  for (int i = 0; i < n_attrs; i++) {
    const xmlChar **attr = attrs + 5 * i;
    g_string_append_len(reader->values, (const char *)attr[3], attr[4] - attr[3]);
    g_string_append_c(reader->values, '\0');
  }
  const char *value = reader->values->str; /* only now, since it moves when it grows */
  for (int i = 0; i < n_attrs; i++) {
    g_ptr_array_add(reader->attrs, (gpointer)attrs[5 * i]);
    g_ptr_array_add(reader->attrs, (gpointer)value);
    value += attrs[5 * i + 4] - attrs[5 * i + 3] + 1;
  }
}

static void start_element(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                          int n_namespaces, const xmlChar **namespaces, int n_attrs, int n_defaulted,
                          const xmlChar **attrs) {
  Reader *reader = ((xmlParserCtxt *)context)->_private;
  if (reader->error != NULL)
    return;
  guint depth = reader->depth++;
  if (depth >= DEPTH_MAX) {
    g_set_error(&reader->error, NWF_ERROR, NWF_ERROR_LIMIT, "elements are nested more than %d deep", DEPTH_MAX);
    stop(reader);
    return;
  }
  if (reader->skip_depth != 0)
    return;
  collect_attrs(reader, n_attrs, attrs);
  NwfXmlElement element = {.name = (const char *)name,
                           .depth = depth,
                           .line = current_line(reader),
                           .n_attrs = (guint)n_attrs,
                           .attrs = (const char *const *)reader->attrs->pdata};
  switch (reader->handler->start(reader->data, &element, &reader->error)) {
  case NWF_XML_ENTER:
    g_string_truncate(reader->text, 0);
    break;
  case NWF_XML_SKIP:
    reader->skip_depth = reader->depth;
    break;
  case NWF_XML_FAIL:
    stop(reader);
    break;
  }
}

static void end_element(void *context, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri) {
  Reader *reader = ((xmlParserCtxt *)context)->_private;
  if (reader->error != NULL)
    return;
  guint depth = reader->depth--;
  if (reader->skip_depth != 0) {
    if (reader->skip_depth == depth)
      reader->skip_depth = 0;
    return;
  }
  if (!reader->handler->end(reader->data, (const char *)name, depth - 1, reader->text->str, &reader->error))
    stop(reader);
}

static void characters(void *context, const xmlChar *text, int length) {
  Reader *reader = ((xmlParserCtxt *)context)->_private;
  if (reader->error == NULL && reader->skip_depth == 0)
    g_string_append_len(reader->text, (const char *)text, length);
}

/* Without a document type there are no entities to expand and nothing external to load. */
static void internal_subset(void *context, const xmlChar *name, const xmlChar *external_id, const xmlChar *system_id) {
  Reader *reader = ((xmlParserCtxt *)context)->_private;
  if (reader->error != NULL)
    return;
  g_set_error(&reader->error, NWF_ERROR, NWF_ERROR_XML, "a document type (<!DOCTYPE) is not allowed");
  stop(reader);
}

/* Being there keeps libxml2 from printing; the last error stays in the parser. */
#if LIBXML_VERSION >= 21200
static void ignore_error(void *context, const xmlError *error) {
#else
static void ignore_error(void *context, xmlError *error) {
#endif
}

static xmlParserCtxt *new_parser(void) {
  xmlParserCtxt *parser = xmlNewParserCtxt();
  if (parser == NULL)
    g_error("no memory for an XML parser");
  *parser->sax = (xmlSAXHandler){
      .initialized = XML_SAX2_MAGIC,
      .startElementNs = start_element,
      .endElementNs = end_element,
      .characters = characters,
      .ignorableWhitespace = characters,
      .cdataBlock = characters,
      .internalSubset = internal_subset,
      .serror = ignore_error,
  };
  xmlDictSetLimit(parser->dict, NAMES_MAX);
  return parser;
}

static void free_parser(gpointer parser) {
  xmlFreeParserCtxt(parser);
}

/* Making a parser costs more than reading a binding, so each thread keeps one. */
static GPrivate thread_parser = G_PRIVATE_INIT(free_parser);

static xmlParserCtxt *take_parser(void) {
  xmlParserCtxt *parser = g_private_get(&thread_parser);
  if (parser == NULL)
    return new_parser();
  g_private_set(&thread_parser, NULL);
  return parser;
}

static void give_parser_back(xmlParserCtxt *parser) {
  parser->_private = NULL;
  if (xmlDictGetUsage(parser->dict) > NAMES_KEEP_MAX || g_private_get(&thread_parser) != NULL)
    xmlFreeParserCtxt(parser);
  else
    g_private_set(&thread_parser, parser);
}

static void prefix_place(GError **error, const char *file, guint line) {
  if (error == NULL)
    return;
  if (file != NULL)
    g_prefix_error(error, "%s:%u: ", file, line);
  else
    g_prefix_error(error, "line %u: ", line);
  /* values of the document are cut to fit a message, perhaps within a character */
  char *message = g_utf8_make_valid((*error)->message, -1);
  g_free((*error)->message);
  (*error)->message = message;
}

static void take_error(Reader *reader, const char *file, GError **error) {
  if (reader->error == NULL) {
    const xmlError *last = xmlCtxtGetLastError(reader->parser);
    gboolean known = last != NULL && last->message != NULL;
    g_autofree char *message = g_utf8_make_valid(known ? last->message : "no document", -1);
    reader->error = g_error_new(NWF_ERROR, NWF_ERROR_XML, "not well-formed XML: %s", g_strstrip(message));
    reader->error_line = known && last->line > 0 ? (guint)last->line : 1;
  }
  prefix_place(&reader->error, file, reader->error_line);
  g_propagate_error(error, g_steal_pointer(&reader->error));
}

static gboolean read_utf8(Reader *reader, const char *text, gsize length) {
  /* NOENT: character references and &amp; arrive as characters; other entities cannot exist.
   * IGNORE_ENC: the text is UTF-8 by now, whatever its declaration says. */
  int options = XML_PARSE_NONET | XML_PARSE_NOENT | XML_PARSE_IGNORE_ENC;
  xmlDoc *document = xmlCtxtReadMemory(reader->parser, text, (int)length, NULL, NULL, options);
  if (document != NULL)
    xmlFreeDoc(document);
  return reader->error == NULL && reader->parser->wellFormed;
}

gboolean nwf_xml_read(const char *text, gsize length, const char *file, const NwfXmlHandler *handler, gpointer data,
                      GError **error) {
  g_autofree char *converted = NULL;
  guint line = 1;
  if (!nwf_xml_to_utf8(&text, &length, &converted, error) || !nwf_xml_check_bounds(text, length, &line, error)) {
    prefix_place(error, file, line);
    return FALSE;
  }
  Reader reader = {.handler = handler, .data = data, .parser = take_parser()};
  reader.text = g_string_new(NULL);
  reader.values = g_string_new(NULL);
  reader.attrs = g_ptr_array_new();
  reader.parser->_private = &reader;
  gboolean good = read_utf8(&reader, text, length);
  if (!good)
    take_error(&reader, file, error);
  give_parser_back(reader.parser);
  g_string_free(reader.text, TRUE);
  g_string_free(reader.values, TRUE);
  g_ptr_array_unref(reader.attrs);
  return good;
}
