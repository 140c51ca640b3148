# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon dies at any moment; what it leaves behind is whole."""
import random
import re
import threading
import time
import xml.etree.ElementTree as ET

import api
from harness import equal, note, run, test
from host import OURS, Host, binding_xml
from net import Bridge

CLIENTS = 4
PORTS = 3  # of each client
FILTERS = 2

FILTER = """<filter name='{name}'><uuid>7f2a9c1e-0d3b-4b7e-8c55-00000000{number:04x}</uuid>
<filterref filter='no-mac-spoofing'/>{rules}</filter>"""


class Client(threading.Thread):
    """
    Creates and deletes bindings of its own ports and defines its own filters, in random order, and remembers what
    it was told is done. Of the one call that the daemon's death interrupts, it knows both outcomes.
    """

    def __init__(self, host, number, seed):
        super().__init__(daemon=True)
        self.host, self.number, self.random = host, number, random.Random(seed)
        self.ports = [f"k{number}p{index}" for index in range(PORTS)]
        self.names = [f"kill-{number}-{index}" for index in range(FILTERS)]
        self.bound = {}      # port -> {possible filters, None for unbound}
        self.versions = {}   # filter -> {possible versions}
        self.calls = 0
        self.error = None

    def define(self, conn):
        name = self.random.choice(self.names)
        version = self.random.randrange(1, 900)
        known = self.versions.setdefault(name, {0})
        known.add(version)
        rules = "".join(f"<rule action='drop' direction='out' priority='{version}'><ip dstportstart='{port}' "
                        f"protocol='udp'/></rule>" for port in (1000 + version, 2000 + version))
        conn.define(FILTER.format(name=name, number=self.number * 16 + self.names.index(name), rules=rules))
        self.versions[name] = {version}

    def toggle(self, conn):
        port = self.random.choice(self.ports)
        if self.bound.get(port, {None}) == {None}:
            name = self.random.choice(self.names + ["clean-traffic"])
            if name in self.names and self.versions.get(name, {0}) == {0}:
                return
            self.bound[port] = {None, name}
            conn.bind(binding_xml(port, name, f"52:54:00:01:{self.number:02x}:{self.ports.index(port):02x}",
                                  IP=f"10.1.{self.number}.{self.ports.index(port) + 1}"))
            self.bound[port] = {name}
        else:
            self.bound[port] |= {None}
            conn.unbind(port)
            self.bound[port] = {None}

    def run(self):
        try:
            with self.host.connect() as conn:
                while True:
                    self.random.choice([self.define, self.toggle, self.toggle])(conn)
                    self.calls += 1
        except api.LibvirtError as error:
            # The connection ends with the daemon; anything else is a fault.
            if error.code not in (api.VIR_ERR_RPC, api.VIR_ERR_SYSTEM_ERROR, 1):
                self.error = error


def same_document(one, other):
    """Whether two XML texts say the same; white space and order of attributes aside."""
    def canonical(text):
        return ET.canonicalize(text, strip_text=True)
    return canonical(one) == canonical(other)


def check(host, clients):
    """Files, memory and kernel agree, and what a client was told to be done is."""
    host.check_agreement()
    equal(host.strays(), [], "left in the directories")
    with host.connect() as conn:
        bindings, filters = conn.bindings(), conn.filters()
        for port in bindings:
            status = ET.parse(host.binding_dir / f"{port}.xml").getroot().find("filterbinding")
            assert same_document(ET.tostring(status, encoding="unicode"), conn.binding_xml(port)), port
        for name in filters:
            on_disk = (host.filter_dir / f"{name}.xml").read_text(encoding="utf-8")
            assert same_document(on_disk, conn.filter_xml(name)), name
        for client in clients:
            for port, possible in client.bound.items():
                assert bindings.get(port) in possible, f"{port}: {bindings.get(port)} is none of {possible}"
                client.bound[port] = {bindings.get(port)}
            for name, possible in client.versions.items():
                text = conn.filter_xml(name) if name in filters else "priority='0'"
                version = int(re.search(r"priority='(\d+)'", text)[1])
                assert version in possible, f"{name}: version {version} is none of {possible}"
                client.versions[name] = {version}
    if host.driver == OURS and host.options.program:
        result = run(host.options.program, "apply", "--dry-run", "--filters", str(host.filter_dir), "--bindings",
                     str(host.binding_dir), check=False)
        assert result.returncode == 0 and "nothing to" in result.stdout.lower() + result.stderr.lower(), (
            f"the kernel does not hold what the files say: {result.stdout}{result.stderr}")


@test
def files_memory_and_kernel_agree_after_each_kill(options):
    kills = 100 if options.full else 10
    seed = random.randrange(1 << 30)
    note(f"seed {seed}")
    host = Host(options)
    host.start()
    clients = [Client(host, number, seed + number) for number in range(CLIENTS)]
    Bridge().many([port for client in clients for port in client.ports])
    moments = random.Random(seed)
    calls, restarts = 0, []
    for _ in range(kills):
        for client in clients:
            client.start()
        time.sleep(moments.uniform(0.0, 0.4))  # any moment is meant
        host.kill()
        for client in clients:
            client.join()
            assert not client.error, client.error
        begun = time.monotonic()
        host.start()
        restarts.append(time.monotonic() - begun)
        check(host, clients)
        calls += sum(client.calls for client in clients)
        fresh = [Client(host, client.number, moments.randrange(1 << 30)) for client in clients]
        for new, old in zip(fresh, clients):
            new.bound, new.versions = old.bound, old.versions
        clients = fresh
    note(f"{kills} kills, {calls} calls between them, restarts took {min(restarts):.2f} to {max(restarts):.2f} s")
