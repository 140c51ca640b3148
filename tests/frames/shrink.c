// SPDX-License-Identifier: LGPL-2.1-or-later
#include "shrink.h"

#include <nwfilter-nft/xml.h>

#include <string.h>

static NwfFilter *copy_filter(const NwfFilter *filter) {
  g_autofree char *text = nwf_filter_format(filter);
  return nwf_filter_parse(text, strlen(text), NULL, NULL);
}

static void copy_reached(const NwfFilterStore *from, const char *name, NwfFilterStore *to) {
  const NwfFilter *filter = nwf_filter_store_get(from, name);
  if (filter == NULL || nwf_filter_store_get(to, name) != NULL)
    return;
  NwfFilter *copy = copy_filter(filter);
  if (copy == NULL)
    return;
  nwf_filter_store_put(to, copy);
  for (guint i = 0; i < filter->entries->len; i++) {
    const NwfEntry *entry = &g_array_index(filter->entries, NwfEntry, i);
    if (entry->reference != NULL)
      copy_reached(from, entry->reference->filter, to);
  }
}

Disagreement *disagreement_new(const NwfFilterStore *store, const NwfBinding *binding, guint port,
                               const EvaluateInput *input, const Frame *frame) {
  Disagreement *disagreement = g_new0(Disagreement, 1);
  g_autofree char *text = nwf_binding_format(binding);
  disagreement->store = nwf_filter_store_new();
  copy_reached(store, binding->filter, disagreement->store);
  disagreement->binding = nwf_binding_parse(text, strlen(text), NULL, NULL);
  disagreement->binding->watch = binding->watch;
  disagreement->port = port;
  disagreement->input = *input;
  disagreement->frame = *frame;
  return disagreement;
}

void disagreement_free(Disagreement *disagreement) {
  if (disagreement == NULL)
    return;
  nwf_filter_store_free(disagreement->store);
  nwf_binding_free(disagreement->binding);
  verdict_clear(&disagreement->verdict);
  g_free(disagreement);
}

gboolean disagreement_stays(Trial *trial, Disagreement *disagreement) {
  verdict_clear(&disagreement->verdict);
  return evaluate(disagreement->store, disagreement->binding, &disagreement->input, disagreement->frame.bytes,
                  disagreement->frame.length, &disagreement->verdict, NULL) &&
         trial_install(trial, disagreement->store, &disagreement->binding, 1, NULL) &&
         trial_send(trial, disagreement->port, &disagreement->input, disagreement->frame.bytes,
                    disagreement->frame.length, &disagreement->seen, NULL) &&
         disagreement->seen != SEEN_NOTHING && (disagreement->seen == SEEN_ACCEPTED) != disagreement->verdict.accepted;
}

/* --- changes: each does its n-th variant, FALSE when there is none --- */

typedef gboolean (*Change)(NwfFilter *filter, const NwfParameters *parameters, guint n);

static gboolean remove_entry(NwfFilter *filter, const NwfParameters *parameters, guint n) {
  if (n >= filter->entries->len)
    return FALSE;
  g_array_remove_index(filter->entries, n);
  return TRUE;
}

/* The n-th match of all rules, counted on. */
static NwfMatch *nth_match(NwfFilter *filter, guint n, NwfRule **rule, guint *index) {
  for (guint i = 0; i < filter->entries->len; i++) {
    *rule = g_array_index(filter->entries, NwfEntry, i).rule;
    if (*rule == NULL)
      continue;
    if (n < (*rule)->matches->len) {
      *index = n;
      return &g_array_index((*rule)->matches, NwfMatch, n);
    }
    n -= (*rule)->matches->len;
  }
  return NULL;
}

static gboolean remove_match(NwfFilter *filter, const NwfParameters *parameters, guint n) {
  NwfRule *rule;
  guint index;
  if (nth_match(filter, n, &rule, &index) == NULL)
    return FALSE;
  g_array_remove_index(rule->matches, index);
  return TRUE;
}

static gboolean drop_negation(NwfFilter *filter, const NwfParameters *parameters, guint n) {
  NwfRule *rule;
  guint index;
  NwfMatch *match = nth_match(filter, n, &rule, &index);
  if (match != NULL)
    match->negated = FALSE;
  return match != NULL;
}

static gboolean replace_variable(NwfFilter *filter, const NwfParameters *parameters, guint n) {
  NwfRule *rule;
  guint index;
  NwfMatch *match = nth_match(filter, n, &rule, &index);
  if (match == NULL)
    return FALSE;
  const GPtrArray *values = match->variable ? nwf_parameters_get(parameters, match->variable->name) : NULL;
  const NwfAttrSpec *spec = nwf_protocol_attr(rule->protocol, match->attr);
  if (values != NULL && nwf_value_parse(match->attr, spec->type, g_ptr_array_index(values, 0), &match->value, NULL))
    g_clear_pointer(&match->variable, nwf_variable_free);
  return TRUE;
}

/* The n-th parameter of all references, counted on. */
static gboolean remove_parameter(NwfFilter *filter, const NwfParameters *parameters, guint n) {
  for (guint i = 0; i < filter->entries->len; i++) {
    NwfFilterRef *reference = g_array_index(filter->entries, NwfEntry, i).reference;
    guint count = reference != NULL ? nwf_parameters_count(reference->parameters) : 0;
    if (n < count) {
      nwf_parameters_set(reference->parameters, nwf_parameters_name(reference->parameters, n), NULL);
      return TRUE;
    }
    n -= count;
  }
  return FALSE;
}

static NwfRule *nth_rule(NwfFilter *filter, guint n) {
  return n < filter->entries->len ? g_array_index(filter->entries, NwfEntry, n).rule : NULL;
}

static gboolean plain_priority(NwfFilter *filter, const NwfParameters *parameters, guint n) {
  NwfRule *rule = nth_rule(filter, n);
  if (rule != NULL)
    rule->priority = NWF_RULE_PRIORITY_DEFAULT;
  return n < filter->entries->len;
}

static gboolean plain_chain(NwfFilter *filter, const NwfParameters *parameters, guint n) {
  if (n == 0) {
    nwf_chain_check(filter->chain, &filter->priority, NULL);
  } else {
    g_free(filter->chain);
    filter->chain = g_strdup("root");
    filter->priority = 0;
  }
  return n < 2;
}

/* --- shrinking --- */

static gboolean try_filter(Trial *trial, Disagreement *disagreement, const NwfFilter *filter, Change change, guint n,
                           gboolean *possible) {
  g_autoptr(NwfFilter) original = copy_filter(filter), draft = copy_filter(filter);
  *possible = draft != NULL && original != NULL && change(draft, disagreement->binding->parameters, n);
  NwfFilter *changed = *possible ? copy_filter(draft) : NULL; /* NULL: no longer a valid filter */
  if (changed == NULL)
    return FALSE;
  g_autofree char *was = nwf_filter_format(original), *is = nwf_filter_format(changed);
  if (strcmp(was, is) == 0) {
    nwf_filter_free(changed);
    return FALSE;
  }
  nwf_filter_store_put(disagreement->store, changed);
  if (disagreement_stays(trial, disagreement))
    return TRUE;
  nwf_filter_store_put(disagreement->store, g_steal_pointer(&original));
  return FALSE;
}

static gboolean shrink_filter(Trial *trial, Disagreement *disagreement, const char *name) {
  static const Change changes[] = {remove_entry,     remove_match,   drop_negation, replace_variable,
                                   remove_parameter, plain_priority, plain_chain};
  gboolean smaller = FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(changes); i++) {
    gboolean possible = TRUE;
    for (guint n = 0; possible;) {
      const NwfFilter *filter = nwf_filter_store_get(disagreement->store, name);
      if (try_filter(trial, disagreement, filter, changes[i], n, &possible))
        smaller = TRUE; /* the same place again: what was behind has moved up */
      else
        n++;
    }
  }
  return smaller;
}

static gboolean shrink_parameters(Trial *trial, Disagreement *disagreement) {
  gboolean smaller = FALSE;
  for (guint i = nwf_parameters_count(disagreement->binding->parameters); i-- > 0;) {
    NwfParameters *kept = disagreement->binding->parameters;
    disagreement->binding->parameters = nwf_parameters_copy(kept);
    nwf_parameters_set(disagreement->binding->parameters, nwf_parameters_name(kept, i), NULL);
    if (disagreement_stays(trial, disagreement)) {
      nwf_parameters_free(kept);
      smaller = TRUE;
    } else {
      nwf_parameters_free(disagreement->binding->parameters);
      disagreement->binding->parameters = kept;
    }
  }
  return smaller;
}

static gboolean shrink_frame(Trial *trial, Disagreement *disagreement) {
  gboolean smaller = FALSE;
  Frame kept = disagreement->frame;
  while (disagreement->frame.length > 14) {
    disagreement->frame.length--;
    if (!disagreement_stays(trial, disagreement))
      break;
    kept = disagreement->frame;
    smaller = TRUE;
  }
  disagreement->frame = kept;
  for (gsize i = 14; i < disagreement->frame.length; i++) {
    if (disagreement->frame.bytes[i] == 0)
      continue;
    disagreement->frame.bytes[i] = 0;
    if (disagreement_stays(trial, disagreement))
      smaller = TRUE;
    else
      disagreement->frame.bytes[i] = kept.bytes[i];
  }
  return smaller;
}

void disagreement_shrink(Trial *trial, Disagreement *disagreement) {
  gboolean smaller = TRUE;
  for (guint round = 0; smaller && round < 8; round++) {
    smaller = FALSE;
    g_autoptr(GPtrArray) filters = nwf_filter_store_list(disagreement->store);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < filters->len; i++)
      g_ptr_array_add(names, g_strdup(((const NwfFilter *)g_ptr_array_index(filters, i))->name));
    for (guint i = 0; i < names->len; i++)
      smaller |= shrink_filter(trial, disagreement, g_ptr_array_index(names, i));
    smaller |= shrink_parameters(trial, disagreement);
    smaller |= shrink_frame(trial, disagreement);
  }
  disagreement_stays(trial, disagreement); /* verdicts of the smallest */
}

/* --- showing --- */

static void add_comment(GString *text, const char *lines) {
  g_auto(GStrv) split = g_strsplit(lines, "\n", -1);
  for (guint i = 0; split[i] != NULL; i++)
    if (split[i][0] != '\0')
      g_string_append_printf(text, "# %s\n", split[i]);
}

char *disagreement_describe(const Disagreement *disagreement) {
  GString *text = g_string_new(NULL);
  g_autoptr(NwfFilterStore) reached = nwf_filter_store_new();
  copy_reached(disagreement->store, disagreement->binding->filter, reached);
  g_autoptr(GPtrArray) filters = nwf_filter_store_list(reached);
  for (guint i = 0; i < filters->len; i++) {
    g_autofree char *xml = nwf_filter_format(g_ptr_array_index(filters, i));
    add_comment(text, xml);
  }
  g_autofree char *binding = nwf_binding_format(disagreement->binding);
  add_comment(text, binding);
  g_autofree char *words = frame_describe(disagreement->frame.bytes, disagreement->frame.length);
  g_autofree char *hex = frame_hex(disagreement->frame.bytes, disagreement->frame.length);
  g_string_append_printf(text, "# direction: %s%s\n# frame: %s\n# bytes: %s\n",
                         nwf_direction_name(disagreement->input.direction),
                         disagreement->input.host ? ", the host" : "", words, hex);
  g_string_append_printf(text, "# kernel: %s\n# evaluator: %s\n",
                         disagreement->seen == SEEN_ACCEPTED  ? "accept"
                         : disagreement->seen == SEEN_DROPPED ? "drop"
                                                              : "nothing",
                         disagreement->verdict.why != NULL ? disagreement->verdict.why : "?");
  return g_string_free(text, FALSE);
}
