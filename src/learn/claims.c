// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Who has an address. One and the same may be had by ports of different networks, and by several of one owner, so an
 * address leads to a list of those who have it; and a prefix is had with all addresses in it.
 */

#include "learn/internal.h"

#include <string.h>

static guint bytes_of(const NwfLearned *address) {
  return address->ipv6 ? 16 : 4;
}

static guint address_hash(gconstpointer data) {
  const NwfLearned *learned = data;
  guint hash = learned->prefix;
  for (guint i = 0; i < bytes_of(learned); i++)
    hash = hash * 33 + learned->address[i];
  return hash;
}

static gboolean address_equal(gconstpointer a, gconstpointer b) {
  return nwf_learned_same_address(a, b);
}

void nwf_claims_init(NwfClaims *claims) {
  claims->by_address = g_hash_table_new(address_hash, address_equal);
}

void nwf_claims_clear(NwfClaims *claims) {
  g_clear_pointer(&claims->by_address, g_hash_table_unref);
}

void nwf_claims_add(NwfClaims *claims, NwfMemoryEntry *entry) {
  entry->next_claim = g_hash_table_lookup(claims->by_address, &entry->learned);
  g_hash_table_replace(claims->by_address, &entry->learned, entry);
  claims->n_of_length[entry->learned.ipv6][entry->learned.prefix]++;
}

/* The key of a list is its first entry's own address. */
void nwf_claims_remove(NwfClaims *claims, NwfMemoryEntry *entry) {
  NwfMemoryEntry *first = g_hash_table_lookup(claims->by_address, &entry->learned), *before = first;
  claims->n_of_length[entry->learned.ipv6][entry->learned.prefix]--;
  if (first == entry && !entry->next_claim) {
    g_hash_table_remove(claims->by_address, &entry->learned);
  } else if (first == entry) {
    g_hash_table_replace(claims->by_address, &entry->next_claim->learned, entry->next_claim);
  } else {
    while (before->next_claim != entry)
      before = before->next_claim;
    before->next_claim = entry->next_claim;
  }
}

/* Whether two ports may not have the same. The same VM's interface on another port is on its way from there to here;
 * and a network that is not known may be anybody's. */
static gboolean competes(const NwfMemory *a, const NwfMemory *b) {
  static const guint8 nobody[NWF_UUID_LEN];
  if (a == b || memcmp(&a->key, &b->key, sizeof a->key) == 0)
    return FALSE;
  if (memcmp(a->key.uuid, b->key.uuid, NWF_UUID_LEN) == 0 && memcmp(a->key.uuid, nobody, NWF_UUID_LEN) != 0)
    return FALSE;
  return !a->network || !b->network || a->network == b->network;
}

static NwfMemoryEntry *find_at(const NwfClaims *claims, const NwfMemory *memory, const NwfLearned *address,
                               gboolean given_too) {
  for (NwfMemoryEntry *entry = g_hash_table_lookup(claims->by_address, address); entry; entry = entry->next_claim)
    if (competes(memory, entry->memory) && (given_too || !entry->memory->given))
      return entry;
  return NULL;
}

static NwfMemoryEntry *find_within(const NwfClaims *claims, const NwfMemory *memory, const NwfLearned *prefix,
                                   gboolean given_too) {
  GHashTableIter iter;
  gpointer first;
  g_hash_table_iter_init(&iter, claims->by_address);
  while (g_hash_table_iter_next(&iter, NULL, &first)) {
    NwfLearned outer = ((NwfMemoryEntry *)first)->learned;
    if (outer.ipv6 != prefix->ipv6 || outer.prefix <= prefix->prefix)
      continue;
    nwf_learned_set_prefix(&outer, prefix->prefix);
    NwfMemoryEntry *entry = nwf_learned_same_address(&outer, prefix)
                                ? find_at(claims, memory, &((NwfMemoryEntry *)first)->learned, given_too)
                                : NULL;
    if (entry)
      return entry;
  }
  return NULL;
}

NwfMemoryEntry *nwf_claims_find_other(const NwfClaims *claims, const NwfMemory *memory, const NwfLearned *address,
                                      gboolean given_too) {
  for (guint length = address->prefix; length > 0; length--) {
    NwfLearned outer = *address;
    if (!claims->n_of_length[address->ipv6][length])
      continue;
    nwf_learned_set_prefix(&outer, length);
    NwfMemoryEntry *entry = find_at(claims, memory, &outer, given_too);
    if (entry)
      return entry;
  }
  /* delegations are rare enough to look at all there is */
  return address->prefix < 8 * bytes_of(address) ? find_within(claims, memory, address, given_too) : NULL;
}
