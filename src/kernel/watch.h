// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Notifications of what others do to the ruleset. One socket; not for two threads at once.
 */
#pragma once

#include "kernel/kernel.h"

typedef struct NwfKernelWatch NwfKernelWatch;

typedef struct {
  gboolean touched; /* somebody else's transaction changed our table, or notifications were lost */
  gboolean lost;    /* more came than the socket holds */
  guint32 pid;      /* of who did the last such transaction, 0: not known */
  char process[16]; /* its name, as the kernel gives it (TASK_COMM_LEN) */
} NwfKernelWatchEvent;

/** Joins the kernel's group for nftables (NFNLGRP_NFTABLES). Transactions of @own's socket are not reported. */
NwfKernelWatch *nwf_kernel_watch_open(const NwfKernel *own, GError **error);
void nwf_kernel_watch_close(NwfKernelWatch *watch);
/** For poll(2): readable when there is something. */
int nwf_kernel_watch_fd(const NwfKernelWatch *watch);
/** Reads all that is there without waiting. */
gboolean nwf_kernel_watch_read(NwfKernelWatch *watch, NwfKernelWatchEvent *event, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NwfKernelWatch, nwf_kernel_watch_close)
