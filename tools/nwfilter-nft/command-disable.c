// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli.h"
#include "leave.h"
#include "service.h"

#include <stdio.h>
#include <string.h>

static char *root;
static gboolean now;
static NwfFiles files = {.root = ""};

static const GOptionEntry entries[] = {
    {"now", 0, 0, G_OPTION_ARG_NONE, &now, "Restart the service, and delete the table when its own rules filter", NULL},
    {"root", 0, 0, G_OPTION_ARG_FILENAME, &root, "Do it to the system below this directory", "DIR"},
    {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &files.dry_run, "Print what would be done and change nothing", NULL},
    {NULL}};

/* The service that had the drop-in, or the one in use; NULL: none is installed, and no daemon can come back. */
static char *remove_drop_ins(GError **error) {
  g_autofree char *had = NULL;
  for (const char *const *service = nwf_services; *service; service++) {
    g_autofree char *path = nwf_service_drop_in(*service);
    guint before = files.changes;
    if (!nwf_files_remove(&files, path, TRUE, error))
      return NULL;
    if (files.changes != before) {
      g_free(had);
      had = g_strdup(*service);
    }
  }
  return had ? g_steal_pointer(&had) : nwf_service_choose(&files, NULL, NULL);
}

/* Those who may not ask see none, as they cannot delete it either. */
static gboolean table_is_there(void) {
  g_autoptr(NwfKernel) kernel = nwf_kernel_open(NULL);
  g_autoptr(NwfRuleset) have = NULL;
  return kernel && nwf_kernel_read(kernel, &have, NULL, NULL) && have;
}

static void say_order(const char *service) {
  printf("libvirt's own driver comes back in this order; guests keep running and filtered:\n"
         "  1. systemctl restart %s\n"
         "  2. wait until `virsh nwfilter-binding-list` answers: then its rules are in force\n"
         "  3. nwfilter-nft delete (or: nft delete table bridge nwfilter)\n",
         service);
}

static int restart(const char *service) {
  g_autoptr(GError) error = NULL;
  gboolean active = nwf_service_is_active(service);
  if (!active && !nwf_service_has_active_socket(service)) {
    printf("%s does not run; the table goes once its next start has libvirt's own rules in force\n", service);
    return NWF_EXIT_DONE;
  }
  if (active)
    printf("restarting %s\n", service);
  puts("waiting until libvirt's own driver has its rules in force (minutes, with hundreds of ports)");
  fflush(stdout);
  if ((active && !nwf_systemctl(&error, "restart", service, NULL)) || !nwf_leave_now(&error))
    return nwf_cli_fail(error);
  puts("libvirt's own driver filters; the table is deleted");
  return NWF_EXIT_DONE;
}

static int take_effect(const char *service) {
  g_autoptr(GError) error = NULL;
  gboolean table = table_is_there();
  gboolean arranged = table && nwf_leave_arrange(&files, service, &error);
  if (error || !nwf_systemctl(&error, "daemon-reload", NULL))
    return nwf_cli_fail(error);
  if (now && table && !arranged) {
    fputs("virsh and nft are needed to know when to delete the table, and are not both here.\n", stderr);
    say_order(service);
    return NWF_EXIT_FAILED;
  }
  if (now && table)
    return restart(service);
  if (now && nwf_service_is_active(service) && !nwf_systemctl(&error, "restart", service, NULL))
    return nwf_cli_fail(error);
  if (now)
    puts("libvirt's own driver serves; there is no table to delete");
  else if (table && !arranged)
    say_order(service);
  else
    printf("to take effect (guests keep running): systemctl restart %s\n%s", service,
           table ? "The table stays until libvirt's own driver has its rules in force, and then goes by itself.\n"
                 : "");
  return NWF_EXIT_DONE;
}

int nwf_command_disable(int argc, char **argv) {
  int code;
  if (!nwf_cli_parse("disable", entries, &argc, &argv, &code))
    return code;
  if (argc > 1)
    return nwf_cli_usage("disable", "unexpected argument '%s'", argv[1]);
  if (now && (root || files.dry_run))
    return nwf_cli_usage("disable", "--now does not go with --root and --dry-run");
  g_autoptr(GError) error = NULL;
  files.root = root && strcmp(root, "/") != 0 ? root : "";
  g_autofree char *service = remove_drop_ins(&error);
  if (error)
    return nwf_cli_fail(error);
  if (*files.root || files.dry_run)
    return NWF_EXIT_DONE;
  if (service && nwf_systemd_runs(&files))
    return take_effect(service);
  if (service)
    say_order(service);
  return NWF_EXIT_DONE;
}
