// SPDX-License-Identifier: LGPL-2.1-or-later
/** Which driver the daemons have loaded that run in this network namespace. */
#pragma once

#include <glib.h>

typedef struct {
  guint32 pid;
  char *name;      /* libvirtd, virtnwfilterd */
  char *driver;    /* path of the nwfilter driver that it has loaded; NULL: none */
  gboolean ours;   /* ... which is our module */
  gboolean is_old; /* ... but the file was replaced or removed since */
} NwfDaemon;

/** The caller frees the array. Daemons that may not be looked at are left out. */
GArray *nwf_daemons(void);
