// SPDX-License-Identifier: LGPL-2.1-or-later
/** One daemon at a time, libvirtd or virtnwfilterd, with this driver or with libvirt's own, which locks the same
 * file. */
#pragma once

#include <glib.h>

/** FALSE with libvirt's error when somebody else has it. */
gboolean nwf_driver_lock_take(int *fd);
void nwf_driver_lock_release(int fd);
