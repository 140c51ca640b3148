// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Many ports that learn at once, one of them flooding; and how long it takes from an ACK to the rules that follow
 * from it. What is asserted is that all learn; what it took is printed.
 *
 *   storm ENGINE-HOST FILTERS [PORTS]
 */
#include "host-process.h"
#include "lab.h"
#include "learn/learn.h"
#include "teaching-frames.h"

#include <malloc.h>
#include <string.h>
#include <unistd.h>

#define BOOTING 300 /* guests in one second */
#define TIMED 200   /* ports whose latency is taken */
#define MANY 100    /* ports from which on the numbers are worth a look */
#define RESEND G_USEC_PER_SEC
#define GIVE_UP (60 * G_USEC_PER_SEC)

static const char *program, *filters;
static guint n_ports = 500;

typedef struct {
  Lab *lab;
  HostProcess *host;
  char **names;    /* of n_ports ports, and "sink": a port without filter, where servers are */
  gboolean *known; /* by port: it has been said to have its address */
  guint n_known, n_said_otherwise;
} Storm;

#define DHCP_ONLY "<parameter name='CTRL_IP_LEARNING' value='dhcp'/>"

static const guint8 sink_mac[6] = {0x52, 0x54, 0, 0xff, 0, 1};

static void mac_of(guint port, guint8 mac[6]) {
  memcpy(mac, (const guint8[]){0x52, 0x54, 0, 1, (guint8)(port >> 8), (guint8)port}, 6);
}

static char *address_of(guint port) {
  return g_strdup_printf("10.1.%u.%u", port / 200, 10 + port % 200);
}

/* --- the place --- */

static void start(Storm *storm, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  storm->names = g_new0(char *, n_ports + 2);
  for (guint i = 0; i < n_ports; i++)
    storm->names[i] = g_strdup_printf("guest%u", i);
  storm->names[n_ports] = g_strdup("sink");
  storm->known = g_new0(gboolean, n_ports);
  g_assert_true(lab_unshare(&error));
  storm->lab = lab_new((const char *const *)storm->names, n_ports + 1, &error);
  g_assert_no_error(error);
  g_assert_true(lab_add_address(storm->lab, n_ports, sink_mac, &error));
  for (guint i = 0; i < n_ports; i++) {
    guint8 mac[6];
    mac_of(i, mac);
    g_assert_true(lab_add_address(storm->lab, i, mac, &error));
  }
  storm->host = host_start(program, filters);
}

static void stop(Storm *storm, gconstpointer data) {
  host_end(storm->host);
  lab_free(storm->lab);
  g_strfreev(storm->names);
  g_free(storm->known);
}

static void bind_all(Storm *storm, guint first, const char *parameters) {
  for (guint i = first; i < n_ports; i++) {
    guint8 mac[6];
    mac_of(i, mac);
    host_bind(storm->host, storm->names[i], mac, "clean-traffic", parameters);
  }
}

static void send(Storm *storm, guint from, Frame frame) {
  g_autoptr(GError) error = NULL;
  if (!lab_send_blind(storm->lab, from, frame.bytes, frame.length, &error))
    g_error("%s: %s", storm->names[from], error->message);
}

static Dhcp request(guint port, const char *address) {
  Dhcp dhcp = {.type = DHCP_REQUEST, .xid = 0x1000 + port, .requested = address, .server = "10.1.255.254"};
  mac_of(port, dhcp.guest);
  return dhcp;
}

static Dhcp answer(guint port, const char *address) {
  Dhcp dhcp = request(port, NULL);
  dhcp.to_guest = TRUE;
  dhcp.type = DHCP_ACK;
  dhcp.yiaddr = address;
  dhcp.lease = 600;
  return dhcp;
}

static void ask(Storm *storm, guint port) {
  g_autofree char *address = address_of(port);
  Dhcp dhcp = request(port, address);
  Frame frame = frame_dhcp(&dhcp);
  memcpy(frame.bytes, sink_mac, 6); /* as a relay's client does; a broadcast to so many is the bridge's matter */
  send(storm, port, frame);
}

static void acknowledge(Storm *storm, guint port) {
  g_autofree char *address = address_of(port);
  Dhcp dhcp = answer(port, address);
  send(storm, n_ports, frame_dhcp(&dhcp));
}

static void learn_by_dhcp(Storm *storm, guint port) {
  ask(storm, port);
  acknowledge(storm, port);
}

static void learn_by_arp(Storm *storm, guint port) {
  guint8 mac[6];
  g_autofree char *address = address_of(port);
  mac_of(port, mac);
  Frame frame = frame_arp(mac, address);
  memcpy(frame.bytes, sink_mac, 6);
  send(storm, port, frame);
}

/* --- what the engine says --- */

static void note_line(Storm *storm, const char *line) {
  guint port;
  char address[32];
  if (g_str_has_prefix(line, "error:") || g_str_has_prefix(line, "warning:"))
    g_test_message("%s", line);
  if (sscanf(line, "info: guest%u: has %31s", &port, address) != 2 || port >= n_ports || storm->known[port])
    return;
  g_autofree char *wanted = address_of(port);
  if (strcmp(wanted, address) != 0)
    storm->n_said_otherwise++;
  storm->known[port] = TRUE;
  storm->n_known++;
}

/* Waits until ports [first, end) are known; those that are not try again each second, as clients do. */
static guint await_known(Storm *storm, guint first, guint end, void (*learn)(Storm *storm, guint port)) {
  gint64 begin = g_get_monotonic_time(), resend = begin + RESEND;
  guint again = 0;
  while (storm->n_known < end - first) {
    gint64 now = g_get_monotonic_time();
    g_assert_cmpint(now - begin, <, GIVE_UP);
    g_autofree char *line = host_line(storm->host, resend - now);
    if (line)
      note_line(storm, line);
    if (g_get_monotonic_time() < resend)
      continue;
    for (guint i = first; i < end; i++)
      if (!storm->known[i]) {
        learn(storm, i);
        again++;
      }
    resend = g_get_monotonic_time() + RESEND;
  }
  g_assert_cmpuint(storm->n_said_otherwise, ==, 0);
  return again;
}

static void print_use(const char *what, HostUse before, HostUse after, double seconds) {
  g_test_message("%s: %.2f s; the daemon took %.2f s of CPU, %.1f MiB (peak %.1f MiB), %u threads", what, seconds,
                 after.cpu - before.cpu, (double)after.resident / (1 << 20), (double)after.peak / (1 << 20),
                 after.threads);
}

static double seconds_since(gint64 begin) {
  return (double)(g_get_monotonic_time() - begin) / G_USEC_PER_SEC;
}

/* --- many at once --- */

static void test_boot(Storm *storm, gconstpointer data) {
  guint booting = MIN(BOOTING, n_ports);
  bind_all(storm, 0, DHCP_ONLY);
  HostUse before = host_use(storm->host->pid);
  gint64 begin = g_get_monotonic_time();
  for (guint i = 0; i < booting; i++)
    learn_by_dhcp(storm, i);
  double sent = seconds_since(begin);
  guint again = await_known(storm, 0, booting, learn_by_dhcp);
  print_use("guests that boot in the same second have their rules", before, host_use(storm->host->pid),
            seconds_since(begin));
  g_test_message("%u guests of %u ports, their messages sent in %.3f s, %u sent again", booting, n_ports, sent, again);
}

/* --- one floods --- */

typedef struct {
  Storm *storm;
  gint stop;
  guint64 n_frames;
} Flood;

/* As fast as the bridge takes them: ARP that teaches nothing, so that the port goes on learning, and DHCP with a new
 * transaction each time. */
static gpointer flood(gpointer data) {
  Flood *flood = data;
  guint8 mac[6];
  mac_of(0, mac);
  Frame arp = frame_arp(mac, "0.0.0.0");
  Dhcp dhcp = request(0, "10.1.9.9");
  Frame ask = frame_dhcp(&dhcp);
  memcpy(arp.bytes, sink_mac, 6);
  memcpy(ask.bytes, sink_mac, 6);
  int fd = lab_fd(flood->storm->lab, 0);
  while (!g_atomic_int_get(&flood->stop)) {
    memcpy(ask.bytes + 14 + 20 + 8 + 4, &flood->n_frames, 4); /* xid */
    if (write(fd, arp.bytes, arp.length) > 0)
      flood->n_frames++;
    if (write(fd, ask.bytes, ask.length) > 0)
      flood->n_frames++;
  }
  return NULL;
}

static void learn_by_either(Storm *storm, guint port) {
  if (port % 2)
    learn_by_arp(storm, port);
  else
    learn_by_dhcp(storm, port);
}

/* What the flood takes when there is nothing else to do. */
static void watch_flood(Storm *storm, const Flood *flooding) {
  HostUse before = host_use(storm->host->pid);
  gint64 begin = g_get_monotonic_time();
  guint64 frames = flooding->n_frames;
  g_usleep(2 * G_USEC_PER_SEC); /* a time to measure over, not one to wait for something */
  print_use("the flood alone", before, host_use(storm->host->pid), seconds_since(begin));
  g_test_message("%.0f frames a second", (double)(flooding->n_frames - frames) / seconds_since(begin));
}

static void test_flood(Storm *storm, gconstpointer data) {
  bind_all(storm, 0, NULL);
  Flood flooding = {.storm = storm};
  HostUse before = host_use(storm->host->pid);
  gint64 begin = g_get_monotonic_time();
  GThread *thread = g_thread_new("flood", flood, &flooding);
  for (guint i = 1; i < n_ports; i++)
    learn_by_either(storm, i);
  guint again = await_known(storm, 1, n_ports, learn_by_either);
  double took = seconds_since(begin);
  print_use("all others learn while one floods", before, host_use(storm->host->pid), took);
  g_test_message("%u ports, %u messages sent again, %" G_GUINT64_FORMAT " frames of the flood, %.0f a second",
                 n_ports - 1, again, flooding.n_frames, (double)flooding.n_frames / took);
  if (n_ports >= MANY)
    watch_flood(storm, &flooding);
  g_atomic_int_set(&flooding.stop, 1);
  g_thread_join(thread);
}

/* --- from the ACK to the rules --- */

static int compare(const void *a, const void *b) {
  double difference = *(const double *)a - *(const double *)b;
  return difference < 0 ? -1 : difference > 0;
}

static gboolean arrives(Storm *storm, guint port, const Frame *frame) {
  guint8 got[LAB_FRAME_MAX];
  send(storm, port, *frame);
  gsize length;
  while ((length = lab_receive(storm->lab, n_ports, got)))
    if (length == frame->length && memcmp(got, frame->bytes, length) == 0)
      return TRUE;
  return FALSE;
}

/* Milliseconds from the ACK's write to a frame from its address that passes, and how many did not before. */
static double latency_of(Storm *storm, guint port, guint *refused) {
  guint8 mac[6];
  g_autofree char *address = address_of(port);
  mac_of(port, mac);
  Frame frame = frame_udp(mac, sink_mac, address, "10.1.255.254");
  Dhcp dhcp = answer(port, address);
  Frame ack = frame_dhcp(&dhcp);
  ask(storm, port);
  g_assert_false(arrives(storm, port, &frame));
  gint64 begin = g_get_monotonic_time();
  send(storm, n_ports, ack);
  while (!arrives(storm, port, &frame)) {
    (*refused)++;
    g_assert_cmpint(g_get_monotonic_time() - begin, <, GIVE_UP);
  }
  return (double)(g_get_monotonic_time() - begin) / 1000;
}

static void test_latency(Storm *storm, gconstpointer data) {
  guint n = MIN(TIMED, n_ports), refused = 0;
  g_autofree double *times = g_new(double, n);
  bind_all(storm, 0, DHCP_ONLY);
  for (guint i = 0; i < n; i++)
    times[i] = latency_of(storm, i * (n_ports / n), &refused);
  qsort(times, n, sizeof *times, compare);
  g_test_message("from the ACK to a frame that passes, %u of %u ports: median %.2f ms, 90%% %.2f ms, longest %.2f ms",
                 n, n_ports, times[n / 2], times[n * 9 / 10], times[n - 1]);
  g_test_message("%u frames came too early", refused);
}

/* --- memory of the learner alone --- */

static void teach(NwfLearner *learner, const char *name, guint port) {
  g_autofree char *address = address_of(port);
  Dhcp ask = request(port, address), ack = answer(port, address);
  Frame frame = frame_dhcp(&ask);
  nwf_learner_frame(learner, name, TRUE, frame.bytes, frame.length, 1000);
  frame = frame_dhcp(&ack);
  g_assert_true(nwf_learner_frame(learner, name, FALSE, frame.bytes, frame.length, 1000));
}

static void test_memory(void) {
  g_autofree char *dir = g_dir_make_tmp("nwf-memory-XXXXXX", NULL);
  g_autofree char *leases = g_build_filename(dir, "leases", NULL), *remove = g_strdup_printf("rm -rf '%s'", dir);
  NwfLearnConfig config = {.lease_file = leases};
  NwfLearner *learner = nwf_learner_new(&config, 1000);
  g_autofree struct mallinfo2 *at = g_new(struct mallinfo2, 3);
  at[0] = mallinfo2();
  for (guint i = 0; i < n_ports; i++) {
    g_autofree char *name = g_strdup_printf("guest%u", i);
    NwfLearnPort port = {.port = name, .method = NWF_LEARN_DHCP, .ipv4 = TRUE};
    mac_of(i, port.mac);
    nwf_learner_add_port(learner, &port, 1000);
  }
  at[1] = mallinfo2();
  for (guint i = 0; i < n_ports; i++) {
    g_autofree char *name = g_strdup_printf("guest%u", i);
    teach(learner, name, i);
  }
  at[2] = mallinfo2();
  g_test_message("memory of the learner, %u ports: %.0f bytes a port, %.0f with a lease", n_ports,
                 (double)(at[1].uordblks - at[0].uordblks) / n_ports,
                 (double)(at[2].uordblks - at[0].uordblks) / n_ports);
  nwf_learner_free(learner);
  g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  if (argc < 3)
    g_error("usage: storm ENGINE-HOST FILTERS [PORTS]");
  program = argv[1];
  filters = argv[2];
  if (argc > 3)
    n_ports = (guint)CLAMP(atoi(argv[3]), 10, 1000);
  g_test_add_func("/storm/memory-of-a-port", test_memory);
  g_test_add("/storm/guests-that-boot-at-once-all-learn", Storm, NULL, start, test_boot, stop);
  g_test_add("/storm/a-flood-of-one-keeps-nobody-from-learning", Storm, NULL, start, test_flood, stop);
  g_test_add("/storm/the-rules-follow-an-ack", Storm, NULL, start, test_latency, stop);
  return g_test_run();
}
