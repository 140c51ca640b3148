// SPDX-License-Identifier: LGPL-2.1-or-later
// The driver's functions for filters.

#include "libvirt/driver.h"
#include "libvirt/document.h"
#include "libvirt/log.h"
#include "libvirt/symbols.h"

#include <string.h>

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NwfFilterHead, nwf_filter_head_clear)

/* What access checks see of a filter; points into @head. */
static virNWFilterDef definition(const NwfFilterHead *head) {
  virNWFilterDef def = {.name = head->name};
  memcpy(def.uuid, head->uuid, sizeof def.uuid);
  return def;
}

typedef bool (*CheckAcl)(virConnectPtr conn, virNWFilterDef *def);

/* All filters that this connection may see. */
static GArray *visible_filters(NwfDriver *driver, virConnectPtr conn, CheckAcl check) {
  if (driver->engine == NULL)
    return g_array_new(FALSE, FALSE, sizeof(NwfFilterHead));
  GArray *heads = nwf_engine_filters(driver->engine);
  for (guint i = heads->len; i-- > 0;) {
    virNWFilterDef def = definition(&g_array_index(heads, NwfFilterHead, i));
    if (!check(conn, &def))
      g_array_remove_index(heads, i);
  }
  return heads;
}

int nwf_connect_num_of_filters(virConnectPtr conn) {
  if (nwf_libvirt.virConnectNumOfNWFiltersEnsureACL(conn) < 0)
    return -1;
  g_autoptr(NwfDriver) driver = nwf_driver_get();
  if (driver == NULL)
    return -1;
  g_autoptr(GArray) heads = visible_filters(driver, conn, nwf_libvirt.virConnectNumOfNWFiltersCheckACL);
  return (int)heads->len;
}

int nwf_connect_list_filters(virConnectPtr conn, char **names, int max_names) {
  if (nwf_libvirt.virConnectListNWFiltersEnsureACL(conn) < 0)
    return -1;
  g_autoptr(NwfDriver) driver = nwf_driver_get();
  if (driver == NULL)
    return -1;
  g_autoptr(GArray) heads = visible_filters(driver, conn, nwf_libvirt.virConnectListNWFiltersCheckACL);
  int n = MIN((int)heads->len, max_names);
  for (int i = 0; i < n; i++)
    names[i] = g_strdup(g_array_index(heads, NwfFilterHead, i).name);
  return n;
}

static void free_objects(virNWFilterPtr *filters) {
  for (guint i = 0; filters[i] != NULL; i++)
    nwf_libvirt.virNWFilterFree(filters[i]);
  g_free(filters);
}

int nwf_connect_list_all_filters(virConnectPtr conn, virNWFilterPtr **filters, unsigned int flags) {
  if (!nwf_check_flags(flags, 0, "nwfilterConnectListAllNWFilters") ||
      nwf_libvirt.virConnectListAllNWFiltersEnsureACL(conn) < 0)
    return -1;
  g_autoptr(NwfDriver) driver = nwf_driver_get();
  if (driver == NULL)
    return -1;
  g_autoptr(GArray) heads = visible_filters(driver, conn, nwf_libvirt.virConnectListAllNWFiltersCheckACL);
  if (filters == NULL)
    return (int)heads->len;
  virNWFilterPtr *objects = g_new0(virNWFilterPtr, heads->len + 1);
  for (guint i = 0; i < heads->len; i++) {
    const NwfFilterHead *head = &g_array_index(heads, NwfFilterHead, i);
    objects[i] = nwf_libvirt.virGetNWFilter(conn, head->name, head->uuid);
    if (objects[i] == NULL) {
      free_objects(objects);
      return -1;
    }
  }
  *filters = objects;
  return (int)heads->len;
}

static gboolean find_by_name(NwfDriver *driver, const char *name, NwfFilterHead *head) {
  if (driver->engine != NULL && nwf_engine_filter_by_name(driver->engine, name, head, NULL))
    return TRUE;
  nwf_report(VIR_ERR_NO_NWFILTER, "no nwfilter with matching name '%s'", name);
  return FALSE;
}

static void report_no_uuid(const unsigned char *uuid) {
  g_autofree char *text = nwf_uuid_format(uuid);
  nwf_report(VIR_ERR_NO_NWFILTER, "no nwfilter with matching uuid '%s'", text);
}

static gboolean find_by_uuid(NwfDriver *driver, const unsigned char *uuid, NwfFilterHead *head) {
  if (driver->engine != NULL && nwf_engine_filter_by_uuid(driver->engine, uuid, head, NULL))
    return TRUE;
  report_no_uuid(uuid);
  return FALSE;
}

virNWFilterPtr nwf_lookup_by_name(virConnectPtr conn, const char *name) {
  g_autoptr(NwfDriver) driver = nwf_driver_get();
  g_auto(NwfFilterHead) head = {0};
  if (driver == NULL || !find_by_name(driver, name, &head))
    return NULL;
  virNWFilterDef def = definition(&head);
  if (nwf_libvirt.virNWFilterLookupByNameEnsureACL(conn, &def) < 0)
    return NULL;
  return nwf_libvirt.virGetNWFilter(conn, head.name, head.uuid);
}

virNWFilterPtr nwf_lookup_by_uuid(virConnectPtr conn, const unsigned char *uuid) {
  g_autoptr(NwfDriver) driver = nwf_driver_get();
  g_auto(NwfFilterHead) head = {0};
  if (driver == NULL || !find_by_uuid(driver, uuid, &head))
    return NULL;
  virNWFilterDef def = definition(&head);
  if (nwf_libvirt.virNWFilterLookupByUUIDEnsureACL(conn, &def) < 0)
    return NULL;
  return nwf_libvirt.virGetNWFilter(conn, head.name, head.uuid);
}

/* Access is checked for the UUID that the filter will have: its own, that of the filter of its name, or a new one,
 * which it then gets here. */
static int ensure_may_define(NwfDriver *driver, virConnectPtr conn, NwfFilter *filter) {
  g_auto(NwfFilterHead) head = {0};
  if (filter->has_uuid || !nwf_engine_filter_by_name(driver->engine, filter->name, &head, NULL)) {
    if (!filter->has_uuid) {
      g_autofree char *text = g_uuid_string_random();
      filter->has_uuid = nwf_uuid_parse(text, filter->uuid);
    }
    nwf_filter_head_clear(&head);
    head = (NwfFilterHead){.name = g_strdup(filter->name)};
    memcpy(head.uuid, filter->uuid, sizeof head.uuid);
  }
  virNWFilterDef def = definition(&head);
  return nwf_libvirt.virNWFilterDefineXMLFlagsEnsureACL(conn, &def);
}

virNWFilterPtr nwf_define_xml_flags(virConnectPtr conn, const char *xml, unsigned int flags) {
  if (!nwf_check_flags(flags, VIR_NWFILTER_DEFINE_VALIDATE, "nwfilterDefineXMLFlags"))
    return NULL;
  g_autoptr(NwfDriver) driver = nwf_driver_get();
  if (driver == NULL)
    return NULL;
  if (driver->engine == NULL) {
    nwf_report(VIR_ERR_OPERATION_INVALID, "Can't define NWFilters in session mode");
    return NULL;
  }
  g_autoptr(NwfFilter) filter = nwf_document_filter(xml, flags & VIR_NWFILTER_DEFINE_VALIDATE);
  if (filter == NULL || ensure_may_define(driver, conn, filter) < 0)
    return NULL;
  g_auto(NwfFilterHead) head = {0};
  GError *error = NULL;
  if (!nwf_engine_define(driver->engine, g_steal_pointer(&filter), &head, &error)) {
    nwf_report_error(error);
    return NULL;
  }
  return nwf_libvirt.virGetNWFilter(conn, head.name, head.uuid);
}

virNWFilterPtr nwf_define_xml(virConnectPtr conn, const char *xml) {
  return nwf_define_xml_flags(conn, xml, 0);
}

/* The filter may have gone between two calls. */
static void report_with_uuid(GError *error, const unsigned char *uuid) {
  if (g_error_matches(error, NWF_ENGINE_ERROR, NWF_ENGINE_ERROR_NO_FILTER)) {
    report_no_uuid(uuid);
    g_error_free(error);
    return;
  }
  nwf_report_error(error);
}

int nwf_undefine(virNWFilterPtr filter) {
  g_autoptr(NwfDriver) driver = nwf_driver_get();
  g_auto(NwfFilterHead) head = {0};
  if (driver == NULL || !find_by_uuid(driver, filter->uuid, &head))
    return -1;
  virNWFilterDef def = definition(&head);
  if (nwf_libvirt.virNWFilterUndefineEnsureACL(filter->conn, &def) < 0)
    return -1;
  GError *error = NULL;
  if (nwf_engine_undefine(driver->engine, filter->uuid, &error))
    return 0;
  report_with_uuid(error, filter->uuid);
  return -1;
}

char *nwf_get_xml_desc(virNWFilterPtr filter, unsigned int flags) {
  if (!nwf_check_flags(flags, 0, "nwfilterGetXMLDesc"))
    return NULL;
  g_autoptr(NwfDriver) driver = nwf_driver_get();
  g_auto(NwfFilterHead) head = {0};
  if (driver == NULL || !find_by_uuid(driver, filter->uuid, &head))
    return NULL;
  virNWFilterDef def = definition(&head);
  if (nwf_libvirt.virNWFilterGetXMLDescEnsureACL(filter->conn, &def) < 0)
    return NULL;
  GError *error = NULL;
  char *xml = nwf_engine_filter_xml(driver->engine, filter->uuid, &error);
  if (xml == NULL)
    report_with_uuid(error, filter->uuid);
  return xml;
}
