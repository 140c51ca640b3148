# SPDX-License-Identifier: LGPL-2.1-or-later
"""enable, disable and status: which driver libvirt's daemon loads, and when the table goes."""
import json
import os
import shutil
import subprocess

import layer
from harness import IP, Skip, equal, has, has_not, nft, ruleset, test

DRIVERS = "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver"
UNITS = "/usr/lib/systemd/system"
MODULE = "libvirt_driver_nwfilter.so"


def drop_in(service):
    return f"/etc/systemd/system/{service}.service.d/nwfilter-nft.conf"


def lay_out(tree, services):
    for name in ["qemu", "network", "nwfilter"]:
        tree.write(f"{DRIVERS}/libvirt_driver_{name}.so", "theirs")
    for service in services:
        tree.write(f"{UNITS}/{service}.service")
        tree.write(f"{UNITS}/{service}.socket")


def install(tree, lab):
    """Puts a module where the program looks for it, which it says itself; gives the directory."""
    said = lab.run("enable", "--root", str(tree.folder), "--service", "libvirtd", code=1).stderr
    module = said.split(": ")[0].removeprefix(str(tree.folder))
    equal(os.path.basename(module), MODULE)
    tree.write(module, "ours")
    return os.path.dirname(module)


class Tree(layer.Tree):
    """With libvirt's drivers and services."""

    def __init__(self, folder, *services):
        super().__init__(folder)
        lay_out(self, services)

    def install(self, lab):
        return install(self, lab)


def make_tree(lab, *services):
    tree = Tree(lab.folder / "root", *services)
    return tree, tree.install(lab)


@test
def enabled_service_gets_a_drop_in_that_names_our_drivers(lab):
    tree, drivers = make_tree(lab, "libvirtd")
    result = lab.run("enable", "--root", str(tree.folder)).stdout
    has(result, f"wrote {tree.path(drop_in('libvirtd'))}")
    has(tree.read(drop_in("libvirtd")), f"[Service]\nEnvironment=LIBVIRT_DRIVER_DIR={drivers}\n")
    has(tree.read(drop_in("libvirtd")), "\nEnvironment=VIRTNWFILTERD_ARGS=\n")


@test
def filters_that_depend_on_how_chains_end_are_named(lab):
    tree, _ = make_tree(lab, "libvirtd")
    tree.write("/etc/libvirt/nwfilter/sub.xml", "<filter name='sub' chain='mac'><rule action='return' direction='in'>"
                                                "<mac dstmacaddr='$MAC'/></rule></filter>")
    tree.write("/etc/libvirt/nwfilter/web.xml", "<filter name='web'><filterref filter='sub'/>"
                                                "<rule action='drop' direction='in'/></filter>")
    result = lab.run("enable", "--root", str(tree.folder)).stdout
    has(result, "filter web depends on how its chains end", "chain_end = accept")
    has_not(result, "filter sub depends")
    tree.write("/etc/libvirt/nwfilter-nft.conf", "[nwfilter]\nchain_end = accept\n")
    has_not(lab.run("enable", "--root", str(tree.folder)).stdout, "depends")


@test
def our_directory_has_links_to_the_other_drivers_and_our_module(lab):
    tree, drivers = make_tree(lab, "libvirtd")
    tree.link(f"{DRIVERS}/libvirt_driver_gone.so", f"{drivers}/libvirt_driver_gone.so")
    tree.link("/elsewhere/libvirt_driver_qemu.so", f"{drivers}/libvirt_driver_qemu.so")
    lab.run("enable", "--root", str(tree.folder))
    equal(sorted(path.name for path in tree.path(drivers).iterdir()),
          ["libvirt_driver_network.so", MODULE, "libvirt_driver_qemu.so"])
    for name in ["network", "qemu"]:
        equal(os.readlink(tree.path(f"{drivers}/libvirt_driver_{name}.so")), f"{DRIVERS}/libvirt_driver_{name}.so")
    equal(tree.read(f"{drivers}/{MODULE}"), "ours")
    equal(tree.read(f"{DRIVERS}/{MODULE}"), "theirs")


@test
def links_alone_are_renewed_without_enabling(lab):
    tree, drivers = make_tree(lab, "libvirtd")
    lab.run("enable", "--links", "--root", str(tree.folder))
    equal(tree.has(f"{drivers}/libvirt_driver_qemu.so"), True)
    equal(tree.has(drop_in("libvirtd")), False)


@test
def enabling_twice_changes_nothing(lab):
    tree, _ = make_tree(lab, "libvirtd")
    lab.run("enable", "--root", str(tree.folder))
    before = {path: os.lstat(path).st_ctime_ns for path in tree.all()}
    equal(lab.run("enable", "--root", str(tree.folder)).stdout, "")
    equal({path: os.lstat(path).st_ctime_ns for path in tree.all()}, before)


@test
def dry_run_of_enable_and_disable_changes_nothing(lab):
    tree, _ = make_tree(lab, "libvirtd")
    before = tree.all()
    has(lab.run("enable", "--dry-run", "--root", str(tree.folder)).stdout, "would write", "would link")
    equal(tree.all(), before)
    lab.run("enable", "--root", str(tree.folder))
    before = tree.all()
    has(lab.run("disable", "--dry-run", "--root", str(tree.folder)).stdout, "would remove")
    equal(tree.all(), before)


@test
def the_service_that_is_enabled_is_chosen(lab):
    modular = "/etc/systemd/system/sockets.target.wants/virtnwfilterd.socket"
    whole = "/etc/systemd/system/multi-user.target.wants/libvirtd.service"
    cases = [([], "libvirtd"), ([whole], "libvirtd"), ([modular], "virtnwfilterd"), ([whole, modular], "virtnwfilterd")]
    for number, (links, wanted) in enumerate(cases):
        tree = Tree(lab.folder / f"root{number}", "libvirtd", "virtnwfilterd")
        tree.install(lab)
        for link in links:
            tree.link(f"{UNITS}/{os.path.basename(link)}", link)
        lab.run("enable", "--root", str(tree.folder))
        equal([service for service in ["libvirtd", "virtnwfilterd"] if tree.has(drop_in(service))], [wanted], str(links))


@test
def masked_service_is_not_chosen(lab):
    tree, _ = make_tree(lab, "libvirtd", "virtnwfilterd")
    tree.link("/dev/null", "/etc/systemd/system/libvirtd.service")
    lab.run("enable", "--root", str(tree.folder))
    equal(tree.has(drop_in("virtnwfilterd")), True)


@test
def drop_in_moves_with_the_service(lab):
    tree, _ = make_tree(lab, "libvirtd", "virtnwfilterd")
    lab.run("enable", "--root", str(tree.folder), "--service", "libvirtd")
    lab.run("enable", "--root", str(tree.folder), "--service", "virtnwfilterd.service")
    equal(tree.has("/etc/systemd/system/libvirtd.service.d"), False)
    equal(tree.has(drop_in("virtnwfilterd")), True)


@test
def disable_removes_what_enable_wrote_and_nothing_else(lab):
    tree, _ = make_tree(lab, "libvirtd", "virtnwfilterd")
    lab.run("enable", "--root", str(tree.folder))
    tree.write("/etc/systemd/system/libvirtd.service.d/other.conf")
    lab.run("disable", "--root", str(tree.folder))
    equal(tree.has(drop_in("libvirtd")), False)
    equal(tree.has("/etc/systemd/system/libvirtd.service.d/other.conf"), True)
    lab.run("enable", "--root", str(tree.folder), "--service", "virtnwfilterd")
    lab.run("disable", "--root", str(tree.folder))
    equal(tree.has("/etc/systemd/system/virtnwfilterd.service.d"), False)
    equal(lab.run("disable", "--root", str(tree.folder)).stdout, "")


@test
def what_is_missing_is_an_error_and_nothing_is_written(lab):
    tree = Tree(lab.folder / "root")
    before = tree.all()
    has(lab.run("enable", "--root", str(tree.folder), code=1).stderr, "libvirtd.service", "virtnwfilterd.service")
    has(lab.run("enable", "--root", str(tree.folder), "--service", "sshd", code=1).stderr, "'sshd'")
    has(lab.run("enable", "--root", str(tree.folder), "--service", "libvirtd", code=1).stderr, MODULE, "not installed")
    equal(tree.all(), before)
    drivers = tree.install(lab)
    shutil.rmtree(tree.path(DRIVERS))
    has(lab.run("enable", "--root", str(tree.folder), "--service", "libvirtd", code=1).stderr, "connection-driver")
    tree.write(f"{DRIVERS}/libvirt_driver_qemu.so")
    tree.write(f"{drivers}/libvirt_driver_qemu.so", "somebody's")
    has(lab.run("enable", "--root", str(tree.folder), "--service", "libvirtd", code=1).stderr, "not a link")
    equal(tree.read(f"{drivers}/libvirt_driver_qemu.so"), "somebody's")
    equal(tree.has(drop_in("libvirtd")), False)


@test
def now_does_not_go_with_another_root(lab):
    for command in ["enable", "disable"]:
        has(lab.run(command, "--now", "--root", "/x", code=2).stderr, "--now")


# --- with systemd: this system with files of our own laid over it ---

class Host(layer.Layer):
    def __init__(self, lab, name="host"):
        super().__init__(lab.folder / name)
        lay_out(self, [])
        self.write("/usr/bin/nwfilter-nft", mode=0o755)
        shutil.copy(lab.program, self.path("/usr/bin/nwfilter-nft"))
        install(self, lab)


@test
def enable_reloads_units_and_says_what_to_restart(lab):
    host = Host(lab)
    has(host.run("nwfilter-nft", "enable").stdout, "systemctl restart libvirtd.service")
    equal(host.told(), ["daemon-reload"])
    has(host.read(drop_in("libvirtd")), "LIBVIRT_DRIVER_DIR")


@test
def enable_now_restarts_a_service_that_runs(lab):
    host = Host(lab)
    host.write("/active")
    host.run("nwfilter-nft", "enable", "--now")
    equal(host.told(), ["daemon-reload", "restart libvirtd.service"])


@test
def enable_now_leaves_a_service_stopped_that_does_not_run(lab):
    host = Host(lab)
    has(host.run("nwfilter-nft", "enable", "--now").stdout, "does not run")
    equal(host.told(), ["daemon-reload"])


@test
def service_that_does_not_start_with_our_driver_gets_its_own_again(lab):
    for way in ["/broken", "/mute"]:
        host = Host(lab, way.strip("/"))
        host.write("/active")
        host.write(way)
        result = host.run("nwfilter-nft", "enable", "--now", code=1)
        has(result.stderr, "libvirt's own again", "journalctl")
        equal(host.has(drop_in("libvirtd")), False)
        equal(host.told(), ["daemon-reload", "restart libvirtd.service"] * 2)


@test
def without_systemd_files_are_written_and_the_order_is_said(lab):
    host = Host(lab)
    host.path("/run/systemd/system").rmdir()
    host.path("/run/systemd").rmdir()
    has(host.run("nwfilter-nft", "enable").stdout, "systemd does not run here")
    has(host.run("nwfilter-nft", "disable").stdout, "nwfilter-nft delete", "nwfilter-binding-list")
    equal(host.told(), [])


def enabled_host_with_a_table(lab):
    host = Host(lab)
    host.run("nwfilter-nft", "enable")
    lab.bind("tap0")
    lab.apply()
    host.told()
    return host


@test
def disable_keeps_the_table_until_the_daemon_has_started_again(lab):
    host = enabled_host_with_a_table(lab)
    has(host.run("nwfilter-nft", "disable").stdout, "systemctl restart libvirtd.service")
    equal(host.has(drop_in("libvirtd")), False)
    equal(host.told(), ["daemon-reload"])
    has(ruleset(), "tap0")
    equal(host.read("/run/systemd/system/libvirtd.service.d/nwfilter-nft-leave.conf"),
          "[Unit]\nWants=nwfilter-nft-leave.service\n")
    # systemd runs this with the next start
    host.run("sh", "/run/nwfilter-nft/leave")
    has(host.read("/tables"), "table bridge nwfilter")
    equal(ruleset(), "")
    equal([path for path in ["/run/nwfilter-nft/leave", "/run/systemd/system/nwfilter-nft-leave.service",
                             "/run/systemd/system/libvirtd.service.d"] if host.has(path)], [])


@test
def disable_now_deletes_the_table_when_the_daemon_answers(lab):
    host = enabled_host_with_a_table(lab)
    host.write("/active")
    has(host.run("nwfilter-nft", "disable", "--now").stdout, "the table is deleted")
    equal(host.told()[:3], ["daemon-reload", "restart libvirtd.service", "start nwfilter-nft-leave.service"])
    has(host.read("/tables"), "table bridge nwfilter")
    equal(ruleset(), "")


@test
def table_that_the_start_of_the_daemon_took_away_is_no_failure(lab):
    host = enabled_host_with_a_table(lab)
    host.write("/active")
    host.write("/usr/bin/systemctl", host.read("/usr/bin/systemctl").replace(
        '*"restart libvirtd.service")', '*"restart libvirtd.service") sh /run/nwfilter-nft/leave; exit ;;\n'
        '*"start nwfilter-nft-leave.service") exit 5 ;;\nunused)'), 0o755)
    has(host.run("nwfilter-nft", "disable", "--now").stdout, "the table is deleted")
    equal(ruleset(), "")


@test
def daemon_that_does_not_answer_leaves_the_table(lab):
    host = enabled_host_with_a_table(lab)
    host.write("/active")
    host.write("/mute")
    host.run("nwfilter-nft", "disable", "--now", code=1)
    has(ruleset(), "tap0")
    equal(host.has("/run/nwfilter-nft/leave"), True)


@test
def disable_now_of_a_stopped_service_leaves_the_table_to_its_next_start(lab):
    host = enabled_host_with_a_table(lab)
    has(host.run("nwfilter-nft", "disable", "--now").stdout, "next start")
    has(ruleset(), "tap0")
    equal(host.has("/run/nwfilter-nft/leave"), True)


@test
def enabling_again_calls_the_farewell_off(lab):
    host = enabled_host_with_a_table(lab)
    host.run("nwfilter-nft", "disable")
    host.run("nwfilter-nft", "enable")
    equal(host.has("/run/nwfilter-nft/leave"), False)
    equal(host.has("/run/systemd/system/libvirtd.service.d"), False)


# --- status, and whose the table is ---

@test
def status_says_what_is_enabled_and_what_the_table_holds(lab):
    host = enabled_host_with_a_table(lab)
    status = json.loads(host.run("nwfilter-nft", "status", "--json").stdout)
    equal((status["enabled"], status["stale_links"], status["table"]),
          ("libvirtd.service", 0, {"ports": 1, "owner": None}))
    has(host.run("nwfilter-nft", "status").stdout, "enabled for libvirtd.service", "table with 1 port, owned by nobody")
    host.run("nwfilter-nft", "disable")
    lab.run("delete")
    status = json.loads(host.run("nwfilter-nft", "status", "--json").stdout)
    equal((status["enabled"], status["table"]), (None, None))
    has(host.run("nwfilter-nft", "status").stdout, "not enabled", "no table")


class Owner:
    """A process that owns the table, as libvirtd does."""

    def __enter__(self):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.process.stdin.write("add table bridge nwfilter { flags owner; }\nlist tables\nadd table ip done\n"
                                 "list tables\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if "table ip done" in line and "add" not in line:
                break
        if "owner" not in nft("list", "table", "bridge", "nwfilter"):
            self.__exit__()
            raise Skip("this kernel's tables have no owners")
        return self.process.pid

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@test
def owner_of_the_table_is_shown(lab):
    with Owner() as pid:
        equal(json.loads(lab.run("list", "--json").stdout)["owner"], {"pid": pid, "name": "nft"})
        has(lab.run("list").stdout, f"owned by nft (pid {pid})")
        equal(json.loads(lab.run("status", "--json").stdout)["table"]["owner"], {"pid": pid, "name": "nft"})
    equal(json.loads(lab.run("list", "--json").stdout)["owner"], None)


@test
def owned_table_is_not_for_others_to_change(lab):
    lab.bind("tap0")
    with Owner() as pid:
        before = ruleset()
        for result in [lab.apply(code=1), lab.run("delete", code=1)]:
            has(result.stderr, "nft", str(pid))
            has_not(result.stderr, "root")
        equal(ruleset(), before)
