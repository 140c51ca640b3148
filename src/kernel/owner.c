// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Whose the table is.
 *
 * A table with the flags owner and persist can be changed through the socket that made it only, also by `nft flush
 * ruleset`. When that socket goes, the kernel takes the flag owner off, and anybody may change what is left: or take
 * it over, by adding it with both flags. A table that was made without them cannot get them any more.
 */
#include "kernel/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ATTEMPTS 16
#define PAUSE_US 500

/* --- asking --- */

typedef struct {
  guint32 flags;
  guint32 portid; /* of the socket that owns it */
} TableHead;

static int take_head(const struct nlmsghdr *message, void *data) {
  TableHead *head = data;
  NwfAttrs attrs;
  nwf_attrs_message(message, NFTA_TABLE_MAX, &attrs);
  head->flags = nwf_attr_u32(attrs.attr[NFTA_TABLE_FLAGS], 0);
  head->portid = nwf_attr_u32(attrs.attr[NFTA_TABLE_OWNER], 0);
  return MNL_CB_OK;
}

static gboolean read_head(NwfKernel *kernel, TableHead *head) {
  guint8 buffer[256];
  int code;
  *head = (TableHead){0};
  struct nlmsghdr *request =
      nwf_kernel_request(kernel, buffer, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETTABLE, 0, NFPROTO_BRIDGE);
  mnl_attr_put_strz(request, NFTA_TABLE_NAME, NWF_TABLE);
  return nwf_kernel_talk(kernel, request, take_head, head, &code);
}

/* --- owning --- */

/** A batch that is never committed, for a table that is not ours. */
static gboolean kernel_can(NwfKernel *kernel) {
  g_auto(NwfBatch) batch = {0};
  NwfBatchAnswer answer;
  nwf_batch_init(&batch, kernel->seq, 0);
  struct nlmsghdr *message = nwf_batch_begin(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, NWF_ORIGIN_TABLE, 0);
  mnl_attr_put_strz(message, NFTA_TABLE_NAME, NWF_TABLE "-probe");
  mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, htonl(NWF_TABLE_OWNED));
  nwf_batch_end(&batch, message);
  gboolean can = nwf_batch_send(kernel, &batch, FALSE, &answer);
  g_free(answer.text);
  return can;
}

/** Takes over what an owner left behind, at once: until then anybody could change it. FALSE: it is to be tried again,
 * as somebody else did something between reading and sending. */
static gboolean adopt(NwfKernel *kernel) {
  TableHead head;
  guint32 generation;
  if (!nwf_kernel_generation(kernel, &generation, NULL) || !read_head(kernel, &head) || head.flags != NWF_TABLE_PERSIST)
    return TRUE;
  g_auto(NwfBatch) batch = {0};
  NwfBatchAnswer answer;
  nwf_batch_init(&batch, kernel->seq, generation);
  batch.table_flags = NWF_TABLE_OWNED;
  nwf_encode_table(&batch, TRUE, NWF_ORIGIN_TABLE);
  kernel->owns = nwf_batch_send(kernel, &batch, TRUE, &answer);
  g_free(answer.text);
  if (kernel->owns)
    nwf_kernel_generation(kernel, &kernel->adopted, NULL);
  return kernel->owns || answer.code != ERESTART;
}

gboolean nwf_kernel_own(NwfKernel *kernel) {
  if (kernel->own)
    return TRUE;
  /* taking back a table that was never committed makes the kernel wait, some 10 ms: a table with the flag says enough
   */
  TableHead head;
  gboolean known = read_head(kernel, &head) && (head.flags & NWF_TABLE_PERSIST);
  if (!known && !kernel_can(kernel))
    return FALSE;
  kernel->own = TRUE;
  for (guint i = 0; i < ATTEMPTS && !adopt(kernel); i++)
    g_usleep(PAUSE_US);
  return TRUE;
}

static gboolean begins_with_table(const GArray *changes) {
  if (!changes->len)
    return FALSE;
  NwfChangeKind kind = g_array_index(changes, NwfChange, 0).kind;
  return kind == NWF_CHANGE_ADD_TABLE || kind == NWF_CHANGE_DELETE_TABLE;
}

void nwf_owner_begin(const NwfKernel *kernel, NwfBatch *batch, const GArray *changes) {
  if (!kernel->own)
    return;
  batch->table_flags = NWF_TABLE_OWNED;
  /* Takes over what is nobody's, does nothing to what is ours, and ends the batch where a table without
   * flags took the place of ours, since that could be taken away again at any time. */
  if (!kernel->owns && !begins_with_table(changes))
    nwf_encode_table(batch, TRUE, NWF_ORIGIN_TABLE);
}

void nwf_owner_done(NwfKernel *kernel, const GArray *changes) {
  const NwfChange *last = changes->len ? &g_array_index(changes, NwfChange, changes->len - 1) : NULL;
  kernel->owns = kernel->own && !(last && last->kind == NWF_CHANGE_DELETE_TABLE);
}

/* --- who --- */

/** The inode of the socket that has the port id in this namespace; 0: not found. Columns of
 * /proc/net/netlink (net/netlink/af_netlink.c): sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode. */
static guint64 inode_of(guint32 portid) {
  g_autofree char *text = NULL;
  if (!g_file_get_contents("/proc/thread-self/net/netlink", &text, NULL, NULL))
    return 0;
  for (const char *line = strchr(text, '\n'); line; line = strchr(line, '\n')) {
    line++;
    guint protocol, port;
    guint64 inode;
    if (sscanf(line, "%*s %u %u %*s %*s %*s %*s %*s %*s %" G_GUINT64_FORMAT, &protocol, &port, &inode) == 3 &&
        protocol == NETLINK_NETFILTER && port == portid)
      return inode;
  }
  return 0;
}

static gboolean holds_socket(const char *process, const char *socket) {
  g_autofree char *folder = g_strdup_printf("/proc/%s/fd", process);
  g_autoptr(GDir) fds = g_dir_open(folder, 0, NULL);
  for (const char *fd = fds ? g_dir_read_name(fds) : NULL; fd; fd = g_dir_read_name(fds)) {
    g_autofree char *path = g_build_filename(folder, fd, NULL);
    g_autofree char *target = g_file_read_link(path, NULL);
    if (g_strcmp0(target, socket) == 0)
      return TRUE;
  }
  return FALSE;
}

/** 0: no process that can be seen has it. */
static guint32 process_with(guint64 inode) {
  g_autofree char *socket = g_strdup_printf("socket:[%" G_GUINT64_FORMAT "]", inode);
  g_autoptr(GDir) processes = g_dir_open("/proc", 0, NULL);
  for (const char *process = processes ? g_dir_read_name(processes) : NULL; process;
       process = g_dir_read_name(processes))
    if (g_ascii_isdigit(*process) && holds_socket(process, socket))
      return (guint32)g_ascii_strtoull(process, NULL, 10);
  return 0;
}

gboolean nwf_kernel_owner(NwfKernel *kernel, guint32 *pid, char *name) {
  TableHead head;
  *pid = 0;
  *name = 0;
  if (!read_head(kernel, &head) || !(head.flags & NFT_TABLE_F_OWNER))
    return FALSE;
  /* A process's first socket often has its pid for a number, but need not, and others of it never do. */
  guint64 inode = inode_of(head.portid);
  *pid = inode ? process_with(inode) : 0;
  if (!*pid)
    return TRUE;
  g_autofree char *path = g_strdup_printf("/proc/%u/comm", *pid);
  g_autofree char *comm = NULL;
  if (g_file_get_contents(path, &comm, NULL, NULL))
    g_strlcpy(name, g_strchomp(comm), 16);
  return TRUE;
}
