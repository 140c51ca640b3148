// SPDX-License-Identifier: LGPL-2.1-or-later
/* What an IPv4 UDP frame costs, from one guest to another or to the uplink. */
#include "guests.h"
#include "rig.h"

#define PORTS 300
#define LEAST 0.78 /* of the frames a second of the bare bridge, small ones from guest to guest */
#define MANY 64    /* flows, each to another guest from another port */

typedef struct {
  const char *label;
  gboolean to_uplink;
  guint flows;
  gsize length;
  double least;
} Case;

static const Case cases[] = {
    {"to a guest, 60 bytes, 1 flow: ", FALSE, 1, 60, LEAST},
    {"to a guest, 60 bytes, 64 flows: ", FALSE, MANY, 60, 0},
    {"to a guest, 1514 bytes, 1 flow: ", FALSE, 1, 1514, 0},
    {"to the uplink, 60 bytes, 1 flow: ", TRUE, 1, 60, 0},
    {"to the uplink, 1514 bytes, 64 flows: ", TRUE, MANY, 1514, 0},
};

static RigLoad make_load(const Case *one, guint ports) {
  RigLoad load = {.frames = g_array_new(FALSE, FALSE, sizeof(RigFrame)),
                  .divisor = 1,
                  .unit = "ns/frame",
                  .label = one->label,
                  .inverse = TRUE};

  for (guint i = 0; i < one->flows; i++) {
    guint from = i % (ports / 2), to = ports / 2 + i % (ports - ports / 2);
    RigFrame frame = {.from = from};
    frame.length = guest_frame_udp(from, one->to_uplink ? GUEST_TO_UPLINK : to, (guint16)(40000 + i), 40001,
                                   one->length, frame.bytes);
    g_array_append_val(load.frames, frame);
  }
  return load;
}

static gboolean check_load(Rig *rig, const Case *one, const RigLoad *load, GError **error) {
  for (guint i = 0; i < load->frames->len; i++) {
    RigFrame frame = g_array_index(load->frames, RigFrame, i);
    int to = one->to_uplink ? (int)rig->n : (int)(rig->n / 2 + i % (rig->n - rig->n / 2));
    if (!rig_expect(rig, frame.from, frame.bytes, frame.length, to, TRUE, error))
      return FALSE;
    frame.bytes[29]++; /* somebody else's address */
    if (!rig_expect(rig, frame.from, frame.bytes, frame.length, to, FALSE, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean measure(Rig *rig, const Bench *bench, const Case *one, NwfRuleset *table, GError **error) {
  RigLoad load = make_load(one, rig->n);
  const RigVariant variants[] = {
      {.name = "bare", .enter = rig_enter_bare},
      {.name = GUEST_FILTER, .enter = rig_enter_ruleset, .data = table, .least = one->least},
  };
  gboolean ok = rig_flush(error) && rig_enter_ruleset(rig, table, error) && check_load(rig, one, &load, error) &&
                rig_compare(rig, bench, variants, G_N_ELEMENTS(variants), &load, error);

  g_array_unref(load.frames);
  return ok;
}

gboolean bench_unicast(const Bench *bench, GError **error) {
  guint ports = MAX(bench_ports_near(bench, PORTS), 4), features;

  bench_plan(rig_compare_work(bench, 2) * G_N_ELEMENTS(cases));
  g_autoptr(Rig) rig = rig_new(bench, ports, error);
  if (!rig || !nwf_kernel_probe(rig->kernel, &features, error))
    return FALSE;
  g_autoptr(NwfRuleset) table = guests_table(bench->filters, ports, features, error);
  if (!table)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    if (!measure(rig, bench, &cases[i], table, error))
      return FALSE;
  return TRUE;
}
