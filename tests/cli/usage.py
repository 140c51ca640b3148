# SPDX-License-Identifier: LGPL-2.1-or-later
"""Help, wrong usage, and who may."""
import os
import shutil
import subprocess

from harness import Skip, equal, has, ruleset, test

COMMANDS = ["compile", "check", "apply", "list", "delete", "enable", "disable", "status"]
OPTIONS = {
    "compile": ["--filters", "--format", "--filter", "--port", "--mac", "--param"],
    "check": ["--filters"],
    "apply": ["--filters", "--bindings", "--dry-run"],
    "list": ["--json", "--state-dir"],
    "delete": [],
    "enable": ["--service", "--now", "--links", "--root", "--dry-run"],
    "disable": ["--now", "--root", "--dry-run"],
    "status": ["--json"],
}


@test
def help_names_every_command(lab):
    for way in ["--help", "-h", "help"]:
        result = lab.run(way)
        equal(result.stderr, "")
        has(result.stdout, "Usage:", *COMMANDS)


@test
def help_of_a_command_names_its_options(lab):
    for command in COMMANDS:
        for arguments in [(command, "--help"), (command, "-h"), ("help", command)]:
            result = lab.run(*arguments)
            equal(result.stderr, "")
            has(result.stdout, f"nwfilter-nft {command}", *OPTIONS[command])


@test
def help_wins_over_what_is_missing(lab):
    has(lab.run("apply", "--dry-run", "--help").stdout, "Usage:")


@test
def version_is_one_line(lab):
    result = lab.run("--version")
    equal(result.stdout.split()[0], "nwfilter-nft")
    equal(len(result.stdout.splitlines()), 1)


def is_refused(lab, *arguments, says):
    result = lab.run(*arguments, code=2)
    equal(result.stdout, "", "stdout")
    has(result.stderr, says, "--help")


@test
def no_command_is_wrong_usage(lab):
    result = lab.run(code=2)
    equal(result.stdout, "")
    has(result.stderr, "Usage:")


@test
def unknown_command_is_wrong_usage(lab):
    is_refused(lab, "frobnicate", says="'frobnicate'")
    is_refused(lab, "--frobnicate", says="'--frobnicate'")
    is_refused(lab, "", says="''")


@test
def unknown_option_is_wrong_usage(lab):
    for command in COMMANDS:
        is_refused(lab, command, "--frobnicate", says="--frobnicate")


@test
def missing_arguments_are_wrong_usage(lab):
    is_refused(lab, "compile", says="no binding")
    is_refused(lab, "compile", "--filter", "clean-traffic", says="--port")
    is_refused(lab, "compile", "--port", "tap0", says="--filter")
    is_refused(lab, "compile", "--param", "IP=10.0.0.1", "x.xml", says="--filter")
    is_refused(lab, "check", says="no file")
    is_refused(lab, "apply", says="--bindings")
    is_refused(lab, "apply", "--bindings", says="--bindings")


@test
def surplus_arguments_are_wrong_usage(lab):
    for command in ["list", "enable", "disable", "status"]:
        is_refused(lab, command, "tap0", says="'tap0'")
    is_refused(lab, "apply", "--bindings", str(lab.bindings), "tap0", says="'tap0'")


@test
def wrong_option_values_are_wrong_usage(lab):
    one = ["compile", "--filter", "clean-traffic", "--port", "tap0"]
    is_refused(lab, *one, "--mac", "nonsense", says="nonsense")
    is_refused(lab, *one, "--mac", "52:54:00:00:00:01", "--param", "IP", says="NAME=VALUE")
    is_refused(lab, *one, "--mac", "52:54:00:00:00:01", "--param", "IP=", says="IP")
    is_refused(lab, "compile", "--format", "xml", "x.xml", says="xml")


@test
def full_disk_is_a_failure(lab):
    path = lab.bind("tap0")
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run([lab.program, "compile", "--filters", lab.filters, path], stdout=full,
                                stderr=subprocess.PIPE, text=True, check=False)
    equal(result.returncode, 1, "exit code")
    has(result.stderr, "standard output")


@test
def without_root_the_error_says_so(lab):
    if not shutil.which("setpriv"):
        raise Skip("no setpriv here")
    os.chmod(lab.folder, 0o755)
    program = shutil.copy(lab.program, lab.folder)
    filters = shutil.copytree(lab.filters, lab.folder / "filters")
    lab.bind("tap0")
    before = ruleset()
    for arguments in [["list"], ["delete"], ["delete", "tap0"],
                      ["apply", "--filters", str(filters), "--bindings", str(lab.bindings)],
                      ["apply", "--filters", str(filters), "--bindings", str(lab.bindings), "--dry-run"]]:
        result = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, *arguments],
                                capture_output=True, text=True, check=False)
        equal(result.returncode, 1, f"exit code of {arguments}: {result.stderr}")
        has(result.stderr, "not permitted", "root")
    equal(ruleset(), before)
