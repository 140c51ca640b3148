// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the lab promises: all stations get a broadcast, and a read right after the write decides. */
#include "lab.h"

#include <string.h>

#define N_TAPS 64

static Lab *lab;

static void fill(guint8 frame[60], const guint8 *to, guint8 tag) {
  memset(frame, 0, 60);
  memcpy(frame, to, 6);
  memcpy(frame + 6, "\x52\x54\x00\x00\x00\x01\x88\xb5", 8);
  frame[20] = tag;
}

static void test_broadcast_reaches_everybody_else(void) {
  gboolean arrived[N_TAPS + 1];
  guint8 frame[60];

  for (guint round = 0; round < 200; round++)
    for (guint from = 0; from <= N_TAPS; from += 13) {
      g_autoptr(GError) error = NULL;
      guint sender = round % 2 ? lab_host(lab) : from % N_TAPS;
      fill(frame, (const guint8 *)"\xff\xff\xff\xff\xff\xff", (guint8)round);
      lab_send(lab, sender, frame, sizeof frame, arrived, &error);
      g_assert_no_error(error);
      for (guint i = 0; i < lab_n_stations(lab); i++)
        g_assert_cmpint(arrived[i], ==, i != sender);
    }
}

static void test_placed_address_is_not_flooded(void) {
  static const guint8 mac[6] = {0x52, 0x54, 0, 0, 0, 0x07};
  gboolean arrived[N_TAPS + 1];
  g_autoptr(GError) error = NULL;
  guint8 frame[60];

  fill(frame, mac, 0);
  lab_send(lab, 0, frame, sizeof frame, arrived, &error);
  g_assert_no_error(error);
  g_assert_true(arrived[1] && arrived[7]); /* flooded */
  g_assert_false(arrived[lab_host(lab)]);

  lab_add_address(lab, 7, mac, &error);
  g_assert_no_error(error);
  lab_send(lab, 0, frame, sizeof frame, arrived, &error);
  g_assert_no_error(error);
  for (guint i = 0; i < lab_n_stations(lab); i++)
    g_assert_cmpint(arrived[i], ==, i == 7);

  fill(frame, lab_host_mac, 0);
  lab_send(lab, 0, frame, sizeof frame, arrived, &error);
  g_assert_no_error(error);
  for (guint i = 0; i < lab_n_stations(lab); i++)
    g_assert_cmpint(arrived[i], ==, i == lab_host(lab));
}

static void test_vlan_tag_is_kept(void) {
  gboolean arrived[N_TAPS + 1];
  guint8 frame[60];

  for (guint sender = 0; sender <= N_TAPS; sender += N_TAPS) {
    g_autoptr(GError) error = NULL;
    fill(frame, (const guint8 *)"\xff\xff\xff\xff\xff\xff", 0);
    memcpy(frame + 12, "\x81\x00\x00\x05\x08\x00", 6);
    lab_send(lab, sender, frame, sizeof frame, arrived, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < lab_n_stations(lab); i++)
      g_assert_cmpint(arrived[i], ==, i != sender);
  }
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  char names[N_TAPS][16];
  const char *pointers[N_TAPS];

  g_test_init(&argc, &argv, NULL);
  for (guint i = 0; i < N_TAPS; i++) {
    g_snprintf(names[i], sizeof names[i], "tap%u", i);
    pointers[i] = names[i];
  }
  lab = lab_new(pointers, N_TAPS, &error);
  g_assert_no_error(error);
  g_test_add_func("/lab/broadcast-reaches-everybody-else", test_broadcast_reaches_everybody_else);
  g_test_add_func("/lab/placed-address-is-not-flooded", test_placed_address_is_not_flooded);
  g_test_add_func("/lab/vlan-tag-is-kept", test_vlan_tag_is_kept);
  int result = g_test_run();
  lab_free(lab);
  return result;
}
