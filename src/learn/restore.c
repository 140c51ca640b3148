// SPDX-License-Identifier: LGPL-2.1-or-later
// A port's addresses from its state file and the lease file, and back into the state file.

#include "learn/internal.h"

#include <string.h>

#define RETRY_SECONDS 10 /* after a state file could not be written; ours */

void nwf_memory_state(const NwfMemory *memory, NwfState *state) {
  *state = (NwfState){.key = memory->key, .has_previous = memory->has_previous, .unconfirmed = memory->unconfirmed};
  memcpy(state->previous, memory->previous, 4);
  state->learned = g_array_sized_new(FALSE, FALSE, sizeof(NwfLearned), memory->entries->len);
  for (guint i = 0; i < memory->entries->len; i++)
    g_array_append_val(state->learned, ((NwfMemoryEntry *)g_ptr_array_index(memory->entries, i))->learned);
}

void nwf_memory_save(NwfLearner *learner, NwfMemory *memory) {
  if (!learner->config.state_dir || !memory->dirty)
    return;
  if (learner->state_broken && learner->now < learner->state_retry &&
      learner->now >= learner->state_retry - RETRY_SECONDS)
    return;
  g_auto(NwfState) state = {0};
  g_autoptr(GError) error = NULL;
  nwf_memory_state(memory, &state);
  if (nwf_state_write(learner->config.state_dir, memory->port, &state, &error)) {
    memory->dirty = FALSE;
    if (learner->state_broken)
      nwf_learn_log(&learner->config, NWF_LEARN_LOG_INFO, "learned addresses are kept again");
    learner->state_broken = FALSE;
    return;
  }
  if (!learner->state_broken)
    nwf_learn_log(&learner->config, NWF_LEARN_LOG_ERROR, "learned addresses are not kept: %s", error->message);
  learner->state_broken = learner->unsaved = TRUE;
  learner->state_retry = learner->now + RETRY_SECONDS;
}

gboolean nwf_learner_unsaved(const NwfLearner *learner) {
  return learner->unsaved || (learner->leases && nwf_leases_unsaved(learner->leases));
}

void nwf_learner_save(NwfLearner *learner, gint64 now) {
  GHashTableIter iter;
  gpointer memory;
  learner->now = learner->state_retry = now;
  learner->unsaved = FALSE;
  g_hash_table_iter_init(&iter, learner->ports);
  while (g_hash_table_iter_next(&iter, NULL, &memory)) {
    nwf_memory_save(learner, memory);
    learner->unsaved = learner->unsaved || ((const NwfMemory *)memory)->dirty;
  }
  if (learner->leases)
    nwf_leases_save(learner->leases, now);
}

static gboolean is_lease4(const NwfLearned *learned) {
  return learned->how == NWF_LEARNED_DHCP;
}

/* Whether what a file says still holds for the port as it is bound now. */
static gboolean still_holds(const NwfLearner *learner, const NwfMemory *memory, const NwfLearned *learned) {
  if (learned->until != 0 && learned->until <= learner->now)
    return FALSE;
  if (!(learned->ipv6 ? memory->ipv6 : memory->ipv4))
    return FALSE;
  if (is_lease4(learned) && learner->leases) /* the lease file knows; the stock driver may have written it since */
    return FALSE;
  if ((is_lease4(learned) || learned->how == NWF_LEARNED_DHCPV6) &&
      !nwf_memory_trusts(memory, learned->ipv6, learned->server))
    return FALSE;
  return memory->method == NWF_LEARN_ANY || is_lease4(learned) || learned->how == NWF_LEARNED_DHCPV6;
}

static void restore_address(NwfLearner *learner, NwfMemory *memory, const NwfState *state, const NwfLearned *learned) {
  if (is_lease4(learned) && memory->method == NWF_LEARN_ANY && !state->unconfirmed) {
    /* it may have ended in the meantime */
    memory->has_previous = TRUE;
    memcpy(memory->previous, learned->address, 4);
  }
  if (still_holds(learner, memory, learned))
    nwf_memory_add(learner, memory, learned);
}

/* Which server gave a lease is not compared here: the stock driver writes another of the server's addresses. Under
 * `any` a lease that is not known of this binding makes way for what the guest shows. */
static void restore_leases(NwfLearner *learner, NwfMemory *memory, gboolean of_before) {
  const GArray *leases = learner->leases ? nwf_leases_get(learner->leases, &memory->key) : NULL;
  if (!leases || !memory->ipv4)
    return;
  gboolean any = memory->method == NWF_LEARN_ANY;
  for (guint i = 0; i < leases->len; i++) {
    const NwfLease *lease = &g_array_index(leases, NwfLease, any ? leases->len - 1 - i : i);
    NwfLearned learned = {.prefix = 32, .how = NWF_LEARNED_DHCP, .until = lease->until};
    memcpy(learned.address, lease->address, 4);
    memcpy(learned.server, lease->server, 4);
    if (lease->until != 0 && lease->until <= learner->now)
      continue;
    if (!(any && nwf_memory_has_ipv4(memory)) && nwf_memory_add(learner, memory, &learned))
      memory->unconfirmed = any && of_before;
  }
}

void nwf_memory_restore(NwfLearner *learner, NwfMemory *memory, const NwfState *state) {
  memory->restoring = TRUE;
  if (memory->ipv6) {
    NwfLearned own = {.ipv6 = TRUE, .prefix = 128, .how = NWF_LEARNED_LINK_LOCAL};
    nwf_ipv6_link_local(memory->key.mac, own.address);
    nwf_memory_add(learner, memory, &own);
  }
  gboolean known = state && memcmp(&state->key, &memory->key, sizeof memory->key) == 0;
  if (known) {
    memory->has_previous = state->has_previous && memory->method == NWF_LEARN_ANY;
    memcpy(memory->previous, state->previous, 4);
    for (guint i = 0; i < state->learned->len; i++)
      restore_address(learner, memory, state, &g_array_index(state->learned, NwfLearned, i));
  }
  restore_leases(learner, memory, !known || state->unconfirmed);
  memory->restoring = FALSE;
  memory->dirty = TRUE;
  nwf_memory_save(learner, memory);
}
