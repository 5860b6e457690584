"""Servers of protocols that Debian has no small server for: protocol-servers.py PROTOCOL PORT DIRECTORY

grpc, websocket, smtp and ftp are real servers. amqp, kafka and mongo answer the lab's clients as real servers do. sse, tls,
binary and greeted stand for servers of users.
"""

import socketserver
import ssl
import struct
import sys
import threading
import time

PROTOCOL, PORT, DIRECTORY = sys.argv[1], int(sys.argv[2]), sys.argv[3]


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128


class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def exactly(self, count):
        data = self.rfile.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def handle(self):
        try:
            self.converse()
        except (EOFError, OSError):
            pass


class Sse(Handler):
    """Events, ten a second, to whoever asks once."""

    def converse(self):
        while self.rfile.readline() not in (b"\r\n", b""):
            pass
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        while True:
            self.wfile.write(b"data: %d\n\n" % time.time())
            time.sleep(0.1)


class Lines(Handler):
    """Says again what it hears, behind TLS."""

    def converse(self):
        for line in self.rfile:
            self.wfile.write(line)


class Binary(Handler):
    """Messages of a magic number, a length and text, which are sent back."""

    def converse(self):
        while True:
            magic, length = struct.unpack("!HH", self.exactly(4))
            if magic != 0xB10B:
                return
            self.wfile.write(struct.pack("!HH", magic, length) + self.exactly(length))


class Greeted(Handler):
    """The same, but the first message of a connection must be a greeting."""

    def converse(self):
        while True:
            magic, length = struct.unpack("!HH", self.exactly(4))
            data = self.exactly(length)
            self.greeted = getattr(self, "greeted", data == b"greeting")
            if magic != 0xB10B or not self.greeted:
                return
            self.wfile.write(struct.pack("!HH", magic, length) + data)


class Kafka(Handler):
    """Answers each request with its number and nothing else."""

    def converse(self):
        while True:
            length, kind, _version, number = struct.unpack("!iHHi", self.exactly(12))
            if not 8 <= length < 1 << 20 or kind > 100:
                return
            self.exactly(length - 8)
            self.wfile.write(struct.pack("!iii", 8, number, 0))


class Mongo(Handler):
    """Says hello, and ok to everything else."""

    def converse(self):
        import bson

        hello = {"ismaster": True, "helloOk": True, "maxBsonObjectSize": 16777216, "maxMessageSizeBytes": 48000000,
                 "maxWriteBatchSize": 100000, "minWireVersion": 0, "maxWireVersion": 21, "readOnly": False, "ok": 1.0}
        while True:
            length, number, _, code = struct.unpack("<iiii", self.exactly(16))
            body = self.exactly(length - 16)
            if code == 2004:  # OP_QUERY, answered by OP_REPLY
                data = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(hello)
                answer = 1
            elif code == 2013:  # OP_MSG
                greets = b"\x00hello\x00" in body[:40] or b"\x10hello\x00" in body[:40] or b"ismaster" in body[:40].lower()
                data = struct.pack("<iB", 0, 0) + bson.encode(hello if greets else {"ok": 1.0})
                answer = 2013
            else:
                return
            self.wfile.write(struct.pack("<iiii", 16 + len(data), 1, number, answer) + data)


class Amqp(Handler):
    """AMQP 0-9-1 as far as a client needs it to log in and declare queues."""

    def converse(self):
        if self.exactly(8) != b"AMQP\x00\x00\x09\x01":
            self.wfile.write(b"AMQP\x00\x00\x09\x01")
            return
        text = lambda value: struct.pack("!I", len(value)) + value
        self.method(0, 10, 10, b"\x00\x09" + text(b"") + text(b"PLAIN") + text(b"en_US"))
        while True:
            kind, channel, size = struct.unpack("!BHI", self.exactly(7))
            payload = self.exactly(size + 1)
            if payload[-1] != 0xCE:
                return
            if kind != 1:
                continue
            method = struct.unpack("!HH", payload[:4])
            if method == (10, 11):
                self.method(0, 10, 30, struct.pack("!HIH", 2047, 131072, 0))
            elif method == (10, 40):
                self.method(0, 10, 41, b"\x00")
            elif method == (20, 10):
                self.method(channel, 20, 11, text(b""))
            elif method == (50, 10):
                name = payload[6 : 7 + payload[6]]
                self.method(channel, 50, 11, name + struct.pack("!II", 0, 0))
            elif method == (20, 40):
                self.method(channel, 20, 41, b"")
            elif method == (10, 50):
                self.method(0, 10, 51, b"")
                return

    def method(self, channel, of, number, arguments):
        payload = struct.pack("!HH", of, number) + arguments
        self.wfile.write(struct.pack("!BHI", 1, channel, len(payload)) + payload + b"\xce")


def tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DIRECTORY + "/cert.pem", DIRECTORY + "/key.pem")
    server = Server(("", PORT), Lines)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


def grpc():
    from concurrent import futures

    import grpc as library

    class Echo(library.GenericRpcHandler):
        def service(self, _details):
            return library.unary_unary_rpc_method_handler(lambda request, _context: request)

    server = library.server(futures.ThreadPoolExecutor(8), handlers=[Echo()])
    server.add_insecure_port("0.0.0.0:%d" % PORT)
    server.start()
    server.wait_for_termination()


def websocket():
    from websockets.sync.server import serve

    def echo(connection):
        for message in connection:
            connection.send(message)

    with serve(echo, "", PORT) as server:
        server.serve_forever()


def smtp():
    from aiosmtpd.controller import Controller
    from aiosmtpd.handlers import Sink

    Controller(Sink(), hostname="0.0.0.0", port=PORT).start()
    threading.Event().wait()


def ftp():
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.servers import FTPServer

    FTPHandler.authorizer = DummyAuthorizer()
    FTPHandler.authorizer.add_user("lab", "lab", DIRECTORY)
    FTPServer(("0.0.0.0", PORT), FTPHandler).serve_forever()


OWN = {"sse": Sse, "binary": Binary, "greeted": Greeted, "kafka": Kafka, "mongo": Mongo, "amqp": Amqp}
if PROTOCOL in OWN:
    Server(("", PORT), OWN[PROTOCOL]).serve_forever()
else:
    globals()[PROTOCOL]()
