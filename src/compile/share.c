// SPDX-License-Identifier: LGPL-2.1-or-later
/* One chain for many ports: values that are a port's own become elements of a set keyed by port and
 * value. A lookup costs some 50 ns more than a comparison, and a chain of its own for every port
 * costs several messages, so this is done where frames are few. */
#include "compile/internal.h"
#include "ruleset/plan.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

/* Parameters with more values than this are not looked for: their rules have sets already. */
#define VALUES_MAX 32

#define step_at(list, i) (&g_array_index(list, NwfStep, i))

/* --- which values are a port's own --- */

typedef struct {
  guint8 length;
  guint8 bytes[16];
} OwnValue;

static void add_own_value(GArray *own, const char *text) {
  OwnValue value = {0};
  if (nwf_mac_parse(text, value.bytes))
    value.length = NWF_MAC_LEN;
  else if (inet_pton(AF_INET, text, value.bytes) == 1)
    value.length = 4;
  else if (inet_pton(AF_INET6, text, value.bytes) == 1)
    value.length = 16;
  if (value.length)
    g_array_append_val(own, value);
}

static int compare_own(gconstpointer a, gconstpointer b) {
  return memcmp(a, b, sizeof(OwnValue));
}

static GArray *own_values(NwfPort *port) {
  if (port->own_values)
    return port->own_values;
  port->own_values = g_array_new(FALSE, TRUE, sizeof(OwnValue));
  for (guint i = 0; i < nwf_parameters_count(port->parameters); i++) {
    const GPtrArray *values = nwf_parameters_get(port->parameters, nwf_parameters_name(port->parameters, i));
    for (guint j = 0; j < values->len && values->len <= VALUES_MAX; j++)
      add_own_value(port->own_values, g_ptr_array_index(values, j));
  }
  nwf_array_sort(port->own_values, compare_own);
  return port->own_values;
}

gboolean nwf_is_own_value(NwfPort *port, const NwfTest *test) {
  if (port->no_own)
    return FALSE;
  const GArray *own = own_values(port);
  OwnValue value = {.length = test->length};
  if (own->len == 0 || test->length > sizeof value.bytes)
    return FALSE;
  memcpy(value.bytes, test->low, test->length);
  return bsearch(&value, own->data, own->len, sizeof value, compare_own) != NULL;
}

/* --- what of a step can be looked up --- */

typedef struct {
  NwfPort *port;
  int ethertype;
  NwfField port_field;
} Share;

/* The key's part for a field: by name where nft has one in this class, else its bytes. */
static gboolean key_part(const Share *share, const NwfTest *test, NwfField *field, NwfRawPart *raw) {
  const NwfFieldSpec *spec = &nwf_fields[test->field];
  gboolean of_class = (spec->requires == NWF_FIELD_ETHER_TYPE || spec->requires == NWF_FIELD_PROTOCOL) &&
                      (int)spec->required_value == share->ethertype;
  gboolean named = spec->set_type && (spec->requires == NWF_FIELD_NONE || of_class);
  *field = named ? test->field : NWF_FIELD_RAW;
  *raw = (NwfRawPart){.base = test->base, .offset = test->offset, .length = test->length};
  return named || !share->port->options->no_raw_sets;
}

static gboolean can_share(const Share *share, const NwfStep *step, guint index) {
  const NwfExpr *cond = &step->conds[index];
  NwfField field;
  NwfRawPart raw;
  if (cond->kind != NWF_EXPR_TEST || cond->test.has_mask || cond->test.field == NWF_FIELD_RAW ||
      !nwf_is_own_value(share->port, &cond->test) || !key_part(share, &cond->test, &field, &raw))
    return FALSE;
  if (cond->test.op == NWF_OP_NE) /* the set says "is one of", so only a test by itself can be turned round */
    return step->n_conds == 1 && nwf_fields[cond->test.field].always;
  return cond->test.op == NWF_OP_EQ;
}

/* A bit for each condition that can be looked up; none when a value of the port's own would be left,
 * since then the chain could not be shared anyway. */
static guint64 shared_conds(const Share *share, const NwfStep *step) {
  guint64 bits = 0;
  guint room = NWF_KEY_MAX - nwf_fields[share->port_field].length, parts = 1;
  for (guint i = 0; i < step->n_conds; i++) {
    const NwfExpr *cond = &step->conds[i];
    if (cond->kind != NWF_EXPR_TEST || !nwf_is_own_value(share->port, &cond->test))
      continue;
    guint size = (cond->test.length + 3u) & ~3u;
    if (!can_share(share, step, i) || size > room || parts == NWF_KEY_PARTS || i >= 64)
      return 0;
    bits |= G_GUINT64_CONSTANT(1) << i;
    room -= size;
    parts++;
  }
  return bits;
}

/* Whether @other is @step but for the values that are looked up. */
static gboolean same_but_values(const Share *share, const NwfStep *step, const NwfStep *other, guint64 bits) {
  if (other->n_conds != step->n_conds || other->verdict != step->verdict || shared_conds(share, other) != bits)
    return FALSE;
  for (guint i = 0; i < step->n_conds; i++) {
    const NwfExpr *a = &step->conds[i], *b = &other->conds[i];
    gboolean alike = bits >> i & 1 ? a->test.field == b->test.field && a->test.op == b->test.op : nwf_expr_equal(a, b);
    if (!alike)
      return FALSE;
  }
  return TRUE;
}

/* --- the new list --- */

typedef struct {
  NwfExpr *lookup; /* whose set has no name yet */
  GArray *keys;    /* of guint8[NWF_KEY_MAX] */
} Lookup;

static void lookup_clear(gpointer data) {
  g_array_unref(((Lookup *)data)->keys);
}

static void add_key(const Share *share, GArray *keys, const NwfStep *step, guint64 bits) {
  guint8 key[NWF_KEY_MAX] = {0};
  guint at = nwf_fields[share->port_field].length;
  memcpy(key, share->port->binding->port, strlen(share->port->binding->port));
  for (guint i = 0; i < step->n_conds; i++)
    if (bits >> i & 1) {
      memcpy(key + at, step->conds[i].test.low, step->conds[i].test.length);
      at += (step->conds[i].test.length + 3u) & ~3u;
    }
  g_array_append_val(keys, key);
}

static int compare_keys(gconstpointer a, gconstpointer b) {
  return memcmp(a, b, NWF_KEY_MAX);
}

/* Sorted, each once. */
static void clean_keys(GArray *keys) {
  nwf_array_sort(keys, compare_keys);
  guint n = 0;
  for (guint i = 0; i < keys->len; i++) {
    const char *from = keys->data + i * NWF_KEY_MAX;
    if (n == 0 || memcmp(keys->data + (n - 1) * NWF_KEY_MAX, from, NWF_KEY_MAX) != 0)
      memmove(keys->data + n++ * NWF_KEY_MAX, from, NWF_KEY_MAX);
  }
  g_array_set_size(keys, n);
}

/* The step with one lookup in place of the comparisons of @bits. */
static NwfStep lookup_step(const Share *share, const NwfStep *step, guint64 bits, NwfExpr **lookup) {
  NwfStep result = *step;
  NwfField requires = NWF_FIELD_NONE;
  NwfExpr expr = {.kind = NWF_EXPR_LOOKUP};
  expr.lookup.fields[expr.lookup.n_fields++] = share->port_field;
  result.conds = nwf_arena_new(&share->port->arena, NwfExpr, step->n_conds + 2);
  result.n_conds = 0;
  for (guint i = 0; i < step->n_conds; i++) {
    if (!(bits >> i & 1)) {
      result.conds[result.n_conds++] = step->conds[i];
      continue;
    }
    guint part = expr.lookup.n_fields++;
    key_part(share, &step->conds[i].test, &expr.lookup.fields[part], &expr.lookup.raw[part]);
    expr.lookup.negated = step->conds[i].test.op == NWF_OP_NE;
    if (expr.lookup.fields[part] != NWF_FIELD_RAW && nwf_fields[expr.lookup.fields[part]].requires != NWF_FIELD_NONE)
    requires = nwf_fields[expr.lookup.fields[part]].requires;
  }
  if (requires != NWF_FIELD_NONE)
    result.conds[result.n_conds++] =
        (NwfExpr){.kind = NWF_EXPR_TEST, .test = nwf_test_eq_number(requires, (guint32)share->ethertype)};
  *lookup = &result.conds[result.n_conds++];
  **lookup = expr;
  return result;
}

static GArray *share_steps(const Share *share, const GArray *steps, GArray *lookups) {
  GArray *result = nwf_port_list(share->port);
  for (guint i = 0; i < steps->len;) {
    const NwfStep *step = step_at(steps, i);
    guint64 bits = shared_conds(share, step);
    guint run = 1;
    NwfStep new = *step;
    if (bits) {
      Lookup lookup = {.keys = g_array_new(FALSE, FALSE, NWF_KEY_MAX)};
      new = lookup_step(share, step, bits, &lookup.lookup);
      /* "is none of these" is one test of all values, but "differs from this" and "from that" are two */
      while (!lookup.lookup->lookup.negated && i + run < steps->len &&
             same_but_values(share, step, step_at(steps, i + run), bits))
        run++;
      for (guint j = 0; j < run; j++)
        add_key(share, lookup.keys, step_at(steps, i + j), bits);
      clean_keys(lookup.keys);
      g_array_append_val(lookups, lookup);
    }
    g_array_append_val(result, new);
    i += run;
  }
  return result;
}

/* Ports come into a shared chain and leave it, and change their values, while frames are on their way through it: each
 * lookup finds what is in force just then. So membership must be what lets a frame through, and on no way more than
 * once: what it is not found in then is not open, and what it is found in says all that the rules of that moment ask
 * for. */
static gboolean is_one_moment(const Share *share, const GArray *steps) {
  guint passed = 0; /* lookups that whoever comes here was found in */
  gboolean dropped_members = FALSE;
  for (guint i = 0; i < steps->len; i++) {
    const NwfStep *step = step_at(steps, i);
    const NwfExpr *lookup = NULL;
    for (guint j = 0; j < step->n_conds; j++)
      if (step->conds[j].kind == NWF_EXPR_LOOKUP && step->conds[j].lookup.fields[0] == share->port_field)
        lookup = &step->conds[j];
    gboolean drops = step->verdict == NWF_STEP_DROP || step->verdict == NWF_STEP_REJECT;
    if (drops && lookup && lookup->lookup.negated)
      passed++;
    else if (drops && lookup)
      dropped_members = TRUE;
    else if (!drops && (dropped_members || passed + (lookup != NULL) > 1 || (lookup && lookup->lookup.negated)))
      return FALSE;
  }
  return TRUE;
}

static gboolean has_key(const NwfSet *set, const NwfExpr *expr) {
  if (set->n_fields != expr->lookup.n_fields)
    return FALSE;
  for (guint i = 0; i < set->n_fields; i++)
    if (set->fields[i] != expr->lookup.fields[i] || set->raw[i].length != expr->lookup.raw[i].length)
      return FALSE;
  return TRUE;
}

/* The set of that name, or of the next one when another list's set has it. */
static NwfSet *set_for(NwfRuleset *ruleset, const NwfExpr *expr, const char *prefix, guint64 hash, guint index) {
  char digits[17], number[12];
  g_snprintf(number, sizeof number, "%u", index);
  for (;; hash++) {
    g_autofree char *name = g_strconcat(prefix, "-", nwf_format_hash(hash, digits), "-", number, NULL);
    NwfSet *set = nwf_ruleset_set(ruleset, name);
    if (set && has_key(set, expr))
      return set;
    if (set)
      continue;
    set = nwf_ruleset_add_set(ruleset, name, expr->lookup.fields, expr->lookup.n_fields);
    memcpy(set->raw, expr->lookup.raw, sizeof set->raw);
    return set;
  }
}

static void fill_set(NwfPort *port, const Lookup *lookup, NwfSet *set) {
  lookup->lookup->lookup.set = set->name;
  for (guint i = 0; i < lookup->keys->len; i++)
    nwf_port_element(port, set, (const guint8 *)lookup->keys->data + i * NWF_KEY_MAX, NULL, NULL);
}

GArray *nwf_share_steps(NwfPort *port, GArray *steps, gboolean out, int ethertype, const char *label) {
  Share share = {.port = port, .ethertype = ethertype, .port_field = out ? NWF_FIELD_IIFNAME : NWF_FIELD_OIFNAME};
  for (guint i = 0; i < steps->len; i++)
    if (step_at(steps, i)->sub) /* sub-chains have lists of their own, which this does not look into */
      return steps;
  g_autoptr(GArray) lookups = g_array_new(FALSE, FALSE, sizeof(Lookup));
  g_array_set_clear_func(lookups, lookup_clear);
  GArray *shared = share_steps(&share, steps, lookups);
  if (lookups->len == 0 || !is_one_moment(&share, shared))
    return steps;
  /* Ports share the sets when all but their values is equal: the whole list stands in the names. */
  guint64 hash = nwf_hash_steps(port, shared);
  g_autofree char *prefix = g_strconcat(out ? NWF_PORTS_OUT : NWF_PORTS_IN, label, NULL);
  for (guint i = 0; i < lookups->len; i++) {
    const Lookup *lookup = &g_array_index(lookups, Lookup, i);
    fill_set(port, lookup, set_for(port->ruleset, lookup->lookup, prefix, hash, i));
  }
  return shared;
}
