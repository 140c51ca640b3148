# SPDX-License-Identifier: LGPL-2.1-or-later
"""A place for one run of the program: a folder, a network namespace, and what the kernel holds there."""
import ctypes
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import traceback
from xml.sax.saxutils import quoteattr

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

# pylint: disable=wrong-import-position
from checks import Skip, equal, has, has_not, test, tests  # noqa: E402,F401

TABLE = ("bridge", "nwfilter")
MAC = "52:54:00:00:00:01"
IP = "10.0.0.1"

CLONE_NEWNET = 0x40000000  # linux/sched.h
NETLINK_NETFILTER = 12  # linux/netlink.h
NFT_GETGEN = 10 << 8 | 16  # linux/netfilter/nfnetlink.h, nf_tables.h
NLM_F_REQUEST = 1


def binding_xml(port, filter_name, mac=MAC, **parameters):
    """Values of a parameter may be a list."""
    lines = ["<filterbinding>",
             "  <owner><name>guest</name><uuid>5f0e5f4a-6c3d-4f0e-9f0c-111111111111</uuid></owner>",
             f"  <portdev name={quoteattr(port)}/>",
             f"  <mac address={quoteattr(mac)}/>",
             f"  <filterref filter={quoteattr(filter_name)}>"]
    for name, values in parameters.items():
        for value in [values] if isinstance(values, str) else values:
            lines.append(f"    <parameter name={quoteattr(name)} value={quoteattr(value)}/>")
    return "\n".join(lines + ["  </filterref>", "</filterbinding>", ""])


class Lab:
    def __init__(self, program, filters, folder):
        self.program, self.filters, self.folder = program, filters, pathlib.Path(folder)
        self.bindings = self.folder / "bindings"
        self.bindings.mkdir()

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    def bind(self, port, filter_name="clean-traffic", file=None, mac=MAC, **parameters):
        """Writes a binding file; clean-traffic gets an address if none is given."""
        if filter_name == "clean-traffic" and not parameters:
            parameters = {"IP": IP}
        return self.write(f"bindings/{file or port}.xml", binding_xml(port, filter_name, mac, **parameters))

    def run(self, *arguments, code=0, timeout=60, **options):
        """Runs the program to its end, which must have the exit code @code."""
        result = subprocess.run([self.program, *arguments], text=True, errors="surrogateescape", timeout=timeout,
                                stdin=subprocess.DEVNULL, capture_output=True, check=False, **options)
        assert result.returncode == code, (f"{' '.join(arguments)}: ended with {result.returncode}, not {code}\n"
                                           f"{result.stdout[-2000:]}{result.stderr[-2000:]}")
        return result

    def apply(self, *arguments, **options):
        return self.run("apply", "--filters", self.filters, "--bindings", str(self.bindings), *arguments, **options)

    def compile(self, *arguments, **options):
        return self.run("compile", "--filters", self.filters, *arguments, **options).stdout

    def check(self, *arguments, **options):
        return self.run("check", "--filters", self.filters, *arguments, **options)

    def ports(self):
        return {port["port"]: port for port in json.loads(self.run("list", "--json").stdout)["ports"]}


def nft(*arguments, text=None):
    result = subprocess.run(["nft", *arguments], input=text, text=True, capture_output=True, check=False)
    assert result.returncode == 0, f"nft {' '.join(arguments)}: {result.stderr[:2000]}"
    return result.stdout


def ruleset():
    return nft("list", "ruleset")


def objects(kind):
    """What `nft -j list ruleset` has of a kind: chain, rule, set, map."""
    return [entry[kind] for entry in json.loads(nft("-j", "list", "ruleset"))["nftables"] if kind in entry]


def generation():
    """The number of the ruleset's last commit in this namespace."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        netlink.send(struct.pack("=IHHII4x", 20, NFT_GETGEN, NLM_F_REQUEST, 1, 0))
        reply = netlink.recv(4096)
    (message_type,) = struct.unpack_from("=H", reply, 4)
    assert message_type != 2, "the kernel does not tell its generation"
    return struct.unpack_from(">I", reply, 24)[0]


def own_namespace():
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot make a network namespace")


def reason_to_skip():
    if os.geteuid() != 0:
        return "network namespaces and nftables need root"
    if not shutil.which("nft"):
        return "no nft here"
    return None


def run_one(program, filters, function):
    with tempfile.TemporaryDirectory(prefix="nwfilter-nft-cli-") as folder:
        own_namespace()
        function(Lab(program, filters, folder))


def report(number, name, function):
    """Runs a test and prints its line; 1 if it failed."""
    try:
        function()
        print(f"ok {number} - {name}", flush=True)
    except Skip as skip:
        print(f"ok {number} - {name} # SKIP {skip}", flush=True)
    except Exception as error:  # pylint: disable=broad-except
        print(f"not ok {number} - {name}")
        text = str(error) if isinstance(error, AssertionError) and str(error) else traceback.format_exc()
        print("\n".join("# " + line for line in text[:6000].splitlines()), flush=True)
        return 1
    return 0


def main(program, filters, names):
    chosen = [entry for entry in tests if not names or entry[0] in names]
    reason = reason_to_skip()
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    print(f"1..{len(chosen)}")
    failed = 0
    for number, (name, function) in enumerate(chosen, 1):
        failed += report(number, name, lambda: run_one(os.path.abspath(program), os.path.abspath(filters), function))
    return 1 if failed else 0
