// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What happens to a document's bytes before the parser sees them: it becomes UTF-8,
 * and what would keep the parser busy for longer than its size warrants is refused.
 */
#pragma once

#include <glib.h>

/** Converts the document at @text to UTF-8 if it is not that already. Then @converted owns
 * the new text, and @text and @length are those of it. */
gboolean nwf_xml_to_utf8(const char **text, gsize *length, char **converted, GError **error);

/** Refuses documents that are too large, and those with more attributes in one element, or
 * more namespaces, than the parser handles in time that grows with the size only.
 * @line says where when it fails. */
gboolean nwf_xml_check_bounds(const char *text, gsize length, guint *line, GError **error);
