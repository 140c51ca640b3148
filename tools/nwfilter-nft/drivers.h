// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The directories that libvirt's daemons load their drivers from: the distribution's, and ours, which holds our module
 * and links to the distribution's other drivers. A daemon uses one directory for all (LIBVIRT_DRIVER_DIR).
 */
#pragma once

#include "files.h"

/** Our module: the name that libvirt gives to its own. */
#define NWF_MODULE_NAME "libvirt_driver_nwfilter.so"

/** The distribution's directory as the system at the root sees it, or NULL; the caller frees it. */
char *nwf_drivers_of_distribution(const NwfFiles *files);
/** Whether our module is installed. */
gboolean nwf_drivers_has_module(const NwfFiles *files);
/** Makes the links in our directory be those to what the distribution has now. */
gboolean nwf_drivers_link(NwfFiles *files, GError **error);
/** How many links are missing or lead nowhere. */
guint nwf_drivers_stale(void);
