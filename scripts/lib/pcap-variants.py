#!/usr/bin/env python3
"""Writes a pcap file of Ethernet packets in every form that a capture file can have.

pcap-variants.py forms FILE DIRECTORY      every link type, byte order, resolution, compression; pcapng
pcap-variants.py damage FILE DIRECTORY     cut, shuffled, flipped, with a wrong time
pcap-variants.py repeat FILE OUT BYTES     the packets again and again, with other client ports and later times, up to a size
Prints the names of the files that it has written.
"""

import gzip
import random
import struct
import subprocess
import sys

ETHERNET, NULL, RAW, LOOP, SLL, SLL2 = 1, 0, 101, 108, 113, 276


def read(path):
    """Time in nanoseconds and bytes of each packet."""
    with open(path, "rb") as file:
        data = file.read()
    assert data[:4] == b"\xd4\xc3\xb2\xa1", "a pcap file as tcpdump writes it"
    packets, at = [], 24
    while at < len(data):
        seconds, micros, captured, _ = struct.unpack_from("<IIII", data, at)
        packets.append((seconds * 10**9 + micros * 1000, data[at + 16 : at + 16 + captured]))
        at += 16 + captured
    return packets


def linked(frame, link):
    ip = frame[14:]
    return {
        ETHERNET: frame,
        NULL: struct.pack("<I", 2) + ip,
        RAW: ip,
        LOOP: struct.pack(">I", 2) + ip,
        SLL: struct.pack(">HHH8sH", 0, 1, 6, frame[6:12] + b"\0\0", 0x0800) + ip,
        SLL2: struct.pack(">HHIHBB8s", 0x0800, 0, 2, 1, 0, 6, frame[6:12] + b"\0\0") + ip,
    }[link]


def tagged(frame):
    return frame[:12] + struct.pack(">HHHH", 0x88A8, 5, 0x8100, 7) + frame[12:]


def pcap(packets, order="<", nanos=False, link=ETHERNET):
    magic = 0xA1B23C4D if nanos else 0xA1B2C3D4
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link)]
    for time, frame in packets:
        data = linked(frame, link)
        fraction = time % 10**9 // (1 if nanos else 1000)
        parts += [struct.pack(order + "IIII", time // 10**9, fraction, len(data), len(data)), data]
    return b"".join(parts)


def block(order, kind, body):
    body += b"\0" * (-len(body) % 4)
    length = 12 + len(body)
    return struct.pack(order + "II", kind, length) + body + struct.pack(order + "I", length)


def section(order, interfaces):
    parts = [block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))]
    for link, resolution in interfaces:
        options = struct.pack(order + "HHB3xHH", 9, 1, resolution, 0, 0)
        parts.append(block(order, 1, struct.pack(order + "HHI", link, 0, 0) + options))
    return b"".join(parts)


def pcapng(packets):
    """Two sections of either byte order, with interfaces of several link types and resolutions."""
    interfaces = [(ETHERNET, 6), (SLL, 9), (RAW, 0x80 | 30)]
    parts = []
    for order, some in (("<", packets[: len(packets) // 2]), (">", packets[len(packets) // 2 :])):
        parts += [section(order, interfaces), block(order, 5, b"\0" * 12)]
        for index, (time, frame) in enumerate(some):
            number = index % 3
            link, _ = interfaces[number]
            stamp = [time // 1000, time, (time << 30) // 10**9][number]
            data = linked(frame, link)
            fields = struct.pack(order + "IIIII", number, stamp >> 32, stamp & 0xFFFFFFFF, len(data), len(data))
            parts.append(block(order, 6, fields + data))
    return b"".join(parts)


def forms(packets):
    links = {"ethernet": ETHERNET, "null": NULL, "raw": RAW, "loop": LOOP, "sll": SLL, "sll2": SLL2}
    for name, link in links.items():
        yield f"{name}.pcap", pcap(packets, link=link)
    for name, order, nanos in (("be-us", ">", False), ("be-ns", ">", True), ("le-ns", "<", True)):
        yield f"{name}.pcap", pcap(packets, order, nanos)
    yield "qinq.pcap", pcap([(time, tagged(frame)) for time, frame in packets])
    yield "sections.pcapng", pcapng(packets)
    yield "plain.pcap.gz", gzip.compress(pcap(packets))
    yield "sections.pcapng.gz", gzip.compress(pcapng(packets))
    zstd = ["zstd", "-q", "-c"]
    yield "plain.pcap.zst", subprocess.run(zstd, input=pcap(packets), stdout=subprocess.PIPE, check=True).stdout
    yield "sections.pcapng.zst", subprocess.run(zstd, input=pcapng(packets), stdout=subprocess.PIPE, check=True).stdout


def damage(packets):
    chance = random.Random(1)
    whole = pcap(packets)
    yield "cut.pcap", whole[:-7]
    shuffled = list(packets)
    for _ in range(len(packets) // 100):
        at = chance.randrange(len(packets))
        packet = shuffled.pop(at)
        to = at
        while to + 1 < len(shuffled) and shuffled[to + 1][0] < packet[0] + 50_000_000:
            to += 1
        shuffled.insert(to, packet)
    yield "shuffled.pcap", pcap(shuffled)
    late = list(packets)
    at = len(late) // 2
    while late[at][1][36:38] != (80).to_bytes(2) or len(late[at][1]) < 80:  # a request: only what is replayed has a time
        at += 1
    late[at] = (late[at][0] + 3600 * 10**9, late[at][1])
    yield "hour.pcap", pcap(late)
    # Bytes behind the last packet that matters, and a lost record in the middle.
    yield "garbage.pcap", whole + chance.randbytes(5000)
    flipped = bytearray(whole)
    for _ in range(20):
        flipped[chance.randrange(24, len(flipped))] ^= 1 << chance.randrange(8)
    yield "flipped.pcap", bytes(flipped)


def repeat(packets, out, size):
    """Each time all clients have other ports."""
    span = packets[-1][0] - packets[0][0] + 10**7
    with open(out, "wb") as file:
        file.write(pcap([]))
        written, number = 24, 0
        while written < size:
            records = pcap([(time + number * span, shifted(frame, number)) for time, frame in packets])[24:]
            file.write(records)
            written, number = written + len(records), number + 1
    print(number)


def shifted(frame, number):
    """The port that is not below 10000 is the client's."""
    tcp = 14 + (frame[14] & 15) * 4
    ports = struct.unpack_from(">HH", frame, tcp)
    new = [port if port < 10000 else 10000 + (port - 10000 + number * 7919) % 55000 for port in ports]
    return frame[:tcp] + struct.pack(">HH", *new) + frame[tcp + 4 :]


def main():
    command, path, out, *rest = sys.argv[1:]
    packets = read(path)
    if command == "repeat":
        repeat(packets, out, int(rest[0]))
        return
    for name, data in {"forms": forms, "damage": damage}[command](packets):
        with open(f"{out}/{name}", "wb") as file:
            file.write(data)
        print(name)


main()
