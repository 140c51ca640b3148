// SPDX-License-Identifier: LGPL-2.1-or-later
/** What the commands of nwfilter-nft share. Each command is one file with one function. */
#pragma once

#include <kernel/kernel.h>
#include <nwfilter-nft/compile.h>
#include <nwfilter-nft/xml.h>

enum { NWF_EXIT_DONE = 0, NWF_EXIT_FAILED = 1, NWF_EXIT_USAGE = 2 };

typedef struct {
  const char *name;
  const char *arguments; /* "FILE..." */
  const char *summary;   /* one line for the list of commands */
  const char *description;
  int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code */
} NwfCommand;

int nwf_command_compile(int argc, char **argv);
int nwf_command_check(int argc, char **argv);
int nwf_command_apply(int argc, char **argv);
int nwf_command_list(int argc, char **argv);
int nwf_command_delete(int argc, char **argv);
int nwf_command_enable(int argc, char **argv);
int nwf_command_disable(int argc, char **argv);
int nwf_command_status(int argc, char **argv);
/** The command of that name, or NULL. */
const NwfCommand *nwf_command_find(const char *name);

/** Parses @entries out of argv for the command @name. FALSE with *code set when the program is to
 * end: after a usage error, which is printed. */
gboolean nwf_cli_parse(const char *name, const GOptionEntry *entries, int *argc, char ***argv, int *code);
/** Prints "nwfilter-nft NAME: message" and how to get help; returns NWF_EXIT_USAGE. */
int nwf_cli_usage(const char *name, const char *format, ...) G_GNUC_PRINTF(2, 3);
/** Prints the error's message on stderr (as "file:line: what" where it has them); returns
 * NWF_EXIT_FAILED. */
int nwf_cli_fail(const GError *error);
/** Prints "WHERE: warning: WHAT" on stderr (an NwfWarningFunc). */
void nwf_cli_warning(const char *where, const char *what, gpointer data);

/** Loads the filter directories of --filters, or the default ones with @directories NULL. The later
 * directory has the last word on a name. A bad file is printed as a warning and skipped. */
NwfFilterStore *nwf_cli_load_filters(char **directories, GError **error);
/** Adds the names and the contents of what nwf_cli_load_filters would read. */
void nwf_cli_hash_filters(char **directories, GChecksum *sum);

/** A file that was read. */
typedef struct {
  char *path, *text;
  gsize length;
} NwfDocument;
/** Reads every *.xml of @directory, in the order of the names (of NwfDocument *). */
GPtrArray *nwf_cli_read_documents(const char *directory, GError **error);
/** Parses them as bindings (of NwfBinding *), no two of one port. */
GPtrArray *nwf_cli_parse_bindings(const GPtrArray *documents, GError **error);

/** FALSE with @error, which names both places, when two of @bindings (of NwfBinding *) are of one port. */
gboolean nwf_cli_ports_differ(const GPtrArray *bindings, GError **error);

/** A bar on stderr, when a terminal watches and there is much to do (an NwfProgressFunc). */
void nwf_cli_progress(guint done, guint total, gpointer data);
void nwf_cli_progress_end(void);
