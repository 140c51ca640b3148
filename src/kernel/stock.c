// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Taking away what libvirt's own nwfilter driver left in nf_tables, in one transaction.
 *
 * Its chains stand in tables that others use, too: they go, and the rules that jump to them, and nothing else. libvirt
 * 12 can have tables of its own (nwfilter_nftables_driver.c), which go as a whole.
 */
#include "kernel/stock.h"
#include "kernel/internal.h"
#include "kernel/stock-chains.h"

#include <errno.h>

/* Others may commit between our reading and our sending. */
#define ATTEMPTS 64
#define PAUSE_US 500

typedef struct {
  guint8 family;
  const char *name;
  gboolean whole; /* libvirt's alone */
} StockTable;

static const StockTable tables[] = {
    {NFPROTO_BRIDGE, "nat", FALSE},
    {NFPROTO_IPV4, "filter", FALSE},
    {NFPROTO_IPV6, "filter", FALSE},
    {NFPROTO_BRIDGE, "libvirt_nwfilter_ethernet", TRUE},
    {NFPROTO_BRIDGE, "libvirt_nwfilter_inet", TRUE},
};

/* --- reading --- */

typedef struct {
  const StockTable *table;
  NwfStockChains *chains;
  guint n_chains; /* all of the table's */
} Reading;

static int take_nothing(const struct nlmsghdr *message, void *data) {
  return MNL_CB_OK;
}

static gboolean is_of(const struct nlattr *name, const StockTable *table, const struct nlmsghdr *message) {
  const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
  return message->nlmsg_len >= NLMSG_LENGTH(sizeof *header) && header->nfgen_family == table->family &&
         g_strcmp0(nwf_attr_text(name), table->name) == 0;
}

static int take_chain(const struct nlmsghdr *message, void *data) {
  Reading *reading = data;
  NwfAttrs attrs;
  nwf_attrs_message(message, NFTA_CHAIN_MAX, &attrs);
  const char *name = nwf_attr_text(attrs.attr[NFTA_CHAIN_NAME]);
  if (!name || !is_of(attrs.attr[NFTA_CHAIN_TABLE], reading->table, message))
    return MNL_CB_OK;
  reading->n_chains++;
  if (!attrs.attr[NFTA_CHAIN_HOOK])
    nwf_stock_chains_add(reading->chains, name);
  return MNL_CB_OK;
}

/** The chain that one expression jumps or goes to, or NULL. */
static const char *jump_target(const struct nlattr *expr) {
  NwfAttrs attrs, immediate;
  NwfVerdict verdict;
  nwf_attrs_nested(expr, NFTA_EXPR_MAX, &attrs);
  if (g_strcmp0(nwf_attr_text(attrs.attr[NFTA_EXPR_NAME]), "immediate") != 0)
    return NULL;
  nwf_attrs_nested(attrs.attr[NFTA_EXPR_DATA], NFTA_IMMEDIATE_MAX, &immediate);
  return nwf_decode_verdict(immediate.attr[NFTA_IMMEDIATE_DATA], &verdict) ? verdict.chain : NULL;
}

static int take_rule(const struct nlmsghdr *message, void *data) {
  Reading *reading = data;
  NwfAttrs attrs;
  nwf_attrs_message(message, NFTA_RULE_MAX, &attrs);
  const struct nlattr *list = attrs.attr[NFTA_RULE_EXPRESSIONS], *expr;
  const char *chain = nwf_attr_text(attrs.attr[NFTA_RULE_CHAIN]);
  if (!chain || !list || !is_of(attrs.attr[NFTA_RULE_TABLE], reading->table, message))
    return MNL_CB_OK;
  mnl_attr_for_each_nested(expr, list) {
    const char *target = jump_target(expr);
    if (target)
      nwf_stock_chains_jump(reading->chains, chain, target, nwf_attr_u64(attrs.attr[NFTA_RULE_HANDLE], 0));
  }
  return MNL_CB_OK;
}

static gboolean ask(NwfKernel *kernel, const StockTable *table, guint message, guint flags, mnl_cb_t take,
                    gpointer data, int *code) {
  guint8 buffer[512];
  struct nlmsghdr *request = nwf_kernel_request(kernel, buffer, NFNL_SUBSYS_NFTABLES, message, flags, table->family);
  mnl_attr_put_strz(request, NFTA_TABLE_NAME, table->name); /* attribute 1 of chains and rules, too */
  return nwf_kernel_talk(kernel, request, take, data, code);
}

/* --- removing --- */

static struct nlmsghdr *begin(NwfBatch *batch, const StockTable *table, guint message) {
  struct nlmsghdr *header = nwf_batch_begin(batch, message, 0, (guint)(table - tables), 0);
  ((struct nfgenmsg *)mnl_nlmsg_get_payload(header))->nfgen_family = table->family;
  mnl_attr_put_strz(header, NFTA_TABLE_NAME, table->name); /* attribute 1 of chains and rules, too */
  return header;
}

static void delete_rule(NwfBatch *batch, const StockTable *table, const NwfStockJump *jump) {
  struct nlmsghdr *message = begin(batch, table, NFT_MSG_DELRULE);
  mnl_attr_put_strz(message, NFTA_RULE_CHAIN, jump->chain);
  mnl_attr_put_u64(message, NFTA_RULE_HANDLE, GUINT64_TO_BE(jump->handle));
  nwf_batch_end(batch, message);
}

/** All that refers to a chain goes before the chain. */
static void remove_chains(NwfBatch *batch, const StockTable *table, const NwfStockChains *chains) {
  GHashTableIter iter;
  gpointer name;
  for (guint i = 0; i < chains->jumps->len; i++)
    if (nwf_stock_jump_goes(chains, &g_array_index(chains->jumps, NwfStockJump, i)))
      delete_rule(batch, table, &g_array_index(chains->jumps, NwfStockJump, i));
  g_hash_table_iter_init(&iter, chains->found);
  while (g_hash_table_iter_next(&iter, &name, NULL)) {
    struct nlmsghdr *message = begin(batch, table, NFT_MSG_DELRULE); /* without a handle: all of the chain */
    mnl_attr_put_strz(message, NFTA_RULE_CHAIN, name);
    nwf_batch_end(batch, message);
  }
  g_hash_table_iter_init(&iter, chains->found);
  while (g_hash_table_iter_next(&iter, &name, NULL)) {
    struct nlmsghdr *message = begin(batch, table, NFT_MSG_DELCHAIN);
    mnl_attr_put_strz(message, NFTA_CHAIN_NAME, name);
    nwf_batch_end(batch, message);
  }
}

/** FALSE with errno in @code; EINTR: it changed meanwhile. */
static gboolean plan_table(NwfKernel *kernel, const StockTable *table, NwfBatch *batch, guint *removed, int *code) {
  g_autoptr(NwfStockChains) chains = nwf_stock_chains_new(table->family == NFPROTO_BRIDGE);
  Reading reading = {.table = table, .chains = chains};
  if (!ask(kernel, table, NFT_MSG_GETTABLE, 0, take_nothing, NULL, code))
    return *code == ENOENT;
  if (!ask(kernel, table, NFT_MSG_GETCHAIN, NLM_F_DUMP, take_chain, &reading, code))
    return FALSE;
  if (table->whole) {
    nwf_batch_end(batch, begin(batch, table, NFT_MSG_DELTABLE));
    *removed += reading.n_chains;
    return TRUE;
  }
  if (!ask(kernel, table, NFT_MSG_GETRULE, NLM_F_DUMP, take_rule, &reading, code))
    return FALSE;
  *removed += nwf_stock_chains_decide(chains);
  remove_chains(batch, table, chains);
  return TRUE;
}

static void refused(GError **error, const NwfBatch *batch, const NwfBatchAnswer *answer) {
  guint32 index = answer->seq - batch->seq - 1;
  const StockTable *table =
      index < batch->origins->len ? &tables[g_array_index(batch->origins, NwfOrigin, index).change] : NULL;
  g_set_error(error, NWF_ERROR, answer->code == ERESTART ? NWF_ERROR_CHANGED : NWF_ERROR_KERNEL,
              "cannot remove what libvirt's own nwfilter driver left%s%s: %s", table ? " in table " : "",
              table ? table->name : "", g_strerror(answer->code));
}

/** FALSE with NWF_ERROR_CHANGED: somebody changed something meanwhile. */
static gboolean attempt(NwfKernel *kernel, guint *removed, GError **error) {
  guint32 generation;
  int code;
  *removed = 0;
  if (!nwf_kernel_generation(kernel, &generation, error))
    return FALSE;
  g_auto(NwfBatch) batch = {0};
  nwf_batch_init(&batch, kernel->seq, generation);
  for (gsize i = 0; i < G_N_ELEMENTS(tables); i++) {
    if (plan_table(kernel, &tables[i], &batch, removed, &code))
      continue;
    g_set_error(error, NWF_ERROR, code == EINTR ? NWF_ERROR_CHANGED : NWF_ERROR_KERNEL, "cannot read table %s: %s",
                tables[i].name, g_strerror(code));
    return FALSE;
  }
  NwfBatchAnswer answer;
  if (nwf_batch_send(kernel, &batch, TRUE, &answer))
    return TRUE;
  refused(error, &batch, &answer);
  g_free(answer.text);
  return FALSE;
}

static gboolean remove_from_nftables(NwfKernel *kernel, guint *removed, GError **error) {
  for (guint n = 1;; n++) {
    g_autoptr(GError) reason = NULL;
    if (attempt(kernel, removed, &reason))
      return TRUE;
    if (!g_error_matches(reason, NWF_ERROR, NWF_ERROR_CHANGED) || n == ATTEMPTS) {
      g_propagate_error(error, g_steal_pointer(&reason));
      return FALSE;
    }
    g_usleep(PAUSE_US * n);
  }
}

gboolean nwf_stock_remove(guint *removed, GError **error) {
  guint ignored;
  removed = removed ? removed : &ignored;
  *removed = 0;
  g_autoptr(NwfKernel) kernel = nwf_kernel_open(error);
  return kernel && remove_from_nftables(kernel, removed, error) && nwf_stock_remove_legacy(removed, error);
}
