// SPDX-License-Identifier: LGPL-2.1-or-later
// Parsers of what guests send: good frames, frames cut at every length, frames that lie.

#include "learn-help.h"

#include <arpa/inet.h>
#include <string.h>

static NwfDhcp4 parsed4;

/* Parses a copy of just the message's size. */
static gboolean parse4_length(const GByteArray *message, gsize length, gboolean cut) {
  static guint8 *copy; /* what parsed4 points into lives until the next call */
  g_free(copy);
  copy = g_memdup2(message->data, length);
  return nwf_dhcp4_parse(copy, length, cut, &parsed4);
}

static gboolean parse4(const GByteArray *message) {
  return parse4_length(message, message->len, FALSE);
}

static GByteArray *ack(void) {
  Dhcp dhcp = {
      .type = NWF_DHCP4_ACK, .xid = 0x01020304, .n = 1, .yiaddr = "10.0.0.5", .server_id = "10.0.0.1", .lease = 60};
  return dhcp_message(&dhcp);
}

static void ethernet_tags(void) {
  for (guint tags = 0; tags <= 3; tags++) {
    g_autoptr(GByteArray) frame = arp_frame(1, 1, "10.0.0.5", "10.0.0.1");
    for (guint i = 0; i < tags; i++)
      add_tag(frame, i == 1 ? 0x88a8 : 0x8100);
    for (gsize length = 0; length <= frame->len; length++) {
      g_autofree guint8 *copy = g_memdup2(frame->data, length);
      NwfEthernet ethernet;
      gboolean good = nwf_ethernet_parse(copy, length, &ethernet);
      g_assert_cmpint(good, ==, tags <= 2 && length >= 14 + 4 * tags);
      if (good) {
        g_assert_cmpint(ethernet.type, ==, 0x0806);
        g_assert_cmpint(ethernet.length, ==, length - 14 - 4 * tags);
      }
    }
  }
}

static void ipv4_headers(void) {
  g_autoptr(GByteArray) frame = ipv4_frame(1, "10.0.0.5", 17, "12345678", 8);
  guint8 *data = frame->data + 14;
  NwfIpv4 ip;
  g_assert_true(nwf_ipv4_parse(data, 28, &ip));
  g_assert_cmpint(ip.length, ==, 8);
  g_assert_true(nwf_ipv4_parse(data, 20, &ip));
  g_assert_cmpint(ip.length, ==, 0);
  g_assert_false(nwf_ipv4_parse(data, 19, &ip));
  data[0] = 0x46; /* with options */
  g_assert_true(nwf_ipv4_parse(data, 28, &ip));
  g_assert_cmpint(ip.length, ==, 4);
  g_assert_true(ip.payload == data + 24);
  g_assert_true(nwf_ipv4_parse(data, 22, &ip));
  g_assert_null(ip.payload);
  data[0] = 0x44; /* a header of 16 bytes */
  g_assert_false(nwf_ipv4_parse(data, 28, &ip));
  data[0] = 0x65;
  g_assert_false(nwf_ipv4_parse(data, 28, &ip));
  data[0] = 0x45;
  data[3] = 19; /* shorter than its header */
  g_assert_false(nwf_ipv4_parse(data, 28, &ip));
  data[3] = 24; /* padding behind the packet is none of it */
  g_assert_true(nwf_ipv4_parse(data, 28, &ip));
  g_assert_cmpint(ip.length, ==, 4);
}

static void udp_lengths(void) {
  guint8 data[] = {0, 67, 0, 68, 0, 12, 0, 0, 1, 2, 3, 4};
  NwfUdp udp;
  g_assert_true(nwf_udp_parse(data, 12, 12, &udp));
  g_assert_cmpint(udp.length, ==, 4);
  g_assert_false(udp.cut);
  g_assert_true(nwf_udp_parse(data, 10, 12, &udp));
  g_assert_cmpint(udp.length, ==, 2);
  g_assert_true(udp.cut);
  g_assert_false(nwf_udp_parse(data, 7, 12, &udp));
  g_assert_false(nwf_udp_parse(data, 12, 11, &udp)); /* longer than the packet */
  data[5] = 7;
  g_assert_false(nwf_udp_parse(data, 12, 12, &udp));
}

static void arp_cut(void) {
  g_autoptr(GByteArray) frame = arp_frame(1, 2, "10.0.0.5", "10.0.0.1");
  NwfArp arp;
  for (gsize length = 0; length <= 28; length++) {
    g_autofree guint8 *copy = g_memdup2(frame->data + 14, length);
    g_assert_cmpint(nwf_arp_parse(copy, length, &arp), ==, length == 28);
  }
  g_assert_true(nwf_arp_parse(frame->data + 14, 28, &arp));
  g_assert_cmpmem(arp.sender_mac, 6, frame->data + 22, 6);
  g_assert_cmpmem(arp.sender, 4, "\x0a\0\0\x05", 4);
  frame->data[21] = 3; /* RARP's request */
  g_assert_false(nwf_arp_parse(frame->data + 14, 28, &arp));
}

static void dhcp_fields(void) {
  g_autoptr(GByteArray) message = ack();
  g_assert_true(parse4(message));
  g_assert_true(parsed4.reply);
  g_assert_cmpint(parsed4.type, ==, NWF_DHCP4_ACK);
  g_assert_cmphex(parsed4.xid, ==, 0x01020304);
  g_assert_cmpmem(parsed4.yiaddr, 4, "\x0a\0\0\x05", 4);
  g_assert_cmpmem(parsed4.server_id, 4, "\x0a\0\0\x01", 4);
  g_assert_true(parsed4.has_lease_time);
  g_assert_cmpint(parsed4.lease_time, ==, 60);
  g_assert_null(parsed4.requested);
}

static void dhcp_cut(void) {
  g_autoptr(GByteArray) message = ack();
  /* options: type 240-242, server 243-248, lease 249-254, end 255 */
  for (gsize length = 0; length <= message->len; length++) {
    gboolean whole_option = length == 243 || length == 249 || length >= 255;
    g_assert_cmpint(parse4_length(message, length, FALSE), ==, whole_option);
    g_assert_cmpint(parse4_length(message, length, TRUE), ==, length >= 243);
    if (length >= 243) {
      g_assert_cmpint(parsed4.has_lease_time, ==, length >= 255);
      g_assert_cmpint(parsed4.server_id != NULL, ==, length >= 249);
    }
  }
}

static void dhcp_not_ours(void) {
  static const struct {
    guint offset;
    guint8 value;
  } wrong[] = {{0, 3}, {1, 6}, {2, 16}, {236, 0}, {242, 0}, {242, 9}};
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_autoptr(GByteArray) message = ack();
    message->data[wrong[i].offset] = wrong[i].value;
    g_assert_false(parse4(message));
  }
}

/* The fixed part of a message, for options made by hand. */
static GByteArray *bare(void) {
  GByteArray *message = ack();
  g_byte_array_set_size(message, 240);
  return message;
}

static void dhcp_odd_options(void) {
  guint8 type = NWF_DHCP4_ACK;
  g_autoptr(GByteArray) padded = bare();
  g_byte_array_append(padded, (guint8[]){0, 0, 0}, 3);
  append_option(padded, 53, 1, &type);
  g_assert_true(parse4(padded)); /* no end */
  append_option(padded, 12, 0, NULL);
  g_assert_true(parse4(padded)); /* an empty option of no interest */
  g_byte_array_append(padded, (guint8[]){255, 53, 1}, 3);
  g_assert_true(parse4(padded)); /* behind the end is nothing */

  g_autoptr(GByteArray) twice = bare();
  append_option(twice, 53, 1, &type);
  append_option(twice, 53, 1, &type);
  g_assert_false(parse4(twice));

  g_autoptr(GByteArray) wrong_size = bare();
  append_option(wrong_size, 53, 1, &type);
  append_option(wrong_size, 51, 3, "\0\0\1");
  g_assert_false(parse4(wrong_size));

  g_autoptr(GByteArray) overrun = bare();
  append_option(overrun, 53, 1, &type);
  g_byte_array_append(overrun, (guint8[]){12, 200, 'x'}, 3);
  g_assert_false(parse4(overrun));
}

static void dhcp_overload(void) {
  for (guint8 where = 0; where <= 4; where++) {
    g_autoptr(GByteArray) message = bare();
    append_option(message, 52, 1, &where);
    g_byte_array_append(message, (guint8[]){255}, 1);
    memcpy(message->data + 108, "\x35\x01\x05\xff", 4);            /* file: ACK */
    memcpy(message->data + 44, "\x33\x04\x00\x00\x00\x3c\xff", 7); /* sname: a lease time */
    gboolean good = parse4(message);
    g_assert_cmpint(good, ==, where == 1 || where == 3); /* else without a type, or 4, which is none */
    if (good)
      g_assert_cmpint(parsed4.has_lease_time, ==, where == 3);
    /* an option that runs over the end of its area */
    memset(message->data + 108, 0, 128);
    memcpy(message->data + 108, "\x35\x01\x05", 3);
    memcpy(message->data + 108 + 126, "\x0c\x01", 2);
    g_assert_false(parse4(message));
  }
}

static void nd_messages(void) {
  NwfIpv6 ip;
  NwfNd nd;
  g_autoptr(GByteArray) frame = nd_frame(1, 135, "::", "2001:db8::5");
  guint8 *data = frame->data + 14;
  for (gsize length = 0; length <= 64; length++) {
    g_autofree guint8 *copy = g_memdup2(data, length);
    gboolean has_header = nwf_ipv6_parse(copy, length, &ip);
    g_assert_cmpint(has_header, ==, length >= 40);
    if (has_header)
      g_assert_cmpint(nwf_nd_parse(&ip, &nd), ==, length == 64);
  }
  g_assert_true(nwf_ipv6_parse(data, 64, &ip) && nwf_nd_parse(&ip, &nd));
  g_assert_true(nd.detection && !nd.advertisement);
  g_assert_true(nd.target == data + 48);
  static const struct {
    guint offset;
    guint8 value;
  } wrong[] = {{0, 0x40}, {5, 23}, {6, 0}, {6, 44}, {7, 254}, {40, 134}, {41, 1}};
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_autofree guint8 *copy = g_memdup2(data, 64);
    copy[wrong[i].offset] = wrong[i].value;
    g_assert_false(nwf_ipv6_parse(copy, 64, &ip) && nwf_nd_parse(&ip, &nd));
  }
}

static void dhcp6_cut(void) {
  g_autoptr(GByteArray) message = dhcp6_message(NWF_DHCP6_REPLY, 0x010203, "duid");
  guint after_id = message->len;
  append_ia(message, "2001:db8::5", 128, 60, 0);
  guint after_na = message->len;
  append_ia(message, "2001:db8:1::", 56, 60, 0);
  static NwfDhcp6 parsed;
  for (gsize length = 0; length <= message->len; length++) {
    g_autofree guint8 *copy = g_memdup2(message->data, length);
    gboolean whole = length == 4 || length == after_id || length == after_na || length == message->len;
    g_assert_cmpint(nwf_dhcp6_parse(copy, length, &parsed), ==, whole);
  }
  g_assert_true(nwf_dhcp6_parse(message->data, message->len, &parsed));
  g_assert_cmphex(parsed.xid, ==, 0x010203);
  g_assert_cmpint(parsed.client_length, ==, 4);
  g_assert_cmpint(parsed.n_addresses, ==, 2);
  g_assert_cmpint(parsed.addresses[0].prefix, ==, 128);
  g_assert_cmpint(parsed.addresses[1].prefix, ==, 56);
  g_assert_cmpint(parsed.addresses[1].valid, ==, 60);
}

static void dhcp6_odd(void) {
  static NwfDhcp6 parsed;
  g_autoptr(GByteArray) relayed = dhcp6_message(13, 1, "duid");
  g_assert_false(nwf_dhcp6_parse(relayed->data, relayed->len, &parsed));

  g_autoptr(GByteArray) refused = dhcp6_message(NWF_DHCP6_REPLY, 1, "duid");
  append_ia(refused, "2001:db8::5", 128, 60, 2);
  append_ia(refused, "2001:db8::6", 128, 60, 0);
  g_assert_true(nwf_dhcp6_parse(refused->data, refused->len, &parsed));
  g_assert_cmpint(parsed.n_addresses, ==, 1);
  g_assert_cmpint(parsed.addresses[0].address[15], ==, 6);

  g_autoptr(GByteArray) many = dhcp6_message(NWF_DHCP6_REPLY, 1, "duid");
  for (guint i = 0; i < 3 * NWF_LEARN_ADDRESSES_MAX; i++)
    append_ia(many, "2001:db8::5", 128, 60, 0);
  g_assert_true(nwf_dhcp6_parse(many->data, many->len, &parsed));
  g_assert_cmpint(parsed.n_addresses, ==, NWF_LEARN_ADDRESSES_MAX);

  g_autoptr(GByteArray) twice = dhcp6_message(NWF_DHCP6_REPLY, 1, "duid");
  append_option6(twice, 1, 4, "diud");
  g_assert_false(nwf_dhcp6_parse(twice->data, twice->len, &parsed));
}

static void usable(void) {
  static const struct {
    const char *address;
    gboolean good;
  } cases[] = {{"10.0.0.1", TRUE},
               {"0.0.0.0", FALSE},
               {"0.1.2.3", FALSE},
               {"127.0.0.1", FALSE},
               {"224.0.0.1", FALSE},
               {"240.0.0.1", FALSE},
               {"255.255.255.255", FALSE},
               {"223.255.255.1", TRUE},
               {"169.254.1.1", TRUE},
               {"::", FALSE},
               {"::1", FALSE},
               {"ff02::1", FALSE},
               {"fe80::1", TRUE},
               {"::ffff:10.0.0.1", FALSE},
               {"::10.0.0.1", FALSE},
               {"64:ff9b::1", TRUE},
               {"2001:db8::1", TRUE}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    guint8 bytes[16] = {0};
    gboolean ipv6 = strchr(cases[i].address, ':') != NULL;
    g_assert_cmpint(inet_pton(ipv6 ? AF_INET6 : AF_INET, cases[i].address, bytes), ==, 1);
    g_test_message("%s", cases[i].address);
    g_assert_cmpint(ipv6 ? nwf_ipv6_usable(bytes) : nwf_ipv4_usable(bytes), ==, cases[i].good);
  }
}

static void heap_order(void) {
  enum { N = 500 };
  NwfExpiry expiry;
  nwf_expiry_init(&expiry);
  g_autofree NwfExpiryNode *nodes = g_new0(NwfExpiryNode, N);
  guint in = 0;
  for (guint i = 0; i < 20000; i++) {
    NwfExpiryNode *node = &nodes[g_random_int_range(0, N)];
    gint64 until = g_random_int_range(0, 300);
    in += (until != 0) - (node->place != 0);
    nwf_expiry_set(&expiry, node, until);
    NwfExpiryNode *first = nwf_expiry_first(&expiry);
    g_assert_cmpint(expiry.nodes->len, ==, in);
    g_assert_true((first == NULL) == (in == 0));
    for (guint j = 0; first && i % 100 == 0 && j < N; j++)
      g_assert_true(!nodes[j].place || nodes[j].until >= first->until);
  }
  gint64 last = 0;
  for (NwfExpiryNode *first; (first = nwf_expiry_first(&expiry)); nwf_expiry_set(&expiry, first, 0)) {
    g_assert_cmpint(first->until, >=, last);
    last = first->until;
  }
  nwf_expiry_clear(&expiry);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/learn-parse/ethernet-with-up-to-two-tags", ethernet_tags);
  g_test_add_func("/learn-parse/ipv4-header-lengths", ipv4_headers);
  g_test_add_func("/learn-parse/udp-lengths", udp_lengths);
  g_test_add_func("/learn-parse/arp-cut-at-every-length", arp_cut);
  g_test_add_func("/learn-parse/dhcp-fields", dhcp_fields);
  g_test_add_func("/learn-parse/dhcp-cut-at-every-length", dhcp_cut);
  g_test_add_func("/learn-parse/dhcp-that-is-none", dhcp_not_ours);
  g_test_add_func("/learn-parse/dhcp-odd-options", dhcp_odd_options);
  g_test_add_func("/learn-parse/dhcp-overload", dhcp_overload);
  g_test_add_func("/learn-parse/neighbour-discovery", nd_messages);
  g_test_add_func("/learn-parse/dhcpv6-cut-at-every-length", dhcp6_cut);
  g_test_add_func("/learn-parse/dhcpv6-odd-messages", dhcp6_odd);
  g_test_add_func("/learn-parse/usable-addresses", usable);
  g_test_add_func("/learn-parse/heap-keeps-order", heap_order);
  return g_test_run();
}
