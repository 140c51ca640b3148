// SPDX-License-Identifier: LGPL-2.1-or-later
/** The lab's part of rtnetlink: bridge, ports, static addresses, waiting for carriers. */
#pragma once

#include <glib.h>

/** Sets @error from errno, with @what in front; always FALSE. */
gboolean lab_fail(GError **error, const char *what);

/** A bridge without STP or snooping, still down. */
gboolean lab_link_add_bridge(const char *name, const guint8 mac[6], GError **error);
gboolean lab_link_up(guint index, GError **error);
gboolean lab_link_delete(guint index, GError **error);
/** Makes the link a port of @bridge that learns no addresses, and sets it up. */
gboolean lab_link_enslave(guint index, guint bridge, GError **error);
gboolean lab_link_add_address(guint index, const guint8 mac[6], GError **error);
/** Returns when the bridge is up and all @n ports forward; an error after ten seconds. */
gboolean lab_link_wait_forwarding(guint bridge, const guint *indexes, guint n, GError **error);
