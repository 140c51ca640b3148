// SPDX-License-Identifier: LGPL-2.1-or-later
#include "frame.h"

#include <netinet/in.h>
#include <string.h>

static const guint8 bridge_group[6] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x00};

static void put(Frame *frame, const void *bytes, gsize length) {
  length = MIN(length, FRAME_MAX - frame->length);
  memcpy(frame->bytes + frame->length, bytes, length);
  frame->length += length;
}

static void put8(Frame *frame, guint number) {
  guint8 byte = (guint8)number;
  put(frame, &byte, 1);
}

static void put16(Frame *frame, guint number) {
  put8(frame, number >> 8);
  put8(frame, number);
}

static void put32(Frame *frame, guint32 number) {
  put16(frame, number >> 16);
  put16(frame, number);
}

static void put_zeros(Frame *frame, gsize count) {
  while (count-- > 0)
    put8(frame, 0);
}

static void write16(Frame *frame, gsize offset, guint number) {
  frame->bytes[offset] = (guint8)(number >> 8);
  frame->bytes[offset + 1] = (guint8)number;
}

/* --- what the headers hold --- */

FrameSpec frame_spec(FrameKind kind) {
  FrameSpec spec = {
      .kind = kind,
      .source = {0x52, 0x54, 0x00, 0x00, 0x00, 0x01},
      .destination = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
      .tpid = 0x8100,
      .tci = 1,
      .type = 0x88b5, /* IEEE 802: for experiments */
      .arp = {.hwtype = 1, .protocoltype = 0x0800, .opcode = kind == FRAME_RARP ? 3 : 1, .hlen = 6, .plen = 4},
      .ip = {.protocol = IPPROTO_UDP, .version = FRAME_KEEP, .header_length = FRAME_KEEP, .total_length = FRAME_KEEP},
      .transport = {.source = 1024, .destination = 1025, .tcp_flags = 0x02, .tcp_offset = FRAME_KEEP, .payload = 8},
      .bpdu = {.root_priority = 0x8000,
               .sender_priority = 0x8000,
               .max_age = 0x1400,
               .hello_time = 0x200,
               .forward_delay = 0xf00},
  };
  if (kind == FRAME_STP)
    memcpy(spec.destination, bridge_group, 6);
  return spec;
}

/* --- headers --- */

static void put_arp(Frame *frame, const FrameArp *arp) {
  put16(frame, arp->hwtype);
  put16(frame, arp->protocoltype);
  put8(frame, arp->hlen);
  put8(frame, arp->plen);
  put16(frame, arp->opcode);
  put(frame, arp->sender_mac, 6);
  put(frame, arp->sender_ip, 4);
  put(frame, arp->target_mac, 6);
  put(frame, arp->target_ip, 4);
}

static void put_tcp(Frame *frame, const FrameTransport *transport) {
  guint options = (transport->n_tcp_options + 3u) / 4;
  put16(frame, transport->source);
  put16(frame, transport->destination);
  put32(frame, 1);
  put32(frame, 2);
  put8(frame, (transport->tcp_offset == FRAME_KEEP ? 5 + options : (guint)transport->tcp_offset) << 4);
  put8(frame, transport->tcp_flags);
  put16(frame, 1000);
  put32(frame, 0);
  put(frame, transport->tcp_options, transport->n_tcp_options);
  put_zeros(frame, options * 4 - transport->n_tcp_options);
}

static void put_transport(Frame *frame, guint8 protocol, const FrameTransport *transport) {
  switch (protocol) {
  case IPPROTO_TCP:
    put_tcp(frame, transport);
    break;
  case IPPROTO_ICMP:
  case IPPROTO_ICMPV6:
  case IPPROTO_IGMP:
    put8(frame, transport->type);
    put8(frame, transport->code);
    put16(frame, 0);
    put32(frame, 0x00010001);
    break;
  case IPPROTO_SCTP:
    put16(frame, transport->source);
    put16(frame, transport->destination);
    put32(frame, 7);
    put32(frame, 0);
    break;
  case IPPROTO_UDP:
  case IPPROTO_UDPLITE:
  case IPPROTO_DCCP:
    put16(frame, transport->source);
    put16(frame, transport->destination);
    put16(frame, 8 + transport->payload);
    put16(frame, 0);
    break;
  default: /* ESP, AH and the unknown: numbers of no meaning here */
    put32(frame, 0x3b040000);
    put32(frame, 0x00001000);
    put32(frame, 1);
  }
  put_zeros(frame, transport->payload);
}

/* RFC 1071 */
static guint checksum(const guint8 *bytes, gsize length) {
  guint32 sum = 0;
  for (gsize i = 0; i + 1 < length; i += 2)
    sum += (guint32)(bytes[i] << 8 | bytes[i + 1]);
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

static void put_ipv4(Frame *frame, const FrameSpec *spec) {
  const FrameIp *ip = &spec->ip;
  gsize start = frame->length;
  guint words = 5u + ip->options;
  put8(frame, (ip->version == FRAME_KEEP ? 4u : (guint)ip->version) << 4 |
                  ((ip->header_length == FRAME_KEEP ? words : (guint)ip->header_length) & 0x0f));
  put8(frame, (guint)ip->dscp << 2);
  put16(frame, 0);
  put16(frame, 0x1234);
  put16(frame, (ip->more_fragments ? 0x2000u : 0) | (ip->fragment & 0x1fffu));
  put8(frame, 64);
  put8(frame, ip->protocol);
  put16(frame, 0);
  put(frame, ip->source, 4);
  put(frame, ip->destination, 4);
  for (guint i = 0; i < ip->options; i++)
    put32(frame, 0x01010101); /* no operation */
  put_transport(frame, ip->protocol, &spec->transport);
  write16(frame, start + 2, ip->total_length == FRAME_KEEP ? (guint)(frame->length - start) : (guint)ip->total_length);
  write16(frame, start + 10, checksum(frame->bytes + start, words * 4));
}

/* One extension header, all of eight bytes but AH, whose length is counted otherwise. */
static void put_extension(Frame *frame, guint8 kind, guint8 next, const FrameIp *ip) {
  put8(frame, next);
  if (kind == IPPROTO_FRAGMENT) {
    put8(frame, 0);
    put16(frame, (guint)ip->fragment << 3 | (ip->more_fragments ? 1u : 0));
    put32(frame, 0x12345678);
  } else if (kind == IPPROTO_AH) {
    put8(frame, 1); /* (1 + 2) * 4 bytes */
    put16(frame, 0);
    put32(frame, 0x1000);
    put32(frame, 1);
  } else {
    put8(frame, 0);
    put16(frame, kind == IPPROTO_ROUTING ? 0x0400 : 0x0104); /* type 4, nothing left; PadN */
    put32(frame, 0);
  }
}

static void put_ipv6(Frame *frame, const FrameSpec *spec) {
  const FrameIp *ip = &spec->ip;
  gsize start = frame->length;
  guint8 chain[6];
  guint n = 0;
  for (guint i = 0; i < ip->n_extensions; i++)
    chain[n++] = ip->extensions[i];
  if (ip->fragment != 0 || ip->more_fragments)
    chain[n++] = IPPROTO_FRAGMENT;
  chain[n] = ip->protocol;
  put32(frame, (ip->version == FRAME_KEEP ? 6u : (guint)ip->version) << 28 | (guint32)ip->dscp << 22);
  put16(frame, 0);
  put8(frame, chain[0]);
  put8(frame, 64);
  put(frame, ip->source, 16);
  put(frame, ip->destination, 16);
  for (guint i = 0; i < n; i++)
    put_extension(frame, chain[i], chain[i + 1], ip);
  put_transport(frame, ip->protocol, &spec->transport);
  write16(frame, start + 4,
          ip->total_length == FRAME_KEEP ? (guint)(frame->length - start - 40) : (guint)ip->total_length);
}

static void put_bpdu(Frame *frame, const FrameBpdu *bpdu) {
  put8(frame, 0x42);
  put8(frame, 0x42);
  put8(frame, 0x03);
  put16(frame, 0);
  put8(frame, bpdu->version);
  put8(frame, bpdu->type);
  if (bpdu->type == 0x80) /* a topology change notification has no more */
    return;
  put8(frame, bpdu->flags);
  put16(frame, bpdu->root_priority);
  put(frame, bpdu->root_address, 6);
  put32(frame, bpdu->root_cost);
  put16(frame, bpdu->sender_priority);
  put(frame, bpdu->sender_address, 6);
  put16(frame, bpdu->port);
  put16(frame, bpdu->age);
  put16(frame, bpdu->max_age);
  put16(frame, bpdu->hello_time);
  put16(frame, bpdu->forward_delay);
  if (bpdu->version >= 2)
    put8(frame, 0);
}

/* --- frames --- */

static guint ether_type(const FrameSpec *spec) {
  switch (spec->kind) {
  case FRAME_ARP:
    return 0x0806;
  case FRAME_RARP:
    return 0x8035;
  case FRAME_IPV4:
    return 0x0800;
  case FRAME_IPV6:
    return 0x86dd;
  case FRAME_OTHER:
    return spec->type;
  default:
    return 0; /* the length, put in at the end */
  }
}

static void put_content(Frame *frame, const FrameSpec *spec) {
  switch (spec->kind) {
  case FRAME_ARP:
  case FRAME_RARP:
    put_arp(frame, &spec->arp);
    break;
  case FRAME_IPV4:
    put_ipv4(frame, spec);
    break;
  case FRAME_IPV6:
    put_ipv6(frame, spec);
    break;
  case FRAME_STP:
    put_bpdu(frame, &spec->bpdu);
    break;
  case FRAME_LLC:
    put8(frame, 0xaa);
    put8(frame, 0xaa);
    put8(frame, 0x03);
    put_zeros(frame, 5 + spec->transport.payload);
    break;
  case FRAME_OTHER:
    put_zeros(frame, spec->transport.payload);
  }
}

void frame_build(const FrameSpec *spec, Frame *frame) {
  frame->length = 0;
  put(frame, spec->destination, 6);
  put(frame, spec->source, 6);
  for (guint i = 0; i < spec->tags; i++) {
    put16(frame, i == 0 ? spec->tpid : 0x8100u);
    put16(frame, i == 0 ? spec->tci : 7u);
  }
  gsize type = frame->length;
  put16(frame, ether_type(spec));
  put_content(frame, spec);
  if (spec->kind == FRAME_STP || spec->kind == FRAME_LLC)
    write16(frame, type, (guint)(frame->length - type - 2));
  put_zeros(frame, spec->padding);
  if (spec->cut >= 14 && spec->cut < frame->length)
    frame->length = spec->cut;
}
