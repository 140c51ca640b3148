# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames, written by hand."""
import ipaddress
import itertools
import struct

ALL = "ff:ff:ff:ff:ff:ff"
SERVER_MAC = "52:54:00:ff:00:01"
count = itertools.count(1)


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ip(text):
    return ipaddress.ip_address(text).packed


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ethernet(source, destination, kind, payload, vlan=None):
    tag = b"" if vlan is None else struct.pack(">HH", 0x8100, vlan)
    return mac(destination) + mac(source) + tag + struct.pack(">H", kind) + payload


def untagged(frame):
    """As a packet socket gives it: the kernel keeps the tag beside the frame."""
    return frame[:12] + frame[16:] if frame[12:14] == b"\x81\x00" else frame


def arp(source, address, target=None, sender_mac=None):
    """A request; gratuitous unless @target is given."""
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + mac(sender_mac or source) + ip(address)
    return ethernet(source, ALL, 0x0806, body + bytes(6) + ip(target or address))


def ipv4(source, destination, protocol, payload):
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0) + ip(source) + ip(destination)
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def udp_of(source_port, destination_port, data):
    return struct.pack(">HHHH", source_port, destination_port, 8 + len(data), 0) + data


def udp(source, destination, address, to_address, source_port=1000, destination_port=9, data=b"frame", vlan=None):
    packet = ipv4(address, to_address, 17, udp_of(source_port, destination_port, data))
    return ethernet(source, destination, 0x0800, packet, vlan)


def marker(source):
    """A DHCP message that says nothing, each with other bytes."""
    return udp(source, ALL, "0.0.0.0", "255.255.255.255", 68, 67, b"marker%d" % next(count))


def marker_to(destination, source_address="10.0.0.254"):
    return udp(SERVER_MAC, destination, source_address, "255.255.255.255", 67, 68, b"marker%d" % next(count))


def dhcp(kind, client, xid, to_client=False, yiaddr="0.0.0.0", ciaddr="0.0.0.0", options=(), vlan=None,
         server="10.0.0.254", source="0.0.0.0", destination=None):
    """@options: pairs of number and bytes, behind option 53."""
    body = struct.pack(">BBBBIHH", 2 if to_client else 1, 1, 6, 0, xid, 0, 0x8000)
    body += ip(ciaddr) + ip(yiaddr) + bytes(8) + mac(client) + bytes(202) + bytes.fromhex("63825363")
    for number, value in ((53, bytes([kind])), *options):
        body += bytes([number, len(value)]) + value
    body += b"\xff"
    if to_client:
        return udp(SERVER_MAC, destination or ALL, server, "255.255.255.255", 67, 68, body, vlan)
    return udp(client, destination or ALL, source, "255.255.255.255", 68, 67, body, vlan)


DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE = range(1, 8)


def request(client, address, xid=1, server="10.0.0.254", **options):
    return dhcp(REQUEST, client, xid, options=((50, ip(address)), (54, ip(server))), **options)


def ack(client, address, xid=1, lease=600, server="10.0.0.254", **options):
    return dhcp(ACK, client, xid, True, yiaddr=address, server=server,
                options=((51, struct.pack(">I", lease)), (54, ip(server))), **options)


def udp6(source, destination, address, to_address, source_port=1000, destination_port=9, data=b"frame"):
    body = udp_of(source_port, destination_port, data)
    return ipv6(source, destination, address, to_address, 17, body, 6)


def ping6(source, destination, address, to_address):
    """Each another one."""
    return ipv6(source, destination, address, to_address, 58, struct.pack(">BBHHH", 128, 0, 0, 1, next(count)), 2)


def ipv6(source, destination, address, to_address, next_header, body, checksum_at, hops=64):
    pseudo = ip(address) + ip(to_address) + struct.pack(">II", len(body), next_header)
    body = body[:checksum_at] + struct.pack(">H", checksum(pseudo + body)) + body[checksum_at + 2:]
    head = struct.pack(">IHBB", 6 << 28, len(body), next_header, hops) + ip(address) + ip(to_address)
    return ethernet(source, destination, 0x86dd, head + body)
