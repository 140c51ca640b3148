// SPDX-License-Identifier: LGPL-2.1-or-later
/* Random frames: a kind and values from the pools, then what a rule asks for, then faults. */
#include "generate.h"

#include <netinet/in.h>
#include <string.h>

static void random_mac(Random *random, guint8 mac[6]) {
  g_autofree char *text = generate_value(random, NWF_ATTR_SRCMACADDR, NWF_TYPE_MAC);
  nwf_mac_parse(text, mac);
}

static void random_address(Random *random, NwfType type, guint8 *address) {
  g_autofree char *text = generate_value(random, NWF_ATTR_SRCIPADDR, type);
  NwfValue value;
  if (nwf_value_parse(NWF_ATTR_SRCIPADDR, type, text, &value, NULL))
    memcpy(address, value.address, type == NWF_TYPE_IPV4 ? 4 : 16);
}

static guint32 random_number(Random *random, NwfAttr attr, NwfType type) {
  g_autofree char *text = generate_value(random, attr, type);
  NwfValue value;
  return nwf_value_parse(attr, type, text, &value, NULL) ? value.number : 0;
}

static void random_transport(Random *random, FrameSpec *spec) {
  spec->ip.protocol = (guint8)random_number(random, NWF_ATTR_PROTOCOL, NWF_TYPE_IPPROTO);
  spec->transport.source = (guint16)random_number(random, NWF_ATTR_SRCPORTSTART, NWF_TYPE_UINT16);
  spec->transport.destination = (guint16)random_number(random, NWF_ATTR_SRCPORTSTART, NWF_TYPE_UINT16);
  spec->transport.type = (guint8)random_number(random, NWF_ATTR_TYPE, NWF_TYPE_UINT8);
  spec->transport.code = (guint8)random_number(random, NWF_ATTR_CODE, NWF_TYPE_UINT8);
  static const guint8 flags[] = {0x02, 0x12, 0x10, 0x04, 0x00, 0x09, 0x3f};
  spec->transport.tcp_flags = flags[random_below(random, G_N_ELEMENTS(flags))];
  if (random_chance(random, 30)) {
    static const guint8 options[] = {2, 4, 5, 0xb4, 1, 3, 3, 7, 8, 10, 0, 0};
    spec->transport.n_tcp_options = (guint8)(4 * (1 + random_below(random, 3)));
    memcpy(spec->transport.tcp_options, options, spec->transport.n_tcp_options);
  }
}

static void random_ip(Random *random, FrameSpec *spec) {
  NwfType type = spec->kind == FRAME_IPV4 ? NWF_TYPE_IPV4 : NWF_TYPE_IPV6;
  random_address(random, type, spec->ip.source);
  random_address(random, type, spec->ip.destination);
  spec->ip.dscp = (guint8)random_number(random, NWF_ATTR_DSCP, NWF_TYPE_DSCP);
  random_transport(random, spec);
}

static void random_arp(Random *random, FrameSpec *spec) {
  if (random_chance(random, 50))
    spec->arp.opcode = (guint16)random_number(random, NWF_ATTR_OPCODE, NWF_TYPE_OPCODE);
  random_mac(random, spec->arp.sender_mac);
  random_mac(random, spec->arp.target_mac);
  random_address(random, NWF_TYPE_IPV4, spec->arp.sender_ip);
  random_address(random, NWF_TYPE_IPV4, spec->arp.target_ip);
  if (random_chance(random, 15))
    memcpy(spec->arp.target_ip, spec->arp.sender_ip, 4);
}

static void random_bpdu(Random *random, FrameSpec *spec) {
  FrameBpdu *bpdu = &spec->bpdu;
  guint16 *const numbers[] = {&bpdu->root_priority, &bpdu->sender_priority, &bpdu->port,         &bpdu->age,
                              &bpdu->max_age,       &bpdu->hello_time,      &bpdu->forward_delay};
  for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
    *numbers[i] = (guint16)random_number(random, NWF_ATTR_PORT, NWF_TYPE_UINT16);
  bpdu->root_cost = random_number(random, NWF_ATTR_ROOT_COST, NWF_TYPE_UINT32);
  bpdu->type = (guint8)random_number(random, NWF_ATTR_STP_TYPE, NWF_TYPE_UINT8);
  bpdu->flags = (guint8)random_number(random, NWF_ATTR_STP_FLAGS, NWF_TYPE_UINT8);
  bpdu->version = random_chance(random, 80) ? 0 : 2;
  random_mac(random, bpdu->root_address);
  random_mac(random, bpdu->sender_address);
}

static FrameSpec random_spec(Random *random, FrameKind kind) {
  FrameSpec spec = frame_spec(kind);
  static const guint16 types[] = {0x88b5, 0x0835, 0x0600, 0x88cc, 0x8100, 0x0805, 0x88a8};
  do
    random_mac(random, spec.source);
  while ((spec.source[0] & 1) != 0 || spec.source[0] == 0); /* a bridge takes no other */
  if (kind != FRAME_STP || random_chance(random, 10))
    random_mac(random, spec.destination);
  spec.type = types[random_below(random, G_N_ELEMENTS(types))];
  if (kind == FRAME_ARP || kind == FRAME_RARP)
    random_arp(random, &spec);
  else if (kind == FRAME_IPV4 || kind == FRAME_IPV6)
    random_ip(random, &spec);
  else if (kind == FRAME_STP)
    random_bpdu(random, &spec);
  if (random_chance(random, 8)) {
    spec.tags = random_chance(random, 85) ? 1 : 2;
    spec.tpid = random_chance(random, 85) ? 0x8100 : 0x88a8;
    spec.tci =
        (guint16)(random_number(random, NWF_ATTR_VLANID, NWF_TYPE_UINT16) | (random_chance(random, 20) ? 0x6000 : 0));
  }
  return spec;
}

/* --- what a rule asks for --- */

static void collect_rules(const NwfFilterStore *store, const char *name, GPtrArray *rules, guint depth) {
  const NwfFilter *filter = nwf_filter_store_get(store, name);
  for (guint i = 0; filter != NULL && depth < 8 && i < filter->entries->len; i++) {
    const NwfEntry *entry = &g_array_index(filter->entries, NwfEntry, i);
    if (entry->rule != NULL)
      g_ptr_array_add(rules, entry->rule);
    else
      collect_rules(store, entry->reference->filter, rules, depth + 1);
  }
}

static FrameKind kind_for(Random *random, const NwfRule *rule) {
  switch (rule->protocol) {
  case NWF_PROTOCOL_ARP:
    return FRAME_ARP;
  case NWF_PROTOCOL_RARP:
    return FRAME_RARP;
  case NWF_PROTOCOL_IP:
    return FRAME_IPV4;
  case NWF_PROTOCOL_IPV6:
    return FRAME_IPV6;
  case NWF_PROTOCOL_STP:
    return FRAME_STP;
  default:
    if (nwf_protocols[rule->protocol].stage == NWF_STAGE_IPV4)
      return FRAME_IPV4;
    if (nwf_protocols[rule->protocol].stage == NWF_STAGE_IPV6)
      return FRAME_IPV6;
    return (FrameKind)random_below(random, FRAME_OTHER + 1);
  }
}

/* The value that a match has, or could have by its variable. */
static gboolean value_of(Random *random, const NwfRule *rule, const NwfMatch *match, const NwfBinding *binding,
                         NwfValue *value) {
  if (match->variable == NULL) {
    *value = match->value;
    return TRUE;
  }
  const NwfAttrSpec *spec = nwf_protocol_attr(rule->protocol, match->attr);
  const GPtrArray *values = nwf_parameters_get(binding->parameters, match->variable->name);
  if (strcmp(match->variable->name, "MAC") == 0) {
    value->type = NWF_TYPE_MAC;
    memcpy(value->mac, binding->mac, 6);
    return TRUE;
  }
  if (values == NULL)
    return FALSE;
  /* of a prefix the address */
  g_auto(GStrv) parts = g_strsplit(g_ptr_array_index(values, random_below(random, values->len)), "/", 2);
  return nwf_value_parse(match->attr, spec->type, parts[0], value, NULL);
}

typedef struct {
  NwfAttr attr;
  gsize offset, size; /* of the spec's member; numbers in host order */
} Member;

#define NUMBER(attr_, member)                                                                                          \
  { NWF_ATTR_##attr_, G_STRUCT_OFFSET(FrameSpec, member), sizeof(((FrameSpec *)0)->member) }
static const Member members[] = {
    NUMBER(SRCMACADDR, source),
    NUMBER(DSTMACADDR, destination),
    NUMBER(ROOT_ADDRESS, bpdu.root_address),
    NUMBER(SENDER_ADDRESS, bpdu.sender_address),
    NUMBER(ARPSRCMACADDR, arp.sender_mac),
    NUMBER(ARPDSTMACADDR, arp.target_mac),
    NUMBER(ARPSRCIPADDR, arp.sender_ip),
    NUMBER(ARPDSTIPADDR, arp.target_ip),
    NUMBER(SRCIPADDR, ip.source),
    NUMBER(DSTIPADDR, ip.destination),
    NUMBER(SRCIPFROM, ip.source),
    NUMBER(DSTIPFROM, ip.destination),
    NUMBER(HWTYPE, arp.hwtype),
    NUMBER(PROTOCOLTYPE, arp.protocoltype),
    NUMBER(OPCODE, arp.opcode),
    NUMBER(PROTOCOL, ip.protocol),
    NUMBER(SRCPORTSTART, transport.source),
    NUMBER(DSTPORTSTART, transport.destination),
    NUMBER(SRCPORTEND, transport.source),
    NUMBER(DSTPORTEND, transport.destination),
    NUMBER(TYPE, transport.type),
    NUMBER(CODE, transport.code),
    NUMBER(TYPEEND, transport.type),
    NUMBER(CODEEND, transport.code),
    NUMBER(DSCP, ip.dscp),
    NUMBER(STP_TYPE, bpdu.type),
    NUMBER(STP_FLAGS, bpdu.flags),
    NUMBER(ROOT_PRIORITY, bpdu.root_priority),
    NUMBER(ROOT_COST, bpdu.root_cost),
    NUMBER(SENDER_PRIORITY, bpdu.sender_priority),
    NUMBER(PORT, bpdu.port),
    NUMBER(AGE, bpdu.age),
    NUMBER(MAX_AGE, bpdu.max_age),
    NUMBER(HELLO_TIME, bpdu.hello_time),
    NUMBER(FORWARD_DELAY, bpdu.forward_delay),
    NUMBER(VLANID, tci),
    NUMBER(ENCAP_PROTOCOL, type),
    NUMBER(PROTOCOLID, type),
};

/* Writes the value, now and then one beside it. */
static void set_member(Random *random, FrameSpec *spec, const Member *member, const NwfValue *value) {
  guint8 *to = (guint8 *)spec + member->offset;
  int beside = random_chance(random, 12) ? (random_chance(random, 50) ? 1 : -1) : 0;
  if (value->type == NWF_TYPE_MAC) {
    memcpy(to, value->mac, 6);
    to[5] = (guint8)(to[5] + beside);
  } else if (value->type == NWF_TYPE_IPV4 || value->type == NWF_TYPE_IPV6) {
    guint last = value->type == NWF_TYPE_IPV4 ? 3 : 15;
    memcpy(to, value->address, last + 1);
    to[last] = (guint8)(to[last] + beside);
  } else if (member->size == 1) {
    *to = (guint8)(value->number + (guint)beside);
  } else if (member->size == 2) {
    *(guint16 *)(gpointer)to = (guint16)(value->number + (guint)beside);
  } else if (member->size == 4) {
    *(guint32 *)(gpointer)to = value->number + (guint)beside;
  }
}

static void swap_bytes(gpointer a, gpointer b, gsize size) {
  guint8 kept[16];
  memcpy(kept, a, size);
  memcpy(a, b, size);
  memcpy(b, kept, size);
}

static void swap_ends(FrameSpec *spec) {
  if ((spec->destination[0] & 1) == 0)
    swap_bytes(spec->source, spec->destination, 6);
  swap_bytes(spec->ip.source, spec->ip.destination, 16);
  swap_bytes(&spec->transport.source, &spec->transport.destination, 2);
  swap_bytes(spec->arp.sender_mac, spec->arp.target_mac, 6);
  swap_bytes(spec->arp.sender_ip, spec->arp.target_ip, 4);
}

static void aim(Random *random, const NwfRule *rule, const NwfBinding *binding, FrameSpec *spec) {
  guint8 protocol = nwf_protocols[rule->protocol].ip_protocol;
  if (protocol != 0)
    spec->ip.protocol = protocol;
  for (guint i = 0; i < rule->matches->len; i++) {
    const NwfMatch *match = &g_array_index(rule->matches, NwfMatch, i);
    NwfValue value;
    for (guint j = 0; j < G_N_ELEMENTS(members); j++)
      if (members[j].attr == match->attr && random_chance(random, 90) && value_of(random, rule, match, binding, &value))
        set_member(random, spec, &members[j], &value);
    if (match->attr == NWF_ATTR_FLAGS && match->variable == NULL)
      spec->transport.tcp_flags = match->value.tcp_flags.flags;
    if (rule->protocol == NWF_PROTOCOL_IPV6 && match->attr == NWF_ATTR_TYPE)
      spec->ip.protocol = IPPROTO_ICMPV6;
  }
  if (rule->protocol == NWF_PROTOCOL_VLAN && spec->tags == 0)
    spec->tags = 1;
  if (random_chance(random, 35))
    swap_ends(spec);
}

/* --- faults --- */

static void spoil(Random *random, FrameSpec *spec) {
  static const guint8 extensions[] = {IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_AH, IPPROTO_FRAGMENT};
  switch (random_below(random, 16)) {
  case 0:
    spec->ip.fragment = (guint16)(1 + random_below(random, 100));
    spec->ip.more_fragments = random_chance(random, 50);
    break;
  case 1:
    spec->ip.more_fragments = TRUE;
    break;
  case 2:
  case 3:
    spec->ip.options = (guint8)random_below(random, 4);
    spec->ip.n_extensions = 1 + random_below(random, 3);
    for (guint i = 0; i < spec->ip.n_extensions; i++)
      spec->ip.extensions[i] = extensions[random_below(random, G_N_ELEMENTS(extensions))];
    break;
  case 4:
    spec->ip.version = (int)random_below(random, 16);
    break;
  case 5:
    spec->ip.header_length = (int)random_below(random, 16);
    break;
  case 6:
    spec->ip.total_length = (int)random_below(random, 80);
    break;
  case 7:
    spec->arp.hlen = (guint8)random_below(random, 8);
    break;
  case 8:
    spec->arp.plen = (guint8)random_below(random, 8);
    break;
  case 9:
    spec->transport.tcp_offset = (int)random_below(random, 16);
    break;
  case 10:
    spec->padding = random_below(random, 30);
    break;
  case 11:
    spec->transport.payload = random_below(random, 60);
    break;
  case 12:
    spec->bpdu.version = (guint8)random_below(random, 3);
    break;
  default:
    spec->cut = 14 + random_below(random, 70);
  }
}

void generate_frame(Random *random, const NwfFilterStore *store, const NwfBinding *binding, Frame *frame) {
  g_autoptr(GPtrArray) rules = g_ptr_array_new();
  collect_rules(store, binding->filter, rules, 0);
  const NwfRule *rule = NULL;
  if (rules->len > 0 && random_chance(random, 75))
    rule = g_ptr_array_index(rules, random_below(random, rules->len));
  FrameKind kind = rule != NULL ? kind_for(random, rule) : (FrameKind)random_below(random, FRAME_OTHER + 1);
  FrameSpec spec = random_spec(random, kind);
  if (rule != NULL)
    aim(random, rule, binding, &spec);
  if (random_chance(random, 50))
    memcpy(spec.source, binding->mac, 6);
  if (random_chance(random, 35))
    spoil(random, &spec);
  if ((spec.source[0] & 1) != 0) /* a bridge takes none from a group */
    spec.source[0] = 0x52;
  frame_build(&spec, frame);
}
