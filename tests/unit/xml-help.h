// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What the tests of filters share: reading one that must be good or must be refused.
 */
#pragma once

#include <nwfilter-nft/xml.h>

#include <string.h>

static inline NwfFilter *parse(const char *text) {
  g_autoptr(GError) error = NULL;
  NwfFilter *filter = nwf_filter_parse(text, strlen(text), "f.xml", &error);
  g_assert_no_error(error);
  return filter;
}

/* A filter of one rule, which holds @body. */
static inline NwfFilter *parse_rule(const char *body) {
  g_autofree char *text =
      g_strdup_printf("<filter name='f'><rule action='drop' direction='in'>%s</rule></filter>", body);
  return parse(text);
}

static inline const NwfRule *rule_of(const NwfFilter *filter, guint n) {
  g_assert_cmpuint(filter->entries->len, >, n);
  return g_array_index(filter->entries, NwfEntry, n).rule;
}

/* @length -1: up to the NUL. @message: what the error must say, or NULL. */
static inline void assert_refused(const char *text, gssize length, int code, const char *message) {
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfFilter) filter = nwf_filter_parse(text, length < 0 ? strlen(text) : (gsize)length, "f.xml", &error);
  g_assert_null(filter);
  g_assert_error(error, NWF_ERROR, code);
  g_assert_true(g_str_has_prefix(error->message, "f.xml:"));
  g_assert_true(g_utf8_validate(error->message, -1, NULL));
  g_assert_cmpuint(strlen(error->message), <, 1000);
  if (message != NULL && strstr(error->message, message) == NULL)
    g_error("'%s' does not say '%s'", error->message, message);
}
