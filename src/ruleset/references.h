// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What leads to what in a ruleset, and which elements are of which port, so that a port can come and go
 * without a look at the others.
 *
 * A chain or set counts how often it is named by what is itself in use: by rules of chains in use, and by
 * elements of the dispatch maps. At zero it is garbage, which the owner of the count may take away or use again.
 * Base chains and dispatch maps are not counted.
 */
#pragma once

#include <nwfilter-nft/ruleset.h>

/** Where an element of a port is. */
typedef struct {
  NwfSet *set;
  guint index; /* into set->elements */
} NwfPlace;

/** What the ports are sent of one EtherType. */
typedef struct {
  guint deciding; /* ports with an entry for it whose verdict is not accept */
  guint covered;  /* ports with an entry for it, and whose verdict for what has none is not accept */
} NwfClassCount;

/** EtherTypes that are counted: those of which there are many frames. */
typedef enum { NWF_CLASS_IPV4, NWF_CLASS_ARP, NWF_CLASS_IPV6, NWF_N_CLASSES } NwfClass;

typedef struct NwfReferences {
  GHashTable *ports; /* name, owned -> GArray of NwfPlace */
  /* whose count has become zero, and may be more by now; borrowed */
  GHashTable *unused_chains, *unused_sets;
  guint tracking;       /* chains in use that test or count connections */
  guint other_deciding; /* ports whose verdict for EtherTypes without an entry, when they are sent one, is not accept */
  NwfClassCount classes[NWF_N_CLASSES];
} NwfReferences;

/** Whether each port accepts all that it is sent of this EtherType. */
gboolean nwf_references_all_accept(const NwfReferences *references, NwfClass class);

/** Whether the elements of @set are each of one port, with which their keys begin. */
gboolean nwf_set_is_by_port(const NwfSet *set);
/** Those of @ruleset, which owns them; made when there are none. Whoever moves, adds or takes away elements of such
 * sets by other means than these functions drops them first. */
NwfReferences *nwf_ruleset_references(NwfRuleset *ruleset);
void nwf_ruleset_drop_references(NwfRuleset *ruleset);
/** The port's places, or NULL. */
const GArray *nwf_references_places(const NwfReferences *references, const char *port);
/** Elements that were appended for a new port begin to count; @places is copied. */
void nwf_references_enter(NwfRuleset *ruleset, const char *port, const GArray *places);
/** Takes away all elements of the port. What they led to stays, with a count. */
void nwf_references_leave(NwfRuleset *ruleset, const char *port);
