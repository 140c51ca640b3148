// SPDX-License-Identifier: LGPL-2.1-or-later
// A libvirt that is not what the module expects, in one respect: preloaded into a daemon, it stands before libvirt's
// own functions. MISFIT names the respect. With MISFIT=access, checks of access are noted in the file ACCESS_LOG, what
// is called "hidden" must not be seen and what is called "denied" must not be touched.

#include <dlfcn.h> /* RTLD_NEXT is GNU's; the build asks for that */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_misfit(const char *respect) {
  const char *misfit = getenv("MISFIT");
  return misfit != NULL && strcmp(misfit, respect) == 0;
}

#define REAL(result, name, arguments) ((result(*) arguments)dlsym(RTLD_NEXT, #name))

int virGetVersion(unsigned long *version, const char *type, unsigned long *type_version);
int virGetVersion(unsigned long *version, const char *type, unsigned long *type_version) {
  int result = REAL(int, virGetVersion, (unsigned long *, const char *, unsigned long *))(version, type, type_version);
  if (is_misfit("version"))
    *version = 8010000;
  return result;
}

const char *virNWFilterGetName(void *filter);
const char *virNWFilterGetName(void *filter) {
  return is_misfit("filter") ? "other" : REAL(const char *, virNWFilterGetName, (void *))(filter);
}

const char *virNWFilterBindingGetPortDev(void *binding);
const char *virNWFilterBindingGetPortDev(void *binding) {
  return is_misfit("binding") ? "other" : REAL(const char *, virNWFilterBindingGetPortDev, (void *))(binding);
}

/* As if the two slots had changed places. */
int virConnectNumOfNWFilters(void *conn);
int virConnectNumOfNWFilters(void *conn) {
  char *names[1];
  if (is_misfit("table"))
    return REAL(int, virConnectListNWFilters, (void *, char **, int))(conn, names, 1);
  return REAL(int, virConnectNumOfNWFilters, (void *))(conn);
}

int virConnectIsAlive(void *conn);
int virConnectIsAlive(void *conn) {
  return is_misfit("slots") ? 1 : REAL(int, virConnectIsAlive, (void *))(conn);
}

/* As if it had looked elsewhere for the names. */
char *virNWFilterDefFormat(const void *def);
char *virNWFilterDefFormat(const void *def) {
  if (is_misfit("definition"))
    return strdup("<filter name='(null)'/>");
  return REAL(char *, virNWFilterDefFormat, (const void *))(def);
}

char *virNWFilterBindingDefFormat(const void *def);
char *virNWFilterBindingDefFormat(const void *def) {
  if (is_misfit("binding-definition"))
    return strdup("<filterbinding/>");
  return REAL(char *, virNWFilterBindingDefFormat, (const void *))(def);
}

/* --- access --- */

typedef struct {
  const char *name;
  unsigned char uuid[16];
  const char *port; /* of bindings, whose first name is the owner's */
} Head;

static void note(const char *function, const char *name, const unsigned char *uuid) {
  FILE *log = fopen(getenv("ACCESS_LOG"), "a");
  if (log == NULL)
    abort();
  fprintf(log, "%s %s", function, name != NULL ? name : "-");
  for (int i = 0; uuid != NULL && i < 16; i++)
    fprintf(log, "%s%02x", i == 0 ? " " : "", uuid[i]);
  fputc('\n', log);
  fclose(log);
}

static bool is_named(const Head *head, bool binding, const char *name) {
  return strcmp(binding ? head->port : head->name, name) == 0;
}

#define ENSURE(function, binding)                                                                                      \
  int function##EnsureACL(void *conn, const Head *head);                                                               \
  int function##EnsureACL(void *conn, const Head *head) {                                                              \
    if (!is_misfit("access"))                                                                                          \
      return REAL(int, function##EnsureACL, (void *, const Head *))(conn, head);                                       \
    note(#function, binding ? head->port : head->name, head->uuid);                                                    \
    return is_named(head, binding, "denied") ? -1 : 0;                                                                 \
  }

#define ENSURE_CONNECTION(function)                                                                                    \
  int function##EnsureACL(void *conn);                                                                                 \
  int function##EnsureACL(void *conn) {                                                                                \
    if (!is_misfit("access"))                                                                                          \
      return REAL(int, function##EnsureACL, (void *))(conn);                                                           \
    note(#function, NULL, NULL);                                                                                       \
    return 0;                                                                                                          \
  }

#define CHECK(function, binding)                                                                                       \
  bool function##CheckACL(void *conn, const Head *head);                                                               \
  bool function##CheckACL(void *conn, const Head *head) {                                                              \
    if (!is_misfit("access"))                                                                                          \
      return REAL(bool, function##CheckACL, (void *, const Head *))(conn, head);                                       \
    return !is_named(head, binding, "hidden");                                                                         \
  }

ENSURE_CONNECTION(virConnectNumOfNWFilters)
ENSURE_CONNECTION(virConnectListNWFilters)
ENSURE_CONNECTION(virConnectListAllNWFilters)
ENSURE_CONNECTION(virConnectListAllNWFilterBindings)
CHECK(virConnectNumOfNWFilters, false)
CHECK(virConnectListNWFilters, false)
CHECK(virConnectListAllNWFilters, false)
CHECK(virConnectListAllNWFilterBindings, true)
ENSURE(virNWFilterLookupByName, false)
ENSURE(virNWFilterLookupByUUID, false)
ENSURE(virNWFilterDefineXMLFlags, false)
ENSURE(virNWFilterUndefine, false)
ENSURE(virNWFilterGetXMLDesc, false)
ENSURE(virNWFilterBindingLookupByPortDev, true)
ENSURE(virNWFilterBindingCreateXML, true)
ENSURE(virNWFilterBindingDelete, true)
ENSURE(virNWFilterBindingGetXMLDesc, true)
