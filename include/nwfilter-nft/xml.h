// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * XML <-> model, over libxml2. A document type is refused, so that there are no
 * entities and nothing external; depth, size, and the numbers of attributes,
 * namespaces and names are bounded. Errors are NWF_ERROR_* with a message of
 * the form "FILE:LINE: what".
 *
 * All functions may be called from any thread at the same time (they share
 * nothing but libxml2's own initialisation, see nwf_xml_init).
 */
#pragma once

#include <nwfilter-nft/model.h>

G_BEGIN_DECLS

/** Initialises libxml2; call once before threads start. */
void nwf_xml_init(void);

/** Reads a <filter> from memory. @file names it in messages (may be NULL). */
NwfFilter *nwf_filter_parse(const char *text, gsize length, const char *file, GError **error);
/** Reads a <filter> from a file. */
NwfFilter *nwf_filter_parse_file(const char *path, GError **error);
/** The filter as XML, in the stock driver's layout; parses back to an equal
 * filter. The caller frees it. */
char *nwf_filter_format(const NwfFilter *filter);

/** Reads a <filterbinding>, or a <filterbindingstatus> that wraps one. */
NwfBinding *nwf_binding_parse(const char *text, gsize length, const char *file, GError **error);
NwfBinding *nwf_binding_parse_file(const char *path, GError **error);
/** The binding as a <filterbinding> document; the caller frees it. */
char *nwf_binding_format(const NwfBinding *binding);

/** The same for a file that nobody named, but that is there under a name of nwf_xml_list: only a regular one, or a link
 * to one, is read. NWF_ERROR_IO for all else, such as a FIFO, for which one could wait without end. */
NwfFilter *nwf_filter_load(const char *path, GError **error);
NwfBinding *nwf_binding_load(const char *path, GError **error);

/** The names in @directory that end in ".xml", also those that begin with a dot, sorted, of char *: all of them, or
 * NULL with NWF_ERROR_IO. */
GPtrArray *nwf_xml_list(const char *directory, GError **error);

/** Reads every *.xml of @directory into @store, in the order of their names; a
 * filter that is there already is kept (the directory named first wins). A file
 * that cannot be read or parsed is an error for @on_error, and the rest loads.
 * FALSE with @error only when the directory itself cannot be read. */
typedef void (*NwfXmlErrorFunc)(const char *path, const GError *error, gpointer data);
gboolean nwf_filter_store_load(NwfFilterStore *store, const char *directory, NwfXmlErrorFunc on_error, gpointer data,
                               GError **error);

G_END_DECLS
