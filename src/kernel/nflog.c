// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Frames that `log group` copies: nfnetlink_log, linux/netfilter/nfnetlink_log.h.
 */
#include "kernel/nflog.h"
#include "kernel/internal.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Some thousand frames: what comes faster than it is read teaches nothing more. */
#define RECEIVE_BUFFER (4 << 20)
/* What the kernel writes beside the frame's bytes fits into this. */
#define MESSAGE_OVERHEAD 512u

struct NwfNflog {
  struct mnl_socket *socket;
  int names; /* a socket to ask for names of interfaces with */
  guint32 snaplen;
  guint8 *frame; /* snaplen and a header */
  guint8 *receive;
  gsize receive_size;
};

/* --- opening --- */

static struct nlmsghdr *begin_config(guint8 *buffer, guint16 group, guint32 seq) {
  struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
  message->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  message->nlmsg_seq = seq;
  struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof *header);
  header->nfgen_family = AF_BRIDGE;
  header->version = NFNETLINK_V0;
  header->res_id = htons(group);
  return message;
}

/** FALSE with errno set. */
static gboolean send_config(NwfNflog *nflog, const struct nlmsghdr *message) {
  guint8 answer[1024];
  if (mnl_socket_sendto(nflog->socket, message, message->nlmsg_len) < 0)
    return FALSE;
  for (;;) {
    ssize_t got = mnl_socket_recvfrom(nflog->socket, answer, sizeof answer);
    if (got < 0 && errno != EINTR && errno != ENOBUFS && errno != ENOSPC)
      return FALSE;
    const struct nlmsghdr *reply = got > 0 ? nwf_message_at(answer, answer + got) : NULL;
    /* frames may come before the answer; nobody wants them yet */
    if (!reply || reply->nlmsg_type != NLMSG_ERROR || reply->nlmsg_seq != message->nlmsg_seq)
      continue;
    errno = -*(const int *)mnl_nlmsg_get_payload(reply);
    return errno == 0;
  }
}

static gboolean bind_group(NwfNflog *nflog, guint16 group) {
  guint8 buffer[256];
  struct nfulnl_msg_config_cmd command = {.command = NFULNL_CFG_CMD_BIND};
  struct nlmsghdr *message = begin_config(buffer, group, 1);
  mnl_attr_put(message, NFULA_CFG_CMD, sizeof command, &command);
  return send_config(nflog, message);
}

/** Each frame comes at once and by itself: learning is not to wait for company. */
static gboolean configure(NwfNflog *nflog, guint16 group) {
  guint8 buffer[256];
  guint32 behind_header = nflog->snaplen - MIN(nflog->snaplen - 1, (guint32)ETH_HLEN);
  struct nfulnl_msg_config_mode mode = {.copy_range = htonl(behind_header), .copy_mode = NFULNL_COPY_PACKET};
  struct nlmsghdr *message = begin_config(buffer, group, 2);
  mnl_attr_put(message, NFULA_CFG_MODE, sizeof mode, &mode);
  mnl_attr_put_u32(message, NFULA_CFG_QTHRESH, htonl(1));
  mnl_attr_put_u32(message, NFULA_CFG_TIMEOUT, htonl(1)); /* 1/100 s; nothing waits for it */
  /* what each message takes of the socket's buffer, page sized otherwise */
  mnl_attr_put_u32(message, NFULA_CFG_NLBUFSIZ, htonl(MIN(nflog->snaplen + MESSAGE_OVERHEAD, 1u << 16)));
  return send_config(nflog, message);
}

static void open_error(guint16 group, int code, GError **error) {
  if (code == EPERM || code == EBUSY)
    g_set_error(error, NWF_ERROR, NWF_ERROR_KERNEL,
                "cannot read frames of log group %u: another program does (/proc/net/netfilter/nfnetlink_log), or "
                "CAP_NET_ADMIN is missing",
                group);
  else
    g_set_error(error, NWF_ERROR, NWF_ERROR_KERNEL, "cannot read frames of log group %u: %s%s", group, g_strerror(code),
                code == EINVAL ? " (module nfnetlink_log, CONFIG_NETFILTER_NETLINK_LOG)" : "");
}

NwfNflog *nwf_nflog_open(guint16 group, guint32 snaplen, GError **error) {
  g_autoptr(NwfNflog) nflog = g_new0(NwfNflog, 1);
  nflog->snaplen = CLAMP(snaplen, 1, G_MAXUINT16);
  nflog->frame = g_malloc(nflog->snaplen);
  nflog->receive_size = nflog->snaplen + MNL_SOCKET_BUFFER_SIZE;
  nflog->receive = g_malloc(nflog->receive_size);
  nflog->names = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  nflog->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
  if (nflog->names < 0 || !nflog->socket || mnl_socket_bind(nflog->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
    nwf_kernel_error(error, errno, "cannot open a netlink socket to nfnetlink_log");
    return NULL;
  }
  int room = RECEIVE_BUFFER, fd = mnl_socket_get_fd(nflog->socket);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  if (!bind_group(nflog, group) || !configure(nflog, group)) {
    open_error(group, errno, error);
    return NULL;
  }
  return g_steal_pointer(&nflog);
}

void nwf_nflog_close(NwfNflog *nflog) {
  if (!nflog)
    return;
  if (nflog->socket)
    mnl_socket_close(nflog->socket); /* the kernel gives the group free */
  if (nflog->names > 0)
    close(nflog->names);
  g_free(nflog->frame);
  g_free(nflog->receive);
  g_free(nflog);
}

int nwf_nflog_fd(const NwfNflog *nflog) {
  return mnl_socket_get_fd(nflog->socket);
}

/* --- reading --- */

/** Asked each time: that takes less than a microsecond, and what is kept would have to be watched. */
static void find_name(const NwfNflog *nflog, NwfNflogFrame *frame) {
  struct ifreq request = {.ifr_ifindex = (int)frame->ifindex};
  frame->port[0] = 0;
  if (frame->ifindex && ioctl(nflog->names, SIOCGIFNAME, &request) == 0)
    g_strlcpy(frame->port, request.ifr_name, sizeof frame->port);
}

/** With br_netfilter in the kernel the port is the "physical" device and the other one its bridge; without, the port
 * is the device. */
static guint32 port_index(const NwfAttrs *attrs, gboolean from_guest) {
  const struct nlattr *port = attrs->attr[from_guest ? NFULA_IFINDEX_PHYSINDEV : NFULA_IFINDEX_PHYSOUTDEV];
  const struct nlattr *device = attrs->attr[from_guest ? NFULA_IFINDEX_INDEV : NFULA_IFINDEX_OUTDEV];
  return nwf_attr_u32(port ? port : device, 0);
}

static void append(NwfNflog *nflog, gsize *length, const void *data, gsize size) {
  gsize fits = MIN(size, nflog->snaplen - *length);
  memcpy(nflog->frame + *length, data, fits);
  *length += fits;
}

/** The tag goes between the addresses and the type, where it was on the wire. */
static void append_header(NwfNflog *nflog, gsize *length, const struct nlattr *header, const struct nlattr *vlan) {
  const guint8 *bytes = mnl_attr_get_payload(header);
  /* A frame of a packet socket with its tag in the bytes has 18 of them here, while the payload begins behind 14. */
  gsize size = MIN(mnl_attr_get_payload_len(header), (gsize)ETH_HLEN);
  NwfAttrs attrs;
  nwf_attrs_nested(vlan, NFULA_VLAN_TCI, &attrs);
  const struct nlattr *proto = attrs.attr[NFULA_VLAN_PROTO], *tci = attrs.attr[NFULA_VLAN_TCI];
  gboolean tagged =
      proto && tci && size == ETH_HLEN && mnl_attr_get_payload_len(proto) == 2 && mnl_attr_get_payload_len(tci) == 2;
  gsize addresses = tagged ? 2 * ETH_ALEN : size;
  append(nflog, length, bytes, addresses);
  if (!tagged)
    return;
  append(nflog, length, mnl_attr_get_payload(proto), 2);
  append(nflog, length, mnl_attr_get_payload(tci), 2);
  append(nflog, length, bytes + addresses, size - addresses);
}

/** FALSE: not a frame. */
static gboolean take_frame(NwfNflog *nflog, const struct nlmsghdr *message, NwfNflogFrame *frame) {
  NwfAttrs attrs;
  if (message->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
    return FALSE;
  nwf_attrs_message(message, NFULA_L2HDR, &attrs);
  const struct nlattr *packet = attrs.attr[NFULA_PACKET_HDR], *payload = attrs.attr[NFULA_PAYLOAD];
  /* on the way out there is no device it came from, and with that no NFULA_HWHEADER */
  const struct nlattr *header = attrs.attr[NFULA_L2HDR] ? attrs.attr[NFULA_L2HDR] : attrs.attr[NFULA_HWHEADER];
  if (!packet || mnl_attr_get_payload_len(packet) < sizeof(struct nfulnl_msg_packet_hdr) || !header)
    return FALSE;
  const struct nfulnl_msg_packet_hdr *hook = mnl_attr_get_payload(packet);
  *frame = (NwfNflogFrame){.from_guest = hook->hook == NF_INET_PRE_ROUTING, .frame = nflog->frame};
  frame->ifindex = port_index(&attrs, frame->from_guest);
  find_name(nflog, frame);
  append_header(nflog, &frame->length, header, attrs.attr[NFULA_VLAN]);
  if (payload)
    append(nflog, &frame->length, mnl_attr_get_payload(payload), mnl_attr_get_payload_len(payload));
  return TRUE;
}

gboolean nwf_nflog_read(NwfNflog *nflog, guint max, NwfNflogFunc each, gpointer data, guint *lost, GError **error) {
  *lost = 0;
  for (guint taken = 0; taken < max;) {
    ssize_t got = recv(nwf_nflog_fd(nflog), nflog->receive, nflog->receive_size, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
      return TRUE;
    if (got < 0 && errno == ENOBUFS)
      (*lost)++;
    else if (got < 0 && errno != EINTR) {
      nwf_kernel_error(error, errno, "cannot read frames from nfnetlink_log");
      return FALSE;
    }
    if (got <= 0)
      continue;
    const guint8 *end = nflog->receive + got;
    for (const struct nlmsghdr *message = nwf_message_at(nflog->receive, end); message;
         message = nwf_message_at(nwf_message_next(message, end), end)) {
      NwfNflogFrame frame;
      if (!take_frame(nflog, message, &frame))
        continue;
      each(&frame, data);
      taken++;
    }
  }
  return TRUE;
}
