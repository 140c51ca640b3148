// SPDX-License-Identifier: LGPL-2.1-or-later
#include "series.h"

#include <string.h>

Series *series_new(const char *scenario, const char *what, const char *unit, guint ports) {
  Series *series = g_new0(Series, 1);

  series->scenario = g_strdup(scenario);
  series->what = g_strdup(what);
  series->unit = g_strdup(unit);
  series->ports = ports;
  series->samples = g_array_new(FALSE, FALSE, sizeof(double));
  return series;
}

void series_free(Series *series) {
  if (!series)
    return;
  g_free(series->scenario);
  g_free(series->what);
  g_free(series->unit);
  g_free(series->missing);
  g_array_unref(series->samples);
  g_free(series);
}

void series_add(Series *series, double sample) {
  g_array_append_val(series->samples, sample);
}

static int by_value(gconstpointer a, gconstpointer b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double series_quantile(const Series *series, double share) {
  guint n = series->samples->len;
  if (n == 0)
    return 0;
  g_autofree double *sorted = g_memdup2(series->samples->data, n * sizeof *sorted);
  qsort(sorted, n, sizeof *sorted, by_value);
  double place = share * (n - 1);
  guint below = (guint)place, above = MIN(below + 1, n - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

double series_median(const Series *series) {
  return series_quantile(series, 0.5);
}

json_t *series_to_json(const Series *series) {
  json_t *samples = json_array();

  for (guint i = 0; i < series->samples->len; i++)
    json_array_append_new(samples, json_real(g_array_index(series->samples, double, i)));
  json_t *object = json_pack("{s:s, s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:o}", "scenario", series->scenario, "what",
                             series->what, "unit", series->unit, "ports", (int)series->ports, "median",
                             series_median(series), "p25", series_quantile(series, 0.25), "p75",
                             series_quantile(series, 0.75), "min", series_quantile(series, 0), "samples", samples);
  if (series->limit > 0)
    json_object_set_new(object, "limit", json_real(series->limit));
  if (series->least > 0)
    json_object_set_new(object, "least", json_real(series->least));
  if (series->missing)
    json_object_set_new(object, "missing", json_string(series->missing));
  return object;
}

Series *series_from_json(const json_t *object) {
  const char *scenario, *what, *unit;
  const json_t *samples;
  int ports;

  if (json_unpack((json_t *)object, "{s:s, s:s, s:s, s:i, s:o}", "scenario", &scenario, "what", &what, "unit", &unit,
                  "ports", &ports, "samples", &samples) < 0)
    return NULL;
  Series *series = series_new(scenario, what, unit, (guint)ports);
  series->limit = json_number_value(json_object_get(object, "limit"));
  series->least = json_number_value(json_object_get(object, "least"));
  series->missing = g_strdup(json_string_value(json_object_get(object, "missing")));
  for (gsize i = 0; i < json_array_size(samples); i++)
    series_add(series, json_number_value(json_array_get(samples, i)));
  return series;
}
