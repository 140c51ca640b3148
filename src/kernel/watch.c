// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What others do to nftables, as the kernel tells it.
 *
 * Each commit is told as one message for each object and then one with the new generation, which also says which
 * process it was. All of them bear the port id of the socket that sent the batch.
 */
#include "kernel/watch.h"
#include "kernel/internal.h"

#include <errno.h>
#include <linux/filter.h>
#include <stddef.h>
#include <sys/socket.h>

/* Some 200,000 rules; it takes memory only while it is full. */
#define RECEIVE_BUFFER (64 << 20)
/* The kernel's datagrams are smaller than a page, and than 8 KiB (NLMSG_GOODSIZE). */
#define DATAGRAM_MAX (64u << 10)

struct NwfKernelWatch {
  struct mnl_socket *socket;
  guint32 own;      /* port id whose transactions do not count */
  gboolean touched; /* the transaction that is being told touches our table */
  guint8 *receive;  /* DATAGRAM_MAX bytes */
};

/** Has the kernel leave out what @own sent: a batch of ours may be larger than any buffer. All messages of a datagram
 * are of one commit, so the first one's port id tells. */
static gboolean leave_out(int fd, guint32 own) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(own), 0, 1), /* loads are in network byte order */
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, G_MAXUINT32),
  };
  struct sock_fprog program = {.len = G_N_ELEMENTS(code), .filter = code};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

NwfKernelWatch *nwf_kernel_watch_open(const NwfKernel *own, GError **error) {
  g_autoptr(NwfKernelWatch) watch = g_new0(NwfKernelWatch, 1);
  int room = RECEIVE_BUFFER, group = NFNLGRP_NFTABLES;
  watch->own = own->portid;
  watch->receive = g_malloc(DATAGRAM_MAX);
  watch->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (!watch->socket || mnl_socket_bind(watch->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
      !leave_out(mnl_socket_get_fd(watch->socket), watch->own) ||
      mnl_socket_setsockopt(watch->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
    nwf_kernel_error(error, errno, "cannot watch what others do to nftables");
    return NULL;
  }
  int fd = mnl_socket_get_fd(watch->socket);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  return g_steal_pointer(&watch);
}

void nwf_kernel_watch_close(NwfKernelWatch *watch) {
  if (!watch)
    return;
  if (watch->socket)
    mnl_socket_close(watch->socket);
  g_free(watch->receive);
  g_free(watch);
}

int nwf_kernel_watch_fd(const NwfKernelWatch *watch) {
  return mnl_socket_get_fd(watch->socket);
}

/** Tables, chains, rules, sets, elements, objects and flowtables all have their table's name as attribute 1. */
static gboolean is_about_us(const struct nlmsghdr *message) {
  const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
  NwfAttrs attrs;
  if (header->nfgen_family != NFPROTO_BRIDGE)
    return FALSE;
  nwf_attrs_message(message, NFTA_TABLE_NAME, &attrs);
  return g_strcmp0(nwf_attr_text(attrs.attr[NFTA_TABLE_NAME]), NWF_TABLE) == 0;
}

/** The end of a transaction. */
static void take_generation(NwfKernelWatch *watch, const struct nlmsghdr *message, NwfKernelWatchEvent *event) {
  NwfAttrs attrs;
  gboolean touched = watch->touched;
  watch->touched = FALSE;
  if (!touched)
    return;
  nwf_attrs_message(message, NFTA_GEN_MAX, &attrs);
  const char *name = nwf_attr_text(attrs.attr[NFTA_GEN_PROC_NAME]);
  event->touched = TRUE;
  event->pid = nwf_attr_u32(attrs.attr[NFTA_GEN_PROC_PID], 0);
  g_strlcpy(event->process, name ? name : "", sizeof event->process);
}

static void take_message(NwfKernelWatch *watch, const struct nlmsghdr *message, NwfKernelWatchEvent *event) {
  if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || message->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)) ||
      message->nlmsg_pid == watch->own)
    return;
  if ((message->nlmsg_type & 0xff) == NFT_MSG_NEWGEN)
    take_generation(watch, message, event);
  else
    watch->touched = watch->touched || is_about_us(message);
}

/** What the lost messages were about nobody knows. */
static void take_loss(NwfKernelWatch *watch, NwfKernelWatchEvent *event) {
  watch->touched = FALSE;
  event->touched = TRUE;
  event->lost = TRUE;
  event->pid = 0;
  event->process[0] = 0;
}

gboolean nwf_kernel_watch_read(NwfKernelWatch *watch, NwfKernelWatchEvent *event, GError **error) {
  *event = (NwfKernelWatchEvent){0};
  for (;;) {
    struct sockaddr_nl from = {0};
    socklen_t size = sizeof from;
    ssize_t got = recvfrom(nwf_kernel_watch_fd(watch), watch->receive, DATAGRAM_MAX, MSG_DONTWAIT,
                           (struct sockaddr *)&from, &size);
    if (got < 0 && errno == EAGAIN)
      return TRUE;
    if (got < 0 && errno == ENOBUFS)
      take_loss(watch, event);
    else if (got < 0 && errno != EINTR) {
      nwf_kernel_error(error, errno, "cannot read what others do to nftables");
      return FALSE;
    }
    if (got <= 0 || from.nl_pid != 0)
      continue;
    const guint8 *end = watch->receive + got;
    for (const struct nlmsghdr *message = nwf_message_at(watch->receive, end); message;
         message = nwf_message_at(nwf_message_next(message, end), end))
      take_message(watch, message, event);
  }
}
