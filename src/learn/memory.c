// SPDX-License-Identifier: LGPL-2.1-or-later
// What is known of a port: which addresses it may take, and why it may not.

#include "learn/internal.h"

#include <arpa/inet.h>
#include <string.h>

#define CHURN_SECONDS 60   /* an address seen by Neighbour Discovery makes no room for another earlier; ours */
#define WARNING_SECONDS 60 /* between two warnings about a port; ours */

void nwf_learn_log(const NwfLearnConfig *config, NwfLearnLogLevel level, const char *format, ...) {
  if (!config->log)
    return;
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  config->log(level, message, config->data);
}

/* Asked before a message is put together, as a guest may cause any number of them. */
static gboolean may_warn(const NwfLearner *learner, NwfMemory *memory) {
  if (learner->now >= memory->next_warning || learner->now < memory->next_warning - WARNING_SECONDS)
    return TRUE;
  memory->warnings_held++;
  return FALSE;
}

void nwf_memory_warn(NwfLearner *learner, NwfMemory *memory, const char *format, ...) {
  if (!may_warn(learner, memory))
    return;
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  if (memory->warnings_held > 0)
    nwf_learn_log(&learner->config, NWF_LEARN_LOG_WARNING, "%s: %s (and %u more like this)", memory->port, message,
                  memory->warnings_held);
  else
    nwf_learn_log(&learner->config, NWF_LEARN_LOG_WARNING, "%s: %s", memory->port, message);
  memory->warnings_held = 0;
  memory->next_warning = learner->now + WARNING_SECONDS;
}

/* Addresses that were written wrong are left out, which trusts nobody more than was meant. */
static GArray *copy_servers(const GPtrArray *texts, int family, guint size) {
  if (!texts)
    return NULL;
  GArray *servers = g_array_new(FALSE, FALSE, size);
  for (guint i = 0; i < texts->len; i++) {
    guint8 address[16];
    if (inet_pton(family, g_ptr_array_index(texts, i), address) == 1)
      g_array_append_vals(servers, address, 1);
  }
  return servers;
}

NwfMemory *nwf_memory_new(const NwfLearnPort *port) {
  NwfMemory *memory = g_new0(NwfMemory, 1);
  g_strlcpy(memory->port, port->port, sizeof memory->port);
  memcpy(memory->key.mac, port->mac, NWF_MAC_LEN);
  if (port->has_owner_uuid)
    memcpy(memory->key.uuid, port->owner_uuid, NWF_UUID_LEN);
  memory->method = port->method;
  memory->ipv4 = port->ipv4;
  memory->ipv6 = port->ipv6;
  memory->max = port->max_addresses ? MIN(port->max_addresses, NWF_LEARN_ADDRESSES_MAX) : NWF_LEARN_ADDRESSES_DEFAULT;
  memory->servers4 = copy_servers(port->dhcp_servers, AF_INET, 4);
  memory->servers6 = copy_servers(port->dhcpv6_servers, AF_INET6, 16);
  memory->entries = g_ptr_array_new_with_free_func(g_free);
  return memory;
}

gboolean nwf_memory_trusts(const NwfMemory *memory, gboolean ipv6, const guint8 *server) {
  const GArray *servers = ipv6 ? memory->servers6 : memory->servers4;
  guint size = ipv6 ? 16 : 4;
  if (!servers)
    return TRUE;
  for (guint i = 0; i < servers->len; i++)
    if (memcmp(servers->data + i * size, server, size) == 0)
      return TRUE;
  return FALSE;
}

/* Where servers are named, what comes within a tag is from none of them: filters do not look for addresses there, so
 * that any guest could have sent it. */
gboolean nwf_memory_believes(NwfLearner *learner, NwfMemory *memory, gboolean ipv6, const guint8 *server,
                             const NwfTags *tags) {
  char text[INET6_ADDRSTRLEN];
  gboolean hidden = tags->any && (ipv6 ? memory->servers6 : memory->servers4);
  if (!hidden && nwf_memory_trusts(memory, ipv6, server))
    return TRUE;
  inet_ntop(ipv6 ? AF_INET6 : AF_INET, server, text, sizeof text);
  nwf_memory_warn(learner, memory, "an answer of the %s server %s is ignored, it is %s%s", ipv6 ? "DHCPv6" : "DHCP",
                  text, hidden ? "within a VLAN tag and there is a " : "no ", ipv6 ? "DHCPV6SERVER" : "DHCPSERVER");
  return FALSE;
}

NwfMemoryEntry *nwf_memory_find(const NwfMemory *memory, const NwfLearned *address) {
  for (guint i = 0; i < memory->entries->len; i++) {
    NwfMemoryEntry *entry = g_ptr_array_index(memory->entries, i);
    if (nwf_learned_same_address(&entry->learned, address))
      return entry;
  }
  return NULL;
}

static NwfMemoryEntry *first_ipv4(const NwfMemory *memory) {
  for (guint i = 0; i < memory->entries->len; i++) {
    NwfMemoryEntry *entry = g_ptr_array_index(memory->entries, i);
    if (!entry->learned.ipv6)
      return entry;
  }
  return NULL;
}

gboolean nwf_memory_has_ipv4(const NwfMemory *memory) {
  return first_ipv4(memory) != NULL;
}

gboolean nwf_memory_wants_first(const NwfMemory *memory) {
  return memory->method == NWF_LEARN_ANY && (memory->unconfirmed || !nwf_memory_has_ipv4(memory));
}

/* Out of the tables of all ports, not out of the port's list. */
static void unlink_entry(NwfLearner *learner, NwfMemoryEntry *entry) {
  nwf_expiry_set(&learner->expiry, &entry->expiry, 0);
  nwf_claims_remove(&learner->claims, entry);
}

void nwf_memory_free(NwfLearner *learner, NwfMemory *memory) {
  for (guint i = 0; i < memory->entries->len; i++)
    unlink_entry(learner, g_ptr_array_index(memory->entries, i));
  g_ptr_array_unref(memory->entries);
  g_clear_pointer(&memory->servers4, g_array_unref);
  g_clear_pointer(&memory->servers6, g_array_unref);
  g_free(memory->transactions4);
  g_free(memory->transactions6);
  g_free(memory);
}

static void keep_lease(NwfLearner *learner, const NwfMemoryEntry *entry) {
  const NwfMemory *memory = entry->memory;
  if (!learner->leases || memory->restoring)
    return;
  NwfLease lease = {.until = entry->learned.until};
  memcpy(lease.address, entry->learned.address, 4);
  memcpy(lease.server, entry->learned.server, 4);
  nwf_leases_put(learner->leases, &memory->key, &lease, learner->now);
}

static void take_out(NwfLearner *learner, NwfMemoryEntry *entry) {
  NwfMemory *memory = entry->memory;
  unlink_entry(learner, entry);
  if (!entry->learned.ipv6)
    memory->unconfirmed = FALSE;
  g_ptr_array_remove(memory->entries, entry);
  memory->dirty = TRUE;
}

void nwf_memory_lose(NwfLearner *learner, NwfMemoryEntry *entry, const char *winner) {
  NwfMemory *memory = entry->memory;
  g_autofree char *text = nwf_learned_format(&entry->learned);
  nwf_learn_log(&learner->config, NWF_LEARN_LOG_WARNING, "%s: %s is taken away: %s has it", memory->port, text, winner);
  take_out(learner, entry);
  if (!g_ptr_array_find_with_equal_func(learner->changed, memory->port, g_str_equal, NULL))
    g_ptr_array_add(learner->changed, g_strdup(memory->port));
  nwf_memory_save(learner, memory);
}

void nwf_memory_remove(NwfLearner *learner, NwfMemoryEntry *entry, const char *why) {
  NwfMemory *memory = entry->memory;
  g_autofree char *text = nwf_learned_format(&entry->learned);
  nwf_learn_log(&learner->config, NWF_LEARN_LOG_INFO, "%s: %s %s", memory->port, text, why);
  if (entry->learned.how == NWF_LEARNED_DHCP) {
    if (learner->leases)
      nwf_leases_remove(learner->leases, &memory->key, entry->learned.address, learner->now);
    if (memory->method == NWF_LEARN_ANY && !memory->unconfirmed) {
      memory->has_previous = TRUE;
      memcpy(memory->previous, entry->learned.address, 4);
    }
  }
  take_out(learner, entry);
}

gboolean nwf_memory_withdraw(NwfLearner *learner, NwfMemory *memory, const NwfLearned *address, const char *why) {
  NwfMemoryEntry *entry = nwf_memory_find(memory, address);
  if (!entry || (entry->learned.how != NWF_LEARNED_DHCP && entry->learned.how != NWF_LEARNED_DHCPV6))
    return FALSE;
  nwf_memory_remove(learner, entry, why);
  return TRUE;
}

/* --- adding --- */

static gboolean is_lease(const NwfLearned *learned) {
  return learned->how == NWF_LEARNED_DHCP || learned->how == NWF_LEARNED_DHCPV6;
}

/* TRUE: the guest has the lease of a binding before this one still. */
static gboolean confirm(NwfMemory *memory, const NwfLearned *learned) {
  if (learned->ipv6 || !memory->unconfirmed || memory->restoring)
    return FALSE;
  memory->unconfirmed = FALSE;
  memory->dirty = TRUE;
  return TRUE;
}

/* The address is known: what is new is how long it lasts. What a server says counts more than what was seen. */
static void refresh(NwfLearner *learner, NwfMemoryEntry *entry, const NwfLearned *learned) {
  entry->seen = learner->now;
  if (!is_lease(learned))
    return;
  if (memcmp(&entry->learned, learned, sizeof *learned) != 0)
    entry->memory->dirty = TRUE;
  entry->learned.how = learned->how;
  entry->learned.until = learned->until;
  memcpy(entry->learned.server, learned->server, 16);
  nwf_expiry_set(&learner->expiry, &entry->expiry, learned->until);
  if (learned->how == NWF_LEARNED_DHCP)
    keep_lease(learner, entry);
  g_autofree char *text = nwf_learned_format(learned);
  nwf_learn_log(&learner->config, NWF_LEARN_LOG_DEBUG, "%s: %s renewed until %" G_GINT64_FORMAT, entry->memory->port,
                text, learned->until);
}

static gboolean refuse(NwfLearner *learner, NwfMemory *memory, const NwfLearned *learned, const char *why) {
  if (!may_warn(learner, memory))
    return FALSE;
  g_autofree char *text = nwf_learned_format(learned);
  nwf_memory_warn(learner, memory, "%s (%s) is refused: %s", text, nwf_learned_how_name(learned->how), why);
  return FALSE;
}

/* A lease of before: its server, and the lease file, have it until it ends. */
static void give_way(NwfLearner *learner, NwfMemoryEntry *entry) {
  g_autofree char *text = nwf_learned_format(&entry->learned);
  nwf_learn_log(&learner->config, NWF_LEARN_LOG_INFO, "%s: %s makes way for the address that is used",
                entry->memory->port, text);
  take_out(learner, entry);
}

/* Under `any` there is one IPv4 address: the first that was seen, or what DHCP gives instead of it. Without a list of
 * trusted servers, DHCP does not speak against an address that the guest had of itself, unless that was one of
 * 169.254/16, which is what guests take while no server answers. */
static gboolean make_way_any(NwfLearner *learner, NwfMemory *memory, const NwfLearned *learned) {
  NwfMemoryEntry *held = first_ipv4(memory);
  if (learned->how != NWF_LEARNED_DHCP) {
    if (held && memory->unconfirmed)
      give_way(learner, held);
    else if (held)
      return FALSE; /* what it sends is the filter's business now */
    if (memory->has_previous && memcmp(memory->previous, learned->address, 4) != 0)
      return refuse(learner, memory, learned, "its lease has ended, only DHCP can give it another address");
    return TRUE;
  }
  if (!held)
    return TRUE;
  gboolean self_made = held->learned.address[0] == 169 && held->learned.address[1] == 254;
  if (held->learned.how != NWF_LEARNED_DHCP && !memory->servers4 && !self_made)
    return refuse(learner, memory, learned, "it uses another address, and no DHCPSERVER is given");
  nwf_memory_remove(learner, held, "makes way for another address from DHCP");
  return TRUE;
}

/* Room among the addresses of a family: what was only seen makes way for what was not seen for so long. */
static gboolean make_room(NwfLearner *learner, NwfMemory *memory, const NwfLearned *learned) {
  NwfMemoryEntry *oldest = NULL;
  guint n = 0;
  for (guint i = 0; i < memory->entries->len; i++) {
    NwfMemoryEntry *entry = g_ptr_array_index(memory->entries, i);
    if (entry->learned.ipv6 != learned->ipv6 || entry->learned.how == NWF_LEARNED_LINK_LOCAL)
      continue;
    n++;
    if (entry->learned.how == NWF_LEARNED_ND && (!oldest || entry->seen < oldest->seen))
      oldest = entry;
  }
  if (n < memory->max)
    return TRUE;
  if (!oldest || (!is_lease(learned) && learner->now - oldest->since < CHURN_SECONDS && learner->now >= oldest->since))
    return refuse(learner, memory, learned, "it has as many addresses as it may have");
  nwf_memory_remove(learner, oldest, "makes way for a newer address");
  return TRUE;
}

NwfMemoryEntry *nwf_memory_insert(NwfLearner *learner, NwfMemory *memory, const NwfLearned *learned) {
  NwfMemoryEntry *entry = g_new0(NwfMemoryEntry, 1);
  entry->memory = memory;
  entry->learned = *learned;
  entry->since = entry->seen = learner->now;
  g_ptr_array_add(memory->entries, entry);
  nwf_claims_add(&learner->claims, entry);
  nwf_expiry_set(&learner->expiry, &entry->expiry, learned->until);
  return entry;
}

static void insert(NwfLearner *learner, NwfMemory *memory, const NwfLearned *learned) {
  const NwfMemoryEntry *entry = nwf_memory_insert(learner, memory, learned);
  memory->dirty = TRUE;
  if (learned->how == NWF_LEARNED_DHCP)
    keep_lease(learner, entry);
  g_autofree char *text = nwf_learned_format(learned);
  g_autoptr(GDateTime) until = learned->until ? g_date_time_new_from_unix_local(learned->until) : NULL;
  g_autofree char *date = until ? g_date_time_format(until, " until %F %T") : NULL;
  nwf_learn_log(&learner->config, NWF_LEARN_LOG_INFO, "%s: has %s (%s%s%s)", memory->port, text,
                nwf_learned_how_name(learned->how), memory->restoring ? ", known from before" : "", date ? date : "");
}

gboolean nwf_memory_yields(const NwfMemoryEntry *other, const NwfLearned *learned) {
  return learned->how == NWF_LEARNED_LINK_LOCAL && other->learned.how == NWF_LEARNED_ND && !other->memory->given;
}

gboolean nwf_memory_add(NwfLearner *learner, NwfMemory *memory, const NwfLearned *learned) {
  if (!nwf_learned_usable(learned))
    return FALSE;
  NwfMemoryEntry *known = nwf_memory_find(memory, learned);
  if (known) {
    refresh(learner, known, learned);
    return confirm(memory, learned);
  }
  NwfMemoryEntry *other;
  while ((other = nwf_claims_find_other(&learner->claims, memory, learned, TRUE))) {
    if (!nwf_memory_yields(other, learned)) {
      char why[NWF_PORT_NAME_MAX + 10];
      g_snprintf(why, sizeof why, "%s has it", other->memory->port);
      return refuse(learner, memory, learned, why);
    }
    nwf_memory_lose(learner, other, memory->port);
  }
  gboolean one_only = !learned->ipv6 && memory->method == NWF_LEARN_ANY;
  if (learned->how != NWF_LEARNED_LINK_LOCAL &&
      !(one_only ? make_way_any(learner, memory, learned) : make_room(learner, memory, learned)))
    return FALSE;
  insert(learner, memory, learned);
  return TRUE;
}
