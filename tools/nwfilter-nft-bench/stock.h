// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The rules of libvirt's own driver for many guests. It takes a second a port to make them, so it makes them for one,
 * and they are written out for the others: a guest's rules have its port, MAC and IP address in them, and nothing
 * else that differs.
 */
#pragma once

#include "bench.h"

G_BEGIN_DECLS

typedef struct {
  char *name;  /* "libvirt 9.0.0, ebtables" */
  char *rules; /* for one guest, as ebtables-save or nft print them */
  gboolean is_ebtables;
} StockRules;

void stock_rules_free(StockRules *rules);

/** What the libvirt in @root, or here when that is NULL, makes of clean-traffic with that backend ("ebtables",
 * "nftables"; NULL: its own choice, which is ebtables). */
StockRules *stock_rules_capture(const Bench *bench, const char *root, const char *backend, GError **error);
/** The same from memory, where there is no libvirt: what 9.0.0 made. */
StockRules *stock_rules_known(void);
/** Written out for the first @n guests: a document for ebtables-nft-restore, or for nft. */
char *stock_rules_for(const StockRules *rules, guint n);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(StockRules, stock_rules_free)

G_END_DECLS
