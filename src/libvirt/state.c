// SPDX-License-Identifier: LGPL-2.1-or-later
// The driver's life: started, reloaded and ended with its daemon.

#include "libvirt/abi-check.h"
#include "libvirt/config.h"
#include "libvirt/driver.h"
#include "libvirt/driver-lock.h"
#include "libvirt/log.h"

#include <nwfilter-nft/xml.h>

static GMutex current_mutex;
static NwfDriver *current;

static void clear_driver(gpointer data) {
  NwfDriver *driver = data;
  g_clear_pointer(&driver->engine, nwf_engine_free);
  if (driver->lock_fd >= 0)
    nwf_driver_lock_release(driver->lock_fd);
}

static NwfDriver *take_reference(void) {
  g_mutex_lock(&current_mutex);
  NwfDriver *driver = current != NULL ? g_atomic_rc_box_acquire(current) : NULL;
  g_mutex_unlock(&current_mutex);
  return driver;
}

static NwfDriver *replace(NwfDriver *driver) {
  g_mutex_lock(&current_mutex);
  NwfDriver *old = current;
  current = driver;
  g_mutex_unlock(&current_mutex);
  return old;
}

NwfDriver *nwf_driver_get(void) {
  NwfDriver *driver = take_reference();
  if (driver == NULL)
    nwf_report(VIR_ERR_INTERNAL_ERROR, "nwfilter state driver is not active");
  return driver;
}

void nwf_driver_put(NwfDriver *driver) {
  if (driver != NULL)
    g_atomic_rc_box_release_full(driver, clear_driver);
}

gboolean nwf_driver_is_active(void) {
  g_autoptr(NwfDriver) driver = take_reference();
  return driver != NULL;
}

static void engine_log(NwfLogLevel level, const char *message, gpointer data) {
  nwf_log(level, message);
}

static gboolean start_engine(NwfDriver *driver) {
  NwfEngineConfig config = {
      .filter_dir = NWF_FILTERS_DIR,
      .binding_dir = NWF_BINDINGS_DIR,
      .lease_file = NWF_LEASE_FILE,
      .state_dir = NWF_STATE_DIR,
      .unbind_grace = NWF_UNBIND_GRACE,
      .log = engine_log,
  };
  if (!nwf_config_read(NWF_CONFIG_FILE, &config) || !nwf_driver_lock_take(&driver->lock_fd))
    return FALSE;
  GError *error = NULL;
  driver->engine = nwf_engine_new(&config, &error);
  if (driver->engine == NULL)
    nwf_report_error(error);
  return driver->engine != NULL;
}

static int initialize(bool privileged, const char *root, bool monolithic, void *inhibit, void *opaque) {
  if (root != NULL) {
    nwf_report(VIR_ERR_INVALID_ARG, "Driver does not support embedded mode");
    return NWF_STATE_ERROR;
  }
  if (!nwf_check_passed(
          nwf_check_tables(&nwf_connect_driver, nwf_connect_is_encrypted, nwf_connect_is_secure, nwf_connect_is_alive)))
    return NWF_STATE_ERROR;
  NwfDriver *driver = g_atomic_rc_box_new0(NwfDriver);
  driver->lock_fd = -1;
  if (privileged && !start_engine(driver)) {
    nwf_driver_put(driver);
    return NWF_STATE_ERROR;
  }
  nwf_driver_put(replace(driver));
  return privileged ? NWF_STATE_COMPLETE : NWF_STATE_SKIPPED;
}

static int clean_up(void) {
  NwfDriver *driver = replace(NULL);
  if (driver == NULL)
    return -1;
  nwf_driver_put(driver);
  return 0;
}

static int reload(void) {
  g_autoptr(NwfDriver) driver = nwf_driver_get();
  if (driver == NULL)
    return -1;
  GError *error = NULL;
  if (driver->engine == NULL || nwf_engine_reload(driver->engine, &error))
    return 0;
  nwf_report_error(error);
  return -1;
}

virStateDriver nwf_state_driver = {
    .name = "NWFilter",
    .stateInitialize = initialize,
    .stateCleanup = clean_up,
    .stateReload = reload,
};
