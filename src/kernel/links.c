// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Links over rtnetlink. Answers to a dump and notifications come by one socket, so they are in the order in which
 * things were so, and a dump that others' changes interrupt is made whole by their notifications.
 */
#include "kernel/links.h"
#include "kernel/internal.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* Some 5,000 notifications, of 1.5 KiB each; it takes memory only while it is full. */
#define RECEIVE_BUFFER (8 << 20)
/* The kernel's datagrams are smaller than 32 KiB, answers to dumps included. */
#define DATAGRAM_MAX (64u << 10)
/* Times that all links are read before a loss in between is reported. */
#define DUMPS_MAX 10
/* So often a call may fail for a reason of the moment within one dump, which is not over by that. */
#define RECEIVE_FAILURES 8

typedef struct {
  NwfLink link;
  guint round; /* of the last dump that told of it */
} Entry;

struct NwfLinks {
  struct mnl_socket *socket;
  guint8 *receive;      /* DATAGRAM_MAX bytes */
  GHashTable *by_index; /* index -> Entry, owned */
  GHashTable *by_name;  /* name within the entry -> Entry */
  guint32 seq;          /* of the last request */
  guint round;          /* the dump that is being read, or was last */
  gboolean lost;        /* more came than the socket holds: what is known is old */
  gboolean dumping;     /* the answer to the last request is not over */
  int dump_code;        /* how it ended */
};

/* --- what is known --- */

const NwfLink *nwf_links_by_index(const NwfLinks *links, guint index) {
  const Entry *entry = g_hash_table_lookup(links->by_index, GUINT_TO_POINTER(index));
  return entry ? &entry->link : NULL;
}

const NwfLink *nwf_links_by_name(const NwfLinks *links, const char *name) {
  const Entry *entry = g_hash_table_lookup(links->by_name, name);
  return entry ? &entry->link : NULL;
}

const NwfLink *nwf_links_bridge(const NwfLinks *links, const char *name) {
  const NwfLink *link = nwf_links_by_name(links, name);
  const NwfLink *master = link && link->master ? nwf_links_by_index(links, link->master) : NULL;
  return master && master->is_bridge ? master : NULL;
}

gboolean nwf_link_is_absent(const char *name) {
  return if_nametoindex(name) == 0 && (errno == ENODEV || errno == ENXIO);
}

gboolean nwf_link_check_name(const char *name, GError **error) {
  char real[IFNAMSIZ];
  guint index = if_nametoindex(name);
  if (!index || !if_indextoname(index, real) || strcmp(real, name) == 0)
    return TRUE;
  g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID,
              "port %s: this is an alternative name of the interface %s, by which no frame is known: bind %s", name,
              real, real);
  return FALSE;
}

/** Another link may have the name by now: two that exchange theirs are told one after the other. */
static void forget_name(NwfLinks *links, Entry *entry) {
  if (g_hash_table_lookup(links->by_name, entry->link.name) == entry)
    g_hash_table_remove(links->by_name, entry->link.name);
}

static gboolean same_link(const NwfLink *a, const NwfLink *b) {
  return strcmp(a->name, b->name) == 0 && a->master == b->master && a->is_bridge == b->is_bridge;
}

static void take_link(NwfLinks *links, const NwfLink *now, GArray *changes) {
  Entry *entry = g_hash_table_lookup(links->by_index, GUINT_TO_POINTER(now->index));
  NwfLinkChange change = {.now = *now};
  if (!entry) {
    entry = g_new0(Entry, 1);
    g_hash_table_insert(links->by_index, GUINT_TO_POINTER(now->index), entry);
  } else {
    change.before = entry->link;
    forget_name(links, entry);
  }
  entry->link = *now;
  entry->round = links->round;
  g_hash_table_replace(links->by_name, entry->link.name, entry);
  if (!change.before.index || !same_link(&change.before, now))
    g_array_append_val(changes, change);
}

static void take_end(NwfLinks *links, guint index, GArray *changes) {
  Entry *entry = g_hash_table_lookup(links->by_index, GUINT_TO_POINTER(index));
  if (!entry)
    return;
  NwfLinkChange change = {.before = entry->link};
  forget_name(links, entry);
  g_hash_table_remove(links->by_index, GUINT_TO_POINTER(index));
  g_array_append_val(changes, change);
}

/** Those that a dump did not tell of are gone. */
static void sweep(NwfLinks *links, GArray *changes) {
  g_autoptr(GArray) gone = g_array_new(FALSE, FALSE, sizeof(guint));
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, links->by_index);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const Entry *entry = value;
    if (entry->round != links->round)
      g_array_append_val(gone, entry->link.index);
  }
  for (guint i = 0; i < gone->len; i++)
    take_end(links, g_array_index(gone, guint, i), changes);
}

/* --- messages --- */

static gboolean is_bridge(const struct nlattr *info) {
  NwfAttrs attrs;
  nwf_attrs_nested(info, IFLA_INFO_KIND, &attrs);
  return g_strcmp0(nwf_attr_text(attrs.attr[IFLA_INFO_KIND]), "bridge") == 0;
}

/** The group also has the bridges' own messages (AF_BRIDGE), one of which says that a port is gone when it has only
 * left its bridge. */
static void take_message(NwfLinks *links, const struct nlmsghdr *message, GArray *changes) {
  const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
  gsize start = NLMSG_LENGTH(MNL_ALIGN(sizeof *header));
  if ((message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK) || message->nlmsg_len < start ||
      header->ifi_family != AF_UNSPEC || header->ifi_index <= 0)
    return;
  if (message->nlmsg_type == RTM_DELLINK) {
    take_end(links, (guint)header->ifi_index, changes);
    return;
  }
  NwfAttrs attrs;
  nwf_attrs_parse((const guint8 *)message + start, message->nlmsg_len - start, IFLA_LINKINFO, &attrs);
  const char *name = nwf_attr_text(attrs.attr[IFLA_IFNAME]);
  const struct nlattr *master = attrs.attr[IFLA_MASTER];
  NwfLink link = {.index = (guint)header->ifi_index, .is_bridge = is_bridge(attrs.attr[IFLA_LINKINFO])};
  if (!name || g_strlcpy(link.name, name, sizeof link.name) >= sizeof link.name)
    return;
  if (master && mnl_attr_get_payload_len(master) == sizeof(guint32))
    link.master = mnl_attr_get_u32(master); /* in host order, as all of rtnetlink */
  take_link(links, &link, changes);
}

/** The end of the answer to a request of ours. */
static gboolean take_answer(NwfLinks *links, const struct nlmsghdr *message) {
  if (message->nlmsg_seq != links->seq || (message->nlmsg_type != NLMSG_DONE && message->nlmsg_type != NLMSG_ERROR))
    return FALSE;
  int value = mnl_nlmsg_get_payload_len(message) >= sizeof(int) ? *(const int *)mnl_nlmsg_get_payload(message) : 0;
  links->dumping = FALSE;
  links->dump_code = value < 0 ? -value : 0;
  return TRUE;
}

/** Reads one datagram; FALSE with errno: there is none, or there was an error. */
static gboolean take_datagram(NwfLinks *links, int flags, GArray *changes) {
  struct sockaddr_nl from = {0};
  socklen_t size = sizeof from;
  ssize_t got = recvfrom(nwf_links_fd(links), links->receive, DATAGRAM_MAX, flags, (struct sockaddr *)&from, &size);
  if (got < 0 && errno == ENOBUFS)
    links->lost = TRUE;
  if (got < 0)
    return errno == ENOBUFS || errno == EINTR;
  if (from.nl_pid != 0)
    return TRUE;
  const guint8 *end = links->receive + got;
  for (const struct nlmsghdr *message = nwf_message_at(links->receive, end); message;
       message = nwf_message_at(nwf_message_next(message, end), end))
    if (!take_answer(links, message))
      take_message(links, message, changes);
  return TRUE;
}

/* --- all of them --- */

static gboolean request(NwfLinks *links) {
  guint8 buffer[128];
  struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
  message->nlmsg_type = RTM_GETLINK;
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  message->nlmsg_seq = ++links->seq;
  mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
  mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  links->dumping = TRUE;
  return mnl_socket_sendto(links->socket, message, message->nlmsg_len) >= 0;
}

/** FALSE with errno. */
static gboolean dump(NwfLinks *links, GArray *changes) {
  links->lost = FALSE;
  links->round++;
  if (!request(links))
    return FALSE;
  for (guint failures = 0; links->dumping;)
    if (!take_datagram(links, 0, changes) && failures++ == RECEIVE_FAILURES)
      return FALSE;
  errno = links->dump_code;
  if (errno)
    return FALSE;
  sweep(links, changes);
  return TRUE;
}

static gboolean read_all(NwfLinks *links, GArray *changes, GError **error) {
  for (guint i = 0; i < DUMPS_MAX; i++) {
    if (!dump(links, changes)) {
      links->lost = TRUE;
      nwf_kernel_error(error, errno, "cannot read which interfaces there are");
      return FALSE;
    }
    if (!links->lost)
      return TRUE;
  }
  nwf_kernel_error(error, ENOBUFS, "cannot read which interfaces there are");
  return FALSE;
}

gboolean nwf_links_read(NwfLinks *links, GArray *changes, GError **error) {
  while (take_datagram(links, MSG_DONTWAIT, changes))
    ;
  if (errno != EAGAIN) {
    links->lost = TRUE;
    nwf_kernel_error(error, errno, "cannot read what becomes of interfaces");
    return FALSE;
  }
  return !links->lost || read_all(links, changes, error);
}

/* --- its life --- */

NwfLinks *nwf_links_open(GError **error) {
  g_autoptr(NwfLinks) links = g_new0(NwfLinks, 1);
  g_autoptr(GArray) changes = g_array_new(FALSE, FALSE, sizeof(NwfLinkChange));
  int room = RECEIVE_BUFFER, group = RTNLGRP_LINK;
  links->receive = g_malloc(DATAGRAM_MAX);
  links->by_index = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  links->by_name = g_hash_table_new(g_str_hash, g_str_equal);
  links->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (!links->socket || mnl_socket_bind(links->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
      mnl_socket_setsockopt(links->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
    nwf_kernel_error(error, errno, "cannot watch interfaces");
    return NULL;
  }
  int fd = nwf_links_fd(links);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  return read_all(links, changes, error) ? g_steal_pointer(&links) : NULL;
}

void nwf_links_close(NwfLinks *links) {
  if (!links)
    return;
  if (links->socket)
    mnl_socket_close(links->socket);
  g_hash_table_unref(links->by_name);
  g_hash_table_unref(links->by_index);
  g_free(links->receive);
  g_free(links);
}

int nwf_links_fd(const NwfLinks *links) {
  return mnl_socket_get_fd(links->socket);
}
