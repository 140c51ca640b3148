// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Reading the table back: five dumps that belong to one generation.
 */
#include "kernel/internal.h"

#include <errno.h>

/* Others that change the ruleset without pause: after so many attempts it is an error. */
#define ATTEMPTS 64
#define PAUSE_US 500

static int take_generation(const struct nlmsghdr *message, void *data) {
  NwfAttrs attrs;
  if (message->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN)) {
    nwf_attrs_message(message, NFTA_GEN_MAX, &attrs);
    *(guint32 *)data = nwf_attr_u32(attrs.attr[NFTA_GEN_ID], 0);
  }
  return MNL_CB_OK;
}

gboolean nwf_kernel_generation(NwfKernel *kernel, guint32 *generation, GError **error) {
  guint8 buffer[256];
  int code = 0;
  *generation = 0;
  struct nlmsghdr *request = nwf_kernel_request(kernel, buffer, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN, 0, AF_UNSPEC);
  if (nwf_kernel_talk(kernel, request, take_generation, generation, &code))
    return TRUE;
  nwf_kernel_error(error, code, "cannot read the generation of the ruleset");
  return FALSE;
}

static int take_message(const struct nlmsghdr *message, void *data) {
  nwf_decode_message(data, message);
  return MNL_CB_OK;
}

/** One request about our table; @set_attr and @set ask for one set's elements. */
static gboolean ask(NwfKernel *kernel, guint message, guint flags, guint16 table_attr, guint16 set_attr,
                    const char *set, NwfDecoder *decoder, int *code) {
  guint8 buffer[1024];
  struct nlmsghdr *request = nwf_kernel_request(kernel, buffer, NFNL_SUBSYS_NFTABLES, message, flags, NFPROTO_BRIDGE);
  mnl_attr_put_strz(request, table_attr, NWF_TABLE);
  if (set)
    mnl_attr_put_strz(request, set_attr, set);
  return nwf_kernel_talk(kernel, request, take_message, decoder, code);
}

static gboolean read_elements(NwfKernel *kernel, NwfDecoder *decoder, int *code) {
  GPtrArray *sets = decoder->ruleset->sets;
  for (guint i = 0; i < sets->len; i++) {
    const NwfSet *set = g_ptr_array_index(sets, i);
    if (!set->dynamic && !ask(kernel, NFT_MSG_GETSETELEM, NLM_F_DUMP, NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET,
                              set->name, decoder, code))
      return FALSE;
  }
  return TRUE;
}

/** FALSE with @code EINTR when the ruleset changed under it. */
static gboolean read_once(NwfKernel *kernel, NwfRuleset **ruleset, int *code) {
  NwfDecoder decoder;
  nwf_decoder_init(&decoder);
  gboolean ok = ask(kernel, NFT_MSG_GETTABLE, 0, NFTA_TABLE_NAME, 0, NULL, &decoder, code);
  gboolean absent = !ok && *code == ENOENT;
  ok = ok && ask(kernel, NFT_MSG_GETCHAIN, NLM_F_DUMP, NFTA_CHAIN_TABLE, 0, NULL, &decoder, code) &&
       ask(kernel, NFT_MSG_GETSET, NLM_F_DUMP, NFTA_SET_TABLE, 0, NULL, &decoder, code) &&
       read_elements(kernel, &decoder, code) &&
       ask(kernel, NFT_MSG_GETRULE, NLM_F_DUMP, NFTA_RULE_TABLE, 0, NULL, &decoder, code);
  /* gone while we read it */
  if (!ok && !absent && *code == ENOENT)
    *code = EINTR;
  *ruleset = nwf_decoder_finish(&decoder);
  /* a table gets an owner who keeps it only when it is made: another one has to take its place */
  if (*ruleset && kernel->own && !(decoder.flags & NWF_TABLE_PERSIST))
    (*ruleset)->foreign = TRUE;
  if (ok || absent)
    return TRUE;
  g_clear_pointer(ruleset, nwf_ruleset_free);
  return FALSE;
}

gboolean nwf_kernel_read(NwfKernel *kernel, NwfRuleset **ruleset, guint32 *generation, GError **error) {
  *ruleset = NULL;
  for (guint attempt = 0; attempt < ATTEMPTS; attempt++) {
    guint32 before, after;
    int code = 0;
    if (attempt)
      g_usleep(PAUSE_US * attempt);
    if (!nwf_kernel_generation(kernel, &before, error))
      return FALSE;
    gboolean ok = read_once(kernel, ruleset, &code);
    if (!ok && code != EINTR) {
      nwf_kernel_error(error, code, "cannot read table bridge " NWF_TABLE);
      return FALSE;
    }
    if (!nwf_kernel_generation(kernel, &after, error)) {
      g_clear_pointer(ruleset, nwf_ruleset_free);
      return FALSE;
    }
    if (ok && before == after) {
      if (generation)
        *generation = after;
      return TRUE;
    }
    g_clear_pointer(ruleset, nwf_ruleset_free);
  }
  g_set_error(error, NWF_ERROR, NWF_ERROR_KERNEL,
              "cannot read table bridge " NWF_TABLE ": other programs keep changing the ruleset");
  return FALSE;
}
