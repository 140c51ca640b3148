// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * A transaction: messages between NFNL_MSG_BATCH_BEGIN and NFNL_MSG_BATCH_END, sent at once.
 */
#include "kernel/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH_FIRST (1u << 20)

static struct nlmsghdr *append(NwfBatch *batch, guint16 type, guint16 flags, guint family, guint16 res_id,
                               guint32 seq) {
  gsize wanted = batch->length + NWF_MESSAGE_MAX + MNL_SOCKET_BUFFER_SIZE;
  if (wanted > batch->size) {
    /* zeroed, as libmnl leaves the padding of attributes as it was, and marks hash it */
    batch->size = MAX(wanted, batch->size * 2);
    guint8 *larger = g_malloc0(batch->size);
    memcpy(larger, batch->data, batch->length);
    g_free(batch->data);
    batch->data = larger;
  }
  struct nlmsghdr *message = mnl_nlmsg_put_header(batch->data + batch->length);
  message->nlmsg_type = type;
  message->nlmsg_flags = flags;
  message->nlmsg_seq = seq;
  struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof *header);
  header->nfgen_family = (guint8)family;
  header->version = NFNETLINK_V0;
  header->res_id = htons(res_id);
  return message;
}

void nwf_batch_end(NwfBatch *batch, struct nlmsghdr *message) {
  batch->length += MNL_ALIGN(message->nlmsg_len);
}

void nwf_batch_init(NwfBatch *batch, guint32 seq, guint32 generation) {
  *batch = (NwfBatch){.size = BATCH_FIRST, .seq = seq};
  batch->data = g_malloc0(batch->size);
  batch->origins = g_array_new(FALSE, FALSE, sizeof(NwfOrigin));
  struct nlmsghdr *begin = append(batch, NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, AF_UNSPEC, NFNL_SUBSYS_NFTABLES, seq);
  if (generation)
    mnl_attr_put_u32(begin, NFNL_BATCH_GENID, htonl(generation));
  nwf_batch_end(batch, begin);
}

void nwf_batch_clear(NwfBatch *batch) {
  g_clear_pointer(&batch->data, g_free);
  g_clear_pointer(&batch->origins, g_array_unref);
}

struct nlmsghdr *nwf_batch_begin(NwfBatch *batch, guint message, guint flags, guint change, guint item) {
  NwfOrigin origin = {.offset = batch->length, .change = change, .item = item};
  g_array_append_val(batch->origins, origin);
  return append(batch, (guint16)(NFNL_SUBSYS_NFTABLES << 8 | message), (guint16)(NLM_F_REQUEST | flags), NFPROTO_BRIDGE,
                0, batch->seq + batch->origins->len);
}

/** The kernel takes a batch only as one message of the socket, so the buffer must hold it. What is asked
 * for is doubled (socket(7)), so that half of it is enough. */
static gboolean grow_send_buffer(int fd, gsize length) {
  int have = 0;
  socklen_t size = sizeof have;
  gsize wanted = length + 4096;
  if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &have, &size) == 0 && have > 0 && (gsize)have >= wanted)
    return TRUE;
  if (wanted > G_MAXINT)
    return FALSE;
  int want = (int)(wanted / 2 + 1);
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &want, sizeof want) < 0)
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &want, sizeof want);
  return getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &have, &size) == 0 && (gsize)have >= length + 32;
}

/** One answer: the first failure counts, since what comes behind it may only follow from it. */
static void note_answer(const struct nlmsghdr *message, guint32 last, NwfBatchAnswer *answer, gboolean *done) {
  if (message->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(message) < sizeof(struct nlmsgerr))
    return;
  const struct nlmsgerr *report = mnl_nlmsg_get_payload(message);
  if (report->error == 0) {
    *done = *done || message->nlmsg_seq == last;
    return;
  }
  if (answer->code)
    return;
  answer->code = -report->error;
  answer->seq = message->nlmsg_seq;
  /* NETLINK_CAP_ACK: only the header of our message comes back; what follows it is the extended answer */
  if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
    return;
  gsize skip = sizeof *report;
  if (!(message->nlmsg_flags & NLM_F_CAPPED))
    skip += MNL_ALIGN(report->msg.nlmsg_len) - sizeof report->msg;
  gsize length = mnl_nlmsg_get_payload_len(message);
  NwfAttrs attrs;
  if (skip >= length)
    return;
  nwf_attrs_parse((const guint8 *)report + skip, length - skip, 8, &attrs);
  const struct nlattr *offset = attrs.attr[NLMSGERR_ATTR_OFFS];
  if (offset && mnl_attr_get_payload_len(offset) == sizeof(guint32))
    answer->offset = mnl_attr_get_u32(offset);
  answer->text = g_strdup(nwf_attr_text(attrs.attr[NLMSGERR_ATTR_MSG]));
}

/** The kernel has done all the work when sendmsg returns, so all answers are there. */
static void collect_answers(NwfKernel *kernel, const NwfBatch *batch, gboolean commit, NwfBatchAnswer *answer) {
  guint32 last = batch->seq + batch->origins->len;
  gboolean done = FALSE, lost = FALSE;
  int failure = 0;
  for (;;) {
    ssize_t got = nwf_kernel_receive(kernel, MSG_DONTWAIT);
    if (got < 0 && errno == ENOBUFS) {
      lost = TRUE; /* more failed than the buffer holds; the first ones are in it */
      continue;
    }
    if (got <= 0) {
      failure = got < 0 && errno != EAGAIN ? errno : 0;
      break;
    }
    const guint8 *end = kernel->receive + got;
    for (const struct nlmsghdr *message = nwf_message_at(kernel->receive, end); message;
         message = nwf_message_at(nwf_message_next(message, end), end)) {
      guint32 distance = message->nlmsg_seq - batch->seq;
      if (distance <= batch->origins->len)
        note_answer(message, last, answer, &done);
    }
  }
  if (answer->code || done)
    return;
  answer->code = lost ? ENOBUFS : failure ? failure : commit ? EPROTO : 0;
  answer->mute = answer->code != 0;
}

gboolean nwf_batch_send(NwfKernel *kernel, NwfBatch *batch, gboolean commit, NwfBatchAnswer *answer) {
  *answer = (NwfBatchAnswer){0};
  if (batch->origins->len == 0)
    return TRUE;
  /* the last message's acknowledgement tells success from silence */
  const NwfOrigin *last = &g_array_index(batch->origins, NwfOrigin, batch->origins->len - 1);
  ((struct nlmsghdr *)(batch->data + last->offset))->nlmsg_flags |= NLM_F_ACK;
  kernel->seq = batch->seq + batch->origins->len + 2;
  if (commit)
    nwf_batch_end(batch, append(batch, NFNL_MSG_BATCH_END, NLM_F_REQUEST, AF_UNSPEC, NFNL_SUBSYS_NFTABLES,
                                batch->seq + batch->origins->len + 1));

  int fd = mnl_socket_get_fd(kernel->socket);
  answer->mute = TRUE;
  if (!grow_send_buffer(fd, batch->length)) {
    answer->code = EMSGSIZE;
    return FALSE;
  }
  struct sockaddr_nl address = {.nl_family = AF_NETLINK};
  ssize_t sent;
  do {
    sent = sendto(fd, batch->data, batch->length, 0, (struct sockaddr *)&address, sizeof address);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    answer->code = errno;
    return FALSE;
  }
  answer->mute = FALSE;
  collect_answers(kernel, batch, commit, answer);
  kernel->unsure = kernel->unsure || (commit && answer->mute);
  return answer->code == 0;
}
