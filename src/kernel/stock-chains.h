// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Which chains of a table of ebtables or iptables are libvirt's nwfilter driver's: plain data, whatever they were read
 * from.
 *
 * The names are those that libvirt's nwfilter_ebiptables_driver.c makes. Of the bridge table: libvirt-I-PORT and
 * libvirt-O-PORT, and below them I-PORT-PROTOCOL... and O-PORT-PROTOCOL..., with J and P for I and O while they are
 * being made. Of the IP tables: libvirt-in, libvirt-out, libvirt-in-post, libvirt-host-in, and FI-PORT, FO-PORT,
 * HI-PORT, with FJ-, FP-, HJ- while they are being made.
 */
#pragma once

#include <glib.h>

typedef struct {
  char *chain;
  char *target;
  guint64 handle; /* or whatever the reader wants to know the rule by */
} NwfStockJump;

typedef struct {
  gboolean bridge;
  GHashTable *chains; /* name -> owned name, those that could be libvirt's: not base chains */
  GHashTable *found;  /* those that are; nwf_stock_chains_decide */
  GArray *jumps;      /* of NwfStockJump: all rules that jump */
} NwfStockChains;

NwfStockChains *nwf_stock_chains_new(gboolean bridge);
void nwf_stock_chains_free(NwfStockChains *chains);
/** A chain that is no hook's. */
void nwf_stock_chains_add(NwfStockChains *chains, const char *name);
/** A rule of any chain that jumps (or goes) to a chain. */
void nwf_stock_chains_jump(NwfStockChains *chains, const char *chain, const char *target, guint64 handle);
/** When all were added: how many are libvirt's. */
guint nwf_stock_chains_decide(NwfStockChains *chains);
gboolean nwf_stock_chains_has(const NwfStockChains *chains, const char *name);
/** The rule stands in somebody else's chain and has to go with what it jumps to. */
gboolean nwf_stock_jump_goes(const NwfStockChains *chains, const NwfStockJump *jump);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfStockChains, nwf_stock_chains_free)

/** stock-legacy.c: the same in what legacy ebtables and iptables hold, when they are in use; adds to @removed. */
gboolean nwf_stock_remove_legacy(guint *removed, GError **error);
