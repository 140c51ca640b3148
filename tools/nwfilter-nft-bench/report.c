// SPDX-License-Identifier: LGPL-2.1-or-later
#include "report.h"
#include "guests.h"

#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static void print_verdict(const Series *series) {
  const char *comma = *series->unit ? ", " : "";

  if (series->limit > 0)
    printf("%sup to %g: %s", comma, series->limit, series_median(series) <= series->limit ? "yes" : "NO");
  if (series->least > 0)
    printf("%sat least %g: %s", comma, series->least, series_median(series) >= series->least ? "yes" : "NO");
}

static void print_number(const Series *series, double number) {
  int digits = g_str_equal(series->unit, "") ? 3 : number >= 100 ? 0 : 2;
  printf("%10.*f", digits, number);
}

/* The first line of a file, or the rest of the line that begins with @key. */
static char *read_line(const char *path, const char *key) {
  g_autofree char *text = NULL;
  const char *start;

  if (!g_file_get_contents(path, &text, NULL, NULL))
    return g_strdup("");
  start = key ? strstr(text, key) : text;
  if (!start)
    return g_strdup("");
  start += key ? strlen(key) : 0;
  start += strspn(start, "\t :");
  return g_strndup(start, strcspn(start, "\n"));
}

static json_t *describe_machine(const Bench *bench) {
  g_autofree char *processor = read_line("/proc/cpuinfo", "model name");
  g_autofree char *load = read_line("/proc/loadavg", NULL);
  /* A new namespace has the module's default, whatever this one has. */
  gboolean br_netfilter = !bench->no_br_netfilter && g_file_test("/proc/sys/net/bridge", G_FILE_TEST_IS_DIR);
  struct utsname name;

  uname(&name);
  return json_pack("{s:s, s:s, s:i, s:s, s:b}", "kernel", name.release, "processor", processor, "processors",
                   (int)sysconf(_SC_NPROCESSORS_ONLN), "load", load, "br_netfilter", br_netfilter);
}

#define GROWTH 1.03 /* of the ratio, from 10 ports to 1,000 */

void report_add_growth(GPtrArray *series) {
  const Series *first = NULL, *last = NULL;

  for (guint i = 0; i < series->len; i++) {
    const Series *one = g_ptr_array_index(series, i);
    if (!g_str_equal(one->scenario, "broadcast") || !g_str_equal(one->what, GUEST_FILTER " / bare"))
      continue;
    first = first ? first : one;
    last = one;
  }
  if (!first || first->ports == last->ports)
    return;
  g_autofree char *what = g_strdup_printf(GUEST_FILTER " / bare, over that at %u ports", first->ports);
  Series *growth = series_new("broadcast", what, "", last->ports);
  growth->limit = GROWTH;
  series_add(growth, series_median(last) / series_median(first));
  for (guint i = 0; i < series->len; i++)
    if (g_ptr_array_index(series, i) == last) {
      g_ptr_array_insert(series, (int)i + 1, growth);
      return;
    }
}

void report_print(const Bench *bench, const GPtrArray *series) {
  if (series->len == 0)
    return;
  json_t *machine = describe_machine(bench);
  printf("Linux %s, %s, %d processors, br_netfilter %s\n\n", json_string_value(json_object_get(machine, "kernel")),
         json_string_value(json_object_get(machine, "processor")),
         (int)json_integer_value(json_object_get(machine, "processors")),
         json_is_true(json_object_get(machine, "br_netfilter")) ? "on" : "off");
  json_decref(machine);
  printf("%-10s %-62s %5s %10s%10s%10s%10s  %s\n", "", "", "ports", "median", "25%", "75%", "least", "");
  for (guint i = 0; i < series->len; i++) {
    const Series *one = g_ptr_array_index(series, i);
    gboolean same = i > 0 && g_str_equal(((Series *)g_ptr_array_index(series, i - 1))->scenario, one->scenario);

    printf("%-10s %-62s %5u ", same ? "" : one->scenario, one->what, one->ports);
    if (one->missing) {
      printf("  not measured: %s\n", one->missing);
      continue;
    }
    print_number(one, series_median(one));
    print_number(one, series_quantile(one, 0.25));
    print_number(one, series_quantile(one, 0.75));
    print_number(one, series_quantile(one, 0));
    printf("  %s", one->unit);
    print_verdict(one);
    putchar('\n');
  }
}

gboolean report_write_json(const Bench *bench, const GPtrArray *series, const char *path, GError **error) {
  json_t *list = json_array();

  for (guint i = 0; i < series->len; i++)
    json_array_append_new(list, series_to_json(g_ptr_array_index(series, i)));
  json_t *document = json_pack("{s:o, s:i, s:i, s:o}", "machine", describe_machine(bench), "runs", (int)bench->runs,
                               "window_ms", (int)bench->window_ms, "results", list);
  char *text = json_dumps(document, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
  gboolean ok = g_file_set_contents(path, text, -1, error);
  free(text);
  json_decref(document);
  return ok;
}
