// SPDX-License-Identifier: LGPL-2.1-or-later
/* Compiled stock filters against tests/golden: a difference in review shows what a change means in
 * the kernel. With UPDATE_GOLDEN=1 in the environment the files are written instead. */
#include <nwfilter-nft/compile.h>
#include <nwfilter-nft/xml.h>

#include <string.h>

static const char *filter_folder, *golden_folder;

static void add(NwfBinding *binding, const char *name, const char *format, guint n) {
  g_autofree char *value = g_strdup_printf(format, n);
  g_assert_true(nwf_parameters_add(binding->parameters, name, value, NULL));
}

static NwfBinding *binding_new(const char *filter, guint n) {
  NwfBinding *binding = nwf_binding_new();
  binding->filter = g_strdup(filter);
  binding->port = g_strdup_printf("vnet%u", n);
  guint8 mac[NWF_MAC_LEN] = {0x52, 0x54, 0, 0, 0, (guint8)(n + 1)};
  memcpy(binding->mac, mac, sizeof mac);
  add(binding, "IP", "10.0.0.%u", n + 1);
  add(binding, "IPV6", "2001:db8::%x", n + 1);
  add(binding, "GATEWAY_MAC", "52:54:00:00:01:%02x", 0);
  if (strstr(filter, "dhcpv6"))
    add(binding, "DHCPSERVER", "2001:db8::%x", 0xfe);
  else
    add(binding, "DHCPSERVER", "10.0.0.%u", 254);
  return binding;
}

typedef struct {
  char *filter;
  guint ports;
} Case;

static void case_free(gpointer data) {
  Case *golden = data;
  g_free(golden->filter);
  g_free(golden);
}

static void compiles_to_its_golden_file(gconstpointer data) {
  const Case *golden = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  g_assert_true(nwf_filter_store_load(store, filter_folder, NULL, NULL, &error));
  g_autoptr(GPtrArray) bindings = g_ptr_array_new_with_free_func((GDestroyNotify)nwf_binding_free);
  for (guint i = 0; i < golden->ports; i++)
    g_ptr_array_add(bindings, binding_new(golden->filter, i));
  g_autoptr(NwfRuleset) ruleset = nwf_compile(store, (NwfBinding *const *)bindings->pdata, bindings->len, NULL, &error);
  g_assert_no_error(error);
  g_autofree char *text = nwf_ruleset_to_text(ruleset);
  g_autofree char *path = g_strdup_printf("%s/%s.%u.nft", golden_folder, golden->filter, golden->ports);
  if (g_getenv("UPDATE_GOLDEN")) {
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
  }
  g_autofree char *expected = NULL;
  g_file_get_contents(path, &expected, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(text, ==, expected);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_assert_cmpint(argc, ==, 3);
  filter_folder = argv[1];
  golden_folder = argv[2];
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  g_assert_true(nwf_filter_store_load(store, filter_folder, NULL, NULL, &error));
  g_autoptr(GPtrArray) filters = nwf_filter_store_list(store);
  g_assert_cmpuint(filters->len, ==, 24);
  static const guint ports[] = {1, 3};
  for (guint i = 0; i < filters->len * G_N_ELEMENTS(ports); i++) {
    Case *golden = g_new0(Case, 1);
    golden->filter = g_strdup(((NwfFilter *)g_ptr_array_index(filters, i / 2))->name);
    golden->ports = ports[i % 2];
    g_autofree char *path = g_strdup_printf("/golden/%s/%u-ports", golden->filter, golden->ports);
    g_test_add_data_func_full(path, golden, compiles_to_its_golden_file, case_free);
  }
  return g_test_run();
}
