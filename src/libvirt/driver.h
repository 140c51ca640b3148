// SPDX-License-Identifier: LGPL-2.1-or-later
/** What the module is while its daemon runs, and the parts that it is made of. */
#pragma once

#include "engine/engine.h"
#include "libvirt/abi.h"

/** Between stateInitialize and stateCleanup. */
typedef struct {
  NwfEngine *engine; /* NULL in session mode, which has no filters and takes none */
  int lock_fd;       /* held for as long as the driver is; -1 in session mode */
} NwfDriver;

/** The driver, to be given back with nwf_driver_put; or NULL, with libvirt's error set, when there is none. The engine
 * stays alive until the last one has been given back. */
NwfDriver *nwf_driver_get(void);
void nwf_driver_put(NwfDriver *driver);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfDriver, nwf_driver_put)

/** Whether there is a driver. */
gboolean nwf_driver_is_active(void);

/* The tables that are registered. */
extern virNWFilterDriver nwf_nwfilter_driver;
extern virConnectDriver nwf_connect_driver;
extern virStateDriver nwf_state_driver;

/* What a connection to nwfilter:///system answers; their places in the table are found out as the driver starts. */
int nwf_connect_is_encrypted(virConnectPtr conn);
int nwf_connect_is_secure(virConnectPtr conn);
int nwf_connect_is_alive(virConnectPtr conn);

/* filters.c and bindings.c */
int nwf_connect_num_of_filters(virConnectPtr conn);
int nwf_connect_list_filters(virConnectPtr conn, char **names, int max_names);
int nwf_connect_list_all_filters(virConnectPtr conn, virNWFilterPtr **filters, unsigned int flags);
virNWFilterPtr nwf_lookup_by_name(virConnectPtr conn, const char *name);
virNWFilterPtr nwf_lookup_by_uuid(virConnectPtr conn, const unsigned char *uuid);
virNWFilterPtr nwf_define_xml(virConnectPtr conn, const char *xml);
virNWFilterPtr nwf_define_xml_flags(virConnectPtr conn, const char *xml, unsigned int flags);
int nwf_undefine(virNWFilterPtr filter);
char *nwf_get_xml_desc(virNWFilterPtr filter, unsigned int flags);
int nwf_connect_list_all_bindings(virConnectPtr conn, virNWFilterBindingPtr **bindings, unsigned int flags);
virNWFilterBindingPtr nwf_binding_lookup_by_port_dev(virConnectPtr conn, const char *port);
virNWFilterBindingPtr nwf_binding_create_xml(virConnectPtr conn, const char *xml, unsigned int flags);
int nwf_binding_delete(virNWFilterBindingPtr binding);
char *nwf_binding_get_xml_desc(virNWFilterBindingPtr binding, unsigned int flags);
