// SPDX-License-Identifier: LGPL-2.1-or-later
#include "leave.h"

#include "service.h"

#define UNIT "nwfilter-nft-leave.service"
#define UNIT_PATH "/run/systemd/system/" UNIT
#define SCRIPT_PATH NWF_STATE_DIR "/leave"
#define DROP_IN "nwfilter-nft-leave.conf"

static char *drop_in_path(const char *service) {
  return g_strdup_printf("/run/systemd/system/%s.d/" DROP_IN, service);
}

/* A daemon answers once its drivers are initialised, and libvirt's own has put the rules of all bindings in force by
 * then. Through @mode the very daemon is asked, which its socket starts if need be. */
static char *script_text(const char *service) {
  g_autofree char *drop_in = drop_in_path(service);
  return g_strdup_printf("# Written by `nwfilter-nft disable`: deletes its table once libvirt's own driver filters.\n"
                         "set -eu\n"
                         "virsh -q -r -c 'nwfilter:///system?mode=%s' nwfilter-list >/dev/null\n"
                         "pid=$(systemctl show --property MainPID --value %s)\n"
                         "if grep -q '%s/' \"/proc/$pid/maps\"; then\n"
                         "  echo '%s has the driver of nwfilter-nft loaded still' >&2\n"
                         "  exit 1\n"
                         "fi\n"
                         "if nft list table bridge nwfilter >/dev/null 2>&1; then\n"
                         "  nft delete table bridge nwfilter\n"
                         "  echo 'deleted the table of nwfilter-nft'\n"
                         "fi\n"
                         "rm -f %s %s " SCRIPT_PATH "\n"
                         "rmdir ${0%%/*} /run/systemd/system/%s.d 2>/dev/null || :\n"
                         "systemctl daemon-reload\n",
                         nwf_service_uri_mode(service), service, NWF_MODULE_DIR, service, UNIT_PATH, drop_in, service);
}

static char *unit_text(const char *service) {
  return g_strdup_printf("# Written by `nwfilter-nft disable`.\n"
                         "[Unit]\n"
                         "Description=Delete the table of nwfilter-nft once libvirt's own driver filters\n"
                         "After=%s\n"
                         "\n"
                         "[Service]\n"
                         "Type=oneshot\n"
                         "TimeoutStartSec=infinity\n"
                         "ExecStart=/bin/sh " SCRIPT_PATH "\n",
                         service);
}

gboolean nwf_leave_arrange(NwfFiles *files, const char *service, GError **error) {
  g_autofree char *virsh = g_find_program_in_path("virsh");
  g_autofree char *nft = g_find_program_in_path("nft");
  if (!virsh || !nft)
    return FALSE;
  g_autofree char *script = script_text(service);
  g_autofree char *unit = unit_text(service);
  g_autofree char *drop_in = drop_in_path(service);
  return nwf_files_write(files, SCRIPT_PATH, script, error) && nwf_files_write(files, UNIT_PATH, unit, error) &&
         nwf_files_write(files, drop_in, "[Unit]\nWants=" UNIT "\n", error);
}

gboolean nwf_leave_forget(NwfFiles *files, GError **error) {
  for (const char *const *service = nwf_services; *service; service++) {
    g_autofree char *drop_in = drop_in_path(*service);
    if (!nwf_files_remove(files, drop_in, TRUE, error))
      return FALSE;
  }
  return nwf_files_remove(files, UNIT_PATH, FALSE, error) && nwf_files_remove(files, SCRIPT_PATH, FALSE, error);
}

gboolean nwf_leave_now(GError **error) {
  g_autoptr(GError) reason = NULL;
  if (nwf_systemctl(&reason, "start", UNIT, NULL))
    return TRUE;
  if (!g_file_test(UNIT_PATH, G_FILE_TEST_EXISTS))
    return TRUE; /* the daemon's start had it done already, and it is gone with its work */
  g_propagate_error(error, g_steal_pointer(&reason));
  return FALSE;
}
