// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli.h"
#include "daemons.h"
#include "drivers.h"
#include "owner.h"
#include "service.h"

#include <stdio.h>

static gboolean as_json;

static const GOptionEntry entries[] = {{"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "Print JSON", NULL}, {NULL}};

typedef struct {
  char *enabled; /* service with our drop-in, or NULL */
  guint stale;   /* links to renew */
  GArray *daemons;
  NwfKernel *kernel;
  gint ports; /* -1: no table */
} Status;

static char *enabled_service(void) {
  for (const char *const *service = nwf_services; *service; service++) {
    g_autofree char *path = nwf_service_drop_in(*service);
    if (g_file_test(path, G_FILE_TEST_EXISTS))
      return g_strdup(*service);
  }
  return NULL;
}

static gboolean look(Status *status, GError **error) {
  g_autoptr(NwfRuleset) have = NULL;
  status->enabled = enabled_service();
  status->stale = nwf_drivers_stale();
  status->daemons = nwf_daemons();
  status->kernel = nwf_kernel_open(error);
  if (!status->kernel || !nwf_kernel_read(status->kernel, &have, NULL, error))
    return FALSE;
  g_autoptr(GPtrArray) ports = have ? nwf_ruleset_ports(have) : NULL;
  status->ports = ports ? (gint)ports->len : -1;
  return TRUE;
}

static const char *driver_name(const NwfDaemon *daemon) {
  return daemon->ours ? "nwfilter-nft" : daemon->driver ? "libvirt" : NULL;
}

static void print_json(const Status *status) {
  json_t *daemons = json_array();
  for (guint i = 0; i < status->daemons->len; i++) {
    const NwfDaemon *daemon = &g_array_index(status->daemons, NwfDaemon, i);
    json_array_append_new(daemons,
                          json_pack("{s:s, s:i, s:s?, s:s?, s:b}", "name", daemon->name, "pid", (int)daemon->pid,
                                    "driver", driver_name(daemon), "file", daemon->driver, "replaced", daemon->is_old));
  }
  json_t *table = json_null();
  if (status->ports >= 0)
    table = json_pack("{s:i, s:o}", "ports", status->ports, "owner", nwf_owner_to_json(status->kernel));
  json_t *root = json_pack("{s:s?, s:i, s:o, s:o}", "enabled", status->enabled, "stale_links", (int)status->stale,
                           "daemons", daemons, "table", table);
  json_dumpf(root, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(root);
}

static void print_daemon(const NwfDaemon *daemon) {
  const char *driver = daemon->ours ? "the driver of nwfilter-nft" : daemon->driver ? "libvirt's own driver" : NULL;
  printf("%s (pid %u): %s%s\n", daemon->name, daemon->pid, driver ? driver : "no nwfilter driver",
         daemon->is_old ? ", whose file was replaced since: restart it" : "");
}

static void print_text(const Status *status) {
  if (status->enabled)
    printf("enabled for %s\n", status->enabled);
  else
    puts("not enabled");
  if (status->enabled && status->stale)
    printf("%u of the distribution's drivers have no link: nwfilter-nft enable --links\n", status->stale);
  if (!status->daemons->len)
    puts("neither libvirtd nor virtnwfilterd runs here");
  for (guint i = 0; i < status->daemons->len; i++)
    print_daemon(&g_array_index(status->daemons, NwfDaemon, i));
  g_autofree char *owner = nwf_owner_to_text(status->kernel);
  if (status->ports < 0)
    puts("no table");
  else
    printf("table with %d port%s, owned by %s\n", status->ports, status->ports == 1 ? "" : "s",
           owner ? owner : "nobody");
}

int nwf_command_status(int argc, char **argv) {
  int code;
  if (!nwf_cli_parse("status", entries, &argc, &argv, &code))
    return code;
  if (argc > 1)
    return nwf_cli_usage("status", "unexpected argument '%s'", argv[1]);
  g_autoptr(GError) error = NULL;
  Status status = {0};
  gboolean ok = look(&status, &error);
  if (ok && as_json)
    print_json(&status);
  else if (ok)
    print_text(&status);
  g_free(status.enabled);
  g_array_unref(status.daemons);
  g_clear_pointer(&status.kernel, nwf_kernel_close);
  return ok ? NWF_EXIT_DONE : nwf_cli_fail(error);
}
