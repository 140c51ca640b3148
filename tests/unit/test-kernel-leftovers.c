// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What libvirt's own nwfilter driver leaves goes, and nothing else does.
 */
#include "kernel-help.h"
#include "kernel/stock-chains.h"
#include "kernel/stock.h"

#include <sched.h>
#include <string.h>

static const char *source_root;

/* --- names --- */

static void add_all(NwfStockChains *chains, const char *names) {
  g_auto(GStrv) list = g_strsplit(names, " ", -1);
  for (char **name = list; *name; name++)
    nwf_stock_chains_add(chains, *name);
}

/** Of these chains exactly the marked ones (with a star) are libvirt's; jumps are "FROM>TO". */
static void assert_found(gboolean bridge, const char *marked, const char *jumps) {
  g_autoptr(NwfStockChains) chains = nwf_stock_chains_new(bridge);
  g_autoptr(GString) names = g_string_new(marked);
  g_string_replace(names, "*", "", 0);
  add_all(chains, names->str);
  g_auto(GStrv) arrows = g_strsplit(jumps, " ", -1);
  for (char **arrow = arrows; *arrow && **arrow; arrow++) {
    g_auto(GStrv) ends = g_strsplit(*arrow, ">", 2);
    nwf_stock_chains_jump(chains, ends[0], ends[1], 0);
  }
  nwf_stock_chains_decide(chains);
  g_auto(GStrv) list = g_strsplit(marked, " ", -1);
  for (char **name = list; *name; name++) {
    gboolean is_libvirts = **name == '*';
    g_test_message("%s", *name);
    g_assert_cmpint(nwf_stock_chains_has(chains, *name + is_libvirts), ==, is_libvirts);
  }
}

static void test_names_in_the_bridge_table(void) {
  assert_found(TRUE,
               "*libvirt-I-vnet0 *libvirt-O-vnet0 *I-vnet0-mac *I-vnet0-ipv4-ip *O-vnet0-rarp I-vnet1-mac I-vnet0-x "
               "I-vnet0 vnet0-mac libvirt-X-vnet0 libvirt-I- libvirt-I-averyverylongname1 mine",
               "");
  assert_found(TRUE, "*libvirt-J-a-b *J-a-b-arp *P-a-b-ipv6 J-a-arp", "");
}

static void test_names_in_the_ip_tables(void) {
  assert_found(FALSE,
               "*libvirt-in *libvirt-out *libvirt-in-post *libvirt-host-in *FI-vnet0 *FO-vnet0 *HI-vnet0 *FJ-vnet1 "
               "FI- FX-vnet0 FI-averyverylongname1 LIBVIRT_INP libvirt-mine FI-lan",
               "libvirt-in>FI-vnet0 FORWARD>FI-lan");
  /* such names without libvirt's chains are somebody else's */
  assert_found(FALSE, "FI-vnet0 FO-vnet0 HI-vnet0", "");
  assert_found(FALSE, "*libvirt-in *FI-vnet0", "libvirt-in>FI-vnet0 mine>FI-vnet0");
}

/* --- chains --- */

#define STOCK_BRIDGE                                                                                                   \
  "for x in I O; do ebtables-nft -t nat -N libvirt-$x-vnet0 -P ACCEPT; ebtables-nft -t nat -N $x-vnet0-ipv4-ip "       \
  "-P ACCEPT; ebtables-nft -t nat -A libvirt-$x-vnet0 -p IPv4 -j $x-vnet0-ipv4-ip; ebtables-nft -t nat -A "            \
  "$x-vnet0-ipv4-ip -j DROP; done; "                                                                                   \
  "ebtables-nft -t nat -I PREROUTING -i vnet0 -j libvirt-I-vnet0; "                                                    \
  "ebtables-nft -t nat -A POSTROUTING -o vnet0 -j libvirt-O-vnet0; "

/* %1$s: the program */
#define STOCK_IP                                                                                                       \
  "for c in libvirt-in libvirt-out libvirt-in-post libvirt-host-in FI-vnet0 FO-vnet0 HI-vnet0 FJ-vnet1; do %1$s -N "   \
  "$c; done; %1$s -I FORWARD -j libvirt-in; %1$s -I FORWARD 2 -j libvirt-out; %1$s -I FORWARD 3 -j libvirt-in-post; "  \
  "%1$s -I INPUT -j libvirt-host-in; %1$s -A libvirt-in -m physdev --physdev-in vnet0 -g FI-vnet0; "                   \
  "%1$s -A libvirt-out -m physdev --physdev-is-bridged --physdev-out vnet0 -g FO-vnet0; "                              \
  "%1$s -A libvirt-host-in -m physdev --physdev-in vnet0 -g HI-vnet0; "                                                \
  "%1$s -A libvirt-in-post -m physdev --physdev-in vnet0 -j ACCEPT; %1$s -A FI-vnet0 -p tcp --dport 80 -j RETURN; "    \
  "%1$s -A FI-vnet0 -j DROP; "
#define STOCK_IP_CHAINS 8
#define STOCK_BRIDGE_CHAINS 4

/* Of the user's own, also with names that come close. */
#define OWN_BRIDGE                                                                                                     \
  "ebtables-nft -t nat -A PREROUTING -s 0:1:2:3:4:5 -j DROP; ebtables-nft -t nat -N I-want-arp; "                      \
  "ebtables-nft -t nat -A POSTROUTING -p ARP -j I-want-arp; ebtables-nft -t filter -A FORWARD -i vnet0 -j ACCEPT; "
#define OWN_IP                                                                                                         \
  "%1$s -N FI-lan; %1$s -A FI-lan -j ACCEPT; %1$s -A FORWARD -i lan0 -j FI-lan; %1$s -A FORWARD -p tcp -j DROP; "      \
  "%1$s -N LIBVIRT_INP; %1$s -A INPUT -j LIBVIRT_INP; %1$s -A LIBVIRT_INP -p udp --dport 67 -j ACCEPT; "               \
  "%1$s -t nat -N libvirt-in; %1$s -t nat -A PREROUTING -j libvirt-in; "

static void run_with(const char *format, const char *program) {
  g_autoptr(GString) script = g_string_new("set -e; ");
  g_string_append(script, format);
  g_string_replace(script, "%1$s", program, 0);
  nwf_test_run(script->str);
}

static guint remove_stock(void) {
  GError *error = NULL;
  guint removed = 0;
  g_assert_true(nwf_stock_remove(&removed, &error));
  g_assert_no_error(error);
  return removed;
}

static guint32 generation(NwfKernel *kernel) {
  guint32 value = 0;
  g_assert_true(nwf_kernel_generation(kernel, &value, NULL));
  return value;
}

static gboolean programs_are_there(void) {
  const char *const programs[] = {"ebtables-nft", "iptables-nft", "ip6tables-nft"};
  for (gsize i = 0; i < G_N_ELEMENTS(programs); i++) {
    g_autofree char *path = g_find_program_in_path(programs[i]);
    if (!path) {
      g_test_skip("ebtables-nft and iptables-nft are not installed");
      return FALSE;
    }
  }
  return TRUE;
}

static void test_all_of_it_goes_in_one_transaction(void) {
  g_autoptr(NwfKernel) kernel = programs_are_there() ? nwf_test_enter() : NULL;
  if (!kernel)
    return;
  run_with(OWN_BRIDGE, "");
  run_with(OWN_IP, "iptables-nft");
  run_with(OWN_IP, "ip6tables-nft");
  g_autofree char *before = nwf_test_shell("nft list ruleset");
  run_with(STOCK_BRIDGE, "");
  run_with(STOCK_IP, "iptables-nft");
  run_with(STOCK_IP, "ip6tables-nft");
  nwf_test_run(
      "nft 'table bridge libvirt_nwfilter_ethernet { map vmap-oif { type iface_index : verdict; }; chain c { }; "
      "chain postrouting { type filter hook postrouting priority 0; oif vmap @vmap-oif; jump c; }; }; "
      "table bridge libvirt_nwfilter_inet { chain c { }; }'");
  guint32 start = generation(kernel);
  g_assert_cmpuint(remove_stock(), ==, STOCK_BRIDGE_CHAINS + 2 * STOCK_IP_CHAINS + 3);
  g_assert_cmpuint(generation(kernel), ==, start + 1);
  g_autofree char *after = nwf_test_shell("nft list ruleset");
  g_assert_cmpstr(after, ==, before);
}

static void test_where_there_is_nothing_nothing_is_sent(void) {
  g_autoptr(NwfKernel) kernel = programs_are_there() ? nwf_test_enter() : NULL;
  if (!kernel)
    return;
  g_assert_cmpuint(remove_stock(), ==, 0);
  run_with(OWN_BRIDGE, "");
  run_with(OWN_IP, "iptables-nft");
  guint32 start = generation(kernel);
  g_assert_cmpuint(remove_stock(), ==, 0);
  g_assert_cmpuint(generation(kernel), ==, start);
}

/* --- legacy --- */

static gboolean works(const char *command) {
  g_autofree char *quiet = g_strdup_printf("if %s > /dev/null 2>&1; then echo yes; fi", command);
  g_autofree char *output = nwf_test_shell(quiet);
  return *output != 0;
}

static void test_legacy_iptables(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  if (!works("iptables-legacy -t nat -L && ip6tables-legacy -t nat -L")) {
    g_test_skip("no legacy iptables here");
    return;
  }
  const char *const programs[] = {"iptables-legacy", "ip6tables-legacy"};
  for (gsize i = 0; i < G_N_ELEMENTS(programs); i++) {
    /* counters would show that rules were made anew */
    g_autofree char *save = g_strdup_printf("%s-save | grep -v '^#'", programs[i]);
    run_with(OWN_IP, programs[i]);
    g_autofree char *before = nwf_test_shell(save);
    run_with(STOCK_IP, programs[i]);
    g_assert_cmpuint(remove_stock(), ==, STOCK_IP_CHAINS);
    g_autofree char *after = nwf_test_shell(save);
    g_assert_cmpstr(after, ==, before);
    g_assert_cmpuint(remove_stock(), ==, 0);
  }
}

static void test_legacy_ebtables(void) {
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel)
    return;
  if (!works("ebtables-legacy -t nat -L")) {
    g_test_skip("no legacy ebtables here");
    return;
  }
  g_autoptr(GString) own = g_string_new("set -e; " OWN_BRIDGE), stock = g_string_new("set -e; " STOCK_BRIDGE);
  g_string_replace(own, "ebtables-nft", "ebtables-legacy", 0);
  g_string_replace(stock, "ebtables-nft", "ebtables-legacy", 0);
  nwf_test_run(own->str);
  g_autofree char *before = nwf_test_shell("ebtables-legacy -t nat -L; ebtables-legacy -t filter -L");
  nwf_test_run(stock->str);
  g_assert_cmpuint(remove_stock(), ==, STOCK_BRIDGE_CHAINS);
  g_autofree char *after = nwf_test_shell("ebtables-legacy -t nat -L; ebtables-legacy -t filter -L");
  g_assert_cmpstr(after, ==, before);
  g_assert_cmpuint(remove_stock(), ==, 0);
}

/* --- the driver itself --- */

#define BIND                                                                                                           \
  "bind() { echo \"<filterbinding><owner><name>a</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid></owner>"      \
  "<portdev name='$1'/><mac address='52:54:00:00:00:01'/><filterref filter='$2'><parameter name='IP' "                 \
  "value='10.0.0.1'/></filterref></filterbinding>\" > /run/binding.xml; "                                              \
  "virsh -q -c qemu:///system nwfilter-binding-create /run/binding.xml; }; "                                           \
  "echo \"<filter name='tcp'><rule action='accept' direction='in'><tcp dstportstart='80'/></rule><rule "               \
  "action='drop' direction='inout'><all-ipv6/></rule></filter>\" > /run/filter.xml; "                                  \
  "virsh -q -c qemu:///system nwfilter-define /run/filter.xml; "

static void test_what_the_driver_itself_leaves(void) {
  g_autofree char *libvirtd = g_find_program_in_path("libvirtd"), *virsh = g_find_program_in_path("virsh");
  if (!libvirtd || !virsh || !source_root) {
    g_test_skip("no libvirtd");
    return;
  }
  g_autoptr(NwfKernel) kernel = nwf_test_enter();
  if (!kernel || unshare(CLONE_NEWNS) < 0)
    return;
  g_autofree char *start = g_strdup_printf("%s/tests/oracle/stock-libvirtd start 2>&1", source_root);
  g_autofree char *stop = g_strdup_printf("%s/tests/oracle/stock-libvirtd stop", source_root);
  if (!works("test -w /proc/sys/net/bridge/bridge-nf-call-iptables")) {
    g_test_skip("no br_netfilter");
    return;
  }
  nwf_test_run(start);
  nwf_test_run("ip link add br0 type bridge; for t in tap0 tap1; do ip tuntap add $t mode tap; ip link set $t master "
               "br0; done");
  nwf_test_run(BIND "bind tap0 clean-traffic; bind tap1 tcp");
  nwf_test_run(stop);
  g_autofree char *before = nwf_test_shell("nft list ruleset");
  g_assert_nonnull(strstr(before, "libvirt-I-tap0"));
  g_assert_nonnull(strstr(before, "FI-tap1"));
  g_assert_cmpuint(remove_stock(), >, 20);
  g_autofree char *after = nwf_test_shell("nft list ruleset | grep -c 'libvirt\\|tap[01]\\|jump' || true");
  g_assert_cmpstr(after, ==, "0\n");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  source_root = argc > 1 ? argv[1] : NULL;
#define ADD(name_) g_test_add_func("/kernel-leftovers/" #name_, test_##name_)
  ADD(names_in_the_bridge_table);
  ADD(names_in_the_ip_tables);
  ADD(all_of_it_goes_in_one_transaction);
  ADD(where_there_is_nothing_nothing_is_sent);
  ADD(legacy_iptables);
  ADD(legacy_ebtables);
  ADD(what_the_driver_itself_leaves); /* the last: it covers directories of this process */
  return g_test_run();
}
