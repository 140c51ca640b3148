// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libvirt/abi.h"
#include "libvirt/config.h"
#include "libvirt/log.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define GROUP "nwfilter"
/* Ours: whoever unbinds a port wants it open some day. */
#define NWF_UNBIND_GRACE_MAX 60000

typedef struct {
  const char *path;
  const char *key;
  const char *value;
} Setting;

static void warn_value(const Setting *setting, const char *wanted) {
  nwf_logf(NWF_LOG_WARNING, "%s: %s = '%s' is ignored: it must be %s", setting->path, setting->key, setting->value,
           wanted);
}

static void read_boolean(const Setting *setting, gboolean *member) {
  if (strcmp(setting->value, "true") == 0)
    *member = TRUE;
  else if (strcmp(setting->value, "false") == 0)
    *member = FALSE;
  else
    warn_value(setting, "true or false");
}

static void read_keep_flows(const Setting *setting, NwfEngineConfig *config) {
  read_boolean(setting, &config->keep_flows);
}

static void read_cut_flows(const Setting *setting, NwfEngineConfig *config) {
  read_boolean(setting, &config->cut_flows_on_redefine);
}

static void read_keep_stock(const Setting *setting, NwfEngineConfig *config) {
  read_boolean(setting, &config->keep_stock);
}

static void read_watch_firewalld(const Setting *setting, NwfEngineConfig *config) {
  gboolean watch = !config->no_bus;
  read_boolean(setting, &watch);
  config->no_bus = !watch;
}

static void read_chain_end(const Setting *setting, NwfEngineConfig *config) {
  if (!nwf_chain_end_parse(setting->value, &config->chain_end_accepts))
    warn_value(setting, "return or accept");
}

static void read_log_group(const Setting *setting, NwfEngineConfig *config) {
  guint64 group;
  if (g_ascii_string_to_unsigned(setting->value, 10, 1, G_MAXUINT16, &group, NULL))
    config->log_group = (guint16)group;
  else
    warn_value(setting, "a number from 1 to 65535");
}

static void read_unbind_grace(const Setting *setting, NwfEngineConfig *config) {
  guint64 grace;
  if (g_ascii_string_to_unsigned(setting->value, 10, 0, NWF_UNBIND_GRACE_MAX, &grace, NULL))
    config->unbind_grace = (guint)grace;
  else
    warn_value(setting, "a number of milliseconds, at most " G_STRINGIFY(NWF_UNBIND_GRACE_MAX));
}

static const struct {
  const char *key;
  void (*read)(const Setting *setting, NwfEngineConfig *config);
} options[] = {
    {"chain_end", read_chain_end},
    {"cut_flows_on_redefine", read_cut_flows},
    {"keep_flows", read_keep_flows},
    {"keep_stock", read_keep_stock},
    {"log_group", read_log_group},
    {"unbind_grace", read_unbind_grace},
    {"watch_firewalld", read_watch_firewalld},
};

static void read_setting(const Setting *setting, NwfEngineConfig *config) {
  for (guint i = 0; i < G_N_ELEMENTS(options); i++) {
    if (strcmp(options[i].key, setting->key) == 0) {
      options[i].read(setting, config);
      return;
    }
  }
  nwf_logf(NWF_LOG_WARNING, "%s: the key '%s' is not known and ignored", setting->path, setting->key);
}

/* The text, empty when there is no file; NULL when there is one that cannot be read. */
static char *read_text(const char *path) {
  struct stat status;
  g_autofree char *text = NULL;
  g_autoptr(GError) error = NULL;
  if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) /* a FIFO would be waited for */
    nwf_report(VIR_ERR_CONFIG_UNSUPPORTED, "%s: not a regular file", path);
  else if (g_file_get_contents(path, &text, NULL, &error))
    return g_steal_pointer(&text);
  else if (g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    return g_strdup("");
  else
    nwf_report(VIR_ERR_SYSTEM_ERROR, "%s", error->message);
  return NULL;
}

gboolean nwf_config_read(const char *path, NwfEngineConfig *config) {
  g_autofree char *text = read_text(path);
  g_autoptr(GKeyFile) file = g_key_file_new();
  g_autoptr(GError) error = NULL;
  if (text == NULL)
    return FALSE;
  if (*text != '\0' && !g_key_file_load_from_data(file, text, strlen(text), G_KEY_FILE_NONE, &error)) {
    nwf_logf(NWF_LOG_WARNING, "%s is ignored: %s", path, error->message);
    return TRUE;
  }
  g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
  for (guint i = 0; groups[i] != NULL; i++)
    if (strcmp(groups[i], GROUP) != 0)
      nwf_logf(NWF_LOG_WARNING, "%s: the group '[%s]' is not known and ignored", path, groups[i]);
  g_auto(GStrv) keys = g_key_file_get_keys(file, GROUP, NULL, NULL);
  for (guint i = 0; keys != NULL && keys[i] != NULL; i++) {
    g_autofree char *value = g_key_file_get_value(file, GROUP, keys[i], NULL);
    read_setting(&(Setting){.path = path, .key = keys[i], .value = value != NULL ? value : ""}, config);
  }
  return TRUE;
}
