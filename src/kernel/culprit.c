// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What the kernel refused, in words that lead to the rule or the element.
 */
#include "kernel/internal.h"

#include <errno.h>

static void describe_rule(GString *text, const NwfChain *chain, guint item) {
  g_string_append_printf(text, "chain %s", chain->name);
  if (item >= chain->rules->len)
    return;
  const NwfNftRule *rule = &g_array_index(chain->rules, NwfNftRule, item);
  if (rule->comment && *rule->comment)
    g_string_append_printf(text, ": rule \"%s\"", rule->comment);
  else
    g_string_append_printf(text, ": rule %u", item + 1);
}

static void describe_element(GString *text, const NwfSet *set, const NwfElement *element) {
  g_string_append_printf(text, "%s %s", set->is_map ? "map" : "set", set->name);
  if (!element)
    return;
  g_autofree char *key = nwf_element_key_to_text(set, element);
  g_string_append_printf(text, ": element %s", key);
  if (element->comment && *element->comment)
    g_string_append_printf(text, " (\"%s\")", element->comment);
}

static const NwfElement *element_of(const GArray *changes, const NwfOrigin *origin, guint further) {
  const NwfChange *change = &g_array_index(changes, NwfChange, origin->change);
  guint item = origin->item + further;
  if (change->kind == NWF_CHANGE_ADD_SET)
    return item < change->set->elements->len ? &g_array_index(change->set->elements, NwfElement, item) : NULL;
  if (origin->change + item >= changes->len)
    return NULL;
  return g_array_index(changes, NwfChange, origin->change + item).element;
}

static void describe(GString *text, const NwfBatch *batch, const GArray *changes, const NwfOrigin *origin,
                     guint32 offset) {
  if (origin->change == NWF_ORIGIN_TABLE) {
    g_string_append(text, "table bridge " NWF_TABLE);
    return;
  }
  const NwfChange *change = &g_array_index(changes, NwfChange, origin->change);
  const struct nlmsghdr *message = (const struct nlmsghdr *)(batch->data + origin->offset);
  guint kind = message->nlmsg_type & 0xff;
  if (kind == NFT_MSG_NEWSETELEM || kind == NFT_MSG_DELSETELEM)
    describe_element(text, change->set, element_of(changes, origin, nwf_encode_element_at(message, offset)));
  else if (change->set)
    describe_element(text, change->set, NULL);
  else if (kind == NFT_MSG_NEWRULE)
    describe_rule(text, change->chain, origin->item);
  else if (change->chain)
    g_string_append_printf(text, "chain %s", change->chain->name);
  else
    g_string_append(text, "table bridge " NWF_TABLE);
}

/** What may be missing in the kernel when it refuses a rule. */
static const char *missing_option(const NwfNftRule *rule, int code) {
  for (guint i = 0; i < rule->n_exprs; i++) {
    const NwfExpr *expr = &rule->exprs[i];
    if (expr->kind == NWF_EXPR_TEST && expr->test.base == NWF_BASE_CT && code == EPROTO)
      return "the kernel has no connection tracking for bridges: module nf_conntrack_bridge, "
             "CONFIG_NF_CONNTRACK_BRIDGE";
    if (expr->kind == NWF_EXPR_CONNLIMIT && (code == EPROTO || code == ENOENT))
      return "the kernel has no connection limit for bridges: modules nft_connlimit and nf_conntrack_bridge, "
             "CONFIG_NFT_CONNLIMIT and CONFIG_NF_CONNTRACK_BRIDGE";
    if (expr->kind == NWF_EXPR_REJECT && code == ENOENT)
      return "the kernel has no reject for bridges: module nft_reject_bridge, CONFIG_NFT_BRIDGE_REJECT";
  }
  return NULL;
}

static const char *hint(const GArray *changes, const NwfOrigin *origin, int code) {
  if (origin->change == NWF_ORIGIN_TABLE)
    return code == EOPNOTSUPP ? "somebody else put another one in its place" : NULL;
  const NwfChange *change = &g_array_index(changes, NwfChange, origin->change);
  if (change->kind == NWF_CHANGE_ADD_RULES && origin->item < change->chain->rules->len)
    return missing_option(&g_array_index(change->chain->rules, NwfNftRule, origin->item), code);
  return NULL;
}

/** Whose table it is, and what to do. */
static gboolean describe_owner(NwfKernel *kernel, GError **error) {
  guint32 pid;
  char name[16];
  if (!nwf_kernel_owner(kernel, &pid, name))
    return FALSE;
  g_autofree char *who = pid ? g_strdup_printf("process %u (%s)", pid, *name ? name : "?")
                             : g_strdup("a process that cannot be seen from here");
  g_set_error(error, NWF_ERROR, NWF_ERROR_KERNEL,
              "table bridge " NWF_TABLE " belongs to %s, and nobody else can change it while that runs: "
              "have that program make the change (libvirt's with virsh nwfilter-...), or stop it first",
              who);
  return TRUE;
}

/** Whether reading again and starting over is what helps. */
static gboolean is_change(const NwfBatch *batch, guint32 index, int code) {
  if (index < batch->origins->len && g_array_index(batch->origins, NwfOrigin, index).change == NWF_ORIGIN_TABLE)
    return code == EOPNOTSUPP;
  return code == ERESTART;
}

void nwf_culprit_error(GError **error, NwfKernel *kernel, const NwfBatch *batch, const GArray *changes,
                       const NwfBatchAnswer *answer) {
  g_autoptr(GString) text = g_string_new("the kernel refused ");
  guint32 index = answer->seq - batch->seq - 1;
  const char *why = NULL;
  if (answer->code == EPERM && describe_owner(kernel, error))
    return;
  if (index < batch->origins->len) {
    const NwfOrigin *origin = &g_array_index(batch->origins, NwfOrigin, index);
    describe(text, batch, changes, origin, answer->offset);
    why = hint(changes, origin, answer->code);
  } else {
    g_string_append(text, "the transaction as a whole");
    if (answer->code == EPERM)
      why = "CAP_NET_ADMIN is missing";
    else if (answer->code == EMSGSIZE)
      why = "it is larger than the socket's buffer may become; CAP_NET_ADMIN lifts that limit";
    else if (answer->code == ERESTART)
      why = "ERESTART: somebody else changed the ruleset meanwhile";
  }
  g_string_append_printf(text, ": %s", g_strerror(answer->code));
  if (answer->text)
    g_string_append_printf(text, ": %s", answer->text);
  if (why)
    g_string_append_printf(text, " (%s)", why);
  gboolean changed = is_change(batch, index, answer->code);
  g_set_error_literal(error, NWF_ERROR, changed ? NWF_ERROR_CHANGED : NWF_ERROR_KERNEL, text->str);
}
