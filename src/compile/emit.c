// SPDX-License-Identifier: LGPL-2.1-or-later
/* Lists of steps -> chains, named after their content so that equal ones are one. */
#include "compile/internal.h"

#include <string.h>

#define NAME_PART_MAX 40 /* bytes of a filter's name in a chain's name */

#define step_at(list, i) (&g_array_index(list, NwfStep, i))

/* 64 bits, eight bytes a step with the multiplication of FNV: only names are made of it, and content is
 * compared before a name is shared. */
static inline guint64 mix(guint64 hash, guint64 word) {
  hash = (hash ^ word) * G_GUINT64_CONSTANT(0x100000001b3);
  return hash ^ hash >> 29;
}

guint64 nwf_hash(guint64 hash, gconstpointer data, gsize length) {
  const guint8 *bytes = data;
  guint64 word;
  for (; length >= sizeof word; bytes += sizeof word, length -= sizeof word) {
    memcpy(&word, bytes, sizeof word);
    hash = mix(hash, word);
  }
  word = length;
  for (gsize i = 0; i < length; i++)
    word = word << 8 | bytes[i];
  return mix(hash, word);
}

static guint64 hash_number(guint64 hash, guint32 number) {
  return mix(hash, number);
}

static guint64 hash_text(guint64 hash, const char *text) {
  return nwf_hash(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

static guint64 hash_test(guint64 hash, const NwfTest *test) {
  guint64 head = (guint64)test->field | (guint64)test->op << 8 | (guint64)test->base << 12 |
                 (guint64)test->length << 16 | (guint64)test->offset << 24 | (guint64)test->arg << 40 |
                 (guint64)(test->has_mask != 0) << 48;
  hash = mix(hash, head);
  if (test->has_mask)
    hash = nwf_hash(hash, test->mask, test->length);
  hash = nwf_hash(hash, test->low, test->length);
  return test->op == NWF_OP_RANGE || test->op == NWF_OP_NOT_RANGE ? nwf_hash(hash, test->high, test->length) : hash;
}

guint64 nwf_hash_expr(guint64 hash, const NwfExpr *expr) {
  hash = hash_number(hash, expr->kind);
  switch (expr->kind) {
  case NWF_EXPR_TEST:
    return hash_test(hash, &expr->test);
  case NWF_EXPR_LOOKUP:
    for (guint i = 0; i < expr->lookup.n_fields; i++) {
      hash = hash_number(hash, expr->lookup.fields[i]);
      hash = hash_number(hash, (guint32)expr->lookup.raw[i].offset << 16 | expr->lookup.raw[i].length);
    }
    return hash_text(hash_number(hash, expr->lookup.negated), expr->lookup.set);
  case NWF_EXPR_CONNLIMIT:
    return hash_text(hash_number(hash, expr->connlimit.count * 2 + (guint)expr->connlimit.inverted),
                     expr->connlimit.set);
  case NWF_EXPR_VERDICT:
    return hash_text(hash_number(hash, expr->verdict.kind), expr->verdict.chain);
  case NWF_EXPR_LIMIT:
    return hash_number(hash_number(hash, expr->limit.rate), expr->limit.burst);
  case NWF_EXPR_LOG:
    return hash_number(hash_number(hash, expr->log.group), expr->log.snaplen);
  default:
    return hash;
  }
}

char *nwf_sanitise(const char *name) {
  GString *clean = g_string_new(g_ascii_isalpha(*name) ? NULL : "_"); /* nft's names begin with a letter or _ */
  for (const char *c = name; *c; c++) {
    if (g_ascii_isalnum(*c) || *c == '_' || *c == '-')
      g_string_append_c(clean, *c);
    else
      g_string_append_printf(clean, ".%02x", (guint8)*c);
  }
  return g_string_free(clean, FALSE);
}

guint64 nwf_hash_steps(NwfPort *port, const GArray *steps) {
  guint64 hash = hash_text(NWF_HASH_START, port->binding->filter);
  for (guint i = 0; i < steps->len; i++) {
    const NwfStep *step = step_at(steps, i);
    for (guint j = 0; j < step->n_conds; j++)
      hash = nwf_hash_expr(hash, &step->conds[j]);
    hash = hash_number(hash, step->verdict);
    for (guint j = 0; j < step->n_origins; j++)
      hash = hash_number(hash_text(hash, step->origins[j].filter->name), step->origins[j].rule->line);
  }
  return hash;
}

static char *put_number(char *to, guint number) {
  char digits[16];
  guint n = 0;
  do
    digits[n++] = (char)('0' + number % 10);
  while (number /= 10);
  while (n)
    *to++ = digits[--n];
  return to;
}

/* "FILTER:LINE FILTER:LINE", each once, in the port's memory; NULL when the step is of no rule. Written
 * out by hand, since every rule of every port has one. */
static const char *describe_origins(NwfPort *port, const NwfStep *step) {
  gsize size = 1;
  guint n_origins = 0;
  while (n_origins < step->n_origins && size <= NWF_COMMENT_LEN + 14) /* more does not fit a comment anyway */
    size += strlen(step->origins[n_origins++].filter->name) + 14;
  char *text = nwf_arena_alloc(&port->arena, size), *end = text;
  for (guint i = 0; i < n_origins; i++) {
    gboolean repeated = FALSE;
    for (guint j = 0; j < i && !repeated; j++)
      repeated = step->origins[j].rule == step->origins[i].rule;
    if (repeated)
      continue;
    if (end > text)
      *end++ = ' ';
    end = stpcpy(end, step->origins[i].filter->name);
    *end++ = ':';
    end = put_number(end, step->origins[i].rule->line);
  }
  return end > text ? text : NULL;
}

typedef struct {
  NwfExpr *exprs; /* the port's memory, as is the comment */
  guint n;
  const char *comment;
} Draft;

static NwfExpr verdict_expr(NwfVerdictKind kind, const char *chain) {
  return (NwfExpr){.kind = NWF_EXPR_VERDICT, .verdict = {.kind = kind, .chain = chain}};
}

static NwfExpr step_verdict(NwfPort *port, const NwfStep *step, const char *direction, const char *label,
                            const char *stage2) {
  switch (step->verdict) {
  case NWF_STEP_ACCEPT:
    return verdict_expr(NWF_VERDICT_ACCEPT, NULL);
  case NWF_STEP_RETURN:
    return verdict_expr(NWF_VERDICT_RETURN, NULL);
  case NWF_STEP_REJECT:
    return (NwfExpr){.kind = NWF_EXPR_REJECT};
  case NWF_STEP_STAGE2:
    return verdict_expr(NWF_VERDICT_GOTO, stage2);
  case NWF_STEP_JUMP: {
    NwfVerdict verdict = nwf_emit(port, step->sub, direction, label, stage2);
    if (verdict.kind == NWF_VERDICT_GOTO)
      verdict.kind = NWF_VERDICT_JUMP;
    return (NwfExpr){.kind = NWF_EXPR_VERDICT, .verdict = verdict};
  }
  default:
    return verdict_expr(NWF_VERDICT_DROP, NULL);
  }
}

typedef struct {
  Draft *rules;
  guint n;
} Drafts;

static Drafts draft_rules(NwfPort *port, const GArray *steps, const char *direction, const char *label,
                          const char *stage2) {
  Drafts drafts = {.rules = nwf_arena_new(&port->arena, Draft, steps->len), .n = steps->len};
  for (guint i = 0; i < steps->len; i++) {
    const NwfStep *step = step_at(steps, i);
    Draft *draft = &drafts.rules[i];
    *draft = (Draft){.n = step->n_conds, .comment = describe_origins(port, step)};
    draft->exprs = nwf_arena_new(&port->arena, NwfExpr, draft->n + 1);
    if (step->n_conds)
      memcpy(draft->exprs, step->conds, sizeof(NwfExpr) * step->n_conds);
    if (step->verdict != NWF_STEP_NEXT)
      draft->exprs[draft->n++] = step_verdict(port, step, direction, label, stage2);
  }
  return drafts;
}

static guint64 hash_drafts(const Drafts *drafts) {
  guint64 hash = NWF_HASH_START;
  for (guint i = 0; i < drafts->n; i++) {
    const Draft *draft = &drafts->rules[i];
    for (guint j = 0; j < draft->n; j++)
      hash = nwf_hash_expr(hash, &draft->exprs[j]);
    hash = hash_text(hash, draft->comment);
  }
  return hash;
}

static gboolean holds_drafts(const NwfChain *chain, const Drafts *drafts) {
  if (chain->rules->len != drafts->n)
    return FALSE;
  for (guint i = 0; i < drafts->n; i++) {
    const Draft *draft = &drafts->rules[i];
    const NwfNftRule *rule = &g_array_index(chain->rules, NwfNftRule, i);
    gsize length = draft->comment ? MIN(strlen(draft->comment), NWF_COMMENT_LEN) : 0;
    if (rule->n_exprs != draft->n || (rule->comment == NULL) != (draft->comment == NULL) ||
        (rule->comment && strncmp(rule->comment, draft->comment, MIN(length, strlen(rule->comment))) != 0))
      return FALSE;
    for (guint j = 0; j < draft->n; j++)
      if (!nwf_expr_equal(&rule->exprs[j], &draft->exprs[j]))
        return FALSE;
  }
  return TRUE;
}

const char *nwf_format_hash(guint64 hash, char digits[17]) {
  for (guint i = 16; i-- > 0; hash >>= 4)
    digits[i] = "0123456789abcdef"[hash & 15];
  digits[16] = '\0';
  return digits;
}

static const char *chain_for(NwfPort *port, const Drafts *drafts, const char *origin, const char *direction,
                             const char *label) {
  guint64 hash = hash_drafts(drafts);
  for (;; hash++) { /* on to the next name when another content has this one */
    char digits[17];
    g_autofree char *name = g_strconcat(origin, "-", direction, "-", label, "-", nwf_format_hash(hash, digits), NULL);
    NwfChain *chain = nwf_ruleset_chain(port->ruleset, name);
    if (chain && holds_drafts(chain, drafts))
      return chain->name;
    if (chain)
      continue;
    chain = nwf_ruleset_add_chain(port->ruleset, name, NWF_HOOK_NONE, 0);
    for (guint i = 0; i < drafts->n; i++) {
      const Draft *draft = &drafts->rules[i];
      nwf_chain_add_rule(port->ruleset, chain, draft->exprs, draft->n, draft->comment);
    }
    return chain->name;
  }
}

NwfVerdict nwf_emit_as(NwfPort *port, const GArray *steps, const char *origin, const char *direction, const char *label,
                       const char *stage2) {
  Drafts drafts = draft_rules(port, steps, direction, label, stage2);
  return (NwfVerdict){.kind = NWF_VERDICT_GOTO, .chain = chain_for(port, &drafts, origin, direction, label)};
}

NwfVerdict nwf_emit(NwfPort *port, const GArray *steps, const char *direction, const char *label, const char *stage2) {
  const NwfStep *first = step_at(steps, 0);
  if (steps->len == 1 && first->n_conds == 0 && first->verdict != NWF_STEP_REJECT && first->verdict != NWF_STEP_JUMP)
    return step_verdict(port, first, direction, label, stage2).verdict;
  if (!port->filter_name) {
    port->filter_name = nwf_sanitise(port->binding->filter);
    if (strlen(port->filter_name) > NAME_PART_MAX)
      port->filter_name[NAME_PART_MAX] = '\0';
  }
  return nwf_emit_as(port, steps, port->filter_name, direction, label, stage2);
}
