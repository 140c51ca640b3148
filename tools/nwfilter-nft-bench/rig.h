// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * A bridge with the guests' taps that nobody reads: their queues are short and full, so that what
 * is timed is the bridge and its hooks, not the copying to a reader. The write of a frame returns
 * when the bridge has handled all its clones.
 */
#pragma once

#include "bench.h"
#include "guests.h"
#include "lab.h"

#include <kernel/kernel.h>

G_BEGIN_DECLS

typedef struct {
  Lab *lab;
  NwfKernel *kernel;
  guint n; /* guests; tap n is the uplink, which no filter is bound to */
} Rig;

/** Makes the bridge and the taps of guests 0 .. @n - 1 and of an uplink, each with its MAC address placed. */
Rig *rig_new(const Bench *bench, guint n, GError **error);
void rig_free(Rig *rig);

/** Empties the namespace's ruleset. */
gboolean rig_flush(GError **error);
/** Gives `nft -f -` the text. */
gboolean rig_load_text(const char *text, GError **error);

/** Whether the frame from tap @from gets to all other taps (@to < 0) or to tap @to, as it should, and
 * an error when it does not. */
gboolean rig_expect(Rig *rig, guint from, const guint8 *frame, gsize length, int to, gboolean arrives, GError **error);
/** From here on the host's side takes nothing, which would cost as much as some of the ports. */
gboolean rig_deafen_host(Rig *rig, GError **error);

/** What is sent, and how it is counted. The frames are written one after the other, each from its tap. */
typedef struct {
  guint from;
  gsize length;
  guint8 bytes[GUEST_FRAME_MAX];
} RigFrame;

typedef struct {
  GArray *frames; /* of RigFrame */
  double divisor; /* of the time of a write */
  const char *unit;
  const char *label; /* put before the names of series, "small, 1 flow: "; or NULL */
  gboolean inverse;  /* the ratio is that of speeds, not of times: the first variant's time over this one's */
} RigLoad;

typedef struct {
  double wall, cpu; /* nanoseconds for one write */
} RigTime;
/** Writes the load's frames for about @window_ms milliseconds. */
gboolean rig_time(Rig *rig, const RigLoad *load, guint window_ms, RigTime *time, GError **error);
/** Writes @per_second frames a second for @seconds: the share of a processor that it takes, in per cent. */
gboolean rig_share(Rig *rig, const RigLoad *load, guint per_second, double seconds, double *share, GError **error);

/** A state of the namespace's ruleset that is measured; @enter finds the ruleset empty. */
typedef struct {
  const char *name;
  gboolean (*enter)(Rig *rig, gpointer data, GError **error);
  gpointer data;
  double limit; /* what the ratio to the first variant is to stay under; 0: nothing is asked */
  double least; /* what it is to reach; 0: nothing is asked */
  /** Measures instead of rig_time, for what has no taps of the rig's; or NULL. */
  gboolean (*time)(gpointer data, guint window_ms, RigTime *time, GError **error);
} RigVariant;

/** Puts the namespace into one state after the other, @bench's number of runs, sending the load
 * each time. Emits for each variant what a write costs, by processor time and by the clock, and for each
 * but the first its ratio to the first one, run by run. */
gboolean rig_compare(Rig *rig, const Bench *bench, const RigVariant *variants, guint n_variants, const RigLoad *load,
                     GError **error);
/** The work that this is, for bench_plan. */
double rig_compare_work(const Bench *bench, guint n_variants);

/** Variants: no rules; a NwfRuleset in @data; a document for nft in @data; one for ebtables-nft-restore. */
gboolean rig_enter_bare(Rig *rig, gpointer data, GError **error);
gboolean rig_enter_ruleset(Rig *rig, gpointer data, GError **error);
gboolean rig_enter_text(Rig *rig, gpointer data, GError **error);
gboolean rig_enter_ebtables(Rig *rig, gpointer data, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rig, rig_free)

G_END_DECLS
