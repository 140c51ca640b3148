// SPDX-License-Identifier: LGPL-2.1-or-later
/** Where things are, and the configuration file of our own. */
#pragma once

#include "engine/engine.h"

/* NWF_SYSCONFDIR and NWF_RUNSTATEDIR are libvirt's, from the build's options. */
#define NWF_CONFIG_FILE NWF_SYSCONFDIR "/libvirt/nwfilter-nft.conf"
#define NWF_FILTERS_DIR NWF_SYSCONFDIR "/libvirt/nwfilter"
#define NWF_BINDINGS_DIR NWF_RUNSTATEDIR "/libvirt/nwfilter-binding"
#define NWF_LEASES_DIR NWF_RUNSTATEDIR "/libvirt/network"
#define NWF_LEASE_FILE NWF_LEASES_DIR "/nwfilter.leases"
#define NWF_STATE_DIR NWF_RUNSTATEDIR "/nwfilter-nft"

/* Ours, in milliseconds. libvirt's own time between a deleted binding and the new one is some 10. */
#define NWF_UNBIND_GRACE 1000

/** Sets what the file says in @config. A file that is not there says nothing; what is not understood in it is left
 * out, with a warning in libvirt's log. FALSE, with libvirt's error, when there is a file that cannot be read. */
gboolean nwf_config_read(const char *path, NwfEngineConfig *config);
