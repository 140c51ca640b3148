// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Reading attributes without trusting them.
 */
#include "kernel/internal.h"

#include <string.h>

const struct nlmsghdr *nwf_message_at(const guint8 *at, const guint8 *end) {
  gsize left = (gsize)(end - at);
  const struct nlmsghdr *message = (const struct nlmsghdr *)at;
  if (left < sizeof *message || message->nlmsg_len < sizeof *message || message->nlmsg_len > left)
    return NULL;
  return message;
}

const guint8 *nwf_message_next(const struct nlmsghdr *message, const guint8 *end) {
  const guint8 *at = (const guint8 *)message;
  gsize left = (gsize)(end - at);
  return at + MIN(left, ((gsize)message->nlmsg_len + 3) & ~(gsize)3);
}

/** As far as anybody may look: this is done some hundred thousand times for a large table. */
static void clear(NwfAttrs *attrs, guint max) {
  memset(attrs->attr, 0, (MIN(max, G_N_ELEMENTS(attrs->attr) - 1) + 1) * sizeof attrs->attr[0]);
}

gboolean nwf_attrs_parse(const void *data, gsize length, guint max, NwfAttrs *attrs) {
  gboolean known = TRUE;
  clear(attrs, max);
  const guint8 *at = data;
  while (length >= sizeof(struct nlattr)) {
    const struct nlattr *attr = (const struct nlattr *)at;
    if (attr->nla_len < sizeof *attr || attr->nla_len > length)
      return FALSE;
    guint type = attr->nla_type & NLA_TYPE_MASK;
    if (type <= max && type < G_N_ELEMENTS(attrs->attr))
      attrs->attr[type] = attr;
    else
      known = FALSE;
    gsize step = MIN((gsize)MNL_ALIGN(attr->nla_len), length);
    at += step;
    length -= step;
  }
  return known;
}

gboolean nwf_attrs_nested(const struct nlattr *nest, guint max, NwfAttrs *attrs) {
  if (nest)
    return nwf_attrs_parse(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), max, attrs);
  clear(attrs, max);
  return FALSE;
}

gboolean nwf_attrs_message(const struct nlmsghdr *message, guint max, NwfAttrs *attrs) {
  gsize header = NLMSG_LENGTH(MNL_ALIGN(sizeof(struct nfgenmsg)));
  clear(attrs, max);
  if (message->nlmsg_len < header)
    return FALSE;
  return nwf_attrs_parse((const guint8 *)message + header, message->nlmsg_len - header, max, attrs);
}

guint32 nwf_attr_u32(const struct nlattr *attr, guint32 fallback) {
  if (!attr || mnl_attr_get_payload_len(attr) != sizeof(guint32))
    return fallback;
  return ntohl(mnl_attr_get_u32(attr));
}

guint64 nwf_attr_u64(const struct nlattr *attr, guint64 fallback) {
  if (!attr || mnl_attr_get_payload_len(attr) != sizeof(guint64))
    return fallback;
  return GUINT64_FROM_BE(mnl_attr_get_u64(attr));
}

const char *nwf_attr_text(const struct nlattr *attr) {
  if (!attr || !memchr(mnl_attr_get_payload(attr), 0, mnl_attr_get_payload_len(attr)))
    return NULL;
  return mnl_attr_get_payload(attr);
}

gboolean nwf_attr_value(const struct nlattr *nest, void *value, gsize length) {
  NwfAttrs attrs;
  nwf_attrs_nested(nest, NFTA_DATA_MAX, &attrs);
  const struct nlattr *data = attrs.attr[NFTA_DATA_VALUE];
  if (!data || mnl_attr_get_payload_len(data) != length)
    return FALSE;
  memcpy(value, mnl_attr_get_payload(data), length);
  return TRUE;
}

const guint8 *nwf_udata_find(const struct nlattr *udata, guint8 kind, guint8 *length) {
  if (!udata)
    return NULL;
  const guint8 *data = mnl_attr_get_payload(udata);
  for (gsize left = mnl_attr_get_payload_len(udata); left >= 2;) {
    gsize step = 2u + data[1];
    if (step > left)
      return NULL;
    if (data[0] == kind) {
      *length = data[1];
      return data + 2;
    }
    data += step;
    left -= step;
  }
  return NULL;
}

const char *nwf_decode_comment(const struct nlattr *udata, guint8 kind) {
  guint8 length;
  const guint8 *text = nwf_udata_find(udata, kind, &length);
  return text && length && memchr(text, 0, length) ? (const char *)text : NULL;
}
