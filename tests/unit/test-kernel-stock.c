// SPDX-License-Identifier: LGPL-2.1-or-later
/* Every stock filter for three ports, sent over netlink and loaded from its text: the kernel lists the
 * same. */
#include "kernel-help.h"

#include <nwfilter-nft/compile.h>
#include <nwfilter-nft/xml.h>

#include <glib/gstdio.h>
#include <jansson.h>
#include <string.h>

static const char *filter_folder;

static void add(NwfBinding *binding, const char *name, const char *value) {
  g_assert_true(nwf_parameters_add(binding->parameters, name, value, NULL));
}

static NwfBinding *binding_new(const char *filter, guint n) {
  NwfBinding *binding = nwf_binding_new();
  g_autofree char *address = g_strdup_printf("10.0.0.%u", n + 1), *address6 = g_strdup_printf("2001:db8::%x", n + 1);
  binding->filter = g_strdup(filter);
  binding->port = g_strdup_printf("vnet%u", n);
  binding->mac[0] = 0x52;
  binding->mac[5] = (guint8)(n + 1);
  add(binding, "IP", address);
  add(binding, "IPV6", address6);
  add(binding, "GATEWAY_MAC", "52:54:00:00:01:00");
  add(binding, "DHCPSERVER", strstr(filter, "dhcpv6") ? "2001:db8::fe" : "10.0.0.254");
  return binding;
}

static NwfRuleset *compile(const NwfFilterStore *store, const char *filter) {
  NwfBinding *bindings[3];
  for (guint i = 0; i < 3; i++)
    bindings[i] = binding_new(filter, i);
  g_autoptr(GError) error = NULL;
  NwfRuleset *ruleset = nwf_compile(store, bindings, 3, NULL, &error);
  g_assert_no_error(error);
  for (guint i = 0; i < 3; i++)
    nwf_binding_free(bindings[i]);
  return ruleset;
}

/* --- the kernel's listing, without what differs from table to table --- */

static int compare_texts(gconstpointer a, gconstpointer b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A hash lists its elements in no order. */
static json_t *sorted(json_t *elements) {
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(free);
  for (size_t i = 0; i < json_array_size(elements); i++)
    g_ptr_array_add(texts, json_dumps(json_array_get(elements, i), JSON_ENCODE_ANY | JSON_SORT_KEYS));
  g_ptr_array_sort(texts, compare_texts);
  json_t *result = json_array();
  for (guint i = 0; i < texts->len; i++)
    json_array_append_new(result, json_string(g_ptr_array_index(texts, i)));
  return result;
}

static char *list_table(void) {
  g_autofree char *text = nwf_test_shell("nft -j list table bridge nwfilter");
  json_t *root = json_loads(text, 0, NULL), *objects = json_object_get(root, "nftables");
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(free);
  for (size_t i = 0; i < json_array_size(objects); i++) {
    const char *kind;
    json_t *object;
    json_object_foreach(json_array_get(objects, i), kind, object) {
      json_object_del(object, "handle");
      if (json_object_get(object, "elem"))
        json_object_set_new(object, "elem", sorted(json_object_get(object, "elem")));
    }
    g_ptr_array_add(lines, json_dumps(json_array_get(objects, i), JSON_SORT_KEYS));
  }
  json_decref(root);
  /* Rules keep their order within their chain; the objects among themselves have none that matters. */
  g_ptr_array_add(lines, NULL);
  GPtrArray *rules = g_ptr_array_new(), *others = g_ptr_array_new();
  for (guint i = 0; i + 1 < lines->len; i++)
    g_ptr_array_add(g_str_has_prefix(g_ptr_array_index(lines, i), "{\"rule\"") ? rules : others,
                    g_ptr_array_index(lines, i));
  g_ptr_array_sort(others, compare_texts);
  for (guint i = 0; i < rules->len; i++)
    g_ptr_array_add(others, g_ptr_array_index(rules, i));
  g_ptr_array_add(others, NULL);
  char *result = g_strjoinv("\n", (char **)others->pdata);
  g_ptr_array_unref(rules);
  g_ptr_array_unref(others);
  return result;
}

static void text_and_netlink_agree(gconstpointer data) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  g_assert_true(nwf_filter_store_load(store, filter_folder, NULL, NULL, &error));
  g_autoptr(NwfRuleset) ruleset = compile(store, data);
  nwf_test_install(kernel, ruleset);
  g_autofree char *sent = list_table();
  g_autofree char *text = nwf_ruleset_to_text(ruleset);
  g_autofree char *path = NULL;
  int fd = g_file_open_tmp("nwfilter-nft-XXXXXX", &path, &error);
  g_assert_cmpint(fd, >=, 0);
  g_close(fd, NULL);
  g_assert_true(g_file_set_contents(path, text, -1, &error));
  g_autofree char *command = g_strdup_printf("nft -f %s; rm %s", path, path);
  nwf_test_run(command);
  g_autofree char *loaded = list_table();
  g_assert_cmpstr(sent, ==, loaded);
  g_assert_nonnull(strstr(sent, "vnet2"));
  nwf_assert_holds(kernel, ruleset);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_assert_cmpint(argc, ==, 2);
  filter_folder = argv[1];
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  g_assert_true(nwf_filter_store_load(store, filter_folder, NULL, NULL, &error));
  g_autoptr(GPtrArray) filters = nwf_filter_store_list(store);
  for (guint i = 0; i < filters->len; i++) {
    const char *name = ((NwfFilter *)g_ptr_array_index(filters, i))->name;
    g_autofree char *path = g_strdup_printf("/kernel-stock/%s", name);
    g_test_add_data_func(path, name, text_and_netlink_agree);
  }
  return g_test_run();
}
