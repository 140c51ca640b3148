// SPDX-License-Identifier: LGPL-2.1-or-later
// MAC addresses, UUIDs and port names.

#include <nwfilter-nft/model.h>

#include <string.h>

gboolean nwf_mac_parse(const char *text, guint8 mac[NWF_MAC_LEN]) {
  guint8 result[NWF_MAC_LEN];
  for (guint i = 0; i < NWF_MAC_LEN; i++) {
    if (i > 0 && *text++ != ':')
      return FALSE;
    int digit = g_ascii_xdigit_value(*text);
    if (digit < 0)
      return FALSE;
    result[i] = (guint8)digit;
    text++;
    digit = g_ascii_xdigit_value(*text);
    if (digit >= 0) {
      result[i] = (guint8)(result[i] << 4 | digit);
      text++;
    }
  }
  if (*text != '\0')
    return FALSE;
  memcpy(mac, result, sizeof result);
  return TRUE;
}

char *nwf_mac_format(const guint8 mac[NWF_MAC_LEN]) {
  return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

gboolean nwf_uuid_parse(const char *text, guint8 uuid[NWF_UUID_LEN]) {
  guint8 result[NWF_UUID_LEN];
  while (g_ascii_isspace(*text))
    text++;
  for (guint i = 0; i < NWF_UUID_LEN; i++) {
    /* the stock parser takes a dash between any two octets */
    if (i > 0 && *text == '-')
      text++;
    int high = g_ascii_xdigit_value(text[0]);
    int low = high < 0 ? -1 : g_ascii_xdigit_value(text[1]);
    if (low < 0)
      return FALSE;
    result[i] = (guint8)(high << 4 | low);
    text += 2;
  }
  while (g_ascii_isspace(*text))
    text++;
  if (*text != '\0')
    return FALSE;
  memcpy(uuid, result, sizeof result);
  return TRUE;
}

char *nwf_uuid_format(const guint8 uuid[NWF_UUID_LEN]) {
  GString *text = g_string_sized_new(2 * NWF_UUID_LEN + 5);
  for (guint i = 0; i < NWF_UUID_LEN; i++)
    g_string_append_printf(text, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
  return g_string_free(text, FALSE);
}

gboolean nwf_port_name_valid(const char *name) {
  gsize length = strlen(name);
  if (length == 0 || length > NWF_PORT_NAME_MAX || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    return FALSE;
  /* the kernel's isspace() is Latin-1's, so it has the no-break space too */
  return name[strcspn(name, "/: \t\n\v\f\r\xa0")] == '\0';
}
