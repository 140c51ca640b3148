// SPDX-License-Identifier: LGPL-2.1-or-later
/** Messages into libvirt's log, and errors of libvirt's kind. All may be called from any thread. */
#pragma once

#include "engine/engine.h"

/** A message into libvirt's log, from the source "nwfilter.nft". */
void nwf_log(NwfLogLevel level, const char *message);
void nwf_logf(NwfLogLevel level, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** Sets libvirt's error of this thread: "WHAT KIND OF ERROR: MESSAGE", as @code has it. */
void nwf_report(int code, const char *format, ...) G_GNUC_PRINTF(2, 3);
/** The same from @error, whose domain may be any; frees it. */
void nwf_report_error(GError *error);

/** TRUE when @flags has none but @allowed; else the error of libvirt's virCheckFlags is set, for @function. */
gboolean nwf_check_flags(unsigned int flags, unsigned int allowed, const char *function);
