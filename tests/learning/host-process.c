// SPDX-License-Identifier: LGPL-2.1-or-later
#include "host-process.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define AWAIT (20 * G_USEC_PER_SEC)

static gpointer read_lines(gpointer data) {
  HostProcess *host = data;
  FILE *output = fdopen(host->output, "r");
  char line[1024];
  while (output && fgets(line, sizeof line, output))
    g_async_queue_push(host->said, g_strchomp(g_strdup(line)));
  if (output)
    fclose(output);
  return NULL;
}

static void run(const char *command) {
  g_autoptr(GError) error = NULL;
  int status;
  g_spawn_command_line_sync(command, NULL, NULL, &status, &error);
  g_assert_no_error(error);
  g_assert_cmpint(status, ==, 0);
}

static void expect(HostProcess *host, const char *wanted) {
  for (;;) {
    g_autofree char *line = host_line(host, AWAIT);
    if (!line || g_str_has_prefix(line, "failed:"))
      g_error("engine-host said '%s', not '%s'", line ? line : "(nothing)", wanted);
    if (strcmp(line, wanted) == 0)
      return;
  }
}

HostProcess *host_start(const char *program, const char *filters) {
  HostProcess *host = g_new0(HostProcess, 1);
  g_autoptr(GError) error = NULL;
  host->said = g_async_queue_new_full(g_free);
  host->dir = g_dir_make_tmp("nwf-storm-XXXXXX", &error);
  g_assert_no_error(error);
  g_autofree char *copy = g_strdup_printf("cp -r '%s' '%s/filters'", filters, host->dir);
  run(copy);
  const char *argv[] = {program, host->dir, NULL};
  g_spawn_async_with_pipes(NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &host->pid, &host->input,
                           &host->output, NULL, &error);
  g_assert_no_error(error);
  host->reader = g_thread_new("said", read_lines, host);
  expect(host, "ready");
  return host;
}

void host_end(HostProcess *host) {
  kill(host->pid, SIGTERM);
  waitpid(host->pid, NULL, 0);
  g_thread_join(host->reader);
  close(host->input);
  g_autofree char *command = g_strdup_printf("rm -rf '%s'", host->dir);
  run(command);
  g_async_queue_unref(host->said);
  g_free(host->dir);
  g_free(host);
}

void host_bind(HostProcess *host, const char *port, const guint8 mac[6], const char *filter, const char *parameters) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = g_strdup_printf("%s/bind.xml", host->dir);
  g_autofree char *text =
      g_strdup_printf("<filterbinding><owner><name>guest</name><uuid>d54df46f-1ab5-4a22-8618-4560ef5fac2c</uuid>"
                      "</owner><portdev name='%s'/><mac address='%02x:%02x:%02x:%02x:%02x:%02x'/>"
                      "<filterref filter='%s'>%s</filterref></filterbinding>",
                      port, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], filter, parameters ? parameters : "");
  g_autofree char *command = g_strdup_printf("bind %s\n", path);
  g_file_set_contents(path, text, -1, &error);
  g_assert_no_error(error);
  g_assert_cmpint(write(host->input, command, strlen(command)), ==, (int)strlen(command));
  expect(host, "ok");
}

char *host_line(HostProcess *host, gint64 microseconds) {
  return g_async_queue_timeout_pop(host->said, (guint64)MAX(microseconds, 1));
}

/* The number behind "NAME:" in /proc/PID/status. */
static guint64 status_number(const char *status, const char *name) {
  const char *line = strstr(status, name);
  return line ? g_ascii_strtoull(line + strlen(name), NULL, 10) : 0;
}

HostUse host_use(GPid pid) {
  g_autofree char *stat_path = g_strdup_printf("/proc/%d/stat", pid),
                  *status_path = g_strdup_printf("/proc/%d/status", pid);
  g_autofree char *stat = NULL, *status = NULL;
  unsigned long user = 0, system = 0;
  g_assert_true(g_file_get_contents(stat_path, &stat, NULL, NULL));
  g_assert_true(g_file_get_contents(status_path, &status, NULL, NULL));
  /* behind the name in parentheses: state and ten numbers (proc(5)) */
  sscanf(strrchr(stat, ')') + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
  return (HostUse){.cpu = (double)(user + system) / (double)sysconf(_SC_CLK_TCK),
                   .resident = status_number(status, "VmRSS:") * 1024,
                   .peak = status_number(status, "VmHWM:") * 1024,
                   .threads = (guint)status_number(status, "Threads:")};
}
