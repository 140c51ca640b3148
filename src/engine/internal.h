// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What the engine's files share. Functions that take an NwfEngine want its lock held, unless they say otherwise.
 */
#pragma once

#include "engine/engine.h"
#include "kernel/kernel.h"
#include "kernel/links.h"
#include "kernel/nflog.h"
#include "kernel/watch.h"
#include "learn/learn.h"

#include <nwfilter-nft/compile.h>

/* Edits leave memory behind in a ruleset; after so many ports' worth of them it is compiled anew. Ours. */
#define NWF_EDITS_MAX 1024

/** Why nobody sees a port but the kernel, where it is closed. */
typedef enum {
  NWF_UNSEEN_NOT,        /* it has a binding, which everybody sees */
  NWF_UNSEEN_UNREADABLE, /* its document is bad */
  NWF_UNSEEN_UNBOUND,    /* its binding has just gone, and maybe another one is to follow */
  NWF_UNSEEN_RENAMED,    /* it is what a bound interface is called now */
} NwfUnseen;

/** A bound port. */
typedef struct {
  NwfBinding *binding;   /* as its document says */
  NwfBinding *effective; /* what is compiled: with learned addresses, or with a filter of ours while none is known */
  gboolean own_filter;   /* the effective filter is one of the engine's own */
  gboolean failed;       /* it cannot be compiled, and is closed */
  gboolean learning;     /* the learner knows it */
  gboolean learn_ipv4, learn_ipv6;
  gboolean given;   /* the learner knows what addresses the binding gives */
  gboolean closing; /* to be closed, whatever its binding says */
  gboolean doomed;  /* about to be unbound */
  gboolean stale;   /* the kernel did not take what is to hold for it, or it is closed for now: it is installed again */
  NwfUnseen unseen;
  char *stands_for; /* NWF_UNSEEN_RENAMED: the name that was bound ... */
  guint index;      /* ... of the interface with this index */
  gint64 until;     /* where unseen: closed until then, by the monotonic clock; 0: no end */
  /* what some of the above are to be once the kernel has taken it */
  NwfBinding *next;
  gboolean next_own_filter, next_failed, next_learning, next_stale;
} NwfEnginePort;

/** Threads and sources of events.c. */
typedef struct {
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  GSource *expiry;
  GSource *closed;     /* when ports are no longer to be closed ... */
  gint64 closed_until; /* ... by the monotonic clock; 0: none is waiting */
  GSource *retry;
  guint retry_wait; /* seconds; 0: nothing is tried again */
  NwfKernelWatch *watch;
  NwfNflog *nflog; /* NULL: nobody sees what ports could teach */
  struct NwfFirewalld *firewalld;
} NwfEvents;

struct NwfEngine {
  NwfEngineConfig config; /* its strings are ours */
  GMutex lock;
  GPtrArray *messages; /* of Message *: said when the lock is open */

  NwfFilterStore *filters;
  GHashTable *name_by_uuid; /* GBytes -> char * */
  NwfFilterStore *own;      /* filters of the engine's own: closed, and while addresses are learned */
  GHashTable *ports;        /* name (the binding's) -> NwfEnginePort */

  NwfKernel *kernel;
  gboolean owned;     /* nobody else can change the table */
  guint32 generation; /* of the ruleset after our last change; 0: not known */
  NwfCompileOptions options;
  gboolean probed;     /* options.features is what this kernel can do, not just everything */
  NwfRuleset *table;   /* what the kernel holds */
  gboolean unverified; /* somebody may have changed it, and it could not be compared */
  guint edits;         /* ports edited in it since it was compiled */
  GHashTable *warned;  /* what was warned of since nwf_engine_warn_begin; NULL: nothing is warned of */

  NwfLinks *links;
  gboolean links_unread; /* what has become of interfaces is not known */
  gboolean renamed;      /* a name stands for another one, or did */
  NwfLearner *learner;
  struct NwfCutter *cutter; /* from the first flows to cut on; or NULL */
  NwfEvents events;
};

/* engine.c */
void nwf_engine_lock(NwfEngine *engine);
/** Opens the lock and says what is to be said. */
void nwf_engine_unlock(NwfEngine *engine);
/** Keeps a message until the lock is open. */
void nwf_engine_say(NwfEngine *engine, NwfLogLevel level, const char *format, ...) G_GNUC_PRINTF(3, 4);
/** From here to the end, what the compiler warns of is said, each once: where somebody changed something, not each time
 * that a port is compiled anew. */
void nwf_engine_warn_begin(NwfEngine *engine);
void nwf_engine_warn_end(NwfEngine *engine);
/** An NwfWarningFunc; @data is the engine. */
void nwf_engine_warn(const char *where, const char *what, gpointer data);
/** Seconds since 1970. */
gint64 nwf_engine_now(void);
NwfEnginePort *nwf_engine_port(const NwfEngine *engine, const char *port); /* or NULL */
void nwf_engine_port_free(NwfEnginePort *port);
/** A random UUID (RFC 4122, version 4). */
void nwf_engine_give_uuid(NwfFilter *filter);
/** All ports, borrowed, by name. */
GPtrArray *nwf_engine_ports(const NwfEngine *engine);

/* effective.c */
#define NWF_OWN_FILTER_CLOSED "closed"
/** Fills engine->own. */
gboolean nwf_effective_init(NwfEngine *engine, GError **error);
/** What is to be compiled for the port now; tells the learner what to look for. The caller's. */
NwfBinding *nwf_effective_binding(NwfEngine *engine, NwfEnginePort *port, gboolean *own_filter, GError **error);
/** The port with everything dropped. */
NwfBinding *nwf_effective_closed(const NwfEnginePort *port);

/* install.c */
/** Compiles @ports (of NwfEnginePort *) anew (or, for doomed ones, takes them out) and installs the difference in one
 * batch. A port that cannot be compiled is an error if @strict and it was not closed already, else it is closed.
 * When it fails everything is as before. */
gboolean nwf_install_ports(NwfEngine *engine, const GPtrArray *ports, gboolean strict, GError **error);
/** Closes @ports, whatever their bindings say, until they are installed anew: by the next call for them, or in a while
 * by retry.c. */
void nwf_install_closed(NwfEngine *engine, const GPtrArray *ports);
/** All ports from nothing, as at the start: the kernel is read back, and nothing written when it holds this already. */
gboolean nwf_install_all(NwfEngine *engine, gboolean strict, GError **error);
/** Makes the kernel hold engine->table. */
gboolean nwf_install_verify(NwfEngine *engine, guint *changes, GError **error);

/* closed.c: ports that nobody sees */
NwfEnginePort *nwf_closed_new(const char *name, NwfUnseen why);
/** Takes the port out when it is installed the next time; adds it to @ports. */
void nwf_closed_doom(NwfEnginePort *port, GPtrArray *ports);
/** Installs @ports, of which those that are doomed are freed. What the kernel refuses is tried again. */
void nwf_closed_settle(NwfEngine *engine, const GPtrArray *ports);
/** It, whose time has been set, is to be taken out then. */
void nwf_closed_await(NwfEngine *engine, const NwfEnginePort *port);
/** When the first of them is due, on the engine's thread. */
void nwf_closed_expire(NwfEngine *engine);
/** The end of the grace of a port that is unbound now. */
gint64 nwf_closed_grace(const NwfEngine *engine);

/* links.c */
/** Takes up what has become of interfaces since the last time: who needs to know what is so now calls it first. */
void nwf_links_catch_up(NwfEngine *engine);
/** Whether there is nothing that @binding is about: neither an interface of that name nor the one that had it. */
gboolean nwf_links_is_gone(const NwfEngine *engine, const NwfBinding *binding);
/** Closes the other names of interfaces that bindings are about, in memory; what is loaded is installed after it. */
void nwf_links_find_renamed(NwfEngine *engine);
/** Tells the learner which bridge a port is on, or all ports. Addresses may end by that. */
void nwf_links_tell_network(NwfEngine *engine, const char *port);
void nwf_links_tell_networks(NwfEngine *engine);
/** @name is bound anew, or no longer: so are names that stand for it, the latter after the grace. */
void nwf_links_bound(NwfEngine *engine, const char *name, gboolean bound);

/* storage.c: no lock wanted, files only */
gboolean nwf_storage_make_directory(const char *path, GError **error);
/** Temporary file, fsync; nwf_storage_commit renames it. */
char *nwf_storage_prepare(const char *path, const char *text, GError **error);
gboolean nwf_storage_commit(const char *temporary, const char *path, GError **error);
void nwf_storage_discard(const char *temporary);
gboolean nwf_storage_remove(const char *path, GError **error);
char *nwf_storage_filter_path(const NwfEngine *engine, const char *name);
char *nwf_storage_binding_path(const NwfEngine *engine, const char *port);
char *nwf_storage_filter_text(const NwfFilter *filter);
char *nwf_storage_binding_text(const NwfBinding *binding);
/** Removes what an interrupted write left. */
void nwf_storage_clean(const char *directory);

/* load.c */
/** The filters on disk; one whose file is bad is taken from @old (may be NULL). NULL when the directory cannot be
 * listed. */
NwfFilterStore *nwf_load_filters(NwfEngine *engine, NwfFilterStore *old, GError **error);
/** A port whose file cannot be read is closed. FALSE when the directory cannot be listed. */
gboolean nwf_load_bindings(NwfEngine *engine, GError **error);
void nwf_load_index(NwfEngine *engine);

/* flows.c */
typedef struct NwfCutter NwfCutter;
typedef struct NwfFlows NwfFlows;
/** Remembers whose connections are to be cut when @ports (of NwfEnginePort *) have lost their present rules; NULL:
 * nobody's. */
NwfFlows *nwf_flows_of(const NwfEngine *engine, const GPtrArray *ports);
void nwf_flows_free(NwfFlows *flows);
/** Cuts them, sooner or later, on a thread of its own; takes @flows, which may be NULL. */
void nwf_flows_cut(NwfEngine *engine, NwfFlows *flows);
/** Waits until all are cut; without the lock. */
void nwf_flows_stop(NwfEngine *engine);

/* events.c: without the lock */
/** Opens what the thread listens to; with the lock. */
gboolean nwf_events_open(NwfEngine *engine, GError **error);
/** Opens again what could not be opened or read; with the lock, when the thread has been started. */
void nwf_events_reopen(NwfEngine *engine);
gboolean nwf_events_start(NwfEngine *engine, GError **error);
void nwf_events_stop(NwfEngine *engine);
/** The learner's next expiry may have changed; with the lock. */
void nwf_events_rearm(NwfEngine *engine);

/* retry.c */
/** Has what failed done again in a while, if anything did. */
void nwf_retry_later(NwfEngine *engine);
/** Does it; @engine is a NwfEngine. Without the lock, when the thread has been started. */
gboolean nwf_retry(gpointer engine);

/* firewalld.c: on the engine's thread, without the lock */
typedef struct NwfFirewalld NwfFirewalld;
NwfFirewalld *nwf_firewalld_new(NwfEngine *engine, GMainContext *context);
void nwf_firewalld_free(NwfFirewalld *firewalld);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfFlows, nwf_flows_free)
