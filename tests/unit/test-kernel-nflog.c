// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Frames that a bridge table's `log group` copies, on taps of a bridge.
 */
#include "kernel-help.h"
#include "kernel/nflog.h"
#include "lab.h"

#include <net/if.h>
#include <poll.h>
#include <string.h>

#define GROUP 4711
#define SNAPLEN 300
#define LONG_ENOUGH_MS 30000

#define LOG_GUEST "iifname tap0 log group 4711"
#define LOG_SENT "oifname tap1 log group 4711"

typedef struct {
  guint n;
  NwfNflogFrame last;
  guint8 bytes[2048];
} Seen;

static void take(const NwfNflogFrame *frame, gpointer data) {
  Seen *seen = data;
  seen->n++;
  seen->last = *frame;
  g_assert_cmpuint(frame->length, <=, sizeof seen->bytes);
  memcpy(seen->bytes, frame->frame, frame->length);
}

typedef struct {
  NwfKernel *kernel; /* for its namespace */
  Lab *lab;
  NwfNflog *nflog;
} Scene;

/** Two taps on a bridge, with these rules in prerouting and postrouting. FALSE: skipped. */
static gboolean begin(Scene *scene, const char *prerouting, const char *postrouting) {
  static const char *const names[] = {"tap0", "tap1"};
  GError *error = NULL;
  *scene = (Scene){.kernel = nwf_test_enter()};
  if (!scene->kernel)
    return FALSE;
  scene->lab = lab_new(names, 2, &error);
  g_assert_no_error(error);
  g_autofree char *command =
      g_strdup_printf("nft 'table bridge t { chain pre { type filter hook prerouting priority -150; %s; }; "
                      "chain post { type filter hook postrouting priority -150; %s; }; }'",
                      prerouting, postrouting);
  nwf_test_run(command);
  scene->nflog = nwf_nflog_open(GROUP, SNAPLEN, &error);
  g_assert_no_error(error);
  return TRUE;
}

static void end(Scene *scene) {
  nwf_nflog_close(scene->nflog);
  lab_free(scene->lab);
  nwf_kernel_close(scene->kernel);
}

/** Sends a frame from tap0. */
static void send_frame(Scene *scene, const void *frame, gsize length) {
  GError *error = NULL;
  g_assert_true(lab_send_blind(scene->lab, 0, frame, length, &error));
  g_assert_no_error(error);
}

/** Frames that are there, at most @max. The kernel has copied what it copies when the write returned. */
static Seen read_frames(Scene *scene, guint max) {
  GError *error = NULL;
  Seen seen = {0};
  guint lost;
  g_assert_true(nwf_nflog_read(scene->nflog, max, take, &seen, &lost, &error));
  g_assert_no_error(error);
  g_assert_cmpuint(lost, ==, 0);
  return seen;
}

static void fill(guint8 *frame, gsize length, guint16 type) {
  for (gsize i = 0; i < length; i++)
    frame[i] = (guint8)i;
  memset(frame, 0xff, 6);
  memcpy(frame + 6, "\x52\x54\0\0\0\1", 6);
  frame[12] = (guint8)(type >> 8);
  frame[13] = (guint8)type;
}

static void test_a_guests_frame_comes_whole_and_at_once(void) {
  Scene scene;
  guint8 frame[100];
  if (!begin(&scene, LOG_GUEST, "accept"))
    return;
  fill(frame, sizeof frame, 0x0806);
  send_frame(&scene, frame, sizeof frame);
  struct pollfd poll_fd = {.fd = nwf_nflog_fd(scene.nflog), .events = POLLIN};
  g_assert_cmpint(poll(&poll_fd, 1, LONG_ENOUGH_MS), ==, 1);
  Seen seen = read_frames(&scene, 100);
  g_assert_cmpuint(seen.n, ==, 1);
  g_assert_cmpstr(seen.last.port, ==, "tap0");
  g_assert_cmpuint(seen.last.ifindex, ==, if_nametoindex("tap0"));
  g_assert_true(seen.last.from_guest);
  g_assert_cmpmem(seen.bytes, seen.last.length, frame, sizeof frame);
  end(&scene);
}

static void test_a_frame_sent_to_a_guest(void) {
  Scene scene;
  guint8 frame[100];
  if (!begin(&scene, "accept", LOG_SENT))
    return;
  fill(frame, sizeof frame, 0x0806);
  send_frame(&scene, frame, sizeof frame);
  Seen seen = read_frames(&scene, 100);
  g_assert_cmpuint(seen.n, ==, 1);
  g_assert_cmpstr(seen.last.port, ==, "tap1");
  g_assert_cmpuint(seen.last.ifindex, ==, if_nametoindex("tap1"));
  g_assert_false(seen.last.from_guest);
  g_assert_cmpmem(seen.bytes, seen.last.length, frame, sizeof frame);
  end(&scene);
}

static void test_what_the_host_sends_to_a_guest(void) {
  Scene scene;
  guint8 frame[100];
  GError *error = NULL;
  if (!begin(&scene, "accept", LOG_SENT))
    return;
  fill(frame, sizeof frame, 0x0806);
  g_assert_true(lab_send_blind(scene.lab, lab_host(scene.lab), frame, sizeof frame, &error));
  g_assert_no_error(error);
  Seen seen = read_frames(&scene, 100);
  g_assert_cmpuint(seen.n, ==, 1);
  g_assert_cmpstr(seen.last.port, ==, "tap1");
  g_assert_false(seen.last.from_guest);
  g_assert_cmpmem(seen.bytes, seen.last.length, frame, sizeof frame);
  end(&scene);
}

static void test_vlan_tags_are_where_they_were(void) {
  static const char *const rules[][2] = {{LOG_GUEST, "accept"}, {"accept", LOG_SENT}};
  static const guint16 inner_types[] = {0x0800, 0x8100}; /* one tag, and two */
  for (guint way = 0; way < 2; way++) {
    Scene scene;
    if (!begin(&scene, rules[way][0], rules[way][1]))
      return;
    for (guint i = 0; i < G_N_ELEMENTS(inner_types); i++) {
      guint8 frame[120];
      fill(frame, sizeof frame, 0x8100);
      frame[14] = 0x60; /* priority 3, VLAN 42 */
      frame[15] = 42;
      frame[16] = (guint8)(inner_types[i] >> 8);
      frame[17] = (guint8)inner_types[i];
      send_frame(&scene, frame, sizeof frame);
      Seen seen = read_frames(&scene, 100);
      g_assert_cmpuint(seen.n, ==, 1);
      g_assert_cmpmem(seen.bytes, seen.last.length, frame, sizeof frame);
    }
    end(&scene);
  }
}

static void test_long_frames_are_cut(void) {
  Scene scene;
  guint8 frame[1500];
  if (!begin(&scene, LOG_GUEST, "accept"))
    return;
  fill(frame, sizeof frame, 0x0800);
  send_frame(&scene, frame, sizeof frame);
  Seen seen = read_frames(&scene, 100);
  g_assert_cmpmem(seen.bytes, seen.last.length, frame, SNAPLEN);
  /* with a tag they are no longer either */
  frame[12] = 0x81;
  frame[13] = 0;
  send_frame(&scene, frame, sizeof frame);
  seen = read_frames(&scene, 100);
  g_assert_cmpmem(seen.bytes, seen.last.length, frame, SNAPLEN);
  end(&scene);
}

static void test_no_more_than_asked_for_at_once(void) {
  Scene scene;
  guint8 frame[60];
  if (!begin(&scene, LOG_GUEST, "accept"))
    return;
  fill(frame, sizeof frame, 0x0806);
  for (guint i = 0; i < 10; i++)
    send_frame(&scene, frame, sizeof frame);
  g_assert_cmpuint(read_frames(&scene, 4).n, ==, 4);
  g_assert_cmpuint(read_frames(&scene, 100).n, ==, 6);
  g_assert_cmpuint(read_frames(&scene, 100).n, ==, 0);
  end(&scene);
}

static void test_a_port_has_the_name_that_it_has_now(void) {
  Scene scene;
  guint8 frame[60];
  if (!begin(&scene, "log group 4711", "accept"))
    return;
  fill(frame, sizeof frame, 0x0806);
  send_frame(&scene, frame, sizeof frame);
  g_assert_cmpstr(read_frames(&scene, 1).last.port, ==, "tap0");
  guint index = if_nametoindex("tap0");
  send_frame(&scene, frame, sizeof frame);
  nwf_test_run("ip link set tap0 down; ip link set tap0 name tapold; ip tuntap add tap0 mode tap");
  Seen seen = read_frames(&scene, 1);
  g_assert_cmpuint(seen.last.ifindex, ==, index);
  g_assert_cmpstr(seen.last.port, ==, "tapold");
  /* gone, and another one with its name */
  nwf_test_run("ip link set tapold up");
  send_frame(&scene, frame, sizeof frame);
  lab_free(g_steal_pointer(&scene.lab));
  seen = read_frames(&scene, 1);
  g_assert_cmpuint(seen.last.ifindex, ==, index);
  g_assert_cmpstr(seen.last.port, ==, "");
  nwf_nflog_close(scene.nflog);
  nwf_kernel_close(scene.kernel);
}

static void test_a_flood_is_counted_and_bounded(void) {
  Scene scene;
  guint8 frame[300];
  if (!begin(&scene, LOG_GUEST, "accept"))
    return;
  fill(frame, sizeof frame, 0x0806);
  for (guint i = 0; i < 50000; i++)
    send_frame(&scene, frame, sizeof frame);
  Seen seen = {0};
  guint lost = 0, all_lost = 0;
  do {
    g_assert_true(nwf_nflog_read(scene.nflog, 1000, take, &seen, &lost, NULL));
    all_lost += lost;
  } while (seen.n && seen.n % 1000 == 0);
  g_test_message("%u of 50000 frames were read", seen.n);
  g_assert_cmpuint(all_lost, >, 0);
  g_assert_cmpuint(seen.n, >, 1000);
  g_assert_cmpuint(seen.n, <, 50000);
  /* and it goes on */
  send_frame(&scene, frame, sizeof frame);
  g_assert_cmpuint(read_frames(&scene, 10).n, ==, 1);
  end(&scene);
}

static void test_a_group_has_one_reader(void) {
  Scene scene;
  if (!begin(&scene, LOG_GUEST, "accept"))
    return;
  g_autoptr(GError) error = NULL;
  g_assert_null(nwf_nflog_open(GROUP, SNAPLEN, &error));
  g_assert_error(error, NWF_ERROR, NWF_ERROR_KERNEL);
  g_assert_nonnull(strstr(error->message, "4711"));
  g_autoptr(NwfNflog) other = nwf_nflog_open(GROUP + 1, SNAPLEN, NULL);
  g_assert_nonnull(other);
  end(&scene);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define ADD(name_) g_test_add_func("/kernel-nflog/" #name_, test_##name_)
  ADD(a_guests_frame_comes_whole_and_at_once);
  ADD(a_frame_sent_to_a_guest);
  ADD(what_the_host_sends_to_a_guest);
  ADD(vlan_tags_are_where_they_were);
  ADD(long_frames_are_cut);
  ADD(no_more_than_asked_for_at_once);
  ADD(a_port_has_the_name_that_it_has_now);
  ADD(a_flood_is_counted_and_bounded);
  ADD(a_group_has_one_reader);
  return g_test_run();
}
