// SPDX-License-Identifier: LGPL-2.1-or-later
/* What an IPv4 UDP frame from one guest to another costs. */
#include "guests.h"
#include "rig.h"

#define PORTS 300

gboolean bench_unicast(const Bench *bench, GError **error) {
  guint ports = bench->ports ? bench->ports : PORTS, features;
  RigLoad load = {.divisor = 1, .unit = "ns/frame"};
  guint8 spoofed[64];
  g_autoptr(Rig) rig = rig_new(bench, ports, error);
  if (!rig || !nwf_kernel_probe(rig->kernel, &features, error))
    return FALSE;
  g_autoptr(NwfRuleset) table = guests_table(bench->filters, ports, features, error);
  if (!table)
    return FALSE;
  load.length = guest_frame_udp(0, 1, load.frame);
  guest_frame_udp(2, 1, spoofed);
  if (!rig_enter_ruleset(rig, table, error) || !rig_expect(rig, 0, load.frame, load.length, 1, TRUE, error) ||
      !rig_expect(rig, 0, spoofed, load.length, 1, FALSE, error) || !rig_deafen_host(rig, error))
    return FALSE;
  const RigVariant variants[] = {
      {"bare", rig_enter_bare, NULL, 0},
      {GUEST_FILTER, rig_enter_ruleset, table, 0},
  };
  return rig_compare(rig, bench, variants, G_N_ELEMENTS(variants), &load, error);
}
