// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * A bridge with the guests' taps that nobody reads: their queues are short and full, so that what
 * is timed is the bridge and its hooks, not the copying to a reader. The write of a frame returns
 * when the bridge has handled all its clones.
 */
#pragma once

#include "bench.h"
#include "lab.h"

#include <kernel/kernel.h>

G_BEGIN_DECLS

typedef struct {
  Lab *lab;
  NwfKernel *kernel;
  guint n;
} Rig;

/** Makes the bridge and the taps of guests 0 .. @n - 1, each with its MAC address placed. */
Rig *rig_new(const Bench *bench, guint n, GError **error);
void rig_free(Rig *rig);

/** Empties the namespace's ruleset. */
gboolean rig_flush(Rig *rig, GError **error);
/** Gives `nft -f -` the text. */
gboolean rig_load_text(const char *text, GError **error);

/** Whether the frame from tap @from gets to all other taps (@to < 0) or to tap @to, as it should, and
 * an error when it does not. */
gboolean rig_expect(Rig *rig, guint from, const guint8 *frame, gsize length, int to, gboolean arrives, GError **error);
/** From here on the host's side takes nothing, which would cost as much as some of the ports. */
gboolean rig_deafen_host(Rig *rig, GError **error);

typedef struct {
  double wall, cpu; /* nanoseconds for one write */
} RigTime;
/** Writes the frame for about @window_ms milliseconds. */
gboolean rig_time(Rig *rig, guint from, const guint8 *frame, gsize length, guint window_ms, RigTime *time,
                  GError **error);

/** A state of the namespace's ruleset that is measured; @enter finds the ruleset empty. */
typedef struct {
  const char *name;
  gboolean (*enter)(Rig *rig, gpointer data, GError **error);
  gpointer data;
  double limit; /* what the ratio to the first variant is to stay under; 0: nothing is asked */
} RigVariant;

/** What is sent in each variant, and how it is counted. */
typedef struct {
  guint8 frame[64];
  gsize length;
  double divisor; /* of the time of a write */
  const char *unit;
} RigLoad;

/** Puts the namespace into one state after the other, @bench's number of rounds, sending the frame
 * each time. Emits for each variant what a write costs, and for each but the first its ratio to the
 * first one, round by round and of the least that each was seen to need. The table that the user named is measured as
 * one more variant. */
gboolean rig_compare(Rig *rig, const Bench *bench, const RigVariant *variants, guint n_variants, const RigLoad *load,
                     GError **error);

/** Variants: no rules; a NwfRuleset in @data; a document for nft in @data. */
gboolean rig_enter_bare(Rig *rig, gpointer data, GError **error);
gboolean rig_enter_ruleset(Rig *rig, gpointer data, GError **error);
gboolean rig_enter_text(Rig *rig, gpointer data, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rig, rig_free)

G_END_DECLS
