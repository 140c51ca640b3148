// SPDX-License-Identifier: LGPL-2.1-or-later
/* One function builds one header; what a header says of the next one is in the table below. */
#include "frame-layer.h"

#include <string.h>

struct FrameLayerType {
  const char *name;
  guint ethertype;                                    /* for the layer above */
  int protocol;                                       /* the same in IP; -1: not in IP */
  void (*build)(FrameBuilder *, FrameLayer *, guint); /* appends itself and what is in it */
};

static const FrameLayerType *next_type(const FrameBuilder *builder, guint index) {
  const FrameLayer *next = index + 1 < builder->layers->len ? builder->layers->pdata[index + 1] : NULL;

  return next ? next->type : NULL;
}

static guint next_ethertype(const FrameBuilder *builder, guint index) {
  const FrameLayerType *type = next_type(builder, index);

  return type && type->ethertype ? type->ethertype : 0x88b5; /* IEEE 802, local experiments */
}

static guint next_protocol(const FrameBuilder *builder, guint index) {
  const FrameLayerType *type = next_type(builder, index);

  return type && type->protocol >= 0 ? (guint)type->protocol : 253; /* RFC 3692, experiments */
}

/* Bytes that stand behind the header itself: hexadecimal, and a number of 'x'. */
static void put_payload(FrameBuilder *builder, FrameLayer *layer, guint otherwise) {
  guint pad;

  frame_put_hex(builder, layer, "data");
  pad = frame_number(builder, layer, "pad", otherwise);
  for (guint i = 0; i < pad && i < 9000; i++)
    frame_put8(builder, 'x');
}

static void build_eth(FrameBuilder *builder, FrameLayer *layer, guint index) {
  frame_put_mac(builder, layer, "d", builder->to->mac);
  frame_put_mac(builder, layer, "s", builder->from->mac);
  frame_put16(builder, frame_number(builder, layer, "t", next_ethertype(builder, index)));
  put_payload(builder, layer, next_type(builder, index) ? 0 : 46);
  frame_build_from(builder, index + 1);
}

static void build_vlan(FrameBuilder *builder, FrameLayer *layer, guint index) {
  /* The type before it was written by the layer above. */
  guint tpid = frame_number(builder, layer, "tpid", 0);

  if (tpid)
    frame_set16(builder, builder->bytes->len - 2, tpid);
  frame_put16(builder, (frame_number(builder, layer, "pcp", 0) << 13) | frame_number(builder, layer, "id", 0));
  frame_put16(builder, frame_number(builder, layer, "t", next_ethertype(builder, index)));
  put_payload(builder, layer, next_type(builder, index) ? 0 : 46);
  frame_build_from(builder, index + 1);
}

static void build_arp(FrameBuilder *builder, FrameLayer *layer, guint index) {
  frame_put16(builder, frame_number(builder, layer, "htype", 1));
  frame_put16(builder, frame_number(builder, layer, "ptype", 0x0800));
  frame_put8(builder, frame_number(builder, layer, "hlen", 6));
  frame_put8(builder, frame_number(builder, layer, "plen", 4));
  frame_put16(builder, frame_number(builder, layer, "op", 1));
  if (!frame_field(layer, "data")) {
    frame_put_mac(builder, layer, "sha", builder->from->mac);
    frame_put_ip4(builder, layer, "spa", builder->from->ip4);
    frame_put_mac(builder, layer, "tha", NULL);
    frame_put_ip4(builder, layer, "tpa", builder->to->ip4);
  }
  put_payload(builder, layer, 0);
  frame_build_from(builder, index + 1);
}

/* A configuration BPDU unless it is told otherwise: the length is that of 802.3. */
static void build_stp(FrameBuilder *builder, FrameLayer *layer, guint index) {
  guint start = builder->bytes->len;
  guint type = frame_number(builder, layer, "type", 0);

  frame_put16(builder, frame_number(builder, layer, "llc", 0x4242));
  frame_put8(builder, 3);
  frame_put16(builder, frame_number(builder, layer, "pid", 0));
  frame_put8(builder, frame_number(builder, layer, "version", 0));
  frame_put8(builder, type);
  if (type != 0x80) {
    frame_put8(builder, frame_number(builder, layer, "flags", 0));
    frame_put16(builder, frame_number(builder, layer, "root", 0x8000));
    frame_put_mac(builder, layer, "root-mac", builder->from->mac);
    frame_put32(builder, frame_number(builder, layer, "cost", 0));
    frame_put16(builder, frame_number(builder, layer, "sender", 0x8000));
    frame_put_mac(builder, layer, "sender-mac", builder->from->mac);
    frame_put16(builder, frame_number(builder, layer, "port", 0x8001));
    frame_put16(builder, frame_number(builder, layer, "age", 0));
    frame_put16(builder, frame_number(builder, layer, "max-age", 0x1400));
    frame_put16(builder, frame_number(builder, layer, "hello", 0x200));
    frame_put16(builder, frame_number(builder, layer, "delay", 0xf00));
  }
  frame_set16(builder, start - 2, builder->bytes->len - start);
  put_payload(builder, layer, 8); /* Ethernet's padding */
  frame_build_from(builder, index + 1);
}

/* "slice=OFFSET,LENGTH" of an IP layer keeps that part of what is in it, as a fragment:
 * the offset to write, in bytes, and whether more follows. */
static gboolean take_slice(FrameBuilder *builder, FrameLayer *layer, guint start, guint *offset, gboolean *more) {
  const char *text = frame_field(layer, "slice");
  guint total = builder->bytes->len - start;
  char *end;
  guint64 from, length;

  if (!text)
    return FALSE;
  from = g_ascii_strtoull(text, &end, 10);
  length = *end == ',' ? g_ascii_strtoull(end + 1, &end, 10) : 0;
  if (*end || !length || from % 8 || from + length > total)
    return frame_fail(builder, "not a slice of it", text);
  g_byte_array_set_size(builder->bytes, start + (guint)(from + length));
  if (from)
    g_byte_array_remove_range(builder->bytes, start, (guint)from);
  *offset = (guint)from;
  *more = from + length < total;
  return TRUE;
}

static void remember_pseudo(FrameBuilder *builder, guint start, guint length) {
  memcpy(builder->pseudo, builder->bytes->data + start, length);
  builder->pseudo_length = length;
}

static void build_ip4(FrameBuilder *builder, FrameLayer *layer, guint index) {
  guint start = builder->bytes->len, header, offset = 0;
  gboolean more = FALSE;

  frame_put8(builder, 0);
  frame_put8(builder, frame_number(builder, layer, "tos", 0));
  frame_put16(builder, 0);
  frame_put16(builder, frame_number(builder, layer, "id", 1));
  frame_put16(builder, frame_number(builder, layer, "off", 0) / 8 | frame_number(builder, layer, "mf", 0) << 13);
  frame_put8(builder, frame_number(builder, layer, "ttl", 64));
  frame_put8(builder, frame_number(builder, layer, "p", next_protocol(builder, index)));
  frame_put16(builder, 0);
  frame_put_ip4(builder, layer, "s", builder->from->ip4);
  frame_put_ip4(builder, layer, "d", builder->to->ip4);
  remember_pseudo(builder, start + 12, 8);
  frame_put_hex(builder, layer, "opts");
  header = builder->bytes->len - start;
  builder->bytes->data[start] =
      (guint8)(frame_number(builder, layer, "ver", 4) << 4 | frame_number(builder, layer, "ihl", header / 4));

  put_payload(builder, layer, next_type(builder, index) ? 0 : 16);
  frame_build_from(builder, index + 1);
  if (take_slice(builder, layer, start + header, &offset, &more))
    frame_set16(builder, start + 6, offset / 8 | (more ? 0x2000 : 0));
  frame_set16(builder, start + 2, frame_number(builder, layer, "len", builder->bytes->len - start));

  guint sum = 0;
  for (guint i = 0; i < header; i += 2)
    sum += (guint)builder->bytes->data[start + i] << 8 | builder->bytes->data[start + i + 1];
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  frame_set16(builder, start + 10, (~sum & 0xffff) ^ frame_number(builder, layer, "badsum", 0));
}

static void build_ip6(FrameBuilder *builder, FrameLayer *layer, guint index) {
  guint start = builder->bytes->len;

  frame_put32(builder, frame_number(builder, layer, "ver", 6) << 28 | frame_number(builder, layer, "tc", 0) << 20);
  frame_put16(builder, 0);
  frame_put8(builder, frame_number(builder, layer, "nh", next_protocol(builder, index)));
  frame_put8(builder, 64);
  frame_put_ip6(builder, layer, "s", builder->from->ip6);
  frame_put_ip6(builder, layer, "d", builder->to->ip6);
  remember_pseudo(builder, start + 8, 32);
  put_payload(builder, layer, next_type(builder, index) ? 0 : 16);
  frame_build_from(builder, index + 1);
  frame_set16(builder, start + 4, frame_number(builder, layer, "len", builder->bytes->len - start - 40));
}

/* Hop-by-hop, destination options and routing (of a type that asks for nothing), 8 bytes each. */
static void build_extension(FrameBuilder *builder, FrameLayer *layer, guint index) {
  frame_put8(builder, frame_number(builder, layer, "nh", next_protocol(builder, index)));
  frame_put8(builder, frame_number(builder, layer, "len", 0));
  if (layer->type->protocol == 43)
    frame_put16(builder, 0);
  else
    frame_put16(builder, 0x0104); /* PadN */
  frame_put32(builder, 0);
  put_payload(builder, layer, 0);
  frame_build_from(builder, index + 1);
}

static void build_fragment(FrameBuilder *builder, FrameLayer *layer, guint index) {
  guint start = builder->bytes->len, offset = 0;
  gboolean more = FALSE;

  frame_put8(builder, frame_number(builder, layer, "nh", next_protocol(builder, index)));
  frame_put8(builder, 0);
  frame_put16(builder, frame_number(builder, layer, "off", 0) | frame_number(builder, layer, "mf", 0));
  frame_put32(builder, frame_number(builder, layer, "id", 1));
  put_payload(builder, layer, 0);
  frame_build_from(builder, index + 1);
  if (take_slice(builder, layer, start + 8, &offset, &more))
    frame_set16(builder, start + 2, offset | (more ? 1 : 0));
}

static void build_ah(FrameBuilder *builder, FrameLayer *layer, guint index) {
  frame_put8(builder, frame_number(builder, layer, "nh", next_protocol(builder, index)));
  frame_put8(builder, 1);
  frame_put16(builder, 0);
  frame_put32(builder, 0x100);
  frame_put32(builder, 1);
  put_payload(builder, layer, 0);
  frame_build_from(builder, index + 1);
}

static guint tcp_flags(FrameBuilder *builder, FrameLayer *layer) {
  static const char letters[] = "FSRPAU";
  const char *text = frame_field(layer, "flags");
  guint flags = 0;

  for (const char *c = text ? text : "S"; *c; c++) {
    const char *place = strchr(letters, *c);
    if (!place && *c != '-')
      frame_fail(builder, "no TCP flags", text);
    else if (place)
      flags |= 1u << (place - letters);
  }
  return flags;
}

static void build_tcp(FrameBuilder *builder, FrameLayer *layer, guint index) {
  guint start = builder->bytes->len;

  frame_put16(builder, frame_number(builder, layer, "sp", 1024));
  frame_put16(builder, frame_number(builder, layer, "dp", 80));
  frame_put32(builder, frame_number(builder, layer, "seq", 1000));
  frame_put32(builder, frame_number(builder, layer, "ack", 0));
  frame_put8(builder, 0x50);
  frame_put8(builder, tcp_flags(builder, layer));
  frame_put16(builder, 8192);
  frame_put32(builder, 0);
  frame_put_hex(builder, layer, "opts");
  builder->bytes->data[start + 12] =
      (guint8)(frame_number(builder, layer, "doff", (builder->bytes->len - start) / 4) << 4);
  put_payload(builder, layer, 0);
  frame_build_from(builder, index + 1);
  frame_set16(builder, start + 16, frame_checksum(builder, start, 6) ^ frame_number(builder, layer, "badsum", 0));
}

/* UDP and UDP-Lite: the latter's length is its checksum coverage, 0 for all. */
static void build_udp(FrameBuilder *builder, FrameLayer *layer, guint index) {
  guint start = builder->bytes->len, length;
  gboolean lite = layer->type->protocol == 136;

  frame_put16(builder, frame_number(builder, layer, "sp", 1024));
  frame_put16(builder, frame_number(builder, layer, "dp", 53));
  frame_put32(builder, 0);
  put_payload(builder, layer, 8);
  frame_build_from(builder, index + 1);
  length = builder->bytes->len - start;
  frame_set16(builder, start + 4, frame_number(builder, layer, "len", lite ? 0 : length));
  frame_set16(builder, start + 6, frame_checksum(builder, start, (guint)layer->type->protocol));
}

/* An INIT; its CRC is left zero, so connection tracking takes it for what it wants. */
static void build_sctp(FrameBuilder *builder, FrameLayer *layer, guint index) {
  frame_put16(builder, frame_number(builder, layer, "sp", 1024));
  frame_put16(builder, frame_number(builder, layer, "dp", 80));
  frame_put32(builder, 0);
  frame_put32(builder, 0);
  frame_put32(builder, 0x01000014);
  frame_put32(builder, 0x12345678);
  frame_put32(builder, 0x10000);
  frame_put32(builder, 0x00010001);
  frame_put32(builder, 1);
  put_payload(builder, layer, 0);
  frame_build_from(builder, index + 1);
}

/* ICMP, ICMPv6 and IGMP begin alike. */
static void build_icmp(FrameBuilder *builder, FrameLayer *layer, guint index) {
  guint start = builder->bytes->len;
  gboolean v6 = layer->type->protocol == 58;

  frame_put8(builder, frame_number(builder, layer, "type", v6 ? 128 : layer->type->protocol == 2 ? 0x16 : 8));
  frame_put8(builder, frame_number(builder, layer, "code", 0));
  frame_put16(builder, 0);
  frame_put16(builder, frame_number(builder, layer, "id", 1));
  frame_put16(builder, frame_number(builder, layer, "seq", 1));
  put_payload(builder, layer, 8);
  frame_build_from(builder, index + 1);
  frame_set16(builder, start + 2, frame_checksum(builder, start, v6 ? 58 : 0));
}

static void build_raw(FrameBuilder *builder, FrameLayer *layer, guint index) {
  put_payload(builder, layer, 0);
  frame_build_from(builder, index + 1);
}

static const FrameLayerType types[] = {
    {"eth", 0, -1, build_eth},       {"vlan", 0x8100, -1, build_vlan}, {"arp", 0x0806, -1, build_arp},
    {"rarp", 0x8035, -1, build_arp}, {"stp", 0x26, -1, build_stp},     {"ip4", 0x0800, 4, build_ip4},
    {"ip6", 0x86dd, 41, build_ip6},  {"hbh", 0, 0, build_extension},   {"rt", 0, 43, build_extension},
    {"frag", 0, 44, build_fragment}, {"esp", 0, 50, build_raw},        {"ah", 0, 51, build_ah},
    {"none", 0, 59, build_raw},      {"dst", 0, 60, build_extension},  {"icmp", 0, 1, build_icmp},
    {"igmp", 0, 2, build_icmp},      {"tcp", 0, 6, build_tcp},         {"udp", 0, 17, build_udp},
    {"icmp6", 0, 58, build_icmp},    {"sctp", 0, 132, build_sctp},     {"udplite", 0, 136, build_udp},
    {"raw", 0, -1, build_raw},
};

const FrameLayerType *frame_layer_type(const char *name) {
  for (guint i = 0; i < G_N_ELEMENTS(types); i++)
    if (g_str_equal(types[i].name, name))
      return &types[i];
  return NULL;
}

void frame_build_from(FrameBuilder *builder, guint index) {
  if (index < builder->layers->len) {
    FrameLayer *layer = builder->layers->pdata[index];
    layer->type->build(builder, layer, index);
  }
}
