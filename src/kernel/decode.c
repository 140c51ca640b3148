// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Messages of a dump as a ruleset.
 */
#include "kernel/internal.h"

#include <string.h>

/* newer than the kernel headers we may be built with: NFT_CHAIN_BINDING and what anonymous objects have */
#define CHAIN_BINDING (1u << 2)

void nwf_decoder_init(NwfDecoder *decoder) {
  *decoder = (NwfDecoder){.ruleset = nwf_ruleset_new()};
}

static gboolean is_ours(const struct nlattr *table) {
  return g_strcmp0(nwf_attr_text(table), NWF_TABLE) == 0;
}

/** A name that may go into a ruleset once. */
static const char *name_of(const struct nlattr *attr) {
  const char *name = nwf_attr_text(attr);
  return name && *name ? name : NULL;
}

static void decode_table(NwfDecoder *decoder, const struct nlmsghdr *message) {
  NwfAttrs attrs;
  nwf_attrs_message(message, NFTA_TABLE_MAX, &attrs);
  if (!is_ours(attrs.attr[NFTA_TABLE_NAME]))
    return;
  decoder->table = TRUE;
  decoder->use = nwf_attr_u32(attrs.attr[NFTA_TABLE_USE], 0);
  decoder->flags = nwf_attr_u32(attrs.attr[NFTA_TABLE_FLAGS], 0);
  if (decoder->flags & ~NWF_TABLE_OWNED || attrs.attr[NFTA_TABLE_USERDATA])
    decoder->ruleset->foreign = TRUE;
}

static gboolean decode_hook(const struct nlattr *nest, NwfHook *hook, int *priority) {
  NwfAttrs attrs;
  gboolean known = nwf_attrs_nested(nest, NFTA_HOOK_MAX, &attrs);
  if (!known || attrs.attr[NFTA_HOOK_DEV] || attrs.attr[NFTA_HOOK_DEVS])
    return FALSE;
  *priority = (int)nwf_attr_u32(attrs.attr[NFTA_HOOK_PRIORITY], 0);
  switch (nwf_attr_u32(attrs.attr[NFTA_HOOK_HOOKNUM], G_MAXUINT32)) {
  case NF_INET_PRE_ROUTING:
    *hook = NWF_HOOK_PREROUTING;
    return TRUE;
  case NF_INET_LOCAL_IN:
    *hook = NWF_HOOK_INPUT;
    return TRUE;
  case NF_INET_FORWARD:
    *hook = NWF_HOOK_FORWARD;
    return TRUE;
  case NF_INET_POST_ROUTING:
    *hook = NWF_HOOK_POSTROUTING;
    return TRUE;
  default:
    return FALSE;
  }
}

static void decode_chain(NwfDecoder *decoder, const struct nlmsghdr *message) {
  NwfAttrs attrs;
  nwf_attrs_message(message, NFTA_CHAIN_MAX, &attrs);
  const char *name = name_of(attrs.attr[NFTA_CHAIN_NAME]);
  if (!is_ours(attrs.attr[NFTA_CHAIN_TABLE]) || !name || nwf_ruleset_chain(decoder->ruleset, name))
    return;
  decoder->objects++;
  guint32 flags = nwf_attr_u32(attrs.attr[NFTA_CHAIN_FLAGS], 0);
  if (flags & CHAIN_BINDING)
    return; /* goes with the rule that it belongs to, and that is foreign */
  NwfHook hook = NWF_HOOK_NONE;
  int priority = 0;
  const struct nlattr *nest = attrs.attr[NFTA_CHAIN_HOOK];
  gboolean ours = !attrs.attr[NFTA_CHAIN_USERDATA] && !(flags & ~(guint32)NFT_CHAIN_BASE);
  if (nest)
    ours = ours && decode_hook(nest, &hook, &priority) &&
           g_strcmp0(nwf_attr_text(attrs.attr[NFTA_CHAIN_TYPE]), "filter") == 0 &&
           nwf_attr_u32(attrs.attr[NFTA_CHAIN_POLICY], NF_ACCEPT) == NF_DROP;
  if (!ours)
    decoder->ruleset->foreign = TRUE;
  nwf_ruleset_add_chain(decoder->ruleset, name, hook, priority);
}

static void decode_set(NwfDecoder *decoder, const struct nlmsghdr *message) {
  NwfAttrs attrs;
  gboolean known = nwf_attrs_message(message, NFTA_SET_MAX, &attrs);
  const char *name = name_of(attrs.attr[NFTA_SET_NAME]);
  (void)known; /* newer kernels tell more (type and count of elements), which changes nothing */
  if (!is_ours(attrs.attr[NFTA_SET_TABLE]) || !name)
    return;
  decoder->objects++;
  if (nwf_attr_u32(attrs.attr[NFTA_SET_FLAGS], 0) & NFT_SET_ANONYMOUS)
    return; /* goes with its rule, whose set has a name that we never give */
  if (!nwf_decode_set(decoder->ruleset, name, &attrs))
    decoder->ruleset->foreign = TRUE;
}

static void decode_elements(NwfDecoder *decoder, const struct nlmsghdr *message) {
  NwfAttrs attrs;
  nwf_attrs_message(message, NFTA_SET_ELEM_LIST_MAX, &attrs);
  const char *name = name_of(attrs.attr[NFTA_SET_ELEM_LIST_SET]);
  const struct nlattr *list = attrs.attr[NFTA_SET_ELEM_LIST_ELEMENTS];
  NwfSet *set = name && is_ours(attrs.attr[NFTA_SET_ELEM_LIST_TABLE]) ? nwf_ruleset_set(decoder->ruleset, name) : NULL;
  if (set && list && !nwf_decode_elements(decoder->ruleset, set, list))
    decoder->ruleset->foreign = TRUE;
}

static NwfChain *chain_named(NwfDecoder *decoder, const char *name) {
  if (!decoder->chain || strcmp(decoder->chain->name, name) != 0)
    decoder->chain = nwf_ruleset_chain(decoder->ruleset, name);
  return decoder->chain;
}

static void decode_rule(NwfDecoder *decoder, const struct nlmsghdr *message) {
  NwfAttrs attrs;
  nwf_attrs_message(message, NFTA_RULE_MAX, &attrs);
  const char *name = name_of(attrs.attr[NFTA_RULE_CHAIN]);
  NwfChain *chain = name && is_ours(attrs.attr[NFTA_RULE_TABLE]) ? chain_named(decoder, name) : NULL;
  if (!chain)
    return;
  NwfExpr exprs[NWF_RULE_EXPRS_MAX];
  guint n_exprs = 0;
  if (attrs.attr[NFTA_RULE_COMPAT] || !nwf_decode_exprs(attrs.attr[NFTA_RULE_EXPRESSIONS], exprs, &n_exprs)) {
    memset(&exprs[0], 0, sizeof exprs[0]);
    exprs[0].kind = NWF_EXPR_FOREIGN;
    n_exprs = 1;
  }
  nwf_chain_add_rule(decoder->ruleset, chain, exprs, n_exprs,
                     nwf_decode_comment(attrs.attr[NFTA_RULE_USERDATA], NWF_UDATA_COMMENT));
}

void nwf_decode_message(NwfDecoder *decoder, const struct nlmsghdr *message) {
  if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || message->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)) ||
      ((const struct nfgenmsg *)mnl_nlmsg_get_payload(message))->nfgen_family != NFPROTO_BRIDGE)
    return;
  switch (message->nlmsg_type & 0xff) {
  case NFT_MSG_NEWTABLE:
    decode_table(decoder, message);
    break;
  case NFT_MSG_NEWCHAIN:
    decode_chain(decoder, message);
    break;
  case NFT_MSG_NEWSET:
    decode_set(decoder, message);
    break;
  case NFT_MSG_NEWSETELEM:
    decode_elements(decoder, message);
    break;
  case NFT_MSG_NEWRULE:
    decode_rule(decoder, message);
    break;
  default:
    break;
  }
}

NwfRuleset *nwf_decoder_finish(NwfDecoder *decoder) {
  NwfRuleset *ruleset = g_steal_pointer(&decoder->ruleset);
  if (!decoder->table) {
    nwf_ruleset_free(ruleset);
    return NULL;
  }
  /* the table counts its chains, sets, flowtables and stateful objects; we have only the first two */
  if (decoder->use != decoder->objects)
    ruleset->foreign = TRUE;
  for (guint i = 0; i < ruleset->sets->len; i++)
    nwf_decode_intervals(g_ptr_array_index(ruleset->sets, i));
  nwf_ruleset_sort(ruleset);
  return ruleset;
}

NwfRuleset *nwf_decode_buffer(const guint8 *data, gsize length) {
  NwfDecoder decoder;
  nwf_decoder_init(&decoder);
  const guint8 *end = data + length;
  for (const struct nlmsghdr *message = nwf_message_at(data, end); message;
       message = nwf_message_at(nwf_message_next(message, end), end))
    nwf_decode_message(&decoder, message);
  return nwf_decoder_finish(&decoder);
}
