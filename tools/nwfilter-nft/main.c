// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli.h"

#include <stdio.h>
#include <string.h>

static const NwfCommand commands[] = {
    {"compile", "[BINDING.xml...]", "print the table that filters and bindings make",
     "Compiles bindings (files, or one given by --filter, --port, --mac and --param) and prints the\n"
     "table as a document that `nft -f` loads as it is.",
     nwf_command_compile},
    {"check", "FILE...", "say what is wrong or suspicious in filters and bindings",
     "Checks filter and binding documents. Errors end in exit code 1; warnings do not.", nwf_command_check},
    {"apply", "--bindings DIR", "make the kernel hold exactly these bindings",
     "Compiles every *.xml in the directory and changes the kernel's table, in one transaction, so\n"
     "that it holds exactly these bindings.",
     nwf_command_apply},
    {"list", "", "show the ports that the kernel's table filters",
     "Reads the table back from the kernel and shows its ports with their filters and parameters.", nwf_command_list},
    {"delete", "[PORT...]", "take ports out of the kernel's table",
     "Takes the named ports out of the table in one transaction; without a name, the whole table.", nwf_command_delete},
};

const NwfCommand *nwf_command_find(const char *name) {
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
    if (strcmp(commands[i].name, name) == 0)
      return &commands[i];
  return NULL;
}

static void print_help(FILE *to) {
  fputs("Usage: nwfilter-nft COMMAND [OPTION...] [ARGUMENT...]\n\n"
        "libvirt's network filters as one nftables table of the bridge family.\n\nCommands:\n",
        to);
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
    fprintf(to, "  %-8s %-18s %s\n", commands[i].name, commands[i].arguments, commands[i].summary);
  fputs("\n`nwfilter-nft COMMAND --help` tells more; nwfilter-nft(1) tells all.\n"
        "Options:\n  -h, --help     show this\n  --version      show the version\n\n"
        "Exit code: 0 done, 1 failed, 2 wrong usage.\n",
        to);
}

int main(int argc, char **argv) {
  if (argc < 2) {
    print_help(stderr);
    return NWF_EXIT_USAGE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
    print_help(stdout);
    return NWF_EXIT_DONE;
  }
  if (strcmp(argv[1], "--version") == 0) {
    puts("nwfilter-nft " NWF_VERSION);
    return NWF_EXIT_DONE;
  }
  const NwfCommand *command = nwf_command_find(argv[1]);
  if (!command) {
    fprintf(stderr, "nwfilter-nft: there is no command '%s'\nTry `nwfilter-nft --help`.\n", argv[1]);
    return NWF_EXIT_USAGE;
  }
  nwf_xml_init();
  return command->run(argc - 1, argv + 1);
}
