// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Sets, maps and their elements as the kernel tells them.
 */
#include "kernel/internal.h"

#include <string.h>

#define OUR_FLAGS (NFT_SET_MAP | NFT_SET_INTERVAL | NFT_SET_CONCAT | NFT_SET_EVAL)

/* Stands as comment of an element that marks the end of an interval, until they are paired. */
static const char end_marker[] = "end";

/** The field that stands for a type: which of several it was, the kernel does not know. */
static NwfField field_of_type(guint32 type) {
  static const NwfField usual[] = {
      NWF_FIELD_IIFNAME,   NWF_FIELD_ETHER_TYPE, NWF_FIELD_ETHER_SADDR, NWF_FIELD_IP_SADDR,
      NWF_FIELD_IP6_SADDR, NWF_FIELD_L4PROTO,    NWF_FIELD_TH_DPORT,
  };
  for (gsize i = 0; i < G_N_ELEMENTS(usual); i++)
    if (nwf_fields[usual[i]].set_type_id == type)
      return usual[i];
  return NWF_FIELD_NONE;
}

static gboolean fields_from_types(guint32 types, guint n, NwfField *fields) {
  for (guint i = n; i-- > 0; types >>= NWF_SET_TYPE_BITS) {
    fields[i] = field_of_type(n == 1 ? types : types & ((1u << NWF_SET_TYPE_BITS) - 1));
    if (fields[i] == NWF_FIELD_NONE)
      return FALSE;
  }
  return TRUE;
}

/** Whether what the user data says of the fields agrees with the type that the set has. */
static gboolean types_agree(guint32 types, guint n, const NwfField *fields) {
  for (guint i = n; i-- > 0; types >>= NWF_SET_TYPE_BITS) {
    const NwfFieldSpec *spec = &nwf_fields[fields[i]];
    guint32 type = spec->set_type ? spec->set_type_id : NWF_SET_TYPE_INTEGER;
    if (type != (types & ((1u << NWF_SET_TYPE_BITS) - 1)))
      return FALSE;
  }
  return TRUE;
}

static gboolean read_fields(guint32 types, const struct nlattr *udata, NwfSet *like) {
  guint n = 0;
  for (guint32 rest = types; rest; rest >>= NWF_SET_TYPE_BITS)
    n++;
  if (n == 0 || n > NWF_KEY_PARTS)
    return FALSE;
  like->n_fields = (guint8)n;
  guint8 length;
  const guint8 *made_of = nwf_udata_find(udata, NWF_UDATA_SET_KEY_TYPEOF, &length);
  if (made_of && nwf_typeof_get(made_of, length, n, like->fields, like->raw) && types_agree(types, n, like->fields))
    return TRUE;
  memset(like->raw, 0, sizeof like->raw);
  return fields_from_types(types, n, like->fields);
}

gboolean nwf_decode_set(NwfRuleset *ruleset, const char *name, const NwfAttrs *attrs) {
  guint32 flags = nwf_attr_u32(attrs->attr[NFTA_SET_FLAGS], 0);
  guint32 data_type = nwf_attr_u32(attrs->attr[NFTA_SET_DATA_TYPE], NWF_SET_DATA_VERDICT);
  const struct nlattr *udata = attrs->attr[NFTA_SET_USERDATA];
  NwfSet like = {0};
  if (flags & ~(guint32)OUR_FLAGS || data_type != NWF_SET_DATA_VERDICT || attrs->attr[NFTA_SET_TIMEOUT] ||
      attrs->attr[NFTA_SET_GC_INTERVAL] || attrs->attr[NFTA_SET_OBJ_TYPE] || attrs->attr[NFTA_SET_EXPR] ||
      attrs->attr[NFTA_SET_EXPRESSIONS] || nwf_attr_u32(attrs->attr[NFTA_SET_POLICY], 0) != 0 ||
      !read_fields(nwf_attr_u32(attrs->attr[NFTA_SET_KEY_TYPE], 0), udata, &like))
    return FALSE;
  guint length = nwf_set_key_length(&like);
  if (length > NWF_KEY_MAX || nwf_attr_u32(attrs->attr[NFTA_SET_KEY_LEN], 0) != length ||
      nwf_ruleset_set(ruleset, name))
    return FALSE;
  NwfAttrs description;
  nwf_attrs_nested(attrs->attr[NFTA_SET_DESC], NFTA_SET_DESC_MAX, &description);
  NwfSet *set = nwf_ruleset_add_set(ruleset, name, like.fields, like.n_fields);
  memcpy(set->raw, like.raw, sizeof set->raw);
  set->is_map = (flags & NFT_SET_MAP) != 0;
  set->interval = (flags & NFT_SET_INTERVAL) != 0;
  set->dynamic = (flags & NFT_SET_EVAL) != 0;
  set->size = nwf_attr_u32(description.attr[NFTA_SET_DESC_SIZE], 0);
  set->comment = nwf_ruleset_intern(ruleset, nwf_decode_comment(udata, NWF_UDATA_SET_COMMENT));
  return TRUE;
}

/* --- elements --- */

static gboolean read_element(NwfRuleset *ruleset, NwfSet *set, const struct nlattr *nest) {
  NwfAttrs attrs;
  guint8 key[NWF_KEY_MAX] = {0}, key_end[NWF_KEY_MAX] = {0};
  guint length = nwf_set_key_length(set);
  gboolean known = nwf_attrs_nested(nest, NFTA_SET_ELEM_MAX, &attrs);
  guint32 flags = nwf_attr_u32(attrs.attr[NFTA_SET_ELEM_FLAGS], 0);
  if (!known || !nwf_attr_value(attrs.attr[NFTA_SET_ELEM_KEY], key, length) ||
      (flags & ~(guint32)NFT_SET_ELEM_INTERVAL_END) || attrs.attr[NFTA_SET_ELEM_TIMEOUT] ||
      attrs.attr[NFTA_SET_ELEM_EXPIRATION] || attrs.attr[NFTA_SET_ELEM_EXPR] || attrs.attr[NFTA_SET_ELEM_OBJREF] ||
      attrs.attr[NFTA_SET_ELEM_EXPRESSIONS])
    return FALSE;
  gboolean two = set->interval && set->n_fields == 1;
  if (flags) {
    if (!two)
      return FALSE;
    nwf_set_add_element(ruleset, set, key, NULL, NULL, NULL);
    g_array_index(set->elements, NwfElement, set->elements->len - 1).comment = end_marker;
    return TRUE;
  }
  const struct nlattr *end = attrs.attr[NFTA_SET_ELEM_KEY_END];
  if (end && !nwf_attr_value(end, key_end, length))
    return FALSE;
  NwfVerdict verdict = {0};
  if (set->is_map && !nwf_decode_verdict(attrs.attr[NFTA_SET_ELEM_DATA], &verdict))
    return FALSE;
  const char *comment = nwf_decode_comment(attrs.attr[NFTA_SET_ELEM_USERDATA], NWF_UDATA_COMMENT);
  nwf_set_add_element(ruleset, set, key, end ? key_end : NULL, set->is_map ? &verdict : NULL, comment);
  return TRUE;
}

gboolean nwf_decode_elements(NwfRuleset *ruleset, NwfSet *set, const struct nlattr *list) {
  gboolean ours = TRUE;
  const struct nlattr *element;
  if (set->dynamic)
    return TRUE;
  mnl_attr_for_each_nested(element, list) ours = read_element(ruleset, set, element) && ours;
  return ours;
}

/** By key; where one interval ends and the next begins, the end comes first. */
static gint compare_ends(gconstpointer a, gconstpointer b) {
  const NwfElement *x = a, *y = b;
  int order = memcmp(x->key, y->key, NWF_KEY_MAX);
  return order ? order : (y->comment == end_marker) - (x->comment == end_marker);
}

static void key_before(const guint8 *key, guint length, guint8 *before) {
  memcpy(before, key, length);
  for (guint i = length; i-- > 0;)
    if (before[i]--)
      return;
}

void nwf_decode_intervals(NwfSet *set) {
  GArray *elements = set->elements;
  guint length = nwf_set_key_length(set), kept = 0;
  if (!set->interval || set->n_fields != 1)
    return;
  g_array_sort(elements, compare_ends);
  for (guint i = 0; i < elements->len; i++) {
    NwfElement element = g_array_index(elements, NwfElement, i);
    if (element.comment == end_marker)
      continue;
    /* whatever comes next ends it; nothing: it goes on to the last of all keys */
    if (i + 1 < elements->len)
      key_before(g_array_index(elements, NwfElement, i + 1).key, length, element.key_end);
    else
      memset(element.key_end, 0xff, length);
    g_array_index(elements, NwfElement, kept++) = element;
  }
  g_array_set_size(elements, kept);
}
