// SPDX-License-Identifier: LGPL-2.1-or-later
/* Random rules and the pools of values that rules and frames share. */
#include "generate.h"

#include <string.h>

#define PICK(random, pool) pool[random_below(random, G_N_ELEMENTS(pool))]

static const char *const macs[] = {"52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:01:00:02", "02:00:00:00:00:09"};
static const char *const other_macs[] = {"ff:ff:ff:ff:ff:ff", "01:80:c2:00:00:00", "01:00:5e:00:00:01",
                                         "33:33:00:00:00:01", "00:00:00:00:00:00"};
static const char *const mac_masks[] = {"ff:ff:ff:ff:ff:ff", "ff:ff:ff:ff:ff:00", "ff:ff:ff:00:00:00",
                                        "fe:00:00:00:00:00", "80:00:00:00:00:00", "00:00:00:00:00:00"};
static const char *const ipv4s[] = {"10.0.0.1", "10.0.0.2",        "10.0.1.1",  "192.168.1.1",
                                    "0.0.0.0",  "255.255.255.255", "224.0.0.1", "10.0.0.3"};
static const char *const ipv4_masks[] = {"32", "31", "24", "16", "8", "1", "0", "30"};
static const char *const ipv6s[] = {"fe80::1", "fe80::2", "2001:db8::1",  "2001:db8::2",
                                    "ff02::1", "::",      "2001:db8:1::1"};
static const char *const ipv6_masks[] = {"128", "127", "64", "48", "10", "0", "16"};
static const char *const ports[] = {"22", "67", "68", "80", "0x35", "1024", "0", "65535"};
static const char *const types[] = {"0", "3", "8", "128", "135", "255", "5"};
static const char *const codes[] = {"0", "1", "3", "255"};
static const char *const small[] = {"0", "1", "2", "5", "0x100", "32768", "65535"};
static const char *const ethertypes[] = {"arp", "rarp", "ipv4", "ipv6", "vlan", "0x88b5", "0x835", "0x600"};
static const char *const opcodes[] = {"Request", "Reply", "Request_Reverse", "0", "9", "0xffff"};
static const char *const protocols[] = {"tcp", "udp",  "icmp",    "icmpv6", "sctp", "esp",
                                        "ah",  "igmp", "udplite", "47",     "0"};
static const char *const port_protocols[] = {"tcp", "udp", "sctp", "33"};
static const char *const dscps[] = {"0", "1", "46", "63"};
static const char *const tcp_flags[] = {"SYN/SYN", "SYN,ACK/SYN", "ALL/SYN,ACK", "RST/NONE", "SYN/NONE", "FIN,PSH/PSH"};
static const char *const tcp_options[] = {"2", "3", "8", "0", "1"};
static const char *const vlans[] = {"1", "2", "100", "4095", "0"};

static char *number_value(Random *random, NwfAttr attr) {
  switch (attr) {
  case NWF_ATTR_VLANID:
    return g_strdup(PICK(random, vlans));
  case NWF_ATTR_SRCPORTSTART:
  case NWF_ATTR_SRCPORTEND:
  case NWF_ATTR_DSTPORTSTART:
  case NWF_ATTR_DSTPORTEND:
    return g_strdup(PICK(random, ports));
  case NWF_ATTR_TYPE:
  case NWF_ATTR_TYPEEND:
    return g_strdup(PICK(random, types));
  case NWF_ATTR_CODE:
  case NWF_ATTR_CODEEND:
    return g_strdup(PICK(random, codes));
  case NWF_ATTR_OPTION:
    return g_strdup(PICK(random, tcp_options));
  case NWF_ATTR_STP_TYPE:
    return g_strdup(random_chance(random, 60) ? "0" : "0x80");
  case NWF_ATTR_STP_FLAGS:
    return g_strdup(random_chance(random, 50) ? "0" : "0x81");
  case NWF_ATTR_HWTYPE:
    return g_strdup(random_chance(random, 80) ? "1" : "6");
  case NWF_ATTR_PROTOCOLTYPE:
    return g_strdup(random_chance(random, 80) ? "0x800" : "0x86dd");
  default:
    return g_strdup(PICK(random, small));
  }
}

char *generate_value(Random *random, NwfAttr attr, NwfType type) {
  switch (type) {
  case NWF_TYPE_MAC:
    return g_strdup(random_chance(random, 80) ? PICK(random, macs) : PICK(random, other_macs));
  case NWF_TYPE_MAC_MASK:
    return g_strdup(PICK(random, mac_masks));
  case NWF_TYPE_IPV4:
    return g_strdup(PICK(random, ipv4s));
  case NWF_TYPE_IPV4_MASK:
    return g_strdup(PICK(random, ipv4_masks));
  case NWF_TYPE_IPV6:
    return g_strdup(PICK(random, ipv6s));
  case NWF_TYPE_IPV6_MASK:
    return g_strdup(PICK(random, ipv6_masks));
  case NWF_TYPE_ETHERTYPE:
    return g_strdup(PICK(random, ethertypes));
  case NWF_TYPE_OPCODE:
    return g_strdup(PICK(random, opcodes));
  case NWF_TYPE_IPPROTO:
    return g_strdup(PICK(random, protocols));
  case NWF_TYPE_DSCP:
    return g_strdup(PICK(random, dscps));
  case NWF_TYPE_BOOLEAN:
    return g_strdup(random_chance(random, 80) ? "true" : "false");
  case NWF_TYPE_TCP_FLAGS:
    return g_strdup(PICK(random, tcp_flags));
  case NWF_TYPE_UINT8:
  case NWF_TYPE_UINT16:
  case NWF_TYPE_UINT32:
    return number_value(random, attr);
  case NWF_TYPE_STRING:
    return g_strdup("a \"comment\" & more");
  default:
    return NULL;
  }
}

char *generate_prefix(Random *random, NwfType type) {
  static const char *const v4[] = {"10.0.0.0/24", "10.0.0.0/30", "10.0.0.2/31", "10.0.0.1/32", "10.0.0.0/9"};
  static const char *const v6[] = {"fe80::/64", "2001:db8::/48", "2001:db8::/127", "2001:db8::1/128", "fe80::/10"};
  return type == NWF_TYPE_IPV4 ? g_strdup(PICK(random, v4)) : type == NWF_TYPE_IPV6 ? g_strdup(PICK(random, v6)) : NULL;
}

const char *generate_variable_name(NwfAttr attr, NwfType type) {
  switch (type) {
  case NWF_TYPE_MAC:
    return "MACS";
  case NWF_TYPE_IPV4:
    return "IP";
  case NWF_TYPE_IPV6:
    return "IPV6";
  case NWF_TYPE_IPV4_MASK:
    return "MASK";
  case NWF_TYPE_IPV6_MASK:
    return "MASK6";
  case NWF_TYPE_ETHERTYPE:
    return "ETHER_TYPE";
  case NWF_TYPE_OPCODE:
    return "OPCODE";
  case NWF_TYPE_DSCP:
    return "DSCP";
  case NWF_TYPE_UINT16:
    return attr == NWF_ATTR_SRCPORTSTART || attr == NWF_ATTR_DSTPORTSTART ? "PORT" : NULL;
  case NWF_TYPE_UINT8:
    return attr == NWF_ATTR_TYPE ? "TYPE" : NULL;
  default:
    return NULL;
  }
}

/* --- rules --- */

static const NwfAction actions[] = {NWF_ACTION_ACCEPT, NWF_ACTION_ACCEPT,  NWF_ACTION_ACCEPT, NWF_ACTION_DROP,
                                    NWF_ACTION_DROP,   NWF_ACTION_DROP,    NWF_ACTION_REJECT, NWF_ACTION_RETURN,
                                    NWF_ACTION_RETURN, NWF_ACTION_CONTINUE};

/* Mostly one that can match in the chain. */
static NwfProtocol choose_protocol(Random *random, const char *chain) {
  static const struct {
    const char *chain;
    NwfProtocol protocol;
  } natural[] = {
      {"vlan", NWF_PROTOCOL_VLAN}, {"stp", NWF_PROTOCOL_STP},   {"arp", NWF_PROTOCOL_ARP}, {"rarp", NWF_PROTOCOL_RARP},
      {"ipv4", NWF_PROTOCOL_IP},   {"ipv6", NWF_PROTOCOL_IPV6}, {"mac", NWF_PROTOCOL_MAC},
  };
  if (random_chance(random, 35))
    return (NwfProtocol)(NWF_PROTOCOL_TCP + random_below(random, NWF_N_PROTOCOLS - NWF_PROTOCOL_TCP));
  if (random_chance(random, 75))
    for (guint i = 0; i < G_N_ELEMENTS(natural); i++)
      if (g_str_has_prefix(chain, natural[i].chain))
        return natural[i].protocol;
  return (NwfProtocol)random_below(random, NWF_PROTOCOL_TCP);
}

static NwfVariable *make_variable(Random *random, NwfAttr attr, NwfType type) {
  g_autofree char *text = NULL;
  const char *name = generate_variable_name(attr, type);
  if (type == NWF_TYPE_MAC && random_chance(random, 60)) /* has one value, the lists may have more */
    text = g_strdup_printf("$MAC%s", random_chance(random, 50) ? "[0]" : "[@9]");
  else if (name == NULL)
    return NULL;
  else if (random_chance(random, 70))
    text = random_chance(random, 70) ? g_strdup_printf("$%s", name)
                                     : g_strdup_printf("$%s[@%u]", name, 1 + random_below(random, 2));
  else
    text = g_strdup_printf("$%s[%u]", name, random_below(random, 3));
  return nwf_variable_parse(text, NULL);
}

static void add_match(Random *random, NwfRule *rule, const NwfAttrSpec *spec, gboolean negated) {
  NwfMatch match = {.attr = spec->attr, .negated = negated};
  if (random_chance(random, 20))
    match.variable = make_variable(random, spec->attr, spec->type);
  if (match.variable == NULL) {
    g_autofree char *text = generate_value(random, spec->attr, spec->type);
    if (text == NULL || !nwf_value_parse(spec->attr, spec->type, text, &match.value, NULL))
      return;
  }
  g_array_append_val(rule->matches, match);
}

static NwfMatch *find(NwfRule *rule, NwfAttr attr) {
  return (NwfMatch *)nwf_rule_match(rule, attr);
}

static void drop_match(NwfRule *rule, NwfAttr attr) {
  for (guint i = 0; i < rule->matches->len; i++)
    if (g_array_index(rule->matches, NwfMatch, i).attr == attr) {
      g_array_remove_index(rule->matches, i);
      return;
    }
}

/* Ranges the right way round; one that holds a variable may turn out wrong, so it goes. */
static void order_range(NwfRule *rule, NwfAttr low, NwfAttr high) {
  NwfMatch *from = find(rule, low), *to = find(rule, high);
  if (from == NULL || to == NULL)
    return;
  if (from->variable != NULL || to->variable != NULL) {
    drop_match(rule, high);
  } else if (from->value.type == NWF_TYPE_IPV4 || from->value.type == NWF_TYPE_IPV6) {
    gsize length = from->value.type == NWF_TYPE_IPV4 ? 4 : 16;
    if (memcmp(from->value.address, to->value.address, length) > 0) {
      NwfValue value = from->value;
      from->value = to->value;
      to->value = value;
    }
  } else if (from->value.number > to->value.number) {
    NwfValue value = from->value;
    from->value = to->value;
    to->value = value;
  }
}

static void order_ranges(NwfRule *rule) {
  static const NwfAttr ranges[][2] = {
      {NWF_ATTR_SRCPORTSTART, NWF_ATTR_SRCPORTEND},
      {NWF_ATTR_DSTPORTSTART, NWF_ATTR_DSTPORTEND},
      {NWF_ATTR_SRCIPFROM, NWF_ATTR_SRCIPTO},
      {NWF_ATTR_DSTIPFROM, NWF_ATTR_DSTIPTO},
      {NWF_ATTR_ROOT_PRIORITY, NWF_ATTR_ROOT_PRIORITY_HI},
      {NWF_ATTR_ROOT_COST, NWF_ATTR_ROOT_COST_HI},
      {NWF_ATTR_SENDER_PRIORITY, NWF_ATTR_SENDER_PRIORITY_HI},
      {NWF_ATTR_PORT, NWF_ATTR_PORT_HI},
      {NWF_ATTR_AGE, NWF_ATTR_AGE_HI},
      {NWF_ATTR_MAX_AGE, NWF_ATTR_MAX_AGE_HI},
      {NWF_ATTR_HELLO_TIME, NWF_ATTR_HELLO_TIME_HI},
      {NWF_ATTR_FORWARD_DELAY, NWF_ATTR_FORWARD_DELAY_HI},
      {NWF_ATTR_TYPE, NWF_ATTR_TYPEEND},
      {NWF_ATTR_CODE, NWF_ATTR_CODEEND},
  };
  for (guint i = 0; i < G_N_ELEMENTS(ranges); i++)
    order_range(rule, ranges[i][0], ranges[i][1]);
}

static gboolean is_wanted(Random *random, const GenerateOptions *options, const NwfAttrSpec *spec, gsize n_attrs) {
  if (spec->attr == NWF_ATTR_IPSET || spec->attr == NWF_ATTR_IPSETFLAGS || spec->attr == NWF_ATTR_STATE)
    return FALSE;
  if (spec->attr == NWF_ATTR_CONNLIMIT_ABOVE && !options->connlimit)
    return FALSE;
  return random_chance(random, n_attrs > 12 ? 15 : 28);
}

/* L2 ports want a protocol that has them. */
static void repair_ports(Random *random, NwfRule *rule) {
  gboolean ports_given = find(rule, NWF_ATTR_SRCPORTSTART) != NULL || find(rule, NWF_ATTR_DSTPORTSTART) != NULL ||
                         find(rule, NWF_ATTR_SRCPORTEND) != NULL || find(rule, NWF_ATTR_DSTPORTEND) != NULL;
  if (!ports_given || (rule->protocol != NWF_PROTOCOL_IP && rule->protocol != NWF_PROTOCOL_IPV6))
    return;
  NwfMatch *protocol = find(rule, NWF_ATTR_PROTOCOL);
  if (protocol == NULL) {
    drop_match(rule, NWF_ATTR_SRCPORTSTART);
    drop_match(rule, NWF_ATTR_SRCPORTEND);
    drop_match(rule, NWF_ATTR_DSTPORTSTART);
    drop_match(rule, NWF_ATTR_DSTPORTEND);
  } else {
    nwf_value_parse(NWF_ATTR_PROTOCOL, NWF_TYPE_IPPROTO, PICK(random, port_protocols), &protocol->value, NULL);
  }
}

/* state= and the implied states of accept, within what the kernel can do. */
static void choose_state(Random *random, const GenerateOptions *options, NwfRule *rule) {
  static const char *const states[] = {"NONE", "NEW", "ESTABLISHED", "NEW,ESTABLISHED", "RELATED", "INVALID"};
  if (nwf_protocols[rule->protocol].stage == NWF_STAGE_L2)
    return;
  rule->no_statematch = random_chance(random, 30);
  if (random_chance(random, 15)) {
    NwfMatch match = {.attr = NWF_ATTR_STATE};
    const char *text = options->ct || rule->no_statematch ? PICK(random, states) : "NONE";
    if (nwf_value_parse(NWF_ATTR_STATE, NWF_TYPE_STATE, text, &match.value, NULL))
      g_array_append_val(rule->matches, match);
  } else if (!options->ct && rule->action == NWF_ACTION_ACCEPT && rule->direction != NWF_DIRECTION_INOUT) {
    rule->no_statematch = TRUE;
  }
}

static gint compare_attrs(gconstpointer a, gconstpointer b) {
  return (gint)((const NwfMatch *)a)->attr - (gint)((const NwfMatch *)b)->attr;
}

NwfRule *generate_rule(Random *random, const GenerateOptions *options, const char *chain) {
  NwfRule *rule = nwf_rule_new();
  rule->action = PICK(random, actions);
  rule->direction = (NwfDirection)random_below(random, 3);
  rule->protocol = choose_protocol(random, chain);
  const NwfProtocolSpec *spec = &nwf_protocols[rule->protocol];
  guint negation = random_below(random, 100); /* below 75: none; below 88: all; else each by itself */
  for (gsize i = 0; i < spec->n_attrs; i++)
    if (is_wanted(random, options, &spec->attrs[i], spec->n_attrs))
      add_match(random, rule, &spec->attrs[i], negation >= 75 && (negation < 88 || random_chance(random, 50)));
  if (rule->protocol == NWF_PROTOCOL_STP && rule->direction == NWF_DIRECTION_INOUT)
    drop_match(rule, NWF_ATTR_SRCMACADDR);
  repair_ports(random, rule);
  order_ranges(rule);
  choose_state(random, options, rule);
  g_array_sort(rule->matches, compare_attrs);
  return rule;
}

NwfRule *generate_rule_like(Random *random, const NwfRule *model) {
  NwfRule *rule = nwf_rule_new();
  rule->action = model->action;
  rule->direction = model->direction;
  rule->priority = model->priority;
  rule->protocol = model->protocol;
  rule->no_statematch = model->no_statematch;
  for (guint i = 0; i < model->matches->len; i++) {
    const NwfMatch *from = &g_array_index(model->matches, NwfMatch, i);
    NwfMatch match = {.attr = from->attr, .negated = from->negated, .value.type = from->value.type};
    if (from->variable) {
      g_autofree char *text = nwf_variable_format(from->variable);
      match.variable = nwf_variable_parse(text, NULL);
    } else {
      g_autofree char *other =
          from->attr == NWF_ATTR_STATE ? NULL : generate_value(random, from->attr, from->value.type);
      g_autofree char *same = nwf_value_format(from->attr, &from->value);
      nwf_value_parse(from->attr, from->value.type, other ? other : same, &match.value, NULL);
    }
    g_array_append_val(rule->matches, match);
  }
  repair_ports(random, rule);
  order_ranges(rule);
  g_array_sort(rule->matches, compare_attrs);
  return rule;
}
