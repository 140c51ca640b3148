// SPDX-License-Identifier: LGPL-2.1-or-later
#include "service.h"

#include <glob.h>
#include <nwfilter-nft/model.h>
#include <string.h>

const char *const nwf_services[] = {"virtnwfilterd.service", "libvirtd.service", NULL};

const char nwf_drop_in_text[] = "# Written by `nwfilter-nft enable`; `nwfilter-nft disable` removes it.\n"
                                "# The nwfilter driver is nwfilter-nft's, all others are links to the distribution's.\n"
                                "[Service]\n"
                                "Environment=LIBVIRT_DRIVER_DIR=" NWF_MODULE_DIR "\n"
                                "# Its unit ends virtnwfilterd after two minutes without a caller; then nobody would\n"
                                "# learn addresses, or keep others from taking the table away.\n"
                                "Environment=VIRTNWFILTERD_ARGS=\n";

/* systemd.unit(5): where units are, the administrator's first. */
static const char *const unit_directories[] = {"/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"};

gboolean nwf_systemd_runs(const NwfFiles *files) {
  return !*files->root && g_file_test("/run/systemd/system", G_FILE_TEST_IS_DIR); /* sd_booted(3) */
}

gboolean nwf_run(const char *program, GError **error, ...) {
  g_autoptr(GPtrArray) command = g_ptr_array_new();
  g_ptr_array_add(command, (gpointer)program);
  va_list arguments;
  va_start(arguments, error);
  for (char *argument = va_arg(arguments, char *); argument; argument = va_arg(arguments, char *))
    g_ptr_array_add(command, argument);
  va_end(arguments);
  g_ptr_array_add(command, NULL);
  g_autofree char *line = g_strjoinv(" ", (char **)command->pdata);
  g_autofree char *said = NULL;
  g_autoptr(GError) reason = NULL;
  int status;
  if (g_spawn_sync(NULL, (char **)command->pdata, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL,
                   NULL, &said, &status, &reason) &&
      g_spawn_check_wait_status(status, &reason))
    return TRUE;
  const char *why = said && *g_strstrip(said) ? said : reason->message;
  g_set_error(error, NWF_ERROR, NWF_ERROR_IO, "%s: %s", line, why);
  return FALSE;
}

gboolean nwf_service_is_active(const char *service) {
  return nwf_systemctl(NULL, "--quiet", "is-active", service, NULL);
}

static char *socket_of(const char *service) {
  return g_strdup_printf("%.*s.socket", (int)(strlen(service) - strlen(".service")), service);
}

gboolean nwf_service_has_active_socket(const char *service) {
  g_autofree char *socket = socket_of(service);
  return nwf_service_is_active(socket);
}

/* --- which one --- */

static gboolean matches_anything(const NwfFiles *files, const char *pattern) {
  g_autofree char *path = nwf_files_path(files, pattern);
  glob_t found = {0};
  gboolean matches = glob(path, 0, NULL, &found) == 0;
  globfree(&found);
  return matches;
}

static gboolean is_masked(const NwfFiles *files, const char *unit) {
  g_autofree char *own = g_build_filename(unit_directories[0], unit, NULL);
  g_autofree char *path = nwf_files_path(files, own);
  g_autofree char *target = g_file_read_link(path, NULL);
  return g_strcmp0(target, "/dev/null") == 0;
}

static gboolean is_installed(const NwfFiles *files, const char *unit) {
  for (guint i = 0; i < G_N_ELEMENTS(unit_directories); i++) {
    g_autofree char *path = g_build_filename(unit_directories[i], unit, NULL);
    if (matches_anything(files, path))
      return !is_masked(files, unit);
  }
  return FALSE;
}

/* By the links that `systemctl enable` makes, which are there without a systemd that runs, too. */
static gboolean is_enabled(const NwfFiles *files, const char *unit) {
  g_autofree char *pattern = g_strdup_printf("/etc/systemd/system/*.{wants,requires}/%s", unit);
  g_autofree char *path = nwf_files_path(files, pattern);
  glob_t found = {0};
  gboolean matches = glob(path, GLOB_BRACE, NULL, &found) == 0;
  globfree(&found);
  return matches && !is_masked(files, unit);
}

enum { ABSENT, INSTALLED, ENABLED, WAITING, ACTIVE };

static int state_of(const NwfFiles *files, const char *service) {
  g_autofree char *socket = socket_of(service);
  if (!is_installed(files, service))
    return ABSENT;
  if (nwf_systemd_runs(files)) {
    if (nwf_service_is_active(service))
      return ACTIVE;
    if (nwf_service_has_active_socket(service))
      return WAITING;
  }
  return is_enabled(files, service) || is_enabled(files, socket) ? ENABLED : INSTALLED;
}

static char *named_service(const char *name, GError **error) {
  for (const char *const *service = nwf_services; *service; service++)
    if (strcmp(name, *service) == 0 ||
        (g_str_has_prefix(*service, name) && strcmp(*service + strlen(name), ".service") == 0))
      return g_strdup(*service);
  g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "service '%s': only libvirtd and virtnwfilterd load the driver",
              name);
  return NULL;
}

char *nwf_service_choose(const NwfFiles *files, const char *wanted, GError **error) {
  if (wanted)
    return named_service(wanted, error);
  int modular = state_of(files, nwf_services[0]);
  int whole = state_of(files, nwf_services[1]);
  if (modular == ABSENT && whole == ABSENT) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_IO, "%s: neither libvirtd.service nor virtnwfilterd.service is installed",
                *files->root ? files->root : "systemd");
    return NULL;
  }
  gboolean is_modular = modular > whole || (modular == whole && modular >= ENABLED);
  return g_strdup(nwf_services[is_modular ? 0 : 1]);
}

char *nwf_service_drop_in(const char *service) {
  return g_strdup_printf("/etc/systemd/system/%s.d/nwfilter-nft.conf", service);
}

const char *nwf_service_uri_mode(const char *service) {
  return strcmp(service, nwf_services[0]) == 0 ? "direct" : "legacy";
}

gboolean nwf_service_answers(const char *service, GError **error) {
  g_autofree char *virsh = g_find_program_in_path("virsh");
  g_autofree char *uri = g_strdup_printf("nwfilter:///system?mode=%s", nwf_service_uri_mode(service));
  return !virsh || nwf_run("virsh", error, "-q", "-r", "-c", uri, "nwfilter-list", NULL);
}
