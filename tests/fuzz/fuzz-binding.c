// SPDX-License-Identifier: LGPL-2.1-or-later
// Any bytes as a binding: an error or a binding, and a binding is written as it was read.

#include <nwfilter-nft/xml.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfBinding) binding = nwf_binding_parse((const char *)data, size, "f", &error);
  if ((binding == NULL) != (error != NULL))
    abort();
  if (binding == NULL)
    return 0;
  g_autofree char *text = nwf_binding_format(binding);
  g_autoptr(NwfBinding) again = nwf_binding_parse(text, strlen(text), NULL, &error);
  if (again == NULL)
    g_error("%s\n%s", error->message, text);
  g_autofree char *second = nwf_binding_format(again);
  if (strcmp(text, second) != 0)
    g_error("written as\n%s\nthen as\n%s", text, second);
  return 0;
}
