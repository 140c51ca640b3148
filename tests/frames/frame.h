// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Builds Ethernet frames from a description, whole or broken in a chosen way, and shows frames
 * to people. A FrameSpec is plain data: start with frame_spec() and change what matters.
 */
#pragma once

#include <glib.h>

#define FRAME_MAX 1514
#define FRAME_KEEP (-1) /* a length or version that is to be right */

typedef enum {
  FRAME_ARP,
  FRAME_RARP,
  FRAME_IPV4,
  FRAME_IPV6,
  FRAME_STP,   /* a configuration BPDU in 802.3 */
  FRAME_LLC,   /* 802.3 with another LLC header */
  FRAME_OTHER, /* an EtherType of the caller's */
} FrameKind;

typedef struct {
  guint16 hwtype, protocoltype, opcode;
  guint8 hlen, plen;
  guint8 sender_mac[6], sender_ip[4], target_mac[6], target_ip[4];
} FrameArp;

typedef struct {
  guint8 source[16], destination[16]; /* IPv4: the first four bytes */
  guint8 protocol;
  guint8 dscp;
  guint8 options;       /* IPv4: 32-bit words of options */
  guint8 extensions[4]; /* IPv6: extension headers, in order; 0 is hop-by-hop */
  guint n_extensions;
  guint16 fragment;                         /* offset in units of 8 bytes */
  gboolean more_fragments;                  /* IPv6: a fragment header is put in when this or @fragment is set */
  int version, header_length, total_length; /* FRAME_KEEP, or what is to be written; IPv6: payload length */
} FrameIp;

typedef struct {
  guint16 source, destination; /* ports */
  guint8 type, code;           /* ICMP, ICMPv6, IGMP */
  guint8 tcp_flags;
  guint8 tcp_options[40];
  guint8 n_tcp_options; /* bytes, padded with zeros to a multiple of 4 */
  int tcp_offset;       /* FRAME_KEEP, or the data offset in words */
  guint payload;        /* bytes behind the header */
} FrameTransport;

typedef struct {
  guint8 version, type, flags;
  guint16 root_priority, sender_priority, port, age, max_age, hello_time, forward_delay;
  guint32 root_cost;
  guint8 root_address[6], sender_address[6];
} FrameBpdu;

typedef struct {
  FrameKind kind;
  guint8 destination[6], source[6];
  guint tags;   /* 0, 1 or 2 */
  guint16 tpid; /* of the outer tag */
  guint16 tci;  /* of the outer tag */
  guint16 type; /* FRAME_OTHER */
  FrameArp arp; /* FRAME_ARP, FRAME_RARP */
  FrameIp ip;   /* FRAME_IPV4, FRAME_IPV6 */
  FrameTransport transport;
  FrameBpdu bpdu; /* FRAME_STP */
  guint padding;  /* bytes of zeros at the end */
  guint cut;      /* at least 14: the frame ends there; 0: whole */
} FrameSpec;

typedef struct {
  guint8 bytes[FRAME_MAX];
  gsize length;
} Frame;

/** A whole, ordinary frame of that kind: a broadcast ARP request, a UDP datagram and so on. */
FrameSpec frame_spec(FrameKind kind);
void frame_build(const FrameSpec *spec, Frame *frame);

/** A frame in one line for people; caller frees. */
char *frame_describe(const guint8 *bytes, gsize length);
/** Its bytes in hexadecimal; caller frees. */
char *frame_hex(const guint8 *bytes, gsize length);
