// SPDX-License-Identifier: LGPL-2.1-or-later
/* What one clone of a broadcast ARP request costs: the time of a write, divided by the number of
 * the other ports. */
#include "guests.h"
#include "rig.h"

#define LIMIT 1.40       /* of the cost without any filter */
#define LINEAR_PORTS 300 /* where the chain that ebtables would walk is measured as well */

/* A measurement of frames that are dropped, or of a filter that lets all through, would say nothing. */
static gboolean check_frames(Rig *rig, const RigLoad *load, NwfRuleset *table, GError **error) {
  guint8 spoofed[64];
  gsize length = guest_frame_arp(2, 1, spoofed);

  return rig_enter_ruleset(rig, table, error) && rig_expect(rig, 0, load->frame, load->length, -1, TRUE, error) &&
         rig_expect(rig, 0, spoofed, length, -1, FALSE, error);
}

static gboolean measure(const Bench *bench, guint ports, GError **error) {
  RigLoad load = {.divisor = ports - 1, .unit = "ns/clone"};
  guint features;
  g_autoptr(Rig) rig = rig_new(bench, ports, error);
  if (!rig || !nwf_kernel_probe(rig->kernel, &features, error))
    return FALSE;
  g_autoptr(NwfRuleset) table = guests_table(bench->filters, ports, features, error);
  load.length = guest_frame_arp(0, 1, load.frame);
  if (!table || !check_frames(rig, &load, table, error) || !rig_deafen_host(rig, error))
    return FALSE;
  g_autofree char *linear = guests_linear_table(ports);
  const RigVariant variants[] = {
      {"bare", rig_enter_bare, NULL, 0},
      {GUEST_FILTER, rig_enter_ruleset, table, LIMIT},
      {"linear chain", rig_enter_text, linear, 0},
  };
  return rig_compare(rig, bench, variants, ports == LINEAR_PORTS ? 3 : 2, &load, error);
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
