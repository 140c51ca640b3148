// SPDX-License-Identifier: LGPL-2.1-or-later
#include "teaching-frames.h"

#include <arpa/inet.h>
#include <string.h>

static const guint8 everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void put(Frame *frame, const void *bytes, gsize length) {
  g_assert_cmpuint(frame->length + length, <=, sizeof frame->bytes);
  memcpy(frame->bytes + frame->length, bytes, length);
  frame->length += length;
}

static void put8(Frame *frame, guint8 value) {
  put(frame, &value, 1);
}

static void put16(Frame *frame, guint16 value) {
  value = htons(value);
  put(frame, &value, 2);
}

static void put32(Frame *frame, guint32 value) {
  value = htonl(value);
  put(frame, &value, 4);
}

static void put_address(Frame *frame, int family, const char *text) {
  guint8 address[16] = {0};
  g_assert_true(!text || inet_pton(family, text, address) == 1);
  put(frame, address, family == AF_INET ? 4 : 16);
}

static void ethernet(Frame *frame, const guint8 to[6], const guint8 from[6], guint16 type) {
  put(frame, to, 6);
  put(frame, from, 6);
  put16(frame, type);
}

static guint32 add_up(const guint8 *bytes, gsize length, guint32 sum) {
  for (gsize i = 0; i + 1 < length; i += 2)
    sum += (guint32)bytes[i] << 8 | bytes[i + 1];
  return length % 2 ? sum + ((guint32)bytes[length - 1] << 8) : sum;
}

static guint16 folded(guint32 sum) {
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return (guint16)~sum;
}

static void set16(Frame *frame, gsize offset, guint16 value) {
  frame->bytes[offset] = (guint8)(value >> 8);
  frame->bytes[offset + 1] = (guint8)value;
}

static gsize ipv4(Frame *frame, guint8 protocol, const char *from, const char *to) {
  gsize start = frame->length;
  put16(frame, 0x4500);
  put16(frame, 0); /* length, later */
  put32(frame, 0);
  put8(frame, 64);
  put8(frame, protocol);
  put16(frame, 0);
  put_address(frame, AF_INET, from);
  put_address(frame, AF_INET, to);
  return start;
}

static void end_ipv4(Frame *frame, gsize start) {
  set16(frame, start + 2, (guint16)(frame->length - start));
  set16(frame, start + 10, folded(add_up(frame->bytes + start, 20, 0)));
  set16(frame, start + 24, (guint16)(frame->length - start - 20)); /* of UDP; no checksum */
}

static void udp(Frame *frame, guint16 from, guint16 to) {
  put16(frame, from);
  put16(frame, to);
  put32(frame, 0);
}

static Frame arp_request(const guint8 mac[6], const char *sender, const char *address) {
  static const guint8 zero[6];
  Frame frame = {.length = 0};
  ethernet(&frame, everybody, mac, 0x0806);
  put(&frame, (const guint8[]){0, 1, 8, 0, 6, 4, 0, 1}, 8);
  put(&frame, mac, 6);
  put_address(&frame, AF_INET, sender);
  put(&frame, zero, 6);
  put_address(&frame, AF_INET, address);
  return frame;
}

Frame frame_arp(const guint8 mac[6], const char *address) {
  return arp_request(mac, address, address);
}

Frame frame_arp_probe(const guint8 mac[6], const char *address) {
  return arp_request(mac, NULL, address);
}

Frame frame_udp(const guint8 mac[6], const guint8 to[6], const char *from, const char *destination) {
  Frame frame = {.length = 0};
  ethernet(&frame, to, mac, 0x0800);
  gsize start = ipv4(&frame, 17, from, destination);
  udp(&frame, 1000, 9);
  put(&frame, "frame", 5);
  end_ipv4(&frame, start);
  return frame;
}

static void option(Frame *frame, guint8 kind, const void *value, guint8 length) {
  put8(frame, kind);
  put8(frame, length);
  put(frame, value, length);
}

static void option_address(Frame *frame, guint8 kind, const char *text) {
  guint8 address[4];
  if (text && inet_pton(AF_INET, text, address) == 1)
    option(frame, kind, address, 4);
}

Frame frame_dhcp(const Dhcp *dhcp) {
  static const guint8 server_mac[6] = {0x52, 0x54, 0, 0xff, 0, 1};
  static const guint8 nothing[202];
  Frame frame = {.length = 0};
  gboolean answer = dhcp->to_guest;
  ethernet(&frame, answer && !dhcp->broadcast ? dhcp->guest : everybody, answer ? server_mac : dhcp->guest, 0x0800);
  gsize start = answer ? ipv4(&frame, 17, dhcp->server, dhcp->broadcast ? "255.255.255.255" : dhcp->yiaddr)
                       : ipv4(&frame, 17, dhcp->ciaddr, "255.255.255.255");
  udp(&frame, answer ? 67 : 68, answer ? 68 : 67);
  put(&frame, (const guint8[]){answer ? 2 : 1, 1, 6, 0}, 4);
  put32(&frame, dhcp->xid);
  put32(&frame, dhcp->broadcast ? 0x8000 : 0);
  put_address(&frame, AF_INET, dhcp->ciaddr);
  put_address(&frame, AF_INET, dhcp->yiaddr);
  put32(&frame, 0);
  put32(&frame, 0);
  put(&frame, dhcp->guest, 6);
  put(&frame, nothing, 202);
  put32(&frame, 0x63825363);
  option(&frame, 53, &dhcp->type, 1);
  guint32 lease = htonl(dhcp->lease);
  if (dhcp->lease)
    option(&frame, 51, &lease, 4);
  option_address(&frame, 54, dhcp->server);
  option_address(&frame, 50, dhcp->requested);
  put8(&frame, 255);
  end_ipv4(&frame, start);
  return frame;
}

static gsize ipv6(Frame *frame, guint8 next, guint8 hops, const char *from, const char *to) {
  gsize start = frame->length;
  put32(frame, 0x60000000);
  put16(frame, 0);
  put8(frame, next);
  put8(frame, hops);
  put_address(frame, AF_INET6, from);
  put_address(frame, AF_INET6, to);
  return start;
}

static void end_ipv6(Frame *frame, gsize start, gsize checksum, guint8 next) {
  gsize length = frame->length - start - 40;
  set16(frame, start + 4, (guint16)length);
  guint32 sum = add_up(frame->bytes + start + 8, 32, (guint32)length + next);
  set16(frame, start + 40 + checksum, folded(add_up(frame->bytes + start + 40, length, sum)));
}

Frame frame_dad(const guint8 mac[6], const char *address) {
  Frame frame = {.length = 0};
  ethernet(&frame, (const guint8[]){0x33, 0x33, 0xff, 0, 0, 1}, mac, 0x86dd);
  gsize start = ipv6(&frame, 58, 255, "::", "ff02::1:ff00:1");
  put(&frame, (const guint8[]){135, 0, 0, 0, 0, 0, 0, 0}, 8);
  put_address(&frame, AF_INET6, address);
  end_ipv6(&frame, start, 2, 58);
  return frame;
}

static Frame ipv6_udp(const guint8 mac[6], const guint8 to[6], const char *from, const char *destination,
                      guint16 source, guint16 port) {
  Frame frame = {.length = 0};
  ethernet(&frame, to, mac, 0x86dd);
  gsize start = ipv6(&frame, 17, 64, from, destination);
  udp(&frame, source, port);
  put(&frame, "frame", 5);
  set16(&frame, start + 44, 13);
  end_ipv6(&frame, start, 6, 17);
  return frame;
}

Frame frame_udp6(const guint8 mac[6], const guint8 to[6], const char *from, const char *destination) {
  return ipv6_udp(mac, to, from, destination, 1000, 9);
}

void frame_set_destination(Frame *frame, const char *address) {
  g_assert_cmpint(inet_pton(AF_INET, address, frame->bytes + 14 + 16), ==, 1);
  set16(frame, 14 + 10, 0);
  set16(frame, 14 + 10, folded(add_up(frame->bytes + 14, 20, 0)));
}

Frame frame_tagged(Frame frame, guint16 vlan) {
  memmove(frame.bytes + 16, frame.bytes + 12, frame.length - 12);
  frame.length += 4;
  set16(&frame, 12, 0x8100);
  set16(&frame, 14, vlan);
  return frame;
}

Frame frame_dhcp6(const guint8 mac[6], const char *from) {
  return ipv6_udp(mac, (const guint8[]){0x33, 0x33, 0, 1, 0, 2}, from, "ff02::1:2", 546, 547);
}
