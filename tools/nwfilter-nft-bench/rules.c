// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a frame costs under filters with many rules, and with long lists of addresses. */
#include "guests.h"
#include "rig.h"

#include <string.h>

#define PORTS 10   /* of which the first guest, who sends, is bound */
#define LEAST 0.95 /* of the frames a second with 10 rules, with 1,000 of them, of an established flow */
#define FLOW_PORT 40001

typedef struct {
  const char *label;
  const char *attributes; /* of the filter's rules */
  gboolean stateful;
  gboolean mixed; /* rules of several forms in turn, which no one lookup can answer */
  double least;
} Kind;

static const Kind kinds[] = {
    {"stateful udp rules, established flow: ", "", TRUE, FALSE, LEAST},
    {"stateful mixed rules, established flow: ", "", TRUE, TRUE, LEAST},
    {"stateless udp rules, the last one matches: ", " statematch='0'", FALSE, FALSE, 0},
    {"stateless mixed rules, the last one matches: ", " statematch='0'", FALSE, TRUE, 0},
};
static const guint counts[] = {10, 100, 1000};
static const guint lengths[] = {10, 1000, 100000};

/* An address and a port of its own, alone or, of mixed ones, as ranges, with a prefix, or of another protocol. */
static void append_rule(GString *text, const Kind *kind, guint i) {
  guint form = kind->mixed ? i % 4 : 0, high = i / 250, low = i % 250, port = 1000 + 2 * i;

  g_string_append_printf(text, "<rule action='accept' direction='out'%s>", kind->attributes);
  if (form == 0)
    g_string_append_printf(text, "<udp dstipaddr='198.18.%u.%u' dstportstart='%u'/>", high, low, port);
  else if (form == 1)
    g_string_append_printf(text, "<udp dstipaddr='198.18.%u.%u' dstportstart='%u' dstportend='%u'/>", high, low, port,
                           port + 1);
  else if (form == 2)
    g_string_append_printf(text, "<tcp dstipaddr='198.18.%u.%u' dstportstart='%u'/>", high, low, port);
  else
    g_string_append_printf(text, "<udp dstipaddr='198.19.%u.0' dstipmask='24' srcportstart='%u'/>", low, port);
  g_string_append(text, "</rule>\n");
}

/* The flow's rule is the last one that accepts. */
static char *rules_filter(const Kind *kind, guint n) {
  GString *text = g_string_new("<filter name='rules' chain='root'>\n");
  Guest peer = guest_make(1);

  for (guint i = 0; i + 1 < n; i++)
    append_rule(text, kind, i);
  g_string_append_printf(text,
                         "<rule action='accept' direction='out'%s>"
                         "<udp dstipaddr='%u.%u.%u.%u' dstportstart='%u'/></rule>\n"
                         "<rule action='drop' direction='inout'><all/></rule>\n</filter>\n",
                         kind->attributes, peer.ip[0], peer.ip[1], peer.ip[2], peer.ip[3], FLOW_PORT);
  return g_string_free(text, FALSE);
}

/* @n addresses to which the guest may send; the flow's is among them. */
static const char list_filter[] = "<filter name='list' chain='root'>\n"
                                  "<rule action='accept' direction='out'><ip dstipaddr='$TO'/></rule>\n"
                                  "<rule action='drop' direction='out'><ip/></rule>\n</filter>\n";

static char *list_parameters(guint n) {
  GString *text = g_string_new(NULL);
  Guest peer = guest_make(1);

  for (guint i = 0; i + 1 < n; i++) /* of 198.18.0.0/15, RFC 2544, where there is room for 131,072 */
    g_string_append_printf(text, "<parameter name='TO' value='198.%u.%u.%u'/>\n", 18 + (i >> 16), i >> 8 & 255,
                           i & 255);
  g_string_append_printf(text, "<parameter name='TO' value='%u.%u.%u.%u'/>\n", peer.ip[0], peer.ip[1], peer.ip[2],
                         peer.ip[3]);
  return g_string_free(text, FALSE);
}

static NwfRuleset *compile(const char *filter_xml, const char *parameters, guint features, GError **error) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  NwfFilter *filter = nwf_filter_parse(filter_xml, strlen(filter_xml), NULL, error);

  if (!filter)
    return NULL;
  g_autofree char *name = g_strdup(filter->name);
  nwf_filter_store_put(store, filter);
  return guests_table_of(store, name, parameters, 1, features, error);
}

/* The table must let the flow pass, both ways if it is to be established, and nothing else. */
static gboolean open_flow(Rig *rig, NwfRuleset *table, const RigLoad *load, GError **error) {
  const RigFrame *frame = &g_array_index(load->frames, RigFrame, 0);
  RigFrame back = {.from = 1}, other = {.from = 0};

  back.length = guest_frame_udp(1, 0, FLOW_PORT, 40000, 60, back.bytes);
  other.length = guest_frame_udp(0, 2, 40000, 9, 60, other.bytes);
  return rig_flush(error) && rig_enter_ruleset(rig, table, error) &&
         rig_expect(rig, 0, other.bytes, other.length, 2, FALSE, error) &&
         rig_expect(rig, 0, frame->bytes, frame->length, 1, TRUE, error) &&
         rig_expect(rig, 1, back.bytes, back.length, 0, TRUE, error);
}

/* Tables of rising size, the first of which is what the others are compared with. */
typedef struct {
  NwfRuleset *tables[G_N_ELEMENTS(counts)];
  char *names[G_N_ELEMENTS(counts)];
} Sizes;

static void sizes_clear(Sizes *sizes) {
  for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
    nwf_ruleset_free(sizes->tables[i]);
    g_free(sizes->names[i]);
  }
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Sizes, sizes_clear)

static gboolean compare(Rig *rig, const Bench *bench, const Sizes *sizes, const char *label, double least,
                        GError **error) {
  RigFrame frame = {.from = 0};
  RigLoad load = {.divisor = 1, .unit = "ns/frame", .label = label, .inverse = TRUE};
  RigVariant variants[G_N_ELEMENTS(counts)] = {0};
  gboolean ok = TRUE;

  frame.length = guest_frame_udp(0, 1, 40000, FLOW_PORT, 60, frame.bytes);
  load.frames = g_array_new(FALSE, FALSE, sizeof(RigFrame));
  g_array_append_val(load.frames, frame);
  for (guint i = 0; ok && i < G_N_ELEMENTS(counts); i++) {
    variants[i] = (RigVariant){.name = sizes->names[i], .enter = rig_enter_ruleset, .data = sizes->tables[i]};
    ok = open_flow(rig, sizes->tables[i], &load, error);
  }
  variants[G_N_ELEMENTS(counts) - 1].least = least;
  ok = ok && rig_compare(rig, bench, variants, G_N_ELEMENTS(counts), &load, error);
  g_array_unref(load.frames);
  return ok;
}

static gboolean measure_rules(Rig *rig, const Bench *bench, const Kind *kind, guint features, GError **error) {
  g_auto(Sizes) sizes = {0};

  for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
    g_autofree char *filter = rules_filter(kind, counts[i]);
    sizes.tables[i] = compile(filter, NULL, features, error);
    sizes.names[i] = g_strdup_printf("%u rules", counts[i]);
    if (!sizes.tables[i])
      return FALSE;
  }
  return compare(rig, bench, &sizes, kind->label, kind->least, error);
}

static gboolean measure_lists(Rig *rig, const Bench *bench, guint features, GError **error) {
  g_auto(Sizes) sizes = {0};

  for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
    g_autofree char *parameters = list_parameters(lengths[i]);
    bench_progress(bench, 0, "compiling a list of %u addresses", lengths[i]);
    sizes.tables[i] = compile(list_filter, parameters, features, error);
    sizes.names[i] = g_strdup_printf("%u addresses", lengths[i]);
    if (!sizes.tables[i])
      return FALSE;
  }
  return compare(rig, bench, &sizes, "list of addresses: ", 0, error);
}

gboolean bench_rules(const Bench *bench, GError **error) {
  guint features;

  bench_plan(rig_compare_work(bench, G_N_ELEMENTS(counts)) * (G_N_ELEMENTS(kinds) + 1));
  g_autoptr(Rig) rig = rig_new(bench, PORTS, error);
  if (!rig || !nwf_kernel_probe(rig->kernel, &features, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
    if (kinds[i].stateful && !(features & NWF_FEATURE_CT))
      bench_emit_missing(bench, kinds[i].label, PORTS,
                         "this kernel has no connection tracking for bridges (nf_conntrack_bridge)");
    else if (!measure_rules(rig, bench, &kinds[i], features, error))
      return FALSE;
  }
  return measure_lists(rig, bench, features, error);
}
