// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_SECONDS 1200 /* the stock driver takes a second a port */
#define POLL_MS 2
#define SETTLE_MS 300 /* in which a reload is seen to have begun */

struct Daemon {
  char *root, *driver_dir, *log;
  char *uri;
  GPtrArray *mounts; /* of char *, in the order in which they were made */
  pid_t pid;
  virConnectPtr connection;
};

static gboolean fail(GError **error, const char *what) {
  g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s", what, g_strerror(errno));
  return FALSE;
}

static gboolean fail_libvirt(GError **error, const char *what) {
  const virError *last = virGetLastError();
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", what, last ? last->message : "failed");
  return FALSE;
}

static void say_nothing(void *data, virErrorPtr error) {
}

static char *path_in(const char *root, const char *path) {
  return g_strconcat(root ? root : "", path, NULL);
}

gboolean daemon_exists(const char *root) {
  g_autofree char *path = path_in(root, "/usr/sbin/libvirtd");
  return g_file_test(path, G_FILE_TEST_IS_EXECUTABLE);
}

/* --- its folders --- */

static gboolean cover(Daemon *daemon, const char *path, const char *source, const char *type, guint flags,
                      GError **error) {
  g_autofree char *full = path_in(daemon->root, path);

  g_mkdir_with_parents(full, 0755);
  if (mount(source, full, type, flags, g_str_equal(type, "tmpfs") ? "mode=755" : NULL) < 0)
    return fail(error, full);
  g_ptr_array_add(daemon->mounts, g_steal_pointer(&full));
  return TRUE;
}

static gboolean write_file(const Daemon *daemon, const char *path, const char *text, GError **error) {
  g_autofree char *full = path_in(daemon->root, path);
  return g_file_set_contents(full, text, -1, error);
}

/* A copy of the configuration, so that nothing that it changes is the host's. */
static gboolean cover_configuration(Daemon *daemon, GError **error) {
  g_autofree char *etc = path_in(daemon->root, "/etc/libvirt"), *run = path_in(daemon->root, "/run");
  g_autofree char *from = g_strconcat(etc, "/.", NULL), *copy = g_build_filename(run, "bench-etc", NULL);
  g_autofree char *back = g_strconcat(copy, "/.", NULL);

  return program_run((const char *const[]){"cp", "-a", from, copy, NULL}, NULL, NULL, error) &&
         cover(daemon, "/etc/libvirt", "tmpfs", "tmpfs", 0, error) &&
         program_run((const char *const[]){"cp", "-a", back, etc, NULL}, NULL, NULL, error);
}

static gboolean configure(Daemon *daemon, const DaemonSetup *setup, GError **error) {
  static const char own[] = "unix_sock_group = \"root\"\nauth_unix_rw = \"none\"\nauth_unix_ro = \"none\"\n";
  static const char qemu[] = "stdio_handler = \"file\"\nsecurity_driver = \"none\"\nuser = \"root\"\n"
                             "group = \"root\"\ncgroup_controllers = []\nnamespaces = []\n";
  g_autofree char *etc = path_in(daemon->root, "/etc/libvirt");
  /* Other networks of libvirt's would bring rules and processes of their own. */
  g_autofree char *script =
      g_strdup_printf("rm -rf '%s'/qemu/networks/autostart '%s'/nwfilter && mkdir '%s'/nwfilter && "
                      "cp '%s'/*.xml '%s'/nwfilter/",
                      etc, etc, etc, setup->filters, etc);

  if (!write_file(daemon, "/etc/libvirt/libvirtd.conf", own, error) ||
      !write_file(daemon, "/etc/libvirt/qemu.conf", qemu, error) ||
      !program_run((const char *const[]){"sh", "-c", script, NULL}, NULL, NULL, error))
    return FALSE;
  if (!setup->backend)
    return TRUE;
  g_autofree char *backend = g_strdup_printf("firewall_backend = \"%s\"\n", setup->backend);
  return write_file(daemon, "/etc/libvirt/nwfilter.conf", backend, error);
}

static gboolean cover_all(Daemon *daemon, GError **error) {
  g_autofree char *lock = path_in(daemon->root, "/run/lock");

  if (daemon->root && (!cover(daemon, "/proc", "proc", "proc", 0, error) ||
                       !cover(daemon, "/sys", "/sys", "none", MS_BIND | MS_REC, error) ||
                       !cover(daemon, "/dev", "/dev", "none", MS_BIND | MS_REC, error)))
    return FALSE;
  if (!cover(daemon, "/run", "tmpfs", "tmpfs", 0, error) ||
      !cover(daemon, "/var/lib/libvirt", "tmpfs", "tmpfs", 0, error) ||
      !cover(daemon, "/var/cache/libvirt", "tmpfs", "tmpfs", 0, error))
    return FALSE;
  g_mkdir_with_parents(lock, 0755);
  return TRUE;
}

Daemon *daemon_new(const DaemonSetup *setup, GError **error) {
  g_autoptr(Daemon) daemon = g_new0(Daemon, 1);

  virSetErrorFunc(NULL, say_nothing);
  daemon->root = g_strdup(setup->root);
  daemon->driver_dir = g_strdup(setup->driver_dir);
  daemon->log = g_strdup(setup->log);
  daemon->uri =
      g_strdup_printf("nwfilter+unix:///system?socket=%s/run/libvirt/libvirt-sock", daemon->root ? daemon->root : "");
  daemon->mounts = g_ptr_array_new_with_free_func(g_free);
  if (!cover_all(daemon, error) || !cover_configuration(daemon, error) || !configure(daemon, setup, error))
    return NULL;
  return g_steal_pointer(&daemon);
}

void daemon_free(Daemon *daemon) {
  if (!daemon)
    return;
  daemon_stop(daemon);
  for (guint i = daemon->mounts->len; i-- > 0;)
    umount2(g_ptr_array_index(daemon->mounts, i), MNT_DETACH);
  g_ptr_array_unref(daemon->mounts);
  g_free(daemon->root);
  g_free(daemon->driver_dir);
  g_free(daemon->log);
  g_free(daemon->uri);
  g_free(daemon);
}

/* --- its life --- */

static G_NORETURN void run_daemon(const Daemon *daemon) {
  int log = open(daemon->log, O_WRONLY | O_CREAT | O_APPEND, 0600), null = open("/dev/null", O_RDONLY);

  setpgid(0, 0);
  dup2(null, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  if (daemon->driver_dir)
    g_setenv("LIBVIRT_DRIVER_DIR", daemon->driver_dir, TRUE);
  if (daemon->root && (chroot(daemon->root) < 0 || chdir("/") < 0))
    _exit(127);
  execl("/usr/sbin/libvirtd", "libvirtd", NULL);
  _exit(127);
}

static gboolean has_died(Daemon *daemon, GError **error) {
  g_autofree char *log = NULL;
  int status;

  if (waitpid(daemon->pid, &status, WNOHANG) != daemon->pid)
    return FALSE;
  daemon->pid = 0;
  g_file_get_contents(daemon->log, &log, NULL, NULL);
  gsize length = log ? strlen(log) : 0;
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "libvirtd died: %s",
              log ? g_strchomp(log + length - MIN(length, 300)) : "");
  return TRUE;
}

gboolean daemon_start(Daemon *daemon, GError **error) {
  gint64 until = g_get_monotonic_time() + START_SECONDS * G_USEC_PER_SEC;

  daemon->pid = fork();
  if (daemon->pid < 0)
    return fail(error, "fork");
  if (daemon->pid == 0)
    run_daemon(daemon);
  /* It serves nobody before all its bindings are in force. It tells nobody else, so ask. */
  while (!(daemon->connection = virConnectOpen(daemon->uri))) {
    if (has_died(daemon, error))
      return FALSE;
    if (g_get_monotonic_time() > until)
      return fail_libvirt(error, "libvirtd");
    g_usleep(POLL_MS * 1000);
  }
  return TRUE;
}

void daemon_stop(Daemon *daemon) {
  if (daemon->connection)
    virConnectClose(daemon->connection);
  daemon->connection = NULL;
  if (daemon->pid <= 0)
    return;
  kill(daemon->pid, SIGTERM);
  while (waitpid(daemon->pid, NULL, 0) < 0 && errno == EINTR)
    ;
  daemon->pid = 0;
}

gboolean daemon_reload(Daemon *daemon, GError **error) {
  return kill(daemon->pid, SIGHUP) == 0 || fail(error, "SIGHUP");
}

virConnectPtr daemon_connection(const Daemon *daemon) {
  return daemon->connection;
}

static guint64 status_number(const char *status, const char *key) {
  const char *at = status ? strstr(status, key) : NULL;
  return at ? g_ascii_strtoull(at + strlen(key), NULL, 10) : 0;
}

void daemon_memory(const Daemon *daemon, guint64 *now, guint64 *peak) {
  g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)daemon->pid), *status = NULL;

  g_file_get_contents(path, &status, NULL, NULL);
  *now = status_number(status, "VmRSS:\t");
  *peak = status_number(status, "VmHWM:\t");
}

/* --- its work --- */

gboolean daemon_bind(Daemon *daemon, const char *xml, GError **error) {
  virNWFilterBindingPtr binding = virNWFilterBindingCreateXML(daemon->connection, xml, 0);

  if (!binding)
    return fail_libvirt(error, "binding");
  virNWFilterBindingFree(binding);
  return TRUE;
}

gboolean daemon_unbind(Daemon *daemon, const char *port, GError **error) {
  virNWFilterBindingPtr binding = virNWFilterBindingLookupByPortDev(daemon->connection, port);
  gboolean ok = binding && virNWFilterBindingDelete(binding) == 0;

  if (!ok)
    fail_libvirt(error, port);
  if (binding)
    virNWFilterBindingFree(binding);
  return ok;
}

/* A definition anew must say the UUID that the filter got before. */
static char *with_uuid(Daemon *daemon, const char *name, const char *xml) {
  virNWFilterPtr filter = virNWFilterLookupByName(daemon->connection, name);
  char uuid[VIR_UUID_STRING_BUFLEN];
  const char *tag = strstr(xml, "<filter "), *end = tag ? strchr(tag, '>') : NULL;

  if (!filter)
    return g_strdup(xml);
  gboolean known = virNWFilterGetUUIDString(filter, uuid) == 0 && end && end[-1] != '/' && !strstr(xml, "<uuid>");
  virNWFilterFree(filter);
  return known ? g_strdup_printf("%.*s<uuid>%s</uuid>%s", (int)(end + 1 - xml), xml, uuid, end + 1) : g_strdup(xml);
}

gboolean daemon_write_filter(Daemon *daemon, const char *name, const char *xml, GError **error) {
  g_autofree char *text = with_uuid(daemon, name, xml);
  g_autofree char *path = g_strdup_printf("/etc/libvirt/nwfilter/%s.xml", name);
  return write_file(daemon, path, text, error);
}

gboolean daemon_define(Daemon *daemon, const char *name, const char *xml, GError **error) {
  g_autofree char *text = with_uuid(daemon, name, xml);
  virNWFilterPtr filter = virNWFilterDefineXML(daemon->connection, text);

  if (!filter)
    return fail_libvirt(error, name);
  virNWFilterFree(filter);
  return TRUE;
}
