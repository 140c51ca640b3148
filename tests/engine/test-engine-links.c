// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Bound interfaces that get other names, names that are not interfaces' own, and interfaces that are no longer bound.
 */
#include "engine-help.h"
#include "lab.h"
#include "teaching-frames.h"

#include <nwfilter-nft/model.h>

#include <string.h>

#define IP "<parameter name='IP' value='10.0.0.1'/>"
#define BOUND "clean-traffic MAC=52:54:00:00:00:01 IP=10.0.0.1"

static const guint8 mac0[6] = {0x52, 0x54, 0, 0, 0, 1}, mac1[6] = {0x52, 0x54, 0, 0, 0, 2};
static const char *const names[] = {"tap0", "uplink"}; /* the last one is not bound */

typedef struct {
  Bench *bench;
  Lab *lab;
} Fixture;

/* @grace: milliseconds, as a pointer. */
static void start(Fixture *fixture, gconstpointer grace) {
  g_autoptr(GError) error = NULL;
  fixture->bench = bench_new();
  fixture->bench->config.unbind_grace = GPOINTER_TO_UINT(grace);
  fixture->lab = lab_new_here(names, G_N_ELEMENTS(names), &error);
  g_assert_no_error(error);
  bench_stock_filters(fixture->bench);
  bench_start(fixture->bench);
  bench_bind(fixture->bench, "tap0", "clean-traffic", IP, &error);
  g_assert_no_error(error);
}

static void stop(Fixture *fixture, gconstpointer grace) {
  lab_free(fixture->lab);
  bench_free(fixture->bench);
}

static void restart(Fixture *fixture, const char *meanwhile) {
  bench_stop(fixture->bench);
  g_free(bench_shell(meanwhile));
  bench_start(fixture->bench);
}

/* Before Linux 6.2 it has to be down for that. */
#define RENAME(from, to)                                                                                               \
  "{ ip link set " from " name " to " 2>/dev/null || "                                                                 \
  "{ ip link set " from " down && ip link set " from " name " to " && ip link set " to " up; }; }"

static void run(const char *command) {
  g_free(bench_shell(command));
}

static void assert_filter_of(const char *port, const char *wanted) {
  g_autofree char *filter = bench_filter_of(port);
  if (!filter || !wanted || !g_str_has_prefix(filter, wanted))
    g_assert_cmpstr(filter, ==, wanted);
}

/* Whether the bound guest's frame from another's address arrives at the uplink. */
static gboolean spoofed_arrives(Fixture *fixture) {
  g_autoptr(GError) error = NULL;
  gboolean arrived[3];
  Frame frame = frame_udp(mac0, mac1, "10.0.0.77", "10.0.0.9");
  lab_send(fixture->lab, 0, frame.bytes, frame.length, arrived, &error);
  g_assert_no_error(error);
  return arrived[1];
}

static guint n_bindings(const Fixture *fixture) {
  g_autoptr(GArray) all = nwf_engine_bindings(fixture->bench->engine);
  return all->len;
}

static void assert_no_binding(const Fixture *fixture, const char *port) {
  g_autoptr(GError) error = NULL;
  g_assert_false(nwf_engine_unbind(fixture->bench->engine, port, &error));
  g_assert_error(error, NWF_ENGINE_ERROR, NWF_ENGINE_ERROR_NO_BINDING);
}

static void test_renamed(Fixture *fixture, gconstpointer grace) {
  g_assert_false(spoofed_arrives(fixture));
  run(RENAME("tap0", "other"));
  bench_await(fixture->bench, "bound as tap0, was renamed to other");
  assert_filter_of("other", "closed ");
  assert_filter_of("tap0", BOUND);
  g_assert_false(spoofed_arrives(fixture));
  g_assert_cmpuint(n_bindings(fixture), ==, 1);
  assert_no_binding(fixture, "other");
}

static void test_renamed_again_and_back(Fixture *fixture, gconstpointer grace) {
  run(RENAME("tap0", "other"));
  bench_await(fixture->bench, "renamed to other");
  run(RENAME("other", "third"));
  bench_await(fixture->bench, "bound as tap0, was renamed to third");
  bench_await(fixture->bench, "other is no longer closed");
  assert_filter_of("other", NULL);
  assert_filter_of("third", "closed ");
  g_assert_false(spoofed_arrives(fixture));
  run(RENAME("third", "tap0"));
  bench_await(fixture->bench, "has the name tap0 again");
  bench_await(fixture->bench, "third is no longer closed");
  assert_filter_of("third", NULL);
  g_assert_false(spoofed_arrives(fixture));
}

static void test_gone(Fixture *fixture, gconstpointer grace) {
  run("ip tuntap add d0 mode tap");
  g_autoptr(GError) error = NULL;
  bench_bind(fixture->bench, "d0", "clean-traffic", IP, &error);
  g_assert_no_error(error);
  run(RENAME("d0", "other"));
  bench_await(fixture->bench, "renamed to other");
  run("ip link del other");
  bench_await(fixture->bench, "other is no longer closed");
  assert_filter_of("other", NULL);
  assert_filter_of("d0", BOUND);
}

static void test_new_name_is_bound(Fixture *fixture, gconstpointer grace) {
  g_autoptr(GError) error = NULL;
  run(RENAME("tap0", "other"));
  bench_await(fixture->bench, "renamed to other");
  bench_bind(fixture->bench, "other", "clean-traffic", IP, &error);
  g_assert_no_error(error);
  assert_filter_of("other", BOUND);
  g_assert_cmpuint(n_bindings(fixture), ==, 2);
  run(RENAME("other", "tap0"));
  bench_await(fixture->bench, "renamed to tap0 and has that name's binding");
  assert_filter_of("other", BOUND);
  assert_filter_of("tap0", BOUND);
}

static void test_refused_binding_leaves_it_closed(Fixture *fixture, gconstpointer grace) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = bench_binding_path(fixture->bench, "other");
  run(RENAME("tap0", "other"));
  bench_await(fixture->bench, "renamed to other");
  g_assert_false(bench_bind(fixture->bench, "other", "no-such-filter", NULL, &error));
  assert_filter_of("other", "closed ");
  g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void test_unbound_while_renamed(Fixture *fixture, gconstpointer grace) {
  g_autoptr(GError) error = NULL;
  run(RENAME("tap0", "other"));
  bench_await(fixture->bench, "renamed to other");
  g_assert_true(nwf_engine_unbind(fixture->bench->engine, "tap0", &error));
  bench_await(fixture->bench, "other is no longer closed");
  assert_filter_of("other", NULL);
}

static void test_restarted_while_renamed(Fixture *fixture, gconstpointer grace) {
  run(RENAME("tap0", "other"));
  bench_await(fixture->bench, "renamed to other");
  restart(fixture, "true");
  assert_filter_of("other", "closed ");
  assert_filter_of("tap0", BOUND);
  g_assert_cmpuint(n_bindings(fixture), ==, 1);
}

static void test_renamed_meanwhile(Fixture *fixture, gconstpointer grace) {
  restart(fixture, RENAME("tap0", "other"));
  bench_await(fixture->bench, "bound as tap0, was renamed to other");
  assert_filter_of("other", "closed ");
  g_assert_false(spoofed_arrives(fixture));
  run(RENAME("other", "tap0"));
  bench_await(fixture->bench, "other is no longer closed");
  assert_filter_of("tap0", BOUND);
}

static void test_altname_is_refused(Fixture *fixture, gconstpointer grace) {
  g_autoptr(GError) error = NULL;
  run("ip link property add dev uplink altname second");
  g_assert_false(bench_bind(fixture->bench, "second", "clean-traffic", IP, &error));
  g_assert_error(error, NWF_ERROR, NWF_ERROR_INVALID);
  g_assert_nonnull(strstr(error->message, "port second: this is an alternative name of the interface uplink"));
  assert_filter_of("second", NULL);
}

/* As binding did not refuse it in earlier versions, or the name was not one yet. */
static void test_altname_from_a_file(Fixture *fixture, gconstpointer grace) {
  g_autoptr(GError) error = NULL;
  restart(fixture, RENAME("tap0", "other") " && ip link property add dev other altname tap0");
  bench_await(fixture->bench, "bound as tap0, was renamed to other");
  assert_filter_of("other", "closed ");
  g_assert_false(spoofed_arrives(fixture));
  g_assert_true(nwf_engine_unbind(fixture->bench->engine, "tap0", &error));
  bench_await(fixture->bench, "other is no longer closed");
}

/* --- interfaces that are no longer bound --- */

static void unbind(Fixture *fixture, const char *port) {
  g_autoptr(GError) error = NULL;
  nwf_engine_unbind(fixture->bench->engine, port, &error);
  g_assert_no_error(error);
}

static void test_closed_when_unbound(Fixture *fixture, gconstpointer grace) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = bench_binding_path(fixture->bench, "tap0");
  unbind(fixture, "tap0");
  assert_filter_of("tap0", "closed ");
  g_assert_false(spoofed_arrives(fixture));
  g_assert_cmpuint(n_bindings(fixture), ==, 0);
  g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
  assert_no_binding(fixture, "tap0");
  bench_bind(fixture->bench, "tap0", "clean-traffic", IP, &error);
  g_assert_no_error(error);
  assert_filter_of("tap0", BOUND);
}

static void test_open_after_the_grace(Fixture *fixture, gconstpointer grace) {
  unbind(fixture, "tap0");
  bench_await(fixture->bench, "tap0 is no longer closed");
  assert_filter_of("tap0", NULL);
  g_assert_true(spoofed_arrives(fixture));
}

/* Bound again, it is not opened when the grace would have ended. */
static void test_bound_again_within_the_grace(Fixture *fixture, gconstpointer grace) {
  g_autoptr(GError) error = NULL;
  unbind(fixture, "tap0");
  bench_bind(fixture->bench, "tap0", "clean-traffic", IP, &error);
  g_assert_no_error(error);
  run("ip tuntap add d0 mode tap");
  bench_bind(fixture->bench, "d0", "clean-traffic", IP, &error);
  g_assert_no_error(error);
  unbind(fixture, "d0"); /* ends later */
  bench_await(fixture->bench, "d0 is no longer closed");
  assert_filter_of("tap0", BOUND);
  g_assert_false(spoofed_arrives(fixture));
}

static void test_interface_goes_within_the_grace(Fixture *fixture, gconstpointer grace) {
  g_autoptr(GError) error = NULL;
  run("ip tuntap add d0 mode tap");
  bench_bind(fixture->bench, "d0", "clean-traffic", IP, &error);
  g_assert_no_error(error);
  unbind(fixture, "d0");
  assert_filter_of("d0", "closed ");
  run("ip link del d0");
  bench_await(fixture->bench, "d0 is no longer closed");
  assert_filter_of("d0", NULL);
}

static void test_no_interface(Fixture *fixture, gconstpointer grace) {
  g_autoptr(GError) error = NULL;
  bench_bind(fixture->bench, "nobody", "clean-traffic", IP, &error);
  g_assert_no_error(error);
  unbind(fixture, "nobody");
  assert_filter_of("nobody", NULL);
}

static void test_refused_within_the_grace(Fixture *fixture, gconstpointer grace) {
  g_autofree char *path = bench_binding_path(fixture->bench, "tap0");
  unbind(fixture, "tap0");
  g_assert_false(bench_bind(fixture->bench, "tap0", "no-such-filter", NULL, NULL));
  assert_filter_of("tap0", "closed ");
  g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void test_restarted_within_the_grace(Fixture *fixture, gconstpointer grace) {
  unbind(fixture, "tap0");
  restart(fixture, "true");
  assert_filter_of("tap0", NULL);
}

static void test_renamed_within_the_grace(Fixture *fixture, gconstpointer grace) {
  unbind(fixture, "tap0");
  run(RENAME("tap0", "other"));
  bench_await(fixture->bench, "bound as tap0, was renamed to other");
  assert_filter_of("other", "closed ");
  g_assert_false(spoofed_arrives(fixture));
}

static void test_unbound_and_bound_while_renamed(Fixture *fixture, gconstpointer grace) {
  g_autoptr(GError) error = NULL;
  run(RENAME("tap0", "other"));
  bench_await(fixture->bench, "renamed to other");
  unbind(fixture, "tap0");
  bench_bind(fixture->bench, "tap0", "clean-traffic", IP, &error);
  g_assert_no_error(error);
  run("ip tuntap add d0 mode tap");
  bench_bind(fixture->bench, "d0", "clean-traffic", IP, &error);
  g_assert_no_error(error);
  unbind(fixture, "d0");
  bench_await(fixture->bench, "d0 is no longer closed");
  assert_filter_of("other", "closed ");
}

/* --- bridges --- */

static void claim(Fixture *fixture) {
  g_autoptr(GError) error = NULL;
  Frame frame = frame_arp(mac1, "10.0.0.1");
  lab_send_blind(fixture->lab, 1, frame.bytes, frame.length, &error);
  g_assert_no_error(error);
}

static void bind_uplink(Fixture *fixture) {
  g_autoptr(GError) error = NULL;
  bench_bind_mac(fixture->bench, "uplink", mac1, "clean-traffic", NULL, &error);
  g_assert_no_error(error);
}

#define CLAIMED "clean-traffic MAC=52:54:00:00:00:02 IP=10.0.0.1"

/* 10.0.0.1 is tap0's, on the lab's bridge. */
static void test_two_networks(Fixture *fixture, gconstpointer grace) {
  run("ip link add br1 type bridge mcast_snooping 0 && ip link set br1 up && ip link set uplink master br1");
  bind_uplink(fixture);
  claim(fixture);
  bench_await_filter(fixture->bench, "uplink", CLAIMED);
  restart(fixture, "true");
  assert_filter_of("uplink", CLAIMED);
}

static void test_one_network(Fixture *fixture, gconstpointer grace) {
  bind_uplink(fixture);
  claim(fixture);
  bench_await(fixture->bench, "10.0.0.1");
  assert_filter_of("uplink", "learning-any");
}

/* On a bridge where somebody has its address it loses it. */
static void test_another_network(Fixture *fixture, gconstpointer grace) {
  run("ip link add br1 type bridge mcast_snooping 0 && ip link set br1 up && ip link set uplink master br1");
  bind_uplink(fixture);
  claim(fixture);
  bench_await_filter(fixture->bench, "uplink", CLAIMED);
  run("ip link set uplink master " LAB_BRIDGE);
  bench_await_filter(fixture->bench, "uplink", "learning-");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define TEST_GRACE(name, grace, function)                                                                              \
  g_test_add("/links/" name, Fixture, GUINT_TO_POINTER(grace), start, function, stop)
#define TEST(name, function) TEST_GRACE(name, 0, function)
#define HOUR 3600000
  TEST("a-renamed-interface-is-closed-under-its-new-name", test_renamed);
  TEST("it-stays-closed-under-a-third-and-is-bound-under-its-own", test_renamed_again_and_back);
  TEST("when-it-is-gone-its-name-is-free", test_gone);
  TEST("its-new-name-can-be-bound", test_new_name_is_bound);
  TEST("a-refused-binding-leaves-it-closed", test_refused_binding_leaves_it_closed);
  TEST("it-is-open-when-its-name-is-unbound", test_unbound_while_renamed);
  TEST("it-is-closed-after-a-restart", test_restarted_while_renamed);
  TEST("renamed-while-nobody-looked-it-is-closed-at-the-start", test_renamed_meanwhile);
  TEST("an-alternative-name-is-not-bound", test_altname_is_refused);
  TEST("a-binding-of-an-alternative-name-closes-the-interface", test_altname_from_a_file);
  TEST_GRACE("unbound-it-is-closed-until-it-is-bound-again", HOUR, test_closed_when_unbound);
  TEST_GRACE("unbound-it-is-open-after-the-grace", 1, test_open_after_the_grace);
  TEST_GRACE("bound-again-within-the-grace-it-stays-bound", 1, test_bound_again_within_the_grace);
  TEST_GRACE("the-grace-ends-with-the-interface", HOUR, test_interface_goes_within_the_grace);
  TEST_GRACE("without-an-interface-there-is-no-grace", HOUR, test_no_interface);
  TEST_GRACE("a-refused-binding-does-not-open-it", HOUR, test_refused_within_the_grace);
  TEST_GRACE("a-restart-ends-the-grace", HOUR, test_restarted_within_the_grace);
  TEST_GRACE("renamed-within-the-grace-it-stays-closed", HOUR, test_renamed_within_the_grace);
  TEST_GRACE("unbound-and-bound-while-renamed-it-stays-closed", 2000, test_unbound_and_bound_while_renamed);
  TEST("on-another-bridge-it-may-have-the-same-address", test_two_networks);
  TEST("on-the-same-bridge-it-may-not", test_one_network);
  TEST("it-loses-an-address-that-is-had-on-the-bridge-that-it-comes-to", test_another_network);
  return g_test_run();
}
