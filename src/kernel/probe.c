// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What the kernel can do, asked by batches that lack their end: the kernel checks each message, loads
 * the modules it takes, and then forgets it all.
 */
#include "kernel/internal.h"

#include <string.h>

#define PROBE_TABLE NWF_TABLE "-probe"
#define PROBE_CHAIN "probe"
#define PROBE_SET "probe"

static void put_table(NwfBatch *batch) {
  struct nlmsghdr *message = nwf_batch_begin(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, 0, 0);
  mnl_attr_put_strz(message, NFTA_TABLE_NAME, PROBE_TABLE);
  nwf_batch_end(batch, message);
  message = nwf_batch_begin(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE, 0, 0);
  mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, PROBE_TABLE);
  mnl_attr_put_strz(message, NFTA_CHAIN_NAME, PROBE_CHAIN);
  nwf_batch_end(batch, message);
}

static void put_set(NwfBatch *batch) {
  struct nlmsghdr *message = nwf_batch_begin(batch, NFT_MSG_NEWSET, NLM_F_CREATE, 0, 0);
  mnl_attr_put_strz(message, NFTA_SET_TABLE, PROBE_TABLE);
  mnl_attr_put_strz(message, NFTA_SET_NAME, PROBE_SET);
  mnl_attr_put_u32(message, NFTA_SET_FLAGS, htonl(NFT_SET_EVAL));
  mnl_attr_put_u32(message, NFTA_SET_KEY_TYPE, htonl(nwf_fields[NWF_FIELD_IP_SADDR].set_type_id));
  mnl_attr_put_u32(message, NFTA_SET_KEY_LEN, htonl(nwf_fields[NWF_FIELD_IP_SADDR].length));
  mnl_attr_put_u32(message, NFTA_SET_ID, htonl(1));
  struct nlattr *description = mnl_attr_nest_start(message, NFTA_SET_DESC);
  mnl_attr_put_u32(message, NFTA_SET_DESC_SIZE, htonl(16));
  mnl_attr_nest_end(message, description);
  nwf_batch_end(batch, message);
}

static gboolean can(NwfKernel *kernel, const NwfExpr *expr, NwfBatchAnswer *answer) {
  g_auto(NwfBatch) batch = {0};
  nwf_batch_init(&batch, kernel->seq, 0);
  put_table(&batch);
  if (expr && expr->kind == NWF_EXPR_CONNLIMIT)
    put_set(&batch);
  if (expr) {
    const NwfNftRule rule = {.exprs = (NwfExpr *)expr, .n_exprs = 1};
    struct nlmsghdr *message = nwf_batch_begin(&batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, 0, 0);
    mnl_attr_put_strz(message, NFTA_RULE_TABLE, PROBE_TABLE);
    mnl_attr_put_strz(message, NFTA_RULE_CHAIN, PROBE_CHAIN);
    nwf_encode_exprs(message, &rule);
    nwf_batch_end(&batch, message);
  }
  return nwf_batch_send(kernel, &batch, FALSE, answer);
}

gboolean nwf_kernel_probe(NwfKernel *kernel, guint *features, GError **error) {
  const struct {
    guint feature;
    NwfExpr expr;
  } probes[] = {
      {NWF_FEATURE_CT,
       {.kind = NWF_EXPR_TEST,
        .test = {.field = NWF_FIELD_CT_STATE, .base = NWF_BASE_CT, .offset = NFT_CT_STATE, .length = 4}}},
      {NWF_FEATURE_REJECT, {.kind = NWF_EXPR_REJECT}},
      {NWF_FEATURE_CONNLIMIT,
       {.kind = NWF_EXPR_CONNLIMIT, .connlimit = {.field = NWF_FIELD_IP_SADDR, .set = PROBE_SET, .count = 1}}},
  };
  NwfBatchAnswer answer;
  *features = 0;
  /* what fails with nothing but a table says nothing of a feature */
  if (!can(kernel, NULL, &answer)) {
    g_free(answer.text);
    nwf_kernel_error(error, answer.code, "cannot ask the kernel for its features");
    return FALSE;
  }
  for (gsize i = 0; i < G_N_ELEMENTS(probes); i++) {
    /* no need to have the kernel look for modules that would not help */
    if (probes[i].feature == NWF_FEATURE_CONNLIMIT && !(*features & NWF_FEATURE_CT))
      continue;
    if (can(kernel, &probes[i].expr, &answer))
      *features |= probes[i].feature;
    g_free(answer.text);
    if (answer.mute) { /* that nobody could be asked says nothing either */
      nwf_kernel_error(error, answer.code, "cannot ask the kernel for its features");
      return FALSE;
    }
  }
  return TRUE;
}
