// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The table's plan: at which hooks a frame is asked about, and the maps in which it finds its port's rules there.
 *
 * Everything else in a table (chains of filters, sets of values) has a name that follows from its content and is never
 * changed; what is named here stays, and its elements and rules change.
 */
#pragma once

#include <nwfilter-nft/ruleset.h>

/** Where a frame meets a port's rules, in the order in which it does. */
typedef enum {
  NWF_DISPATCH_FROM,       /* what a guest sends: first stage, and a second one that does not test state */
  NWF_DISPATCH_FROM_STATE, /* what a guest sends: a second stage that tests the state of connections */
  NWF_DISPATCH_FORWARD,    /* second stage of what a guest is sent by other ports */
  NWF_DISPATCH_TO,         /* first stage of what a guest is sent */
  NWF_N_DISPATCHES,
} NwfDispatch;

typedef struct {
  const char *name;
  NwfHook hook;
  int priority;
} NwfBaseChainPlan;

#define NWF_DISPATCH_CHAINS 2

typedef struct {
  const char *map;   /* port . EtherType : verdict */
  const char *other; /* port : verdict, for EtherTypes without an entry; NULL: these are accepted */
  /* The keys of what is in @other (NULL: in @map), once more, in a set whose elements stay while verdicts change: what
   * is in it and found no verdict is dropped. */
  const char *bound;
  NwfField port;   /* which interface of the frame is the port */
  gboolean second; /* asked of IPv4 and IPv6 only, of what the other dispatch of its direction lets through as well */
  NwfBaseChainPlan chains[NWF_DISPATCH_CHAINS]; /* base chains that look there; name NULL: no more */
} NwfDispatchPlan;

/** How the names of sets begin in which a chain that ports share looks for what is a port's own. */
#define NWF_PORTS_OUT "ports-out-"
#define NWF_PORTS_IN "ports-in-"

/** Indexed by NwfDispatch. */
extern const NwfDispatchPlan nwf_dispatch_plans[NWF_N_DISPATCHES];

/** The dispatch of a map's name; NWF_N_DISPATCHES: it is no dispatch map. @other (may be NULL): it is the one by port
 * alone. */
NwfDispatch nwf_dispatch_of_map(const char *name, gboolean *other);
/** A dispatch's map, or with @other the one by port alone; NULL: not there. */
NwfSet *nwf_dispatch_map(const NwfRuleset *ruleset, NwfDispatch dispatch, gboolean other);
/** A dispatch's set of what is bound, made when it is not there. */
NwfSet *nwf_dispatch_need_bound(NwfRuleset *ruleset, NwfDispatch dispatch);
/** Whether this is the name of such a set. */
gboolean nwf_dispatch_is_bound(const char *name);
/** A dispatch's map, made when it is not there. */
NwfSet *nwf_dispatch_need_map(NwfRuleset *ruleset, NwfDispatch dispatch, gboolean other);
