// SPDX-License-Identifier: LGPL-2.1-or-later
// A DHCP message: the fixed part (RFC 2131, 2) and the options that matter here (RFC 2132).

#include "learn/internal.h"

#include <string.h>

enum {
  OPTION_PAD = 0,
  OPTION_REQUESTED = 50,
  OPTION_LEASE_TIME = 51,
  OPTION_OVERLOAD = 52,
  OPTION_TYPE = 53,
  OPTION_SERVER_ID = 54,
  OPTION_RAPID_COMMIT = 80,
  OPTION_END = 255
};

#define SNAME_OFFSET 44
#define SNAME_LENGTH 64
#define FILE_OFFSET 108
#define FILE_LENGTH 128
#define COOKIE_OFFSET 236
#define OPTIONS_OFFSET 240

typedef struct {
  NwfDhcp4 *message;
  guint8 overload;
  guint seen; /* bit n: option 50 + n; bit 31: rapid commit */
} Options;

/* Every option read here is of a fixed size and may stand once. Clients disagree about what a second one means
 * (RFC 3396 would join them), and we cannot know what the guest made of it. */
static gboolean take(Options *options, guint8 code, const guint8 *value, guint8 length) {
  static const struct {
    guint8 code, length, bit;
  } known[] = {{OPTION_REQUESTED, 4, 0}, {OPTION_LEASE_TIME, 4, 1}, {OPTION_OVERLOAD, 1, 2},
               {OPTION_TYPE, 1, 3},      {OPTION_SERVER_ID, 4, 4},  {OPTION_RAPID_COMMIT, 0, 31}};
  guint i = 0;
  while (i < G_N_ELEMENTS(known) && known[i].code != code)
    i++;
  if (i == G_N_ELEMENTS(known))
    return TRUE;
  if (length != known[i].length || options->seen & 1u << known[i].bit)
    return FALSE;
  options->seen |= 1u << known[i].bit;
  NwfDhcp4 *message = options->message;
  switch (code) {
  case OPTION_REQUESTED:
    message->requested = value;
    break;
  case OPTION_LEASE_TIME:
    message->has_lease_time = TRUE;
    message->lease_time = nwf_read32(value);
    break;
  case OPTION_OVERLOAD:
    options->overload = value[0];
    break;
  case OPTION_TYPE:
    message->type = value[0];
    break;
  case OPTION_SERVER_ID:
    message->server_id = value;
    break;
  default:
    message->rapid_commit = TRUE;
  }
  return TRUE;
}

/* One area of options, which ends with its last byte or with option 255. Of one that was cut, the last option may be
 * incomplete. */
static gboolean walk(Options *options, const guint8 *data, gsize length, gboolean cut) {
  gsize at = 0;
  while (at < length && data[at] != OPTION_END) {
    if (data[at] == OPTION_PAD) {
      at++;
      continue;
    }
    if (length - at < 2 || length - at - 2 < data[at + 1])
      return cut;
    if (!take(options, data[at], data + at + 2, data[at + 1]))
      return FALSE;
    at += 2u + data[at + 1];
  }
  return TRUE;
}

gboolean nwf_dhcp4_parse(const guint8 *data, gsize length, gboolean cut, NwfDhcp4 *message) {
  static const guint8 cookie[] = {99, 130, 83, 99};
  if (length < OPTIONS_OFFSET || memcmp(data + COOKIE_OFFSET, cookie, 4) != 0)
    return FALSE;
  /* op, hardware type Ethernet, length 6 */
  if ((data[0] != 1 && data[0] != 2) || data[1] != 1 || data[2] != NWF_MAC_LEN)
    return FALSE;
  *message = (NwfDhcp4){.reply = data[0] == 2,
                        .xid = nwf_read32(data + 4),
                        .ciaddr = data + 12,
                        .yiaddr = data + 16,
                        .giaddr = data + 24,
                        .chaddr = data + 28};
  Options options = {.message = message};
  if (!walk(&options, data + OPTIONS_OFFSET, length - OPTIONS_OFFSET, cut))
    return FALSE;
  guint8 overload = options.overload;
  if (overload > 3 || (overload & 1 && !walk(&options, data + FILE_OFFSET, FILE_LENGTH, FALSE)) ||
      (overload & 2 && !walk(&options, data + SNAME_OFFSET, SNAME_LENGTH, FALSE)))
    return FALSE;
  return message->type >= NWF_DHCP4_DISCOVER && message->type <= NWF_DHCP4_INFORM;
}
