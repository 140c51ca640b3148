// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lab-link.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#define WAIT_MS 10000
/* One link's attributes, statistics and all, stay far below this. */
#define BUFFER_SIZE 32768

typedef struct mnl_socket MnlSocket;
static void close_socket(MnlSocket *socket) {
  mnl_socket_close(socket);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MnlSocket, close_socket)

gboolean lab_fail(GError **error, const char *what) {
  int code = errno;

  g_set_error(error, G_FILE_ERROR, (gint)g_file_error_from_errno(code), "%s: %s", what, g_strerror(code));
  return FALSE;
}

static MnlSocket *open_socket(guint groups, GError **error) {
  g_autoptr(MnlSocket) socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

  if (!socket || mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0) {
    lab_fail(error, "rtnetlink");
    return NULL;
  }
  return g_steal_pointer(&socket);
}

static struct nlmsghdr *put_link(void *buffer, guint16 type, guint16 flags, guint8 family, guint index) {
  struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
  struct ifinfomsg *info;

  message->nlmsg_type = type;
  message->nlmsg_flags = NLM_F_REQUEST | flags;
  info = mnl_nlmsg_put_extra_header(message, sizeof *info);
  info->ifi_family = family;
  info->ifi_index = (int)index;
  return message;
}

/* Sends one request and takes its acknowledgement. */
static gboolean talk(struct nlmsghdr *message, const char *what, GError **error) {
  g_autoptr(MnlSocket) socket = open_socket(0, error);
  char answer[BUFFER_SIZE];
  ssize_t n;

  if (!socket)
    return FALSE;
  message->nlmsg_flags |= NLM_F_ACK;
  message->nlmsg_seq = 1;
  if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0 ||
      (n = mnl_socket_recvfrom(socket, answer, sizeof answer)) < 0 ||
      mnl_cb_run(answer, (size_t)n, 1, mnl_socket_get_portid(socket), NULL, NULL) < 0)
    return lab_fail(error, what);
  return TRUE;
}

gboolean lab_link_add_bridge(const char *name, const guint8 mac[6], GError **error) {
  char buffer[1024];
  struct nlmsghdr *message = put_link(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, AF_UNSPEC, 0);
  struct nlattr *link, *data;

  mnl_attr_put_strz(message, IFLA_IFNAME, name);
  mnl_attr_put(message, IFLA_ADDRESS, 6, mac);
  link = mnl_attr_nest_start(message, IFLA_LINKINFO);
  mnl_attr_put_strz(message, IFLA_INFO_KIND, "bridge");
  data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
  mnl_attr_put_u32(message, IFLA_BR_FORWARD_DELAY, 0);
  mnl_attr_put_u32(message, IFLA_BR_STP_STATE, 0);
  mnl_attr_put_u8(message, IFLA_BR_MCAST_SNOOPING, 0);
  mnl_attr_nest_end(message, data);
  mnl_attr_nest_end(message, link);
  return talk(message, name, error);
}

gboolean lab_link_up(guint index, GError **error) {
  char buffer[256];
  struct nlmsghdr *message = put_link(buffer, RTM_NEWLINK, 0, AF_UNSPEC, index);
  struct ifinfomsg *info = mnl_nlmsg_get_payload(message);

  info->ifi_flags = info->ifi_change = IFF_UP;
  return talk(message, "link up", error);
}

gboolean lab_link_delete(guint index, GError **error) {
  char buffer[256];

  return talk(put_link(buffer, RTM_DELLINK, 0, AF_UNSPEC, index), "delete link", error);
}

gboolean lab_link_enslave(guint index, guint bridge, GError **error) {
  char buffer[512];
  struct nlmsghdr *message = put_link(buffer, RTM_NEWLINK, 0, AF_UNSPEC, index);
  struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
  struct nlattr *port;

  info->ifi_flags = info->ifi_change = IFF_UP;
  mnl_attr_put_u32(message, IFLA_MASTER, bridge);
  if (!talk(message, "enslave", error))
    return FALSE;

  message = put_link(buffer, RTM_SETLINK, 0, AF_BRIDGE, index);
  port = mnl_attr_nest_start(message, IFLA_PROTINFO);
  mnl_attr_put_u8(message, IFLA_BRPORT_LEARNING, 0);
  mnl_attr_nest_end(message, port);
  return talk(message, "bridge port", error);
}

gboolean lab_link_add_address(guint index, const guint8 mac[6], GError **error) {
  char buffer[256];
  struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
  struct ndmsg *neighbour;

  message->nlmsg_type = RTM_NEWNEIGH;
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE;
  neighbour = mnl_nlmsg_put_extra_header(message, sizeof *neighbour);
  neighbour->ndm_family = PF_BRIDGE;
  neighbour->ndm_ifindex = (int)index;
  neighbour->ndm_state = NUD_NOARP; /* static, as `bridge fdb add ... static` writes it */
  neighbour->ndm_flags = NTF_MASTER;
  mnl_attr_put(message, NDA_LLADDR, 6, mac);
  return talk(message, "bridge address", error);
}

/* The state a link's message tells: does it carry frames? */
static gboolean link_ready(const struct nlmsghdr *message, gboolean bridge) {
  const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
  guint8 port_state = 0;
  struct nlattr *attr, *inner, *field;

  mnl_attr_for_each(attr, message, sizeof(struct ifinfomsg)) {
    if (mnl_attr_get_type(attr) != IFLA_LINKINFO)
      continue;
    mnl_attr_for_each_nested(inner, attr) {
      if (mnl_attr_get_type(inner) != IFLA_INFO_SLAVE_DATA)
        continue;
      mnl_attr_for_each_nested(field, inner) {
        if (mnl_attr_get_type(field) == IFLA_BRPORT_STATE)
          port_state = mnl_attr_get_u8(field);
      }
    }
  }
  /* Not the operational state: of a tap that never lost its carrier it stays "unknown". */
  return (info->ifi_flags & IFF_RUNNING) && (info->ifi_flags & IFF_LOWER_UP) &&
         (bridge || port_state == BR_STATE_FORWARDING);
}

static gboolean ask(MnlSocket *socket, guint index, GError **error) {
  char buffer[256];
  struct nlmsghdr *message = put_link(buffer, RTM_GETLINK, 0, AF_UNSPEC, index);

  if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
    return lab_fail(error, "get link");
  return TRUE;
}

/* Reads notifications and answers until one says that link @index is ready. */
static gboolean wait_link(MnlSocket *socket, guint index, gboolean bridge, gint64 deadline, GError **error) {
  char buffer[BUFFER_SIZE];

  if (!ask(socket, index, error))
    return FALSE;
  for (;;) {
    struct pollfd poller = {mnl_socket_get_fd(socket), POLLIN, 0};
    gint64 left = (deadline - g_get_monotonic_time()) / 1000;
    ssize_t size;

    if (left <= 0 || poll(&poller, 1, (int)left) == 0) {
      errno = ETIMEDOUT;
      return lab_fail(error, "waiting for a bridge port to forward");
    }
    size = mnl_socket_recvfrom(socket, buffer, sizeof buffer);
    if (size < 0 && errno == ENOBUFS) {
      if (!ask(socket, index, error)) /* news was lost: ask again */
        return FALSE;
      continue;
    }
    int n = (int)size;
    for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; mnl_nlmsg_ok(m, n); m = mnl_nlmsg_next(m, &n)) {
      const struct ifinfomsg *info = mnl_nlmsg_get_payload(m);
      /* An AF_BRIDGE message about the same link has other attributes. */
      if (m->nlmsg_type == RTM_NEWLINK && info->ifi_family == AF_UNSPEC && info->ifi_index == (int)index &&
          link_ready(m, bridge))
        return TRUE;
    }
  }
}

gboolean lab_link_wait_forwarding(guint bridge, const guint *indexes, guint n, GError **error) {
  g_autoptr(MnlSocket) socket = open_socket(RTMGRP_LINK, error);
  gint64 deadline = g_get_monotonic_time() + WAIT_MS * 1000;

  if (!socket)
    return FALSE;
  for (guint i = 0; i < n; i++)
    if (!wait_link(socket, indexes[i], FALSE, deadline, error))
      return FALSE;
  return n == 0 || wait_link(socket, bridge, TRUE, deadline, error);
}
