// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli.h"
#include "daemons.h"
#include "drivers.h"
#include "leave.h"
#include "service.h"

#include <stdio.h>
#include <string.h>

static char *wanted_service;
static char *root;
static gboolean now, links_only;
static NwfFiles files = {.root = ""};

static const GOptionEntry entries[] = {
    {"service", 0, 0, G_OPTION_ARG_STRING, &wanted_service, "libvirtd or virtnwfilterd, instead of the one in use",
     "NAME"},
    {"now", 0, 0, G_OPTION_ARG_NONE, &now, "Restart the service; guests keep running", NULL},
    {"links", 0, 0, G_OPTION_ARG_NONE, &links_only, "Only renew the links to the distribution's drivers", NULL},
    {"root", 0, 0, G_OPTION_ARG_FILENAME, &root, "Do it to the system below this directory", "DIR"},
    {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &files.dry_run, "Print what would be done and change nothing", NULL},
    {NULL}};

/* The one drop-in that counts: a host that changed from one service to the other has it once. */
static gboolean write_drop_in(const char *service, GError **error) {
  for (const char *const *other = nwf_services; *other; other++) {
    g_autofree char *path = nwf_service_drop_in(*other);
    if (!(strcmp(*other, service) == 0 ? nwf_files_write(&files, path, nwf_drop_in_text, error)
                                       : nwf_files_remove(&files, path, TRUE, error)))
      return FALSE;
  }
  return TRUE;
}

static gboolean write_files(const char *service, GError **error) {
  if (!nwf_drivers_has_module(&files)) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_IO, "%s%s/%s: the module is not installed", files.root, NWF_MODULE_DIR,
                NWF_MODULE_NAME);
    return FALSE;
  }
  return nwf_drivers_link(&files, error) &&
         (links_only || ((*files.root || nwf_leave_forget(&files, error)) && write_drop_in(service, error)));
}

static gboolean loaded_is_ours(guint32 *pid) {
  g_autoptr(GArray) daemons = nwf_daemons();
  for (guint i = 0; i < daemons->len; i++) {
    const NwfDaemon *daemon = &g_array_index(daemons, NwfDaemon, i);
    *pid = daemon->pid;
    if (daemon->ours && !daemon->is_old)
      return TRUE;
  }
  return FALSE;
}

/* A daemon that does not start with our driver is worse than one with libvirt's own. */
static int take_back(const char *service, GError *error) {
  g_autofree char *path = nwf_service_drop_in(service);
  nwf_cli_fail(error);
  fprintf(stderr, "%s does not run with this driver, and gets libvirt's own again; `journalctl -u %s` says why.\n",
          service, service);
  g_autoptr(GError) further = NULL;
  if (!nwf_files_remove(&files, path, TRUE, &further) || !nwf_systemctl(&further, "daemon-reload", NULL) ||
      !nwf_systemctl(&further, "restart", service, NULL))
    nwf_cli_fail(further);
  return NWF_EXIT_FAILED;
}

static int restart(const char *service) {
  g_autoptr(GError) error = NULL;
  guint32 pid = 0;
  if (!nwf_service_is_active(service)) {
    printf("%s does not run; its next start loads the driver\n", service);
    return NWF_EXIT_DONE;
  }
  printf("restarting %s\n", service);
  fflush(stdout);
  if (!nwf_systemctl(&error, "restart", service, NULL) || !nwf_service_answers(service, &error))
    return take_back(service, error);
  if (loaded_is_ours(&pid))
    printf("%s (pid %u) has loaded the driver\n", service, pid);
  else
    printf("%s runs; `nwfilter-nft status` says when it has loaded the driver\n", service);
  return NWF_EXIT_DONE;
}

static int take_effect(const char *service) {
  g_autoptr(GError) error = NULL;
  if (*files.root || files.dry_run)
    return NWF_EXIT_DONE;
  if (!nwf_systemd_runs(&files)) {
    printf("systemd does not run here: %s takes it when it starts\n", service);
    return NWF_EXIT_DONE;
  }
  if (!nwf_systemctl(&error, "daemon-reload", NULL))
    return nwf_cli_fail(error);
  if (now)
    return restart(service);
  guint32 pid;
  if (!files.changes && loaded_is_ours(&pid))
    printf("nothing to do: %s (pid %u) has loaded the driver\n", service, pid);
  else
    printf("to take effect (guests keep running): systemctl restart %s\n", service);
  return NWF_EXIT_DONE;
}

/* Whether the host has said already how chains end. */
static gboolean chain_end_is_set(void) {
  g_autofree char *path = nwf_files_path(&files, "/etc/libvirt/nwfilter-nft.conf");
  g_autoptr(GKeyFile) settings = g_key_file_new();
  return g_key_file_load_from_file(settings, path, G_KEY_FILE_NONE, NULL) &&
         g_key_file_has_key(settings, "nwfilter", "chain_end", NULL);
}

/* The host's own filters that let through with ebtables what they would drop here. */
static void name_open_chains(void) {
  g_autofree char *directory = nwf_files_path(&files, "/etc/libvirt/nwfilter");
  g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
  if (chain_end_is_set() || !nwf_filter_store_load(store, directory, NULL, NULL, NULL))
    return;
  g_autoptr(GPtrArray) all = nwf_filter_store_list(store);
  for (guint i = 0; i < all->len; i++) {
    const NwfFilter *filter = g_ptr_array_index(all, i);
    if (nwf_check_chain_ends(store, filter))
      printf("filter %s depends on how its chains end: `nwfilter-nft check %s` says where, and chain_end = accept in "
             "%s/etc/libvirt/nwfilter-nft.conf keeps what ebtables does\n",
             filter->name, filter->file, files.root);
  }
}

int nwf_command_enable(int argc, char **argv) {
  int code;
  if (!nwf_cli_parse("enable", entries, &argc, &argv, &code))
    return code;
  if (argc > 1)
    return nwf_cli_usage("enable", "unexpected argument '%s'", argv[1]);
  if (now && (root || files.dry_run || links_only))
    return nwf_cli_usage("enable", "--now does not go with --root, --dry-run and --links");
  g_autoptr(GError) error = NULL;
  files.root = root && strcmp(root, "/") != 0 ? root : "";
  g_autofree char *service = links_only ? NULL : nwf_service_choose(&files, wanted_service, &error);
  if (error || !write_files(service, &error))
    return nwf_cli_fail(error);
  if (links_only)
    return NWF_EXIT_DONE;
  name_open_chains();
  return take_effect(service);
}
