# SPDX-License-Identifier: LGPL-2.1-or-later
"""What others did to the table is put right by the next apply."""
from harness import TABLE, equal, generation, has, nft, objects, ruleset, test


def rules_without_handles():
    return sorted((rule["chain"], str(rule["expr"]), rule.get("comment", "")) for rule in objects("rule"))


def in_any_order(text):
    """Elements of a set, and sets, come in the order of their hashes."""
    return sorted(part.strip(" \t,{}") for part in text.replace(",", "\n").splitlines())


def put_right(lab, tamper):
    lab.bind("tap0")
    lab.bind("tap1", "no-mac-spoofing", mac="52:54:00:00:00:02")
    lab.apply()
    rules, text = rules_without_handles(), ruleset()
    tamper()
    assert ruleset() != text, "nothing was tampered with"
    has(lab.apply().stdout, "in one transaction")
    equal(rules_without_handles(), rules)
    equal(in_any_order(ruleset()), in_any_order(text))
    before = generation()
    has(lab.apply().stdout, "nothing to change: 2 ports")
    equal(generation(), before)


def a_filter_rule():
    return next(rule for rule in objects("rule") if rule.get("comment"))


def place_of(rule):
    return (*TABLE, rule["chain"], "handle", str(rule["handle"]))


@test
def deleted_rule_comes_back(lab):
    put_right(lab, lambda: nft("delete", "rule", *place_of(a_filter_rule())))


@test
def deleted_dispatch_rule_comes_back(lab):
    put_right(lab, lambda: nft("delete", "rule", *place_of(
        next(rule for rule in objects("rule") if rule["chain"] == "prerouting"))))


@test
def added_rule_goes(lab):
    put_right(lab, lambda: nft("insert", "rule", *TABLE, a_filter_rule()["chain"], "counter", "accept"))


@test
def added_rule_in_a_base_chain_goes(lab):
    put_right(lab, lambda: nft("insert", "rule", *TABLE, "prerouting", "accept"))


@test
def replaced_rule_comes_back(lab):
    put_right(lab, lambda: nft("replace", "rule", *place_of(a_filter_rule()), "accept"))


@test
def flushed_chain_is_filled(lab):
    put_right(lab, lambda: nft("flush", "chain", *TABLE, a_filter_rule()["chain"]))


@test
def flushed_table_is_filled(lab):
    put_right(lab, lambda: nft("flush", "table", *TABLE))


@test
def deleted_element_comes_back(lab):
    put_right(lab, lambda: nft("delete", "element", *TABLE, "from_port_other", '{ "tap0" }'))


@test
def added_element_goes(lab):
    put_right(lab, lambda: nft("add", "element", *TABLE, "from_port", '{ "tap7" . arp : accept }'))


@test
def changed_verdict_comes_back(lab):
    put_right(lab, lambda: nft("-f", "-", text="""
delete element bridge nwfilter to_port_other { "tap0" }
add element bridge nwfilter to_port_other { "tap0" : accept }
"""))


@test
def flushed_map_is_filled(lab):
    put_right(lab, lambda: nft("flush", "map", *TABLE, "to_port"))


@test
def added_chain_goes(lab):
    put_right(lab, lambda: nft("add", "chain", *TABLE, "foreign"))


@test
def added_base_chain_goes(lab):
    put_right(lab, lambda: nft("add", "chain", *TABLE, "foreign",
                               "{ type filter hook forward priority 0; policy drop; }"))


@test
def changed_policy_comes_back(lab):
    put_right(lab, lambda: nft("add", "chain", *TABLE, "prerouting",
                               "{ type filter hook prerouting priority -210; policy accept; }"))


@test
def added_set_goes(lab):
    put_right(lab, lambda: nft("add", "set", *TABLE, "foreign", "{ type ipv4_addr; }"))


@test
def dormant_table_wakes(lab):
    put_right(lab, lambda: nft("add", "table", *TABLE, "{ flags dormant; }"))


@test
def deleted_table_comes_back(lab):
    put_right(lab, lambda: nft("delete", "table", *TABLE))


@test
def flushed_ruleset_comes_back(lab):
    put_right(lab, lambda: nft("flush", "ruleset"))
