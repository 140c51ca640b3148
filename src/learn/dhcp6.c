// SPDX-License-Identifier: LGPL-2.1-or-later
// A DHCPv6 message between client and server (RFC 8415).

#include "learn/internal.h"

enum {
  OPTION_CLIENT_ID = 1,
  OPTION_IA_NA = 3,
  OPTION_IA_TA = 4,
  OPTION_IA_ADDRESS = 5,
  OPTION_STATUS = 13,
  OPTION_RAPID_COMMIT = 14,
  OPTION_IA_PD = 25,
  OPTION_IA_PREFIX = 26
};

#define RELAY_FORWARD 12
#define RELAY_REPLY 13
#define DUID_MAX 130 /* RFC 8415, 11.1, with its type */

typedef struct {
  guint16 code;
  const guint8 *value;
  gsize length;
} Option;

/* Takes the next option off the list. FALSE at its end; @malformed is set when that is within an option. */
static gboolean next_option(const guint8 **data, gsize *length, Option *option, gboolean *malformed) {
  if (*length == 0)
    return FALSE;
  *malformed = *length < 4 || *length - 4 < nwf_read16(*data + 2);
  if (*malformed)
    return FALSE;
  *option = (Option){nwf_read16(*data), *data + 4, nwf_read16(*data + 2)};
  *data += 4 + option->length;
  *length -= 4 + option->length;
  return TRUE;
}

static gboolean read_status(const Option *option, guint16 *status) {
  if (option->length < 2)
    return FALSE;
  *status = nwf_read16(option->value);
  return TRUE;
}

/* The options within an address or prefix: only a status matters. */
static gboolean inner_status(const guint8 *data, gsize length, guint16 *status) {
  gboolean malformed = FALSE;
  Option option;
  while (next_option(&data, &length, &option, &malformed))
    if (option.code == OPTION_STATUS && !read_status(&option, status))
      return FALSE;
  return !malformed;
}

/* IA Address: address, preferred, valid, options. IA Prefix: preferred, valid, length, prefix, options. */
static gboolean read_address(const Option *option, NwfDhcp6Address *address, guint16 *status) {
  gboolean is_prefix = option->code == OPTION_IA_PREFIX;
  gsize fixed = is_prefix ? 25 : 24;
  if (option->length < fixed)
    return FALSE;
  const guint8 *value = option->value;
  *address = (NwfDhcp6Address){.address = is_prefix ? value + 9 : value,
                               .prefix = is_prefix ? value[8] : 128,
                               .valid = nwf_read32(value + (is_prefix ? 4 : 20))};
  if (!inner_status(value + fixed, option->length - fixed, status))
    return FALSE;
  /* a preferred lifetime beyond the valid one: clients discard the address (RFC 8415, 21.6 and 21.22) */
  if (address->prefix > 128 || nwf_read32(value + (is_prefix ? 0 : 16)) > address->valid)
    *status = 1;
  return TRUE;
}

/* IA_NA, IA_PD: IAID, T1, T2, options. IA_TA: IAID, options. */
static gboolean read_ia(const Option *ia, NwfDhcp6 *message) {
  gsize fixed = ia->code == OPTION_IA_TA ? 4 : 12;
  if (ia->length < fixed)
    return FALSE;
  guint16 within = ia->code == OPTION_IA_PD ? OPTION_IA_PREFIX : OPTION_IA_ADDRESS;
  const guint8 *data = ia->value + fixed;
  gsize length = ia->length - fixed;
  guint first = message->n_addresses;
  guint16 status = 0;
  gboolean malformed = FALSE;
  Option option;
  while (next_option(&data, &length, &option, &malformed)) {
    if (option.code == OPTION_STATUS && !read_status(&option, &status))
      return FALSE;
    if (option.code != within)
      continue;
    NwfDhcp6Address address;
    guint16 inner = 0;
    if (!read_address(&option, &address, &inner))
      return FALSE;
    if (inner == 0 && message->n_addresses < G_N_ELEMENTS(message->addresses))
      message->addresses[message->n_addresses++] = address;
  }
  if (status != 0)
    message->n_addresses = first;
  return !malformed;
}

static gboolean take(NwfDhcp6 *message, const Option *option) {
  switch (option->code) {
  case OPTION_CLIENT_ID:
    if (message->client || option->length == 0 || option->length > DUID_MAX)
      return FALSE;
    message->client = option->value;
    message->client_length = option->length;
    return TRUE;
  case OPTION_STATUS:
    return read_status(option, &message->status);
  case OPTION_RAPID_COMMIT:
    message->rapid_commit = TRUE;
    return TRUE;
  case OPTION_IA_NA:
  case OPTION_IA_TA:
  case OPTION_IA_PD:
    return read_ia(option, message);
  default:
    return TRUE;
  }
}

gboolean nwf_dhcp6_parse(const guint8 *data, gsize length, NwfDhcp6 *message) {
  if (length < 4 || data[0] == RELAY_FORWARD || data[0] == RELAY_REPLY)
    return FALSE;
  message->type = data[0];
  message->xid = nwf_read32(data) & 0xffffff;
  message->client = NULL;
  message->client_length = 0;
  message->rapid_commit = FALSE;
  message->status = 0;
  message->n_addresses = 0;
  data += 4;
  length -= 4;
  gboolean malformed = FALSE;
  Option option;
  while (next_option(&data, &length, &option, &malformed))
    if (!take(message, &option))
      return FALSE;
  return !malformed;
}
