// SPDX-License-Identifier: LGPL-2.1-or-later
/* Random filters and frames: the kernel's verdict and the evaluator's must agree. Prints TAP. */
#include "generate.h"
#include "packet.h"
#include "shrink.h"

#include <nwfilter-nft/xml.h>

#include <stdio.h>
#include <string.h>

#define REPORTS_MAX 5 /* disagreements that are shrunk and shown */

static gint64 first_seed = 1, seconds;
static int want_filters = 200, want_frames = 20, want_ports = 20;

static const GOptionEntry entries[] = {
    {"seed", 0, 0, G_OPTION_ARG_INT64, &first_seed, "The first seed (1)", "S"},
    {"filters", 0, 0, G_OPTION_ARG_INT, &want_filters, "Bindings to try (200)", "N"},
    {"frames", 0, 0, G_OPTION_ARG_INT, &want_frames, "Frames for each binding (20)", "N"},
    {"ports", 0, 0, G_OPTION_ARG_INT, &want_ports, "Ports bound at once (20)", "N"},
    {"seconds", 0, 0, G_OPTION_ARG_INT64, &seconds, "Go on with new seeds for so long, instead of --filters", "N"},
    {0},
};

/* One table full of bindings. */
typedef struct {
  Trial *trial;
  guint64 seed;
  Random random;
  NwfFilterStore *originals; /* as generated: what the evaluator reads */
  NwfFilterStore *parsed;    /* the same through XML: what is compiled */
  GPtrArray *bindings;
  guint frames;
  guint failures;
} Round;

static guint total_filters, total_frames, total_accepted, total_refused, reports;

static void fail(Round *round, const char *what, const char *detail) {
  round->failures++;
  if (reports++ < REPORTS_MAX)
    printf("# %s\n%s", what, detail);
}

/* --- filters --- */

static gboolean parse_back(Round *round, const NwfFilterStore *from) {
  g_autoptr(GPtrArray) filters = nwf_filter_store_list(from);
  for (guint i = 0; i < filters->len; i++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *text = nwf_filter_format(g_ptr_array_index(filters, i));
    NwfFilter *filter = nwf_filter_parse(text, strlen(text), NULL, &error);
    if (filter == NULL) {
      g_autofree char *detail = g_strdup_printf("# %s\n%s", error->message, text);
      fail(round, "a filter that was written cannot be read back", detail);
      return FALSE;
    }
    g_autofree char *again = nwf_filter_format(filter);
    if (strcmp(text, again) != 0)
      fail(round, "a filter that was written and read is written otherwise", again);
    nwf_filter_store_put(round->parsed, filter);
  }
  return TRUE;
}

/* Whether evaluator and compiler both take the binding, or both refuse it. */
static gboolean is_bindable(Round *round, NwfFilterStore *store, NwfBinding *binding) {
  static const guint8 nothing[14];
  NwfCompileOptions options = {.features = round->trial->features};
  EvaluateInput input = {.direction = NWF_DIRECTION_OUT};
  Verdict verdict;
  g_autoptr(GError) evaluated = NULL, compiled = NULL;
  gboolean evaluates = evaluate(store, binding, &input, nothing, sizeof nothing, &verdict, &evaluated);
  verdict_clear(&verdict);
  g_autoptr(NwfRuleset) ruleset = nwf_compile(round->parsed, &binding, 1, &options, &compiled);
  if (evaluates != (ruleset != NULL)) {
    g_autoptr(Disagreement) disagreement = disagreement_new(store, binding, 0, &input, &(Frame){.length = 14});
    g_autofree char *detail = disagreement_describe(disagreement);
    g_autofree char *what =
        g_strdup_printf("only one of them refuses a binding: compiler: %s; evaluator: %s",
                        compiled != NULL ? compiled->message : "fine", evaluated != NULL ? evaluated->message : "fine");
    fail(round, what, detail);
  }
  total_refused += !evaluates || ruleset == NULL;
  return evaluates && ruleset != NULL;
}

static void keep_filters(Round *round, NwfFilterStore *from) {
  g_autoptr(GPtrArray) filters = nwf_filter_store_list(from);
  for (guint i = 0; i < filters->len; i++) {
    g_autofree char *text = nwf_filter_format(g_ptr_array_index(filters, i));
    nwf_filter_store_put(round->originals, nwf_filter_parse(text, strlen(text), NULL, NULL));
  }
}

/* Fills the ports; a binding that is refused is made anew. */
static void make_bindings(Round *round) {
  GenerateOptions options = {0};
  for (guint port = 0; port < round->trial->n_ports; port++) {
    for (guint attempt = 0; attempt < 20; attempt++) {
      g_autoptr(NwfFilterStore) store = nwf_filter_store_new();
      g_autofree char *name = trial_port_name(port);
      g_autofree char *prefix = g_strdup_printf("%s-", name);
      NwfBinding *binding = generate_binding(&round->random, &options, store, prefix, name);
      if (parse_back(round, store) && is_bindable(round, store, binding)) {
        keep_filters(round, store);
        binding->watch = random_chance(&round->random, 30) ? random_below(&round->random, 32) : 0;
        g_ptr_array_add(round->bindings, binding);
        total_filters++;
        break;
      }
      nwf_binding_free(binding);
    }
  }
}

/* --- frames --- */

static void report(Round *round, guint port, const EvaluateInput *input, const Frame *frame, Seen seen,
                   const Verdict *verdict) {
  round->failures++;
  if (reports++ >= REPORTS_MAX)
    return;
  NwfBinding *binding = g_ptr_array_index(round->bindings, port);
  g_autoptr(Disagreement) disagreement = disagreement_new(round->originals, binding, port, input, frame);
  printf("# seed %" G_GUINT64_FORMAT ", port %u\n", round->seed, port);
  if (disagreement_stays(round->trial, disagreement)) {
    disagreement_shrink(round->trial, disagreement);
  } else {
    printf("# (not seen when the port is the only one that is bound)\n");
    verdict_clear(&disagreement->verdict);
    disagreement->verdict.why = g_strdup(verdict->why);
    disagreement->seen = seen;
  }
  g_autofree char *text = disagreement_describe(disagreement);
  printf("%s", text);
  trial_install(round->trial, round->parsed, (NwfBinding *const *)round->bindings->pdata, round->bindings->len, NULL);
}

/* What an IPv6 extension header that says it is longer than the frame is worth depends on the kernel: to 6.1
 * the packet is malformed, to 6.18 it is one of what the header says comes next. */
static gboolean is_read_differently(const Frame *frame) {
  Packet packet;
  packet_read(&packet, frame->bytes, frame->length);
  return packet.has_transport && packet.transport > frame->length;
}

static void compare(Round *round, guint port, const EvaluateInput *input, const Frame *frame, Seen seen) {
  Verdict verdict;
  g_autoptr(GError) error = NULL;
  if (seen == SEEN_NOTHING || is_read_differently(frame))
    return;
  if (!evaluate(round->originals, g_ptr_array_index(round->bindings, port), input, frame->bytes, frame->length,
                &verdict, &error)) {
    fail(round, error->message, "");
    return;
  }
  round->frames++;
  total_accepted += verdict.accepted;
  if (verdict.accepted != (seen == SEEN_ACCEPTED))
    report(round, port, input, frame, seen, &verdict);
  verdict_clear(&verdict);
}

static gboolean send_one(Round *round, guint port, const Frame *frame, GError **error) {
  guint way = random_below(&round->random, 4);
  if (way < 2) {
    EvaluateInput input = {.direction = NWF_DIRECTION_OUT,
                           .host = trial_is_for_host(frame->bytes),
                           .chain_end_accepts = round->trial->chain_end_accepts};
    Seen seen;
    if (!trial_send(round->trial, port, &input, frame->bytes, frame->length, &seen, error))
      return FALSE;
    compare(round, port, &input, frame, seen);
    return TRUE;
  }
  EvaluateInput input = {
      .direction = NWF_DIRECTION_IN, .host = way == 3, .chain_end_accepts = round->trial->chain_end_accepts};
  g_autofree Seen *seen = g_new(Seen, round->trial->n_ports);
  if (!trial_send_in(round->trial, input.host, frame->bytes, frame->length, seen, error))
    return FALSE;
  for (guint i = 0; i < round->bindings->len; i++)
    compare(round, i, &input, frame, seen[i]);
  return TRUE;
}

static void send_frames(Round *round) {
  for (guint port = 0; port < round->bindings->len; port++) {
    for (int i = 0; i < want_frames; i++) {
      g_autoptr(GError) error = NULL;
      Frame frame;
      generate_frame(&round->random, round->originals, g_ptr_array_index(round->bindings, port), &frame);
      if (random_chance(&round->random, 8))
        memcpy(frame.bytes, lab_host_mac, 6);
      if (!send_one(round, port, &frame, &error))
        printf("# not sent: %s\n", error->message);
    }
  }
}

static guint run_round(Trial *trial, guint64 seed, guint number) {
  Round round = {.trial = trial, .seed = seed};
  g_autoptr(GError) error = NULL;
  random_seed(&round.random, seed);
  trial->chain_end_accepts = seed % 2 == 0;
  round.originals = nwf_filter_store_new();
  round.parsed = nwf_filter_store_new();
  round.bindings = g_ptr_array_new_with_free_func((GDestroyNotify)nwf_binding_free);
  make_bindings(&round);
  if (trial_install(trial, round.parsed, (NwfBinding *const *)round.bindings->pdata, round.bindings->len, &error)) {
    send_frames(&round);
  } else {
    printf("# %s\n", error->message);
    round.failures++;
  }
  total_frames += round.frames;
  printf("%s %u - kernel and evaluator agree, seed %" G_GUINT64_FORMAT ", chains %s at their end: %u bindings, %u "
         "verdicts\n",
         round.failures == 0 ? "ok" : "not ok", number, seed, trial->chain_end_accepts ? "accept" : "return",
         round.bindings->len, round.frames);
  fflush(stdout);
  g_ptr_array_unref(round.bindings);
  nwf_filter_store_free(round.originals);
  nwf_filter_store_free(round.parsed);
  return round.failures;
}

int main(int argc, char **argv) {
  g_autoptr(GOptionContext) context = g_option_context_new("- compare the kernel's verdicts with the evaluator's");
  g_autoptr(GError) error = NULL;
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, &error) || want_ports < 1 || want_frames < 1) {
    fprintf(stderr, "%s\n", error != NULL ? error->message : "numbers must be positive");
    return 2;
  }
  nwf_xml_init();
  g_autoptr(Trial) trial = trial_new((guint)want_ports, &error);
  if (trial == NULL) {
    printf("1..0 # SKIP no taps and tables here: %s\n", error->message);
    return 0;
  }
  guint failures = 0, rounds = 0, wanted = ((guint)want_filters + (guint)want_ports - 1) / (guint)want_ports;
  gint64 end = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
  while (seconds > 0 ? g_get_monotonic_time() < end : rounds < wanted) {
    failures += run_round(trial, (guint64)first_seed + rounds, rounds + 1);
    rounds++;
  }
  printf("1..%u\n# %u bindings (and %u refused), %u verdicts, %u of them accept, %u disagreements\n", rounds,
         total_filters, total_refused, total_frames, total_accepted, failures);
  return failures == 0 ? 0 : 1;
}
