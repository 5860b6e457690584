#!/usr/bin/env python3
"""Strangers on the control port of intercept, for cases of the lab. docs/CONTROL_PROTOCOL.md has the messages.

    strangers.py KIND HOST [NUMBER | FILE | SOURCE] [SOURCE]...

Each goes on until it is ended, unless it says what it has seen on one line and ends.

    pings SOURCE      a flood of messages from this address, on one connection after the other
    routes SOURCE     the same, of routes
    hold N            N connections with a hello, from each SOURCE in turn
    mute N            N connections that ask for payload and never read
    many N            N connections as fast as possible, then says how many are open
    hello V           a hello of version V; says the reason of the refusal
    truncated         begins a handshake and never ends it
    relay FILE        passes what comes to port 36600 on to intercept, and writes what the client sends to FILE
    replay FILE       sends that to intercept; says the reason of the refusal
    fake              poses as intercept: accepts a hello, and an opening with a hello
"""

import os
import resource
import select
import socket
import struct
import sys
import time

VERSION = 5
MAGIC = b"tcpcopy\n"


def frame(body):
    return struct.pack(">I", len(body)) + body


def hello(version=VERSION):
    return frame(b"\x01" + MAGIC + struct.pack(">HQ", version, 1))


OPENING = frame(b"\x71" + MAGIC + struct.pack(">H", VERSION))
PING = frame(b"\x06\0\0\0\1")


def route(number):
    """A route of a first SYN, for a flow of a client that does not exist."""
    flow = struct.pack(">B4BH", 4, 10, 99, number >> 16 & 255, number >> 8 & 255, 1024 + (number & 255))
    server = struct.pack(">B4BH", 4, 10, 98, 0, 1, 80)
    return frame(b"\x03" + struct.pack(">I", number & 0xffff) + flow + server + b"\x01\0\0\0\1")


def route_end(number):
    return frame(b"\x04" + struct.pack(">I", number & 0xffff))


def connect(address, source=None):
    return socket.create_connection(address, timeout=10, source_address=(source, 0) if source else None)


def flood(address, messages, source):
    block = hello() + messages
    while True:
        try:
            with connect(address, source) as link:
                link.settimeout(2)
                link.sendall(block)
                while True:
                    link.sendall(messages)
                    while select.select([link], [], [], 0)[0]:
                        if not link.recv(65536):
                            raise ConnectionError
        except OSError:
            time.sleep(0.05)


def reason(link):
    """The reason byte of the refusal that ends the connection."""
    link.settimeout(10)
    seen = b""
    try:
        while piece := link.recv(4096):
            seen += piece
    except OSError:
        pass
    found = seen.rfind(b"\x82")
    return f"refused {seen[found + 1]}" if 0 <= found < len(seen) - 1 else f"ended after {seen.hex() or 'nothing'}"


def relay(address, path):
    listener = socket.create_server(("", 36600))
    with open(path, "wb", buffering=0) as record:
        client, _ = listener.accept()
        server = connect(address)
        while True:
            for link in select.select([client, server], [], [])[0]:
                if not (piece := link.recv(65536)):
                    return
                if link is client:
                    record.write(piece)
                (server if link is client else client).sendall(piece)


def replay(address, path):
    """Each message of the recorded handshake when intercept has answered the one before it, then the records."""
    with open(path, "rb") as record:
        recorded = record.read()
    with connect(address) as link:
        opening = len(OPENING)
        link.sendall(recorded[:opening])
        link.recv(4096)
        link.sendall(recorded[opening:opening + 53])
        try:
            link.sendall(recorded[opening + 53:])
        except OSError:
            pass
        return reason(link)


def fake():
    listener = socket.create_server(("", 36524))
    while True:
        link, _ = listener.accept()
        first = link.recv(4096)
        # An opening is answered as if there were no key.
        print("opening" if first[4:5] == b"\x71" else "hello", flush=True)
        link.sendall(frame(b"\x81" + MAGIC + struct.pack(">H", VERSION)))
        with link:
            link.settimeout(2)
            try:
                print("more" if link.recv(4096) else "closed", flush=True)
            except OSError:
                print("silent", flush=True)


def main():
    kind, host, *rest = sys.argv[1:]
    address = (host, 36524)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    links = []
    if kind == "pings":
        flood(address, PING * 1000, *rest)
    elif kind == "routes":
        flood(address, b"".join(route(number) + route_end(number) for number in range(1000)), *rest)
    elif kind == "hold":
        sources = rest[1:] or [None]
        for number in range(int(rest[0])):
            try:
                links.append(connect(address, sources[number % len(sources)]))
                links[-1].sendall(hello())
            except OSError:
                pass
        print("held", flush=True)
    elif kind == "mute":
        for number in range(int(rest[0])):
            links.append(connect(address))
            links[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            links[-1].sendall(hello() + route(number) + frame(b"\x05" + struct.pack(">IB", number, 2)))
        print("mute", flush=True)
    elif kind == "many":
        for _ in range(int(rest[0])):
            try:
                links.append(connect(address))
            except OSError:
                break
        print(f"opened {len(links)}", flush=True)
    elif kind == "hello":
        with connect(address) as link:
            link.sendall(hello(int(rest[0])))
            return print(reason(link))
    elif kind == "truncated":
        links.append(connect(address))
        links[0].sendall(OPENING)
        links[0].recv(4096)
        links[0].sendall(struct.pack(">I", 49) + b"\x72half")
        started = time.time()
        reason(links[0])
        return print(f"ended after {time.time() - started:.0f} s")
    elif kind == "relay":
        return relay(address, rest[0])
    elif kind == "replay":
        return print(replay(address, rest[0]))
    elif kind == "fake":
        fake()
    else:
        sys.exit(f"no such stranger: {kind}")
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
