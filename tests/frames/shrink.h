// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * A disagreement between kernel and evaluator, made as small as it can be while it stays one.
 */
#pragma once

#include "trial.h"

typedef struct {
  NwfFilterStore *store;
  NwfBinding *binding;
  guint port;
  EvaluateInput input;
  Frame frame;
  /* set by disagreement_stays */
  Seen seen;
  Verdict verdict;
} Disagreement;

/** Binds only this port and sends the frame again: whether the two still disagree. */
gboolean disagreement_stays(Trial *trial, Disagreement *disagreement);
/** Drops rules, attributes, parameters and bytes for as long as it stays. */
void disagreement_shrink(Trial *trial, Disagreement *disagreement);
/** All that is needed to see it again, for people, each line behind "# ". */
char *disagreement_describe(const Disagreement *disagreement);
/** Copies filters and binding through their XML. */
Disagreement *disagreement_new(const NwfFilterStore *store, const NwfBinding *binding, guint port,
                               const EvaluateInput *input, const Frame *frame);
void disagreement_free(Disagreement *disagreement);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Disagreement, disagreement_free)
