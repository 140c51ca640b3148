// SPDX-License-Identifier: LGPL-2.1-or-later
#undef _FILE_OFFSET_BITS /* both names of each function are to be had */
#include "faults.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *volatile armed; /* NULL: nothing fails */
static guint first, last;
static int failure;
static gint count;

void fault_arm(const char *kind, guint nth, guint times, int code) {
  first = nth;
  last = nth + times - 1;
  failure = code;
  g_atomic_int_set(&count, 0);
  armed = kind;
}

guint fault_disarm(void) {
  armed = NULL;
  return (guint)g_atomic_int_get(&count);
}

static gboolean fails(const char *kind) {
  const char *now = armed;
  if (!now || strcmp(now, kind) != 0)
    return FALSE;
  guint n = (guint)g_atomic_int_add(&count, 1) + 1;
  if (n < first || n > last)
    return FALSE;
  errno = failure;
  return TRUE;
}

/* libc's own, or that of whoever stands between */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define FAULTY(kind, failed, type, name, parameters, arguments)                                                        \
  type name parameters;                                                                                                \
  type name parameters {                                                                                               \
    static __typeof__(&name) real;                                                                                     \
    if (fails(kind))                                                                                                   \
      return failed;                                                                                                   \
    if (!real)                                                                                                         \
      real = REAL(name);                                                                                               \
    return real arguments;                                                                                             \
  }

#define FAULTY_OPEN(name)                                                                                              \
  int name(const char *path, int flags, ...);                                                                          \
  int name(const char *path, int flags, ...) {                                                                         \
    static __typeof__(&name) real;                                                                                     \
    va_list arguments;                                                                                                 \
    va_start(arguments, flags);                                                                                        \
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;                                                     \
    va_end(arguments);                                                                                                 \
    if (fails("open"))                                                                                                 \
      return -1;                                                                                                       \
    if (!real)                                                                                                         \
      real = REAL(name);                                                                                               \
    return real(path, flags, mode);                                                                                    \
  }

FAULTY_OPEN(open)
FAULTY_OPEN(open64)
FAULTY("opendir", NULL, DIR *, opendir, (const char *path), (path))
FAULTY("readdir", NULL, struct dirent *, readdir, (DIR * dir), (dir))
FAULTY("readdir", NULL, struct dirent64 *, readdir64, (DIR * dir), (dir))
FAULTY("read", -1, ssize_t, read, (int fd, void *data, size_t size), (fd, data, size))
FAULTY("write", -1, ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
FAULTY("stat", -1, int, stat, (const char *restrict path, struct stat *restrict status), (path, status))
FAULTY("stat", -1, int, fstat, (int fd, struct stat *status), (fd, status))
FAULTY("stat", -1, int, stat64, (const char *restrict path, struct stat64 *restrict status), (path, status))
FAULTY("stat", -1, int, fstat64, (int fd, struct stat64 *status), (fd, status))
FAULTY("fsync", -1, int, fsync, (int fd), (fd))
FAULTY("rename", -1, int, rename, (const char *from, const char *to), (from, to))
FAULTY("unlink", -1, int, unlink, (const char *path), (path))
FAULTY("socket", -1, int, socket, (int domain, int type, int protocol), (domain, type, protocol))
FAULTY("if_nametoindex", 0, unsigned, if_nametoindex, (const char *name), (name))
FAULTY("eventfd", -1, int, eventfd, (unsigned value, int flags), (value, flags))
FAULTY("mmap", MAP_FAILED, void *, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
       (at, size, protection, flags, fd, offset))
FAULTY("mmap", MAP_FAILED, void *, mmap64, (void *at, size_t size, int protection, int flags, int fd, off64_t offset),
       (at, size, protection, flags, fd, offset))
FAULTY("send", -1, ssize_t, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags))
FAULTY("send", -1, ssize_t, sendto,
       (int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length),
       (fd, data, size, flags, to, length))
FAULTY("send", -1, ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
FAULTY("recv", -1, ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags))
FAULTY("recv", -1, ssize_t, recvfrom,
       (int fd, void *restrict data, size_t size, int flags, struct sockaddr *restrict from,
        socklen_t *restrict length),
       (fd, data, size, flags, from, length))
FAULTY("recv", -1, ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
