// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Deleting connection tracking entries by address: ctnetlink, linux/netfilter/nfnetlink_conntrack.h.
 *
 * Entries are looked up by a dump that the kernel filters (CTA_FILTER, Linux 5.8), checked once more here, and deleted
 * one by one, by tuple, zone and id. A flush with that filter (Linux 6.8) would save the second step, but says nothing
 * of what it deleted, and kernels that do not know a filter flush all the more.
 */
#include "kernel/conntrack.h"
#include "kernel/internal.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

/* net/netfilter/nf_internals.h: what of a tuple CTA_FILTER compares */
#define FILTER_IP_SRC (1u << 0)
/* A filtered dump walks all entries twice for one address: of 250,000 entries in 250 ms, and all of them are told in
 * 600 to 750 ms. */
#define FILTERED_MAX 2
/* Deletions that are sent at once, each of which is answered. */
#define DELETIONS 128
#define COUNT_FILE "/proc/sys/net/netfilter/nf_conntrack_count"

/** An entry to be deleted: attributes as they came. */
typedef struct {
  guint8 family;
  guint16 length;
  guint8 attrs[250]; /* CTA_TUPLE_ORIG of IPv6 with its zone has some 100 bytes */
} Entry;

typedef struct {
  GHashTable *addresses, *spared; /* of NwfFlowAddress */
  GArray *entries;                /* of Entry */
  gboolean strangers;             /* some came that have none of the addresses: the kernel does not filter */
} Search;

/* --- addresses --- */

/** Bytes beyond an IPv4 address are not looked at. */
static gsize address_size(const NwfFlowAddress *address) {
  return address->ipv6 ? 16 : 4;
}

guint nwf_flow_address_hash(gconstpointer data) {
  const NwfFlowAddress *address = data;
  guint32 hash = 2166136261u;
  for (gsize i = 0; i < address_size(address); i++)
    hash = (hash ^ address->address[i]) * 16777619u;
  return hash;
}

gboolean nwf_flow_address_equal(gconstpointer a, gconstpointer b) {
  const NwfFlowAddress *x = a, *y = b;
  return !x->ipv6 == !y->ipv6 && memcmp(x->address, y->address, address_size(x)) == 0;
}

/* --- reading --- */

/** The source of a tuple. */
static gboolean tuple_source(const struct nlattr *tuple, NwfFlowAddress *source) {
  NwfAttrs attrs, ip;
  nwf_attrs_nested(tuple, CTA_TUPLE_MAX, &attrs);
  nwf_attrs_nested(attrs.attr[CTA_TUPLE_IP], CTA_IP_MAX, &ip);
  const struct nlattr *v4 = ip.attr[CTA_IP_V4_SRC], *v6 = ip.attr[CTA_IP_V6_SRC];
  source->ipv6 = v6 != NULL;
  const struct nlattr *value = v6 ? v6 : v4;
  if (!value || mnl_attr_get_payload_len(value) != address_size(source))
    return FALSE;
  memcpy(source->address, mnl_attr_get_payload(value), address_size(source));
  return TRUE;
}

static void keep(Entry *entry, const struct nlattr *attr) {
  gsize size = attr ? MNL_ALIGN(attr->nla_len) : 0;
  if (!size || entry->length + size > sizeof entry->attrs)
    return;
  memcpy(entry->attrs + entry->length, attr, attr->nla_len);
  entry->length = (guint16)(entry->length + size);
}

static int take_entry(const struct nlmsghdr *message, void *data) {
  Search *search = data;
  NwfAttrs attrs;
  NwfFlowAddress from = {0}, to = {0};
  if (message->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
      message->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)))
    return MNL_CB_OK;
  nwf_attrs_message(message, CTA_ZONE, &attrs);
  const struct nlattr *original = attrs.attr[CTA_TUPLE_ORIG], *reply = attrs.attr[CTA_TUPLE_REPLY];
  gboolean known = tuple_source(original, &from) && tuple_source(reply, &to);
  gboolean is_from = known && g_hash_table_contains(search->addresses, &from);
  gboolean is_to = known && g_hash_table_contains(search->addresses, &to);
  if ((!is_from && !is_to) || !attrs.attr[CTA_ID]) {
    search->strangers = TRUE;
    return MNL_CB_OK;
  }
  if ((!is_from || g_hash_table_contains(search->spared, &to)) &&
      (!is_to || g_hash_table_contains(search->spared, &from)))
    return MNL_CB_OK;
  Entry entry = {.family = ((const struct nfgenmsg *)mnl_nlmsg_get_payload(message))->nfgen_family};
  keep(&entry, original);
  keep(&entry, attrs.attr[CTA_ID]);
  keep(&entry, attrs.attr[CTA_ZONE]);
  g_array_append_val(search->entries, entry);
  return MNL_CB_OK;
}

/** Entries of which @address is the source in one direction; with NULL all entries. */
static gboolean dump(NwfKernel *kernel, const NwfFlowAddress *address, gboolean reply, Search *search, int *code) {
  guint8 buffer[512];
  guint family = !address ? AF_UNSPEC : address->ipv6 ? AF_INET6 : AF_INET;
  struct nlmsghdr *request =
      nwf_kernel_request(kernel, buffer, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, NLM_F_DUMP, family);
  if (address) {
    struct nlattr *tuple = mnl_attr_nest_start(request, reply ? CTA_TUPLE_REPLY : CTA_TUPLE_ORIG);
    struct nlattr *ip = mnl_attr_nest_start(request, CTA_TUPLE_IP);
    mnl_attr_put(request, address->ipv6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, address_size(address), address->address);
    mnl_attr_nest_end(request, ip);
    mnl_attr_nest_end(request, tuple);
    struct nlattr *filter = mnl_attr_nest_start(request, CTA_FILTER);
    mnl_attr_put_u32(request, CTA_FILTER_ORIG_FLAGS, reply ? 0 : FILTER_IP_SRC); /* in host order */
    mnl_attr_put_u32(request, CTA_FILTER_REPLY_FLAGS, reply ? FILTER_IP_SRC : 0);
    mnl_attr_nest_end(request, filter);
  }
  return nwf_kernel_talk(kernel, request, take_entry, search, code);
}

/** FALSE: the kernel does not filter, or refuses the filter. */
static gboolean search_filtered(NwfKernel *kernel, const NwfFlowAddress *addresses, guint n, Search *search) {
  int code;
  for (guint i = 0; i < n; i++)
    for (guint reply = 0; reply < 2; reply++)
      if (!dump(kernel, &addresses[i], reply, search, &code) || search->strangers)
        return FALSE;
  return TRUE;
}

/* --- deleting --- */

static gsize put_deletion(NwfKernel *kernel, guint8 *at, const Entry *entry) {
  struct nlmsghdr *message =
      nwf_kernel_request(kernel, at, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, entry->family);
  memcpy(at + message->nlmsg_len, entry->attrs, entry->length);
  message->nlmsg_len += entry->length;
  return message->nlmsg_len;
}

/** Reads @n answers. An entry that is gone by itself is no error. */
static gboolean take_answers(NwfKernel *kernel, guint n, guint *cut, int *code) {
  *code = 0;
  while (n) {
    ssize_t got = nwf_kernel_receive(kernel, 0);
    if (got <= 0) {
      *code = got < 0 ? errno : EPIPE;
      return FALSE;
    }
    const guint8 *end = kernel->receive + got;
    for (const struct nlmsghdr *message = nwf_message_at(kernel->receive, end); message && n;
         message = nwf_message_at(nwf_message_next(message, end), end)) {
      if (message->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(message) < sizeof(struct nlmsgerr))
        continue;
      int failure = -((const struct nlmsgerr *)mnl_nlmsg_get_payload(message))->error;
      *cut += failure == 0;
      if (failure && failure != ENOENT)
        *code = failure;
      n--;
    }
  }
  return *code == 0;
}

static gboolean delete_entries(NwfKernel *kernel, const GArray *entries, guint *cut, int *code) {
  gsize room = DELETIONS * (sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg) + sizeof(Entry));
  g_autofree guint8 *buffer = g_malloc(room);
  for (guint first = 0; first < entries->len; first += DELETIONS) {
    guint n = MIN(DELETIONS, entries->len - first);
    gsize length = 0;
    for (guint i = 0; i < n; i++)
      length += put_deletion(kernel, buffer + length, &g_array_index(entries, Entry, first + i));
    if (mnl_socket_sendto(kernel->socket, buffer, length) < 0) {
      *code = errno;
      return FALSE;
    }
    if (!take_answers(kernel, n, cut, code))
      return FALSE;
  }
  return TRUE;
}

/* --- the whole --- */

/** Nothing is tracked in this namespace; asking ctnetlink would load it. */
static gboolean nothing_is_tracked(void) {
  g_autofree char *text = NULL;
  g_autoptr(GError) error = NULL;
  if (!g_file_get_contents(COUNT_FILE, &text, NULL, &error))
    return g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  return g_ascii_strtoull(text, NULL, 10) == 0;
}

static gboolean cut_found(NwfKernel *kernel, const NwfFlowAddress *addresses, guint n_addresses, Search *search,
                          guint *cut, int *code) {
  if (n_addresses > FILTERED_MAX || !search_filtered(kernel, addresses, n_addresses, search)) {
    g_array_set_size(search->entries, 0);
    if (!dump(kernel, NULL, FALSE, search, code))
      return *code == EINVAL; /* no ctnetlink */
  }
  return delete_entries(kernel, search->entries, cut, code);
}

static GHashTable *table_of(const NwfFlowAddress *addresses, guint n) {
  GHashTable *table = g_hash_table_new(nwf_flow_address_hash, nwf_flow_address_equal);
  for (guint i = 0; i < n; i++)
    g_hash_table_add(table, (gpointer)&addresses[i]);
  return table;
}

gboolean nwf_conntrack_cut(const NwfConntrackCut *cut, guint *count, GError **error) {
  guint ignored;
  int code = 0;
  count = count ? count : &ignored;
  *count = 0;
  if (!cut->n_addresses || nothing_is_tracked())
    return TRUE;
  g_autoptr(NwfKernel) kernel = nwf_kernel_open(error);
  if (!kernel)
    return FALSE;
  g_autoptr(GHashTable) wanted = table_of(cut->addresses, cut->n_addresses);
  g_autoptr(GHashTable) spared = table_of(cut->spared, cut->n_spared);
  g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(Entry));
  Search search = {.addresses = wanted, .spared = spared, .entries = entries};
  if (cut_found(kernel, cut->addresses, cut->n_addresses, &search, count, &code))
    return TRUE;
  nwf_kernel_error(error, code, "cannot delete connection tracking entries");
  return FALSE;
}
