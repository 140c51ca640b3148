// SPDX-License-Identifier: LGPL-2.1-or-later
/* Which frames of a watched port reach user space. */
#include "trial.h"

#include "kernel/nflog.h"

#include <netinet/in.h>
#include <string.h>

static const guint8 guest[6] = {0x52, 0x54, 0, 0, 0, 1};
static const guint8 server[4] = {10, 0, 0, 254}, rogue[4] = {10, 0, 0, 253}, own[4] = {10, 0, 0, 1}, none[4];

/* A frame, and the kinds that copy it. */
typedef struct {
  const char *name;
  gboolean in;
  guint kinds;
  Frame frame;
} Case;

static void add(GArray *cases, const char *name, gboolean in, guint kinds, const FrameSpec *spec) {
  Case item = {.name = name, .in = in, .kinds = kinds};
  frame_build(spec, &item.frame);
  g_array_append_val(cases, item);
}

static FrameSpec udp(FrameKind kind, guint16 from, guint16 to) {
  FrameSpec spec = frame_spec(kind);
  spec.ip.protocol = IPPROTO_UDP;
  spec.transport.source = from;
  spec.transport.destination = to;
  spec.transport.payload = 300;
  return spec;
}

static void add_dhcp(GArray *cases, const char *name, gboolean in, guint kinds, const guint8 source[4],
                     const guint8 client[6], guint tags, guint16 fragment) {
  FrameSpec spec = in ? udp(FRAME_IPV4, 67, 68) : udp(FRAME_IPV4, 68, 67);
  memcpy(spec.ip.source, source, 4);
  memcpy(spec.source, in ? (guint8[]){2, 0, 0, 0, 0, 9} : guest, 6);
  memset(spec.destination, 0xff, 6);
  spec.tags = tags;
  spec.tpid = 0x8100;
  spec.tci = 5;
  spec.ip.fragment = fragment;
  add(cases, name, in, kinds, &spec);
  memcpy(g_array_index(cases, Case, cases->len - 1).frame.bytes + 14 + 4 * tags + 20 + 8 + 28, client, 6);
}

static void add_ipv6(GArray *cases, const char *name, gboolean in, guint kinds, guint8 protocol, guint8 type,
                     guint16 from, guint16 to) {
  FrameSpec spec = udp(FRAME_IPV6, from, to);
  spec.ip.protocol = protocol;
  spec.transport.type = type;
  add(cases, name, in, kinds, &spec);
}

static GArray *make_cases(void) {
  static const guint8 stranger[6] = {0x52, 0x54, 0, 0, 0, 2};
  GArray *cases = g_array_new(FALSE, FALSE, sizeof(Case));
  FrameSpec arp = frame_spec(FRAME_ARP);
  add(cases, "ARP from the guest", FALSE, NWF_WATCH_ARP, &arp);
  add(cases, "ARP to the guest", TRUE, 0, &arp);
  FrameSpec tcp = frame_spec(FRAME_IPV4);
  tcp.ip.protocol = IPPROTO_TCP;
  memcpy(tcp.ip.source, own, 4);
  add(cases, "IPv4 from the guest", FALSE, NWF_WATCH_IPV4, &tcp);
  add(cases, "IPv4 to the guest", TRUE, 0, &tcp);
  add_dhcp(cases, "DISCOVER", FALSE, NWF_WATCH_DHCP, none, guest, 0, 0);
  add_dhcp(cases, "renewal", FALSE, NWF_WATCH_DHCP | NWF_WATCH_IPV4, own, guest, 0, 0);
  add_dhcp(cases, "later fragment with DHCP's ports", FALSE, NWF_WATCH_IPV4, own, guest, 0, 8);
  add_dhcp(cases, "tagged DISCOVER", FALSE, NWF_WATCH_DHCP, none, guest, 1, 0);
  add_dhcp(cases, "tagged later fragment", FALSE, 0, none, guest, 1, 8);
  add_dhcp(cases, "reply", TRUE, NWF_WATCH_DHCP, server, guest, 0, 0);
  add_dhcp(cases, "reply to another", TRUE, 0, server, stranger, 0, 0);
  add_dhcp(cases, "reply of another server", TRUE, 0, rogue, guest, 0, 0);
  add_dhcp(cases, "later fragment of a reply", TRUE, 0, server, guest, 0, 8);
  add_dhcp(cases, "tagged reply", TRUE, NWF_WATCH_DHCP, server, guest, 1, 0);
  add_dhcp(cases, "tagged reply to another", TRUE, 0, server, stranger, 1, 0);
  add_dhcp(cases, "tagged reply of another server", TRUE, 0, rogue, guest, 1, 0);
  add_ipv6(cases, "Neighbour Solicitation", FALSE, NWF_WATCH_ND, IPPROTO_ICMPV6, 135, 0, 0);
  add_ipv6(cases, "Neighbour Advertisement", FALSE, NWF_WATCH_ND, IPPROTO_ICMPV6, 136, 0, 0);
  add_ipv6(cases, "Router Solicitation", FALSE, 0, IPPROTO_ICMPV6, 133, 0, 0);
  add_ipv6(cases, "Neighbour Solicitation to the guest", TRUE, 0, IPPROTO_ICMPV6, 135, 0, 0);
  add_ipv6(cases, "DHCPv6 from the guest", FALSE, NWF_WATCH_DHCPV6, IPPROTO_UDP, 0, 546, 547);
  add_ipv6(cases, "DHCPv6 to the guest", TRUE, NWF_WATCH_DHCPV6, IPPROTO_UDP, 0, 547, 546);
  add_ipv6(cases, "DHCPv6 from the guest as a server", FALSE, 0, IPPROTO_UDP, 0, 547, 546);
  return cases;
}

typedef struct {
  const Case *item;
  guint copies;
} Copies;

static void note(const NwfNflogFrame *frame, gpointer data) {
  Copies *copies = data;
  copies->copies++;
  g_assert_cmpstr(frame->port, ==, "vm0");
  g_assert_cmpint(frame->from_guest, ==, !copies->item->in);
  /* what is needed is there: all of DHCP, the addresses of the others */
  gsize least = MIN(copies->item->frame.length, copies->item->kinds & (NWF_WATCH_DHCP | NWF_WATCH_DHCPV6) ? 1500 : 34);
  if (copies->item->kinds == (NWF_WATCH_DHCP | NWF_WATCH_IPV4))
    least = 34;
  g_assert_cmpuint(frame->length, >=, least);
  g_assert_cmpmem(frame->frame, least, copies->item->frame.bytes, least);
}

static void install(Trial *trial, NwfFilterStore *store, guint watch) {
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfBinding) binding = nwf_binding_new();
  binding->port = trial_port_name(0);
  binding->filter = g_strdup("empty");
  binding->watch = watch;
  memcpy(binding->mac, guest, 6);
  nwf_parameters_add(binding->parameters, "DHCPSERVER", "10.0.0.252", NULL);
  nwf_parameters_add(binding->parameters, "DHCPSERVER", "10.0.0.254", NULL);
  g_assert_true(trial_install(trial, store, &binding, 1, &error));
}

static guint copies_of(Trial *trial, NwfNflog *nflog, const Case *item) {
  g_autoptr(GError) error = NULL;
  Copies copies = {.item = item};
  Seen seen[2];
  guint lost = 0;
  if (item->in)
    trial_send_in(trial, FALSE, item->frame.bytes, item->frame.length, seen, &error);
  else
    trial_send_out(trial, 0, item->frame.bytes, item->frame.length, seen, &error);
  g_assert_no_error(error);
  g_assert_cmpint(seen[0], ==, SEEN_ACCEPTED);
  nwf_nflog_read(nflog, 100, note, &copies, &lost, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(lost, ==, 0);
  return copies.copies;
}

/* One port, what it copies, and a filter that lets all through. */
static void prepare(Trial **trial, NwfNflog **nflog, NwfFilterStore **store) {
  g_autoptr(GError) error = NULL;
  *trial = trial_new(1, &error);
  g_assert_no_error(error);
  *nflog = nwf_nflog_open(TRIAL_LOG_GROUP, 0xffff, &error);
  g_assert_no_error(error);
  *store = nwf_filter_store_new();
  nwf_filter_store_put(*store, nwf_filter_new("empty"));
}

static void what_teaches_is_copied(void) {
  g_autoptr(Trial) trial = NULL;
  g_autoptr(NwfNflog) nflog = NULL;
  g_autoptr(NwfFilterStore) store = NULL;
  prepare(&trial, &nflog, &store);
  g_autoptr(GArray) cases = make_cases();
  for (guint kind = 0; kind < 6; kind++) {
    guint watch = kind < 5 ? 1u << kind : 0;
    install(trial, store, watch);
    for (guint i = 0; i < cases->len; i++) {
      const Case *item = &g_array_index(cases, Case, i);
      guint copies = copies_of(trial, nflog, item);
      if (copies != ((item->kinds & watch) != 0))
        g_error("%s, watched for 0x%x: %u copies", item->name, watch, copies);
    }
  }
}

static void a_flood_is_copied_up_to_its_limit(void) {
  g_autoptr(Trial) trial = NULL;
  g_autoptr(NwfNflog) nflog = NULL;
  g_autoptr(NwfFilterStore) store = NULL;
  prepare(&trial, &nflog, &store);
  install(trial, store, NWF_WATCH_ARP);
  g_autoptr(GArray) cases = make_cases();
  gint64 start = g_get_monotonic_time();
  guint copies = 0;
  for (guint i = 0; i < 500; i++)
    copies += copies_of(trial, nflog, &g_array_index(cases, Case, 0));
  guint seconds = (guint)((g_get_monotonic_time() - start) / G_USEC_PER_SEC) + 1;
  g_assert_cmpuint(copies, >=, NWF_WATCH_BURST);
  g_assert_cmpuint(copies, <=, NWF_WATCH_BURST + NWF_WATCH_RATE * seconds);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/watch/what-teaches-is-copied", what_teaches_is_copied);
  g_test_add_func("/watch/a-flood-is-copied-up-to-its-limit", a_flood_is_copied_up_to_its_limit);
  return g_test_run();
}
