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
    {"enable", "", "make libvirt's daemon load our driver",
     "Writes a drop-in for libvirtd.service or virtnwfilterd.service, whichever the host uses, with\n"
     "which it loads nwfilter-nft's driver in the place of libvirt's own from its next start on.",
     nwf_command_enable},
    {"disable", "", "make it load libvirt's own driver again",
     "Removes what enable wrote. The table stays until libvirt's own driver has its rules in force,\n"
     "so that no guest is unfiltered in between.",
     nwf_command_disable},
    {"status", "", "say which driver serves, and who owns the table",
     "Shows whether the driver is enabled, which driver the daemons that run here have loaded, and\n"
     "who owns the kernel's table.",
     nwf_command_status},
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

/* A table that is cut short by a full disk must not count as printed. */
static int flush_output(int code) {
  if (fflush(stdout) == 0 && !ferror(stdout))
    return code;
  perror("nwfilter-nft: cannot write to standard output");
  return code == NWF_EXIT_DONE ? NWF_EXIT_FAILED : code;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    print_help(stderr);
    return NWF_EXIT_USAGE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || (strcmp(argv[1], "help") == 0 && argc == 2)) {
    print_help(stdout);
    return NWF_EXIT_DONE;
  }
  if (strcmp(argv[1], "--version") == 0) {
    puts("nwfilter-nft " NWF_VERSION);
    return NWF_EXIT_DONE;
  }
  gboolean help = strcmp(argv[1], "help") == 0; /* of the command behind it */
  const char *name = argv[help ? 2 : 1];
  const NwfCommand *command = nwf_command_find(name);
  if (!command) {
    fprintf(stderr, "nwfilter-nft: there is no %s '%s'\nTry `nwfilter-nft --help`.\n",
            name[0] == '-' ? "option" : "command", name);
    return NWF_EXIT_USAGE;
  }
  if (help)
    return flush_output(command->run(2, (char *[]){argv[2], (char *)"--help", NULL}));
  nwf_xml_init();
  return flush_output(command->run(argc - 1, argv + 1));
}
