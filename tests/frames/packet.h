// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * How the reference evaluator sees a frame: where its headers are, and whether they are whole.
 * It reads bytes only, and knows nothing of filters.
 */
#pragma once

#include <glib.h>

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_RARP 0x8035
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_QINQ 0x88a8 /* IEEE 802.1ad */
#define ETHERNET_HEADER 14

typedef struct {
  const guint8 *bytes;
  gsize length;
  guint16 type;           /* bytes 12 and 13: 0x8100 for a tagged frame, the length for 802.3 */
  gsize network;          /* where what the Ethernet header carries begins: behind a VLAN tag */
  gboolean well_formed;   /* IPv4 or IPv6, and its headers hold what they promise */
  int protocol;           /* the upper-layer protocol of a well-formed packet, else -1 */
  gboolean has_transport; /* well-formed, and not a later fragment */
  gsize transport;        /* where the upper-layer header begins */
} Packet;

/** Reads the headers of a frame of at least 14 bytes, which must outlive @packet. */
void packet_read(Packet *packet, const guint8 *bytes, gsize length);
/** Of a frame that the host itself sends the kernel skips all tags, of a received one only the first,
 * which it keeps beside the frame. */
void packet_skip_tags(Packet *packet);
/** @length bytes at @offset of the frame, or NULL when it ends before. */
const guint8 *packet_at(const Packet *packet, gsize offset, gsize length);
/** The same from the beginning of the upper-layer header; NULL when the packet has none. */
const guint8 *packet_transport_at(const Packet *packet, gsize offset, gsize length);
/** A big-endian number of @length bytes. */
guint32 packet_number(const guint8 *bytes, gsize length);
/** Whether there is a TCP header, whole with its options, that holds one of @kind. */
gboolean packet_tcp_option(const Packet *packet, guint8 kind);
