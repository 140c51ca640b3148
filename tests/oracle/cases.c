// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cases.h"

#include <string.h>

/* Where the reader is; @cases grows as it goes. */
typedef struct {
  OracleCases *cases;
  OracleCase *one;
  GPtrArray *frame_lines; /* of FrameLine: read when all stations are known */
  const char *file;
  guint line;
  GError **error;
} Reader;

typedef struct {
  OracleCase *one;
  char *file, *text;
  guint line;
} FrameLine;

static void free_port(gpointer data) {
  OraclePort *port = data;

  g_free(port->name);
  g_free(port->filter);
  g_ptr_array_unref(port->parameters);
  g_free(port);
}

static void free_frame(gpointer data) {
  OracleFrame *frame = data;

  g_free(frame->id);
  g_byte_array_unref(frame->bytes);
  g_free(frame);
}

static void free_case(gpointer data) {
  OracleCase *one = data;

  g_free(one->name);
  g_ptr_array_unref(one->filters);
  g_ptr_array_unref(one->ports);
  g_ptr_array_unref(one->frames);
  g_free(one);
}

static void free_frame_line(gpointer data) {
  FrameLine *line = data;

  g_free(line->file);
  g_free(line->text);
  g_free(line);
}

void oracle_cases_free(OracleCases *cases) {
  if (!cases)
    return;
  g_ptr_array_unref(cases->cases);
  g_array_unref(cases->stations);
  g_ptr_array_unref(cases->names);
  g_free(cases);
}

static gboolean fail(const Reader *reader, const char *what, const char *word) {
  g_set_error(reader->error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s:%u: %s: \"%s\"", reader->file, reader->line,
              what, word);
  return FALSE;
}

/* Stations have numbers; addresses follow from them. The last three are not ports. */
static void add_station(OracleCases *cases, guint number) {
  FrameStation station = {.mac = {0x52, 0x54, 0, 0, (guint8)((number + 1) >> 8), (guint8)(number + 1)},
                          .ip4 = {10, 0, (guint8)(number / 200), (guint8)(number % 200 + 10)},
                          .ip6 = {0xfd, 0, [14] = (guint8)((number + 16) >> 8), [15] = (guint8)(number + 16)}};

  g_array_append_val(cases->stations, station);
}

static void add_others(OracleCases *cases) {
  static const FrameStation others[] = {
      {{0x52, 0x54, 0, 1, 0, 9}, {10, 0, 255, 9}, {0xfd, 0, [14] = 0xff, [15] = 0x09}},
      {{0x52, 0x54, 0, 1, 0, 8}, {10, 0, 255, 8}, {0xfd, 0, [14] = 0xff, [15] = 0x08}},
      {{0x52, 0x54, 0, 0xff, 0xff, 0xfe}, {10, 0, 255, 1}, {0xfd, 0, [14] = 0xff, [15] = 0x01}}, /* lab_host_mac */
  };

  g_array_append_vals(cases->stations, others, G_N_ELEMENTS(others));
  g_ptr_array_add(cases->names, g_strdup("peer"));
  g_ptr_array_add(cases->names, g_strdup("peer2"));
}

static gboolean read_port(Reader *reader, char **words) {
  OraclePort *port;

  if (!words[0] || !words[1])
    return fail(reader, "a port is NAME FILTER [PARAMETER=VALUE]...", words[0] ? words[0] : "");
  port = g_new0(OraclePort, 1);
  port->name = g_strdup(words[0]);
  port->filter = g_strdup(words[1]);
  port->parameters = g_ptr_array_new_with_free_func(g_free);
  port->station = reader->cases->stations->len;
  for (char **word = words + 2; *word; word++)
    if (**word)
      g_ptr_array_add(port->parameters, g_strdup(*word));
  add_station(reader->cases, port->station);
  g_ptr_array_add(reader->cases->names, g_strdup_printf("o%u", port->station));
  g_ptr_array_add(reader->one->ports, port);
  return TRUE;
}

/* A filter's XML stands from the line that begins it to the one that ends it. */
static gboolean read_filter(Reader *reader, char **lines, guint *index) {
  g_autoptr(GString) text = g_string_new(NULL);
  guint start = reader->line;

  for (; lines[*index]; (*index)++) {
    g_string_append_printf(text, "%s\n", lines[*index]);
    if (strstr(lines[*index], "</filter>")) {
      g_ptr_array_add(reader->one->filters, g_string_free(g_steal_pointer(&text), FALSE));
      return TRUE;
    }
  }
  reader->line = start;
  return fail(reader, "a filter without end", "");
}

static gboolean read_line(Reader *reader, char **lines, guint *index) {
  const char *line = g_strstrip(lines[*index]);
  g_auto(GStrv) words = NULL;
  FrameLine *frame;

  reader->line = *index + 1;
  if (!*line || *line == '#')
    return TRUE;
  if (g_str_has_prefix(line, "<filter"))
    return read_filter(reader, lines, index);
  words = g_strsplit_set(line, " \t", -1);
  if (g_str_equal(words[0], "port"))
    return read_port(reader, words + 1);
  if (!strchr(line, ':') || !strchr(words[0], '>'))
    return fail(reader, "not a filter, a port or a frame", line);
  frame = g_new0(FrameLine, 1);
  frame->one = reader->one;
  frame->file = g_strdup(reader->file);
  frame->text = g_strdup(line);
  frame->line = reader->line;
  g_ptr_array_add(reader->frame_lines, frame);
  return TRUE;
}

static gboolean read_file(Reader *reader, const char *directory, const char *name) {
  g_autofree char *path = g_build_filename(directory, name, NULL);
  g_autofree char *text = NULL;
  g_auto(GStrv) lines = NULL;

  if (!g_file_get_contents(path, &text, NULL, reader->error))
    return FALSE;
  reader->file = path;
  reader->one = g_new0(OracleCase, 1);
  reader->one->name = g_strndup(name, strlen(name) - strlen(".case"));
  reader->one->filters = g_ptr_array_new_with_free_func(g_free);
  reader->one->ports = g_ptr_array_new_with_free_func(free_port);
  reader->one->frames = g_ptr_array_new_with_free_func(free_frame);
  g_ptr_array_add(reader->cases->cases, reader->one);
  lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    if (!read_line(reader, lines, &i))
      return FALSE;
  return TRUE;
}

/* --- frames --- */

typedef struct {
  const OracleCases *cases;
  OracleCase *one;
  const char *self; /* the port that "*" and "@self" stand for, or NULL */
} Names;

static OraclePort *find_port(const OracleCase *one, const char *name) {
  for (guint i = 0; i < one->ports->len; i++) {
    OraclePort *port = one->ports->pdata[i];
    if (g_str_equal(port->name, name))
      return port;
  }
  return NULL;
}

static int find_station(const OracleCases *cases, const OracleCase *one, const char *name) {
  guint n = cases->stations->len;
  const OraclePort *port = find_port(one, name);

  if (port)
    return (int)port->station;
  if (g_str_equal(name, "peer"))
    return (int)n - 3;
  if (g_str_equal(name, "peer2"))
    return (int)n - 2;
  return g_str_equal(name, "host") ? (int)n - 1 : -1;
}

static const FrameStation *station_by_name(const char *name, gpointer data) {
  const Names *names = data;
  int number = find_station(names->cases, names->one, names->self && g_str_equal(name, "self") ? names->self : name);

  return number < 0 ? NULL : &g_array_index(names->cases->stations, FrameStation, number);
}

/* The host's side of the bridge sees frames before its IP stack has filtered them, and the stock
 * driver filters there. Untagged, whole enough and to the host's address: ask the stack. */
static gboolean for_host_stack(const OracleCases *cases, guint to, const GByteArray *bytes) {
  const FrameStation *host = &g_array_index(cases->stations, FrameStation, cases->stations->len - 1);
  const guint8 *b = bytes->data;

  if (to != cases->stations->len - 1 || bytes->len < 34 || memcmp(b, host->mac, 6) != 0)
    return FALSE;
  if (b[12] == 0x08 && b[13] == 0x00)
    return memcmp(b + 30, host->ip4, 4) == 0;
  return b[12] == 0x86 && b[13] == 0xdd && bytes->len >= 54 && memcmp(b + 38, host->ip6, 16) == 0;
}

static gboolean add_frame(const Names *names, Reader *reader, const char *from_name, const char *to_name,
                          const char *name, const char *layers) {
  OracleCases *cases = reader->cases;
  int from = find_station(cases, names->one, from_name), to = find_station(cases, names->one, to_name);
  g_autoptr(GError) local = NULL;
  OracleFrame *frame;
  GByteArray *bytes;

  if (from < 0 || to < 0)
    return fail(reader, "no such station", from < 0 ? from_name : to_name);
  bytes = frame_from_text(layers, &g_array_index(cases->stations, FrameStation, from),
                          &g_array_index(cases->stations, FrameStation, to), station_by_name, (gpointer)names, &local);
  if (!bytes)
    return fail(reader, local->message, layers);
  frame = g_new0(OracleFrame, 1);
  frame->id = g_strdup_printf("%s/%s>%s/%s", names->one->name, from_name, to_name, name);
  frame->from = (guint)from;
  frame->to = (guint)to;
  frame->bytes = bytes;
  frame->to_host_stack = for_host_stack(cases, frame->to, bytes);
  frame->bound[0] = find_port(names->one, from_name);
  frame->bound[1] = find_port(names->one, to_name);
  g_ptr_array_add(names->one->frames, frame);
  return TRUE;
}

/* "FROM>TO NAME: LAYER..."; "*" as FROM or TO makes a frame for each port of the case. */
static gboolean read_frame(OracleCases *cases, const FrameLine *line, GError **error) {
  g_auto(GStrv) parts = g_strsplit(line->text, ":", 2);
  g_auto(GStrv) words = g_strsplit(parts[0], " ", 2);
  g_auto(GStrv) ends = g_strsplit(words[0], ">", 2);
  Reader reader = {.cases = cases, .file = line->file, .line = line->line, .error = error};
  Names names = {cases, line->one, NULL};
  gboolean from_all = g_str_equal(ends[0], "*"), to_all = ends[1] && g_str_equal(ends[1], "*");

  if (!words[1] || !ends[1])
    return fail(&reader, "a frame is FROM>TO NAME: LAYER...", line->text);
  g_strstrip(words[1]);
  if (!from_all && !to_all)
    return add_frame(&names, &reader, ends[0], ends[1], words[1], parts[1]);
  for (guint i = 0; i < line->one->ports->len; i++) {
    const OraclePort *port = line->one->ports->pdata[i];
    names.self = port->name;
    if (!add_frame(&names, &reader, from_all ? port->name : ends[0], to_all ? port->name : ends[1], words[1], parts[1]))
      return FALSE;
  }
  return TRUE;
}

static int compare_names(gconstpointer a, gconstpointer b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static GPtrArray *case_files(const char *directory, const char *prefix, GError **error) {
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GDir) dir = g_dir_open(directory, 0, error);
  const char *name;

  if (!dir)
    return NULL;
  while ((name = g_dir_read_name(dir)))
    if (g_str_has_suffix(name, ".case") && g_str_has_prefix(name, prefix))
      g_ptr_array_add(names, g_strdup(name));
  g_ptr_array_sort(names, compare_names);
  return g_steal_pointer(&names);
}

static guint count_ports(const char *directory, const char *name) {
  g_autofree char *path = g_build_filename(directory, name, NULL);
  g_autofree char *text = NULL;
  guint n = 0;

  if (!g_file_get_contents(path, &text, NULL, NULL))
    return 0; /* read_file will say so */
  for (const char *place = text; (place = strstr(place, "\nport ")); place++)
    n++;
  return n;
}

typedef struct {
  const char *name;
  guint ports;
} Load;

static int compare_loads(gconstpointer a, gconstpointer b) {
  const Load *first = a, *second = b;

  if (first->ports != second->ports)
    return first->ports > second->ports ? -1 : 1;
  return strcmp(first->name, second->name);
}

/* The largest file first, each goes to the part that has fewest ports so far. */
static gboolean in_part(GPtrArray *names, const char *directory, const char *name, guint part, guint parts) {
  g_autofree guint *load = g_new0(guint, parts);
  g_autoptr(GArray) files = g_array_new(FALSE, FALSE, sizeof(Load));

  for (guint i = 0; i < names->len; i++) {
    Load file = {names->pdata[i], count_ports(directory, names->pdata[i])};
    g_array_append_val(files, file);
  }
  g_array_sort(files, compare_loads);
  for (guint i = 0; i < files->len; i++) {
    const Load *file = &g_array_index(files, Load, i);
    guint least = 0;

    for (guint j = 1; j < parts; j++)
      if (load[j] < load[least])
        least = j;
    load[least] += file->ports;
    if (g_str_equal(file->name, name))
      return least == part;
  }
  return FALSE;
}

OracleCases *oracle_cases_load(const char *directory, const char *prefix, guint part, guint parts, GError **error) {
  g_autoptr(OracleCases) cases = g_new0(OracleCases, 1);
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(free_frame_line);
  g_autoptr(GPtrArray) names = case_files(directory, prefix, error);
  Reader reader = {.cases = cases, .frame_lines = lines, .error = error};

  cases->cases = g_ptr_array_new_with_free_func(free_case);
  cases->stations = g_array_new(FALSE, TRUE, sizeof(FrameStation));
  cases->names = g_ptr_array_new_with_free_func(g_free);
  if (!names)
    return NULL;
  for (guint i = 0; i < names->len; i++)
    if (in_part(names, directory, names->pdata[i], part, parts) && !read_file(&reader, directory, names->pdata[i]))
      return NULL;
  add_others(cases);
  for (guint i = 0; i < lines->len; i++)
    if (!read_frame(cases, lines->pdata[i], error))
      return NULL;
  return g_steal_pointer(&cases);
}

/* "@ip4" and "@ip6" in a parameter are the port's own addresses, "@mac" its MAC, "@peermac" the peer's. */
static char *parameter_value(const OracleCases *cases, const FrameStation *station, const char *text) {
  const guint8 *b = station->ip4;

  if (g_str_equal(text, "@peermac")) {
    station = &g_array_index(cases->stations, FrameStation, cases->stations->len - 3);
    text = "@mac";
  }

  if (g_str_equal(text, "@ip4"))
    return g_strdup_printf("%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
  if (g_str_equal(text, "@ip6"))
    return g_strdup_printf("fd00::%x", (guint)station->ip6[14] << 8 | station->ip6[15]);
  if (g_str_equal(text, "@mac"))
    return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", station->mac[0], station->mac[1], station->mac[2],
                           station->mac[3], station->mac[4], station->mac[5]);
  return g_strdup(text);
}

char *oracle_port_xml(const OracleCases *cases, const OraclePort *port) {
  const FrameStation *station = &g_array_index(cases->stations, FrameStation, port->station);
  g_autofree char *mac = parameter_value(cases, station, "@mac");
  GString *xml = g_string_new(NULL);

  g_string_append_printf(xml,
                         "<filterbinding>\n  <owner><name>%s</name>"
                         "<uuid>11111111-1111-1111-1111-%012x</uuid></owner>\n  <portdev name='%s'/>\n"
                         "  <mac address='%s'/>\n  <filterref filter='%s'>\n",
                         (char *)cases->names->pdata[port->station], port->station + 1,
                         (char *)cases->names->pdata[port->station], mac, port->filter);
  for (guint i = 0; i < port->parameters->len; i++) {
    g_auto(GStrv) pair = g_strsplit(port->parameters->pdata[i], "=", 2);
    g_autofree char *value = parameter_value(cases, station, pair[1] ? pair[1] : "");
    g_string_append_printf(xml, "    <parameter name='%s' value='%s'/>\n", pair[0], value);
  }
  g_string_append(xml, "  </filterref>\n</filterbinding>\n");
  return g_string_free(xml, FALSE);
}
