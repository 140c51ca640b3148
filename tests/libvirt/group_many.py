# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many at once, and many after another, through a real libvirtd."""
import json
import os
import pathlib
import random
import re
import threading
import time

from harness import Skip, note, run, test
from host import OURS, Host, binding_xml
from net import Bridge

CLIENTS = 8
PORTS = 12
FILTERS = 3


def rss(pid):
    """KiB that a process has."""
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii"))[1])


class Virsh(threading.Thread):
    """One virsh after another, each with one connection and a long list of commands."""

    def __init__(self, host, number, end, seed):
        super().__init__(daemon=True)
        self.host, self.number, self.end, self.random = host, number, end, random.Random(seed)
        self.commands = 0
        self.fault = None

    def line(self):
        port, name = f"m{self.random.randrange(PORTS)}", f"many-{self.random.randrange(FILTERS)}"
        return self.random.choice([
            f"nwfilter-binding-create /run/nwfilter-test/{port}.xml", f"nwfilter-binding-delete {port}",
            f"nwfilter-binding-create /run/nwfilter-test/{port}.xml", f"nwfilter-binding-delete {port}",
            f"nwfilter-define /run/nwfilter-test/{name}-{self.random.randrange(2)}.xml", f"nwfilter-undefine {name}",
            f"nwfilter-dumpxml {name}", f"nwfilter-binding-dumpxml {port}", "nwfilter-list", "nwfilter-binding-list"])

    def run(self):
        while time.monotonic() < self.end:
            lines = [self.line() for _ in range(30)]
            result = self.host.virsh(text="\n".join(lines + ["echo all-said", ""]), check=False)
            self.commands += len(lines)
            if "all-said" not in result.stdout or "Disconnected" in result.stderr:
                self.fault = result.stdout + result.stderr
                return


@test
def eight_virsh_at_once_leave_everything_in_agreement(options):
    host = Host(options)
    host.start()
    Bridge().many([f"m{number}" for number in range(PORTS)])
    for number in range(PORTS):
        host.write(f"m{number}.xml", binding_xml(f"m{number}", ["clean-traffic", *(f"many-{n}" for n in range(FILTERS))]
                                                 [number % (FILTERS + 1)], f"52:54:00:03:00:{number:02x}",
                                                 IP=f"10.3.0.{number + 1}"))
    for number in range(FILTERS):
        for version in range(2):
            host.write(f"many-{number}-{version}.xml",
                       f"<filter name='many-{number}'><uuid>7f2a9c1e-0d3b-4b7e-8c55-0000000000{number:02x}</uuid>"
                       f"<filterref filter='no-mac-spoofing'/><rule action='drop' direction='out' priority='{version}'>"
                       f"<udp dstportstart='{version + 1}'/></rule></filter>")
    seed = random.randrange(1 << 30)
    end = time.monotonic() + (60 if options.full else 5)
    clients = [Virsh(host, number, end, seed + number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert host.daemon.poll() is None, f"libvirtd ended with {host.daemon.returncode}\n{host.log()}"
    for client in clients:
        assert not client.fault, client.fault[-1500:]
    host.check_agreement()
    note(f"seed {seed}, {sum(client.commands for client in clients)} commands")
    host.stop()


@test
def bindings_that_come_and_go_do_not_make_the_daemon_grow(options):
    host = Host(options)
    host.start()
    if host.driver != OURS and not options.full:
        raise Skip("the stock driver takes a second for each")
    Bridge().many(["grow0", "grow1"])
    cycles = 10000 if options.full else 1000
    with host.connect() as conn:
        def cycle(number):
            port = f"grow{number % 2}"
            conn.bind(binding_xml(port, "clean-traffic", IP="10.4.0.1"))
            conn.unbind(port)
        for number in range(cycles // 5):
            cycle(number)
        before = rss(host.daemon.pid)
        for number in range(cycles - cycles // 5):
            cycle(number)
        after = rss(host.daemon.pid)
    note(f"VmRSS {before} KiB after {cycles // 5} bindings, {after} KiB after {cycles}")
    assert after < before + 4096, f"it grew from {before} to {after} KiB"
    host.check_agreement()


def measured(options, ports):
    """Prints milliseconds; nothing is asserted of them."""
    program = pathlib.Path(options.tools) / "bindspeed"
    if not program.exists():
        raise Skip(f"no {program} (package libvirt-dev)")
    host = Host(options)
    begun = time.monotonic()
    host.start()
    empty = time.monotonic() - begun
    Bridge().many([f"speed{number}" for number in range(ports + 1)])
    environment = {**os.environ, **({} if host.driver == OURS else {"BINDSPEED_FEW": "1"})}
    result = json.loads(run(program, host.uri, str(ports), env=environment, timeout=3600).stdout)
    note(f"{host.driver}: with {ports} ports, ms: {result}")
    host.stop()
    begun = time.monotonic()
    host.start()
    full = time.monotonic() - begun
    note(f"{host.driver}: start of the daemon without bindings {empty * 1e3:.0f} ms, with {ports} {full * 1e3:.0f} ms")
    host.check_agreement()


@test
def speed_is_printed(options):
    measured(options, 1000 if options.full and options.module else 50 if options.module else 5)
