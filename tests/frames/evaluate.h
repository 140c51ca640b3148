// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The reference evaluator: decides one frame from the filter model alone, the slow and obvious
 * way. It shares no code with the compiler, resolves everything anew for each frame, and is what
 * the kernel's verdicts are compared with.
 */
#pragma once

#include <nwfilter-nft/model.h>

/** How the frame meets the port, and what connection tracking would say of it. */
typedef struct {
  NwfDirection direction;     /* OUT: the guest sends it; IN: the guest is sent it */
  gboolean host;              /* IN: the host itself sent it, so that it is not forwarded */
  gboolean chain_end_accepts; /* else what comes to the end of a chain goes back to root */
  guint state;                /* the NWF_STATE_ bit of its connection; 0: not known */
  gboolean reply;             /* it goes in the connection's reply direction */
  guint connections;          /* of its source address, itself included, for connlimit-above */
} EvaluateInput;

typedef struct {
  gboolean accepted;
  char *why; /* the rule that decided, for people; owned */
} Verdict;

void verdict_clear(Verdict *verdict);

/** Decides the frame, of at least 14 bytes. FALSE with @error (NWF_ERROR) when the filter cannot be
 * bound: a missing filter or variable, a loop, a value that does not fit; or NWF_ERROR_UNSUPPORTED
 * when a rule asks for a state that @input does not know, or for an ipset. */
gboolean evaluate(const NwfFilterStore *store, const NwfBinding *binding, const EvaluateInput *input,
                  const guint8 *frame, gsize length, Verdict *verdict, GError **error);
