// SPDX-License-Identifier: LGPL-2.1-or-later
/* The maps by which a frame finds its port's rules, and the base chains that look there. */
#include "compile/internal.h"
#include "ruleset/references.h"

#include <string.h>

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_ARP 0x0806

#define step_at(list, i) (&g_array_index(list, NwfStep, i))

typedef struct {
  const char *map, *other; /* names of the maps by port and EtherType, and by port alone */
  const char *chain;
  NwfHook hook;
  NwfField port;
} Stage;

static const Stage from_port = {"from_port", "from_port_other", "prerouting", NWF_HOOK_PREROUTING, NWF_FIELD_IIFNAME};
static const Stage to_port = {"to_port", "to_port_other", "postrouting", NWF_HOOK_POSTROUTING, NWF_FIELD_OIFNAME};
/* The second stage of what a guest is sent concerns forwarded frames only, not what the host itself
 * sends, and has a hook that sees just these. */
static const Stage forward = {"forward_port", NULL, "forward", NWF_HOOK_FORWARD, NWF_FIELD_OIFNAME};

static NwfSet *map_for(NwfRuleset *ruleset, const Stage *stage, gboolean typed) {
  const char *name = typed ? stage->map : stage->other;
  NwfSet *map = nwf_ruleset_set(ruleset, name);
  if (map)
    return map;
  NwfField fields[] = {stage->port, NWF_FIELD_ETHER_TYPE};
  map = nwf_ruleset_add_set(ruleset, name, fields, typed ? 2 : 1);
  map->is_map = TRUE;
  return map;
}

void nwf_port_element(NwfPort *port, NwfSet *set, const guint8 *key, const NwfVerdict *verdict, const char *comment) {
  NwfPlace place = {.set = set, .index = set->elements->len};
  nwf_set_add_element(port->ruleset, set, key, NULL, verdict, comment);
  if (port->places)
    g_array_append_val(port->places, place);
}

static void add_entry(NwfPort *port, const Stage *stage, int ethertype, NwfVerdict verdict, const char *comment) {
  guint8 key[NWF_KEY_MAX] = {0};
  memcpy(key, port->binding->port, strlen(port->binding->port));
  gboolean typed = ethertype != NWF_ETHERTYPE_OTHER;
  if (typed) {
    key[16] = (guint8)(ethertype >> 8);
    key[17] = (guint8)ethertype;
  }
  nwf_port_element(port, map_for(port->ruleset, stage, typed), key, &verdict, comment);
}

static const char *ethertype_label(int ethertype, char buffer[16]) {
  switch (ethertype) {
  case NWF_ETHERTYPE_OTHER:
    return "other";
  case ETHERTYPE_IPV4:
    return "ipv4";
  case ETHERTYPE_IPV6:
    return "ipv6";
  case ETHERTYPE_ARP:
    return "arp";
  case 0x8035:
    return "rarp";
  case 0x8100:
    return "vlan";
  default:
    g_snprintf(buffer, 16, "0x%04x", (guint)ethertype);
    return buffer;
  }
}

/* --- the second stage --- */

typedef struct {
  GArray *steps;
  gboolean out;
} Stage2;

static gboolean lower_stage2(NwfPort *port, const NwfCollected *collected, const NwfResolved *resolved, gpointer data,
                             GError **error) {
  Stage2 *stage2 = data;
  return nwf_lower_stage2(port, collected, resolved, stage2->out, stage2->steps, error);
}

/* The family's second-stage steps of a direction, or NULL when the port has no check there. */
static gboolean stage2_steps(NwfPort *port, NwfStage family, gboolean out, GArray **steps, GError **error) {
  Stage2 stage2 = {.steps = nwf_port_list(port), .out = out};
  gboolean any = FALSE;
  *steps = NULL;
  for (guint i = 0; i < port->collected->len; i++) {
    const NwfCollected *collected = &g_array_index(port->collected, NwfCollected, i);
    if (nwf_protocols[collected->rule->protocol].stage != family || !nwf_stage2_checks(collected->rule, out))
      continue;
    any = TRUE;
    if (!nwf_expand(port, collected, lower_stage2, &stage2, error))
      return FALSE;
  }
  if (!any)
    return TRUE;
  NwfStep end = {.verdict = NWF_STEP_ACCEPT};
  g_array_append_val(stage2.steps, end);
  nwf_merge_values(port, stage2.steps);
  for (guint i = 0; i < stage2.steps->len; i++) {
    const NwfStep *step = step_at(stage2.steps, i);
    for (guint j = 0; port->reached && j < step->n_origins; j++)
      g_hash_table_add(port->reached, (gpointer)step->origins[j].rule);
    if (step->n_conds == 0)
      break;
  }
  nwf_simplify(port, stage2.steps);
  nwf_hoist_own_values(port, stage2.steps);
  nwf_compact(stage2.steps);
  *steps = stage2.steps;
  return TRUE;
}

/* Of a packet whose headers make no sense no upper protocol can be found: it matches no rule that
 * drops, and so is dropped before them. */
static NwfVerdict emit_stage2(NwfPort *port, const GArray *steps, gboolean out, int ethertype) {
  char buffer[16];
  g_autofree char *label = g_strdup_printf("%s-stage2", ethertype_label(ethertype, buffer));
  const char *direction = out ? "out" : "in";
  NwfVerdict body = nwf_emit(port, steps, direction, label, NULL);
  if (body.kind == NWF_VERDICT_DROP)
    return body;
  GArray *wrapper = nwf_port_list(port);
  NwfExpr well_formed = {.kind = NWF_EXPR_TEST, .test = nwf_test_range_number(NWF_FIELD_L4PROTO, 0, 255)};
  NwfStep step = {.conds = &well_formed, .n_conds = 1};
  step.verdict = body.kind == NWF_VERDICT_ACCEPT ? NWF_STEP_ACCEPT : NWF_STEP_STAGE2;
  g_array_append_val(wrapper, step);
  NwfStep malformed = {.verdict = NWF_STEP_DROP};
  g_array_append_val(wrapper, malformed);
  return nwf_emit(port, wrapper, direction, label, body.chain);
}

typedef struct {
  gboolean has;
  NwfVerdict verdict;
  const GArray *steps; /* NULL: they were another port's */
} Stage2Verdict;

/* Whether nothing of the port's is in the family's rules: neither a variable nor a count of its connections. */
static gboolean is_constant(const NwfPort *port, NwfStage family, gboolean out) {
  for (guint i = 0; i < port->collected->len; i++) {
    const NwfRule *rule = g_array_index(port->collected, NwfCollected, i).rule;
    if (nwf_protocols[rule->protocol].stage != family || !nwf_stage2_checks(rule, out))
      continue;
    for (guint j = 0; j < rule->matches->len; j++) {
      const NwfMatch *match = &g_array_index(rule->matches, NwfMatch, j);
      if (match->variable || match->attr == NWF_ATTR_CONNLIMIT_ABOVE)
        return FALSE;
    }
  }
  return TRUE;
}

static gboolean make_stage2(NwfPort *port, NwfStage family, gboolean out, Stage2Verdict *result, GError **error) {
  GArray *steps;
  if (!stage2_steps(port, family, out, &steps, error))
    return FALSE;
  result->has = steps != NULL;
  result->steps = steps;
  if (steps)
    result->verdict = emit_stage2(port, steps, out, family == NWF_STAGE_IPV4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
  return TRUE;
}

/* What is the same for all ports of a filter is made for the first of them. */
static gboolean find_stage2(NwfPort *port, NwfStage family, gboolean out, Stage2Verdict *result, GError **error) {
  if (!is_constant(port, family, out))
    return make_stage2(port, family, out, result, error);
  g_autofree char *key =
      g_strdup_printf("%u %u %u %s", family, (guint)out, port->binding->closed, port->binding->filter);
  if (!port->known)
    port->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  const Stage2Verdict *known = g_hash_table_lookup(port->known, key);
  if (known) {
    *result = *known;
    result->steps = NULL;
    return TRUE;
  }
  port->no_own = TRUE;
  gboolean ok = make_stage2(port, family, out, result, error);
  port->no_own = FALSE;
  if (ok)
    g_hash_table_insert(port->known, g_steal_pointer(&key), g_memdup2(result, sizeof *result));
  return ok;
}

/* --- a direction --- */

static Stage2Verdict *stage2_of(Stage2Verdict stage2[2], int ethertype) {
  if (ethertype == ETHERTYPE_IPV4 && stage2[0].has)
    return &stage2[0];
  if (ethertype == ETHERTYPE_IPV6 && stage2[1].has)
    return &stage2[1];
  return NULL;
}

/* Where frames are many, a port's values are compared in a chain of its own: IP packets, and the ARP that
 * every guest is sent of every request. */
static gboolean is_busy(const GArray *types, gboolean out, int ethertype) {
  if (ethertype == ETHERTYPE_IPV4 || ethertype == ETHERTYPE_IPV6)
    return TRUE;
  if (ethertype == ETHERTYPE_ARP)
    return !out;
  if (ethertype != NWF_ETHERTYPE_OTHER)
    return FALSE;
  for (guint i = 0; i < types->len; i++)
    if (g_array_index(types, guint16, i) == ETHERTYPE_IPV4)
      return FALSE;
  return TRUE;
}

/* What is the same for all ports of a filter was lowered for another one: once more, then. It counts no connections. */
static gboolean recall_stage2(NwfPort *port, int ethertype, gboolean out, Stage2Verdict *stage2, GError **error) {
  GArray *steps;
  if (!stage2_steps(port, ethertype == ETHERTYPE_IPV4 ? NWF_STAGE_IPV4 : NWF_STAGE_IPV6, out, &steps, error))
    return FALSE;
  stage2->steps = steps;
  return TRUE;
}

static gboolean compile_class(NwfPort *port, const NwfProgram *program, gboolean out, const GArray *types,
                              int ethertype, Stage2Verdict *stage2, const char *comment, GError **error) {
  char buffer[16];
  const char *label = ethertype_label(ethertype, buffer);
  NwfStepVerdict accepted = NWF_STEP_ACCEPT;
  if (stage2 && stage2->verdict.kind == NWF_VERDICT_DROP)
    accepted = NWF_STEP_DROP;
  else if (stage2 && stage2->verdict.kind == NWF_VERDICT_GOTO)
    accepted = NWF_STEP_STAGE2;
  GArray *steps = nwf_program_specialise(port, program, ethertype, accepted);
  if (!is_busy(types, out, ethertype))
    steps = nwf_share_steps(port, steps, out, ethertype, label);
  nwf_compact(steps);
  NwfVerdict verdict = nwf_emit(port, steps, out ? "out" : "in", label, stage2 ? stage2->verdict.chain : NULL);
  if (ethertype != NWF_ETHERTYPE_OTHER && port->binding->watch) {
    gboolean second = accepted == NWF_STEP_STAGE2;
    if (second && !stage2->steps && !recall_stage2(port, ethertype, out, stage2, error))
      return FALSE;
    const NwfWatched watched = {out, ethertype, label, steps, second ? stage2->steps : NULL, verdict};
    verdict = nwf_watch(port, &watched);
  }
  add_entry(port, out ? &from_port : &to_port, ethertype, verdict, comment);
  return TRUE;
}

static gboolean compile_direction(NwfPort *port, gboolean out, const char *comment, GError **error) {
  Stage2Verdict stage2[2] = {0};
  if (!find_stage2(port, NWF_STAGE_IPV4, out, &stage2[0], error) ||
      !find_stage2(port, NWF_STAGE_IPV6, out, &stage2[1], error))
    return FALSE;
  g_autoptr(NwfProgram) program = nwf_program_new(port, out, error);
  if (!program)
    return FALSE;
  static const int families[] = {ETHERTYPE_IPV4, ETHERTYPE_IPV6};
  if (!out)
    for (guint i = 0; i < 2; i++)
      if (stage2[i].has)
        add_entry(port, &forward, families[i], stage2[i].verdict, NULL);
  g_autoptr(GArray) types = nwf_program_ethertypes(program);
  for (guint i = 0; out && i < 2; i++) {
    guint16 type = (guint16)families[i];
    gboolean named = FALSE;
    for (guint j = 0; j < types->len; j++)
      named |= g_array_index(types, guint16, j) == type;
    if (stage2[i].has && !named)
      g_array_append_val(types, type);
  }
  nwf_watch_ethertypes(port, out, types);
  for (guint i = 0; i < types->len; i++) {
    int type = g_array_index(types, guint16, i);
    if (!compile_class(port, program, out, types, type, out ? stage2_of(stage2, type) : NULL, NULL, error))
      return FALSE;
  }
  return compile_class(port, program, out, types, NWF_ETHERTYPE_OTHER, NULL, comment, error);
}

/* "FILTER NAME=VALUE,VALUE NAME=VALUE": what `list` shows of a port. */
static char *describe_binding(const NwfPort *port) {
  GString *text = g_string_new(port->binding->filter);
  for (guint i = 0; i < nwf_parameters_count(port->parameters) && text->len <= NWF_COMMENT_LEN; i++) {
    const char *name = nwf_parameters_name(port->parameters, i);
    const GPtrArray *values = nwf_parameters_get(port->parameters, name);
    for (guint j = 0; j < values->len && text->len <= NWF_COMMENT_LEN; j++)
      g_string_append_printf(text, j ? ",%s" : " %s=%s", j ? (char *)g_ptr_array_index(values, j) : name,
                             (char *)g_ptr_array_index(values, j));
  }
  if (text->len > NWF_COMMENT_LEN) {
    g_string_truncate(text, NWF_COMMENT_LEN - 3);
    g_string_append(text, "...");
  }
  return g_string_free(text, FALSE);
}

gboolean nwf_dispatch_port(NwfPort *port, GError **error) {
  g_autofree char *comment = describe_binding(port);
  return compile_direction(port, TRUE, comment, error) && compile_direction(port, FALSE, comment, error);
}

/* --- what needs no lookup of the port --- */

/* Under most filters all ports accept all ARP and IPv4 that they are sent, and of a broadcast frame each of them is
 * sent one. Then the base chain of postrouting accepts these EtherTypes before it looks for the port; other ports'
 * frames it accepts anyway. Each combination of EtherTypes has a chain and a set of its own, so that neither is ever
 * changed: when a port comes that does not accept one of them, another chain takes the place of this one in the same
 * transaction. Indexed by bits of NwfClass. */
static const char *const accepted_chains[NWF_N_ACCEPTED] = {NULL,
                                                            "postrouting-ipv4",
                                                            "postrouting-arp",
                                                            "postrouting-ipv4-arp",
                                                            "postrouting-ipv6",
                                                            "postrouting-ipv4-ipv6",
                                                            "postrouting-arp-ipv6",
                                                            "postrouting-ipv4-arp-ipv6"};
static const char *const accepted_sets[NWF_N_ACCEPTED] = {NULL,
                                                          "accepted-ipv4",
                                                          "accepted-arp",
                                                          "accepted-ipv4-arp",
                                                          "accepted-ipv6",
                                                          "accepted-ipv4-ipv6",
                                                          "accepted-arp-ipv6",
                                                          "accepted-ipv4-arp-ipv6"};

static guint accepted_by_all(NwfRuleset *ruleset) {
  const NwfReferences *references = nwf_ruleset_references(ruleset);
  guint accepted = 0;
  for (guint i = 0; i < NWF_N_CLASSES; i++)
    if (nwf_references_all_accept(references, i))
      accepted |= 1u << i;
  return accepted;
}

/* The set is one of keys of 2 bytes and no map: the kernel makes it a bitmap (net/netfilter/nft_set_bitmap.c). By
 * `ether type`, since `meta protocol` is the type within a VLAN tag. */
static void accept_first(NwfRuleset *ruleset, NwfChain *chain, guint accepted) {
  static const guint16 types[NWF_N_CLASSES] = {ETHERTYPE_IPV4, ETHERTYPE_ARP, ETHERTYPE_IPV6};
  const NwfField field = NWF_FIELD_ETHER_TYPE;
  NwfSet *set = nwf_ruleset_add_set(ruleset, accepted_sets[accepted], &field, 1);
  for (guint i = 0; i < NWF_N_CLASSES; i++) {
    const guint8 key[NWF_KEY_MAX] = {(guint8)(types[i] >> 8), (guint8)types[i]};
    if (accepted & 1u << i)
      nwf_set_add_element(ruleset, set, key, NULL, NULL, NULL);
  }
  NwfExpr exprs[] = {{.kind = NWF_EXPR_LOOKUP}, {.kind = NWF_EXPR_VERDICT, .verdict = {.kind = NWF_VERDICT_ACCEPT}}};
  exprs[0].lookup.n_fields = 1;
  exprs[0].lookup.fields[0] = field;
  exprs[0].lookup.set = set->name;
  nwf_chain_add_rule(ruleset, chain, exprs, G_N_ELEMENTS(exprs), NULL);
}

/* The map of the forward hook holds nothing for ARP, of which there is much. Within a tag or not does not matter:
 * tagged frames have no entry either. */
static void skip_arp(NwfRuleset *ruleset, NwfChain *chain) {
  const NwfExpr exprs[] = {{.kind = NWF_EXPR_TEST, .test = nwf_test_eq_number(NWF_FIELD_PROTOCOL, ETHERTYPE_ARP)},
                           {.kind = NWF_EXPR_VERDICT, .verdict = {.kind = NWF_VERDICT_ACCEPT}}};
  nwf_chain_add_rule(ruleset, chain, exprs, G_N_ELEMENTS(exprs), NULL);
}

static const Stage *const stages[NWF_N_DISPATCH_STAGES] = {&from_port, &forward, &to_port};

const char *nwf_dispatch_chain_name(guint stage, guint accepted) {
  return accepted && stages[stage] == &to_port ? accepted_chains[accepted] : accepted ? NULL : stages[stage]->chain;
}

const char *nwf_dispatch_accepted_name(guint accepted) {
  return accepted_sets[accepted];
}

/* Both maps are there from the first port on, as the rules of a base chain are never changed. */
static void add_base_chain(NwfRuleset *ruleset, const Stage *stage, guint accepted) {
  map_for(ruleset, stage, TRUE);
  const char *name = accepted ? accepted_chains[accepted] : stage->chain;
  NwfChain *chain = nwf_ruleset_add_chain(ruleset, name, stage->hook, NWF_HOOK_PRIORITY);
  if (accepted)
    accept_first(ruleset, chain, accepted);
  if (stage == &forward)
    skip_arp(ruleset, chain);
  const char *names[] = {stage->map, stage->other};
  for (guint i = 0; i < 2; i++) {
    if (!names[i] || !nwf_ruleset_set(ruleset, names[i]))
      continue;
    NwfExpr expr = {.kind = NWF_EXPR_LOOKUP};
    expr.lookup.n_fields = i ? 1 : 2;
    expr.lookup.fields[0] = stage->port;
    expr.lookup.fields[1] = i ? NWF_FIELD_NONE : NWF_FIELD_ETHER_TYPE;
    expr.lookup.set = names[i];
    nwf_chain_add_rule(ruleset, chain, &expr, 1, NULL);
  }
}

NwfSet *nwf_dispatch_map(const NwfRuleset *ruleset, guint stage, gboolean other) {
  const char *name = other ? stages[stage]->other : stages[stage]->map;
  return name ? nwf_ruleset_set(ruleset, name) : NULL;
}

static gboolean map_decides(const NwfRuleset *ruleset, const NwfSet *map) {
  if (map && ruleset->references)
    return map->deciding > 0;
  for (guint i = 0; map && i < map->elements->len; i++)
    if (g_array_index(map->elements, NwfElement, i).verdict.kind != NWF_VERDICT_ACCEPT)
      return TRUE;
  return FALSE;
}

static gboolean stage_decides(const NwfRuleset *ruleset, guint stage) {
  return map_decides(ruleset, nwf_dispatch_map(ruleset, stage, FALSE)) ||
         map_decides(ruleset, nwf_dispatch_map(ruleset, stage, TRUE));
}

gboolean nwf_dispatch_is_accepted(const NwfSet *set) {
  return !set->is_map && set->n_fields == 1 && g_str_has_prefix(set->name, "accepted-");
}

gboolean nwf_dispatch_decides(NwfRuleset *ruleset, const char *name) {
  for (guint i = 0; i < G_N_ELEMENTS(stages); i++)
    if (strcmp(name, stages[i]->map) == 0 || g_strcmp0(name, stages[i]->other) == 0)
      return stage_decides(ruleset, i);
  for (guint i = 0; i < G_N_ELEMENTS(stages); i++) {
    guint accepted = stages[i] == &to_port ? accepted_by_all(ruleset) : 0;
    if (g_strcmp0(name, nwf_dispatch_chain_name(i, accepted)) == 0 ||
        (accepted && strcmp(name, accepted_sets[accepted]) == 0))
      return stage_decides(ruleset, i);
  }
  return FALSE;
}

/* A hook where every port's verdict is accept would only cost time. */
void nwf_dispatch_finish(NwfRuleset *ruleset) {
  for (guint i = 0; i < G_N_ELEMENTS(stages); i++) {
    guint accepted = stages[i] == &to_port ? accepted_by_all(ruleset) : 0;
    if (stage_decides(ruleset, i) && !nwf_ruleset_chain(ruleset, nwf_dispatch_chain_name(i, accepted)))
      add_base_chain(ruleset, stages[i], accepted);
  }
}
