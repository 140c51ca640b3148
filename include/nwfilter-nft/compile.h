// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Filters and bindings -> ruleset. No I/O, no state, no locks: different threads may
 * compile at the same time as long as nobody changes the filters they read.
 */
#pragma once

#include <nwfilter-nft/model.h>
#include <nwfilter-nft/ruleset.h>

G_BEGIN_DECLS

/** Frames of each watched kind that are copied of one port: a second, and at once. Ours: a guest that boots sends
 * less, and 1,000 ports that send all they can make 20,000 copies a second for each kind. */
#define NWF_WATCH_RATE 20
#define NWF_WATCH_BURST 40

/** A remark on something suspicious that is no error; @where is "FILE:LINE" or a filter's name. */
typedef void (*NwfWarningFunc)(const char *where, const char *what, gpointer data);
typedef void (*NwfProgressFunc)(guint done, guint total, gpointer data);

typedef struct {
  guint features; /* NwfFeatures */
  NwfIpsetFunc ipset;
  NwfWarningFunc warning;
  NwfProgressFunc progress;
  /** What comes to the end of a chain is accepted, as with ebtables; else it goes back to root. */
  gboolean chain_end_accepts;
  /** No sets whose keys have parts without a name in nft's syntax, which JSON has no form for before
   * nft 1.1; comparing two addresses of an ARP frame needs them all the same. */
  gboolean no_raw_sets;
  /** Of NFLOG, for ports whose frames are watched (NwfBinding.watch); 0: none are. */
  guint16 log_group;
  gpointer data; /* for the three functions above, each of which may be NULL */
} NwfCompileOptions;

/** Compiles @n_bindings bindings with the filters of @store into one table. With no binding
 * the table holds no base chain. Two bindings of one port are an error. On failure nothing is
 * returned, and @error names the port, the filter, the rule's file and line and the value. */
NwfRuleset *nwf_compile(const NwfFilterStore *store, NwfBinding *const *bindings, guint n_bindings,
                        const NwfCompileOptions *options, GError **error);

/** A change of some ports of a compiled ruleset, which can be undone until it is kept. The time it takes does not grow
 * with the number of ports that stay; the first edit of a ruleset counts what leads to what, once. One edit at a time,
 * and nobody else changes the ruleset meanwhile.
 *
 * After an edit was kept the ruleset holds what nwf_compile would make of the same bindings, in another order, but for
 * ipsets: a copy of an ipset that is there is used as it is.
 *
 * Names and rules of what has gone keep their memory in the ruleset, about as much as the port had there (some
 * 3 KiB under clean-traffic; a rule that comes back with an equal name does not take its name's again). Who does
 * many edits compiles all anew now and then, say after as many edits as there are ports. */
typedef struct NwfEdit NwfEdit;
NwfEdit *nwf_edit_new(NwfRuleset *ruleset);
/** Takes a port out; FALSE when it is not there. */
gboolean nwf_edit_remove(NwfEdit *edit, const char *port);
/** Adds a port, which must not be there (any more). On failure the edit is as before this call. */
gboolean nwf_edit_add(NwfEdit *edit, const NwfFilterStore *store, const NwfBinding *binding,
                      const NwfCompileOptions *options, GError **error);
/** What has to be sent, of NwfChange, in an order that the kernel takes in one transaction; borrowed, and valid
 * until the edit ends. */
const GArray *nwf_edit_changes(NwfEdit *edit);
/** Ends the edit: the ruleset stays as changed. */
void nwf_edit_keep(NwfEdit *edit);
/** Ends the edit: the ruleset is as it was. */
void nwf_edit_undo(NwfEdit *edit);

/** Names of the variables that @binding's filter wants and nobody gives, of char *, sorted, empty when there is
 * none; of one that is given but has too few values, "NAME[N]". NULL with @error when the filter or one that it refers
 * to is missing, or they loop. MAC is always given. The caller frees the array (with its names). */
GPtrArray *nwf_missing_variables(const NwfFilterStore *store, const NwfBinding *binding, GError **error);

/** Checks one filter together with what it refers to. Errors are what would make every binding to
 * it fail: loops, values that no attribute takes. Warnings: rules that nothing can reach, references
 * that @store cannot answer, variables that nobody gives (only when @binding is not NULL, of which
 * nothing but its filter's name is left out), rules without effect, and verdicts that depend on how chains
 * end, if @options say that it goes back to root. Of @options the warning function with its data and how chains end are
 * looked at. */
gboolean nwf_check_filter(const NwfFilterStore *store, const NwfFilter *filter, const NwfBinding *binding,
                          const NwfCompileOptions *options, GError **error);
/** Whether the verdicts of the filter and of those it refers to depend on how chains end. FALSE when something that it
 * refers to is missing. */
gboolean nwf_check_chain_ends(const NwfFilterStore *store, const NwfFilter *filter);

G_END_DECLS
