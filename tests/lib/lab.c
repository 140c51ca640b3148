// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lab.h"
#include "lab-link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

const guint8 lab_host_mac[6] = {0x52, 0x54, 0x00, 0xff, 0xff, 0xfe};

struct Lab {
  guint n;
  char **names;
  int *fds;
  guint *indexes;
  int host; /* packet socket on br0 */
  guint bridge;
  guint8 *buffer; /* LAB_FRAME_MAX */
};

gboolean lab_unshare(GError **error) {
  if (unshare(CLONE_NEWNET) < 0)
    return lab_fail(error, "new network namespace");
  return TRUE;
}

gboolean lab_ensure_private(GError **error) {
  struct stat ours, first;

  if (stat("/proc/thread-self/ns/net", &ours) < 0)
    return lab_fail(error, "/proc/thread-self/ns/net");
  if (stat("/proc/1/ns/net", &first) == 0 && (ours.st_ino != first.st_ino || ours.st_dev != first.st_dev))
    return TRUE;
  return lab_unshare(error);
}

/* Without IPv6 the kernel sends no router solicitations or MLD reports of its own. */
static void silence_ipv6(void) {
  static const char *const files[] = {"/proc/sys/net/ipv6/conf/all/disable_ipv6",
                                      "/proc/sys/net/ipv6/conf/default/disable_ipv6"};

  for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
    int fd = open(files[i], O_WRONLY | O_CLOEXEC);
    if (fd < 0)
      continue; /* a kernel without IPv6 */
    if (write(fd, "1\n", 2) < 0)
      g_debug("%s: %s", files[i], g_strerror(errno));
    close(fd);
  }
}

static int open_tap(const char *name, GError **error) {
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

  if (fd < 0) {
    lab_fail(error, "/dev/net/tun");
    return -1;
  }
  g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
  if (ioctl(fd, TUNSETIFF, &request) < 0) {
    lab_fail(error, name);
    close(fd);
    return -1;
  }
  return fd;
}

static int open_host(guint bridge, GError **error) {
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)bridge};
  int one = 1, size = 1 << 20;
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
      setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof one) < 0 ||
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) < 0) {
    lab_fail(error, "packet socket on " LAB_BRIDGE);
    if (fd >= 0)
      close(fd);
    return -1;
  }
  return fd;
}

static gboolean make_ports(Lab *lab, const char *const *names, GError **error) {
  for (guint i = 0; i < lab->n; i++) {
    lab->names[i] = g_strdup(names[i]);
    lab->fds[i] = open_tap(names[i], error);
    if (lab->fds[i] < 0)
      return FALSE;
    lab->indexes[i] = if_nametoindex(names[i]);
    if (!lab_link_enslave(lab->indexes[i], lab->bridge, error))
      return FALSE;
  }
  /* The bridge goes up last: one that waits for its ports' carriers gets its own a second late. */
  if (!lab_link_up(lab->bridge, error))
    return FALSE;
  return lab_link_wait_forwarding(lab->bridge, lab->indexes, lab->n, error);
}

Lab *lab_new_here(const char *const *names, guint n, GError **error) {
  g_autoptr(Lab) lab = g_new0(Lab, 1);

  lab->n = n;
  lab->host = -1;
  lab->names = g_new0(char *, n + 1);
  lab->fds = g_new(int, n + 1);
  lab->indexes = g_new0(guint, n + 1);
  lab->buffer = g_malloc(LAB_FRAME_MAX);
  for (guint i = 0; i < n; i++)
    lab->fds[i] = -1;

  silence_ipv6();
  if (!lab_link_add_bridge(LAB_BRIDGE, lab_host_mac, error))
    return NULL;
  lab->bridge = if_nametoindex(LAB_BRIDGE);
  if (!make_ports(lab, names, error))
    return NULL;
  lab->host = open_host(lab->bridge, error);
  if (lab->host < 0)
    return NULL;
  return g_steal_pointer(&lab);
}

Lab *lab_new(const char *const *names, guint n, GError **error) {
  return lab_ensure_private(error) ? lab_new_here(names, n, error) : NULL;
}

void lab_free(Lab *lab) {
  if (!lab)
    return;
  for (guint i = 0; i < lab->n; i++)
    if (lab->fds[i] >= 0)
      close(lab->fds[i]);
  if (lab->host >= 0)
    close(lab->host);
  if (lab->bridge)
    lab_link_delete(lab->bridge, NULL);
  g_strfreev(lab->names);
  g_free(lab->fds);
  g_free(lab->indexes);
  g_free(lab->buffer);
  g_free(lab);
}

guint lab_n_taps(const Lab *lab) {
  return lab->n;
}

guint lab_host(const Lab *lab) {
  return lab->n;
}

guint lab_n_stations(const Lab *lab) {
  return lab->n + 1;
}

const char *lab_name(const Lab *lab, guint station) {
  return station == lab->n ? "host" : lab->names[station];
}

int lab_find(const Lab *lab, const char *name) {
  for (guint i = 0; i < lab->n; i++)
    if (g_str_equal(lab->names[i], name))
      return (int)i;
  return g_str_equal(name, "host") ? (int)lab->n : -1;
}

int lab_fd(const Lab *lab, guint station) {
  return station == lab->n ? lab->host : lab->fds[station];
}

gboolean lab_add_address(Lab *lab, guint tap, const guint8 mac[6], GError **error) {
  return lab_link_add_address(lab->indexes[tap], mac, error);
}

gboolean lab_send_blind(Lab *lab, guint from, const void *frame, gsize length, GError **error) {
  ssize_t n = write(lab_fd(lab, from), frame, length);

  if (n != (ssize_t)length)
    return lab_fail(error, lab_name(lab, from));
  return TRUE;
}

/* The packet socket gives a VLAN tag as data beside the frame, which lacks it. */
static gsize insert_tag(guint8 *frame, gsize length, const struct tpacket_auxdata *aux) {
  guint16 tpid = (aux->tp_status & TP_STATUS_VLAN_TPID_VALID) ? aux->tp_vlan_tpid : ETH_P_8021Q;

  if (!(aux->tp_status & TP_STATUS_VLAN_VALID) || length < 12 || length + 4 > LAB_FRAME_MAX)
    return length;
  memmove(frame + 16, frame + 12, length - 12);
  frame[12] = (guint8)(tpid >> 8);
  frame[13] = (guint8)tpid;
  frame[14] = (guint8)(aux->tp_vlan_tci >> 8);
  frame[15] = (guint8)aux->tp_vlan_tci;
  return length + 4;
}

static gsize receive_host(Lab *lab, guint8 *frame) {
  for (;;) {
    struct sockaddr_ll address;
    union {
      struct cmsghdr header;
      char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    } control;
    struct iovec vector = {frame, LAB_FRAME_MAX};
    struct msghdr message = {.msg_name = &address,
                             .msg_namelen = sizeof address,
                             .msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t n = recvmsg(lab->host, &message, 0);

    if (n <= 0)
      return 0;
    if (address.sll_pkttype == PACKET_OUTGOING)
      continue; /* what the host itself sent */
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
      if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
        struct tpacket_auxdata aux;
        memcpy(&aux, CMSG_DATA(c), sizeof aux);
        return insert_tag(frame, (gsize)n, &aux);
      }
    return (gsize)n;
  }
}

gsize lab_receive(Lab *lab, guint station, guint8 frame[LAB_FRAME_MAX]) {
  if (station == lab->n)
    return receive_host(lab, frame);
  ssize_t n = read(lab->fds[station], frame, LAB_FRAME_MAX);
  return n > 0 ? (gsize)n : 0;
}

void lab_drain(Lab *lab) {
  for (guint station = 0; station < lab_n_stations(lab); station++)
    while (lab_receive(lab, station, lab->buffer) > 0)
      ;
}

gboolean lab_send_keep(Lab *lab, guint from, const void *frame, gsize length, gboolean *arrived, LabFrameFunc other,
                       gpointer data, GError **error) {
  lab_drain(lab);
  memset(arrived, 0, lab_n_stations(lab) * sizeof *arrived);
  if (!lab_send_blind(lab, from, frame, length, error))
    return FALSE;
  for (guint station = 0; station < lab_n_stations(lab); station++) {
    gsize n;

    while ((n = lab_receive(lab, station, lab->buffer)) > 0)
      if (n == length && memcmp(lab->buffer, frame, n) == 0)
        arrived[station] = TRUE;
      else if (other)
        other(station, lab->buffer, n, data);
  }
  return TRUE;
}

gboolean lab_send(Lab *lab, guint from, const void *frame, gsize length, gboolean *arrived, GError **error) {
  return lab_send_keep(lab, from, frame, length, arrived, NULL, NULL, error);
}
