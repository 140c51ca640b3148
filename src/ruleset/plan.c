// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ruleset/plan.h"

#include <string.h>

/* Before bridge connection tracking (-200), which a frame that is dropped here never reaches; linux/netfilter_bridge.h
 * (enum nf_br_hook_priorities) and net/bridge/netfilter/nf_conntrack_bridge.c. */
#define BEFORE_TRACKING (-210)
/* Behind it, and before br_netfilter (0), which takes frames into the IP hooks. */
#define BEHIND_TRACKING (-150)

const NwfDispatchPlan nwf_dispatch_plans[NWF_N_DISPATCHES] = {
    [NWF_DISPATCH_FROM] = {.map = "from_port",
                           .other = "from_port_other",
                           .bound = "bound",
                           .port = NWF_FIELD_IIFNAME,
                           .chains = {{"prerouting", NWF_HOOK_PREROUTING, BEFORE_TRACKING},
                                      {"input", NWF_HOOK_INPUT, BEFORE_TRACKING}}},
    [NWF_DISPATCH_FROM_STATE] = {.map = "from_port_state",
                                 .bound = "bound_from_state",
                                 .port = NWF_FIELD_IIFNAME,
                                 .second = TRUE,
                                 .chains = {{"prerouting-state", NWF_HOOK_PREROUTING, BEHIND_TRACKING},
                                            {"input-state", NWF_HOOK_INPUT, BEHIND_TRACKING}}},
    [NWF_DISPATCH_FORWARD] = {.map = "forward_port",
                              .bound = "bound_forward",
                              .port = NWF_FIELD_OIFNAME,
                              .second = TRUE,
                              .chains = {{"forward", NWF_HOOK_FORWARD, BEHIND_TRACKING}}},
    [NWF_DISPATCH_TO] = {.map = "to_port",
                         .other = "to_port_other",
                         .bound = "bound",
                         .port = NWF_FIELD_OIFNAME,
                         .chains = {{"postrouting", NWF_HOOK_POSTROUTING, BEHIND_TRACKING}}},
};

NwfDispatch nwf_dispatch_of_map(const char *name, gboolean *other) {
  for (NwfDispatch i = 0; i < NWF_N_DISPATCHES; i++) {
    gboolean is_other = g_strcmp0(name, nwf_dispatch_plans[i].other) == 0;
    if (other)
      *other = is_other;
    if (is_other || strcmp(name, nwf_dispatch_plans[i].map) == 0)
      return i;
  }
  return NWF_N_DISPATCHES;
}

NwfSet *nwf_dispatch_map(const NwfRuleset *ruleset, NwfDispatch dispatch, gboolean other) {
  const NwfDispatchPlan *plan = &nwf_dispatch_plans[dispatch];
  const char *name = other ? plan->other : plan->map;
  return name ? nwf_ruleset_set(ruleset, name) : NULL;
}

NwfSet *nwf_dispatch_need_map(NwfRuleset *ruleset, NwfDispatch dispatch, gboolean other) {
  NwfSet *map = nwf_dispatch_map(ruleset, dispatch, other);
  if (map)
    return map;
  const NwfDispatchPlan *plan = &nwf_dispatch_plans[dispatch];
  const NwfField fields[] = {plan->port, NWF_FIELD_ETHER_TYPE};
  map = nwf_ruleset_add_set(ruleset, other ? plan->other : plan->map, fields, other ? 1 : 2);
  map->is_map = TRUE;
  return map;
}

NwfSet *nwf_dispatch_need_bound(NwfRuleset *ruleset, NwfDispatch dispatch) {
  const NwfDispatchPlan *plan = &nwf_dispatch_plans[dispatch];
  const NwfField fields[] = {NWF_FIELD_IIFNAME, NWF_FIELD_ETHER_TYPE};
  NwfSet *set = nwf_ruleset_set(ruleset, plan->bound);
  return set ? set : nwf_ruleset_add_set(ruleset, plan->bound, fields, plan->other ? 1 : 2);
}

gboolean nwf_dispatch_is_bound(const char *name) {
  for (NwfDispatch i = 0; i < NWF_N_DISPATCHES; i++)
    if (strcmp(name, nwf_dispatch_plans[i].bound) == 0)
      return TRUE;
  return FALSE;
}
