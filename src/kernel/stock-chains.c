// SPDX-License-Identifier: LGPL-2.1-or-later
#include "kernel/stock-chains.h"

#include <net/if.h>
#include <string.h>

static void jump_clear(gpointer data) {
  NwfStockJump *jump = data;
  g_free(jump->chain);
  g_free(jump->target);
}

NwfStockChains *nwf_stock_chains_new(gboolean bridge) {
  NwfStockChains *chains = g_new0(NwfStockChains, 1);
  chains->bridge = bridge;
  chains->chains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  chains->found = g_hash_table_new(g_str_hash, g_str_equal);
  chains->jumps = g_array_new(FALSE, FALSE, sizeof(NwfStockJump));
  g_array_set_clear_func(chains->jumps, jump_clear);
  return chains;
}

void nwf_stock_chains_free(NwfStockChains *chains) {
  if (!chains)
    return;
  g_hash_table_unref(chains->found);
  g_hash_table_unref(chains->chains);
  g_array_unref(chains->jumps);
  g_free(chains);
}

void nwf_stock_chains_add(NwfStockChains *chains, const char *name) {
  g_hash_table_add(chains->chains, g_strdup(name));
}

void nwf_stock_chains_jump(NwfStockChains *chains, const char *chain, const char *target, guint64 handle) {
  NwfStockJump jump = {.chain = g_strdup(chain), .target = g_strdup(target), .handle = handle};
  g_array_append_val(chains->jumps, jump);
}

gboolean nwf_stock_chains_has(const NwfStockChains *chains, const char *name) {
  return g_hash_table_contains(chains->found, name);
}

gboolean nwf_stock_jump_goes(const NwfStockChains *chains, const NwfStockJump *jump) {
  return nwf_stock_chains_has(chains, jump->target) && !nwf_stock_chains_has(chains, jump->chain);
}

/* --- bridge --- */

/** Protocols that chains of filters are named after (libvirt's formatnwfilter.html, "chain"). */
static const char *const protocols[] = {"mac", "vlan", "stp", "arp", "rarp", "ipv4", "ipv6"};

/** The port of a chain for all that a port sends or is sent, else NULL. */
static const char *root_port(const char *name) {
  const char *rest = g_str_has_prefix(name, "libvirt-") ? name + strlen("libvirt-") : "";
  gboolean is_root = *rest && strchr("IOJP", rest[0]) && rest[1] == '-' && rest[2] && strlen(rest + 2) < IFNAMSIZ;
  return is_root ? rest + 2 : NULL;
}

/** Whether a name is that of a chain below one of @ports' (which may have a minus in their names). */
static gboolean is_below(const char *name, GHashTable *ports) {
  if (!*name || !strchr("IOJP", name[0]) || name[1] != '-')
    return FALSE;
  for (const char *end = strchr(name + 2, '-'); end; end = strchr(end + 1, '-')) {
    g_autofree char *port = g_strndup(name + 2, (gsize)(end - name - 2));
    if (!g_hash_table_contains(ports, port))
      continue;
    for (gsize i = 0; i < G_N_ELEMENTS(protocols); i++)
      if (g_str_has_prefix(end + 1, protocols[i]))
        return TRUE;
  }
  return FALSE;
}

static void decide_bridge(NwfStockChains *chains) {
  g_autoptr(GHashTable) ports = g_hash_table_new(g_str_hash, g_str_equal);
  GHashTableIter iter;
  gpointer name;
  g_hash_table_iter_init(&iter, chains->chains);
  while (g_hash_table_iter_next(&iter, &name, NULL)) {
    const char *port = root_port(name);
    if (!port)
      continue;
    g_hash_table_add(ports, (gpointer)port);
    g_hash_table_add(chains->found, name);
  }
  g_hash_table_iter_init(&iter, chains->chains);
  while (g_hash_table_iter_next(&iter, &name, NULL))
    if (is_below(name, ports))
      g_hash_table_add(chains->found, name);
}

/* --- IP --- */

static gboolean is_main(const char *name) {
  static const char *const names[] = {"libvirt-in", "libvirt-out", "libvirt-in-post", "libvirt-host-in", NULL};
  return g_strv_contains(names, name);
}

static gboolean is_ports(const char *name) {
  static const char *const prefixes[] = {"FI-", "FO-", "HI-", "FJ-", "FP-", "HJ-"};
  for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++)
    if (g_str_has_prefix(name, prefixes[i]))
      return name[3] && strlen(name + 3) < IFNAMSIZ;
  return FALSE;
}

/** A port's chain is reached from libvirt's chains, or, when its driver ended in the middle, from none. Such a name
 * that only others jump to is theirs. */
static void decide_ip(NwfStockChains *chains) {
  g_autoptr(GHashTable) reached = g_hash_table_new(g_str_hash, g_str_equal);  /* by libvirt's */
  g_autoptr(GHashTable) borrowed = g_hash_table_new(g_str_hash, g_str_equal); /* by others */
  GHashTableIter iter;
  gpointer name;
  for (guint i = 0; i < chains->jumps->len; i++) {
    const NwfStockJump *jump = &g_array_index(chains->jumps, NwfStockJump, i);
    g_hash_table_add(is_main(jump->chain) ? reached : borrowed, jump->target);
  }
  gboolean stock = FALSE;
  g_hash_table_iter_init(&iter, chains->chains);
  while (g_hash_table_iter_next(&iter, &name, NULL))
    stock = stock || is_main(name);
  g_hash_table_iter_init(&iter, chains->chains);
  while (stock && g_hash_table_iter_next(&iter, &name, NULL)) {
    gboolean alone = !g_hash_table_contains(borrowed, name);
    if (is_main(name) || (is_ports(name) && (alone || g_hash_table_contains(reached, name))))
      g_hash_table_add(chains->found, name);
  }
}

guint nwf_stock_chains_decide(NwfStockChains *chains) {
  if (chains->bridge)
    decide_bridge(chains);
  else
    decide_ip(chains);
  return g_hash_table_size(chains->found);
}
