// SPDX-License-Identifier: LGPL-2.1-or-later
/* From what a binding says to what is compiled for it: addresses that nobody gave are learned, and while none is
 * known the port has a filter of the engine's own, which lets through just what teaches one. */
#include "engine/internal.h"

#include <nwfilter-nft/xml.h>

#include <arpa/inet.h>
#include <string.h>

#define VARIABLE_LEARNING "CTRL_IP_LEARNING"
#define VARIABLE_MAX "CTRL_IP_MAX"
#define VARIABLE_SERVER "DHCPSERVER"
#define VARIABLE_SERVER6 "DHCPV6SERVER"

#define LEARNING_ANY "learning-any"
#define LEARNING_DHCP "learning-dhcp"
#define LEARNING_DHCP_SERVERS "learning-dhcp-servers"
/* Where the rest of the binding's filter is in force already: before its rules. */
#define CLOSED_IPV4_ANY "ipv4-learning-any"
#define CLOSED_IPV4_DHCP "ipv4-learning-dhcp"
#define CLOSED_IPV4_DHCP_SERVERS "ipv4-learning-dhcp-servers"

/* The stock driver's rules of these phases, but ports of DHCP are told apart by direction, and under `any` nothing
 * passes that names an address of the guest's: the copy of such a frame teaches it, and the next one passes. Else a
 * guest could use what others have, all the time before it shows an address of its own, and as many frames as it can
 * send before an answer of ours. What names none is DHCP and the question whether an address is free (RFC 5227). */
#define DHCP_RULES(server)                                                                                             \
  "<rule action='accept' direction='out'>"                                                                             \
  "<ip srcmacaddr='$MAC' protocol='udp' srcportstart='68' dstportstart='67'/></rule>"                                  \
  "<rule action='accept' direction='in'>"                                                                              \
  "<ip dstmacaddr='$MAC' " server "protocol='udp' srcportstart='67' dstportstart='68'/></rule>"                        \
  "<rule action='accept' direction='in'>"                                                                              \
  "<ip dstmacaddr='ff:ff:ff:ff:ff:ff' " server "protocol='udp' srcportstart='67' dstportstart='68'/></rule>"
#define DHCP_FILTER(name, server)                                                                                      \
  "<filter name='" name "'>" DHCP_RULES(server) "<rule action='drop' direction='inout' priority='1000'/></filter>"
#define SERVERS "srcipaddr='$" VARIABLE_SERVER "' "

static const char *const own_filters[] = {
    "<filter name='" NWF_OWN_FILTER_CLOSED "'><rule action='drop' direction='inout'/></filter>",
    "<filter name='" LEARNING_ANY "'>"
    "<rule action='drop' direction='out' priority='-1000'><mac match='no' srcmacaddr='$MAC'/></rule>"
    "<rule action='accept' direction='out'>"
    "<ip srcipaddr='0.0.0.0' protocol='udp' srcportstart='68' dstportstart='67'/></rule>"
    "<rule action='accept' direction='out'>"
    "<arp opcode='Request' arpsrcmacaddr='$MAC' arpsrcipaddr='0.0.0.0'/></rule>"
    "<rule action='drop' direction='out' priority='1000'/></filter>",
    DHCP_FILTER(LEARNING_DHCP, ""),
    DHCP_FILTER(LEARNING_DHCP_SERVERS, SERVERS),
    "<filter name='" CLOSED_IPV4_ANY "'>"
    "<rule action='drop' direction='out'><ip match='no' srcipaddr='0.0.0.0'/></rule>" DHCP_RULES(
        "") "<rule action='accept' direction='out'>"
            "<arp srcmacaddr='$MAC' opcode='Request' arpsrcmacaddr='$MAC' arpsrcipaddr='0.0.0.0'/></rule>"
            "<rule action='accept' direction='in'><arp/></rule></filter>",
    "<filter name='" CLOSED_IPV4_DHCP "'>" DHCP_RULES("") "</filter>",
    "<filter name='" CLOSED_IPV4_DHCP_SERVERS "'>" DHCP_RULES(SERVERS) "</filter>",
};

/* Before all rules that a document can have, and the chains among them. */
static void put_first(NwfFilter *filter) {
  for (guint i = 0; i < filter->entries->len; i++)
    g_array_index(filter->entries, NwfEntry, i).rule->priority = NWF_PRIORITY_MIN - 1;
}

gboolean nwf_effective_init(NwfEngine *engine, GError **error) {
  for (guint i = 0; i < G_N_ELEMENTS(own_filters); i++) {
    NwfFilter *filter = nwf_filter_parse(own_filters[i], strlen(own_filters[i]), NULL, error);
    if (!filter)
      return FALSE;
    if (g_str_has_prefix(filter->name, "ipv4-"))
      put_first(filter);
    nwf_filter_store_put(engine->own, filter);
  }
  return TRUE;
}

NwfBinding *nwf_effective_closed(const NwfEnginePort *port) {
  NwfBinding *closed = nwf_binding_copy(port->binding);
  g_free(closed->filter);
  closed->filter = g_strdup(NWF_OWN_FILTER_CLOSED);
  closed->watch = 0;
  return closed;
}

static const char *single_value(const NwfBinding *binding, const char *name) {
  const GPtrArray *values = nwf_parameters_get(binding->parameters, name);
  return values && values->len ? g_ptr_array_index(values, 0) : NULL;
}

static gboolean bad_value(const NwfBinding *binding, const char *name, const char *value, const char *wanted,
                          GError **error) {
  g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "port %s: parameter %s has the value '%s', not %s", binding->port,
              name, value, wanted);
  return FALSE;
}

/* What was written of how to learn and is passed over must not read as if nothing was: less would be restricted. */
static gboolean check_passed_over(const NwfBinding *binding, GError **error) {
  static const char *const names[] = {VARIABLE_LEARNING, VARIABLE_MAX, VARIABLE_SERVER, VARIABLE_SERVER6};
  for (guint i = 0; i < nwf_parameters_n_passed_over(binding->parameters); i++) {
    const NwfPassedOver *passed_over = nwf_parameters_passed_over(binding->parameters, i);
    for (guint j = 0; j < G_N_ELEMENTS(names); j++)
      if (strcmp(passed_over->name, names[j]) == 0 && !nwf_parameters_get(binding->parameters, names[j]))
        return bad_value(binding, names[j], passed_over->value, "one that it can have", error);
  }
  return TRUE;
}

static gboolean check_servers(const NwfBinding *binding, const char *name, int family, const GPtrArray **servers,
                              GError **error) {
  guint8 address[16];
  *servers = nwf_parameters_get(binding->parameters, name);
  for (guint i = 0; *servers && i < (*servers)->len; i++) {
    const char *text = g_ptr_array_index(*servers, i);
    if (inet_pton(family, text, address) != 1)
      return bad_value(binding, name, text, family == AF_INET ? "an IPv4 address" : "an IPv6 address", error);
  }
  return TRUE;
}

/* What the binding's own parameters say of how to learn. */
static gboolean read_method(const NwfBinding *binding, NwfLearnPort *learn, gboolean *none, GError **error) {
  const char *method = single_value(binding, VARIABLE_LEARNING);
  const char *most = single_value(binding, VARIABLE_MAX);
  guint64 number = 0;
  *none = method && g_ascii_strcasecmp(method, "none") == 0;
  if (!method || g_ascii_strcasecmp(method, "any") == 0)
    learn->method = NWF_LEARN_ANY;
  else if (g_ascii_strcasecmp(method, "dhcp") == 0)
    learn->method = NWF_LEARN_DHCP;
  else if (!*none)
    return bad_value(binding, VARIABLE_LEARNING, method, "any, dhcp or none", error);
  if (most && !g_ascii_string_to_unsigned(most, 10, 1, NWF_LEARN_ADDRESSES_MAX, &number, NULL))
    return bad_value(binding, VARIABLE_MAX, most, "a number from 1 to " G_STRINGIFY(NWF_LEARN_ADDRESSES_MAX), error);
  learn->max_addresses = (guint)number;
  return check_passed_over(binding, error) &&
         check_servers(binding, VARIABLE_SERVER, AF_INET, &learn->dhcp_servers, error) &&
         check_servers(binding, VARIABLE_SERVER6, AF_INET6, &learn->dhcpv6_servers, error);
}

/* Which families are to be learned: FALSE when a variable is missing that nobody can learn. */
static gboolean families_of(const GPtrArray *missing, NwfLearnPort *learn) {
  for (guint i = 0; i < missing->len; i++) {
    const char *name = g_ptr_array_index(missing, i);
    if (strcmp(name, "IP") == 0)
      learn->ipv4 = TRUE;
    else if (strcmp(name, "IPV6") == 0)
      learn->ipv6 = TRUE;
    else
      return FALSE;
  }
  return TRUE;
}

static gboolean start_learning(NwfEngine *engine, NwfEnginePort *port, NwfLearnPort *learn, GError **error) {
  const NwfBinding *binding = port->binding;
  if (port->learning && port->learn_ipv4 == learn->ipv4 && port->learn_ipv6 == learn->ipv6)
    return TRUE;
  learn->port = binding->port;
  memcpy(learn->mac, binding->mac, NWF_MAC_LEN);
  learn->has_owner_uuid = binding->has_owner_uuid;
  memcpy(learn->owner_uuid, binding->owner_uuid, NWF_UUID_LEN);
  nwf_learner_add_port(engine->learner, learn, nwf_engine_now());
  if (!nwf_learner_has_port(engine->learner, binding->port)) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_IO, "port %s: what was learned of it cannot be read", binding->port);
    return FALSE;
  }
  port->learning = TRUE;
  port->learn_ipv4 = learn->ipv4;
  port->learn_ipv6 = learn->ipv6;
  nwf_events_rearm(engine);
  return TRUE;
}

/* The learned addresses of a family as the values of its variable; FALSE when there is none. */
static gboolean add_values(NwfBinding *effective, const GArray *addresses, gboolean ipv6) {
  g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < addresses->len; i++) {
    const NwfLearned *learned = &g_array_index(addresses, NwfLearned, i);
    char text[INET6_ADDRSTRLEN];
    if (learned->ipv6 != ipv6 || !inet_ntop(ipv6 ? AF_INET6 : AF_INET, learned->address, text, sizeof text))
      continue;
    gboolean whole = learned->prefix == (ipv6 ? 128 : 32);
    g_ptr_array_add(values, whole ? g_strdup(text) : g_strdup_printf("%s/%u", text, learned->prefix));
  }
  if (values->len)
    nwf_parameters_set(effective->parameters, ipv6 ? "IPV6" : "IP", values);
  return values->len > 0;
}

static const char *by_phase(const NwfEngine *engine, const char *port, const NwfLearnPort *learn, const char *any,
                            const char *dhcp, const char *dhcp_servers) {
  if (nwf_learner_phase(engine->learner, port) == NWF_LEARN_ANY)
    return any;
  return learn->dhcp_servers ? dhcp_servers : dhcp;
}

/* Whether the filter would want the variable if nobody gave it. */
static gboolean filter_names(const NwfEngine *engine, const NwfBinding *binding, const char *variable) {
  g_autoptr(NwfBinding) without = nwf_binding_copy(binding);
  nwf_parameters_set(without->parameters, variable, NULL);
  g_autoptr(GPtrArray) missing = nwf_missing_variables(engine->filters, without, NULL);
  return missing && g_ptr_array_find_with_equal_func(missing, variable, g_str_equal, NULL);
}

/* A filter of both families is in force for the one that has an address, and the other one is closed but for what
 * teaches it one. FALSE: it is not a filter of both, or has rules of the first that want an address of the second. */
static gboolean close_family(const NwfEngine *engine, const NwfLearnPort *learn, NwfBinding *effective, gboolean ipv4) {
  const char *port = effective->port;
  if (!filter_names(engine, effective, ipv4 ? "IPV6" : "IP"))
    return FALSE;
  effective->closed = ipv4 ? NWF_FAMILY_IPV4 : NWF_FAMILY_IPV6;
  if (ipv4)
    effective->before = nwf_filter_store_get(
        engine->own, by_phase(engine, port, learn, CLOSED_IPV4_ANY, CLOSED_IPV4_DHCP, CLOSED_IPV4_DHCP_SERVERS));
  g_autoptr(GPtrArray) missing = nwf_missing_variables(engine->filters, effective, NULL);
  return missing && missing->len == 0;
}

static NwfBinding *learning_binding(NwfEngine *engine, const NwfEnginePort *port, const NwfLearnPort *learn,
                                    gboolean *own_filter) {
  const NwfBinding *binding = port->binding;
  NwfBinding *effective = nwf_binding_copy(binding);
  g_autoptr(GArray) addresses = nwf_learner_addresses(engine->learner, binding->port);
  effective->watch = nwf_learner_watch(engine->learner, binding->port);
  gboolean ipv4 = !learn->ipv4 || add_values(effective, addresses, FALSE);
  gboolean ipv6 = !learn->ipv6 || add_values(effective, addresses, TRUE);
  if ((ipv4 && ipv6) || (ipv4 != ipv6 && close_family(engine, learn, effective, ipv6)))
    return effective;
  effective->closed = 0;
  effective->before = NULL;
  g_free(effective->filter);
  effective->filter =
      g_strdup(by_phase(engine, binding->port, learn, LEARNING_ANY, LEARNING_DHCP, LEARNING_DHCP_SERVERS));
  *own_filter = TRUE;
  return effective;
}

static NwfBinding *missing_error(const NwfBinding *binding, const GPtrArray *missing, const char *why, GError **error) {
  GString *names = g_string_new(NULL);
  for (guint i = 0; i < missing->len; i++)
    g_string_append_printf(names, "%s%s", i ? ", " : "", (char *)g_ptr_array_index(missing, i));
  g_set_error(error, NWF_ERROR, NWF_ERROR_MISSING_VARIABLE, "port %s: filter %s: no value for the variable%s %s%s",
              binding->port, binding->filter, missing->len > 1 ? "s" : "", names->str, why);
  g_string_free(names, TRUE);
  return NULL;
}

NwfBinding *nwf_effective_binding(NwfEngine *engine, NwfEnginePort *port, gboolean *own_filter, GError **error) {
  const NwfBinding *binding = port->binding;
  NwfLearnPort learn = {0};
  gboolean none;
  *own_filter = port->unseen != NWF_UNSEEN_NOT;
  port->next_learning = FALSE;
  if (port->unseen)
    return nwf_effective_closed(port);
  g_autoptr(GPtrArray) missing = nwf_missing_variables(engine->filters, binding, error);
  if (!missing)
    return NULL;
  if (missing->len == 0)
    return nwf_binding_copy(binding);
  if (!families_of(missing, &learn))
    return missing_error(binding, missing, "", error);
  if (!read_method(binding, &learn, &none, error))
    return NULL;
  if (none)
    return missing_error(binding, missing, ", and " VARIABLE_LEARNING " is none", error);
  if (!start_learning(engine, port, &learn, error))
    return NULL;
  port->next_learning = TRUE;
  return learning_binding(engine, port, &learn, own_filter);
}
