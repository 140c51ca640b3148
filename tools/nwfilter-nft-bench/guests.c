// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guests.h"

#include <glib/gstdio.h>
#include <string.h>

const guint8 guest_uplink_mac[NWF_MAC_LEN] = {0x52, 0x54, 0x00, 0xff, 0x00, 0x01};

Guest guest_make(guint number) {
  guint8 high = (guint8)(number >> 8), low = (guint8)number;
  Guest guest = {.mac = {0x52, 0x54, 0x00, 0x00, high, low}, .ip = {10, 77, high, (guint8)(low)}};

  g_snprintf(guest.port, sizeof guest.port, "vnet%u", number);
  return guest;
}

char *guest_binding_xml_to(guint number, const char *filter, const char *parameters) {
  Guest guest = guest_make(number);
  g_autofree char *mac = nwf_mac_format(guest.mac);

  return g_strdup_printf("<filterbinding>\n"
                         "  <owner><name>guest%u</name><uuid>11111111-2222-3333-4444-%012x</uuid></owner>\n"
                         "  <portdev name='%s'/>\n"
                         "  <mac address='%s'/>\n"
                         "  <filterref filter='%s'>\n"
                         "    <parameter name='IP' value='%u.%u.%u.%u'/>\n"
                         "    <parameter name='MAC' value='%s'/>\n"
                         "%s"
                         "  </filterref>\n"
                         "</filterbinding>\n",
                         number, number, guest.port, mac, filter, guest.ip[0], guest.ip[1], guest.ip[2], guest.ip[3],
                         mac, parameters ? parameters : "");
}

char *guest_binding_xml(guint number) {
  return guest_binding_xml_to(number, GUEST_FILTER, NULL);
}

char *guests_binding_path(const char *folder, guint number) {
  Guest guest = guest_make(number);
  g_autofree char *file = g_strconcat(guest.port, ".xml", NULL);
  return g_build_filename(folder, file, NULL);
}

gboolean guests_write_bindings(const char *folder, guint n, GError **error) {
  for (guint i = 0; i < n; i++) {
    g_autofree char *path = guests_binding_path(folder, i);
    g_autofree char *text = guest_binding_xml(i);
    if (!g_file_set_contents(path, text, -1, error))
      return FALSE;
  }
  return TRUE;
}

static void free_binding(gpointer binding) {
  nwf_binding_free(binding);
}

GPtrArray *guests_read_bindings(const char *folder, guint n, GError **error) {
  g_autoptr(GPtrArray) bindings = g_ptr_array_new_with_free_func(free_binding);

  for (guint i = 0; i < n; i++) {
    g_autofree char *path = guests_binding_path(folder, i);
    NwfBinding *binding = nwf_binding_parse_file(path, error);
    if (!binding)
      return NULL;
    g_ptr_array_add(bindings, binding);
  }
  return g_steal_pointer(&bindings);
}

void guests_remove_bindings(const char *folder, guint from, guint to) {
  for (guint i = from; i < to; i++) {
    g_autofree char *path = guests_binding_path(folder, i);
    g_unlink(path);
  }
}

static void keep_first_error(const char *path, const GError *error, gpointer data) {
  GError **first = data;
  if (!*first)
    *first = g_error_copy(error);
}

NwfFilterStore *guests_load_filters(const char *folder, GError **error) {
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  GError *first = NULL;

  if (!nwf_filter_store_load(store, folder, keep_first_error, &first, error))
    return NULL;
  if (first) {
    g_propagate_error(error, first);
    return NULL;
  }
  return g_steal_pointer(&store);
}

NwfRuleset *guests_compile(const NwfFilterStore *store, const GPtrArray *bindings, guint n, guint features,
                           GError **error) {
  NwfCompileOptions options = {.features = features};
  return nwf_compile(store, (NwfBinding *const *)bindings->pdata, n, &options, error);
}

NwfRuleset *guests_table_of(const NwfFilterStore *store, const char *filter, const char *parameters, guint n,
                            guint features, GError **error) {
  g_autoptr(GPtrArray) bindings = g_ptr_array_new_with_free_func(free_binding);

  for (guint i = 0; i < n; i++) {
    g_autofree char *text = guest_binding_xml_to(i, filter, parameters);
    NwfBinding *binding = nwf_binding_parse(text, strlen(text), NULL, error);
    if (!binding)
      return NULL;
    g_ptr_array_add(bindings, binding);
  }
  return guests_compile(store, bindings, n, features, error);
}

NwfRuleset *guests_table(const char *filters, guint n, guint features, GError **error) {
  g_autoptr(NwfFilterStore) store = guests_load_filters(filters, error);
  return store ? guests_table_of(store, GUEST_FILTER, NULL, n, features, error) : NULL;
}

char *guests_linear_table(guint n) {
  GString *text = g_string_new("table bridge linear {\n");

  for (guint i = 0; i < n; i++) {
    Guest guest = guest_make(i);
    g_autofree char *mac = nwf_mac_format(guest.mac);
    g_string_append_printf(
        text,
        "  chain out_%u {\n    ether saddr != %s drop\n    ether type { ip, arp } accept\n    drop\n  }\n"
        "  chain in_%u {\n    ether type { ip, arp } accept\n    drop\n  }\n",
        i, mac, i);
  }
  g_string_append(text, "  chain prerouting {\n    type filter hook prerouting priority -150; policy accept;\n");
  for (guint i = 0; i < n; i++)
    g_string_append_printf(text, "    iifname \"%s\" jump out_%u\n", guest_make(i).port, i);
  g_string_append(text, "  }\n  chain postrouting {\n    type filter hook postrouting priority -150; policy accept;\n");
  for (guint i = 0; i < n; i++)
    g_string_append_printf(text, "    oifname \"%s\" jump in_%u\n", guest_make(i).port, i);
  g_string_append(text, "  }\n}\n");
  return g_string_free(text, FALSE);
}

gsize guest_frame_arp(guint from, guint to, guint8 frame[GUEST_FRAME_MAX]) {
  static const guint8 head[] = {0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1};
  Guest sender = guest_make(from), target = guest_make(to);

  memset(frame, 0, 60);
  memset(frame, 0xff, 6);
  memcpy(frame + 6, sender.mac, 6);
  memcpy(frame + 12, head, sizeof head);
  memcpy(frame + 22, sender.mac, 6);
  memcpy(frame + 28, sender.ip, 4);
  memcpy(frame + 38, target.ip, 4);
  return 60;
}

static guint16 ip_checksum(const guint8 *header) {
  guint32 sum = 0;

  for (guint i = 0; i < 20; i += 2)
    sum += (guint32)(header[i] << 8 | header[i + 1]);
  sum = (sum & 0xffff) + (sum >> 16);
  return (guint16) ~(sum + (sum >> 16));
}

static void put_u16(guint8 *to, gsize value) {
  to[0] = (guint8)(value >> 8);
  to[1] = (guint8)value;
}

gsize guest_frame_udp(guint from, guint to, guint16 sport, guint16 dport, gsize length, guint8 frame[GUEST_FRAME_MAX]) {
  static const guint8 ip[] = {0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0};
  static const guint8 outside[] = {198, 51, 100, 1}; /* RFC 5737 */
  Guest sender = guest_make(from), target = {0};

  if (to != GUEST_TO_UPLINK) {
    target = guest_make(to);
  } else {
    memcpy(target.mac, guest_uplink_mac, sizeof target.mac);
    memcpy(target.ip, outside, sizeof target.ip);
  }
  length = CLAMP(length, 60, GUEST_FRAME_MAX);
  memset(frame, 0, length);
  memcpy(frame, target.mac, 6);
  memcpy(frame + 6, sender.mac, 6);
  frame[12] = 0x08;
  memcpy(frame + 14, ip, sizeof ip);
  put_u16(frame + 16, length - 14);
  memcpy(frame + 26, sender.ip, 4);
  memcpy(frame + 30, target.ip, 4);
  put_u16(frame + 34, sport);
  put_u16(frame + 36, dport);
  put_u16(frame + 38, length - 34); /* and no checksum */
  put_u16(frame + 24, ip_checksum(frame + 14));
  return length;
}
