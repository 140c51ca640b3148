// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * race [--commits N] [--seconds S] [NAME...]: whether a frame that the old rules and the new ones forbid passes between
 * them.
 *
 * For each scenario whose name contains a NAME, one thread sends the frame as fast as the tap takes it, and looks after
 * each who got it; the other changes the rules back and forth, N times or for S seconds. First by an engine, which
 * edits its table, then as `apply` does, which compiles and compares all of it. Now and then a frame between two
 * ports that nothing is bound to goes along, of which none may be lost, and one that both rules accept, of which some
 * are: these are counted.
 */
#include "engine-help.h"
#include "lab.h"
#include "scenarios.h"

#include "kernel/kernel.h"

#include <nwfilter-nft/compile.h>
#include <nwfilter-nft/xml.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UUID "5a1b2c3d-0000-4000-8000-00000000000a"
#define UNBOUND_EVERY 16 /* frames of the attacker to one of those that are bound to nothing */

static int commits_wanted = 1500, seconds_wanted = 2;
static const char *const tap_names[RACE_N_TAPS] = {"guest", "peer", "uplink", "other"};

/* --- frames --- */

typedef struct {
  Lab *lab;
  const RaceScenario *scenario;
  Frame forbidden, unbound, honest;
  int host; /* reads what the guest's tap hands to the host past the bridge; -1 */
  GThread *thread;
  gint stop; /* atomic */
  guint64 sent, passed, unbound_sent, unbound_lost, honest_sent, honest_lost;
} Attack;

/* Protocol sockets of a port see what its bridge leaves to the host. */
static int open_host(const char *port) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_IP));
  struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = (int)if_nametoindex(port)};
  g_assert_cmpint(fd, >=, 0);
  g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  return fd;
}

static guint arrived_at(int fd) {
  static __thread guint8 buffer[2048];
  guint n = 0;
  while (read(fd, buffer, sizeof buffer) > 0)
    n++;
  return n;
}

static void send_frame(int fd, const Frame *frame) {
  while (write(fd, frame->bytes, frame->length) < 0)
    g_assert_true(errno == EAGAIN || errno == EINTR);
}

static gpointer attack(gpointer data) {
  Attack *attack = data;
  const RaceScenario *scenario = attack->scenario;
  int from = lab_fd(attack->lab, scenario->in ? RACE_UPLINK : RACE_GUEST);
  int to = scenario->link_local ? attack->host : lab_fd(attack->lab, scenario->in ? RACE_GUEST : RACE_PEER);
  int uplink = lab_fd(attack->lab, RACE_UPLINK), other = lab_fd(attack->lab, RACE_OTHER);
  while (!g_atomic_int_get(&attack->stop)) {
    send_frame(from, &attack->forbidden);
    attack->sent++;
    attack->passed += arrived_at(to);
    if (attack->sent % UNBOUND_EVERY)
      continue;
    arrived_at(other);
    send_frame(uplink, &attack->unbound);
    attack->unbound_sent++;
    attack->unbound_lost += arrived_at(other) != 1;
    arrived_at(to);
    if (!scenario->honest)
      continue;
    send_frame(from, &attack->honest);
    attack->honest_sent++;
    attack->honest_lost += arrived_at(to) != 1;
  }
  return NULL;
}

static void start_attack(Attack *running, const RaceScenario *scenario) {
  g_autoptr(GError) error = NULL;
  *running = (Attack){.scenario = scenario, .host = -1};
  running->lab = lab_new_here(tap_names, RACE_N_TAPS, &error);
  g_assert_no_error(error);
  if (scenario->link_local)
    running->host = open_host(tap_names[RACE_GUEST]);
  FrameSpec spec = frame_spec(scenario->kind);
  scenario->frame(&spec);
  frame_build(&spec, &running->forbidden);
  if (scenario->honest) {
    FrameSpec honest = frame_spec(scenario->kind);
    scenario->honest(&honest);
    frame_build(&honest, &running->honest);
  }
  FrameSpec unbound = frame_spec(FRAME_OTHER);
  unbound.source[5] = 0x77;
  unbound.destination[0] = 0x52; /* unicast to nobody: only taps get it */
  unbound.type = 0x88b6;
  frame_build(&unbound, &running->unbound);
}

static void stop_attack(Attack *running) {
  g_atomic_int_set(&running->stop, 1);
  if (running->thread)
    g_thread_join(running->thread);
  if (running->host >= 0)
    close(running->host);
  lab_free(running->lab);
}

/* --- rules --- */

static char *filter_text(const RaceScenario *scenario, guint turn) {
  return g_strdup_printf("<filter name='race'><uuid>" UUID "</uuid>%s</filter>", scenario->rules[turn]);
}

static char *parameters_text(const RaceScenario *scenario, guint turn) {
  return g_strdup_printf("<parameter name='IP' value='%s'/><parameter name='MAC' value='%s'/>",
                         scenario->ip[turn] ? scenario->ip[turn] : RACE_IP,
                         scenario->mac[turn] ? scenario->mac[turn] : RACE_MAC);
}

/* Calls @change with 0 and 1 by turns under attack; the number of changes. */
static guint under_attack(Attack *running, void (*change)(guint turn, gpointer data), gpointer data) {
  gint64 end = g_get_monotonic_time() + seconds_wanted * G_USEC_PER_SEC;
  guint n = 0;
  running->thread = g_thread_new("attack", attack, running);
  for (; n < (guint)commits_wanted && g_get_monotonic_time() < end; n++)
    change(n & 1, data);
  return n;
}

static void define(guint turn, gpointer data) {
  gpointer *both = data;
  Bench *bench = both[0];
  g_autofree char *text = filter_text(both[1], turn);
  g_autoptr(GError) error = NULL;
  bench_define(bench, text, &error);
  g_assert_no_error(error);
}

static guint by_engine(Attack *running) {
  const RaceScenario *scenario = running->scenario;
  Bench *bench = bench_new();
  start_attack(running, scenario);
  gpointer both[] = {bench, (gpointer)scenario};
  g_autoptr(GError) error = NULL;
  g_autofree char *parameters = parameters_text(scenario, 0);
  bench_start(bench);
  define(1, both);
  bench_bind(bench, tap_names[RACE_GUEST], "race", parameters, &error);
  g_assert_no_error(error);
  guint n = under_attack(running, define, both);
  stop_attack(running);
  bench_free(bench);
  return n;
}

typedef struct {
  NwfKernel *kernel;
  NwfRuleset *tables[2];
} Whole;

static void install(guint turn, gpointer data) {
  Whole *whole = data;
  g_autoptr(GError) error = NULL;
  nwf_kernel_install(whole->kernel, whole->tables[turn], NULL, &error);
  g_assert_no_error(error);
}

static NwfRuleset *compile(const RaceScenario *scenario, guint turn) {
  g_autoptr(GError) error = NULL;
  g_autofree char *filter = filter_text(scenario, turn), *parameters = parameters_text(scenario, turn);
  g_autofree char *binding =
      g_strdup_printf("<filterbinding><owner><name>g</name><uuid>" UUID "</uuid></owner><portdev name='%s'/>"
                      "<mac address='" RACE_MAC "'/><filterref filter='race'>%s</filterref></filterbinding>",
                      tap_names[RACE_GUEST], parameters);
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  nwf_filter_store_put(store, nwf_filter_parse(filter, strlen(filter), "race", &error));
  g_assert_no_error(error);
  g_autoptr(NwfBinding) parsed = nwf_binding_parse(binding, strlen(binding), "race", &error);
  g_assert_no_error(error);
  NwfBinding *bindings[] = {parsed};
  NwfRuleset *ruleset = nwf_compile(store, bindings, 1, NULL, &error);
  g_assert_no_error(error);
  return ruleset;
}

static guint by_apply(Attack *running) {
  g_autoptr(GError) error = NULL;
  lab_unshare(&error);
  g_assert_no_error(error);
  start_attack(running, running->scenario);
  Whole whole = {.kernel = nwf_kernel_open(&error)};
  g_assert_no_error(error);
  for (guint i = 0; i < 2; i++)
    whole.tables[i] = compile(running->scenario, i);
  install(1, &whole);
  guint n = under_attack(running, install, &whole);
  stop_attack(running);
  for (guint i = 0; i < 2; i++)
    nwf_ruleset_free(whole.tables[i]);
  nwf_kernel_close(whole.kernel);
  return n;
}

/* --- the run --- */

static guint point;

static void run(const RaceScenario *scenario, const char *how, guint (*race)(Attack *running)) {
  Attack running = {.scenario = scenario};
  guint n = race(&running);
  gboolean ok = running.passed == 0 && running.unbound_lost == 0 && running.sent && n;
  printf("# %u changes, %" G_GUINT64_FORMAT " frames: %" G_GUINT64_FORMAT " passed; %" G_GUINT64_FORMAT
         " between ports that are not bound: %" G_GUINT64_FORMAT " lost; %" G_GUINT64_FORMAT
         " honest ones: %" G_GUINT64_FORMAT " lost\n",
         n, running.sent, running.passed, running.unbound_sent, running.unbound_lost, running.honest_sent,
         running.honest_lost);
  printf("%sok %u - %s, %s\n", ok ? "" : "not ", ++point, scenario->name, how);
  fflush(stdout);
}

static gboolean is_wanted(const RaceScenario *scenario, char **names) {
  gboolean wanted = !names[0];
  for (; *names && !wanted; names++)
    wanted = strstr(scenario->name, *names) != NULL;
  return wanted;
}

static gboolean can_track(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfKernel) kernel = nwf_kernel_open(&error);
  guint features = 0;
  g_assert_no_error(error);
  nwf_kernel_probe(kernel, &features, &error);
  g_assert_no_error(error);
  return (features & NWF_FEATURE_CT) != 0;
}

int main(int argc, char **argv) {
  const GOptionEntry entries[] = {
      {"commits", 0, 0, G_OPTION_ARG_INT, &commits_wanted, "Changes of the rules in each scenario", "N"},
      {"seconds", 0, 0, G_OPTION_ARG_INT, &seconds_wanted, "And no longer than this", "S"},
      {NULL},
  };
  g_autoptr(GError) error = NULL;
  g_autoptr(GOptionContext) context = g_option_context_new("[NAME...]");
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, &error)) {
    fprintf(stderr, "%s\n", error->message);
    return 2;
  }
  nwf_xml_init();
  lab_unshare(&error);
  g_assert_no_error(error);
  gboolean tracks = can_track();
  for (guint i = 0; i < n_race_scenarios; i++) {
    const RaceScenario *scenario = &race_scenarios[i];
    if (!is_wanted(scenario, argv + 1))
      continue;
    if (scenario->stateful && !tracks) {
      printf("ok %u - %s # skip this kernel tracks no connections on bridges\n", ++point, scenario->name);
      continue;
    }
    if (!scenario->ip[0])
      run(scenario, "by an engine", by_engine);
    run(scenario, "by comparing tables", by_apply);
  }
  printf("1..%u\n", point);
  return 0;
}
