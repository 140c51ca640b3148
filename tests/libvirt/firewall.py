# SPDX-License-Identifier: LGPL-2.1-or-later
"""A system bus and a firewalld of this process's namespaces. Others find the bus at its usual place."""
import pathlib
import shutil
import signal
import subprocess

from harness import Skip, run, until

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  {listen}
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_type="error"/>
    <allow send_type="method_return"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
  </policy>
</busconfig>
"""


def need():
    for program in ("dbus-daemon", "firewalld", "firewall-cmd"):
        if not shutil.which(program):
            raise Skip(f"no {program} here")


class Bus:
    def __init__(self, host):
        listen = ""
        for run_directory in {host.path("/run"), pathlib.Path("/run")}:
            (run_directory / "dbus").mkdir(exist_ok=True)
            listen += f"<listen>unix:path={run_directory}/dbus/system_bus_socket</listen>"
        config = host.write("bus.conf", BUS_CONFIG.format(listen=listen))
        with open(host.state / "bus.log", "w", encoding="utf-8") as log:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(["dbus-daemon", f"--config-file={host.path(config)}", "--nofork",
                                             "--print-address"], stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout.readline(), "dbus-daemon did not start"


class Firewalld:
    """The distribution's program with its configuration (its changes stay in these namespaces)."""

    def __init__(self, host):
        self.host = host
        self.process = None

    def start(self):
        with open(self.host.state / "firewalld.log", "a", encoding="utf-8") as log:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(["firewalld", "--nofork", "--nopid"], stdout=log, stderr=log)
        until(self.running, "firewalld runs")

    def running(self):
        assert self.process.poll() is None, (self.host.state / "firewalld.log").read_text()
        return run("firewall-cmd", "--state", check=False).stdout.strip() == "running"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    @staticmethod
    def reload(complete=False):
        run("firewall-cmd", "--complete-reload" if complete else "--reload")
