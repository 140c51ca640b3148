// SPDX-License-Identifier: LGPL-2.1-or-later
#include "host-stack.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* The output hook at -300 is before connection tracking: an answer of the host's own (a reset, a
 * port unreachable) would change the connections that the cases are about. */
static const char setup[] =
    "echo 0 > /proc/sys/net/ipv6/conf/br0/disable_ipv6\n"
    "echo 0 > /proc/sys/net/ipv6/conf/br0/accept_dad\n"
    "echo 0 > /proc/sys/net/ipv6/conf/br0/accept_ra\n"
    "echo 0 > /proc/sys/net/ipv6/conf/br0/router_solicitations\n"
    "echo 8 > /proc/sys/net/ipv4/conf/all/arp_ignore\n"
    "nft 'table inet silence { chain output { type filter hook output priority -300; oifname br0 drop; }; }'\n"
    "ip address add 10.0.255.1/16 dev br0\n"
    "ip -6 address add fd00::ff01/64 dev br0 nodad\n";

static const int protocols4[] = {1, 2, 6, 17, 50, 51, 132, 136};
static const int protocols6[] = {6, 17, 50, 51, 58, 132, 136};

struct HostStack {
  int sockets[G_N_ELEMENTS(protocols4) + G_N_ELEMENTS(protocols6)];
};

HostStack *host_stack_new(GError **error) {
  g_autoptr(HostStack) stack = g_new0(HostStack, 1);
  const char *arguments[] = {"sh", "-ec", setup, NULL};
  int status;

  for (guint i = 0; i < G_N_ELEMENTS(stack->sockets); i++) {
    gboolean v6 = i >= G_N_ELEMENTS(protocols4);
    int protocol = v6 ? protocols6[i - G_N_ELEMENTS(protocols4)] : protocols4[i];

    stack->sockets[i] = socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (stack->sockets[i] < 0) {
      g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "raw socket: %s", g_strerror(errno));
      return NULL;
    }
  }
  if (!g_spawn_sync(NULL, (char **)arguments, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, error) ||
      !g_spawn_check_wait_status(status, error))
    return NULL;
  return g_steal_pointer(&stack);
}

void host_stack_free(HostStack *stack) {
  if (!stack)
    return;
  for (guint i = 0; i < G_N_ELEMENTS(stack->sockets); i++)
    if (stack->sockets[i] > 0)
      close(stack->sockets[i]);
  g_free(stack);
}

gboolean host_stack_arrived(HostStack *stack) {
  gboolean arrived = FALSE;
  char byte;

  for (guint i = 0; i < G_N_ELEMENTS(stack->sockets); i++)
    while (recv(stack->sockets[i], &byte, 1, MSG_TRUNC) >= 0)
      arrived = TRUE;
  return arrived;
}
