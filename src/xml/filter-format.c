// SPDX-License-Identifier: LGPL-2.1-or-later
// Filters, written.

#include "xml/reader.h"

#include <nwfilter-nft/xml.h>

/* The attributes that are (not) negated, as one element; none: only when @always. */
static void format_element(GString *xml, const NwfRule *rule, gboolean negated, gboolean always) {
  gboolean open = always;
  const char *name = nwf_protocols[rule->protocol].name;
  if (always)
    g_string_append_printf(xml, "    <%s", name);
  for (gsize i = 0; i < nwf_protocols[rule->protocol].n_attrs; i++) {
    const NwfMatch *match = nwf_rule_match(rule, nwf_protocols[rule->protocol].attrs[i].attr);
    if (!match || match->negated != negated)
      continue;
    if (!open)
      g_string_append_printf(xml, "    <%s%s", name, negated ? " match='no'" : "");
    open = TRUE;
    g_autofree char *value =
        match->variable != NULL ? nwf_variable_format(match->variable) : nwf_value_format(match->attr, &match->value);
    nwf_xml_append_attr(xml, nwf_attr_name(match->attr), value);
  }
  if (open)
    g_string_append(xml, "/>\n");
}

static void format_rule(GString *xml, const NwfRule *rule) {
  g_string_append_printf(xml, "  <rule action='%s' direction='%s' priority='%d'%s", nwf_action_name(rule->action),
                         nwf_direction_name(rule->direction), rule->priority,
                         rule->no_statematch ? " statematch='false'" : "");
  if (rule->protocol == NWF_PROTOCOL_NONE) {
    g_string_append(xml, "/>\n");
    return;
  }
  g_string_append(xml, ">\n");
  format_element(xml, rule, FALSE, rule->matches->len == 0);
  format_element(xml, rule, TRUE, FALSE);
  g_string_append(xml, "  </rule>\n");
}

/* As the stock driver does, which writes what is not 0; a written 0 must be kept where the default is another. */
static gboolean shows_priority(const NwfFilter *filter) {
  int usual = 0;
  nwf_chain_check(filter->chain, &usual, NULL);
  return filter->priority != 0 || usual != 0;
}

char *nwf_filter_format(const NwfFilter *filter) {
  GString *xml = g_string_new("<filter");
  nwf_xml_append_attr(xml, "name", filter->name);
  nwf_xml_append_attr(xml, "chain", filter->chain);
  if (shows_priority(filter))
    g_string_append_printf(xml, " priority='%d'", filter->priority);
  g_string_append(xml, ">\n");
  if (filter->has_uuid) {
    g_autofree char *uuid = nwf_uuid_format(filter->uuid);
    g_string_append_printf(xml, "  <uuid>%s</uuid>\n", uuid);
  }
  for (guint i = 0; i < filter->entries->len; i++) {
    const NwfEntry *entry = &g_array_index(filter->entries, NwfEntry, i);
    if (entry->rule != NULL) {
      format_rule(xml, entry->rule);
    } else {
      g_string_append(xml, "  <filterref");
      nwf_xml_append_filterref(xml, 2, entry->reference->filter, entry->reference->parameters);
    }
  }
  g_string_append(xml, "</filter>\n");
  return g_string_free(xml, FALSE);
}
