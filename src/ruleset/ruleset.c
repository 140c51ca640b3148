// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The compiled table as plain data: building, looking up, ordering, comparing.
 */
#include <nwfilter-nft/ruleset.h>

#include "ruleset/references.h"

#include <string.h>

#define BLOCK_EXPRS 512

/** Expressions are never freed one by one, so they are cut from blocks. */
typedef struct {
  guint used;
  guint size;
  NwfExpr exprs[];
} Block;

static void chain_free(gpointer data) {
  NwfChain *chain = data;
  g_array_unref(chain->rules);
  g_free(chain);
}

static void set_free(gpointer data) {
  NwfSet *set = data;
  g_array_unref(set->elements);
  g_free(set);
}

NwfRuleset *nwf_ruleset_new(void) {
  NwfRuleset *ruleset = g_new0(NwfRuleset, 1);
  ruleset->chains = g_ptr_array_new_with_free_func(chain_free);
  ruleset->sets = g_ptr_array_new_with_free_func(set_free);
  ruleset->chain_by_name = g_hash_table_new(g_str_hash, g_str_equal);
  ruleset->set_by_name = g_hash_table_new(g_str_hash, g_str_equal);
  ruleset->strings = g_string_chunk_new(4096);
  ruleset->blocks = g_ptr_array_new_with_free_func(g_free);
  return ruleset;
}

void nwf_ruleset_free(NwfRuleset *ruleset) {
  if (!ruleset)
    return;
  nwf_ruleset_drop_references(ruleset);
  g_hash_table_unref(ruleset->chain_by_name);
  g_hash_table_unref(ruleset->set_by_name);
  g_ptr_array_unref(ruleset->chains);
  g_ptr_array_unref(ruleset->sets);
  g_ptr_array_unref(ruleset->blocks);
  g_string_chunk_free(ruleset->strings);
  g_free(ruleset);
}

const char *nwf_ruleset_intern(NwfRuleset *ruleset, const char *text) {
  return text ? g_string_chunk_insert_const(ruleset->strings, text) : NULL;
}

NwfChain *nwf_ruleset_add_chain(NwfRuleset *ruleset, const char *name, NwfHook hook, int priority) {
  g_return_val_if_fail(!g_hash_table_contains(ruleset->chain_by_name, name), NULL);
  NwfChain *chain = g_new0(NwfChain, 1);
  chain->name = nwf_ruleset_intern(ruleset, name);
  chain->hook = hook;
  chain->priority = priority;
  chain->rules = g_array_new(FALSE, FALSE, sizeof(NwfNftRule));
  g_ptr_array_add(ruleset->chains, chain);
  g_hash_table_insert(ruleset->chain_by_name, (gpointer)chain->name, chain);
  return chain;
}

NwfSet *nwf_ruleset_add_set(NwfRuleset *ruleset, const char *name, const NwfField *fields, guint n_fields) {
  g_return_val_if_fail(n_fields >= 1 && n_fields <= NWF_KEY_PARTS, NULL);
  g_return_val_if_fail(!g_hash_table_contains(ruleset->set_by_name, name), NULL);
  NwfSet *set = g_new0(NwfSet, 1);
  set->name = nwf_ruleset_intern(ruleset, name);
  set->n_fields = (guint8)n_fields;
  memcpy(set->fields, fields, n_fields * sizeof *fields);
  set->elements = g_array_new(FALSE, FALSE, sizeof(NwfElement));
  g_ptr_array_add(ruleset->sets, set);
  g_hash_table_insert(ruleset->set_by_name, (gpointer)set->name, set);
  return set;
}

NwfChain *nwf_ruleset_chain(const NwfRuleset *ruleset, const char *name) {
  return g_hash_table_lookup(ruleset->chain_by_name, name);
}

NwfSet *nwf_ruleset_set(const NwfRuleset *ruleset, const char *name) {
  return g_hash_table_lookup(ruleset->set_by_name, name);
}

/* What was added last is taken away most often. */
static void remove_pointer(GPtrArray *array, gpointer pointer) {
  for (guint i = array->len; i-- > 0;)
    if (g_ptr_array_index(array, i) == pointer) {
      g_ptr_array_remove_index(array, i);
      return;
    }
}

void nwf_ruleset_remove_chain(NwfRuleset *ruleset, const char *name) {
  NwfChain *chain = nwf_ruleset_chain(ruleset, name);
  if (!chain)
    return;
  g_hash_table_remove(ruleset->chain_by_name, name);
  remove_pointer(ruleset->chains, chain);
}

void nwf_ruleset_remove_set(NwfRuleset *ruleset, const char *name) {
  NwfSet *set = nwf_ruleset_set(ruleset, name);
  if (!set)
    return;
  g_hash_table_remove(ruleset->set_by_name, name);
  remove_pointer(ruleset->sets, set);
}

static NwfExpr *take_exprs(NwfRuleset *ruleset, guint n) {
  Block *block = ruleset->blocks->len ? g_ptr_array_index(ruleset->blocks, ruleset->blocks->len - 1) : NULL;
  if (!block || block->size - block->used < n) {
    guint size = MAX(n, BLOCK_EXPRS);
    block = g_malloc(sizeof *block + size * sizeof(NwfExpr));
    block->used = 0;
    block->size = size;
    g_ptr_array_add(ruleset->blocks, block);
  }
  NwfExpr *exprs = block->exprs + block->used;
  block->used += n;
  return exprs;
}

static void intern_names(NwfRuleset *ruleset, NwfExpr *expr) {
  if (expr->kind == NWF_EXPR_LOOKUP)
    expr->lookup.set = nwf_ruleset_intern(ruleset, expr->lookup.set);
  else if (expr->kind == NWF_EXPR_CONNLIMIT)
    expr->connlimit.set = nwf_ruleset_intern(ruleset, expr->connlimit.set);
  else if (expr->kind == NWF_EXPR_VERDICT)
    expr->verdict.chain = nwf_ruleset_intern(ruleset, expr->verdict.chain);
}

/** Cuts before the character that would cross the limit, not within it. nft's text knows no way to
 * write a double quote or a line's end in a comment, and all forms are to be the same. */
static const char *intern_comment(NwfRuleset *ruleset, const char *comment) {
  if (!comment)
    return NULL;
  gsize length = strlen(comment);
  if (length > NWF_COMMENT_LEN) {
    length = NWF_COMMENT_LEN;
    while (length > 0 && ((guchar)comment[length] & 0xc0) == 0x80)
      length--;
  }
  char cut[NWF_COMMENT_LEN + 1];
  for (gsize i = 0; i < length; i++)
    cut[i] = comment[i] == '"' ? '\'' : (guchar)comment[i] < ' ' ? ' ' : comment[i];
  cut[length] = '\0';
  return nwf_ruleset_intern(ruleset, cut);
}

void nwf_chain_add_rule(NwfRuleset *ruleset, NwfChain *chain, const NwfExpr *exprs, guint n_exprs,
                        const char *comment) {
  NwfNftRule rule = {.exprs = take_exprs(ruleset, n_exprs), .n_exprs = n_exprs};
  if (n_exprs)
    memcpy(rule.exprs, exprs, n_exprs * sizeof *exprs);
  for (guint i = 0; i < n_exprs; i++)
    intern_names(ruleset, &rule.exprs[i]);
  rule.comment = intern_comment(ruleset, comment);
  g_array_append_val(chain->rules, rule);
}

void nwf_set_add_element(NwfRuleset *ruleset, NwfSet *set, const guint8 *key, const guint8 *key_end,
                         const NwfVerdict *verdict, const char *comment) {
  guint length = nwf_set_key_length(set);
  g_return_if_fail(length <= NWF_KEY_MAX);
  NwfElement element = {.comment = intern_comment(ruleset, comment)};
  memcpy(element.key, key, length);
  memcpy(element.key_end, key_end ? key_end : key, length);
  if (verdict) {
    element.verdict.kind = verdict->kind;
    element.verdict.chain = nwf_ruleset_intern(ruleset, verdict->chain);
  }
  g_array_append_val(set->elements, element);
}

guint nwf_set_part_length(const NwfSet *set, guint i) {
  return set->fields[i] == NWF_FIELD_RAW ? set->raw[i].length : nwf_fields[set->fields[i]].length;
}

guint nwf_set_key_length(const NwfSet *set) {
  if (set->n_fields == 1)
    return nwf_set_part_length(set, 0);
  guint length = 0;
  for (guint i = 0; i < set->n_fields; i++)
    length += (nwf_set_part_length(set, i) + 3) & ~3u;
  return length;
}

/* --- order --- */

static gint compare_chains(gconstpointer a, gconstpointer b) {
  const NwfChain *x = *(NwfChain *const *)a, *y = *(NwfChain *const *)b;
  if ((x->hook == NWF_HOOK_NONE) != (y->hook == NWF_HOOK_NONE))
    return x->hook == NWF_HOOK_NONE ? -1 : 1;
  return strcmp(x->name, y->name);
}

static gint compare_sets(gconstpointer a, gconstpointer b) {
  return strcmp((*(NwfSet *const *)a)->name, (*(NwfSet *const *)b)->name);
}

/** Unused bytes of a key are zero, so whole arrays compare as the keys do. */
static gint compare_elements(gconstpointer a, gconstpointer b) {
  const NwfElement *x = a, *y = b;
  int order = memcmp(x->key, y->key, NWF_KEY_MAX);
  return order ? order : memcmp(x->key_end, y->key_end, NWF_KEY_MAX);
}

static gboolean elements_sorted(const GArray *elements) {
  for (guint i = 1; i < elements->len; i++)
    if (compare_elements(&g_array_index(elements, NwfElement, i - 1), &g_array_index(elements, NwfElement, i)) > 0)
      return FALSE;
  return TRUE;
}

void nwf_ruleset_sort(NwfRuleset *ruleset) {
  nwf_ruleset_drop_references(ruleset);
  g_ptr_array_sort(ruleset->chains, compare_chains);
  g_ptr_array_sort(ruleset->sets, compare_sets);
  for (guint i = 0; i < ruleset->sets->len; i++) {
    NwfSet *set = g_ptr_array_index(ruleset->sets, i);
    if (!elements_sorted(set->elements))
      g_array_sort(set->elements, compare_elements);
  }
}

static gint compare_names(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static gboolean is_dispatch(const NwfSet *set) {
  return set->is_map && (g_str_has_prefix(set->name, "from_") || g_str_has_prefix(set->name, "to_") ||
                         g_str_has_prefix(set->name, "forward_"));
}

GPtrArray *nwf_ruleset_ports(const NwfRuleset *ruleset) {
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  GPtrArray *ports = g_ptr_array_new();
  for (guint i = 0; i < ruleset->sets->len; i++) {
    const NwfSet *set = g_ptr_array_index(ruleset->sets, i);
    if (!is_dispatch(set))
      continue;
    for (guint j = 0; j < set->elements->len; j++) {
      /* 16 bytes of a name of at most 15, so it ends in a NUL and can be lent */
      char *name = (char *)g_array_index(set->elements, NwfElement, j).key;
      if (g_hash_table_add(seen, name))
        g_ptr_array_add(ports, name);
    }
  }
  g_ptr_array_sort(ports, compare_names);
  return ports;
}
