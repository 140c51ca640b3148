// SPDX-License-Identifier: LGPL-2.1-or-later
/* Some ports of a table that is there come, go or change: what that changes is what has to be sent.
 *
 * While an edit runs, nothing but elements of ports leaves the ruleset: a chain or set that nobody needs any more may
 * be needed by the next port that is added, often the same one with other values. What is garbage is decided when the
 * changes are asked for, and goes when the edit is kept. */
#include "compile/internal.h"
#include "ruleset/base-chains.h"
#include "ruleset/plan.h"
#include "ruleset/references.h"

#include <string.h>

typedef struct {
  NwfSet *set;
  NwfElement element;
} Removed;

struct NwfEdit {
  NwfRuleset *ruleset;
  guint n_chains, n_sets;                    /* those that were there before stand before these indices */
  NwfBaseChainForm had[NWF_N_BASE_CHAINS];   /* of the base chains before, */
  NwfBaseChainForm made[NWF_N_BASE_CHAINS];  /* that they have in the ruleset, */
  NwfBaseChainForm forms[NWF_N_BASE_CHAINS]; /* and that they are to have; 0 goes when the edit is kept */
  GHashTable *ports; /* that were touched: name, owned -> GArray of Removed: what they had before */
  GArray *changes;   /* of NwfChange, or NULL */
};

static void array_free(gpointer data) {
  g_array_unref(data);
}

/* Dispatch maps and what base chains accept first are not counted: each edit looks whether they are still needed. */
static void note_dispatch(NwfReferences *references, NwfRuleset *ruleset) {
  g_hash_table_remove_all(references->unused_chains);
  g_hash_table_remove_all(references->unused_sets);
  for (guint i = 0; i < ruleset->sets->len; i++) {
    NwfSet *set = g_ptr_array_index(ruleset->sets, i);
    if (set->is_map || nwf_dispatch_is_bound(set->name) || nwf_base_chains_is_accepted(set))
      g_hash_table_add(references->unused_sets, set);
  }
}

NwfEdit *nwf_edit_new(NwfRuleset *ruleset) {
  NwfEdit *edit = g_new0(NwfEdit, 1);
  edit->ruleset = ruleset;
  edit->n_chains = ruleset->chains->len;
  edit->n_sets = ruleset->sets->len;
  edit->ports = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, array_free);
  note_dispatch(nwf_ruleset_references(ruleset), ruleset);
  nwf_base_chains_wanted(ruleset, edit->had);
  memcpy(edit->made, edit->had, sizeof edit->made);
  return edit;
}

/* What the port has now is what it had before, unless it was touched already. */
static void touch(NwfEdit *edit, const char *port) {
  if (g_hash_table_contains(edit->ports, port))
    return;
  const GArray *places = nwf_references_places(edit->ruleset->references, port);
  GArray *had = g_array_new(FALSE, FALSE, sizeof(Removed));
  for (guint i = 0; places && i < places->len; i++) {
    const NwfPlace *place = &g_array_index(places, NwfPlace, i);
    Removed removed = {.set = place->set, .element = g_array_index(place->set->elements, NwfElement, place->index)};
    g_array_append_val(had, removed);
  }
  g_hash_table_insert(edit->ports, g_strdup(port), had);
}

gboolean nwf_edit_remove(NwfEdit *edit, const char *port) {
  if (!nwf_references_places(edit->ruleset->references, port))
    return FALSE;
  g_clear_pointer(&edit->changes, g_array_unref);
  touch(edit, port);
  nwf_references_leave(edit->ruleset, port);
  return TRUE;
}

/* The elements that a port's failed compilation has appended are the last ones of their sets. */
static void take_back(const GArray *places) {
  for (guint i = places->len; i-- > 0;) {
    GArray *elements = g_array_index(places, NwfPlace, i).set->elements;
    g_array_set_size(elements, elements->len - 1);
  }
}

gboolean nwf_edit_add(NwfEdit *edit, const NwfFilterStore *store, const NwfBinding *binding,
                      const NwfCompileOptions *options, GError **error) {
  static const NwfCompileOptions defaults = {.features = NWF_FEATURE_ALL};
  NwfPort port;
  nwf_port_init(&port, store, edit->ruleset, options ? options : &defaults);
  port.binding = binding;
  gboolean ok = !nwf_references_places(edit->ruleset->references, binding->port);
  if (!ok)
    nwf_port_error(&port, NULL, NULL, NWF_ERROR_INVALID, error, "this port has another binding already");
  port.places = g_array_new(FALSE, FALSE, sizeof(NwfPlace));
  if (ok && (ok = nwf_port_compile(&port, binding, error))) {
    g_clear_pointer(&edit->changes, g_array_unref);
    touch(edit, binding->port);
    nwf_references_enter(edit->ruleset, binding->port, port.places);
  } else {
    take_back(port.places);
  }
  nwf_port_clear(&port);
  return ok;
}

/* --- what stays --- */

static gboolean chain_stays(const NwfEdit *edit, const NwfChain *chain) {
  for (guint i = 0; chain->hook != NWF_HOOK_NONE && i < NWF_N_BASE_CHAINS; i++)
    if (g_strcmp0(chain->name, nwf_base_chain_name(i)) == 0)
      return edit->forms[i] != 0;
  return chain->uses > 0;
}

/* Dispatch maps are there while they have elements or a base chain looks into them. */
static gboolean set_stays(const NwfEdit *edit, const NwfSet *set) {
  if (nwf_base_chains_is_accepted(set))
    return nwf_base_chains_need(set, edit->forms);
  if (set->is_map || nwf_dispatch_is_bound(set->name))
    return set->elements->len > 0 || nwf_base_chains_need(set, edit->forms);
  return set->uses > 0;
}

/* What is new is found by its index, and what was there before among the unused. */
static void tell_apart(NwfEdit *edit) {
  NwfRuleset *ruleset = edit->ruleset;
  nwf_base_chains_wanted(ruleset, edit->forms);
  nwf_base_chains_make(ruleset, edit->made, edit->forms);
  for (guint i = 0; i < NWF_N_BASE_CHAINS; i++)
    edit->made[i] = edit->forms[i] ? edit->forms[i] : edit->made[i];
  for (guint i = edit->n_chains; i < ruleset->chains->len; i++)
    g_hash_table_remove(ruleset->references->unused_chains, g_ptr_array_index(ruleset->chains, i));
  for (guint i = edit->n_sets; i < ruleset->sets->len; i++)
    g_hash_table_remove(ruleset->references->unused_sets, g_ptr_array_index(ruleset->sets, i));
}

/* --- what is to be sent --- */

/* One array for each step, in the order in which they are sent: what refers to something goes before it, and
 * comes behind it. */
typedef struct {
  GArray *flushes, *element_removals, *set_removals, *chains, *sets, *elements, *rules, *chain_removals;
} Steps;

static void add(GArray *changes, NwfChangeKind kind, const NwfChain *chain, const NwfSet *set,
                const NwfElement *element) {
  NwfChange change = {.kind = kind, .chain = chain, .set = set, .element = element};
  g_array_append_val(changes, change);
}

/* A base chain that stays gets other rules in its place. */
static void base_chain_changes(const NwfEdit *edit, Steps *steps) {
  for (guint i = 0; i < NWF_N_BASE_CHAINS; i++) {
    if (!edit->had[i] || edit->had[i] == edit->forms[i])
      continue;
    const NwfChain *chain = nwf_ruleset_chain(edit->ruleset, nwf_base_chain_name(i));
    add(steps->flushes, NWF_CHANGE_FLUSH_CHAIN, chain, NULL, NULL);
    if (edit->forms[i])
      add(steps->rules, NWF_CHANGE_ADD_RULES, chain, NULL, NULL);
    else
      add(steps->chain_removals, NWF_CHANGE_DELETE_CHAIN, chain, NULL, NULL);
  }
}

static void chain_changes(const NwfEdit *edit, Steps *steps) {
  NwfRuleset *ruleset = edit->ruleset;
  for (guint i = edit->n_chains; i < ruleset->chains->len; i++) {
    const NwfChain *chain = g_ptr_array_index(ruleset->chains, i);
    if (!chain_stays(edit, chain))
      continue;
    add(steps->chains, NWF_CHANGE_ADD_CHAIN, chain, NULL, NULL);
    if (chain->rules->len)
      add(steps->rules, NWF_CHANGE_ADD_RULES, chain, NULL, NULL);
  }
  GHashTableIter iter;
  gpointer chain;
  g_hash_table_iter_init(&iter, ruleset->references->unused_chains);
  while (g_hash_table_iter_next(&iter, &chain, NULL)) {
    if (chain_stays(edit, chain))
      continue;
    if (((NwfChain *)chain)->rules->len)
      add(steps->flushes, NWF_CHANGE_FLUSH_CHAIN, chain, NULL, NULL);
    add(steps->chain_removals, NWF_CHANGE_DELETE_CHAIN, chain, NULL, NULL);
  }
}

static void set_changes(const NwfEdit *edit, Steps *steps, GHashTable *whole) {
  NwfRuleset *ruleset = edit->ruleset;
  for (guint i = edit->n_sets; i < ruleset->sets->len; i++) {
    NwfSet *set = g_ptr_array_index(ruleset->sets, i);
    g_hash_table_add(whole, set);
    if (set_stays(edit, set))
      add(steps->sets, NWF_CHANGE_ADD_SET, NULL, set, NULL);
  }
  GHashTableIter iter;
  gpointer set;
  g_hash_table_iter_init(&iter, ruleset->references->unused_sets);
  while (g_hash_table_iter_next(&iter, &set, NULL))
    if (!set_stays(edit, set)) {
      g_hash_table_add(whole, set);
      add(steps->set_removals, NWF_CHANGE_DELETE_SET, NULL, set, NULL);
    }
}

static guint removed_hash(gconstpointer data) {
  const Removed *removed = data;
  guint64 hash = nwf_hash(GPOINTER_TO_SIZE(removed->set), removed->element.key, sizeof removed->element.key);
  return (guint)(hash ^ hash >> 32);
}

static gboolean same_key(gconstpointer a, gconstpointer b) {
  const Removed *x = a, *y = b;
  return x->set == y->set && memcmp(x->element.key, y->element.key, NWF_KEY_MAX) == 0;
}

/* Elements that are as before are no change. @whole: sets that come or go with all they hold. */
static void element_changes(const NwfEdit *edit, Steps *steps, GHashTable *whole, const char *port, const GArray *had) {
  const GArray *places = nwf_references_places(edit->ruleset->references, port);
  g_autoptr(GHashTable) before = g_hash_table_new(removed_hash, same_key);
  for (guint i = 0; i < had->len; i++)
    g_hash_table_add(before, &g_array_index(had, Removed, i));
  for (guint i = 0; places && i < places->len; i++) {
    const NwfPlace *place = &g_array_index(places, NwfPlace, i);
    const NwfElement *element = &g_array_index(place->set->elements, NwfElement, place->index);
    Removed now = {.set = place->set, .element = *element};
    const Removed *old = g_hash_table_lookup(before, &now);
    if (old && nwf_element_equal(place->set, &old->element, element))
      g_hash_table_remove(before, old);
    else if (!g_hash_table_contains(whole, place->set))
      add(steps->elements, NWF_CHANGE_ADD_ELEMENT, NULL, place->set, element);
  }
  for (guint i = 0; i < had->len; i++) {
    const Removed *old = &g_array_index(had, Removed, i);
    if (g_hash_table_contains(before, old) && !g_hash_table_contains(whole, old->set))
      add(steps->element_removals, NWF_CHANGE_DELETE_ELEMENT, NULL, old->set, &old->element);
  }
}

/* Neighbours of one set go in one message. */
static int compare_sets(gconstpointer a, gconstpointer b) {
  const NwfSet *x = ((const NwfChange *)a)->set, *y = ((const NwfChange *)b)->set;
  return (x > y) - (x < y);
}

static void put(GArray *all, GArray *step) {
  if (step->len)
    g_array_append_vals(all, step->data, step->len);
  g_array_unref(step);
}

const GArray *nwf_edit_changes(NwfEdit *edit) {
  if (edit->changes)
    return edit->changes;
  Steps steps;
  GArray **all[] = {&steps.flushes, &steps.element_removals, &steps.set_removals, &steps.chains,
                    &steps.sets,    &steps.elements,         &steps.rules,        &steps.chain_removals};
  for (guint i = 0; i < G_N_ELEMENTS(all); i++)
    *all[i] = g_array_new(FALSE, FALSE, sizeof(NwfChange));
  tell_apart(edit);
  g_autoptr(GHashTable) whole = g_hash_table_new(NULL, NULL);
  chain_changes(edit, &steps);
  base_chain_changes(edit, &steps);
  set_changes(edit, &steps, whole);
  GHashTableIter iter;
  gpointer port, had;
  g_hash_table_iter_init(&iter, edit->ports);
  while (g_hash_table_iter_next(&iter, &port, &had))
    element_changes(edit, &steps, whole, port, had);
  g_array_sort(steps.element_removals, compare_sets);
  g_array_sort(steps.elements, compare_sets);
  edit->changes = g_array_new(FALSE, FALSE, sizeof(NwfChange));
  if (edit->n_chains == 0 && edit->n_sets == 0 && (steps.sets->len || steps.chains->len))
    add(edit->changes, NWF_CHANGE_ADD_TABLE, NULL, NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(all); i++)
    put(edit->changes, *all[i]);
  return edit->changes;
}

/* --- the end --- */

static void edit_free(NwfEdit *edit) {
  g_hash_table_remove_all(edit->ruleset->references->unused_chains);
  g_hash_table_remove_all(edit->ruleset->references->unused_sets);
  g_clear_pointer(&edit->changes, g_array_unref);
  g_hash_table_unref(edit->ports);
  g_free(edit);
}

static void remove_unused(NwfEdit *edit) {
  NwfRuleset *ruleset = edit->ruleset;
  GHashTableIter iter;
  gpointer item;
  g_hash_table_iter_init(&iter, ruleset->references->unused_chains);
  while (g_hash_table_iter_next(&iter, &item, NULL))
    if (!chain_stays(edit, item))
      nwf_ruleset_remove_chain(ruleset, ((NwfChain *)item)->name);
  g_hash_table_iter_init(&iter, ruleset->references->unused_sets);
  while (g_hash_table_iter_next(&iter, &item, NULL))
    if (!set_stays(edit, item))
      nwf_ruleset_remove_set(ruleset, ((NwfSet *)item)->name);
}

void nwf_edit_keep(NwfEdit *edit) {
  NwfRuleset *ruleset = edit->ruleset;
  tell_apart(edit);
  for (guint i = ruleset->chains->len; i-- > edit->n_chains;) {
    const NwfChain *chain = g_ptr_array_index(ruleset->chains, i);
    if (!chain_stays(edit, chain))
      nwf_ruleset_remove_chain(ruleset, chain->name);
  }
  for (guint i = ruleset->sets->len; i-- > edit->n_sets;) {
    const NwfSet *set = g_ptr_array_index(ruleset->sets, i);
    if (!set_stays(edit, set))
      nwf_ruleset_remove_set(ruleset, set->name);
  }
  for (guint i = 0; i < NWF_N_BASE_CHAINS; i++)
    if (edit->had[i] && !edit->forms[i])
      nwf_ruleset_remove_chain(ruleset, nwf_base_chain_name(i));
  remove_unused(edit);
  edit_free(edit);
}

static void give_back(NwfRuleset *ruleset, const char *port, const GArray *had) {
  g_autoptr(GArray) places = g_array_sized_new(FALSE, FALSE, sizeof(NwfPlace), had->len);
  nwf_references_leave(ruleset, port);
  for (guint i = 0; i < had->len; i++) {
    const Removed *removed = &g_array_index(had, Removed, i);
    NwfPlace place = {.set = removed->set, .index = removed->set->elements->len};
    g_array_append_val(removed->set->elements, removed->element);
    g_array_append_val(places, place);
  }
  nwf_references_enter(ruleset, port, places);
}

void nwf_edit_undo(NwfEdit *edit) {
  NwfRuleset *ruleset = edit->ruleset;
  GHashTableIter iter;
  gpointer port, had;
  g_hash_table_iter_init(&iter, edit->ports);
  while (g_hash_table_iter_next(&iter, &port, &had))
    give_back(ruleset, port, had);
  while (ruleset->chains->len > edit->n_chains)
    nwf_ruleset_remove_chain(ruleset, ((NwfChain *)g_ptr_array_index(ruleset->chains, ruleset->chains->len - 1))->name);
  while (ruleset->sets->len > edit->n_sets)
    nwf_ruleset_remove_set(ruleset, ((NwfSet *)g_ptr_array_index(ruleset->sets, ruleset->sets->len - 1))->name);
  nwf_base_chains_make(ruleset, edit->made, edit->had);
  edit_free(edit);
}
