// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Random filters, bindings and frames from a seed: equal seeds give equal results, on every machine.
 * Values come from small pools, so that frames and rules meet often.
 */
#pragma once

#include "frame.h"

#include <nwfilter-nft/model.h>

typedef struct {
  guint64 state;
} Random;

void random_seed(Random *random, guint64 seed);
guint64 random_next(Random *random);
/** 0 .. @bound - 1 */
guint random_below(Random *random, guint bound);
/** TRUE in @percent of the cases. */
gboolean random_chance(Random *random, guint percent);

/** What the rules may ask for: the kernel at hand may not be able to do all. */
typedef struct {
  gboolean ct; /* tests of connection state */
  gboolean connlimit;
} GenerateOptions;

/** A binding and its tree of 1..6 filters, which are put into @store under names that begin with
 * @prefix. The binding's port is @port, its filter PREFIX0. It may be one that cannot be bound,
 * but seldom is. */
NwfBinding *generate_binding(Random *random, const GenerateOptions *options, NwfFilterStore *store, const char *prefix,
                             const char *port);

/** A random rule for chains of @chain; variables are among those that generate_variable_name knows. */
NwfRule *generate_rule(Random *random, const GenerateOptions *options, const char *chain);

/** Another rule of the same shape with other values: the same element and attributes. */
NwfRule *generate_rule_like(Random *random, const NwfRule *model);

/** A random value of that type as text, from the pools; caller frees. NULL: the type has none. */
char *generate_value(Random *random, NwfAttr attr, NwfType type);
/** A random prefix, which variables may have; NULL: none of the type. */
char *generate_prefix(Random *random, NwfType type);
/** The name of the variable for values of a type, or NULL: "MACS" for MAC addresses. */
const char *generate_variable_name(NwfAttr attr, NwfType type);

/** A random frame, often one that a rule of @binding's filters asks for, exactly or nearly. */
void generate_frame(Random *random, const NwfFilterStore *store, const NwfBinding *binding, Frame *frame);
