// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The engine: which filters and bindings exist, what the kernel is to hold for them, and making it so.
 *
 * All functions but nwf_engine_new and nwf_engine_free may be called from any thread at any time; one lock is
 * taken at these doors. The functions in NwfEngineConfig are never called with that lock held. What they return
 * is a copy that the caller owns. Netlink notifications, learned frames, D-Bus and timers are served by a thread
 * of the engine's own.
 *
 * What is changed here is changed whole: when a function fails, memory, files and the kernel are as before.
 */
#pragma once

#include <nwfilter-nft/model.h>

G_BEGIN_DECLS

#define NWF_ENGINE_ERROR (nwf_engine_error_quark())
GQuark nwf_engine_error_quark(void);

typedef enum {
  NWF_ENGINE_ERROR_NO_FILTER,  /* no filter of that name or UUID */
  NWF_ENGINE_ERROR_NO_BINDING, /* no binding of that port */
  NWF_ENGINE_ERROR_IN_USE,     /* a binding or another filter needs the filter */
  NWF_ENGINE_ERROR_CLASH,      /* name and UUID belong to different filters */
  NWF_ENGINE_ERROR_EXISTS,     /* the port has a binding already */
} NwfEngineError;

typedef enum { NWF_LOG_DEBUG, NWF_LOG_INFO, NWF_LOG_WARNING, NWF_LOG_ERROR } NwfLogLevel;

typedef struct {
  const char *filter_dir;         /* NAME.xml; made when it is not there */
  const char *binding_dir;        /* PORT.xml, <filterbindingstatus> */
  const char *lease_file;         /* DHCP leases in the stock driver's format */
  const char *state_dir;          /* what else was learned, PORT.state */
  gboolean keep_stock;            /* leave the stock driver's chains alone */
  gboolean no_bus;                /* do not look for firewalld on the system bus */
  gboolean keep_flows;            /* a deleted binding's established connections stay in conntrack */
  gboolean cut_flows_on_redefine; /* ports whose filter is redefined lose theirs */
  gboolean chain_end_accepts;     /* what comes to the end of a chain is accepted, as with ebtables */
  guint unbind_grace;             /* milliseconds for which a port whose interface is still there stays closed when it
                                     is unbound, since another binding may be about to follow; 0: none */
  guint16 log_group;              /* NFLOG group for learning; 0: NWF_ENGINE_LOG_GROUP */
  void (*log)(NwfLogLevel level, const char *message, gpointer data); /* may be NULL */
  gpointer data;
} NwfEngineConfig;

/** Ours: any number that nobody else uses would do. */
#define NWF_ENGINE_LOG_GROUP 27974

typedef struct NwfEngine NwfEngine;

/** Reads filters and bindings (bad files are logged and skipped), installs everything in one batch, then removes
 * what the stock driver left, and starts serving. A binding that cannot be compiled leaves its port closed, with
 * an error logged, and so does one that cannot be read; only what makes all of it impossible (no netlink, a directory
 * that cannot be listed) is a failure, which leaves the kernel as it is. */
NwfEngine *nwf_engine_new(const NwfEngineConfig *config, GError **error);
/** Ends the thread; the kernel keeps the table. */
void nwf_engine_free(NwfEngine *engine);
/** Reads the filters from disk again and installs the difference. A file that has become bad or cannot be read keeps
 * its meaning; when the directory cannot be listed nothing changes. */
gboolean nwf_engine_reload(NwfEngine *engine, GError **error);
/** Compares the kernel with what it should hold and puts it right. @repaired (may be NULL): it had to. */
gboolean nwf_engine_verify(NwfEngine *engine, gboolean *repaired, GError **error);

typedef struct {
  char *name;
  guint8 uuid[NWF_UUID_LEN];
} NwfFilterHead;
void nwf_filter_head_clear(NwfFilterHead *head);

/** All filters, of NwfFilterHead, by name; elements are cleared with the array. */
GArray *nwf_engine_filters(NwfEngine *engine);
gboolean nwf_engine_filter_by_name(NwfEngine *engine, const char *name, NwfFilterHead *head, GError **error);
gboolean nwf_engine_filter_by_uuid(NwfEngine *engine, const guint8 uuid[NWF_UUID_LEN], NwfFilterHead *head,
                                   GError **error);
/** The filter as XML; the caller frees it. */
char *nwf_engine_filter_xml(NwfEngine *engine, const guint8 uuid[NWF_UUID_LEN], GError **error);
/** Defines or redefines a filter, which is taken, and written to disk; every port that reaches it is compiled
 * anew and installed in one batch. A filter without UUID gets one, so that, as with the stock driver, a filter
 * can only be redefined by a document that has its UUID. References to filters that do not exist (yet) are
 * allowed as long as no binding reaches them. */
gboolean nwf_engine_define(NwfEngine *engine, NwfFilter *filter, NwfFilterHead *head, GError **error);
/** Refused while a binding reaches it. */
gboolean nwf_engine_undefine(NwfEngine *engine, const guint8 uuid[NWF_UUID_LEN], GError **error);

typedef struct {
  char *port;
  char *filter;
  char *owner_name; /* or NULL */
  guint8 owner_uuid[NWF_UUID_LEN];
} NwfBindingHead;
void nwf_binding_head_clear(NwfBindingHead *head);

/** All bindings, of NwfBindingHead, by port; elements are cleared with the array. */
GArray *nwf_engine_bindings(NwfEngine *engine);
gboolean nwf_engine_binding(NwfEngine *engine, const char *port, NwfBindingHead *head, GError **error);
/** The binding as a <filterbinding>; the caller frees it. */
char *nwf_engine_binding_xml(NwfEngine *engine, const char *port, GError **error);
/** Binds a port; @binding is taken. The interface need not exist yet: the rules are there before it. */
gboolean nwf_engine_bind(NwfEngine *engine, NwfBinding *binding, GError **error);
gboolean nwf_engine_unbind(NwfEngine *engine, const char *port, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfEngine, nwf_engine_free)

G_END_DECLS
