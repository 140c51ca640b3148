// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * A trial: taps on a bridge of their own namespace, some of them bound, and what the kernel does
 * with a frame. Ports vm0, vm1, .. may be bound; peer0 and peer1 are not, so that a frame which
 * the bridge itself would not carry is told from one that a filter drops.
 */
#pragma once

#include <nwfilter-nft/compile.h>

#include "evaluate.h"
#include "frame.h"
#include "kernel/kernel.h"
#include "lab.h"

#define TRIAL_LOG_GROUP 27975 /* that nobody reads: frames of watched ports are copied to it */

typedef enum {
  SEEN_DROPPED,
  SEEN_ACCEPTED,
  SEEN_NOTHING, /* not carried without any filter either */
} Seen;

typedef struct {
  Lab *lab;
  NwfKernel *kernel;
  guint n_ports;
  guint features;
  gboolean chain_end_accepts; /* of what is installed next */
  gboolean *arrived;
} Trial;

/** Makes the bridge with @n_ports ports to be bound. NULL with @error. */
Trial *trial_new(guint n_ports, GError **error);
void trial_free(Trial *trial);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Trial, trial_free)

/** "vm0" and so on; caller frees. */
char *trial_port_name(guint port);
/** Compiles the bindings into one table, and makes the kernel hold exactly that. */
gboolean trial_install(Trial *trial, const NwfFilterStore *store, NwfBinding *const *bindings, guint n, GError **error);
/** The guest behind @port sends the frame. To the host's own address it is bound for the host. A
 * frame that the bridge does not carry seems dropped: ask trial_is_carried first, or trial_send. */
gboolean trial_send_out(Trial *trial, guint port, const guint8 *frame, gsize length, Seen *seen, GError **error);
/** Whether the bridge carries the frame when a guest without filter sends it. */
gboolean trial_is_carried(Trial *trial, const guint8 *frame, gsize length);
/** Another guest, or the host, sends the frame: what each port makes of it (n_ports entries). A
 * frame to the host's own address reaches no port: SEEN_NOTHING. */
gboolean trial_send_in(Trial *trial, gboolean host, const guint8 *frame, gsize length, Seen *seen, GError **error);
/** One of the two, as @input says. */
gboolean trial_send(Trial *trial, guint port, const EvaluateInput *input, const guint8 *frame, gsize length, Seen *seen,
                    GError **error);
/** Whether the frame is for the host itself. */
gboolean trial_is_for_host(const guint8 *frame);
