# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bad input ends in an error or in the right result, soon, within bounds, and never in half a table."""
import os
import resource

from harness import equal, generation, has, objects, ruleset, test

SECONDS = 20
MEMORY = 1 << 30
HEAD = "<filter name='odd'>\n"
BIND = "<filterbinding><owner><name>a</name></owner><portdev name='tap1'/><filterref filter='clean-traffic'>"


def bounded():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def entities():
    """Ten times ten times ten..."""
    lines = ["<!ENTITY a 'aaaaaaaaaa'>"]
    lines += [f"<!ENTITY {chr(98 + i)} '{('&' + chr(97 + i) + ';') * 10}'>" for i in range(12)]
    return f"<!DOCTYPE filter [{''.join(lines)}]>\n"


RULE = "<rule action='drop' direction='out'><all comment='%s'/></rule>"
FILTERS = {
    "deep": HEAD + "<a>" * 10000 + "</a>" * 10000 + "</filter>",
    "deeper": "<filter>" * 1000000,
    "entities": entities() + HEAD + RULE % "&m;" + "</filter>",
    "file": "<!DOCTYPE filter [<!ENTITY x SYSTEM 'file:///etc/hostname'>]>\n" + HEAD + RULE % "&x;" + "</filter>",
    "schema": "<!DOCTYPE filter SYSTEM 'http://127.0.0.1:1/x.dtd'>\n" + HEAD + RULE % "x" + "</filter>",
    "long-name": f"<filter name='{'x' * 10000000}'/>",
    "long-value": HEAD + RULE % ("x" * 10000000) + "</filter>",
    "huge": HEAD + (RULE % "x" + "\n") * 1200000 + "</filter>",
    "nothing": "",
    "binary": "\0\1\2\3" * 1000,
    "undecodable": "<?xml version='1.0' encoding='no-such-encoding'?><filter name='x'/>",
}


@test
def hostile_filters_are_refused_soon(lab):
    for name, text in FILTERS.items():
        path = lab.write(f"{name}.xml", text)
        result = lab.check(path, code=1, timeout=SECONDS, preexec_fn=bounded)
        assert result.stderr.startswith(path), f"{name}: {result.stderr[:300]}"
        assert len(result.stderr) < 4096, f"{name}: an error of {len(result.stderr)} bytes"
        os.unlink(path)


@test
def hostile_bindings_change_nothing(lab):
    lab.bind("tap0")
    lab.apply()
    before, at = ruleset(), generation()
    documents = {
        "deep": BIND + "<a>" * 10000,
        "entities": entities() + BIND + "<parameter name='IP' value='&m;'/></filterref></filterbinding>",
        "file": "<!DOCTYPE x SYSTEM 'file:///etc/passwd'>" + BIND + "</filterref></filterbinding>",
        "huge": BIND + "<parameter name='IP' value='10.0.0.1'/>\n" * 2000000 + "</filterref></filterbinding>",
        "cut-short": BIND + "<parameter name='IP' value='10.0.0.1'/>",
    }
    for name, text in documents.items():
        path = lab.write("bindings/tap1.xml", text)
        result = lab.apply(code=1, timeout=SECONDS, preexec_fn=bounded)
        assert result.stderr.startswith(path), f"{name}: {result.stderr[:300]}"
        equal((ruleset(), generation()), (before, at), name)


@test
def endless_file_is_refused(lab):
    result = lab.check("/dev/zero", code=1, timeout=SECONDS, preexec_fn=bounded)
    has(result.stderr, "/dev/zero: ")
    (lab.bindings / "tap0.xml").symlink_to("/dev/zero")
    has(lab.apply(code=1, timeout=SECONDS, preexec_fn=bounded).stderr, "tap0.xml: ")


@test
def directory_in_the_place_of_a_file_is_refused(lab):
    has(lab.check(str(lab.bindings), code=1).stderr, f"{lab.bindings}: ", "directory")
    (lab.bindings / "tap0.xml").mkdir()
    has(lab.apply(code=1).stderr, f"{lab.bindings}/tap0.xml: ")


@test
def other_encodings_are_read(lab):
    for encoding in ["utf-16", "iso-8859-1", "utf-8-sig"]:
        name = "utf-8" if encoding == "utf-8-sig" else encoding
        text = f"<?xml version='1.0' encoding='{name}'?>\n<filter name='odd'><rule action='drop' direction='out'>" \
               "<all comment='häh'/></rule></filter>"
        path = lab.folder / "odd.xml"
        path.write_bytes(text.encode(encoding))
        equal(lab.check(str(path)).stderr, "", encoding)


@test
def exploding_references_are_refused_or_done_soon(lab):
    """Each filter refers twice to the next: 2^60 ways to the last."""
    for i in range(60):
        lab.write(f"mine/f{i}.xml", f"<filter name='f{i}'>" + f"<filterref filter='f{i + 1}'/>" * 2 + "</filter>")
    lab.write("mine/f60.xml", "<filter name='f60'><rule action='drop' direction='out'/></filter>")
    lab.bind("tap0", "f0")
    before = ruleset()
    result = lab.apply("--filters", str(lab.folder / "mine"), code=1, timeout=SECONDS, preexec_fn=bounded)
    has(result.stderr, "tap0")
    equal(ruleset(), before)


@test
def exploding_iterators_are_refused_soon(lab):
    """Four lists of 1,000 values on iterators of their own: 10^12 rules."""
    lab.write("mine/odd.xml", "<filter name='odd'><rule action='drop' direction='out'>"
                              "<tcp srcipaddr='$A[@1]' dstipaddr='$B[@2]' srcportstart='$C[@3]' dstportstart='$D[@4]'/>"
                              "</rule></filter>")
    addresses = [f"10.0.{i >> 8}.{i & 255}" for i in range(1000)]
    ports = [str(i + 1) for i in range(1000)]
    lab.bind("tap0", "odd", A=addresses, B=addresses, C=ports, D=ports)
    before = ruleset()
    result = lab.apply("--filters", str(lab.folder / "mine"), code=1, timeout=SECONDS, preexec_fn=bounded)
    has(result.stderr, "odd.xml:1: ", "port tap0")
    equal(ruleset(), before)


@test
def hundred_thousand_addresses_are_one_set(lab):
    lab.bind("tap0", IP=[f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}" for i in range(100000)])
    lab.apply(timeout=SECONDS, preexec_fn=bounded)
    largest = max(len(each.get("elem", [])) for each in objects("set"))
    equal(largest, 100000)
    has(lab.apply(timeout=SECONDS).stdout, "nothing to change: 1 port\n")


@test
def hundred_thousand_values_twice_are_refused_or_done_soon(lab):
    """A list that is checked against itself for repetitions must not take the square of its length."""
    lab.bind("tap0", IP=["10.0.0.1"] * 100000)
    lab.apply(timeout=SECONDS, preexec_fn=bounded)
    equal(list(lab.ports()), ["tap0"])
