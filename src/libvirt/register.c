// SPDX-License-Identifier: LGPL-2.1-or-later
// Where libvirt's daemons begin: the one function that the module exports.

#include "libvirt/abi-check.h"
#include "libvirt/driver.h"
#include "libvirt/log.h"
#include "libvirt/symbols.h"

#include <nwfilter-nft/xml.h>

#include <stdio.h>

int nwfilterRegister(void);

/* Nothing of libvirt can be called when a function is missing, its log included. */
static gboolean resolve(void) {
  g_autofree char *missing = NULL;
  if (nwf_libvirt_resolve(&missing))
    return TRUE;
  fprintf(stderr, "nwfilter-nft does not fit this libvirt: symbols: it has no %s\n", missing);
  return FALSE;
}

__attribute__((visibility("default"))) int nwfilterRegister(void) {
  if (!resolve())
    return -1;
  nwf_xml_init();
  if (!nwf_check_passed(nwf_check_version()) || !nwf_check_passed(nwf_check_libxml()) ||
      !nwf_check_passed(nwf_check_definitions()))
    return -1;
  if (nwf_libvirt.virRegisterConnectDriver(&nwf_connect_driver, false) < 0 ||
      nwf_libvirt.virSetSharedNWFilterDriver(&nwf_nwfilter_driver) < 0 ||
      nwf_libvirt.virRegisterStateDriver(&nwf_state_driver) < 0)
    return -1;
  return 0;
}
