// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Notifications of what others do to nftables.
 */
#include "kernel-help.h"
#include "kernel/watch.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LONG_ENOUGH_MS 30000

typedef struct {
  NwfKernel *kernel;
  NwfKernelWatch *watch;
  NwfRuleset *want;
} Scene;

/** Three ports, watched. FALSE: the test was skipped. */
static gboolean begin(Scene *scene) {
  GError *error = NULL;
  *scene = (Scene){.kernel = nwf_test_enter()};
  if (!scene->kernel)
    return FALSE;
  scene->watch = nwf_kernel_watch_open(scene->kernel, &error);
  g_assert_no_error(error);
  scene->want = nwf_test_ports(3);
  nwf_test_install(scene->kernel, scene->want);
  return TRUE;
}

static void end(Scene *scene) {
  nwf_kernel_watch_close(scene->watch);
  nwf_kernel_close(scene->kernel);
  nwf_ruleset_free(scene->want);
}

static NwfKernelWatchEvent read_event(Scene *scene) {
  NwfKernelWatchEvent event;
  GError *error = NULL;
  g_assert_true(nwf_kernel_watch_read(scene->watch, &event, &error));
  g_assert_no_error(error);
  return event;
}

static gboolean is_readable(Scene *scene, int timeout) {
  struct pollfd poll_fd = {.fd = nwf_kernel_watch_fd(scene->watch), .events = POLLIN};
  return poll(&poll_fd, 1, timeout) == 1;
}

static void test_changes_of_ours_by_others_are_told(void) {
  static const char *const commands[] = {
      "nft flush ruleset",
      "nft delete table bridge nwfilter",
      "nft flush table bridge nwfilter",
      "nft insert rule bridge nwfilter prerouting accept",
      "nft delete element bridge nwfilter from_port '{ \"vnet1\" . ip }'",
      "nft add element bridge nwfilter from_port '{ \"evil\" . ip : accept }'",
      "nft add chain bridge nwfilter stranger",
      "nft add set bridge nwfilter numbers '{ type mark; }'",
      "nft add counter bridge nwfilter hits",
      "nft add table bridge nwfilter '{ flags dormant; }'",
  };
  Scene scene;
  if (!begin(&scene))
    return;
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
    nwf_test_install(scene.kernel, scene.want);
    g_assert_false(read_event(&scene).touched);
    nwf_test_run(commands[i]);
    g_test_message("%s", commands[i]);
    g_assert_true(is_readable(&scene, LONG_ENOUGH_MS));
    NwfKernelWatchEvent event = read_event(&scene);
    g_assert_true(event.touched);
    g_assert_false(event.lost);
    g_assert_cmpstr(event.process, ==, "nft");
    g_assert_cmpuint(event.pid, >, 0);
    g_assert_false(read_event(&scene).touched);
  }
  end(&scene);
}

static void test_what_we_do_and_what_is_not_ours_is_not_told(void) {
  Scene scene;
  if (!begin(&scene))
    return;
  g_autoptr(NwfRuleset) more = nwf_test_ports(500);
  nwf_test_install(scene.kernel, more);
  nwf_test_install(scene.kernel, NULL);
  /* not even to be left aside */
  g_assert_false(is_readable(&scene, 0));
  nwf_test_run("nft add table inet nwfilter; nft add table bridge other; nft add chain bridge other nwfilter;"
               "nft add rule bridge other nwfilter accept; nft delete table bridge other; nft add table ip nwfilter");
  g_assert_true(is_readable(&scene, LONG_ENOUGH_MS));
  g_assert_false(read_event(&scene).touched);
  end(&scene);
}

static void test_the_one_of_many_that_touched_ours_is_named(void) {
  Scene scene;
  if (!begin(&scene))
    return;
  nwf_test_run("nft add table inet before; cp $(command -v nft) ./nft-intruder; "
               "./nft-intruder flush ruleset; rm nft-intruder; nft add table inet after");
  NwfKernelWatchEvent event = read_event(&scene);
  g_assert_true(event.touched);
  g_assert_cmpstr(event.process, ==, "nft-intruder");
  end(&scene);
}

/** As much as others do: read only when it is over. */
static void test_a_large_foreign_transaction_is_not_lost(void) {
  Scene scene;
  if (!begin(&scene))
    return;
  nwf_test_run("{ echo 'add table ip large; add chain ip large c'; seq -f 'add rule ip large c ip saddr 10.0.0.1 tcp "
               "dport %.0f counter accept' 1 30000; } > large.nft; nft -f large.nft; rm large.nft");
  NwfKernelWatchEvent event = read_event(&scene);
  g_assert_false(event.touched);
  g_assert_false(event.lost);
  nwf_test_run("nft flush ruleset");
  g_assert_true(is_readable(&scene, LONG_ENOUGH_MS));
  g_assert_true(read_event(&scene).touched);
  end(&scene);
}

static void test_lost_notifications_count_as_a_change(void) {
  Scene scene;
  if (!begin(&scene))
    return;
  int small = 1;
  g_assert_cmpint(setsockopt(nwf_kernel_watch_fd(scene.watch), SOL_SOCKET, SO_RCVBUF, &small, sizeof small), ==, 0);
  nwf_test_run("nft add table inet a; nft add table inet b; nft add table inet c; nft add table inet d; "
               "seq -f 'add table ip t%.0f' 1 500 | nft -f -");
  NwfKernelWatchEvent event = read_event(&scene);
  g_assert_true(event.lost);
  g_assert_true(event.touched);
  g_assert_cmpuint(event.pid, ==, 0);
  event = read_event(&scene);
  g_assert_false(event.lost);
  end(&scene);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_autofree char *folder = g_dir_make_tmp("nwf-watch-XXXXXX", NULL);
  g_assert_cmpint(chdir(folder), ==, 0);
#define ADD(name_) g_test_add_func("/kernel-watch/" #name_, test_##name_)
  ADD(changes_of_ours_by_others_are_told);
  ADD(what_we_do_and_what_is_not_ours_is_not_told);
  ADD(the_one_of_many_that_touched_ours_is_named);
  ADD(a_large_foreign_transaction_is_not_lost);
  ADD(lost_notifications_count_as_a_change);
  int failed = g_test_run();
  rmdir(folder);
  return failed;
}
