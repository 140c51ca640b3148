# SPDX-License-Identifier: LGPL-2.1-or-later
"""check: what is wrong, and what is only suspicious."""
import pathlib
import re

from harness import IP, equal, generation, has, has_not, test


def error_of(lab, text, *says, line):
    path = lab.write("bad.xml", text)
    result = lab.check(path, code=1)
    equal(result.stdout, "")
    assert result.stderr.startswith(f"{path}:{line}: "), result.stderr
    has(result.stderr, *says)
    has_not(result.stderr, "warning")


def warning_of(lab, text, *says, line):
    path = lab.write("odd.xml", text)
    result = lab.check(path)
    has(result.stderr, f"{path}:{line}: warning: ", *says)


def filter_xml(*lines, chain="root"):
    return f"<filter name='odd' chain='{chain}'>\n" + "\n".join(lines) + "\n</filter>\n"


@test
def stock_filters_have_nothing_to_complain_of(lab):
    paths = sorted(map(str, pathlib.Path(lab.filters).glob("*.xml")))
    result = lab.check(*paths)
    equal(result.stdout + result.stderr, "")
    for path in paths:
        result = lab.check(path)
        equal(result.stdout + result.stderr, "", path)


@test
def good_binding_has_nothing_to_complain_of(lab):
    result = lab.check(lab.bind("tap0"))
    equal(result.stdout + result.stderr, "")


@test
def check_leaves_the_kernel_alone(lab):
    before = generation()
    lab.check(lab.bind("tap0"), f"{lab.filters}/clean-traffic.xml")
    equal(generation(), before)


@test
def broken_xml_is_an_error_at_its_line(lab):
    error_of(lab, "<filter name='x'>\n  <rule action='drop'\n</filter>\n", "not well-formed", line=3)
    error_of(lab, "", line=1)
    error_of(lab, "<network/>", line=1)


@test
def bad_values_are_errors_at_their_line(lab):
    for rule, says in [("<rule action='drop' direction='out'><ip srcipaddr='10.0.0.256'/></rule>", "10.0.0.256"),
                       ("<rule action='drop' direction='out'><tcp dstportstart='65536'/></rule>", "65536"),
                       ("<rule action='drop' direction='out'><vlan vlanid='4096'/></rule>", "4096"),
                       ("<rule action='drop' direction='out'><ip dscp='64'/></rule>", "64"),
                       ("<rule action='drop' direction='out'><mac srcmacaddr='52:54:00:00:01'/></rule>", "52:54"),
                       ("<rule action='maybe' direction='out'/>", "maybe"),
                       ("<rule action='drop' direction='up'/>", "up")]:
        error_of(lab, filter_xml(rule), says, line=2)


@test
def bad_chain_and_priority_are_errors(lab):
    error_of(lab, filter_xml(chain="nochain"), "nochain", line=1)
    error_of(lab, "<filter name='x' chain='ipv4' priority='1001'/>", "1001", line=1)


@test
def reference_loop_is_an_error(lab):
    lab.write("loop/a.xml", "<filter name='a'>\n<filterref filter='b'/></filter>")
    lab.write("loop/b.xml", "<filter name='b'>\n<filterref filter='a'/></filter>")
    result = lab.run("check", "--filters", str(lab.folder / "loop"), str(lab.folder / "loop/a.xml"), code=1)
    assert re.match(r"\S+/[ab]\.xml:\d+: ", result.stderr), result.stderr


@test
def every_file_is_checked_after_a_bad_one(lab):
    one, two = lab.write("one.xml", "<filter"), lab.write("two.xml", "<filter")
    result = lab.check(one, two, "/nonexistent", code=1)
    has(result.stderr, f"{one}:1: ", f"{two}:1: ", "/nonexistent: ", "No such file")


@test
def bad_binding_is_an_error(lab):
    for text, says in [("<filterbinding", "not well-formed"),
                       ("<filterbinding><portdev name='0123456789abcdef'/></filterbinding>", "0123456789abcdef"),
                       ("<filterbinding><portdev name='a/b'/></filterbinding>", "a/b")]:
        path = lab.write("binding.xml", text)
        has(lab.check(path, code=1).stderr, f"{path}:1: ", says)


@test
def bad_value_in_a_binding_is_an_error(lab):
    result = lab.check(lab.bind("tap0", IP="10.0.0.256"), code=1)
    has(result.stderr, "10.0.0.256", "IP")


@test
def parameters_that_libvirt_passes_over_are_a_warning(lab):
    path = lab.bind("tap0", IP=["10.0.0.1", ""], TENANT="blue-team")
    for command in ("check", "compile"):
        result = lab.run(command, "--filters", lab.filters, path)
        has(result.stderr, f"{path}:", "warning: port tap0: the parameter TENANT='blue-team' is passed over", "IP=''")
    result = lab.check(lab.bind("tap0", "allow-dhcp-server", DHCPSERVER="dhcp-1"))
    has(result.stderr, "DHCPSERVER='dhcp-1'", "neither port tap0 nor a reference on the way gives the variable DHCPSERVER")


@test
def chain_end_is_said_or_chosen(lab):
    lab.write("ends/sub.xml", "<filter name='sub' chain='mac'>\n<rule action='return' direction='in'>"
                              "<mac dstmacaddr='$MAC'/></rule></filter>")
    lab.write("ends/web.xml", "<filter name='web'><filterref filter='sub'/><rule action='drop' direction='in'/></filter>")
    binding = lab.bind("tap0", "web")
    arguments = ("--filters", str(lab.folder / "ends"), binding)
    for command in ("check", "compile"):
        result = lab.run(command, *arguments)
        has(result.stderr, "sub.xml:2: warning: filter sub: chain mac ends without a verdict")
        result = lab.run(command, "--chain-end", "accept", *arguments)
        has_not(result.stderr, "chain mac ends")
        has(lab.run(command, "--chain-end", "drop", *arguments, code=2).stderr, "--chain-end drop")
    default, chosen = (lab.run("compile", *chosen, *arguments).stdout for chosen in ([], ["--chain-end", "accept"]))
    equal(default, lab.run("compile", "--chain-end", "return", *arguments).stdout)
    assert default != chosen


@test
def unreachable_rule_is_a_warning(lab):
    warning_of(lab, filter_xml("<rule action='drop' direction='out'/>", "<rule action='accept' direction='out'/>"),
               "reach", "accept out", line=3)


@test
def rule_without_effect_is_a_warning(lab):
    warning_of(lab, filter_xml("<rule action='continue' direction='out'/>"), "no effect", line=2)


@test
def missing_reference_is_a_warning(lab):
    warning_of(lab, filter_xml("<filterref filter='nowhere'/>"), "'nowhere'", line=2)


@test
def missing_filter_of_a_binding_is_a_warning(lab):
    path = lab.bind("tap0", "nowhere")
    has(lab.check(path).stderr, f"{path}:", "warning: ", "'nowhere'")


@test
def variable_that_nobody_gives_is_a_warning(lab):
    lab.write("mine/odd.xml", filter_xml("<rule action='drop' direction='out'><ip srcipaddr='$PEER'/></rule>"))
    mine = ("--filters", str(lab.folder / "mine"))
    has(lab.check(*mine, lab.bind("tap0", "odd")).stderr, "odd.xml:2: warning: ", "PEER")
    equal(lab.check(*mine, lab.bind("tap0", "odd", PEER=IP)).stderr, "")


@test
def open_chain_end_is_a_warning(lab):
    warning_of(lab, filter_xml("<rule action='accept' direction='out'><ip srcipaddr='10.0.0.1'/></rule>",
                               "<filterref filter='no-other-l2-traffic'/>", chain="ipv4"),
               "chain ipv4 ends without a verdict", line=2)


@test
def edited_copy_stands_for_the_installed_filter(lab):
    copy = lab.write("clean-traffic.xml", "<filter name='clean-traffic'>\n<filterref filter='nowhere'/>\n</filter>")
    has(lab.check(copy, lab.bind("tap0")).stderr, f"{copy}:2: warning: ")


@test
def broken_file_of_a_directory_is_reported_and_its_filter_missing(lab):
    broken = lab.write("mine/broken.xml", "<filter name='broken'")
    result = lab.check("--filters", str(lab.folder / "mine"), lab.bind("tap0", "broken"))
    has(result.stderr, f"{broken}:", "not well-formed", "no filter directory has the filter 'broken'")


@test
def missing_filter_directory_is_an_error(lab):
    result = lab.run("check", "--filters", "/nonexistent", f"{lab.filters}/clean-traffic.xml", code=1)
    assert result.stderr.startswith("/nonexistent: "), result.stderr
