// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * A libvirtd of the benchmark's own, without systemd, in the caller's namespaces (isolate_process): its folders
 * are covered by empty ones and its configuration by a copy, so it knows nothing of the host's guests.
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

G_BEGIN_DECLS

typedef struct {
  const char *name;       /* for people: "libvirt 9.0.0, ebtables" */
  const char *root;       /* the system it is run in (chroot), or NULL */
  const char *driver_dir; /* LIBVIRT_DRIVER_DIR, or NULL: libvirt's own drivers */
  const char *backend;    /* firewall_backend of nwfilter.conf, or NULL */
  const char *filters;    /* the filters that it finds */
  const char *log;        /* file for what it says */
} DaemonSetup;

typedef struct Daemon Daemon;

/** Whether there is a libvirtd to run (in @root, or here when that is NULL). */
gboolean daemon_exists(const char *root);

/** Lays the ground for a daemon, which does not run yet. */
Daemon *daemon_new(const DaemonSetup *setup, GError **error);
/** Ends it, and uncovers the folders. */
void daemon_free(Daemon *daemon);
/** Starts it and returns when it answers. */
gboolean daemon_start(Daemon *daemon, GError **error);
/** Ends it as a restart of its service would: guests and rules stay. */
void daemon_stop(Daemon *daemon);
/** SIGHUP: the filters are read again. Does not wait; a definition waits for what has begun. */
gboolean daemon_reload(Daemon *daemon, GError **error);
/** Borrowed; NULL while it does not run. */
virConnectPtr daemon_connection(const Daemon *daemon);
/** KiB of memory that it has in use, and at most had (VmRSS, VmHWM of proc(5)). */
void daemon_memory(const Daemon *daemon, guint64 *now, guint64 *peak);

gboolean daemon_bind(Daemon *daemon, const char *xml, GError **error);
gboolean daemon_unbind(Daemon *daemon, const char *port, GError **error);
/** Writes the filter's file, which the daemon does not know before it reads it again. */
gboolean daemon_write_filter(Daemon *daemon, const char *name, const char *xml, GError **error);
/** Defines the filter @name, anew when it is there. */
gboolean daemon_define(Daemon *daemon, const char *name, const char *xml, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Daemon, daemon_free)

G_END_DECLS
