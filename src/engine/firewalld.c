// SPDX-License-Identifier: LGPL-2.1-or-later
/* firewalld on the system bus: whenever it has loaded its rules, ours are looked after. The bus may come after us. */
#include "engine/internal.h"

#include <gio/gio.h>

#define BUS_NAME "org.fedoraproject.FirewallD1"
#define RETRY_SECONDS 5

struct NwfFirewalld {
  NwfEngine *engine;
  GMainContext *context;
  GCancellable *cancel;
  GDBusConnection *bus;
  guint watch, subscription;
  GSource *retry;
};

static void connect_later(NwfFirewalld *firewalld);

static void look_after(NwfFirewalld *firewalld, const char *why) {
  NwfEngine *engine = firewalld->engine;
  g_autoptr(GError) error = NULL;
  gboolean repaired = FALSE;
  gboolean ok = nwf_engine_verify(engine, &repaired, &error);
  nwf_engine_lock(engine);
  if (!ok)
    nwf_engine_say(engine, NWF_LOG_ERROR, "firewalld %s, and the table cannot be put right: %s", why, error->message);
  else
    nwf_engine_say(engine, NWF_LOG_INFO, "firewalld %s: the table %s", why,
                   repaired ? "was put right" : "is as it was");
  nwf_engine_unlock(engine);
}

static void on_appeared(GDBusConnection *bus, const char *name, const char *owner, gpointer data) {
  look_after(data, "is there");
}

static void on_reloaded(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                        const char *signal, GVariant *parameters, gpointer data) {
  look_after(data, "has reloaded");
}

static void disconnect(NwfFirewalld *firewalld) {
  if (!firewalld->bus)
    return;
  g_bus_unwatch_name(firewalld->watch);
  g_dbus_connection_signal_unsubscribe(firewalld->bus, firewalld->subscription);
  g_signal_handlers_disconnect_by_data(firewalld->bus, firewalld);
  g_clear_object(&firewalld->bus);
}

static void on_closed(GDBusConnection *bus, gboolean vanished, GError *error, gpointer data) {
  NwfFirewalld *firewalld = data;
  disconnect(firewalld);
  connect_later(firewalld);
}

static void on_connected(GObject *source, GAsyncResult *result, gpointer data) {
  g_autoptr(GError) error = NULL;
  GDBusConnection *bus = g_dbus_connection_new_for_address_finish(result, &error);
  /* when it was cancelled the structure is gone */
  if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  NwfFirewalld *firewalld = data;
  firewalld->bus = bus;
  if (!bus) {
    connect_later(firewalld);
    return;
  }
  g_signal_connect(bus, "closed", G_CALLBACK(on_closed), firewalld);
  firewalld->subscription = g_dbus_connection_signal_subscribe(bus, BUS_NAME, BUS_NAME, "Reloaded", NULL, NULL,
                                                               G_DBUS_SIGNAL_FLAGS_NONE, on_reloaded, firewalld, NULL);
  firewalld->watch =
      g_bus_watch_name_on_connection(bus, BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE, on_appeared, NULL, firewalld, NULL);
}

/* A connection of our own: the process's shared one is libvirt's business. */
static gboolean connect_now(gpointer data) {
  NwfFirewalld *firewalld = data;
  g_autoptr(GError) error = NULL;
  g_clear_pointer(&firewalld->retry, g_source_unref);
  g_autofree char *address = g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SYSTEM, NULL, &error);
  if (!address) {
    connect_later(firewalld);
    return G_SOURCE_REMOVE;
  }
  g_dbus_connection_new_for_address(
      address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL,
      firewalld->cancel, on_connected, firewalld);
  return G_SOURCE_REMOVE;
}

static void connect_later(NwfFirewalld *firewalld) {
  firewalld->retry = g_timeout_source_new_seconds(RETRY_SECONDS);
  g_source_set_callback(firewalld->retry, connect_now, firewalld, NULL);
  g_source_attach(firewalld->retry, firewalld->context);
}

NwfFirewalld *nwf_firewalld_new(NwfEngine *engine, GMainContext *context) {
  NwfFirewalld *firewalld = g_new0(NwfFirewalld, 1);
  firewalld->engine = engine;
  firewalld->context = context;
  firewalld->cancel = g_cancellable_new();
  connect_now(firewalld);
  return firewalld;
}

void nwf_firewalld_free(NwfFirewalld *firewalld) {
  g_cancellable_cancel(firewalld->cancel);
  disconnect(firewalld);
  if (firewalld->retry) {
    g_source_destroy(firewalld->retry);
    g_source_unref(firewalld->retry);
  }
  g_object_unref(firewalld->cancel);
  g_free(firewalld);
}
