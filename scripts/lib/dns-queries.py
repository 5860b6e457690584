#!/usr/bin/env python3
"""A DNS client that loses nothing of its own: each socket asks, waits for the answer, and asks again.

dns-queries.py SERVER SOCKETS QUERIES     so many queries in all, each socket with another port
Ends with status 1 if an answer is missing for 5 s, or is no answer. Prints the number of queries.
"""

import random
import selectors
import socket
import struct
import sys


def query(number):
    name = b"".join(bytes([len(label)]) + label for label in (b"host%d" % (number % 10), b"example", b"test"))
    return struct.pack(">HHHHHH", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + name + b"\0" + struct.pack(">HH", 1, 1)


def main():
    server, sockets, queries = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    selector = selectors.DefaultSelector()
    sent = received = 0

    def ask(sock):
        nonlocal sent
        number = sent + random.randrange(0, 65536, 10) * 10
        sock.send(query(number))
        asked[sock] = number & 0xFFFF
        sent += 1

    asked = {}
    for _ in range(min(sockets, queries)):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.connect((server, 53))
        selector.register(sock, selectors.EVENT_READ)
        ask(sock)
    while received < queries:
        ready = selector.select(5)
        if not ready:
            sys.exit(f"{sent} queries, {received} answers, and no other one for 5 s")
        for key, _ in ready:
            sock = key.fileobj
            answer = sock.recv(4096)
            number, flags, _, answers = struct.unpack_from(">HHHH", answer)
            if number != asked[sock] or flags & 0x800F != 0x8000 or answers != 1:
                sys.exit(f"no answer: {answer.hex()}")
            received += 1
            if sent < queries:
                ask(sock)
            else:
                selector.unregister(sock)
    print(sent)


main()
