// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Sets, maps and their elements as messages.
 */
#include "kernel/internal.h"

#include <string.h>

/* Four parts of raw bytes take 180 bytes of user data, a comment 130; the kernel's limit is 256
 * (NFT_USERDATA_MAXLEN). */
#define UDATA_MAX 512
#define UDATA_KERNEL_MAX 256

static void put_u32(struct nlmsghdr *message, guint16 attribute, guint32 value) {
  mnl_attr_put_u32(message, attribute, htonl(value));
}

static guint32 part_type(const NwfSet *set, guint i) {
  const NwfFieldSpec *spec = &nwf_fields[set->fields[i]];
  return spec->set_type ? spec->set_type_id : NWF_SET_TYPE_INTEGER;
}

static guint32 key_type(const NwfSet *set) {
  guint32 type = 0;
  for (guint i = 0; i < set->n_fields; i++)
    type = type << NWF_SET_TYPE_BITS | part_type(set, i);
  return type;
}

static gsize put_udata_number(guint8 *data, gsize at, guint8 kind, guint32 number) {
  data[at] = kind;
  data[at + 1] = sizeof number;
  memcpy(data + at + 2, &number, sizeof number);
  return at + 2 + sizeof number;
}

static gsize put_udata_text(guint8 *data, gsize at, guint8 kind, const char *text) {
  gsize length = MIN(strlen(text), (gsize)NWF_COMMENT_LEN);
  data[at] = kind;
  data[at + 1] = (guint8)(length + 1);
  memcpy(data + at + 2, text, length);
  data[at + 2 + length] = 0;
  return at + 2 + length + 1;
}

void nwf_encode_rule_udata(struct nlmsghdr *message, const char *comment, const NwfMark *mark) {
  guint8 data[UDATA_MAX];
  gsize length = 0;
  if (comment && *comment)
    length = put_udata_text(data, length, NWF_UDATA_COMMENT, comment);
  if (mark) {
    data[length++] = NWF_UDATA_MARK;
    data[length++] = sizeof *mark;
    memcpy(data + length, mark, sizeof *mark);
    length += sizeof *mark;
  }
  if (length)
    mnl_attr_put(message, NFTA_RULE_USERDATA, length, data);
}

/** nft: 0 unknown, 1 host, 2 big endian; concatenations and protocol numbers have none. */
static guint32 byteorder(const NwfSet *set) {
  guint32 type = part_type(set, 0);
  if (set->n_fields > 1 || type == NWF_SET_TYPE_INET_PROTOCOL)
    return 0;
  return type == nwf_fields[NWF_FIELD_IIFNAME].set_type_id ? 1 : 2;
}

static void put_set_udata(struct nlmsghdr *message, const NwfSet *set) {
  guint8 data[UDATA_MAX];
  gsize length = put_udata_number(data, 0, NWF_UDATA_SET_KEY_BYTEORDER, byteorder(set));
  if (set->is_map)
    length = put_udata_number(data, length, NWF_UDATA_SET_DATA_BYTEORDER, 0);
  length = nwf_typeof_put(set, data, length);
  if (set->is_map)
    length = put_udata_number(data, length, NWF_UDATA_SET_DATA_INTERVAL, 0);
  if (set->comment && *set->comment && length + strlen(set->comment) + 3 <= UDATA_KERNEL_MAX)
    length = put_udata_text(data, length, NWF_UDATA_SET_COMMENT, set->comment);
  mnl_attr_put(message, NFTA_SET_USERDATA, length, data);
}

static void put_description(struct nlmsghdr *message, const NwfSet *set) {
  gboolean concat = set->interval && set->n_fields > 1;
  if (!set->size && !concat)
    return;
  struct nlattr *description = mnl_attr_nest_start(message, NFTA_SET_DESC);
  if (set->size)
    put_u32(message, NFTA_SET_DESC_SIZE, set->size);
  if (concat) {
    struct nlattr *list = mnl_attr_nest_start(message, NFTA_SET_DESC_CONCAT);
    for (guint i = 0; i < set->n_fields; i++) {
      struct nlattr *part = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
      put_u32(message, NFTA_SET_FIELD_LEN, nwf_set_part_length(set, i));
      mnl_attr_nest_end(message, part);
    }
    mnl_attr_nest_end(message, list);
  }
  mnl_attr_nest_end(message, description);
}

static void put_set(NwfBatch *batch, const NwfSet *set, guint change) {
  guint32 flags = (set->is_map ? NFT_SET_MAP : 0) | (set->interval ? NFT_SET_INTERVAL : 0) |
                  (set->interval && set->n_fields > 1 ? NFT_SET_CONCAT : 0) | (set->dynamic ? NFT_SET_EVAL : 0);
  struct nlmsghdr *message = nwf_batch_begin(batch, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, change, 0);
  mnl_attr_put_strz(message, NFTA_SET_TABLE, NWF_TABLE);
  mnl_attr_put_strz(message, NFTA_SET_NAME, set->name);
  put_u32(message, NFTA_SET_FLAGS, flags);
  put_u32(message, NFTA_SET_KEY_TYPE, key_type(set));
  put_u32(message, NFTA_SET_KEY_LEN, nwf_set_key_length(set));
  if (set->is_map) {
    put_u32(message, NFTA_SET_DATA_TYPE, NWF_SET_DATA_VERDICT);
    put_u32(message, NFTA_SET_DATA_LEN, 0);
  }
  put_u32(message, NFTA_SET_ID, ++batch->set_id);
  put_description(message, set);
  put_set_udata(message, set);
  nwf_batch_end(batch, message);
}

void nwf_encode_set(NwfBatch *batch, const NwfSet *set, guint change) {
  put_set(batch, set, change);
  if (set->dynamic)
    return;
  const NwfElement *run[256];
  for (guint i = 0, n = 0; i < set->elements->len; i++) {
    run[n++] = &g_array_index(set->elements, NwfElement, i);
    if (n < G_N_ELEMENTS(run) && i + 1 < set->elements->len)
      continue;
    nwf_encode_elements(batch, NFT_MSG_NEWSETELEM, set, run, n, change, i + 1 - n);
    n = 0;
  }
}

/* --- elements --- */

static void put_key(struct nlmsghdr *message, guint16 attribute, const guint8 *key, guint length) {
  struct nlattr *nest = mnl_attr_nest_start(message, attribute);
  mnl_attr_put(message, NFTA_DATA_VALUE, length, key);
  mnl_attr_nest_end(message, nest);
}

/** The key behind @key as a big-endian number; FALSE when there is none. */
static gboolean next_key(const guint8 *key, guint length, guint8 *next) {
  memcpy(next, key, length);
  for (guint i = length; i-- > 0;)
    if (++next[i])
      return TRUE;
  return FALSE;
}

static void put_element_udata(struct nlmsghdr *message, const NwfElement *element, gboolean open) {
  guint8 data[UDATA_MAX];
  gsize length = 0;
  if (element->comment && *element->comment)
    length = put_udata_text(data, length, NWF_UDATA_COMMENT, element->comment);
  if (open)
    length = put_udata_number(data, length, NWF_UDATA_ELEMENT_FLAGS, NWF_UDATA_INTERVAL_OPEN);
  if (length)
    mnl_attr_put(message, NFTA_SET_ELEM_USERDATA, length, data);
}

static void put_end_marker(struct nlmsghdr *message, const guint8 *key, guint length) {
  struct nlattr *nest = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
  put_u32(message, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
  put_key(message, NFTA_SET_ELEM_KEY, key, length);
  mnl_attr_nest_end(message, nest);
}

/** An interval of one part is two elements: where it begins, and where it is over; one of several
 * parts is one element with two keys. */
static void put_element(struct nlmsghdr *message, const NwfSet *set, const NwfElement *element, gboolean whole) {
  guint length = nwf_set_key_length(set);
  guint8 behind[NWF_KEY_MAX];
  gboolean two = set->interval && set->n_fields == 1;
  gboolean ends = two && next_key(element->key_end, length, behind);
  struct nlattr *nest = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
  put_key(message, NFTA_SET_ELEM_KEY, element->key, length);
  if (set->interval && set->n_fields > 1)
    put_key(message, NFTA_SET_ELEM_KEY_END, element->key_end, length);
  if (set->is_map && whole)
    nwf_encode_verdict(message, NFTA_SET_ELEM_DATA, &element->verdict);
  if (whole)
    put_element_udata(message, element, two && !ends);
  mnl_attr_nest_end(message, nest);
  if (ends)
    put_end_marker(message, behind, length);
}

void nwf_encode_elements(NwfBatch *batch, guint kind, const NwfSet *set, const NwfElement *const *elements, guint count,
                         guint change, guint first) {
  gboolean add = kind == NFT_MSG_NEWSETELEM;
  for (guint i = 0; i < count;) {
    struct nlmsghdr *message = nwf_batch_begin(batch, kind, add ? NLM_F_CREATE : 0, change, first + i);
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, NWF_TABLE);
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set->name);
    struct nlattr *list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
    for (; i < count && message->nlmsg_len < NWF_ELEMENTS_SIZE; i++)
      put_element(message, set, elements[i], add);
    mnl_attr_nest_end(message, list);
    nwf_batch_end(batch, message);
  }
}

/** End markers are no elements of their own. */
static gboolean is_end_marker(const struct nlattr *element) {
  NwfAttrs attrs;
  nwf_attrs_nested(element, NFTA_SET_ELEM_MAX, &attrs);
  return nwf_attr_u32(attrs.attr[NFTA_SET_ELEM_FLAGS], 0) & NFT_SET_ELEM_INTERVAL_END;
}

guint nwf_encode_element_at(const struct nlmsghdr *message, guint32 offset) {
  NwfAttrs attrs;
  nwf_attrs_message(message, NFTA_SET_ELEM_LIST_MAX, &attrs);
  const struct nlattr *list = attrs.attr[NFTA_SET_ELEM_LIST_ELEMENTS], *element;
  guint begun = 0;
  if (!list)
    return 0;
  mnl_attr_for_each_nested(element, list) {
    if ((gsize)((const guint8 *)element - (const guint8 *)message) > offset)
      break;
    begun += !is_end_marker(element);
  }
  return begun ? begun - 1 : 0;
}
