// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Interfaces as the kernel tells of them.
 */
#include "kernel-help.h"
#include "kernel/links.h"

#include <string.h>
#include <sys/socket.h>

typedef struct {
  NwfKernel *kernel;
  NwfLinks *links;
  GArray *changes;
} Scene;

/** Bridges br0 and br1 and taps p0 and p1, the first of them a port of br0. FALSE: the test was skipped. */
static gboolean begin(Scene *scene) {
  GError *error = NULL;
  *scene = (Scene){.kernel = nwf_test_enter()};
  if (!scene->kernel)
    return FALSE;
  nwf_test_run("ip link add br0 type bridge && ip link add br1 type bridge && "
               "ip tuntap add p0 mode tap && ip tuntap add p1 mode tap && ip link set p0 master br0");
  scene->links = nwf_links_open(&error);
  g_assert_no_error(error);
  scene->changes = g_array_new(FALSE, FALSE, sizeof(NwfLinkChange));
  return TRUE;
}

static void end(Scene *scene) {
  nwf_links_close(scene->links);
  nwf_kernel_close(scene->kernel);
  g_array_unref(scene->changes);
}

static const NwfLinkChange *change_at(Scene *scene, guint i) {
  g_assert_cmpuint(i, <, scene->changes->len);
  return &g_array_index(scene->changes, NwfLinkChange, i);
}

static void read_changes(Scene *scene) {
  GError *error = NULL;
  g_array_set_size(scene->changes, 0);
  g_assert_true(nwf_links_read(scene->links, scene->changes, &error));
  g_assert_no_error(error);
}

static void assert_renamed(const NwfLinkChange *change, const char *from, const char *to) {
  g_assert_cmpuint(change->before.index, ==, change->now.index);
  g_assert_cmpstr(change->before.name, ==, from);
  g_assert_cmpstr(change->now.name, ==, to);
}

static void test_those_that_are_there_are_known(void) {
  Scene scene;
  if (!begin(&scene))
    return;
  const NwfLink *link = nwf_links_by_name(scene.links, "p0"), *bridge = nwf_links_bridge(scene.links, "p0");
  g_assert_nonnull(link);
  g_assert_cmpuint(link->index, ==, if_nametoindex("p0"));
  g_assert_true(nwf_links_by_index(scene.links, link->index) == link);
  g_assert_nonnull(bridge);
  g_assert_cmpuint(bridge->index, ==, if_nametoindex("br0"));
  g_assert_cmpstr(bridge->name, ==, "br0");
  g_assert_null(nwf_links_bridge(scene.links, "p1"));
  g_assert_null(nwf_links_bridge(scene.links, "nobody"));
  read_changes(&scene);
  g_assert_cmpuint(scene.changes->len, ==, 0);
  end(&scene);
}

static void test_a_new_name_is_one_change(void) {
  Scene scene;
  if (!begin(&scene))
    return;
  nwf_test_run("ip link set p0 name q0");
  read_changes(&scene);
  g_assert_cmpuint(scene.changes->len, ==, 1);
  assert_renamed(change_at(&scene, 0), "p0", "q0");
  g_assert_null(nwf_links_by_name(scene.links, "p0"));
  g_assert_cmpstr(nwf_links_bridge(scene.links, "q0")->name, ==, "br0");
  end(&scene);
}

static void test_names_that_are_exchanged_find_each_other(void) {
  Scene scene;
  if (!begin(&scene))
    return;
  guint p0 = if_nametoindex("p0"), p1 = if_nametoindex("p1");
  nwf_test_run("ip link set p0 name tmp && ip link set p1 name p0 && ip link set tmp name p1");
  read_changes(&scene);
  g_assert_cmpuint(scene.changes->len, ==, 3);
  g_assert_cmpuint(nwf_links_by_name(scene.links, "p0")->index, ==, p1);
  g_assert_cmpuint(nwf_links_by_name(scene.links, "p1")->index, ==, p0);
  g_assert_null(nwf_links_by_name(scene.links, "tmp"));
  end(&scene);
}

/** The kernel says of a port that leaves its bridge that it is gone, from the bridge. */
static void test_another_bridge_is_told_and_not_as_an_end(void) {
  Scene scene;
  if (!begin(&scene))
    return;
  nwf_test_run("ip link set p0 nomaster");
  read_changes(&scene);
  g_assert_cmpuint(scene.changes->len, ==, 1);
  g_assert_cmpuint(change_at(&scene, 0)->now.index, !=, 0);
  g_assert_null(nwf_links_bridge(scene.links, "p0"));
  nwf_test_run("ip link set p0 master br1");
  read_changes(&scene);
  g_assert_cmpuint(scene.changes->len, ==, 1);
  g_assert_cmpstr(nwf_links_bridge(scene.links, "p0")->name, ==, "br1");
  end(&scene);
}

static void test_a_master_that_is_no_bridge_is_none(void) {
  Scene scene;
  if (!begin(&scene))
    return;
  g_autofree char *made = nwf_test_shell("ip link add vrf0 type vrf table 5 2>/dev/null && echo yes || true");
  if (!*made) {
    g_test_skip("no vrf in this kernel");
    end(&scene);
    return;
  }
  nwf_test_run("ip link set p1 master vrf0");
  read_changes(&scene);
  g_assert_cmpuint(nwf_links_by_name(scene.links, "p1")->master, ==, if_nametoindex("vrf0"));
  g_assert_null(nwf_links_bridge(scene.links, "p1"));
  end(&scene);
}

static void test_coming_and_going_is_told(void) {
  Scene scene;
  if (!begin(&scene))
    return;
  nwf_test_run("ip tuntap add p2 mode tap && ip link del p0");
  read_changes(&scene);
  g_assert_cmpuint(scene.changes->len, >=, 2);
  const NwfLinkChange *first = change_at(&scene, 0), *last = change_at(&scene, scene.changes->len - 1);
  g_assert_cmpuint(first->before.index, ==, 0);
  g_assert_cmpstr(first->now.name, ==, "p2");
  g_assert_cmpstr(last->before.name, ==, "p0");
  g_assert_cmpuint(last->now.index, ==, 0);
  g_assert_null(nwf_links_by_name(scene.links, "p0"));
  end(&scene);
}

static void test_what_was_lost_is_found_out(void) {
  Scene scene;
  if (!begin(&scene))
    return;
  int room = 1; /* the kernel makes some 2 KiB of it: one message */
  g_assert_cmpint(setsockopt(nwf_links_fd(scene.links), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room), ==, 0);
  nwf_test_run("for i in 1 2 3 4 5; do ip link set p0 name q0; ip link set q0 name p0; done; "
               "ip link set p0 name z0; ip link del p1; ip tuntap add p2 mode tap; ip link set z0 nomaster");
  read_changes(&scene);
  g_assert_null(nwf_links_by_name(scene.links, "p0"));
  g_assert_null(nwf_links_by_name(scene.links, "q0"));
  g_assert_null(nwf_links_by_name(scene.links, "p1"));
  g_assert_cmpuint(nwf_links_by_name(scene.links, "p2")->index, ==, if_nametoindex("p2"));
  g_assert_null(nwf_links_bridge(scene.links, "z0"));
  g_assert_cmpuint(scene.changes->len, <, 10); /* fewer than there were */
  assert_renamed(change_at(&scene, scene.changes->len - 3), "q0", "z0");
  end(&scene);
}

static void test_alternative_names_are_told_apart(void) {
  Scene scene;
  g_autoptr(GError) error = NULL;
  if (!begin(&scene))
    return;
  nwf_test_run("ip link property add dev p0 altname other0");
  read_changes(&scene);
  g_assert_false(nwf_link_check_name("other0", &error));
  g_assert_error(error, NWF_ERROR, NWF_ERROR_INVALID);
  g_assert_nonnull(strstr(error->message, "port other0: this is an alternative name of the interface p0"));
  g_assert_true(nwf_link_check_name("p0", NULL));
  g_assert_true(nwf_link_check_name("nobody", NULL));
  g_assert_null(nwf_links_by_name(scene.links, "other0"));
  end(&scene);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/links/those-that-are-there-are-known", test_those_that_are_there_are_known);
  g_test_add_func("/links/a-new-name-is-one-change", test_a_new_name_is_one_change);
  g_test_add_func("/links/names-that-are-exchanged-find-each-other", test_names_that_are_exchanged_find_each_other);
  g_test_add_func("/links/another-bridge-is-told-and-not-as-an-end", test_another_bridge_is_told_and_not_as_an_end);
  g_test_add_func("/links/a-master-that-is-no-bridge-is-none", test_a_master_that_is_no_bridge_is_none);
  g_test_add_func("/links/coming-and-going-is-told", test_coming_and_going_is_told);
  g_test_add_func("/links/what-was-lost-is-found-out", test_what_was_lost_is_found_out);
  g_test_add_func("/links/alternative-names-are-told-apart", test_alternative_names_are_told_apart);
  return g_test_run();
}
