// SPDX-License-Identifier: LGPL-2.1-or-later
// Values of attributes: text <-> NwfValue, one row of nwf_types[] for each type.

#include <nwfilter-nft/model.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

typedef struct {
  guint32 number;
  const char *name;
} NamedNumber;

static const NamedNumber ethertypes[] = {
    {ETH_P_ARP, "arp"}, {ETH_P_RARP, "rarp"}, {ETH_P_IP, "ipv4"}, {ETH_P_IPV6, "ipv6"}, {ETH_P_8021Q, "vlan"}, {0},
};

/* ARP_NAK is 10 with IANA, but the stock driver and ebtables know it as 9. */
static const NamedNumber opcodes[] = {
    {1, "Request"},     {2, "Reply"},       {3, "Request_Reverse"}, {4, "Reply_Reverse"}, {5, "DRARP_Request"},
    {6, "DRARP_Reply"}, {7, "DRARP_Error"}, {8, "InARP_Request"},   {9, "ARP_NAK"},       {0},
};

static const NamedNumber ip_protocols[] = {
    {IPPROTO_TCP, "tcp"},         {IPPROTO_UDP, "udp"},
    {IPPROTO_UDPLITE, "udplite"}, {IPPROTO_ESP, "esp"},
    {IPPROTO_AH, "ah"},           {IPPROTO_ICMP, "icmp"},
    {IPPROTO_IGMP, "igmp"},       {IPPROTO_SCTP, "sctp"},
    {IPPROTO_ICMPV6, "icmpv6"},   {0},
};

/* In the order in which they are written. */
static const NamedNumber states[] = {
    {NWF_STATE_NONE, "NONE"},       {NWF_STATE_NEW, "NEW"},         {NWF_STATE_ESTABLISHED, "ESTABLISHED"},
    {NWF_STATE_RELATED, "RELATED"}, {NWF_STATE_INVALID, "INVALID"}, {0},
};

#define TCP_FLAGS_ALL 0x3f /* RFC 9293, without ECE and CWR, which the language does not know */
static const NamedNumber tcp_flags[] = {
    {TCP_FLAGS_ALL, "ALL"}, {0x02, "SYN"}, {0x10, "ACK"}, {0x20, "URG"},
    {0x08, "PSH"},          {0x01, "FIN"}, {0x04, "RST"}, {0},
};

static const NamedNumber *find_by_name(const NamedNumber *table, const char *name, gsize length) {
  for (; table != NULL && table->name != NULL; table++)
    if (strlen(table->name) == length && g_ascii_strncasecmp(table->name, name, length) == 0)
      return table;
  return NULL;
}

static const NamedNumber *find_by_number(const NamedNumber *table, guint32 number) {
  for (; table != NULL && table->name != NULL; table++)
    if (table->number == number)
      return table;
  return NULL;
}

/* --- numbers --- */

static gboolean read_digits(const char *text, guint base, guint32 *number) {
  guint64 result = 0;
  if (*text == '\0')
    return FALSE;
  for (; *text != '\0'; text++) {
    int digit = g_ascii_xdigit_value(*text);
    if (digit < 0 || digit >= (int)base)
      return FALSE;
    result = result * base + (guint64)digit;
    if (result > G_MAXUINT32)
      return FALSE;
  }
  *number = (guint32)result;
  return TRUE;
}

/* Decimal, else hexadecimal with or without 0x, as the stock parser tries them: "12" is
 * twelve, "1f" is 31. */
static gboolean read_number(const char *text, guint32 *number, gboolean *hex) {
  while (g_ascii_isspace(*text))
    text++;
  if (*text == '+')
    text++;
  *hex = FALSE;
  if (read_digits(text, 10, number))
    return TRUE;
  *hex = TRUE;
  if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
    text += 2;
  return read_digits(text, 16, number);
}

typedef struct {
  guint32 min, max;
  const NamedNumber *names; /* or NULL */
} NumberRange;

static gboolean parse_in_range(const char *text, const NumberRange *range, NwfValue *value) {
  const NamedNumber *named = find_by_name(range->names, text, strlen(text));
  if (named != NULL) {
    value->number = named->number;
    return TRUE;
  }
  return read_number(text, &value->number, &value->hex) && value->number >= range->min && value->number <= range->max;
}

static const NumberRange number_ranges[] = {
    [NWF_TYPE_UINT8] = {0, G_MAXUINT8, NULL},
    [NWF_TYPE_UINT16] = {0, G_MAXUINT16, NULL},
    [NWF_TYPE_UINT32] = {0, G_MAXUINT32, NULL},
    [NWF_TYPE_ETHERTYPE] = {0x600, G_MAXUINT16, ethertypes},
    [NWF_TYPE_OPCODE] = {0, G_MAXUINT16, opcodes},
    [NWF_TYPE_IPPROTO] = {0, G_MAXUINT8, ip_protocols},
    [NWF_TYPE_DSCP] = {0, 63, NULL},
};

static gboolean parse_number(NwfAttr attr, const char *text, NwfValue *value) {
  NumberRange range = number_ranges[value->type];
  if (attr == NWF_ATTR_ENCAP_PROTOCOL)
    range.min = 0x3c; /* shorter than the shortest frame: a length, not a type */
  else if (attr == NWF_ATTR_VLANID)
    range.max = 4095;
  return parse_in_range(text, &range, value);
}

static void format_number(const NwfValue *value, GString *text) {
  const NamedNumber *named = find_by_number(number_ranges[value->type].names, value->number);
  if (named != NULL)
    g_string_append(text, named->name);
  else
    g_string_append_printf(text, value->hex ? "0x%x" : "%u", value->number);
}

static gboolean parse_boolean(NwfAttr attr, const char *text, NwfValue *value) {
  static const char *const words[] = {"false", "no", "0", "true", "yes", "1"};
  for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
    if (strcmp(words[i], text) == 0) {
      value->number = i >= 3;
      return TRUE;
    }
  }
  return FALSE;
}

static void format_boolean(const NwfValue *value, GString *text) {
  g_string_append(text, value->number != 0 ? "true" : "false");
}

/* --- addresses and masks --- */

/* Counts leading ones; FALSE when ones follow zeros. */
static gboolean count_prefix(const guint8 *bytes, guint length, guint32 *prefix) {
  guint bits = 0;
  while (bits < length * 8 && (bytes[bits / 8] & (0x80 >> bits % 8)) != 0)
    bits++;
  for (guint i = bits; i < length * 8; i++)
    if ((bytes[i / 8] & (0x80 >> i % 8)) != 0)
      return FALSE;
  *prefix = bits;
  return TRUE;
}

static gboolean parse_mac(NwfAttr attr, const char *text, NwfValue *value) {
  return nwf_mac_parse(text, value->mac);
}

static gboolean parse_mac_mask(NwfAttr attr, const char *text, NwfValue *value) {
  guint32 prefix;
  return nwf_mac_parse(text, value->mac) && count_prefix(value->mac, NWF_MAC_LEN, &prefix);
}

static void format_mac(const NwfValue *value, GString *text) {
  g_autofree char *mac = nwf_mac_format(value->mac);
  g_string_append(text, mac);
}

/* What inet_aton takes, as the stock parser does (10.1 is 10.0.0.1, 010 is 8), but not what
 * follows a blank, which inet_aton does not look at. */
static gboolean read_ipv4(const char *text, guint8 *address) {
  struct in_addr in;
  if (text[strspn(text, G_CSET_DIGITS "abcdefABCDEFxX.")] != '\0' || inet_aton(text, &in) == 0)
    return FALSE;
  memcpy(address, &in, sizeof in);
  return TRUE;
}

static gboolean parse_ipv4(NwfAttr attr, const char *text, NwfValue *value) {
  return read_ipv4(text, value->address);
}

static gboolean parse_ipv6(NwfAttr attr, const char *text, NwfValue *value) {
  return inet_pton(AF_INET6, text, value->address) == 1;
}

static void format_address(const NwfValue *value, GString *text) {
  char buffer[INET6_ADDRSTRLEN];
  g_string_append(text,
                  inet_ntop(value->type == NWF_TYPE_IPV4 ? AF_INET : AF_INET6, value->address, buffer, sizeof buffer));
}

static gboolean parse_ip_mask(NwfAttr attr, const char *text, NwfValue *value) {
  guint length = value->type == NWF_TYPE_IPV4_MASK ? 4 : 16;
  guint8 mask[16];
  if (read_digits(text, 10, &value->number))
    return value->number <= length * 8;
  gboolean good = length == 4 ? read_ipv4(text, mask) : inet_pton(AF_INET6, text, mask) == 1;
  return good && count_prefix(mask, length, &value->number);
}

static void format_ip_mask(const NwfValue *value, GString *text) {
  g_string_append_printf(text, "%u", value->number);
}

/* --- lists of words --- */

/* ORs the numbers of comma-separated names; blanks around a name and empty names are skipped. */
static gboolean read_names(const char *text, gsize length, const NamedNumber *table, guint32 *bits) {
  const char *end = text + length;
  *bits = 0;
  while (text < end) {
    const char *comma = memchr(text, ',', (gsize)(end - text));
    const char *stop = comma != NULL ? comma : end;
    const char *last = stop;
    while (text < last && *text == ' ')
      text++;
    while (last > text && last[-1] == ' ')
      last--;
    if (last > text) {
      const NamedNumber *named = find_by_name(table, text, (gsize)(last - text));
      if (named == NULL)
        return FALSE;
      *bits |= named->number;
    }
    text = comma != NULL ? comma + 1 : end;
  }
  return TRUE;
}

static void write_names(guint32 bits, const NamedNumber *table, GString *text) {
  const char *comma = "";
  for (; table->name != NULL && bits != 0; table++) {
    if ((bits & table->number) == table->number) {
      g_string_append_printf(text, "%s%s", comma, table->name);
      bits &= ~table->number;
      comma = ",";
    }
  }
}

static gboolean parse_state(NwfAttr attr, const char *text, NwfValue *value) {
  if (!read_names(text, strlen(text), states, &value->number) || value->number == 0)
    return FALSE;
  if ((value->number & NWF_STATE_NONE) != 0)
    value->number = NWF_STATE_NONE;
  return TRUE;
}

static void format_state(const NwfValue *value, GString *text) {
  write_names(value->number, states, text);
}

static gboolean read_tcp_flags(const char *text, gsize length, guint8 *flags) {
  guint32 bits = 0;
  gboolean none = length == 4 && g_ascii_strncasecmp(text, "NONE", 4) == 0;
  if (!none && !read_names(text, length, tcp_flags, &bits))
    return FALSE;
  *flags = (guint8)bits;
  return TRUE;
}

static gboolean parse_tcp_flags(NwfAttr attr, const char *text, NwfValue *value) {
  const char *slash = strchr(text, '/');
  return slash != NULL && read_tcp_flags(text, (gsize)(slash - text), &value->tcp_flags.mask) &&
         read_tcp_flags(slash + 1, strlen(slash + 1), &value->tcp_flags.flags);
}

static void format_tcp_flags(const NwfValue *value, GString *text) {
  const guint8 sets[] = {value->tcp_flags.mask, value->tcp_flags.flags};
  for (guint i = 0; i < G_N_ELEMENTS(sets); i++) {
    if (i > 0)
      g_string_append_c(text, '/');
    if (sets[i] == 0)
      g_string_append(text, "NONE");
    write_names(sets[i], tcp_flags, text);
  }
}

/* --- ipset, comment --- */

static gboolean parse_ipset(NwfAttr attr, const char *text, NwfValue *value) {
  gsize length = strlen(text);
  if (length == 0 || length > NWF_IPSET_NAME_MAX ||
      strspn(text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_.:-+ ") != length)
    return FALSE;
  value->string = g_strdup(text);
  return TRUE;
}

static gboolean parse_ipset_flags(NwfAttr attr, const char *text, NwfValue *value) {
  value->ipset_flags.count = value->ipset_flags.src = 0;
  for (;;) {
    gboolean src = g_ascii_strncasecmp(text, "src", 3) == 0;
    if (value->ipset_flags.count == NWF_IPSET_FLAGS_MAX || (!src && g_ascii_strncasecmp(text, "dst", 3) != 0))
      return FALSE;
    if (src)
      value->ipset_flags.src |= (guint8)(1u << value->ipset_flags.count);
    value->ipset_flags.count++;
    text += 3;
    if (*text == '\0')
      return TRUE;
    if (*text++ != ',')
      return FALSE;
  }
}

static void format_ipset_flags(const NwfValue *value, GString *text) {
  for (guint i = 0; i < value->ipset_flags.count; i++)
    g_string_append_printf(text, "%s%s", i > 0 ? "," : "", (value->ipset_flags.src >> i & 1) != 0 ? "src" : "dst");
}

static gboolean parse_string(NwfAttr attr, const char *text, NwfValue *value) {
  /* longer ones are cut, as the stock parser does, but never within a character */
  const char *end = text + strnlen(text, NWF_COMMENT_MAX);
  if (*end != '\0')
    while (end > text && ((guchar)*end & 0xc0) == 0x80)
      end--;
  value->string = g_strndup(text, (gsize)(end - text));
  return TRUE;
}

static void format_string(const NwfValue *value, GString *text) {
  g_string_append(text, value->string);
}

/* --- the table --- */

typedef struct {
  gboolean (*parse)(NwfAttr attr, const char *text, NwfValue *value);
  void (*format)(const NwfValue *value, GString *text);
  const char *wanted; /* for messages */
} TypeSpec;

static const TypeSpec type_specs[] = {
    [NWF_TYPE_UINT8] = {parse_number, format_number, "a number from 0 to 255"},
    [NWF_TYPE_UINT16] = {parse_number, format_number, "a number from 0 to 65535"},
    [NWF_TYPE_UINT32] = {parse_number, format_number, "a number from 0 to 4294967295"},
    [NWF_TYPE_ETHERTYPE] = {parse_number, format_number,
                            "a number from 0x600 to 0xffff, or arp, rarp, ipv4, ipv6, vlan"},
    [NWF_TYPE_OPCODE] = {parse_number, format_number, "a number from 0 to 65535, or an ARP operation's name"},
    [NWF_TYPE_IPPROTO] = {parse_number, format_number, "a number from 0 to 255, or a protocol's name"},
    [NWF_TYPE_DSCP] = {parse_number, format_number, "a number from 0 to 63"},
    [NWF_TYPE_BOOLEAN] = {parse_boolean, format_boolean, "true, yes, 1, false, no or 0"},
    [NWF_TYPE_MAC] = {parse_mac, format_mac, "a MAC address"},
    [NWF_TYPE_MAC_MASK] = {parse_mac_mask, format_mac, "a MAC mask with no one after a zero"},
    [NWF_TYPE_IPV4] = {parse_ipv4, format_address, "an IPv4 address"},
    [NWF_TYPE_IPV4_MASK] = {parse_ip_mask, format_ip_mask,
                            "a prefix length up to 32, or a mask with no one after a zero"},
    [NWF_TYPE_IPV6] = {parse_ipv6, format_address, "an IPv6 address"},
    [NWF_TYPE_IPV6_MASK] = {parse_ip_mask, format_ip_mask,
                            "a prefix length up to 128, or a mask with no one after a zero"},
    [NWF_TYPE_STATE] = {parse_state, format_state, "NONE, or some of NEW, ESTABLISHED, RELATED, INVALID"},
    [NWF_TYPE_TCP_FLAGS] = {parse_tcp_flags, format_tcp_flags, "MASK/FLAGS of SYN, ACK, URG, PSH, FIN, RST, ALL, NONE"},
    [NWF_TYPE_IPSET] = {parse_ipset, format_string, "an ipset's name of up to 31 characters"},
    [NWF_TYPE_IPSET_FLAGS] = {parse_ipset_flags, format_ipset_flags, "one to six of src and dst"},
    [NWF_TYPE_STRING] = {parse_string, format_string, "text"},
};

static const char *wanted_text(NwfAttr attr, NwfType type) {
  if (attr == NWF_ATTR_VLANID)
    return "a number from 0 to 4095";
  if (attr == NWF_ATTR_ENCAP_PROTOCOL)
    return "a number from 0x3c to 0xffff, or arp, rarp, ipv4, ipv6, vlan";
  return type_specs[type].wanted;
}

gboolean nwf_value_parse(NwfAttr attr, NwfType type, const char *text, NwfValue *value, GError **error) {
  g_return_val_if_fail((guint)type < G_N_ELEMENTS(type_specs), FALSE);
  NwfValue result = {.type = type};
  if (!type_specs[type].parse(attr, text, &result)) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "%s has illegal value '%.64s': %s is wanted", nwf_attr_name(attr),
                text, wanted_text(attr, type));
    return FALSE;
  }
  *value = result;
  return TRUE;
}

char *nwf_value_format(NwfAttr attr, const NwfValue *value) {
  g_return_val_if_fail((guint)value->type < G_N_ELEMENTS(type_specs), NULL);
  GString *text = g_string_new(NULL);
  type_specs[value->type].format(value, text);
  return g_string_free(text, FALSE);
}

static gboolean is_string(NwfType type) {
  return type == NWF_TYPE_IPSET || type == NWF_TYPE_STRING;
}

gboolean nwf_value_equal(const NwfValue *a, const NwfValue *b) {
  if (a->type != b->type)
    return FALSE;
  switch (a->type) {
  case NWF_TYPE_MAC:
  case NWF_TYPE_MAC_MASK:
    return memcmp(a->mac, b->mac, sizeof a->mac) == 0;
  case NWF_TYPE_IPV4:
    return memcmp(a->address, b->address, 4) == 0;
  case NWF_TYPE_IPV6:
    return memcmp(a->address, b->address, 16) == 0;
  case NWF_TYPE_TCP_FLAGS:
    return a->tcp_flags.mask == b->tcp_flags.mask && a->tcp_flags.flags == b->tcp_flags.flags;
  case NWF_TYPE_IPSET_FLAGS:
    return a->ipset_flags.count == b->ipset_flags.count && a->ipset_flags.src == b->ipset_flags.src;
  case NWF_TYPE_IPSET:
  case NWF_TYPE_STRING:
    return g_strcmp0(a->string, b->string) == 0;
  default:
    return a->number == b->number;
  }
}

void nwf_value_clear(NwfValue *value) {
  if (is_string(value->type))
    g_clear_pointer(&value->string, g_free);
}
