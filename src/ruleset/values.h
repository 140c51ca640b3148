// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What the field table and both printers share: nft's types, values, where a field may be called by its
 * name, verdicts.
 */
#pragma once

#include <nwfilter-nft/ruleset.h>

/** nft's numbers of its types (enum datatypes of libnftables), which the kernel stores with a set and
 * gives back to whoever lists it. */
enum {
  TYPE_INTEGER = 4,
  TYPE_IPADDR = 7,
  TYPE_IP6ADDR = 8,
  TYPE_ETHERADDR = 9,
  TYPE_ETHERTYPE = 10,
  TYPE_INET_PROTOCOL = 12,
  TYPE_INET_SERVICE = 13,
  TYPE_IFNAME = 41,
};

/** A field's place, of a test or of a part of a key, and what it is to be called. */
typedef struct {
  NwfField field;
  NwfRawPart place;
  const char *name; /* as nft calls it, or NULL: print the place itself */
  guint8 type;      /* nft's number of the value's type; integer when there is no name */
} NwfOperand;

/** What a rule's earlier tests allow a later one to be called. All zero at the rule's start. */
typedef struct {
  guint8 l4proto; /* 0: not known */
} NwfPrintContext;

NwfOperand nwf_operand_of_test(const NwfPrintContext *context, const NwfTest *test);
NwfOperand nwf_operand_of_part(NwfField field, const NwfRawPart *raw);
/** Learns from a test that was printed. */
void nwf_print_context_add(NwfPrintContext *context, const NwfTest *test);

/** Appends a value as nft writes it (a name without its quotes). FALSE, and nothing appended, if that form
 * cannot hold it: a name with a double quote in text, one that begins with @ or is not UTF-8 in JSON, one that ends in
 * an asterisk and has a backslash in either. */
gboolean nwf_value_append(GString *out, guint8 type, const guint8 *value, guint length, gboolean json);
/** Whether values of this type stand in quotes in text. */
gboolean nwf_value_is_name(guint8 type);

extern const char *const nwf_base_names[];    /* "ll", "nh", "th"; by NwfBase */
extern const char *const nwf_hook_names[];    /* by NwfHook */
extern const char *const nwf_verdict_names[]; /* by NwfVerdictKind */

/** The bits of ct state, one name for each, lowest first. */
typedef struct {
  guint32 bit;
  const char *name;
} NwfStateName;
extern const NwfStateName nwf_state_names[];
#define NWF_N_STATE_NAMES 5
/** The mask of a test of ct state if it only has bits with names, else 0. */
guint32 nwf_state_mask(const NwfTest *test);

/** TRUE when the set must be declared by typeof, since a part has no named type. */
gboolean nwf_set_needs_typeof(const NwfSet *set);
/** Whether a lookup decides: its set is a map. Without @ruleset the rule's last expression is taken for one. */
gboolean nwf_lookup_is_vmap(const NwfRuleset *ruleset, const NwfNftRule *rule, guint i);
