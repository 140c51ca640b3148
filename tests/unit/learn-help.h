// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * For the tests of learning: a learner with a log that can be asked, and frames made by hand.
 */
#pragma once

#include "learn/internal.h"

#define NOW 1700000000

/** A learner in a folder of its own. */
typedef struct {
  char *directory, *lease_file, *state_dir;
  GString *log; /* one line a message, with its level's letter: D I W E */
  NwfLearner *learner;
} Rig;
void rig_init(Rig *rig);
/** As a daemon that ends and starts again. */
void rig_restart(Rig *rig, gint64 now);
void rig_clear(Rig *rig);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

/** MAC 52:54:00:00:00:n, owner 0..0n; IPv4 and IPv6 by `any`. */
NwfLearnPort port_of(const char *name, guint8 n);
void add_port(Rig *rig, const char *name, guint8 n, NwfLearnMethod method);
/** A rig with ports "a" and "b" of MACs 1 and 2. */
void rig_ports(Rig *rig, NwfLearnMethod method);
/** "10.0.0.5 dhcp 1700000100, fe80::1 nd 0": what is known of a port. */
char *known(const Rig *rig, const char *port);
void assert_known(const Rig *rig, const char *port, const char *expected);

/** Frames: each is a new array; n names the guest's MAC (0: a router's). */
GByteArray *arp_frame(guint8 n, guint8 sender_n, const char *sender, const char *target);
GByteArray *ipv4_frame(guint8 n, const char *source, guint8 protocol, const void *payload, gsize length);
GByteArray *udp4_frame(guint8 n, const char *source, guint16 from, guint16 to, const GByteArray *payload);
GByteArray *ipv6_frame(guint8 n, const char *source, guint8 next, guint8 hop, const void *payload, gsize length);
GByteArray *udp6_frame(guint8 n, const char *source, guint16 from, guint16 to, const GByteArray *payload);
GByteArray *nd_frame(guint8 n, guint8 type, const char *source, const char *target);
/** Puts a tag behind the MAC addresses. */
void add_tag(GByteArray *frame, guint16 type);

typedef struct {
  guint8 type;
  guint32 xid;
  guint8 n; /* chaddr */
  const char *ciaddr, *yiaddr, *requested, *server_id, *giaddr;
  gint64 lease; /* -1: no option */
  gboolean rapid;
} Dhcp;
/** The message behind the UDP header; a reply when its type is OFFER, ACK or NAK. Ends with option 255. */
GByteArray *dhcp_message(const Dhcp *dhcp);
/** The whole frame, from the guest (0.0.0.0) or from @server. */
GByteArray *dhcp_frame(const Dhcp *dhcp, const char *server);

void append_option(GByteArray *message, guint8 code, guint8 length, const void *value);
void append_option6(GByteArray *message, guint16 code, guint16 length, const void *value);
GByteArray *dhcp6_message(guint8 type, guint32 xid, const char *duid);
/** IA_NA with one address; IA_PD when @prefix < 128. */
void append_ia(GByteArray *message, const char *address, guint prefix, guint32 valid, guint16 status);

/** Feeds the frame and frees it. */
gboolean feed(Rig *rig, const char *port, gboolean from_guest, GByteArray *frame, gint64 now);
/** An ARP request of the guest's, at NOW. */
gboolean shows(Rig *rig, const char *port, guint8 n, const char *address);
/** REQUEST by the guest and ACK by 10.0.0.1; what feeding the ACK gave. */
gboolean lease(Rig *rig, const char *port, guint8 n, const char *address, guint32 seconds, gint64 now);
/** The same of port "a" by DHCPv6: IA_NA, or IA_PD when @prefix < 128. */
gboolean reply6(Rig *rig, const char *address, guint prefix, guint32 valid, gint64 now);
/** What port "a" knows of itself. */
#define LINK_LOCAL "fe80::5054:ff:fe00:1 link-local 0"
