// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * What this module takes for granted of libvirt's insides: layouts of structures that no public header has. They are
 * declared here and nowhere else. Each is as in libvirt 9.0.0 to 12.8.0 (src/driver*.h, src/datatypes.h, src/conf),
 * and abi-check.c holds them against the running library before the driver starts.
 */
#pragma once

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <glib.h>
#include <stdbool.h>

/** The oldest libvirt whose layouts are these: 9.0.0, as virGetVersion counts. */
#define NWF_LIBVIRT_MIN 9000000

/* --- src/driver-nwfilter.h --- */

typedef struct {
  const char *name;
  int (*connectNumOfNWFilters)(virConnectPtr conn);
  int (*connectListNWFilters)(virConnectPtr conn, char **names, int max_names);
  int (*connectListAllNWFilters)(virConnectPtr conn, virNWFilterPtr **filters, unsigned int flags);
  virNWFilterPtr (*nwfilterLookupByName)(virConnectPtr conn, const char *name);
  virNWFilterPtr (*nwfilterLookupByUUID)(virConnectPtr conn, const unsigned char *uuid);
  virNWFilterPtr (*nwfilterDefineXML)(virConnectPtr conn, const char *xml);
  virNWFilterPtr (*nwfilterDefineXMLFlags)(virConnectPtr conn, const char *xml, unsigned int flags);
  int (*nwfilterUndefine)(virNWFilterPtr filter);
  char *(*nwfilterGetXMLDesc)(virNWFilterPtr filter, unsigned int flags);
  int (*connectListAllNWFilterBindings)(virConnectPtr conn, virNWFilterBindingPtr **bindings, unsigned int flags);
  virNWFilterBindingPtr (*nwfilterBindingLookupByPortDev)(virConnectPtr conn, const char *port);
  virNWFilterBindingPtr (*nwfilterBindingCreateXML)(virConnectPtr conn, const char *xml, unsigned int flags);
  int (*nwfilterBindingDelete)(virNWFilterBindingPtr binding);
  char *(*nwfilterBindingGetXMLDesc)(virNWFilterBindingPtr binding, unsigned int flags);
} virNWFilterDriver;

/* --- src/driver-hypervisor.h, src/driver.h --- */

enum { NWF_OPEN_SUCCESS = 0, NWF_OPEN_DECLINED = -1, NWF_OPEN_ERROR = -2 };

/** The table has a few hundred slots, of which versions add more in between. Where the three of them are that a
 * connection driver inside the daemon fills is found out as the driver starts; the size is a bound. */
#define NWF_HYPERVISOR_SLOTS 512

typedef void (*NwfSlot)(void);

typedef union {
  struct {
    const char *name;
    const char *(*connectURIProbe)(char **uri);
    int (*connectOpen)(virConnectPtr conn, virConnectAuthPtr auth, void *conf, unsigned int flags);
    int (*connectClose)(virConnectPtr conn);
  };
  NwfSlot slots[NWF_HYPERVISOR_SLOTS];
} virHypervisorDriver;

/** The first slot whose place is not known beforehand. */
#define NWF_HYPERVISOR_FIRST_SLOT 4

typedef struct {
  bool localOnly;
  bool remoteOnly;
  bool embeddable;
  const char **uriSchemes;
  virHypervisorDriver *hypervisorDriver;
  void *interfaceDriver;
  void *networkDriver;
  void *nodeDeviceDriver;
  virNWFilterDriver *nwfilterDriver;
  void *secretDriver;
  void *storageDriver;
  void *spare[8]; /* ours: what a later version may read behind it is not set */
} virConnectDriver;

/* --- src/driver-state.h --- */

enum { NWF_STATE_ERROR = -1, NWF_STATE_SKIPPED = 0, NWF_STATE_COMPLETE = 1 };

typedef struct {
  const char *name;
  bool initialized; /* libvirt's */
  int (*stateInitialize)(bool privileged, const char *root, bool monolithic, void *inhibit, void *opaque);
  int (*stateCleanup)(void);
  int (*stateReload)(void);
  int (*stateStop)(void);
  int (*stateShutdownPrepare)(void);
  int (*stateShutdownWait)(void);
  void *spare[8]; /* ours, as above */
} virStateDriver;

/* --- src/datatypes.h --- */

/** A GObject: class, count of references, data. */
typedef struct {
  void *parent[3];
} NwfVirObject;

struct _virNWFilter {
  NwfVirObject object;
  virConnectPtr conn;
  char *name;
  unsigned char uuid[VIR_UUID_BUFLEN];
};

struct _virNWFilterBinding {
  NwfVirObject object;
  virConnectPtr conn;
  char *portdev;
  char *filtername;
};

/* --- src/conf: definitions, as far as access checks read them and abi-check.c has libvirt print them --- */

typedef struct {
  const char *name;
  unsigned char uuid[VIR_UUID_BUFLEN];
  void *rest[16]; /* NULL */
} virNWFilterDef;

typedef struct {
  const char *ownername;
  unsigned char owneruuid[VIR_UUID_BUFLEN];
  const char *portdevname;
  const char *linkdevname;
  unsigned char mac[6];
  const char *filter;
  GHashTable *filterparams;
  void *rest[12]; /* NULL */
} virNWFilterBindingDef;

/* --- src/util/virlog.h --- */

enum { NWF_VIR_LOG_DEBUG = 1, NWF_VIR_LOG_INFO, NWF_VIR_LOG_WARN, NWF_VIR_LOG_ERROR };

/** Where messages come from; libvirt notes in it which priority its configuration asks for. */
typedef struct {
  const char *name;
  unsigned int priority;
  unsigned int serial;
  void *spare[4]; /* ours, as above */
} virLogSource;
