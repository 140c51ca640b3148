// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The one table of header fields: what each is called, where it is, how long it is.
 * Printers, the netlink encoder and decoder and the packet evaluator read it.
 */
#include "ruleset/values.h"

#include <nwfilter-nft/ruleset.h>

#include <linux/netfilter/nf_tables.h>

#define HEADER(base_, offset_, length_) .base = base_, .offset = offset_, .length = length_
#define NAMED(name_, type_, id_) .name = name_, .set_type = type_, .set_type_id = id_
#define RAW_BYTES(name_) .name = name_, .set_type_id = TYPE_INTEGER
#define NEEDS(field_, value_) .requires = field_, .required_value = value_
#define NEEDS_ARP NEEDS(NWF_FIELD_PROTOCOL, 0x0806)
#define NEEDS_IP NEEDS(NWF_FIELD_PROTOCOL, 0x0800)
#define NEEDS_IP6 NEEDS(NWF_FIELD_PROTOCOL, 0x86dd)
#define NEEDS_TCP NEEDS(NWF_FIELD_L4PROTO, 6)
#define STP(name_, offset_, length_)                                                                                   \
  { RAW_BYTES("stp " name_), HEADER(NWF_BASE_NH, offset_, length_) }

const NwfFieldSpec nwf_fields[NWF_N_FIELDS] = {
    [NWF_FIELD_NONE] = {.name = ""},

    /* IEEE 802.3 and 802.1Q */
    [NWF_FIELD_ETHER_DADDR] = {NAMED("ether daddr", "ether_addr", TYPE_ETHERADDR), HEADER(NWF_BASE_LL, 0, 6),
                               .always = TRUE},
    [NWF_FIELD_ETHER_SADDR] = {NAMED("ether saddr", "ether_addr", TYPE_ETHERADDR), HEADER(NWF_BASE_LL, 6, 6),
                               .always = TRUE},
    [NWF_FIELD_ETHER_TYPE] = {NAMED("ether type", "ether_type", TYPE_ETHERTYPE), HEADER(NWF_BASE_LL, 12, 2),
                              .always = TRUE},
    [NWF_FIELD_VLAN_TCI] = {RAW_BYTES("vlan id"), HEADER(NWF_BASE_LL, 14, 2), NEEDS(NWF_FIELD_ETHER_TYPE, 0x8100)},
    [NWF_FIELD_VLAN_TYPE] = {NAMED("vlan type", "ether_type", TYPE_ETHERTYPE), HEADER(NWF_BASE_LL, 16, 2),
                             NEEDS(NWF_FIELD_ETHER_TYPE, 0x8100)},

    /* RFC 826 */
    [NWF_FIELD_ARP_HTYPE] = {RAW_BYTES("arp htype"), HEADER(NWF_BASE_NH, 0, 2), NEEDS_ARP},
    [NWF_FIELD_ARP_PTYPE] = {NAMED("arp ptype", "ether_type", TYPE_ETHERTYPE), HEADER(NWF_BASE_NH, 2, 2), NEEDS_ARP},
    [NWF_FIELD_ARP_HLEN] = {RAW_BYTES("arp hlen"), HEADER(NWF_BASE_NH, 4, 1), NEEDS_ARP},
    [NWF_FIELD_ARP_PLEN] = {RAW_BYTES("arp plen"), HEADER(NWF_BASE_NH, 5, 1), NEEDS_ARP},
    [NWF_FIELD_ARP_OPERATION] = {RAW_BYTES("arp operation"), HEADER(NWF_BASE_NH, 6, 2), NEEDS_ARP},
    [NWF_FIELD_ARP_SADDR_ETHER] = {NAMED("arp saddr ether", "ether_addr", TYPE_ETHERADDR), HEADER(NWF_BASE_NH, 8, 6),
                                   NEEDS_ARP},
    [NWF_FIELD_ARP_SADDR_IP] = {NAMED("arp saddr ip", "ipv4_addr", TYPE_IPADDR), HEADER(NWF_BASE_NH, 14, 4), NEEDS_ARP},
    [NWF_FIELD_ARP_DADDR_ETHER] = {NAMED("arp daddr ether", "ether_addr", TYPE_ETHERADDR), HEADER(NWF_BASE_NH, 18, 6),
                                   NEEDS_ARP},
    [NWF_FIELD_ARP_DADDR_IP] = {NAMED("arp daddr ip", "ipv4_addr", TYPE_IPADDR), HEADER(NWF_BASE_NH, 24, 4), NEEDS_ARP},

    /* RFC 791 */
    [NWF_FIELD_IP_TOS] = {RAW_BYTES("ip tos"), HEADER(NWF_BASE_NH, 1, 1), NEEDS_IP},
    [NWF_FIELD_IP_FRAG_OFF] = {RAW_BYTES("ip frag-off"), HEADER(NWF_BASE_NH, 6, 2), NEEDS_IP},
    [NWF_FIELD_IP_PROTOCOL] = {NAMED("ip protocol", "inet_proto", TYPE_INET_PROTOCOL), HEADER(NWF_BASE_NH, 9, 1),
                               NEEDS_IP},
    [NWF_FIELD_IP_SADDR] = {NAMED("ip saddr", "ipv4_addr", TYPE_IPADDR), HEADER(NWF_BASE_NH, 12, 4), NEEDS_IP},
    [NWF_FIELD_IP_DADDR] = {NAMED("ip daddr", "ipv4_addr", TYPE_IPADDR), HEADER(NWF_BASE_NH, 16, 4), NEEDS_IP},

    /* RFC 8200 */
    [NWF_FIELD_IP6_CLASS] = {RAW_BYTES("ip6 class"), HEADER(NWF_BASE_NH, 0, 2), NEEDS_IP6},
    [NWF_FIELD_IP6_SADDR] = {NAMED("ip6 saddr", "ipv6_addr", TYPE_IP6ADDR), HEADER(NWF_BASE_NH, 8, 16), NEEDS_IP6},
    [NWF_FIELD_IP6_DADDR] = {NAMED("ip6 daddr", "ipv6_addr", TYPE_IP6ADDR), HEADER(NWF_BASE_NH, 24, 16), NEEDS_IP6},

    /* RFC 9293, RFC 768 and others that begin with two ports; RFC 792 and RFC 4443 */
    [NWF_FIELD_TH_SPORT] = {NAMED("th sport", "inet_service", TYPE_INET_SERVICE), HEADER(NWF_BASE_TH, 0, 2)},
    [NWF_FIELD_TH_DPORT] = {NAMED("th dport", "inet_service", TYPE_INET_SERVICE), HEADER(NWF_BASE_TH, 2, 2)},
    [NWF_FIELD_TCP_FLAGS] = {RAW_BYTES("tcp flags"), HEADER(NWF_BASE_TH, 13, 1), NEEDS_TCP},
    [NWF_FIELD_ICMP_TYPE] = {RAW_BYTES("icmp type"), HEADER(NWF_BASE_TH, 0, 1)},
    [NWF_FIELD_ICMP_CODE] = {RAW_BYTES("icmp code"), HEADER(NWF_BASE_TH, 1, 1)},

    /* IEEE 802.1D, 9.3.1: a BPDU behind the three bytes of its LLC header. The network header of
     * an 802.3 frame begins behind the 14 bytes of the Ethernet header */
    [NWF_FIELD_STP_LLC] = STP("llc", 0, 6),
    [NWF_FIELD_STP_TYPE] = STP("type", 6, 1),
    [NWF_FIELD_STP_FLAGS] = STP("flags", 7, 1),
    [NWF_FIELD_STP_ROOT_PRIORITY] = STP("root-priority", 8, 2),
    [NWF_FIELD_STP_ROOT_ADDRESS] = STP("root-address", 10, 6),
    [NWF_FIELD_STP_ROOT_COST] = STP("root-cost", 16, 4),
    [NWF_FIELD_STP_SENDER_PRIORITY] = STP("sender-priority", 20, 2),
    [NWF_FIELD_STP_SENDER_ADDRESS] = STP("sender-address", 22, 6),
    [NWF_FIELD_STP_PORT] = STP("port", 28, 2),
    [NWF_FIELD_STP_AGE] = STP("age", 30, 2),
    [NWF_FIELD_STP_MAX_AGE] = STP("max-age", 32, 2),
    [NWF_FIELD_STP_HELLO_TIME] = STP("hello-time", 34, 2),
    [NWF_FIELD_STP_FORWARD_DELAY] = STP("forward-delay", 36, 2),

    [NWF_FIELD_RAW] = {RAW_BYTES("raw")},

    /* linux/netfilter/nf_tables.h, enum nft_meta_keys and nft_ct_keys */
    [NWF_FIELD_IIFNAME] = {NAMED("iifname", "ifname", TYPE_IFNAME), HEADER(NWF_BASE_META, NFT_META_IIFNAME, 16),
                           .always = TRUE},
    [NWF_FIELD_OIFNAME] = {NAMED("oifname", "ifname", TYPE_IFNAME), HEADER(NWF_BASE_META, NFT_META_OIFNAME, 16),
                           .always = TRUE},
    [NWF_FIELD_PROTOCOL] = {NAMED("meta protocol", "ether_type", TYPE_ETHERTYPE),
                            HEADER(NWF_BASE_META, NFT_META_PROTOCOL, 2), .always = TRUE},
    [NWF_FIELD_L4PROTO] = {NAMED("meta l4proto", "inet_proto", TYPE_INET_PROTOCOL),
                           HEADER(NWF_BASE_META, NFT_META_L4PROTO, 1)},
    [NWF_FIELD_CT_STATE] = {RAW_BYTES("ct state"), HEADER(NWF_BASE_CT, NFT_CT_STATE, 4), .host_order = TRUE},
    [NWF_FIELD_CT_DIRECTION] = {RAW_BYTES("ct direction"), HEADER(NWF_BASE_CT, NFT_CT_DIRECTION, 1)},
    [NWF_FIELD_TCP_OPTION] = {RAW_BYTES("tcp option"), HEADER(NWF_BASE_TCPOPT, 0, 1)},
    [NWF_FIELD_IP6_FRAGMENT] = {RAW_BYTES("exthdr frag"), HEADER(NWF_BASE_EXTHDR, 0, 1), NEEDS_IP6},
};
