// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * GLib's locks are futexes of its own, which ThreadSanitizer does not know, as GLib is not built with it. These take
 * the place of GLib's functions in a program built with -fsanitize=thread, and tell it what happens.
 */
#if defined(__SANITIZE_THREAD__)
#include <dlfcn.h>
#include <glib.h>
#include <sanitizer/tsan_interface.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#undef g_mutex_trylock

void g_mutex_lock(GMutex *mutex) {
  static __typeof__(&g_mutex_lock) real;
  if (!real)
    real = REAL(g_mutex_lock);
  __tsan_mutex_pre_lock(mutex, __tsan_mutex_not_static);
  real(mutex);
  __tsan_mutex_post_lock(mutex, __tsan_mutex_not_static, 0);
}

void g_mutex_unlock(GMutex *mutex) {
  static __typeof__(&g_mutex_unlock) real;
  if (!real)
    real = REAL(g_mutex_unlock);
  __tsan_mutex_pre_unlock(mutex, 0);
  real(mutex);
  __tsan_mutex_post_unlock(mutex, 0);
}
#else
typedef int nothing_to_do;
#endif
