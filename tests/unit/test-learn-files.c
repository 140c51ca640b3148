// SPDX-License-Identifier: LGPL-2.1-or-later
// What learning writes: leases in the stock driver's format, state files; and when writing fails, or is cut short.

#include "learn-help.h"

#include <glib/gstdio.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY1 "00000000-0000-0000-0000-000000000001-52:54:00:00:00:01"
#define KEY2 "00000000-0000-0000-0000-000000000002-52:54:00:00:00:02"

static char *contents(const char *path) {
  char *text = NULL;
  g_file_get_contents(path, &text, NULL, NULL);
  return text;
}

static void assert_leases(const Rig *rig, const char *expected) {
  g_autofree char *text = contents(rig->lease_file);
  g_assert_cmpstr(text, ==, expected);
}

static void lines_as_the_stock_driver(void) {
  g_auto(Rig) rig;
  rig_init(&rig);
  add_port(&rig, "a", 1, NWF_LEARN_DHCP);
  lease(&rig, "a", 1, "10.0.0.5", 60, NOW);
  lease(&rig, "a", 1, "10.0.0.6", 0xffffffff, NOW);
  Dhcp release = {.type = NWF_DHCP4_RELEASE, .xid = 1, .n = 1, .ciaddr = "10.0.0.5"};
  feed(&rig, "a", TRUE, dhcp_frame(&release, NULL), NOW);
  assert_leases(&rig, "1700000060 " KEY1 " 10.0.0.5 10.0.0.1\n"
                      "4294967295 " KEY1 " 10.0.0.6 10.0.0.1\n"
                      "0 " KEY1 " 10.0.0.5 0.0.0.0\n");
  rig_restart(&rig, NOW);
  assert_leases(&rig, "4294967295 " KEY1 " 10.0.0.6 10.0.0.1\n");
  add_port(&rig, "vnet9", 1, NWF_LEARN_DHCP); /* the VM's port has another name now */
  assert_known(&rig, "vnet9", "10.0.0.6 dhcp 0");
}

static void leases_survive_what_the_port_does_not(void) {
  g_auto(Rig) rig;
  rig_init(&rig);
  add_port(&rig, "a", 1, NWF_LEARN_DHCP);
  lease(&rig, "a", 1, "10.0.0.5", 60, NOW);
  nwf_learner_remove_port(rig.learner, "a", TRUE);
  add_port(&rig, "b", 2, NWF_LEARN_DHCP);
  assert_known(&rig, "b", "");
  add_port(&rig, "a2", 1, NWF_LEARN_DHCP);
  assert_known(&rig, "a2", "10.0.0.5 dhcp 60");
  nwf_learner_remove_port(rig.learner, "a2", TRUE);
  NwfLearnPort port = port_of("a3", 1);
  port.owner_uuid[0] = 9; /* the MAC alone is not enough */
  port.ipv6 = FALSE;
  nwf_learner_add_port(rig.learner, &port, NOW);
  assert_known(&rig, "a3", "");
}

static void corrupt_lines_are_skipped(void) {
  g_auto(Rig) rig;
  rig_init(&rig);
  g_autoptr(GString) text = g_string_new(NULL);
  static const char *const bad[] = {"",
                                    "nonsense",
                                    "1700000060 " KEY1 " 10.0.0.5",
                                    "1700000060 " KEY1 " 10.0.0.5 10.0.0.1 more",
                                    "-5 " KEY1 " 10.0.0.5 10.0.0.1",
                                    "99999999999 " KEY1 " 10.0.0.5 10.0.0.1",
                                    "1700000060 " KEY1 " 10.0.0.500 10.0.0.1",
                                    "1700000060 00000000-0000-0000-0000-000000000001 10.0.0.5 10.0.0.1",
                                    "1700000060 " KEY1 " fe80::1 10.0.0.1"};
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
    g_string_append_printf(text, "%s\n", bad[i]);
  for (guint i = 0; i < 1000; i++)
    g_string_append_c(text, '1');
  g_string_append(text, "\n1700000060 " KEY1 " 10.0.0.7 10.0.0.1\n");
  g_string_append_len(text, "1700000060 \0 " KEY1 " 10.0.0.8 10.0.0.1\n", 12 + 1 + 54 + 19);
  g_string_append(text, "1700000060 " KEY2 " 10.0.0.9 0.0.0.0\n");
  g_string_append(text, "1700000060 " KEY2 " 10.0.0.10 10.0.0.1"); /* torn: was it 10.0.0.12? */
  g_assert_true(g_file_set_contents(rig.lease_file, text->str, (gssize)text->len, NULL));
  rig_restart(&rig, NOW);
  g_assert_nonnull(strstr(rig.log->str, ":2: corrupt line skipped\n"));
  g_assert_nonnull(strstr(rig.log->str, ": 12 corrupt lines\n"));
  add_port(&rig, "a", 1, NWF_LEARN_DHCP);
  add_port(&rig, "b", 2, NWF_LEARN_DHCP);
  assert_known(&rig, "a", "10.0.0.7 dhcp 60");
  assert_known(&rig, "b", "10.0.0.9 dhcp 60");
  rig_restart(&rig, NOW); /* it was rewritten without them */
  g_assert_cmpstr(rig.log->str, ==, "");
}

static guint count_lines(const char *path) {
  g_autofree char *text = contents(path);
  guint lines = 0;
  for (const char *c = text; c && *c; c++)
    lines += *c == '\n';
  return lines;
}

static void grown_file_is_rewritten(void) {
  g_auto(Rig) rig;
  rig_init(&rig);
  add_port(&rig, "a", 1, NWF_LEARN_DHCP);
  add_port(&rig, "b", 2, NWF_LEARN_DHCP);
  lease(&rig, "b", 2, "10.0.0.6", 100000, NOW);
  guint most = 0, shrunk = 0, last = 0;
  for (guint i = 0; i < 2000; i++) {
    lease(&rig, "a", 1, "10.0.0.5", 1000 + i, NOW);
    guint lines = count_lines(rig.lease_file);
    most = MAX(most, lines);
    shrunk += lines < last;
    last = lines;
  }
  g_assert_cmpint(most, <, 300);
  g_assert_cmpint(shrunk, >, 3);
  rig_restart(&rig, NOW);
  add_port(&rig, "a", 1, NWF_LEARN_DHCP);
  add_port(&rig, "b", 2, NWF_LEARN_DHCP);
  assert_known(&rig, "a", "10.0.0.5 dhcp 2999");
  assert_known(&rig, "b", "10.0.0.6 dhcp 100000");
}

static void file_that_was_taken_away(void) {
  g_auto(Rig) rig;
  rig_init(&rig);
  add_port(&rig, "a", 1, NWF_LEARN_DHCP);
  lease(&rig, "a", 1, "10.0.0.5", 60, NOW);
  g_assert_cmpint(g_unlink(rig.lease_file), ==, 0);
  lease(&rig, "a", 1, "10.0.0.6", 60, NOW);
  assert_leases(&rig, "1700000060 " KEY1 " 10.0.0.5 10.0.0.1\n1700000060 " KEY1 " 10.0.0.6 10.0.0.1\n");
}

/* A child writes leases until it is killed in the middle of something. */
static void killed_while_writing(void) {
  for (guint round = 0; round < 30; round++) {
    g_auto(Rig) rig;
    rig_init(&rig);
    int ready[2];
    g_assert_cmpint(pipe(ready), ==, 0);
    pid_t child = fork();
    if (child == 0) {
      add_port(&rig, "a", 1, NWF_LEARN_DHCP);
      for (guint i = 0;; i++) {
        lease(&rig, "a", 1, i % 2 ? "10.0.0.5" : "10.0.0.6", 1000 + i % 50000, NOW);
        if (i % 50 == 0 && write(ready[1], "x", 1) != 1)
          _exit(1);
      }
    }
    close(ready[1]);
    char byte;
    for (guint i = 0; i <= round; i++)
      g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(ready[0]);
    g_autofree char *before = contents(rig.lease_file);
    rig_restart(&rig, NOW);
    g_assert_null(strstr(rig.log->str, "W ")); /* a short write of one line is not torn by a kill */
    add_port(&rig, "b", 1, NWF_LEARN_DHCP);
    g_autofree char *text = known(&rig, "b");
    g_assert_nonnull(strstr(text, "10.0.0.6 dhcp"));
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) learned = nwf_learned_read(rig.state_dir, "a", &error);
    g_assert_no_error(error);
    g_assert_cmpint(learned->len, >, 0);
  }
}

/* A mount namespace of the child's own, with a tiny file system for the folder. */
static void on_full_disk(void (*test)(Rig *rig, const char *filler)) {
  g_auto(Rig) rig;
  rig_init(&rig);
  pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", rig.directory, "tmpfs", 0, "size=64k") != 0)
      _exit(77);
    g_autofree char *filler = g_build_filename(rig.directory, "filler", NULL);
    test(&rig, filler);
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
    g_test_skip("no mount namespace");
  else
    g_assert_cmpint(status, ==, 0);
}

static void fill(const char *path) {
  FILE *file = fopen(path, "w");
  static char page[4096];
  while (file && fwrite(page, sizeof page, 1, file) == 1 && fflush(file) == 0)
    ;
  if (file)
    fclose(file);
}

static void use_full_disk(Rig *rig, const char *filler) {
  add_port(rig, "a", 1, NWF_LEARN_DHCP);
  lease(rig, "a", 1, "10.0.0.5", 600, NOW);
  /* up to the next page the file can still grow */
  fill(filler);
  g_string_truncate(rig->log, 0);
  for (guint i = 1; i <= 200; i++)
    lease(rig, "a", 1, "10.0.0.5", 600 + i, NOW);
  g_assert_true(lease(rig, "a", 1, "10.0.0.6", 60, NOW)); /* memory is right */
  assert_known(rig, "a", "10.0.0.5 dhcp 800, 10.0.0.6 dhcp 60");
  const char *error = strstr(rig->log->str, "E DHCP leases are not kept");
  g_assert_nonnull(error);
  g_assert_null(strstr(error + 1, "E DHCP leases")); /* once */
  g_autofree char *left = contents(rig->lease_file);
  g_assert_true(g_str_has_suffix(left, "\n")); /* half a line would be taken for an address */
  g_assert_cmpint(g_unlink(filler), ==, 0);
  lease(rig, "a", 1, "10.0.0.5", 900, NOW + 11);
  g_assert_nonnull(strstr(rig->log->str, "I DHCP leases are kept again"));
  rig_restart(rig, NOW + 12);
  g_assert_cmpstr(rig->log->str, ==, "");
  NwfLearnPort port = port_of("a", 1);
  port.method = NWF_LEARN_DHCP;
  port.ipv6 = FALSE;
  nwf_learner_add_port(rig->learner, &port, NOW + 12);
  g_autofree char *text = known(rig, "a");
  g_assert_nonnull(strstr(text, "10.0.0.5 dhcp 911"));
  g_assert_nonnull(strstr(text, "10.0.0.6 dhcp 60"));
}

static void full_disk(void) {
  on_full_disk(use_full_disk);
}

static void state_comes_back(void) {
  g_auto(Rig) rig;
  rig_init(&rig);
  NwfLearnPort port = port_of("a", 1);
  nwf_learner_add_port(rig.learner, &port, NOW);
  feed(&rig, "a", TRUE, arp_frame(1, 1, "10.0.0.5", "10.0.0.9"), NOW);
  feed(&rig, "a", TRUE, nd_frame(1, 135, "::", "2001:db8::5"), NOW);
  const char *expected = "fe80::5054:ff:fe00:1 link-local 0, 10.0.0.5 arp 0, 2001:db8::5 nd 0";
  assert_known(&rig, "a", expected);
  g_autoptr(GArray) read = nwf_learned_read(rig.state_dir, "a", NULL);
  g_assert_cmpint(read->len, ==, 3);
  rig_restart(&rig, NOW);
  nwf_learner_add_port(rig.learner, &port, NOW);
  assert_known(&rig, "a", expected);
  nwf_learner_add_port(rig.learner, &port, NOW); /* bound again, as by a reload */
  assert_known(&rig, "a", expected);
  port.method = NWF_LEARN_DHCP; /* what was only seen counts no more */
  nwf_learner_add_port(rig.learner, &port, NOW);
  assert_known(&rig, "a", "fe80::5054:ff:fe00:1 link-local 0");
  nwf_learner_remove_port(rig.learner, "a", TRUE);
  g_autoptr(GArray) gone = nwf_learned_read(rig.state_dir, "a", NULL);
  g_assert_cmpint(gone->len, ==, 0);
}

static void state_of_another_vm(void) {
  g_auto(Rig) rig;
  rig_init(&rig);
  add_port(&rig, "a", 1, NWF_LEARN_ANY);
  feed(&rig, "a", TRUE, arp_frame(1, 1, "10.0.0.5", "10.0.0.9"), NOW);
  for (guint i = 0; i < 2; i++) {
    rig_restart(&rig, NOW);
    NwfLearnPort port = port_of("a", i ? 1 : 2);
    port.owner_uuid[3] = (guint8)i;
    port.ipv6 = FALSE;
    nwf_learner_add_port(rig.learner, &port, NOW);
    assert_known(&rig, "a", "");
  }
}

static void state_that_is_broken(void) {
  g_auto(Rig) rig;
  rig_init(&rig);
  g_autofree char *path = g_build_filename(rig.state_dir, "a.state", NULL);
  g_assert_cmpint(g_mkdir(rig.state_dir, 0700), ==, 0);
#define HEAD "[port]\nmac=52:54:00:00:00:01\nowner=00000000-0000-0000-0000-000000000001\n"
  static const char *const bad[] = {"",
                                    "x",
                                    "\n\n[",
                                    "[port]\n",
                                    HEAD "[1]\naddress=10.0.0.5\n",
                                    HEAD "[1]\naddress=10.0.0.5\nhow=nd\n",
                                    HEAD "[1]\naddress=10.0.0.5/40\nhow=arp\n",
                                    HEAD "[1]\naddress=10.0.0.5\nhow=arp\nuntil=-1\n",
                                    HEAD "previous=x\n"};
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_assert_true(g_file_set_contents(path, bad[i], -1, NULL));
    g_string_truncate(rig.log, 0);
    g_autoptr(GError) error = NULL;
    g_assert_null(nwf_learned_read(rig.state_dir, "a", &error));
    g_assert_error(error, NWF_ERROR, NWF_ERROR_INVALID);
    add_port(&rig, "a", 1, NWF_LEARN_ANY);
    g_assert_nonnull(strstr(rig.log->str, "not a state file"));
    assert_known(&rig, "a", "");
    nwf_learner_remove_port(rig.learner, "a", FALSE);
  }
  g_assert_true(g_file_set_contents(path, HEAD "[1]\naddress=10.0.0.5\nhow=arp\n", -1, NULL));
  add_port(&rig, "a", 1, NWF_LEARN_ANY);
  assert_known(&rig, "a", "10.0.0.5 arp 0");
}

/* All at once: each gets its address, and what that takes is printed. */
static void many_ports(void) {
  enum { PORTS = 500 };
  g_auto(Rig) rig;
  rig_init(&rig);
  char name[16], address[16];
  size_t before = mallinfo2().uordblks;
  gint64 start = g_get_monotonic_time();
  for (guint i = 0; i < PORTS; i++) {
    NwfLearnPort port = port_of(name, (guint8)i);
    g_snprintf(name, sizeof name, "vnet%u", i);
    port.mac[4] = port.owner_uuid[14] = (guint8)(i >> 8);
    nwf_learner_add_port(rig.learner, &port, NOW);
  }
  for (guint i = 0; i < PORTS; i++) {
    g_snprintf(name, sizeof name, "vnet%u", i);
    g_snprintf(address, sizeof address, "10.0.%u.%u", i >> 8, i & 255);
    Dhcp request = {.type = NWF_DHCP4_REQUEST, .xid = i, .n = (guint8)i};
    Dhcp ack = {.type = NWF_DHCP4_ACK, .xid = i, .n = (guint8)i, .yiaddr = i % 256 ? address : "10.1.0.1", .lease = 60};
    GByteArray *asked = dhcp_frame(&request, NULL), *answer = dhcp_frame(&ack, "10.0.0.1");
    asked->data[6 + 4] = asked->data[42 + 28 + 4] = answer->data[42 + 28 + 4] = (guint8)(i >> 8);
    if (i == 256)
      ack.yiaddr = "10.1.0.2";
    g_byte_array_unref(answer);
    answer = dhcp_frame(&ack, "10.0.0.1");
    answer->data[42 + 28 + 4] = (guint8)(i >> 8);
    feed(&rig, name, TRUE, asked, NOW);
    g_assert_true(feed(&rig, name, FALSE, answer, NOW));
  }
  gint64 taken = g_get_monotonic_time() - start;
  size_t after = mallinfo2().uordblks;
  if (after > before) /* sanitizers have their own allocator */
    g_test_message("%u ports: %zu bytes each, %" G_GINT64_FORMAT " us each with files", PORTS, (after - before) / PORTS,
                   taken / PORTS);
  g_assert_cmpuint((after - before) / PORTS, <, 2048);
  g_autoptr(GPtrArray) ended = nwf_learner_expire(rig.learner, NOW + 60);
  g_assert_cmpint(ended->len, ==, PORTS);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/learn-files/lines-as-the-stock-driver-writes-them", lines_as_the_stock_driver);
  g_test_add_func("/learn-files/leases-outlive-the-port", leases_survive_what_the_port_does_not);
  g_test_add_func("/learn-files/corrupt-lines-are-skipped", corrupt_lines_are_skipped);
  g_test_add_func("/learn-files/grown-file-is-rewritten", grown_file_is_rewritten);
  g_test_add_func("/learn-files/file-that-was-taken-away-comes-back", file_that_was_taken_away);
  g_test_add_func("/learn-files/killed-while-writing", killed_while_writing);
  g_test_add_func("/learn-files/full-disk-costs-no-lease", full_disk);
  g_test_add_func("/learn-files/state-comes-back", state_comes_back);
  g_test_add_func("/learn-files/state-of-another-vm-is-not-believed", state_of_another_vm);
  g_test_add_func("/learn-files/broken-state-is-left-out", state_that_is_broken);
  g_test_add_func("/learn-files/five-hundred-guests-boot", many_ports);
  return g_test_run();
}
