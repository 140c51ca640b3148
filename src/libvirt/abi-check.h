// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Holds what abi.h declares against the libvirt that runs. Nothing here trusts a version number for a layout: objects
 * are made and looked at through public accessors, and tables of functions are tried out by calling public functions
 * on a connection of our own and looking at which slot they came out of.
 */
#pragma once

#include "libvirt/abi.h"

/** What a check found wrong, freed by the caller; NULL: nothing. */
typedef char *NwfFinding;

/** The release is one that can be right. */
NwfFinding nwf_check_version(void);

/** libxml2, which is libvirt's own, is one that src/xml understands. */
NwfFinding nwf_check_libxml(void);

/** What access checks are given is read as it was meant. */
NwfFinding nwf_check_definitions(void);

/** Objects, and the tables of @driver, which is registered and whose scheme is "nwfilter". Fills the three slots of its
 * hypervisorDriver whose places it finds; else the tables are as before when it returns. To be called as the daemon
 * initialises its drivers: before that a connection would leave the process, after it others use the tables. */
NwfFinding nwf_check_tables(virConnectDriver *driver, int (*is_encrypted)(virConnectPtr conn),
                            int (*is_secure)(virConnectPtr conn), int (*is_alive)(virConnectPtr conn));

/** TRUE when there is no finding; else it is logged, set as libvirt's error, and freed. */
gboolean nwf_check_passed(NwfFinding finding);

/** TRUE while nwf_check_tables opens its connection. */
gboolean nwf_check_is_running(void);
