// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plot.h"
#include "program.h"

#include <gio/gio.h>
#include <string.h>

gboolean plot_can_write(const char *path, GError **error) {
  if (!g_str_has_suffix(path, ".svg") && !g_str_has_suffix(path, ".png")) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "--plot %s: neither .svg nor .png", path);
    return FALSE;
  }
  if (program_exists("gnuplot"))
    return TRUE;
  g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "--plot needs gnuplot (package gnuplot-nox)");
  return FALSE;
}

/* gnuplot's strings in double quotes know escapes. */
static char *quote(const char *text) {
  g_autofree char *escaped = g_strescape(text, NULL);
  return g_strdup_printf("\"%s\"", escaped);
}

static char *name_for(const char *path, const char *picture) {
  const char *suffix = path + strlen(path) - 4;
  return g_strdup_printf("%.*s-%s%s", (int)(suffix - path), path, picture, suffix);
}

typedef struct {
  const char *picture, *title, *x, *y;
  const char *scenario;
  const char *unit;
  const char *ending; /* of the names of the series that are drawn, not shown; NULL: those of processor time */
} Picture;

static const Picture pictures[] = {
    {"broadcast", "A clone of a broadcast (ARP)", "ports on the bridge", "ns a clone", "broadcast", "ns/clone", NULL},
    {"libvirtd", "Binding a port through libvirtd", "ports bound", "ms", "lifecycle", "ms", ": bind a port"},
};

static char *line_of(const Picture *picture, const Series *series) {
  if (!g_str_equal(series->scenario, picture->scenario) || !g_str_equal(series->unit, picture->unit) ||
      series->missing || series->samples->len == 0)
    return NULL;
  if (!picture->ending)
    return strchr(series->what, ':') || g_str_has_suffix(series->what, "by the clock") ? NULL : g_strdup(series->what);
  if (!g_str_has_suffix(series->what, picture->ending))
    return NULL;
  return g_strndup(series->what, strlen(series->what) - strlen(picture->ending));
}

/* The lines' names, each once, in the order in which they come. */
static GPtrArray *find_lines(const Picture *picture, const GPtrArray *series) {
  GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);

  for (guint i = 0; i < series->len; i++) {
    char *line = line_of(picture, g_ptr_array_index(series, i));
    if (line && !g_ptr_array_find_with_equal_func(lines, line, g_str_equal, NULL))
      g_ptr_array_add(lines, line);
    else
      g_free(line);
  }
  return lines;
}

static void append_data(GString *script, const Picture *picture, const GPtrArray *series, const char *name) {
  for (guint i = 0; i < series->len; i++) {
    const Series *one = g_ptr_array_index(series, i);
    g_autofree char *line = line_of(picture, one);
    if (line && g_str_equal(line, name))
      g_string_append_printf(script, "%u %.6g %.6g %.6g\n", one->ports, series_median(one), series_quantile(one, 0.25),
                             series_quantile(one, 0.75));
  }
  g_string_append(script, "e\n");
}

static char *make_script(const Picture *picture, const GPtrArray *series, const GPtrArray *lines, const char *file) {
  GString *script = g_string_new("set encoding utf8\n");
  g_autofree char *output = quote(file), *title = quote(picture->title), *x = quote(picture->x), *y = quote(picture->y);

  g_string_append(script, g_str_has_suffix(file, ".svg") ? "set terminal svg size 900,600 background rgb 'white'\n"
                                                         : "set terminal pngcairo size 900,600\n");
  g_string_append_printf(script,
                         "set output %s\nset title %s\nset xlabel %s\nset ylabel %s\n"
                         "set logscale xy\nset grid\nset key outside below\nset yrange [*:*]\nplot ",
                         output, title, x, y);
  for (guint i = 0; i < lines->len; i++) {
    g_autofree char *name = quote(g_ptr_array_index(lines, i));
    g_string_append_printf(script, "%s'-' using 1:2:3:4 with yerrorlines noenhanced linewidth 2 title %s",
                           i ? ", " : "", name);
  }
  g_string_append_c(script, '\n');
  for (guint i = 0; i < lines->len; i++)
    append_data(script, picture, series, g_ptr_array_index(lines, i));
  return g_string_free(script, FALSE);
}

gboolean plot_write(const GPtrArray *series, const char *path, GPtrArray *written, GError **error) {
  for (guint i = 0; i < G_N_ELEMENTS(pictures); i++) {
    g_autoptr(GPtrArray) lines = find_lines(&pictures[i], series);
    if (lines->len == 0)
      continue;
    char *file = name_for(path, pictures[i].picture);
    g_ptr_array_add(written, file);
    g_autofree char *script = make_script(&pictures[i], series, lines, file);
    if (!program_run((const char *const[]){"gnuplot", "-", NULL}, script, NULL, error))
      return FALSE;
  }
  return TRUE;
}
