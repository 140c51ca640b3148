// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The functions of libvirt that the module calls. Those that are not public are exported under a version of their own
 * for each release of libvirt, so that a module that is linked to them loads into one release only. Therefore all are
 * looked up by name when the module is loaded.
 */
#pragma once

#include "libvirt/abi.h"

#include <sys/types.h>

/* X(result, name, arguments); private ones first */
#define NWF_LIBVIRT_SYMBOLS(X)                                                                                         \
  X(int, virRegisterConnectDriver, (virConnectDriver * driver, bool set_shared))                                       \
  X(int, virSetSharedNWFilterDriver, (virNWFilterDriver * driver))                                                     \
  X(int, virRegisterStateDriver, (virStateDriver * driver))                                                            \
  X(virNWFilterPtr, virGetNWFilter, (virConnectPtr conn, const char *name, const unsigned char *uuid))                 \
  X(virNWFilterBindingPtr, virGetNWFilterBinding, (virConnectPtr conn, const char *port, const char *filter))          \
  X(char *, virNWFilterDefFormat, (const virNWFilterDef *def))                                                         \
  X(char *, virNWFilterBindingDefFormat, (const virNWFilterBindingDef *def))                                           \
  X(void, virReportErrorHelper,                                                                                        \
    (int domain, int code, const char *file, const char *function, size_t line, const char *format, ...))              \
  X(void, virRaiseErrorFull,                                                                                           \
    (const char *file, const char *function, size_t line, int domain, int code, int level, const char *str1,           \
     const char *str2, const char *str3, int int1, int int2, const char *format, ...))                                 \
  X(void, virLogMessage,                                                                                               \
    (virLogSource * source, int priority, const char *file, int line, const char *function, void *metadata,            \
     const char *format, ...))                                                                                         \
  X(int, virConnectOpenEnsureACL, (virConnectPtr conn))                                                                \
  X(int, virConnectNumOfNWFiltersEnsureACL, (virConnectPtr conn))                                                      \
  X(bool, virConnectNumOfNWFiltersCheckACL, (virConnectPtr conn, virNWFilterDef * filter))                             \
  X(int, virConnectListNWFiltersEnsureACL, (virConnectPtr conn))                                                       \
  X(bool, virConnectListNWFiltersCheckACL, (virConnectPtr conn, virNWFilterDef * filter))                              \
  X(int, virConnectListAllNWFiltersEnsureACL, (virConnectPtr conn))                                                    \
  X(bool, virConnectListAllNWFiltersCheckACL, (virConnectPtr conn, virNWFilterDef * filter))                           \
  X(int, virConnectListAllNWFilterBindingsEnsureACL, (virConnectPtr conn))                                             \
  X(bool, virConnectListAllNWFilterBindingsCheckACL, (virConnectPtr conn, virNWFilterBindingDef * binding))            \
  X(int, virNWFilterLookupByNameEnsureACL, (virConnectPtr conn, virNWFilterDef * filter))                              \
  X(int, virNWFilterLookupByUUIDEnsureACL, (virConnectPtr conn, virNWFilterDef * filter))                              \
  X(int, virNWFilterDefineXMLFlagsEnsureACL, (virConnectPtr conn, virNWFilterDef * filter))                            \
  X(int, virNWFilterUndefineEnsureACL, (virConnectPtr conn, virNWFilterDef * filter))                                  \
  X(int, virNWFilterGetXMLDescEnsureACL, (virConnectPtr conn, virNWFilterDef * filter))                                \
  X(int, virNWFilterBindingLookupByPortDevEnsureACL, (virConnectPtr conn, virNWFilterBindingDef * binding))            \
  X(int, virNWFilterBindingCreateXMLEnsureACL, (virConnectPtr conn, virNWFilterBindingDef * binding))                  \
  X(int, virNWFilterBindingDeleteEnsureACL, (virConnectPtr conn, virNWFilterBindingDef * binding))                     \
  X(int, virNWFilterBindingGetXMLDescEnsureACL, (virConnectPtr conn, virNWFilterBindingDef * binding))                 \
  X(int, virGetVersion, (unsigned long *version, const char *type, unsigned long *type_version))                       \
  X(virConnectPtr, virConnectOpenAuth, (const char *uri, virConnectAuthPtr auth, unsigned int flags))                  \
  X(int, virConnectClose, (virConnectPtr conn))                                                                        \
  X(char *, virConnectGetURI, (virConnectPtr conn))                                                                    \
  X(int, virConnectIsEncrypted, (virConnectPtr conn))                                                                  \
  X(int, virConnectIsSecure, (virConnectPtr conn))                                                                     \
  X(int, virConnectIsAlive, (virConnectPtr conn))                                                                      \
  X(int, virConnectNumOfNWFilters, (virConnectPtr conn))                                                               \
  X(int, virConnectListNWFilters, (virConnectPtr conn, char **names, int max_names))                                   \
  X(int, virConnectListAllNWFilters, (virConnectPtr conn, virNWFilterPtr * *filters, unsigned int flags))              \
  X(virNWFilterPtr, virNWFilterLookupByName, (virConnectPtr conn, const char *name))                                   \
  X(virNWFilterPtr, virNWFilterLookupByUUID, (virConnectPtr conn, const unsigned char *uuid))                          \
  X(virNWFilterPtr, virNWFilterDefineXML, (virConnectPtr conn, const char *xml))                                       \
  X(virNWFilterPtr, virNWFilterDefineXMLFlags, (virConnectPtr conn, const char *xml, unsigned int flags))              \
  X(int, virNWFilterUndefine, (virNWFilterPtr filter))                                                                 \
  X(char *, virNWFilterGetXMLDesc, (virNWFilterPtr filter, unsigned int flags))                                        \
  X(int, virNWFilterFree, (virNWFilterPtr filter))                                                                     \
  X(const char *, virNWFilterGetName, (virNWFilterPtr filter))                                                         \
  X(int, virNWFilterGetUUID, (virNWFilterPtr filter, unsigned char *uuid))                                             \
  X(int, virConnectListAllNWFilterBindings,                                                                            \
    (virConnectPtr conn, virNWFilterBindingPtr * *bindings, unsigned int flags))                                       \
  X(virNWFilterBindingPtr, virNWFilterBindingLookupByPortDev, (virConnectPtr conn, const char *port))                  \
  X(virNWFilterBindingPtr, virNWFilterBindingCreateXML, (virConnectPtr conn, const char *xml, unsigned int flags))     \
  X(int, virNWFilterBindingDelete, (virNWFilterBindingPtr binding))                                                    \
  X(char *, virNWFilterBindingGetXMLDesc, (virNWFilterBindingPtr binding, unsigned int flags))                         \
  X(int, virNWFilterBindingFree, (virNWFilterBindingPtr binding))                                                      \
  X(const char *, virNWFilterBindingGetPortDev, (virNWFilterBindingPtr binding))                                       \
  X(const char *, virNWFilterBindingGetFilterName, (virNWFilterBindingPtr binding))

typedef struct {
#define NWF_DECLARE_SYMBOL(result, name, arguments) result(*name) arguments;
  NWF_LIBVIRT_SYMBOLS(NWF_DECLARE_SYMBOL)
#undef NWF_DECLARE_SYMBOL
} NwfLibvirt;

/** libvirt's functions. Complete once nwf_libvirt_resolve was good, and not changed after that. */
extern NwfLibvirt nwf_libvirt;

/** Looks all of them up. FALSE: @missing (freed by the caller) names those that are not there. */
gboolean nwf_libvirt_resolve(char **missing);
