// SPDX-License-Identifier: LGPL-2.1-or-later
/* Trees of filters and bindings. */
#include "generate.h"

#include <string.h>

void random_seed(Random *random, guint64 seed) {
  random->state = seed;
}

/* splitmix64 (Steele, Lea and Flood, 2014) */
guint64 random_next(Random *random) {
  guint64 z = random->state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

guint random_below(Random *random, guint bound) {
  return (guint)((random_next(random) >> 32) * bound >> 32);
}

gboolean random_chance(Random *random, guint percent) {
  return random_below(random, 100) < percent;
}

static const char *const chains[] = {"mac",  "mac-x", "vlan",   "vlan-x", "stp",  "arp",   "arp-a",
                                     "rarp", "ipv4",  "ipv4-a", "ipv4-b", "ipv6", "ipv6-a"};

static const int priorities[] = {-1000, -900, -800, -710, -700, -650, -500, -300, 0, 100, 500, 1000};

/* The variables that a tree uses, and which of them the binding gives itself; the others come
 * with the references. All lists are equally long, so that they may share iterators. */
typedef struct {
  NwfAttr attr;
  NwfType type;
} Variable;

static const Variable variables[] = {
    {NWF_ATTR_SRCMACADDR, NWF_TYPE_MAC},      {NWF_ATTR_SRCIPADDR, NWF_TYPE_IPV4},
    {NWF_ATTR_SRCIPADDR, NWF_TYPE_IPV6},      {NWF_ATTR_SRCPORTSTART, NWF_TYPE_UINT16},
    {NWF_ATTR_TYPE, NWF_TYPE_UINT8},          {NWF_ATTR_PROTOCOLID, NWF_TYPE_ETHERTYPE},
    {NWF_ATTR_DSCP, NWF_TYPE_DSCP},           {NWF_ATTR_SRCIPMASK, NWF_TYPE_IPV4_MASK},
    {NWF_ATTR_SRCIPMASK, NWF_TYPE_IPV6_MASK}, {NWF_ATTR_OPCODE, NWF_TYPE_OPCODE},
};

typedef struct {
  Random *random;
  const GenerateOptions *options;
  NwfFilterStore *store;
  const char *prefix;
  guint n_filters;
  guint list_length;
  gboolean outer[G_N_ELEMENTS(variables)]; /* the binding gives it */
} Tree;

static void add_list(const Tree *tree, NwfParameters *parameters, guint variable) {
  const char *name = generate_variable_name(variables[variable].attr, variables[variable].type);
  for (guint i = 0; i < tree->list_length; i++) {
    g_autofree char *value =
        random_chance(tree->random, 10) ? generate_prefix(tree->random, variables[variable].type) : NULL;
    if (value == NULL)
      value = generate_value(tree->random, variables[variable].attr, variables[variable].type);
    nwf_parameters_add(parameters, name, value, NULL);
  }
}

static NwfFilterRef *make_reference(const Tree *tree, guint to) {
  g_autofree char *name = g_strdup_printf("%s%u", tree->prefix, to);
  NwfFilterRef *reference = nwf_filter_ref_new(name);
  for (guint i = 0; i < G_N_ELEMENTS(variables); i++)
    if (!tree->outer[i] || random_chance(tree->random, 10))
      add_list(tree, reference->parameters, i);
  return reference;
}

/* A rule of the top filter sees only what the binding gives. */
static void keep_given_variables(const Tree *tree, NwfRule *rule) {
  for (guint i = rule->matches->len; i-- > 0;) {
    const NwfVariable *variable = g_array_index(rule->matches, NwfMatch, i).variable;
    if (variable == NULL || strcmp(variable->name, "MAC") == 0)
      continue;
    for (guint j = 0; j < G_N_ELEMENTS(variables); j++)
      if (!tree->outer[j] &&
          strcmp(variable->name, generate_variable_name(variables[j].attr, variables[j].type)) == 0) {
        g_array_remove_index(rule->matches, i);
        break;
      }
  }
}

/* Elements beyond the list's end are errors: bring them back. */
static void fit_elements(const Tree *tree, NwfRule *rule) {
  for (guint i = 0; i < rule->matches->len; i++) {
    NwfVariable *variable = g_array_index(rule->matches, NwfMatch, i).variable;
    if (variable != NULL && variable->element && strcmp(variable->name, "MAC") != 0)
      variable->index %= tree->list_length;
  }
}

static void choose_chain(const Tree *tree, NwfFilter *filter) {
  if (!random_chance(tree->random, 65))
    return;
  g_free(filter->chain);
  filter->chain = g_strdup(chains[random_below(tree->random, G_N_ELEMENTS(chains))]);
  nwf_chain_check(filter->chain, &filter->priority, NULL);
  if (random_chance(tree->random, 30))
    filter->priority = priorities[random_below(tree->random, G_N_ELEMENTS(priorities))];
}

static NwfRule *drop_all(Random *random) {
  NwfRule *rule = nwf_rule_new();
  rule->action = NWF_ACTION_DROP;
  rule->direction = random_chance(random, 50) ? NWF_DIRECTION_INOUT : (NwfDirection)random_below(random, 2);
  rule->priority = 1000;
  return rule;
}

/* Enough of one shape that they become a set. */
static void add_similar(const Tree *tree, NwfFilter *filter, const NwfRule *model) {
  guint n = 8 + random_below(tree->random, 10);
  for (guint i = 0; i < n; i++) {
    NwfRule *rule = generate_rule_like(tree->random, model);
    fit_elements(tree, rule);
    rule->line = filter->entries->len + 2;
    nwf_filter_add_rule(filter, rule);
  }
}

static void set_own_source(NwfRule *rule) {
  static const NwfAttr others[] = {NWF_ATTR_SRCIPADDR, NWF_ATTR_SRCIPMASK, NWF_ATTR_SRCIPFROM, NWF_ATTR_SRCIPTO};
  for (guint i = rule->matches->len; i-- > 0;)
    for (guint j = 0; j < G_N_ELEMENTS(others); j++)
      if (g_array_index(rule->matches, NwfMatch, i).attr == others[j]) {
        g_array_remove_index(rule->matches, i);
        break;
      }
  NwfMatch match = {.attr = NWF_ATTR_SRCIPADDR, .value.type = NWF_TYPE_IPV4};
  g_autofree char *text = g_strdup_printf("$%s", generate_variable_name(NWF_ATTR_SRCIPADDR, NWF_TYPE_IPV4));
  match.variable = nwf_variable_parse(text, NULL);
  guint at = 0;
  while (at < rule->matches->len && g_array_index(rule->matches, NwfMatch, at).attr < match.attr)
    at++;
  g_array_insert_val(rule->matches, at, match);
}

/* Second-stage rules of any shape that all ask for an address of the port's own. */
static void add_own(const Tree *tree, NwfFilter *filter) {
  guint n = 10 + random_below(tree->random, 15);
  NwfAction action = random_chance(tree->random, 50) ? NWF_ACTION_ACCEPT : NWF_ACTION_DROP;
  gboolean mixed = random_chance(tree->random, 50);
  for (guint attempt = 0; attempt < 500 && n; attempt++) {
    g_autoptr(NwfRule) rule = generate_rule(tree->random, tree->options, "root");
    if (nwf_protocols[rule->protocol].stage != NWF_STAGE_IPV4 || nwf_rule_match(rule, NWF_ATTR_STATE))
      continue;
    rule->action = mixed && random_chance(tree->random, 50) ? NWF_ACTION_ACCEPT : action;
    rule->priority = 200;
    rule->no_statematch = TRUE;
    rule->line = filter->entries->len + 2;
    fit_elements(tree, rule);
    set_own_source(rule);
    nwf_filter_add_rule(filter, g_steal_pointer(&rule));
    n--;
  }
}

static void make_filter(const Tree *tree, guint number) {
  g_autofree char *name = g_strdup_printf("%s%u", tree->prefix, number);
  NwfFilter *filter = nwf_filter_new(name);
  choose_chain(tree, filter);
  guint n = 1 + random_below(tree->random, 6);
  for (guint i = 0; i < n; i++) {
    NwfRule *rule = generate_rule(tree->random, tree->options, filter->chain);
    rule->line = filter->entries->len + 2;
    if (random_chance(tree->random, 60))
      rule->priority = priorities[random_below(tree->random, G_N_ELEMENTS(priorities))];
    if (number == 0)
      keep_given_variables(tree, rule);
    fit_elements(tree, rule);
    nwf_filter_add_rule(filter, rule);
    if (random_chance(tree->random, 8))
      add_similar(tree, filter, rule);
    if (number + 1 < tree->n_filters && random_chance(tree->random, 40))
      nwf_filter_add_reference(
          filter, make_reference(tree, number + 1 + random_below(tree->random, tree->n_filters - number - 1)));
  }
  if (number > 0 && random_chance(tree->random, 10))
    add_own(tree, filter);
  /* The next one is always reached. */
  if (number + 1 < tree->n_filters)
    nwf_filter_add_reference(filter, make_reference(tree, number + 1));
  if (random_chance(tree->random, 35))
    nwf_filter_add_rule(filter, drop_all(tree->random));
  nwf_filter_store_put(tree->store, filter);
}

NwfBinding *generate_binding(Random *random, const GenerateOptions *options, NwfFilterStore *store, const char *prefix,
                             const char *port) {
  Tree tree = {.random = random, .options = options, .store = store, .prefix = prefix};
  tree.n_filters = 1 + random_below(random, 6);
  tree.list_length = random_chance(random, 40) ? 1 : 2 + random_below(random, 2);
  NwfBinding *binding = nwf_binding_new();
  binding->port = g_strdup(port);
  binding->filter = g_strdup_printf("%s0", prefix);
  g_autofree char *mac = generate_value(random, NWF_ATTR_SRCMACADDR, NWF_TYPE_MAC);
  nwf_mac_parse(mac, binding->mac);
  for (guint i = 0; i < G_N_ELEMENTS(variables); i++) {
    tree.outer[i] = tree.n_filters == 1 || random_chance(random, 70);
    if (tree.outer[i])
      add_list(&tree, binding->parameters, i);
  }
  for (guint i = 0; i < tree.n_filters; i++)
    make_filter(&tree, i);
  return binding;
}
