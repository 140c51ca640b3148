// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Sending a difference, and doing so until the kernel holds what is wanted.
 */
#include "kernel/internal.h"

#include <errno.h>

/* Others may commit between our reading and our sending; each attempt then starts over. */
#define ATTEMPTS 64
#define PAUSE_US 500

/** @code: the errno of the failure. */
static gboolean commit(NwfKernel *kernel, const GArray *changes, guint32 generation, int *code, GError **error) {
  g_auto(NwfBatch) batch = {0};
  NwfBatchAnswer answer;
  *code = 0;
  nwf_batch_init(&batch, kernel->seq, generation);
  if (!nwf_encode_changes(&batch, changes, error)) {
    *code = E2BIG;
    return FALSE;
  }
  if (nwf_batch_send(kernel, &batch, TRUE, &answer))
    return TRUE;
  *code = answer.code;
  nwf_culprit_error(error, &batch, changes, &answer);
  g_free(answer.text);
  return FALSE;
}

gboolean nwf_kernel_commit(NwfKernel *kernel, const GArray *changes, guint32 generation, GError **error) {
  int code;
  return commit(kernel, changes, generation, &code, error);
}

gboolean nwf_kernel_install(NwfKernel *kernel, const NwfRuleset *want, guint *changed, GError **error) {
  if (changed)
    *changed = 0;
  for (guint attempt = 0;; attempt++) {
    g_autoptr(NwfRuleset) have = NULL;
    guint32 generation;
    int code;
    if (attempt)
      g_usleep(PAUSE_US * attempt);
    if (!nwf_kernel_read(kernel, &have, &generation, error))
      return FALSE;
    g_autoptr(GArray) changes = nwf_ruleset_diff(have, want);
    if (changes->len == 0)
      return TRUE;
    g_clear_error(error);
    if (commit(kernel, changes, generation, &code, error)) {
      if (changed)
        *changed = changes->len;
      return TRUE;
    }
    if (code != ERESTART || attempt + 1 == ATTEMPTS)
      return FALSE;
    g_clear_error(error);
  }
}
