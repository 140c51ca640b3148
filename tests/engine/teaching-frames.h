// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Frames that teach addresses, and some that do not.
 */
#pragma once

#include <glib.h>

typedef struct {
  guint8 bytes[1514];
  gsize length;
} Frame;

typedef struct {
  gboolean to_guest; /* an answer: 67 -> 68 */
  guint8 type;       /* option 53 */
  guint32 xid;
  guint8 guest[6];       /* chaddr, and the frame's source or destination */
  const char *yiaddr;    /* NULL: 0.0.0.0 */
  const char *requested; /* option 50; NULL: none */
  const char *ciaddr;
  const char *server; /* source and option 54 of an answer; option 54 of a request; NULL: none */
  guint32 lease;      /* option 51 in seconds, 0: none */
  gboolean broadcast; /* an answer to everybody */
} Dhcp;

enum { DHCP_DISCOVER = 1, DHCP_OFFER, DHCP_REQUEST, DHCP_DECLINE, DHCP_ACK, DHCP_NAK, DHCP_RELEASE };

/** A gratuitous ARP request for @address. */
Frame frame_arp(const guint8 mac[6], const char *address);
/** Asks whether anybody has @address, from 0.0.0.0 (RFC 5227). */
Frame frame_arp_probe(const guint8 mac[6], const char *address);
/** An IPv4 UDP packet to a port that nobody has. */
Frame frame_udp(const guint8 mac[6], const guint8 to[6], const char *from, const char *destination);
Frame frame_dhcp(const Dhcp *dhcp);
/** Duplicate address detection (RFC 4862): a Neighbour Solicitation from :: for @address. */
Frame frame_dad(const guint8 mac[6], const char *address);
/** Sends an untagged IPv4 packet to another address. */
void frame_set_destination(Frame *frame, const char *address);
/** The frame within a VLAN tag (IEEE 802.1Q). */
Frame frame_tagged(Frame frame, guint16 vlan);
/** An IPv6 UDP packet. */
Frame frame_udp6(const guint8 mac[6], const guint8 to[6], const char *from, const char *destination);
/** What looks like a DHCPv6 client's message (RFC 8415) and is none. */
Frame frame_dhcp6(const guint8 mac[6], const char *from);
