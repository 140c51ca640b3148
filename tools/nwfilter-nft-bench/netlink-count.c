// SPDX-License-Identifier: LGPL-2.1-or-later
#include "netlink-count.h"
#include "program.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEVICE "nlmon0"

struct NetlinkCount {
  int socket;
  guint64 seen;
};

/* The device's frames have the netlink family as their protocol. One byte of each is kept: they are counted only,
 * and that also when the socket is full. */
static gboolean attach(int fd) {
  struct sock_filter first = {BPF_RET | BPF_K, 0, 0, 1};
  struct sock_fprog program = {1, &first};
  struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = htons(NETLINK_NETFILTER), .sll_ifindex = (int)if_nametoindex(DEVICE)};

  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0 &&
         bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
}

NetlinkCount *netlink_count_new(void) {
  if (!if_nametoindex(DEVICE) &&
      !program_run((const char *const[]){"ip", "link", "add", DEVICE, "up", "type", "nlmon", NULL}, NULL, NULL, NULL))
    return NULL;
  int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || !attach(fd)) {
    if (fd >= 0)
      close(fd);
    return NULL;
  }
  NetlinkCount *count = g_new0(NetlinkCount, 1);
  count->socket = fd;
  return count;
}

void netlink_count_free(NetlinkCount *count) {
  if (!count)
    return;
  close(count->socket);
  g_free(count);
}

/* tp_packets has what was dropped, too, and both begin anew with each reading (packet(7)). */
guint64 netlink_count_read(NetlinkCount *count) {
  struct tpacket_stats stats;
  socklen_t length = sizeof stats;

  if (getsockopt(count->socket, SOL_PACKET, PACKET_STATISTICS, &stats, &length) == 0)
    count->seen += stats.tp_packets;
  return count->seen;
}
