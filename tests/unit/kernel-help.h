// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What tests against the running kernel share.
 */
#pragma once

#include "kernel/kernel.h"

/** A kernel in a new and empty network namespace; NULL: the test was skipped. */
NwfKernel *nwf_test_enter(void);
/** Runs a shell command in this namespace; its output (caller frees). Fails the test when it fails. */
char *nwf_test_shell(const char *command);
void nwf_test_run(const char *command);
/** Installs; the number of changes. */
guint nwf_test_install(NwfKernel *kernel, const NwfRuleset *want);
NwfRuleset *nwf_test_read(NwfKernel *kernel);
/** A table of @n ports, vnet0 and on, each of which may send IPv4 only. */
NwfRuleset *nwf_test_ports(guint n);
void nwf_assert_holds(NwfKernel *kernel, const NwfRuleset *want);
