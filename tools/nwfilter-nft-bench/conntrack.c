// SPDX-License-Identifier: LGPL-2.1-or-later
/* Cutting one port's flows among very many others. */
#include "bench.h"

#include <arpa/inet.h>
#include <gio/gio.h>
#include <kernel/conntrack.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <string.h>

#define ENTRIES 500000
#define FLOWS 100 /* of each address that is cut */
#define BATCH 256 /* entries in one send */
#define MESSAGE 256
#define SPARE 2000 /* entries below the kernel's limit */
#define LIMIT_FILE "/proc/sys/net/netfilter/nf_conntrack_max"
#define COUNT_FILE "/proc/sys/net/netfilter/nf_conntrack_count"

static gint64 read_number(const char *path) {
  g_autofree char *text = NULL;
  return g_file_get_contents(path, &text, NULL, NULL) ? g_ascii_strtoll(text, NULL, 10) : -1;
}

static void put_tuple(struct nlmsghdr *message, guint16 type, guint32 from, guint32 to, guint16 sport, guint16 dport) {
  struct nlattr *tuple = mnl_attr_nest_start(message, type);
  struct nlattr *ip = mnl_attr_nest_start(message, CTA_TUPLE_IP);
  mnl_attr_put_u32(message, CTA_IP_V4_SRC, htonl(from));
  mnl_attr_put_u32(message, CTA_IP_V4_DST, htonl(to));
  mnl_attr_nest_end(message, ip);
  struct nlattr *proto = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
  mnl_attr_put_u8(message, CTA_PROTO_NUM, IPPROTO_UDP);
  mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(sport));
  mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(dport));
  mnl_attr_nest_end(message, proto);
  mnl_attr_nest_end(message, tuple);
}

static gsize put_entry(void *buffer, guint32 from, guint32 to, guint16 sport, guint16 dport) {
  struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
  message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
  struct nfgenmsg *head = mnl_nlmsg_put_extra_header(message, sizeof *head);
  head->nfgen_family = AF_INET;
  put_tuple(message, CTA_TUPLE_ORIG, from, to, sport, dport);
  put_tuple(message, CTA_TUPLE_REPLY, to, from, dport, sport);
  mnl_attr_put_u32(message, CTA_TIMEOUT, htonl(86400));
  return message->nlmsg_len;
}

/* @n flows, each BATCH of which goes in one send: of address @from + i / @each_address, for i up to @n. */
static gboolean add_flows(struct mnl_socket *socket, guint32 from, guint n, guint each_address, GError **error) {
  g_autofree guint8 *buffer = g_malloc0(BATCH * MESSAGE);

  for (guint i = 0; i < n;) {
    gsize length = 0;
    for (guint end = MIN(i + BATCH, n); i < end; i++)
      length += put_entry(buffer + length, from + i / each_address, 0xc6336401, /* 198.51.100.1, RFC 5737 */
                          (guint16)(1024 + i % each_address), 53);
    if (mnl_socket_sendto(socket, buffer, length) < 0) {
      g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "ctnetlink: %s", g_strerror(errno));
      return FALSE;
    }
  }
  return TRUE;
}

/* Nothing of other ports may be lost, so the entries are counted. */
static gboolean cut_once(const Bench *bench, struct mnl_socket *socket, guint n_addresses, Series *series,
                         GError **error) {
  const guint32 first = 0x0a4d0000; /* 10.77.0.0: none of the others' */
  g_autofree NwfFlowAddress *addresses = g_new0(NwfFlowAddress, n_addresses);
  gint64 before = read_number(COUNT_FILE), after;
  guint cut = 0;

  for (guint i = 0; i < n_addresses; i++) {
    guint32 address = htonl(first + i);
    memcpy(addresses[i].address, &address, sizeof address);
  }
  if (!add_flows(socket, first, n_addresses * FLOWS, FLOWS, error))
    return FALSE;
  gint64 start = bench_clock_wall();
  if (!nwf_conntrack_cut(&(NwfConntrackCut){.addresses = addresses, .n_addresses = n_addresses}, &cut, error))
    return FALSE;
  series_add(series, (double)(bench_clock_wall() - start) / 1e6);
  after = read_number(COUNT_FILE);
  if (cut == n_addresses * FLOWS && after == before)
    return TRUE;
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
              "of %u flows %u were cut; of %" G_GINT64_FORMAT " others %" G_GINT64_FORMAT " are left",
              n_addresses * FLOWS, cut, before, after);
  return FALSE;
}

static gboolean measure(const Bench *bench, struct mnl_socket *socket, guint entries, guint n_addresses,
                        GError **error) {
  g_autofree char *what = g_strdup_printf("cut %u flows of %u address%s among %u", n_addresses * FLOWS, n_addresses,
                                          n_addresses == 1 ? "" : "es", entries);
  g_autoptr(Series) series = bench_series(bench, what, "ms", 1);

  for (guint run = 0; run < bench->runs; run++) {
    if (!cut_once(bench, socket, n_addresses, series, error))
      return FALSE;
    bench_progress(bench, 1, "%s: %u of %u runs", what, run + 1, bench->runs);
  }
  bench_emit(bench, series);
  return TRUE;
}

static gboolean measure_all(const Bench *bench, struct mnl_socket *socket, guint entries, GError **error) {
  static const guint addresses[] = {1, 4, 16, 100};

  bench_plan(bench->runs * G_N_ELEMENTS(addresses));
  bench_progress(bench, 0, "making %u entries", entries);
  if (!add_flows(socket, 0x0b000000, entries, FLOWS, error)) /* from 11.0.0.0 on */
    return FALSE;
  if (read_number(COUNT_FILE) < entries) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "of %u entries there are %" G_GINT64_FORMAT, entries,
                read_number(COUNT_FILE));
    return FALSE;
  }
  for (guint i = 0; i < G_N_ELEMENTS(addresses); i++)
    if (!measure(bench, socket, entries, addresses[i], error))
      return FALSE;
  return TRUE;
}

gboolean bench_conntrack(const Bench *bench, GError **error) {
  struct mnl_socket *socket = mnl_socket_open(NETLINK_NETFILTER);
  gint64 limit = read_number(LIMIT_FILE);

  if (limit < 0) {
    bench_emit_missing(bench, "cut", 0, "this kernel tracks no connections");
    return TRUE;
  }
  if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "ctnetlink: %s", g_strerror(errno));
    return FALSE;
  }
  if (limit < ENTRIES + 100 * FLOWS + SPARE)
    bench_emit_missing(bench, "cut among 500,000", 0, "fewer are allowed: net.netfilter.nf_conntrack_max");
  guint entries = (guint)MIN(ENTRIES, MAX(limit - 100 * FLOWS - SPARE, 0));
  gboolean ok = measure_all(bench, socket, entries, error);
  mnl_socket_close(socket);
  return ok;
}
