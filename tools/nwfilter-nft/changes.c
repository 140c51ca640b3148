// SPDX-License-Identifier: LGPL-2.1-or-later
#include "changes.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* Above this the ports are only counted. */
#define PORTS_LISTED 100

static GHashTable *touched_ports(const GArray *changes) {
  GHashTable *touched = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < changes->len; i++) {
    const NwfChange *change = &g_array_index(changes, NwfChange, i);
    const NwfSet *set = change->set;
    if (!change->element || !set || !set->is_map ||
        (set->fields[0] != NWF_FIELD_IIFNAME && set->fields[0] != NWF_FIELD_OIFNAME))
      continue;
    g_hash_table_add(touched, g_strndup((const char *)change->element->key, IFNAMSIZ));
  }
  return touched;
}

typedef struct {
  guint n;
  const char *verb;
} Count;

static void say(Count *count, const char *port) {
  if (++count->n <= PORTS_LISTED)
    printf("%s %s\n", count->verb, port);
}

static gboolean says_table(const GArray *changes, NwfChangeKind kind) {
  for (guint i = 0; i < changes->len; i++)
    if (g_array_index(changes, NwfChange, i).kind == kind)
      return TRUE;
  return FALSE;
}

void nwf_changes_print_none(guint ports) {
  printf("nothing to change: %u port%s\n", ports, ports == 1 ? "" : "s");
}

void nwf_changes_print(const NwfRuleset *have, const NwfRuleset *want, const GArray *changes) {
  g_autoptr(GPtrArray) before = have ? nwf_ruleset_ports(have) : NULL;
  g_autoptr(GPtrArray) after = want ? nwf_ruleset_ports(want) : NULL;
  g_autoptr(GHashTable) touched = touched_ports(changes);
  g_autoptr(GHashTable) old = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GHashTable) new = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; before && i < before->len; i++)
    g_hash_table_add(old, g_ptr_array_index(before, i));
  for (guint i = 0; after && i < after->len; i++)
    g_hash_table_add(new, g_ptr_array_index(after, i));
  Count bound = {.verb = "bound"}, changed = {.verb = "changed"}, unbound = {.verb = "unbound"};
  for (guint i = 0; after && i < after->len; i++) {
    const char *port = g_ptr_array_index(after, i);
    if (!g_hash_table_contains(old, port))
      say(&bound, port);
    else if (g_hash_table_contains(touched, port))
      say(&changed, port);
  }
  for (guint i = 0; before && i < before->len; i++)
    if (!g_hash_table_contains(new, g_ptr_array_index(before, i)))
      say(&unbound, g_ptr_array_index(before, i));
  if (says_table(changes, NWF_CHANGE_DELETE_TABLE))
    puts("deleted the table");
  if (changes->len == 0)
    nwf_changes_print_none(after ? after->len : 0);
  else
    printf("%u bound, %u changed, %u unbound; %u change%s in one transaction\n", bound.n, changed.n, unbound.n,
           changes->len, changes->len == 1 ? "" : "s");
}
