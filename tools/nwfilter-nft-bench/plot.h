// SPDX-License-Identifier: LGPL-2.1-or-later
/** Pictures of what was measured, by gnuplot. */
#pragma once

#include "bench.h"

G_BEGIN_DECLS

/** Whether @path ends in .svg or .png. */
gboolean plot_can_write(const char *path, GError **error);
/** Draws what there is among @series: FILE-broadcast.svg and FILE-libvirtd.svg for FILE.svg. @written (of char *)
 * gets their names. */
gboolean plot_write(const GPtrArray *series, const char *path, GPtrArray *written, GError **error);

G_END_DECLS
