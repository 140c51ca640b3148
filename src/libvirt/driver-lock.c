// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libvirt/driver-lock.h"
#include "libvirt/abi.h"
#include "libvirt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LOCK_DIR NWF_RUNSTATEDIR "/libvirt/nwfilter"
#define LOCK_FILE LOCK_DIR "/driver.pid"

/* A lock of the process, not of the descriptor: the kernel then says who holds it. */
static gboolean lock(int fd, pid_t *holder) {
  struct flock request = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
  if (fcntl(fd, F_SETLK, &request) == 0)
    return TRUE;
  *holder = fcntl(fd, F_GETLK, &request) == 0 && request.l_type != F_UNLCK ? request.l_pid : 0;
  return FALSE;
}

static gboolean write_pid(int fd) {
  g_autofree char *text = g_strdup_printf("%d\n", getpid());
  return ftruncate(fd, 0) == 0 && pwrite(fd, text, strlen(text), 0) == (gssize)strlen(text);
}

gboolean nwf_driver_lock_take(int *fd) {
  if (g_mkdir_with_parents(LOCK_DIR, 0700) < 0 || (*fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0644)) < 0) {
    nwf_report(VIR_ERR_SYSTEM_ERROR, "Failed to open pid file '%s': %s", LOCK_FILE, g_strerror(errno));
    return FALSE;
  }
  pid_t holder = 0;
  gboolean good = lock(*fd, &holder);
  if (!good)
    nwf_report(VIR_ERR_OPERATION_FAILED, "another nwfilter driver is running (process %d, '%s')", holder, LOCK_FILE);
  else if (!(good = write_pid(*fd)))
    nwf_report(VIR_ERR_SYSTEM_ERROR, "Failed to write to pid file '%s': %s", LOCK_FILE, g_strerror(errno));
  if (!good) {
    close(*fd);
    *fd = -1;
  }
  return good;
}

void nwf_driver_lock_release(int fd) {
  unlink(LOCK_FILE);
  close(fd);
}
