// SPDX-License-Identifier: LGPL-2.1-or-later
#include "engine-help.h"

#include <nwfilter-nft/xml.h>

#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define AWAIT_SECONDS 10

static const char *const levels[] = {"debug", "info", "warning", "error"};

static void say(NwfLogLevel level, const char *message, gpointer data) {
  Bench *bench = data;
  g_test_message("%s: %s", levels[level], message);
  g_async_queue_push(bench->said, g_strdup_printf("%s: %s", levels[level], message));
}

Bench *bench_new(void) {
  Bench *bench = g_new0(Bench, 1);
  g_assert_cmpint(unshare(CLONE_NEWNET), ==, 0);
  g_free(bench_shell("ip link set lo up"));
  bench->dir = g_dir_make_tmp("nwf-engine-XXXXXX", NULL);
  g_assert_nonnull(bench->dir);
  bench->parameters_before_ip = "";
  bench->said = g_async_queue_new_full(g_free);
  bench->config = (NwfEngineConfig){
      .filter_dir = g_build_filename(bench->dir, "filters", NULL),
      .binding_dir = g_build_filename(bench->dir, "bindings", NULL),
      .lease_file = g_build_filename(bench->dir, "leases", NULL),
      .state_dir = g_build_filename(bench->dir, "state", NULL),
      .keep_stock = TRUE,
      .no_bus = TRUE,
      .log = say,
      .data = bench,
  };
  g_mkdir(bench->config.filter_dir, 0700);
  g_mkdir(bench->config.binding_dir, 0700);
  return bench;
}

void bench_start(Bench *bench) {
  g_autoptr(GError) error = NULL;
  bench->engine = nwf_engine_new(&bench->config, &error);
  g_assert_no_error(error);
  g_assert_nonnull(bench->engine);
}

void bench_stop(Bench *bench) {
  g_clear_pointer(&bench->engine, nwf_engine_free);
}

void bench_free(Bench *bench) {
  bench_stop(bench);
  g_autofree char *command = g_strdup_printf("rm -rf '%s'", bench->dir);
  g_free(bench_shell(command));
  g_free((char *)bench->config.filter_dir);
  g_free((char *)bench->config.binding_dir);
  g_free((char *)bench->config.lease_file);
  g_free((char *)bench->config.state_dir);
  g_async_queue_unref(bench->said);
  g_free(bench->dir);
  g_free(bench);
}

char *bench_shell(const char *command) {
  g_autoptr(GError) error = NULL;
  const char *argv[] = {"sh", "-c", command, NULL};
  char *output = NULL;
  int status;
  g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, NULL, &status, &error);
  g_assert_no_error(error);
  if (!g_spawn_check_wait_status(status, &error))
    g_error("%s: %s", command, error->message);
  return output;
}

void bench_stock_filters(Bench *bench) {
  g_autofree char *command = g_strdup_printf("cp '%s'/*.xml '%s'", FILTERS_DIR, bench->config.filter_dir);
  g_free(bench_shell(command));
}

char *bench_filter_path(const Bench *bench, const char *name) {
  return g_strdup_printf("%s/%s.xml", bench->config.filter_dir, name);
}

char *bench_binding_path(const Bench *bench, const char *port) {
  return g_strdup_printf("%s/%s.xml", bench->config.binding_dir, port);
}

void bench_write(char *path, const char *text) {
  g_autoptr(GError) error = NULL;
  g_file_set_contents(path, text, -1, &error);
  g_assert_no_error(error);
  g_free(path);
}

void bench_tap(const char *name) {
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
  g_assert_cmpint(fd, >=, 0);
  g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
  g_assert_cmpint(ioctl(fd, TUNSETIFF, &request), ==, 0);
}

gboolean bench_define(Bench *bench, const char *xml, GError **error) {
  NwfFilter *filter = nwf_filter_parse(xml, strlen(xml), NULL, error);
  return filter && nwf_engine_define(bench->engine, filter, NULL, error);
}

gboolean bench_bind_mac(Bench *bench, const char *port, const guint8 mac[6], const char *filter, const char *parameters,
                        GError **error) {
  g_autofree char *address = nwf_mac_format(mac);
  g_autofree char *xml = g_strdup_printf("<filterbinding><owner><name>guest</name>"
                                         "<uuid>d54df46f-1ab5-4a22-8618-4560ef5fac%02x</uuid></owner>"
                                         "<portdev name='%s'/><mac address='%s'/>"
                                         "<filterref filter='%s'>%s</filterref></filterbinding>",
                                         mac[5], port, address, filter, parameters ? parameters : "");
  NwfBinding *binding = nwf_binding_parse(xml, strlen(xml), NULL, error);
  return binding && nwf_engine_bind(bench->engine, binding, error);
}

gboolean bench_bind(Bench *bench, const char *port, const char *filter, const char *parameters, GError **error) {
  return bench_bind_mac(bench, port, (const guint8[]){0x52, 0x54, 0, 0, 0, 1}, filter, parameters, error);
}

char *bench_table(void) {
  return bench_shell("nft -a list table bridge nwfilter 2>/dev/null | grep -v -e '^table' -e '^.flags'");
}

char *bench_filter_of(const char *port) {
  g_autofree char *map = bench_shell("nft list map bridge nwfilter from_port_other 2>/dev/null || true");
  g_autofree char *pattern = g_strdup_printf("\"%s\" comment \"([^\"]*)\"", port);
  g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
  g_autoptr(GMatchInfo) match = NULL;
  return g_regex_match(regex, map, 0, &match) ? g_match_info_fetch(match, 1) : NULL;
}

void bench_await(Bench *bench, const char *text) {
  for (;;) {
    g_autofree char *said = g_async_queue_timeout_pop(bench->said, AWAIT_SECONDS * G_USEC_PER_SEC);
    if (!said)
      g_error("nobody said '%s'", text);
    if (strstr(said, text))
      return;
  }
}

void bench_await_filter(Bench *bench, const char *port, const char *start) {
  for (;;) {
    g_autofree char *filter = bench_filter_of(port);
    if (filter && g_str_has_prefix(filter, start))
      return;
    g_autofree char *said = g_async_queue_timeout_pop(bench->said, AWAIT_SECONDS * G_USEC_PER_SEC);
    if (!said)
      g_error("port %s has the filter '%s', not '%s'", port, filter ? filter : "(none)", start);
  }
}
