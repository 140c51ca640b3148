// SPDX-License-Identifier: LGPL-2.1-or-later
#include "changes.h"
#include "cli.h"

#include <kernel/links.h>

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

static char *chain_end;
static gboolean chain_end_accepts;
static char **directories;
static char *bindings_directory;
static gboolean dry_run;

static const GOptionEntry entries[] = {
    {"filters", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &directories, "Read filters here instead (may be repeated)", "DIR"},
    {"bindings", 0, 0, G_OPTION_ARG_FILENAME, &bindings_directory, "Every *.xml in it is a binding", "DIR"},
    {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &dry_run, "Print the difference and change nothing", NULL},
    {"chain-end", 0, 0, G_OPTION_ARG_STRING, &chain_end,
     "What becomes of a frame at the end of a chain: return to root "
     "(the default), or accept as ebtables does",
     "return|accept"},
    {NULL}};

typedef struct {
  NwfKernel *kernel;
  gboolean foreign_input; /* the table was made from more than the files: from ipsets, or from what the kernel lacks */
} Input;

static gboolean read_ipset(const char *name, guint dimensions, gboolean ipv6, NwfRuleset *ruleset, NwfSet *set,
                           gpointer data, GError **error) {
  Input *input = data;
  input->foreign_input = TRUE;
  return nwf_kernel_ipset(name, dimensions, ipv6, ruleset, set, input->kernel, error);
}

static gboolean check_names(const GPtrArray *bindings, GError **error) {
  for (guint i = 0; i < bindings->len; i++)
    if (!nwf_link_check_name(((const NwfBinding *)g_ptr_array_index(bindings, i))->port, error))
      return FALSE;
  return TRUE;
}

/* Asking the kernel what it can do takes it tens of milliseconds, since it looks for the modules that
 * it lacks: it is asked only when the table needs any of it. */
static NwfRuleset *compile(Input *input, const GPtrArray *documents, GError **error) {
  g_autoptr(NwfFilterStore) store = nwf_cli_load_filters(directories, error);
  g_autoptr(GPtrArray) bindings = store ? nwf_cli_parse_bindings(documents, error) : NULL;
  if (!bindings || !check_names(bindings, error))
    return NULL;
  NwfBinding *const *list = (NwfBinding *const *)bindings->pdata;
  NwfCompileOptions options = {.features = NWF_FEATURE_ALL,
                               .ipset = read_ipset,
                               .warning = nwf_cli_warning,
                               .progress = nwf_cli_progress,
                               .chain_end_accepts = chain_end_accepts,
                               .data = input};
  g_autoptr(NwfRuleset) ruleset = nwf_compile(store, list, bindings->len, &options, error);
  guint needed = ruleset ? nwf_ruleset_features(ruleset) : 0;
  if (!needed)
    return g_steal_pointer(&ruleset);
  if (!nwf_kernel_probe(input->kernel, &options.features, error))
    return NULL;
  if ((needed & ~options.features) == 0)
    return g_steal_pointer(&ruleset);
  input->foreign_input = TRUE;
  return nwf_compile(store, list, bindings->len, &options, error);
}

/* What the files and this program say, in short. */
static void make_stamp(const GPtrArray *documents, guint8 stamp[NWF_STAMP_LEN]) {
  GStatBuf program = {0}; /* which build of it */
  g_stat("/proc/self/exe", &program);
  struct {
    gint64 size, inode, seconds, nanoseconds;
  } build = {program.st_size, (gint64)program.st_ino, program.st_mtim.tv_sec, program.st_mtim.tv_nsec};
  guint8 digest[32];
  gsize length = sizeof digest;
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  g_checksum_update(sum, (const guchar *)&build, sizeof build);
  g_checksum_update(sum, (const guchar *)(chain_end_accepts ? "accept" : "return"), 6);
  nwf_cli_hash_filters(directories, sum);
  for (guint i = 0; i < documents->len; i++) {
    const NwfDocument *document = g_ptr_array_index(documents, i);
    g_checksum_update(sum, (const guchar *)&document->length, sizeof document->length);
    g_checksum_update(sum, (const guchar *)document->text, (gssize)document->length);
  }
  g_checksum_get_digest(sum, digest, &length);
  memcpy(stamp, digest, NWF_STAMP_LEN);
}

static gboolean is_applied(NwfKernel *kernel, const guint8 stamp[NWF_STAMP_LEN]) {
  guint8 applied[NWF_STAMP_LEN];
  return nwf_kernel_stamp(kernel, applied) && memcmp(applied, stamp, NWF_STAMP_LEN) == 0;
}

static void say(const NwfRuleset *have, const NwfRuleset *want, const GArray *changes, gpointer data) {
  g_autofree char *text = dry_run ? nwf_diff_to_text(changes) : NULL;
  if (text)
    fputs(text, stdout);
  nwf_changes_print(have, want, changes);
  if (dry_run && changes->len)
    puts("dry run: nothing was sent");
}

int nwf_command_apply(int argc, char **argv) {
  int code;
  if (!nwf_cli_parse("apply", entries, &argc, &argv, &code))
    return code;
  if (chain_end && !nwf_chain_end_parse(chain_end, &chain_end_accepts))
    return nwf_cli_usage("apply", "--chain-end %s: it is return or accept", chain_end);
  if (argc > 1)
    return nwf_cli_usage("apply", "unexpected argument '%s'", argv[1]);
  if (!bindings_directory)
    return nwf_cli_usage("apply", "--bindings DIR is missing");
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfKernel) kernel = nwf_kernel_open(&error);
  g_autoptr(GPtrArray) documents = kernel ? nwf_cli_read_documents(bindings_directory, &error) : NULL;
  if (!documents)
    return nwf_cli_fail(error);
  guint8 stamp[NWF_STAMP_LEN], after[NWF_STAMP_LEN];
  make_stamp(documents, stamp);
  if (is_applied(kernel, stamp)) {
    nwf_changes_print_none(documents->len);
    return NWF_EXIT_DONE;
  }
  Input input = {.kernel = kernel};
  g_autoptr(NwfRuleset) want = compile(&input, documents, &error);
  if (!want)
    return nwf_cli_fail(error);
  make_stamp(documents, after); /* a filter may have changed while it was read */
  NwfKernelUpdate update = {.want = want, .done = say, .dry_run = dry_run};
  if (!input.foreign_input && memcmp(stamp, after, NWF_STAMP_LEN) == 0)
    update.stamp = stamp;
  return nwf_kernel_update(kernel, &update, &error) ? NWF_EXIT_DONE : nwf_cli_fail(error);
}
