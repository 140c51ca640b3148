// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The netlink side: reads the table back, sends a difference as one batch.
 *
 * A NwfKernel is one netlink socket in the network namespace of the thread that opened it.
 * It must not be used by two threads at once; it holds no lock. Nothing is cached.
 */
#pragma once

#include <nwfilter-nft/ruleset.h>

typedef struct NwfKernel NwfKernel;

/** Opens a NETLINK_NETFILTER socket. NULL with @error (NWF_ERROR_KERNEL) on failure. */
NwfKernel *nwf_kernel_open(GError **error);
void nwf_kernel_close(NwfKernel *kernel);

/** From now on the table is this socket's own (flags owner and persist, Linux 6.9): nobody else can change it while
 * the socket is open, it stays when the socket closes, and the next owner takes it over as it is. A table that is
 * there without these flags is replaced by one that has them with the next change that is sent; nwf_kernel_install
 * and nwf_kernel_update send one even if its content is what is wanted. What an earlier owner left is taken over
 * here, which counts as one generation and changes nothing in it. On kernels without the flags nothing
 * changes, and FALSE is returned; also without CAP_NET_ADMIN.
 *
 * Then nwf_kernel_read marks a table without the flags as foreign, so that nwf_ruleset_diff replaces it, and
 * nwf_kernel_commit answers NWF_ERROR_CHANGED when such a table has taken the place of ours. When somebody
 * else owns the table, changes fail with NWF_ERROR_KERNEL, and the message says who. */
gboolean nwf_kernel_own(NwfKernel *kernel);
/** The process that owns the table (@pid 0: not known, @name of at least 16 bytes, may be empty); FALSE: nobody. */
gboolean nwf_kernel_owner(NwfKernel *kernel, guint32 *pid, char *name);

/** Reads the table back. @ruleset is NULL when there is none. Objects that are not of our
 * making (a rule with an expression we never write) come back as such: a chain that holds one
 * differs from every chain that we would write. Reads again when somebody changed the
 * ruleset meanwhile. @generation may be NULL. */
gboolean nwf_kernel_read(NwfKernel *kernel, NwfRuleset **ruleset, guint32 *generation, GError **error);
/** The ruleset's generation: changes with every commit in this namespace. */
gboolean nwf_kernel_generation(NwfKernel *kernel, guint32 *generation, GError **error);

/** Sends @changes (nwf_ruleset_diff's) as one transaction, which holds as a whole or not at all.
 * With @generation not 0 the kernel refuses it (NWF_ERROR_CHANGED) when the ruleset is no longer of
 * that generation. An error's message names the chain and its rule's comment, or the set and the
 * element, that the kernel refused. */
gboolean nwf_kernel_commit(NwfKernel *kernel, const GArray *changes, guint32 generation, GError **error);

/** What this kernel can do: NwfFeatures. Tried in a table of its own in a batch that is
 * never committed. */
gboolean nwf_kernel_probe(NwfKernel *kernel, guint *features, GError **error);

/** The caller's own summary of what a table was made from; all zero is none. */
#define NWF_STAMP_LEN 16

/** The stamp of the table, if nobody changed anything in this namespace's nftables since an update of
 * ours wrote it; else FALSE, which says nothing. */
gboolean nwf_kernel_stamp(NwfKernel *kernel, guint8 stamp[NWF_STAMP_LEN]);

/** What nwf_kernel_update is to do: what the kernel shall hold is either @want (NULL: no table), or
 * what @make gives for what it holds now. */
typedef struct {
  const NwfRuleset *want;
  /** Gives the ruleset that is wanted, the caller's then (NULL: no table), for @have (NULL: no
   * table); FALSE with @error ends the update. */
  gboolean (*make)(const NwfRuleset *have, NwfRuleset **want, gpointer data, GError **error);
  /** Called once when all is done, or was found to be; may be NULL. */
  void (*done)(const NwfRuleset *have, const NwfRuleset *want, const GArray *changes, gpointer data);
  gpointer data;
  gboolean dry_run;    /* sends nothing */
  const guint8 *stamp; /* NWF_STAMP_LEN bytes that nwf_kernel_stamp is to give, or NULL */
} NwfKernelUpdate;

/** Reads, compares and sends until the kernel holds what is wanted: nothing is sent when it does
 * already. A change by somebody else between reading and sending starts it over. */
gboolean nwf_kernel_update(NwfKernel *kernel, const NwfKernelUpdate *update, GError **error);

/** Whether it is not known what the kernel holds, because its answer to what was sent last could not be read. That is
 * so until the table is read back, which nwf_kernel_update does by itself; should it fail, the caller has to have it
 * done again. */
gboolean nwf_kernel_unsure(const NwfKernel *kernel);

/** nwf_kernel_update with @want; @changed (may be NULL) counts the changes that were sent. */
gboolean nwf_kernel_install(NwfKernel *kernel, const NwfRuleset *want, guint *changed, GError **error);

/** NwfIpsetFunc over the kernel's ipsets; @data is the NwfKernel. */
gboolean nwf_kernel_ipset(const char *name, guint dimensions, gboolean ipv6, NwfRuleset *ruleset, NwfSet *set,
                          gpointer data, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfKernel, nwf_kernel_close)
