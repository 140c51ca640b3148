// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Frames that `log group` copies to user space. One socket; not for two threads at once.
 */
#pragma once

#include "kernel/kernel.h"

typedef struct NwfNflog NwfNflog;

typedef struct {
  char port[16]; /* the port's name now (its index may belong to nobody any more: then empty) */
  guint32 ifindex;
  gboolean from_guest; /* seen in prerouting; else on the way to the port */
  const guint8 *frame; /* with its Ethernet header (and VLAN tag, if the kernel had taken it off); borrowed */
  gsize length;
} NwfNflogFrame;

typedef void (*NwfNflogFunc)(const NwfNflogFrame *frame, gpointer data);

/** Binds the group of the bridge family; @snaplen bytes of each frame at most. NWF_ERROR_KERNEL when somebody has it.
 */
NwfNflog *nwf_nflog_open(guint16 group, guint32 snaplen, GError **error);
void nwf_nflog_close(NwfNflog *nflog);
int nwf_nflog_fd(const NwfNflog *nflog);
/** Hands over at most @max frames that are there, without waiting; @lost counts overruns. */
gboolean nwf_nflog_read(NwfNflog *nflog, guint max, NwfNflogFunc each, gpointer data, guint *lost, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfNflog, nwf_nflog_close)
