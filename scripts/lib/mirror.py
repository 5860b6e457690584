#!/usr/bin/env python3
"""Sends the frames that an interface receives to another host in a tunnel, as a switch does for a mirror port.

mirror.py INTERFACE REMOTE erspan1|erspan2|erspan3|geneve|gre

Prints how many it has sent and missed when SIGTERM ends it.
"""

import json
import signal
import socket
import struct
import sys

ETH_P_ALL = 3
SO_RCVBUFFORCE, SO_SNDBUFFORCE = 33, 32
SOL_PACKET, PACKET_STATISTICS = 263, 6
PACKET_OUTGOING = 4
GRE, UDP_GENEVE = 47, 6081


def tunnelled(kind, number, frame):
    """The bytes after the outer IP header, or after the UDP header for Geneve."""
    if kind == "erspan1":
        return struct.pack("!HH", 0, 0x88BE) + frame
    if kind == "erspan2":
        return struct.pack("!HHIHHI", 0x1000, 0x88BE, number, 0x1001, 5, 3) + frame
    if kind == "erspan3":
        return struct.pack("!HHIHHIHH", 0x1000, 0x22EB, number, 0x2001, 5, number, 0, 0x8000) + frame
    if kind == "gre":
        return struct.pack("!HHI", 0x2000, 0x6558, 42) + frame
    if kind == "geneve":
        return struct.pack("!BBHI", 1, 0, 0x6558, 42 << 8) + struct.pack("!HBB", 0x0102, 0x80, 0) + frame
    sys.exit(f"{kind} is no tunnel that this program knows")


def main():
    interface, remote, kind = sys.argv[1:]
    family = socket.AF_INET6 if ":" in remote else socket.AF_INET
    source = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    source.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 128 << 20)
    source.bind((interface, ETH_P_ALL))
    if kind == "geneve":
        sink = socket.socket(family, socket.SOCK_DGRAM)
        end = (remote, UDP_GENEVE)
    else:
        sink = socket.socket(family, socket.SOCK_RAW, GRE)
        end = (remote, 0)
    sink.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20)
    sent = 0

    def finish(*_):
        _, dropped = struct.unpack("II", source.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        print(json.dumps({"sent": sent, "dropped": dropped}), flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, finish)
    print("ready", flush=True)
    while True:
        frame, address = source.recvfrom(65536)
        if address[2] != PACKET_OUTGOING:
            sink.sendto(tunnelled(kind, sent & 0xFFFFFFFF, frame), end)
            sent += 1


if __name__ == "__main__":
    main()
