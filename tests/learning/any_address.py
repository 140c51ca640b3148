# SPDX-License-Identifier: LGPL-2.1-or-later
"""CTRL_IP_LEARNING=any, which is the default: ARP, IPv4 and DHCP teach the one IPv4 address."""
import signal

import frames
from harness import has
from place import BRIDGE_IP, learning_test


def teach(place, client, address, frame=None, how="arp"):
    """The frame that teaches the address is lost."""
    assert not client.passes(frame or frames.arp(client.mac, address))
    place.learned(client, address, how)


@learning_test
def before_an_address_only_what_names_none_passes(place):
    client = place.client()
    for what, frame in (
            ("IPv4 without an address that is not DHCP",
             frames.udp(client.mac, frames.ALL, "0.0.0.0", "255.255.255.255")),
            ("ARP of another MAC", frames.arp("52:54:00:00:00:99", "10.0.0.7")),
            ("IPv4 of another MAC", frames.udp("52:54:00:00:00:99", frames.ALL, "10.0.0.7", "255.255.255.255")),
            ("IPv6", frames.udp6(client.mac, "33:33:00:00:00:01", "fe80::1", "ff02::1")),
            ("another EtherType", frames.ethernet(client.mac, frames.ALL, 0x88b5, bytes(46))),
            ("a tagged frame", frames.udp(client.mac, frames.ALL, "10.0.0.7", "255.255.255.255", vlan=5)),
    ):
        assert not client.passes(frame), f"{what} passes"
    assert client.passes(frames.dhcp(frames.DISCOVER, client.mac, 1))
    assert client.passes(frames.arp(client.mac, "0.0.0.0", "10.0.0.8"))
    # the first frame with an address teaches it, and is lost
    assert not client.passes(frames.arp(client.mac, "10.0.0.8"))
    place.learned(client, "10.0.0.8", "arp")
    assert client.passes(frames.arp(client.mac, "10.0.0.8"))


@learning_test
def what_is_no_address_teaches_nothing(place):
    client = place.client()
    mac = client.mac
    for frame in (frames.arp(mac, "0.0.0.0", "10.0.0.7"), frames.arp(mac, "10.0.0.7", sender_mac="52:54:00:00:00:99"),
                  frames.arp(mac, "224.0.0.1"), frames.arp(mac, "255.255.255.255"), frames.arp(mac, "127.0.0.1"),
                  frames.udp(mac, frames.ALL, "0.0.0.0", "255.255.255.255"),
                  frames.udp(mac, frames.ALL, "240.0.0.1", "255.255.255.255"),
                  frames.arp(mac, "10.0.0.8", "10.0.0.9")):  # the last one asks for another's
        client.passes(frame)
    place.engine.expect("has ")
    has(place.engine.said[-1], "10.0.0.8")
    assert client.speaks_as("10.0.0.8")
    assert not client.speaks_as("10.0.0.9")


@learning_test
def the_kernel_of_a_guest_with_a_static_address_teaches_it(place):
    client = place.client()
    client.run("ip", "addr", "add", "10.0.0.7/24", "dev", "eth0")
    client.ping()
    place.learned(client, "10.0.0.7", "(arp|ipv4)")
    client.ping()
    assert client.speaks_as("10.0.0.7")
    # another one is not taken
    client.run("ip", "addr", "flush", "dev", "eth0")
    client.run("ip", "addr", "add", "10.0.0.8/24", "dev", "eth0")
    client.run("busybox", "ping", "-c", "1", "-W", "1", BRIDGE_IP, check=False)
    assert not client.speaks_as("10.0.0.8")


@learning_test
def an_ipv4_packet_teaches_its_source(place):
    client = place.client()
    teach(place, client, "10.0.0.7", frames.udp(client.mac, frames.ALL, "10.0.0.7", "255.255.255.255"), "ipv4")
    assert client.speaks_as("10.0.0.7")
    assert not client.speaks_as("10.0.0.8")


@learning_test
def a_lease_teaches_and_its_release_frees_nobody(place):
    client = place.client()
    address, udhcpc = place.leased(client)
    client.ping()
    assert not client.speaks_as("10.0.0.7")
    udhcpc.kill(signal.SIGUSR2)
    place.engine.expect(f"{client.port}: {address} was released")
    # a guest cannot choose an address by giving its lease back
    assert not client.speaks_as("10.0.0.7")
    udhcpc.kill(signal.SIGUSR1)
    place.learned(client, udhcpc.expect(r"^bound (\S+)").group(1), "dhcp")


@learning_test
def an_address_of_its_own_making_gives_way_to_a_lease(place):
    client = place.client()
    teach(place, client, "169.254.7.7")
    address, _ = place.leased(client)
    assert client.speaks_as(address)
    assert not client.speaks_as("169.254.7.7")


@learning_test
def the_first_of_two_guests_keeps_the_address(place):
    first, second = place.client(), place.client()
    teach(place, first, "10.0.0.7")
    assert not second.passes(frames.arp(second.mac, "10.0.0.7"))
    place.engine.expect(rf"{second.port}: 10\.0\.0\.7 .* is refused: {first.port} has it")
    assert first.speaks_as("10.0.0.7")
    teach(place, second, "10.0.0.8")
    assert not second.speaks_as("10.0.0.7")


@learning_test
def a_restarted_engine_knows_what_it_saw(place):
    client = place.client()
    teach(place, client, "10.0.0.7")
    for number in (signal.SIGTERM, signal.SIGKILL):
        place.engine.end(number)
        place.start_engine()
        assert client.speaks_as("10.0.0.7")
        assert not client.speaks_as("10.0.0.8")


@learning_test
def a_binding_that_is_deleted_forgets(place):
    client = place.client()
    teach(place, client, "10.0.0.7")
    place.engine.obey(f"unbind {client.port}")
    place.bind(client)
    teach(place, client, "10.0.0.8")
    assert not client.speaks_as("10.0.0.7")


@learning_test
def none_and_nonsense_are_refused(place):
    client = place.client(bound=False)
    place.start_engine()
    for parameters, why in (({"CTRL_IP_LEARNING": "none"}, "no value for the variable IP"),
                            ({"CTRL_IP_LEARNING": "sometimes"}, "sometimes"),
                            ({"CTRL_IP_LEARNING": "dhcp", "DHCPSERVER": "everybody"}, "everybody")):
        try:
            place.bind(client, **parameters)
        except AssertionError as error:
            has(str(error), "failed:", why)
        else:
            raise AssertionError(f"{parameters} was taken")


@learning_test
def an_address_that_is_given_is_not_learned(place):
    client = place.client(parameters={"IP": "10.0.0.7"})
    assert client.speaks_as("10.0.0.7")
    assert not client.speaks_as("10.0.0.8")
    place.dnsmasq()
    address = client.udhcpc().expect(r"^bound (\S+)").group(1)
    assert not client.speaks_as(address)
