// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What the compiler's files hand to each other. The way of a rule:
 * collect (filters -> rules with their parameters) -> expand (variables -> values)
 * -> lower (attributes -> tests) -> program (chains and returns -> one list per EtherType)
 * -> simplify -> emit (lists -> chains and map elements).
 */
#pragma once

#include "compile/arena.h"
#include <nwfilter-nft/compile.h>

/* Addresses whose connections one connlimit rule counts at most: memory is bounded, and a frame whose address
 * finds no room does not match. Ours. */
#define NWF_CONNLIMIT_SOURCES 65535

/** What a filter sees: the parameters of the reference to it, over which those from further out win. Memory is the
 * arena's. */
typedef struct NwfScope NwfScope;
struct NwfScope {
  const NwfScope *outer; /* or NULL */
  const NwfParameters *parameters;
  gboolean wins; /* over those from further out */
};

/** A rule as the filter tree yields it. */
typedef struct {
  const NwfFilter *filter;
  const NwfRule *rule;
  const NwfScope *scope; /* what the rule's variables are looked up in */
} NwfCollected;

/** Where a step comes from; several when rules of several filters became one. */
typedef struct {
  const NwfFilter *filter;
  const NwfRule *rule;
} NwfOrigin;

typedef enum {
  NWF_STEP_ACCEPT,
  NWF_STEP_DROP,
  NWF_STEP_REJECT,
  NWF_STEP_RETURN, /* of a sub-chain: to the step after its jump */
  NWF_STEP_JUMP,   /* into @sub, whose returns come back */
  NWF_STEP_STAGE2, /* accepted at L2: on to the L3/L4 rules */
  NWF_STEP_NEXT,   /* on to the next step: the conditions end in a statement */
} NwfStepVerdict;

/** When all conditions hold: the verdict. Memory is the arena's. */
typedef struct {
  NwfExpr *conds; /* tests, lookups, connlimits */
  guint n_conds;
  NwfStepVerdict verdict;
  GArray *sub; /* NWF_STEP_JUMP: of NwfStep; owned by the port's context */
  NwfOrigin *origins;
  guint n_origins;
} NwfStep;

/** Conditions that hold together. Memory is the arena's. */
typedef struct {
  NwfExpr *exprs;
  guint n, room;
} NwfConjunction;

/** Conjunctions, any of which makes a rule match: what lowering yields. */
typedef struct {
  NwfArena *arena;
  NwfConjunction *all;
  guint n;
  gboolean never; /* a test in every conjunction can never hold */
} NwfConjunctions;

/** One port being compiled. */
typedef struct {
  const NwfFilterStore *store;
  const NwfBinding *binding;
  const NwfCompileOptions *options;
  NwfRuleset *ruleset;
  NwfParameters *parameters; /* the binding's, with MAC */
  NwfArena arena;
  GPtrArray *made_up;  /* NwfParameters of check.c's, freed with the port */
  GArray *collected;   /* of NwfCollected, in document order */
  GPtrArray *lists;    /* GArrays of NwfStep, used again for the next port */
  guint n_lists;       /* of them in use */
  GArray *own_values;  /* share.c's */
  gboolean no_own;     /* no rule at hand names a variable: a value that a port has, too, is not its own */
  GHashTable *known;   /* dispatch.c's: verdicts of second stages that are the same for all ports of a filter */
  char *filter_name;   /* the binding's filter's, as it stands in names of chains */
  GHashTable *reached; /* NwfRule * that made it into a list; NULL: nobody asks */
  guint *open_ends;    /* counts warnings of chains' ends; NULL: nobody asks */
  GArray *places;      /* of NwfPlace: the elements that the port was given; NULL: nobody asks */
  guint n_connlimits;
  const NwfRule *warned; /* lower-stage2.c's: the last rule that was warned of */
  /* limits.c's: what was made so far */
  guint64 n_lowered; /* steps, of rules */
  guint64 n_merged;  /* ... that are left of these in all lists, once there are sets */
  guint64 n_rules;   /* ... and at last */
} NwfPort;

/** "port P: filter F (FILE:LINE): " + message, as an error of ours. */
void nwf_port_error(const NwfPort *port, const NwfFilter *filter, const NwfRule *rule, int code, GError **error,
                    const char *format, ...) G_GNUC_PRINTF(6, 7);
/** Gives the caller's warning function, if there is one, "filter F: " + message. */
void nwf_port_warn(const NwfPort *port, const NwfFilter *filter, guint line, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/** What is wrong with it; caller frees. */
char *nwf_passed_over_describe(const NwfPassedOver *passed_over);
/** Warns of what libvirt passes over in the parameters of the port or filter (@kind) @name, whose document is @file (or
 * NULL). */
void nwf_warn_of_passed_over(const NwfCompileOptions *options, const NwfParameters *parameters, const char *file,
                             const char *kind, const char *name);
/** "FILE:LINE" of a rule, or the filter's name when it has no file; caller frees. */
char *nwf_where(const NwfFilter *filter, guint line);

/* collect.c */
/** Fills port->collected; finds loops, missing references and missing variables. */
gboolean nwf_collect(NwfPort *port, GError **error);
/** The same without a look at the variables. */
gboolean nwf_collect_tree(NwfPort *port, GError **error);
/** The values of a variable, or NULL. */
const GPtrArray *nwf_scope_get(const NwfScope *scope, const char *name);
/** Puts collected rules in the order of their priorities (stable). */
void nwf_collected_sort(GArray *collected);

/* limits.c: how much work a port is. What is too much is refused before it is done, or where that cannot be known, as
 * soon as it is. */
/** The filters and rules that lead from @root, each as often as it is reached, against NWF_INSTANCES_MAX. */
gboolean nwf_limit_tree(NwfPort *port, const NwfFilter *root, GError **error);
/** The rules that port->collected makes with the values of its variables, against NWF_INSTANCES_MAX. */
gboolean nwf_limit_instances(NwfPort *port, GError **error);
/** Counts the steps that an instance of the rule was lowered to. */
gboolean nwf_limit_lowered(NwfPort *port, const NwfCollected *collected, guint n, GError **error);
/** The EtherTypes, each of which looks at all rules of the first stage. */
gboolean nwf_limit_ethertypes(NwfPort *port, guint n_ethertypes, guint64 n_steps, GError **error);
/** Counts the steps of a list and its sub-chains: when sets were made, */
gboolean nwf_limit_merged(NwfPort *port, const GArray *steps, GError **error);
/** and against NWF_RULES_MAX, when they are what is emitted. */
gboolean nwf_limit_rules(NwfPort *port, const GArray *steps, GError **error);

/* expand.c: one call of @each for each combination of the variables' values. @values holds a
 * value or NULL for each attribute, valid during the call. */
typedef struct {
  const NwfValue *values[NWF_N_ATTRS];
  gboolean negated[NWF_N_ATTRS];
} NwfResolved;
typedef gboolean (*NwfExpandFunc)(NwfPort *port, const NwfCollected *collected, const NwfResolved *resolved,
                                  gpointer data, GError **error);
gboolean nwf_expand(NwfPort *port, const NwfCollected *collected, NwfExpandFunc each, gpointer data, GError **error);

/* conjunctions.c */
/** One conjunction without conditions. */
void nwf_conjunctions_init(NwfConjunctions *conjunctions, NwfArena *arena);
void nwf_conjunctions_add(NwfConjunctions *conjunctions, NwfTest test); /* AND test, once */
void nwf_conjunctions_add_expr(NwfConjunctions *conjunctions, const NwfExpr *expr);
/** AND (all of @tests), or with @negated AND NOT (all of them): one conjunction for each test. */
void nwf_conjunctions_add_pair(NwfConjunctions *conjunctions, const NwfTest *tests, guint n, gboolean negated);
/** AND (any of the alternatives). */
void nwf_conjunctions_split(NwfConjunctions *conjunctions, const NwfConjunction *alternatives, guint n);

/* lower-common.c: attributes that several elements have */
typedef struct {
  NwfPort *port;
  const NwfCollected *collected;
  const NwfResolved *resolved;
  NwfConjunctions *conjunctions;
  gboolean swapped; /* source and destination change places */
} NwfLower;
#define NWF_HAS(lower, attr) ((lower)->resolved->values[attr] != NULL)
#define NWF_NUMBER(lower, attr) ((lower)->resolved->values[attr]->number)
#define NWF_NEGATED(lower, attr) ((lower)->resolved->negated[attr])
void nwf_lower_mac(NwfLower *lower, NwfAttr address, NwfAttr mask, NwfField field);
void nwf_lower_ip(NwfLower *lower, NwfAttr address, NwfAttr mask, NwfField field);
void nwf_lower_number(NwfLower *lower, NwfAttr attr, NwfField field);
/** @low, or @low to @high when that is there too. */
gboolean nwf_lower_range(NwfLower *lower, NwfAttr low, NwfAttr high, NwfField field, GError **error);
gboolean nwf_lower_ip_range(NwfLower *lower, NwfAttr from, NwfAttr to, NwfField field, GError **error);
gboolean nwf_lower_ports(NwfLower *lower, gboolean ipv6, GError **error);
/** That the packet is whole or a first fragment: beside every test of a transport header. */
void nwf_lower_first_fragment(NwfLower *lower, gboolean ipv6);
void nwf_lower_dscp(NwfLower *lower, gboolean ipv6);

/** Appends a step for each conjunction. */
gboolean nwf_steps_append(NwfPort *port, GArray *steps, const NwfCollected *collected,
                          const NwfConjunctions *conjunctions, NwfStepVerdict verdict, GError **error);

/* lower-l2.c */
/** Appends the steps of one L2 rule instance for what the guest sends (@out) or is sent. */
gboolean nwf_lower_l2(NwfPort *port, const NwfCollected *collected, const NwfResolved *resolved, gboolean out,
                      GArray *steps, GError **error);
/* lower-stage2.c */
gboolean nwf_lower_stage2(NwfPort *port, const NwfCollected *collected, const NwfResolved *resolved, gboolean out,
                          GArray *steps, GError **error);
/** Whether a rule makes a check in the second stage on what the guest sends / is sent. */
gboolean nwf_stage2_checks(const NwfRule *rule, gboolean out);
/** The same for the first stage. */
gboolean nwf_l2_checks(const NwfRule *rule, gboolean out);
/** Whether an icmp rule with a type and direction inout: does nothing at all. */
gboolean nwf_stage2_is_void(const NwfRule *rule);

/* program.c */
/** A sub-chain of root, or (name "root") root itself. */
typedef struct {
  const char *name;
  guint16 ethertype; /* that enters it; 0: not bound to one */
  gboolean is_stp;
  int priority;
  GArray *steps;  /* of NwfStep, with EtherType tests still in them */
  GArray *order;  /* root only: of int, the priority of each step */
  NwfOrigin last; /* of its rules */
} NwfProgramChain;
typedef struct {
  GPtrArray *chains;   /* of NwfProgramChain *, root first, the others in the order of their jumps */
  GHashTable *by_name; /* name -> NwfProgramChain *, both borrowed */
} NwfProgram;
/** Lowers all L2 rules of a direction. */
NwfProgram *nwf_program_new(NwfPort *port, gboolean out, GError **error);
void nwf_program_free(NwfProgram *program);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfProgram, nwf_program_free)
/** The EtherTypes that the program's rules name (sorted guint16 array). */
GArray *nwf_program_ethertypes(const NwfProgram *program);
/** Its steps, and the jumps of root. */
guint64 nwf_program_size(const NwfProgram *program);
#define NWF_ETHERTYPE_OTHER (-1)
/** The steps of a frame with @ethertype, or with one that nothing names: ends in one without
 * conditions. @accepted is the verdict of what L2 accepts. The list is owned by @port. NULL: they are too many. */
GArray *nwf_program_specialise(NwfPort *port, const NwfProgram *program, int ethertype, NwfStepVerdict accepted,
                               GError **error);

/* groups.c */
typedef guint64 (*NwfStepHashFunc)(NwfPort *port, const NwfStep *step);
typedef gboolean (*NwfStepSameFunc)(NwfPort *port, const NwfStep *a, const NwfStep *b);
/** Groups those of @n steps from @first that are the same, by a hash: each is a GArray of their indices (guint,
 * ascending), in the order of their first members. The caller frees the array (with the groups). */
GPtrArray *nwf_group_steps(NwfPort *port, const GArray *steps, guint first, guint n, NwfStepHashFunc hash,
                           NwfStepSameFunc same);

/* merge-values.c */
/** Values of one field in neighbouring rules become one lookup in a set. */
void nwf_merge_values(NwfPort *port, GArray *steps);
/** The name of the set of these EtherTypes (guint16), which is made when there is none. */
const char *nwf_ethertype_set(NwfRuleset *ruleset, const GArray *types);

/* merge-tuples.c */
/** Values of several fields in rules of one verdict become one lookup in a set. */
void nwf_merge_tuples(NwfPort *port, GArray *steps);

/* hoist.c */
/** Rules that ask for the same values of the port's own do so once, and go on in a sub-chain. */
void nwf_hoist_own_values(NwfPort *port, GArray *steps);

/* simplify.c: everything that keeps the meaning and makes the list shorter. */
gboolean nwf_steps_equal(const NwfStep *a, const NwfStep *b); /* origins do not count */
/** Known facts, repeated verdicts, the order of neighbours. */
void nwf_simplify(NwfPort *port, GArray *steps);
/** The order of conditions, and neighbouring bytes as one comparison: after everything that looks at
 * fields. */
void nwf_compact(GArray *steps);
/** Appends (a AND b) to a step's conditions; a test is not repeated. */
NwfStep nwf_step_both(NwfPort *port, const NwfStep *a, const NwfStep *b, NwfStepVerdict verdict);
GArray *nwf_port_list(NwfPort *port); /* an empty list of NwfStep, the port's */

/* share.c */
/** Whether the value that is tested is one of the port's parameters. */
gboolean nwf_is_own_value(NwfPort *port, const NwfTest *test);
/** The steps with the port's own values as elements of sets, so that ports can share the chain; the
 * same list when there are none. @label is the class's name in names. */
GArray *nwf_share_steps(NwfPort *port, GArray *steps, gboolean out, int ethertype, const char *label);

/* emit.c */
/** Of the steps' conditions, verdicts and origins. */
guint64 nwf_hash_expr(guint64 hash, const NwfExpr *expr);
guint64 nwf_hash_steps(NwfPort *port, const GArray *steps);
/** Puts the steps into a chain (shared when there is one with the same content), or finds that
 * they are one plain verdict. @stage2 is the chain for NWF_STEP_STAGE2, or NULL. */
NwfVerdict nwf_emit(NwfPort *port, const GArray *steps, const char *direction, const char *label, const char *stage2);
/** The same for a chain whose name begins with @origin, which is always made. */
NwfVerdict nwf_emit_as(NwfPort *port, const GArray *steps, const char *origin, const char *direction, const char *label,
                       const char *stage2);
/** Chain name for what a port's filter is called: only letters, digits, '_', '-', '.'. */
char *nwf_sanitise(const char *name);

/** A hash of @data, going on from @hash. */
#define NWF_HASH_START G_GUINT64_CONSTANT(0xcbf29ce484222325)
guint64 nwf_hash(guint64 hash, gconstpointer data, gsize length);
/** As 16 hexadecimal digits, in @digits. */
const char *nwf_format_hash(guint64 hash, char digits[17]);

/* watch.c */
/** Adds the EtherTypes of which frames are watched to @types (guint16), unless they are there. */
void nwf_watch_ethertypes(const NwfPort *port, gboolean out, GArray *types);
/** A class of a port's frames, as its filter decides about them. */
typedef struct {
  gboolean out;
  int ethertype;
  const char *label;
  const GArray *steps;  /* ... */
  const GArray *stage2; /* of NWF_STEP_STAGE2; NULL: there is none */
  NwfVerdict verdict;   /* ... which were emitted as this */
} NwfWatched;
/** The verdict of the class when frames of it are copied; that of @watched itself when none are. */
NwfVerdict nwf_watch(NwfPort *port, const NwfWatched *watched);

/* dispatch.c */
/** Compiles a port whose rules are collected and sorted: chains, and an entry in each map. */
gboolean nwf_dispatch_port(NwfPort *port, GError **error);
/** Appends an element of the port's to a map, or with @verdict NULL to a set, whose key begins with the port. */
void nwf_port_element(NwfPort *port, NwfSet *set, const guint8 *key, const NwfVerdict *verdict, const char *comment);
/** Adds the base chains, where all ports are there. */
void nwf_dispatch_finish(NwfRuleset *ruleset);

/* compile.c */
void nwf_port_init(NwfPort *port, const NwfFilterStore *store, NwfRuleset *ruleset, const NwfCompileOptions *options);
void nwf_port_clear(NwfPort *port);
/** Begins with a binding: nothing is collected yet. */
void nwf_port_bind(NwfPort *port, const NwfBinding *binding);
/** Compiles one binding into the port's ruleset; a port may be used for one after the other. */
gboolean nwf_port_compile(NwfPort *port, const NwfBinding *binding, GError **error);
