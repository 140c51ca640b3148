// SPDX-License-Identifier: LGPL-2.1-or-later
// The doors: ports, frames, the time.

#include "learn/internal.h"

#include <string.h>

#define UDP 17 /* IANA */

NwfLearner *nwf_learner_new(const NwfLearnConfig *config, gint64 now) {
  NwfLearner *learner = g_new0(NwfLearner, 1);
  learner->config = *config;
  learner->config.lease_file = learner->lease_file = g_strdup(config->lease_file);
  learner->config.state_dir = learner->state_dir = g_strdup(config->state_dir);
  learner->ports = g_hash_table_new(g_str_hash, g_str_equal);
  learner->given = g_hash_table_new(g_str_hash, g_str_equal);
  learner->networks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  learner->changed = g_ptr_array_new_with_free_func(g_free);
  nwf_claims_init(&learner->claims);
  learner->now = now;
  nwf_expiry_init(&learner->expiry);
  if (learner->lease_file)
    learner->leases = nwf_leases_new(&learner->config, now);
  return learner;
}

static void free_memories(NwfLearner *learner, GHashTable *memories) {
  GHashTableIter iter;
  gpointer memory;
  g_hash_table_iter_init(&iter, memories);
  while (g_hash_table_iter_next(&iter, NULL, &memory))
    nwf_memory_free(learner, memory);
  g_hash_table_unref(memories);
}

void nwf_learner_free(NwfLearner *learner) {
  if (!learner)
    return;
  free_memories(learner, learner->ports);
  free_memories(learner, learner->given);
  g_hash_table_unref(learner->networks);
  g_ptr_array_unref(learner->changed);
  nwf_claims_clear(&learner->claims);
  nwf_expiry_clear(&learner->expiry);
  nwf_leases_free(learner->leases, learner->now);
  g_free(learner->lease_file);
  g_free(learner->state_dir);
  g_free(learner);
}

static NwfMemory *lookup(const NwfLearner *learner, const char *port) {
  return g_hash_table_lookup(learner->ports, port);
}

static void drop(NwfLearner *learner, NwfMemory *memory) {
  g_hash_table_remove(learner->ports, memory->port);
  nwf_memory_free(learner, memory);
}

void nwf_learner_add_port(NwfLearner *learner, const NwfLearnPort *port, gint64 now) {
  learner->now = now;
  g_auto(NwfState) state = {0};
  NwfMemory *old = lookup(learner, port->port);
  gboolean known = old != NULL;
  if (old) {
    nwf_memory_state(old, &state);
    drop(learner, old);
  } else if (learner->config.state_dir) {
    g_autoptr(GError) error = NULL;
    known = nwf_state_read(learner->config.state_dir, port->port, &state, &error);
    if (error)
      nwf_learn_log(&learner->config, NWF_LEARN_LOG_WARNING, "%s: %s", port->port, error->message);
    if (g_error_matches(error, NWF_ERROR, NWF_ERROR_IO))
      return;
  }
  NwfMemory *memory = nwf_memory_new(port);
  memory->network = nwf_network_of(learner, port->port);
  g_hash_table_insert(learner->ports, memory->port, memory);
  nwf_memory_restore(learner, memory, known ? &state : NULL);
}

gboolean nwf_learner_has_port(const NwfLearner *learner, const char *port) {
  return lookup(learner, port) != NULL;
}

void nwf_learner_remove_port(NwfLearner *learner, const char *port, gboolean forget) {
  NwfMemory *memory = lookup(learner, port);
  if (memory)
    drop(learner, memory);
  if (forget)
    nwf_given_forget(learner, port);
  if (forget && learner->config.state_dir)
    nwf_state_remove(learner->config.state_dir, port);
}

GArray *nwf_learner_addresses(const NwfLearner *learner, const char *port) {
  GArray *addresses = g_array_new(FALSE, FALSE, sizeof(NwfLearned));
  const NwfMemory *memory = lookup(learner, port);
  for (guint i = 0; memory && i < memory->entries->len; i++)
    g_array_append_val(addresses, ((NwfMemoryEntry *)g_ptr_array_index(memory->entries, i))->learned);
  return addresses;
}

NwfLearnMethod nwf_learner_phase(const NwfLearner *learner, const char *port) {
  const NwfMemory *memory = lookup(learner, port);
  return memory && memory->method == NWF_LEARN_ANY && !memory->has_previous ? NWF_LEARN_ANY : NWF_LEARN_DHCP;
}

guint nwf_learner_watch(const NwfLearner *learner, const char *port) {
  const NwfMemory *memory = lookup(learner, port);
  if (!memory)
    return 0;
  gboolean any = memory->method == NWF_LEARN_ANY;
  guint watch = 0;
  if (memory->ipv4)
    watch |= NWF_WATCH_DHCP;
  if (memory->ipv4 && nwf_memory_wants_first(memory))
    watch |= NWF_WATCH_ARP | NWF_WATCH_IPV4;
  if (memory->ipv6)
    watch |= any ? NWF_WATCH_DHCPV6 | NWF_WATCH_ND : NWF_WATCH_DHCPV6;
  return watch;
}

/* --- frames --- */

static gboolean see(NwfLearner *learner, NwfMemory *memory, NwfLearnedHow how, const guint8 *address) {
  NwfLearned learned = {.ipv6 = how == NWF_LEARNED_ND, .how = how};
  learned.prefix = learned.ipv6 ? 128 : 32;
  memcpy(learned.address, address, learned.ipv6 ? 16 : 4);
  return nwf_memory_add(learner, memory, &learned);
}

static gboolean frame_arp(NwfLearner *learner, NwfMemory *memory, const NwfEthernet *ethernet) {
  NwfArp arp;
  return nwf_memory_wants_first(memory) && nwf_arp_parse(ethernet->payload, ethernet->length, &arp) &&
         memcmp(arp.sender_mac, memory->key.mac, NWF_MAC_LEN) == 0 && see(learner, memory, NWF_LEARNED_ARP, arp.sender);
}

static gboolean frame_ipv4(NwfLearner *learner, NwfMemory *memory, gboolean from_guest, const NwfEthernet *ethernet) {
  NwfIpv4 ip;
  NwfUdp udp;
  if (!nwf_ipv4_parse(ethernet->payload, ethernet->length, &ip))
    return FALSE;
  gboolean changed = FALSE;
  if (ip.protocol == UDP && !ip.fragment && ip.payload && nwf_udp_parse(ip.payload, ip.length, ip.sent, &udp))
    changed = nwf_client4_frame(learner, memory, from_guest, &ethernet->tags, &ip, &udp);
  if (!changed && from_guest && !ethernet->tags.any && nwf_memory_wants_first(memory))
    changed = see(learner, memory, NWF_LEARNED_IPV4, ip.source);
  return changed;
}

static gboolean frame_nd(NwfLearner *learner, NwfMemory *memory, const NwfIpv6 *ip) {
  NwfNd nd;
  if (!nwf_nd_parse(ip, &nd))
    return FALSE;
  /* an ordinary solicitation asks for somebody else's address: its source is the guest's */
  return see(learner, memory, NWF_LEARNED_ND, nd.advertisement || nd.detection ? nd.target : ip->source);
}

static gboolean frame_ipv6(NwfLearner *learner, NwfMemory *memory, gboolean from_guest, const NwfEthernet *ethernet) {
  NwfIpv6 ip;
  NwfUdp udp;
  if (!nwf_ipv6_parse(ethernet->payload, ethernet->length, &ip))
    return FALSE;
  if (ip.next_header != UDP)
    return from_guest && !ethernet->tags.any && memory->method == NWF_LEARN_ANY && frame_nd(learner, memory, &ip);
  return nwf_udp_parse(ip.payload, ip.length, ip.sent, &udp) &&
         nwf_client6_frame(learner, memory, from_guest, &ethernet->tags, &ip, &udp);
}

gboolean nwf_learner_frame(NwfLearner *learner, const char *port, gboolean from_guest, const guint8 *frame,
                           gsize length, gint64 now) {
  NwfMemory *memory = lookup(learner, port);
  NwfEthernet ethernet;
  if (!memory || !nwf_ethernet_parse(frame, length, &ethernet))
    return FALSE;
  if (from_guest && memcmp(ethernet.source, memory->key.mac, NWF_MAC_LEN) != 0)
    return FALSE;
  learner->now = now;
  gboolean changed = FALSE;
  if (ethernet.type == NWF_ETHERTYPE_ARP && from_guest && memory->ipv4 && !ethernet.tags.any)
    changed = frame_arp(learner, memory, &ethernet);
  else if (ethernet.type == NWF_ETHERTYPE_IPV4 && memory->ipv4)
    changed = frame_ipv4(learner, memory, from_guest, &ethernet);
  else if (ethernet.type == NWF_ETHERTYPE_IPV6 && memory->ipv6)
    changed = frame_ipv6(learner, memory, from_guest, &ethernet);
  if (memory->dirty)
    nwf_memory_save(learner, memory);
  return changed;
}

/* --- time --- */

gint64 nwf_learner_next_expiry(const NwfLearner *learner) {
  const NwfExpiryNode *first = nwf_expiry_first(&learner->expiry);
  if (learner->changed->len)
    return learner->now;
  return first ? first->until : 0;
}

GPtrArray *nwf_learner_expire(NwfLearner *learner, gint64 now) {
  learner->now = now;
  GPtrArray *ports = NULL;
  if (learner->changed->len) {
    ports = learner->changed;
    learner->changed = g_ptr_array_new_with_free_func(g_free);
  }
  NwfExpiryNode *first;
  while ((first = nwf_expiry_first(&learner->expiry)) && first->until <= now) {
    NwfMemoryEntry *entry = (NwfMemoryEntry *)first;
    NwfMemory *memory = entry->memory;
    nwf_memory_remove(learner, entry, "has ended");
    if (!ports)
      ports = g_ptr_array_new_with_free_func(g_free);
    if (!g_ptr_array_find_with_equal_func(ports, memory->port, g_str_equal, NULL))
      g_ptr_array_add(ports, g_strdup(memory->port));
  }
  for (guint i = 0; ports && i < ports->len; i++) {
    NwfMemory *memory = lookup(learner, g_ptr_array_index(ports, i));
    if (memory) /* it may be gone since it lost an address */
      nwf_memory_save(learner, memory);
  }
  return ports;
}
