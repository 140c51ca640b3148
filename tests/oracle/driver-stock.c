// SPDX-License-Identifier: LGPL-2.1-or-later
#include "driver.h"

#include <gmodule.h>

/* libvirt's public interface, as far as it is needed (libvirt/libvirt-nwfilter.h, virterror.h);
 * loaded at run time, so that building the tests does not need it. */
typedef struct {
  OracleDriver driver;
  GModule *module;
  gpointer connection;
  gpointer (*open)(const char *name);
  int (*close)(gpointer connection);
  gpointer (*define)(gpointer connection, const char *xml);
  int (*free_filter)(gpointer filter);
  gpointer (*bind)(gpointer connection, const char *xml, unsigned int flags);
  int (*free_binding)(gpointer binding);
  const char *(*message)(void);
  void (*set_error_function)(gpointer data, void (*function)(gpointer data, gpointer error));
} Stock;

static void say_nothing(gpointer data, gpointer error) {
}

static gboolean fail(Stock *stock, GError **error) {
  g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, stock->message());
  return FALSE;
}

static gboolean define(OracleDriver *driver, const char *xml, GError **error) {
  Stock *stock = (Stock *)driver;
  gpointer filter = stock->define(stock->connection, xml);

  if (!filter)
    return fail(stock, error);
  stock->free_filter(filter);
  return TRUE;
}

static gboolean bind_port(OracleDriver *driver, const char *xml, GError **error) {
  Stock *stock = (Stock *)driver;
  gpointer binding = stock->bind(stock->connection, xml, 0);

  if (!binding)
    return fail(stock, error);
  stock->free_binding(binding);
  return TRUE;
}

static gboolean finish(OracleDriver *driver, GError **error) {
  return TRUE;
}

static void free_stock(OracleDriver *driver) {
  Stock *stock = (Stock *)driver;

  if (stock->connection)
    stock->close(stock->connection);
  g_free(stock); /* the module stays: libvirt has threads */
}

static gboolean load(Stock *stock) {
  struct {
    const char *name;
    gpointer *place;
  } symbols[] = {
      {"virConnectOpen", (gpointer *)&stock->open},
      {"virConnectClose", (gpointer *)&stock->close},
      {"virNWFilterDefineXML", (gpointer *)&stock->define},
      {"virNWFilterFree", (gpointer *)&stock->free_filter},
      {"virNWFilterBindingCreateXML", (gpointer *)&stock->bind},
      {"virNWFilterBindingFree", (gpointer *)&stock->free_binding},
      {"virGetLastErrorMessage", (gpointer *)&stock->message},
      {"virSetErrorFunc", (gpointer *)&stock->set_error_function},
  };

  stock->module = g_module_open("libvirt.so.0", G_MODULE_BIND_LAZY);
  for (guint i = 0; stock->module && i < G_N_ELEMENTS(symbols); i++)
    if (!g_module_symbol(stock->module, symbols[i].name, symbols[i].place))
      return FALSE;
  return stock->module != NULL;
}

OracleDriver *oracle_stock_new(GError **error) {
  static const OracleDriverType type = {define, bind_port, finish, free_stock};
  g_autoptr(OracleDriver) driver = (OracleDriver *)g_new0(Stock, 1);
  Stock *stock = (Stock *)driver;

  driver->type = &type;
  if (!load(stock)) {
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "libvirt.so.0: %s", g_module_error());
    return NULL;
  }
  stock->set_error_function(NULL, say_nothing);
  stock->connection = stock->open("qemu:///system");
  if (!stock->connection) {
    fail(stock, error);
    return NULL;
  }
  return g_steal_pointer(&driver);
}
