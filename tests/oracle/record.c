// SPDX-License-Identifier: LGPL-2.1-or-later
#include "verdicts.h"

#include "host-stack.h"
#include "lab.h"

#include <string.h>

typedef struct {
  const OracleCases *cases;
  OracleDriver *driver;
  Lab *lab;
  HostStack *stack;
  GHashTable *refused; /* of OraclePort */
  FILE *output;
} Recorder;

/* Every unicast address has its place, so that a frame meets the rules of the port it is for only. */
static Lab *make_lab(const OracleCases *cases, GError **error) {
  g_autoptr(Lab) lab = lab_new_here((const char *const *)cases->names->pdata, cases->names->len, error);

  for (guint i = 0; lab && i < cases->names->len; i++)
    if (!lab_add_address(lab, i, g_array_index(cases->stations, FrameStation, i).mac, error))
      return NULL;
  return g_steal_pointer(&lab);
}

/* A filter that is refused shows in the bindings that want it. */
static void define_all(Recorder *recorder) {
  for (guint i = 0; i < recorder->cases->cases->len; i++) {
    const OracleCase *one = recorder->cases->cases->pdata[i];

    for (guint j = 0; j < one->filters->len; j++) {
      g_autoptr(GError) refusal = NULL;

      if (recorder->driver->type->define(recorder->driver, one->filters->pdata[j], &refusal))
        continue;
      g_strdelimit(refusal->message, "\n", ' ');
      fprintf(recorder->output, "# %s: filter refused: %s\n", one->name, refusal->message);
    }
  }
}

static gboolean bind_all(Recorder *recorder, GError **error) {
  for (guint i = 0; i < recorder->cases->cases->len; i++) {
    const OracleCase *one = recorder->cases->cases->pdata[i];

    for (guint j = 0; j < one->ports->len; j++) {
      OraclePort *port = one->ports->pdata[j];
      g_autofree char *xml = oracle_port_xml(recorder->cases, port);
      g_autoptr(GError) refusal = NULL;

      if (recorder->driver->type->bind(recorder->driver, xml, &refusal))
        continue;
      g_strdelimit(refusal->message, "\n", ' ');
      fprintf(recorder->output, "# %s/%s refused: %s\n", one->name, port->name, refusal->message);
      g_hash_table_add(recorder->refused, port);
    }
  }
  return recorder->driver->type->finish(recorder->driver, error);
}

typedef struct {
  const OracleFrame *frame;
  gboolean arrived;
} Changed;

/* br_netfilter cuts off what follows an IP packet, and connection tracking puts fragments together
 * and takes them apart again, perhaps elsewhere: what arrives with the same Ethernet header and IP
 * addresses is the frame, or what became of it. */
static void look_for_changed(guint station, const guint8 *bytes, gsize length, gpointer data) {
  Changed *changed = data;
  const GByteArray *sent = changed->frame->bytes;
  gboolean v6 = sent->len > 14 && sent->data[12] == 0x86;
  gsize addresses = v6 ? 22 : 26, end = v6 ? 54 : 34;

  if (station == changed->frame->to && length >= end && sent->len >= end && memcmp(bytes, sent->data, 14) == 0 &&
      memcmp(bytes + addresses, sent->data + addresses, end - addresses) == 0)
    changed->arrived = TRUE;
}

static gboolean send_frame(Recorder *recorder, const OracleFrame *frame, GError **error) {
  g_autofree gboolean *arrived = g_new0(gboolean, lab_n_stations(recorder->lab));
  Changed changed = {.frame = frame};
  gboolean passed;

  if ((frame->bound[0] && g_hash_table_contains(recorder->refused, frame->bound[0])) ||
      (frame->bound[1] && g_hash_table_contains(recorder->refused, frame->bound[1]))) {
    fprintf(recorder->output, "%s\trefused\n", frame->id);
    return TRUE;
  }
  host_stack_arrived(recorder->stack);
  if (!lab_send_keep(recorder->lab, frame->from, frame->bytes->data, frame->bytes->len, arrived, look_for_changed,
                     &changed, error)) {
    g_prefix_error(error, "%s: ", frame->id);
    return FALSE;
  }
  passed = frame->to_host_stack ? host_stack_arrived(recorder->stack) : arrived[frame->to] || changed.arrived;
  fprintf(recorder->output, "%s\t%s\n", frame->id, passed ? "pass" : "drop");
  return TRUE;
}

static gboolean send_all(Recorder *recorder, GError **error) {
  for (guint i = 0; i < recorder->cases->cases->len; i++) {
    const OracleCase *one = recorder->cases->cases->pdata[i];

    for (guint j = 0; j < one->frames->len; j++)
      if (!send_frame(recorder, one->frames->pdata[j], error))
        return FALSE;
  }
  return TRUE;
}

gboolean oracle_record(const OracleCases *cases, OracleDriver *driver, FILE *output, GError **error) {
  g_autoptr(GHashTable) refused = g_hash_table_new(NULL, NULL);
  g_autoptr(Lab) lab = make_lab(cases, error);
  g_autoptr(HostStack) stack = lab ? host_stack_new(error) : NULL;
  Recorder recorder = {cases, driver, lab, stack, refused, output};

  if (!stack)
    return FALSE;
  setlinebuf(output); /* for those who watch */
  define_all(&recorder);
  return bind_all(&recorder, error) && send_all(&recorder, error);
}
