# SPDX-License-Identifier: LGPL-2.1-or-later
"""$IPV6 without a value: Neighbour Discovery of real kernels, router advertisements, DHCPv6."""
import re
import signal

import frames
from harness import equal, has, has_not
from place import learning_test, need, shell

FILTER = """<filter name='guest6'>
  <uuid>9050475a-4e59-46db-92fe-b07efa609857</uuid>
  <filterref filter='no-mac-spoofing'/>
  <filterref filter='no-ipv6-spoofing'/>
  <rule action='accept' direction='out' priority='-590'><mac protocolid='ipv6'/></rule>
  <filterref filter='allow-incoming-ipv6'/>
  <rule action='drop' direction='inout' priority='1000'/>
</filter>"""
EVERYBODY = ("33:33:00:00:00:01", "ff02::1")
PREFIX = "2001:db8:1::"


def link_local(number):
    return f"fe80::5054:ff:fe00:{number + 1:x}"


def guest(place, parameters=None, settings=()):
    """A client with IPv6 under guest6; @settings of its eth0 come before it is up."""
    place.define("guest6", FILTER)
    client = place.client(bound=False, ipv6=True)
    client.run("ip", "link", "set", "eth0", "down")
    place.bind(client, "guest6", **(parameters or {}))
    for setting in settings:
        client.run("sysctl", "-qw", f"net.ipv6.conf.eth0.{setting}")
    client.marker = lambda: frames.udp6(client.mac, EVERYBODY[0], link_local(client.number), EVERYBODY[1],
                                        data=b"marker%d" % next(frames.count))
    client.up()
    client.reopen()
    return client


def speaks_as(client, address):
    """ICMPv6, since UDP from any link-local address passes that filter."""
    return client.passes(frames.ping6(client.mac, EVERYBODY[0], address, EVERYBODY[1]))


def radvd(place):
    need("radvd")
    shell("sysctl", "-qw", "net.ipv6.conf.br0.forwarding=1")
    shell("ip", "addr", "add", PREFIX + "1/64", "dev", "br0", "nodad")
    path = place.lab.write("radvd.conf",
                           "interface br0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4;\n"
                           f"  prefix {PREFIX}/64 {{ AdvOnLink on; AdvAutonomous on; }};\n}};\n")
    return place.start("radvd", "-n", "-m", "stderr", "-C", path, "-p", f"{place.folder}/radvd.pid")


@learning_test
def slaac_addresses_are_learned(place):
    radvd(place)
    client = guest(place)
    address = PREFIX + "5054:ff:fe00:1"
    place.learned(client, "2001:db8:1:0:5054:ff:fe00:1", "nd")
    client.run("busybox", "ping6", "-c", "1", "-W", "10", PREFIX + "1")
    assert speaks_as(client, link_local(0))
    assert speaks_as(client, address)
    for spoofed in (PREFIX + "bad", "fe80::bad", "2001:db8:2::1", "::"):
        assert not speaks_as(client, spoofed), spoofed


@learning_test
def addresses_that_have_nothing_of_the_mac_are_learned(place):
    radvd(place)
    client = guest(place, settings=("addr_gen_mode=3", "use_tempaddr=2"))
    found = [place.engine.expect(rf"{client.port}: has (\S+) \(nd").group(1) for _ in range(3)]
    equal(sorted(address.startswith("fe80") for address in found), [False, False, True], str(found))
    client.run("busybox", "ping6", "-c", "1", "-W", "10", PREFIX + "1")
    for address in found:
        assert speaks_as(client, address), address


@learning_test
def a_guest_has_so_many_addresses_and_no_more(place):
    client = guest(place, {"CTRL_IP_MAX": "3"})
    for number in range(3):
        client.run("ip", "addr", "add", f"{PREFIX}{number + 16:x}/64", "dev", "eth0")
        place.learned(client, f"{PREFIX}{number + 16:x}", "nd")
    client.run("ip", "addr", "add", f"{PREFIX}20/64", "dev", "eth0")
    place.engine.expect(rf"{client.port}: {PREFIX}20 .*is refused")
    assert not speaks_as(client, PREFIX + "20")
    assert speaks_as(client, PREFIX + "10")


@learning_test
def the_first_of_two_guests_keeps_the_ipv6_address(place):
    first, second = guest(place), guest(place)
    first.run("ip", "addr", "add", PREFIX + "7/64", "dev", "eth0", "nodad")
    first.run("busybox", "ping6", "-c", "1", "-W", "1", PREFIX + "1", check=False)
    place.learned(first, PREFIX + "7", "nd")
    second.run("ip", "addr", "add", PREFIX + "7/64", "dev", "eth0", "nodad")
    second.run("busybox", "ping6", "-c", "1", "-W", "1", PREFIX + "1", check=False)
    place.engine.expect(rf"{second.port}: {PREFIX}7 .*is refused: {first.port} has it")
    assert not speaks_as(second, PREFIX + "7")


@learning_test
def a_restarted_engine_knows_the_ipv6_addresses(place):
    client = guest(place)
    client.run("ip", "addr", "add", PREFIX + "7/64", "dev", "eth0")
    place.learned(client, PREFIX + "7", "nd")
    for number in (signal.SIGTERM, signal.SIGKILL):
        place.engine.end(number)
        place.start_engine()
        assert speaks_as(client, PREFIX + "7")
        assert not speaks_as(client, PREFIX + "8")


@learning_test
def a_filter_without_the_variable_learns_nothing(place):
    client = place.client(parameters={"IP": "10.0.0.1"}, ipv6=True)
    client.run("ip", "addr", "add", PREFIX + "7/64", "dev", "eth0")
    assert not client.passes(frames.ping6(client.mac, EVERYBODY[0], link_local(0), EVERYBODY[1]))
    has_not("\n".join(place.engine.said), "has ")
    has_not(shell("nft", "list", "ruleset"), "log group")


BOTH = """<filter name='guest6'>
  <uuid>9050475a-4e59-46db-92fe-b07efa609857</uuid>
  <filterref filter='no-mac-spoofing'/>
  <filterref filter='no-ip-spoofing'/>
  <filterref filter='no-arp-spoofing'/>
  <filterref filter='no-ipv6-spoofing'/>
</filter>"""


@learning_test
def a_filter_of_both_families_is_in_force_for_one(place):
    client = guest(place)
    place.engine.obey(f"unbind {client.port}")
    place.define("guest6", BOTH)
    place.bind(client, "guest6")
    client.marker = lambda: frames.marker(client.mac)
    client.run("ip", "addr", "add", PREFIX + "7/64", "dev", "eth0")
    place.learned(client, PREFIX + "7", "nd")
    assert speaks_as(client, PREFIX + "7")
    assert not speaks_as(client, PREFIX + "8")
    assert not client.passes(frames.udp(client.mac, frames.ALL, "0.0.0.0", "255.255.255.255"))
    assert not client.passes(frames.arp(client.mac, "10.0.0.7"))
    place.learned(client, "10.0.0.7", "arp")
    assert client.speaks_as("10.0.0.7")
    assert speaks_as(client, PREFIX + "7")
    assert not client.speaks_as("10.0.0.8")
    assert not speaks_as(client, PREFIX + "8")


# --- DHCPv6 ---


def dnsmasq6(place):
    shell("ip", "addr", "add", PREFIX + "1/64", "dev", "br0", "nodad")
    return place.dnsmasq(f"--dhcp-range={PREFIX}100,{PREFIX}1ff,64,300")


def dhclient6(client, *options):
    need("dhclient")
    return client.start("dhclient", "-6", "-d", "-v", "-sf", client.dhclient_script(), "-lf", "/run/leases6", "-pf",
                        "/run/pid6", *options, "eth0")


def dhcpv6_guest(place, **parameters):
    client = guest(place, {"CTRL_IP_LEARNING": "dhcp", **parameters})
    # until it has the link-local address for good, dhclient does not start
    place.wait(lambda: "tentative" not in client.run("ip", "-6", "addr", "show", "dev", "eth0"))
    return client


@learning_test
def dhclient_gets_an_ipv6_lease_and_releases_it(place):
    client = dhcpv6_guest(place)
    dnsmasq6(place)
    dhclient = dhclient6(client)
    address = dhclient.expect(r"IAADDR (\S+)").group(1)
    place.learned(client, address, "dhcpv6")
    dhclient.expect("script: BOUND6")
    client.run("busybox", "ping6", "-c", "1", "-W", "10", PREFIX + "1")
    assert speaks_as(client, address)
    assert not speaks_as(client, PREFIX + "bad")
    # what the guest just says it has does not count here
    client.run("ip", "addr", "add", PREFIX + "9/64", "dev", "eth0")
    dhclient.end(signal.SIGKILL)
    dhclient6(client, "-r")
    place.engine.expect(rf"{client.port}: {address} was given up")
    for gone in (address, PREFIX + "9"):
        assert not speaks_as(client, gone), gone
    assert speaks_as(client, link_local(0))


@learning_test
def dhcpcd_gets_an_ipv6_lease(place):
    need("dhcpcd")
    client = dhcpv6_guest(place)
    dnsmasq6(place)
    dhcpcd = client.dhcpcd("ipv6only", "noipv6rs", "ia_na 1")
    address = dhcpcd.expect(r"adding address (2001:\S+)/").group(1)
    place.learned(client, address, "dhcpv6")
    assert speaks_as(client, address)
    assert not speaks_as(client, PREFIX + "bad")


@learning_test
def a_rogue_dhcpv6_server_is_not_believed(place):
    client = dhcpv6_guest(place, DHCPV6SERVER="fe80::1")
    dnsmasq6(place)
    dhclient = dhclient6(client)
    dhclient.expect("Bound to lease")
    place.engine.expect(rf"{client.port}: an answer of the DHCPv6 server \S+ is ignored")
    assert not speaks_as(client, re.search(r"IAADDR (\S+)", "\n".join(dhclient.said)).group(1))


def isc_dhcpd6(place, lease):
    need("dhcpd")
    shell("ip", "addr", "add", PREFIX + "1/64", "dev", "br0", "nodad")
    config = place.lab.write("dhcpd6.conf",
                             f"default-lease-time {lease};\npreferred-lifetime {lease};\nmin-lease-time 1;\n"
                             f"subnet6 {PREFIX}/64 {{ range6 {PREFIX}100 {PREFIX}1ff;\n"
                             "  prefix6 2001:db8:1000:: 2001:db8:1000:ff00:: /56; }\n")
    leases = place.lab.write("dhcpd6.leases", "")
    server = place.start("dhcpd", "-6", "-d", "-f", "-cf", config, "-lf", leases, "-pf", f"{place.folder}/dhcpd6.pid",
                         "br0")
    server.expect("Server starting service")
    return server


@learning_test
def the_end_of_an_ipv6_lease_closes(place):
    client = dhcpv6_guest(place)
    isc_dhcpd6(place, 2)
    dhclient = dhclient6(client)
    address = dhclient.expect(r"IAADDR (\S+)").group(1)
    place.learned(client, address, "dhcpv6")
    dhclient.kill(signal.SIGSTOP)
    place.engine.expect(rf"{client.port}: {address} has ended")
    assert not speaks_as(client, address)
    dhclient.kill(signal.SIGCONT)


@learning_test
def a_delegated_prefix_passes(place):
    client = dhcpv6_guest(place)
    isc_dhcpd6(place, 300)
    prefix = dhclient6(client, "-P").expect(r"IAPREFIX (\S+/56)").group(1)
    place.learned(client, prefix, "dhcpv6")
    has((place.folder / "state" / f"{client.port}.state").read_text(), prefix)
    network = prefix.removesuffix("::/56")
    assert speaks_as(client, network + "::1")
    assert speaks_as(client, network[:-2] + "ff::1" if network.endswith("00") else network + ":1::1")
    assert not speaks_as(client, "2001:db8:1001::1")
