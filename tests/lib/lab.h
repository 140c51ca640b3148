// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * A laboratory: a bridge br0 with taps in a network namespace of the calling thread's own.
 *
 * The taps' other ends are file descriptors that the lab holds; the host's side is a packet
 * socket on br0. What is written to a tap comes back as "who got it": the write returns when
 * the bridge has handed the frame to every port, so nothing is awaited and nothing sleeps.
 *
 * The bridge learns nothing, so a frame to a unicast address that lab_add_address did not place
 * is flooded to every tap; IPv6 and multicast snooping are off, so the kernel says nothing itself.
 *
 * A Lab belongs to the thread that made it. Errors are of the domain G_FILE_ERROR.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define LAB_FRAME_MAX 65536
#define LAB_BRIDGE "br0"

/** br0's own address: a unicast frame to it reaches the host and nobody else. */
extern const guint8 lab_host_mac[6];

typedef struct Lab Lab;

/** Puts the calling thread into a new network namespace. Needs CAP_SYS_ADMIN. */
gboolean lab_unshare(GError **error);
/** The same, unless its namespace is seen not to be that of process 1 (which takes the right to look). */
gboolean lab_ensure_private(GError **error);

/** Makes br0 and @n taps named @names in the current namespace (calls lab_ensure_private)
 * and returns when all of them forward. NULL with @error on failure. */
Lab *lab_new(const char *const *names, guint n, GError **error);
/** The same in the current namespace whatever it is: for a program that was started in one of its own. */
Lab *lab_new_here(const char *const *names, guint n, GError **error);
/** Closes the taps, which takes them away, and removes br0. The namespace stays. */
void lab_free(Lab *lab);

guint lab_n_taps(const Lab *lab);
/** The number that stands for the host where a station is wanted; taps are 0 .. n - 1. */
guint lab_host(const Lab *lab);
/** The number of stations: taps and the host. */
guint lab_n_stations(const Lab *lab);
/** The station of that name ("host" for the host), or -1. */
int lab_find(const Lab *lab, const char *name);
const char *lab_name(const Lab *lab, guint station);
/** The descriptor that reads and writes the station's frames (non-blocking). */
int lab_fd(const Lab *lab, guint station);

/** Places a unicast address behind a tap, for good, so that frames to it are not flooded. */
gboolean lab_add_address(Lab *lab, guint tap, const guint8 mac[6], GError **error);

/** Sends a frame as @from and sets @arrived[station] (lab_n_stations entries) for each station
 * that got a frame of the same bytes. Frames that waited before, and other frames that this one
 * called forth (a TCP reset, an ICMP error), are thrown away; lab_send_keep hands the latter on.
 * FALSE with @error when the kernel took it not as a frame. */
gboolean lab_send(Lab *lab, guint from, const void *frame, gsize length, gboolean *arrived, GError **error);

/** Called for every frame that @station got and that is not the one sent. */
typedef void (*LabFrameFunc)(guint station, const guint8 *frame, gsize length, gpointer data);
gboolean lab_send_keep(Lab *lab, guint from, const void *frame, gsize length, gboolean *arrived, LabFrameFunc other,
                       gpointer data, GError **error);

/** Writes the frame and looks at nobody. */
gboolean lab_send_blind(Lab *lab, guint from, const void *frame, gsize length, GError **error);
/** Reads the next frame that waits at a station: its length, 0 when there is none. A VLAN tag
 * that the kernel keeps beside the frame is put back into it. */
gsize lab_receive(Lab *lab, guint station, guint8 frame[LAB_FRAME_MAX]);
/** Throws away all that waits. */
void lab_drain(Lab *lab);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lab, lab_free)

G_END_DECLS
