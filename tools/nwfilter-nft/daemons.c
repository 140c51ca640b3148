// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemons.h"

#include "drivers.h"

#include <string.h>

#define DELETED " (deleted)" /* proc(5), of /proc/PID/maps */

static void clear_daemon(gpointer data) {
  NwfDaemon *daemon = data;
  g_free(daemon->name);
  g_free(daemon->driver);
}

/* A line of maps ends in the path of what is mapped there. */
static void find_driver(const char *process, NwfDaemon *daemon) {
  g_autofree char *path = g_strdup_printf("/proc/%s/maps", process);
  g_autofree char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line && !daemon->driver; line++) {
    char *file = strchr(*line, '/');
    if (!file || !strstr(file, "/" NWF_MODULE_NAME))
      continue;
    daemon->is_old = g_str_has_suffix(file, DELETED);
    if (daemon->is_old)
      file[strlen(file) - strlen(DELETED)] = '\0';
    if (g_str_has_suffix(file, "/" NWF_MODULE_NAME))
      daemon->driver = g_strdup(file);
  }
  daemon->ours = daemon->driver && strstr(daemon->driver, "/nwfilter-nft/") != NULL;
}

static gboolean is_in_this_namespace(const char *process) {
  g_autofree char *path = g_strdup_printf("/proc/%s/ns/net", process);
  g_autofree char *theirs = g_file_read_link(path, NULL);
  g_autofree char *own = g_file_read_link("/proc/self/ns/net", NULL);
  return own && g_strcmp0(theirs, own) == 0;
}

GArray *nwf_daemons(void) {
  GArray *daemons = g_array_new(FALSE, TRUE, sizeof(NwfDaemon));
  g_array_set_clear_func(daemons, clear_daemon);
  g_autoptr(GDir) processes = g_dir_open("/proc", 0, NULL);
  for (const char *process = processes ? g_dir_read_name(processes) : NULL; process;
       process = g_dir_read_name(processes)) {
    if (!g_ascii_isdigit(*process))
      continue;
    g_autofree char *path = g_strdup_printf("/proc/%s/comm", process);
    g_autofree char *name = NULL;
    if (!g_file_get_contents(path, &name, NULL, NULL))
      continue;
    g_strchomp(name);
    if ((strcmp(name, "libvirtd") != 0 && strcmp(name, "virtnwfilterd") != 0) || !is_in_this_namespace(process))
      continue;
    NwfDaemon daemon = {.pid = (guint32)g_ascii_strtoull(process, NULL, 10), .name = g_steal_pointer(&name)};
    find_driver(process, &daemon);
    g_array_append_val(daemons, daemon);
  }
  return daemons;
}
