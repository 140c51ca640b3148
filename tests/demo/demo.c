// SPDX-License-Identifier: LGPL-2.1-or-later
/* Shows the main job: three taps on a bridge in a namespace of its own, two of them bound to
 * clean-traffic through the command line, the table, and which frames arrive.
 * demo NWFILTER-NFT FILTER-DIRECTORY */
#include <lab.h>

#include <glib/gstdio.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const guint8 macs[3][6] = {
    {0x52, 0x54, 0x00, 0x00, 0x00, 0x01}, {0x52, 0x54, 0x00, 0x00, 0x00, 0x02}, {0x52, 0x54, 0x00, 0x00, 0x00, 0x03}};
static const guint8 broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const char *const taps[] = {"vnet0", "vnet1", "uplink"};

static const char binding[] = "<filterbinding>\n"
                              "  <owner><name>guest%d</name></owner>\n"
                              "  <portdev name='vnet%d'/>\n"
                              "  <mac address='52:54:00:00:00:%02x'/>\n"
                              "  <filterref filter='clean-traffic'>\n"
                              "    <parameter name='IP' value='10.0.0.%d'/>\n"
                              "  </filterref>\n"
                              "</filterbinding>\n";

static void fail(const char *what, const GError *error) {
  fprintf(stderr, "demo: %s%s%s\n", what, error ? ": " : "", error ? error->message : "");
  exit(1);
}

static void run(const char *const *argv) {
  g_autofree char *line = g_strjoinv(" ", (char **)argv);
  printf("\n$ %s\n", line);
  fflush(stdout);
  int status;
  g_autoptr(GError) error = NULL;
  if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, NULL,
                    NULL, &status, &error) ||
      !g_spawn_check_wait_status(status, &error))
    fail(argv[0], error);
}

/* --- frames --- */

typedef struct {
  guint8 bytes[128];
  gsize length;
} Frame;

static void put(Frame *frame, const void *bytes, gsize length) {
  memcpy(frame->bytes + frame->length, bytes, length);
  frame->length += length;
}

static void put_ethernet(Frame *frame, const guint8 *to, const guint8 *from, guint16 type) {
  guint8 ethertype[2] = {(guint8)(type >> 8), (guint8)type};
  put(frame, to, 6);
  put(frame, from, 6);
  put(frame, ethertype, 2);
}

static Frame arp_request(const guint8 *from, guint8 host) {
  static const guint8 head[] = {0, 1, 8, 0, 6, 4, 0, 1}, nobody[6], target[] = {10, 0, 0, 3};
  guint8 sender[] = {10, 0, 0, host};
  Frame frame = {0};
  put_ethernet(&frame, broadcast, from, 0x0806);
  put(&frame, head, sizeof head);
  put(&frame, from, 6);
  put(&frame, sender, 4);
  put(&frame, nobody, 6);
  put(&frame, target, 4);
  return frame;
}

static Frame ipv4_udp(const guint8 *from, guint8 host) {
  guint8 packet[28] = {0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, host, 10, 0, 0, 3, 0x30, 0x39, 0, 53, 0, 8};
  guint32 sum = 0;
  for (guint i = 0; i < 20; i += 2)
    sum += (guint32)packet[i] << 8 | packet[i + 1];
  sum = ~((sum & 0xffff) + (sum >> 16));
  packet[10] = (guint8)(sum >> 8);
  packet[11] = (guint8)sum;
  Frame frame = {0};
  put_ethernet(&frame, macs[2], from, 0x0800);
  put(&frame, packet, sizeof packet);
  return frame;
}

static Frame ipv6_udp(const guint8 *from) {
  guint8 packet[48] = {0x60, 0, 0, 0, 0, 8, 17, 64, 0xfe, 0x80};
  packet[23] = 1;
  packet[24] = 0xfe;
  packet[25] = 0x80;
  packet[39] = 3;
  packet[41] = 53;
  packet[43] = 53;
  packet[45] = 8;
  Frame frame = {0};
  put_ethernet(&frame, macs[2], from, 0x86dd);
  put(&frame, packet, sizeof packet);
  return frame;
}

static guint wrong;

static void show(Lab *lab, const char *what, Frame frame, gboolean expected) {
  gboolean arrived[4];
  g_autoptr(GError) error = NULL;
  if (!lab_send(lab, 0, frame.bytes, frame.length, arrived, &error))
    fail(what, error);
  gboolean got = arrived[2];
  printf("  %-58s %s%s\n", what, got ? "arrived at uplink" : "dropped", got == expected ? "" : "   <-- UNEXPECTED");
  wrong += got != expected;
}

static char *write_bindings(void) {
  g_autoptr(GError) error = NULL;
  char *folder = g_dir_make_tmp("nwfilter-nft-demo-XXXXXX", &error);
  if (!folder)
    fail("no folder for the bindings", error);
  for (int i = 0; i < 2; i++) {
    g_autofree char *path = g_strdup_printf("%s/vnet%d.xml", folder, i);
    g_autofree char *text = g_strdup_printf(binding, i, i, i + 1, i + 1);
    if (!g_file_set_contents(path, text, -1, &error))
      fail("no binding could be written", error);
    if (i == 0)
      printf("A binding, %s:\n%s", path, text);
  }
  return folder;
}

static void remove_bindings(char *folder) {
  for (int i = 0; i < 2; i++) {
    g_autofree char *path = g_strdup_printf("%s/vnet%d.xml", folder, i);
    g_unlink(path);
  }
  g_rmdir(folder);
  g_free(folder);
}

static void show_frames(Lab *lab) {
  puts("\nFrames that vnet0 (52:54:00:00:00:01, 10.0.0.1) sends:");
  show(lab, "ARP request, honest", arp_request(macs[0], 1), TRUE);
  show(lab, "ARP request that claims 10.0.0.2", arp_request(macs[0], 2), FALSE);
  show(lab, "ARP request from another MAC address", arp_request(macs[1], 1), FALSE);
  show(lab, "IPv4 UDP, honest", ipv4_udp(macs[0], 1), TRUE);
  show(lab, "IPv4 UDP from 10.0.0.2", ipv4_udp(macs[0], 2), FALSE);
  show(lab, "IPv6 UDP with its own MAC (clean-traffic knows no IPv6)", ipv6_udp(macs[0]), FALSE);
  show(lab, "IPv6 UDP from another MAC address", ipv6_udp(macs[1]), FALSE);
}

/* clean-traffic lets no IPv6 through: a filter of one's own does, and `nft -f` loads what it makes. */
static void show_own_filter(Lab *lab, const char *folder, char *program, char *filters) {
  g_autoptr(GError) error = NULL;
  puts("\nThe same with IPv6 allowed to vnet0 by filters of one's own:");
  g_autofree char *own_folder = g_strdup_printf("%s/filters", folder);
  g_autofree char *own = g_strdup_printf("%s/clean-ipv6.xml", own_folder);
  g_mkdir(own_folder, 0700);
  static const char own_filter[] = "<filter name='clean-ipv6'>\n"
                                   "  <filterref filter='no-mac-spoofing'/>\n"
                                   "  <filterref filter='no-ipv6-spoofing'/>\n"
                                   "  <filterref filter='allow-ipv6'/>\n"
                                   "</filter>\n";
  if (!g_file_set_contents(own, own_filter, -1, &error))
    fail("the filter could not be written", error);
  printf("%s", own_filter);
  g_autofree char *document = NULL;
  if (!g_spawn_sync(NULL,
                    (char *[]){program, "compile", "--filters", filters, "--filters", own_folder, "--filter",
                               "clean-ipv6", "--port", "vnet0", "--mac", "52:54:00:00:00:01", "--param", "IPV6=fe80::1",
                               NULL},
                    NULL, G_SPAWN_DEFAULT, NULL, NULL, &document, NULL, NULL, &error))
    fail("compile", error);
  g_autofree char *nft = g_strdup_printf("%s/table.nft", folder);
  if (!g_file_set_contents(nft, document, -1, &error))
    fail("the table could not be written", error);
  printf("\n$ nwfilter-nft compile --filter clean-ipv6 --port vnet0 --mac 52:54:00:00:00:01 --param IPV6=fe80::1 "
         "> table.nft");
  run((const char *const[]){"nft", "-f", nft, NULL});
  show(lab, "IPv6 UDP, honest", ipv6_udp(macs[0]), TRUE);
  show(lab, "IPv6 UDP from another MAC address", ipv6_udp(macs[1]), FALSE);
  g_unlink(own);
  g_rmdir(own_folder);
  g_unlink(nft);
}

int main(int argc, char **argv) {
  setlocale(LC_ALL, "");
  if (argc != 3)
    fail("usage: demo NWFILTER-NFT FILTER-DIRECTORY", NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(Lab) lab = lab_new(taps, G_N_ELEMENTS(taps), &error);
  if (!lab)
    fail("no bridge and taps in a namespace of their own (are you root?)", error);
  puts("A network namespace with the bridge br0 and the taps vnet0, vnet1 (guests) and uplink.");
  char *folder = write_bindings();
  run((const char *const[]){argv[1], "apply", "--filters", argv[2], "--bindings", folder, NULL});
  run((const char *const[]){argv[1], "list", NULL});
  run((const char *const[]){"nft", "list", "table", "bridge", "nwfilter", NULL});
  show_frames(lab);
  show_own_filter(lab, folder, argv[1], argv[2]);
  remove_bindings(folder);
  printf("\n%s\n", wrong ? "Something went otherwise than expected."
                         : "Everything as expected; the namespace goes "
                           "with this program.");
  return wrong ? 1 : 0;
}
