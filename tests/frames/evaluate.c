// SPDX-License-Identifier: LGPL-2.1-or-later
#include "evaluate.h"
#include "instance.h"

#include <string.h>

/* A rule as the tree of filters yields it, with all its instances. */
typedef struct {
  const NwfFilter *filter;
  const NwfRule *rule;
  GPtrArray *instances;
} Collected;

typedef struct {
  const NwfFilterStore *store;
  const EvaluateInput *input;
  Packet packet;
  GArray *rules;   /* of Collected, in document order, then sorted */
  GPtrArray *path; /* names of the filters on the way down */
  Verdict *verdict;
} Evaluation;

void verdict_clear(Verdict *verdict) {
  g_clear_pointer(&verdict->why, g_free);
}

/* --- collecting --- */

static void collected_clear(gpointer data) {
  g_ptr_array_unref(((Collected *)data)->instances);
}

/* What the reference gives, over which what comes from further out wins. */
static NwfParameters *parameters_below(const NwfFilterRef *reference, const NwfParameters *outer) {
  NwfParameters *inner = nwf_parameters_copy(reference->parameters);
  for (guint i = 0; i < nwf_parameters_count(outer); i++) {
    const char *name = nwf_parameters_name(outer, i);
    nwf_parameters_set(inner, name, nwf_parameters_get(outer, name));
  }
  return inner;
}

static gboolean does_nothing(const NwfRule *rule);

/* A rule that no packet is asked by may have values that do not fit. */
static GPtrArray *instances_for(const NwfRule *rule, const NwfParameters *parameters, GError **error) {
  g_autoptr(GError) reason = NULL;
  GPtrArray *instances = instances_of(rule, parameters, &reason);
  if (instances == NULL && does_nothing(rule) && g_error_matches(reason, NWF_ERROR, NWF_ERROR_INVALID))
    return g_ptr_array_new();
  if (instances == NULL)
    g_propagate_error(error, g_steal_pointer(&reason));
  return instances;
}

static gboolean collect(Evaluation *evaluation, const char *name, const NwfParameters *parameters, GError **error) {
  const NwfFilter *filter = nwf_filter_store_get(evaluation->store, name);
  if (filter == NULL) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_MISSING_FILTER, "no filter '%s'", name);
    return FALSE;
  }
  if (g_ptr_array_find_with_equal_func(evaluation->path, name, g_str_equal, NULL)) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_LOOP, "filter '%s' leads back to itself", name);
    return FALSE;
  }
  g_ptr_array_add(evaluation->path, (gpointer)name);
  for (guint i = 0; i < filter->entries->len; i++) {
    const NwfEntry *entry = &g_array_index(filter->entries, NwfEntry, i);
    if (entry->rule != NULL) {
      Collected collected = {.filter = filter, .rule = entry->rule};
      collected.instances = instances_for(entry->rule, parameters, error);
      if (collected.instances == NULL)
        return FALSE;
      g_array_append_val(evaluation->rules, collected);
    } else {
      g_autoptr(NwfParameters) below = parameters_below(entry->reference, parameters);
      if (!collect(evaluation, entry->reference->filter, below, error))
        return FALSE;
    }
  }
  g_ptr_array_remove_index(evaluation->path, evaluation->path->len - 1);
  return TRUE;
}

/* The guest's MAC is a parameter, unless the binding gives one of that name itself. */
static NwfParameters *binding_parameters(const NwfBinding *binding) {
  NwfParameters *parameters = nwf_parameters_copy(binding->parameters);
  if (nwf_parameters_get(parameters, "MAC") == NULL) {
    g_autofree char *mac = nwf_mac_format(binding->mac);
    nwf_parameters_add(parameters, "MAC", mac, NULL);
  }
  return parameters;
}

static gint compare_priorities(gconstpointer a, gconstpointer b) {
  return ((const Collected *)a)->rule->priority - ((const Collected *)b)->rule->priority;
}

/* --- deciding --- */

static void decide(Evaluation *evaluation, const Collected *collected, gboolean accepted) {
  g_autofree char *rule = nwf_rule_describe(collected->rule);
  evaluation->verdict->accepted = accepted;
  g_free(evaluation->verdict->why);
  evaluation->verdict->why =
      g_strdup_printf("%s: filter %s, chain %s, line %u: %s", accepted ? "accept" : "drop", collected->filter->name,
                      collected->filter->chain, collected->rule->line, rule);
}

static void decide_by_default(Evaluation *evaluation, gboolean accepted, const char *why) {
  evaluation->verdict->accepted = accepted;
  g_free(evaluation->verdict->why);
  evaluation->verdict->why = g_strdup_printf("%s: %s", accepted ? "accept" : "drop", why);
}

/* --- L2 --- */

typedef enum { ON, ACCEPTED, DROPPED } Outcome;

static gboolean is_l2_here(const Evaluation *evaluation, const NwfRule *rule) {
  return nwf_protocols[rule->protocol].stage == NWF_STAGE_L2 &&
         (rule->direction == NWF_DIRECTION_INOUT || rule->direction == evaluation->input->direction);
}

static gboolean l2_matches(const Evaluation *evaluation, const Collected *collected) {
  gboolean swapped =
      collected->rule->direction == NWF_DIRECTION_INOUT && evaluation->input->direction == NWF_DIRECTION_OUT;
  for (guint i = 0; i < collected->instances->len; i++)
    if (instance_matches_l2(g_ptr_array_index(collected->instances, i), &evaluation->packet, swapped))
      return TRUE;
  return FALSE;
}

/* One rule: @returned says that its chain is left. */
static Outcome walk_rule(Evaluation *evaluation, const Collected *collected, gboolean *returned) {
  if (collected->rule->action == NWF_ACTION_CONTINUE || !l2_matches(evaluation, collected))
    return ON;
  if (collected->rule->action == NWF_ACTION_RETURN) {
    *returned = TRUE;
    return ON;
  }
  gboolean accepted = collected->rule->action == NWF_ACTION_ACCEPT;
  decide(evaluation, collected, accepted);
  return accepted ? ACCEPTED : DROPPED;
}

static gboolean chain_is_entered(const char *chain, const Packet *packet) {
  static const guint8 group[6] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x00};
  if (g_str_has_prefix(chain, "stp"))
    return memcmp(packet->bytes, group, 6) == 0;
  if (g_str_has_prefix(chain, "mac"))
    return TRUE;
  if (g_str_has_prefix(chain, "vlan"))
    return packet->type == ETHERTYPE_VLAN;
  if (g_str_has_prefix(chain, "rarp"))
    return packet->type == ETHERTYPE_RARP;
  if (g_str_has_prefix(chain, "arp"))
    return packet->type == ETHERTYPE_ARP;
  if (g_str_has_prefix(chain, "ipv4"))
    return packet->type == ETHERTYPE_IPV4;
  g_assert(g_str_has_prefix(chain, "ipv6"));
  return packet->type == ETHERTYPE_IPV6;
}

static Outcome walk_chain(Evaluation *evaluation, const char *chain) {
  if (!chain_is_entered(chain, &evaluation->packet))
    return ON;
  gboolean returned = FALSE;
  for (guint i = 0; i < evaluation->rules->len && !returned; i++) {
    const Collected *collected = &g_array_index(evaluation->rules, Collected, i);
    if (!is_l2_here(evaluation, collected->rule) || strcmp(collected->filter->chain, chain) != 0)
      continue;
    Outcome outcome = walk_rule(evaluation, collected, &returned);
    if (outcome != ON)
      return outcome;
  }
  if (returned || !evaluation->input->chain_end_accepts)
    return ON;
  decide_by_default(evaluation, TRUE, "the end of a chain");
  return ACCEPTED;
}

typedef struct {
  const char *name;
  int priority;
} Chain;

static gint compare_chains(gconstpointer a, gconstpointer b) {
  return ((const Chain *)a)->priority - ((const Chain *)b)->priority;
}

/* The sub-chains that have a rule in this direction, in the order of their jumps. Of filters that
 * disagree on a chain's priority, the last rule's has the last word. */
static GArray *find_chains(const Evaluation *evaluation) {
  GArray *chains = g_array_new(FALSE, FALSE, sizeof(Chain));
  for (guint i = 0; i < evaluation->rules->len; i++) {
    const Collected *collected = &g_array_index(evaluation->rules, Collected, i);
    const char *name = collected->filter->chain;
    if (!is_l2_here(evaluation, collected->rule) || strcmp(name, "root") == 0)
      continue;
    guint at = 0;
    while (at < chains->len && strcmp(g_array_index(chains, Chain, at).name, name) != 0)
      at++;
    if (at == chains->len)
      g_array_append_val(chains, (Chain){.name = name});
    g_array_index(chains, Chain, at).priority = collected->filter->priority;
  }
  g_array_sort(chains, compare_chains);
  return chains;
}

/* Root: each jump stands before the root rules of equal or higher priority. */
static Outcome walk_root(Evaluation *evaluation) {
  g_autoptr(GArray) chains = find_chains(evaluation);
  guint next = 0;
  for (guint i = 0; i < evaluation->rules->len; i++) {
    const Collected *collected = &g_array_index(evaluation->rules, Collected, i);
    if (!is_l2_here(evaluation, collected->rule) || strcmp(collected->filter->chain, "root") != 0)
      continue;
    for (; next < chains->len && g_array_index(chains, Chain, next).priority <= collected->rule->priority; next++) {
      Outcome outcome = walk_chain(evaluation, g_array_index(chains, Chain, next).name);
      if (outcome != ON)
        return outcome;
    }
    gboolean returned = FALSE;
    Outcome outcome = walk_rule(evaluation, collected, &returned);
    if (returned) {
      decide(evaluation, collected, TRUE);
      return ACCEPTED;
    }
    if (outcome != ON)
      return outcome;
  }
  for (; next < chains->len; next++) {
    Outcome outcome = walk_chain(evaluation, g_array_index(chains, Chain, next).name);
    if (outcome != ON)
      return outcome;
  }
  decide_by_default(evaluation, TRUE, "the end of root");
  return ACCEPTED;
}

/* --- L3/L4 --- */

typedef enum { NO_CHECK, AS_WRITTEN, SWAPPED } Check;

static gboolean has(const NwfRule *rule, NwfAttr attr) {
  return nwf_rule_match(rule, attr) != NULL;
}

static gboolean tests_icmp_type(const NwfRule *rule) {
  return (rule->protocol == NWF_PROTOCOL_ICMP || rule->protocol == NWF_PROTOCOL_ICMPV6) && has(rule, NWF_ATTR_TYPE);
}

static gboolean tests_state(const NwfRule *rule) {
  return has(rule, NWF_ATTR_STATE) && !rule->no_statematch;
}

/* Whether srcmacaddr is all that the rule asks for, beside the protocol. */
static gboolean asks_for_source_mac_only(const NwfRule *rule) {
  static const NwfAttr others[] = {
      NWF_ATTR_SRCIPADDR,    NWF_ATTR_DSTIPADDR,    NWF_ATTR_SRCIPFROM, NWF_ATTR_DSTIPFROM,
      NWF_ATTR_SRCPORTSTART, NWF_ATTR_DSTPORTSTART, NWF_ATTR_TYPE,      NWF_ATTR_CODE,
      NWF_ATTR_DSCP,         NWF_ATTR_FLAGS,        NWF_ATTR_OPTION,
  };
  for (guint i = 0; i < G_N_ELEMENTS(others); i++)
    if (has(rule, others[i]))
      return FALSE;
  return has(rule, NWF_ATTR_SRCMACADDR);
}

static Check check_of(const NwfRule *rule, NwfDirection direction) {
  if (rule->action == NWF_ACTION_CONTINUE)
    return NO_CHECK;
  Check check = rule->direction == NWF_DIRECTION_INOUT ? (direction == NWF_DIRECTION_IN ? AS_WRITTEN : SWAPPED)
                                                       : (direction == rule->direction ? AS_WRITTEN : SWAPPED);
  if (tests_icmp_type(rule) && (rule->direction == NWF_DIRECTION_INOUT || check == SWAPPED))
    return NO_CHECK;
  if (check == AS_WRITTEN)
    return AS_WRITTEN;
  if (tests_state(rule) && rule->direction != NWF_DIRECTION_INOUT)
    return NO_CHECK;
  if (has(rule, NWF_ATTR_CONNLIMIT_ABOVE) || asks_for_source_mac_only(rule))
    return NO_CHECK;
  return SWAPPED;
}

static gboolean does_nothing(const NwfRule *rule) {
  return nwf_protocols[rule->protocol].stage != NWF_STAGE_L2 && check_of(rule, NWF_DIRECTION_IN) == NO_CHECK &&
         check_of(rule, NWF_DIRECTION_OUT) == NO_CHECK;
}

static gboolean needs_state(const EvaluateInput *input, GError **error) {
  if (input->state != 0)
    return TRUE;
  g_set_error_literal(error, NWF_ERROR, NWF_ERROR_UNSUPPORTED, "the state of the connection is not known");
  return FALSE;
}

static gboolean holds_state(const Evaluation *evaluation, const NwfRule *rule, Check check, gboolean *holds,
                            GError **error) {
  const EvaluateInput *input = evaluation->input;
  gboolean accept = rule->action == NWF_ACTION_ACCEPT;
  *holds = TRUE;
  if (rule->no_statematch)
    return TRUE;
  if (tests_state(rule)) {
    guint states = nwf_rule_match(rule, NWF_ATTR_STATE)->value.number;
    if ((states & NWF_STATE_NONE) != 0 || (accept && has(rule, NWF_ATTR_CONNLIMIT_ABOVE)))
      return TRUE;
    *holds = (states & input->state) != 0;
    return needs_state(input, error);
  }
  if (!accept || rule->direction == NWF_DIRECTION_INOUT || has(rule, NWF_ATTR_CONNLIMIT_ABOVE))
    return TRUE;
  if (check == AS_WRITTEN)
    *holds = (input->state & (NWF_STATE_NEW | NWF_STATE_ESTABLISHED)) != 0 && (!input->reply || tests_icmp_type(rule));
  else
    *holds = input->state == NWF_STATE_ESTABLISHED && input->reply;
  return needs_state(input, error);
}

static gboolean holds_connlimit(const Evaluation *evaluation, const Instance *instance) {
  if (!instance->has[NWF_ATTR_CONNLIMIT_ABOVE])
    return TRUE;
  gboolean above = evaluation->input->connections > instance->values[NWF_ATTR_CONNLIMIT_ABOVE].number;
  return above != instance->negated[NWF_ATTR_CONNLIMIT_ABOVE];
}

static gboolean l4_matches(const Evaluation *evaluation, const Collected *collected, Check check, gboolean *matches,
                           GError **error) {
  *matches = FALSE;
  for (guint i = 0; i < collected->instances->len; i++) {
    const Instance *instance = g_ptr_array_index(collected->instances, i);
    gboolean holds;
    if (!instance_matches_l4(instance, &evaluation->packet, check == SWAPPED))
      continue;
    if (instance->has[NWF_ATTR_IPSET]) {
      g_set_error_literal(error, NWF_ERROR, NWF_ERROR_UNSUPPORTED, "the members of an ipset are not known");
      return FALSE;
    }
    if (!holds_state(evaluation, collected->rule, check, &holds, error))
      return FALSE;
    if (holds && holds_connlimit(evaluation, instance))
      *matches = TRUE;
  }
  return TRUE;
}

static gboolean is_l4_here(const Evaluation *evaluation, const NwfRule *rule, Check *check) {
  NwfStage stage = evaluation->packet.type == ETHERTYPE_IPV4 ? NWF_STAGE_IPV4 : NWF_STAGE_IPV6;
  *check = check_of(rule, evaluation->input->direction);
  return nwf_protocols[rule->protocol].stage == stage && *check != NO_CHECK;
}

static gboolean walk_l4(Evaluation *evaluation, GError **error) {
  for (guint i = 0; i < evaluation->rules->len; i++) {
    const Collected *collected = &g_array_index(evaluation->rules, Collected, i);
    Check check;
    gboolean matches;
    if (!is_l4_here(evaluation, collected->rule, &check))
      continue;
    if (!evaluation->packet.well_formed) {
      decide_by_default(evaluation, FALSE, "the packet is not well-formed, and there are rules for its protocols");
      return TRUE;
    }
    if (!l4_matches(evaluation, collected, check, &matches, error))
      return FALSE;
    if (!matches)
      continue;
    decide(evaluation, collected,
           collected->rule->action == NWF_ACTION_ACCEPT || collected->rule->action == NWF_ACTION_RETURN);
    return TRUE;
  }
  return TRUE;
}

/* --- all together --- */

static gboolean run(Evaluation *evaluation, const NwfBinding *binding, GError **error) {
  g_autoptr(NwfParameters) parameters = binding_parameters(binding);
  if (!collect(evaluation, binding->filter, parameters, error))
    return FALSE;
  g_array_sort(evaluation->rules, compare_priorities); /* stable */
  if (walk_root(evaluation) == DROPPED)
    return TRUE;
  const Packet *packet = &evaluation->packet;
  if (packet->type != ETHERTYPE_IPV4 && packet->type != ETHERTYPE_IPV6)
    return TRUE;
  if (evaluation->input->direction == NWF_DIRECTION_IN && evaluation->input->host)
    return TRUE;
  return walk_l4(evaluation, error);
}

gboolean evaluate(const NwfFilterStore *store, const NwfBinding *binding, const EvaluateInput *input,
                  const guint8 *frame, gsize length, Verdict *verdict, GError **error) {
  Evaluation evaluation = {.store = store, .input = input, .verdict = verdict};
  *verdict = (Verdict){0};
  evaluation.rules = g_array_new(FALSE, TRUE, sizeof(Collected));
  g_array_set_clear_func(evaluation.rules, collected_clear);
  evaluation.path = g_ptr_array_new();
  packet_read(&evaluation.packet, frame, length);
  if (input->host)
    packet_skip_tags(&evaluation.packet);
  gboolean done = run(&evaluation, binding, error);
  if (!done)
    verdict_clear(verdict);
  g_array_unref(evaluation.rules);
  g_ptr_array_unref(evaluation.path);
  return done;
}
