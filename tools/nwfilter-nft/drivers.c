// SPDX-License-Identifier: LGPL-2.1-or-later
#include "drivers.h"

#include <glob.h>
#include <nwfilter-nft/model.h>
#include <string.h>

#define PATTERN "libvirt_driver_*.so"

/* Ours is LIBDIR/nwfilter-nft/connection-driver and the distribution's LIBDIR/libvirt/connection-driver, but ours may
 * be in /usr/local. */
static char *beside_ours(void) {
  g_autofree char *own = g_path_get_dirname(NWF_MODULE_DIR);
  g_autofree char *libdir = g_path_get_dirname(own);
  return g_build_filename(libdir, "libvirt/connection-driver", NULL);
}

static char *same_name_in_usr(void) {
  g_autofree char *beside = beside_ours();
  if (!g_str_has_prefix(beside, NWF_PREFIX "/"))
    return g_steal_pointer(&beside);
  return g_strconcat("/usr", beside + strlen(NWF_PREFIX), NULL);
}

/* The files of a directory of the system at the root that are drivers. */
static char **list_drivers(const NwfFiles *files, const char *directory) {
  g_autofree char *path = nwf_files_path(files, directory);
  g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir))
    if (g_pattern_match_simple(PATTERN, name))
      g_strv_builder_add(names, name);
  return g_strv_builder_end(names);
}

static gboolean has_drivers(const NwfFiles *files, const char *directory) {
  g_auto(GStrv) names = list_drivers(files, directory);
  return names[0] != NULL;
}

static char *first_of_pattern(const NwfFiles *files, const char *pattern) {
  g_autofree char *path = nwf_files_path(files, pattern);
  glob_t found = {0};
  char *directory = NULL;
  if (glob(path, GLOB_ONLYDIR, NULL, &found) == 0)
    for (size_t i = 0; i < found.gl_pathc && !directory; i++)
      if (has_drivers(files, found.gl_pathv[i] + strlen(files->root)))
        directory = g_strdup(found.gl_pathv[i] + strlen(files->root));
  globfree(&found);
  return directory;
}

char *nwf_drivers_of_distribution(const NwfFiles *files) {
  g_autofree char *beside = beside_ours();
  g_autofree char *same = same_name_in_usr();
  const char *patterns[] = {beside, same, "/usr/lib64/libvirt/connection-driver",
                            "/usr/lib/*-linux-gnu*/libvirt/connection-driver", "/usr/lib/libvirt/connection-driver"};
  char *directory = NULL;
  for (guint i = 0; i < G_N_ELEMENTS(patterns) && !directory; i++)
    directory = first_of_pattern(files, patterns[i]);
  return directory;
}

gboolean nwf_drivers_has_module(const NwfFiles *files) {
  g_autofree char *path = nwf_files_path(files, NWF_MODULE_DIR "/" NWF_MODULE_NAME);
  return g_file_test(path, G_FILE_TEST_IS_REGULAR);
}

static gboolean unlink_the_gone(NwfFiles *files, const char *from, GError **error) {
  g_auto(GStrv) names = list_drivers(files, NWF_MODULE_DIR);
  for (char **name = names; *name; name++) {
    g_autofree char *path = g_build_filename(NWF_MODULE_DIR, *name, NULL);
    g_autofree char *real = nwf_files_path(files, path);
    g_autofree char *origin = g_build_filename(from, *name, NULL);
    g_autofree char *real_origin = nwf_files_path(files, origin);
    if (g_file_test(real, G_FILE_TEST_IS_SYMLINK) && !g_file_test(real_origin, G_FILE_TEST_EXISTS) &&
        !nwf_files_remove(files, path, FALSE, error))
      return FALSE;
  }
  return TRUE;
}

gboolean nwf_drivers_link(NwfFiles *files, GError **error) {
  g_autofree char *from = nwf_drivers_of_distribution(files);
  if (!from) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_IO, "%s: no drivers of libvirt are installed (libvirt/connection-driver)",
                *files->root ? files->root : "/usr/lib");
    return FALSE;
  }
  g_auto(GStrv) names = list_drivers(files, from);
  for (char **name = names; *name; name++) {
    g_autofree char *target = g_build_filename(from, *name, NULL);
    g_autofree char *path = g_build_filename(NWF_MODULE_DIR, *name, NULL);
    if (strcmp(*name, NWF_MODULE_NAME) != 0 && !nwf_files_link(files, target, path, error))
      return FALSE;
  }
  return unlink_the_gone(files, from, error);
}

guint nwf_drivers_stale(void) {
  const NwfFiles files = {.root = ""};
  g_autofree char *from = nwf_drivers_of_distribution(&files);
  g_auto(GStrv) names = from ? list_drivers(&files, from) : NULL;
  guint stale = 0;
  for (char **name = names; name && *name; name++) {
    g_autofree char *path = g_build_filename(NWF_MODULE_DIR, *name, NULL);
    stale += !g_file_test(path, G_FILE_TEST_EXISTS);
  }
  return stale;
}
