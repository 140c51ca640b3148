// SPDX-License-Identifier: LGPL-2.1-or-later
/** What was measured: a series is many samples of one number. */
#pragma once

#include <glib.h>
#include <jansson.h>

G_BEGIN_DECLS

typedef struct {
  char *scenario; /* "broadcast" */
  char *what;     /* "clean-traffic / bare" */
  char *unit;     /* "ns", "ms", "MiB", "" for a ratio */
  guint ports;
  double limit;    /* what the median is to stay under; 0: nothing is asked */
  double least;    /* what the median is to reach; 0: nothing is asked */
  char *missing;   /* why it could not be measured, or NULL */
  GArray *samples; /* of double */
} Series;

Series *series_new(const char *scenario, const char *what, const char *unit, guint ports);
void series_free(Series *series);
void series_add(Series *series, double sample);
/** The value that the share @share (0 .. 1) of the samples lies under; 0 without samples. */
double series_quantile(const Series *series, double share);
double series_median(const Series *series);

/** A new object with everything in it; and back (NULL when it is none). */
json_t *series_to_json(const Series *series);
Series *series_from_json(const json_t *object);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Series, series_free)

G_END_DECLS
