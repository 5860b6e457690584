#!/usr/bin/env python3
"""A stranger on the control port: it announces connections that others have opened, and counts what it learns.

Usage: stranger.py HOW INTERCEPT CLIENT SERVER SECONDS

HOW is one of
  ports     routes of all of CLIENT's ports to SERVER, ahead of time, with guessed sequence numbers and all payload, repeatedly
  flight    the same, as connections with as much in flight as a proof may name
  loopback  the target 127.0.0.1:9001 and routes of all ports of 127.0.0.1 to it
  old       version 4 of the protocol
  reload    as ports, from new connections all the time

The messages are as in docs/CONTROL_PROTOCOL.md. The last line of the output is "learnt N answers, M bytes; cut off C times".
"""

import os
import random
import select
import socket
import struct
import sys
import time

PORT = 36524
HELLO = b"\x01tcpcopy\n"


def long_frame(body):
    return struct.pack(">I", len(body)) + body


def short_frame(body):
    return bytes([0x80 | len(body)]) + body


def endpoint(ip, port):
    return b"\x04" + socket.inet_aton(ip) + struct.pack(">H", port)


class Stranger:
    """One run; its connections come and go."""

    def __init__(self, how, intercept, client, server):
        self.how, self.intercept, self.client, self.server = how, intercept, client, server
        self.answers = self.answer_bytes = self.cut_off = self.connects = 0
        self.refused = set()
        self.socket = None
        self.pending = b""

    def hello(self):
        if self.how == "old":
            return long_frame(HELLO + struct.pack(">H", 4))
        return long_frame(HELLO + struct.pack(">H", 5) + os.urandom(8))

    def proof(self):
        number = random.getrandbits(32)
        if self.how != "flight":
            return b"\x01" + struct.pack(">I", number)
        end = (number + 4000) % 2**32
        return b"\x03" + struct.pack(">IIHI", number, end, 1448, random.getrandbits(32))

    def routes(self):
        """Messages about all ports of the client."""
        ip, port = self.server
        for source in range(1024, 65536):
            flow = endpoint(self.client, source) + endpoint(ip, port)
            name = struct.pack(">I", source)
            yield short_frame(b"\x03" + name + flow + self.proof()) + short_frame(b"\x05" + name + b"\x02")

    def connect(self):
        try:
            self.socket = socket.create_connection((self.intercept, PORT), timeout=2)
            self.socket.setblocking(False)
            self.pending = b""
            self.connects += 1
            self.send(self.hello() + short_frame(b"\x02" + endpoint(*self.server)))
        except OSError:
            self.lose()
            time.sleep(0.2)

    def lose(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None
            self.cut_off += 1

    def send(self, data):
        """Sends all, and reads meanwhile."""
        while data and self.socket is not None:
            readable, writable, _ = select.select([self.socket], [self.socket], [], 1)
            if readable:
                self.receive()
            if writable and self.socket is not None:
                try:
                    data = data[self.socket.send(data) :]
                except BlockingIOError:
                    pass
                except OSError:
                    self.lose()

    def receive(self):
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.lose()
            return
        self.pending += data
        while self.pending:
            first = self.pending[0]
            size, start = (first & 0x7F, 1) if first & 0x80 else (0, 4)
            if start == 4:
                if len(self.pending) < 4:
                    return
                size = struct.unpack(">I", self.pending[:4])[0]
            if len(self.pending) < start + size:
                return
            self.handle(self.pending[start : start + size])
            self.pending = self.pending[start + size :]

    def handle(self, body):
        if body[0] == 0x83:
            self.answers += 1
            self.answer_bytes += len(body)
        elif body[0] == 0x82:
            self.refused.add(body[1])
        elif body[0] == 0x86:
            print("told of another tcpcopy", flush=True)

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.socket is None:
                self.connect()
                continue
            for messages in self.routes() if self.how != "old" else ():
                self.send(messages)
                if self.socket is None or time.monotonic() >= end:
                    break
            if self.how == "reload":
                self.lose()
            rest = time.monotonic() + 0.3
            while self.socket is not None and time.monotonic() < min(rest, end):
                if select.select([self.socket], [], [], 0.1)[0]:
                    self.receive()


def main():
    how, intercept, client, server, seconds = sys.argv[1:]
    host, port = server.rsplit(":", 1)
    if how == "loopback":
        client, host, port = "127.0.0.1", "127.0.0.1", "9001"
    stranger = Stranger(how, intercept, client, (host, int(port)))
    stranger.run(float(seconds))
    print(f"{stranger.connects} connections, refused for the reasons {sorted(stranger.refused)}")
    print(f"learnt {stranger.answers} answers, {stranger.answer_bytes} bytes; cut off {stranger.cut_off} times")


main()
