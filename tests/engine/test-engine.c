// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The engine against the running kernel and real files: what is changed is changed in all of memory, files and
 * kernel, or in none.
 */
#include "engine-help.h"

#include "engine/internal.h"

#include <nwfilter-nft/model.h>
#include <nwfilter-nft/xml.h>

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UUID_A "11111111-2222-4333-8444-555555555501"
#define UUID_B "11111111-2222-4333-8444-555555555502"
#define FILTER(name, uuid, rules) "<filter name='" name "'><uuid>" uuid "</uuid>" rules "</filter>"
#define DROP_ARP "<rule action='drop' direction='out'><mac protocolid='arp'/></rule>"
#define DROP_RARP "<rule action='drop' direction='out'><mac protocolid='rarp'/></rule>"
#define IP "<parameter name='IP' value='10.0.0.1'/>"

static void assert_filter_of(const char *port, const char *wanted) {
  g_autofree char *filter = bench_filter_of(port);
  g_assert_cmpstr(filter, ==, wanted);
}

static void assert_exists(char *path, gboolean wanted) {
  g_assert_cmpint(g_file_test(path, G_FILE_TEST_EXISTS), ==, wanted);
  g_free(path);
}

static void assert_file_holds(char *path, const char *text, gboolean wanted) {
  g_autofree char *content = NULL;
  g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
  g_assert_cmpint(strstr(content, text) != NULL, ==, wanted);
  g_free(path);
}

static void assert_refused(gboolean done, GError **error, GQuark domain, int code, const char *text) {
  g_assert_false(done);
  g_assert_error(*error, domain, code);
  if (!strstr((*error)->message, text))
    g_error("'%s' does not say '%s'", (*error)->message, text);
  g_clear_error(error);
}

static void assert_done(gboolean done, GError *error) {
  g_assert_no_error(error);
  g_assert_true(done);
}

static guint n_bindings(Bench *bench) {
  g_autoptr(GArray) all = nwf_engine_bindings(bench->engine);
  return all->len;
}

static void uuid_of(Bench *bench, const char *name, guint8 uuid[NWF_UUID_LEN]) {
  g_autoptr(GError) error = NULL;
  NwfFilterHead head = {0};
  assert_done(nwf_engine_filter_by_name(bench->engine, name, &head, &error), error);
  memcpy(uuid, head.uuid, NWF_UUID_LEN);
  nwf_filter_head_clear(&head);
}

static Bench *started(void) {
  Bench *bench = bench_new();
  bench_stock_filters(bench);
  bench_start(bench);
  return bench;
}

static void test_bind_and_unbind(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  struct stat status;
  g_autofree char *path = bench_binding_path(bench, "tap0");
  bench_tap("tap0");
  assert_done(bench_bind(bench, "tap0", "clean-traffic", IP, &error), error);
  assert_filter_of("tap0", "clean-traffic MAC=52:54:00:00:00:01 IP=10.0.0.1");
  g_assert_cmpint(stat(path, &status), ==, 0);
  g_assert_cmpuint(status.st_mode & 0777, ==, 0600);
  assert_refused(bench_bind(bench, "tap0", "clean-traffic", IP, &error), &error, NWF_ENGINE_ERROR,
                 NWF_ENGINE_ERROR_EXISTS, "tap0");
  g_autofree char *xml = nwf_engine_binding_xml(bench->engine, "tap0", &error);
  g_assert_nonnull(strstr(xml, "<parameter name='IP' value='10.0.0.1'/>"));
  assert_done(nwf_engine_unbind(bench->engine, "tap0", &error), error);
  assert_filter_of("tap0", NULL);
  assert_exists(bench_binding_path(bench, "tap0"), FALSE);
  assert_refused(nwf_engine_unbind(bench->engine, "tap0", &error), &error, NWF_ENGINE_ERROR,
                 NWF_ENGINE_ERROR_NO_BINDING, "tap0");
  bench_free(bench);
}

/* Hosting panels write parameters that libvirt passes over. */
static void test_odd_parameters(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  bench_tap("tap0");
  assert_done(bench_bind(bench, "tap0", "clean-traffic", IP "<parameter name='TENANT' value='blue-team'/>", &error),
              error);
  bench_await(bench, "port tap0: the parameter TENANT='blue-team' is passed over");
  assert_filter_of("tap0", "clean-traffic MAC=52:54:00:00:00:01 IP=10.0.0.1");
  g_autofree char *before = bench_table();
  bench_stop(bench);
  bench_start(bench);
  bench_await(bench, "port tap0: the parameter TENANT='blue-team' is passed over");
  g_autofree char *after = bench_table();
  g_assert_cmpstr(after, ==, before);
  g_autofree char *xml = nwf_engine_binding_xml(bench->engine, "tap0", &error);
  g_assert_nonnull(strstr(xml, "<parameter name='TENANT' value='blue-team'/>"));
  bench_free(bench);
}

/* Without it every server would be believed, and with any method. */
static void test_odd_parameters_of_learning(void) {
  static const char *const odd[] = {
      "<parameter name='DHCPSERVER' value='dhcp-1'/>", "<parameter name='DHCPSERVER' value=''/>",
      "<parameter name='DHCPV6SERVER' value='fe80::1%eth0'/>", "<parameter name='CTRL_IP_LEARNING' value='dhcp '/>",
      "<parameter name='CTRL_IP_MAX' value='-1'/>"};
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  bench_tap("tap0");
  for (guint i = 0; i < G_N_ELEMENTS(odd); i++) {
    assert_refused(bench_bind(bench, "tap0", "clean-traffic", odd[i], &error), &error, NWF_ERROR, NWF_ERROR_INVALID,
                   "tap0");
    assert_filter_of("tap0", NULL);
    g_autofree char *known = g_strconcat(IP, odd[i], NULL); /* nothing is learned then */
    assert_done(bench_bind(bench, "tap0", "clean-traffic", known, &error), error);
    assert_done(nwf_engine_unbind(bench->engine, "tap0", &error), error);
  }
  /* as libvirt's own driver would have bound it, or an older version of ours */
  bench_stop(bench);
  g_autofree char *text = g_strdup_printf("<filterbindingstatus><filterbinding><portdev name='tap0'/>"
                                          "<mac address='52:54:00:00:00:01'/><filterref filter='clean-traffic'>%s"
                                          "</filterref></filterbinding></filterbindingstatus>",
                                          odd[0]);
  bench_write(bench_binding_path(bench, "tap0"), text);
  bench_start(bench);
  bench_await(bench, "port tap0 is closed: port tap0: parameter DHCPSERVER has the value 'dhcp-1'");
  assert_filter_of("tap0", "closed MAC=52:54:00:00:00:01");
  bench_free(bench);
}

static void test_restart_writes_nothing(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  const char *const ports[] = {"tap0", "tap1", "tap2"};
  for (guint i = 0; i < G_N_ELEMENTS(ports); i++) {
    bench_tap(ports[i]);
    assert_done(bench_bind(bench, ports[i], "clean-traffic", IP, &error), error);
  }
  g_autofree char *before = bench_table();
  bench_stop(bench);
  g_autofree char *meanwhile = bench_table();
  g_assert_true(g_str_equal(meanwhile, before));
  bench_start(bench);
  g_autofree char *after = bench_table();
  g_assert_true(g_str_equal(after, before));
  g_assert_cmpuint(n_bindings(bench), ==, 3);
  bench_free(bench);
}

static void test_restart_repairs(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  bench_tap("tap0");
  assert_done(bench_bind(bench, "tap0", "clean-traffic", IP, &error), error);
  bench_stop(bench);
  g_free(bench_shell("nft delete table bridge nwfilter"));
  assert_filter_of("tap0", NULL);
  bench_start(bench);
  assert_filter_of("tap0", "clean-traffic MAC=52:54:00:00:00:01 IP=10.0.0.1");
  bench_free(bench);
}

static void test_refused_binding_leaves_nothing(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  bench_tap("tap0");
  assert_refused(bench_bind(bench, "tap0", "no-such-filter", NULL, &error), &error, NWF_ERROR, NWF_ERROR_MISSING_FILTER,
                 "no-such-filter");
  assert_done(
      bench_define(bench,
                   FILTER("wants", UUID_A, "<rule action='drop' direction='out'><ip srcipaddr='$NOBODY'/></rule>"),
                   &error),
      error);
  assert_refused(bench_bind(bench, "tap0", "wants", NULL, &error), &error, NWF_ERROR, NWF_ERROR_MISSING_VARIABLE,
                 "NOBODY");
  assert_refused(
      bench_bind(bench, "tap0", "clean-traffic", "<parameter name='CTRL_IP_LEARNING' value='none'/>", &error), &error,
      NWF_ERROR, NWF_ERROR_MISSING_VARIABLE, "IP");
  assert_filter_of("tap0", NULL);
  assert_exists(bench_binding_path(bench, "tap0"), FALSE);
  g_assert_cmpuint(n_bindings(bench), ==, 0);
  bench_free(bench);
}

static void test_redefinition_reaches_every_port(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  assert_done(bench_define(bench, FILTER("mine", UUID_A, DROP_ARP), &error), error);
  assert_done(bench_define(bench, FILTER("outer", UUID_B, "<filterref filter='mine'/>"), &error), error);
  bench_tap("tap0");
  bench_tap("tap1");
  assert_done(bench_bind(bench, "tap0", "mine", NULL, &error), error);
  assert_done(bench_bind(bench, "tap1", "outer", NULL, &error), error);
  g_autofree char *before = bench_table();
  g_assert_nonnull(strstr(before, "\"tap1\" . arp : drop"));
  assert_done(bench_define(bench, FILTER("mine", UUID_A, DROP_RARP), &error), error);
  g_autofree char *after = bench_table();
  g_assert_nonnull(strstr(after, "\"tap0\" . arp : accept"));
  g_assert_nonnull(strstr(after, "\"tap1\" . arp : accept"));
  g_assert_nonnull(strstr(after, "\"tap1\" . 0x8035"));
  assert_file_holds(bench_filter_path(bench, "mine"), "rarp", TRUE);
  bench_free(bench);
}

static void test_refused_redefinition_changes_nothing(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  assert_done(bench_define(bench, FILTER("mine", UUID_A, DROP_ARP), &error), error);
  bench_tap("tap0");
  bench_tap("tap1");
  assert_done(bench_bind(bench, "tap0", "mine", "<parameter name='WHO' value='10.0.0.1'/>", &error), error);
  assert_done(bench_bind(bench, "tap1", "mine", NULL, &error), error);
  g_autofree char *before = bench_table();
  assert_refused(
      bench_define(bench, FILTER("mine", UUID_A, "<rule action='drop' direction='out'><ip srcipaddr='$WHO'/></rule>"),
                   &error),
      &error, NWF_ERROR, NWF_ERROR_MISSING_VARIABLE, "tap1");
  g_autofree char *after = bench_table();
  g_assert_true(g_str_equal(after, before));
  assert_file_holds(bench_filter_path(bench, "mine"), "$WHO", FALSE);
  guint8 uuid[NWF_UUID_LEN];
  uuid_of(bench, "mine", uuid);
  g_autofree char *xml = nwf_engine_filter_xml(bench->engine, uuid, &error);
  g_assert_null(strstr(xml, "$WHO"));
  bench_free(bench);
}

static void test_names_and_uuids_clash(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  assert_done(bench_define(bench, FILTER("mine", UUID_A, DROP_ARP), &error), error);
  assert_refused(bench_define(bench, FILTER("mine", UUID_B, DROP_ARP), &error), &error, NWF_ENGINE_ERROR,
                 NWF_ENGINE_ERROR_CLASH, UUID_A);
  assert_refused(bench_define(bench, FILTER("other", UUID_A, DROP_ARP), &error), &error, NWF_ENGINE_ERROR,
                 NWF_ENGINE_ERROR_CLASH, "mine");
  assert_refused(bench_define(bench, "<filter name='mine'/>", &error), &error, NWF_ENGINE_ERROR, NWF_ENGINE_ERROR_CLASH,
                 UUID_A);
  assert_exists(bench_filter_path(bench, "other"), FALSE);
  bench_free(bench);
}

static void test_loops_are_refused(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  assert_done(bench_define(bench, FILTER("a", UUID_A, "<filterref filter='b'/>"), &error), error);
  assert_refused(bench_define(bench, FILTER("b", UUID_B, "<filterref filter='a'/>"), &error), &error, NWF_ERROR,
                 NWF_ERROR_LOOP, "b");
  assert_exists(bench_filter_path(bench, "b"), FALSE);
  bench_free(bench);
}

static void test_undefine_in_use(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  guint8 uuid[NWF_UUID_LEN];
  bench_tap("tap0");
  assert_done(bench_bind(bench, "tap0", "clean-traffic", IP, &error), error);
  uuid_of(bench, "no-arp-ip-spoofing", uuid);
  assert_refused(nwf_engine_undefine(bench->engine, uuid, &error), &error, NWF_ENGINE_ERROR, NWF_ENGINE_ERROR_IN_USE,
                 "in use");
  assert_exists(bench_filter_path(bench, "no-arp-ip-spoofing"), TRUE);
  assert_done(nwf_engine_unbind(bench->engine, "tap0", &error), error);
  assert_done(nwf_engine_undefine(bench->engine, uuid, &error), error);
  assert_exists(bench_filter_path(bench, "no-arp-ip-spoofing"), FALSE);
  assert_refused(nwf_engine_undefine(bench->engine, uuid, &error), &error, NWF_ENGINE_ERROR, NWF_ENGINE_ERROR_NO_FILTER,
                 "uuid");
  bench_free(bench);
}

static void test_bad_files_are_skipped(void) {
  Bench *bench = bench_new();
  bench_stock_filters(bench);
  bench_tap("tap0");
  bench_tap("tap1");
  bench_write(bench_filter_path(bench, "broken"), "<filter name='broken'><rule action='maybe'/></filter>");
  bench_write(bench_filter_path(bench, "liar"), "<filter name='truth'/>");
  bench_tap("tap2");
  bench_write(bench_binding_path(bench, "tap0"), "<filterbinding><portdev");
  bench_write(bench_binding_path(bench, "tap2"), "<filterbinding><portdev");
  bench_write(bench_binding_path(bench, "tap1"),
              "<filterbindingstatus><filterbinding><portdev name='tap1'/><mac address='52:54:00:00:00:02'/>"
              "<filterref filter='clean-traffic'>" IP "</filterref></filterbinding></filterbindingstatus>");
  bench_write(bench_binding_path(bench, "gone0"),
              "<filterbinding><portdev name='gone0'/><mac address='52:54:00:00:00:03'/>"
              "<filterref filter='clean-traffic'>" IP "</filterref></filterbinding>");
  bench_start(bench);
  bench_await(bench, "maybe");
  bench_await(bench, "truth");
  assert_filter_of("tap1", "clean-traffic MAC=52:54:00:00:00:02 IP=10.0.0.1");
  /* what cannot be read is not open, and can be bound anew */
  assert_filter_of("tap0", "closed MAC=00:00:00:00:00:00");
  assert_exists(bench_binding_path(bench, "gone0"), FALSE);
  g_assert_cmpuint(n_bindings(bench), ==, 1);
  g_autoptr(GError) error = NULL;
  assert_done(bench_bind(bench, "tap2", "clean-traffic", IP, &error), error);
  assert_filter_of("tap2", "clean-traffic MAC=52:54:00:00:00:01 IP=10.0.0.1");
  /* what is not bound anew after all stays closed, also for the next daemon */
  assert_refused(bench_bind(bench, "tap0", "no-such-filter", NULL, &error), &error, NWF_ERROR, NWF_ERROR_MISSING_FILTER,
                 "no-such-filter");
  assert_filter_of("tap0", "closed MAC=00:00:00:00:00:00");
  bench_stop(bench);
  bench_start(bench);
  g_autofree char *still = bench_filter_of("tap0");
  g_assert_true(g_str_has_prefix(still, "closed "));
  assert_done(nwf_engine_unbind(bench->engine, "tap0", &error), error);
  assert_done(bench_bind(bench, "tap0", "clean-traffic", IP, &error), error);
  assert_filter_of("tap0", "clean-traffic MAC=52:54:00:00:00:01 IP=10.0.0.1");
  bench_free(bench);
}

static void test_uncompilable_port_is_closed(void) {
  Bench *bench = bench_new();
  bench_stock_filters(bench);
  bench_tap("tap0");
  bench_write(bench_binding_path(bench, "tap0"),
              "<filterbinding><portdev name='tap0'/><mac address='52:54:00:00:00:02'/>"
              "<filterref filter='later'/></filterbinding>");
  bench_start(bench);
  bench_await(bench, "port tap0 is closed");
  assert_filter_of("tap0", "closed MAC=52:54:00:00:00:02");
  g_assert_cmpuint(n_bindings(bench), ==, 1);
  g_autoptr(GError) error = NULL;
  assert_done(bench_define(bench, FILTER("later", UUID_A, DROP_ARP), &error), error);
  assert_filter_of("tap0", "later MAC=52:54:00:00:00:02");
  bench_free(bench);
}

static void test_reload(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  assert_done(bench_define(bench, FILTER("mine", UUID_A, DROP_ARP), &error), error);
  bench_tap("tap0");
  assert_done(bench_bind(bench, "tap0", "mine", NULL, &error), error);
  g_autofree char *before = bench_table();
  bench_write(bench_filter_path(bench, "mine"), FILTER("mine", UUID_A, DROP_RARP));
  bench_write(bench_filter_path(bench, "new"), FILTER("new", UUID_B, DROP_RARP));
  assert_done(nwf_engine_reload(bench->engine, &error), error);
  g_autofree char *changed = bench_table();
  g_assert_nonnull(strstr(changed, "\"tap0\" . 0x8035"));
  guint8 uuid[NWF_UUID_LEN];
  uuid_of(bench, "new", uuid);
  /* a file that has become bad keeps its meaning, one that no port could have is refused as a whole */
  bench_write(bench_filter_path(bench, "mine"), "<filter name='mine'>");
  assert_done(nwf_engine_reload(bench->engine, &error), error);
  g_autofree char *bad = bench_table();
  g_assert_true(g_str_equal(bad, changed));
  bench_write(bench_filter_path(bench, "mine"), FILTER("mine", UUID_A, "<filterref filter='nowhere'/>"));
  assert_refused(nwf_engine_reload(bench->engine, &error), &error, NWF_ERROR, NWF_ERROR_MISSING_FILTER, "nowhere");
  g_autofree char *refused = bench_table();
  g_assert_true(g_str_equal(refused, changed));
  bench_free(bench);
}

static void test_others_cannot_take_it_away(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  bench_tap("tap0");
  assert_done(bench_bind(bench, "tap0", "clean-traffic", IP, &error), error);
  g_autofree char *before = bench_table();
  g_free(
      bench_shell("nft add table ip other; nft flush ruleset; nft delete table bridge nwfilter 2>/dev/null || true"));
  g_free(bench_shell("nft list tables | grep -q 'ip other' && exit 1; true"));
  g_autofree char *owned = bench_table();
  if (strcmp(before, owned) != 0) /* a kernel without owners: it is put back */
    bench_await(bench, "right in the table");
  assert_filter_of("tap0", "clean-traffic MAC=52:54:00:00:00:01 IP=10.0.0.1");
  bench_free(bench);
}

static void test_missing_device_is_bound_ahead(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  assert_done(bench_bind(bench, "later0", "clean-traffic", IP, &error), error);
  assert_filter_of("later0", "clean-traffic MAC=52:54:00:00:00:01 IP=10.0.0.1");
  bench_free(bench);
}

/* What the engine does when the kernel does not take a port's new addresses. */
static void test_closed_until_installed_anew(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  assert_done(bench_define(bench, FILTER("mine", UUID_A, DROP_ARP), &error), error);
  assert_done(bench_bind(bench, "tap0", "mine", NULL, &error), error);
  assert_done(bench_bind(bench, "tap1", "mine", NULL, &error), error);
  g_autoptr(GPtrArray) ports = g_ptr_array_new();
  nwf_engine_lock(bench->engine);
  g_ptr_array_add(ports, nwf_engine_port(bench->engine, "tap0"));
  nwf_install_closed(bench->engine, ports);
  nwf_engine_unlock(bench->engine);
  assert_filter_of("tap0", "closed MAC=52:54:00:00:00:01");
  assert_filter_of("tap1", "mine MAC=52:54:00:00:00:01");
  assert_done(bench_define(bench, FILTER("mine", UUID_A, DROP_RARP), &error), error);
  assert_filter_of("tap0", "mine MAC=52:54:00:00:00:01");
  bench_free(bench);
}

/* Somebody else reads the group of frames: only learning is lost. */
static void test_without_frames(void) {
  Bench *bench = bench_new();
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfNflog) other = nwf_nflog_open(NWF_ENGINE_LOG_GROUP, 64, &error);
  g_assert_no_error(error);
  bench_stock_filters(bench);
  bench_start(bench);
  bench_await(bench, "no addresses are learned");
  assert_done(bench_bind(bench, "tap0", "clean-traffic", IP, &error), error);
  assert_filter_of("tap0", "clean-traffic MAC=52:54:00:00:00:01 IP=10.0.0.1");
  assert_done(bench_bind(bench, "tap1", "clean-traffic", NULL, &error), error);
  assert_filter_of("tap1", "learning-any MAC=52:54:00:00:00:01");
  g_clear_pointer(&other, nwf_nflog_close);
  bench_await(bench, "addresses are learned again");
  bench_free(bench);
}

/* Taps and filters may be called so; a restart must not forget them. */
static void test_names_with_dots(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  bench_tap(".p");
  bench_tap("x.nwf-new");
  assert_done(bench_define(bench, FILTER(".hidden", UUID_A, DROP_ARP), &error), error);
  assert_done(bench_define(bench, FILTER("x.xml.nwf-new", UUID_B, DROP_ARP), &error), error);
  assert_done(bench_bind(bench, ".p", ".hidden", NULL, &error), error);
  assert_done(bench_bind(bench, "x.nwf-new", "x.xml.nwf-new", NULL, &error), error);
  bench_stop(bench);
  bench_start(bench);
  assert_filter_of(".p", ".hidden MAC=52:54:00:00:00:01");
  assert_filter_of("x.nwf-new", "x.xml.nwf-new MAC=52:54:00:00:00:01");
  assert_done(nwf_engine_reload(bench->engine, &error), error);
  assert_filter_of(".p", ".hidden MAC=52:54:00:00:00:01");
  g_assert_cmpuint(n_bindings(bench), ==, 2);
  bench_free(bench);
}

/* What is no file is not waited for, and what it stands for is not forgotten. */
static void test_only_files_are_read(void) {
  Bench *bench = bench_new();
  g_autoptr(GError) error = NULL;
  bench_stock_filters(bench);
  static const char *const kinds[] = {
      "mkfifo", "mkdir", "ln -s /dev/zero", "ln -s /nowhere",
      "python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])'"};
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
    g_autofree char *port = g_strdup_printf("tap%u", i);
    g_autofree char *binding = bench_binding_path(bench, port), *filter = bench_filter_path(bench, port);
    const char *const paths[] = {binding, filter};
    for (guint j = 0; j < 2; j++) {
      g_autofree char *command = g_strdup_printf("%s '%s'", kinds[i], paths[j]);
      g_free(bench_shell(command));
    }
    bench_tap(port);
  }
  g_autofree char *elsewhere = g_build_filename(bench->dir, "elsewhere", NULL);
  g_autofree char *link = bench_filter_path(bench, "linked");
  bench_write(g_strdup(elsewhere), FILTER("linked", UUID_A, DROP_ARP));
  g_assert_cmpint(symlink(elsewhere, link), ==, 0);
  bench_start(bench);
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
    g_autofree char *port = g_strdup_printf("tap%u", i), *said = g_strdup_printf("port tap%u is closed", i);
    bench_await(bench, said);
    assert_filter_of(port, "closed MAC=00:00:00:00:00:00");
  }
  assert_done(nwf_engine_reload(bench->engine, &error), error);
  guint8 uuid[NWF_UUID_LEN];
  uuid_of(bench, "linked", uuid);
  bench_free(bench);
}

/* Which is not the same as an empty one. */
static void test_directory_cannot_be_listed(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  assert_done(bench_define(bench, FILTER("mine", UUID_A, DROP_ARP), &error), error);
  bench_tap("tap0");
  assert_done(bench_bind(bench, "tap0", "clean-traffic", IP, &error), error);
  g_autofree char *before = bench_table();
  g_autofree char *away = g_strconcat(bench->config.filter_dir, "-away", NULL);
  g_assert_cmpint(g_rename(bench->config.filter_dir, away), ==, 0);
  assert_refused(nwf_engine_reload(bench->engine, &error), &error, NWF_ERROR, NWF_ERROR_IO, bench->config.filter_dir);
  g_autofree char *after = bench_table();
  g_assert_true(g_str_equal(after, before));
  guint8 uuid[NWF_UUID_LEN];
  uuid_of(bench, "mine", uuid); /* still known */
  bench_free(bench);
}

/* An unbound port whose file stays would be bound by the next daemon. */
static void test_binding_that_cannot_be_removed(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  bench_tap("tap0");
  assert_done(bench_bind(bench, "tap0", "clean-traffic", IP, &error), error);
  g_autofree char *lock = g_strdup_printf("chattr +i '%s'/tap0.xml", bench->config.binding_dir);
  g_autofree char *unlock = g_strdup_printf("chattr -i '%s'/tap0.xml", bench->config.binding_dir);
  if (system(lock) != 0) {
    g_test_skip("the file system has no immutable files");
    bench_free(bench);
    return;
  }
  gboolean unbound = nwf_engine_unbind(bench->engine, "tap0", &error);
  g_free(bench_shell(unlock));
  assert_refused(unbound, &error, NWF_ERROR, NWF_ERROR_IO, "tap0.xml");
  assert_filter_of("tap0", "clean-traffic MAC=52:54:00:00:00:01 IP=10.0.0.1");
  g_assert_cmpuint(n_bindings(bench), ==, 1);
  assert_done(nwf_engine_unbind(bench->engine, "tap0", &error), error);
  assert_filter_of("tap0", NULL);
  bench_free(bench);
}

/* More edits than the engine lets pile up: the table compiled anew must be the one that the edits had made. */
static void test_many_edits(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  assert_done(bench_bind(bench, "stays0", "clean-traffic", IP, &error), error);
  g_autofree char *before = bench_table();
  for (guint i = 0; i < 2500; i++) {
    assert_done(bench_bind(bench, "comes0", i % 3 ? "clean-traffic" : "no-mac-spoofing", IP, &error), error);
    assert_done(nwf_engine_unbind(bench->engine, "comes0", &error), error);
  }
  gboolean repaired = TRUE;
  assert_done(nwf_engine_verify(bench->engine, &repaired, &error), error);
  g_assert_false(repaired);
  assert_filter_of("stays0", "clean-traffic MAC=52:54:00:00:00:01 IP=10.0.0.1");
  assert_filter_of("comes0", NULL);
  bench_free(bench);
}

static NwfBinding *parse_binding(const char *text) {
  g_autoptr(GError) error = NULL;
  NwfBinding *binding = nwf_binding_parse(text, strlen(text), "(binding)", &error);
  g_assert_no_error(error);
  return binding;
}

/* Not files that the caller has never seen, and that are gone when the call comes back. */
static void test_errors_name_what_was_given(void) {
  Bench *bench = started();
  g_autoptr(GError) error = NULL;
  bench_tap("tap0");
  const char *missing = "<filterbinding>\n<portdev name='tap0'/><mac address='52:54:00:00:00:01'/>\n"
                        "<filterref filter='nowhere'/></filterbinding>";
  const char *good = "<filterbinding>\n<portdev name='tap0'/><mac address='52:54:00:00:00:01'/>\n"
                     "<filterref filter='mine'>" IP "</filterref></filterbinding>";
  assert_refused(nwf_engine_bind(bench->engine, parse_binding(missing), &error), &error, NWF_ERROR,
                 NWF_ERROR_MISSING_FILTER, "(binding):3: port tap0: ");
  assert_done(bench_define(bench, FILTER("mine", UUID_A, DROP_ARP), &error), error);
  assert_done(nwf_engine_bind(bench->engine, parse_binding(good), &error), error);
  const char *text = FILTER("mine", UUID_A, "\n\n<rule action='drop' direction='out'><ip srcipaddr='$MAC'/></rule>");
  NwfFilter *filter = nwf_filter_parse(text, strlen(text), "(filter)", &error);
  assert_refused(nwf_engine_define(bench->engine, filter, NULL, &error), &error, NWF_ERROR, NWF_ERROR_INVALID,
                 "(filter):3: filter mine: ");
  const char *loop = FILTER("other", UUID_B, "\n<filterref filter='other'/>");
  filter = nwf_filter_parse(loop, strlen(loop), "(filter)", &error);
  assert_refused(nwf_engine_define(bench->engine, filter, NULL, &error), &error, NWF_ERROR, NWF_ERROR_LOOP,
                 "(filter):2: filter other: ");
  /* what was taken has a file */
  nwf_engine_lock(bench->engine);
  g_autofree char *path = bench_binding_path(bench, "tap0");
  g_assert_cmpstr(nwf_engine_port(bench->engine, "tap0")->binding->file, ==, path);
  nwf_engine_unlock(bench->engine);
  bench_free(bench);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/engine/a-port-is-bound-and-unbound", test_bind_and_unbind);
  g_test_add_func("/engine/odd-parameters-are-passed-over", test_odd_parameters);
  g_test_add_func("/engine/odd-parameters-of-learning-are-refused", test_odd_parameters_of_learning);
  g_test_add_func("/engine/a-restart-writes-nothing", test_restart_writes_nothing);
  g_test_add_func("/engine/a-restart-puts-back-what-is-missing", test_restart_repairs);
  g_test_add_func("/engine/a-refused-binding-leaves-nothing", test_refused_binding_leaves_nothing);
  g_test_add_func("/engine/a-redefinition-reaches-every-port", test_redefinition_reaches_every_port);
  g_test_add_func("/engine/a-refused-redefinition-changes-nothing", test_refused_redefinition_changes_nothing);
  g_test_add_func("/engine/names-and-uuids-do-not-clash", test_names_and_uuids_clash);
  g_test_add_func("/engine/loops-are-refused", test_loops_are_refused);
  g_test_add_func("/engine/a-filter-in-use-stays", test_undefine_in_use);
  g_test_add_func("/engine/bad-files-are-skipped-and-their-ports-closed", test_bad_files_are_skipped);
  g_test_add_func("/engine/a-port-that-cannot-be-compiled-is-closed", test_uncompilable_port_is_closed);
  g_test_add_func("/engine/reload-takes-over-files", test_reload);
  g_test_add_func("/engine/others-cannot-take-it-away", test_others_cannot_take_it_away);
  g_test_add_func("/engine/a-port-is-bound-before-its-device-is-there", test_missing_device_is_bound_ahead);
  g_test_add_func("/engine/a-closed-port-opens-when-it-is-installed-anew", test_closed_until_installed_anew);
  g_test_add_func("/engine/without-frames-only-learning-is-lost", test_without_frames);
  g_test_add_func("/engine/names-may-begin-with-a-dot", test_names_with_dots);
  g_test_add_func("/engine/only-regular-files-are-read", test_only_files_are_read);
  g_test_add_func("/engine/a-directory-that-cannot-be-listed-is-not-empty", test_directory_cannot_be_listed);
  g_test_add_func("/engine/a-binding-whose-file-stays-stays", test_binding_that_cannot_be_removed);
  g_test_add_func("/engine/errors-name-what-was-given", test_errors_name_what_was_given);
  g_test_add_func("/engine/many-edits-leave-the-same-table", test_many_edits);
  return g_test_run();
}
