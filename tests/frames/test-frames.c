// SPDX-License-Identifier: LGPL-2.1-or-later
/* Real frames through the kernel: the stock filters by verdicts worked out by hand, and every frame of
 * the gallery through the stock filters and each protocol element by the reference evaluator.
 * test-frames DIRECTORY-OF-FILTERS */
#include "gallery.h"
#include "trial.h"

#include <nwfilter-nft/xml.h>

#include <string.h>

static const char *directory;
static const guint8 guest[6] = {0x52, 0x54, 0x00, 0x00, 0x00, 0x01};

typedef enum { OUT, OUT_TO_HOST, IN, IN_FROM_HOST, N_WAYS } Way;

static const char *const way_names[] = {"guest to guest, sent", "guest to host", "guest to guest, received",
                                        "host to guest"};

static EvaluateInput input_of(Way way) {
  return (EvaluateInput){.direction = way <= OUT_TO_HOST ? NWF_DIRECTION_OUT : NWF_DIRECTION_IN,
                         .host = way == OUT_TO_HOST || way == IN_FROM_HOST};
}

static NwfBinding *make_binding(const char *filter, guint port, guint watch) {
  static const char *const parameters[][2] = {
      {"IP", "10.0.0.1"},
      {"IPV6", "fe80::1"},
      {"GATEWAY_MAC", "52:54:00:00:00:02"},
  };
  NwfBinding *binding = nwf_binding_new();
  binding->port = trial_port_name(port);
  binding->filter = g_strdup(filter);
  binding->watch = watch;
  memcpy(binding->mac, guest, 6);
  for (guint i = 0; i < G_N_ELEMENTS(parameters); i++)
    nwf_parameters_add(binding->parameters, parameters[i][0], parameters[i][1], NULL);
  nwf_parameters_add(binding->parameters, "DHCPSERVER", strstr(filter, "v6") ? "fe80::1" : "10.0.0.1", NULL);
  return binding;
}

/* Every filter of a store on a port of its own. */
typedef struct {
  Trial *trial;
  NwfFilterStore *store;
  GPtrArray *bindings;
} Bench;

static Bench bench_new(NwfFilterStore *store, guint watch) {
  Bench bench = {.store = store, .bindings = g_ptr_array_new_with_free_func((GDestroyNotify)nwf_binding_free)};
  g_autoptr(GPtrArray) filters = nwf_filter_store_list(store);
  g_autoptr(GError) error = NULL;
  for (guint i = 0; i < filters->len; i++)
    g_ptr_array_add(bench.bindings, make_binding(((const NwfFilter *)g_ptr_array_index(filters, i))->name, i, watch));
  bench.trial = trial_new(filters->len, &error);
  g_assert_no_error(error);
  trial_install(bench.trial, store, (NwfBinding *const *)bench.bindings->pdata, bench.bindings->len, &error);
  g_assert_no_error(error);
  return bench;
}

static void bench_clear(Bench *bench) {
  trial_free(bench->trial);
  g_ptr_array_unref(bench->bindings);
  nwf_filter_store_free(bench->store);
}

static NwfFilterStore *load_stock(void) {
  NwfFilterStore *store = nwf_filter_store_new();
  g_autoptr(GError) error = NULL;
  nwf_filter_store_load(store, directory, NULL, NULL, &error);
  g_assert_no_error(error);
  return store;
}

/* --- by hand --- */

#define PASS TRUE
#define STOP FALSE

static const struct {
  const char *filter, *frame;
  Way way;
  gboolean passes;
} expectations[] = {
    {"clean-traffic", "arp-request", OUT, PASS},
    {"clean-traffic", "arp-request", IN, PASS},
    {"clean-traffic", "arp-request from another MAC", OUT, STOP},
    {"clean-traffic", "arp-request from another MAC", IN, PASS},
    {"clean-traffic", "arp-request from another address", OUT, STOP},
    {"clean-traffic", "arp-request from another address", IN, PASS},
    {"clean-traffic", "arp-request naming another MAC", OUT, STOP},
    {"clean-traffic", "arp-request tagged", OUT, STOP},
    {"clean-traffic", "arp-request tagged", IN, STOP},
    {"clean-traffic", "arp-request odd address lengths", OUT, STOP},
    {"clean-traffic", "arp-request cut at 20", OUT, STOP},
    {"clean-traffic", "tcp", OUT, PASS},
    {"clean-traffic", "tcp", OUT_TO_HOST, PASS},
    {"clean-traffic", "tcp", IN, PASS},
    {"clean-traffic", "tcp", IN_FROM_HOST, PASS},
    {"clean-traffic", "tcp from another MAC", OUT, STOP},
    {"clean-traffic", "tcp from another MAC", OUT_TO_HOST, STOP},
    {"clean-traffic", "tcp from another address", OUT, STOP},
    {"clean-traffic", "tcp from another address", OUT_TO_HOST, STOP},
    {"clean-traffic", "tcp from another address", IN, PASS},
    {"clean-traffic", "tcp from no address", OUT, STOP},
    {"clean-traffic", "tcp later fragment", OUT, PASS},
    {"clean-traffic", "tcp tagged", OUT, STOP},
    {"clean-traffic", "tcp cut at 29", OUT, STOP},
    {"clean-traffic", "dhcp-request from no address", OUT, PASS},
    {"clean-traffic", "tcp-ipv6", OUT, STOP},
    {"clean-traffic", "tcp-ipv6", IN, STOP},
    {"clean-traffic", "bpdu", OUT, STOP},
    {"clean-traffic", "802.3", IN, STOP},
    {"clean-traffic", "announcement-0x0835", OUT, PASS},
    {"clean-traffic", "announcement-0x0835", IN, STOP},
    {"clean-traffic", "rarp-announcement", OUT, PASS},
    {"clean-traffic", "rarp-announcement", IN, PASS},
    {"clean-traffic", "rarp-request", OUT, STOP},
    {"clean-traffic", "rarp-request", IN, STOP},
    {"clean-traffic", "experimental-type", OUT, STOP},
    {"clean-traffic-gateway", "tcp", OUT, PASS},
    {"clean-traffic-gateway", "tcp-ipv6", OUT, PASS},
    {"clean-traffic-gateway", "tcp to everyone", OUT, STOP},
    {"clean-traffic-gateway", "tcp", IN, STOP},
    {"clean-traffic-gateway", "arp-request", IN, PASS},
    {"clean-traffic-gateway", "tcp from another address", OUT, STOP},
    {"no-mac-spoofing", "tcp", OUT, PASS},
    {"no-mac-spoofing", "tcp from another MAC", OUT, STOP},
    {"no-mac-spoofing", "tcp from another MAC", IN, PASS},
    {"no-mac-spoofing", "tcp tagged", OUT, PASS},
    {"no-ip-spoofing", "udp", OUT, PASS},
    {"no-ip-spoofing", "udp from another address", OUT, STOP},
    {"no-ip-spoofing", "udp from no address", OUT, PASS},
    {"no-ip-spoofing", "arp-request from another address", OUT, PASS},
    {"no-ipv6-spoofing", "udp-ipv6", OUT, PASS},
    {"no-ipv6-spoofing", "udp-ipv6 from another address", OUT, PASS}, /* UDP from link-local */
    {"no-ipv6-spoofing", "tcp-ipv6 from another address", OUT, STOP},
    {"no-ipv6-spoofing", "tcp-ipv6 from no address", OUT, STOP},
    {"no-ipv6-spoofing", "tcp-ipv6 from another address", IN, PASS},
    {"no-arp-mac-spoofing", "arp-request naming another MAC", OUT, STOP},
    {"no-arp-mac-spoofing", "arp-request", OUT, PASS},
    {"no-arp-ip-spoofing", "arp-request from another address", OUT, STOP},
    {"no-arp-ip-spoofing", "arp-request from no address", OUT, STOP},
    {"no-arp-ip-spoofing", "arp-request naming another MAC", OUT, PASS},
    {"no-arp-spoofing", "arp-reply", OUT, PASS},
    {"no-arp-spoofing", "arp-reply naming another MAC", OUT, STOP},
    {"no-arp-spoofing", "arp-reply from another address", OUT, STOP},
    {"no-mac-broadcast", "udp to everyone", OUT, STOP},
    {"no-mac-broadcast", "udp", OUT, PASS},
    {"no-mac-broadcast", "arp-request", OUT, PASS}, /* the chain is IPv4's */
    {"no-ip-multicast", "udp to a group", OUT, STOP},
    {"no-ip-multicast", "udp to a group", IN, PASS},
    {"no-ip-multicast", "udp", OUT, PASS},
    {"no-ipv6-multicast", "udp-ipv6 to a group", OUT, STOP},
    {"no-ipv6-multicast", "udp-ipv6", OUT, PASS},
    {"no-other-l2-traffic", "arp-request", OUT, STOP},
    {"no-other-l2-traffic", "tcp", IN, STOP},
    {"no-other-rarp-traffic", "rarp-announcement", OUT, STOP},
    {"no-other-rarp-traffic", "arp-request", OUT, PASS},
    {"qemu-announce-self-rarp", "rarp-announcement", OUT, PASS},
    {"qemu-announce-self", "rarp-announcement", OUT, PASS},
    {"qemu-announce-self", "rarp-request", OUT, STOP},
    {"qemu-announce-self", "rarp-announcement from another MAC", OUT, STOP},
};

static const Frame *find_frame(const GArray *gallery, const char *name) {
  for (guint i = 0; i < gallery->len; i++)
    if (strcmp(g_array_index(gallery, GalleryFrame, i).name, name) == 0)
      return &g_array_index(gallery, GalleryFrame, i).frame;
  g_error("no frame '%s'", name);
}

static guint find_port(const Bench *bench, const char *filter) {
  for (guint i = 0; i < bench->bindings->len; i++)
    if (strcmp(((const NwfBinding *)g_ptr_array_index(bench->bindings, i))->filter, filter) == 0)
      return i;
  g_error("no filter '%s'", filter);
}

static void address_to_host(Frame *frame) {
  memcpy(frame->bytes, lab_host_mac, 6);
}

static void test_stock_filters(void) {
  Bench bench = bench_new(load_stock(), 0);
  g_autoptr(GArray) gallery = gallery_new();
  for (guint i = 0; i < G_N_ELEMENTS(expectations); i++) {
    guint port = find_port(&bench, expectations[i].filter);
    Frame frame = *find_frame(gallery, expectations[i].frame);
    EvaluateInput input = input_of(expectations[i].way);
    g_autoptr(GError) error = NULL;
    Seen seen;
    if (expectations[i].way == OUT_TO_HOST)
      address_to_host(&frame);
    trial_send(bench.trial, port, &input, frame.bytes, frame.length, &seen, &error);
    g_assert_no_error(error);
    if (seen != (expectations[i].passes ? SEEN_ACCEPTED : SEEN_DROPPED)) {
      g_test_message("%s: %s (%s) should %s, but %s", expectations[i].filter, expectations[i].frame,
                     way_names[expectations[i].way], expectations[i].passes ? "pass" : "be dropped",
                     seen == SEEN_NOTHING ? "the bridge does not carry it" : "is not");
      g_test_fail();
    }
  }
  bench_clear(&bench);
}

/* --- by the evaluator --- */

static guint compare(const Bench *bench, guint port, Way way, const GalleryFrame *frame, const Frame *sent, Seen seen) {
  const NwfBinding *binding = g_ptr_array_index(bench->bindings, port);
  EvaluateInput input = input_of(way);
  g_autoptr(GError) error = NULL;
  Verdict verdict;
  if (seen == SEEN_NOTHING)
    return 0;
  evaluate(bench->store, binding, &input, sent->bytes, sent->length, &verdict, &error);
  g_assert_no_error(error);
  if (verdict.accepted != (seen == SEEN_ACCEPTED)) {
    g_test_message("%s: %s (%s): the kernel %s it, the evaluator says %s", binding->filter, frame->name, way_names[way],
                   seen == SEEN_ACCEPTED ? "accepts" : "drops", verdict.why);
    g_test_fail();
  }
  verdict_clear(&verdict);
  return 1;
}

static guint send_out(const Bench *bench, Way way, const GalleryFrame *frame) {
  Frame sent = frame->frame;
  guint verdicts = 0;
  if (way == OUT_TO_HOST)
    address_to_host(&sent);
  if (!trial_is_carried(bench->trial, sent.bytes, sent.length))
    return 0;
  for (guint port = 0; port < bench->bindings->len; port++) {
    Seen seen;
    if (trial_send_out(bench->trial, port, sent.bytes, sent.length, &seen, NULL))
      verdicts += compare(bench, port, way, frame, &sent, seen);
  }
  return verdicts;
}

static guint send_in(const Bench *bench, Way way, const GalleryFrame *frame) {
  g_autofree Seen *seen = g_new(Seen, bench->trial->n_ports);
  guint verdicts = 0;
  if (!trial_send_in(bench->trial, way == IN_FROM_HOST, frame->frame.bytes, frame->frame.length, seen, NULL))
    return 0;
  for (guint port = 0; port < bench->bindings->len; port++)
    verdicts += compare(bench, port, way, frame, &frame->frame, seen[port]);
  return verdicts;
}

static void send_gallery(const Bench *bench) {
  g_autoptr(GArray) gallery = gallery_new();
  guint verdicts = 0;
  for (guint i = 0; i < gallery->len; i++)
    for (guint way = OUT; way < N_WAYS; way++)
      verdicts += (way <= OUT_TO_HOST ? send_out : send_in)(bench, (Way)way, &g_array_index(gallery, GalleryFrame, i));
  g_test_message("%u frames, %u filters, %u verdicts", gallery->len, bench->bindings->len, verdicts);
  g_assert_cmpuint(verdicts, >, gallery->len);
}

static void test_gallery_stock(gconstpointer watch) {
  Bench bench = bench_new(load_stock(), GPOINTER_TO_UINT(watch));
  send_gallery(&bench);
  bench_clear(&bench);
}

/* An element with values that some frames of the gallery have; "no" negates it. */
static const char *const elements[] = {
    "mac srcmacaddr='$MAC'",
    "mac dstmacaddr='52:54:00:00:00:00' dstmacmask='ff:ff:ff:ff:ff:00'",
    "mac protocolid='arp'",
    "mac match='no' protocolid='ipv4'",
    "vlan vlanid='1'",
    "vlan encap-protocol='ipv4'",
    "vlan match='no' vlanid='1'",
    "stp type='0'",
    "stp root-priority='0' root-priority-hi='0x8000'",
    "stp match='no' max-age='1'",
    "arp opcode='Request'",
    "arp arpsrcipaddr='$IP'",
    "arp match='no' arpsrcmacaddr='$MAC'",
    "arp gratuitous='true'",
    "rarp arpdstmacaddr='$MAC'",
    "ip srcipaddr='10.0.0.0' srcipmask='24'",
    "ip protocol='udp' dstportstart='50' dstportend='60'",
    "ip match='no' dstipaddr='10.0.0.2'",
    "ip dscp='0'",
    "ipv6 srcipaddr='fe80::' srcipmask='10'",
    "ipv6 protocol='tcp' dstportstart='80'",
    "ipv6 type='128'",
    "ipv6 match='no' protocol='udp'",
};

static const char *const l4_elements[] = {
    "tcp dstportstart='80'",
    "tcp flags='SYN/SYN'",
    "tcp match='no' option='3'",
    "udp srcportstart='1024'",
    "udplite srcipaddr='$IP'",
    "sctp dstportstart='80'",
    "esp",
    "ah",
    "icmp code='0'",
    "igmp",
    "all dstipfrom='10.0.0.0' "
    "dstipto='10.0.0.5'",
    "tcp-ipv6 dstportstart='80'",
    "udp-ipv6 match='no' dstportstart='53'",
    "udplite-ipv6",
    "sctp-ipv6 srcportstart='1024'",
    "esp-ipv6",
    "ah-ipv6",
    "icmpv6 code='0'",
    "all-ipv6 srcipaddr='fe80::1'",
};

static void put_element(NwfFilterStore *store, const char *element, const char *direction, const char *action,
                        const char *rest) {
  g_autofree char *text =
      g_strdup_printf("<filter name='%s %s'><rule action='%s' direction='%s' statematch='0'><%s/></rule>"
                      "%s</filter>",
                      direction, element, action, direction, element, rest);
  for (char *c = text + 14; strncmp(c, "'><rule", 7) != 0; c++) /* names hold neither quotes nor slashes */
    if (*c == '\'' || *c == '/')
      *c = ' ';
  g_autoptr(GError) error = NULL;
  NwfFilter *filter = nwf_filter_parse(text, strlen(text), NULL, &error);
  g_assert_no_error(error);
  nwf_filter_store_put(store, filter);
}

static void test_gallery_elements(gconstpointer data) {
  const char *direction = data;
  NwfFilterStore *store = nwf_filter_store_new();
  for (guint i = 0; i < G_N_ELEMENTS(elements); i++)
    put_element(store, elements[i], direction, "accept", "<rule action='drop' direction='inout' priority='1000'/>");
  for (guint i = 0; i < G_N_ELEMENTS(l4_elements); i++)
    put_element(store, l4_elements[i], direction, "drop", "");
  Bench bench = bench_new(store, 0);
  send_gallery(&bench);
  bench_clear(&bench);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  nwf_xml_init();
  directory = argc > 1 ? argv[1] : "filters";
  g_autoptr(GError) error = NULL;
  Trial *trial = trial_new(1, &error);
  if (trial == NULL) {
    g_print("1..0 # SKIP no taps and tables here: %s\n", error->message);
    return 0;
  }
  trial_free(trial);
  g_test_set_nonfatal_assertions(); /* a difference shall not hide the next */
  g_test_add_func("/frames/stock-filters-as-written-by-hand", test_stock_filters);
  g_test_add_data_func("/frames/stock-filters-as-evaluated", GUINT_TO_POINTER(0), test_gallery_stock);
  g_test_add_data_func("/frames/stock-filters-of-watched-ports-as-evaluated", GUINT_TO_POINTER(G_MAXUINT),
                       test_gallery_stock);
  g_test_add_data_func("/frames/elements-out-as-evaluated", "out", test_gallery_elements);
  g_test_add_data_func("/frames/elements-in-as-evaluated", "in", test_gallery_elements);
  g_test_add_data_func("/frames/elements-inout-as-evaluated", "inout", test_gallery_elements);
  return g_test_run();
}
