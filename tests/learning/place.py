# SPDX-License-Identifier: LGPL-2.1-or-later
"""An engine with a bridge, and clients with a kernel of their own (as far as addresses go) on its ports.

The engine and the bridge br0 (10.0.0.254) are in the test's network namespace. Each client is a namespace whose eth0
is the other end of a veth port of that bridge.
"""
import contextlib
import ctypes
import fcntl
import functools
import os
import pathlib
import queue
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import frames
import harness
from harness import Skip

AWAIT_SECONDS = 20
CLONE_NEWNET = 0x40000000  # linux/sched.h
ETH_P_ALL = 3  # linux/if_ether.h
PACKET_OUTGOING = 4  # linux/if_packet.h
TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_MULTI_QUEUE = 0x400454ca, 0x0002, 0x1000, 0x0100  # linux/if_tun.h

BRIDGE_MAC = "52:54:00:ff:00:01"
BRIDGE_IP = "10.0.0.254"
OWNER = "5f0e5f4a-6c3d-4f0e-9f0c-111111111111"  # of harness.binding_xml: the first client's

libc = ctypes.CDLL(None, use_errno=True)


def learning_test(function):
    """A test that is given a Place."""
    @functools.wraps(function)
    def run(lab):
        with Place(lab) as place:
            function(place)
    return harness.test(run)


def shell(*command, check=True, timeout=60):
    result = subprocess.run(command, text=True, capture_output=True, check=False, timeout=timeout,
                            stdin=subprocess.DEVNULL)
    if check:
        assert result.returncode == 0, f"{' '.join(command)}: {result.returncode}\n{result.stdout}{result.stderr}"
    return result.stdout


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"no {program} here")


def packet_socket(interface, namespace=None):
    """All frames of an interface; in another network namespace if one is given (by a descriptor)."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if namespace is not None and libc.setns(namespace, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        result = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        result.bind((interface, ETH_P_ALL))
        result.settimeout(AWAIT_SECONDS)
        return result
    finally:
        if namespace is not None and libc.setns(own, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        os.close(own)


class Process:
    """Something that runs beside the test and says lines."""

    def __init__(self, *command, **options):
        self.command = command
        self.lines, self.said = queue.Queue(), []
        self.process = subprocess.Popen(("setpriv", "--pdeathsig", "KILL") + command, text=True, errors="replace",
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        **options)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def next_line(self, why):
        try:
            line = self.lines.get(timeout=AWAIT_SECONDS)
        except queue.Empty:
            line = None
        tail = "\n".join(self.said[-25:])
        assert line is not None, f"{self.command[0]} ... never said: {why}\n{tail}"
        self.said.append(line)
        return line

    def expect(self, pattern):
        """Reads on until a line matches; returns the match."""
        while True:
            match = re.search(pattern, self.next_line(pattern))
            if match:
                return match

    def rest(self):
        """All that was said and nobody asked for."""
        return list(iter(self.lines.get, None))

    def kill(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=AWAIT_SECONDS)


class Engine(Process):
    def __init__(self, program, folder):
        super().__init__(program, str(folder))
        self.expect("^ready$")

    def command_(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self.expect("^ok$|^failed: (.*)$")

    def obey(self, text):
        match = self.command_(text)
        assert match.group(0) == "ok", f"{text}: {match.group(0)}"


class Client:
    """A guest: a namespace with eth0. @bound: its port has a binding."""

    def __init__(self, place, number, ipv6=False):
        self.place, self.number = place, number
        self.port, self.mac = f"p{number}", f"52:54:00:00:00:{number + 1:02x}"
        self.owner = f"{OWNER[:-1]}{number + 1:x}"
        self.holder = place.start(
            "unshare", "-n", "-m", "--propagation", "private", "sh", "-c",
            "mount -t tmpfs tmpfs /var/lib && mount -t tmpfs tmpfs /run && mkdir -p /var/lib/dhcp /var/lib/dhcpcd && "
            f"sysctl -qw net.ipv6.conf.default.disable_ipv6={0 if ipv6 else 1} && "
            "ip link set lo up && echo there && exec sleep infinity")
        self.holder.expect("^there$")
        self.pid = self.holder.process.pid
        self.namespace = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
        shell("ip", "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "address", self.mac, "netns",
              str(self.pid))
        shell("ip", "link", "set", self.port, "master", "br0", "up")
        self.packets = None

    def prefix(self):
        return ("nsenter", "-t", str(self.pid), "-n", "-m")

    def up(self):
        """Sets eth0 up, and opens its packet socket."""
        self.run("ip", "link", "set", "eth0", "up")
        # the bridge hears of the carrier a little later
        self.place.wait_forwarding(self.port)
        self.packets = packet_socket("eth0", self.namespace)
        return self

    def reopen(self):
        """A packet socket has an error to tell after its device was down."""
        self.packets.close()
        self.packets = packet_socket("eth0", self.namespace)

    def run(self, *command, **options):
        return shell(*self.prefix(), *command, **options)

    def start(self, *command):
        return self.place.start(*self.prefix(), *command)

    def marker(self):
        return frames.marker(self.mac)

    def passes(self, frame):
        """Whether a frame (to everybody, or to br0) gets from here to br0. A DHCP message behind it, which always
        does, tells when it would be there."""
        marker = self.marker()
        self.place.drain()
        self.packets.send(frame)
        self.packets.send(marker)
        return frames.untagged(frame) in seen_before(self.place.packets, marker)

    def is_sent(self, frame):
        """Whether a frame gets from br0 to here."""
        marker = frames.marker_to(self.mac)
        drain(self.packets)
        self.place.packets.send(frame)
        self.place.packets.send(marker)
        return frames.untagged(frame) in seen_before(self.packets, marker)

    def speaks_as(self, address):
        """Whether it can send from an IPv4 address; IPv4 and ARP must agree."""
        packet = self.passes(frames.udp(self.mac, frames.ALL, address, "255.255.255.255"))
        arp = self.passes(frames.arp(self.mac, address))
        assert packet == arp, f"{self.port} as {address}: IPv4 {packet}, ARP {arp}"
        return packet

    def udhcpc(self, *options):
        need("busybox")
        return self.start("busybox", "udhcpc", "-f", "-i", "eth0", "-s", self.place.udhcpc_script(), "-t", "20", "-T",
                          "1", "-A", "1", *options)

    def dhclient_script(self):
        """Sets addresses as dhclient says, and nothing else."""
        return self.place.script(
            "dhclient-script",
            'case $reason in\n'
            'PREINIT*) ip link set "$interface" up ;;\n'
            'BOUND | RENEW | REBIND | REBOOT) ip addr replace "$new_ip_address/24" dev "$interface" ;;\n'
            'BOUND6 | RENEW6 | REBIND6) ip addr replace "$new_ip6_address/64" dev "$interface" nodad ;;\n'
            'EXPIRE | FAIL | RELEASE | STOP) ip addr flush dev "$interface" scope global ;;\n'
            'esac\n'
            'echo "script: $reason"\n')

    def dhcpcd(self, *options):
        config = self.place.lab.write(f"dhcpcd-{self.port}.conf", "\n".join(
            ("noarp", "nohook resolv.conf, hostname, ntp, timesyncd, wpa_supplicant", "waitip", *options, "")))
        # it wants to answer for all of /run, which is why the mount namespace
        return self.start("dhcpcd", "-B", "-d", "-f", config, "eth0")

    def ping(self, address=BRIDGE_IP):
        self.run("busybox", "ping", "-c", "1", "-W", "10", address)


class Tap:
    """A guest's port with the guest's side in our hands."""

    def __init__(self, place, port, queues=1):
        self.place, self.port, self.mac, self.owner = place, port, "52:54:00:00:01:01", OWNER
        flags = IFF_TAP | IFF_NO_PI | (IFF_MULTI_QUEUE if queues > 1 else 0)
        self.queues = []
        for _ in range(queues):
            self.queues.append(os.open("/dev/net/tun", os.O_RDWR))
            fcntl.ioctl(self.queues[-1], TUNSETIFF, struct.pack("16sH22x", port.encode(), flags))
        shell("ip", "link", "set", port, "master", "br0", "up")
        place.wait_forwarding(port)


def drain(packets):
    packets.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            packets.recv(65536)
    packets.settimeout(AWAIT_SECONDS)


def seen_before(packets, marker):
    """The frames that came in until @marker did."""
    result = []
    while True:
        try:
            frame, address = packets.recvfrom(65536)
        except TimeoutError:
            raise AssertionError("the frame behind the frame never came") from None
        if address[2] == PACKET_OUTGOING:
            continue
        if frame == marker:
            return result
        result.append(frame)


class Place:
    def __init__(self, lab):
        self.lab, self.folder = lab, pathlib.Path(lab.folder)
        self.processes, self.clients = [], []
        self.engine = None
        self.packets = None

    def __enter__(self):
        # where a frame waits depends on the CPU that sent it, and frames of one CPU stay in order
        self.cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {sorted(self.cpus)[os.getpid() % len(self.cpus)]})
        for line in ("link set lo up",
                     f"link add br0 address {BRIDGE_MAC} type bridge forward_delay 0 mcast_snooping 0",
                     "link set br0 up", f"addr add {BRIDGE_IP}/24 dev br0"):
            shell("ip", *line.split())
        shutil.copytree(self.lab.filters, self.folder / "filters", dirs_exist_ok=True)
        self.packets = packet_socket("br0")
        return self

    def __exit__(self, kind, *_):
        code = self.engine.end() if self.engine and not kind else 0
        for process in reversed(self.processes):
            process.end(signal.SIGKILL)
        os.sched_setaffinity(0, self.cpus)
        assert code == 0, f"the engine ended with {code}:\n" + "\n".join(self.engine.rest())

    def start(self, *command):
        process = Process(*command)
        self.processes.append(process)
        return process

    def start_engine(self):
        self.engine = Engine(self.lab.program, self.folder)
        self.processes.append(self.engine)
        return self.engine

    def drain(self):
        drain(self.packets)

    def client(self, bound=True, filter_name="clean-traffic", ipv6=False, parameters=None):
        """A client that is up, on a port that was bound before."""
        client = Client(self, len(self.clients), ipv6)
        self.clients.append(client)
        if bound:
            self.bind(client, filter_name, **(parameters or {}))
        return client.up()

    def dhcp_client(self, **parameters):
        return self.client(parameters={"CTRL_IP_LEARNING": "dhcp", **parameters})

    def bind(self, client, filter_name="clean-traffic", **parameters):
        if not self.engine:
            self.start_engine()
        text = harness.binding_xml(client.port, filter_name, client.mac, **parameters)
        path = self.lab.write(f"bind/{client.port}.xml", text.replace(OWNER, client.owner))
        self.engine.obey(f"bind {path}")

    def define(self, name, text):
        if not self.engine:
            self.start_engine()
        self.engine.obey("define " + self.lab.write(f"define/{name}.xml", text))

    def learned(self, client, address, how):
        """Waits until the engine says that the client's port has the address, with its rules in force."""
        self.engine.expect(rf"{client.port}: has {re.escape(address)} \({how}")

    @staticmethod
    def wait(condition):
        """For what nobody announces."""
        end = time.monotonic() + AWAIT_SECONDS
        while not condition():
            assert time.monotonic() < end, "it never came to be"
            time.sleep(0.02)

    def wait_forwarding(self, port):
        self.wait(lambda: "state forwarding" in shell("bridge", "link", "show", "dev", port))

    def script(self, name, text):
        path = pathlib.Path(self.lab.write(name, "#!/bin/sh\n" + text))
        path.chmod(0o755)
        return str(path)

    def udhcpc_script(self):
        return self.script("udhcpc-script",
                           'case $1 in\n'
                           'deconfig) ip addr flush dev "$interface" ;;\n'
                           'bound | renew) ip addr replace "$ip/24" dev "$interface" ;;\n'
                           'esac\n'
                           'echo "$1 $ip $lease"\n')

    def another(self, client):
        """A new guest with the port's name and the MAC of one that is gone."""
        return Client(self, client.number)

    def dnsmasq(self, *options, interface="br0"):
        """A DHCP server; without options one for 10.0.0.50 and following."""
        need("dnsmasq")
        options = options or ("--dhcp-range=10.0.0.50,10.0.0.99,255.255.255.0,300",)
        server = self.start("dnsmasq", "-k", "-C", "/dev/null", "--port=0", f"--interface={interface}",
                            "--bind-dynamic", "--user=root", "--group=root", "--pid-file=", "--no-ping",
                            "--log-facility=-", "--log-dhcp", "--dhcp-authoritative", "--leasefile-ro", *options)
        server.expect("DHCP.*(range|stateless|constructed|quiet)|router advertisement")
        return server

    def leased(self, client):
        """A dnsmasq, and the address that the client has from it, with its udhcpc."""
        self.dnsmasq()
        udhcpc = client.udhcpc()
        address = udhcpc.expect(r"^bound (\S+)").group(1)
        self.learned(client, address, "dhcp")
        return address, udhcpc

    def udhcpd(self, lease, start=50, end=99, interface="br0", client=None):
        """A DHCP server with leases as short as one likes."""
        need("busybox")
        name = f"udhcpd-{start}"
        path = self.lab.write(name + ".conf",
                              f"start 10.0.0.{start}\nend 10.0.0.{end}\ninterface {interface}\nmin_lease 1\n"
                              f"lease_file {self.folder}/{name}.leases\npidfile {self.folder}/{name}.pid\n"
                              f"option subnet 255.255.255.0\noption lease {lease}\n")
        (self.folder / f"{name}.leases").touch()
        server = (client or self).start("busybox", "udhcpd", "-f", "-I", "10.0.0.253" if client else BRIDGE_IP, path)
        server.expect("started")
        return server

    def leases(self):
        return (self.folder / "leases").read_text(encoding="ascii")
