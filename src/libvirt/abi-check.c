// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libvirt/abi-check.h"
#include "libvirt/log.h"
#include "libvirt/symbols.h"

#include <nwfilter-nft/xml.h>

#include <string.h>

#define PROBE_URI "nwfilter:///system"

static gboolean running;

gboolean nwf_check_is_running(void) {
  return running;
}

gboolean nwf_check_passed(NwfFinding finding) {
  if (finding == NULL)
    return TRUE;
  nwf_logf(NWF_LOG_ERROR, "nwfilter-nft does not fit this libvirt: %s", finding);
  nwf_report(VIR_ERR_INTERNAL_ERROR, "nwfilter-nft does not fit this libvirt: %s", finding);
  g_free(finding);
  return FALSE;
}

NwfFinding nwf_check_version(void) {
  unsigned long version = 0;
  if (nwf_libvirt.virGetVersion(&version, NULL, NULL) < 0)
    return g_strdup("version: virGetVersion failed");
  if (version < NWF_LIBVIRT_MIN)
    return g_strdup_printf("version: libvirt %lu.%lu.%lu is older than 9.0.0", version / 1000000, version / 1000 % 1000,
                           version % 1000);
  return NULL;
}

/* --- objects --- */

/* Pointers are compared and not followed, so that another layout ends in a finding and not in a crash. */
static NwfFinding check_filter_object(virConnectPtr conn) {
  static const unsigned char uuid[VIR_UUID_BUFLEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  virNWFilterPtr filter = nwf_libvirt.virGetNWFilter(conn, "probe", uuid);
  if (filter == NULL)
    return g_strdup("virNWFilter: virGetNWFilter failed");
  unsigned char got[VIR_UUID_BUFLEN];
  gboolean good = filter->conn == conn && nwf_libvirt.virNWFilterGetName(filter) == filter->name &&
                  nwf_libvirt.virNWFilterGetUUID(filter, got) == 0 && memcmp(filter->uuid, got, sizeof got) == 0 &&
                  memcmp(got, uuid, sizeof got) == 0;
  nwf_libvirt.virNWFilterFree(filter);
  return good ? NULL : g_strdup("virNWFilter: its members are not where they are expected");
}

static NwfFinding check_binding_object(virConnectPtr conn) {
  virNWFilterBindingPtr binding = nwf_libvirt.virGetNWFilterBinding(conn, "probe-port", "probe");
  if (binding == NULL)
    return g_strdup("virNWFilterBinding: virGetNWFilterBinding failed");
  gboolean good = binding->conn == conn && nwf_libvirt.virNWFilterBindingGetPortDev(binding) == binding->portdev &&
                  nwf_libvirt.virNWFilterBindingGetFilterName(binding) == binding->filtername;
  nwf_libvirt.virNWFilterBindingFree(binding);
  return good ? NULL : g_strdup("virNWFilterBinding: its members are not where they are expected");
}

/* --- definitions: libvirt prints ours --- */

#define PROBE_UUID "01020304-0506-0708-090a-0b0c0d0e0f10"

static NwfFinding check_text(char *xml, const char *layout, const char *const *parts) {
  g_autofree char *text = xml;
  for (; *parts != NULL; parts++)
    if (text == NULL || strstr(text, *parts) == NULL)
      return g_strdup_printf("%s: libvirt does not find %s in it", layout, *parts);
  return NULL;
}

static NwfFinding check_filter_definition(void) {
  static const char *const parts[] = {"name='probe'", "<uuid>" PROBE_UUID "</uuid>", NULL};
  virNWFilterDef def = {.name = "probe"};
  nwf_uuid_parse(PROBE_UUID, def.uuid);
  return check_text(nwf_libvirt.virNWFilterDefFormat(&def), "virNWFilterDef", parts);
}

static NwfFinding check_binding_definition(void) {
  static const char *const parts[] = {"<name>owner</name>", "<uuid>" PROBE_UUID "</uuid>", "<portdev name='port'/>",
                                      NULL};
  g_autoptr(GHashTable) parameters = g_hash_table_new(g_str_hash, g_str_equal);
  virNWFilterBindingDef def = {
      .ownername = "owner", .portdevname = "port", .filter = "filter", .filterparams = parameters};
  nwf_uuid_parse(PROBE_UUID, def.owneruuid);
  return check_text(nwf_libvirt.virNWFilterBindingDefFormat(&def), "virNWFilterBindingDef", parts);
}

NwfFinding nwf_check_definitions(void) {
  NwfFinding finding = check_filter_definition();
  return finding != NULL ? finding : check_binding_definition();
}

/* --- virNWFilterDriver: each slot notes that it was called --- */

static guint called;

/* 1 is a good answer for all: a count, or a pointer that is handed through and that nobody follows. */
#define PROBE(n)                                                                                                       \
  static gpointer probe_##n(void) {                                                                                    \
    called = n;                                                                                                        \
    return GINT_TO_POINTER(1);                                                                                         \
  }
PROBE(1)
PROBE(2)
PROBE(3)
PROBE(4)
PROBE(5)
PROBE(6)
PROBE(7)
PROBE(8)
PROBE(9)
PROBE(10)
PROBE(11)
PROBE(12)
PROBE(13)
PROBE(14)

typedef gpointer (*Probe)(void);
static const Probe probes[] = {
    NULL,    probe_1, probe_2,  probe_3,  probe_4,  probe_5,  probe_6,  probe_7,
    probe_8, probe_9, probe_10, probe_11, probe_12, probe_13, probe_14,
};
G_STATIC_ASSERT(sizeof probes == sizeof(virNWFilterDriver));

typedef struct {
  virConnectPtr conn;
  virNWFilterPtr filter;
  virNWFilterBindingPtr binding;
  NwfFinding finding;
} TableCheck;

#define SLOT(member) (G_STRUCT_OFFSET(virNWFilterDriver, member) / sizeof(gpointer))

static void expect_slot(TableCheck *check, const char *name, gsize slot) {
  if (called != slot && check->finding == NULL)
    check->finding =
        g_strdup_printf("virNWFilterDriver: %s is in slot %u and not in %" G_GSIZE_FORMAT, name, called, slot);
  called = 0;
}

#define TRY(member, call)                                                                                              \
  do {                                                                                                                 \
    (void)(call);                                                                                                      \
    expect_slot(check, #member, SLOT(member));                                                                         \
  } while (0)

static void try_filter_slots(TableCheck *check) {
  static const unsigned char uuid[VIR_UUID_BUFLEN] = {1};
  virConnectPtr conn = check->conn;
  const NwfLibvirt *v = &nwf_libvirt;
  char *names[1];
  virNWFilterPtr *filters;
  TRY(connectNumOfNWFilters, v->virConnectNumOfNWFilters(conn));
  TRY(connectListNWFilters, v->virConnectListNWFilters(conn, names, 1));
  TRY(connectListAllNWFilters, v->virConnectListAllNWFilters(conn, &filters, 0));
  TRY(nwfilterLookupByName, v->virNWFilterLookupByName(conn, "probe"));
  TRY(nwfilterLookupByUUID, v->virNWFilterLookupByUUID(conn, uuid));
  TRY(nwfilterDefineXML, v->virNWFilterDefineXML(conn, "probe"));
  TRY(nwfilterDefineXMLFlags, v->virNWFilterDefineXMLFlags(conn, "probe", 0));
  TRY(nwfilterUndefine, v->virNWFilterUndefine(check->filter));
  TRY(nwfilterGetXMLDesc, v->virNWFilterGetXMLDesc(check->filter, 0));
}

static void try_binding_slots(TableCheck *check) {
  virConnectPtr conn = check->conn;
  const NwfLibvirt *v = &nwf_libvirt;
  virNWFilterBindingPtr *bindings;
  TRY(connectListAllNWFilterBindings, v->virConnectListAllNWFilterBindings(conn, &bindings, 0));
  TRY(nwfilterBindingLookupByPortDev, v->virNWFilterBindingLookupByPortDev(conn, "probe"));
  TRY(nwfilterBindingCreateXML, v->virNWFilterBindingCreateXML(conn, "probe", 0));
  TRY(nwfilterBindingDelete, v->virNWFilterBindingDelete(check->binding));
  TRY(nwfilterBindingGetXMLDesc, v->virNWFilterBindingGetXMLDesc(check->binding, 0));
}

static NwfFinding check_nwfilter_table(virConnectPtr conn, virNWFilterDriver *table) {
  static const unsigned char uuid[VIR_UUID_BUFLEN] = {1};
  virNWFilterDriver real = *table;
  TableCheck check = {.conn = conn,
                      .filter = nwf_libvirt.virGetNWFilter(conn, "probe", uuid),
                      .binding = nwf_libvirt.virGetNWFilterBinding(conn, "probe", "probe")};
  memcpy((char *)table + sizeof(gpointer), (const char *)probes + sizeof(gpointer), sizeof probes - sizeof(gpointer));
  called = 0;
  try_filter_slots(&check);
  try_binding_slots(&check);
  *table = real;
  nwf_libvirt.virNWFilterFree(check.filter);
  nwf_libvirt.virNWFilterBindingFree(check.binding);
  return check.finding;
}

/* --- virHypervisorDriver: all slots at once, one bit of their number after the other --- */

static int answer_0(virConnectPtr conn) {
  return 0;
}

static int answer_1(virConnectPtr conn) {
  return 1;
}

typedef int (*Question)(virConnectPtr conn);

#define N_QUESTIONS 3
#define SLOT_BITS 9
G_STATIC_ASSERT(1 << SLOT_BITS == NWF_HYPERVISOR_SLOTS);

static void fill_slots(virHypervisorDriver *table, guint bit) {
  for (guint i = NWF_HYPERVISOR_FIRST_SLOT; i < NWF_HYPERVISOR_SLOTS; i++)
    table->slots[i] = (NwfSlot)(i >> bit & 1 ? answer_1 : answer_0);
}

static void clear_slots(virHypervisorDriver *table) {
  for (guint i = NWF_HYPERVISOR_FIRST_SLOT; i < NWF_HYPERVISOR_SLOTS; i++)
    table->slots[i] = NULL;
}

static gboolean find_slots(virConnectPtr conn, virHypervisorDriver *table, const Question *questions, guint *slots) {
  gboolean good = TRUE;
  memset(slots, 0, N_QUESTIONS * sizeof *slots);
  for (guint bit = 0; bit < SLOT_BITS; bit++) {
    fill_slots(table, bit);
    for (guint i = 0; i < N_QUESTIONS; i++) {
      int answer = questions[i](conn);
      good = good && (answer == 0 || answer == 1);
      slots[i] |= (guint)(answer == 1) << bit;
    }
  }
  clear_slots(table);
  for (guint i = 0; i < N_QUESTIONS; i++)
    good = good && slots[i] >= NWF_HYPERVISOR_FIRST_SLOT;
  return good && slots[0] != slots[1] && slots[0] != slots[2] && slots[1] != slots[2];
}

/* With one slot filled at a time, each question must be answered by its own alone. */
static gboolean confirm_slots(virConnectPtr conn, virHypervisorDriver *table, const Question *questions,
                              const guint *slots) {
  gboolean good = TRUE;
  for (guint i = 0; i < N_QUESTIONS; i++) {
    for (guint k = 0; k < N_QUESTIONS; k++)
      table->slots[slots[k]] = (NwfSlot)(i == k ? answer_1 : answer_0);
    for (guint k = 0; k < N_QUESTIONS; k++)
      good = good && questions[k](conn) == (i == k ? 1 : 0);
  }
  clear_slots(table);
  return good;
}

static NwfFinding check_hypervisor_table(virConnectPtr conn, virHypervisorDriver *table, const Question *answers) {
  const Question questions[N_QUESTIONS] = {nwf_libvirt.virConnectIsEncrypted, nwf_libvirt.virConnectIsSecure,
                                           nwf_libvirt.virConnectIsAlive};
  guint slots[N_QUESTIONS];
  if (!find_slots(conn, table, questions, slots) || !confirm_slots(conn, table, questions, slots))
    return g_strdup_printf("virHypervisorDriver: connectIsEncrypted, connectIsSecure and connectIsAlive are not found "
                           "(slots %u, %u, %u)",
                           slots[0], slots[1], slots[2]);
  for (guint i = 0; i < N_QUESTIONS; i++)
    table->slots[slots[i]] = (NwfSlot)answers[i];
  return NULL;
}

/* That the connection opens says that virConnectDriver and the first slots of virHypervisorDriver are understood. */
NwfFinding nwf_check_tables(virConnectDriver *driver, int (*is_encrypted)(virConnectPtr conn),
                            int (*is_secure)(virConnectPtr conn), int (*is_alive)(virConnectPtr conn)) {
  running = TRUE;
  virConnectPtr conn = nwf_libvirt.virConnectOpenAuth(PROBE_URI, NULL, VIR_CONNECT_NO_ALIASES);
  running = FALSE;
  if (conn == NULL)
    return g_strdup("virConnectDriver: a connection to " PROBE_URI " does not open");
  const Question answers[N_QUESTIONS] = {is_encrypted, is_secure, is_alive};
  NwfFinding finding = check_filter_object(conn);
  if (finding == NULL)
    finding = check_binding_object(conn);
  if (finding == NULL)
    finding = check_nwfilter_table(conn, driver->nwfilterDriver);
  if (finding == NULL)
    finding = check_hypervisor_table(conn, driver->hypervisorDriver, answers);
  nwf_libvirt.virConnectClose(conn);
  return finding;
}

/* --- libxml2 --- */

/* Its parser's structures are public and have grown; a document that is taken and one that is refused at a line that
 * is known use all members that src/xml looks at. */
NwfFinding nwf_check_libxml(void) {
  static const char good[] = "<filter name='probe'>\n<rule action='drop' direction='in'>\n"
                             "<ip srcipaddr='10.0.0.1'/></rule></filter>";
  static const char bad[] = "<filter name='probe'>\n\n<rule action='none' direction='in'/></filter>";
  static const char broken[] = "<filter name='probe'>\n</filer>";
  g_autoptr(NwfFilter) filter = nwf_filter_parse(good, sizeof good - 1, NULL, NULL);
  gboolean understood = filter != NULL && strcmp(filter->name, "probe") == 0 && filter->entries->len == 1;
  g_autoptr(GError) bad_error = NULL, broken_error = NULL;
  g_autoptr(NwfFilter) bad_filter = nwf_filter_parse(bad, sizeof bad - 1, "f", &bad_error);
  g_autoptr(NwfFilter) broken_filter = nwf_filter_parse(broken, sizeof broken - 1, "f", &broken_error);
  understood = understood && bad_filter == NULL && g_str_has_prefix(bad_error->message, "f:3:");
  understood = understood && broken_filter == NULL && g_str_has_prefix(broken_error->message, "f:2:");
  return understood ? NULL : g_strdup("libxml2: documents are not read as expected");
}
