// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Members of a kernel ipset as elements of a set of ours, which nf_tables can look into.
 *
 * Attribute numbers: linux/netfilter/ipset/ip_set.h. An ipset's member is a product of ranges,
 * one for each part of the key, and so is an element of an interval set.
 */
#include "kernel/internal.h"

#include <errno.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <netinet/in.h>
#include <string.h>

/* Newer than the headers we may be built with: a mask for addresses that is no prefix. */
#define ATTR_BITMASK 12

typedef enum { PART_NONE, PART_IP, PART_IP2, PART_PORT, PART_MAC } Part;

/** Types that can be had, with their key as ipset has it: one part a dimension. */
static const struct {
  const char *name;
  Part parts[3];
} types[] = {
    {"hash:ip", {PART_IP}},
    {"hash:net", {PART_IP}},
    {"hash:mac", {PART_MAC}},
    {"hash:ip,port", {PART_IP, PART_PORT}},
    {"hash:net,port", {PART_IP, PART_PORT}},
    {"hash:net,net", {PART_IP, PART_IP2}},
    {"hash:ip,port,ip", {PART_IP, PART_PORT, PART_IP2}},
    {"hash:ip,port,net", {PART_IP, PART_PORT, PART_IP2}},
    {"hash:net,port,net", {PART_IP, PART_PORT, PART_IP2}},
    {"bitmap:ip", {PART_IP}},
    {"bitmap:port", {PART_PORT}},
};

typedef struct {
  NwfRuleset *ruleset;
  NwfSet *set;
  guint dimensions;
  gboolean ipv6;
  const Part *parts; /* NULL until the type is known */
  char *type;
  guint8 netmask; /* of every address of the ipset; 0: none */
  GError *error;
} Mirror;

static void fail(Mirror *mirror, const char *what) {
  if (!mirror->error)
    g_set_error(&mirror->error, NWF_ERROR, NWF_ERROR_UNSUPPORTED, "its type is %s: %s", mirror->type, what);
}

/* --- the ipset itself --- */

static void set_fields(Mirror *mirror) {
  NwfSet *set = mirror->set;
  set->n_fields = 0;
  for (guint i = 0; i < G_N_ELEMENTS(types[0].parts) && mirror->parts[i] != PART_NONE; i++) {
    NwfField field = NWF_FIELD_ETHER_SADDR;
    if (mirror->parts[i] == PART_IP || mirror->parts[i] == PART_IP2)
      field = mirror->ipv6 ? NWF_FIELD_IP6_SADDR : NWF_FIELD_IP_SADDR;
    if (mirror->parts[i] == PART_PORT) {
      set->fields[set->n_fields++] = NWF_FIELD_L4PROTO;
      field = NWF_FIELD_TH_DPORT;
    }
    set->fields[set->n_fields++] = field;
  }
}

static gboolean has_address(const Mirror *mirror) {
  return mirror->parts[0] == PART_IP;
}

static void check_type(Mirror *mirror) {
  for (gsize i = 0; i < G_N_ELEMENTS(types) && !mirror->parts; i++)
    if (g_str_equal(types[i].name, mirror->type))
      mirror->parts = types[i].parts;
  if (!mirror->parts) {
    fail(mirror, "sets of this type cannot be had as a set of nf_tables");
    return;
  }
  guint dimensions = 0;
  while (dimensions < G_N_ELEMENTS(types[0].parts) && mirror->parts[dimensions] != PART_NONE)
    dimensions++;
  if (dimensions > mirror->dimensions) {
    g_autofree char *what =
        g_strdup_printf("it has %u dimensions, and ipsetflags names %u", dimensions, mirror->dimensions);
    fail(mirror, what);
  }
}

static void read_header(Mirror *mirror, const NwfAttrs *attrs) {
  const struct nlattr *family = attrs->attr[IPSET_ATTR_FAMILY];
  NwfAttrs header;
  const char *type = nwf_attr_text(attrs->attr[IPSET_ATTR_TYPENAME]);
  if (!type)
    return;
  mirror->type = g_strdup(type);
  check_type(mirror);
  if (mirror->error)
    return;
  guint8 wanted = mirror->ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
  if (has_address(mirror) && family && mnl_attr_get_payload_len(family) == 1 && mnl_attr_get_u8(family) != wanted)
    fail(mirror, mirror->ipv6 ? "it holds IPv4 addresses, the rule IPv6" : "it holds IPv6 addresses, the rule IPv4");
  nwf_attrs_nested(attrs->attr[IPSET_ATTR_DATA], IPSET_ATTR_CREATE_MAX, &header);
  const struct nlattr *netmask = header.attr[IPSET_ATTR_NETMASK];
  if (netmask && mnl_attr_get_payload_len(netmask) == 1)
    mirror->netmask = mnl_attr_get_u8(netmask);
  if (header.attr[ATTR_BITMASK])
    fail(mirror, "it has a bitmask");
  set_fields(mirror);
}

/* --- its members --- */

static gboolean read_address(const Mirror *mirror, const struct nlattr *nest, guint8 *address) {
  NwfAttrs attrs;
  guint length = mirror->ipv6 ? 16 : 4;
  nwf_attrs_nested(nest, IPSET_ATTR_IPADDR_MAX, &attrs);
  const struct nlattr *value = attrs.attr[mirror->ipv6 ? IPSET_ATTR_IPADDR_IPV6 : IPSET_ATTR_IPADDR_IPV4];
  if (!value || mnl_attr_get_payload_len(value) != length)
    return FALSE;
  memcpy(address, mnl_attr_get_payload(value), length);
  return TRUE;
}

/** The range of a prefix, in place. */
static void apply_prefix(guint8 *low, guint8 *high, guint length, guint prefix) {
  for (guint i = 0; i < length; i++) {
    guint bits = MIN(prefix, 8);
    guint8 host = (guint8)(0xff >> bits);
    low[i] &= (guint8)~host;
    high[i] |= host;
    prefix -= bits;
  }
}

static gboolean read_net(const Mirror *mirror, const NwfAttrs *member, gboolean second, guint8 *low, guint8 *high) {
  const struct nlattr *cidr = member->attr[second ? IPSET_ATTR_CIDR2 : IPSET_ATTR_CIDR];
  const struct nlattr *to = member->attr[second ? IPSET_ATTR_IP2_TO : IPSET_ATTR_IP_TO];
  guint length = mirror->ipv6 ? 16 : 4, prefix = length * 8;
  if (!read_address(mirror, member->attr[second ? IPSET_ATTR_IP2 : IPSET_ATTR_IP], low))
    return FALSE;
  memcpy(high, low, length);
  if (to)
    return read_address(mirror, to, high) && memcmp(low, high, length) <= 0;
  if (mirror->netmask && !second)
    prefix = MIN(prefix, mirror->netmask);
  if (cidr && mnl_attr_get_payload_len(cidr) == 1)
    prefix = MIN(prefix, mnl_attr_get_u8(cidr));
  apply_prefix(low, high, length, prefix);
  return TRUE;
}

/** ipset matches a port only in TCP, UDP, UDPlite and SCTP; in another protocol it is always 0, that
 * is, it does not count. */
static gboolean has_ports(guint8 protocol) {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE || protocol == IPPROTO_SCTP;
}

static gboolean read_port(Mirror *mirror, const NwfAttrs *member, guint8 protocol, guint8 *low, guint8 *high) {
  const struct nlattr *port = member->attr[IPSET_ATTR_PORT], *to = member->attr[IPSET_ATTR_PORT_TO];
  if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
    fail(mirror, "it has a member with an ICMP type, which no set of nf_tables can hold beside ports");
    return FALSE;
  }
  if (!has_ports(protocol)) {
    memset(low, 0, 2);
    memset(high, 0xff, 2);
    return TRUE;
  }
  if (!port || mnl_attr_get_payload_len(port) != 2 || (to && mnl_attr_get_payload_len(to) != 2))
    return FALSE;
  memcpy(low, mnl_attr_get_payload(port), 2);
  memcpy(high, mnl_attr_get_payload(to ? to : port), 2);
  return memcmp(low, high, 2) <= 0;
}

/** One member (with a bitmap's ports, which have no protocol, as one of @protocol). */
static gboolean add_member(Mirror *mirror, const NwfAttrs *member, guint8 protocol) {
  guint8 low[NWF_KEY_MAX] = {0}, high[NWF_KEY_MAX] = {0};
  guint at = 0;
  for (guint i = 0; i < G_N_ELEMENTS(types[0].parts) && mirror->parts[i] != PART_NONE; i++) {
    const struct nlattr *ether = member->attr[IPSET_ATTR_ETHER];
    switch (mirror->parts[i]) {
    case PART_IP:
    case PART_IP2:
      if (!read_net(mirror, member, mirror->parts[i] == PART_IP2, low + at, high + at))
        return FALSE;
      at += mirror->ipv6 ? 16 : 4;
      break;
    case PART_PORT:
      low[at] = high[at] = protocol;
      at += 4;
      if (!read_port(mirror, member, protocol, low + at, high + at))
        return FALSE;
      at += 4;
      break;
    case PART_MAC:
      if (!ether || mnl_attr_get_payload_len(ether) != NWF_MAC_LEN)
        return FALSE;
      memcpy(low, mnl_attr_get_payload(ether), NWF_MAC_LEN);
      memcpy(high, low, NWF_MAC_LEN);
      break;
    case PART_NONE:
      break;
    }
  }
  nwf_set_add_element(mirror->ruleset, mirror->set, low, high, NULL, NULL);
  return TRUE;
}

static void read_member(Mirror *mirror, const struct nlattr *nest) {
  NwfAttrs member;
  nwf_attrs_nested(nest, IPSET_ATTR_ADT_MAX, &member);
  const struct nlattr *protocol = member.attr[IPSET_ATTR_PROTO];
  gboolean ok;
  if (nwf_attr_u32(member.attr[IPSET_ATTR_CADT_FLAGS], 0) & IPSET_FLAG_NOMATCH) {
    fail(mirror, "it has a nomatch member");
    return;
  }
  if (protocol && mnl_attr_get_payload_len(protocol) == 1)
    ok = add_member(mirror, &member, mnl_attr_get_u8(protocol));
  else if (mirror->parts[0] == PART_PORT)
    ok = add_member(mirror, &member, IPPROTO_TCP) && add_member(mirror, &member, IPPROTO_UDP);
  else
    ok = add_member(mirror, &member, 0);
  if (!ok)
    fail(mirror, "a member cannot be read");
}

static int read_message(const struct nlmsghdr *message, void *data) {
  Mirror *mirror = data;
  NwfAttrs attrs;
  nwf_attrs_message(message, IPSET_ATTR_CMD_MAX, &attrs);
  if (!mirror->type)
    read_header(mirror, &attrs);
  const struct nlattr *list = attrs.attr[IPSET_ATTR_ADT], *nest;
  if (mirror->error || !mirror->parts || !list)
    return MNL_CB_OK;
  mnl_attr_for_each_nested(nest, list) {
    if (!mirror->error)
      read_member(mirror, nest);
  }
  return MNL_CB_OK;
}

/* --- overlaps: ipset allows a net within a net, a set of nf_tables does not --- */

static gint compare_elements(gconstpointer a, gconstpointer b) {
  const NwfElement *x = a, *y = b;
  int order = memcmp(x->key, y->key, NWF_KEY_MAX);
  return order ? order : memcmp(y->key_end, x->key_end, NWF_KEY_MAX);
}

/** Of one part: ranges in order, those that overlap made one. */
static void merge_ranges(GArray *elements) {
  guint kept = 0;
  for (guint i = 0; i < elements->len; i++) {
    NwfElement *element = &g_array_index(elements, NwfElement, i);
    NwfElement *last = kept ? &g_array_index(elements, NwfElement, kept - 1) : NULL;
    if (!last || memcmp(element->key, last->key_end, NWF_KEY_MAX) > 0)
      g_array_index(elements, NwfElement, kept++) = *element;
    else if (memcmp(element->key_end, last->key_end, NWF_KEY_MAX) > 0)
      memcpy(last->key_end, element->key_end, NWF_KEY_MAX);
  }
  g_array_set_size(elements, kept);
}

/** Whether @inner lies within @outer in every byte's range; enough for products of prefixes. */
static gboolean contains(const NwfSet *set, const NwfElement *outer, const NwfElement *inner) {
  guint at = 0;
  for (guint i = 0; i < set->n_fields; i++) {
    guint length = nwf_set_part_length(set, i);
    if (memcmp(outer->key + at, inner->key + at, length) > 0 ||
        memcmp(outer->key_end + at, inner->key_end + at, length) < 0)
      return FALSE;
    at += (length + 3) & ~3u;
  }
  return TRUE;
}

/** Of several parts: an element within another goes. Sorted by key, an outer element comes before
 * what is in it as far as the first part tells, so only those whose first part still covers the
 * element are looked at: the prefixes of one address, at most 129, times what shares them. */
static void drop_contained(NwfSet *set) {
  GArray *elements = set->elements;
  g_autoptr(GArray) open = g_array_new(FALSE, FALSE, sizeof(guint)); /* kept ones that may cover what follows */
  guint kept = 0, first = nwf_set_part_length(set, 0);
  for (guint i = 0; i < elements->len; i++) {
    NwfElement element = g_array_index(elements, NwfElement, i);
    gboolean covered = FALSE;
    for (guint n = 0; n < open->len && !covered;) {
      const NwfElement *outer = &g_array_index(elements, NwfElement, g_array_index(open, guint, n));
      if (memcmp(outer->key_end, element.key, first) < 0)
        g_array_remove_index_fast(open, n);
      else if (!(covered = contains(set, outer, &element)))
        n++;
    }
    if (covered)
      continue;
    g_array_index(elements, NwfElement, kept) = element;
    if (memcmp(element.key, element.key_end, NWF_KEY_MAX) != 0)
      g_array_append_val(open, kept); /* a single value covers no other */
    kept++;
  }
  g_array_set_size(elements, kept);
}

gboolean nwf_kernel_ipset(const char *name, guint dimensions, gboolean ipv6, NwfRuleset *ruleset, NwfSet *set,
                          gpointer data, GError **error) {
  NwfKernel *kernel = data;
  Mirror mirror = {.ruleset = ruleset, .set = set, .dimensions = dimensions, .ipv6 = ipv6};
  guint8 buffer[256];
  int code = 0;
  if (strlen(name) >= IPSET_MAXNAMELEN) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "ipset '%s': no ipset has so long a name", name);
    return FALSE;
  }
  struct nlmsghdr *request =
      nwf_kernel_request(kernel, buffer, NFNL_SUBSYS_IPSET, IPSET_CMD_LIST, NLM_F_DUMP, NFPROTO_IPV4);
  mnl_attr_put_u8(request, IPSET_ATTR_PROTOCOL, IPSET_PROTOCOL_MIN);
  mnl_attr_put_strz(request, IPSET_ATTR_SETNAME, name);
  gboolean ok = nwf_kernel_talk(kernel, request, read_message, &mirror, &code);
  if (!ok)
    g_set_error(error, NWF_ERROR, code == ENOENT ? NWF_ERROR_INVALID : NWF_ERROR_KERNEL, "ipset '%s': %s", name,
                code == ENOENT   ? "there is none of that name"
                : code == EINVAL ? "the kernel has no ipset: CONFIG_IP_SET"
                                 : g_strerror(code));
  else if (!mirror.type)
    g_set_error(error, NWF_ERROR, NWF_ERROR_KERNEL, "ipset '%s': the kernel does not tell its type", name);
  else if (mirror.error)
    g_set_error(error, NWF_ERROR, mirror.error->code, "ipset '%s': %s", name, mirror.error->message);
  ok = ok && mirror.type && !mirror.error;
  if (ok) {
    g_array_sort(set->elements, compare_elements);
    if (set->n_fields == 1)
      merge_ranges(set->elements);
    else
      drop_contained(set);
  }
  g_clear_error(&mirror.error);
  g_free(mirror.type);
  return ok;
}
