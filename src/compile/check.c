// SPDX-License-Identifier: LGPL-2.1-or-later
/* What is wrong or suspicious in a filter, found by compiling it for a port that does not exist. */
#include "compile/internal.h"

#include <string.h>

#define CHECK_PORT "check"

typedef struct {
  const NwfFilterStore *store;
  const NwfFilter *filter;
  const NwfBinding *binding; /* or NULL: nobody knows yet */
  NwfParameters *parameters; /* given and made up */
  GHashTable *seen;          /* names of filters that were visited */
  GHashTable *lengths;       /* variable -> values that it must have at least */
  guint most;                /* the greatest of them */
  gboolean complete;         /* nothing is missing, so that it can be compiled */
  NwfWarningFunc warning;
  gpointer data;
} Check;

static void warn(const Check *check, const NwfFilter *filter, guint line, const char *format, ...) G_GNUC_PRINTF(4, 5);
static void warn(const Check *check, const NwfFilter *filter, guint line, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *what = g_strdup_vprintf(format, args);
  va_end(args);
  g_autofree char *where = nwf_where(filter, line);
  g_autofree char *full = g_strdup_printf("filter %s: %s", filter->name, what);
  if (check->warning)
    check->warning(where, full, check->data);
}

/* A value of the attribute's type, different for each @n as far as the type allows. */
static char *made_up_value(NwfType type, guint n) {
  switch (type) {
  case NWF_TYPE_MAC:
    return g_strdup_printf("02:00:00:00:%02x:%02x", n >> 8 & 0xff, n & 0xff);
  case NWF_TYPE_MAC_MASK:
    return g_strdup("ff:ff:ff:00:00:00");
  case NWF_TYPE_IPV4: /* RFC 5737 */
    return g_strdup_printf("192.0.2.%u", 1 + n % 254);
  case NWF_TYPE_IPV6: /* RFC 3849 */
    return g_strdup_printf("2001:db8::%x", 1 + n % 0xffff);
  case NWF_TYPE_IPV4_MASK:
  case NWF_TYPE_IPV6_MASK:
    return g_strdup("24");
  case NWF_TYPE_ETHERTYPE:
    return g_strdup_printf("0x%x", 0x9100 + n % 0x100);
  case NWF_TYPE_STATE:
    return g_strdup("NEW");
  case NWF_TYPE_IPPROTO:
    return g_strdup("udp");
  case NWF_TYPE_BOOLEAN:
    return g_strdup("1");
  default:
    return g_strdup_printf("%u", 1 + n % 63);
  }
}

static void note_variable(Check *check, const NwfFilter *filter, const NwfRule *rule, const NwfMatch *match) {
  const NwfVariable *variable = match->variable;
  guint length = variable->element ? variable->index + 1 : 1;
  guint known = GPOINTER_TO_UINT(g_hash_table_lookup(check->lengths, variable->name));
  gboolean standard = strcmp(variable->name, "MAC") == 0 || strcmp(variable->name, "IP") == 0;
  if (!known && check->binding && !nwf_parameters_get(check->binding->parameters, variable->name) && !standard)
    warn(check, filter, rule->line, "nobody gives the variable %s", variable->name);
  if (length > NWF_ITERATOR_MAX) { /* such an element will never be there */
    warn(check, filter, rule->line, "nobody will give %u values of %s", length, variable->name);
    check->complete = FALSE;
    return;
  }
  g_hash_table_insert(check->lengths, variable->name, GUINT_TO_POINTER(MAX(length, known)));
  check->most = MAX(check->most, length);
}

/* Which attribute's type a variable's made-up values have: the first that uses it. */
static void make_up(Check *check, const NwfRule *rule, const NwfMatch *match) {
  const NwfAttrSpec *spec = nwf_protocol_attr(rule->protocol, match->attr);
  const char *name = match->variable->name;
  if (nwf_parameters_get(check->parameters, name))
    return;
  for (guint n = 0; n < check->most; n++) {
    g_autofree char *value = made_up_value(spec->type, n);
    nwf_parameters_add(check->parameters, name, value, NULL);
  }
}

typedef void (*MatchFunc)(Check *check, const NwfFilter *filter, const NwfRule *rule, const NwfMatch *match);

static void make_up_match(Check *check, const NwfFilter *filter, const NwfRule *rule, const NwfMatch *match) {
  make_up(check, rule, match);
}

/* Calls @each for every match with a variable, in all filters that can be reached. */
static void walk(Check *check, const NwfFilter *filter, MatchFunc each, guint depth) {
  if (!g_hash_table_add(check->seen, filter->name) || depth > NWF_DEPTH_MAX)
    return;
  for (guint i = 0; i < filter->entries->len; i++) {
    const NwfEntry *entry = &g_array_index(filter->entries, NwfEntry, i);
    if (entry->rule) {
      for (guint j = 0; j < entry->rule->matches->len; j++) {
        const NwfMatch *match = &g_array_index(entry->rule->matches, NwfMatch, j);
        if (match->variable)
          each(check, filter, entry->rule, match);
      }
      continue;
    }
    const NwfFilter *next = nwf_filter_store_get(check->store, entry->reference->filter);
    if (next)
      walk(check, next, each, depth + 1);
    else if (each == note_variable) {
      warn(check, filter, entry->reference->line, "no filter directory has the filter '%s'", entry->reference->filter);
      check->complete = FALSE;
    }
  }
}

static void warn_void(const Check *check, const NwfFilter *filter) {
  for (guint i = 0; i < filter->entries->len; i++) {
    const NwfRule *rule = g_array_index(filter->entries, NwfEntry, i).rule;
    if (!rule)
      continue;
    if (nwf_stage2_is_void(rule))
      warn(check, filter, rule->line, "an icmp rule with a type and the direction inout has no effect, as in libvirt");
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

static void relay_warning(const char *where, const char *what, gpointer data) {
  const Check *check = data;
  if (check->warning)
    check->warning(where, what, check->data);
}

/* Whether there is such an ipset, and of what type, is for the host to know. */
static gboolean any_ipset(const char *name, guint dimensions, gboolean ipv6, NwfRuleset *ruleset, NwfSet *set,
                          gpointer data, GError **error) {
  set->n_fields = MIN(dimensions, NWF_KEY_PARTS);
  for (guint i = 1; i < set->n_fields; i++)
    set->fields[i] = set->fields[0];
  return TRUE;
}

static gboolean compile_alone(Check *check, GError **error) {
  NwfCompileOptions options = {
      .features = NWF_FEATURE_ALL, .ipset = any_ipset, .warning = relay_warning, .data = check};
  g_autoptr(NwfRuleset) ruleset = nwf_ruleset_new();
  g_autoptr(GHashTable) reached = g_hash_table_new(NULL, NULL);
  NwfBinding binding = {.port = (char *)CHECK_PORT, .mac = {0x02}};
  if (check->binding)
    binding = *check->binding;
  binding.filter = check->filter->name;
  binding.parameters = check->parameters;
  NwfPort port;
  nwf_port_init(&port, check->store, ruleset, &options);
  port.reached = reached;
  gboolean ok = nwf_port_compile(&port, &binding, error);
  nwf_port_clear(&port);
  if (ok) {
    warn_void(check, check->filter);
    warn_unreached(check, check->filter, reached);
  }
  return ok;
}

gboolean nwf_check_filter(const NwfFilterStore *store, const NwfFilter *filter, const NwfBinding *binding,
                          NwfWarningFunc warning, gpointer data, GError **error) {
  Check check = {.store = store,
                 .filter = filter,
                 .binding = binding,
                 .complete = TRUE,
                 .most = 1,
                 .warning = warning,
                 .data = data};
  check.parameters = binding ? nwf_parameters_copy(binding->parameters) : nwf_parameters_new();
  check.lengths = g_hash_table_new(g_str_hash, g_str_equal);
  check.seen = g_hash_table_new(g_str_hash, g_str_equal);
  walk(&check, filter, note_variable, 0);
  g_hash_table_remove_all(check.seen);
  walk(&check, filter, make_up_match, 0);
  gboolean ok = !check.complete || compile_alone(&check, error);
  if (ok && !check.complete)
    warn_void(&check, filter);
  nwf_parameters_free(check.parameters);
  g_hash_table_unref(check.lengths);
  g_hash_table_unref(check.seen);
  return ok;
}
