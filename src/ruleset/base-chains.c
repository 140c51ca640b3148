// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ruleset/base-chains.h"

#include "ruleset/plan.h"
#include "ruleset/references.h"

#include <string.h>

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_VLAN 0x8100 /* IEEE 802.1Q */
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_QINQ 0x88a8 /* IEEE 802.1ad */

/* Bits of a form. */
#define FORM_THERE 1u
#define FORM_TRACKED 2u       /* prerouting: a rule somewhere tests the state of connections */
#define FORM_ACCEPTED_SHIFT 2 /* postrouting: bits of NwfClass that all ports accept */

/* Under most filters all ports accept all ARP and IPv4 that they are sent, and of a broadcast frame each of them is
 * sent one. Then postrouting accepts these EtherTypes before it looks for the port; other ports' frames it accepts
 * anyway. Each combination has a set of its own, so that none is ever changed. Indexed by bits of NwfClass. */
#define N_ACCEPTED (1u << NWF_N_CLASSES)
static const char *const accepted_sets[N_ACCEPTED] = {NULL,
                                                      "accepted-ipv4",
                                                      "accepted-arp",
                                                      "accepted-ipv4-arp",
                                                      "accepted-ipv6",
                                                      "accepted-ipv4-ipv6",
                                                      "accepted-arp-ipv6",
                                                      "accepted-ipv4-arp-ipv6"};

static guint accepted_of(NwfBaseChainForm form) {
  return form >> FORM_ACCEPTED_SHIFT;
}

G_STATIC_ASSERT(NWF_N_BASE_CHAINS == NWF_N_DISPATCHES * NWF_DISPATCH_CHAINS);

static NwfDispatch dispatch_at(guint index) {
  return index / NWF_DISPATCH_CHAINS;
}

static const NwfBaseChainPlan *plan_at(guint index) {
  return &nwf_dispatch_plans[dispatch_at(index)].chains[index % NWF_DISPATCH_CHAINS];
}

const char *nwf_base_chain_name(guint index) {
  return plan_at(index)->name;
}

/* --- which forms --- */

static gboolean map_decides(const NwfRuleset *ruleset, NwfDispatch dispatch, gboolean other) {
  const NwfSet *map = nwf_dispatch_map(ruleset, dispatch, other);
  return map && map->deciding > 0;
}

static guint accepted_by_all(const NwfReferences *references) {
  guint accepted = 0;
  for (guint i = 0; i < NWF_N_CLASSES; i++)
    if (nwf_references_all_accept(references, i))
      accepted |= 1u << i;
  return accepted;
}

/* A hook where every port's verdict is accept would only cost time. Where state is tested, there is what must not be
 * tracked. */
void nwf_base_chains_wanted(NwfRuleset *ruleset, NwfBaseChainForm forms[NWF_N_BASE_CHAINS]) {
  const NwfReferences *references = nwf_ruleset_references(ruleset);
  for (guint i = 0; i < NWF_N_BASE_CHAINS; i++) {
    NwfDispatch dispatch = dispatch_at(i);
    NwfHook hook = plan_at(i)->hook;
    gboolean tracked = dispatch == NWF_DISPATCH_FROM && hook == NWF_HOOK_PREROUTING && references->tracking > 0;
    gboolean there = hook != NWF_HOOK_NONE &&
                     (map_decides(ruleset, dispatch, FALSE) || map_decides(ruleset, dispatch, TRUE) || tracked);
    forms[i] = there ? FORM_THERE | (tracked ? FORM_TRACKED : 0) : 0;
    if (there && dispatch == NWF_DISPATCH_TO)
      forms[i] |= accepted_by_all(references) << FORM_ACCEPTED_SHIFT;
  }
}

/* --- rules --- */

static void add_rule(NwfRuleset *ruleset, NwfChain *chain, const NwfTest *tests, guint n_tests, NwfExpr last) {
  NwfExpr exprs[4];
  for (guint i = 0; i < n_tests; i++)
    exprs[i] = (NwfExpr){.kind = NWF_EXPR_TEST, .test = tests[i]};
  exprs[n_tests] = last;
  nwf_chain_add_rule(ruleset, chain, exprs, n_tests + 1, NULL);
}

static const NwfExpr accept_verdict = {.kind = NWF_EXPR_VERDICT, .verdict = {.kind = NWF_VERDICT_ACCEPT}};
static const NwfExpr notrack = {.kind = NWF_EXPR_NOTRACK};

/* What the bridge's connection tracking must not see. Tagged frames: it takes them for the untagged connection of the
 * same addresses. IPv6 fragments: on Linux 6.1 it loses them, on all bridges. */
static void add_untracked(NwfRuleset *ruleset, NwfChain *chain) {
  NwfTest fragment[] = {nwf_test_eq_number(NWF_FIELD_PROTOCOL, ETHERTYPE_IPV6),
                        nwf_test_eq_number(NWF_FIELD_IP6_FRAGMENT, 1)};
  fragment[1].arg = 44; /* IPPROTO_FRAGMENT */
  const guint16 tags[] = {ETHERTYPE_VLAN, ETHERTYPE_QINQ};
  for (guint i = 0; i < G_N_ELEMENTS(tags); i++) {
    NwfTest tagged = nwf_test_eq_number(NWF_FIELD_ETHER_TYPE, tags[i]);
    add_rule(ruleset, chain, &tagged, 1, notrack);
  }
  add_rule(ruleset, chain, fragment, G_N_ELEMENTS(fragment), notrack);
}

/* Frames to these groups (IEEE 802.1Q, 8.6.3) go from the bridge to its input hook and not to prerouting
 * (net/bridge/br_input.c, br_handle_frame); all others have been asked about by then. */
static void accept_but_link_local(NwfRuleset *ruleset, NwfChain *chain) {
  static const guint8 group[NWF_MAC_LEN] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x00};
  static const guint8 mask[NWF_MAC_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xf0};
  NwfTest test = nwf_test_negate(nwf_test_masked(NWF_FIELD_ETHER_DADDR, group, mask));
  add_rule(ruleset, chain, &test, 1, accept_verdict);
}

/* The map of the forward hook holds nothing for ARP, of which there is much. Within a tag or not does not matter:
 * tagged frames have no entry either. */
static void skip_arp(NwfRuleset *ruleset, NwfChain *chain) {
  NwfTest test = nwf_test_eq_number(NWF_FIELD_PROTOCOL, ETHERTYPE_ARP);
  add_rule(ruleset, chain, &test, 1, accept_verdict);
}

static NwfSet *accepted_set(NwfRuleset *ruleset, guint accepted) {
  static const guint16 types[NWF_N_CLASSES] = {
      [NWF_CLASS_IPV4] = ETHERTYPE_IPV4, [NWF_CLASS_ARP] = ETHERTYPE_ARP, [NWF_CLASS_IPV6] = ETHERTYPE_IPV6};
  static const NwfField field = NWF_FIELD_ETHER_TYPE;
  NwfSet *set = nwf_ruleset_set(ruleset, accepted_sets[accepted]);
  if (set)
    return set;
  set = nwf_ruleset_add_set(ruleset, accepted_sets[accepted], &field, 1);
  for (guint i = 0; i < NWF_N_CLASSES; i++) {
    const guint8 key[NWF_KEY_MAX] = {(guint8)(types[i] >> 8), (guint8)types[i]};
    if (accepted & 1u << i)
      nwf_set_add_element(ruleset, set, key, NULL, NULL, NULL);
  }
  return set;
}

/* The set is one of keys of 2 bytes and no map: the kernel makes it a bitmap (net/netfilter/nft_set_bitmap.c). By
 * `ether type`, since `meta protocol` is the type within a VLAN tag. */
static void accept_first(NwfRuleset *ruleset, NwfChain *chain, guint accepted) {
  NwfExpr exprs[] = {{.kind = NWF_EXPR_LOOKUP}, accept_verdict};
  exprs[0].lookup.n_fields = 1;
  exprs[0].lookup.fields[0] = NWF_FIELD_ETHER_TYPE;
  exprs[0].lookup.set = accepted_set(ruleset, accepted)->name;
  nwf_chain_add_rule(ruleset, chain, exprs, G_N_ELEMENTS(exprs), NULL);
}

/* Which interface the port is does not stand in a map that was read back: the plan says it. */
static void look_up(NwfRuleset *ruleset, NwfChain *chain, NwfDispatch dispatch, gboolean other) {
  NwfExpr expr = {.kind = NWF_EXPR_LOOKUP};
  expr.lookup.n_fields = other ? 1 : 2;
  expr.lookup.fields[0] = nwf_dispatch_plans[dispatch].port;
  expr.lookup.fields[1] = other ? NWF_FIELD_NONE : NWF_FIELD_ETHER_TYPE;
  expr.lookup.set = nwf_dispatch_need_map(ruleset, dispatch, other)->name;
  nwf_chain_add_rule(ruleset, chain, &expr, 1, NULL);
}

/* While an element takes another's place, the kernel may find neither: it passes over the new one, which is not yet in
 * force, and the old one is gone before it comes to it (seen on Linux 6.1). */
static void drop_bound(NwfRuleset *ruleset, NwfChain *chain, NwfDispatch dispatch) {
  NwfExpr exprs[] = {{.kind = NWF_EXPR_LOOKUP}, {.kind = NWF_EXPR_VERDICT, .verdict = {.kind = NWF_VERDICT_DROP}}};
  exprs[0].lookup.n_fields = nwf_dispatch_plans[dispatch].other ? 1 : 2;
  exprs[0].lookup.fields[0] = nwf_dispatch_plans[dispatch].port;
  exprs[0].lookup.fields[1] = nwf_dispatch_plans[dispatch].other ? NWF_FIELD_NONE : NWF_FIELD_ETHER_TYPE;
  exprs[0].lookup.set = nwf_dispatch_need_bound(ruleset, dispatch)->name;
  nwf_chain_add_rule(ruleset, chain, exprs, G_N_ELEMENTS(exprs), NULL);
}

static void write_rules(NwfRuleset *ruleset, NwfChain *chain, NwfDispatch dispatch, NwfBaseChainForm form) {
  g_array_set_size(chain->rules, 0);
  if (form & FORM_TRACKED && dispatch == NWF_DISPATCH_FROM)
    add_untracked(ruleset, chain);
  if (chain->hook == NWF_HOOK_INPUT)
    accept_but_link_local(ruleset, chain);
  if (dispatch == NWF_DISPATCH_FORWARD)
    skip_arp(ruleset, chain);
  if (dispatch == NWF_DISPATCH_TO && accepted_of(form))
    accept_first(ruleset, chain, accepted_of(form));
  look_up(ruleset, chain, dispatch, FALSE);
  if (nwf_dispatch_plans[dispatch].other)
    look_up(ruleset, chain, dispatch, TRUE);
  drop_bound(ruleset, chain, dispatch);
  add_rule(ruleset, chain, NULL, 0, accept_verdict);
}

void nwf_base_chains_make(NwfRuleset *ruleset, const NwfBaseChainForm *had, const NwfBaseChainForm *forms) {
  for (guint i = 0; i < NWF_N_BASE_CHAINS; i++) {
    const NwfBaseChainPlan *plan = plan_at(i);
    if (!forms[i] || (had && had[i] == forms[i]))
      continue;
    NwfChain *chain = nwf_ruleset_chain(ruleset, plan->name);
    if (!chain)
      chain = nwf_ruleset_add_chain(ruleset, plan->name, plan->hook, plan->priority);
    write_rules(ruleset, chain, dispatch_at(i), forms[i]);
  }
}

/* --- what they need --- */

gboolean nwf_base_chains_is_accepted(const NwfSet *set) {
  return !set->is_map && set->n_fields == 1 && g_str_has_prefix(set->name, "accepted-");
}

gboolean nwf_base_chains_need(const NwfSet *set, const NwfBaseChainForm *forms) {
  NwfDispatch of_map = nwf_dispatch_of_map(set->name, NULL);
  for (guint i = 0; i < NWF_N_BASE_CHAINS; i++) {
    if (!forms[i])
      continue;
    guint accepted = dispatch_at(i) == NWF_DISPATCH_TO ? accepted_of(forms[i]) : 0;
    if (dispatch_at(i) == of_map || strcmp(set->name, nwf_dispatch_plans[dispatch_at(i)].bound) == 0 ||
        (accepted && strcmp(set->name, accepted_sets[accepted]) == 0))
      return TRUE;
  }
  return FALSE;
}
