// SPDX-License-Identifier: LGPL-2.1-or-later
#include "scenarios.h"

#include <netinet/in.h>
#include <string.h>

static const guint8 own[4] = {10, 0, 0, 1}, foreign[4] = {10, 0, 0, 66};

static void foreign_ip(FrameSpec *spec) {
  memcpy(spec->ip.source, foreign, 4);
  memcpy(spec->arp.sender_ip, foreign, 4);
  memcpy(spec->arp.sender_mac, spec->source, 6);
}

static void own_ip(FrameSpec *spec) {
  memcpy(spec->ip.source, own, 4);
  memcpy(spec->arp.sender_ip, own, 4);
  memcpy(spec->arp.sender_mac, spec->source, 6);
}

static void to_own_ip(FrameSpec *spec) {
  memcpy(spec->ip.source, foreign, 4);
  memcpy(spec->ip.destination, own, 4);
  spec->source[5] = 0x66;
}

static void dns(FrameSpec *spec) {
  own_ip(spec);
  spec->transport.destination = 53;
}

static void dns_to_guest(FrameSpec *spec) {
  to_own_ip(spec);
  spec->transport.destination = 53;
}

static void plain(FrameSpec *spec) {
}

static void from_outside(FrameSpec *spec) {
  spec->source[5] = 0x66;
}

static void tagged(FrameSpec *spec) {
  spec->tags = 1;
}

static void link_local(FrameSpec *spec) {
  static const guint8 group[6] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x02};
  memcpy(spec->destination, group, 6);
  foreign_ip(spec);
}

/* MAC of one moment, address of the other */
static void half_of_each(FrameSpec *spec) {
  memcpy(spec->arp.sender_ip, (guint8[]){10, 0, 0, 2}, 4);
  memcpy(spec->arp.sender_mac, spec->source, 6);
}

#define RULE(action, direction, body) "<rule action='" action "' direction='" direction "'>" body "</rule>"
#define LAST(action, direction, body)                                                                                  \
  "<rule action='" action "' direction='" direction "' priority='900'>" body "</rule>"
#define ALWAYS(action, direction) LAST(action, direction, "")

const RaceScenario race_scenarios[] = {
    {.name = "IPv4 from a foreign address",
     .rules = {RULE("drop", "out", "<ip match='no' srcipaddr='$IP'/>"),
               RULE("drop", "out", "<ip match='no' srcipaddr='$IP'/>")
                   RULE("drop", "out", "<ip dstipaddr='1.2.3.4'/>")},
     .frame = foreign_ip,
     .honest = own_ip,
     .kind = FRAME_IPV4},
    {.name = "IPv4 from a foreign address, the binding changes",
     .rules = {RULE("accept", "out", "<ip srcipaddr='$IP'/>") ALWAYS("drop", "out"),
               RULE("accept", "out", "<ip srcipaddr='$IP'/>") ALWAYS("drop", "out")},
     .ip = {"10.0.0.7", "10.0.0.8"},
     .frame = foreign_ip,
     .kind = FRAME_IPV4},
    {.name = "ARP from a foreign address, in chains that ports share",
     .rules = {RULE("accept", "out", "<arp arpsrcipaddr='$IP'/>") LAST("drop", "out", "<mac protocolid='arp'/>"),
               RULE("accept", "out", "<arp arpsrcipaddr='$IP' opcode='1'/>")
                   LAST("drop", "out", "<mac protocolid='arp'/>")},
     .frame = foreign_ip,
     .honest = own_ip,
     .kind = FRAME_ARP},
    {.name = "ARP from the own address, which is what two shared chains drop",
     .rules = {RULE("drop", "out", "<arp arpsrcipaddr='$IP'/>"),
               RULE("drop", "out", "<arp arpsrcipaddr='$IP'/>") RULE("drop", "out", "<arp arpdstipaddr='1.2.3.4'/>")},
     .frame = own_ip,
     .kind = FRAME_ARP},
    {.name = "ARP with the MAC of one moment and the address of another",
     .rules = {RULE("drop", "out", "<mac match='no' srcmacaddr='$MAC'/>")
                   RULE("accept", "out", "<arp arpsrcipaddr='$IP'/>") LAST("drop", "out", "<mac protocolid='arp'/>"),
               RULE("drop", "out", "<mac match='no' srcmacaddr='$MAC'/>")
                   RULE("accept", "out", "<arp arpsrcipaddr='$IP'/>") LAST("drop", "out", "<mac protocolid='arp'/>")},
     .ip = {RACE_IP, "10.0.0.2"},
     .mac = {RACE_MAC, "52:54:00:00:00:02"},
     .frame = half_of_each,
     .kind = FRAME_ARP},
    {.name = "ARP: all is dropped, or ARP alone",
     .rules = {ALWAYS("drop", "out"), RULE("drop", "out", "<mac protocolid='arp'/>")},
     .frame = plain,
     .kind = FRAME_ARP},
    {.name = "RARP: with an entry of its own, or among the rest",
     .rules = {RULE("drop", "out", "<mac protocolid='rarp'/>"),
               RULE("accept", "out", "<mac protocolid='arp'/>") RULE("accept", "out", "<mac protocolid='ipv4'/>")
                   ALWAYS("drop", "out")},
     .frame = plain,
     .kind = FRAME_RARP},
    {.name = "IPv6",
     .rules = {RULE("drop", "out", "<mac protocolid='ipv6'/>"),
               RULE("drop", "out", "<ipv6 protocol='udp'/>") RULE("drop", "out", "<arp/>")},
     .frame = plain,
     .kind = FRAME_IPV6},
    {.name = "a tagged frame",
     .rules = {RULE("drop", "out", "<vlan/>"), RULE("drop", "out", "<vlan/>") RULE("drop", "out", "<ip/>")},
     .frame = tagged,
     .kind = FRAME_IPV4},
    {.name = "an EtherType that no rule names",
     .rules = {RULE("accept", "out", "<ip/>") ALWAYS("drop", "out"),
               RULE("accept", "out", "<arp/>") RULE("accept", "out", "<ip/>") ALWAYS("drop", "out")},
     .frame = plain,
     .kind = FRAME_OTHER},
    {.name = "UDP in the second stage of what a guest sends",
     .rules = {RULE("drop", "out", "<udp dstportstart='53'/>"),
               RULE("drop", "out", "<udp dstportstart='53'/>") RULE("drop", "out", "<tcp dstportstart='25'/>")},
     .frame = dns,
     .honest = own_ip,
     .kind = FRAME_IPV4},
    {.name = "UDP in the first stage or in the second of what a guest sends",
     .rules = {RULE("drop", "out", "<udp dstportstart='53'/>"),
               RULE("drop", "out", "<ip protocol='udp' dstportstart='53'/>")},
     .frame = dns,
     .honest = own_ip,
     .kind = FRAME_IPV4},
    {.name = "IPv4 that a guest is sent",
     .in = TRUE,
     .rules = {RULE("drop", "in", "<ip dstipaddr='$IP'/>"),
               RULE("drop", "in", "<ip dstipaddr='$IP'/>") RULE("drop", "in", "<ip srcipaddr='1.2.3.4'/>")},
     .frame = to_own_ip,
     .kind = FRAME_IPV4},
    {.name = "ARP that a guest is sent: all is dropped, or ARP alone",
     .in = TRUE,
     .rules = {ALWAYS("drop", "in"), RULE("drop", "in", "<mac protocolid='arp'/>")},
     .frame = from_outside,
     .kind = FRAME_ARP},
    {.name = "UDP in the second stage of what a guest is sent",
     .in = TRUE,
     .rules = {RULE("drop", "in", "<udp dstportstart='53'/>"),
               RULE("drop", "in", "<udp dstportstart='53'/>") RULE("drop", "in", "<tcp dstportstart='25'/>")},
     .frame = dns_to_guest,
     .honest = to_own_ip,
     .kind = FRAME_IPV4},
    {.name = "UDP in the first stage or in the second of what a guest is sent",
     .in = TRUE,
     .rules = {RULE("drop", "in", "<udp dstportstart='53'/>"),
               RULE("drop", "in", "<ip protocol='udp' dstportstart='53'/>")},
     .frame = dns_to_guest,
     .honest = to_own_ip,
     .kind = FRAME_IPV4},
    {.name = "UDP in both stages by turns, with rules for others in both",
     .in = TRUE,
     .rules = {RULE("drop", "in", "<udp dstportstart='53'/>") RULE("drop", "in", "<ip srcipaddr='1.2.3.4'/>"),
               RULE("drop", "in", "<ip protocol='udp' dstportstart='53'/>")
                   RULE("drop", "in", "<tcp dstportstart='25'/>")},
     .frame = dns_to_guest,
     .honest = to_own_ip,
     .kind = FRAME_IPV4},
    {.name = "IPv4 to a group of the link, to the host",
     .link_local = TRUE,
     .rules = {ALWAYS("drop", "out"), RULE("drop", "out", "<ip match='no' srcipaddr='$IP'/>")},
     .frame = link_local,
     .kind = FRAME_IPV4},
    {.name = "UDP: in the first stage, or in a second that tests state",
     .stateful = TRUE,
     .rules = {RULE("drop", "out", "<ip protocol='udp' dstportstart='53'/>"),
               RULE("drop", "out", "<udp dstportstart='53'/>") RULE("accept", "out", "<tcp dstportstart='80'/>")},
     .frame = dns,
     .honest = own_ip,
     .kind = FRAME_IPV4},
    {.name = "UDP that rules accept for a state that it has not",
     .stateful = TRUE,
     .in = TRUE,
     .rules = {RULE("accept", "out", "<udp dstportstart='53'/>") LAST("drop", "in", "<all/>"),
               RULE("accept", "out", "<udp dstportstart='54'/>") LAST("drop", "in", "<all/>")},
     .frame = dns_to_guest,
     .kind = FRAME_IPV4},
};
const guint n_race_scenarios = G_N_ELEMENTS(race_scenarios);
