// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * libFuzzer target: any bytes as messages of a dump. What comes out of the decoder has to survive
 * being printed, compared and sent again.
 */
#include "kernel/internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size);

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size) {
  /* a copy of just this size, aligned as a receive buffer is */
  guint8 *copy = malloc(size ? size : 1);
  memcpy(copy, data, size);
  NwfRuleset *ruleset = nwf_decode_buffer(copy, size);
  free(copy); /* the ruleset must own all that it holds */
  if (!ruleset)
    return 0;
  g_autofree char *text = nwf_ruleset_to_text(ruleset);
  g_autofree char *json = nwf_ruleset_to_json(ruleset);
  g_autoptr(GArray) changes = nwf_ruleset_diff(NULL, ruleset);
  g_autofree char *lines = nwf_diff_to_text(changes);
  g_auto(NwfBatch) batch = {0};
  nwf_batch_init(&batch, 1, 1);
  nwf_encode_changes(&batch, changes, NULL);
  nwf_ruleset_free(ruleset);
  return 0;
}
