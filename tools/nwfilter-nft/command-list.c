// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli.h"
#include "learned.h"
#include "owner.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static gboolean as_json;
static char *state_directory;

static const GOptionEntry entries[] = {
    {"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "Print JSON", NULL},
    {"state-dir", 0, 0, G_OPTION_ARG_FILENAME, &state_directory, "What was learned is here (" NWF_STATE_DIR ")", "DIR"},
    {NULL}};

static GArray *learned_of(const NwfPortInfo *info) {
  return nwf_learned_now(state_directory ? state_directory : NWF_STATE_DIR, info->port);
}

/* Names of interfaces are bytes; JSON knows only characters. */
static json_t *name_to_json(const char *name) {
  g_autofree char *valid = g_utf8_make_valid(name, -1);
  return json_string(valid);
}

/* The comment is "FILTER NAME=VALUE,VALUE ..." as the compiler writes it; a filter's name may hold spaces. */
static json_t *filter_to_json(char **words) {
  g_autoptr(GString) name = g_string_new(NULL);
  for (char **word = words; *word && !strchr(*word, '='); word++)
    g_string_append_printf(name, "%s%s", name->len ? " " : "", *word);
  return name->len ? name_to_json(name->str) : json_null();
}

static json_t *parameters_to_json(char **words) {
  json_t *parameters = json_object();
  for (char **word = words; *word; word++) {
    char *equals = strchr(*word, '=');
    if (!equals)
      continue;
    g_autofree char *name = g_strndup(*word, (gsize)(equals - *word));
    g_auto(GStrv) values = g_strsplit(equals + 1, ",", -1);
    json_t *list = json_array();
    for (char **value = values; *value; value++)
      json_array_append_new(list, json_string_nocheck(*value));
    json_object_set_new_nocheck(parameters, name, list);
  }
  return parameters;
}

static json_t *port_to_json(const NwfPortInfo *info) {
  g_auto(GStrv) words = g_strsplit(info->comment ? info->comment : "", " ", -1);
  json_t *port = json_object();
  json_object_set_new(port, "port", name_to_json(info->port));
  json_object_set_new(port, "filter", filter_to_json(words));
  json_object_set_new(port, "parameters", parameters_to_json(words));
  json_object_set_new(port, "truncated", json_boolean(info->comment && g_str_has_suffix(info->comment, "...")));
  g_autoptr(GArray) learned = learned_of(info);
  json_object_set_new(port, "learned", nwf_learned_to_json(learned));
  json_object_set_new(port, "elements", json_integer(info->elements));
  json_object_set_new(port, "chains", json_integer(info->chains));
  json_object_set_new(port, "rules", json_integer(info->rules));
  return port;
}

static void print_json(NwfKernel *kernel, const GArray *infos) {
  json_t *ports = json_array();
  for (guint i = 0; i < infos->len; i++)
    json_array_append_new(ports, port_to_json(&g_array_index(infos, NwfPortInfo, i)));
  json_t *root = json_pack("{s:o, s:o}", "owner", nwf_owner_to_json(kernel), "ports", ports);
  json_dumpf(root, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(root);
}

static void print_ports(const GArray *infos) {
  printf("%-16s %8s %6s %5s  %s\n", "PORT", "ELEMENTS", "CHAINS", "RULES", "FILTER AND PARAMETERS");
  for (guint i = 0; i < infos->len; i++) {
    const NwfPortInfo *info = &g_array_index(infos, NwfPortInfo, i);
    printf("%-16s %8u %6u %5u  %s\n", info->port, info->elements, info->chains, info->rules,
           info->comment ? info->comment : "-");
    g_autoptr(GArray) learned = learned_of(info);
    nwf_learned_print(learned);
  }
}

static void print_text(NwfKernel *kernel, const GArray *infos) {
  g_autofree char *owner = nwf_owner_to_text(kernel);
  if (infos->len == 0)
    puts("no port is bound");
  else
    print_ports(infos);
  if (owner)
    printf("the table is owned by %s\n", owner);
}

int nwf_command_list(int argc, char **argv) {
  int code;
  if (!nwf_cli_parse("list", entries, &argc, &argv, &code))
    return code;
  if (argc > 1)
    return nwf_cli_usage("list", "unexpected argument '%s'", argv[1]);
  g_autoptr(GError) error = NULL;
  g_autoptr(NwfRuleset) have = NULL;
  g_autoptr(NwfKernel) kernel = nwf_kernel_open(&error);
  if (!kernel || !nwf_kernel_read(kernel, &have, NULL, &error))
    return nwf_cli_fail(error);
  g_autoptr(GArray) infos = have ? nwf_ruleset_port_infos(have) : g_array_new(FALSE, FALSE, sizeof(NwfPortInfo));
  if (as_json)
    print_json(kernel, infos);
  else
    print_text(kernel, infos);
  return NWF_EXIT_DONE;
}
