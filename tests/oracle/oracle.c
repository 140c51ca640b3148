// SPDX-License-Identifier: LGPL-2.1-or-later
/* The oracle's program; tools/oracle runs it. */
#include "verdicts.h"

#include <nwfilter-nft/xml.h>
#include <stdlib.h>
#include <string.h>

static int usage(void) {
  fprintf(stderr, "usage: oracle record stock|ours FILTERS CASES PART PARTS [PREFIX]\n"
                  "       oracle compare STOCK OURS KNOWN REASONS\n"
                  "       oracle frames CASES [PREFIX]\n");
  return 2;
}

static gboolean record(char **argv, GError **error) {
  guint part = (guint)strtoul(argv[3], NULL, 10), parts = (guint)strtoul(argv[4], NULL, 10);
  g_autoptr(OracleCases) cases = oracle_cases_load(argv[2], argv[5] ? argv[5] : "", part, MAX(parts, 1), error);
  g_autoptr(OracleDriver) driver = NULL;

  if (!cases)
    return FALSE;
  nwf_xml_init();
  driver = g_str_equal(argv[0], "stock") ? oracle_stock_new(error) : oracle_ours_new(argv[1], error);
  return driver && oracle_record(cases, driver, stdout, error);
}

/* Shows what the cases' frames are in bytes; needs no privilege. */
static gboolean show_frames(char **argv, GError **error) {
  g_autoptr(OracleCases) cases = oracle_cases_load(argv[0], argv[1] ? argv[1] : "", 0, 1, error);

  for (guint i = 0; cases && i < cases->cases->len; i++) {
    const OracleCase *one = cases->cases->pdata[i];
    for (guint j = 0; j < one->frames->len; j++) {
      const OracleFrame *frame = one->frames->pdata[j];
      printf("%s\t", frame->id);
      for (guint k = 0; k < frame->bytes->len; k++)
        printf("%02x", frame->bytes->data[k]);
      printf("\n");
    }
  }
  return cases != NULL;
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  int result = 1;

  if (argc >= 7 && argc <= 8 && g_str_equal(argv[1], "record"))
    result = record(argv + 2, &error) ? 0 : 1;
  else if (argc == 6 && g_str_equal(argv[1], "compare"))
    result = oracle_compare(argv[2], argv[3], argv[4], argv[5], &error);
  else if (argc >= 3 && argc <= 4 && g_str_equal(argv[1], "frames"))
    result = show_frames(argv + 2, &error) ? 0 : 1;
  else
    return usage();
  if (error)
    fprintf(stderr, "oracle: %s\n", error->message);
  return result;
}
