// SPDX-License-Identifier: LGPL-2.1-or-later
#include "learn-help.h"

#include <arpa/inet.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static void log_line(NwfLearnLogLevel level, const char *message, gpointer data) {
  g_string_append_printf(data, "%c %s\n", "DIWE"[level], message);
}

static void start(Rig *rig, gint64 now) {
  NwfLearnConfig config = {
      .lease_file = rig->lease_file, .state_dir = rig->state_dir, .log = log_line, .data = rig->log};
  rig->learner = nwf_learner_new(&config, now);
}

void rig_init(Rig *rig) {
  /* in memory, as /run is: rewriting the lease file syncs it */
  const char *parent = g_access("/dev/shm", W_OK) == 0 ? "/dev/shm" : g_get_tmp_dir();
  rig->directory = g_build_filename(parent, "nwf-learn-XXXXXX", NULL);
  g_assert_nonnull(g_mkdtemp(rig->directory));
  rig->lease_file = g_build_filename(rig->directory, "nwfilter.leases", NULL);
  rig->state_dir = g_build_filename(rig->directory, "state", NULL);
  rig->log = g_string_new(NULL);
  start(rig, NOW);
}

void rig_restart(Rig *rig, gint64 now) {
  nwf_learner_free(rig->learner);
  g_string_truncate(rig->log, 0);
  start(rig, now);
}

static void remove_tree(const char *path) {
  g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *inner = g_build_filename(path, name, NULL);
    remove_tree(inner);
  }
  g_remove(path);
}

void rig_clear(Rig *rig) {
  nwf_learner_free(rig->learner);
  remove_tree(rig->directory);
  g_free(rig->directory);
  g_free(rig->lease_file);
  g_free(rig->state_dir);
  g_string_free(rig->log, TRUE);
}

NwfLearnPort port_of(const char *name, guint8 n) {
  NwfLearnPort port = {.port = name, .has_owner_uuid = TRUE, .ipv4 = TRUE, .ipv6 = TRUE};
  memcpy(port.mac, (guint8[]){0x52, 0x54, 0, 0, 0, n}, 6);
  port.owner_uuid[15] = n;
  return port;
}

void add_port(Rig *rig, const char *name, guint8 n, NwfLearnMethod method) {
  NwfLearnPort port = port_of(name, n);
  port.method = method;
  port.ipv6 = FALSE;
  nwf_learner_add_port(rig->learner, &port, NOW);
}

char *known(const Rig *rig, const char *port) {
  g_autoptr(GArray) addresses = nwf_learner_addresses(rig->learner, port);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < addresses->len; i++) {
    const NwfLearned *learned = &g_array_index(addresses, NwfLearned, i);
    g_autofree char *address = nwf_learned_format(learned);
    g_string_append_printf(text, "%s%s %s %" G_GINT64_FORMAT, i ? ", " : "", address,
                           nwf_learned_how_name(learned->how), learned->until ? learned->until - NOW : 0);
  }
  return g_string_free(text, FALSE);
}

void assert_known(const Rig *rig, const char *port, const char *expected) {
  g_autofree char *text = known(rig, port);
  g_assert_cmpstr(text, ==, expected);
}

/* --- frames --- */

static void append16(GByteArray *bytes, guint16 value) {
  g_byte_array_append(bytes, (guint8[]){(guint8)(value >> 8), (guint8)value}, 2);
}

static void append32(GByteArray *bytes, guint32 value) {
  append16(bytes, (guint16)(value >> 16));
  append16(bytes, (guint16)value);
}

static void append_ip(GByteArray *bytes, const char *text) {
  guint8 address[16] = {0};
  int family = text && strchr(text, ':') ? AF_INET6 : AF_INET;
  if (text)
    g_assert_cmpint(inet_pton(family, text, address), ==, 1);
  g_byte_array_append(bytes, address, family == AF_INET ? 4 : 16);
}

static void append_mac(GByteArray *bytes, guint8 n) {
  g_byte_array_append(bytes, (guint8[]){0x52, 0x54, 0, 0, 0, n}, 6);
}

static GByteArray *ethernet(guint8 n, guint16 type) {
  GByteArray *frame = g_byte_array_new();
  g_byte_array_append(frame, (guint8[]){255, 255, 255, 255, 255, 255}, 6);
  append_mac(frame, n);
  append16(frame, type);
  return frame;
}

void add_tag(GByteArray *frame, guint16 type) {
  guint8 tag[4] = {(guint8)(type >> 8), (guint8)type, 0, 7};
  g_byte_array_append(frame, tag, 4);
  memmove(frame->data + 16, frame->data + 12, frame->len - 16);
  memcpy(frame->data + 12, tag, 4);
}

GByteArray *arp_frame(guint8 n, guint8 sender_n, const char *sender, const char *target) {
  GByteArray *frame = ethernet(n, 0x0806);
  g_byte_array_append(frame, (guint8[]){0, 1, 8, 0, 6, 4, 0, 1}, 8);
  append_mac(frame, sender_n);
  append_ip(frame, sender);
  append_mac(frame, 0);
  append_ip(frame, target);
  return frame;
}

GByteArray *ipv4_frame(guint8 n, const char *source, guint8 protocol, const void *payload, gsize length) {
  GByteArray *frame = ethernet(n, 0x0800);
  g_byte_array_append(frame, (guint8[]){0x45, 0}, 2);
  append16(frame, (guint16)(20 + length));
  g_byte_array_append(frame, (guint8[]){0, 0, 0, 0, 64, protocol, 0, 0}, 8);
  append_ip(frame, source);
  append_ip(frame, "255.255.255.255");
  if (length)
    g_byte_array_append(frame, payload, (guint)length);
  return frame;
}

static GByteArray *udp(guint16 from, guint16 to, const GByteArray *payload) {
  GByteArray *bytes = g_byte_array_new();
  append16(bytes, from);
  append16(bytes, to);
  append16(bytes, (guint16)(8 + payload->len));
  append16(bytes, 0);
  g_byte_array_append(bytes, payload->data, payload->len);
  return bytes;
}

GByteArray *udp4_frame(guint8 n, const char *source, guint16 from, guint16 to, const GByteArray *payload) {
  g_autoptr(GByteArray) bytes = udp(from, to, payload);
  return ipv4_frame(n, source, 17, bytes->data, bytes->len);
}

GByteArray *ipv6_frame(guint8 n, const char *source, guint8 next, guint8 hop, const void *payload, gsize length) {
  GByteArray *frame = ethernet(n, 0x86dd);
  append32(frame, 0x60000000);
  append16(frame, (guint16)length);
  g_byte_array_append(frame, (guint8[]){next, hop}, 2);
  append_ip(frame, source);
  append_ip(frame, "ff02::1");
  g_byte_array_append(frame, payload, (guint)length);
  return frame;
}

GByteArray *udp6_frame(guint8 n, const char *source, guint16 from, guint16 to, const GByteArray *payload) {
  g_autoptr(GByteArray) bytes = udp(from, to, payload);
  return ipv6_frame(n, source, 17, 64, bytes->data, bytes->len);
}

GByteArray *nd_frame(guint8 n, guint8 type, const char *source, const char *target) {
  g_autoptr(GByteArray) message = g_byte_array_new();
  g_byte_array_append(message, (guint8[]){type, 0, 0, 0, 0, 0, 0, 0}, 8);
  append_ip(message, target);
  return ipv6_frame(n, source, 58, 255, message->data, message->len);
}

/* --- DHCP --- */

void append_option(GByteArray *message, guint8 code, guint8 length, const void *value) {
  g_byte_array_append(message, (guint8[]){code, length}, 2);
  if (length)
    g_byte_array_append(message, value, length);
}

static void append_address_option(GByteArray *message, guint8 code, const char *address) {
  guint8 bytes[4];
  if (address && inet_pton(AF_INET, address, bytes) == 1)
    append_option(message, code, 4, bytes);
}

GByteArray *dhcp_message(const Dhcp *dhcp) {
  gboolean reply = dhcp->type == NWF_DHCP4_OFFER || dhcp->type == NWF_DHCP4_ACK || dhcp->type == NWF_DHCP4_NAK;
  GByteArray *message = g_byte_array_new();
  g_byte_array_append(message, (guint8[]){reply ? 2 : 1, 1, 6, 0}, 4);
  append32(message, dhcp->xid);
  append32(message, 0);
  append_ip(message, dhcp->ciaddr);
  append_ip(message, dhcp->yiaddr);
  append_ip(message, NULL);
  append_ip(message, dhcp->giaddr);
  append_mac(message, dhcp->n);
  guint start = message->len;
  g_byte_array_set_size(message, 236);
  memset(message->data + start, 0, 236 - start);
  append32(message, 0x63825363);
  append_option(message, 53, 1, &dhcp->type);
  append_address_option(message, 50, dhcp->requested);
  append_address_option(message, 54, dhcp->server_id);
  guint32 seconds = htonl((guint32)dhcp->lease);
  if (reply && dhcp->lease >= 0)
    append_option(message, 51, 4, &seconds);
  if (dhcp->rapid)
    append_option(message, 80, 0, NULL);
  g_byte_array_append(message, (guint8[]){255}, 1);
  return message;
}

GByteArray *dhcp_frame(const Dhcp *dhcp, const char *server) {
  g_autoptr(GByteArray) message = dhcp_message(dhcp);
  return server ? udp4_frame(0, server, 67, 68, message)
                : udp4_frame(dhcp->n, dhcp->ciaddr ? dhcp->ciaddr : "0.0.0.0", 68, 67, message);
}

void append_option6(GByteArray *message, guint16 code, guint16 length, const void *value) {
  append16(message, code);
  append16(message, length);
  if (length)
    g_byte_array_append(message, value, length);
}

GByteArray *dhcp6_message(guint8 type, guint32 xid, const char *duid) {
  GByteArray *message = g_byte_array_new();
  append32(message, (guint32)type << 24 | xid);
  if (duid)
    append_option6(message, 1, (guint16)strlen(duid), duid);
  return message;
}

void append_ia(GByteArray *message, const char *address, guint prefix, guint32 valid, guint16 status) {
  g_autoptr(GByteArray) inner = g_byte_array_new();
  g_autoptr(GByteArray) ia = g_byte_array_new();
  append32(ia, 1);
  append32(ia, 0);
  append32(ia, 0);
  if (prefix == 128)
    append_ip(inner, address);
  append32(inner, valid);
  append32(inner, valid);
  if (prefix != 128) {
    g_byte_array_append(inner, (guint8[]){(guint8)prefix}, 1);
    append_ip(inner, address);
  }
  append_option6(ia, prefix == 128 ? 5 : 26, (guint16)inner->len, inner->data);
  guint8 code[2] = {(guint8)(status >> 8), (guint8)status};
  if (status)
    append_option6(ia, 13, 2, code);
  append_option6(message, prefix == 128 ? 3 : 25, (guint16)ia->len, ia->data);
}

gboolean feed(Rig *rig, const char *port, gboolean from_guest, GByteArray *frame, gint64 now) {
  /* a copy of just this size, so that ASan sees a byte too many */
  g_autofree guint8 *copy = g_memdup2(frame->data, frame->len);
  gboolean changed = nwf_learner_frame(rig->learner, port, from_guest, copy, frame->len, now);
  g_byte_array_unref(frame);
  return changed;
}

gboolean lease(Rig *rig, const char *port, guint8 n, const char *address, guint32 seconds, gint64 now) {
  static guint32 xid = 100;
  Dhcp request = {.type = NWF_DHCP4_REQUEST, .xid = ++xid, .n = n, .requested = address, .server_id = "10.0.0.1"};
  Dhcp ack = {.type = NWF_DHCP4_ACK, .xid = xid, .n = n, .yiaddr = address, .server_id = "10.0.0.1", .lease = seconds};
  g_assert_false(feed(rig, port, TRUE, dhcp_frame(&request, NULL), now));
  return feed(rig, port, FALSE, dhcp_frame(&ack, "10.0.0.1"), now);
}

void rig_ports(Rig *rig, NwfLearnMethod method) {
  rig_init(rig);
  add_port(rig, "a", 1, method);
  add_port(rig, "b", 2, method);
}

gboolean shows(Rig *rig, const char *port, guint8 n, const char *address) {
  return feed(rig, port, TRUE, arp_frame(n, n, address, "10.0.0.9"), NOW);
}

gboolean reply6(Rig *rig, const char *address, guint prefix, guint32 valid, gint64 now) {
  static guint32 xid = 100;
  g_autoptr(GByteArray) request = dhcp6_message(NWF_DHCP6_REQUEST, ++xid, "duid");
  g_autoptr(GByteArray) reply = dhcp6_message(NWF_DHCP6_REPLY, xid, "duid");
  append_ia(reply, address, prefix, valid, 0);
  feed(rig, "a", TRUE, udp6_frame(1, "fe80::5054:ff:fe00:1", 546, 547, request), now);
  return feed(rig, "a", FALSE, udp6_frame(0, "fe80::1", 547, 546, reply), now);
}
