// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gallery.h"

#include <netinet/in.h>
#include <string.h>

static const guint8 neighbour[6] = {0x52, 0x54, 0x00, 0x00, 0x00, 0x02};

static FrameSpec arp(FrameKind kind, guint16 opcode) {
  FrameSpec spec = frame_spec(kind);
  spec.arp.opcode = opcode;
  memcpy(spec.arp.sender_mac, spec.source, 6);
  memcpy(spec.arp.sender_ip, (guint8[]){10, 0, 0, 1}, 4);
  memcpy(spec.arp.target_ip, (guint8[]){10, 0, 0, 2}, 4);
  return spec;
}

/* QEMU's after a migration: from and to itself, without addresses. */
static FrameSpec announcement(void) {
  FrameSpec spec = frame_spec(FRAME_RARP);
  memcpy(spec.arp.sender_mac, spec.source, 6);
  memcpy(spec.arp.target_mac, spec.source, 6);
  return spec;
}

static FrameSpec ipv4(guint8 protocol, guint16 source, guint16 destination) {
  FrameSpec spec = frame_spec(FRAME_IPV4);
  memcpy(spec.destination, neighbour, 6);
  memcpy(spec.ip.source, (guint8[]){10, 0, 0, 1}, 4);
  memcpy(spec.ip.destination, (guint8[]){10, 0, 0, 2}, 4);
  spec.ip.protocol = protocol;
  spec.transport.source = source;
  spec.transport.destination = destination;
  spec.transport.type = 8;
  return spec;
}

static FrameSpec ipv6(guint8 protocol, guint16 source, guint16 destination) {
  FrameSpec spec = frame_spec(FRAME_IPV6);
  memcpy(spec.destination, neighbour, 6);
  memcpy(spec.ip.source, (guint8[16]){0xfe, 0x80, [15] = 1}, 16);
  memcpy(spec.ip.destination, (guint8[16]){0xfe, 0x80, [15] = 2}, 16);
  spec.ip.protocol = protocol;
  spec.transport.source = source;
  spec.transport.destination = destination;
  spec.transport.type = 128;
  return spec;
}

static FrameSpec other(guint16 type) {
  FrameSpec spec = frame_spec(FRAME_OTHER);
  spec.type = type;
  return spec;
}

typedef struct {
  const char *name;
  FrameSpec spec;
} Named;

static GArray *originals(void) {
  const Named list[] = {
      {"arp-request", arp(FRAME_ARP, 1)},
      {"arp-reply", arp(FRAME_ARP, 2)},
      {"rarp-request", arp(FRAME_RARP, 3)},
      {"rarp-announcement", announcement()},
      {"announcement-0x0835", other(0x0835)},
      {"tcp", ipv4(IPPROTO_TCP, 1024, 80)},
      {"udp", ipv4(IPPROTO_UDP, 1024, 53)},
      {"dhcp-request", ipv4(IPPROTO_UDP, 68, 67)},
      {"dhcp-answer", ipv4(IPPROTO_UDP, 67, 68)},
      {"udplite", ipv4(IPPROTO_UDPLITE, 1024, 53)},
      {"sctp", ipv4(IPPROTO_SCTP, 1024, 80)},
      {"esp", ipv4(IPPROTO_ESP, 0, 0)},
      {"ah", ipv4(IPPROTO_AH, 0, 0)},
      {"icmp", ipv4(IPPROTO_ICMP, 0, 0)},
      {"igmp", ipv4(IPPROTO_IGMP, 0, 0)},
      {"gre", ipv4(IPPROTO_GRE, 0, 0)},
      {"tcp-ipv6", ipv6(IPPROTO_TCP, 1024, 80)},
      {"udp-ipv6", ipv6(IPPROTO_UDP, 1024, 53)},
      {"dhcpv6-request", ipv6(IPPROTO_UDP, 546, 547)},
      {"dhcpv6-answer", ipv6(IPPROTO_UDP, 547, 546)},
      {"udplite-ipv6", ipv6(IPPROTO_UDPLITE, 1024, 53)},
      {"sctp-ipv6", ipv6(IPPROTO_SCTP, 1024, 80)},
      {"esp-ipv6", ipv6(IPPROTO_ESP, 0, 0)},
      {"icmpv6", ipv6(IPPROTO_ICMPV6, 0, 0)},
      {"bpdu", frame_spec(FRAME_STP)},
      {"802.3", frame_spec(FRAME_LLC)},
      {"experimental-type", other(0x88b5)},
  };
  GArray *array = g_array_new(FALSE, FALSE, sizeof(Named));
  g_array_append_vals(array, list, G_N_ELEMENTS(list));
  return array;
}

/* --- variations; FALSE: makes no sense for this frame --- */

static gboolean is_ip(const FrameSpec *spec) {
  return spec->kind == FRAME_IPV4 || spec->kind == FRAME_IPV6;
}

static gboolean plain(FrameSpec *spec) {
  return TRUE;
}

static gboolean from_another_mac(FrameSpec *spec) {
  spec->source[5] = 9;
  return TRUE;
}

static gboolean from_another_address(FrameSpec *spec) {
  spec->ip.source[spec->kind == FRAME_IPV4 ? 3 : 15] = 9;
  spec->arp.sender_ip[3] = 9;
  return is_ip(spec) || spec->kind == FRAME_ARP || spec->kind == FRAME_RARP;
}

static gboolean from_no_address(FrameSpec *spec) {
  memset(spec->ip.source, 0, 16);
  memset(spec->arp.sender_ip, 0, 4);
  return from_another_address(&(FrameSpec){.kind = spec->kind});
}

static gboolean arp_from_another_mac(FrameSpec *spec) {
  spec->arp.sender_mac[5] = 9;
  return spec->kind == FRAME_ARP || spec->kind == FRAME_RARP;
}

static gboolean to_everyone(FrameSpec *spec) {
  memset(spec->destination, 0xff, 6);
  memset(spec->ip.destination, 0xff, 4);
  return spec->kind == FRAME_IPV4;
}

static gboolean to_a_group(FrameSpec *spec) {
  const guint8 v4[6] = {0x01, 0x00, 0x5e, 0, 0, 1}, v6[6] = {0x33, 0x33, 0, 1, 0, 2};
  memcpy(spec->destination, spec->kind == FRAME_IPV4 ? v4 : v6, 6);
  if (spec->kind == FRAME_IPV4)
    memcpy(spec->ip.destination, (guint8[]){224, 0, 0, 1}, 4);
  else
    memcpy(spec->ip.destination, (guint8[16]){0xff, 2, [13] = 1, [15] = 2}, 16);
  return is_ip(spec);
}

static gboolean tagged(FrameSpec *spec) {
  spec->tags = 1;
  return TRUE;
}

static gboolean tagged_twice(FrameSpec *spec) {
  spec->tags = 2;
  spec->tpid = 0x88a8;
  return TRUE;
}

static gboolean first_fragment(FrameSpec *spec) {
  spec->ip.more_fragments = TRUE;
  return is_ip(spec);
}

static gboolean later_fragment(FrameSpec *spec) {
  spec->ip.fragment = 5;
  return is_ip(spec);
}

static gboolean with_options(FrameSpec *spec) {
  spec->ip.options = 2;
  memcpy(spec->ip.extensions, (guint8[]){IPPROTO_HOPOPTS, IPPROTO_DSTOPTS}, 2);
  spec->ip.n_extensions = 2;
  return is_ip(spec);
}

static gboolean padded(FrameSpec *spec) {
  spec->padding = 20;
  return TRUE;
}

static gboolean bad_version(FrameSpec *spec) {
  spec->ip.version = 5;
  return is_ip(spec);
}

static gboolean short_header_length(FrameSpec *spec) {
  spec->ip.header_length = 4;
  return spec->kind == FRAME_IPV4;
}

static gboolean long_header_length(FrameSpec *spec) {
  spec->ip.header_length = 15;
  return spec->kind == FRAME_IPV4;
}

static gboolean long_total_length(FrameSpec *spec) {
  spec->ip.total_length = 999;
  return is_ip(spec);
}

static gboolean odd_address_lengths(FrameSpec *spec) {
  spec->arp.hlen = 4;
  spec->arp.plen = 6;
  return spec->kind == FRAME_ARP || spec->kind == FRAME_RARP;
}

static const struct {
  const char *name;
  gboolean (*apply)(FrameSpec *spec);
} variations[] = {
    {"", plain},
    {" from another MAC", from_another_mac},
    {" from another address", from_another_address},
    {" from no address", from_no_address},
    {" naming another MAC", arp_from_another_mac},
    {" to everyone", to_everyone},
    {" to a group", to_a_group},
    {" tagged", tagged},
    {" tagged twice", tagged_twice},
    {" first fragment", first_fragment},
    {" later fragment", later_fragment},
    {" with options", with_options},
    {" padded", padded},
    {" bad version", bad_version},
    {" short header length", short_header_length},
    {" long header length", long_header_length},
    {" long total length", long_total_length},
    {" odd address lengths", odd_address_lengths},
};

static void clear_frame(gpointer data) {
  g_free(((GalleryFrame *)data)->name);
}

static void add(GArray *gallery, const FrameSpec *spec, char *name) {
  GalleryFrame frame = {.name = name};
  frame_build(spec, &frame.frame);
  g_array_append_val(gallery, frame);
}

/* Cut behind each header's parts. */
static void add_cut(GArray *gallery, const Named *original) {
  static const guint8 ends[] = {14, 15, 17, 20, 23, 24, 29, 33, 34, 36, 38, 41, 47, 53, 55, 58};
  Frame whole;
  frame_build(&original->spec, &whole);
  for (guint i = 0; i < G_N_ELEMENTS(ends) && ends[i] < whole.length; i++) {
    FrameSpec spec = original->spec;
    spec.cut = ends[i];
    add(gallery, &spec, g_strdup_printf("%s cut at %u", original->name, ends[i]));
  }
}

GArray *gallery_new(void) {
  GArray *gallery = g_array_new(FALSE, FALSE, sizeof(GalleryFrame));
  g_array_set_clear_func(gallery, clear_frame);
  g_autoptr(GArray) list = originals();
  for (guint i = 0; i < list->len; i++) {
    const Named *original = &g_array_index(list, Named, i);
    for (guint j = 0; j < G_N_ELEMENTS(variations); j++) {
      FrameSpec spec = original->spec;
      if (variations[j].apply(&spec))
        add(gallery, &spec, g_strconcat(original->name, variations[j].name, NULL));
    }
    add_cut(gallery, original);
  }
  return gallery;
}
