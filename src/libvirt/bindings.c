// SPDX-License-Identifier: LGPL-2.1-or-later
// The driver's functions for bindings.

#include "libvirt/driver.h"
#include "libvirt/document.h"
#include "libvirt/log.h"
#include "libvirt/symbols.h"

#include <string.h>

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NwfBindingHead, nwf_binding_head_clear)

/* What access checks see of a binding; points into @head. */
static virNWFilterBindingDef definition(const NwfBindingHead *head) {
  virNWFilterBindingDef def = {.ownername = head->owner_name, .portdevname = head->port};
  memcpy(def.owneruuid, head->owner_uuid, sizeof def.owneruuid);
  return def;
}

static void report_no_binding(const char *port) {
  nwf_report(VIR_ERR_NO_NWFILTER_BINDING, "no nwfilter binding for port dev '%s'", port);
}

static gboolean find(NwfDriver *driver, const char *port, NwfBindingHead *head) {
  if (driver->engine != NULL && nwf_engine_binding(driver->engine, port, head, NULL))
    return TRUE;
  report_no_binding(port);
  return FALSE;
}

static GArray *visible_bindings(NwfDriver *driver, virConnectPtr conn) {
  if (driver->engine == NULL)
    return g_array_new(FALSE, FALSE, sizeof(NwfBindingHead));
  GArray *heads = nwf_engine_bindings(driver->engine);
  for (guint i = heads->len; i-- > 0;) {
    virNWFilterBindingDef def = definition(&g_array_index(heads, NwfBindingHead, i));
    if (!nwf_libvirt.virConnectListAllNWFilterBindingsCheckACL(conn, &def))
      g_array_remove_index(heads, i);
  }
  return heads;
}

static void free_objects(virNWFilterBindingPtr *bindings) {
  for (guint i = 0; bindings[i] != NULL; i++)
    nwf_libvirt.virNWFilterBindingFree(bindings[i]);
  g_free(bindings);
}

int nwf_connect_list_all_bindings(virConnectPtr conn, virNWFilterBindingPtr **bindings, unsigned int flags) {
  if (!nwf_check_flags(flags, 0, "nwfilterConnectListAllNWFilterBindings") ||
      nwf_libvirt.virConnectListAllNWFilterBindingsEnsureACL(conn) < 0)
    return -1;
  g_autoptr(NwfDriver) driver = nwf_driver_get();
  if (driver == NULL)
    return -1;
  g_autoptr(GArray) heads = visible_bindings(driver, conn);
  if (bindings == NULL)
    return (int)heads->len;
  virNWFilterBindingPtr *objects = g_new0(virNWFilterBindingPtr, heads->len + 1);
  for (guint i = 0; i < heads->len; i++) {
    const NwfBindingHead *head = &g_array_index(heads, NwfBindingHead, i);
    objects[i] = nwf_libvirt.virGetNWFilterBinding(conn, head->port, head->filter);
    if (objects[i] == NULL) {
      free_objects(objects);
      return -1;
    }
  }
  *bindings = objects;
  return (int)heads->len;
}

virNWFilterBindingPtr nwf_binding_lookup_by_port_dev(virConnectPtr conn, const char *port) {
  g_autoptr(NwfDriver) driver = nwf_driver_get();
  g_auto(NwfBindingHead) head = {0};
  if (driver == NULL || !find(driver, port, &head))
    return NULL;
  virNWFilterBindingDef def = definition(&head);
  if (nwf_libvirt.virNWFilterBindingLookupByPortDevEnsureACL(conn, &def) < 0)
    return NULL;
  return nwf_libvirt.virGetNWFilterBinding(conn, head.port, head.filter);
}

static NwfBindingHead head_of(const NwfBinding *binding) {
  NwfBindingHead head = {.port = g_strdup(binding->port),
                         .filter = g_strdup(binding->filter),
                         .owner_name = g_strdup(binding->owner_name)};
  if (binding->has_owner_uuid)
    memcpy(head.owner_uuid, binding->owner_uuid, sizeof head.owner_uuid);
  return head;
}

virNWFilterBindingPtr nwf_binding_create_xml(virConnectPtr conn, const char *xml, unsigned int flags) {
  if (!nwf_check_flags(flags, VIR_NWFILTER_BINDING_CREATE_VALIDATE, "nwfilterBindingCreateXML"))
    return NULL;
  g_autoptr(NwfDriver) driver = nwf_driver_get();
  if (driver == NULL)
    return NULL;
  if (driver->engine == NULL) {
    nwf_report(VIR_ERR_OPERATION_INVALID, "Can't define NWFilter bindings in session mode");
    return NULL;
  }
  g_autoptr(NwfBinding) binding = nwf_document_binding(xml, flags & VIR_NWFILTER_BINDING_CREATE_VALIDATE);
  if (binding == NULL)
    return NULL;
  g_auto(NwfBindingHead) head = head_of(binding);
  virNWFilterBindingDef def = definition(&head);
  if (nwf_libvirt.virNWFilterBindingCreateXMLEnsureACL(conn, &def) < 0)
    return NULL;
  GError *error = NULL;
  if (!nwf_engine_bind(driver->engine, g_steal_pointer(&binding), &error)) {
    nwf_report_error(error);
    return NULL;
  }
  return nwf_libvirt.virGetNWFilterBinding(conn, head.port, head.filter);
}

/* The binding may have gone between two calls. */
static void report_with_port(GError *error, const char *port) {
  if (!g_error_matches(error, NWF_ENGINE_ERROR, NWF_ENGINE_ERROR_NO_BINDING)) {
    nwf_report_error(error);
    return;
  }
  report_no_binding(port);
  g_error_free(error);
}

int nwf_binding_delete(virNWFilterBindingPtr binding) {
  g_autoptr(NwfDriver) driver = nwf_driver_get();
  g_auto(NwfBindingHead) head = {0};
  if (driver == NULL || !find(driver, binding->portdev, &head))
    return -1;
  virNWFilterBindingDef def = definition(&head);
  if (nwf_libvirt.virNWFilterBindingDeleteEnsureACL(binding->conn, &def) < 0)
    return -1;
  GError *error = NULL;
  if (nwf_engine_unbind(driver->engine, binding->portdev, &error))
    return 0;
  report_with_port(error, binding->portdev);
  return -1;
}

char *nwf_binding_get_xml_desc(virNWFilterBindingPtr binding, unsigned int flags) {
  if (!nwf_check_flags(flags, 0, "nwfilterBindingGetXMLDesc"))
    return NULL;
  g_autoptr(NwfDriver) driver = nwf_driver_get();
  g_auto(NwfBindingHead) head = {0};
  if (driver == NULL || !find(driver, binding->portdev, &head))
    return NULL;
  virNWFilterBindingDef def = definition(&head);
  if (nwf_libvirt.virNWFilterBindingGetXMLDescEnsureACL(binding->conn, &def) < 0)
    return NULL;
  GError *error = NULL;
  char *xml = nwf_engine_binding_xml(driver->engine, binding->portdev, &error);
  if (xml == NULL)
    report_with_port(error, binding->portdev);
  return xml;
}
