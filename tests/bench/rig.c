// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rig.h"
#include "guests.h"

#include <errno.h>
#include <gio/gio.h>
#include <linux/filter.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define QUEUE_LENGTH 4

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
  for (guint i = 0; i < rig->n; i++) {
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

  bench_progress(bench, "making a bridge with %u ports", n);
  allow_descriptors(n + 64);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(names, g_strdup(guest_make(i).port));
  rig->n = n;
  rig->lab = lab_new((const char *const *)names->pdata, n, error);
  rig->kernel = rig->lab ? nwf_kernel_open(error) : NULL; /* after the lab, which may choose the namespace */
  if (!rig->kernel || !shorten_queues(rig, error) || (bench->no_br_netfilter && !disable_br_netfilter(error)))
    return NULL;
  for (guint i = 0; i < n; i++)
    if (!lab_add_address(rig->lab, i, guest_make(i).mac, error))
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

static gboolean run_nft(const char *const *argv, const char *text, GError **error) {
  g_autoptr(GSubprocess) nft =
      g_subprocess_newv(argv, G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, error);
  g_autofree char *said = NULL;

  if (!nft || !g_subprocess_communicate_utf8(nft, text, NULL, NULL, &said, error))
    return FALSE;
  if (g_subprocess_get_successful(nft))
    return TRUE;
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "nft: %s", said);
  return FALSE;
}

gboolean rig_load_text(const char *text, GError **error) {
  return run_nft((const char *const[]){"nft", "-f", "-", NULL}, text, error);
}

gboolean rig_flush(Rig *rig, GError **error) {
  return run_nft((const char *const[]){"nft", "flush", "ruleset", NULL}, "", error);
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

static gboolean send_many(Rig *rig, guint from, const guint8 *frame, gsize length, guint n, GError **error) {
  for (guint i = 0; i < n; i++)
    if (!lab_send_blind(rig->lab, from, frame, length, error))
      return FALSE;
  return TRUE;
}

gboolean rig_time(Rig *rig, guint from, const guint8 *frame, gsize length, guint window_ms, RigTime *time,
                  GError **error) {
  /* The first ones fill the queues and warm the caches, the next tell how many fit the window. */
  const guint first = 2 * QUEUE_LENGTH, probe = 16;

  if (!send_many(rig, from, frame, length, first, error))
    return FALSE;
  gint64 start = bench_clock_cpu();
  if (!send_many(rig, from, frame, length, probe, error))
    return FALSE;
  gint64 one = MAX((bench_clock_cpu() - start) / probe, 1);
  guint n = (guint)CLAMP((gint64)window_ms * 1000000 / one, 16, 10000000);

  gint64 wall = bench_clock_wall(), cpu = bench_clock_cpu();
  if (!send_many(rig, from, frame, length, n, error))
    return FALSE;
  time->cpu = (double)(bench_clock_cpu() - cpu) / n;
  time->wall = (double)(bench_clock_wall() - wall) / n;
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

typedef struct {
  Series *wall, *cpu; /* of a write, by the divisor */
  Series *ratio;      /* of processor times, to the first variant's of the same round */
  Series *least;      /* of the least wall times of all rounds */
} VariantSeries;

static VariantSeries *make_series(const Bench *bench, const GArray *variants, guint ports, const char *unit) {
  const RigVariant *first = &g_array_index(variants, RigVariant, 0);
  VariantSeries *series = g_new0(VariantSeries, variants->len);

  for (guint v = 0; v < variants->len; v++) {
    const RigVariant *variant = &g_array_index(variants, RigVariant, v);
    g_autofree char *cpu = g_strdup_printf("%s, processor time", variant->name);
    g_autofree char *ratio = g_strdup_printf("%s / %s", variant->name, first->name);
    g_autofree char *least = g_strdup_printf("%s / %s, of the least", variant->name, first->name);
    series[v].wall = bench_series(bench, variant->name, unit, ports);
    series[v].cpu = bench_series(bench, cpu, unit, ports);
    series[v].ratio = bench_series(bench, ratio, "", ports);
    series[v].ratio->limit = variant->limit;
    series[v].least = bench_series(bench, least, "", ports);
  }
  return series;
}

static void finish_series(const Bench *bench, VariantSeries *series, guint n, gboolean emit) {
  for (guint v = 0; v < n; v++) {
    if (emit) {
      bench_emit(bench, series[v].wall);
      bench_emit(bench, series[v].cpu);
    }
    if (emit && v > 0) {
      series_add(series[v].least, series_quantile(series[v].wall, 0) / series_quantile(series[0].wall, 0));
      bench_emit(bench, series[v].ratio);
      bench_emit(bench, series[v].least);
    }
  }
  for (guint v = 0; v < n; v++) {
    series_free(series[v].wall);
    series_free(series[v].cpu);
    series_free(series[v].ratio);
    series_free(series[v].least);
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
    if (!rig_flush(rig, error) || !variant->enter(rig, variant->data, error) ||
        !rig_time(rig, 0, load->frame, load->length, bench->window_ms, &time, error))
      return FALSE;
    series_add(series[v].wall, time.wall / load->divisor);
    series_add(series[v].cpu, time.cpu / load->divisor);
    if (v == 0)
      first = time.cpu;
    else
      series_add(series[v].ratio, time.cpu / first);
  }
  return TRUE;
}

gboolean rig_compare(Rig *rig, const Bench *bench, const RigVariant *variants, guint n_variants, const RigLoad *load,
                     GError **error) {
  g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(RigVariant));
  g_autofree char *table = NULL, *name = bench->table ? g_path_get_basename(bench->table) : NULL;
  gboolean ok = TRUE;

  g_array_append_vals(all, variants, n_variants);
  if (bench->table) {
    if (!g_file_get_contents(bench->table, &table, NULL, error))
      return FALSE;
    RigVariant own = {name, rig_enter_text, table, 0};
    g_array_append_val(all, own);
  }
  VariantSeries *series = make_series(bench, all, rig->n, load->unit);
  for (guint round = 0; ok && round < bench->rounds; round++) {
    bench_progress(bench, "%u ports: round %u of %u", rig->n, round + 1, bench->rounds);
    ok = compare_once(rig, bench, all, load, series, error);
  }
  finish_series(bench, series, all->len, ok);
  return ok;
}
