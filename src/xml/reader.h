// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * A document as a walk over its elements: what libxml2's SAX interface gives, with
 * bounds and without anything that a network filter has no use for (document
 * types, entities, processing instructions).
 */
#pragma once

#include <glib.h>

typedef struct {
  const char *name; /* without a namespace's prefix */
  guint depth;      /* 0: the root */
  guint line;       /* where the start tag ends, from 1 */
  guint n_attrs;
  const char *const *attrs; /* name, value, name, value, ... as written */
} NwfXmlElement;

/** The value of an attribute, borrowed until the handler returns, or NULL. */
const char *nwf_xml_attr(const NwfXmlElement *element, const char *name);
/** The same, with an empty value taken for none. */
const char *nwf_xml_attr_nonempty(const NwfXmlElement *element, const char *name);

typedef enum {
  NWF_XML_ENTER, /* goes on with what the element holds */
  NWF_XML_SKIP,  /* passes over it; there is no end call */
  NWF_XML_FAIL,  /* @error is set */
} NwfXmlNext;

typedef struct {
  /** An element begins. Errors need no place, nwf_xml_read puts FILE:LINE before them. */
  NwfXmlNext (*start)(gpointer data, const NwfXmlElement *element, GError **error);
  /** An entered element ends; @text is what stood in it (not in entered children), with
   * white space. FALSE with @error set stops the reading. */
  gboolean (*end)(gpointer data, const char *name, guint depth, const char *text, GError **error);
} NwfXmlHandler;

/** Reads the document @text. @file names it in messages; NULL: "line N" is all they say. */
gboolean nwf_xml_read(const char *text, gsize length, const char *file, const NwfXmlHandler *handler, gpointer data,
                      GError **error);

/** Reads a whole file into memory, up to NWF_DOCUMENT_MAX bytes. The caller frees it. */
char *nwf_xml_read_file(const char *path, gsize *length, GError **error);
/** The same, but NWF_ERROR_IO at once for what is not a regular file or a link to one. */
char *nwf_xml_read_regular(const char *path, gsize *length, GError **error);

/** Appends " NAME='VALUE'", escaped so that it reads back as the same. */
void nwf_xml_append_attr(GString *xml, const char *name, const char *value);
/** Appends @text, escaped. */
void nwf_xml_append_text(GString *xml, const char *text);

#include <nwfilter-nft/model.h>

/** A <parameter>'s name and value into @parameters; what libvirt passes over is kept apart there. */
void nwf_xml_read_parameter(const NwfXmlElement *element, NwfParameters *parameters);
/** Appends " filter='NAME'/>" or the same with one <parameter> line each, closing the
 * <filterref> that the caller has opened; @indent is of the filterref. */
void nwf_xml_append_filterref(GString *xml, guint indent, const char *filter, const NwfParameters *parameters);
