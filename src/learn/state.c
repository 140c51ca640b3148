// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * PORT.state: what is known of a port, for a daemon that starts again and for `nwfilter-nft list`.
 *
 * Renamed into place, but not synced: the files are in /run, so none outlives the machine's power, and with 500
 * guests that boot at once a sync for each of their addresses would be what they wait for.
 */

#include "learn/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define STATE_MAX (64 << 10) /* bytes of a file that is read; ours are 10 KiB at most */
#define GROUP "port"

static const char *const hows[] = {
    [NWF_LEARNED_ARP] = "arp", [NWF_LEARNED_IPV4] = "ipv4",     [NWF_LEARNED_DHCP] = "dhcp",
    [NWF_LEARNED_ND] = "nd",   [NWF_LEARNED_DHCPV6] = "dhcpv6", [NWF_LEARNED_LINK_LOCAL] = "link-local",
};

const char *nwf_learned_how_name(NwfLearnedHow how) {
  return (guint)how < G_N_ELEMENTS(hows) ? hows[how] : "?";
}

char *nwf_learned_format(const NwfLearned *learned) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(learned->ipv6 ? AF_INET6 : AF_INET, learned->address, text, sizeof text);
  if (learned->prefix < (learned->ipv6 ? 128 : 32))
    return g_strdup_printf("%s/%u", text, learned->prefix);
  return g_strdup(text);
}

void nwf_state_clear(NwfState *state) {
  g_clear_pointer(&state->learned, g_array_unref);
}

static char *state_path(const char *directory, const char *port) {
  return nwf_port_name_valid(port) ? g_strdup_printf("%s/%s.state", directory, port) : NULL;
}

/* --- writing --- */

static void put_address(GKeyFile *file, guint n, const NwfLearned *learned) {
  char group[16], server[INET6_ADDRSTRLEN];
  g_snprintf(group, sizeof group, "%u", n + 1);
  g_autofree char *address = nwf_learned_format(learned);
  g_key_file_set_string(file, group, "address", address);
  g_key_file_set_string(file, group, "how", nwf_learned_how_name(learned->how));
  g_key_file_set_int64(file, group, "until", learned->until);
  if (learned->how == NWF_LEARNED_DHCP || learned->how == NWF_LEARNED_DHCPV6) {
    inet_ntop(learned->ipv6 ? AF_INET6 : AF_INET, learned->server, server, sizeof server);
    g_key_file_set_string(file, group, "server", server);
  }
}

gboolean nwf_state_write(const char *directory, const char *port, const NwfState *state, GError **error) {
  g_autofree char *path = state_path(directory, port);
  if (!path)
    return TRUE;
  if (state->learned->len == 0 && !state->has_previous) {
    g_unlink(path);
    return TRUE;
  }
  g_autoptr(GKeyFile) file = g_key_file_new();
  g_autofree char *mac = nwf_mac_format(state->key.mac);
  g_autofree char *owner = nwf_uuid_format(state->key.uuid);
  g_key_file_set_string(file, GROUP, "mac", mac);
  g_key_file_set_string(file, GROUP, "owner", owner);
  if (state->has_previous) {
    char previous[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, state->previous, previous, sizeof previous);
    g_key_file_set_string(file, GROUP, "previous", previous);
  }
  if (state->unconfirmed)
    g_key_file_set_boolean(file, GROUP, "unconfirmed", TRUE);
  for (guint i = 0; i < state->learned->len; i++)
    put_address(file, i, &g_array_index(state->learned, NwfLearned, i));
  gsize length;
  g_autofree char *text = g_key_file_to_data(file, &length, NULL);
  return nwf_file_replace(path, text, length, FALSE, error);
}

void nwf_state_remove(const char *directory, const char *port) {
  g_autofree char *path = state_path(directory, port);
  if (path)
    g_unlink(path);
}

/* --- reading --- */

gboolean nwf_learned_parse(const char *text, NwfLearned *learned) {
  g_auto(GStrv) parts = g_strsplit(text, "/", 2);
  if (!parts[0])
    return FALSE;
  learned->ipv6 = strchr(parts[0], ':') != NULL;
  learned->prefix = learned->ipv6 ? 128 : 32;
  if (inet_pton(learned->ipv6 ? AF_INET6 : AF_INET, parts[0], learned->address) != 1)
    return FALSE;
  guint64 prefix = learned->prefix;
  if (parts[1] && !g_ascii_string_to_unsigned(parts[1], 10, 1, learned->prefix, &prefix, NULL))
    return FALSE;
  learned->prefix = (guint)prefix;
  return TRUE;
}

static gboolean get_address(GKeyFile *file, const char *group, NwfLearned *learned) {
  *learned = (NwfLearned){0};
  g_autofree char *address = g_key_file_get_string(file, group, "address", NULL);
  g_autofree char *how = g_key_file_get_string(file, group, "how", NULL);
  g_autofree char *server = g_key_file_get_string(file, group, "server", NULL);
  if (!address || !how || !nwf_learned_parse(address, learned))
    return FALSE;
  guint n = 0;
  while (n < G_N_ELEMENTS(hows) && strcmp(hows[n], how) != 0)
    n++;
  learned->how = n;
  learned->until = g_key_file_get_int64(file, group, "until", NULL);
  if (server && inet_pton(learned->ipv6 ? AF_INET6 : AF_INET, server, learned->server) != 1)
    return FALSE;
  gboolean is_ipv6 = n >= NWF_LEARNED_ND;
  return n < G_N_ELEMENTS(hows) && learned->until >= 0 && learned->ipv6 == is_ipv6;
}

static gboolean get_head(GKeyFile *file, NwfState *state) {
  g_autofree char *mac = g_key_file_get_string(file, GROUP, "mac", NULL);
  g_autofree char *owner = g_key_file_get_string(file, GROUP, "owner", NULL);
  g_autofree char *previous = g_key_file_get_string(file, GROUP, "previous", NULL);
  if (!mac || !owner || !nwf_mac_parse(mac, state->key.mac) || !nwf_uuid_parse(owner, state->key.uuid))
    return FALSE;
  state->unconfirmed = g_key_file_get_boolean(file, GROUP, "unconfirmed", NULL);
  state->has_previous = previous && inet_pton(AF_INET, previous, state->previous) == 1;
  return !previous || state->has_previous;
}

static gboolean get_all(GKeyFile *file, NwfState *state) {
  if (!get_head(file, state))
    return FALSE;
  state->learned = g_array_new(FALSE, FALSE, sizeof(NwfLearned));
  gsize n;
  g_auto(GStrv) groups = g_key_file_get_groups(file, &n);
  for (gsize i = 0; i < n && i < 2 * NWF_LEARN_ADDRESSES_MAX + 2; i++) {
    NwfLearned learned;
    if (strcmp(groups[i], GROUP) == 0)
      continue;
    if (!get_address(file, groups[i], &learned))
      return FALSE;
    g_array_append_val(state->learned, learned);
  }
  return TRUE;
}

gboolean nwf_state_read(const char *directory, const char *port, NwfState *state, GError **error) {
  *state = (NwfState){0};
  g_autofree char *path = state_path(directory, port);
  GStatBuf info;
  if (!path)
    return FALSE;
  if (g_stat(path, &info) < 0) {
    int code = errno;
    if (code != ENOENT)
      g_set_error(error, NWF_ERROR, NWF_ERROR_IO, "cannot read %s: %s", path, g_strerror(code));
    return FALSE;
  }
  g_autofree char *text = NULL;
  gsize length = 0;
  g_autoptr(GError) inner = NULL;
  g_autoptr(GKeyFile) file = g_key_file_new();
  if (info.st_size > STATE_MAX || !S_ISREG(info.st_mode)) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "%s: %s", path,
                S_ISREG(info.st_mode) ? "too large" : "not a regular file");
    return FALSE;
  }
  if (!g_file_get_contents(path, &text, &length, &inner)) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_IO, "cannot read %s: %s", path, inner->message);
    return FALSE;
  }
  if (length > 0 && g_key_file_load_from_data(file, text, length, G_KEY_FILE_NONE, NULL) && get_all(file, state))
    return TRUE;
  g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "%s: not a state file", path);
  nwf_state_clear(state);
  return FALSE;
}

GArray *nwf_learned_read(const char *state_dir, const char *port, GError **error) {
  g_auto(NwfState) state = {0};
  GError *inner = NULL;
  if (nwf_state_read(state_dir, port, &state, &inner))
    return g_steal_pointer(&state.learned);
  if (inner) {
    g_propagate_error(error, inner);
    return NULL;
  }
  return g_array_new(FALSE, FALSE, sizeof(NwfLearned));
}
