// SPDX-License-Identifier: LGPL-2.1-or-later
/* What is wrong or suspicious in a filter, found by compiling it for a port that does not exist. */
#include "compile/internal.h"

#include <string.h>

#define CHECK_PORT "check"

typedef struct {
  const NwfFilterStore *store;
  const NwfFilter *filter;
  const NwfBinding *binding; /* or NULL: nobody knows yet */
  const NwfCompileOptions *options;
  GHashTable *seen;    /* names of filters that were visited */
  GHashTable *made_up; /* name of a variable -> its number, from 1 */
  gboolean complete;   /* nothing is missing, so that it can be compiled */
  guint open_ends;     /* chains whose end matters */
} Check;

static void warn(const Check *check, const NwfFilter *filter, guint line, const char *format, ...) G_GNUC_PRINTF(4, 5);
static void warn(const Check *check, const NwfFilter *filter, guint line, const char *format, ...) {
  va_list args;
  if (!check->options->warning)
    return;
  va_start(args, format);
  g_autofree char *what = g_strdup_vprintf(format, args);
  va_end(args);
  g_autofree char *where = nwf_where(filter, line);
  g_autofree char *full = g_strdup_printf("filter %s: %s", filter->name, what);
  check->options->warning(where, full, check->options->data);
}

/* --- values for variables that nobody gives --- */

#define VALUES_APART 16 /* numbers of values of one variable, so that another's are others as long as they are few */

/* A value of the attribute's type, different for each @n as far as the type allows. */
static char *made_up_value(NwfType type, guint n) {
  static const char *const protocols[] = {"udp", "tcp", "sctp", "33"}; /* that have ports */
  switch (type) {
  case NWF_TYPE_MAC:
    return g_strdup_printf("02:00:00:00:%02x:%02x", n >> 8 & 0xff, n & 0xff);
  case NWF_TYPE_MAC_MASK:
    return g_strdup("ff:ff:ff:00:00:00");
  case NWF_TYPE_IPV4: /* RFC 2544 */
    return g_strdup_printf("198.18.%u.%u", n >> 8 & 0xff, n & 0xff);
  case NWF_TYPE_IPV6: /* RFC 3849 */
    return g_strdup_printf("2001:db8::%x", 1 + n % 0xffff);
  case NWF_TYPE_IPV4_MASK:
  case NWF_TYPE_IPV6_MASK:
    return g_strdup("24");
  case NWF_TYPE_ETHERTYPE:
    return g_strdup_printf("0x%x", 0x9100 + n % 0x1000);
  case NWF_TYPE_STATE:
    return g_strdup("NEW");
  case NWF_TYPE_IPPROTO:
    return g_strdup(protocols[n % G_N_ELEMENTS(protocols)]);
  case NWF_TYPE_BOOLEAN:
    return g_strdup("1");
  case NWF_TYPE_TCP_FLAGS:
    return g_strdup("SYN/SYN");
  case NWF_TYPE_IPSET_FLAGS:
    return g_strdup("src");
  case NWF_TYPE_UINT16: /* within a VLAN's id */
  case NWF_TYPE_UINT32:
  case NWF_TYPE_OPCODE:
    return g_strdup_printf("%u", 1 + n % 4094);
  case NWF_TYPE_UINT8:
    return g_strdup_printf("%u", 1 + n % 254);
  default:
    return g_strdup_printf("%u", 1 + n % 63);
  }
}

/* The attribute at the other end of a range, which stands beside it in NwfAttr; @is_end: @attr is the upper one. */
static NwfAttr other_end(NwfAttr attr, gboolean *is_end) {
  static const NwfAttr ends[] = {NWF_ATTR_ROOT_PRIORITY_HI, NWF_ATTR_ROOT_COST_HI,     NWF_ATTR_SENDER_PRIORITY_HI,
                                 NWF_ATTR_PORT_HI,          NWF_ATTR_AGE_HI,           NWF_ATTR_MAX_AGE_HI,
                                 NWF_ATTR_HELLO_TIME_HI,    NWF_ATTR_FORWARD_DELAY_HI, NWF_ATTR_SRCIPTO,
                                 NWF_ATTR_DSTIPTO,          NWF_ATTR_SRCPORTEND,       NWF_ATTR_DSTPORTEND,
                                 NWF_ATTR_TYPEEND,          NWF_ATTR_CODEEND};
  for (guint i = 0; i < G_N_ELEMENTS(ends); i++) {
    *is_end = attr == ends[i];
    if (*is_end || attr + 1 == ends[i])
      return *is_end ? attr - 1 : ends[i];
  }
  return attr;
}

/* The least or the greatest value of a type that ranges have. */
static const char *extreme_value(NwfType type, gboolean greatest) {
  switch (type) {
  case NWF_TYPE_IPV4:
    return greatest ? "255.255.255.255" : "0.0.0.0";
  case NWF_TYPE_IPV6:
    return greatest ? "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" : "::";
  case NWF_TYPE_UINT8:
    return greatest ? "255" : "0";
  default:
    return greatest ? "65535" : "0";
  }
}

/* The values of a variable that nobody gives. Of a range, whose other end may be anything, those that it can have. */
static GPtrArray *make_up(Check *check, const NwfRule *rule, const NwfMatch *match, guint length) {
  gboolean is_end = FALSE;
  NwfAttr other = other_end(match->attr, &is_end);
  NwfType type = nwf_protocol_attr(rule->protocol, match->attr)->type;
  gboolean in_range = other != match->attr && nwf_rule_match(rule, other);
  guint number = GPOINTER_TO_UINT(g_hash_table_lookup(check->made_up, match->variable->name));
  if (!number) {
    number = g_hash_table_size(check->made_up) + 1;
    g_hash_table_insert(check->made_up, match->variable->name, GUINT_TO_POINTER(number));
  }
  GPtrArray *values = g_ptr_array_new_with_free_func(g_free);
  for (guint n = 0; n < length; n++)
    g_ptr_array_add(values,
                    in_range ? g_strdup(extreme_value(type, is_end)) : made_up_value(type, number * VALUES_APART + n));
  return values;
}

static gboolean is_given(const NwfCollected *collected, const NwfVariable *variable) {
  const GPtrArray *values = nwf_scope_get(collected->scope, variable->name);
  return values && values->len > (variable->element ? variable->index : 0);
}

/* How many values a variable of the rule must have: as many as what is given on its iterator, else enough for the
 * elements that are named. */
static guint wanted_length(const NwfCollected *collected, const NwfVariable *variable) {
  guint most = 1;
  for (guint i = 0; i < collected->rule->matches->len; i++) {
    const NwfVariable *other = g_array_index(collected->rule->matches, NwfMatch, i).variable;
    if (!other)
      continue;
    const GPtrArray *values = nwf_scope_get(collected->scope, other->name);
    if (!other->element && !variable->element && other->index == variable->index && is_given(collected, other))
      return values->len;
    if (other->element && !is_given(collected, other))
      most = MAX(most, other->index + 1);
  }
  return most;
}

/* What is learned, or the port's own, need not be given. */
static gboolean is_standard(const char *name) {
  return strcmp(name, "MAC") == 0 || strcmp(name, "IP") == 0 || strcmp(name, "IPV6") == 0;
}

static void warn_missing(const Check *check, const NwfCollected *collected, const NwfVariable *variable) {
  if (!check->binding || is_standard(variable->name))
    return;
  const GPtrArray *values = nwf_scope_get(collected->scope, variable->name);
  if (values)
    warn(check, collected->filter, collected->rule->line, "port %s gives only %u values of the variable %s, not %u",
         check->binding->port, values->len, variable->name, variable->index + 1);
  else
    warn(check, collected->filter, collected->rule->line,
         "neither port %s nor a reference on the way gives the variable %s", check->binding->port, variable->name);
}

/* The rule with made-up values for what it lacks, over what it has; the port keeps them. */
static void complete_rule(Check *check, NwfPort *port, NwfCollected *collected) {
  NwfParameters *made_up = NULL;
  for (guint i = 0; i < collected->rule->matches->len; i++) {
    const NwfMatch *match = &g_array_index(collected->rule->matches, NwfMatch, i);
    if (!match->variable || is_given(collected, match->variable))
      continue;
    warn_missing(check, collected, match->variable);
    if (match->variable->element &&
        match->variable->index > NWF_ITERATOR_MAX) { /* such an element will never be there */
      warn(check, collected->filter, collected->rule->line, "nobody will give %u values of %s",
           match->variable->index + 1, match->variable->name);
      check->complete = FALSE;
      return;
    }
    if (!made_up) {
      made_up = nwf_parameters_new();
      g_ptr_array_add(port->made_up, made_up);
      NwfScope *scope = nwf_arena_new(&port->arena, NwfScope, 1);
      *scope = (NwfScope){.outer = collected->scope, .parameters = made_up, .wins = TRUE};
      collected->scope = scope;
    }
    g_autoptr(GPtrArray) values = make_up(check, collected->rule, match, wanted_length(collected, match->variable));
    nwf_parameters_set(made_up, match->variable->name, values);
  }
}

/* --- references --- */

static void warn_passed_over(const Check *check, const NwfFilter *filter, const NwfFilterRef *reference) {
  for (guint i = 0; i < nwf_parameters_n_passed_over(reference->parameters); i++) {
    const NwfPassedOver *passed_over = nwf_parameters_passed_over(reference->parameters, i);
    g_autofree char *what = nwf_passed_over_describe(passed_over);
    warn(check, filter, passed_over->line, "%s", what);
  }
}

/* Says what is wrong with the references of all filters that can be reached. */
static void walk(Check *check, const NwfFilter *filter, guint depth) {
  if (!g_hash_table_add(check->seen, filter->name) || depth > NWF_DEPTH_MAX)
    return;
  for (guint i = 0; i < filter->entries->len; i++) {
    const NwfFilterRef *reference = g_array_index(filter->entries, NwfEntry, i).reference;
    if (!reference)
      continue;
    warn_passed_over(check, filter, reference);
    const NwfFilter *next = nwf_filter_store_get(check->store, reference->filter);
    if (next) {
      walk(check, next, depth + 1);
      continue;
    }
    warn(check, filter, reference->line, "no filter directory has the filter '%s'", reference->filter);
    check->complete = FALSE;
  }
}

static void warn_void(const Check *check, const NwfFilter *filter) {
  for (guint i = 0; i < filter->entries->len; i++) {
    const NwfRule *rule = g_array_index(filter->entries, NwfEntry, i).rule;
    if (!rule)
      continue;
    if (nwf_stage2_is_void(rule))
      warn(check, filter, rule->line, "an icmp rule with a type and the direction inout has no effect, as in libvirt");
    if (rule->protocol == NWF_PROTOCOL_STP && rule->direction != NWF_DIRECTION_IN)
      warn(
          check, filter, rule->line,
          "a bridge that runs STP takes BPDUs of guests past this rule and every other (bridge link set ... guard on)");
    if (rule->action == NWF_ACTION_CONTINUE)
      warn(check, filter, rule->line, "a rule with the action continue has no effect");
    const NwfMatch *state = nwf_rule_match(rule, NWF_ATTR_STATE);
    if (state && state->negated)
      warn(check, filter, rule->line, "match='no' does not negate state, as in libvirt");
  }
}

static void warn_unreached(const Check *check, const NwfFilter *filter, GHashTable *reached) {
  for (guint i = 0; i < filter->entries->len; i++) {
    const NwfRule *rule = g_array_index(filter->entries, NwfEntry, i).rule;
    if (!rule || rule->action == NWF_ACTION_CONTINUE || nwf_stage2_is_void(rule) ||
        g_hash_table_contains(reached, rule))
      continue;
    g_autofree char *what = nwf_rule_describe(rule);
    warn(check, filter, rule->line, "nothing can reach the rule '%s'", what);
  }
}

/* Whether there is such an ipset, and of what type, is for the host to know. */
static gboolean any_ipset(const char *name, guint dimensions, gboolean ipv6, NwfRuleset *ruleset, NwfSet *set,
                          gpointer data, GError **error) {
  set->n_fields = (guint8)MIN(dimensions, NWF_KEY_PARTS);
  for (guint i = 1; i < set->n_fields; i++)
    set->fields[i] = set->fields[0];
  return TRUE;
}

static gboolean compile_completed(Check *check, NwfPort *port, GError **error) {
  if (!nwf_collect_tree(port, error))
    return FALSE;
  for (guint i = 0; i < port->collected->len; i++)
    complete_rule(check, port, &g_array_index(port->collected, NwfCollected, i));
  if (!check->complete)
    return TRUE;
  nwf_collected_sort(port->collected);
  return nwf_dispatch_port(port, error);
}

static gboolean compile_alone(Check *check, GError **error) {
  NwfCompileOptions options = {.features = NWF_FEATURE_ALL,
                               .ipset = any_ipset,
                               .warning = check->options->warning,
                               .chain_end_accepts = check->options->chain_end_accepts,
                               .data = check->options->data};
  g_autoptr(NwfRuleset) ruleset = nwf_ruleset_new();
  g_autoptr(GHashTable) reached = g_hash_table_new(NULL, NULL);
  g_autoptr(NwfParameters) none = nwf_parameters_new();
  NwfBinding binding = {.port = (char *)CHECK_PORT, .mac = {0x02}, .parameters = none};
  if (check->binding)
    binding = *check->binding;
  binding.filter = check->filter->name;
  NwfPort port;
  nwf_port_init(&port, check->store, ruleset, &options);
  nwf_port_bind(&port, &binding);
  port.reached = reached;
  port.open_ends = &check->open_ends;
  gboolean ok = compile_completed(check, &port, error);
  nwf_port_clear(&port);
  if (ok && check->complete)
    warn_unreached(check, check->filter, reached);
  return ok;
}

static gboolean run(Check *check, GError **error) {
  check->complete = TRUE;
  check->seen = g_hash_table_new(g_str_hash, g_str_equal);
  check->made_up = g_hash_table_new(g_str_hash, g_str_equal);
  walk(check, check->filter, 0);
  gboolean ok = !check->complete || compile_alone(check, error);
  if (ok)
    warn_void(check, check->filter);
  g_hash_table_unref(check->made_up);
  g_hash_table_unref(check->seen);
  return ok;
}

gboolean nwf_check_filter(const NwfFilterStore *store, const NwfFilter *filter, const NwfBinding *binding,
                          const NwfCompileOptions *options, GError **error) {
  Check check = {.store = store, .filter = filter, .binding = binding, .options = options};
  if (binding && options->warning)
    nwf_warn_of_passed_over(options, binding->parameters, binding->file, "port", binding->port);
  return run(&check, error);
}

gboolean nwf_check_chain_ends(const NwfFilterStore *store, const NwfFilter *filter) {
  static const NwfCompileOptions options;
  Check check = {.store = store, .filter = filter, .options = &options};
  return run(&check, NULL) && check.open_ends > 0;
}
