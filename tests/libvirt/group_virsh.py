# SPDX-License-Identifier: LGPL-2.1-or-later
"""One script, given to the stock driver and to ours: what virsh prints is the same, or is a known difference."""
import fnmatch
import json
import os
import pathlib
import re

from harness import isolated, note, test
from host import OURS, STOCK, Host
from net import Bridge

HERE = pathlib.Path(__file__).resolve().parent
DIFFERENCES = HERE.parent.parent / "docs" / "differences.md"
UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")


def read_script(path):
    """Documents by name, and commands in order: their name (numbered if said again), words, editor."""
    files, commands, name, said = {}, [], None, {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if name:
            if line == "end":
                name = None
            else:
                files[name] += line + "\n"
        elif line.startswith("file "):
            name = line.split()[1]
            files[name] = ""
        elif line and not line.startswith("#"):
            words, sed = line.split(), None
            if words[0] == "edit":
                sed, words = words[1], words[2:]
            said[line] = said.get(line, 0) + 1
            commands.append((line if said[line] == 1 else f"{line} #{said[line]}", words, sed))
    return files, commands


class Naming:
    """Makes the UUIDs that a driver made up the same: first seen, first numbered."""

    def __init__(self, known):
        self.known, self.made = known, {}

    def __call__(self, text):
        def name(match):
            if match[0] in self.known:
                return match[0]
            return self.made.setdefault(match[0], f"(made uuid {len(self.made) + 1})")
        return UUID.sub(name, text)


def play(options, driver, files, commands):
    """What virsh says to each command."""
    host = Host(options)
    host.start(driver)
    Bridge().many(["vm1", "vm2"])
    for name, text in files.items():
        host.write(name, text)
    naming = Naming(set(UUID.findall("".join(files.values()))))
    said = {}
    for name, words, sed in commands:
        environment = {}
        if sed:
            script = host.write("editor", f"#!/bin/sh\nsed -i '{sed}' \"$1\"\n")
            host.path(script).chmod(0o755)
            environment = {"EDITOR": script, "VISUAL": script}
        words = [f"/run/nwfilter-test/{word}" if word.endswith(".xml") else word for word in words]
        result = host.virsh(*words, check=False, environment=environment)
        said[name] = {"code": result.returncode, "out": naming(result.stdout), "err": naming(result.stderr)}
    host.stop()
    return said


def record(options, driver, files, commands):
    path = options.folder / f"virsh-{driver}-{len(list(options.folder.iterdir()))}.json"

    def work():
        path.write_text(json.dumps(play(options, driver, files, commands)), encoding="utf-8")

    result = isolated(work, options.seconds)
    assert not result, f"{driver}: {result}"
    return json.loads(path.read_text(encoding="utf-8"))


def kinds(answer):
    """The answer without the words behind an error's kind ("error: XML error: ...")."""
    lines = [re.sub(r"^(error: [^:]*:).*", r"\1", line) for line in answer["err"].splitlines()
             if line.startswith("error: ")]
    return answer["code"], answer["out"], lines


class Known:
    """Lines of known-virsh-differences."""

    def __init__(self):
        headings = {re.sub(r"[^a-z0-9]+", "-", line[4:].lower()).strip("-") for line in
                    DIFFERENCES.read_text(encoding="utf-8").splitlines() if line.startswith("### ")}
        self.lines, self.used = [], set()
        for line in (HERE / "known-virsh-differences").read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                extent, heading, pattern = line.split(" ", 2)
                assert extent in ("words", "all"), line
                assert heading in headings, f"docs/differences.md has no section {heading}"
                self.lines.append((extent, pattern, line))

    def has(self, name, stock, ours):
        for extent, pattern, line in self.lines:
            if fnmatch.fnmatchcase(name, pattern) and (extent == "all" or kinds(stock) == kinds(ours)):
                self.used.add(line)
                return True
        return False

    def unused(self):
        return [line for _, _, line in self.lines if line not in self.used]


def shown(answer):
    text = answer["out"] + answer["err"]
    return "\n".join(f"    {line}" for line in [f"ends with {answer['code']}", *text.strip().splitlines()])


def save(options, driver, said):
    """For whoever wants to read all answers: NWF_ANSWERS=FOLDER."""
    folder = os.environ.get("NWF_ANSWERS")
    if folder:
        text = "".join(f"{name}\n{shown(answer)}\n" for name, answer in said.items())
        (pathlib.Path(folder) / f"answers-{driver}").write_text(text, encoding="utf-8")


@test
def virsh_prints_what_it_prints_with_the_stock_driver(options):
    files, commands = read_script(HERE / "virsh-script")
    known = Known()
    stock = record(options, STOCK, files, commands)
    ours = record(options, OURS if options.module else STOCK, files, commands)
    save(options, STOCK, stock)
    save(options, OURS, ours)
    differing = [name for name, _, _ in commands if stock[name] != ours[name]]
    surprises = [name for name in differing if not known.has(name, stock[name], ours[name])]
    for name in surprises:
        note(f"{name}\n  stock:\n{shown(stock[name])}\n  ours:\n{shown(ours[name])}")
    note(f"{len(commands)} commands, {len(differing)} answers differ, {len(surprises)} of them unexpectedly")
    if options.module:
        assert not surprises, f"{len(surprises)} answers differ and are not known to"
        assert not known.unused(), "no longer needed:\n" + "\n".join(known.unused())
