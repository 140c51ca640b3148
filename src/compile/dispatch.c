// SPDX-License-Identifier: LGPL-2.1-or-later
/* A port's entries in the maps by which a frame finds its rules. */
#include "compile/internal.h"
#include "ruleset/base-chains.h"
#include "ruleset/plan.h"
#include "ruleset/references.h"

#include <string.h>

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_ARP 0x0806

#define step_at(list, i) (&g_array_index(list, NwfStep, i))

void nwf_port_element(NwfPort *port, NwfSet *set, const guint8 *key, const NwfVerdict *verdict, const char *comment) {
  NwfPlace place = {.set = set, .index = set->elements->len};
  nwf_set_add_element(port->ruleset, set, key, NULL, verdict, comment);
  if (port->places)
    g_array_append_val(port->places, place);
}

static void add_entry(NwfPort *port, NwfDispatch dispatch, int ethertype, NwfVerdict verdict, const char *comment) {
  guint8 key[NWF_KEY_MAX] = {0};
  memcpy(key, port->binding->port, strlen(port->binding->port));
  gboolean typed = ethertype != NWF_ETHERTYPE_OTHER;
  if (typed) {
    key[16] = (guint8)(ethertype >> 8);
    key[17] = (guint8)ethertype;
  }
  nwf_port_element(port, nwf_dispatch_need_map(port->ruleset, dispatch, !typed), key, &verdict, comment);
  /* one set says it of both directions */
  if (nwf_dispatch_plans[dispatch].second || (!typed && dispatch == NWF_DISPATCH_FROM))
    nwf_port_element(port, nwf_dispatch_need_bound(port->ruleset, dispatch), key, NULL, NULL);
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
  if (!nwf_limit_merged(port, stage2.steps, error))
    return FALSE;
  nwf_simplify(port, stage2.steps);
  if (!nwf_limit_rules(port, stage2.steps, error))
    return FALSE;
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
  gboolean stateful; /* tests or counts connections */
  NwfVerdict verdict;
  const GArray *steps; /* NULL: they were another port's */
} Stage2Verdict;

static gboolean tests_state(const GArray *steps) {
  for (guint i = 0; i < steps->len; i++) {
    const NwfStep *step = step_at(steps, i);
    for (guint j = 0; j < step->n_conds; j++)
      if (nwf_expr_features(&step->conds[j]) & NWF_FEATURE_CT)
        return TRUE;
    if (step->sub && tests_state(step->sub))
      return TRUE;
  }
  return FALSE;
}

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
  result->stateful = steps && tests_state(steps);
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

static const int families[] = {ETHERTYPE_IPV4, ETHERTYPE_IPV6};

typedef struct {
  NwfPort *port;
  const NwfProgram *program;
  gboolean out;
  Stage2Verdict stage2[G_N_ELEMENTS(families)];
  GArray *types;    /* of guint16: EtherTypes with an entry of their own */
  gboolean decides; /* the verdict of one of them is not accept */
} Direction;

static gboolean has_type(const GArray *types, int ethertype) {
  for (guint i = 0; i < types->len; i++)
    if (g_array_index(types, guint16, i) == ethertype)
      return TRUE;
  return FALSE;
}

/* What a guest sends goes on to the second stage without another lookup, unless that has to stand behind connection
 * tracking. */
static Stage2Verdict *goes_on_to(Direction *direction, int ethertype) {
  for (guint i = 0; direction->out && i < G_N_ELEMENTS(families); i++)
    if (families[i] == ethertype && direction->stage2[i].has && !direction->stage2[i].stateful)
      return &direction->stage2[i];
  return NULL;
}

/* Where frames are many, a port's values are compared in a chain of its own: IP packets, and the ARP that
 * every guest is sent of every request. */
static gboolean is_busy(const Direction *direction, int ethertype) {
  if (ethertype == ETHERTYPE_IPV4 || ethertype == ETHERTYPE_IPV6)
    return TRUE;
  if (ethertype == ETHERTYPE_ARP)
    return !direction->out;
  return ethertype == NWF_ETHERTYPE_OTHER && !has_type(direction->types, ETHERTYPE_IPV4);
}

/* What is the same for all ports of a filter was lowered for another one: once more, then. It counts no connections. */
static gboolean recall_stage2(const Direction *direction, int ethertype, Stage2Verdict *stage2, GError **error) {
  GArray *steps;
  if (!stage2_steps(direction->port, ethertype == ETHERTYPE_IPV4 ? NWF_STAGE_IPV4 : NWF_STAGE_IPV6, direction->out,
                    &steps, error))
    return FALSE;
  stage2->steps = steps;
  return TRUE;
}

static gboolean compile_class(Direction *direction, int ethertype, NwfVerdict *verdict, GError **error) {
  char buffer[16];
  NwfPort *port = direction->port;
  const guint n_lists = port->n_lists;
  const char *label = ethertype_label(ethertype, buffer);
  Stage2Verdict *stage2 = goes_on_to(direction, ethertype);
  NwfStepVerdict accepted = NWF_STEP_ACCEPT;
  if (stage2 && stage2->verdict.kind == NWF_VERDICT_DROP)
    accepted = NWF_STEP_DROP;
  else if (stage2 && stage2->verdict.kind == NWF_VERDICT_GOTO)
    accepted = NWF_STEP_STAGE2;
  GArray *steps = nwf_program_specialise(port, direction->program, ethertype, accepted, error);
  if (!steps)
    return FALSE;
  if (!is_busy(direction, ethertype))
    steps = nwf_share_steps(port, steps, direction->out, ethertype, label);
  nwf_compact(steps);
  *verdict = nwf_emit(port, steps, direction->out ? "out" : "in", label, stage2 ? stage2->verdict.chain : NULL);
  if (ethertype == NWF_ETHERTYPE_OTHER || !port->binding->watch) {
    port->n_lists = n_lists; /* the next class needs as much */
    return TRUE;
  }
  gboolean second = accepted == NWF_STEP_STAGE2;
  if (second && !stage2->steps && !recall_stage2(direction, ethertype, stage2, error))
    return FALSE;
  const NwfWatched watched = {direction->out, ethertype, label, steps, second ? stage2->steps : NULL, *verdict};
  *verdict = nwf_watch(port, &watched);
  return TRUE;
}

static void add_type(Direction *direction, int ethertype, NwfVerdict verdict) {
  add_entry(direction->port, direction->out ? NWF_DISPATCH_FROM : NWF_DISPATCH_TO, ethertype, verdict, NULL);
  direction->decides |= verdict.kind != NWF_VERDICT_ACCEPT;
}

/* A frame that found no entry for its EtherType while the old rules were in force may find here that the new ones are,
 * among which it has one: it is dropped. */
static NwfVerdict guard_other(const Direction *direction, NwfVerdict verdict) {
  NwfExpr lookup = {.kind = NWF_EXPR_LOOKUP};
  lookup.lookup.n_fields = 1;
  lookup.lookup.fields[0] = NWF_FIELD_ETHER_TYPE;
  lookup.lookup.set = nwf_ethertype_set(direction->port->ruleset, direction->types);
  const NwfStep steps[] = {
      {.conds = &lookup, .n_conds = 1, .verdict = NWF_STEP_DROP},
      {.verdict = verdict.kind == NWF_VERDICT_GOTO ? NWF_STEP_STAGE2 : NWF_STEP_ACCEPT},
  };
  GArray *list = nwf_port_list(direction->port);
  g_array_append_vals(list, steps, G_N_ELEMENTS(steps));
  return nwf_emit(direction->port, list, direction->out ? "out" : "in", "rest", verdict.chain);
}

/* Of what has no entry, much is IP and ARP: these get one where others have one. */
static gboolean compile_other(Direction *direction, const char *comment, GError **error) {
  static const guint16 many[] = {ETHERTYPE_IPV4, ETHERTYPE_ARP, ETHERTYPE_IPV6};
  NwfVerdict verdict;
  if (!compile_class(direction, NWF_ETHERTYPE_OTHER, &verdict, error))
    return FALSE;
  if (direction->decides && verdict.kind != NWF_VERDICT_DROP) {
    for (guint i = 0; i < G_N_ELEMENTS(many); i++)
      if (!has_type(direction->types, many[i])) {
        add_type(direction, many[i], verdict);
        g_array_append_val(direction->types, many[i]);
      }
    verdict = guard_other(direction, verdict);
  }
  add_entry(direction->port, direction->out ? NWF_DISPATCH_FROM : NWF_DISPATCH_TO, NWF_ETHERTYPE_OTHER, verdict,
            comment);
  return TRUE;
}

static void compile_second_stage(Direction *direction) {
  for (guint i = 0; i < G_N_ELEMENTS(families); i++) {
    const Stage2Verdict *stage2 = &direction->stage2[i];
    guint16 type = (guint16)families[i];
    if (stage2->has && !direction->out)
      add_entry(direction->port, NWF_DISPATCH_FORWARD, type, stage2->verdict, NULL);
    else if (stage2->has && stage2->stateful)
      add_entry(direction->port, NWF_DISPATCH_FROM_STATE, type, stage2->verdict, NULL);
    else if (stage2->has && !has_type(direction->types, type))
      g_array_append_val(direction->types, type);
  }
}

static gboolean compile_direction(NwfPort *port, gboolean out, const char *comment, GError **error) {
  Direction direction = {.port = port, .out = out};
  if (!find_stage2(port, NWF_STAGE_IPV4, out, &direction.stage2[0], error) ||
      !find_stage2(port, NWF_STAGE_IPV6, out, &direction.stage2[1], error))
    return FALSE;
  g_autoptr(NwfProgram) program = nwf_program_new(port, out, error);
  if (!program)
    return FALSE;
  g_autoptr(GArray) types = nwf_program_ethertypes(program);
  direction.program = program;
  direction.types = types;
  compile_second_stage(&direction);
  nwf_watch_ethertypes(port, out, types);
  if (!nwf_limit_ethertypes(port, types->len + 1, nwf_program_size(program), error))
    return FALSE;
  for (guint i = 0; i < types->len; i++) {
    int type = g_array_index(types, guint16, i);
    NwfVerdict verdict;
    if (!compile_class(&direction, type, &verdict, error))
      return FALSE;
    add_type(&direction, type, verdict);
  }
  return compile_other(&direction, comment, error);
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
  return nwf_limit_instances(port, error) && compile_direction(port, TRUE, comment, error) &&
         compile_direction(port, FALSE, comment, error);
}

void nwf_dispatch_finish(NwfRuleset *ruleset) {
  NwfBaseChainForm forms[NWF_N_BASE_CHAINS];
  nwf_base_chains_wanted(ruleset, forms);
  nwf_base_chains_make(ruleset, NULL, forms);
}
