// SPDX-License-Identifier: LGPL-2.1-or-later
/* One rule with variables -> one instance for each combination of their values. */
#include "compile/internal.h"

#include <string.h>

/* Variables that walk in step. An element ($NAME[n]) is an iterator of its own with one place. */
typedef struct {
  gboolean element;
  guint id;          /* of an iterator */
  GPtrArray *lists;  /* of const GPtrArray *: the values of each variable */
  GPtrArray *names;  /* of const char * */
  GArray *positions; /* of guint: those that repeat no earlier one */
  guint at;          /* index into positions */
} Iterator;

typedef struct {
  NwfPort *port;
  const NwfCollected *collected;
  GArray *iterators;            /* of Iterator; iterator 0 first */
  guint of_match[NWF_N_ATTRS];  /* the iterator of the n-th match's variable */
  NwfValue parsed[NWF_N_ATTRS]; /* by attribute: the current value of a variable */
  gboolean has_parsed[NWF_N_ATTRS];
} Expansion;

static void iterator_clear(gpointer data) {
  Iterator *iterator = data;
  g_ptr_array_unref(iterator->lists);
  g_ptr_array_unref(iterator->names);
  g_array_unref(iterator->positions);
}

static guint add_iterator(Expansion *x, gboolean element, guint id) {
  Iterator iterator = {.element = element, .id = id};
  iterator.lists = g_ptr_array_new();
  iterator.names = g_ptr_array_new();
  iterator.positions = g_array_new(FALSE, FALSE, sizeof(guint));
  g_array_append_val(x->iterators, iterator);
  return x->iterators->len - 1;
}

static guint find_iterator(Expansion *x, const NwfVariable *variable) {
  if (!variable->element)
    for (guint i = 0; i < x->iterators->len; i++) {
      Iterator *iterator = &g_array_index(x->iterators, Iterator, i);
      if (!iterator->element && iterator->id == variable->index)
        return i;
    }
  return add_iterator(x, variable->element, variable->index);
}

static gboolean add_variable(Expansion *x, guint n, const NwfVariable *variable, GError **error) {
  guint index = find_iterator(x, variable);
  Iterator *iterator = &g_array_index(x->iterators, Iterator, index);
  const GPtrArray *values = nwf_scope_get(x->collected->scope, variable->name);
  x->of_match[n] = index;
  if (iterator->element) {
    g_array_append_val(iterator->positions, variable->index);
    g_ptr_array_add(iterator->lists, (gpointer)values);
    g_ptr_array_add(iterator->names, variable->name);
    return TRUE;
  }
  for (guint i = 0; i < iterator->lists->len; i++) {
    const GPtrArray *other = g_ptr_array_index(iterator->lists, i);
    if (other == values)
      return TRUE;
    if (other->len != values->len) {
      nwf_port_error(x->port, x->collected->filter, x->collected->rule, NWF_ERROR_INVALID, error,
                     "variables %s and %s share an iterator but have %u and %u values",
                     (const char *)g_ptr_array_index(iterator->names, i), variable->name, other->len, values->len);
      return FALSE;
    }
  }
  g_ptr_array_add(iterator->lists, (gpointer)values);
  g_ptr_array_add(iterator->names, variable->name);
  return TRUE;
}

/* The places whose values, taken together, none before them has. */
static void find_positions(Iterator *iterator) {
  if (iterator->element || iterator->lists->len == 0)
    return;
  guint length = ((const GPtrArray *)g_ptr_array_index(iterator->lists, 0))->len;
  g_autoptr(GHashTable) seen = NULL;
  if (length > 1)
    seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint at = 0; at < length; at++) {
    if (seen) {
      GString *key = g_string_new(NULL);
      for (guint i = 0; i < iterator->lists->len; i++)
        g_string_append_printf(key, "%s ",
                               (const char *)g_ptr_array_index((GPtrArray *)g_ptr_array_index(iterator->lists, i), at));
      if (!g_hash_table_add(seen, g_string_free(key, FALSE)))
        continue;
    }
    g_array_append_val(iterator->positions, at);
  }
}

static gboolean prepare(Expansion *x, GError **error) {
  const GArray *matches = x->collected->rule->matches;
  x->iterators = g_array_new(FALSE, FALSE, sizeof(Iterator));
  g_array_set_clear_func(x->iterators, iterator_clear);
  add_iterator(x, FALSE, 0);
  for (guint i = 0; i < matches->len; i++) {
    const NwfMatch *match = &g_array_index(matches, NwfMatch, i);
    if (match->variable && !add_variable(x, i, match->variable, error))
      return FALSE;
  }
  for (guint i = 0; i < x->iterators->len; i++)
    find_positions(&g_array_index(x->iterators, Iterator, i));
  return TRUE;
}

static void clear_parsed(Expansion *x) {
  for (guint i = 0; i < NWF_N_ATTRS; i++)
    if (x->has_parsed[i]) {
      nwf_value_clear(&x->parsed[i]);
      x->has_parsed[i] = FALSE;
    }
}

/* The mask that an address can have beside it; attr itself: none. */
static NwfAttr mask_of(NwfAttr attr) {
  switch (attr) {
  case NWF_ATTR_SRCIPADDR:
    return NWF_ATTR_SRCIPMASK;
  case NWF_ATTR_DSTIPADDR:
    return NWF_ATTR_DSTIPMASK;
  case NWF_ATTR_ARPSRCIPADDR:
    return NWF_ATTR_ARPSRCIPMASK;
  case NWF_ATTR_ARPDSTIPADDR:
    return NWF_ATTR_ARPDSTIPMASK;
  default:
    return attr;
  }
}

/* A variable's value: what the attribute can have in a document, or a prefix, given or learned by DHCPv6, where an
 * address can have a mask. */
static gboolean parse_value(NwfAttr attr, NwfType type, const char *text, NwfValue *value, GError **error) {
  const char *slash = type == NWF_TYPE_IPV6 || type == NWF_TYPE_IPV4 ? strchr(text, '/') : NULL;
  guint64 prefix, whole = type == NWF_TYPE_IPV6 ? 128 : 32;
  if (!slash || !g_ascii_string_to_unsigned(slash + 1, 10, 1, whole, &prefix, NULL))
    return nwf_value_parse(attr, type, text, value, error);
  if (prefix < whole && mask_of(attr) == attr) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID,
                "%s has illegal value '%.64s': it takes no prefix, only an address", nwf_attr_name(attr), text);
    return FALSE;
  }
  g_autofree char *address = g_strndup(text, (gsize)(slash - text));
  if (!nwf_value_parse(attr, type, address, value, error))
    return FALSE;
  value->prefix = prefix < whole ? (guint8)prefix : 0;
  return TRUE;
}

/* A prefix stands for each of its addresses, which a longer mask compares in parts that are all in it. A shorter one
 * would let through what is not in it. */
static gboolean check_masks(const Expansion *x, const NwfResolved *resolved, GError **error) {
  const GArray *matches = x->collected->rule->matches;
  for (guint i = 0; i < matches->len; i++) {
    NwfAttr attr = g_array_index(matches, NwfMatch, i).attr, mask = mask_of(attr);
    const NwfValue *value = resolved->values[attr], *bits = resolved->values[mask];
    if (mask == attr || !bits || !value->prefix || bits->number >= value->prefix)
      continue;
    nwf_port_error(x->port, x->collected->filter, x->collected->rule, NWF_ERROR_INVALID, error,
                   "%s of %u bits is shorter than the prefix of %u bits that %s has", nwf_attr_name(mask), bits->number,
                   value->prefix, nwf_attr_name(attr));
    return FALSE;
  }
  return TRUE;
}

static gboolean resolve(Expansion *x, NwfResolved *resolved, GError **error) {
  const GArray *matches = x->collected->rule->matches;
  for (guint i = 0; i < matches->len; i++) {
    const NwfMatch *match = &g_array_index(matches, NwfMatch, i);
    resolved->negated[match->attr] = match->negated;
    resolved->values[match->attr] = &match->value;
    if (!match->variable)
      continue;
    const Iterator *iterator = &g_array_index(x->iterators, Iterator, x->of_match[i]);
    const GPtrArray *values = nwf_scope_get(x->collected->scope, match->variable->name);
    const char *text = g_ptr_array_index(values, g_array_index(iterator->positions, guint, iterator->at));
    const NwfAttrSpec *spec = nwf_protocol_attr(x->collected->rule->protocol, match->attr);
    g_autoptr(GError) reason = NULL;
    if (!parse_value(match->attr, spec->type, text, &x->parsed[match->attr], &reason)) {
      nwf_port_error(x->port, x->collected->filter, x->collected->rule, NWF_ERROR_INVALID, error, "variable %s: %s",
                     match->variable->name, reason->message);
      return FALSE;
    }
    x->has_parsed[match->attr] = TRUE;
    resolved->values[match->attr] = &x->parsed[match->attr];
  }
  return check_masks(x, resolved, error);
}

/* The next combination; the first iterator runs fastest. */
static gboolean advance(Expansion *x) {
  for (guint i = 0; i < x->iterators->len; i++) {
    Iterator *iterator = &g_array_index(x->iterators, Iterator, i);
    if (iterator->at + 1 < iterator->positions->len) {
      iterator->at++;
      return TRUE;
    }
    iterator->at = 0;
  }
  return FALSE;
}

static gboolean expand_constants(NwfPort *port, const NwfCollected *collected, NwfExpandFunc each, gpointer data,
                                 GError **error) {
  const GArray *matches = collected->rule->matches;
  NwfResolved resolved = {0};
  for (guint i = 0; i < matches->len; i++) {
    const NwfMatch *match = &g_array_index(matches, NwfMatch, i);
    resolved.values[match->attr] = &match->value;
    resolved.negated[match->attr] = match->negated;
  }
  return each(port, collected, &resolved, data, error);
}

gboolean nwf_expand(NwfPort *port, const NwfCollected *collected, NwfExpandFunc each, gpointer data, GError **error) {
  gboolean has_variables = FALSE;
  for (guint i = 0; i < collected->rule->matches->len; i++)
    has_variables |= g_array_index(collected->rule->matches, NwfMatch, i).variable != NULL;
  if (!has_variables)
    return expand_constants(port, collected, each, data, error);

  Expansion x = {.port = port, .collected = collected};
  gboolean ok = prepare(&x, error);
  gboolean more = ok;
  while (more) {
    NwfResolved resolved = {0};
    ok = resolve(&x, &resolved, error) && each(port, collected, &resolved, data, error);
    clear_parsed(&x);
    more = ok && advance(&x);
  }
  g_array_unref(x.iterators);
  return ok;
}
