// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * engine-stress FILTERS [SECONDS [CYCLES]]: the engine under many threads, and over many bindings.
 *
 * Meant for builds with sanitizers: ThreadSanitizer sees the first test, AddressSanitizer what the second one leaks.
 */
#include "lab.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <kernel/kernel.h>
#include <nwfilter-nft/xml.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"

#define N_THREADS 8
#define N_PORTS 16
#define N_FILTERS 4

static const char *filters;
static guint seconds = 5, cycles = 1000;

typedef struct {
  char *folder;
  Lab *lab;
  NwfEngine *engine;
  gint stop;
  gint calls;
} Stress;

static const char *const ports[N_PORTS + 1] = {"p0", "p1",  "p2",  "p3",  "p4",  "p5",  "p6",  "p7", "p8",
                                               "p9", "p10", "p11", "p12", "p13", "p14", "p15", NULL};

static void copy_filters(const char *to) {
  g_autoptr(GDir) dir = g_dir_open(filters, 0, NULL);
  const char *name;
  g_assert_nonnull(dir);
  while ((name = g_dir_read_name(dir))) {
    if (!g_str_has_suffix(name, ".xml"))
      continue;
    g_autofree char *source = g_build_filename(filters, name, NULL);
    g_autofree char *target = g_build_filename(to, name, NULL);
    g_autofree char *text = NULL;
    gsize length;
    g_assert_true(g_file_get_contents(source, &text, &length, NULL));
    g_assert_true(g_file_set_contents(target, text, (gssize)length, NULL));
  }
}

static void remove_tree(const char *path) {
  GDir *dir = g_dir_open(path, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *child = g_build_filename(path, name, NULL);
    remove_tree(child);
  }
  if (dir)
    g_dir_close(dir);
  g_remove(path);
}

static void start(Stress *stress) {
  g_autoptr(GError) error = NULL;
  stress->lab = lab_new(ports, N_PORTS, &error);
  g_assert_no_error(error);
  stress->folder = g_dir_make_tmp("nwfilter-nft-stress-XXXXXX", &error);
  g_assert_no_error(error);
  g_autofree char *filter_dir = g_build_filename(stress->folder, "filters", NULL);
  g_autofree char *binding_dir = g_build_filename(stress->folder, "bindings", NULL);
  g_autofree char *state_dir = g_build_filename(stress->folder, "state", NULL);
  g_autofree char *lease_file = g_build_filename(stress->folder, "leases", NULL);
  g_mkdir(filter_dir, 0700);
  copy_filters(filter_dir);
  NwfEngineConfig config = {.filter_dir = filter_dir,
                            .binding_dir = binding_dir,
                            .state_dir = state_dir,
                            .lease_file = lease_file,
                            .no_bus = TRUE};
  stress->engine = nwf_engine_new(&config, &error);
  g_assert_no_error(error);
}

static void end(Stress *stress) {
  g_clear_pointer(&stress->engine, nwf_engine_free);
  g_clear_pointer(&stress->lab, lab_free);
  remove_tree(stress->folder);
  g_clear_pointer(&stress->folder, g_free);
}

/** Every third port has no address: it learns. */
static NwfBinding *make_binding(guint port, const char *filter) {
  g_autofree char *parameter = g_strdup_printf("<parameter name='IP' value='10.9.0.%u'/>", port + 1);
  g_autofree char *text = g_strdup_printf(
      "<filterbinding><owner><name>g%u</name><uuid>5f0e5f4a-6c3d-4f0e-9f0c-1111111111%02x</uuid></owner>"
      "<portdev name='%s'/><mac address='52:54:00:09:00:%02x'/><filterref filter='%s'>%s</filterref></filterbinding>",
      port, port, ports[port], port, filter, port % 3 ? parameter : "");
  g_autoptr(GError) error = NULL;
  NwfBinding *binding = nwf_binding_parse(text, strlen(text), "stress", &error);
  g_assert_no_error(error);
  return binding;
}

static NwfFilter *make_filter(guint number, guint version) {
  g_autofree char *text = g_strdup_printf(
      "<filter name='stress-%u'><uuid>7f2a9c1e-0d3b-4b7e-8c55-0000000000%02x</uuid><filterref filter='clean-traffic'/>"
      "<rule action='drop' direction='out' priority='%u'><ip protocol='udp' dstportstart='%u'/></rule></filter>",
      number, number, version % 900, version % 60000 + 1);
  g_autoptr(GError) error = NULL;
  NwfFilter *filter = nwf_filter_parse(text, strlen(text), "stress", &error);
  g_assert_no_error(error);
  return filter;
}

/** What others did a moment ago may be in the way; anything else is a fault. */
static void assert_expected(const GError *error) {
  if (!error || error->domain == NWF_ENGINE_ERROR)
    return;
  /* A filter that another thread has undefined. */
  if (strstr(error->message, "is missing"))
    return;
  g_assert_no_error(error);
}

static void look(NwfEngine *engine, guint port) {
  g_autoptr(GArray) all_filters = nwf_engine_filters(engine);
  g_autoptr(GArray) all_bindings = nwf_engine_bindings(engine);
  g_autoptr(GError) error = NULL;
  g_autofree char *binding = nwf_engine_binding_xml(engine, ports[port], &error);
  assert_expected(error);
  for (guint i = 0; i < all_filters->len; i += 7) {
    g_autofree char *filter = nwf_engine_filter_xml(engine, g_array_index(all_filters, NwfFilterHead, i).uuid, NULL);
  }
}

static void undefine(NwfEngine *engine, const char *name) {
  NwfFilterHead head = {0};
  g_autoptr(GError) error = NULL;
  if (nwf_engine_filter_by_name(engine, name, &head, &error))
    nwf_engine_undefine(engine, head.uuid, &error);
  assert_expected(error);
  nwf_filter_head_clear(&head);
}

static void do_something(NwfEngine *engine, GRand *random) {
  g_autoptr(GError) error = NULL;
  guint port = (guint)g_rand_int_range(random, 0, N_PORTS), number = (guint)g_rand_int_range(random, 0, N_FILTERS);
  g_autofree char *name = g_strdup_printf("stress-%u", number);
  switch (g_rand_int_range(random, 0, 12)) {
  case 0:
  case 1:
  case 2:
    nwf_engine_bind(engine, make_binding(port, g_rand_boolean(random) ? name : "clean-traffic"), &error);
    break;
  case 3:
  case 4:
  case 5:
    nwf_engine_unbind(engine, ports[port], &error);
    break;
  case 6:
  case 7:
    nwf_engine_define(engine, make_filter(number, g_rand_int(random)), NULL, &error);
    break;
  case 8:
    undefine(engine, name);
    break;
  case 9:
    nwf_engine_verify(engine, NULL, &error);
    break;
  case 10:
    if (g_rand_int_range(random, 0, 20) == 0)
      nwf_engine_reload(engine, &error);
    break;
  default:
    look(engine, port);
  }
  assert_expected(error);
}

typedef struct {
  Stress *stress;
  guint32 seed;
} Worker;

static gpointer work(gpointer data) {
  Worker *worker = data;
  g_autoptr(GRand) random = g_rand_new_with_seed(worker->seed);
  while (!g_atomic_int_get(&worker->stress->stop)) {
    do_something(worker->stress->engine, random);
    g_atomic_int_inc(&worker->stress->calls);
  }
  return NULL;
}

/** What the guests send, from which addresses are learned. */
static void send_arp(Stress *stress, guint port, guint8 host) {
  guint8 frame[60] = {0xff,         0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 9, 0,
                      (guint8)port, 8,    6,    0,    1,    8,    0,    6,    4, 0, 1};
  memcpy(frame + 22, frame + 6, 6);
  const guint8 sender[] = {10, 9, 1, host};
  memcpy(frame + 28, sender, sizeof sender);
  g_autoptr(GError) error = NULL;
  lab_send_blind(stress->lab, port, frame, sizeof frame, &error);
  g_assert_no_error(error);
}

static void assert_kernel_agrees(NwfEngine *engine) {
  g_autoptr(GError) error = NULL;
  gboolean repaired = TRUE;
  g_assert_true(nwf_engine_verify(engine, &repaired, &error));
  g_assert_no_error(error);
  g_assert_false(repaired);
}

static void many_threads_find_one_engine(void) {
  Stress stress = {0};
  Worker workers[N_THREADS];
  GThread *threads[N_THREADS];
  start(&stress);
  guint32 seed = g_random_int();
  g_test_message("seed %u", seed);
  for (guint i = 0; i < N_THREADS; i++) {
    workers[i] = (Worker){&stress, seed + i};
    threads[i] = g_thread_new("worker", work, &workers[i]);
  }
  gint64 until = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
  for (guint n = 0; g_get_monotonic_time() < until; n++) {
    send_arp(&stress, n % N_PORTS, (guint8)(n / N_PORTS % 250 + 1));
    lab_drain(stress.lab);
    g_usleep(500); /* the rate at which guests send */
  }
  g_atomic_int_set(&stress.stop, 1);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join(threads[i]);
  assert_kernel_agrees(stress.engine);
  g_test_message("%d calls", g_atomic_int_get(&stress.calls));
  end(&stress);
}

/** Pages that the process has. */
static gulong resident(void) {
  g_autofree char *text = NULL;
  gulong pages = 0;
  g_assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
  sscanf(text, "%*u %lu", &pages);
  return pages * (gulong)sysconf(_SC_PAGESIZE) / 1024;
}

static void cycle(Stress *stress, guint n) {
  g_autoptr(GError) error = NULL;
  guint port = n % N_PORTS;
  nwf_engine_bind(stress->engine, make_binding(port, n % 2 ? "clean-traffic" : "stress-0"), &error);
  g_assert_no_error(error);
  if (n % 64 == 0) {
    nwf_engine_define(stress->engine, make_filter(0, n), NULL, &error);
    g_assert_no_error(error);
  }
  nwf_engine_unbind(stress->engine, ports[port], &error);
  g_assert_no_error(error);
}

static void bindings_that_come_and_go_leave_nothing(void) {
  Stress stress = {0};
  start(&stress);
  g_autoptr(GError) error = NULL;
  nwf_engine_define(stress.engine, make_filter(0, 0), NULL, &error);
  g_assert_no_error(error);
  for (guint n = 0; n < cycles / 10; n++)
    cycle(&stress, n);
  gulong before = resident();
  for (guint n = cycles / 10; n < cycles; n++)
    cycle(&stress, n);
  gulong after = resident();
  g_test_message("resident after %u cycles: %lu KiB, after %u: %lu KiB", cycles / 10, before, cycles, after);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  /* 16 KiB a thousand cycles is less than one byte a call; AddressSanitizer counts them one by one. */
  g_assert_cmpuint(after, <, before + 2048 + cycles / 1000 * 16);
#endif
  g_autoptr(GArray) left = nwf_engine_bindings(stress.engine);
  g_assert_cmpuint(left->len, ==, 0);
  assert_kernel_agrees(stress.engine);
  end(&stress);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  if (argc < 2)
    g_error("usage: engine-stress FILTERS [SECONDS [CYCLES]]");
  filters = argv[1];
  if (argc > 2)
    seconds = (guint)g_ascii_strtoull(argv[2], NULL, 10);
  if (argc > 3)
    cycles = (guint)g_ascii_strtoull(argv[3], NULL, 10);
  if (geteuid() != 0) {
    g_print("1..0 # SKIP needs root\n");
    return 0;
  }
  nwf_xml_init();
  g_test_add_func("/engine-stress/many-threads-find-one-engine", many_threads_find_one_engine);
  g_test_add_func("/engine-stress/bindings-that-come-and-go-leave-nothing", bindings_that_come_and_go_leave_nothing);
  return g_test_run();
}
