# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host in this process's namespaces: its directories, its libvirtd with one driver or the other, its guests."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
from xml.sax.saxutils import quoteattr

import api
from harness import descriptor_of, run, until

OURS, STOCK = "ours", "stock"
MAC = "52:54:00:00:00:01"
SYSTEM = "qemu:///system"
DRIVERS = "usr/lib/*/libvirt/connection-driver"

LIBVIRTD_CONF = """unix_sock_group = "root"
auth_unix_rw = "none"
auth_unix_ro = "none"
max_clients = 100
max_anonymous_clients = 0
"""
QEMU_CONF = """stdio_handler = "file"
security_driver = "none"
user = "root"
group = "root"
cgroup_controllers = []
namespaces = []
"""


def binding_xml(port, filter_name, mac=MAC, owner="guest", uuid="5f0e5f4a-6c3d-4f0e-9f0c-111111111111", **parameters):
    """Values of a parameter may be a list."""
    lines = ["<filterbinding>",
             f"  <owner><name>{owner}</name><uuid>{uuid}</uuid></owner>",
             f"  <portdev name={quoteattr(port)}/>",
             f"  <mac address={quoteattr(mac)}/>",
             f"  <filterref filter={quoteattr(filter_name)}>"]
    for name, values in parameters.items():
        for value in [values] if isinstance(values, str) else values:
            lines.append(f"    <parameter name={quoteattr(name)} value={quoteattr(value)}/>")
    return "\n".join(lines + ["  </filterref>", "</filterbinding>", ""])


def interface_xml(filter_name, mac=MAC, bridge="br0", port=None, model="e1000", **parameters):
    target = f"<target dev='{port}'/>" if port else ""
    values = "".join(f"<parameter name='{name}' value='{value}'/>" for name, value in parameters.items())
    reference = f"<filterref filter='{filter_name}'>{values}</filterref>" if filter_name else ""
    return (f"<interface type='bridge'><mac address='{mac}'/><source bridge='{bridge}'/>{target}"
            f"<model type='{model}'/>{reference}</interface>")


def domain_xml(name, *interfaces):
    """64 MiB, no disk; its network card's boot ROM asks for an address by DHCP again and again."""
    return (f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>"
            "<os><type arch='x86_64' machine='pc'>hvm</type><boot dev='network'/></os>"
            "<features><acpi/></features>"
            f"<devices>{''.join(interfaces)}<memballoon model='none'/></devices></domain>")


class Host:
    """
    @options: what the tests were given, see test-libvirt. Only one in a process, and only in namespaces of its own.
    """

    def __init__(self, options):
        self.options = options
        self.root = pathlib.Path(options.root)
        self.uri = SYSTEM if options.root == "/" else f"{SYSTEM}?socket={self.path('/run/libvirt/libvirt-sock')}"
        self.daemon = None
        self.driver = None
        self._cover()
        self._configure()
        self._driver_directories()
        run("ip", "link", "set", "lo", "up")
        for family in ("iptables", "ip6tables"):  # where the stock driver has half of its rules
            knob = pathlib.Path(f"/proc/sys/net/bridge/bridge-nf-call-{family}")
            if knob.exists():
                knob.write_text("1", encoding="ascii")

    # Files

    def path(self, inside):
        return self.root / str(inside).lstrip("/")

    def _cover(self):
        """New directories, or copies, over all that a libvirtd writes."""
        native = self.options.root == "/"
        if not native:
            run("mount", "--rbind", "/dev", str(self.path("/dev")))
            run("mount", "-t", "proc", "proc", str(self.path("/proc")))
            run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")  # of what runs beside the chroot
        for root in {"/", self.options.root}:  # that of this network namespace
            run("mount", "-t", "sysfs", "sysfs", str(pathlib.Path(root) / "sys"))
        for name in ("/etc/libvirt", "/etc/firewalld"):
            directory = self.path(name)
            if directory.is_dir():
                copy = self.options.folder / f"copy-{os.getpid()}"
                shutil.copytree(directory, copy, symlinks=True)
                run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(directory))
                shutil.copytree(copy, directory, symlinks=True, dirs_exist_ok=True)
                shutil.rmtree(copy)
        for name in ("/run", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log"):
            self.path(name).mkdir(parents=True, exist_ok=True)
            run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(self.path(name)))
        # What QEMU can do is asked of it once for all tests.
        cache = self.options.folder / "qemu-cache"
        cache.mkdir(exist_ok=True)
        self.path("/var/cache/libvirt/qemu").mkdir()
        run("mount", "--bind", str(cache), str(self.path("/var/cache/libvirt/qemu")))
        self.path("/run/lock").mkdir()
        self.state = self.path("/run/nwfilter-test")
        self.state.mkdir()

    def _configure(self):
        shutil.rmtree(self.path("/etc/libvirt/qemu"), ignore_errors=True)  # networks that start by themselves
        self.path("/etc/libvirt/libvirtd.conf").write_text(LIBVIRTD_CONF, encoding="ascii")
        self.path("/etc/libvirt/qemu.conf").write_text(QEMU_CONF, encoding="ascii")
        self.filter_dir = self.path("/etc/libvirt/nwfilter")
        self.binding_dir = self.path("/run/libvirt/nwfilter-binding")

    def _driver_directories(self):
        """
        The distribution's drivers, without that of host devices: it is not needed here, and libvirt 11.3.0 now and
        then waits for its thread for 30 seconds when it ends, and then fails.
        """
        (stock,) = self.root.glob(DRIVERS)
        self.drivers = {}
        for name, nwfilter in ((STOCK, None), (OURS, self.options.module)):
            directory = self.state / f"drivers-{name}"
            directory.mkdir()
            for driver in stock.iterdir():
                if driver.name != "libvirt_driver_nodedev.so":
                    (directory / driver.name).symlink_to("/" + str(driver.relative_to(self.root)))
            if nwfilter:
                (directory / "libvirt_driver_nwfilter.so").unlink()
                shutil.copy(nwfilter, directory / "libvirt_driver_nwfilter.so")
            self.drivers[name] = "/" + str(directory.relative_to(self.root))

    def command(self, *words):
        return list(words) if self.options.root == "/" else ["chroot", str(self.root), *words]

    def run(self, *words, **options):
        return run(*self.command(*words), **options)

    # The daemon

    def start(self, driver=None, environment=None, wait=True):
        """Returns when it has loaded everything and answers."""
        self.driver = driver or self.driver or self.options.driver
        self.ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify = self.state / "notify"
        notify.unlink(missing_ok=True)
        self.ready.bind(str(notify))
        # pylint: disable-next=consider-using-with
        log = open(self.state / "libvirtd.log", "a", encoding="utf-8")
        log.write(f"--- {self.driver}\n")
        log.flush()
        self.daemon = subprocess.Popen(
            self.command("libvirtd", "-f", "/etc/libvirt/libvirtd.conf"), stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, env={**os.environ, "LIBVIRT_DRIVER_DIR": self.drivers[self.driver],
                             "NOTIFY_SOCKET": "/run/nwfilter-test/notify", **(environment or {})})
        log.close()
        if wait:
            self.wait_ready()
        return self.daemon

    def wait_ready(self, seconds=120):
        self.ready.settimeout(0.2)
        end = time.monotonic() + seconds
        while True:
            try:
                if b"READY=1" in self.ready.recv(4096):
                    break
            except TimeoutError:
                pass
            assert self.daemon.poll() is None, f"libvirtd ended with {self.daemon.returncode}:\n{self.log()}"
            assert time.monotonic() < end, f"libvirtd is not ready:\n{self.log()}"
        self.ready.close()
        # It says so when it listens; whoever connects then waits until all drivers are loaded.
        self.connect().close()

    def stop(self):
        if self.daemon:
            self.daemon.send_signal(signal.SIGTERM)
            assert self.daemon.wait(60) == 0, f"libvirtd ended with {self.daemon.returncode}:\n{self.log()}"
            self.daemon = None

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()
        self.daemon = None

    def restart(self, driver=None):
        self.stop()
        self.start(driver)

    def log(self):
        path = self.state / "libvirtd.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-30:]) if path.exists() else ""

    def connect(self):
        return api.Connection(self.uri)

    def virsh(self, *words, check=True, environment=None, text=None):
        return self.run("virsh", "-q", "-c", SYSTEM, *words, check=check, text=text,
                        env={**os.environ, **(environment or {})})

    def write(self, name, text):
        """A file in the host; its path there."""
        (self.state / name).write_text(text, encoding="utf-8")
        return f"/run/nwfilter-test/{name}"

    # Guests

    def define_guest(self, name, *interfaces):
        self.virsh("define", self.write(f"{name}.domain.xml", domain_xml(name, *interfaces)))

    def ports_of(self, guest):
        lines = self.virsh("domiflist", guest).stdout.splitlines()
        return [line.split()[0] for line in lines if line.strip()]

    def guest_pid(self, name):
        return int(self.path(f"/run/libvirt/qemu/{name}.pid").read_text(encoding="ascii"))

    def guest_tap(self, name, port):
        """The descriptor by which the guest's QEMU sends and receives; what is written there the guest has sent."""
        pid = self.guest_pid(name)
        for number in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
            if re.search(rf"^iff:\s+{port}$", number.read_text(encoding="ascii"), re.MULTILINE):
                return descriptor_of(pid, int(number.name))
        raise AssertionError(f"the guest {name} has not opened {port}")

    def wait_guest(self, name):
        """
        A daemon that starts takes up its guests when it answers already, and calls them running before. One that is
        stopped in between may kill them.
        """
        until(lambda: self.virsh("domcontrol", name, check=False).stdout.strip() == "ok", f"{name} is under control")

    # What is there

    def kernel_table(self):
        """All objects of our table, [] when it is not there."""
        result = run("nft", "-j", "list", "table", "bridge", "nwfilter", check=False)
        return json.loads(result.stdout)["nftables"] if result.returncode == 0 else []

    def kernel_text(self):
        """The table without what changes by itself: counters of handles and of time."""
        result = run("nft", "list", "table", "bridge", "nwfilter", check=False)
        return result.stdout if result.returncode == 0 else ""

    def kernel_ports(self):
        """Those with an entry for every EtherType, both ways, which every bound port has."""
        found = {"from_port_other": set(), "to_port_other": set()}
        for entry in self.kernel_table():
            name = entry.get("map", {}).get("name")
            if name in found:
                for key, _ in entry["map"].get("elem", []):
                    found[name].add(key["elem"]["val"] if isinstance(key, dict) else key)
        assert found["from_port_other"] == found["to_port_other"], f"half of a port is bound: {found}"
        return found["from_port_other"]

    def stock_ports(self):
        """Those for which the stock driver's jumps are there."""
        text = run("nft", "list", "ruleset").stdout
        return set(re.findall(r"\bjump libvirt-I-(\S+)", text))

    def files(self, directory):
        return {path.name[:-len(".xml")] for path in directory.glob("*.xml")}

    def strays(self):
        """What no program may leave in the directories: temporary files."""
        return [path.name for directory in (self.filter_dir, self.binding_dir) if directory.exists()
                for path in directory.iterdir() if path.suffix != ".xml" or path.name.startswith(".")]

    def check_agreement(self):
        """Files, memory and kernel say the same."""
        with self.connect() as conn:
            filters, bindings = conn.filters(), conn.bindings()
            assert set(filters) == self.files(self.filter_dir), "filters in memory and on disk differ"
            assert set(bindings) == self.files(self.binding_dir), (
                f"bindings: in memory {sorted(bindings)}, on disk {sorted(self.files(self.binding_dir))}")
        if self.driver == OURS:  # where ports that have just been unbound are closed for a moment
            until(lambda: set(bindings) == self.kernel_ports(), f"the kernel has the bindings {sorted(bindings)}")
        return filters, bindings

    def wait_gone(self, port):
        until(lambda: not pathlib.Path(f"/sys/class/net/{port}").exists(), f"{port} is gone")
