# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest sends frames that it must not, as fast as it can, while everything around it changes."""
import json
import pathlib
import platform
import shutil
import signal
import subprocess

import firewall
from harness import Skip, equal, note, run, test
from host import OURS, STOCK, Host, binding_xml, interface_xml
from net import Bridge

MAC, FOREIGN, IP = "52:54:00:00:00:01", "52:54:00:00:00:66", "10.0.0.1"
FILTER = ("<filter name='leak'><uuid>7f2a9c1e-0d3b-4b7e-8c55-00000000abcd</uuid><filterref filter='no-mac-spoofing'/>"
          "<rule action='drop' direction='out' priority='{}'><ip protocol='udp' dstportstart='{}'/></rule></filter>")


class Flood:
    """tests/libvirt/flood between two taps."""

    def __init__(self, options, sender, receiver, frames):
        """@sender and @receiver: descriptors"""
        program = pathlib.Path(options.tools) / "flood"
        if not program.exists():
            raise Skip(f"no {program}")
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen([program, str(sender), str(receiver), FOREIGN, MAC, str(frames)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        pass_fds=[sender, receiver])

    def arrived(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        result = json.loads(self.process.stdout.read())
        assert self.process.wait() == 0
        return result


class Scene:
    def __init__(self, options, driver):
        self.host = Host(options)
        self.bus = firewall.Bus(self.host) if shutil.which("dbus-daemon") else None
        self.host.start(driver)
        bridge = Bridge()
        self.sender, self.receiver = bridge.tap("vm1"), bridge.tap("peer")
        self.others = bridge.many([f"other{number}" for number in range(4)])
        with self.host.connect() as conn:
            conn.define(FILTER.format(0, 1))
            conn.bind(binding_xml("vm1", "leak", MAC))
        self.version = 0

    def rebind(self):
        with self.host.connect() as conn:
            conn.unbind("vm1")
            conn.bind(binding_xml("vm1", "leak", MAC))

    # What happens around the guest.

    def redefine(self):
        with self.host.connect() as conn:
            for _ in range(10):
                self.version += 1
                conn.define(FILTER.format(self.version % 900, self.version % 60000 + 1))

    def other_ports(self):
        with self.host.connect() as conn:
            for number, tap in enumerate(self.others):
                conn.bind(binding_xml(tap.name, "clean-traffic" if number % 2 else "leak",
                                      f"52:54:00:00:01:{number:02x}", IP=f"10.0.1.{number + 1}"))
            for tap in self.others:
                conn.unbind(tap.name)

    def restart(self):
        self.host.restart()

    def kill(self):
        self.host.kill()
        self.host.start()

    def hangup(self):
        self.host.daemon.send_signal(signal.SIGHUP)
        with self.host.connect() as conn:
            conn.filters()

    def flush_ruleset(self):
        run("nft", "flush", "ruleset", check=False)

    def delete_table(self):
        run("nft", "delete", "table", "bridge", "nwfilter", check=False)

    def ebtables_flush(self):
        run("ebtables", "-t", "nat", "-F", check=False)


class Firewalled(Scene):
    """With a firewalld that comes, reloads and goes."""

    def firewalld(self):
        daemon = firewall.Firewalld(self.host)
        daemon.start()
        daemon.reload()
        daemon.reload(complete=True)
        daemon.stop()


def disturbances(scene):
    names = ["redefine", "other_ports", "restart", "kill", "hangup"]
    if hasattr(scene, "firewalld"):
        names.append("firewalld")
    return names + ["flush_ruleset", "delete_table"] + (["ebtables_flush"] if scene.host.driver == STOCK else [])


def flood(options, driver, rounds, frames):
    """How many arrived during each disturbance, and the totals."""
    kind = Firewalled if shutil.which("firewalld") and shutil.which("dbus-daemon") else Scene
    scene = kind(options, driver)
    stream = Flood(options, scene.sender.fd, scene.receiver.fd, frames)
    leaks, before = {}, stream.arrived()
    leaks["at rest"] = before
    for _ in range(rounds):
        for name in disturbances(scene):
            getattr(scene, name)()
            now = stream.arrived()
            leaks[name] = leaks.get(name, 0) + now - before
            if driver == STOCK and now > before:  # it does not find out by itself
                scene.rebind()
                now = stream.arrived()
                leaks["rebinding after it"] = leaks.get("rebinding after it", 0) + now - before - leaks[name]
            before = now
    result = stream.end()
    note(f"{driver}: {result}")
    note(f"{driver}: arrived during " + ", ".join(f"{name}: {count}" for name, count in leaks.items()))
    assert result["honest_arrived"] > 0, "not even honest frames arrive"
    assert result["spoofed_sent"] >= frames
    return result, leaks


def has_owner_and_persist():
    """Linux 6.9 and later."""
    major, minor = platform.release().split(".")[:2]
    return (int(major), int(minor.split("-")[0])) >= (6, 9)


@test
def no_spoofed_frame_leaves_a_bound_port(options):
    if not options.module:
        raise Skip("needs the module")
    rounds, frames = (10, 2_000_000) if options.full else (1, 100_000)
    result, leaks = flood(options, OURS, rounds, frames)
    if not has_owner_and_persist():
        # Others can take the table away here; what was sent until it was back is printed above.
        result["spoofed_arrived"] -= leaks["flush_ruleset"] + leaks["delete_table"]
    assert result["spoofed_arrived"] == 0, f"{result['spoofed_arrived']} spoofed frames arrived"


@test
def none_leaves_it_while_ours_takes_over_from_the_stock_driver(options):
    if not options.module:
        raise Skip("needs the module")
    scene = Scene(options, STOCK)
    stream = Flood(options, scene.sender.fd, scene.receiver.fd, 0)
    scene.host.stop()
    for driver in (OURS, STOCK):
        scene.host.start(driver)
        scene.host.check_agreement()
        scene.host.stop()
    result = stream.end()
    note(str(result))
    assert result["honest_arrived"] > 0, "not even honest frames arrive"
    assert result["spoofed_arrived"] == 0, f"{result['spoofed_arrived']} spoofed frames arrived"


def flood_of_a_guest_under_update(options, rounds):
    """libvirt deletes the binding of a running guest and makes a new one when it is given another filter."""
    host = Host(options)
    host.start()
    peer = Bridge().tap("peer")
    with host.connect() as conn:
        conn.define(FILTER.format(0, 1))
    host.define_guest("guest", interface_xml("leak", MAC, port="guest0"))
    host.virsh("start", "guest")
    stream = Flood(options, host.guest_tap("guest", "guest0"), peer.fd, 0)
    for number in range(rounds):
        name = "leak" if number % 2 else "no-mac-spoofing"
        host.virsh("update-device", "guest", host.write("update.xml", interface_xml(name, MAC, port="guest0")))
        equal(host.virsh("nwfilter-binding-list").stdout.split(), ["guest0", name])
    result = stream.end()
    note(f"{host.driver}, {rounds} updates: {result}")
    host.check_agreement()
    return result


@test
def none_leaves_a_guest_that_is_given_another_filter(options):
    if not options.module:
        raise Skip("needs the module")
    result = flood_of_a_guest_under_update(options, 200 if options.full else 10)
    assert result["honest_arrived"] > 0, "not even honest frames arrive"
    assert result["spoofed_arrived"] == 0, f"{result['spoofed_arrived']} spoofed frames arrived"


@test
def what_the_stock_driver_lets_through_is_printed(options):
    if options.module and not options.full:
        raise Skip("only with --full")
    flood(options, STOCK, 2 if options.full else 1, 1_000_000 if options.full else 100_000)
