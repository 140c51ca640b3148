// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DHCPv6 as the guest's client lives it. Addresses and prefixes come in a REPLY to what the guest asked with the same
 * transaction id and DUID; a server is trusted by the source address of its answer, mostly its link-local one.
 */

#include "learn/internal.h"

#include <string.h>

#define CLIENT_PORT 546 /* RFC 8415, 7.2; servers may answer from any port */
#define SERVER_PORT 547

/* Enough to tell the guest's own DUID from another; nobody gains by a collision, as the DUID is sent in the clear. */
static guint64 hash_duid(const NwfDhcp6 *message) {
  guint64 hash = 14695981039346656037u; /* FNV-1a */
  for (gsize i = 0; i < message->client_length; i++)
    hash = (hash ^ message->client[i]) * 1099511628211u;
  return hash;
}

static NwfLearned learned_of(const NwfDhcp6Address *address) {
  NwfLearned learned = {.ipv6 = TRUE, .how = NWF_LEARNED_DHCPV6};
  memcpy(learned.address, address->address, 16);
  nwf_learned_set_prefix(&learned, address->prefix);
  return learned;
}

static gboolean from_client(NwfLearner *learner, NwfMemory *memory, const NwfTags *tags, const NwfDhcp6 *message) {
  gboolean changed = FALSE;
  switch (message->type) {
  case NWF_DHCP6_SOLICIT:
    if (!message->rapid_commit)
      return FALSE;
    G_GNUC_FALLTHROUGH;
  case NWF_DHCP6_REQUEST:
  case NWF_DHCP6_RENEW:
  case NWF_DHCP6_REBIND: {
    NwfTransaction *transaction = nwf_transaction_start(&memory->transactions6, message->xid, learner->now);
    transaction->rapid = message->type == NWF_DHCP6_SOLICIT;
    transaction->client = hash_duid(message);
    transaction->tags = *tags;
    return FALSE;
  }
  case NWF_DHCP6_RELEASE:
  case NWF_DHCP6_DECLINE:
    for (guint i = 0; i < message->n_addresses; i++) {
      NwfLearned given_up = learned_of(&message->addresses[i]);
      changed |= nwf_memory_withdraw(learner, memory, &given_up, "was given up by the guest");
    }
    return changed;
  default:
    return FALSE;
  }
}

static gboolean take_reply(NwfLearner *learner, NwfMemory *memory, const NwfDhcp6 *message, const guint8 *server) {
  gboolean changed = FALSE;
  for (guint i = 0; i < message->n_addresses; i++) {
    NwfLearned learned = learned_of(&message->addresses[i]);
    if (message->addresses[i].valid == 0) {
      changed |= nwf_memory_withdraw(learner, memory, &learned, "was withdrawn by the DHCPv6 server");
      continue;
    }
    learned.until = nwf_lease_end(message->addresses[i].valid, learner->now);
    memcpy(learned.server, server, 16);
    changed |= nwf_memory_add(learner, memory, &learned);
  }
  return changed;
}

static gboolean from_server(NwfLearner *learner, NwfMemory *memory, const NwfTags *tags, const NwfDhcp6 *message,
                            const guint8 *server) {
  if (message->type != NWF_DHCP6_REPLY || message->status != 0)
    return FALSE;
  NwfTransaction *transaction = nwf_transaction_find(memory->transactions6, message->xid, learner->now);
  if (!transaction || transaction->answered || transaction->client != hash_duid(message) ||
      (transaction->rapid && !message->rapid_commit) || !nwf_tags_same(&transaction->tags, tags))
    return FALSE;
  if (!nwf_memory_believes(learner, memory, TRUE, server, tags))
    return FALSE;
  transaction->answered = TRUE;
  return take_reply(learner, memory, message, server);
}

gboolean nwf_client6_frame(NwfLearner *learner, NwfMemory *memory, gboolean from_guest, const NwfTags *tags,
                           const NwfIpv6 *ip, const NwfUdp *udp) {
  if (udp->destination != (from_guest ? SERVER_PORT : CLIENT_PORT) || udp->cut)
    return FALSE;
  NwfDhcp6 message;
  if (!nwf_dhcp6_parse(udp->payload, udp->length, &message) || !message.client)
    return FALSE;
  return from_guest ? from_client(learner, memory, tags, &message)
                    : from_server(learner, memory, tags, &message, ip->source);
}
