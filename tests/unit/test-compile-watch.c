// SPDX-License-Identifier: LGPL-2.1-or-later
/* Frames of watched ports are copied before the port's rules, and the rules stay what they were. */
#include "kernel-help.h"

#include <nwfilter-nft/compile.h>
#include <nwfilter-nft/xml.h>

#include <glib/gstdio.h>
#include <string.h>

#define ALL (NWF_WATCH_ARP | NWF_WATCH_IPV4 | NWF_WATCH_DHCP | NWF_WATCH_ND | NWF_WATCH_DHCPV6)
#define GROUP 4711

static const char *filter_folder;

static NwfFilterStore *load_filters(void) {
  g_autoptr(GError) error = NULL;
  NwfFilterStore *store = nwf_filter_store_new();
  g_assert_true(nwf_filter_store_load(store, filter_folder, NULL, NULL, &error));
  g_autoptr(NwfFilter) empty = nwf_filter_new("empty");
  nwf_filter_store_put(store, g_steal_pointer(&empty));
  return store;
}

static NwfBinding *bind(const char *filter, const char *port, guint watch) {
  NwfBinding *binding = nwf_binding_new();
  binding->port = g_strdup(port);
  binding->filter = g_strdup(filter);
  memcpy(binding->mac, "\x52\x54\0\0\0\x01", NWF_MAC_LEN);
  binding->watch = watch;
  nwf_parameters_add(binding->parameters, "IP", "10.0.0.1", NULL);
  return binding;
}

static NwfRuleset *compile(NwfBinding *binding, guint16 group) {
  g_autoptr(NwfFilterStore) store = load_filters();
  NwfCompileOptions options = {.features = NWF_FEATURE_ALL, .log_group = group, .no_raw_sets = TRUE};
  g_autoptr(GError) error = NULL;
  NwfRuleset *ruleset = nwf_compile(store, &binding, 1, &options, &error);
  g_assert_no_error(error);
  return ruleset;
}

static const NwfVerdict *verdict_of(const NwfRuleset *ruleset, const char *map, guint ethertype) {
  const NwfSet *set = nwf_ruleset_set(ruleset, map);
  for (guint i = 0; set && i < set->elements->len; i++) {
    const NwfElement *element = &g_array_index(set->elements, NwfElement, i);
    if (element->key[16] == ethertype >> 8 && element->key[17] == (ethertype & 0xff))
      return &element->verdict;
  }
  return NULL;
}

static const NwfChain *watch_chain(const NwfRuleset *ruleset, const char *map, guint ethertype) {
  const NwfVerdict *verdict = verdict_of(ruleset, map, ethertype);
  if (!verdict || verdict->kind != NWF_VERDICT_GOTO || !g_str_has_prefix(verdict->chain, "watch-"))
    return NULL;
  return nwf_ruleset_chain(ruleset, verdict->chain);
}

static char *rule_text(const NwfChain *chain, guint index) {
  g_assert_nonnull(chain);
  g_assert_cmpuint(index, <, chain->rules->len);
  return nwf_nft_rule_to_text(&g_array_index(chain->rules, NwfNftRule, index));
}

#define ASSERT_RULE(chain, index, expected)                                                                            \
  do {                                                                                                                 \
    g_autofree char *text_ = rule_text(chain, index);                                                                  \
    g_assert_cmpstr(text_, ==, expected);                                                                              \
  } while (0)

static void arp_is_copied_before_the_filter_decides(void) {
  g_autoptr(NwfBinding) watched = bind("clean-traffic", "vnet0", NWF_WATCH_ARP),
                        plain = bind("clean-traffic", "vnet0", 0);
  g_autoptr(NwfRuleset) ruleset = compile(watched, GROUP), before = compile(plain, GROUP);
  const NwfChain *chain = watch_chain(ruleset, "from_port", 0x0806);
  g_assert_cmpuint(chain->rules->len, ==, 2);
  g_assert_true(g_str_has_prefix(chain->name, "watch-vnet0-out-arp-"));
  ASSERT_RULE(chain, 0, "limit rate 20/second burst 40 packets log group 4711 snaplen 46");
  g_autofree char *go_on = g_strdup_printf("goto %s", verdict_of(before, "from_port", 0x0806)->chain);
  ASSERT_RULE(chain, 1, go_on);
  g_assert_null(watch_chain(ruleset, "to_port", 0x0806));
  g_assert_null(watch_chain(ruleset, "from_port", 0x0800));
}

static void dhcp_replies_are_those_to_the_ports_mac(void) {
  g_autoptr(NwfBinding) binding = bind("empty", "vnet0", NWF_WATCH_DHCP);
  g_autoptr(NwfRuleset) ruleset = compile(binding, GROUP);
  const NwfChain *out = watch_chain(ruleset, "from_port", 0x0800), *in = watch_chain(ruleset, "to_port", 0x0800);
  ASSERT_RULE(out, 0,
              "@nh,72,8 0x11 @nh,48,16 & 0x1fff == 0x0000 @th,0,32 0x00440043 limit rate 20/second burst 40 packets "
              "log group 4711 snaplen 1500");
  ASSERT_RULE(out, 1, "accept");
  ASSERT_RULE(in, 0,
              "@nh,72,8 0x11 @nh,48,16 & 0x1fff == 0x0000 @th,0,32 0x00430044 @th,288,48 0x525400000001 limit rate "
              "20/second burst 40 packets log group 4711 snaplen 1500");
  const NwfChain *tagged = watch_chain(ruleset, "to_port", 0x8100);
  ASSERT_RULE(tagged, 0,
              "@ll,128,24 0x080045 @ll,192,16 & 0x1fff == 0x0000 @ll,216,8 0x11 @ll,304,32 0x00430044 "
              "@ll,592,48 0x525400000001 limit rate 20/second burst 40 packets log group 4711 snaplen 1500");
  g_assert_nonnull(watch_chain(ruleset, "from_port", 0x8100));
}

static const NwfChain *goto_of(const NwfRuleset *ruleset, const NwfChain *chain, guint index) {
  g_autofree char *text = rule_text(chain, index);
  const char *target = strstr(text, "goto ");
  return target ? nwf_ruleset_chain(ruleset, target + strlen("goto ")) : NULL;
}

/* A filter that decides itself what of DHCP passes: the frames take a list of the port's own, which copies what it
 * accepts, and the filter's chain stays what it is. */
static void dhcp_that_the_filter_lets_out_is_copied(void) {
  g_autoptr(NwfBinding) watched = bind("clean-traffic", "vnet0", NWF_WATCH_DHCP),
                        plain = bind("clean-traffic", "vnet0", 0);
  g_autoptr(NwfRuleset) ruleset = compile(watched, GROUP), before = compile(plain, GROUP);
  const NwfChain *chain = watch_chain(ruleset, "from_port", 0x0800);
  const char *filters = verdict_of(before, "from_port", 0x0800)->chain;
  g_assert_cmpuint(chain->rules->len, ==, 2);
  const NwfChain *accepted = goto_of(ruleset, chain, 0), *after = goto_of(ruleset, chain, 1);
  g_assert_true(g_str_has_prefix(accepted->name, "accepted-vnet0-out-ipv4-"));
  g_assert_cmpstr(after->name, ==, filters);
  const NwfChain *original = nwf_ruleset_chain(before, filters);
  g_assert_cmpuint(accepted->rules->len, ==, original->rules->len);
  guint copies = 0;
  for (guint i = 0; i < original->rules->len; i++) {
    g_autofree char *text = rule_text(original, i), *copying = rule_text(accepted, i);
    const NwfChain *copy = goto_of(ruleset, accepted, i);
    g_assert_cmpint(g_str_has_suffix(text, "accept"), ==, copy != NULL);
    if (!copy) {
      g_assert_cmpstr(text, ==, copying);
      continue;
    }
    ASSERT_RULE(copy, 0, "limit rate 20/second burst 40 packets log group 4711 snaplen 1500");
    ASSERT_RULE(copy, 1, "accept");
    copies++;
  }
  g_assert_cmpuint(copies, >, 0);
  /* tagged frames do not pass at all */
  g_assert_cmpint(verdict_of(ruleset, "from_port", 0x8100)->kind, ==, NWF_VERDICT_DROP);
  g_assert_cmpint(verdict_of(ruleset, "to_port", 0x8100)->kind, ==, NWF_VERDICT_DROP);
}

/* A second stage that is the same for all ports of a filter is made once, its copying list for each. */
static void dhcp_that_the_second_stage_drops_is_not_copied(void) {
  static const char xml[] = "<filter name='no-dhcp'><rule action='drop' direction='out'>"
                            "<udp dstportstart='67'/></rule></filter>";
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfFilterStore) store = load_filters();
  nwf_filter_store_put(store, nwf_filter_parse(xml, strlen(xml), NULL, &error));
  g_assert_no_error(error);
  g_autoptr(NwfBinding) a = bind("no-dhcp", "vnet0", NWF_WATCH_DHCP), b = bind("no-dhcp", "vnet1", NWF_WATCH_DHCP);
  NwfBinding *both[] = {a, b};
  NwfCompileOptions options = {.features = NWF_FEATURE_ALL, .log_group = GROUP};
  g_autoptr(NwfRuleset) ruleset = nwf_compile(store, both, 2, &options, &error);
  g_assert_no_error(error);
  const NwfSet *map = nwf_ruleset_set(ruleset, "from_port");
  guint found = 0;
  for (guint i = 0; i < map->elements->len; i++) {
    const NwfElement *element = &g_array_index(map->elements, NwfElement, i);
    if (element->key[16] != 8 || element->key[17] != 0)
      continue;
    const NwfChain *watch = nwf_ruleset_chain(ruleset, element->verdict.chain), *l2 = goto_of(ruleset, watch, 0),
                   *stage2 = goto_of(ruleset, l2, 0);
    g_autofree char *name = g_strdup_printf("accepted-%s-out-ipv4-stage2-", (const char *)element->key);
    g_assert_true(g_str_has_prefix(stage2->name, name));
    g_autofree char *drop = rule_text(stage2, 0);
    g_assert_true(g_str_has_suffix(drop, "drop"));
    g_assert_true(g_str_has_prefix(goto_of(ruleset, stage2, 1)->name, "copy-"));
    found++;
  }
  g_assert_cmpuint(found, ==, 2);
}

static void dhcp_replies_of_named_servers_only(void) {
  g_autoptr(NwfBinding) binding = bind("empty", "vnet0", NWF_WATCH_DHCP);
  nwf_parameters_add(binding->parameters, "DHCPSERVER", "10.0.0.254", NULL);
  nwf_parameters_add(binding->parameters, "DHCPSERVER", "10.0.0.253", NULL);
  g_autoptr(NwfRuleset) ruleset = compile(binding, GROUP);
  const NwfChain *in = watch_chain(ruleset, "to_port", 0x0800);
  g_assert_cmpuint(in->rules->len, ==, 3);
  g_autofree char *first = rule_text(in, 0), *second = rule_text(in, 1);
  g_assert_nonnull(strstr(first, "@nh,96,32 0x0a0000fe "));
  g_assert_nonnull(strstr(second, "@nh,96,32 0x0a0000fd "));
  g_autofree char *tagged = rule_text(watch_chain(ruleset, "to_port", 0x8100), 1);
  g_assert_nonnull(strstr(tagged, "@ll,240,32 0x0a0000fd "));
  g_assert_cmpuint(watch_chain(ruleset, "from_port", 0x0800)->rules->len, ==, 2);
}

static void ipv6_is_copied_by_kind(void) {
  g_autoptr(NwfBinding) binding = bind("empty", "vnet0", NWF_WATCH_ND | NWF_WATCH_DHCPV6);
  g_autoptr(NwfRuleset) ruleset = compile(binding, GROUP);
  const NwfChain *out = watch_chain(ruleset, "from_port", 0x86dd), *in = watch_chain(ruleset, "to_port", 0x86dd);
  ASSERT_RULE(out, 0,
              "meta l4proto 58 @th,0,24 0x000000-0xffffff @th,0,8 0x87-0x88 limit rate 20/second burst 40 packets log "
              "group 4711 snaplen 98");
  ASSERT_RULE(
      out, 1,
      "meta l4proto 17 @th,0,24 0x000000-0xffffff @th,0,32 0x02220223 limit rate 20/second burst 40 packets log "
      "group 4711 snaplen 1500");
  g_assert_cmpuint(in->rules->len, ==, 2);
  ASSERT_RULE(
      in, 0,
      "meta l4proto 17 @th,0,24 0x000000-0xffffff @th,0,32 0x02230222 limit rate 20/second burst 40 packets log "
      "group 4711 snaplen 1500");
}

static void without_a_group_nothing_is_copied(void) {
  g_autoptr(NwfBinding) watched = bind("clean-traffic", "vnet0", ALL), plain = bind("clean-traffic", "vnet0", 0);
  g_autoptr(NwfRuleset) ruleset = compile(watched, 0), unwatched = compile(plain, GROUP);
  g_autoptr(GArray) difference = nwf_ruleset_diff(ruleset, unwatched);
  g_assert_cmpuint(difference->len, ==, 0);
}

/* Two ports that are equal but for their names: limits are per port, so are chains. */
static void ports_have_limits_of_their_own(void) {
  g_autoptr(NwfFilterStore) store = load_filters();
  g_autoptr(NwfBinding) a = bind("empty", "vnet0", NWF_WATCH_ARP), b = bind("empty", "vnet.0", NWF_WATCH_ARP);
  NwfBinding *both[] = {a, b};
  NwfCompileOptions options = {.features = NWF_FEATURE_ALL, .log_group = GROUP};
  g_autoptr(NwfRuleset) ruleset = nwf_compile(store, both, 2, &options, NULL);
  const NwfSet *map = nwf_ruleset_set(ruleset, "from_port");
  g_assert_cmpuint(map->elements->len, ==, 6); /* IPv4, ARP and IPv6 of each */
  const NwfVerdict *first = &g_array_index(map->elements, NwfElement, 1).verdict;
  const NwfVerdict *second = &g_array_index(map->elements, NwfElement, 4).verdict;
  g_assert_cmpint(first->kind, ==, NWF_VERDICT_GOTO);
  g_assert_cmpint(second->kind, ==, NWF_VERDICT_GOTO);
  g_assert_cmpstr(first->chain, !=, second->chain);
  g_assert_nonnull(nwf_ruleset_chain(ruleset, "prerouting"));
}

static void load_text(const char *flag, const char *text) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = NULL;
  int fd = g_file_open_tmp("nwfilter-nft-XXXXXX", &path, &error);
  g_assert_cmpint(fd, >=, 0);
  g_close(fd, NULL);
  g_assert_true(g_file_set_contents(path, text, -1, &error));
  g_autofree char *command = g_strdup_printf("nft %s -f %s; s=$?; rm %s; exit $s", flag, path, path);
  nwf_test_run(command);
}

static void kernel_text_and_json_agree(gconstpointer filter) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  g_autoptr(NwfBinding) binding = bind(filter, "vnet0", ALL);
  nwf_parameters_add(binding->parameters, "DHCPSERVER", "10.0.0.254", NULL);
  nwf_parameters_add(binding->parameters, "IPV6", "fe80::1", NULL);
  nwf_parameters_add(binding->parameters, "GATEWAY_MAC", "52:54:00:00:01:00", NULL);
  g_autoptr(NwfRuleset) ruleset = compile(binding, GROUP);
  nwf_test_install(kernel, ruleset);
  nwf_assert_holds(kernel, ruleset);
  g_autofree char *text = nwf_ruleset_to_text(ruleset), *json = nwf_ruleset_to_json(ruleset);
  load_text("", text);
  nwf_assert_holds(kernel, ruleset);
  nwf_test_run("nft delete table bridge nwfilter");
  load_text("-j", json);
  nwf_assert_holds(kernel, ruleset);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_assert_cmpint(argc, ==, 2);
  filter_folder = argv[1];
#define TEST(function) g_test_add_func("/watch/" #function, function)
  TEST(arp_is_copied_before_the_filter_decides);
  TEST(dhcp_replies_are_those_to_the_ports_mac);
  TEST(dhcp_that_the_filter_lets_out_is_copied);
  TEST(dhcp_that_the_second_stage_drops_is_not_copied);
  TEST(dhcp_replies_of_named_servers_only);
  TEST(ipv6_is_copied_by_kind);
  TEST(without_a_group_nothing_is_copied);
  TEST(ports_have_limits_of_their_own);
  g_test_add_data_func("/watch/kernel_text_and_json_agree/empty", "empty", kernel_text_and_json_agree);
  g_test_add_data_func("/watch/kernel_text_and_json_agree/clean-traffic", "clean-traffic", kernel_text_and_json_agree);
  return g_test_run();
}
