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
#define LEARNING_IPV6 "learning-ipv6" /* where IPv6 addresses are learned, too: beside one of the others */

/* The stock driver's rules of these phases, but that of `any` lets no other protocol than the two that teach
 * something out, and ports of DHCP are told apart by direction. */
#define DHCP_FILTER(name, server)                                                                                      \
  "<filter name='" name "'>"                                                                                           \
  "<rule action='accept' direction='out'>"                                                                             \
  "<ip srcmacaddr='$MAC' protocol='udp' srcportstart='68' dstportstart='67'/></rule>"                                  \
  "<rule action='accept' direction='in'>"                                                                              \
  "<ip dstmacaddr='$MAC' " server "protocol='udp' srcportstart='67' dstportstart='68'/></rule>"                        \
  "<rule action='accept' direction='in'>"                                                                              \
  "<ip dstmacaddr='ff:ff:ff:ff:ff:ff' " server "protocol='udp' srcportstart='67' dstportstart='68'/></rule>"           \
  "<rule action='drop' direction='inout' priority='1000'/></filter>"

/* What DHCPv6 takes: the server must find the client, by its link-local address, which is always known. */
static const char ipv6_filter[] =
    "<filter name='" LEARNING_IPV6 "'>"
    "<rule action='drop' direction='out' priority='-900'><mac match='no' srcmacaddr='$MAC'/></rule>"
    "<rule action='accept' direction='out' priority='-800'>"
    "<ipv6 srcipaddr='$IPV6' protocol='udp' srcportstart='546' dstportstart='547'/></rule>"
    "<rule action='accept' direction='out' priority='-800'>"
    "<ipv6 srcipaddr='$IPV6' protocol='icmpv6' type='135' typeend='136'/></rule>"
    "<rule action='accept' direction='in' priority='-800'>"
    "<ipv6 protocol='udp' srcportstart='547' dstportstart='546'/></rule>"
    "<rule action='accept' direction='in' priority='-800'>"
    "<ipv6 protocol='icmpv6' type='134' typeend='136'/></rule></filter>";

static const char *const own_filters[] = {
    ipv6_filter,
    "<filter name='" NWF_OWN_FILTER_CLOSED "'><rule action='drop' direction='inout'/></filter>",
    "<filter name='" LEARNING_ANY "'>"
    "<rule action='drop' direction='out' priority='-1000'><mac match='no' srcmacaddr='$MAC'/></rule>"
    "<rule action='accept' direction='out'><mac protocolid='ipv4'/></rule>"
    "<rule action='accept' direction='out'><mac protocolid='arp'/></rule>"
    "<rule action='drop' direction='out' priority='1000'/></filter>",
    DHCP_FILTER(LEARNING_DHCP, ""),
    DHCP_FILTER(LEARNING_DHCP_SERVERS, "srcipaddr='$" VARIABLE_SERVER "' "),
};

#define WITH_IPV6(name) name "-ipv6"

/* The filter of a phase with that of IPv6 before it. */
static void add_ipv6_variant(NwfEngine *engine, const char *name, const char *variant) {
  NwfFilter *filter = nwf_filter_new(variant);
  nwf_filter_add_reference(filter, nwf_filter_ref_new(LEARNING_IPV6));
  nwf_filter_add_reference(filter, nwf_filter_ref_new(name));
  nwf_filter_store_put(engine->own, filter);
}

gboolean nwf_effective_init(NwfEngine *engine, GError **error) {
  for (guint i = 0; i < G_N_ELEMENTS(own_filters); i++) {
    NwfFilter *filter = nwf_filter_parse(own_filters[i], strlen(own_filters[i]), NULL, error);
    if (!filter)
      return FALSE;
    nwf_filter_store_put(engine->own, filter);
  }
  add_ipv6_variant(engine, LEARNING_ANY, WITH_IPV6(LEARNING_ANY));
  add_ipv6_variant(engine, LEARNING_DHCP, WITH_IPV6(LEARNING_DHCP));
  add_ipv6_variant(engine, LEARNING_DHCP_SERVERS, WITH_IPV6(LEARNING_DHCP_SERVERS));
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

static void start_learning(NwfEngine *engine, NwfEnginePort *port, NwfLearnPort *learn) {
  const NwfBinding *binding = port->binding;
  if (port->learning && port->learn_ipv4 == learn->ipv4 && port->learn_ipv6 == learn->ipv6)
    return;
  learn->port = binding->port;
  memcpy(learn->mac, binding->mac, NWF_MAC_LEN);
  learn->has_owner_uuid = binding->has_owner_uuid;
  memcpy(learn->owner_uuid, binding->owner_uuid, NWF_UUID_LEN);
  nwf_learner_add_port(engine->learner, learn, nwf_engine_now());
  port->learning = TRUE;
  port->learn_ipv4 = learn->ipv4;
  port->learn_ipv6 = learn->ipv6;
  nwf_events_rearm(engine);
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

/* The filter that holds while no IPv4 address is known. */
static const char *phase_filter(const NwfEngine *engine, const char *port, const NwfLearnPort *learn, gboolean ipv6) {
  if (nwf_learner_phase(engine->learner, port) == NWF_LEARN_ANY)
    return ipv6 ? WITH_IPV6(LEARNING_ANY) : LEARNING_ANY;
  if (learn->dhcp_servers)
    return ipv6 ? WITH_IPV6(LEARNING_DHCP_SERVERS) : LEARNING_DHCP_SERVERS;
  return ipv6 ? WITH_IPV6(LEARNING_DHCP) : LEARNING_DHCP;
}

static NwfBinding *learning_binding(NwfEngine *engine, const NwfEnginePort *port, const NwfLearnPort *learn,
                                    gboolean *own_filter) {
  const NwfBinding *binding = port->binding;
  NwfBinding *effective = nwf_binding_copy(binding);
  g_autoptr(GArray) addresses = nwf_learner_addresses(engine->learner, binding->port);
  effective->watch = nwf_learner_watch(engine->learner, binding->port);
  gboolean ipv6 = learn->ipv6 && add_values(effective, addresses, TRUE);
  gboolean known = (!learn->ipv4 || add_values(effective, addresses, FALSE)) && (!learn->ipv6 || ipv6);
  if (known)
    return effective;
  g_free(effective->filter);
  effective->filter = g_strdup(phase_filter(engine, binding->port, learn, ipv6));
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
  *own_filter = port->unreadable;
  port->next_learning = FALSE;
  if (port->unreadable)
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
  start_learning(engine, port, &learn);
  port->next_learning = TRUE;
  return learning_binding(engine, port, &learn, own_filter);
}
