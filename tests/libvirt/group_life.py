# SPDX-License-Identifier: LGPL-2.1-or-later
"""Filters, bindings and guests from end to end, as an administrator has them."""
import pathlib
import re
import signal
import subprocess

import api
from harness import Skip, equal, has, has_not, run, test, until
from host import OURS, STOCK, Host, binding_xml, interface_xml
from net import Bridge, arp_request, passes, udp

MAC, IP = "52:54:00:00:00:01", "10.0.0.1"
FOREIGN = "52:54:00:00:00:66"
PEER_MAC, PEER_IP = "52:54:00:00:00:99", "10.0.0.9"

OPEN = "<filter name='test'><uuid>7f2a9c1e-0d3b-4b7e-8c55-000000000001</uuid></filter>"
CLOSED = ("<filter name='test'><uuid>7f2a9c1e-0d3b-4b7e-8c55-000000000001</uuid>"
          "<rule action='drop' direction='inout' priority='500'/></filter>")
# Lets ARP by, so that a test knows when a frame that was dropped would have arrived.
ARP_ONLY_HEAD = "<filter name='arp-only'><uuid>7f2a9c1e-0d3b-4b7e-8c55-000000000002</uuid>"
ARP_ONLY = (f"{ARP_ONLY_HEAD}<rule action='accept' direction='inout' priority='100'><arp/></rule>"
            "<rule action='drop' direction='inout' priority='500'/></filter>")

HONEST = arp_request(MAC, IP, PEER_IP)
SPOOFED = arp_request(FOREIGN, IP, PEER_IP)


def started(options, *taps):
    """A host that runs, and a bridge with these taps and one called peer that nobody filters."""
    host = Host(options)
    host.start()
    bridge = Bridge()
    return (host, bridge.tap("peer"), *(bridge.tap(name) for name in taps))


def refused(function, *codes):
    try:
        function()
    except api.LibvirtError as error:
        assert error.code in codes, f"the error is {error}, not one of {codes}"
        return error.message
    raise AssertionError("it was not refused")


def define(host, xml):
    host.virsh("nwfilter-define", host.write("filter.xml", xml))


def bind(host, xml):
    return host.virsh("nwfilter-binding-create", host.write("binding.xml", xml))


@test
def every_filter_on_disk_is_listed_and_dumped_by_name_and_uuid(options):
    host = Host(options)
    host.start()
    with host.connect() as conn:
        filters = conn.filters()
    equal(set(filters), host.files(host.filter_dir))
    assert len(filters) >= 20
    listed = dict(reversed(line.split()) for line in host.virsh("nwfilter-list").stdout.splitlines() if line.strip())
    equal(listed, filters)
    for name in ("clean-traffic", "no-arp-spoofing"):
        text = host.virsh("nwfilter-dumpxml", name).stdout
        equal(host.virsh("nwfilter-dumpxml", filters[name]).stdout, text)
        has(text, f"<filter name='{name}'", filters[name])


@test
def a_defined_filter_is_on_disk_and_survives_a_restart(options):
    host = Host(options)
    host.start()
    define(host, CLOSED)
    before = host.virsh("nwfilter-dumpxml", "test").stdout
    has(before, "action='drop'")
    has((host.filter_dir / "test.xml").read_text(), "7f2a9c1e-0d3b-4b7e-8c55-000000000001", "action='drop'")
    host.restart()
    equal(host.virsh("nwfilter-dumpxml", "test").stdout, before)
    host.virsh("nwfilter-undefine", "test")
    assert not (host.filter_dir / "test.xml").exists()
    host.check_agreement()
    equal(host.strays(), [])


@test
def an_edited_filter_changes_what_passes(options):
    host, peer, vm1 = started(options, "vm1")
    define(host, ARP_ONLY)
    bind(host, binding_xml("vm1", "arp-only", MAC))
    frame = udp(MAC, PEER_MAC, IP, PEER_IP)
    assert not passes(vm1, frame, peer, HONEST)
    script = host.write("editor", "#!/bin/sh\nsed -i \"s/<arp.*>/<all\\/>/; s/direction='inout' priority='100'/"
                                  "direction='out' priority='100' statematch='false'/; s/action='drop'/"
                                  "action='accept'/\" \"$1\"\n")
    host.path(script).chmod(0o755)
    host.virsh("nwfilter-edit", "arp-only", environment={"EDITOR": script, "VISUAL": script})
    has(host.virsh("nwfilter-dumpxml", "arp-only").stdout, "<all/>")
    assert passes(vm1, frame, peer, HONEST)


@test
def a_filter_in_use_cannot_be_undefined(options):
    host, _, _ = started(options, "vm1")
    with host.connect() as conn:
        conn.define(CLOSED)
        conn.define("<filter name='outer'><filterref filter='test'/></filter>")
        conn.bind(binding_xml("vm1", "outer", MAC))
        refused(lambda: conn.undefine("outer"), api.VIR_ERR_OPERATION_INVALID)
        refused(lambda: conn.undefine("test"), api.VIR_ERR_OPERATION_INVALID)
        has(host.virsh("nwfilter-undefine", "outer", check=False).stderr, "in use")
        conn.unbind("vm1")
        conn.undefine("outer")
        conn.undefine("test")
        refused(lambda: conn.filter_xml("test"), api.VIR_ERR_NO_NWFILTER)


@test
def a_refused_definition_changes_nothing(options):
    host, peer, vm1 = started(options, "vm1")
    with host.connect() as conn:
        conn.define(ARP_ONLY)
        conn.bind(binding_xml("vm1", "arp-only", MAC))
        before = conn.filter_xml("arp-only")
        file = (host.filter_dir / "arp-only.xml").read_text()
        table = host.kernel_text()
        for body in ("<rule action='drop' direction='out'><all srcipaddr='$NOBODY_GIVES'/></rule>",
                     "<filterref filter='is-not-there'/>", "<filterref filter='arp-only'/>", "<rule",
                     "<rule action='explode' direction='out'/>"):
            message = refused(lambda: conn.define(f"{ARP_ONLY_HEAD}{body}</filter>"), *range(1, 110))
            if "NOBODY_GIVES" in body and host.driver == OURS:
                has(message, "vm1", "NOBODY_GIVES")
            equal(conn.filter_xml("arp-only"), before, body)
            equal((host.filter_dir / "arp-only.xml").read_text(), file, body)
            if host.driver == OURS:
                equal(host.kernel_text(), table, body)
            assert not passes(vm1, udp(MAC, PEER_MAC, IP, PEER_IP), peer, HONEST), body
        refused(lambda: conn.define("<filter name='arp-only'><uuid>7f2a9c1e-0d3b-4b7e-8c55-00000000000f</uuid>"
                                    "</filter>"), api.VIR_ERR_OPERATION_FAILED)
    equal(host.strays(), [])


@test
def validation_is_against_the_schema(options):
    host, _, _ = started(options, "vm1")
    loose = host.write("loose.xml", "<filter name='loose'><nonsense/></filter>")
    host.virsh("nwfilter-define", loose)
    result = host.virsh("nwfilter-define", "--validate", loose, check=False)
    assert result.returncode == 1
    has(result.stderr, "XML document failed to validate against schema")
    host.virsh("nwfilter-define", "--validate", host.write("strict.xml", CLOSED))
    text = binding_xml("vm1", "test", MAC)
    odd = host.write("odd.xml", text.replace("</filterbinding>", "<nonsense/></filterbinding>"))
    assert host.virsh("nwfilter-binding-create", "--validate", odd, check=False).returncode == 1
    equal(host.virsh("nwfilter-binding-list").stdout.strip(), "")
    host.virsh("nwfilter-binding-create", "--validate", host.write("even.xml", text))


@test
def a_binding_made_by_hand_filters_until_it_is_deleted(options):
    host, peer, vm1 = started(options, "vm1")
    # The sentinel must pass with the binding and without.
    assert passes(vm1, SPOOFED, peer, HONEST)
    bind(host, binding_xml("vm1", "clean-traffic", MAC, IP=IP))
    assert not passes(vm1, SPOOFED, peer, HONEST)
    equal(host.virsh("nwfilter-binding-list").stdout.split(), ["vm1", "clean-traffic"])
    dump = host.virsh("nwfilter-binding-dumpxml", "vm1").stdout
    has(dump, "<portdev name='vm1'/>", f"<mac address='{MAC}'/>", f"<parameter name='IP' value='{IP}'/>")
    has((host.binding_dir / "vm1.xml").read_text(), "<filterbindingstatus>", "<portdev name='vm1'/>")
    host.check_agreement()
    host.virsh("nwfilter-binding-delete", "vm1")
    assert not (host.binding_dir / "vm1.xml").exists()
    host.check_agreement()
    assert passes(vm1, SPOOFED, peer, HONEST)
    equal(host.strays(), [])


@test
def a_bad_binding_is_refused_and_leaves_nothing(options):
    host, peer, vm1 = started(options, "vm1")
    with host.connect() as conn:
        refused(lambda: conn.bind(binding_xml("vm1", "no-such", MAC)), *range(1, 110))
        conn.define("<filter name='needs'><rule action='drop' direction='out'><all srcipaddr='$WANTED'/></rule>"
                    "</filter>")
        has(refused(lambda: conn.bind(binding_xml("vm1", "needs", MAC)), *range(1, 110)), "WANTED")
        refused(lambda: conn.bind("<filterbinding>"), *range(1, 110))
        equal(conn.bindings(), {})
        equal(host.files(host.binding_dir) if host.binding_dir.exists() else set(), set())
        refused(lambda: conn.unbind("vm1"), api.VIR_ERR_NO_NWFILTER_BINDING)
        assert passes(vm1, SPOOFED, peer, HONEST)
        conn.bind(binding_xml("vm1", "clean-traffic", MAC, IP=IP))
        refused(lambda: conn.bind(binding_xml("vm1", "clean-traffic", MAC, IP="10.0.0.2")), *range(1, 110))
        has(conn.binding_xml("vm1"), IP)
        assert not passes(vm1, SPOOFED, peer, HONEST)
    host.check_agreement()
    equal(host.strays(), [])


@test
def a_tap_made_after_its_binding_is_never_open(options):
    host = Host(options)
    host.start()
    if host.driver == STOCK:
        raise Skip("the stock driver takes the binding and does nothing")
    with host.connect() as conn:
        conn.bind(binding_xml("late", "clean-traffic", MAC, IP=IP))
    bridge = Bridge()
    peer, late = bridge.tap("peer"), bridge.tap("late")
    assert not passes(late, SPOOFED, peer, HONEST)
    late.close()
    host.wait_gone("late")
    assert not passes(bridge.tap("late"), SPOOFED, peer, HONEST)


def guest_frames(host, port, peer, count=2):
    """How many of the guest's frames arrive at @peer while it sends @count more."""
    statistics = pathlib.Path(f"/sys/class/net/{port}/statistics/rx_packets")
    peer.drain()
    wanted = int(statistics.read_text()) + count
    until(lambda: int(statistics.read_text()) >= wanted, f"{port} sent {count} frames", 60)
    mac = bytes.fromhex(MAC.replace(":", ""))
    return peer.receive(lambda frame: frame[6:12] == mac, 0.2) is not None


@test
def a_guest_has_its_binding_from_start_to_stop(options):
    host, peer = started(options)
    define(host, CLOSED)
    host.define_guest("guest", interface_xml("clean-traffic", MAC, port="guest0", IP=IP))
    host.virsh("start", "guest")
    equal(host.virsh("nwfilter-binding-list").stdout.split(), ["guest0", "clean-traffic"])
    has(host.virsh("nwfilter-binding-dumpxml", "guest0").stdout, "<name>guest</name>", MAC, IP)
    assert guest_frames(host, "guest0", peer), "its DHCP request does not pass"
    host.check_agreement()
    host.virsh("update-device", "guest", host.write("closed.xml", interface_xml("test", MAC, port="guest0")))
    equal(host.virsh("nwfilter-binding-list").stdout.split(), ["guest0", "test"])
    assert not guest_frames(host, "guest0", peer), "with the filter that drops everything it still passes"
    host.check_agreement()
    host.virsh("destroy", "guest")
    host.check_agreement()
    equal(host.virsh("nwfilter-binding-list").stdout.strip(), "")
    assert not host.files(host.binding_dir)


@test
def a_guest_whose_binding_fails_does_not_start(options):
    host, _ = started(options)
    define(host, "<filter name='needs'><rule action='drop' direction='out'><all srcipaddr='$WANTED'/></rule></filter>")
    host.define_guest("guest", interface_xml("needs", MAC, port="guest0"))
    result = host.virsh("start", "guest", check=False)
    assert result.returncode == 1
    has(result.stderr, "WANTED")
    equal(host.virsh("domstate", "guest").stdout.strip(), "shut off")
    host.wait_gone("guest0")
    host.check_agreement()
    assert not host.files(host.binding_dir)


@test
def an_interface_plugged_in_and_out_brings_and_takes_its_binding(options):
    host, _ = started(options)
    host.define_guest("guest", interface_xml("clean-traffic", MAC, port="guest0", IP=IP))
    host.virsh("start", "guest")
    second = host.write("second.xml", interface_xml("no-mac-spoofing", "52:54:00:00:00:02", port="guest1"))
    host.virsh("attach-device", "guest", second)
    equal(sorted(host.virsh("nwfilter-binding-list").stdout.split()),
          ["clean-traffic", "guest0", "guest1", "no-mac-spoofing"])
    host.check_agreement()
    bad = host.write("bad.xml", interface_xml("no-such-filter", "52:54:00:00:00:03", port="guest2"))
    assert host.virsh("attach-device", "guest", bad, check=False).returncode == 1
    host.check_agreement()
    # The firmware does not hear of it, so it goes with the next reset.
    detaching = subprocess.Popen(host.command("virsh", "-q", "detach-device", "guest", second))
    until(lambda: host.virsh("reset", "guest") and not pathlib.Path("/sys/class/net/guest1").exists(), "guest1 is gone")
    equal(detaching.wait(60), 0)
    until(lambda: host.virsh("nwfilter-binding-list").stdout.split() == ["guest0", "clean-traffic"],
          "only guest0 is bound")
    host.check_agreement()


@test
def a_restart_leaves_guests_and_table_as_they_were(options):
    host, peer, vm1 = started(options, "vm1")
    bind(host, binding_xml("vm1", "clean-traffic", MAC, IP=IP))
    host.define_guest("guest", interface_xml("clean-traffic", MAC, port="guest0", IP=IP))
    host.virsh("start", "guest")
    pid, table = host.guest_pid("guest"), run("nft", "-a", "list", "table", "bridge", "nwfilter", check=False).stdout
    for stop in (host.stop, host.kill):
        stop()
        assert not passes(vm1, SPOOFED, peer, HONEST), "open without the daemon"
        host.start()
        host.wait_guest("guest")
        equal(host.guest_pid("guest"), pid)
        has(pathlib.Path(f"/proc/{pid}/comm").read_text(), "qemu")
        if host.driver == OURS:
            equal(run("nft", "-a", "list", "table", "bridge", "nwfilter").stdout, table, "handles say what is new")
        equal(set(host.check_agreement()[1]), {"vm1", "guest0"})
        assert not passes(vm1, SPOOFED, peer, HONEST)


@test
def what_was_taken_away_while_it_was_stopped_is_back_when_it_starts(options):
    host, peer, vm1 = started(options, "vm1")
    bind(host, binding_xml("vm1", "clean-traffic", MAC, IP=IP))
    host.stop()
    run("nft", "flush", "ruleset")
    assert passes(vm1, SPOOFED, peer, HONEST)
    host.start()
    assert not passes(vm1, SPOOFED, peer, HONEST)
    host.check_agreement()


@test
def a_table_that_somebody_changed_while_it_was_stopped_is_put_right(options):
    host, peer, vm1 = started(options, "vm1")
    if host.driver == STOCK:
        raise Skip("it has no table")
    bind(host, binding_xml("vm1", "clean-traffic", MAC, IP=IP))
    before = host.kernel_text()
    host.stop()
    run("nft", "insert", "rule", "bridge", "nwfilter", "prerouting", "accept")
    assert passes(vm1, SPOOFED, peer, HONEST)
    host.start()
    assert not passes(vm1, SPOOFED, peer, HONEST)
    equal(host.kernel_text(), before)


@test
def a_binding_whose_device_went_meanwhile_is_dropped_at_the_start(options):
    host, _, vm1, _ = started(options, "vm1", "vm2")
    for name in ("vm1", "vm2"):
        bind(host, binding_xml(name, "clean-traffic", MAC, IP=IP))
    host.stop()
    vm1.close()
    host.wait_gone("vm1")
    host.start()
    left = set(host.check_agreement()[1])
    if host.driver == OURS:  # the stock driver keeps it in its list
        equal(left, {"vm2"})


@test
def a_file_that_cannot_be_read_is_skipped_and_the_rest_loads(options):
    host, peer, vm1, vm2 = started(options, "vm1", "vm2")
    for name in ("vm1", "vm2"):
        bind(host, binding_xml(name, "clean-traffic", MAC, IP=IP))
    define(host, ARP_ONLY)
    host.stop()
    (host.filter_dir / "arp-only.xml").write_text("<filter", encoding="ascii")
    (host.binding_dir / "vm2.xml").write_text("<filterbindingstatus>", encoding="ascii")
    host.start()
    with host.connect() as conn:
        assert "vm1" in conn.bindings()
        refused(lambda: conn.filter_xml("arp-only"), api.VIR_ERR_NO_NWFILTER)
        assert "clean-traffic" in conn.filters()
    if host.driver == OURS:  # the stock driver says nothing
        has(host.log(), "arp-only", "vm2")
    assert not passes(vm1, SPOOFED, peer, HONEST)
    assert vm2


@test
def a_hangup_reads_the_filters_from_disk_again(options):
    host, peer, vm1 = started(options, "vm1")
    define(host, ARP_ONLY)
    bind(host, binding_xml("vm1", "arp-only", MAC))
    frame = udp(MAC, PEER_MAC, IP, PEER_IP)
    assert not passes(vm1, frame, peer, HONEST)
    file = host.filter_dir / "arp-only.xml"
    file.write_text(file.read_text().replace("action='drop'", "action='accept'"), encoding="utf-8")
    host.daemon.send_signal(signal.SIGHUP)
    until(lambda: passes(vm1, frame, peer, HONEST), "the new rule is in force")
    has_not(host.virsh("nwfilter-dumpxml", "arp-only").stdout, "drop")
    host.check_agreement()


@test
def the_drivers_own_uri_is_served(options):
    host, _, _ = started(options, "vm1")
    listed = host.run("virsh", "-q", "-c", "nwfilter:///system", "nwfilter-list").stdout
    has(listed, "clean-traffic")
    equal(host.run("virsh", "-q", "-c", "nwfilter:///system", "uri").stdout.strip(), "nwfilter:///system")
    host.run("virsh", "-q", "-c", "nwfilter:///system", "nwfilter-binding-create",
             host.write("binding.xml", binding_xml("vm1", "clean-traffic", MAC, IP=IP)))
    equal(host.virsh("nwfilter-binding-list").stdout.split(), ["vm1", "clean-traffic"])
    host.check_agreement()


class Monitor:
    """All that is committed to nftables, in order."""

    def __init__(self):
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(["nft", "monitor"], stdout=subprocess.PIPE, text=True)
        self.lines = []
        self.mark("it listens")

    def mark(self, word):
        """Reads up to an event of our own, which the kernel reports behind all that was before it."""
        table = "mark_" + re.sub(r"\W", "_", word)
        if not self.lines:  # it may not listen yet
            until(lambda: run("nft", "add", "table", "ip", table) and run("nft", "delete", "table", "ip", table)
                  and self.has_output(), "nft monitor says something")
        else:
            run("nft", "add", "table", "ip", table)
            run("nft", "delete", "table", "ip", table)
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if f"delete table ip {table}" in line:
                break

    def has_output(self):
        import select  # pylint: disable=import-outside-toplevel
        return select.select([self.process.stdout], [], [], 0.05)[0]

    def close(self):
        self.process.kill()
        self.process.wait()


@test
def stock_to_ours_and_back_keeps_every_binding_in_force(options):
    if not options.module:
        raise Skip("needs the module")
    host = Host(options)
    host.start(STOCK)
    bridge = Bridge()
    peer, vm1 = bridge.tap("peer"), bridge.tap("vm1")
    define(host, CLOSED)
    bind(host, binding_xml("vm1", "clean-traffic", MAC, IP=IP))
    host.define_guest("guest", interface_xml("clean-traffic", MAC, port="guest0", IP=IP))
    host.virsh("start", "guest")
    pid, before = host.guest_pid("guest"), host.virsh("nwfilter-binding-dumpxml", "guest0").stdout
    equal(host.stock_ports(), {"vm1", "guest0"})
    host.stop()

    monitor = Monitor()
    host.start(OURS)
    monitor.mark("done")
    monitor.close()
    equal(set(host.check_agreement()[1]), {"vm1", "guest0"})
    equal(re.sub(r"\s*<backend.*", "", host.virsh("nwfilter-binding-dumpxml", "guest0").stdout),
          re.sub(r"\s*<backend.*", "", before))
    host.wait_guest("guest")
    equal(host.guest_pid("guest"), pid)
    until(lambda: not host.stock_ports(), "the stock driver's chains are gone")
    has_not(run("nft", "list", "ruleset").stdout, "libvirt-I-", "libvirt-O-", "FI-vm1", "FO-vm1", "HI-vm1", "I-vm1-")
    ours = next(index for index, line in enumerate(monitor.lines) if "nwfilter" in line and "vm1" in line)
    gone = [index for index, line in enumerate(monitor.lines) if line.startswith("delete") and "bridge nwfilter"
            not in line and re.search(r"libvirt-|vm1|guest0", line)]
    assert gone and min(gone) > ours, "the stock driver's chains went before ours were there"
    assert not passes(vm1, SPOOFED, peer, HONEST)

    host.stop()
    assert not passes(vm1, SPOOFED, peer, HONEST)
    host.start(STOCK)
    equal(set(host.check_agreement()[1]), {"vm1", "guest0"})
    equal(host.stock_ports(), {"vm1", "guest0"})
    # Ours stays in force beside it until it is deleted; nobody owns it now.
    run(options.program, "delete")
    equal(host.kernel_text(), "")
    assert not passes(vm1, SPOOFED, peer, HONEST)
    equal(host.guest_pid("guest"), pid)
    host.wait_guest("guest")
    host.virsh("destroy", "guest")
    host.virsh("nwfilter-binding-delete", "vm1")
    assert passes(vm1, SPOOFED, peer, HONEST)
