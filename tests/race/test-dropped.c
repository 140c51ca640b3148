// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a port's filter drops changes the state of nobody's connection, though its sender knows addresses, ports and
 * numbers. For kernels that track connections on bridges.
 */
#include "engine-help.h"
#include "frame.h"
#include "lab.h"

#include <nwfilter-nft/model.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { VICTIM, ATTACKER, PEER, N_TAPS };
enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static const char *const names[N_TAPS] = {"victim", "attacker", "peer"}; /* the last one is not bound */
static const guint8 macs[N_TAPS][6] = {{0x52, 0x54, 0, 0, 0, 1}, {0x52, 0x54, 0, 0, 0, 2}, {0x52, 0x54, 0, 0, 0, 9}};
static const guint8 addresses[N_TAPS][4] = {{10, 0, 0, 1}, {10, 0, 0, 2}, {10, 0, 0, 9}};

#define CLIENT                                                                                                         \
  "<filter name='client'><uuid>11111111-2222-4333-8444-555555555508</uuid>"                                            \
  "<rule action='accept' direction='out'><tcp dstportstart='80'/></rule>"                                              \
  "<rule action='drop' direction='inout' priority='1000'><all/></rule></filter>"
/* Its guest may send in tags what it likes. */
#define UNTAGGED                                                                                                       \
  "<filter name='untagged'><uuid>11111111-2222-4333-8444-555555555509</uuid>"                                          \
  "<filterref filter='no-ip-spoofing'/></filter>"

typedef struct {
  Bench *bench;
  Lab *lab;
  gboolean skip;
} Fixture;

static void number(guint8 *at, guint32 value) {
  for (guint i = 0; i < 4; i++)
    at[i] = (guint8)(value >> (24 - 8 * i));
}

/* A segment of the connection between victim and peer, in the name of @as, sent by @from. */
static gboolean segment(Fixture *fixture, guint from, guint as, guint8 flags, guint32 sequence, guint32 acknowledged,
                        guint tags) {
  guint to = as == VICTIM ? PEER : VICTIM;
  FrameSpec spec = frame_spec(FRAME_IPV4);
  memcpy(spec.source, macs[from], 6);
  memcpy(spec.destination, macs[to], 6);
  memcpy(spec.ip.source, addresses[as], 4);
  memcpy(spec.ip.destination, addresses[to], 4);
  spec.ip.protocol = IPPROTO_TCP;
  spec.transport.source = as == VICTIM ? 3001 : 80;
  spec.transport.destination = as == VICTIM ? 80 : 3001;
  spec.transport.tcp_flags = flags;
  spec.transport.payload = 0;
  spec.tags = tags;
  Frame frame;
  frame_build(&spec, &frame);
  guint8 *tcp = frame.bytes + 14 + 4 * tags + 20;
  number(tcp + 4, sequence);
  number(tcp + 8, acknowledged);
  gboolean arrived[N_TAPS + 1] = {FALSE};
  g_autoptr(GError) error = NULL;
  g_assert_true(lab_send(fixture->lab, from, frame.bytes, frame.length, arrived, &error));
  g_assert_no_error(error);
  return arrived[to];
}

/* Seconds until the victim's established connection is forgotten; 0: there is none. */
static guint established(void) {
  g_autofree char *table = bench_shell("cat /proc/net/nf_conntrack");
  g_auto(GStrv) lines = g_strsplit(table, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    guint seconds = 0;
    const char *entry = strstr(lines[i], "tcp");
    if (entry && strstr(entry, "ESTABLISHED src=10.0.0.1 ") && sscanf(entry, "tcp %*u %u", &seconds) == 1)
      return seconds;
  }
  return 0;
}

static void bind_port(Fixture *fixture, guint port, const char *filter) {
  g_autoptr(GError) error = NULL;
  g_autofree char *parameter = g_strdup_printf("<parameter name='IP' value='10.0.0.%u'/>", addresses[port][3]);
  fixture->skip = !bench_bind_mac(fixture->bench, names[port], macs[port], filter, parameter, &error);
  if (fixture->skip) {
    g_assert_error(error, NWF_ERROR, NWF_ERROR_UNSUPPORTED);
    g_test_skip(error->message);
  }
}

static void start(Fixture *fixture, gconstpointer filter) {
  g_autoptr(GError) error = NULL;
  fixture->bench = bench_new();
  bench_stock_filters(fixture->bench);
  fixture->lab = lab_new_here(names, N_TAPS, &error);
  g_assert_no_error(error);
  bench_start(fixture->bench);
  g_assert_true(bench_define(fixture->bench, CLIENT, &error));
  g_assert_true(bench_define(fixture->bench, UNTAGGED, &error));
  bind_port(fixture, VICTIM, "client");
  if (fixture->skip)
    return;
  bind_port(fixture, ATTACKER, filter);
  /* numbers are written into frames whose checksums were made before */
  g_free(bench_shell("echo 0 > /proc/sys/net/netfilter/nf_conntrack_checksum"));
  g_assert_true(segment(fixture, VICTIM, VICTIM, SYN, 1000, 0, 0));
  g_assert_true(segment(fixture, PEER, PEER, SYN | ACK, 5000, 1001, 0));
  g_assert_true(segment(fixture, VICTIM, VICTIM, ACK, 1001, 5001, 0));
  g_assert_cmpuint(established(), >, 3600);
}

static void stop(Fixture *fixture, gconstpointer filter) {
  lab_free(fixture->lab);
  bench_free(fixture->bench);
}

/* In both names, in and out of a tag: nothing comes of it. */
static void attack(Fixture *fixture, guint8 flags) {
  for (guint tags = 0; tags < 2; tags++) {
    segment(fixture, ATTACKER, VICTIM, flags, 1001, 5001, tags);
    segment(fixture, ATTACKER, PEER, flags, 5001, 1001, tags);
    g_assert_cmpuint(established(), >, 3600);
  }
  g_assert_true(segment(fixture, VICTIM, VICTIM, ACK, 1001, 5001, 0));
  g_assert_true(segment(fixture, PEER, PEER, ACK, 5001, 1001, 0));
}

static void test_reset(Fixture *fixture, gconstpointer filter) {
  if (!fixture->skip)
    attack(fixture, RST);
}

static void test_reset_acknowledged(Fixture *fixture, gconstpointer filter) {
  if (!fixture->skip)
    attack(fixture, RST | ACK);
}

static void test_fin(Fixture *fixture, gconstpointer filter) {
  if (!fixture->skip)
    attack(fixture, FIN | ACK);
}

static void test_syn_ack(Fixture *fixture, gconstpointer filter) {
  if (!fixture->skip)
    attack(fixture, SYN | ACK);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  const struct {
    const char *name;
    void (*test)(Fixture *fixture, gconstpointer filter);
  } tests[] = {
      {"reset", test_reset}, {"reset-with-ack", test_reset_acknowledged}, {"fin", test_fin}, {"syn-ack", test_syn_ack}};
  static const char *const filters[] = {"clean-traffic", "untagged"};
  for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
    for (guint j = 0; j < G_N_ELEMENTS(filters); j++) {
      g_autofree char *path = g_strdup_printf("/dropped/%s-under-%s", tests[i].name, filters[j]);
      g_test_add(path, Fixture, filters[j], start, tests[i].test, stop);
    }
  return g_test_run();
}
