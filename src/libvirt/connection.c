// SPDX-License-Identifier: LGPL-2.1-or-later
// Connections to nwfilter:///system, and the tables of functions that libvirt calls.

#include "libvirt/abi-check.h"
#include "libvirt/driver.h"
#include "libvirt/log.h"
#include "libvirt/symbols.h"

#include <stdlib.h>
#include <string.h>

/* Only the system's filters have a connection of their own; a session's are empty. libvirt asks for scheme alone. */
static gboolean is_system(virConnectPtr conn) {
  char *uri = nwf_libvirt.virConnectGetURI(conn); /* from libvirt, which has it from malloc */
  if (uri == NULL)
    return FALSE;
  g_autoptr(GUri) parsed = g_uri_parse(uri, G_URI_FLAGS_NONE, NULL);
  free(uri);
  const char *path = parsed != NULL ? g_uri_get_path(parsed) : "";
  if (strcmp(path, "/system") == 0)
    return TRUE;
  nwf_report(VIR_ERR_INTERNAL_ERROR, "unexpected nwfilter URI path '%s', try nwfilter:///system", path);
  return FALSE;
}

static int open_connection(virConnectPtr conn, virConnectAuthPtr auth, void *conf, unsigned int flags) {
  if (nwf_check_is_running())
    return NWF_OPEN_SUCCESS;
  if (!nwf_check_flags(flags, VIR_CONNECT_RO, "nwfilterConnectOpen"))
    return NWF_OPEN_ERROR;
  if (!nwf_driver_is_active()) {
    nwf_report(VIR_ERR_INTERNAL_ERROR, "nwfilter state driver is not active");
    return NWF_OPEN_ERROR;
  }
  if (!is_system(conn) || nwf_libvirt.virConnectOpenEnsureACL(conn) < 0)
    return NWF_OPEN_ERROR;
  return NWF_OPEN_SUCCESS;
}

static int close_connection(virConnectPtr conn) {
  return 0;
}

/* Inside the daemon nothing travels that would have to be encrypted; who talks to the daemon asks its own end. */
int nwf_connect_is_encrypted(virConnectPtr conn) {
  return 0;
}

int nwf_connect_is_secure(virConnectPtr conn) {
  return 1;
}

int nwf_connect_is_alive(virConnectPtr conn) {
  return 1;
}

static virHypervisorDriver hypervisor_driver = {
    .name = "nwfilter",
    .connectOpen = open_connection,
    .connectClose = close_connection,
};

virNWFilterDriver nwf_nwfilter_driver = {
    .name = "nwfilter",
    .connectNumOfNWFilters = nwf_connect_num_of_filters,
    .connectListNWFilters = nwf_connect_list_filters,
    .connectListAllNWFilters = nwf_connect_list_all_filters,
    .nwfilterLookupByName = nwf_lookup_by_name,
    .nwfilterLookupByUUID = nwf_lookup_by_uuid,
    .nwfilterDefineXML = nwf_define_xml,
    .nwfilterDefineXMLFlags = nwf_define_xml_flags,
    .nwfilterUndefine = nwf_undefine,
    .nwfilterGetXMLDesc = nwf_get_xml_desc,
    .connectListAllNWFilterBindings = nwf_connect_list_all_bindings,
    .nwfilterBindingLookupByPortDev = nwf_binding_lookup_by_port_dev,
    .nwfilterBindingCreateXML = nwf_binding_create_xml,
    .nwfilterBindingDelete = nwf_binding_delete,
    .nwfilterBindingGetXMLDesc = nwf_binding_get_xml_desc,
};

virConnectDriver nwf_connect_driver = {
    .localOnly = true,
    .uriSchemes = (const char *[]){"nwfilter", NULL},
    .hypervisorDriver = &hypervisor_driver,
    .nwfilterDriver = &nwf_nwfilter_driver,
};
