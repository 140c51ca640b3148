// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The layout with a namespace for each guest: a bridge with its tap, joined by a veth pair to a bridge that all
 * have in common. Nothing filters there; it is what the detour alone costs.
 */
#pragma once

#include "rig.h"

G_BEGIN_DECLS

typedef struct Spread Spread;

Spread *spread_new(const Bench *bench, guint n, GError **error);
void spread_free(Spread *spread);

/** For RigVariant: @data is the Spread. One broadcast after the other is sent by guest 0, each when the one before
 * has arrived at the last guest, since veth pairs hand frames over behind the sender's back. So there is no
 * processor time of its own: it is the clock's. */
gboolean spread_time(gpointer data, guint window_ms, RigTime *time, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Spread, spread_free)

G_END_DECLS
