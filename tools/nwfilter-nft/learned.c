// SPDX-License-Identifier: LGPL-2.1-or-later
#include "learned.h"

#include "cli.h"

#include <arpa/inet.h>
#include <stdio.h>

GArray *nwf_learned_now(const char *state_dir, const char *port) {
  g_autoptr(GError) error = NULL;
  GArray *learned = nwf_learned_read(state_dir, port, &error);
  if (!learned) {
    nwf_cli_warning("learned addresses", error->message, NULL);
    return g_array_new(FALSE, FALSE, sizeof(NwfLearned));
  }
  gint64 now = g_get_real_time() / G_USEC_PER_SEC;
  for (guint i = learned->len; i-- > 0;) {
    gint64 until = g_array_index(learned, NwfLearned, i).until;
    if (until && until <= now)
      g_array_remove_index(learned, i);
  }
  return learned;
}

static gboolean has_server(const NwfLearned *learned) {
  return learned->how == NWF_LEARNED_DHCP || learned->how == NWF_LEARNED_DHCPV6;
}

static const char *server_of(const NwfLearned *learned, char text[INET6_ADDRSTRLEN]) {
  return inet_ntop(learned->ipv6 ? AF_INET6 : AF_INET, learned->server, text, INET6_ADDRSTRLEN);
}

json_t *nwf_learned_to_json(const GArray *learned) {
  json_t *list = json_array();
  for (guint i = 0; i < learned->len; i++) {
    const NwfLearned *one = &g_array_index(learned, NwfLearned, i);
    char server[INET6_ADDRSTRLEN];
    g_autofree char *address = nwf_learned_format(one);
    g_autoptr(GDateTime) until = one->until ? g_date_time_new_from_unix_utc(one->until) : NULL;
    g_autofree char *time = until ? g_date_time_format_iso8601(until) : NULL;
    json_array_append_new(list,
                          json_pack("{s:s, s:s, s:s?, s:s?}", "address", address, "how", nwf_learned_how_name(one->how),
                                    "until", time, "server", has_server(one) ? server_of(one, server) : NULL));
  }
  return list;
}

void nwf_learned_print(const GArray *learned) {
  for (guint i = 0; i < learned->len; i++) {
    const NwfLearned *one = &g_array_index(learned, NwfLearned, i);
    char server[INET6_ADDRSTRLEN];
    g_autofree char *address = nwf_learned_format(one);
    printf("%-16s learned %s (%s", "", address, nwf_learned_how_name(one->how));
    if (has_server(one))
      printf(" from %s", server_of(one, server));
    g_autoptr(GDateTime) until = one->until ? g_date_time_new_from_unix_local(one->until) : NULL;
    g_autofree char *time = until ? g_date_time_format(until, "%F %T") : NULL;
    if (time)
      printf(", until %s", time);
    puts(")");
  }
}
