// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ruleset/closing.h"

#include "ruleset/base-chains.h"
#include "ruleset/plan.h"
#include "ruleset/references.h"

#include <net/if.h>
#include <string.h>

typedef enum { OUT, IN, N_DIRECTIONS } Direction;

static Direction direction_of(NwfDispatch dispatch) {
  return nwf_dispatch_plans[dispatch].port == NWF_FIELD_IIFNAME ? OUT : IN;
}

/* --- which ports --- */

/* What of a port changes. */
typedef struct {
  gboolean first[N_DIRECTIONS], second[N_DIRECTIONS];
  gboolean was_bound, is_bound; /* as far as its entry by port alone comes or goes */
} Touched;

static gboolean touches_second(const NwfChange *change) {
  if (!change->set || !nwf_set_is_by_port(change->set))
    return FALSE;
  NwfDispatch dispatch = nwf_dispatch_of_map(change->set->name, NULL);
  return dispatch != NWF_N_DISPATCHES && nwf_dispatch_plans[dispatch].second;
}

static void touch(GHashTable *ports, const NwfChange *change, const NwfElement *element) {
  g_autofree char *name = g_strndup((const char *)element->key, IFNAMSIZ);
  Touched *touched = g_hash_table_lookup(ports, name);
  if (!touched) {
    touched = g_new0(Touched, 1);
    g_hash_table_insert(ports, g_steal_pointer(&name), touched);
  }
  gboolean other;
  NwfDispatch dispatch = nwf_dispatch_of_map(change->set->name, &other);
  /* by their names, as fields of sets that were read back have lost which interface they mean */
  Direction direction = dispatch != NWF_N_DISPATCHES                        ? direction_of(dispatch)
                        : g_str_has_prefix(change->set->name, NWF_PORTS_IN) ? IN
                                                                            : OUT;
  if (dispatch != NWF_N_DISPATCHES && nwf_dispatch_plans[dispatch].second)
    touched->second[direction] = TRUE;
  else
    touched->first[direction] = TRUE;
  if (dispatch == NWF_DISPATCH_FROM && other) {
    gboolean comes = change->kind == NWF_CHANGE_ADD_ELEMENT || change->kind == NWF_CHANGE_ADD_SET;
    touched->is_bound |= comes;
    touched->was_bound |= !comes;
  }
}

static void touch_all(GHashTable *ports, const NwfChange *change) {
  if (!change->set || !nwf_set_is_by_port(change->set) || nwf_dispatch_is_bound(change->set->name))
    return;
  if (change->element)
    touch(ports, change, change->element);
  for (guint i = 0; !change->element && i < change->set->elements->len; i++)
    touch(ports, change, &g_array_index(change->set->elements, NwfElement, i));
}

GHashTable *nwf_changes_torn_ports(const GArray *changes) {
  gboolean any = FALSE;
  for (guint i = 0; i < changes->len && !any; i++)
    any = touches_second(&g_array_index(changes, NwfChange, i));
  if (!any)
    return NULL;
  g_autoptr(GHashTable) ports = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  for (guint i = 0; i < changes->len; i++)
    touch_all(ports, &g_array_index(changes, NwfChange, i));
  g_autoptr(GHashTable) torn = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer name, value;
  g_hash_table_iter_init(&iter, ports);
  while (g_hash_table_iter_next(&iter, &name, &value)) {
    const Touched *touched = value;
    guint directions = 0;
    for (Direction i = 0; i < N_DIRECTIONS; i++)
      if (touched->first[i] && touched->second[i])
        directions |= 1u << i;
    if (directions && touched->is_bound == touched->was_bound)
      g_hash_table_insert(torn, g_strdup(name), GUINT_TO_POINTER(directions));
  }
  return g_hash_table_size(torn) ? g_steal_pointer(&torn) : NULL;
}

/* --- closing them --- */

/* Of a port's entry by port alone, which says what is bound to it. */
static const char *take_port(NwfSet *map, const char *port) {
  const char *comment = NULL;
  for (guint i = map ? map->elements->len : 0; i-- > 0;) {
    const NwfElement *element = &g_array_index(map->elements, NwfElement, i);
    if (strncmp((const char *)element->key, port, IFNAMSIZ) != 0)
      continue;
    comment = element->comment;
    g_array_remove_index_fast(map->elements, i);
  }
  return comment;
}

static void add_drop(NwfRuleset *ruleset, NwfSet *map, const char *port, guint16 ethertype, const char *comment) {
  static const NwfVerdict drop = {.kind = NWF_VERDICT_DROP};
  guint8 key[NWF_KEY_MAX] = {0};
  memcpy(key, port, strlen(port));
  key[IFNAMSIZ] = (guint8)(ethertype >> 8);
  key[IFNAMSIZ + 1] = (guint8)ethertype;
  nwf_set_add_element(ruleset, map, key, NULL, &drop, comment);
}

/* Both hooks of the direction drop, so that a frame that was let through by the old rules at one of them does not meet
 * the new ones at the other. */
static void close_direction(NwfRuleset *ruleset, const char *port, Direction direction) {
  for (NwfDispatch i = 0; i < NWF_N_DISPATCHES; i++) {
    const NwfDispatchPlan *plan = &nwf_dispatch_plans[i];
    if (direction_of(i) != direction)
      continue;
    take_port(nwf_dispatch_map(ruleset, i, FALSE), port);
    if (plan->second) {
      NwfSet *maps[] = {nwf_dispatch_need_map(ruleset, i, FALSE), nwf_dispatch_need_bound(ruleset, i)};
      take_port(maps[1], port);
      for (guint j = 0; j < G_N_ELEMENTS(maps); j++) {
        add_drop(ruleset, maps[j], port, 0x0800, NULL);
        add_drop(ruleset, maps[j], port, 0x86dd, NULL);
      }
    } else {
      NwfSet *map = nwf_dispatch_need_map(ruleset, i, TRUE);
      add_drop(ruleset, map, port, 0, take_port(map, port));
    }
  }
}

NwfRuleset *nwf_ruleset_closed(const NwfRuleset *have, GHashTable *ports) {
  NwfRuleset *closed = nwf_ruleset_copy(have);
  GHashTableIter iter;
  gpointer port, directions;
  g_hash_table_iter_init(&iter, ports);
  while (g_hash_table_iter_next(&iter, &port, &directions))
    for (Direction i = 0; i < N_DIRECTIONS; i++)
      if (GPOINTER_TO_UINT(directions) & 1u << i)
        close_direction(closed, port, i);
  NwfBaseChainForm forms[NWF_N_BASE_CHAINS];
  nwf_base_chains_wanted(closed, forms);
  nwf_base_chains_make(closed, NULL, forms);
  nwf_ruleset_prune(closed);
  nwf_ruleset_sort(closed);
  return closed;
}
