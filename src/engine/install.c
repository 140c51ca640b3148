// SPDX-License-Identifier: LGPL-2.1-or-later
/* Bringing ports into the table and the table into the kernel, whole or not at all. */
#include "engine/internal.h"
#include "ruleset/closing.h"

/* --- one port into an edit --- */

static void forget_next(const GPtrArray *ports) {
  for (guint i = 0; i < ports->len; i++) {
    NwfEnginePort *port = g_ptr_array_index(ports, i);
    g_clear_pointer(&port->next, nwf_binding_free);
  }
}

/* Other ports may have learned what this one is given. */
static void tell_given(NwfEngine *engine, NwfEnginePort *port) {
  if (port->given)
    return;
  nwf_learner_set_given(engine->learner, port->binding, nwf_engine_now());
  port->given = TRUE;
  nwf_events_rearm(engine);
}

static void take_next(NwfEngine *engine, const GPtrArray *ports) {
  for (guint i = 0; i < ports->len; i++) {
    NwfEnginePort *port = g_ptr_array_index(ports, i);
    if (!port->next)
      continue;
    port->stale = port->next_stale;
    if (port->learning && !port->next_learning)
      nwf_learner_remove_port(engine->learner, port->binding->port, FALSE);
    port->learning = port->next_learning;
    nwf_binding_free(port->effective);
    port->effective = g_steal_pointer(&port->next);
    port->own_filter = port->next_own_filter;
    port->failed = port->next_failed;
    tell_given(engine, port);
  }
}

static gboolean add_port(NwfEngine *engine, NwfEdit *edit, NwfEnginePort *port, GError **error) {
  port->next = nwf_effective_binding(engine, port, &port->next_own_filter, error);
  port->next_failed = port->next_stale = FALSE;
  return port->next &&
         nwf_edit_add(edit, port->next_own_filter ? engine->own : engine->filters, port->next, &engine->options, error);
}

static gboolean add_closed(NwfEngine *engine, NwfEdit *edit, NwfEnginePort *port, gboolean stale, GError **error) {
  nwf_binding_free(port->next);
  port->next = nwf_effective_closed(port);
  port->next_own_filter = port->next_failed = TRUE;
  port->next_stale = stale;
  port->next_learning = port->learning; /* what it was told stays true */
  return nwf_edit_add(edit, engine->own, port->next, &engine->options, error);
}

/* A document or filter that is bad stays so until somebody does something about it. */
static gboolean is_of_the_moment(const GError *reason) {
  return g_error_matches(reason, NWF_ERROR, NWF_ERROR_IO) || g_error_matches(reason, NWF_ERROR, NWF_ERROR_KERNEL);
}

static gboolean add_or_close(NwfEngine *engine, NwfEdit *edit, NwfEnginePort *port, gboolean strict, GError **error) {
  g_autoptr(GError) reason = NULL;
  if (port->closing)
    return add_closed(engine, edit, port, FALSE, error);
  if (add_port(engine, edit, port, &reason))
    return TRUE;
  if (strict && !port->failed) {
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
  }
  if (!port->failed)
    nwf_engine_say(engine, NWF_LOG_ERROR, "port %s is closed: %s", port->binding->port, reason->message);
  return add_closed(engine, edit, port, is_of_the_moment(reason), error);
}

static gboolean edit_ports(NwfEngine *engine, NwfEdit *edit, const GPtrArray *ports, gboolean strict, GError **error) {
  for (guint i = 0; i < ports->len; i++)
    nwf_edit_remove(edit, ((NwfEnginePort *)g_ptr_array_index(ports, i))->binding->port);
  for (guint i = 0; i < ports->len; i++) {
    NwfEnginePort *port = g_ptr_array_index(ports, i);
    if (!port->doomed && !add_or_close(engine, edit, port, strict, error))
      return FALSE;
  }
  return TRUE;
}

/* --- what this kernel can do --- */

static guint features_of(const GArray *changes) {
  guint features = 0;
  for (guint i = 0; i < changes->len; i++) {
    const NwfChange *change = &g_array_index(changes, NwfChange, i);
    if (change->kind == NWF_CHANGE_ADD_RULES)
      features |= nwf_chain_features(change->chain);
  }
  return features;
}

/* Asking costs tens of milliseconds on a kernel that lacks something, so it waits for a rule that needs it. TRUE
 * when what was compiled must be compiled again, since it wants what this kernel does not have. */
static gboolean lacks(NwfEngine *engine, guint wanted) {
  g_autoptr(GError) error = NULL;
  guint features;
  if (!wanted || engine->probed)
    return FALSE;
  if (!nwf_kernel_probe(engine->kernel, &features, &error)) {
    nwf_engine_say(engine, NWF_LOG_WARNING, "cannot ask the kernel what it can do: %s", error->message);
    return FALSE;
  }
  engine->options.features = features;
  engine->probed = TRUE;
  return (wanted & ~features) != 0;
}

/* --- sending --- */

static void count_changes(const NwfRuleset *have, const NwfRuleset *want, const GArray *changes, gpointer data) {
  *(guint *)data = changes->len;
}

/* Reads the kernel's table back and sends the difference to @want. */
static gboolean send_whole(NwfEngine *engine, const NwfRuleset *want, guint *changed, GError **error) {
  guint changes = 0;
  NwfKernelUpdate update = {.want = want, .done = count_changes, .data = &changes};
  if (!nwf_kernel_update(engine->kernel, &update, error))
    return FALSE;
  if (!nwf_kernel_generation(engine->kernel, &engine->generation, NULL))
    engine->generation = 0;
  if (changed)
    *changed = changes;
  return TRUE;
}

/* An edit's order of things is not a ruleset's, which reading back and comparing want. */
static gboolean send_table(NwfEngine *engine, guint *changed, GError **error) {
  g_autoptr(NwfRuleset) want = nwf_ruleset_copy(engine->table);
  nwf_ruleset_sort(want);
  return send_whole(engine, want, changed, error);
}

/* With a table of our own nobody else can have changed it, and what they do elsewhere does not matter. FALSE: the
 * table must be read back. */
static gboolean send_to_known(NwfEngine *engine, const GArray *changes) {
  g_autoptr(GError) reason = NULL;
  if (!engine->owned && !engine->generation)
    return FALSE;
  if (!nwf_kernel_commit(engine->kernel, changes, engine->owned ? 0 : engine->generation, &reason)) {
    nwf_engine_say(engine, NWF_LOG_DEBUG, "the table is read back: %s", reason->message);
    return FALSE;
  }
  if (++engine->generation == 0) /* the kernel leaves 0 out */
    engine->generation = 1;
  return TRUE;
}

/* Changes that a frame could see half of take two commits, for which the table before them is needed as well. */
static gboolean is_torn(const GArray *changes) {
  g_autoptr(GHashTable) torn = nwf_changes_torn_ports(changes);
  return torn != NULL;
}

static gboolean send_changes(NwfEngine *engine, const GArray *changes, GError **error) {
  return changes->len == 0 || (!is_torn(changes) && send_to_known(engine, changes)) || send_table(engine, NULL, error);
}

static gboolean try_ports(NwfEngine *engine, const GPtrArray *ports, gboolean strict, gboolean *again, GError **error) {
  NwfEdit *edit = nwf_edit_new(engine->table);
  gboolean ok = edit_ports(engine, edit, ports, strict, error);
  *again = FALSE;
  if (ok) {
    const GArray *changes = nwf_edit_changes(edit);
    *again = lacks(engine, engine->probed ? 0 : features_of(changes));
    ok = !*again && send_changes(engine, changes, error);
  }
  if (ok) {
    nwf_edit_keep(edit);
    take_next(engine, ports);
  } else {
    nwf_edit_undo(edit);
    forget_next(ports);
  }
  return ok;
}

/* --- all ports --- */

static gboolean compile_all(NwfEngine *engine, const GPtrArray *ports, gboolean strict, NwfRuleset **ruleset,
                            GError **error) {
  *ruleset = nwf_ruleset_new();
  NwfEdit *edit = nwf_edit_new(*ruleset);
  if (!edit_ports(engine, edit, ports, strict, error)) {
    nwf_edit_undo(edit);
    g_clear_pointer(ruleset, nwf_ruleset_free);
    return FALSE;
  }
  nwf_edit_changes(edit);
  nwf_edit_keep(edit);
  nwf_ruleset_sort(*ruleset);
  return TRUE;
}

static void take_table(NwfEngine *engine, NwfRuleset *table, const GPtrArray *ports) {
  g_clear_pointer(&engine->table, nwf_ruleset_free);
  engine->table = table;
  engine->edits = 0;
  take_next(engine, ports);
}

/* The difference to the table that is known is sent when that is all there is to it. */
static gboolean send_all(NwfEngine *engine, const NwfRuleset *want, GError **error) {
  if (!engine->table)
    return send_whole(engine, want, NULL, error);
  nwf_ruleset_sort(engine->table);
  g_autoptr(GArray) changes = nwf_ruleset_diff(engine->table, want);
  return changes->len == 0 || (!is_torn(changes) && send_to_known(engine, changes)) ||
         send_whole(engine, want, NULL, error);
}

static gboolean try_all(NwfEngine *engine, const GPtrArray *ports, gboolean strict, gboolean *again, GError **error) {
  NwfRuleset *want;
  *again = FALSE;
  gboolean ok = compile_all(engine, ports, strict, &want, error);
  if (ok) {
    *again = lacks(engine, engine->probed ? 0 : nwf_ruleset_features(want));
    ok = !*again && send_all(engine, want, error);
    if (ok)
      take_table(engine, want, ports);
    else
      nwf_ruleset_free(want);
  }
  if (!ok)
    forget_next(ports);
  return ok;
}

static gboolean replace_all(NwfEngine *engine, gboolean strict, GError **error) {
  g_autoptr(GPtrArray) ports = nwf_engine_ports(engine);
  gboolean again;
  return try_all(engine, ports, strict, &again, error) || (again && try_all(engine, ports, strict, &again, error));
}

/* Compiling all is worth it when most ports change, or when edits have left much behind. */
static gboolean worth_all(const NwfEngine *engine, const GPtrArray *ports) {
  guint all = g_hash_table_size(engine->ports);
  return engine->edits + ports->len > NWF_EDITS_MAX + all || ports->len > 16 + all / 4;
}

static gboolean install_ports(NwfEngine *engine, const GPtrArray *ports, gboolean strict, GError **error) {
  gboolean again;
  if (worth_all(engine, ports))
    return replace_all(engine, strict, error);
  engine->edits += ports->len;
  return try_ports(engine, ports, strict, &again, error) || (again && try_ports(engine, ports, strict, &again, error));
}

static gboolean any_stale(const GPtrArray *ports) {
  for (guint i = 0; i < ports->len; i++)
    if (((const NwfEnginePort *)g_ptr_array_index(ports, i))->stale)
      return TRUE;
  return FALSE;
}

gboolean nwf_install_ports(NwfEngine *engine, const GPtrArray *ports, gboolean strict, GError **error) {
  gboolean ok = install_ports(engine, ports, strict, error);
  if (!ok || any_stale(ports))
    nwf_retry_later(engine);
  return ok;
}

static void set_closing(const GPtrArray *ports, gboolean closing) {
  for (guint i = 0; i < ports->len; i++)
    ((NwfEnginePort *)g_ptr_array_index(ports, i))->closing = closing;
}

static void install_again_later(NwfEngine *engine, const GPtrArray *ports) {
  for (guint i = 0; i < ports->len; i++)
    ((NwfEnginePort *)g_ptr_array_index(ports, i))->stale = TRUE;
  nwf_retry_later(engine);
}

void nwf_install_closed(NwfEngine *engine, const GPtrArray *ports) {
  g_autoptr(GError) error = NULL;
  set_closing(ports, TRUE);
  if (!nwf_install_ports(engine, ports, FALSE, &error))
    nwf_engine_say(engine, NWF_LOG_ERROR, "nor can their ports be closed: %s", error->message);
  set_closing(ports, FALSE);
  install_again_later(engine, ports);
}

/* The kernel refuses the whole for what may be one port's sake: all are closed at once, and then opened one by one. */
static gboolean open_one_by_one(NwfEngine *engine, GError **error) {
  g_autoptr(GPtrArray) ports = nwf_engine_ports(engine);
  set_closing(ports, TRUE);
  gboolean closed = replace_all(engine, FALSE, error);
  set_closing(ports, FALSE);
  if (!closed)
    return FALSE;
  for (guint i = 0; i < ports->len; i++) {
    NwfEnginePort *port = g_ptr_array_index(ports, i);
    g_autoptr(GPtrArray) one = g_ptr_array_new();
    g_autoptr(GError) reason = NULL;
    g_ptr_array_add(one, port);
    port->failed = FALSE;
    if (!nwf_install_ports(engine, one, FALSE, &reason)) {
      port->failed = TRUE;
      nwf_engine_say(engine, NWF_LOG_ERROR, "port %s is closed: %s", port->binding->port, reason->message);
    }
  }
  return TRUE;
}

gboolean nwf_install_all(NwfEngine *engine, gboolean strict, GError **error) {
  g_autoptr(GError) reason = NULL;
  if (replace_all(engine, strict, &reason))
    return TRUE;
  if (strict || g_hash_table_size(engine->ports) == 0) {
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
  }
  nwf_engine_say(engine, NWF_LOG_ERROR, "%s", reason->message);
  return open_one_by_one(engine, error);
}

gboolean nwf_install_verify(NwfEngine *engine, guint *changes, GError **error) {
  gboolean ok = send_table(engine, changes, error);
  engine->unverified = !ok;
  if (!ok)
    nwf_retry_later(engine);
  return ok;
}
