# SPDX-License-Identifier: LGPL-2.1-or-later
"""compile: documents that nft loads."""
import json
import pathlib
import re

from harness import IP, MAC, equal, generation, has, nft, objects, ruleset, test

VALUES = {"IP": [IP, "10.0.0.2"], "IPV6": ["fe80::1"], "GATEWAY_MAC": ["52:54:00:00:00:fe"],
          "DHCPSERVER": ["10.0.0.254"]}


def variables(lab, name):
    """A value for each variable of the stock filters, of the kind that the filter @name wants."""
    text = "".join(path.read_text() for path in pathlib.Path(lab.filters).glob("*.xml"))
    values = {variable: VALUES[variable] for variable in set(re.findall(r"\$(\w+)", text)) - {"MAC"}}
    if "v6" in name:
        values["DHCPSERVER"] = ["fe80::fe"]
    return values


def stock(lab):
    return sorted(path.stem for path in pathlib.Path(lab.filters).glob("*.xml"))


def from_options(lab, filter_name, port="tap0", **parameters):
    parameters = [f"--param={name}={value}" for name, values in parameters.items() for value in values]
    return ["--filter", filter_name, "--port", port, "--mac", MAC, *parameters]


@test
def files_and_options_give_the_same_table(lab):
    for name in stock(lab):
        values = variables(lab, name)
        path = lab.bind("tap0", name, **values)
        for form in ["nft", "json"]:
            options = lab.compile("--format", form, *from_options(lab, name, **values))
            has(options, "nwfilter", "tap0")
            equal(options, lab.compile("--format", form, path), f"{name} as {form}")


@test
def text_of_every_stock_filter_loads_and_is_what_apply_makes(lab):
    for name in stock(lab):
        path = lab.bind("tap0", name, **variables(lab, name))
        nft("-f", "-", text=lab.compile(path))
        has(lab.apply().stdout, "nothing to change: 1 port\n")


@test
def json_of_every_stock_filter_loads(lab):
    for name in stock(lab):
        path = lab.bind("tap0", name, **variables(lab, name))
        document = lab.compile("--format", "json", path)
        json.loads(document)
        nft("-j", "-f", "-", text=document)
        assert "tap0" in lab.ports(), f"{name}: no port in\n{ruleset()}"


@test
def json_and_text_load_as_the_same_table(lab):
    path = lab.bind("tap0", "no-mac-spoofing")
    nft("-f", "-", text=lab.compile(path))
    text = ruleset()
    has(text, "tap0")
    nft("-j", "-f", "-", text=lab.compile("--format", "json", path))
    equal(ruleset(), text)


@test
def several_files_make_one_table(lab):
    paths = [lab.bind(f"tap{i}") for i in range(3)]
    nft("-f", "-", text=lab.compile(*paths))
    equal(sorted(lab.ports()), ["tap0", "tap1", "tap2"])


@test
def document_replaces_the_table_and_nothing_else(lab):
    nft("add", "table", "bridge", "other")
    nft("-f", "-", text=lab.compile(lab.bind("tap0")))
    nft("-f", "-", text=lab.compile(lab.bind("tap1")))
    equal(sorted(lab.ports()), ["tap1"])
    has(ruleset(), "table bridge other")


@test
def compile_leaves_the_kernel_alone(lab):
    before = generation()
    lab.compile(lab.bind("tap0"))
    equal(generation(), before)


def is_place(lab, place):
    name, line = place.rsplit(":", 1)
    text = (pathlib.Path(lab.filters) / f"{name}.xml").read_text().splitlines()
    return "<rule" in text[int(line) - 1]


@test
def every_rule_leads_back_to_its_filter_and_line(lab):
    seen = set()
    for name in stock(lab):
        nft("-f", "-", text=lab.compile(lab.bind("tap0", name, **variables(lab, name))))
        base = {chain["name"] for chain in objects("chain") if "hook" in chain}
        for rule in objects("rule"):
            if rule["chain"] in base:
                continue  # the lookup comes from no filter
            if rule["expr"] == [{"accept": None}] and "comment" not in rule:
                continue  # what falls off the end of root
            if "-rest-" in rule["chain"]:
                continue  # what has an entry elsewhere
            has(rule.get("comment", ""), ":")
            for place in rule["comment"].split():
                assert is_place(lab, place), f"{name}: {place} is no rule"
                seen.add(place)
    assert len(seen) > 10, f"only {seen}"


@test
def failing_compile_prints_no_table(lab):
    for arguments, says in [((lab.bind("tap0", "nowhere"),), "nowhere"),
                            ((lab.bind("tap1", "no-ip-spoofing"),), "IP"),
                            (("/nonexistent.xml",), "/nonexistent.xml: ")]:
        result = lab.run("compile", "--filters", lab.filters, *arguments, code=1)
        equal(result.stdout, "")
        has(result.stderr, says)


@test
def missing_value_is_named_with_file_and_line(lab):
    error = lab.run("compile", "--filters", lab.filters, lab.bind("tap1", "no-ip-spoofing"), code=1).stderr
    assert re.match(r"\S*no-ip-spoofing\.xml:\d+: port tap1: .*\bIP\b", error), error


@test
def later_directory_has_the_last_word(lab):
    lab.write("mine/clean-traffic.xml", "<filter name='clean-traffic'><rule action='drop' direction='inout'/></filter>")
    one = from_options(lab, "clean-traffic", IP=[IP])
    mine = lab.compile("--filters", str(lab.folder / "mine"), *one)
    stock_text = lab.run("compile", "--filters", str(lab.folder / "mine"), "--filters", lab.filters, *one).stdout
    equal(stock_text, lab.compile(*one))
    assert mine != stock_text


@test
def parameters_given_again_make_a_list(lab):
    text = lab.compile(*from_options(lab, "no-arp-ip-spoofing", IP=["10.0.0.1", "10.0.0.2"]))
    has(text, "IP=10.0.0.1,10.0.0.2")


@test
def names_that_nft_cannot_write_are_refused_and_apply_takes_them(lab):
    for port, form in [('a"b', "nft"), ("@a", "json")]:
        path = lab.bind(port, file="odd")
        result = lab.run("compile", "--filters", lab.filters, "--format", form, path, code=1)
        has(result.stderr, f"{path}:", port)
        equal(result.stdout, "")
        lab.apply()
        equal(list(lab.ports()), [port])
