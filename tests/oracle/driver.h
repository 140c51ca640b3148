// SPDX-License-Identifier: LGPL-2.1-or-later
/** The two that are compared: the stock driver behind libvirtd, and our compiler. */
#pragma once

#include <glib.h>

typedef struct OracleDriver OracleDriver;

/** What both can do. A binding may be refused, which is a verdict too; anything else that fails is an error. */
typedef struct {
  /** Takes a filter. */
  gboolean (*define)(OracleDriver *driver, const char *xml, GError **error);
  /** Binds a port; its tap is there. FALSE when the driver refuses it, with its words in @error. */
  gboolean (*bind)(OracleDriver *driver, const char *xml, GError **error);
  /** Called when all bindings have been made. */
  gboolean (*finish)(OracleDriver *driver, GError **error);
  void (*free)(OracleDriver *driver);
} OracleDriverType;

struct OracleDriver {
  const OracleDriverType *type;
};

/** libvirtd at qemu:///system, through its client library, which is loaded at run time. */
OracleDriver *oracle_stock_new(GError **error);
/** The compiler and the kernel side; @filters is the directory of the stock filters. */
OracleDriver *oracle_ours_new(const char *filters, GError **error);

static inline void oracle_driver_free(OracleDriver *driver) {
  if (driver)
    driver->type->free(driver);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OracleDriver, oracle_driver_free)
