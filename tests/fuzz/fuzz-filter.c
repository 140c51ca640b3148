// SPDX-License-Identifier: LGPL-2.1-or-later
// Any bytes as a filter: an error or a filter, and a filter is written as it was read.

#include <nwfilter-nft/xml.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfFilter) filter = nwf_filter_parse((const char *)data, size, "f", &error);
  if ((filter == NULL) != (error != NULL))
    abort();
  if (filter == NULL)
    return 0;
  g_autofree char *text = nwf_filter_format(filter);
  g_autoptr(NwfFilter) again = nwf_filter_parse(text, strlen(text), NULL, &error);
  if (again == NULL)
    g_error("%s\n%s", error->message, text);
  g_autofree char *second = nwf_filter_format(again);
  if (strcmp(text, second) != 0)
    g_error("written as\n%s\nthen as\n%s", text, second);
  return 0;
}
