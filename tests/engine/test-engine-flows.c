// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Connections that a port's rules had let through end with its binding, and nobody else's do. For kernels that track
 * connections on bridges.
 */
#include "engine-help.h"
#include "lab.h"
#include "teaching-frames.h"

#include <nwfilter-nft/model.h>

#include <string.h>

#define STATEFUL                                                                                                       \
  "<filter name='stateful'><uuid>11111111-2222-4333-8444-555555555505</uuid>"                                          \
  "<rule action='accept' direction='out'><udp/></rule>"                                                                \
  "<rule action='drop' direction='inout' priority='1000'><all/></rule></filter>"

#define STATELESS                                                                                                      \
  "<filter name='stateless'><uuid>11111111-2222-4333-8444-555555555506</uuid>"                                         \
  "<rule action='accept' direction='out' statematch='false'><udp/></rule></filter>"
#define CLAIMING                                                                                                       \
  "<filter name='claiming'><uuid>11111111-2222-4333-8444-555555555507</uuid>"                                          \
  "<rule action='accept' direction='out'><udp srcipaddr='$IP'/></rule>"                                                \
  "<rule action='drop' direction='inout' priority='1000'><all/></rule></filter>"

static const guint8 mac0[6] = {0x52, 0x54, 0, 0, 0, 1}, mac1[6] = {0x52, 0x54, 0, 0, 0, 2},
                    uplink[6] = {0x52, 0x54, 0, 0, 0, 9};
static const char *const names[] = {"tap0", "tap1", "uplink"}; /* the last one is not bound */

typedef struct {
  Bench *bench;
  Lab *lab;
} Fixture;

static gboolean is_tracked(const char *address) {
  g_autofree char *table = bench_shell("cat /proc/net/nf_conntrack 2>/dev/null || true");
  g_autofree char *source = g_strdup_printf("src=%s ", address);
  return strstr(table, source) != NULL;
}

static void send(Fixture *fixture, guint from, Frame frame) {
  g_autoptr(GError) error = NULL;
  lab_send_blind(fixture->lab, from, frame.bytes, frame.length, &error);
  g_assert_no_error(error);
}

/* FALSE: this kernel cannot, and the test was skipped. */
static gboolean bind_both(Fixture *fixture) {
  g_autoptr(GError) error = NULL;
  g_assert_true(bench_define(fixture->bench, STATEFUL, &error));
  if (!bench_bind_mac(fixture->bench, "tap0", mac0, "stateful", "<parameter name='IP' value='10.0.0.1'/>", &error)) {
    g_assert_error(error, NWF_ERROR, NWF_ERROR_UNSUPPORTED);
    g_test_skip(error->message);
    return FALSE;
  }
  bench_bind_mac(fixture->bench, "tap1", mac1, "stateful", "<parameter name='IP' value='10.0.0.2'/>", &error);
  g_assert_no_error(error);
  send(fixture, 0, frame_udp(mac0, uplink, "10.0.0.1", "10.0.0.99"));
  send(fixture, 1, frame_udp(mac1, uplink, "10.0.0.2", "10.0.0.98"));
  g_assert_true(is_tracked("10.0.0.1"));
  g_assert_true(is_tracked("10.0.0.2"));
  return TRUE;
}

static void start(Fixture *fixture, gconstpointer keep_flows) {
  g_autoptr(GError) error = NULL;
  fixture->bench = bench_new();
  fixture->bench->config.keep_flows = keep_flows != NULL;
  fixture->lab = lab_new_here(names, G_N_ELEMENTS(names), &error);
  g_assert_no_error(error);
  bench_start(fixture->bench);
}

static void stop(Fixture *fixture, gconstpointer keep_flows) {
  lab_free(fixture->lab);
  bench_free(fixture->bench);
}

static void test_cut(Fixture *fixture, gconstpointer keep_flows) {
  g_autoptr(GError) error = NULL;
  if (!bind_both(fixture))
    return;
  g_assert_true(nwf_engine_unbind(fixture->bench->engine, "tap0", &error));
  bench_await(fixture->bench, "established connections");
  g_assert_false(is_tracked("10.0.0.1"));
  g_assert_true(is_tracked("10.0.0.2"));
}

static void test_kept(Fixture *fixture, gconstpointer keep_flows) {
  g_autoptr(GError) error = NULL;
  if (!bind_both(fixture))
    return;
  g_assert_true(nwf_engine_unbind(fixture->bench->engine, "tap0", &error));
  bench_stop(fixture->bench); /* waits for all that is to be cut */
  g_assert_true(is_tracked("10.0.0.1"));
}

static void test_redefined(Fixture *fixture, gconstpointer keep_flows) {
  g_autoptr(GError) error = NULL;
  bench_stop(fixture->bench);
  fixture->bench->config.cut_flows_on_redefine = TRUE;
  bench_start(fixture->bench);
  if (!bind_both(fixture))
    return;
  static const char other[] = "<filter name='stateful'><uuid>11111111-2222-4333-8444-555555555505</uuid>"
                              "<rule action='accept' direction='out'><tcp/></rule>"
                              "<rule action='drop' direction='inout' priority='1000'><all/></rule></filter>";
  g_assert_true(bench_define(fixture->bench, other, &error));
  bench_await(fixture->bench, "established connections");
  g_assert_false(is_tracked("10.0.0.1"));
  g_assert_false(is_tracked("10.0.0.2"));
}

/* --- whose connections --- */

static void bind_port(Fixture *fixture, guint port, const char *filter, const char *parameters) {
  g_autoptr(GError) error = NULL;
  bench_bind_mac(fixture->bench, names[port], port ? mac1 : mac0, filter, parameters, &error);
  g_assert_no_error(error);
}

static void unbind(Fixture *fixture, const char *port) {
  g_autoptr(GError) error = NULL;
  nwf_engine_unbind(fixture->bench->engine, port, &error);
  g_assert_no_error(error);
}

static void test_shared(Fixture *fixture, gconstpointer keep_flows) {
  g_autoptr(GError) error = NULL;
  if (!bind_both(fixture))
    return;
  unbind(fixture, "tap1");
  bench_await(fixture->bench, "established connections");
  bind_port(fixture, 1, "stateful", "<parameter name='IP' value='10.0.0.1'/>");
  unbind(fixture, "tap1");
  bench_await(fixture->bench, "established connections");
  g_assert_true(is_tracked("10.0.0.1"));
}

static void test_hosts_own(Fixture *fixture, gconstpointer keep_flows) {
  if (!bind_both(fixture))
    return;
  g_free(bench_shell("ip address add 10.0.0.1/24 dev " LAB_BRIDGE));
  unbind(fixture, "tap0");
  bench_await(fixture->bench, "established connections");
  g_assert_true(is_tracked("10.0.0.1"));
}

static void test_without_state(Fixture *fixture, gconstpointer keep_flows) {
  g_autoptr(GError) error = NULL;
  if (!bind_both(fixture))
    return;
  g_assert_true(bench_define(fixture->bench, STATELESS, &error));
  unbind(fixture, "tap1");
  bench_await(fixture->bench, "established connections");
  bind_port(fixture, 1, "stateless", "<parameter name='IP' value='10.0.0.2'/>");
  send(fixture, 1, frame_udp(mac1, uplink, "10.0.0.2", "10.0.0.97"));
  g_assert_true(is_tracked("10.0.0.2"));
  unbind(fixture, "tap1");
  bench_stop(fixture->bench);
  g_assert_true(is_tracked("10.0.0.2"));
}

/* tap0 claims the address of the gateway, with which tap1 speaks, and goes. */
static void test_claimed(Fixture *fixture, gconstpointer keep_flows) {
  g_autoptr(GError) error = NULL;
  if (!bind_both(fixture))
    return;
  unbind(fixture, "tap0");
  bench_await(fixture->bench, "established connections");
  g_assert_true(bench_define(fixture->bench, CLAIMING, &error));
  bind_port(fixture, 0, "claiming", NULL);
  send(fixture, 0, frame_arp(mac0, "10.0.0.98"));
  bench_await_filter(fixture->bench, "tap0", "claiming MAC=52:54:00:00:00:01 IP=10.0.0.98");
  send(fixture, 0, frame_udp(mac0, uplink, "10.0.0.98", "10.0.0.96"));
  g_assert_true(is_tracked("10.0.0.98"));
  unbind(fixture, "tap0");
  bench_await(fixture->bench, "established connections");
  g_autofree char *table = bench_shell("cat /proc/net/nf_conntrack");
  g_assert_null(strstr(table, "src=10.0.0.98 dst=10.0.0.96 "));
  g_assert_nonnull(strstr(table, "src=10.0.0.2 dst=10.0.0.98 "));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add("/flows/of-an-unbound-port-are-cut", Fixture, NULL, start, test_cut, stop);
  g_test_add("/flows/are-kept-if-so-configured", Fixture, "keep", start, test_kept, stop);
  g_test_add("/flows/of-a-redefined-filter-are-cut-if-so-configured", Fixture, NULL, start, test_redefined, stop);
  g_test_add("/flows/of-an-address-that-another-port-has-stay", Fixture, NULL, start, test_shared, stop);
  g_test_add("/flows/of-the-hosts-own-address-stay", Fixture, NULL, start, test_hosts_own, stop);
  g_test_add("/flows/of-a-port-whose-rules-ask-for-no-state-stay", Fixture, NULL, start, test_without_state, stop);
  g_test_add("/flows/of-others-with-an-address-that-was-claimed-stay", Fixture, NULL, start, test_claimed, stop);
  return g_test_run();
}
