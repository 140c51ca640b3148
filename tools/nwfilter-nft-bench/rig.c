// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rig.h"
#include "program.h"

#include <errno.h>
#include <gio/gio.h>
#include <linux/filter.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define QUEUE_LENGTH 4
#define BY_THE_CLOCK ", by the clock" /* what else runs on the machine is in it */

static gboolean fail(GError **error, const char *what) {
  g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s", what, g_strerror(errno));
  return FALSE;
}

/* A tap is a descriptor, and a thousand are more than a process usually may have. */
static void allow_descriptors(guint n) {
  struct rlimit limit;

  if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= n)
    return;
  limit.rlim_cur = n;
  limit.rlim_max = MAX(limit.rlim_max, n);
  if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
    g_debug("descriptors: %s", g_strerror(errno));
}

static gboolean shorten_queues(Rig *rig, GError **error) {
  for (guint i = 0; i <= rig->n; i++) {
    struct ifreq request = {.ifr_qlen = QUEUE_LENGTH};
    g_strlcpy(request.ifr_name, lab_name(rig->lab, i), sizeof request.ifr_name);
    if (ioctl(lab_fd(rig->lab, lab_host(rig->lab)), SIOCSIFTXQLEN, &request) < 0)
      return fail(error, "queue length");
  }
  return TRUE;
}

static gboolean disable_br_netfilter(GError **error) {
  static const char *const files[] = {"/proc/sys/net/bridge/bridge-nf-call-arptables",
                                      "/proc/sys/net/bridge/bridge-nf-call-iptables",
                                      "/proc/sys/net/bridge/bridge-nf-call-ip6tables"};

  for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
    FILE *file = fopen(files[i], "w");
    if (!file)
      continue; /* the module is not loaded */
    gboolean written = fputs("0", file) >= 0;
    if (fclose(file) != 0 || !written)
      return fail(error, files[i]);
  }
  return TRUE;
}

Rig *rig_new(const Bench *bench, guint n, GError **error) {
  g_autoptr(Rig) rig = g_new0(Rig, 1);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

  bench_progress(bench, 0, "making a bridge with %u ports", n);
  allow_descriptors(n + 64);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(names, g_strdup(guest_make(i).port));
  g_ptr_array_add(names, g_strdup(GUEST_UPLINK));
  rig->n = n;
  rig->lab = lab_new_here((const char *const *)names->pdata, n + 1, error);
  rig->kernel = rig->lab ? nwf_kernel_open(error) : NULL;
  if (!rig->kernel || !shorten_queues(rig, error) || (bench->no_br_netfilter && !disable_br_netfilter(error)))
    return NULL;
  for (guint i = 0; i < n; i++)
    if (!lab_add_address(rig->lab, i, guest_make(i).mac, error))
      return NULL;
  if (!lab_add_address(rig->lab, n, guest_uplink_mac, error))
    return NULL;
  return g_steal_pointer(&rig);
}

void rig_free(Rig *rig) {
  if (!rig)
    return;
  lab_free(rig->lab);
  if (rig->kernel)
    nwf_kernel_close(rig->kernel);
  g_free(rig);
}

gboolean rig_load_text(const char *text, GError **error) {
  return program_run((const char *const[]){"nft", "-f", "-", NULL}, text, NULL, error);
}

gboolean rig_flush(GError **error) {
  return program_run((const char *const[]){"nft", "flush", "ruleset", NULL}, NULL, NULL, error);
}

gboolean rig_expect(Rig *rig, guint from, const guint8 *frame, gsize length, int to, gboolean arrives, GError **error) {
  g_autofree gboolean *arrived = g_new0(gboolean, lab_n_stations(rig->lab));

  if (!lab_send(rig->lab, from, frame, length, arrived, error))
    return FALSE;
  for (guint i = 0; i < rig->n; i++) {
    gboolean expected = arrives && i != from && (to < 0 || i == (guint)to);
    if (arrived[i] == expected)
      continue;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "the frame %s at %s, so nothing was measured",
                expected ? "did not arrive" : "arrived", lab_name(rig->lab, i));
    return FALSE;
  }
  return TRUE;
}

gboolean rig_deafen_host(Rig *rig, GError **error) {
  struct sock_filter nothing = {BPF_RET | BPF_K, 0, 0, 0};
  struct sock_fprog program = {1, &nothing};

  if (setsockopt(lab_fd(rig->lab, lab_host(rig->lab)), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0)
    return fail(error, "packet socket");
  return TRUE;
}

static gboolean send_many(Rig *rig, const RigLoad *load, guint n, guint *next, GError **error) {
  for (guint i = 0; i < n; i++) {
    const RigFrame *frame = &g_array_index(load->frames, RigFrame, *next);
    if (!lab_send_blind(rig->lab, frame->from, frame->bytes, frame->length, error))
      return FALSE;
    if (++*next == load->frames->len)
      *next = 0;
  }
  return TRUE;
}

gboolean rig_time(Rig *rig, const RigLoad *load, guint window_ms, RigTime *time, GError **error) {
  /* The first ones fill the queues and warm the caches, the next tell how many fit the window. */
  const guint first = 2 * QUEUE_LENGTH * load->frames->len, probe = MAX(16, load->frames->len);
  guint next = 0;

  if (!send_many(rig, load, first, &next, error))
    return FALSE;
  gint64 start = bench_clock_cpu();
  if (!send_many(rig, load, probe, &next, error))
    return FALSE;
  gint64 one = MAX((bench_clock_cpu() - start) / probe, 1);
  guint n = (guint)CLAMP((gint64)window_ms * 1000000 / one, 16, 10000000);

  gint64 wall = bench_clock_wall(), cpu = bench_clock_cpu();
  if (!send_many(rig, load, n, &next, error))
    return FALSE;
  time->cpu = (double)(bench_clock_cpu() - cpu) / n;
  time->wall = (double)(bench_clock_wall() - wall) / n;
  return TRUE;
}

gboolean rig_share(Rig *rig, const RigLoad *load, guint per_second, double seconds, double *share, GError **error) {
  guint n = (guint)(per_second * seconds), next = 0;
  gint64 wall = bench_clock_wall(), cpu = bench_clock_cpu();

  for (guint i = 0; i < n; i++) {
    gint64 at = wall + (gint64)(i * 1e9 / per_second);
    struct timespec until = {.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
      ;
    if (!send_many(rig, load, 1, &next, error))
      return FALSE;
  }
  *share = 100.0 * (double)(bench_clock_cpu() - cpu) / (seconds * 1e9);
  return TRUE;
}

gboolean rig_enter_bare(Rig *rig, gpointer data, GError **error) {
  return TRUE;
}

gboolean rig_enter_ruleset(Rig *rig, gpointer data, GError **error) {
  return nwf_kernel_install(rig->kernel, data, NULL, error);
}

gboolean rig_enter_text(Rig *rig, gpointer data, GError **error) {
  return rig_load_text(data, error);
}

gboolean rig_enter_ebtables(Rig *rig, gpointer data, GError **error) {
  return program_run((const char *const[]){"ebtables-nft-restore", NULL}, data, NULL, error);
}

typedef struct {
  Series *cpu, *wall; /* of a write, by the divisor */
  Series *ratio;      /* of processor times, to the first variant's of the same run */
} VariantSeries;

static Series *make_one(const Bench *bench, const RigLoad *load, guint ports, const char *what, const char *more,
                        const char *unit) {
  g_autofree char *name = g_strconcat(load->label ? load->label : "", what, more, NULL);
  return bench_series(bench, name, unit, ports);
}

static VariantSeries *make_series(const Bench *bench, const GArray *variants, guint ports, const RigLoad *load) {
  const RigVariant *first = &g_array_index(variants, RigVariant, 0);
  VariantSeries *series = g_new0(VariantSeries, variants->len);
  g_autofree char *over = g_strconcat(" / ", first->name, load->inverse ? ", frames/s" : "", NULL);

  for (guint v = 0; v < variants->len; v++) {
    const RigVariant *variant = &g_array_index(variants, RigVariant, v);
    series[v].cpu = make_one(bench, load, ports, variant->name, "", load->unit);
    series[v].wall = make_one(bench, load, ports, variant->name, BY_THE_CLOCK, load->unit);
    series[v].ratio = make_one(bench, load, ports, variant->name, over, "");
    series[v].ratio->limit = variant->limit;
    series[v].ratio->least = variant->least;
  }
  return series;
}

static double ratio_of(const RigLoad *load, double time, double first) {
  return load->inverse ? first / time : time / first;
}

static void finish_series(const Bench *bench, const RigLoad *load, VariantSeries *series, guint n, gboolean emit) {
  for (guint v = 0; emit && v < n; v++) {
    bench_emit(bench, series[v].cpu);
    bench_emit(bench, series[v].wall);
    if (v > 0)
      bench_emit(bench, series[v].ratio);
  }
  for (guint v = 0; v < n; v++) {
    series_free(series[v].wall);
    series_free(series[v].cpu);
    series_free(series[v].ratio);
  }
  g_free(series);
}

/* The ratio is that of processor times: what else ran meanwhile falls out of it. */
static gboolean compare_once(Rig *rig, const Bench *bench, const GArray *variants, const RigLoad *load,
                             VariantSeries *series, GError **error) {
  double first = 0;

  for (guint v = 0; v < variants->len; v++) {
    const RigVariant *variant = &g_array_index(variants, RigVariant, v);
    RigTime time;
    if (!rig_flush(error) || !variant->enter(rig, variant->data, error) ||
        !(variant->time ? variant->time(variant->data, bench->window_ms, &time, error)
                        : rig_time(rig, load, bench->window_ms, &time, error)))
      return FALSE;
    series_add(series[v].wall, time.wall / load->divisor);
    series_add(series[v].cpu, time.cpu / load->divisor);
    if (v == 0)
      first = time.cpu;
    else
      series_add(series[v].ratio, ratio_of(load, time.cpu, first));
  }
  return TRUE;
}

double rig_compare_work(const Bench *bench, guint n_variants) {
  guint more = bench->tables ? g_strv_length(bench->tables) : 0;
  return (double)bench->runs * (n_variants + more) * (bench->window_ms + 30);
}

/* The user's own documents; @texts (of char *) keeps what the variants borrow. */
static gboolean add_tables(const Bench *bench, GArray *variants, GPtrArray *texts, GError **error) {
  for (char **table = bench->tables; table && *table; table++) {
    RigVariant variant = {.name = g_path_get_basename(*table), .enter = rig_enter_text};
    char *text = NULL;
    g_ptr_array_add(texts, (gpointer)variant.name);
    if (!g_file_get_contents(*table, &text, NULL, error))
      return FALSE;
    g_ptr_array_add(texts, text);
    variant.data = text;
    g_array_append_val(variants, variant);
  }
  return TRUE;
}

gboolean rig_compare(Rig *rig, const Bench *bench, const RigVariant *variants, guint n_variants, const RigLoad *load,
                     GError **error) {
  g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(RigVariant));
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
  double work = rig_compare_work(bench, n_variants) / bench->runs;
  gboolean ok = TRUE;

  g_array_append_vals(all, variants, n_variants);
  if (!add_tables(bench, all, texts, error))
    return FALSE;
  VariantSeries *series = make_series(bench, all, rig->n, load);
  for (guint run = 0; ok && run < bench->runs; run++) {
    ok = compare_once(rig, bench, all, load, series, error);
    bench_progress(bench, work, "%u ports: %s%u of %u runs", rig->n, load->label ? load->label : "", run + 1,
                   bench->runs);
  }
  finish_series(bench, load, series, all->len, ok);
  return ok;
}
