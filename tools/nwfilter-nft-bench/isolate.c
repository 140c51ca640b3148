// SPDX-License-Identifier: LGPL-2.1-or-later
#include "isolate.h"

#include <errno.h>
#include <gio/gio.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static gboolean fail(GError **error, const char *what) {
  g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s", what, g_strerror(errno));
  return FALSE;
}

static G_NORETURN void follow(pid_t child) {
  int status;

  while (waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;
  if (WIFSIGNALED(status)) {
    signal(WTERMSIG(status), SIG_DFL);
    kill(getpid(), WTERMSIG(status));
  }
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

gboolean isolate_process(GError **error) {
  if (unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID) < 0)
    return fail(error, "new namespaces (are you root?)");
  if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
    return fail(error, "mounts");
  pid_t child = fork();
  if (child < 0)
    return fail(error, "fork");
  if (child > 0)
    follow(child);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
    return fail(error, "/proc");
  return TRUE;
}

/* The last field of /proc/loadavg is the number last given to a process of the reader's namespace, and numbers
 * are given one after the other (proc(5)). */
guint64 isolate_processes_begun(void) {
  g_autofree char *text = NULL;

  if (!g_file_get_contents("/proc/loadavg", &text, NULL, NULL))
    return 0;
  const char *last = strrchr(g_strchomp(text), ' ');
  return last ? g_ascii_strtoull(last, NULL, 10) : 0;
}
