# SPDX-License-Identifier: LGPL-2.1-or-later
"""list and delete."""
import json

from harness import IP, MAC, equal, generation, has, has_not, nft, ruleset, test


@test
def list_shows_ports_with_filter_and_parameters(lab):
    lab.bind("tap0", IP=[IP, "10.0.0.2"])
    lab.bind("tap1", "no-mac-spoofing", mac="52:54:00:00:00:02")
    lab.apply()
    lines = lab.run("list").stdout.splitlines()
    equal(len(lines), 3)
    has(lines[1], "tap0", "clean-traffic", f"MAC={MAC}", f"IP={IP},10.0.0.2")
    has(lines[2], "tap1", "no-mac-spoofing", "MAC=52:54:00:00:00:02")


@test
def list_as_json_has_the_same_and_numbers(lab):
    lab.bind("tap0", IP=[IP, "10.0.0.2"])
    lab.apply()
    ports = json.loads(lab.run("list", "--json").stdout)["ports"]
    equal(len(ports), 1)
    port = ports[0]
    equal((port["port"], port["filter"], port["parameters"], port["truncated"]),
          ("tap0", "clean-traffic", {"MAC": [MAC], "IP": [IP, "10.0.0.2"]}, False))
    for number in ["elements", "chains", "rules"]:
        assert isinstance(port[number], int) and port[number] > 0, port


@test
def list_knows_filters_with_spaces_in_their_names(lab):
    mine = lab.write("mine/own.xml", "<filter name='my own filter'><rule action='drop' direction='out'/></filter>")
    lab.bind("tap0", "my own filter")
    lab.apply("--filters", mine.rsplit("/", 1)[0])
    equal(lab.ports()["tap0"]["filter"], "my own filter")


@test
def list_says_when_parameters_did_not_fit(lab):
    lab.bind("tap0", IP=[f"10.0.0.{i}" for i in range(1, 100)])
    lab.apply()
    equal(lab.ports()["tap0"]["truncated"], True)


@test
def list_without_a_table_is_empty(lab):
    equal(lab.run("list").stdout, "no port is bound\n")
    equal(lab.ports(), {})
    nft("add", "table", "bridge", "nwfilter")
    equal(lab.run("list").stdout, "no port is bound\n")
    equal(lab.ports(), {})


@test
def list_leaves_the_kernel_alone(lab):
    lab.bind("tap0")
    lab.apply()
    before = generation()
    lab.run("list")
    equal(generation(), before)
    equal(list(lab.ports()), ["tap0"])


@test
def deleted_port_goes_and_the_others_stay(lab):
    lab.bind("tap0")
    lab.apply()
    alone = ruleset()
    lab.bind("tap1", "no-ip-multicast")
    lab.apply()
    result = lab.run("delete", "tap1").stdout
    has(result, "unbound tap1\n", "0 bound, 0 changed, 1 unbound")
    has_not(result, "tap0")
    equal(ruleset(), alone)


@test
def several_ports_are_deleted_in_one_transaction(lab):
    for i in range(4):
        lab.bind(f"tap{i}")
    lab.apply()
    before = generation()
    lab.run("delete", "tap1", "tap3")
    equal(generation(), before + 1)
    equal(sorted(lab.ports()), ["tap0", "tap2"])


@test
def unknown_port_is_an_error_and_nothing_is_deleted(lab):
    lab.bind("tap0")
    lab.apply()
    before = generation()
    for names in [["tap9"], ["tap0", "tap9"], [""], ["tap0", "tap0"]]:
        result = lab.run("delete", *names, code=1)
        has(result.stderr, f"port {names[-1]} is not bound")
    equal(generation(), before)
    equal(list(lab.ports()), ["tap0"])


@test
def unknown_port_without_a_table_is_an_error(lab):
    has(lab.run("delete", "tap0", code=1).stderr, "port tap0 is not bound")


@test
def last_port_takes_the_table_with_it(lab):
    lab.bind("tap0")
    lab.apply()
    has(ruleset(), "tap0")
    lab.run("delete", "tap0")
    equal(ruleset(), "")


@test
def delete_without_a_name_deletes_the_table(lab):
    lab.bind("tap0")
    lab.bind("tap1")
    lab.apply()
    has(lab.run("delete").stdout, "unbound tap0\n", "unbound tap1\n", "deleted the table\n")
    equal(ruleset(), "")
    before = generation()
    has(lab.run("delete").stdout, "nothing to change: 0 ports")
    equal(generation(), before)


@test
def deleted_port_comes_back_with_the_next_apply(lab):
    lab.bind("tap0")
    lab.bind("tap1")
    lab.apply()
    lab.run("delete", "tap1")
    has(lab.apply().stdout, "bound tap1\n", "1 bound, 0 changed, 0 unbound")


STATE = """[port]
mac=52:54:00:00:00:01
owner=5f0e5f4a-6c3d-4f0e-9f0c-111111111111

[1]
address=10.0.0.5
how=dhcp
until=4102444800
server=10.0.0.254

[2]
address=10.0.0.6
how=arp
until=0

[3]
address=10.0.0.7
how=dhcp
until=1000
server=10.0.0.254
"""


@test
def list_shows_what_was_learned_and_has_not_ended(lab):
    lab.bind("tap0")
    lab.bind("tap1")
    lab.apply()
    directory = lab.write("state/tap0.state", STATE).rsplit("/", 1)[0]
    ports = json.loads(lab.run("list", "--json", "--state-dir", directory).stdout)["ports"]
    equal([port["learned"] for port in ports], [
        [{"address": "10.0.0.5", "how": "dhcp", "until": "2100-01-01T00:00:00Z", "server": "10.0.0.254"},
         {"address": "10.0.0.6", "how": "arp", "until": None, "server": None}], []])
    text = lab.run("list", "--state-dir", directory).stdout
    has(text, "learned 10.0.0.5 (dhcp from 10.0.0.254, until 2", "learned 10.0.0.6 (arp)\n")
    has_not(text, "10.0.0.7")


@test
def state_that_is_no_state_is_a_warning(lab):
    lab.bind("tap0")
    lab.apply()
    directory = lab.write("state/tap0.state", "nonsense").rsplit("/", 1)[0]
    result = lab.run("list", "--json", "--state-dir", directory)
    has(result.stderr, "tap0.state", "warning")
    equal(json.loads(result.stdout)["ports"][0]["learned"], [])
