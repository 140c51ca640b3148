// SPDX-License-Identifier: LGPL-2.1-or-later
/* What one clone of a broadcast frame costs: the time of a write, divided by the number of the other ports. And
 * what a hundred such frames a second cost a host. */
#include "daemon.h"
#include "guests.h"
#include "rig.h"
#include "spread.h"
#include "stock.h"

#include <string.h>

#define LIMIT 1.30       /* of the cost without any filter, at 300 ports */
#define SPREAD_PORTS 300 /* more namespaces than that take minutes to make */
#define SHARE_PORTS 300
#define SHARE_RATE 100 /* frames a second */
#define SHARE_SECONDS 1.0

/* What is compared with ours, made once for all sizes. */
typedef struct {
  StockRules *ebtables;
  StockRules *nftables; /* or NULL */
} Others;

static gboolean others_init(Others *others, const Bench *bench, GError **error) {
  g_autoptr(GError) failed = NULL;

  *others = (Others){0};
  if (daemon_exists(NULL)) {
    others->ebtables = stock_rules_capture(bench, NULL, NULL, &failed);
    if (!others->ebtables)
      bench_emit_missing(bench, "rules of the libvirt installed", 0, failed->message);
  }
  if (!others->ebtables)
    others->ebtables = stock_rules_known();
  if (bench->libvirt_root)
    others->nftables = stock_rules_capture(bench, bench->libvirt_root, "nftables", error);
  else
    bench_emit_missing(bench, "libvirt's own nftables backend", 0, "--libvirt-root names none");
  return others->nftables || !bench->libvirt_root;
}

static void others_clear(Others *others) {
  stock_rules_free(others->ebtables);
  stock_rules_free(others->nftables);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Others, others_clear)

static RigLoad one_frame(const RigFrame *frame, double divisor, const char *unit) {
  RigLoad load = {.frames = g_array_new(FALSE, FALSE, sizeof(RigFrame)), .divisor = divisor, .unit = unit};
  g_array_append_val(load.frames, *frame);
  return load;
}

/* A measurement of frames that are dropped, or of a filter that lets all through, would say nothing. */
static gboolean check_frames(Rig *rig, const RigFrame *frame, const RigVariant *variant, GError **error) {
  RigFrame spoofed = {.from = 0};

  spoofed.length = guest_frame_arp(2, 1, spoofed.bytes);
  if (rig_flush(error) && variant->enter(rig, variant->data, error) &&
      rig_expect(rig, 0, frame->bytes, frame->length, -1, TRUE, error) &&
      rig_expect(rig, 0, spoofed.bytes, spoofed.length, -1, FALSE, error))
    return TRUE;
  g_prefix_error(error, "%s: ", variant->name);
  return FALSE;
}

typedef struct {
  NwfRuleset *table;
  char *linear, *ebtables, *nftables;
  Spread *spread;
  GArray *variants; /* of RigVariant: bare, ours, and those that others filter with */
} Field;

static void field_clear(Field *field) {
  nwf_ruleset_free(field->table);
  g_free(field->linear);
  g_free(field->ebtables);
  g_free(field->nftables);
  spread_free(field->spread);
  g_clear_pointer(&field->variants, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Field, field_clear)

static void add_variant(Field *field, const char *name, gboolean (*enter)(Rig *, gpointer, GError **), gpointer data) {
  RigVariant variant = {.name = name, .enter = enter, .data = data};
  g_array_append_val(field->variants, variant);
}

static gboolean field_init(Field *field, const Bench *bench, const Others *others, guint ports, guint features,
                           GError **error) {
  *field = (Field){.variants = g_array_new(FALSE, FALSE, sizeof(RigVariant))};
  field->table = guests_table(bench->filters, ports, features, error);
  if (!field->table)
    return FALSE;
  field->linear = guests_linear_table(ports);
  field->ebtables = stock_rules_for(others->ebtables, ports);
  add_variant(field, "bare", rig_enter_bare, NULL);
  add_variant(field, GUEST_FILTER, rig_enter_ruleset, field->table);
  if (ports == bench_ports_near(bench, 300))
    g_array_index(field->variants, RigVariant, 1).limit = LIMIT;
  add_variant(field, "linear chain", rig_enter_text, field->linear);
  add_variant(field, others->ebtables->name, rig_enter_ebtables, field->ebtables);
  if (others->nftables) {
    field->nftables = stock_rules_for(others->nftables, ports);
    add_variant(field, others->nftables->name, rig_enter_text, field->nftables);
  }
  return TRUE;
}

static gboolean check_field(Rig *rig, const Field *field, const RigFrame *frame, GError **error) {
  for (guint i = 1; i < field->variants->len; i++)
    if (!check_frames(rig, frame, &g_array_index(field->variants, RigVariant, i), error))
      return FALSE;
  return TRUE;
}

static gboolean add_spread(Field *field, const Bench *bench, guint ports, GError **error) {
  RigVariant variant = {.name = "namespace per guest, no filter", .enter = rig_enter_bare, .time = spread_time};

  if (ports > SPREAD_PORTS)
    return TRUE;
  variant.data = field->spread = spread_new(bench, ports, error);
  if (!field->spread)
    return FALSE;
  g_array_append_val(field->variants, variant);
  return TRUE;
}

static gboolean compare(Rig *rig, const Bench *bench, const Field *field, guint n_variants, const RigFrame *frame,
                        const char *label, GError **error) {
  RigLoad load = one_frame(frame, rig->n, "ns/clone"); /* to all other guests and the uplink */
  load.label = label;
  gboolean ok = rig_compare(rig, bench, (const RigVariant *)field->variants->data, n_variants, &load, error);
  g_array_unref(load.frames);
  return ok;
}

static gboolean measure(const Bench *bench, const Others *others, guint ports, GError **error) {
  RigFrame arp = {.from = 0}, ip = {.from = 0};
  guint features;
  g_autoptr(Rig) rig = rig_new(bench, ports, error);
  if (!rig || !nwf_kernel_probe(rig->kernel, &features, error))
    return FALSE;
  g_auto(Field) field = {0};
  if (!field_init(&field, bench, others, ports, features, error))
    return FALSE;
  arp.length = guest_frame_arp(0, 1, arp.bytes);
  ip.length = guest_frame_udp(0, 1, 68, 67, 60, ip.bytes);
  memset(ip.bytes, 0xff, 6);
  if (!check_field(rig, &field, &arp, error) || !add_spread(&field, bench, ports, error) ||
      !rig_deafen_host(rig, error))
    return FALSE;
  return compare(rig, bench, &field, field.variants->len, &arp, NULL, error) &&
         compare(rig, bench, &field, 2, &ip, "IPv4: ", error);
}

gboolean bench_broadcast(const Bench *bench, GError **error) {
  g_auto(Others) others = {0};

  for (guint i = 0; i < bench->ports->len; i++)
    bench_plan(rig_compare_work(bench, 7));
  if (!others_init(&others, bench, error))
    return FALSE;
  for (guint i = 0; i < bench->ports->len; i++)
    if (!measure(bench, &others, g_array_index(bench->ports, guint, i), error))
      return FALSE;
  return TRUE;
}

/* --- a hundred frames a second --- */

static gboolean share_once(Rig *rig, const Bench *bench, const Field *field, const RigLoad *load, Series **series,
                           GError **error) {
  for (guint i = 0; i < field->variants->len; i++) {
    const RigVariant *variant = &g_array_index(field->variants, RigVariant, i);
    double share;
    if (!rig_flush(error) || !variant->enter(rig, variant->data, error) ||
        !rig_share(rig, load, SHARE_RATE, SHARE_SECONDS, &share, error))
      return FALSE;
    series_add(series[i], share);
    bench_progress(bench, 1, "%u ports: %s: %.1f %%", rig->n, variant->name, share);
  }
  return TRUE;
}

static gboolean share_all(Rig *rig, const Bench *bench, const Field *field, const RigLoad *load, GError **error) {
  g_autofree Series **series = g_new0(Series *, field->variants->len);
  guint runs = MIN(bench->runs, 5);
  gboolean ok = TRUE;

  bench_plan(runs * field->variants->len);
  for (guint i = 0; i < field->variants->len; i++)
    series[i] = bench_series(bench, g_array_index(field->variants, RigVariant, i).name, "% of a processor", rig->n);
  for (guint run = 0; ok && run < runs; run++)
    ok = share_once(rig, bench, field, load, series, error);
  for (guint i = 0; i < field->variants->len; i++) {
    if (ok)
      bench_emit(bench, series[i]);
    series_free(series[i]);
  }
  return ok;
}

gboolean bench_share(const Bench *bench, GError **error) {
  guint ports = bench_ports_near(bench, SHARE_PORTS), features;
  RigFrame arp = {.from = 0};
  g_auto(Others) others = {0};

  if (!others_init(&others, bench, error))
    return FALSE;
  g_autoptr(Rig) rig = rig_new(bench, ports, error);
  if (!rig || !nwf_kernel_probe(rig->kernel, &features, error))
    return FALSE;
  g_auto(Field) field = {0};
  if (!field_init(&field, bench, &others, ports, features, error) || !rig_deafen_host(rig, error))
    return FALSE;
  arp.length = guest_frame_arp(0, 1, arp.bytes);
  RigLoad load = one_frame(&arp, 1, "");
  gboolean ok = share_all(rig, bench, &field, &load, error);
  g_array_unref(load.frames);
  return ok;
}
