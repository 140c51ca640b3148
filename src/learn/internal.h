// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Inside of learning: parsers (pure: bytes in, a struct out), the queue of what ends when, the lease file, the state
 * files, and what is known of each port.
 *
 * Parsers take what was captured, which may be less than was sent; they read no byte beyond @length, allocate
 * nothing and return FALSE for what is not theirs or is malformed. Numbers are in host order, addresses in network
 * order, as bytes.
 */
#pragma once

#include "learn/learn.h"

G_BEGIN_DECLS

/* --- frames (frame.c) --- */

#define NWF_ETHERTYPE_IPV4 0x0800 /* linux/if_ether.h, all of these */
#define NWF_ETHERTYPE_ARP 0x0806
#define NWF_ETHERTYPE_IPV6 0x86dd

#define NWF_TAGS_MAX 2

/** Within which tags a frame is. */
typedef struct {
  gboolean any;               /* also one that only says a priority: its id is 0 (IEEE 802.1Q, 9.6) */
  guint n;                    /* VLANs */
  guint16 vlan[NWF_TAGS_MAX]; /* from the outermost one */
} NwfTags;
/** Whether they name the same VLANs. */
gboolean nwf_tags_same(const NwfTags *a, const NwfTags *b);

typedef struct {
  const guint8 *source;  /* MAC */
  NwfTags tags;          /* 802.1Q or 802.1ad */
  guint16 type;          /* behind them */
  const guint8 *payload; /* behind the type */
  gsize length;
} NwfEthernet;
gboolean nwf_ethernet_parse(const guint8 *frame, gsize length, NwfEthernet *ethernet);

typedef struct {
  const guint8 *source; /* 4 bytes */
  guint8 protocol;
  gboolean fragment;     /* one of several */
  const guint8 *payload; /* NULL: cut within the header's options */
  gsize length;          /* of the payload, as captured */
  gsize sent;            /* of the payload, as the header says; never less than length */
} NwfIpv4;
gboolean nwf_ipv4_parse(const guint8 *data, gsize length, NwfIpv4 *ip);

typedef struct {
  const guint8 *source; /* 16 bytes */
  guint8 next_header;   /* extension headers are not skipped */
  guint8 hop_limit;
  const guint8 *payload;
  gsize length, sent; /* as above */
} NwfIpv6;
gboolean nwf_ipv6_parse(const guint8 *data, gsize length, NwfIpv6 *ip);

typedef struct {
  guint16 source, destination;
  const guint8 *payload;
  gsize length;
  gboolean cut; /* more was sent than was captured */
} NwfUdp;
/** @data is an IP payload of which @sent bytes were sent. */
gboolean nwf_udp_parse(const guint8 *data, gsize length, gsize sent, NwfUdp *udp);

static inline guint16 nwf_read16(const guint8 *data) {
  return (guint16)(data[0] << 8 | data[1]);
}
static inline guint32 nwf_read32(const guint8 *data) {
  return (guint32)nwf_read16(data) << 16 | nwf_read16(data + 2);
}

/* --- ARP (arp.c, RFC 826) --- */

typedef struct {
  const guint8 *sender_mac;
  const guint8 *sender; /* IPv4 */
} NwfArp;
/** Requests and replies for IPv4 over Ethernet. */
gboolean nwf_arp_parse(const guint8 *data, gsize length, NwfArp *arp);

/* --- DHCP (dhcp4.c, RFC 2131, 2132) --- */

typedef enum {
  NWF_DHCP4_DISCOVER = 1,
  NWF_DHCP4_OFFER,
  NWF_DHCP4_REQUEST,
  NWF_DHCP4_DECLINE,
  NWF_DHCP4_ACK,
  NWF_DHCP4_NAK,
  NWF_DHCP4_RELEASE,
  NWF_DHCP4_INFORM,
} NwfDhcp4Type;

typedef struct {
  gboolean reply; /* BOOTREPLY */
  NwfDhcp4Type type;
  guint32 xid;
  const guint8 *ciaddr, *yiaddr, *giaddr, *chaddr; /* in the message */
  const guint8 *requested, *server_id;             /* options 50 and 54; NULL: not there */
  gboolean has_lease_time;
  guint32 lease_time;    /* option 51, seconds */
  gboolean rapid_commit; /* option 80, RFC 4039 */
} NwfDhcp4;
/** @data is what follows the UDP header. Of a message that was @cut the options that are whole count. */
gboolean nwf_dhcp4_parse(const guint8 *data, gsize length, gboolean cut, NwfDhcp4 *message);

/* --- Neighbour Discovery (nd.c, RFC 4861) --- */

typedef struct {
  gboolean advertisement; /* else a solicitation */
  gboolean detection;     /* a solicitation from ::, RFC 4862: the sender asks whether @target is free */
  const guint8 *target;
} NwfNd;
gboolean nwf_nd_parse(const NwfIpv6 *ip, NwfNd *nd);

/* --- DHCPv6 (dhcp6.c, RFC 8415) --- */

typedef enum {
  NWF_DHCP6_SOLICIT = 1,
  NWF_DHCP6_REQUEST = 3,
  NWF_DHCP6_RENEW = 5,
  NWF_DHCP6_REBIND = 6,
  NWF_DHCP6_REPLY = 7,
  NWF_DHCP6_RELEASE = 8,
  NWF_DHCP6_DECLINE = 9,
} NwfDhcp6Type;

typedef struct {
  const guint8 *address;
  guint prefix;  /* 128, or less for a delegated prefix */
  guint32 valid; /* seconds; 0: withdrawn; 0xffffffff: for good */
} NwfDhcp6Address;

typedef struct {
  guint8 type;          /* any but those of relays */
  guint32 xid;          /* 24 bits */
  const guint8 *client; /* DUID; NULL: none */
  gsize client_length;
  gboolean rapid_commit;
  guint16 status; /* of the message; 0: success */
  guint n_addresses;
  NwfDhcp6Address addresses[NWF_LEARN_ADDRESSES_MAX]; /* of those IAs whose status is success; more are left out */
} NwfDhcp6;
/** @data is what follows the UDP header, whole. */
gboolean nwf_dhcp6_parse(const guint8 *data, gsize length, NwfDhcp6 *message);

/* --- addresses (usable.c) --- */

/** Whether a guest may have the address: not 0/8, loopback, multicast, class E with the broadcast address. */
gboolean nwf_ipv4_usable(const guint8 address[4]);
/** Not unspecified, loopback, multicast or with an IPv4 address in it. */
gboolean nwf_ipv6_usable(const guint8 address[16]);
/** Whether a prefix may be delegated to a guest: global or unique local, of 32 bits or more (ours). */
gboolean nwf_ipv6_prefix_usable(const guint8 address[16], guint prefix);
/** fe80::/64 with the modified EUI-64 of the MAC (RFC 4291, appendix A). */
void nwf_ipv6_link_local(const guint8 mac[NWF_MAC_LEN], guint8 address[16]);
gboolean nwf_learned_same_address(const NwfLearned *a, const NwfLearned *b);
/** Shortens the address to a prefix of so many bits. */
void nwf_learned_set_prefix(NwfLearned *learned, guint prefix);
/** Whether a port may have it: an address, or a prefix that DHCPv6 delegates. */
gboolean nwf_learned_usable(const NwfLearned *learned);

/* --- what ends when (expiry.c): a binary heap; nodes belong to the caller --- */

typedef struct {
  gint64 until;
  guint place; /* in the heap, from 1; 0: not in it */
} NwfExpiryNode;
typedef struct {
  GPtrArray *nodes;
} NwfExpiry;
void nwf_expiry_init(NwfExpiry *expiry);
void nwf_expiry_clear(NwfExpiry *expiry);
/** Puts the node in, or moves it to a new time; @until 0 takes it out. */
void nwf_expiry_set(NwfExpiry *expiry, NwfExpiryNode *node, gint64 until);
/** The node that ends first, or NULL. */
NwfExpiryNode *nwf_expiry_first(const NwfExpiry *expiry);

/* --- the lease file (leases.c, leases-file.c) --- */

/** Whose lease: the file has it as UUID-MAC. */
typedef struct {
  guint8 uuid[NWF_UUID_LEN]; /* zero: no owner */
  guint8 mac[NWF_MAC_LEN];
} NwfLeaseKey;

typedef struct {
  guint8 address[4], server[4];
  gint64 until; /* 0: for good */
} NwfLease;

typedef struct NwfLeases NwfLeases;
/** Reads @config's file. @config must outlive the leases. */
NwfLeases *nwf_leases_new(const NwfLearnConfig *config, gint64 now);
void nwf_leases_free(NwfLeases *leases, gint64 now);
/** The leases of a VM's MAC, of NwfLease, the latest last (borrowed), or NULL. Some may have ended. */
/** Whether the file is not what it should be, and making it so. */
gboolean nwf_leases_unsaved(const NwfLeases *leases);
void nwf_leases_save(NwfLeases *leases, gint64 now);
const GArray *nwf_leases_get(const NwfLeases *leases, const NwfLeaseKey *key);
void nwf_leases_put(NwfLeases *leases, const NwfLeaseKey *key, const NwfLease *lease, gint64 now);
void nwf_leases_remove(NwfLeases *leases, const NwfLeaseKey *key, const guint8 address[4], gint64 now);

/** One line of the file; @line without its newline. FALSE: corrupt. @until is as written (0: released). */
gboolean nwf_lease_line_parse(const char *line, NwfLeaseKey *key, NwfLease *lease, gboolean *released);
/** Appends the line, with newline. */
void nwf_lease_line_format(GString *text, const NwfLeaseKey *key, const NwfLease *lease, gboolean released);
/** Puts @text into place of the file: temporary file, fsync, rename. */
gboolean nwf_lease_file_replace(const char *path, const GString *text, GError **error);
/** Appends @text, all of it or nothing. @fresh: the file was not there or empty. */
gboolean nwf_lease_file_append(const char *path, const char *text, gsize length, gboolean *fresh, GError **error);
/** Writes the whole of @data to a file and renames it to @path; @sync: with fsync between. */
gboolean nwf_file_replace(const char *path, const char *data, gsize length, gboolean sync, GError **error);

/* --- state files (state.c) --- */

typedef struct {
  NwfLeaseKey key;
  gboolean has_previous;
  guint8 previous[4]; /* see NwfMemory */
  gboolean unconfirmed;
  GArray *learned; /* of NwfLearned */
} NwfState;
void nwf_state_clear(NwfState *state);
/** "ADDRESS" or "ADDRESS/PREFIX" into these two; FALSE when it is neither. */
gboolean nwf_learned_parse(const char *text, NwfLearned *learned);
/** FALSE without @error: there is none. */
gboolean nwf_state_read(const char *directory, const char *port, NwfState *state, GError **error);
/** With nothing to say the file is removed. */
gboolean nwf_state_write(const char *directory, const char *port, const NwfState *state, GError **error);
void nwf_state_remove(const char *directory, const char *port);

/* --- what is known of a port (memory.c) --- */

#define NWF_TRANSACTIONS 8          /* outstanding requests remembered for a port and family; ours */
#define NWF_TRANSACTION_SECONDS 300 /* an answer later than this is none; ours */

typedef struct {
  gboolean used;
  guint32 xid;
  gint64 at;
  gboolean rapid;      /* DISCOVER or SOLICIT with rapid commit; else a request */
  gboolean answered;   /* DHCP: what else comes under this xid is not believed */
  guint8 requested[4]; /* DHCP: the address asked for, or zero */
  guint8 server_id[4]; /* DHCP: the server that is asked, or zero */
  guint64 client;      /* DHCPv6: hash of the DUID */
  NwfTags tags;        /* of the request: the answer comes within the same */
} NwfTransaction;

typedef struct NwfMemory NwfMemory;

typedef struct NwfMemoryEntry NwfMemoryEntry;
struct NwfMemoryEntry {
  NwfExpiryNode expiry; /* first: the heap gives it back */
  NwfMemory *memory;
  NwfMemoryEntry *next_claim; /* who else has the address */
  NwfLearned learned;
  gint64 since, seen;
};

struct NwfMemory {
  char port[NWF_PORT_NAME_MAX + 1];
  NwfLeaseKey key;
  guint network;  /* the bridge's index; 0: not known */
  gboolean given; /* the binding gives these addresses, nothing is learned of the port here */
  NwfLearnMethod method;
  gboolean ipv4, ipv6;
  guint max;
  GArray *servers4;   /* of guint8[4]; NULL: all are trusted */
  GArray *servers6;   /* of guint8[16] */
  GPtrArray *entries; /* of NwfMemoryEntry, owned */
  /* `any`: the address of a lease that ended. From then on ARP and IPv4 teach only this one, so that a guest cannot
   * change its address by giving its lease back. */
  gboolean has_previous;
  guint8 previous[4];
  /* `any`: the lease is of a binding before this one, and neither DHCP nor the guest's own use have confirmed it */
  gboolean unconfirmed;
  gboolean restoring;
  gboolean dirty; /* to be written */
  gint64 next_warning;
  guint warnings_held;
  NwfTransaction *transactions4, *transactions6; /* NWF_TRANSACTIONS each, from the first request on */
};

/* --- who has an address (claims.c) --- */

typedef struct {
  GHashTable *by_address;    /* NwfLearned of an entry -> the first of the entries that have it */
  guint n_of_length[2][129]; /* by family and length of the prefix */
} NwfClaims;
void nwf_claims_init(NwfClaims *claims);
void nwf_claims_clear(NwfClaims *claims);
void nwf_claims_add(NwfClaims *claims, NwfMemoryEntry *entry);
void nwf_claims_remove(NwfClaims *claims, NwfMemoryEntry *entry);
/** The entry of another port that keeps @memory's from having the address, or NULL. */
NwfMemoryEntry *nwf_claims_find_other(const NwfClaims *claims, const NwfMemory *memory, const NwfLearned *address,
                                      gboolean given_too);

struct NwfLearner {
  NwfLearnConfig config;
  char *lease_file, *state_dir;
  GHashTable *ports;    /* name -> NwfMemory, owned */
  GHashTable *given;    /* likewise: addresses that bindings give */
  GHashTable *networks; /* name of a port (owned) -> its bridge's index */
  NwfClaims claims;
  GPtrArray *changed; /* of char *, owned: ports that lost an address to another, until nwf_learner_expire */
  NwfExpiry expiry;
  NwfLeases *leases; /* NULL: not kept */
  gboolean state_broken;
  gint64 state_retry; /* not before, when broken */
  gboolean unsaved;   /* there may be ports whose state files are not what they should be */
  gint64 now;         /* of the last call */
};

NwfMemory *nwf_memory_new(const NwfLearnPort *port);
/** Takes the port's addresses out of the learner's tables, too. */
void nwf_memory_free(NwfLearner *learner, NwfMemory *memory);
NwfMemoryEntry *nwf_memory_find(const NwfMemory *memory, const NwfLearned *address);
gboolean nwf_memory_has_ipv4(const NwfMemory *memory);
/** Whether ARP and IPv4 can teach anything: the first address that is seen is the port's. */
gboolean nwf_memory_wants_first(const NwfMemory *memory);
/** TRUE when the port has an address more (or another), or one that it had is confirmed. A refusal is logged. */
gboolean nwf_memory_add(NwfLearner *learner, NwfMemory *memory, const NwfLearned *learned);
/** Forgets an address that DHCP or DHCPv6 gave; TRUE if it was one. @why is for the log. */
gboolean nwf_memory_withdraw(NwfLearner *learner, NwfMemory *memory, const NwfLearned *address, const char *why);
void nwf_memory_remove(NwfLearner *learner, NwfMemoryEntry *entry, const char *why);
/** Takes an address away because @winner has it; a lease stays in the lease file, where it may come back from. */
void nwf_memory_lose(NwfLearner *learner, NwfMemoryEntry *entry, const char *winner);
/** Whether @other makes way for what another port is to have: the link-local address that follows from a MAC is that
 * port's, whoever has shown it before. */
gboolean nwf_memory_yields(const NwfMemoryEntry *other, const NwfLearned *learned);
/** An entry in all tables, without any question asked. */
NwfMemoryEntry *nwf_memory_insert(NwfLearner *learner, NwfMemory *memory, const NwfLearned *learned);
gboolean nwf_memory_trusts(const NwfMemory *memory, gboolean ipv6, const guint8 *server);
/** The same for an answer that came within @tags; if not, that is said. */
gboolean nwf_memory_believes(NwfLearner *learner, NwfMemory *memory, gboolean ipv6, const guint8 *server,
                             const NwfTags *tags);
/** Writes the port's state file if something changed. */
void nwf_memory_save(NwfLearner *learner, NwfMemory *memory);
/** The port's state file, and its leases. */
void nwf_memory_restore(NwfLearner *learner, NwfMemory *memory, const NwfState *state);
void nwf_memory_state(const NwfMemory *memory, NwfState *state);

void nwf_learn_log(const NwfLearnConfig *config, NwfLearnLogLevel level, const char *format, ...) G_GNUC_PRINTF(3, 4);
/** A warning about what a guest did; few of them, as it may do so often. */
void nwf_memory_warn(NwfLearner *learner, NwfMemory *memory, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* --- what is known of ports beside what they show (given.c) --- */

/** The port's bridge, or 0. */
guint nwf_network_of(const NwfLearner *learner, const char *port);
/** Forgets what the port's binding gave. */
void nwf_given_forget(NwfLearner *learner, const char *port);

/* --- DHCP and DHCPv6 as the port's client sees them (client4.c, client6.c); TRUE: addresses changed --- */

gboolean nwf_client4_frame(NwfLearner *learner, NwfMemory *memory, gboolean from_guest, const NwfTags *tags,
                           const NwfIpv4 *ip, const NwfUdp *udp);
gboolean nwf_client6_frame(NwfLearner *learner, NwfMemory *memory, gboolean from_guest, const NwfTags *tags,
                           const NwfIpv6 *ip, const NwfUdp *udp);
/** The transaction of @xid, or NULL; @transactions may be NULL. */
NwfTransaction *nwf_transaction_find(NwfTransaction *transactions, guint32 xid, gint64 now);
/** One of @xid, cleared: its old one, a free one or the oldest. */
NwfTransaction *nwf_transaction_start(NwfTransaction **transactions, guint32 xid, gint64 now);
/** When a lease of @seconds ends, as NwfLearned has it. */
gint64 nwf_lease_end(guint32 seconds, gint64 now);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NwfState, nwf_state_clear)

G_END_DECLS
