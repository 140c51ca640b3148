// SPDX-License-Identifier: LGPL-2.1-or-later
// Filters, read.

#include "xml/reader.h"

#include <nwfilter-nft/xml.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  NwfFilter *filter;
  NwfRule *rule;           /* the one that is open, until it is added to the filter */
  NwfFilterRef *reference; /* likewise */
} FilterReader;

static gboolean read_priority(const char *text, int *priority) {
  char *end;
  errno = 0;
  long number = strtol(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || number < NWF_PRIORITY_MIN || number > NWF_PRIORITY_MAX)
    return FALSE;
  *priority = (int)number;
  return TRUE;
}

/* @what is what has the name: "filter", "filterref". */
static gboolean check_filter_name(const char *what, const char *name, GError **error) {
  if (name != NULL && *name != '\0' && strchr(name, '/') == NULL)
    return TRUE;
  if (name == NULL || *name == '\0')
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "%s has no name", what);
  else
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "%s has name '%.64s', which holds a slash", what, name);
  return FALSE;
}

static gboolean start_filter(FilterReader *reader, const NwfXmlElement *element, GError **error) {
  const char *name = nwf_xml_attr(element, "name");
  const char *chain = nwf_xml_attr_nonempty(element, "chain");
  const char *priority = nwf_xml_attr_nonempty(element, "priority");
  if (strcmp(element->name, "filter") != 0) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_XML, "the root element is <%.64s>, not <filter>", element->name);
    return FALSE;
  }
  if (!check_filter_name("filter", name, error))
    return FALSE;
  reader->filter = nwf_filter_new(name);
  if (chain != NULL) {
    g_free(reader->filter->chain);
    reader->filter->chain = g_strdup(chain);
    if (!nwf_chain_check(chain, &reader->filter->priority, error))
      return FALSE;
  }
  if (priority != NULL && !read_priority(priority, &reader->filter->priority)) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID,
                "priority has illegal value '%.64s': a number from %d to %d is wanted", priority, NWF_PRIORITY_MIN,
                NWF_PRIORITY_MAX);
    return FALSE;
  }
  return TRUE;
}

static gboolean bad_rule_attr(const char *name, const char *value, const char *wanted, GError **error) {
  if (value == NULL)
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "rule has no %s", name);
  else
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "rule %s has illegal value '%.64s': %s is wanted", name, value,
                wanted);
  return FALSE;
}

static gboolean start_rule(FilterReader *reader, const NwfXmlElement *element, GError **error) {
  const char *action = nwf_xml_attr(element, "action");
  const char *direction = nwf_xml_attr(element, "direction");
  const char *priority = nwf_xml_attr(element, "priority");
  const char *statematch = nwf_xml_attr(element, "statematch");
  g_autoptr(NwfRule) rule = nwf_rule_new();

  if (action == NULL || !nwf_action_from_name(action, &rule->action))
    return bad_rule_attr("action", action, "drop, accept, reject, return or continue", error);
  if (direction == NULL || !nwf_direction_from_name(direction, &rule->direction))
    return bad_rule_attr("direction", direction, "in, out or inout", error);
  if (priority == NULL || !read_priority(priority, &rule->priority))
    rule->priority = NWF_RULE_PRIORITY_DEFAULT; /* in silence, as the stock parser */
  rule->no_statematch =
      statematch != NULL && (strcmp(statematch, "0") == 0 || g_ascii_strcasecmp(statematch, "false") == 0);
  rule->line = element->line;
  reader->rule = g_steal_pointer(&rule);
  return TRUE;
}

static gboolean start_reference(FilterReader *reader, const NwfXmlElement *element, GError **error) {
  const char *filter = nwf_xml_attr(element, "filter");
  if (!check_filter_name("filterref's filter", filter, error))
    return FALSE;
  reader->reference = nwf_filter_ref_new(filter);
  reader->reference->line = element->line;
  return TRUE;
}

/* Puts the match where its attribute belongs; one on the same attribute is replaced. */
static void insert_match(NwfRule *rule, NwfMatch match) {
  guint at = 0;
  while (at < rule->matches->len && g_array_index(rule->matches, NwfMatch, at).attr < match.attr)
    at++;
  if (at < rule->matches->len && g_array_index(rule->matches, NwfMatch, at).attr == match.attr) {
    nwf_match_clear(&g_array_index(rule->matches, NwfMatch, at));
    g_array_index(rule->matches, NwfMatch, at) = match;
  } else {
    g_array_insert_val(rule->matches, at, match);
  }
}

static gboolean read_match(NwfRule *rule, const NwfAttrSpec *spec, gboolean negated, const char *text, GError **error) {
  NwfMatch match = {.attr = spec->attr, .negated = negated, .value.type = spec->type};
  if (*text == '$') {
    match.variable = nwf_variable_parse(text, error);
    if (match.variable == NULL) {
      g_prefix_error(error, "%s: ", nwf_attr_name(spec->attr));
      return FALSE;
    }
  } else if (!nwf_value_parse(spec->attr, spec->type, text, &match.value, error)) {
    return FALSE;
  }
  insert_match(rule, match);
  return TRUE;
}

/* The ports of an ip or ipv6 element want a protocol that has some. */
static gboolean check_ports(const NwfRule *rule, GError **error) {
  if (rule->protocol != NWF_PROTOCOL_IP && rule->protocol != NWF_PROTOCOL_IPV6)
    return TRUE;
  if (nwf_rule_match(rule, NWF_ATTR_SRCPORTSTART) == NULL && nwf_rule_match(rule, NWF_ATTR_SRCPORTEND) == NULL &&
      nwf_rule_match(rule, NWF_ATTR_DSTPORTSTART) == NULL && nwf_rule_match(rule, NWF_ATTR_DSTPORTEND) == NULL)
    return TRUE;
  const NwfMatch *protocol = nwf_rule_match(rule, NWF_ATTR_PROTOCOL);
  if (protocol != NULL &&
      (protocol->variable != NULL || protocol->value.number == IPPROTO_TCP || protocol->value.number == IPPROTO_UDP ||
       protocol->value.number == IPPROTO_DCCP || protocol->value.number == IPPROTO_SCTP))
    return TRUE;
  g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID,
              "ports in <%s> want a protocol that has some: tcp (6), udp (17), dccp (33) or sctp (132)",
              nwf_protocols[rule->protocol].name);
  return FALSE;
}

/* An element of a rule. Elements of the kind that came first add to it; others, and those
 * that are no protocol, are passed over, as the stock parser does. */
static gboolean read_protocol(NwfRule *rule, const NwfXmlElement *element, GError **error) {
  NwfProtocol protocol;
  if (!nwf_protocol_from_name(element->name, &protocol) ||
      (rule->protocol != NWF_PROTOCOL_NONE && rule->protocol != protocol))
    return TRUE;
  rule->protocol = protocol;
  gboolean negated = g_strcmp0(nwf_xml_attr(element, "match"), "no") == 0;
  const NwfProtocolSpec *spec = &nwf_protocols[protocol];
  for (gsize i = 0; i < spec->n_attrs; i++) {
    const char *text = nwf_xml_attr(element, nwf_attr_name(spec->attrs[i].attr));
    if (text != NULL && !read_match(rule, &spec->attrs[i], negated, text, error))
      return FALSE;
  }
  return TRUE;
}

static NwfXmlNext start_child(FilterReader *reader, const NwfXmlElement *element, GError **error) {
  if (strcmp(element->name, "rule") == 0)
    return start_rule(reader, element, error) ? NWF_XML_ENTER : NWF_XML_FAIL;
  if (strcmp(element->name, "filterref") == 0)
    return start_reference(reader, element, error) ? NWF_XML_ENTER : NWF_XML_FAIL;
  return strcmp(element->name, "uuid") == 0 ? NWF_XML_ENTER : NWF_XML_SKIP;
}

static NwfXmlNext start(gpointer data, const NwfXmlElement *element, GError **error) {
  FilterReader *reader = data;
  gboolean good = TRUE;
  if (element->depth == 0)
    return start_filter(reader, element, error) ? NWF_XML_ENTER : NWF_XML_FAIL;
  if (element->depth == 1)
    return start_child(reader, element, error);
  if (reader->rule != NULL)
    good = read_protocol(reader->rule, element, error);
  else if (reader->reference != NULL && strcmp(element->name, "parameter") == 0)
    nwf_xml_read_parameter(element, reader->reference->parameters);
  return good ? NWF_XML_SKIP : NWF_XML_FAIL;
}

static gboolean end_uuid(NwfFilter *filter, const char *text, GError **error) {
  if (text[strspn(text, " \t\r\n")] == '\0') /* none, as the stock parser has it */
    return TRUE;
  if (!nwf_uuid_parse(text, filter->uuid)) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "uuid has illegal value '%.64s'", text);
    return FALSE;
  }
  filter->has_uuid = TRUE;
  return TRUE;
}

static gboolean end(gpointer data, const char *name, guint depth, const char *text, GError **error) {
  FilterReader *reader = data;
  if (depth != 1)
    return TRUE;
  if (reader->rule != NULL) {
    if (!check_ports(reader->rule, error))
      return FALSE;
    nwf_filter_add_rule(reader->filter, g_steal_pointer(&reader->rule));
  } else if (reader->reference != NULL) {
    nwf_filter_add_reference(reader->filter, g_steal_pointer(&reader->reference));
  } else if (!reader->filter->has_uuid) {
    return end_uuid(reader->filter, text, error);
  }
  return TRUE;
}

/* Puts "filter NAME: " before what went wrong within it. */
static NwfXmlNext start_named(gpointer data, const NwfXmlElement *element, GError **error) {
  FilterReader *reader = data;
  NwfXmlNext next = start(data, element, error);
  if (next == NWF_XML_FAIL && reader->filter != NULL)
    g_prefix_error(error, "filter %s: ", reader->filter->name);
  return next;
}

static gboolean end_named(gpointer data, const char *name, guint depth, const char *text, GError **error) {
  FilterReader *reader = data;
  if (end(data, name, depth, text, error))
    return TRUE;
  g_prefix_error(error, "filter %s: ", reader->filter->name);
  return FALSE;
}

NwfFilter *nwf_filter_parse(const char *text, gsize length, const char *file, GError **error) {
  static const NwfXmlHandler handler = {start_named, end_named};
  FilterReader reader = {NULL};
  if (!nwf_xml_read(text, length, file, &handler, &reader, error)) {
    nwf_rule_free(reader.rule);
    nwf_filter_ref_free(reader.reference);
    nwf_filter_free(reader.filter);
    return NULL;
  }
  reader.filter->file = g_strdup(file);
  return reader.filter;
}
