// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DHCP as the guest's client lives it: what it asked for, and which answer counts.
 *
 * A server is trusted by the source address of its answer, as in the stock driver's rules, not by the server
 * identifier in it: the identifier is what anybody can write, while the source address of a guest is filtered. Behind
 * a relay that means the relay's address.
 */

#include "learn/internal.h"

#include <string.h>

#define SERVER_PORT 67 /* RFC 2131, 4.1 */
#define CLIENT_PORT 68

NwfTransaction *nwf_transaction_find(NwfTransaction *transactions, guint32 xid, gint64 now) {
  for (guint i = 0; transactions && i < NWF_TRANSACTIONS; i++) {
    NwfTransaction *transaction = &transactions[i];
    if (transaction->used && transaction->xid == xid)
      return now - transaction->at <= NWF_TRANSACTION_SECONDS && now >= transaction->at ? transaction : NULL;
  }
  return NULL;
}

NwfTransaction *nwf_transaction_start(NwfTransaction **transactions, guint32 xid, gint64 now) {
  if (!*transactions)
    *transactions = g_new0(NwfTransaction, NWF_TRANSACTIONS);
  NwfTransaction *best = &(*transactions)[0];
  for (guint i = 0; i < NWF_TRANSACTIONS; i++) {
    NwfTransaction *transaction = &(*transactions)[i];
    if (transaction->used && transaction->xid == xid) {
      best = transaction;
      break;
    }
    if (best->used && (!transaction->used || transaction->at < best->at))
      best = transaction;
  }
  *best = (NwfTransaction){.used = TRUE, .xid = xid, .at = now};
  return best;
}

gint64 nwf_lease_end(guint32 seconds, gint64 now) {
  if (seconds == G_MAXUINT32) /* RFC 2131, 3.3; RFC 8415, 7.7 */
    return 0;
  /* what the lease file can hold beside "for good": 32 bits, until 2106 */
  return MIN(now + (gint64)seconds, (gint64)G_MAXUINT32 - 1);
}

static NwfLearned address_of(const guint8 *address) {
  NwfLearned learned = {.prefix = 32, .how = NWF_LEARNED_DHCP};
  if (address)
    memcpy(learned.address, address, 4);
  return learned;
}

static gboolean is_zero(const guint8 *address) {
  static const guint8 zero[4];
  return memcmp(address, zero, 4) == 0;
}

/* REQUEST, or DISCOVER of a client that takes an ACK at once (RFC 4039). */
static void note_request(NwfLearner *learner, NwfMemory *memory, const NwfTags *tags, const NwfDhcp4 *message) {
  NwfTransaction *transaction = nwf_transaction_start(&memory->transactions4, message->xid, learner->now);
  transaction->rapid = message->type == NWF_DHCP4_DISCOVER;
  transaction->tags = *tags;
  const guint8 *requested = message->requested ? message->requested : message->ciaddr;
  memcpy(transaction->requested, requested, 4);
  if (message->server_id && !transaction->rapid)
    memcpy(transaction->server_id, message->server_id, 4);
}

static gboolean from_client(NwfLearner *learner, NwfMemory *memory, const NwfTags *tags, const NwfDhcp4 *message) {
  NwfLearned given_up;
  switch (message->type) {
  case NWF_DHCP4_DISCOVER:
    if (message->rapid_commit)
      note_request(learner, memory, tags, message);
    return FALSE;
  case NWF_DHCP4_REQUEST:
    note_request(learner, memory, tags, message);
    return FALSE;
  case NWF_DHCP4_RELEASE:
    given_up = address_of(message->ciaddr);
    return nwf_memory_withdraw(learner, memory, &given_up, "was released by the guest");
  case NWF_DHCP4_DECLINE:
    given_up = address_of(message->requested);
    return nwf_memory_withdraw(learner, memory, &given_up, "was declined by the guest");
  default: /* INFORM asks for no address */
    return FALSE;
  }
}

static gboolean acknowledged(NwfLearner *learner, NwfMemory *memory, const NwfDhcp4 *message, const guint8 *server) {
  NwfLearned learned = address_of(message->yiaddr);
  memcpy(learned.server, server, 4);
  learned.until = nwf_lease_end(message->lease_time, learner->now);
  return nwf_memory_add(learner, memory, &learned);
}

/* The answer the client waits for: of its transaction, where it asked, of the server it asked, of the kind that fits.
 */
static NwfTransaction *awaited(NwfLearner *learner, NwfMemory *memory, const NwfTags *tags, const NwfDhcp4 *message) {
  NwfTransaction *transaction = nwf_transaction_find(memory->transactions4, message->xid, learner->now);
  if (!transaction || transaction->answered || !nwf_tags_same(&transaction->tags, tags))
    return NULL;
  if (!is_zero(transaction->server_id) && message->server_id &&
      memcmp(transaction->server_id, message->server_id, 4) != 0)
    return NULL;
  if (message->type == NWF_DHCP4_NAK)
    return transaction->rapid ? NULL : transaction;
  if (message->type != NWF_DHCP4_ACK || (transaction->rapid && !message->rapid_commit))
    return NULL;
  /* an ACK without a lease time, or without an address, is none to a request (RFC 2131, 4.3.1) */
  return message->has_lease_time && message->lease_time > 0 && nwf_ipv4_usable(message->yiaddr) ? transaction : NULL;
}

static gboolean from_server(NwfLearner *learner, NwfMemory *memory, const NwfTags *tags, const NwfDhcp4 *message,
                            const guint8 *server) {
  NwfTransaction *transaction = awaited(learner, memory, tags, message);
  if (!transaction)
    return FALSE;
  if (!nwf_memory_believes(learner, memory, FALSE, server, tags))
    return FALSE;
  transaction->answered = TRUE;
  if (message->type == NWF_DHCP4_ACK)
    return acknowledged(learner, memory, message, server);
  /* RFC 2131, 4.4: a client must stop using an address for which it gets a NAK */
  NwfLearned refused = address_of(transaction->requested);
  return nwf_memory_withdraw(learner, memory, &refused, "was refused by the DHCP server");
}

gboolean nwf_client4_frame(NwfLearner *learner, NwfMemory *memory, gboolean from_guest, const NwfTags *tags,
                           const NwfIpv4 *ip, const NwfUdp *udp) {
  if (udp->source != (from_guest ? CLIENT_PORT : SERVER_PORT) ||
      udp->destination != (from_guest ? SERVER_PORT : CLIENT_PORT))
    return FALSE;
  NwfDhcp4 message;
  if (!nwf_dhcp4_parse(udp->payload, udp->length, udp->cut, &message) || message.reply == from_guest ||
      memcmp(message.chaddr, memory->key.mac, NWF_MAC_LEN) != 0)
    return FALSE;
  if (!from_guest)
    return from_server(learner, memory, tags, &message, ip->source);
  /* a relay speaks for others */
  return is_zero(message.giaddr) && from_client(learner, memory, tags, &message);
}
