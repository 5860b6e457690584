"""Keep-alive clients of HTTP behind a proxy with the PROXY protocol: proxied.py ADDRESS VERSION CLIENTS REQUESTS

Each connection begins with the proxy's header, then sends its requests one after the other, 2 ms apart.
"""

import socket
import struct
import sys
import time

ADDRESS, VERSION, CLIENTS, REQUESTS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
REQUEST = b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n"


def header(number):
    source, target = "192.0.2.%d" % (number + 1), ADDRESS
    if VERSION == 1:
        return ("PROXY TCP4 %s %s 40000 80\r\n" % (source, target)).encode()
    addresses = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!HH", 40000, 80)
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", len(addresses)) + addresses


def read_answer(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            sys.exit("the connection was closed")
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    if not head.startswith(b"HTTP/1.1 200"):
        sys.exit("answered: %r" % head[:40])
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)


connections = []
for number in range(CLIENTS):
    connection = socket.create_connection((ADDRESS, 80), 5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(header(number))
    connections.append(connection)
for _ in range(REQUESTS):
    for connection in connections:
        connection.sendall(REQUEST)
    for connection in connections:
        read_answer(connection)
    time.sleep(0.002)
