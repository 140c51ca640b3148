// SPDX-License-Identifier: LGPL-2.1-or-later
/** The guests of the benchmark, numbered from 0: what they are called and what is bound to them. */
#pragma once

#include <nwfilter-nft/compile.h>
#include <nwfilter-nft/xml.h>

G_BEGIN_DECLS

#define GUEST_FILTER "clean-traffic"

typedef struct {
  char port[NWF_PORT_NAME_MAX + 1];
  guint8 mac[NWF_MAC_LEN];
  guint8 ip[4];
} Guest;

Guest guest_make(guint number);
/** The guest's binding as a document. */
char *guest_binding_xml(guint number);
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
/** What ebtables would do, as a table "linear" for `nft -f`: at each hook a chain that asks for one
 * port after the other, and a chain for each port. */
char *guests_linear_table(guint n);

/** An ARP request to all from guest @from for guest @to's address. */
gsize guest_frame_arp(guint from, guint to, guint8 frame[64]);
/** An IPv4 UDP frame from guest @from to guest @to. */
gsize guest_frame_udp(guint from, guint to, guint8 frame[64]);

G_END_DECLS
