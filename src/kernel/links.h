// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Which interfaces there are, what they are called and whose ports they are, as the kernel tells it (rtnetlink).
 *
 * A NwfLinks is one socket in the network namespace of the thread that opened it, and what was read from it so far. It
 * holds no lock: one thread at a time.
 */
#pragma once

#include <glib.h>
#include <net/if.h>

/** An interface. Its index is its own as long as it lives; its name may change. */
typedef struct {
  guint index; /* 0: there is none */
  char name[IFNAMSIZ];
  guint master; /* index of the interface that it is a port of, 0: of none */
  gboolean is_bridge;
} NwfLink;

/** What became of one interface: @before has index 0 when it is new, @now when it is gone. */
typedef struct {
  NwfLink before, now;
} NwfLinkChange;

typedef struct NwfLinks NwfLinks;

/** Joins the kernel's group for links (RTNLGRP_LINK) and reads all that are there. */
NwfLinks *nwf_links_open(GError **error);
void nwf_links_close(NwfLinks *links);
/** For poll(2): readable when there is something. */
int nwf_links_fd(const NwfLinks *links);
/** Reads all that is there without waiting, and appends what has changed to @changes (of NwfLinkChange), in the order
 * in which it did. When more came than the socket holds, all interfaces are read again, and what happened in between
 * is told as one change for each. FALSE with @error: they could not be; the next call tries again. */
gboolean nwf_links_read(NwfLinks *links, GArray *changes, GError **error);

/** What was known at the last read; borrowed until the next one, or NULL. Names are interfaces' own: alternative names
 * find nothing. */
const NwfLink *nwf_links_by_index(const NwfLinks *links, guint index);
const NwfLink *nwf_links_by_name(const NwfLinks *links, const char *name);
/** The bridge that the interface @name is a port of, or NULL: of none, or of something else (a bond, a VRF). */
const NwfLink *nwf_links_bridge(const NwfLinks *links, const char *name);

/** Whether the kernel says that no interface has the name, alternative names included; FALSE when it cannot be asked.
 */
gboolean nwf_link_is_absent(const char *name);
/** FALSE with @error (NWF_ERROR_INVALID) when @name is an alternative name ("altname" in ip-link(8)) of an interface,
 * by which sockets find it but by which no frame is known. A name that no interface has is good. Asks the kernel, in
 * the network namespace of the calling thread; any thread. */
gboolean nwf_link_check_name(const char *name, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfLinks, nwf_links_close)
