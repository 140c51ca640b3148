// SPDX-License-Identifier: LGPL-2.1-or-later
/* What one clone of a broadcast ARP request costs: the time of a write, divided by the number of
 * the other ports. */
#include "guests.h"
#include "rig.h"

#define LIMIT 1.40       /* of the cost without any filter */
#define LINEAR_PORTS 300 /* where the chain that ebtables would walk is measured as well */

static gboolean check_frames(Rig *rig, NwfRuleset *table, GError **error) {
  guint8 honest[64], spoofed[64];
  gsize length = guest_frame_arp(0, 1, honest);

  guest_frame_arp(2, 1, spoofed);
  return rig_enter_ruleset(rig, table, error) && rig_expect(rig, 0, honest, length, -1, TRUE, error) &&
         rig_expect(rig, 0, spoofed, length, -1, FALSE, error);
}

static gboolean measure(const Bench *bench, guint ports, GError **error) {
  guint8 frame[64];
  guint features;
  g_autoptr(Rig) rig = rig_new(bench, ports, error);
  if (!rig || !nwf_kernel_probe(rig->kernel, &features, error))
    return FALSE;
  g_autoptr(NwfRuleset) table = guests_table(bench->filters, ports, features, error);
  if (!table || !check_frames(rig, table, error) || !rig_deafen_host(rig, error))
    return FALSE;
  g_autofree char *linear = guests_linear_table(ports);
  const RigVariant variants[] = {
      {"bare", rig_enter_bare, NULL},
      {GUEST_FILTER, rig_enter_ruleset, table},
      {"linear chain", rig_enter_text, linear},
  };
  static const double limits[] = {0, LIMIT, 0};
  gsize length = guest_frame_arp(0, 1, frame);
  guint n = ports == LINEAR_PORTS ? 3 : 2;

  return rig_compare(rig, bench, variants, n, frame, length, ports - 1, "ns/clone", limits, error);
}

gboolean bench_broadcast(const Bench *bench, GError **error) {
  static const guint ports[] = {10, 300, 1000};

  if (bench->ports)
    return measure(bench, bench->ports, error);
  for (guint i = 0; i < G_N_ELEMENTS(ports); i++)
    if (!measure(bench, ports[i], error))
      return FALSE;
  return TRUE;
}
