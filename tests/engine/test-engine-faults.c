// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Each system call of the engine fails in its turn, once and from then on. Whatever comes of that: what was said to be
 * bound is bound in the kernel, files, memory and kernel agree, and no guest sends what its filter forbids.
 */
#include "engine-help.h"
#include "faults.h"
#include "lab.h"
#include "teaching-frames.h"

#include "engine/internal.h"

#include <nwfilter-nft/model.h>

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_TAPS 4
#define CALLS_MAX 400 /* more of one kind in one go are not tried */
#define FOR_GOOD 1000000
/* Reading a table back is many calls that are alike: beyond so many, every fifth is tried. */
#define DENSE 16

static const char *const names[N_TAPS] = {"tap0", "tap1", "tap2", "tap3"};
static const guint8 macs[N_TAPS][6] = {
    {0x52, 0x54, 0, 0, 0, 1}, {0x52, 0x54, 0, 0, 0, 2}, {0x52, 0x54, 0, 0, 0, 3}, {0x52, 0x54, 0, 0, 0, 4}};

#define UUID(n) "<uuid>11111111-2222-4333-8444-55555555550" n "</uuid>"
#define HELD                                                                                                           \
  "<filter name='held'>" UUID("1") "<rule action='drop' direction='out'><mac match='no' srcmacaddr='$MAC'/></rule>"    \
                                   "<rule action='drop' direction='out'><ip match='no' srcipaddr='$IP'/></rule>"       \
                                   "<rule action='drop' direction='out'><arp match='no' arpsrcipaddr='$IP'/></rule>"   \
                                   "</filter>"
#define MINE(protocol)                                                                                                 \
  "<filter name='mine'>" UUID("2") "<rule action='drop' direction='out'><mac protocolid='" protocol "'/></rule>"       \
                                   "<filterref filter='held'/></filter>"
#define IP(address) "<parameter name='IP' value='" address "'/>"

typedef struct {
  char *path, *text;
} SavedFile;

typedef struct {
  Bench *bench;
  Lab *lab;
  GArray *files; /* of SavedFile: what there is before each fault */
} Rig;

/* --- the state before --- */

static void save_directory(Rig *rig, const char *path) {
  g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
  for (const char *name = g_dir_read_name(dir); name; name = g_dir_read_name(dir)) {
    SavedFile file = {.path = g_build_filename(path, name, NULL)};
    g_assert_true(g_file_get_contents(file.path, &file.text, NULL, NULL));
    g_array_append_val(rig->files, file);
  }
}

static void empty_directory(const char *path) {
  g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
  for (const char *name = g_dir_read_name(dir); name; name = g_dir_read_name(dir)) {
    g_autofree char *file = g_build_filename(path, name, NULL);
    g_unlink(file);
  }
}

static void bind_tap(Rig *rig, guint tap, const char *filter, const char *parameters, GError **error) {
  bench_bind_mac(rig->bench, names[tap], macs[tap], filter, parameters, error);
}

static void send_arp(Rig *rig, guint tap, const char *address) {
  g_autoptr(GError) error = NULL;
  Frame frame = frame_arp(macs[tap], address);
  lab_send_blind(rig->lab, tap, frame.bytes, frame.length, &error);
  g_assert_no_error(error);
}

/* tap0 has a fixed address, tap1 has learned one, tap2 has none yet. */
static void make_state(Rig *rig) {
  g_autoptr(GError) error = NULL;
  bench_write(bench_filter_path(rig->bench, "held"), HELD);
  bench_write(bench_filter_path(rig->bench, "mine"), MINE("rarp"));
  bench_start(rig->bench);
  bind_tap(rig, 0, "mine", IP("10.0.0.1"), &error);
  g_assert_no_error(error);
  bind_tap(rig, 1, "held", NULL, &error);
  g_assert_no_error(error);
  bind_tap(rig, 2, "held", NULL, &error);
  g_assert_no_error(error);
  send_arp(rig, 1, "10.0.0.2");
  bench_await_filter(rig->bench, "tap1", "held MAC=52:54:00:00:00:02 IP=10.0.0.2");
  bench_stop(rig->bench);
  save_directory(rig, rig->bench->config.filter_dir);
  save_directory(rig, rig->bench->config.binding_dir);
  save_directory(rig, rig->bench->config.state_dir);
}

static void forget_said(Rig *rig) {
  for (char *said; (said = g_async_queue_try_pop(rig->bench->said));)
    g_free(said);
}

static void put_state(Rig *rig) {
  empty_directory(rig->bench->config.filter_dir);
  empty_directory(rig->bench->config.binding_dir);
  empty_directory(rig->bench->config.state_dir);
  for (guint i = 0; i < rig->files->len; i++) {
    const SavedFile *file = &g_array_index(rig->files, SavedFile, i);
    FILE *stream = fopen(file->path, "we");
    g_assert_nonnull(stream);
    fputs(file->text, stream);
    fclose(stream);
  }
  bench_start(rig->bench);
  bench_stop(rig->bench);
  forget_said(rig);
  lab_drain(rig->lab);
}

static void say_nothing(NwfLogLevel level, const char *message, gpointer data) {
  g_async_queue_push(((Bench *)data)->said, g_strdup(message));
}

static void start(Rig *rig, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  rig->bench = bench_new();
  rig->bench->config.log = say_nothing;
  rig->lab = lab_new_here(names, N_TAPS, &error);
  g_assert_no_error(error);
  rig->files = g_array_new(FALSE, FALSE, sizeof(SavedFile));
  make_state(rig);
}

static void stop(Rig *rig, gconstpointer data) {
  lab_free(rig->lab);
  for (guint i = 0; i < rig->files->len; i++) {
    g_free(g_array_index(rig->files, SavedFile, i).path);
    g_free(g_array_index(rig->files, SavedFile, i).text);
  }
  g_array_unref(rig->files);
  bench_free(rig->bench);
}

/* --- what is done while a call fails --- */

static void do_bind(Rig *rig) {
  g_autoptr(GError) error = NULL;
  bind_tap(rig, 3, "mine", IP("10.0.0.4"), &error);
}

static void do_unbind(Rig *rig) {
  nwf_engine_unbind(rig->bench->engine, "tap0", NULL);
}

static void do_redefine(Rig *rig) {
  g_autoptr(GError) error = NULL;
  bench_define(rig->bench, MINE("vlan"), &error);
}

static void do_reload(Rig *rig) {
  nwf_engine_reload(rig->bench->engine, NULL);
}

static void do_verify(Rig *rig) {
  nwf_engine_verify(rig->bench->engine, NULL, NULL);
}

/* The frame waits until calls fail. */
static void before_learn(Rig *rig) {
  forget_said(rig);
  nwf_engine_lock(rig->bench->engine);
  send_arp(rig, 2, "10.0.0.3");
}

/* Until something is said of it, be it what went wrong. */
static void do_learn(Rig *rig) {
  nwf_engine_unlock(rig->bench->engine);
  g_free(g_async_queue_timeout_pop(rig->bench->said, 5 * G_USEC_PER_SEC));
  nwf_engine_lock(rig->bench->engine); /* what the engine's thread is at comes to its end */
  nwf_engine_unlock(rig->bench->engine);
}

static void do_start(Rig *rig) {
  rig->bench->engine = nwf_engine_new(&rig->bench->config, NULL);
}

static void edit_filter(Rig *rig) {
  bench_write(bench_filter_path(rig->bench, "mine"), MINE("vlan"));
}

static const struct {
  const char *name;
  void (*prepare)(Rig *rig); /* files, before there is an engine; may be NULL */
  void (*before)(Rig *rig);  /* while nothing fails; may be NULL */
  void (*run)(Rig *rig);
} actions[] = {
    {"start", .prepare = edit_filter, .run = do_start},
    {"bind", .run = do_bind},
    {"unbind", .run = do_unbind},
    {"redefine", .run = do_redefine},
    {"reload", .before = edit_filter, .run = do_reload},
    {"verify", .run = do_verify},
    {"learn", .before = before_learn, .run = do_learn},
};

static const struct {
  const char *kind;
  int code;
} faults[] = {
    {"open", EMFILE},    {"open", EINTR},
    {"opendir", EMFILE}, {"readdir", EIO},
    {"read", EIO},       {"read", EINTR},
    {"write", ENOSPC},   {"write", EINTR},
    {"stat", EIO},       {"fsync", EIO},
    {"rename", EIO},     {"unlink", EIO},
    {"socket", EMFILE},  {"if_nametoindex", EMFILE},
    {"eventfd", EMFILE}, {"send", ENOMEM},
    {"send", EINTR},     {"recv", ENOMEM},
    {"recv", EINTR},     {"mmap", ENOMEM},
};

/* --- the process in which it fails --- */

/* What it leaves behind. */
typedef struct {
  guint calls;
  gboolean started;
  guint n_bound;
  char bound[8][16]; /* in the order of their names */
} Report;

static void report_bindings(NwfEngine *engine, Report *report) {
  g_autoptr(GArray) heads = nwf_engine_bindings(engine);
  report->started = TRUE;
  report->n_bound = heads->len;
  for (guint i = 0; i < heads->len; i++)
    g_strlcpy(report->bound[i], g_array_index(heads, NwfBindingHead, i).port, sizeof report->bound[i]);
}

static void run_with_fault(Rig *rig, guint action, guint fault, guint nth, guint times, Report *report) {
  gboolean starting = actions[action].run == do_start;
  if (!starting)
    bench_start(rig->bench);
  if (actions[action].before)
    actions[action].before(rig);
  fault_arm(faults[fault].kind, nth, times, faults[fault].code);
  actions[action].run(rig);
  report->calls = fault_disarm();
  if (!rig->bench->engine)
    return;
  /* what the engine would do in a second */
  nwf_retry(rig->bench->engine);
  report_bindings(rig->bench->engine, report);
}

/* In a process of its own, which then goes without a word, as one that is killed. */
static Report run_apart(Rig *rig, guint action, guint fault, guint nth, guint times) {
  int ends[2], status;
  Report report = {0};
  g_assert_cmpint(pipe(ends), ==, 0);
  pid_t pid = fork();
  if (pid == 0) {
    run_with_fault(rig, action, fault, nth, times, &report);
    g_assert_cmpint(write(ends[1], &report, sizeof report), ==, sizeof report);
    _exit(0);
  }
  close(ends[1]);
  gssize got = read(ends[0], &report, sizeof report);
  close(ends[0]);
  g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
  if (status != 0 || got != sizeof report)
    g_error("%s: %s number %u fails %u times: the process ended with %d", actions[action].name, faults[fault].kind, nth,
            times, status);
  return report;
}

/* --- what is right --- */

/* The filter in force for each port, by name; as the comment of its element says. */
static GHashTable *read_kernel(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfKernel) kernel = nwf_kernel_open(&error);
  g_autoptr(NwfRuleset) table = NULL;
  g_assert_no_error(error);
  nwf_kernel_read(kernel, &table, NULL, &error);
  g_assert_no_error(error);
  GHashTable *ports = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  const NwfSet *from = table ? nwf_ruleset_set(table, "from_port_other") : NULL;
  const NwfSet *to = table ? nwf_ruleset_set(table, "to_port_other") : NULL;
  for (guint i = 0; from && i < from->elements->len; i++) {
    const NwfElement *element = &g_array_index(from->elements, NwfElement, i);
    gboolean both = FALSE;
    for (guint j = 0; to && j < to->elements->len && !both; j++)
      both = memcmp(g_array_index(to->elements, NwfElement, j).key, element->key, NWF_KEY_MAX) == 0;
    if (both)
      g_hash_table_insert(ports, g_strdup((const char *)element->key), g_strdup(element->comment));
  }
  return ports;
}

static gboolean is_one_of(const Report *report, const char *port) {
  for (guint i = 0; i < report->n_bound; i++)
    if (strcmp(report->bound[i], port) == 0)
      return TRUE;
  return FALSE;
}

static void assert_forbidden(Rig *rig, guint tap, const Frame *frame, const char *when) {
  g_autoptr(GError) error = NULL;
  gboolean arrived[N_TAPS + 1] = {0};
  lab_send(rig->lab, tap, frame->bytes, frame->length, arrived, &error);
  g_assert_no_error(error);
  for (guint i = 0; i < G_N_ELEMENTS(arrived); i++)
    if (arrived[i])
      g_error("%s: a frame that is forbidden passes from %s", when, names[tap]);
}

static void assert_held(Rig *rig, guint tap, const char *when) {
  static const guint8 other[6] = {0x52, 0x54, 0, 0, 0, 0x77};
  Frame mac = frame_udp(other, macs[(tap + 1) % N_TAPS], "10.0.0.9", "10.0.0.99");
  Frame ip = frame_udp(macs[tap], macs[(tap + 1) % N_TAPS], "10.0.0.9", "10.0.0.99");
  assert_forbidden(rig, tap, &mac, when);
  if (tap != 2) /* which may still show its address */
    assert_forbidden(rig, tap, &ip, when);
}

/* Those that were bound before and that nobody unbound successfully, and those that were reported. */
static void assert_bound(Rig *rig, const Report *report, const char *when) {
  g_autoptr(GHashTable) kernel = read_kernel();
  for (guint tap = 0; tap < N_TAPS; tap++) {
    gboolean bound = report->started ? is_one_of(report, names[tap]) : tap < 3;
    if (!bound)
      continue;
    if (!g_hash_table_contains(kernel, names[tap]))
      g_error("%s: %s is bound, and not in the kernel", when, names[tap]);
    assert_held(rig, tap, when);
  }
}

/* The next daemon finds all as the last one said. A port that was closed may open, and no other change. */
static void assert_agreed(Rig *rig, const Report *report, const char *when) {
  g_autoptr(GHashTable) before = read_kernel();
  bench_start(rig->bench);
  Report next = {0};
  report_bindings(rig->bench->engine, &next);
  bench_stop(rig->bench);
  if (!report->started)
    return;
  g_autoptr(GHashTable) after = read_kernel();
  for (guint tap = 0; tap < N_TAPS; tap++) {
    const char *now = g_hash_table_lookup(after, names[tap]), *then = g_hash_table_lookup(before, names[tap]);
    if (is_one_of(report, names[tap]) && !is_one_of(&next, names[tap]))
      g_error("%s: %s was bound, and is not after a restart", when, names[tap]);
    if (g_strcmp0(now, then) != 0 && !(then && g_str_has_prefix(then, "closed ")))
      g_error("%s: %s had '%s', and has '%s' after a restart", when, names[tap], then, now);
  }
}

static guint check_fault(Rig *rig, guint action, guint fault, guint nth, guint times) {
  g_autofree char *when = g_strdup_printf("%s: %s number %u fails %s", actions[action].name, faults[fault].kind, nth,
                                          times == 1 ? "once" : "from then on");
  put_state(rig);
  if (actions[action].prepare)
    actions[action].prepare(rig);
  Report report = run_apart(rig, action, fault, nth, times);
  assert_bound(rig, &report, when);
  assert_agreed(rig, &report, when);
  return report.calls;
}

static void test_action(Rig *rig, gconstpointer data) {
  guint action = GPOINTER_TO_UINT(data), n = 0;
  /* EINTR without end is no fault that there is */
  for (guint fault = 0; fault < G_N_ELEMENTS(faults); fault++)
    for (guint persistent = 0; persistent < (faults[fault].code == EINTR ? 1 : 2); persistent++)
      for (guint nth = 1; nth <= CALLS_MAX; nth += nth < DENSE ? 1 : 5, n++)
        if (check_fault(rig, action, fault, nth, persistent ? FOR_GOOD : 1) < nth)
          break;
  g_test_message("%u faults", n);
}

/* --- descriptors --- */

/* The last one that is open, and so many more may be. */
static void limit_descriptors(guint more) {
  int fd = dup(0);
  g_assert_cmpint(fd, >=, 0);
  close(fd);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = (rlim_t)fd + more;
  g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
}

static gboolean starts_with(Rig *rig, guint descriptors) {
  int status;
  pid_t pid = fork();
  if (pid == 0) {
    limit_descriptors(descriptors);
    NwfEngine *engine = nwf_engine_new(&rig->bench->config, NULL);
    _exit(engine ? 0 : 1);
  }
  g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
  g_assert_true(WIFEXITED(status));
  return WEXITSTATUS(status) == 0;
}

static void test_few_descriptors(Rig *rig, gconstpointer data) {
  const Report bound = {.n_bound = 0};
  gboolean started = FALSE;
  for (guint n = 0; !started; n++) {
    g_autofree char *when = g_strdup_printf("a start with %u descriptors", n);
    g_assert_cmpuint(n, <, 64);
    put_state(rig);
    started = starts_with(rig, n);
    assert_bound(rig, &bound, when);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(actions); i++) {
    g_autofree char *path = g_strdup_printf("/engine-faults/%s", actions[i].name);
    g_test_add(path, Rig, GUINT_TO_POINTER(i), start, test_action, stop);
  }
  g_test_add("/engine-faults/few-descriptors", Rig, NULL, start, test_few_descriptors, stop);
  return g_test_run();
}
