# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests that run in namespaces of their own, in which everything they started ends with them."""
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

# pylint: disable=wrong-import-position
from checks import Skip, equal, has, has_not, test, tests  # noqa: E402,F401

CLONE_NEWNS = 0x00020000  # linux/sched.h
CLONE_NEWNET = 0x40000000
CLONE_NEWPID = 0x20000000
PR_SET_PDEATHSIG = 1  # linux/prctl.h
PIDFD_GETFD = 438  # asm-generic/unistd.h

libc = ctypes.CDLL(None, use_errno=True)


def until(condition, what, seconds=30):
    """For what nobody announces: asks until it is so, and says @what is not if that takes too long."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, f"after {seconds} seconds still not: {what}"
        time.sleep(0.02)


def run(*command, text=None, check=True, timeout=120, **options):
    result = subprocess.run(command, input=text, text=True, errors="surrogateescape", capture_output=True,
                            check=False, timeout=timeout, **options)
    if check:
        assert result.returncode == 0, (f"{' '.join(command)}: ended with {result.returncode}\n"
                                        f"{result.stdout[-2000:]}{result.stderr[-2000:]}")
    return result


def note(text):
    """A line for whoever reads the log of a test."""
    print("\n".join("# " + line for line in text.splitlines()), flush=True)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def unshare(flags):
    if libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "cannot make namespaces")


def descriptor_of(pid, number):
    """A copy of another process's descriptor."""
    process = os.pidfd_open(pid)
    copy = libc.syscall(PIDFD_GETFD, process, number, 0)
    os.close(process)
    if copy < 0:
        raise OSError(ctypes.get_errno(), "cannot take a descriptor")
    return copy


def report_of(function):
    """Runs it and says how it ended, in what a pipe can carry."""
    try:
        function()
    except Skip as skip:
        return {"skip": str(skip)}
    except AssertionError as error:
        where = traceback.extract_tb(error.__traceback__)
        places = [f"{pathlib.Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in where[-4:]]
        return {"error": "\n".join([str(error) or traceback.format_exc(), "at " + ", ".join(places)])}
    except BaseException:  # pylint: disable=broad-except
        return {"error": traceback.format_exc()}
    return {}


def reap_until(child):
    """What the first process of a PID namespace is for: it takes leave of those that lost their parents."""
    while True:
        pid, _ = os.wait()
        if pid == child:
            return


def isolated(function, seconds):
    """
    Runs @function in a network, mount and PID namespace. The PID namespace's first process ends when @function
    does, and the kernel then kills whatever is left in it: daemons, guests, helpers.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            die_with_parent()
            unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID)
            first = os.fork()
            if first == 0:
                die_with_parent()
                worker = os.fork()
                if worker == 0:
                    run("mount", "--make-rprivate", "/")
                    run("mount", "-t", "proc", "proc", "/proc")
                    os.write(writing, json.dumps(report_of(function)).encode())
                else:
                    os.close(writing)
                    reap_until(worker)
                sys.stdout.flush()
                os._exit(0)
            os.close(writing)
            os.waitpid(first, 0)
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.close(writing)

    def too_late(*_):
        os.kill(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(seconds)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    signal.alarm(0)
    return json.loads(text) if text else {"error": f"it did not end by itself (it has {seconds} seconds)"}


def reason_to_skip():
    if os.geteuid() != 0:
        return "namespaces need root"
    for program in ("nft", "ip", "virsh", "libvirtd", "qemu-system-x86_64"):
        if not shutil.which(program):
            return f"no {program} here"
    return None


def main(options, names):
    """@options is what the tests get, an object; see test-libvirt."""
    chosen = [entry for entry in tests if not names or entry[0] in names]
    reason = reason_to_skip() or options.reason_to_skip()
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    print(f"1..{len(chosen)}", flush=True)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="nwfilter-nft-libvirt-") as folder:
        options.folder = pathlib.Path(folder)
        for number, (name, function) in enumerate(chosen, 1):
            started = time.monotonic()
            result = isolated(lambda function=function: function(options), options.seconds)
            took = f"({time.monotonic() - started:.1f} s)"
            if "skip" in result:
                print(f"ok {number} - {name} # SKIP {result['skip']}", flush=True)
            elif "error" in result:
                failed += 1
                print(f"not ok {number} - {name} {took}")
                note(result["error"][:12000])
            else:
                print(f"ok {number} - {name} {took}", flush=True)
    return 1 if failed else 0
