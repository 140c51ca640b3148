# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real firewalld beside us."""
import firewall
from harness import equal, has, note, run, test
from host import STOCK, Host, binding_xml
from net import Bridge, arp_request, passes

MAC, IP = "52:54:00:00:00:01", "10.0.0.1"
HONEST = arp_request(MAC, IP, "10.0.0.9")
SPOOFED = arp_request("52:54:00:00:00:66", IP, "10.0.0.9")


class Scene:
    """A host with a bus and one bound tap."""

    def __init__(self, options, bus_first=True):
        firewall.need()
        self.host = Host(options)
        if bus_first:
            self.bus = firewall.Bus(self.host)
        self.host.start()
        bridge = Bridge()
        self.peer, self.vm1 = bridge.tap("peer"), bridge.tap("vm1")
        self.host.virsh("nwfilter-binding-create",
                        self.host.write("binding.xml", binding_xml("vm1", "clean-traffic", MAC, IP=IP)))
        self.before = self.table()

    @staticmethod
    def table():
        """With handles: a table that is put back has others than one that was never touched."""
        return run("nft", "-a", "list", "table", "bridge", "nwfilter", check=False).stdout

    def holds(self, when):
        is_open = passes(self.vm1, SPOOFED, self.peer, HONEST)
        if self.host.driver == STOCK:
            # It does its work again at the same time as firewalld, whose flush may come last.
            note(f"{when} the stock driver's port is {'open' if is_open else 'filtered'}")
            return
        assert not is_open, f"spoofed frames pass {when}"
        equal(self.table(), self.before, f"the table {when}")


@test
def reloads_and_restarts_of_firewalld_leave_the_table_alone(options):
    scene = Scene(options)
    firewalld = firewall.Firewalld(scene.host)
    firewalld.start()
    has(run("nft", "list", "tables").stdout, "firewalld")
    scene.holds("beside firewalld")
    firewalld.reload()
    scene.holds("after --reload")
    firewalld.reload(complete=True)
    scene.holds("after --complete-reload")
    firewalld.stop()
    scene.holds("when firewalld is gone")
    firewalld.start()
    scene.holds("after firewalld came back")
    scene.host.restart()
    scene.holds("after a restart of ours")
    scene.host.check_agreement()


@test
def a_bus_and_firewalld_that_come_later_do_no_harm(options):
    scene = Scene(options, bus_first=False)
    firewall.Bus(scene.host)
    firewalld = firewall.Firewalld(scene.host)
    firewalld.start()
    scene.holds("with a firewalld that came later")
    firewalld.reload()
    scene.holds("after its --reload")
    firewalld.reload(complete=True)
    scene.holds("after its --complete-reload")
    scene.host.check_agreement()
    scene.host.stop()
