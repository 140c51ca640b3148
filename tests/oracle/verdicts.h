// SPDX-License-Identifier: LGPL-2.1-or-later
/** Sends the cases' frames, and compares what two drivers made of them. */
#pragma once

#include "cases.h"
#include "driver.h"

#include <stdio.h>

/** Defines, binds, sends; writes a line "ID<tab>pass|drop|refused" for each frame and a comment
 * line for each refusal. */
gboolean oracle_record(const OracleCases *cases, OracleDriver *driver, FILE *output, GError **error);

/** Compares two records as TAP. @known lists the differences that may be and must be, each with
 * the heading in @reasons (docs/differences.md) that explains it. The exit code. */
int oracle_compare(const char *stock, const char *ours, const char *known, const char *reasons, GError **error);
