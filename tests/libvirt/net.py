# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bridges, taps that the test holds open, and frames through them. One thread, one network namespace."""
import fcntl
import os
import select
import struct
import time

from harness import run

TUNSETIFF = 0x400454CA  # linux/if_tun.h
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000

BROADCAST = "ff:ff:ff:ff:ff:ff"
MARK = b"nwfilter-nft test frame "


def mac_bytes(text):
    return bytes(int(part, 16) for part in text.split(":"))


def ip_bytes(text):
    return bytes(int(part) for part in text.split("."))


def ethernet(destination, source, kind, payload):
    return mac_bytes(destination) + mac_bytes(source) + struct.pack("!H", kind) + payload


def arp_request(mac, address, target, source=None):
    """@source: the Ethernet sender, if it is to be another than ARP's."""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac_bytes(mac) + ip_bytes(address) + bytes(6) + ip_bytes(target)
    return ethernet(BROADCAST, source or mac, 0x0806, body.ljust(46, b"\0"))


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp(source_mac, destination_mac, source, destination, port=9, payload=MARK):
    body = struct.pack("!HHHH", 1024, port, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, 17, 0, ip_bytes(source),
                       ip_bytes(destination))
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return ethernet(destination_mac, source_mac, 0x0800, head + body)


class Tap:
    """Lives as long as it is open; without a reader it has no carrier and the bridge sends it nothing."""

    def __init__(self, name, bridge):
        self.name = name
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        run("ip", "link", "set", "dev", name, "master", bridge, "up")

    def send(self, frame):
        os.write(self.fd, frame)

    def receive(self, wanted, seconds=2.0):
        """The first frame that @wanted says yes to, or None."""
        end = time.monotonic() + seconds
        while True:
            try:
                frame = os.read(self.fd, 65536)
                if wanted(frame):
                    return frame
            except BlockingIOError:
                left = end - time.monotonic()
                if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                    return None

    def drain(self):
        try:
            while True:
                os.read(self.fd, 65536)
        except BlockingIOError:
            pass

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Bridge:
    def __init__(self, name="br0"):
        self.name = name
        self.taps = {}
        run("ip", "link", "add", name, "type", "bridge", "mcast_snooping", "0", "forward_delay", "0")
        run("ip", "link", "set", name, "up")

    def tap(self, name):
        self.taps[name] = Tap(name, self.name)
        return self.taps[name]

    def many(self, names):
        """As tap, but by one ip for all."""
        for name in names:
            tap = Tap.__new__(Tap)
            tap.name = name
            tap.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.ioctl(tap.fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
            self.taps[name] = tap
        run("ip", "-batch", "-", text="".join(f"link set dev {name} master {self.name} up\n" for name in names))
        return [self.taps[name] for name in names]


def passes(sender, frame, receiver, sentinel):
    """
    Whether @frame gets from tap to tap. @sentinel is a frame that passes for sure; it is sent behind it, so that
    "not" is known as soon as the sentinel is there.
    """
    receiver.drain()
    sender.send(frame)
    sender.send(sentinel)
    seen = receiver.receive(lambda one: one in (frame, sentinel))
    assert seen is not None, "not even the frame that always passes arrives"
    return seen == frame
