// SPDX-License-Identifier: LGPL-2.1-or-later
/** The systemd service whose daemon loads the nwfilter driver, and its drop-in that names our directory of drivers. */
#pragma once

#include "files.h"

/** The services there are, NULL at the end: virtnwfilterd.service, and libvirtd.service for all of libvirt. */
extern const char *const nwf_services[];

/** The one that the host uses: of those installed the one that is active, else the one that is enabled, else
 * libvirtd.service. @wanted (may be NULL; one of them, ".service" may be missing) is taken as it is. The caller frees
 * it. */
char *nwf_service_choose(const NwfFiles *files, const char *wanted, GError **error);
/** Path of the drop-in; the caller frees it. */
char *nwf_service_drop_in(const char *service);
/** What is in it. */
extern const char nwf_drop_in_text[];

/** Whether systemd runs here and the files are its own: not below a root, not in a container without it. */
gboolean nwf_systemd_runs(const NwfFiles *files);
/** Runs a command, or systemctl, with arguments up to NULL; its failure is an error with what it said. */
gboolean nwf_run(const char *program, GError **error, ...) G_GNUC_NULL_TERMINATED;
#define nwf_systemctl(error, ...) nwf_run("systemctl", error, __VA_ARGS__)
/** Whether the service is active, or waits behind its socket. */
gboolean nwf_service_is_active(const char *service);
gboolean nwf_service_has_active_socket(const char *service);
/** "direct" or "legacy": the mode in a URI that leads to this very daemon. */
const char *nwf_service_uri_mode(const char *service);
/** Waits until the daemon serves filters, which it does when all its drivers are initialised, and has virsh say so;
 * TRUE without virsh. */
gboolean nwf_service_answers(const char *service, GError **error);
