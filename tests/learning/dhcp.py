# SPDX-License-Identifier: LGPL-2.1-or-later
"""CTRL_IP_LEARNING=dhcp with real servers and clients."""
import os
import re
import signal
import time

import frames
from harness import equal
from place import BRIDGE_IP, OWNER, Tap, learning_test, need, shell


def assert_closed(client, address="10.0.0.50"):
    """Nothing but DHCP."""
    mac = client.mac
    for what, frame in (
            ("ARP", frames.arp(mac, address)),
            ("an ARP request", frames.arp(mac, address, BRIDGE_IP)),
            ("an ARP probe", frames.arp(mac, "0.0.0.0", address)),
            ("IPv4", frames.udp(mac, frames.ALL, address, "255.255.255.255")),
            ("IPv4 without an address", frames.udp(mac, frames.ALL, "0.0.0.0", "255.255.255.255")),
            ("what servers send", frames.udp(mac, frames.ALL, "0.0.0.0", "255.255.255.255", 67, 68)),
            ("IPv6", frames.udp6(mac, "33:33:00:00:00:01", "fe80::1", "ff02::1")),
            ("another EtherType", frames.ethernet(mac, frames.ALL, 0x88b5, bytes(46))),
            ("DHCP of another MAC", frames.request("52:54:00:00:00:99", address, source=address)),
    ):
        assert not client.passes(frame), f"{what} passes"
    for what, frame in (
            ("ARP", frames.arp(frames.SERVER_MAC, BRIDGE_IP, address)),
            ("IPv4", frames.udp(frames.SERVER_MAC, mac, BRIDGE_IP, address)),
            ("DHCP to another MAC", frames.ack(mac, address, destination="52:54:00:00:00:99")),
    ):
        assert not client.is_sent(frame), f"{what} is sent to it"


@learning_test
def a_lease_opens_for_its_address_and_no_other(place):
    client = place.dhcp_client()
    assert_closed(client)
    place.dnsmasq()
    udhcpc = client.udhcpc()
    address = udhcpc.expect(r"^bound (\S+) 300").group(1)
    place.learned(client, address, "dhcp")
    client.ping()
    assert client.speaks_as(address)
    assert not client.speaks_as("10.0.0.49")
    assert not client.speaks_as("10.0.0.253")
    line = re.fullmatch(rf"(\d+) {OWNER}-{client.mac} {address} {BRIDGE_IP}\n", place.leases())
    assert line, place.leases()


@learning_test
def a_lease_is_renewed(place):
    client = place.dhcp_client()
    address, udhcpc = place.leased(client)
    for _ in range(2):
        udhcpc.kill(signal.SIGUSR1)
        udhcpc.expect(rf"^renew {address}")
        place.engine.expect(rf"{client.port}: {address} renewed until")
    assert client.speaks_as(address)
    # nothing said that rules changed: one address, learned once
    assert not [line for line in place.engine.said if "has ended" in line or "released" in line]


@learning_test
def a_release_closes(place):
    client = place.dhcp_client()
    address, udhcpc = place.leased(client)
    udhcpc.kill(signal.SIGUSR2)
    place.engine.expect(rf"{client.port}: {address} was released")
    assert_closed(client, address)
    equal(place.leases().splitlines()[-1].split()[0], "0", "the last line's end")
    # and the next one opens again
    udhcpc.kill(signal.SIGUSR1)
    address = udhcpc.expect(r"^bound (\S+)").group(1)
    place.learned(client, address, "dhcp")
    client.ping()


@learning_test
def the_end_of_a_lease_closes(place):
    client = place.dhcp_client()
    place.udhcpd(lease=2)
    udhcpc = client.udhcpc()
    address = udhcpc.expect(r"^bound (\S+)").group(1)
    place.learned(client, address, "dhcp")
    udhcpc.kill(signal.SIGSTOP)
    assert client.speaks_as(address)
    place.engine.expect(rf"{client.port}: {address} has ended")
    assert_closed(client, address)
    udhcpc.kill(signal.SIGCONT)


@learning_test
def a_refusal_takes_the_address_and_the_next_one_counts(place):
    client = place.dhcp_client()
    server = place.dnsmasq()
    udhcpc = client.udhcpc()
    old = udhcpc.expect(r"^bound (\S+)").group(1)
    place.learned(client, old, "dhcp")
    server.end()
    place.dnsmasq("--dhcp-range=10.0.0.150,10.0.0.199,255.255.255.0,300")
    udhcpc.kill(signal.SIGUSR1)
    udhcpc.expect("^nak|^deconfig")
    place.engine.expect(rf"{client.port}: {re.escape(old)} was refused by the DHCP server")
    new = udhcpc.expect(r"^bound (10\.0\.0\.1\d\d)").group(1)
    place.learned(client, new, "dhcp")
    client.ping()
    assert client.speaks_as(new)
    assert not client.speaks_as(old)


@learning_test
def two_leases_are_two_addresses(place):
    client = place.dhcp_client()
    place.dnsmasq()
    addresses = set()
    for number in ("0101", "0202"):
        udhcpc = client.udhcpc("-x", f"0x3d:{number}")
        address = udhcpc.expect(r"^bound (\S+)").group(1)
        place.learned(client, address, "dhcp")
        addresses.add(address)
    equal(len(addresses), 2, "addresses")
    assert all(client.speaks_as(one) for one in addresses)
    # the second is released, the first stays
    udhcpc.kill(signal.SIGUSR2)
    place.engine.expect(rf"{client.port}: {address} was released")
    assert not client.speaks_as(address)
    assert client.speaks_as((addresses - {address}).pop())


@learning_test
def a_rogue_server_is_not_believed(place):
    rogue = place.client(bound=False)
    rogue.run("ip", "addr", "add", "10.0.0.253/24", "dev", "eth0")
    bad = place.udhcpd(60, 200, 220, "eth0", rogue)
    client = place.dhcp_client(DHCPSERVER=BRIDGE_IP)
    udhcpc = client.udhcpc()
    bad.expect("sending OFFER")
    bad.expect("sending OFFER")  # which the client would have taken, had it seen the first
    assert not client.is_sent(frames.ack(client.mac, "10.0.0.200", server="10.0.0.253"))
    place.dnsmasq()
    address = udhcpc.expect(r"^bound (\S+)").group(1)
    assert 50 <= int(address.split(".")[3]) <= 99, address
    place.learned(client, address, "dhcp")
    assert_rogue_is_ignored(place, client)


def assert_rogue_is_ignored(place, client):
    """Also by a client that asks for just that, with the right transaction."""
    assert client.passes(frames.request(client.mac, "10.0.0.200", 77, "10.0.0.253"))
    place.packets.send(frames.ack(client.mac, "10.0.0.200", 77, server="10.0.0.253"))
    assert client.passes(frames.request(client.mac, "10.0.0.60", 78))
    place.packets.send(frames.ack(client.mac, "10.0.0.60", 78))
    place.learned(client, "10.0.0.60", "dhcp")
    assert not client.speaks_as("10.0.0.200")


@learning_test
def without_trusted_servers_any_is_believed(place):
    rogue = place.client(bound=False)
    rogue.run("ip", "addr", "add", "10.0.0.253/24", "dev", "eth0")
    place.udhcpd(60, 200, 220, "eth0", rogue)
    client = place.dhcp_client()
    address = client.udhcpc().expect(r"^bound (10\.0\.0\.2\d\d)").group(1)
    place.learned(client, address, "dhcp")


@learning_test
def an_answer_to_nobody_teaches_nothing(place):
    client = place.dhcp_client()
    mac = client.mac
    place.packets.send(frames.ack(mac, "10.0.0.70", 5))  # nobody asked
    assert client.passes(frames.request(mac, "10.0.0.71", 6))
    place.packets.send(frames.ack(mac, "10.0.0.70", 7))  # another transaction
    place.packets.send(frames.ack("52:54:00:00:00:99", "10.0.0.70", 6))  # another client
    place.packets.send(frames.ack(mac, "10.0.0.71", 6))
    place.learned(client, "10.0.0.71", "dhcp")
    assert not client.speaks_as("10.0.0.70")


@learning_test
def a_guest_that_changes_its_address_is_not_followed(place):
    client = place.dhcp_client()
    address, udhcpc = place.leased(client)
    client.run("ip", "addr", "flush", "dev", "eth0")
    client.run("ip", "addr", "add", "10.0.0.240/24", "dev", "eth0")
    assert not client.speaks_as("10.0.0.240")
    client.run("busybox", "ping", "-c", "1", "-W", "1", BRIDGE_IP, check=False)
    assert client.speaks_as(address)
    assert not client.speaks_as("10.0.0.240")


@learning_test
def a_restarted_engine_knows_the_leases(place):
    client = place.dhcp_client()
    address, _ = place.leased(client)
    for number in (signal.SIGTERM, signal.SIGKILL):
        before = table()
        place.engine.end(number)
        assert client.speaks_as(address)
        assert not client.speaks_as("10.0.0.49")
        place.start_engine()
        equal(table(), before, "the table")
    client.ping()


def table():
    return shell("nft", "list", "table", "bridge", "nwfilter")


@learning_test
def a_lease_that_ended_without_an_engine_is_none(place):
    client = place.dhcp_client()
    place.udhcpd(lease=2)
    udhcpc = client.udhcpc()
    address = udhcpc.expect(r"^bound (\S+)").group(1)
    place.learned(client, address, "dhcp")
    udhcpc.end(signal.SIGKILL)
    end = int(place.leases().split()[0])
    place.engine.end()
    wait_until(end)
    place.start_engine()
    assert_closed(client, address)


def wait_until(second):
    """The wall clock is what leases end by, and there is nothing else to be told by."""
    while time.time() <= second:
        time.sleep(0.05)


@learning_test
def a_lease_that_was_given_without_an_engine_is_learned_when_the_guest_asks_again(place):
    client = place.dhcp_client()
    place.dnsmasq()
    place.engine.end(signal.SIGKILL)
    udhcpc = client.udhcpc()
    address = udhcpc.expect(r"^bound (\S+)").group(1)
    udhcpc.end(signal.SIGKILL)
    place.start_engine()
    assert_closed(client, address)
    client.udhcpc().expect(rf"^bound {address}")
    place.learned(client, address, "dhcp")
    client.ping()


@learning_test
def a_migrated_guest_has_its_lease(place):
    (place.folder / "leases").write_text(
        f"4102444800 {OWNER}-52:54:00:00:00:01 10.0.0.90 {BRIDGE_IP}\n"
        f"1000000000 {OWNER}-52:54:00:00:00:01 10.0.0.91 {BRIDGE_IP}\n"
        "what is this\n"
        f"4102444800 {OWNER}-52:54:00:00:00:77 10.0.0.92 {BRIDGE_IP}\n"
        f"4102444800 {OWNER}-52:54:00:00:00:01 10.0.0.93", encoding="ascii")  # and cut short
    client = place.dhcp_client()
    assert client.speaks_as("10.0.0.90")
    for address in ("10.0.0.91", "10.0.0.92", "10.0.0.93"):
        assert not client.speaks_as(address), address


@learning_test
def a_binding_that_comes_back_has_its_lease(place):
    client = place.dhcp_client()
    address, _ = place.leased(client)
    place.engine.obey(f"unbind {client.port}")
    place.bind(client, CTRL_IP_LEARNING="dhcp")
    assert client.speaks_as(address)
    assert not client.speaks_as("10.0.0.49")


@learning_test
def a_link_that_goes_down_and_up_keeps_the_lease(place):
    client = place.dhcp_client()
    address, _ = place.leased(client)
    for side in (shell, client.run):
        device = client.port if side is shell else "eth0"
        side("ip", "link", "set", device, "down")
        side("ip", "link", "set", device, "up")
        client.ping()
    client.reopen()
    assert client.speaks_as(address)
    assert not client.speaks_as("10.0.0.49")


@learning_test
def a_port_that_goes_in_the_middle_leaves_nothing(place):
    client = place.dhcp_client()
    other = place.dhcp_client()
    assert client.passes(frames.request(client.mac, "10.0.0.60"))
    shell("ip", "link", "del", client.port)
    place.engine.obey(f"unbind {client.port}")
    # a new guest on a port of that name knows nothing of the old one's request
    again = place.another(client)
    place.bind(again, CTRL_IP_LEARNING="dhcp")
    place.packets.send(frames.ack(again.mac, "10.0.0.60"))
    assert_closed(again.up(), "10.0.0.60")
    assert other.passes(frames.request(other.mac, "10.0.0.61"))
    place.packets.send(frames.ack(other.mac, "10.0.0.61"))
    place.learned(other, "10.0.0.61", "dhcp")


@learning_test
def a_tap_that_is_made_again_is_closed_from_the_start(place):
    client = place.dhcp_client()
    place.dnsmasq()
    shell("ip", "link", "del", client.port)
    again = place.another(client).up()
    assert_closed(again)
    address = again.udhcpc().expect(r"^bound (\S+)").group(1)
    place.learned(again, address, "dhcp")
    again.ping()


@learning_test
def a_declined_address_is_not_kept(place):
    """Another host has the address: the client sees that by its ARP probe."""
    other = place.client(bound=False)
    other.run("ip", "addr", "add", "10.0.0.50/24", "dev", "eth0")
    client = place.dhcp_client()
    mac = client.mac
    assert client.passes(frames.request(mac, "10.0.0.50"))
    place.packets.send(frames.ack(mac, "10.0.0.50"))
    place.learned(client, "10.0.0.50", "dhcp")
    assert client.passes(frames.dhcp(frames.DECLINE, mac, 2, options=((50, frames.ip("10.0.0.50")),)))
    place.engine.expect(f"{client.port}: 10.0.0.50 was declined")
    assert_closed(client)


@learning_test
def isc_dhclient_learns_renews_and_releases(place):
    need("dhclient")
    client = place.dhcp_client()
    place.dnsmasq()
    command = ("dhclient", "-4", "-v", "-sf", client.dhclient_script(), "-lf", "/run/leases", "-pf", "/run/pid")
    dhclient = client.start(*command, "-d", "eth0")
    address = dhclient.expect(r"^bound to (\S+)").group(1)
    place.learned(client, address, "dhcp")
    client.ping()
    dhclient.end(signal.SIGKILL)
    dhclient = client.start(*command, "-d", "eth0")  # asks for what it had
    dhclient.expect(rf"^bound to {address}")
    place.engine.expect(rf"{address} renewed until")
    dhclient.end(signal.SIGKILL)
    client.run(*command, "-r", "eth0")
    place.engine.expect(f"{client.port}: {address} was released")
    assert_closed(client, address)


@learning_test
def dhcpcd_learns_and_releases(place):
    need("dhcpcd")
    client = place.dhcp_client()
    place.dnsmasq()
    dhcpcd = client.dhcpcd("ipv4only")
    address = dhcpcd.expect(r"eth0: leased (\S+) for").group(1)
    place.learned(client, address, "dhcp")
    client.ping()
    dhcpcd.kill(signal.SIGALRM)  # release
    place.engine.expect(f"{client.port}: {address} was released")
    assert_closed(client, address)


TRUNK = """<filter name='trunk'>
  <filterref filter='clean-traffic'/>
  <rule action='accept' direction='inout' priority='-900'><vlan vlanid='5'/></rule>
</filter>"""


@learning_test
def dhcp_of_a_tagged_network_teaches(place):
    place.define("trunk", TRUNK)
    server = place.client(bound=False)
    client = place.client(filter_name="trunk", parameters={"CTRL_IP_LEARNING": "dhcp"})
    # without an address nothing that is tagged passes
    assert client.passes(frames.request(client.mac, "10.0.0.60"))
    server.packets.send(frames.ack(client.mac, "10.0.0.60"))
    place.learned(client, "10.0.0.60", "dhcp")
    assert client.passes(frames.request(client.mac, "10.5.0.60", vlan=5))
    server.packets.send(frames.ack(client.mac, "10.5.0.60", vlan=5))
    place.learned(client, "10.5.0.60", "dhcp")
    assert client.speaks_as("10.5.0.60")
    assert not client.passes(frames.udp(client.mac, frames.ALL, "10.5.0.60", "255.255.255.255", vlan=6))


@learning_test
def all_queues_of_a_tap_teach(place):
    tap = Tap(place, "queues", 4)
    place.bind(tap, CTRL_IP_LEARNING="dhcp")
    for number, queue in enumerate(tap.queues):
        os.write(queue, frames.request(tap.mac, f"10.0.0.{60 + number}", number))
        place.packets.send(frames.ack(tap.mac, f"10.0.0.{60 + number}", number))
        place.learned(tap, f"10.0.0.{60 + number}", "dhcp")


NEEDS_NOTHING = """<filter name='changing'>
  <uuid>7c4a2f3e-1f5b-4a53-8a56-7d1c8a3f9e01</uuid>
  <filterref filter='no-mac-spoofing'/>
</filter>"""
NEEDS_IP = NEEDS_NOTHING.replace("</filter>", "<filterref filter='clean-traffic'/></filter>")


@learning_test
def a_filter_that_begins_to_want_an_address_closes_until_there_is_one(place):
    place.define("changing", NEEDS_NOTHING)
    client = place.client(filter_name="changing", parameters={"CTRL_IP_LEARNING": "dhcp"})
    assert client.speaks_as("10.0.0.60")
    place.define("changing", NEEDS_IP)
    assert_closed(client, "10.0.0.60")
    address, _ = place.leased(client)
    assert client.speaks_as(address)
    # and back
    place.define("changing", NEEDS_NOTHING)
    assert client.speaks_as("10.0.0.60")
    place.define("changing", NEEDS_IP)
    assert client.speaks_as(address)
    assert not client.speaks_as("10.0.0.60")


@learning_test
def a_table_that_others_flush_learns_on(place):
    client = place.dhcp_client()
    shell("nft", "flush", "ruleset", check=False)
    shell("nft", "delete", "table", "bridge", "nwfilter", check=False)
    place.engine.obey("verify")
    assert_closed(client)
    place.dnsmasq()
    place.learned(client, client.udhcpc().expect(r"^bound (\S+)").group(1), "dhcp")
    client.ping()
