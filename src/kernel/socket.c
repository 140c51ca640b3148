// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The netlink socket: opening it, single requests and dumps.
 */
#include "kernel/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Room for the acknowledgements of a batch of which every message fails. */
#define RECEIVE_BUFFER (32 << 20)
/* So often a call may fail for a reason of the moment (ENOMEM): what waits in the socket is not gone with it. */
#define RECEIVE_FAILURES 8

void nwf_kernel_error(GError **error, int code, const char *what) {
  g_set_error(error, NWF_ERROR, NWF_ERROR_KERNEL, "%s: %s", what, g_strerror(code));
}

NwfKernel *nwf_kernel_open(GError **error) {
  struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
  if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
    nwf_kernel_error(error, errno, "cannot open a netlink socket to nf_tables");
    if (socket)
      mnl_socket_close(socket);
    return NULL;
  }
  int fd = mnl_socket_get_fd(socket), room = RECEIVE_BUFFER, on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &on, sizeof on);
  mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &on, sizeof on);
  NwfKernel *kernel = g_new0(NwfKernel, 1);
  kernel->socket = socket;
  kernel->portid = mnl_socket_get_portid(socket);
  kernel->seq = 1;
  kernel->receive = g_malloc(NWF_RECEIVE_SIZE);
  return kernel;
}

void nwf_kernel_close(NwfKernel *kernel) {
  if (!kernel)
    return;
  mnl_socket_close(kernel->socket);
  g_free(kernel->receive);
  g_free(kernel);
}

struct nlmsghdr *nwf_kernel_request(NwfKernel *kernel, void *buffer, guint subsystem, guint message, guint flags,
                                    guint family) {
  struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
  request->nlmsg_type = (guint16)(subsystem << 8 | message);
  request->nlmsg_flags = (guint16)(NLM_F_REQUEST | flags);
  request->nlmsg_seq = kernel->seq++;
  struct nfgenmsg *header = mnl_nlmsg_put_extra_header(request, sizeof *header);
  header->nfgen_family = (guint8)family;
  header->version = NFNETLINK_V0;
  return request;
}

/** Hands one buffer's messages on. TRUE: the answer is over, with its outcome in @code. */
static gboolean take_messages(NwfKernel *kernel, gsize length, guint32 seq, mnl_cb_t callback, gpointer data, int *code,
                              gboolean *interrupted) {
  const guint8 *end = kernel->receive + length;
  for (const struct nlmsghdr *message = nwf_message_at(kernel->receive, end); message;
       message = nwf_message_at(nwf_message_next(message, end), end)) {
    if (message->nlmsg_seq != seq)
      continue;
    if (message->nlmsg_flags & NLM_F_DUMP_INTR)
      *interrupted = TRUE;
    if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
      int value = mnl_nlmsg_get_payload_len(message) >= sizeof(int) ? *(const int *)mnl_nlmsg_get_payload(message) : 0;
      *code = value < 0 ? -value : *interrupted ? EINTR : 0;
      return TRUE;
    }
    if (message->nlmsg_type >= NLMSG_MIN_TYPE)
      callback(message, data);
  }
  return FALSE;
}

ssize_t nwf_kernel_receive(NwfKernel *kernel, int flags) {
  for (guint failures = 0;; failures++) {
    ssize_t got = recv(mnl_socket_get_fd(kernel->socket), kernel->receive, NWF_RECEIVE_SIZE, flags);
    if (got >= 0 || errno == EAGAIN || errno == ENOBUFS || (errno != EINTR && failures == RECEIVE_FAILURES))
      return got;
  }
}

/** Throws away what waits, which also ends a dump: the kernel takes no other as long as one runs. */
static void drain(NwfKernel *kernel) {
  while (nwf_kernel_receive(kernel, MSG_DONTWAIT) > 0)
    ;
}

static gboolean send_request(NwfKernel *kernel, const struct nlmsghdr *request, int *code) {
  ssize_t sent;
  do {
    sent = mnl_socket_sendto(kernel->socket, request, request->nlmsg_len);
  } while (sent < 0 && errno == EINTR);
  *code = sent < 0 ? errno : 0;
  return sent >= 0;
}

gboolean nwf_kernel_talk(NwfKernel *kernel, struct nlmsghdr *request, mnl_cb_t callback, gpointer data, int *code) {
  /* a dump ends in NLMSG_DONE, anything else in the acknowledgement */
  if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
    request->nlmsg_flags |= NLM_F_ACK;
  gboolean interrupted = FALSE;
  if (!send_request(kernel, request, code))
    return FALSE;
  for (;;) {
    ssize_t got = nwf_kernel_receive(kernel, 0);
    if (got <= 0) {
      *code = got < 0 ? errno : EPIPE;
      drain(kernel);
      return FALSE;
    }
    if (take_messages(kernel, (gsize)got, request->nlmsg_seq, callback, data, code, &interrupted))
      return *code == 0;
  }
}
