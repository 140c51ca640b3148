// SPDX-License-Identifier: LGPL-2.1-or-later
/* Connections that a port's rules had let through, and that its addresses' next user must not inherit. */
#include "engine/internal.h"

#include "kernel/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <string.h>

/* Whose connections: an entry of connection tracking says nothing of the port that it came by, so they are found by
 * address, and addresses are not always the port's alone. */
struct NwfFlows {
  GArray *own;     /* of NwfFlowAddress: somebody else than the guest said that they are its own */
  GArray *claimed; /* likewise: the guest said so */
  GArray *others;  /* likewise: those of ports that stay */
};

void nwf_flows_free(NwfFlows *flows) {
  if (!flows)
    return;
  g_clear_pointer(&flows->own, g_array_unref);
  g_clear_pointer(&flows->claimed, g_array_unref);
  g_clear_pointer(&flows->others, g_array_unref);
  g_free(flows);
}

static gboolean parse(const char *text, gboolean ipv6, NwfFlowAddress *address) {
  *address = (NwfFlowAddress){.ipv6 = ipv6};
  return inet_pton(ipv6 ? AF_INET6 : AF_INET, text, address->address) == 1;
}

/* What the guest itself showed by ARP, by its packets or by Neighbour Discovery. */
static gboolean is_claim(const GArray *learned, const NwfFlowAddress *address) {
  for (guint i = 0; learned && i < learned->len; i++) {
    const NwfLearned *one = &g_array_index(learned, NwfLearned, i);
    NwfFlowAddress that = {.ipv6 = one->ipv6};
    memcpy(that.address, one->address, sizeof that.address);
    if (nwf_flow_address_equal(&that, address))
      return one->how == NWF_LEARNED_ARP || one->how == NWF_LEARNED_IPV4 || one->how == NWF_LEARNED_ND;
  }
  return FALSE;
}

/* Adds the port's addresses to @own, and what it only claims to @claimed. */
static void add_port(const NwfEngine *engine, const NwfEnginePort *port, GArray *own, GArray *claimed) {
  g_autoptr(GArray) learned = port->learning ? nwf_learner_addresses(engine->learner, port->binding->port) : NULL;
  for (guint ipv6 = 0; ipv6 < 2; ipv6++) {
    const GPtrArray *values = nwf_parameters_get(port->effective->parameters, ipv6 ? "IPV6" : "IP");
    for (guint i = 0; values && i < values->len; i++) {
      NwfFlowAddress address;
      if (parse(g_ptr_array_index(values, i), ipv6 != 0, &address))
        g_array_append_val(is_claim(learned, &address) ? claimed : own, address);
    }
  }
}

/* Without rules that ask for a connection's state nothing depends on it. */
static gboolean tests_state(const NwfEngine *engine, const NwfEnginePort *port) {
  return port->effective && !port->own_filter &&
         (nwf_ruleset_port_features(engine->table, port->binding->port) & NWF_FEATURE_CT);
}

static void add_others(const NwfEngine *engine, const GPtrArray *ports, GArray *others) {
  GHashTableIter iter;
  gpointer port;
  g_hash_table_iter_init(&iter, engine->ports);
  while (g_hash_table_iter_next(&iter, NULL, &port))
    if (((NwfEnginePort *)port)->effective && !g_ptr_array_find((GPtrArray *)ports, port, NULL))
      add_port(engine, port, others, others);
}

NwfFlows *nwf_flows_of(const NwfEngine *engine, const GPtrArray *ports) {
  if (!engine->probed || !(engine->options.features & NWF_FEATURE_CT))
    return NULL;
  g_autoptr(NwfFlows) flows = g_new0(NwfFlows, 1);
  GArray **all[] = {&flows->own, &flows->claimed, &flows->others};
  for (guint i = 0; i < G_N_ELEMENTS(all); i++)
    *all[i] = g_array_new(FALSE, FALSE, sizeof(NwfFlowAddress));
  for (guint i = 0; i < ports->len; i++)
    if (tests_state(engine, g_ptr_array_index(ports, i)))
      add_port(engine, g_ptr_array_index(ports, i), flows->own, flows->claimed);
  if (flows->own->len + flows->claimed->len == 0)
    return NULL;
  add_others(engine, ports, flows->others);
  return g_steal_pointer(&flows);
}

/* --- the host's own --- */

static gboolean add_host(GArray *addresses) {
  struct ifaddrs *all;
  if (getifaddrs(&all) < 0)
    return FALSE;
  for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
    int family = one->ifa_addr ? one->ifa_addr->sa_family : AF_UNSPEC;
    NwfFlowAddress address = {.ipv6 = family == AF_INET6};
    if (family == AF_INET)
      memcpy(address.address, &((const struct sockaddr_in *)one->ifa_addr)->sin_addr, 4);
    else if (family == AF_INET6)
      memcpy(address.address, &((const struct sockaddr_in6 *)one->ifa_addr)->sin6_addr, 16);
    else
      continue;
    g_array_append_val(addresses, address);
  }
  freeifaddrs(all);
  return TRUE;
}

static void leave_out(GArray *addresses, const GArray *others) {
  g_autoptr(GHashTable) table = g_hash_table_new(nwf_flow_address_hash, nwf_flow_address_equal);
  for (guint i = 0; i < others->len; i++)
    g_hash_table_add(table, &g_array_index(others, NwfFlowAddress, i));
  for (guint i = addresses->len; i-- > 0;)
    if (g_hash_table_contains(table, &g_array_index(addresses, NwfFlowAddress, i)))
      g_array_remove_index_fast(addresses, i);
}

/* --- cutting --- */

/* With half a million entries it takes seconds, so neither callers nor the engine's own thread wait for it. The thread
 * is made here and not by GLib's pools, which use threads again that may be of another network namespace. */
struct NwfCutter {
  GThread *thread;
  GAsyncQueue *queue; /* of NwfFlows *; one without anything is the end */
};

/* Addresses that others have too are nobody's. What the guest only claimed may be somebody's whom we do not know, so
 * connections with those whom we do know stay. */
static gboolean cut_flows(NwfFlows *flows, guint *n, GError **error) {
  if (!add_host(flows->others)) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_KERNEL, "cannot read this host's addresses: %s", g_strerror(errno));
    return FALSE;
  }
  leave_out(flows->own, flows->others);
  leave_out(flows->claimed, flows->others);
  guint n_own = 0, n_claimed = 0;
  NwfConntrackCut own = {.addresses = (const NwfFlowAddress *)flows->own->data, .n_addresses = flows->own->len};
  NwfConntrackCut claimed = {.addresses = (const NwfFlowAddress *)flows->claimed->data,
                             .n_addresses = flows->claimed->len,
                             .spared = (const NwfFlowAddress *)flows->others->data,
                             .n_spared = flows->others->len};
  gboolean ok = nwf_conntrack_cut(&own, &n_own, error) && nwf_conntrack_cut(&claimed, &n_claimed, error);
  *n = n_own + n_claimed;
  return ok;
}

static void cut(NwfEngine *engine, NwfFlows *flows) {
  g_autoptr(GError) error = NULL;
  guint n = 0;
  gboolean ok = cut_flows(flows, &n, &error);
  nwf_engine_lock(engine);
  if (!ok)
    nwf_engine_say(engine, NWF_LOG_WARNING, "established connections stay: %s", error->message);
  else
    nwf_engine_say(engine, n ? NWF_LOG_INFO : NWF_LOG_DEBUG, "cut %u established connections", n);
  nwf_engine_unlock(engine);
}

static gpointer serve(gpointer data) {
  NwfEngine *engine = data;
  for (;;) {
    g_autoptr(NwfFlows) flows = g_async_queue_pop(engine->cutter->queue);
    if (!flows->own)
      return NULL;
    cut(engine, flows);
  }
}

static gboolean start_cutter(NwfEngine *engine) {
  g_autoptr(GError) error = NULL;
  NwfCutter *cutter = engine->cutter = g_new0(NwfCutter, 1);
  cutter->queue = g_async_queue_new();
  cutter->thread = g_thread_try_new("nwfilter-cut", serve, engine, &error);
  if (cutter->thread)
    return TRUE;
  nwf_engine_say(engine, NWF_LOG_WARNING, "established connections stay: %s", error->message);
  g_async_queue_unref(cutter->queue);
  g_clear_pointer(&engine->cutter, g_free);
  return FALSE;
}

void nwf_flows_cut(NwfEngine *engine, NwfFlows *flows) {
  if (!flows)
    return;
  if (!engine->cutter && !start_cutter(engine)) {
    nwf_flows_free(flows);
    return;
  }
  g_async_queue_push(engine->cutter->queue, flows);
}

void nwf_flows_stop(NwfEngine *engine) {
  if (!engine->cutter)
    return;
  g_async_queue_push(engine->cutter->queue, g_new0(NwfFlows, 1));
  g_thread_join(engine->cutter->thread);
  g_async_queue_unref(engine->cutter->queue);
  g_clear_pointer(&engine->cutter, g_free);
}
