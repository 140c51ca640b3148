# SPDX-License-Identifier: LGPL-2.1-or-later
"""apply: the kernel holds exactly the bindings of a directory, or stays as it was."""
import os
import pty
import shutil
import subprocess

from harness import IP, Skip, equal, generation, has, has_not, nft, objects, ruleset, test


def changes_nothing(lab, *arguments, **options):
    """Runs apply; what the kernel holds is the same afterwards, byte for byte and commit for commit."""
    before, at = ruleset(), generation()
    result = lab.apply(*arguments, **options)
    equal(generation(), at, "commits")
    equal(ruleset(), before)
    return result


def fails(lab, *says):
    result = changes_nothing(lab, code=1)
    equal(result.stdout, "")
    has(result.stderr, *says)
    return result.stderr


@test
def bindings_go_into_an_empty_kernel(lab):
    lab.bind("tap0")
    lab.bind("tap1", IP="10.0.0.2")
    has(lab.apply().stdout, "bound tap0\n", "bound tap1\n", "2 bound, 0 changed, 0 unbound")
    equal({name: port["parameters"]["IP"] for name, port in lab.ports().items()},
          {"tap0": ["10.0.0.1"], "tap1": ["10.0.0.2"]})


@test
def same_bindings_again_write_nothing(lab):
    lab.bind("tap0")
    lab.bind("tap1")
    lab.apply()
    for _ in range(3):
        equal(changes_nothing(lab).stdout, "nothing to change: 2 ports\n")


@test
def same_bindings_again_write_nothing_when_others_wrote_theirs(lab):
    lab.bind("tap0")
    lab.apply()
    nft("add", "table", "inet", "other")
    equal(changes_nothing(lab).stdout, "nothing to change: 1 port\n")


@test
def same_bindings_in_other_files_write_nothing(lab):
    os.rename(lab.bind("tap0"), lab.bindings / "other name.xml")
    lab.apply()
    os.rename(lab.bindings / "other name.xml", lab.bindings / "0.xml")
    equal(changes_nothing(lab).stdout, "nothing to change: 1 port\n")


@test
def changed_binding_changes_its_port_only(lab):
    lab.bind("tap0")
    lab.bind("tap1")
    lab.apply()
    lab.bind("tap1", IP="10.0.0.7")
    result = lab.apply().stdout
    has(result, "changed tap1\n", "0 bound, 1 changed, 0 unbound")
    has_not(result, "tap0")
    equal(lab.ports()["tap1"]["parameters"]["IP"], ["10.0.0.7"])
    equal(lab.ports()["tap0"]["parameters"]["IP"], [IP])


@test
def changed_filter_changes_its_ports(lab):
    mine = lab.write("mine/own.xml", "<filter name='own'><rule action='drop' direction='out'/></filter>")
    lab.bind("tap0", "own")
    lab.apply("--filters", os.path.dirname(mine))
    lab.write("mine/own.xml", "<filter name='own'><rule action='drop' direction='in'/></filter>")
    has(lab.apply("--filters", os.path.dirname(mine)).stdout, "changed tap0\n")


@test
def added_binding_leaves_the_others(lab):
    lab.bind("tap0")
    lab.apply()
    lab.bind("tap1")
    result = lab.apply().stdout
    has(result, "bound tap1\n", "1 bound, 0 changed, 0 unbound")
    equal(sorted(lab.ports()), ["tap0", "tap1"])


@test
def removed_binding_goes_with_all_it_had(lab):
    lab.bind("tap0")
    lab.apply()
    alone = ruleset()
    os.unlink(lab.bind("tap1", "clean-traffic-gateway", IP="10.0.0.9", GATEWAY_MAC="52:54:00:00:00:fe"))
    path = lab.bind("tap1", "no-ip-multicast")
    lab.apply()
    os.unlink(path)
    has(lab.apply().stdout, "unbound tap1\n", "0 bound, 0 changed, 1 unbound")
    equal(ruleset(), alone)


@test
def step_by_step_is_the_same_as_at_once(lab):
    for i in range(5):
        lab.bind(f"tap{i}", IP=f"10.0.0.{i + 1}")
        lab.apply()
    steps = sorted(ruleset().splitlines())
    equal(len(lab.ports()), 5)
    lab.run("delete")
    equal(ruleset(), "")
    lab.apply()
    equal(sorted(ruleset().splitlines()), steps)


@test
def broken_binding_changes_nothing(lab):
    lab.bind("tap0")
    lab.apply()
    lab.bind("tap2")
    path = lab.write("bindings/tap1.xml", "<filterbinding>\n<portdev name='tap1'>\n</filterbinding>\n")
    fails(lab, f"{path}:4: ")
    equal(sorted(lab.ports()), ["tap0"])


@test
def missing_filter_changes_nothing(lab):
    lab.bind("tap0")
    lab.apply()
    path = lab.bind("tap1", "nowhere")
    fails(lab, f"{path}:", "port tap1", "'nowhere'")


@test
def missing_variables_change_nothing(lab):
    lab.bind("tap0")
    lab.apply()
    lab.bind("tap1", "no-ip-spoofing")
    fails(lab, "no-ip-spoofing.xml:", "port tap1", "IP")


@test
def bad_value_changes_nothing(lab):
    lab.bind("tap0")
    lab.apply()
    for value in ["10.0.0.256", "52:54:00:00:00:01", "ten"]:
        lab.bind("tap1", IP=value)
        fails(lab, "port tap1", value)


@test
def missing_directory_changes_nothing(lab):
    lab.bind("tap0")
    lab.apply()
    shutil.rmtree(lab.bindings)
    assert fails(lab, "No such file").startswith(f"{lab.bindings}: ")


@test
def unreadable_binding_changes_nothing(lab):
    lab.bind("tap0")
    lab.apply()
    (lab.bindings / "tap1.xml").symlink_to("/nonexistent")
    fails(lab, f"{lab.bindings}/tap1.xml: ")


@test
def alternative_name_is_refused_with_the_real_one(lab):
    subprocess.run(["ip", "tuntap", "add", "tap7", "mode", "tap"], check=True)
    subprocess.run(["ip", "link", "property", "add", "dev", "tap7", "altname", "seventh"], check=True)
    lab.bind("seventh")
    fails(lab, "port seventh: this is an alternative name of the interface tap7")
    (lab.bindings / "seventh.xml").unlink()
    lab.bind("tap7")
    lab.apply()


@test
def two_files_of_one_port_are_both_named(lab):
    one, two = lab.bind("tap0"), lab.bind("tap0", file="zap", IP="10.0.0.2")
    fails(lab, one, two, "tap0")


@test
def broken_filter_is_reported_and_its_name_is_missing(lab):
    broken = lab.write("mine/own.xml", "<filter name='own'>")
    lab.write("theirs/own.xml", "<filter name='own'><rule action='accept' direction='out'/></filter>")
    lab.bind("tap0", "own")
    result = lab.apply("--filters", str(lab.folder / "theirs"), "--filters", str(lab.folder / "mine"), code=1)
    has(result.stderr, f"{broken}:1: ", "'own' is missing")


@test
def broken_filter_that_nobody_uses_is_reported(lab):
    broken = lab.write("mine/own.xml", "<filter name='own'>")
    lab.bind("tap0")
    result = lab.apply("--filters", str(lab.folder / "mine"))
    has(result.stderr, f"{broken}:1: ")
    equal(list(lab.ports()), ["tap0"])


@test
def other_files_of_the_directory_are_no_bindings(lab):
    lab.bind("tap0")
    lab.write("bindings/README", "no binding")
    lab.write("bindings/tap1.xml~", "<filterbinding")
    lab.apply()
    equal(list(lab.ports()), ["tap0"])


@test
def names_may_begin_with_a_dot(lab):
    lab.bind("tap0")
    os.rename(lab.bind("tap1"), f"{lab.bindings}/.tap1.xml")
    lab.apply()
    equal(sorted(lab.ports()), ["tap0", "tap1"])


@test
def what_is_no_file_is_not_waited_for(lab):
    lab.bind("tap0")
    os.mkfifo(f"{lab.bindings}/tap1.xml")
    has(fails(lab, "not a regular file"), "tap1.xml")
    os.unlink(f"{lab.bindings}/tap1.xml")
    (lab.folder / "more").mkdir()
    os.mkfifo(lab.folder / "more" / "pipe.xml")
    has(lab.apply("--filters", str(lab.folder / "more")).stderr, "pipe.xml: not a regular file")
    equal(list(lab.ports()), ["tap0"])


@test
def empty_directory_leaves_no_base_chain(lab):
    lab.apply()
    equal([chain for chain in objects("chain") if "hook" in chain], [])
    os.unlink(lab.bind("tap0"))
    lab.bind("tap0")
    lab.apply()
    os.unlink(lab.bindings / "tap0.xml")
    has(lab.apply().stdout, "unbound tap0")
    equal([chain for chain in objects("chain") if "hook" in chain], [])
    equal(lab.ports(), {})


@test
def dry_run_prints_the_difference_and_changes_nothing(lab):
    lab.bind("tap0")
    result = changes_nothing(lab, "--dry-run").stdout
    has(result, "+ map from_port", "bound tap0", "1 bound, 0 changed, 0 unbound", "nothing was sent")
    lab.apply()
    equal(changes_nothing(lab, "-n").stdout, "nothing to change: 1 port\n")
    lab.bind("tap0", "no-mac-spoofing")
    result = changes_nothing(lab, "--dry-run").stdout
    assert any(line.startswith("- ") for line in result.splitlines()), result
    has(result, "changed tap0")
    equal(lab.ports()["tap0"]["filter"], "clean-traffic")


@test
def dry_run_finds_the_same_errors(lab):
    lab.bind("tap0", "nowhere")
    has(changes_nothing(lab, "--dry-run", code=1).stderr, "'nowhere'")


@test
def tables_of_others_stay(lab):
    nft("-f", "-", text="""
table bridge other {
  chain forward { type filter hook forward priority 0; policy accept; counter drop; }
}
table inet filter {
  set hosts { type ipv4_addr; elements = { 10.0.0.1 }; }
}
""")
    before = ruleset()
    lab.bind("tap0")
    lab.apply()
    has(ruleset(), "table bridge other", "table inet filter", "table bridge nwfilter")
    lab.run("delete")
    equal(ruleset(), before)


ODD_NAMES = ["a.b-c", "123456789012345", "eth0.100", "a'b", 'a"b', "a\\b", "täp", "äöü€", "vnet*", "*", "a\\*", "@a",
             "$x", "#x", "a;b", "a,b", "a&<b>", "{", "-n", "--", "--help", "in", "drop", "0x1f", "10.0.0.1", "%s%n", "..."]


@test
def odd_interface_names_are_ports_like_others(lab):
    for i, name in enumerate(ODD_NAMES):
        lab.bind(name, file=str(i))
    has(lab.apply().stdout, f"{len(ODD_NAMES)} bound, 0 changed, 0 unbound")
    equal(sorted(lab.ports()), sorted(ODD_NAMES))
    has(changes_nothing(lab).stdout, "nothing to change")
    nft("add", "table", "inet", "other")  # so that the table is read back
    has(changes_nothing(lab).stdout, "nothing to change")
    lab.run("delete", "--", *ODD_NAMES)
    equal(lab.ports(), {})


@test
def name_with_an_asterisk_is_no_pattern(lab):
    lab.bind("vnet*", file="odd")
    nft("-f", "-", text=lab.compile(str(lab.bindings / "odd.xml")))
    equal(list(lab.ports()), ["vnet*"])
    has(lab.apply().stdout, "nothing to change")


@test
def impossible_interface_names_are_refused(lab):
    for name in ["", ".", "..", "a/b", "a b", "a:b", "1234567890123456", "ä" * 8, "a\tb"]:
        path = lab.bind(name, file="odd")
        fails(lab, f"{path}:")


@test
def port_may_come_after_its_binding(lab):
    lab.bind("tap0")
    lab.apply()
    before = ruleset()
    subprocess.run(["ip", "tuntap", "add", "tap0", "mode", "tap"], check=True)
    equal(changes_nothing(lab).stdout, "nothing to change: 1 port\n")
    subprocess.run(["ip", "link", "delete", "tap0"], check=True)
    equal(ruleset(), before)


@test
def status_files_of_libvirt_are_bindings(lab):
    path = lab.bind("tap0")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    lab.write("bindings/tap0.xml", f"<filterbindingstatus>\n{text}</filterbindingstatus>\n")
    lab.apply()
    equal(list(lab.ports()), ["tap0"])


@test
def thousand_bindings_go_in_one_transaction(lab):
    for i in range(1000):
        lab.bind(f"tap{i}", IP=f"10.0.{i >> 8}.{i & 255}", mac=f"52:54:00:00:{i >> 8:02x}:{i & 255:02x}")
    before = generation()
    result = lab.apply()
    equal(result.stderr, "")
    has(result.stdout, "1000 bound, 0 changed, 0 unbound")
    equal(generation(), before + 1, "commits")
    equal(len(lab.ports()), 1000)
    equal(changes_nothing(lab).stdout, "nothing to change: 1000 ports\n")


@test
def what_the_kernel_lacks_is_named_with_the_rule(lab):
    probe = "table bridge probe {\n chain c {\n  ct state new accept\n }\n}\n"
    if subprocess.run(["nft", "-f", "-"], input=probe, text=True, capture_output=True, check=False).returncode == 0:
        raise Skip("this kernel can track connections on bridges")
    mine = lab.write("mine/own.xml", "<filter name='own'>\n<rule action='accept' direction='out'><tcp/></rule>\n"
                                     "<rule action='drop' direction='inout'><all/></rule></filter>")
    lab.bind("tap0", "own")
    result = lab.apply("--filters", os.path.dirname(mine), code=1)
    has(result.stderr, f"{mine}:2: ", "tap0", "nf_conntrack_bridge")
    equal(ruleset(), "")
    has(lab.run("compile", "--filters", os.path.dirname(mine), str(lab.bindings / "tap0.xml")).stdout, "ct state")


@test
def missing_ipset_is_named_with_the_rule(lab):
    mine = lab.write("mine/own.xml", "<filter name='own'>\n<rule action='drop' direction='out'>"
                                     "<all ipset='nowhere' ipsetflags='src'/></rule></filter>")
    lab.bind("tap0", "own")
    result = lab.apply("--filters", os.path.dirname(mine), code=1)
    has(result.stderr, f"{mine}:2: ", "nowhere")
    equal(ruleset(), "")


def on_a_terminal(command):
    """Runs it with its stderr on a terminal; returns what came there."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other side is closed
                part = b""
            if not part:
                break
            shown += part
    os.close(ours)
    return process.returncode, shown.decode()


@test
def progress_is_shown_on_a_terminal_only_and_for_long_runs_only(lab):
    if not os.path.exists("/dev/ptmx"):
        raise Skip("no terminals here")
    command = [lab.program, "apply", "--dry-run", "--filters", lab.filters, "--bindings", str(lab.bindings)]
    lab.bind("few")
    equal(on_a_terminal(command), (0, ""))
    for i in range(2000):
        lab.bind(f"tap{i}")
    code, shown = on_a_terminal(command)
    equal(code, 0)
    has(shown, "\r[#", "2001/2001 ports\r\n")
    equal(lab.apply("--dry-run").stderr, "")
