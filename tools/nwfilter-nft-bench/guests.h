// SPDX-License-Identifier: LGPL-2.1-or-later
/** The guests of the benchmark, numbered from 0: what they are called and what is bound to them. */
#pragma once

#include <nwfilter-nft/compile.h>
#include <nwfilter-nft/xml.h>

G_BEGIN_DECLS

#define GUEST_FILTER "clean-traffic"
#define GUEST_UPLINK "uplink" /* the port that leads out of the host: nothing is bound to it */
#define GUEST_FRAME_MAX 1514
extern const guint8 guest_uplink_mac[NWF_MAC_LEN];

typedef struct {
  char port[NWF_PORT_NAME_MAX + 1];
  guint8 mac[NWF_MAC_LEN];
  guint8 ip[4];
} Guest;

Guest guest_make(guint number);
/** The guest's binding as a document. */
char *guest_binding_xml(guint number);
/** The same to another filter, with more parameters as a text of <parameter> elements (NULL: none). */
char *guest_binding_xml_to(guint number, const char *filter, const char *parameters);
/** Where the binding of guest @number, from 0, stands; caller frees. */
char *guests_binding_path(const char *folder, guint number);
/** Writes the bindings of the first @n guests as files into @folder. */
gboolean guests_write_bindings(const char *folder, guint n, GError **error);
/** Reads them back (of NwfBinding *). */
GPtrArray *guests_read_bindings(const char *folder, guint n, GError **error);
/** Removes those of the guests @from .. @to - 1. */
void guests_remove_bindings(const char *folder, guint from, guint to);

NwfFilterStore *guests_load_filters(const char *folder, GError **error);
/** The table of the first @n of @bindings. */
NwfRuleset *guests_compile(const NwfFilterStore *store, const GPtrArray *bindings, guint n, guint features,
                           GError **error);
/** The same with everything read from memory: the table of the first @n guests. */
NwfRuleset *guests_table(const char *filters, guint n, guint features, GError **error);
/** The table of the first @n guests under another filter of @store. */
NwfRuleset *guests_table_of(const NwfFilterStore *store, const char *filter, const char *parameters, guint n,
                            guint features, GError **error);
/** Bindings to apply, and how many of them the kernel holds before. */
typedef struct {
  const char *name;
  guint before, after; /* ports */
  double limit;        /* ms */
} GuestsCase;

/** What ebtables would do, as a table "linear" for `nft -f`: at each hook a chain that asks for one
 * port after the other, and a chain for each port. */
char *guests_linear_table(guint n);

/** An ARP request to all from guest @from for guest @to's address; the length. */
gsize guest_frame_arp(guint from, guint to, guint8 frame[GUEST_FRAME_MAX]);
/** An IPv4 UDP frame of @length bytes from guest @from to guest @to, or to the uplink (GUEST_TO_UPLINK), from and
 * to these ports. */
#define GUEST_TO_UPLINK G_MAXUINT
gsize guest_frame_udp(guint from, guint to, guint16 sport, guint16 dport, gsize length, guint8 frame[GUEST_FRAME_MAX]);

G_END_DECLS
