// SPDX-License-Identifier: LGPL-2.1-or-later
#include "trial.h"
#include "table-rules.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

char *trial_port_name(guint port) {
  return g_strdup_printf("vm%u", port);
}

/* The two that stay unbound stand behind the others. */
static guint peer(const Trial *trial, guint n) {
  return trial->n_ports + n;
}

/* br_netfilter throws malformed packets away and cuts padding off, before we see what our table
 * says of them. Its settings are the namespace's own. */
static void silence_br_netfilter(void) {
  static const char *const files[] = {"/proc/sys/net/bridge/bridge-nf-call-iptables",
                                      "/proc/sys/net/bridge/bridge-nf-call-ip6tables",
                                      "/proc/sys/net/bridge/bridge-nf-call-arptables"};
  for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
    int fd = open(files[i], O_WRONLY | O_CLOEXEC);
    if (fd < 0)
      continue; /* not loaded */
    if (write(fd, "0\n", 2) < 0)
      g_debug("%s cannot be written", files[i]);
    close(fd);
  }
}

Trial *trial_new(guint n_ports, GError **error) {
  if (!lab_unshare(error))
    return NULL;
  silence_br_netfilter();
  g_autoptr(Trial) trial = g_new0(Trial, 1);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  trial->n_ports = n_ports;
  for (guint i = 0; i < n_ports; i++)
    g_ptr_array_add(names, trial_port_name(i));
  g_ptr_array_add(names, g_strdup("peer0"));
  g_ptr_array_add(names, g_strdup("peer1"));
  trial->lab = lab_new_here((const char *const *)names->pdata, names->len, error);
  if (trial->lab == NULL)
    return NULL;
  trial->arrived = g_new0(gboolean, lab_n_stations(trial->lab));
  trial->kernel = nwf_kernel_open(error);
  if (trial->kernel == NULL || !nwf_kernel_probe(trial->kernel, &trial->features, error))
    return NULL;
  return g_steal_pointer(&trial);
}

void trial_free(Trial *trial) {
  if (trial == NULL)
    return;
  g_clear_pointer(&trial->kernel, nwf_kernel_close);
  lab_free(trial->lab);
  g_free(trial->arrived);
  g_free(trial);
}

gboolean trial_install(Trial *trial, const NwfFilterStore *store, NwfBinding *const *bindings, guint n,
                       GError **error) {
  NwfCompileOptions options = {
      .features = trial->features, .chain_end_accepts = trial->chain_end_accepts, .log_group = TRIAL_LOG_GROUP};
  g_autoptr(NwfRuleset) ruleset = nwf_compile(store, bindings, n, &options, error);
  if (!ruleset)
    return FALSE;
  g_autofree char *broken = table_rules_broken(ruleset);
  g_assert_cmpstr(broken, ==, "");
  return nwf_kernel_install(trial->kernel, ruleset, NULL, error);
}

gboolean trial_is_for_host(const guint8 *frame) {
  return memcmp(frame, lab_host_mac, 6) == 0;
}

static guint receiver(const Trial *trial, const guint8 *frame) {
  return trial_is_for_host(frame) ? lab_host(trial->lab) : peer(trial, 0);
}

gboolean trial_is_carried(Trial *trial, const guint8 *frame, gsize length) {
  return lab_send(trial->lab, peer(trial, 1), frame, length, trial->arrived, NULL) &&
         trial->arrived[receiver(trial, frame)];
}

gboolean trial_send_out(Trial *trial, guint port, const guint8 *frame, gsize length, Seen *seen, GError **error) {
  if (!lab_send(trial->lab, port, frame, length, trial->arrived, error))
    return FALSE;
  *seen = trial->arrived[receiver(trial, frame)] ? SEEN_ACCEPTED : SEEN_DROPPED;
  return TRUE;
}

gboolean trial_send_in(Trial *trial, gboolean host, const guint8 *frame, gsize length, Seen *seen, GError **error) {
  guint from = host ? lab_host(trial->lab) : peer(trial, 1);
  if (!lab_send(trial->lab, from, frame, length, trial->arrived, error))
    return FALSE;
  for (guint i = 0; i < trial->n_ports; i++)
    seen[i] = !trial->arrived[peer(trial, 0)] ? SEEN_NOTHING : trial->arrived[i] ? SEEN_ACCEPTED : SEEN_DROPPED;
  return TRUE;
}

gboolean trial_send(Trial *trial, guint port, const EvaluateInput *input, const guint8 *frame, gsize length, Seen *seen,
                    GError **error) {
  *seen = SEEN_NOTHING;
  if (input->direction == NWF_DIRECTION_OUT)
    return !trial_is_carried(trial, frame, length) || trial_send_out(trial, port, frame, length, seen, error);
  g_autofree Seen *all = g_new(Seen, trial->n_ports);
  if (!trial_send_in(trial, input->host, frame, length, all, error))
    return FALSE;
  *seen = all[port];
  return TRUE;
}
