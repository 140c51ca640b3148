// SPDX-License-Identifier: LGPL-2.1-or-later
#include "stock.h"
#include "daemon.h"
#include "guests.h"
#include "program.h"
#include "rig.h"

#include <gio/gio.h>
#include <libvirt/libvirt.h>
#include <string.h>

/* The guest whose rules are captured. Its number's digits are in no other part of the rules. */
#define PATTERN 43981

void stock_rules_free(StockRules *rules) {
  if (!rules)
    return;
  g_free(rules->name);
  g_free(rules->rules);
  g_free(rules);
}

/* --- capturing --- */

static gboolean capture_rules(Daemon *daemon, const char *root, StockRules *rules, GError **error) {
  Guest guest = guest_make(PATTERN);
  g_autofree char *xml = guest_binding_xml(PATTERN);
  unsigned long version = 0;

  if (!program_run((const char *const[]){"ip", "tuntap", "add", "dev", guest.port, "mode", "tap", NULL}, NULL, NULL,
                   error) ||
      !daemon_start(daemon, error) || !daemon_bind(daemon, xml, error))
    return FALSE;
  virConnectGetLibVersion(daemon_connection(daemon), &version);
  rules->name = g_strdup_printf("libvirt %lu.%lu.%lu, %s", version / 1000000, version / 1000 % 1000, version % 1000,
                                rules->is_ebtables ? "ebtables" : "nftables");
  /* Its own programs, as an older nft does not understand all that a newer one writes. */
  return program_run_in(root,
                        rules->is_ebtables ? (const char *const[]){"ebtables-save", NULL}
                                           : (const char *const[]){"nft", "list", "ruleset", NULL},
                        NULL, &rules->rules, error);
}

StockRules *stock_rules_capture(const Bench *bench, const char *root, const char *backend, GError **error) {
  g_autoptr(StockRules) rules = g_new0(StockRules, 1);
  g_autofree char *log = g_build_filename(bench->folder, "libvirtd.log", NULL);
  const DaemonSetup setup = {.root = root, .backend = backend, .filters = bench->filters, .log = log};

  rules->is_ebtables = g_strcmp0(backend, "nftables") != 0;
  bench_progress(bench, 0, "asking libvirt for its rules");
  g_autoptr(Daemon) daemon = daemon_new(&setup, error);
  gboolean ok = daemon && capture_rules(daemon, root, rules, error);
  if (daemon)
    daemon_stop(daemon);
  Guest guest = guest_make(PATTERN);
  program_run((const char *const[]){"ip", "link", "del", guest.port, NULL}, NULL, NULL, NULL);
  if (!ok || !rig_flush(error))
    return NULL;
  if (strstr(rules->rules, guest.port))
    return g_steal_pointer(&rules);
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: no rules were seen", rules->name);
  return NULL;
}

/* --- from memory --- */

static const char *const known[] = {
    "*nat",
    ":PREROUTING ACCEPT",
    ":OUTPUT ACCEPT",
    ":POSTROUTING ACCEPT",
    ":I-$PORT-arp-ip ACCEPT",
    ":I-$PORT-arp-mac ACCEPT",
    ":I-$PORT-ipv4-ip ACCEPT",
    ":I-$PORT-mac ACCEPT",
    ":I-$PORT-rarp ACCEPT",
    ":O-$PORT-ipv4 ACCEPT",
    ":O-$PORT-rarp ACCEPT",
    ":libvirt-I-$PORT ACCEPT",
    ":libvirt-O-$PORT ACCEPT",
    "-A PREROUTING -i $PORT -j libvirt-I-$PORT",
    "-A POSTROUTING -o $PORT -j libvirt-O-$PORT",
    "-A I-$PORT-arp-ip -p ARP --arp-ip-src $IP -j RETURN",
    "-A I-$PORT-arp-ip -j DROP",
    "-A I-$PORT-arp-mac -p ARP --arp-mac-src $MAC -j RETURN",
    "-A I-$PORT-arp-mac -j DROP",
    "-A I-$PORT-ipv4-ip -p IPv4 --ip-src 0.0.0.0 --ip-proto udp -j RETURN",
    "-A I-$PORT-ipv4-ip -p IPv4 --ip-src $IP -j RETURN",
    "-A I-$PORT-ipv4-ip -j DROP",
    "-A I-$PORT-mac -s $MAC -j RETURN",
    "-A I-$PORT-mac -j DROP",
    "-A I-$PORT-rarp -p RARP -s $MAC -d Broadcast --arp-op Request_Reverse --arp-ip-src 0.0.0.0 --arp-ip-dst 0.0.0.0 "
    "--arp-mac-src $MAC --arp-mac-dst $MAC -j ACCEPT",
    "-A I-$PORT-rarp -j DROP",
    "-A O-$PORT-ipv4 -j ACCEPT",
    "-A O-$PORT-rarp -p RARP -d Broadcast --arp-op Request_Reverse --arp-ip-src 0.0.0.0 --arp-ip-dst 0.0.0.0 "
    "--arp-mac-src $MAC --arp-mac-dst $MAC -j ACCEPT",
    "-A O-$PORT-rarp -j DROP",
    "-A libvirt-I-$PORT -j I-$PORT-mac",
    "-A libvirt-I-$PORT -p IPv4 -j I-$PORT-ipv4-ip",
    "-A libvirt-I-$PORT -p IPv4 -j ACCEPT",
    "-A libvirt-I-$PORT -p ARP -j I-$PORT-arp-mac",
    "-A libvirt-I-$PORT -p ARP -j I-$PORT-arp-ip",
    "-A libvirt-I-$PORT -p ARP -j ACCEPT",
    "-A libvirt-I-$PORT -p RARP -j I-$PORT-rarp",
    "-A libvirt-I-$PORT -p 0x835 -j ACCEPT",
    "-A libvirt-I-$PORT -j DROP",
    "-A libvirt-O-$PORT -p IPv4 -j O-$PORT-ipv4",
    "-A libvirt-O-$PORT -p ARP -j ACCEPT",
    "-A libvirt-O-$PORT -p RARP -j O-$PORT-rarp",
    "-A libvirt-O-$PORT -j DROP",
    NULL,
};

typedef struct {
  char *port, *mac, *mac_digits, *ip;
} Words;

static Words words_of(guint number) {
  Guest guest = guest_make(number);
  const guint8 *mac = guest.mac;

  return (Words){
      g_strdup(guest.port),
      nwf_mac_format(mac),
      g_strdup_printf("%02x%02x%02x%02x%02x%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]),
      g_strdup_printf("%u.%u.%u.%u", guest.ip[0], guest.ip[1], guest.ip[2], guest.ip[3]),
  };
}

static void words_clear(Words *words) {
  g_free(words->port);
  g_free(words->mac);
  g_free(words->mac_digits);
  g_free(words->ip);
}

StockRules *stock_rules_known(void) {
  StockRules *rules = g_new0(StockRules, 1);
  g_autofree char *joined = g_strjoinv("\n", (char **)known);
  GString *text = g_string_new(joined);
  Words words = words_of(PATTERN);

  g_string_append_c(text, '\n');
  g_string_replace(text, "$PORT", words.port, 0);
  g_string_replace(text, "$MAC", words.mac, 0);
  g_string_replace(text, "$IP", words.ip, 0);
  words_clear(&words);
  rules->name = g_strdup("libvirt's rules, ebtables");
  rules->rules = g_string_free(text, FALSE);
  rules->is_ebtables = TRUE;
  return rules;
}

/* --- writing out --- */

/* @part once for each guest, with @between between them. */
static void append_for_all(GString *text, const char *part, const char *between, guint n) {
  Words pattern = words_of(PATTERN);

  for (guint i = 0; i < n; i++) {
    g_autoptr(GString) own = g_string_new(part);
    Words words = words_of(i);
    g_string_replace(own, pattern.port, words.port, 0);
    g_string_replace(own, pattern.mac, words.mac, 0);
    g_string_replace(own, pattern.mac_digits, words.mac_digits, 0);
    g_string_replace(own, pattern.ip, words.ip, 0);
    g_string_append(text, i > 0 ? between : "");
    g_string_append_len(text, own->str, (gssize)own->len);
    words_clear(&words);
  }
  words_clear(&pattern);
}

/* The lines from @line on up to the end of the block that it opens. */
static char *take_block(char ***line) {
  GString *block = g_string_new(NULL);
  int depth = 0;

  for (; **line; (*line)++) {
    for (const char *c = **line; *c; c++)
      depth += (*c == '{') - (*c == '}');
    g_string_append_printf(block, "%s\n", **line);
    if (depth <= 0 || !(*line)[1])
      break;
  }
  return g_string_free(block, FALSE);
}

char *stock_rules_for(const StockRules *rules, guint n) {
  GString *text = g_string_new(NULL);
  Guest pattern = guest_make(PATTERN);
  g_auto(GStrv) lines = g_strsplit(rules->rules, "\n", -1);

  for (char **line = lines; *line; line++) {
    const char *open = strchr(*line, '{'), *close = strrchr(*line, '}');
    if (!strstr(*line, pattern.port)) {
      g_string_append_printf(text, "%s\n", *line);
    } else if (open && close) { /* elements = { ... } */
      g_autofree char *elements = g_strndup(open + 1, (gsize)(close - open - 1));
      g_string_append_len(text, *line, open + 1 - *line);
      append_for_all(text, elements, ",", n);
      g_string_append_printf(text, "%s\n", close);
    } else {
      g_autofree char *block = take_block(&line);
      append_for_all(text, block, "", n);
    }
  }
  return g_string_free(text, FALSE);
}
