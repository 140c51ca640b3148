// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What addresses ports use, learned from frames that the kernel copied.
 *
 * A NwfLearner knows ports and what was learned of them; it is fed frames and the time, does no
 * waiting of its own, and knows nothing of filters or tables. It holds no lock: one thread at a time.
 * Files (leases, addresses learned otherwise) are its own business.
 */
#pragma once

#include <nwfilter-nft/model.h>

G_BEGIN_DECLS

/** How many addresses of a family are learned of one port unless it says otherwise. Ours. */
#define NWF_LEARN_ADDRESSES_DEFAULT 8
/** And at most; ours. */
#define NWF_LEARN_ADDRESSES_MAX 64

/** CTRL_IP_LEARNING. */
typedef enum {
  NWF_LEARN_ANY,  /* ARP, IPv4, DHCP; Neighbour Discovery and DHCPv6 for IPv6 */
  NWF_LEARN_DHCP, /* DHCP, DHCPv6 only */
} NwfLearnMethod;

typedef enum {
  NWF_LEARNED_ARP,
  NWF_LEARNED_IPV4, /* the source of an IPv4 packet */
  NWF_LEARNED_DHCP,
  NWF_LEARNED_ND,
  NWF_LEARNED_DHCPV6,
  NWF_LEARNED_LINK_LOCAL, /* derived from the MAC (RFC 4291, appendix A) */
} NwfLearnedHow;

typedef struct {
  gboolean ipv6;
  guint8 address[16]; /* IPv4: bytes 0..3 */
  guint prefix;       /* 32 or 128; less for a prefix delegated by DHCPv6 */
  NwfLearnedHow how;
  gint64 until;      /* seconds since 1970; 0: for good */
  guint8 server[16]; /* of DHCP and DHCPv6: from whom the answer came, as DHCPSERVER names it */
} NwfLearned;

/** A port to learn of; everything is copied. */
typedef struct {
  const char *port;
  guint8 mac[NWF_MAC_LEN];
  gboolean has_owner_uuid;
  guint8 owner_uuid[NWF_UUID_LEN];
  NwfLearnMethod method;
  gboolean ipv4, ipv6;           /* which families are to be learned */
  guint max_addresses;           /* of a family, beside the derived link-local one; 0: the default */
  const GPtrArray *dhcp_servers; /* of char *, IPv4 addresses that are trusted; NULL: all */
  const GPtrArray *dhcpv6_servers;
} NwfLearnPort;

typedef enum { NWF_LEARN_LOG_DEBUG, NWF_LEARN_LOG_INFO, NWF_LEARN_LOG_WARNING, NWF_LEARN_LOG_ERROR } NwfLearnLogLevel;

typedef struct {
  const char *lease_file; /* the stock driver's, NULL: leases are not kept */
  const char *state_dir;  /* a small file a port for what was learned otherwise, so that a restarted daemon
                             knows it; also what `nwfilter-nft list` reads (all addresses, how, until). NULL: none */
  void (*log)(NwfLearnLogLevel level, const char *message, gpointer data); /* may be NULL */
  gpointer data;
} NwfLearnConfig;

typedef struct NwfLearner NwfLearner;

/** Reads the lease file (a bad line is a warning); a missing file is none. */
NwfLearner *nwf_learner_new(const NwfLearnConfig *config, gint64 now);
void nwf_learner_free(NwfLearner *learner);

/** From now on frames of this port count. A port of that name is replaced. What is known of its VM and MAC
 * (leases, its state file) holds at once; a state file that is none of ours is passed over with a warning. When it
 * cannot be read, the port is not added: with nothing known of it its guest could choose another address. */
void nwf_learner_add_port(NwfLearner *learner, const NwfLearnPort *port, gint64 now);
gboolean nwf_learner_has_port(const NwfLearner *learner, const char *port);
/** Forgets the port; with @forget what was learned of it too (but for leases, which run until they end), and what its
 * binding gave. */
void nwf_learner_remove_port(NwfLearner *learner, const char *port, gboolean forget);

/** Which network an interface is in, whether or not it is (yet) a port that learns: @network is the index of its
 * bridge, 0 (what holds until this is called) that it is not known or in none. An address may be had once in each
 * network; a port that is in none that is known has what nobody else has. To be told before nwf_learner_add_port, else
 * what two ports of different networks have is restored for one of them only.
 *
 * Who comes into a network where somebody has its address loses it, as in nwf_learner_set_given. */
void nwf_learner_set_network(NwfLearner *learner, const char *port, guint network, gint64 now);
/** Addresses that a binding gives (its parameters IP and IPV6) are learned of no other port of its network, unless it
 * is the same owner's, and are taken away where they were learned before: the next expiry is at once then, and
 * nwf_learner_expire gives these ports. Holds until nwf_learner_remove_port with @forget. */
void nwf_learner_set_given(NwfLearner *learner, const NwfBinding *binding, gint64 now);

/** What is known of the port now, of NwfLearned, in the order in which it was learned; the caller frees the array. */
GArray *nwf_learner_addresses(const NwfLearner *learner, const char *port);
/** What the port may do as long as it has no IPv4 address. NWF_LEARN_ANY: teach one by ARP and IPv4 from its own MAC.
 * NWF_LEARN_DHCP: DHCP only. The latter also holds under `any` once a lease has ended, or guests could free themselves
 * of their filter by giving their lease back. */
NwfLearnMethod nwf_learner_phase(const NwfLearner *learner, const char *port);
/** Which kinds of its frames (NwfWatch of nwfilter-nft/model.h) can teach something now. */
guint nwf_learner_watch(const NwfLearner *learner, const char *port);

/** A frame that @port's guest sent (@from_guest) or was sent, with its Ethernet header, maybe cut: DHCP needs 600
 * bytes or so, DHCPv6 the whole frame, all else 100. TRUE when the port's addresses changed, or what can teach
 * some; a lease that is renewed only moves nwf_learner_next_expiry. Frames of unknown ports are ignored. */
gboolean nwf_learner_frame(NwfLearner *learner, const char *port, gboolean from_guest, const guint8 *frame,
                           gsize length, gint64 now);

/** When the next address ends (seconds since 1970), or 0; not in the future when some port has lost one. */
gint64 nwf_learner_next_expiry(const NwfLearner *learner);
/** Takes away what has ended; gives the ports this changed, and those that lost an address to another port since the
 * last call (of char *, owned), or NULL. */
GPtrArray *nwf_learner_expire(NwfLearner *learner, gint64 now);

/** Whether files are not what they should be, since they could not be written. */
gboolean nwf_learner_unsaved(const NwfLearner *learner);
/** Writes these. */
void nwf_learner_save(NwfLearner *learner, gint64 now);

/** What a learner wrote to its state_dir of @port, of NwfLearned, maybe with some that have ended meanwhile; empty when
 * there is nothing. The caller frees the array. NWF_ERROR_IO when the file cannot be read, NWF_ERROR_INVALID when it is
 * none of ours. From any
 * thread and process. */
GArray *nwf_learned_read(const char *state_dir, const char *port, GError **error);
/** "arp", "ipv4", "dhcp", "nd", "dhcpv6", "link-local". */
const char *nwf_learned_how_name(NwfLearnedHow how);
/** The address, with "/PREFIX" where it is a delegated prefix; the caller frees it. */
char *nwf_learned_format(const NwfLearned *learned);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfLearner, nwf_learner_free)

G_END_DECLS
