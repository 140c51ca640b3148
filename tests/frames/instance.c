// SPDX-License-Identifier: LGPL-2.1-or-later
/* Variables of a rule -> one instance for each combination of their values. The order of the
 * combinations and repeated ones change no verdict: all instances of a rule say the same. */
#include "instance.h"

#include <stdlib.h>
#include <string.h>

static void instance_free(gpointer data) {
  Instance *instance = data;
  for (guint i = 0; i < NWF_N_ATTRS; i++)
    if (instance->has[i])
      nwf_value_clear(&instance->values[i]);
  g_free(instance);
}

/* For each iterator: how many values its variables have (0: not used). */
typedef struct {
  guint length[NWF_ITERATOR_MAX + 1];
  guint at[NWF_ITERATOR_MAX + 1];
} Iterators;

static gboolean count_values(const NwfRule *rule, const NwfParameters *parameters, Iterators *iterators,
                             GError **error) {
  for (guint i = 0; i < rule->matches->len; i++) {
    const NwfVariable *variable = g_array_index(rule->matches, NwfMatch, i).variable;
    if (variable == NULL)
      continue;
    const GPtrArray *values = nwf_parameters_get(parameters, variable->name);
    if (values == NULL || (variable->element && variable->index >= values->len)) {
      g_set_error(error, NWF_ERROR, NWF_ERROR_MISSING_VARIABLE, "no value for %s", variable->name);
      return FALSE;
    }
    if (variable->element)
      continue;
    guint *length = &iterators->length[variable->index];
    if (*length != 0 && *length != values->len) {
      g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "%s has another number of values", variable->name);
      return FALSE;
    }
    *length = values->len;
  }
  return TRUE;
}

/* Steps to the next combination; FALSE behind the last. */
static gboolean next_combination(Iterators *iterators) {
  for (guint i = 0; i <= NWF_ITERATOR_MAX; i++) {
    if (iterators->length[i] == 0)
      continue;
    if (++iterators->at[i] < iterators->length[i])
      return TRUE;
    iterators->at[i] = 0;
  }
  return FALSE;
}

/* A text is read back from its own value, so that a string is the instance's own. */
static gboolean copy_value(const NwfMatch *match, NwfValue *value, GError **error) {
  g_autofree char *text = nwf_value_format(match->attr, &match->value);
  return nwf_value_parse(match->attr, match->value.type, text, value, error);
}

/* A variable may be a prefix where there can be a mask. */
static gboolean read_value(NwfAttr attr, NwfType type, const char *text, NwfValue *value, GError **error) {
  g_auto(GStrv) parts = g_strsplit(text, "/", 2);
  gint bits = parts[1] != NULL ? atoi(parts[1]) : 0;
  if (bits != 0 && bits != (type == NWF_TYPE_IPV4 ? 32 : 128) && attr != NWF_ATTR_SRCIPADDR &&
      attr != NWF_ATTR_DSTIPADDR && attr != NWF_ATTR_ARPSRCIPADDR && attr != NWF_ATTR_ARPDSTIPADDR) {
    g_set_error_literal(error, NWF_ERROR, NWF_ERROR_INVALID, "a prefix where there can be no mask");
    return FALSE;
  }
  if (!nwf_value_parse(attr, type, parts[0], value, error))
    return FALSE;
  value->prefix = (guint8)bits;
  return TRUE;
}

static gboolean set_value(Instance *instance, const NwfMatch *match, const NwfParameters *parameters,
                          const Iterators *iterators, GError **error) {
  NwfValue *value = &instance->values[match->attr];
  const NwfVariable *variable = match->variable;
  if (variable == NULL) {
    if (!copy_value(match, value, error))
      return FALSE;
  } else {
    const GPtrArray *list = nwf_parameters_get(parameters, variable->name);
    guint n = variable->element ? variable->index : iterators->at[variable->index];
    const NwfAttrSpec *spec = nwf_protocol_attr(instance->rule->protocol, match->attr);
    if (!read_value(match->attr, spec->type, g_ptr_array_index(list, n), value, error))
      return FALSE;
  }
  instance->has[match->attr] = TRUE;
  instance->negated[match->attr] = match->negated;
  return TRUE;
}

static gboolean refuse(GError **error, const char *what) {
  g_set_error_literal(error, NWF_ERROR, NWF_ERROR_INVALID, what);
  return FALSE;
}

static gboolean range_is_valid(const Instance *instance, NwfAttr low, NwfAttr high) {
  return !instance->has[low] || !instance->has[high] || instance->values[low].number <= instance->values[high].number;
}

static gboolean address_range_is_valid(const Instance *instance, NwfAttr address, NwfAttr from, NwfAttr to) {
  gsize length = instance->values[from].type == NWF_TYPE_IPV4 ? 4 : 16;
  return instance->has[address] || !instance->has[from] || !instance->has[to] ||
         memcmp(instance->values[from].address, instance->values[to].address, length) <= 0;
}

static gboolean check(const Instance *instance, GError **error) {
  static const NwfAttr ranges[][2] = {
      {NWF_ATTR_SRCPORTSTART, NWF_ATTR_SRCPORTEND},
      {NWF_ATTR_DSTPORTSTART, NWF_ATTR_DSTPORTEND},
      {NWF_ATTR_ROOT_PRIORITY, NWF_ATTR_ROOT_PRIORITY_HI},
      {NWF_ATTR_ROOT_COST, NWF_ATTR_ROOT_COST_HI},
      {NWF_ATTR_SENDER_PRIORITY, NWF_ATTR_SENDER_PRIORITY_HI},
      {NWF_ATTR_PORT, NWF_ATTR_PORT_HI},
      {NWF_ATTR_AGE, NWF_ATTR_AGE_HI},
      {NWF_ATTR_MAX_AGE, NWF_ATTR_MAX_AGE_HI},
      {NWF_ATTR_HELLO_TIME, NWF_ATTR_HELLO_TIME_HI},
      {NWF_ATTR_FORWARD_DELAY, NWF_ATTR_FORWARD_DELAY_HI},
      {NWF_ATTR_TYPE, NWF_ATTR_TYPEEND},
      {NWF_ATTR_CODE, NWF_ATTR_CODEEND},
  };
  for (guint i = 0; i < G_N_ELEMENTS(ranges); i++)
    if (!range_is_valid(instance, ranges[i][0], ranges[i][1]))
      return refuse(error, "a range ends before it begins");
  if (!address_range_is_valid(instance, NWF_ATTR_SRCIPADDR, NWF_ATTR_SRCIPFROM, NWF_ATTR_SRCIPTO) ||
      !address_range_is_valid(instance, NWF_ATTR_DSTIPADDR, NWF_ATTR_DSTIPFROM, NWF_ATTR_DSTIPTO))
    return refuse(error, "an address range ends before it begins");
  static const NwfAttr masks[][2] = {{NWF_ATTR_SRCIPADDR, NWF_ATTR_SRCIPMASK},
                                     {NWF_ATTR_DSTIPADDR, NWF_ATTR_DSTIPMASK},
                                     {NWF_ATTR_ARPSRCIPADDR, NWF_ATTR_ARPSRCIPMASK},
                                     {NWF_ATTR_ARPDSTIPADDR, NWF_ATTR_ARPDSTIPMASK}};
  for (guint i = 0; i < G_N_ELEMENTS(masks); i++) {
    guint8 prefix = instance->values[masks[i][0]].prefix;
    gboolean whole = prefix == (instance->values[masks[i][0]].type == NWF_TYPE_IPV4 ? 32 : 128);
    if (instance->has[masks[i][0]] && instance->has[masks[i][1]] && !whole &&
        instance->values[masks[i][1]].number < prefix)
      return refuse(error, "a mask that is shorter than its prefix");
  }
  const NwfRule *rule = instance->rule;
  if (rule->protocol == NWF_PROTOCOL_STP && rule->direction == NWF_DIRECTION_INOUT &&
      instance->has[NWF_ATTR_SRCMACADDR])
    return refuse(error, "stp with srcmacaddr and direction inout");
  return TRUE;
}

GPtrArray *instances_of(const NwfRule *rule, const NwfParameters *parameters, GError **error) {
  g_autoptr(GPtrArray) instances = g_ptr_array_new_with_free_func(instance_free);
  Iterators iterators = {0};
  if (!count_values(rule, parameters, &iterators, error))
    return NULL;
  do {
    if (instances->len >= NWF_INSTANCES_MAX) {
      g_set_error_literal(error, NWF_ERROR, NWF_ERROR_LIMIT, "too many combinations");
      return NULL;
    }
    Instance *instance = g_new0(Instance, 1);
    instance->rule = rule;
    g_ptr_array_add(instances, instance);
    for (guint i = 0; i < rule->matches->len; i++)
      if (!set_value(instance, &g_array_index(rule->matches, NwfMatch, i), parameters, &iterators, error))
        return NULL;
    if (!check(instance, error))
      return NULL;
  } while (next_combination(&iterators));
  return g_steal_pointer(&instances);
}
