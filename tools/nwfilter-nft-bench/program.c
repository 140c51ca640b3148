// SPDX-License-Identifier: LGPL-2.1-or-later
#include "program.h"

#include <gio/gio.h>
#include <string.h>

gboolean program_run(const char *const *argv, const char *input, char **output, GError **error) {
  g_autoptr(GSubprocess) process =
      g_subprocess_newv(argv,
                        G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE |
                            (output ? G_SUBPROCESS_FLAGS_STDOUT_PIPE : G_SUBPROCESS_FLAGS_STDOUT_SILENCE),
                        error);
  g_autofree char *said = NULL, *printed = NULL;

  if (!process || !g_subprocess_communicate_utf8(process, input ? input : "", NULL, &printed, &said, error))
    return FALSE;
  if (!g_subprocess_get_successful(process)) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", argv[0], *said ? g_strchomp(said) : "failed");
    return FALSE;
  }
  if (output)
    *output = g_steal_pointer(&printed);
  return TRUE;
}

gboolean program_run_in(const char *root, const char *const *argv, const char *input, char **output, GError **error) {
  if (!root)
    return program_run(argv, input, output, error);
  g_autoptr(GPtrArray) all = g_ptr_array_new();
  g_ptr_array_add(all, (gpointer) "chroot");
  g_ptr_array_add(all, (gpointer)root);
  for (; *argv; argv++)
    g_ptr_array_add(all, (gpointer)*argv);
  g_ptr_array_add(all, NULL);
  return program_run((const char *const *)all->pdata, input, output, error);
}

gboolean program_exists(const char *name) {
  g_autofree char *path = g_find_program_in_path(name);
  return path != NULL;
}
