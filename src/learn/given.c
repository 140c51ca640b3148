// SPDX-License-Identifier: LGPL-2.1-or-later
// What is known of ports beside what they show: addresses that their bindings give, and which networks they are in.

#include "learn/internal.h"

#include <string.h>

/* --- networks --- */

guint nwf_network_of(const NwfLearner *learner, const char *port) {
  return GPOINTER_TO_UINT(g_hash_table_lookup(learner->networks, port));
}

static void take_away(NwfLearner *learner, const NwfMemory *winner, const NwfLearned *address) {
  NwfMemoryEntry *other;
  while ((other = nwf_claims_find_other(&learner->claims, winner, address, FALSE)))
    nwf_memory_lose(learner, other, winner->port);
}

/* Who was there before keeps what it has. */
static void enter_network(NwfLearner *learner, NwfMemory *memory) {
  for (guint i = memory->entries->len; i-- > 0;) {
    NwfMemoryEntry *entry = g_ptr_array_index(memory->entries, i);
    if (memory->given) {
      take_away(learner, memory, &entry->learned);
      continue;
    }
    NwfMemoryEntry *other = nwf_claims_find_other(&learner->claims, memory, &entry->learned, TRUE);
    while (other && nwf_memory_yields(other, &entry->learned)) {
      nwf_memory_lose(learner, other, memory->port);
      other = nwf_claims_find_other(&learner->claims, memory, &entry->learned, TRUE);
    }
    if (other)
      nwf_memory_lose(learner, entry, other->memory->port);
  }
}

void nwf_learner_set_network(NwfLearner *learner, const char *port, guint network, gint64 now) {
  if (nwf_network_of(learner, port) == network)
    return;
  learner->now = now;
  if (network)
    g_hash_table_insert(learner->networks, g_strdup(port), GUINT_TO_POINTER(network));
  else
    g_hash_table_remove(learner->networks, port);
  NwfMemory *memories[] = {g_hash_table_lookup(learner->ports, port), g_hash_table_lookup(learner->given, port)};
  for (guint i = 0; i < G_N_ELEMENTS(memories); i++)
    if (memories[i]) {
      memories[i]->network = network;
      /* out of every network it takes nothing from anybody */
      if (network)
        enter_network(learner, memories[i]);
    }
}

/* --- addresses that are given --- */

void nwf_given_forget(NwfLearner *learner, const char *port) {
  NwfMemory *old = g_hash_table_lookup(learner->given, port);
  if (!old)
    return;
  g_hash_table_remove(learner->given, port);
  nwf_memory_free(learner, old);
}

static void give(NwfLearner *learner, NwfMemory *memory, const NwfBinding *binding, const char *variable) {
  const GPtrArray *values = nwf_parameters_get(binding->parameters, variable);
  for (guint i = 0; values && i < values->len; i++) {
    NwfLearned given = {0};
    if (!nwf_learned_parse(g_ptr_array_index(values, i), &given) || given.prefix == 0 ||
        !(given.ipv6 ? nwf_ipv6_usable(given.address) : nwf_ipv4_usable(given.address)))
      continue;
    nwf_learned_set_prefix(&given, given.prefix);
    if (nwf_memory_find(memory, &given))
      continue;
    take_away(learner, memory, &given);
    nwf_memory_insert(learner, memory, &given);
  }
}

void nwf_learner_set_given(NwfLearner *learner, const NwfBinding *binding, gint64 now) {
  NwfLearnPort port = {.port = binding->port, .has_owner_uuid = binding->has_owner_uuid};
  learner->now = now;
  nwf_given_forget(learner, binding->port);
  if (!nwf_parameters_get(binding->parameters, "IP") && !nwf_parameters_get(binding->parameters, "IPV6"))
    return;
  memcpy(port.mac, binding->mac, NWF_MAC_LEN);
  memcpy(port.owner_uuid, binding->owner_uuid, NWF_UUID_LEN);
  NwfMemory *memory = nwf_memory_new(&port);
  memory->given = TRUE;
  memory->network = nwf_network_of(learner, binding->port);
  g_hash_table_insert(learner->given, memory->port, memory);
  give(learner, memory, binding, "IP");
  give(learner, memory, binding, "IPV6");
}
