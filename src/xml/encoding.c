// SPDX-License-Identifier: LGPL-2.1-or-later
// Encodings and bounds of a document's bytes.

#include "xml/encoding.h"

#include <nwfilter-nft/model.h>

#include <string.h>

/* Ours. libxml2 compares each attribute of an element with all others, and looks through
 * all namespaces in reach for each prefix. */
#define ATTRS_MAX 512
#define NAMESPACES_MAX 64

static gboolean begins_with(const char *text, gsize length, const char *bytes, gsize n_bytes) {
  return length >= n_bytes && memcmp(text, bytes, n_bytes) == 0;
}

/* By the first bytes, as XML 1.0 appendix F tells them apart; NULL: one that has ASCII within. */
static const char *encoding_by_first_bytes(const char *text, gsize length) {
  static const struct {
    const char *bytes;
    gsize n_bytes;
    const char *encoding;
  } marks[] = {
      {"\x00\x00\xfe\xff", 4, "UTF-32"}, {"\xff\xfe\x00\x00", 4, "UTF-32"}, {"\x00\x00\x00<", 4, "UTF-32BE"},
      {"<\x00\x00\x00", 4, "UTF-32LE"},  {"\xfe\xff", 2, "UTF-16"},         {"\xff\xfe", 2, "UTF-16"},
      {"\x00<", 2, "UTF-16BE"},          {"<\x00", 2, "UTF-16LE"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(marks); i++)
    if (begins_with(text, length, marks[i].bytes, marks[i].n_bytes))
      return marks[i].encoding;
  return NULL;
}

/* The encoding that <?xml ... encoding="NAME"?> names, or NULL. */
static char *declared_encoding(const char *text, gsize length) {
  if (!begins_with(text, length, "<?xml", 5))
    return NULL;
  const char *end = memchr(text, '>', MIN(length, 512));
  const char *name = end != NULL ? g_strstr_len(text, end - text, "encoding") : NULL;
  if (name == NULL)
    return NULL;
  name += strlen("encoding");
  while (name < end && (g_ascii_isspace(*name) || *name == '='))
    name++;
  if (*name != '"' && *name != '\'')
    return NULL;
  const char *close = memchr(name + 1, *name, (gsize)(end - name - 1));
  return close != NULL ? g_strndup(name + 1, (gsize)(close - name - 1)) : NULL;
}

static gboolean is_utf8_name(const char *encoding) {
  return g_ascii_strcasecmp(encoding, "UTF-8") == 0 || g_ascii_strcasecmp(encoding, "UTF8") == 0 ||
         g_ascii_strcasecmp(encoding, "US-ASCII") == 0 || g_ascii_strcasecmp(encoding, "ASCII") == 0;
}

gboolean nwf_xml_to_utf8(const char **text, gsize *length, char **converted, GError **error) {
  if (*length > NWF_DOCUMENT_MAX) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_LIMIT, "the document is larger than %d MiB", NWF_DOCUMENT_MAX >> 20);
    return FALSE;
  }
  if (begins_with(*text, *length, "\xef\xbb\xbf", 3)) {
    *text += 3;
    *length -= 3;
  }
  const char *first = encoding_by_first_bytes(*text, *length);
  g_autofree char *encoding = first != NULL ? g_strdup(first) : declared_encoding(*text, *length);
  if (encoding == NULL || is_utf8_name(encoding))
    return TRUE;
  g_autoptr(GError) cause = NULL;
  *converted = g_convert(*text, (gssize)*length, "UTF-8", encoding, NULL, length, &cause);
  if (*converted == NULL) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_XML, "the document cannot be read as %.64s: %s", encoding, cause->message);
    return FALSE;
  }
  *text = *converted;
  return TRUE;
}

static guint line_of(const char *text, const char *at) {
  guint line = 1;
  while ((text = memchr(text, '\n', (gsize)(at - text))) != NULL) {
    line++;
    text++;
  }
  return line;
}

static gboolean too_many_namespaces(const char *text, gsize length) {
  const char *end = text + length;
  for (guint count = 0; count <= NAMESPACES_MAX; count++) {
    text = memmem(text, (gsize)(end - text), "xmlns", 5);
    if (text == NULL)
      return FALSE;
    text += 5;
  }
  return TRUE;
}

static gsize count_byte(const char *text, const char *end, char byte) {
  gsize count = 0;
  while ((text = memchr(text, byte, (gsize)(end - text))) != NULL) {
    count++;
    text++;
  }
  return count;
}

/* A start tag cannot hold a second '<', so the '=' up to the next one bound its attributes.
 * Gives the first tag with too many, or NULL. */
static const char *find_crowded_tag(const char *text, const char *end) {
  const char *tag = memchr(text, '<', (gsize)(end - text));
  while (tag != NULL) {
    const char *from = tag + 1;
    gboolean comment = begins_with(tag, (gsize)(end - tag), "<!--", 4);
    if (comment) {
      from = memmem(tag + 4, (gsize)(end - tag - 4), "-->", 3);
      if (from == NULL)
        return NULL; /* not well-formed, which the parser will say */
    }
    const char *next = memchr(from, '<', (gsize)(end - from));
    if (!comment && count_byte(tag, next != NULL ? next : end, '=') > ATTRS_MAX)
      return tag;
    tag = next;
  }
  return NULL;
}

gboolean nwf_xml_check_bounds(const char *text, gsize length, guint *line, GError **error) {
  const char *end = text + length;
  if (length > NWF_DOCUMENT_MAX || too_many_namespaces(text, length)) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_LIMIT, "the document is too large or uses too many namespaces");
    return FALSE;
  }
  const char *bad = memchr(text, '\0', length);
  if (bad != NULL) { /* libxml2 would take it for the end */
    g_set_error(error, NWF_ERROR, NWF_ERROR_XML, "not well-formed XML: a NUL byte");
  } else if ((bad = find_crowded_tag(text, end)) != NULL) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_LIMIT, "an element has more than %d attributes", ATTRS_MAX);
  }
  if (bad != NULL)
    *line = line_of(text, bad);
  return bad == NULL;
}
