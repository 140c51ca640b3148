// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * A short cut for what usually happens: nobody touched the ruleset since we wrote it.
 *
 * Our batch leaves a mark in the user data of one of its rules, where nft neither shows nor
 * minds it: the generation that the ruleset gets by this very batch, and a keyed hash of what the
 * table then holds. The kernel counts a generation for each transaction of anybody in the
 * namespace. So a mark of the present generation proves that ours was the last one, and the hash
 * tells whether it wrote what is wanted now. With any other generation the mark says nothing, and
 * the table is read back in full.
 */
#include "kernel/internal.h"
#include "ruleset/base-chains.h"

#include <string.h>

/* --- SipHash-1-3 (Aumasson, Bernstein): keyed, so that nobody can aim at a collision --- */

typedef struct {
  guint64 v[4];
} Sip;

static guint64 rotate(guint64 x, guint by) {
  return x << by | x >> (64 - by);
}

static void sip_round(guint64 v[4]) {
  v[0] += v[1];
  v[2] += v[3];
  v[1] = rotate(v[1], 13) ^ v[0];
  v[3] = rotate(v[3], 16) ^ v[2];
  v[0] = rotate(v[0], 32);
  v[2] += v[1];
  v[0] += v[3];
  v[1] = rotate(v[1], 17) ^ v[2];
  v[3] = rotate(v[3], 21) ^ v[0];
  v[2] = rotate(v[2], 32);
}

static void sip_word(Sip *sip, guint64 word) {
  sip->v[3] ^= word;
  sip_round(sip->v);
  sip->v[0] ^= word;
}

static void sip_init(Sip *sip, const guint64 key[2]) {
  *sip = (Sip){{key[0] ^ G_GUINT64_CONSTANT(0x736f6d6570736575), key[1] ^ G_GUINT64_CONSTANT(0x646f72616e646f6d),
                key[0] ^ G_GUINT64_CONSTANT(0x6c7967656e657261), key[1] ^ G_GUINT64_CONSTANT(0x7465646279746573)}};
}

static guint64 sip_finish(Sip *sip) {
  sip->v[2] ^= 0xff;
  for (guint i = 0; i < 3; i++)
    sip_round(sip->v);
  return sip->v[0] ^ sip->v[1] ^ sip->v[2] ^ sip->v[3];
}

/** Messages are a multiple of 4 bytes; the length in front makes the last word unambiguous. */
static void sip_bytes(Sip *sip, const guint8 *data, gsize length) {
  guint64 word;
  sip_word(sip, length);
  for (; length >= sizeof word; data += sizeof word, length -= sizeof word) {
    memcpy(&word, data, sizeof word);
    sip_word(sip, word);
  }
  word = 0;
  memcpy(&word, data, length);
  sip_word(sip, word);
}

/* --- the mark --- */

/** Without what differs from one sending to the next: sequence numbers and flags. */
static guint64 hash_batch(const NwfBatch *batch, const guint64 key[2]) {
  Sip sip;
  sip_init(&sip, key);
  for (guint i = 0; i < batch->origins->len; i++) {
    const NwfOrigin *origin = &g_array_index(batch->origins, NwfOrigin, i);
    const struct nlmsghdr *message = (const struct nlmsghdr *)(batch->data + origin->offset);
    sip_word(&sip, message->nlmsg_type);
    sip_bytes(&sip, (const guint8 *)message + sizeof *message, message->nlmsg_len - sizeof *message);
  }
  return sip_finish(&sip);
}

guint64 nwf_mark_hash(const NwfRuleset *want, const guint64 key[2]) {
  g_autoptr(GArray) changes = nwf_ruleset_diff(NULL, want);
  g_auto(NwfBatch) batch = {0};
  nwf_batch_init(&batch, 0, 0);
  nwf_encode_changes(&batch, changes, NULL);
  return hash_batch(&batch, key);
}

/* The first one of the plan that is there. */
const NwfChain *nwf_mark_place(const NwfRuleset *want) {
  for (guint i = 0; want && i < NWF_N_BASE_CHAINS; i++) {
    const char *name = nwf_base_chain_name(i);
    const NwfChain *chain = name ? nwf_ruleset_chain(want, name) : NULL;
    if (chain && chain->rules->len)
      return chain;
  }
  return NULL;
}

guint32 nwf_next_generation(guint32 generation) {
  return generation + 1 ? generation + 1 : 1;
}

void nwf_mark_make(NwfMark *mark, const NwfRuleset *want, const guint8 *stamp, guint32 generation) {
  memset(mark->stamp, 0, sizeof mark->stamp);
  if (stamp)
    memcpy(mark->stamp, stamp, sizeof mark->stamp);
  for (guint i = 0; i < G_N_ELEMENTS(mark->key); i++)
    mark->key[i] = (guint64)g_random_int() << 32 | g_random_int();
  mark->generation = nwf_next_generation(generation);
  mark->hash = nwf_mark_hash(want, mark->key);
}

static int take_mark(const struct nlmsghdr *message, void *data) {
  NwfAttrs attrs;
  guint8 length;
  nwf_attrs_message(message, NFTA_RULE_MAX, &attrs);
  const guint8 *value = nwf_udata_find(attrs.attr[NFTA_RULE_USERDATA], NWF_UDATA_MARK, &length);
  if (value && length == sizeof(NwfMark))
    memcpy(data, value, sizeof(NwfMark));
  return MNL_CB_OK;
}

/** Whether nothing was written since the mark of @marked: what only took the table over wrote nothing. */
static gboolean is_present(const NwfKernel *kernel, guint32 marked, guint32 generation) {
  return marked == generation || (kernel->adopted == generation && nwf_next_generation(marked) == generation);
}

/** The mark in a chain's rules, if it speaks of the present. */
static gboolean read_mark(NwfKernel *kernel, const char *chain, NwfMark *mark) {
  guint8 buffer[1024];
  guint32 generation;
  int code;
  *mark = (NwfMark){0};
  struct nlmsghdr *request =
      nwf_kernel_request(kernel, buffer, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE, NLM_F_DUMP, NFPROTO_BRIDGE);
  mnl_attr_put_strz(request, NFTA_RULE_TABLE, NWF_TABLE);
  mnl_attr_put_strz(request, NFTA_RULE_CHAIN, chain);
  /* the generation after the mark: what was committed in between makes them differ */
  return nwf_kernel_talk(kernel, request, take_mark, mark, &code) && mark->generation &&
         nwf_kernel_generation(kernel, &generation, NULL) && is_present(kernel, mark->generation, generation);
}

gboolean nwf_mark_proves(NwfKernel *kernel, const NwfRuleset *want) {
  const NwfChain *chain = nwf_mark_place(want);
  NwfMark mark;
  return chain && read_mark(kernel, chain->name, &mark) && nwf_mark_hash(want, mark.key) == mark.hash;
}

gboolean nwf_kernel_stamp(NwfKernel *kernel, guint8 stamp[NWF_STAMP_LEN]) {
  static const guint8 none[NWF_STAMP_LEN];
  for (guint i = 0; i < NWF_N_BASE_CHAINS; i++) {
    const char *name = nwf_base_chain_name(i);
    NwfMark mark;
    if (!name || !read_mark(kernel, name, &mark))
      continue;
    memcpy(stamp, mark.stamp, sizeof mark.stamp);
    return memcmp(mark.stamp, none, sizeof none) != 0;
  }
  return FALSE;
}
