// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Sending a difference, and doing so until the kernel holds what is wanted.
 */
#include "kernel/internal.h"

/* Others may commit between our reading and our sending; each attempt then starts over. */
#define ATTEMPTS 64
#define PAUSE_US 500

gboolean nwf_kernel_commit(NwfKernel *kernel, const GArray *changes, guint32 generation, GError **error) {
  g_auto(NwfBatch) batch = {0};
  NwfBatchAnswer answer;
  nwf_batch_init(&batch, kernel->seq, generation);
  if (!nwf_encode_changes(&batch, changes, error))
    return FALSE;
  if (nwf_batch_send(kernel, &batch, TRUE, &answer))
    return TRUE;
  nwf_culprit_error(error, &batch, changes, &answer);
  g_free(answer.text);
  return FALSE;
}

/* One attempt; FALSE with NWF_ERROR_CHANGED when it was in vain. */
static gboolean attempt(NwfKernel *kernel, const NwfKernelUpdate *update, GError **error) {
  g_autoptr(NwfRuleset) have = NULL;
  g_autoptr(NwfRuleset) made = NULL;
  guint32 generation;
  if (!nwf_kernel_read(kernel, &have, &generation, error))
    return FALSE;
  if (update->make && !update->make(have, &made, update->data, error))
    return FALSE;
  const NwfRuleset *want = update->make ? made : update->want;
  g_autoptr(GArray) changes = nwf_ruleset_diff(have, want);
  if (!update->dry_run && changes->len && !nwf_kernel_commit(kernel, changes, generation, error))
    return FALSE;
  if (update->done)
    update->done(have, want, changes, update->data);
  return TRUE;
}

gboolean nwf_kernel_update(NwfKernel *kernel, const NwfKernelUpdate *update, GError **error) {
  for (guint n = 1;; n++) {
    g_autoptr(GError) reason = NULL;
    if (attempt(kernel, update, &reason))
      return TRUE;
    if (!g_error_matches(reason, NWF_ERROR, NWF_ERROR_CHANGED) || n == ATTEMPTS) {
      g_propagate_error(error, g_steal_pointer(&reason));
      return FALSE;
    }
    g_usleep(PAUSE_US * n);
  }
}

static void count_changes(const NwfRuleset *have, const NwfRuleset *want, const GArray *changes, gpointer data) {
  *(guint *)data = changes->len;
}

gboolean nwf_kernel_install(NwfKernel *kernel, const NwfRuleset *want, guint *changed, GError **error) {
  guint ignored;
  changed = changed ? changed : &ignored;
  *changed = 0;
  NwfKernelUpdate update = {.want = want, .done = count_changes, .data = changed};
  return nwf_kernel_update(kernel, &update, error);
}
