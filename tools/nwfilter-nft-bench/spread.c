// SPDX-License-Identifier: LGPL-2.1-or-later
#include "spread.h"
#include "guests.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TRY_MS 50        /* for a frame to arrive, while it is not known that ports forward */
#define ARRIVAL_MS 10000 /* after which it is lost: the machine may have other work */

struct Spread {
  guint n;
  int home;   /* the caller's namespace */
  int centre; /* that of the common bridge */
  int *taps;
  guint8 frame[GUEST_FRAME_MAX];
  gsize length;
};

static gboolean fail(GError **error, const char *what) {
  g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s", what, g_strerror(errno));
  return FALSE;
}

static int open_namespace(void) {
  return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

/* A namespace whose kernel says nothing of its own: what one bridge's IPv6 says goes to all others, and that of
 * hundreds overruns the queues between them. */
static gboolean enter_new_namespace(GError **error) {
  if (unshare(CLONE_NEWNET) < 0)
    return fail(error, "new network namespace");
  FILE *file = fopen("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w");
  if (!file)
    return TRUE; /* a kernel without IPv6 */
  gboolean written = fputs("1", file) >= 0;
  return (fclose(file) == 0 && written) || fail(error, "disable_ipv6");
}

static gboolean run_ip(const char *lines, GError **error) {
  return program_run((const char *const[]){"ip", "-batch", "-", NULL}, lines, NULL, error);
}

static int open_tap(const char *name, GError **error) {
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

  g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
    fail(error, name);
  return fd;
}

/* Its veth's other end is put into the common namespace, by the descriptor that this process holds. */
static gboolean make_guest(Spread *spread, guint number, GError **error) {
  g_autofree char *lines = g_strdup_printf("link add br0 type bridge mcast_snooping 0 forward_delay 0\n"
                                           "link set br0 up\n"
                                           "link add outer type veth peer name guest%u netns /proc/%d/fd/%d\n"
                                           "link set outer master br0 up\n"
                                           "link set tap master br0 up\n",
                                           number, (int)getpid(), spread->centre);
  if (!enter_new_namespace(error))
    return FALSE;
  spread->taps[number] = open_tap("tap", error);
  return spread->taps[number] >= 0 && run_ip(lines, error);
}

static gboolean make_centre(Spread *spread, GError **error) {
  if (!enter_new_namespace(error))
    return FALSE;
  spread->centre = open_namespace();
  return run_ip("link add br0 type bridge mcast_snooping 0 forward_delay 0\nlink set br0 up\n", error);
}

static gboolean join_guests(Spread *spread, GError **error) {
  g_autoptr(GString) lines = g_string_new(NULL);

  if (setns(spread->centre, CLONE_NEWNET) < 0)
    return fail(error, "namespace");
  for (guint i = 0; i < spread->n; i++)
    g_string_append_printf(lines, "link set guest%u master br0 up\n", i);
  return run_ip(lines->str, error);
}

static gboolean send_once(Spread *spread, guint within_ms, gboolean *arrived, GError **error);

/* Ports begin to forward a moment after they are up. */
static gboolean await_forwarding(Spread *spread, GError **error) {
  gint64 until = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
  gboolean arrived = FALSE;

  while (!arrived) {
    if (!send_once(spread, TRY_MS, &arrived, error))
      return FALSE;
    if (!arrived && g_get_monotonic_time() > until) {
      g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "a namespace per guest: no frame arrived");
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean make_all(Spread *spread, const Bench *bench, GError **error) {
  if (!make_centre(spread, error))
    return FALSE;
  for (guint i = 0; i < spread->n; i++) {
    bench_progress(bench, 0, "namespace %u of %u", i + 1, spread->n);
    if (!make_guest(spread, i, error))
      return FALSE;
  }
  return join_guests(spread, error) && await_forwarding(spread, error);
}

Spread *spread_new(const Bench *bench, guint n, GError **error) {
  g_autoptr(Spread) spread = g_new0(Spread, 1);

  spread->n = n;
  spread->home = open_namespace();
  spread->centre = -1;
  spread->taps = g_new(int, n);
  for (guint i = 0; i < n; i++)
    spread->taps[i] = -1;
  spread->length = guest_frame_arp(0, 1, spread->frame);
  gboolean ok = make_all(spread, bench, error);
  if (setns(spread->home, CLONE_NEWNET) < 0)
    return ok ? (fail(error, "namespace"), NULL) : NULL;
  return ok ? g_steal_pointer(&spread) : NULL;
}

void spread_free(Spread *spread) {
  if (!spread)
    return;
  for (guint i = 0; i < spread->n; i++)
    if (spread->taps[i] >= 0)
      close(spread->taps[i]);
  if (spread->centre >= 0)
    close(spread->centre);
  close(spread->home);
  g_free(spread->taps);
  g_free(spread);
}

/* The kernel says things of its own (IPv6), so what arrives is compared. */
static gboolean is_ours(Spread *spread, int tap) {
  guint8 buffer[GUEST_FRAME_MAX];
  gboolean ours = FALSE;
  ssize_t n;

  while ((n = read(tap, buffer, sizeof buffer)) > 0)
    ours |= (gsize)n == spread->length && memcmp(buffer, spread->frame, spread->length) == 0;
  return ours;
}

static gboolean send_once(Spread *spread, guint within_ms, gboolean *arrived, GError **error) {
  struct pollfd last = {.fd = spread->taps[spread->n - 1], .events = POLLIN};
  gint64 until = g_get_monotonic_time() + (gint64)within_ms * 1000;

  if (write(spread->taps[0], spread->frame, spread->length) < 0)
    return fail(error, "tap");
  for (*arrived = FALSE; !*arrived && g_get_monotonic_time() < until;) {
    poll(&last, 1, 1);
    *arrived = is_ours(spread, last.fd);
  }
  return TRUE;
}

gboolean spread_time(gpointer data, guint window_ms, RigTime *time, GError **error) {
  Spread *spread = data;
  gint64 start = bench_clock_wall(), end = start + (gint64)window_ms * 1000000, now;
  guint sent = 0;

  do {
    gboolean arrived;
    if (!send_once(spread, ARRIVAL_MS, &arrived, error))
      return FALSE;
    if (!arrived) {
      g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "a namespace per guest: a frame was lost");
      return FALSE;
    }
    sent++;
    now = bench_clock_wall();
  } while (now < end);
  time->wall = time->cpu = (double)(now - start) / sent;
  return TRUE;
}
