// SPDX-License-Identifier: LGPL-2.1-or-later
/** Messages into libvirt's log, and errors of libvirt's kind. All may be called from any thread. */
#pragma once

#include "engine/engine.h"

/** A message into libvirt's log, from the source "nwfilter.nft". */
void nwf_log(NwfLogLevel level, const char *message);
void nwf_logf(NwfLogLevel level, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** Sets libvirt's error of this thread, "WHAT KIND OF ERROR: MESSAGE" as @code has it, which also logs it. */
#define nwf_report(code, ...) nwf_report_at(__FILE__, __func__, __LINE__, code, __VA_ARGS__)
void nwf_report_at(const char *file, const char *function, gsize line, int code, const char *format, ...)
    G_GNUC_PRINTF(5, 6);
/** The same from @error, whose domain may be any; frees it. */
#define nwf_report_error(error) nwf_report_error_at(__FILE__, __func__, __LINE__, error)
void nwf_report_error_at(const char *file, const char *function, gsize line, GError *error);

/** TRUE when @flags has none but @allowed; else the error of libvirt's virCheckFlags is set, for @function. */
gboolean nwf_check_flags(unsigned int flags, unsigned int allowed, const char *function);
