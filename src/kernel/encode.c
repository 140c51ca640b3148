// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Changes of a ruleset as messages of a batch.
 */
#include "kernel/internal.h"

static void put_u32(struct nlmsghdr *message, guint16 attribute, guint32 value) {
  mnl_attr_put_u32(message, attribute, htonl(value));
}

void nwf_encode_table(NwfBatch *batch, gboolean add, guint change) {
  struct nlmsghdr *message =
      nwf_batch_begin(batch, add ? NFT_MSG_NEWTABLE : NFT_MSG_DELTABLE, add ? NLM_F_CREATE : 0, change, 0);
  mnl_attr_put_strz(message, NFTA_TABLE_NAME, NWF_TABLE);
  if (add)
    put_u32(message, NFTA_TABLE_FLAGS, batch->table_flags);
  nwf_batch_end(batch, message);
}

/** The kernel sends frames through a new base chain at once, but sees its rules after the commit. So that it loses
 * none in between, its policy is accept until then: what is in force by this batch only was not in force before.
 * Where another table goes, which was, nothing passes meanwhile. */
static void put_hook(const NwfBatch *batch, struct nlmsghdr *message, const NwfChain *chain) {
  static const guint32 hooks[] = {
      [NWF_HOOK_PREROUTING] = NF_INET_PRE_ROUTING, /* the bridge family's hooks have the numbers of IP's */
      [NWF_HOOK_INPUT] = NF_INET_LOCAL_IN,
      [NWF_HOOK_FORWARD] = NF_INET_FORWARD,
      [NWF_HOOK_POSTROUTING] = NF_INET_POST_ROUTING,
  };
  mnl_attr_put_strz(message, NFTA_CHAIN_TYPE, "filter");
  put_u32(message, NFTA_CHAIN_POLICY, batch->replaces ? NF_DROP : NF_ACCEPT);
  struct nlattr *hook = mnl_attr_nest_start(message, NFTA_CHAIN_HOOK);
  put_u32(message, NFTA_HOOK_HOOKNUM, hooks[chain->hook]);
  put_u32(message, NFTA_HOOK_PRIORITY, (guint32)chain->priority);
  mnl_attr_nest_end(message, hook);
}

/** Of a base chain that is there; takes effect with the commit. */
static void encode_policy(NwfBatch *batch, const NwfChain *chain, guint32 policy, guint change) {
  struct nlmsghdr *message = nwf_batch_begin(batch, NFT_MSG_NEWCHAIN, 0, change, 0);
  mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, NWF_TABLE);
  mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain->name);
  put_u32(message, NFTA_CHAIN_POLICY, policy);
  nwf_batch_end(batch, message);
}

static void encode_chain(NwfBatch *batch, const NwfChain *chain, gboolean add, guint change) {
  struct nlmsghdr *message =
      nwf_batch_begin(batch, add ? NFT_MSG_NEWCHAIN : NFT_MSG_DELCHAIN, add ? NLM_F_CREATE : 0, change, 0);
  mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, NWF_TABLE);
  mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain->name);
  if (add && chain->hook != NWF_HOOK_NONE)
    put_hook(batch, message, chain);
  nwf_batch_end(batch, message);
  if (add && chain->hook != NWF_HOOK_NONE && !batch->replaces)
    encode_policy(batch, chain, NF_DROP, change);
}

/** Without a handle this deletes all rules of the chain. */
static void encode_flush(NwfBatch *batch, const NwfChain *chain, guint change) {
  struct nlmsghdr *message = nwf_batch_begin(batch, NFT_MSG_DELRULE, 0, change, 0);
  mnl_attr_put_strz(message, NFTA_RULE_TABLE, NWF_TABLE);
  mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain->name);
  nwf_batch_end(batch, message);
}

static gboolean encode_rules(NwfBatch *batch, const NwfChain *chain, guint change, GError **error) {
  for (guint i = 0; i < chain->rules->len; i++) {
    const NwfNftRule *rule = &g_array_index(chain->rules, NwfNftRule, i);
    if (rule->n_exprs > NWF_RULE_EXPRS_MAX) {
      g_set_error(error, NWF_ERROR, NWF_ERROR_LIMIT, "chain %s: rule \"%s\" is longer than the kernel takes",
                  chain->name, rule->comment ? rule->comment : "");
      return FALSE;
    }
    struct nlmsghdr *message = nwf_batch_begin(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, change, i);
    mnl_attr_put_strz(message, NFTA_RULE_TABLE, NWF_TABLE);
    mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain->name);
    nwf_encode_exprs(message, rule);
    nwf_encode_rule_udata(message, rule->comment, i == 0 && chain == batch->marked ? batch->mark : NULL);
    nwf_batch_end(batch, message);
  }
  return TRUE;
}

static void encode_delete_set(NwfBatch *batch, const NwfSet *set, guint change) {
  struct nlmsghdr *message = nwf_batch_begin(batch, NFT_MSG_DELSET, 0, change, 0);
  mnl_attr_put_strz(message, NFTA_SET_TABLE, NWF_TABLE);
  mnl_attr_put_strz(message, NFTA_SET_NAME, set->name);
  nwf_batch_end(batch, message);
}

/** Neighbouring changes to elements of one set go into common messages. */
static guint encode_element_run(NwfBatch *batch, const GArray *changes, guint first) {
  const NwfChange *change = &g_array_index(changes, NwfChange, first);
  const NwfElement *run[256];
  guint n = 0;
  for (; first + n < changes->len && n < G_N_ELEMENTS(run); n++) {
    const NwfChange *next = &g_array_index(changes, NwfChange, first + n);
    if (next->kind != change->kind || next->set != change->set)
      break;
    run[n] = next->element;
  }
  gboolean add = change->kind == NWF_CHANGE_ADD_ELEMENT;
  nwf_encode_elements(batch, add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, change->set, run, n, first, 0);
  return n;
}

/** A base chain that goes has lost its rules when the kernel takes it out of the way of frames. */
static void open_going(NwfBatch *batch, const GArray *changes) {
  for (guint i = 0; i < changes->len; i++) {
    const NwfChange *change = &g_array_index(changes, NwfChange, i);
    if (change->kind == NWF_CHANGE_DELETE_CHAIN && change->chain->hook != NWF_HOOK_NONE)
      encode_policy(batch, change->chain, NF_ACCEPT, i);
  }
}

gboolean nwf_encode_changes(NwfBatch *batch, const GArray *changes, GError **error) {
  batch->replaces = changes->len && g_array_index(changes, NwfChange, 0).kind == NWF_CHANGE_DELETE_TABLE;
  open_going(batch, changes);
  for (guint i = 0; i < changes->len;) {
    const NwfChange *change = &g_array_index(changes, NwfChange, i);
    guint done = 1;
    switch (change->kind) {
    case NWF_CHANGE_ADD_TABLE:
    case NWF_CHANGE_DELETE_TABLE:
      nwf_encode_table(batch, change->kind == NWF_CHANGE_ADD_TABLE, i);
      break;
    case NWF_CHANGE_ADD_SET:
      nwf_encode_set(batch, change->set, i);
      break;
    case NWF_CHANGE_DELETE_SET:
      encode_delete_set(batch, change->set, i);
      break;
    case NWF_CHANGE_ADD_CHAIN:
    case NWF_CHANGE_DELETE_CHAIN:
      encode_chain(batch, change->chain, change->kind == NWF_CHANGE_ADD_CHAIN, i);
      break;
    case NWF_CHANGE_ADD_RULES:
      if (!encode_rules(batch, change->chain, i, error))
        return FALSE;
      break;
    case NWF_CHANGE_FLUSH_CHAIN:
      encode_flush(batch, change->chain, i);
      break;
    case NWF_CHANGE_ADD_ELEMENT:
    case NWF_CHANGE_DELETE_ELEMENT:
      done = encode_element_run(batch, changes, i);
      break;
    }
    i += done;
  }
  return TRUE;
}
