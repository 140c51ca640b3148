// SPDX-License-Identifier: LGPL-2.1-or-later
// Chain names: a prefix that binds the chain to a protocol, and a suffix of one's own.

#include <nwfilter-nft/model.h>

#include <linux/if_ether.h>
#include <string.h>

typedef struct {
  const char *prefix;
  int priority;      /* of chains that say none: libvirt 9.0.0, semantics of <filter priority=> */
  guint16 ethertype; /* linux/if_ether.h; 0: not bound to one */
} ChainKind;

static const ChainKind chain_kinds[] = {
    {"mac", -800, 0},           {"vlan", -750, ETH_P_8021Q}, {"stp", 0, 0},
    {"ipv4", -700, ETH_P_IP},   {"ipv6", -600, ETH_P_IPV6},  {"arp", -500, ETH_P_ARP},
    {"rarp", -400, ETH_P_RARP},
};

static const ChainKind *find_kind(const char *chain) {
  for (guint i = 0; i < G_N_ELEMENTS(chain_kinds); i++)
    if (g_str_has_prefix(chain, chain_kinds[i].prefix))
      return &chain_kinds[i];
  return NULL;
}

guint16 nwf_chain_ethertype(const char *chain) {
  const ChainKind *kind = find_kind(chain);
  return kind != NULL ? kind->ethertype : 0;
}

gboolean nwf_chain_is_stp(const char *chain) {
  return g_str_has_prefix(chain, "stp");
}

gboolean nwf_chain_check(const char *chain, int *default_priority, GError **error) {
  gboolean root = strcmp(chain, "root") == 0;
  const ChainKind *kind = root ? NULL : find_kind(chain);
  const char *wrong = NULL;

  if (strlen(chain) > NWF_CHAIN_NAME_MAX)
    wrong = "is longer than 12 characters";
  else if (!root && kind == NULL)
    wrong = "is neither root nor begins with mac, vlan, stp, ipv4, ipv6, arp or rarp";
  else if (chain[strspn(chain, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_.:-")] != '\0')
    wrong = "holds other characters than letters, digits and _ . : -";
  if (wrong != NULL) {
    g_set_error(error, NWF_ERROR, NWF_ERROR_INVALID, "chain '%.64s' %s", chain, wrong);
    return FALSE;
  }
  if (default_priority != NULL)
    *default_priority = root ? 0 : kind->priority;
  return TRUE;
}

gboolean nwf_chain_end_parse(const char *text, gboolean *accepts) {
  gboolean accept = strcmp(text, "accept") == 0;
  if (!accept && strcmp(text, "return") != 0)
    return FALSE;
  *accepts = accept;
  return TRUE;
}
