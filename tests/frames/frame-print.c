// SPDX-License-Identifier: LGPL-2.1-or-later
/* Frames for people: a rough reading, which stops where the bytes do. */
#include "frame.h"

#include <arpa/inet.h>
#include <string.h>

typedef struct {
  const guint8 *bytes;
  gsize length;
  GString *text;
} Reader;

static const guint8 *at(const Reader *reader, gsize offset, gsize length) {
  return offset + length <= reader->length ? reader->bytes + offset : NULL;
}

static guint number16(const guint8 *bytes) {
  return (guint)(bytes[0] << 8 | bytes[1]);
}

static void add_mac(Reader *reader, const guint8 *mac) {
  g_string_append_printf(reader->text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void add_address(Reader *reader, int family, const guint8 *address) {
  char buffer[INET6_ADDRSTRLEN];
  g_string_append(reader->text, inet_ntop(family, address, buffer, sizeof buffer));
}

static void cut_off(Reader *reader) {
  g_string_append(reader->text, " (cut off)");
}

static void describe_arp(Reader *reader, gsize offset) {
  const guint8 *header = at(reader, offset, 28);
  if (header == NULL) {
    cut_off(reader);
    return;
  }
  g_string_append_printf(reader->text, " op %u hw %u proto 0x%04x len %u/%u ", number16(header + 6), number16(header),
                         number16(header + 2), header[4], header[5]);
  add_mac(reader, header + 8);
  g_string_append_c(reader->text, ' ');
  add_address(reader, AF_INET, header + 14);
  g_string_append(reader->text, " -> ");
  add_mac(reader, header + 18);
  g_string_append_c(reader->text, ' ');
  add_address(reader, AF_INET, header + 24);
}

static void describe_transport(Reader *reader, guint8 protocol, gsize offset) {
  const guint8 *header = at(reader, offset, 4);
  g_string_append_printf(reader->text, " proto %u", protocol);
  if (header == NULL)
    cut_off(reader);
  else if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6 || protocol == IPPROTO_IGMP)
    g_string_append_printf(reader->text, " type %u code %u", header[0], header[1]);
  else if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
           protocol == IPPROTO_UDPLITE || protocol == IPPROTO_DCCP)
    g_string_append_printf(reader->text, " port %u -> %u", number16(header), number16(header + 2));
  if (protocol == IPPROTO_TCP && at(reader, offset, 14) != NULL)
    g_string_append_printf(reader->text, " flags 0x%02x offset %u", header[13], header[12] >> 4);
}

static void describe_ipv4(Reader *reader, gsize offset) {
  const guint8 *header = at(reader, offset, 20);
  if (header == NULL) {
    cut_off(reader);
    return;
  }
  g_string_append_c(reader->text, ' ');
  add_address(reader, AF_INET, header + 12);
  g_string_append(reader->text, " -> ");
  add_address(reader, AF_INET, header + 16);
  guint fragment = number16(header + 6);
  if (header[0] != 0x45 || number16(header + 2) != reader->length - offset)
    g_string_append_printf(reader->text, " version %u ihl %u total %u of %zu", header[0] >> 4, header[0] & 0x0f,
                           number16(header + 2), reader->length - offset);
  if (header[1] != 0)
    g_string_append_printf(reader->text, " dscp %u", header[1] >> 2);
  if ((fragment & 0x3fff) != 0)
    g_string_append_printf(reader->text, " fragment %u%s", (fragment & 0x1fff) * 8, fragment & 0x2000 ? "+" : "");
  if ((fragment & 0x1fff) != 0)
    g_string_append_printf(reader->text, " proto %u", header[9]);
  else
    describe_transport(reader, header[9], offset + (header[0] & 0x0f) * 4u);
}

static void describe_ipv6(Reader *reader, gsize offset) {
  const guint8 *header = at(reader, offset, 40);
  if (header == NULL) {
    cut_off(reader);
    return;
  }
  g_string_append_c(reader->text, ' ');
  add_address(reader, AF_INET6, header + 8);
  g_string_append(reader->text, " -> ");
  add_address(reader, AF_INET6, header + 24);
  if (header[0] >> 4 != 6 || number16(header + 4) + 40 != reader->length - offset)
    g_string_append_printf(reader->text, " version %u payload %u of %zd", header[0] >> 4, number16(header + 4),
                           (gssize)(reader->length - offset) - 40);
  guint8 next = header[6];
  offset += 40;
  while (next == 0 || next == 43 || next == 44 || next == 51 || next == 60) {
    const guint8 *extension = at(reader, offset, 8);
    g_string_append_printf(reader->text, " ext %u", next);
    if (extension == NULL) {
      cut_off(reader);
      return;
    }
    if (next == 44) {
      g_string_append_printf(reader->text, " fragment %u%s", number16(extension + 2) & 0xfff8u,
                             extension[3] & 1 ? "+" : "");
      if ((number16(extension + 2) & 0xfff8) != 0) {
        g_string_append_printf(reader->text, " proto %u", extension[0]);
        return;
      }
      offset += 8;
    } else {
      offset += next == 51 ? (extension[1] + 2u) * 4 : (extension[1] + 1u) * 8;
    }
    next = extension[0];
  }
  describe_transport(reader, next, offset);
}

static void describe_bpdu(Reader *reader, gsize offset) {
  const guint8 *header = at(reader, offset, 7);
  if (header == NULL || header[0] != 0x42)
    return;
  g_string_append_printf(reader->text, " bpdu version %u type %u", header[5], header[6]);
}

char *frame_describe(const guint8 *bytes, gsize length) {
  Reader reader = {.bytes = bytes, .length = length, .text = g_string_new(NULL)};
  add_mac(&reader, bytes + 6);
  g_string_append(reader.text, " > ");
  add_mac(&reader, bytes);
  gsize offset = 12;
  for (guint tags = 0; tags < 2 && at(&reader, offset, 6) != NULL; tags++, offset += 4) {
    guint tpid = number16(bytes + offset);
    if (tpid != 0x8100 && tpid != 0x88a8)
      break;
    g_string_append_printf(reader.text, " tag 0x%04x id %u", tpid, number16(bytes + offset + 2) & 0xfffu);
  }
  guint type = number16(bytes + offset);
  g_string_append_printf(reader.text, type < 0x600 ? " 802.3 length %u" : " type 0x%04x", type);
  if (type == 0x0806 || type == 0x8035)
    describe_arp(&reader, offset + 2);
  else if (type == 0x0800)
    describe_ipv4(&reader, offset + 2);
  else if (type == 0x86dd)
    describe_ipv6(&reader, offset + 2);
  else if (type < 0x600)
    describe_bpdu(&reader, offset + 2);
  g_string_append_printf(reader.text, ", %zu bytes", length);
  return g_string_free(reader.text, FALSE);
}

char *frame_hex(const guint8 *bytes, gsize length) {
  GString *text = g_string_sized_new(length * 2 + 1);
  for (gsize i = 0; i < length; i++)
    g_string_append_printf(text, "%02x", bytes[i]);
  return g_string_free(text, FALSE);
}
