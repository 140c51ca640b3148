// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What a set's key was made of, as nft notes it in the set's user data.
 *
 * nft needs it for keys of raw bytes (typeof @nh,96,32), whose length the key's type does not
 * tell, and notes an empty one for every other concatenation. Nested type-length-value
 * triples, lengths of one byte, numbers of four bytes in host order:
 *   KEY_TYPEOF { EXPR: concatenation, DATA { part 0 { EXPR, DATA {..} }, part 1 .. } }
 *   or, of a single field, KEY_TYPEOF { EXPR, DATA {..} }.
 */
#include "kernel/internal.h"

#include <string.h>

/* nft's enum expr_types, as of 0.9.4 when this was introduced; stored data, so they never change. */
enum { EXPR_PAYLOAD = 7, EXPR_META = 9, EXPR_CONCAT = 13 };
/* Kinds at each level. */
enum { TYPEOF_EXPR = 0, TYPEOF_DATA = 1 };
enum { PAYLOAD_HEADER = 0, PAYLOAD_FIELD = 1, PAYLOAD_BASE = 2, PAYLOAD_OFFSET = 3, PAYLOAD_LENGTH = 4 };
enum { META_KEY = 0 };
/* nft's enum proto_bases: the link layer is 1. */
#define BASE_OF(base) ((guint32)(base) + 1)

/** nft's numbers of a header and of a field in it (enum proto_desc_id and the order of its field
 * templates); stored data likewise. */
static const struct {
  NwfField field;
  guint8 header;
  guint8 number;
} payload_fields[] = {
    {NWF_FIELD_ETHER_DADDR, 17, 1},  {NWF_FIELD_ETHER_SADDR, 17, 2},     {NWF_FIELD_ETHER_TYPE, 17, 3},
    {NWF_FIELD_VLAN_TYPE, 16, 5},    {NWF_FIELD_ARP_PTYPE, 15, 2},       {NWF_FIELD_ARP_SADDR_ETHER, 15, 6},
    {NWF_FIELD_ARP_SADDR_IP, 15, 7}, {NWF_FIELD_ARP_DADDR_ETHER, 15, 8}, {NWF_FIELD_ARP_DADDR_IP, 15, 9},
    {NWF_FIELD_IP_PROTOCOL, 12, 9},  {NWF_FIELD_IP_SADDR, 12, 11},       {NWF_FIELD_IP_DADDR, 12, 12},
    {NWF_FIELD_IP6_SADDR, 13, 8},    {NWF_FIELD_IP6_DADDR, 13, 9},       {NWF_FIELD_TH_SPORT, 11, 1},
    {NWF_FIELD_TH_DPORT, 11, 2},
};

gboolean nwf_typeof_wanted(const NwfSet *set) {
  for (guint i = 0; i < set->n_fields; i++)
    if (!nwf_fields[set->fields[i]].set_type)
      return TRUE;
  return FALSE;
}

static gsize put_number(guint8 *data, gsize at, guint8 kind, guint32 number) {
  data[at] = kind;
  data[at + 1] = sizeof number;
  memcpy(data + at + 2, &number, sizeof number);
  return at + 2 + sizeof number;
}

/** Begins a triple whose length close_nest fills in. */
static gsize open_nest(guint8 *data, gsize at, guint8 kind) {
  data[at] = kind;
  return at + 2;
}

static gsize close_nest(guint8 *data, gsize begin, gsize at) {
  data[begin - 1] = (guint8)(at - begin);
  return at;
}

static gsize put_payload(const NwfSet *set, guint i, guint8 *data, gsize at) {
  NwfField field = set->fields[i];
  for (gsize n = 0; n < G_N_ELEMENTS(payload_fields); n++) {
    if (payload_fields[n].field == field) {
      at = put_number(data, at, PAYLOAD_HEADER, payload_fields[n].header);
      return put_number(data, at, PAYLOAD_FIELD, payload_fields[n].number);
    }
  }
  NwfRawPart place = set->raw[i];
  if (field != NWF_FIELD_RAW)
    place = (NwfRawPart){nwf_fields[field].base, nwf_fields[field].offset, nwf_fields[field].length};
  at = put_number(data, at, PAYLOAD_HEADER, 0);
  at = put_number(data, at, PAYLOAD_FIELD, 0);
  at = put_number(data, at, PAYLOAD_BASE, BASE_OF(place.base));
  at = put_number(data, at, PAYLOAD_OFFSET, place.offset * 8u);
  return put_number(data, at, PAYLOAD_LENGTH, place.length * 8u);
}

static gsize put_part(const NwfSet *set, guint i, guint8 *data, gsize at) {
  const NwfFieldSpec *spec = &nwf_fields[set->fields[i]];
  gboolean meta = set->fields[i] != NWF_FIELD_RAW && spec->base == NWF_BASE_META;
  at = put_number(data, at, TYPEOF_EXPR, meta ? EXPR_META : EXPR_PAYLOAD);
  gsize begin = at = open_nest(data, at, TYPEOF_DATA);
  at = meta ? put_number(data, at, META_KEY, spec->offset) : put_payload(set, i, data, at);
  return close_nest(data, begin, at);
}

gsize nwf_typeof_put(const NwfSet *set, guint8 *data, gsize at) {
  gboolean wanted = nwf_typeof_wanted(set);
  if (set->n_fields == 1 && !wanted)
    return at;
  gsize begin = at = open_nest(data, at, NWF_UDATA_SET_KEY_TYPEOF);
  if (set->n_fields == 1)
    return close_nest(data, begin, put_part(set, 0, data, at));
  at = put_number(data, at, TYPEOF_EXPR, EXPR_CONCAT);
  gsize parts = at = open_nest(data, at, TYPEOF_DATA);
  for (guint i = 0; wanted && i < set->n_fields; i++) {
    gsize part = at = open_nest(data, at, (guint8)i);
    at = close_nest(data, part, put_part(set, i, data, at));
  }
  return close_nest(data, begin, close_nest(data, parts, at));
}

/* --- reading --- */

typedef struct {
  const guint8 *data;
  gsize length;
} Span;

/** The value of the triple of kind @kind. */
static gboolean find(Span span, guint8 kind, Span *value) {
  for (gsize at = 0; span.length - at >= 2; at += 2 + span.data[at + 1]) {
    gsize length = span.data[at + 1];
    if (span.length - at - 2 < length)
      return FALSE;
    if (span.data[at] == kind) {
      *value = (Span){span.data + at + 2, length};
      return TRUE;
    }
  }
  return FALSE;
}

static gboolean find_number(Span span, guint8 kind, guint32 *number) {
  Span value;
  if (!find(span, kind, &value) || value.length != sizeof *number)
    return FALSE;
  memcpy(number, value.data, sizeof *number);
  return TRUE;
}

static gboolean get_payload(Span data, NwfField *field, NwfRawPart *raw) {
  guint32 header, number, base, offset, length;
  if (!find_number(data, PAYLOAD_HEADER, &header) || !find_number(data, PAYLOAD_FIELD, &number))
    return FALSE;
  for (gsize n = 0; n < G_N_ELEMENTS(payload_fields); n++) {
    if (payload_fields[n].header == header && payload_fields[n].number == number) {
      *field = payload_fields[n].field;
      return TRUE;
    }
  }
  if (header != 0 || !find_number(data, PAYLOAD_BASE, &base) || !find_number(data, PAYLOAD_OFFSET, &offset) ||
      !find_number(data, PAYLOAD_LENGTH, &length))
    return FALSE;
  if (base < BASE_OF(NWF_BASE_LL) || base > BASE_OF(NWF_BASE_TH) || offset % 8 || offset > 8 * G_MAXUINT16 ||
      length % 8 || length == 0 || length > 8 * NWF_VALUE_MAX)
    return FALSE;
  *field = NWF_FIELD_RAW;
  *raw = (NwfRawPart){.base = (NwfBase)(base - 1), .offset = (guint16)(offset / 8), .length = (guint8)(length / 8)};
  return TRUE;
}

static gboolean get_part(Span part, NwfField *field, NwfRawPart *raw) {
  guint32 expr, key;
  Span data;
  if (!find_number(part, TYPEOF_EXPR, &expr) || !find(part, TYPEOF_DATA, &data))
    return FALSE;
  if (expr == EXPR_PAYLOAD)
    return get_payload(data, field, raw);
  if (expr != EXPR_META || !find_number(data, META_KEY, &key))
    return FALSE;
  for (NwfField f = NWF_FIELD_NONE + 1; f < NWF_N_FIELDS; f++) {
    if (nwf_fields[f].base == NWF_BASE_META && nwf_fields[f].offset == key) {
      *field = f;
      return TRUE;
    }
  }
  return FALSE;
}

gboolean nwf_typeof_get(const guint8 *data, gsize length, guint n_fields, NwfField *fields, NwfRawPart *raw) {
  Span all = {data, length}, parts, part;
  if (n_fields == 1)
    return get_part(all, &fields[0], &raw[0]);
  guint32 expr;
  if (!find_number(all, TYPEOF_EXPR, &expr) || expr != EXPR_CONCAT || !find(all, TYPEOF_DATA, &parts))
    return FALSE;
  for (guint i = 0; i < n_fields; i++)
    if (!find(parts, (guint8)i, &part) || !get_part(part, &fields[i], &raw[i]))
      return FALSE;
  return TRUE;
}
