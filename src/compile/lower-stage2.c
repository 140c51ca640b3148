// SPDX-License-Identifier: LGPL-2.1-or-later
/* The second stage: tcp, udp .. all and their -ipv6 forms, with connection state. */
#include "compile/internal.h"

#include <netinet/in.h> /* before the kernel's headers, which then leave its types alone */
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <string.h>

/* One rule makes up to two checks: as it is written on the packets of its own direction, and with
 * source and destination swapped on those of the other. An inout rule is written for what the
 * guest is sent. */
static gboolean is_swapped(const NwfRule *rule, gboolean out) {
  return out ? rule->direction != NWF_DIRECTION_OUT : rule->direction == NWF_DIRECTION_OUT;
}

static gboolean tests_icmp_type(const NwfRule *rule) {
  return (rule->protocol == NWF_PROTOCOL_ICMP || rule->protocol == NWF_PROTOCOL_ICMPV6) &&
         nwf_rule_match(rule, NWF_ATTR_TYPE);
}

static guint32 states(const NwfRule *rule) {
  const NwfMatch *match = nwf_rule_match(rule, NWF_ATTR_STATE);
  return match && !rule->no_statematch ? match->value.number : 0;
}

gboolean nwf_stage2_is_void(const NwfRule *rule) {
  return tests_icmp_type(rule) && rule->direction == NWF_DIRECTION_INOUT;
}

/* A swapped check that would test nothing but the protocol, because the rule has only a source
 * MAC address, is not made. Ends of ranges and masks test nothing by themselves; an ipset and the
 * state come after that decision. */
static gboolean only_source_mac(const NwfRule *rule) {
  static const NwfAttr nothing[] = {NWF_ATTR_SRCMACADDR, NWF_ATTR_SRCIPMASK,  NWF_ATTR_DSTIPMASK,  NWF_ATTR_SRCIPTO,
                                    NWF_ATTR_DSTIPTO,    NWF_ATTR_SRCPORTEND, NWF_ATTR_DSTPORTEND, NWF_ATTR_STATE,
                                    NWF_ATTR_COMMENT,    NWF_ATTR_IPSET,      NWF_ATTR_IPSETFLAGS};
  if (!nwf_rule_match(rule, NWF_ATTR_SRCMACADDR))
    return FALSE;
  for (guint i = 0; i < rule->matches->len; i++) {
    gboolean tests = TRUE;
    for (guint j = 0; j < G_N_ELEMENTS(nothing) && tests; j++)
      tests = g_array_index(rule->matches, NwfMatch, i).attr != nothing[j];
    if (tests)
      return FALSE;
  }
  return TRUE;
}

gboolean nwf_stage2_checks(const NwfRule *rule, gboolean out) {
  if (nwf_protocols[rule->protocol].stage == NWF_STAGE_L2 || rule->action == NWF_ACTION_CONTINUE ||
      nwf_stage2_is_void(rule))
    return FALSE;
  gboolean own = rule->direction == NWF_DIRECTION_INOUT || (rule->direction == NWF_DIRECTION_OUT) == out;
  if ((states(rule) || tests_icmp_type(rule)) && !own)
    return FALSE;
  return !is_swapped(rule, out) || (!nwf_rule_match(rule, NWF_ATTR_CONNLIMIT_ABOVE) && !only_source_mac(rule));
}

static void add(NwfLower *lower, NwfTest test, NwfAttr attr) {
  nwf_conjunctions_add(lower->conjunctions, NWF_NEGATED(lower, attr) ? nwf_test_negate(test) : test);
}

/* --- addresses and protocol --- */

static gboolean lower_addresses(NwfLower *lower, gboolean ipv6, GError **error) {
  NwfField source = ipv6 ? NWF_FIELD_IP6_SADDR : NWF_FIELD_IP_SADDR;
  NwfField destination = ipv6 ? NWF_FIELD_IP6_DADDR : NWF_FIELD_IP_DADDR;
  NwfField first = lower->swapped ? destination : source, second = lower->swapped ? source : destination;
  nwf_lower_ip(lower, NWF_ATTR_SRCIPADDR, NWF_ATTR_SRCIPMASK, first);
  if (!NWF_HAS(lower, NWF_ATTR_SRCIPADDR) &&
      !nwf_lower_ip_range(lower, NWF_ATTR_SRCIPFROM, NWF_ATTR_SRCIPTO, first, error))
    return FALSE;
  nwf_lower_ip(lower, NWF_ATTR_DSTIPADDR, NWF_ATTR_DSTIPMASK, second);
  return NWF_HAS(lower, NWF_ATTR_DSTIPADDR) ||
         nwf_lower_ip_range(lower, NWF_ATTR_DSTIPFROM, NWF_ATTR_DSTIPTO, second, error);
}

static void lower_tcp(NwfLower *lower, gboolean ipv6) {
  if (NWF_HAS(lower, NWF_ATTR_FLAGS) || NWF_HAS(lower, NWF_ATTR_OPTION))
    nwf_lower_first_fragment(lower, ipv6);
  if (NWF_HAS(lower, NWF_ATTR_FLAGS)) {
    const NwfValue *value = lower->resolved->values[NWF_ATTR_FLAGS];
    gboolean negated = NWF_NEGATED(lower, NWF_ATTR_FLAGS);
    guint8 mask = value->tcp_flags.mask, flags = value->tcp_flags.flags;
    gboolean possible = (flags & ~mask) == 0;
    if (!possible || mask == 0)
      lower->conjunctions->never |= possible == negated;
    else
      add(lower, nwf_test_masked(NWF_FIELD_TCP_FLAGS, &flags, &mask), NWF_ATTR_FLAGS);
  }
  if (NWF_HAS(lower, NWF_ATTR_OPTION)) {
    NwfTest test = nwf_test_eq_number(NWF_FIELD_TCP_OPTION, NWF_NEGATED(lower, NWF_ATTR_OPTION) ? 0 : 1);
    test.arg = (guint8)NWF_NUMBER(lower, NWF_ATTR_OPTION);
    nwf_conjunctions_add(lower->conjunctions, test);
  }
}

static void lower_icmp(NwfLower *lower, gboolean ipv6) {
  NwfTest tests[2];
  guint n = 0;
  gboolean has_type = NWF_HAS(lower, NWF_ATTR_TYPE);
  if (has_type)
    tests[n++] = nwf_test_eq_number(NWF_FIELD_ICMP_TYPE, NWF_NUMBER(lower, NWF_ATTR_TYPE));
  if (NWF_HAS(lower, NWF_ATTR_CODE))
    tests[n++] = nwf_test_eq_number(NWF_FIELD_ICMP_CODE, NWF_NUMBER(lower, NWF_ATTR_CODE));
  if (n)
    nwf_lower_first_fragment(lower, ipv6);
  if (n)
    nwf_conjunctions_add_pair(lower->conjunctions, tests, n,
                              NWF_NEGATED(lower, has_type ? NWF_ATTR_TYPE : NWF_ATTR_CODE));
}

static gboolean lower_protocol(NwfLower *lower, GError **error) {
  const NwfProtocolSpec *spec = &nwf_protocols[lower->collected->rule->protocol];
  gboolean ipv6 = spec->stage == NWF_STAGE_IPV6;
  if (spec->ip_protocol)
    nwf_conjunctions_add(lower->conjunctions, nwf_test_eq_number(NWF_FIELD_L4PROTO, spec->ip_protocol));
  if (!lower->swapped)
    nwf_lower_mac(lower, NWF_ATTR_SRCMACADDR, NWF_ATTR_SRCMACADDR, NWF_FIELD_ETHER_SADDR);
  if (!lower_addresses(lower, ipv6, error) || !nwf_lower_ports(lower, ipv6, error))
    return FALSE;
  nwf_lower_dscp(lower, ipv6);
  if (spec->ip_protocol == IPPROTO_TCP)
    lower_tcp(lower, ipv6);
  if (spec->ip_protocol == IPPROTO_ICMP || spec->ip_protocol == IPPROTO_ICMPV6)
    lower_icmp(lower, ipv6);
  return TRUE;
}

/* --- connection state --- */

static gboolean need_feature(NwfLower *lower, NwfFeatures feature, const char *what, const char *option,
                             GError **error) {
  if (lower->port->options->features & feature)
    return TRUE;
  nwf_port_error(lower->port, lower->collected->filter, lower->collected->rule, NWF_ERROR_UNSUPPORTED, error,
                 "this rule %s, which this kernel cannot do for bridges: it lacks %s", what, option);
  return FALSE;
}

static gboolean add_ct_state(NwfLower *lower, guint32 bits, GError **error) {
  static const guint32 none = 0;
  if (!need_feature(lower, NWF_FEATURE_CT, "tests the state of connections",
                    "CONFIG_NF_CONNTRACK_BRIDGE (module nf_conntrack_bridge)", error))
    return FALSE;
  nwf_conjunctions_add(lower->conjunctions, nwf_test_negate(nwf_test_masked(NWF_FIELD_CT_STATE, &none, &bits)));
  return TRUE;
}

static guint32 state_bits(guint32 wanted) {
  guint32 bits = 0;
  bits |= wanted & NWF_STATE_NEW ? NF_CT_STATE_BIT(IP_CT_NEW) : 0;
  bits |= wanted & NWF_STATE_ESTABLISHED ? NF_CT_STATE_BIT(IP_CT_ESTABLISHED) : 0;
  bits |= wanted & NWF_STATE_RELATED ? NF_CT_STATE_BIT(IP_CT_RELATED) : 0;
  bits |= wanted & NWF_STATE_INVALID ? NF_CT_STATE_INVALID_BIT : 0;
  return bits;
}

static gboolean lower_state(NwfLower *lower, GError **error) {
  const NwfRule *rule = lower->collected->rule;
  gboolean accept = rule->action == NWF_ACTION_ACCEPT;
  guint32 wanted = states(rule);
  if (NWF_HAS(lower, NWF_ATTR_CONNLIMIT_ABOVE) && (accept || !wanted))
    return TRUE; /* the count stands in the state's place */
  if (wanted)
    return wanted & NWF_STATE_NONE || add_ct_state(lower, state_bits(wanted), error);
  if (!accept || rule->no_statematch || rule->direction == NWF_DIRECTION_INOUT)
    return TRUE;
  if (!add_ct_state(lower, state_bits(lower->swapped ? NWF_STATE_ESTABLISHED : NWF_STATE_NEW | NWF_STATE_ESTABLISHED),
                    error))
    return FALSE;
  if (!tests_icmp_type(rule))
    nwf_conjunctions_add(
        lower->conjunctions,
        nwf_test_eq_number(NWF_FIELD_CT_DIRECTION, lower->swapped ? IP_CT_DIR_REPLY : IP_CT_DIR_ORIGINAL));
  return TRUE;
}

/* Each rule instance counts for itself: the set's name holds the port's and a running number. The limit stands in
 * it, too, since the kernel keeps that in the elements, and the family, so that equal names are equal sets. */
static gboolean lower_connlimit(NwfLower *lower, gboolean ipv6, GError **error) {
  if (!NWF_HAS(lower, NWF_ATTR_CONNLIMIT_ABOVE))
    return TRUE;
  if (!need_feature(lower, NWF_FEATURE_CONNLIMIT, "counts connections",
                    "CONFIG_NFT_CONNLIMIT or CONFIG_NF_CONNTRACK_BRIDGE (modules nft_connlimit, nf_conntrack_bridge)",
                    error))
    return FALSE;
  NwfRuleset *ruleset = lower->port->ruleset;
  NwfField field = ipv6 ? NWF_FIELD_IP6_SADDR : NWF_FIELD_IP_SADDR;
  g_autofree char *port = nwf_sanitise(lower->port->binding->port);
  g_autofree char *name = g_strdup_printf("connlimit%s-%s-%u-%s%u", ipv6 ? "6" : "", port, lower->port->n_connlimits++,
                                          NWF_NEGATED(lower, NWF_ATTR_CONNLIMIT_ABOVE) ? "upto" : "over",
                                          NWF_NUMBER(lower, NWF_ATTR_CONNLIMIT_ABOVE));
  NwfSet *set = nwf_ruleset_set(ruleset, name); /* the port had it before an edit */
  if (!set)
    set = nwf_ruleset_add_set(ruleset, name, &field, 1);
  set->dynamic = TRUE;
  set->size = NWF_CONNLIMIT_SOURCES;
  nwf_conjunctions_add(lower->conjunctions,
                       nwf_test_eq_number(nwf_fields[field].requires, nwf_fields[field].required_value));
  NwfExpr expr = {.kind = NWF_EXPR_CONNLIMIT};
  expr.connlimit.field = field;
  expr.connlimit.set = set->name;
  expr.connlimit.count = NWF_NUMBER(lower, NWF_ATTR_CONNLIMIT_ABOVE);
  expr.connlimit.inverted = NWF_NEGATED(lower, NWF_ATTR_CONNLIMIT_ABOVE);
  nwf_conjunctions_add_expr(lower->conjunctions, &expr);
  return TRUE;
}

/* --- ipset --- */

static NwfSet *ipset_mirror(NwfLower *lower, const char *name, guint dimensions, gboolean ipv6, GError **error) {
  NwfRuleset *ruleset = lower->port->ruleset;
  const NwfCompileOptions *options = lower->port->options;
  g_autofree char *clean = nwf_sanitise(name);
  g_autofree char *mirror = g_strdup_printf("ipset-%s", clean);
  NwfSet *set = nwf_ruleset_set(ruleset, mirror);
  if (set)
    return set;
  g_autoptr(GError) reason = NULL;
  NwfField address = ipv6 ? NWF_FIELD_IP6_SADDR : NWF_FIELD_IP_SADDR;
  set = nwf_ruleset_add_set(ruleset, mirror, &address, 1);
  set->interval = TRUE;
  if (options->ipset && options->ipset(name, dimensions, ipv6, ruleset, set, options->data, &reason))
    return set;
  nwf_ruleset_remove_set(ruleset, mirror);
  g_autofree char *unread = g_strdup_printf("ipset '%s': there is no kernel to read it from", name);
  nwf_port_error(lower->port, lower->collected->filter, lower->collected->rule,
                 reason ? reason->code : NWF_ERROR_UNSUPPORTED, error, "%s", reason ? reason->message : unread);
  return NULL;
}

/* Which field of the frame a part of the ipset's key is compared with: bit n of @source says
 * whether its n-th dimension is the source. A protocol belongs to the port behind it. */
static NwfField ipset_part(NwfField part, gboolean source) {
  switch (part) {
  case NWF_FIELD_IP_SADDR:
    return source ? NWF_FIELD_IP_SADDR : NWF_FIELD_IP_DADDR;
  case NWF_FIELD_IP6_SADDR:
    return source ? NWF_FIELD_IP6_SADDR : NWF_FIELD_IP6_DADDR;
  case NWF_FIELD_ETHER_SADDR:
    return source ? NWF_FIELD_ETHER_SADDR : NWF_FIELD_ETHER_DADDR;
  case NWF_FIELD_TH_DPORT:
    return source ? NWF_FIELD_TH_SPORT : NWF_FIELD_TH_DPORT;
  default:
    return part;
  }
}

/* iptables looks into an ipset with the first of the flags, as many as the ipset has dimensions; what is looked up
 * with fewer is never found there. The members may have been had by a rule of another kind. */
static gboolean fits_ipset(NwfLower *lower, const NwfSet *set, guint flags, gboolean ipv6, GError **error) {
  const NwfFilter *filter = lower->collected->filter;
  const NwfRule *rule = lower->collected->rule;
  const char *name = lower->resolved->values[NWF_ATTR_IPSET]->string;
  const NwfField other = ipv6 ? NWF_FIELD_IP_SADDR : NWF_FIELD_IP6_SADDR;
  guint dimensions = 0;
  gboolean other_family = FALSE;
  for (guint i = 0; i < set->n_fields; i++) {
    dimensions += set->fields[i] != NWF_FIELD_L4PROTO;
    other_family |= set->fields[i] == other;
  }
  if (other_family)
    nwf_port_error(lower->port, filter, rule, NWF_ERROR_UNSUPPORTED, error, "ipset '%s': it holds %s addresses", name,
                   ipv6 ? "IPv4" : "IPv6");
  else if (flags < dimensions)
    nwf_port_error(lower->port, filter, rule, NWF_ERROR_UNSUPPORTED, error,
                   "ipset '%s': it has %u dimensions, and ipsetflags names %u", name, dimensions, flags);
  else if (flags > dimensions)
    nwf_port_warn(lower->port, filter, rule->line,
                  "ipset '%s' has %u dimension%s, and ipsetflags names %u: the first %u count%s, as with iptables",
                  name, dimensions, dimensions == 1 ? "" : "s", flags, dimensions, dimensions == 1 ? "s" : "");
  return !other_family && flags >= dimensions;
}

static gboolean lower_ipset(NwfLower *lower, gboolean ipv6, GError **error) {
  if (!NWF_HAS(lower, NWF_ATTR_IPSET))
    return TRUE;
  guint dimensions = 1, source = 1;
  if (NWF_HAS(lower, NWF_ATTR_IPSETFLAGS)) {
    dimensions = lower->resolved->values[NWF_ATTR_IPSETFLAGS]->ipset_flags.count;
    source = lower->resolved->values[NWF_ATTR_IPSETFLAGS]->ipset_flags.src;
  }
  if (lower->swapped)
    source = ~source;
  const char *name = lower->resolved->values[NWF_ATTR_IPSET]->string;
  NwfSet *set = ipset_mirror(lower, name, dimensions, ipv6, error);
  if (!set || !fits_ipset(lower, set, dimensions, ipv6, error))
    return FALSE;
  NwfExpr expr = {.kind = NWF_EXPR_LOOKUP};
  expr.lookup.set = set->name;
  expr.lookup.negated = NWF_NEGATED(lower, NWF_ATTR_IPSET);
  expr.lookup.n_fields = set->n_fields;
  guint dimension = 0;
  for (guint i = 0; i < set->n_fields; i++) {
    NwfField field = ipset_part(set->fields[i], source >> dimension & 1);
    expr.lookup.fields[i] = field;
    if (nwf_fields[field].requires != NWF_FIELD_NONE)
      nwf_conjunctions_add(lower->conjunctions,
                           nwf_test_eq_number(nwf_fields[field].requires, nwf_fields[field].required_value));
    if (nwf_fields[field].base == NWF_BASE_TH)
      nwf_lower_first_fragment(lower, ipv6);
    dimension += field != NWF_FIELD_L4PROTO;
  }
  nwf_conjunctions_add_expr(lower->conjunctions, &expr);
  return TRUE;
}

/* --- all together --- */

static NwfStepVerdict reject(NwfPort *port, const NwfCollected *collected, gboolean out) {
  const NwfCompileOptions *options = port->options;
  if (!out) /* the kernel cannot reject what it is about to send */
    return NWF_STEP_DROP;
  if (options->features & NWF_FEATURE_REJECT)
    return NWF_STEP_REJECT;
  if (port->warned == collected->rule) /* of another combination */
    return NWF_STEP_DROP;
  port->warned = collected->rule;
  nwf_port_warn(port, collected->filter, collected->rule->line,
                "this kernel cannot reject on bridges (it lacks CONFIG_NFT_BRIDGE_REJECT, module nft_reject_bridge): "
                "it drops without an answer");
  return NWF_STEP_DROP;
}

static NwfStepVerdict verdict(NwfPort *port, const NwfCollected *collected, gboolean out) {
  switch (collected->rule->action) {
  case NWF_ACTION_DROP:
    return NWF_STEP_DROP;
  case NWF_ACTION_REJECT:
    return reject(port, collected, out);
  default:
    return NWF_STEP_ACCEPT;
  }
}

gboolean nwf_lower_stage2(NwfPort *port, const NwfCollected *collected, const NwfResolved *resolved, gboolean out,
                          GArray *steps, GError **error) {
  const NwfRule *rule = collected->rule;
  gboolean ipv6 = nwf_protocols[rule->protocol].stage == NWF_STAGE_IPV6;
  NwfConjunctions conjunctions;
  nwf_conjunctions_init(&conjunctions, &port->arena);
  NwfLower lower = {.port = port,
                    .collected = collected,
                    .resolved = resolved,
                    .conjunctions = &conjunctions,
                    .swapped = is_swapped(rule, out)};
  if (!lower_protocol(&lower, error) || !lower_state(&lower, error) || !lower_ipset(&lower, ipv6, error) ||
      !lower_connlimit(&lower, ipv6, error))
    return FALSE;
  return conjunctions.never ||
         nwf_steps_append(port, steps, collected, &conjunctions, verdict(port, collected, out), error);
}
