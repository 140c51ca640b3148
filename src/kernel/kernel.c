// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Sending a difference, and doing so until the kernel holds what is wanted.
 */
#include "kernel/internal.h"
#include "ruleset/closing.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Others may commit between our reading and our sending; each attempt then starts over. */
#define ATTEMPTS 64
/* An answer that cannot be read may be the next time, or tells of a process that has run out of something. */
#define UNSURE_ATTEMPTS 4
#define PAUSE_US 500

/** @mark is left in the first rule of @marked; both may be NULL. */
static gboolean commit(NwfKernel *kernel, const GArray *changes, guint32 generation, const NwfMark *mark,
                       const NwfChain *marked, GError **error) {
  g_auto(NwfBatch) batch = {0};
  NwfBatchAnswer answer;
  nwf_batch_init(&batch, kernel->seq, generation);
  batch.mark = mark;
  batch.marked = marked;
  nwf_owner_begin(kernel, &batch, changes);
  if (!nwf_encode_changes(&batch, changes, error))
    return FALSE;
  if (nwf_batch_send(kernel, &batch, TRUE, &answer)) {
    nwf_owner_done(kernel, changes);
    return TRUE;
  }
  nwf_culprit_error(error, kernel, &batch, changes, &answer);
  g_free(answer.text);
  return FALSE;
}

gboolean nwf_kernel_commit(NwfKernel *kernel, const GArray *changes, guint32 generation, GError **error) {
  return commit(kernel, changes, generation, NULL, NULL, error);
}

/** The changes, and the chain that carries the mark written anew if they do not do so already: at the
 * end, when all that its rules refer to is there. */
static GArray *with_marked(const GArray *changes, const NwfChain *marked) {
  GArray *all = g_array_sized_new(FALSE, FALSE, sizeof(NwfChange), changes->len + 2);
  gboolean written = FALSE;
  for (guint i = 0; i < changes->len; i++) {
    const NwfChange *change = &g_array_index(changes, NwfChange, i);
    written = written || (change->kind == NWF_CHANGE_ADD_RULES && change->chain == marked);
  }
  if (changes->len)
    g_array_append_vals(all, changes->data, changes->len);
  const NwfChange rewrite[] = {{.kind = NWF_CHANGE_FLUSH_CHAIN, .chain = marked},
                               {.kind = NWF_CHANGE_ADD_RULES, .chain = marked}};
  if (!written)
    g_array_append_vals(all, rewrite, G_N_ELEMENTS(rewrite));
  return all;
}

/** Sends the changes that lead to @want, with a mark to know it by. */
static gboolean commit_marked(NwfKernel *kernel, const NwfRuleset *want, const GArray *changes, const guint8 *stamp,
                              guint32 generation, GError **error) {
  const NwfChain *marked = nwf_mark_place(want);
  NwfMark mark = {0};
  if (!marked)
    return commit(kernel, changes, generation, NULL, NULL, error);
  nwf_mark_make(&mark, want, stamp, generation);
  g_autoptr(GArray) all = with_marked(changes, marked);
  return commit(kernel, all, generation, &mark, marked, error);
}

/** Until no frame is on its way that saw the ruleset before the last commit: the kernel takes them in sections of RCU,
 * whose end this system call waits for, some 10 ms (kernel/sched/membarrier.c). */
static void let_frames_pass(void) {
  if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0)
    g_usleep(20000);
}

/** Takes back that ports were closed; what cannot be taken back is closed. */
static void reopen(NwfKernel *kernel, const NwfRuleset *closed, const NwfRuleset *have, guint32 generation) {
  g_autoptr(GArray) changes = nwf_ruleset_diff(closed, have);
  commit(kernel, changes, generation, NULL, NULL, NULL);
}

/** The same in two commits, for ports whose changes a frame could see half of: these are closed in between. */
static gboolean commit_torn(NwfKernel *kernel, const NwfRuleset *have, const NwfRuleset *want, GHashTable *torn,
                            const guint8 *stamp, guint32 generation, GError **error) {
  g_autoptr(NwfRuleset) closed = nwf_ruleset_closed(have, torn);
  g_autoptr(GArray) closing = nwf_ruleset_diff(have, closed);
  g_autoptr(GError) reason = NULL;
  if (closing->len) {
    if (!commit(kernel, closing, generation, NULL, NULL, error))
      return FALSE;
    generation = nwf_next_generation(generation);
  }
  let_frames_pass();
  g_autoptr(GArray) opening = nwf_ruleset_diff(closed, want);
  if (commit_marked(kernel, want, opening, stamp, generation, &reason))
    return TRUE;
  if (!g_error_matches(reason, NWF_ERROR, NWF_ERROR_CHANGED))
    reopen(kernel, closed, have, generation);
  g_propagate_error(error, g_steal_pointer(&reason));
  return FALSE;
}

/** What there is to do when the mark proves that the kernel holds what is wanted. */
static void found_done(const NwfKernelUpdate *update) {
  g_autoptr(GArray) none = g_array_new(FALSE, FALSE, sizeof(NwfChange));
  if (update->done)
    update->done(update->want, update->want, none, update->data);
}

/** One attempt; FALSE with NWF_ERROR_CHANGED when it was in vain. */
static gboolean attempt(NwfKernel *kernel, const NwfKernelUpdate *update, GError **error) {
  g_autoptr(NwfRuleset) have = NULL;
  g_autoptr(NwfRuleset) made = NULL;
  guint32 generation;
  /* a mark does not say whose the table is */
  gboolean settled = !kernel->own || kernel->owns;
  if (settled && !update->make && nwf_mark_proves(kernel, update->want)) {
    found_done(update);
    return TRUE;
  }
  if (!nwf_kernel_read(kernel, &have, &generation, error))
    return FALSE;
  kernel->unsure = FALSE;
  if (update->make && !update->make(have, &made, update->data, error))
    return FALSE;
  const NwfRuleset *want = update->make ? made : update->want;
  g_autoptr(GArray) changes = nwf_ruleset_diff(have, want);
  gboolean wanted = changes->len || (!settled && want);
  g_autoptr(GHashTable) torn = have && !have->foreign && !update->dry_run ? nwf_changes_torn_ports(changes) : NULL;
  if (torn && !commit_torn(kernel, have, want, torn, update->stamp, generation, error))
    return FALSE;
  if (!torn && !update->dry_run && wanted && !commit_marked(kernel, want, changes, update->stamp, generation, error))
    return FALSE;
  if (update->done)
    update->done(have, want, changes, update->data);
  return TRUE;
}

gboolean nwf_kernel_unsure(const NwfKernel *kernel) {
  return kernel->unsure;
}

gboolean nwf_kernel_update(NwfKernel *kernel, const NwfKernelUpdate *update, GError **error) {
  for (guint n = 1;; n++) {
    g_autoptr(GError) reason = NULL;
    if (attempt(kernel, update, &reason))
      return TRUE;
    gboolean changed = g_error_matches(reason, NWF_ERROR, NWF_ERROR_CHANGED);
    if (n == ATTEMPTS || !(changed || (kernel->unsure && n <= UNSURE_ATTEMPTS))) {
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
