// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * System calls that fail: functions of libc that are found before libc's own, by our code and by the libraries it uses.
 */
#pragma once

#include <glib.h>

/** From now on calls of that kind count ("open", "recv" ...; see faults.c), and the @nth and @times - 1 after it fail
 * with @code in errno. */
void fault_arm(const char *kind, guint nth, guint times, int code);
/** All goes well again; gives how many calls there were. */
guint fault_disarm(void);
