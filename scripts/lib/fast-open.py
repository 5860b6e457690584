"""Clients whose first request travels in the SYN (TCP Fast Open): fast-open.py ADDRESS CONNECTIONS REQUESTS"""

import socket
import sys

ADDRESS, CONNECTIONS, REQUESTS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
REQUEST = b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n"


def read_answer(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536) or sys.exit("the connection was closed")
    head, body = data.split(b"\r\n\r\n", 1)
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)


for _ in range(CONNECTIONS):
    with socket.socket() as connection:
        connection.sendto(REQUEST, socket.MSG_FASTOPEN, (ADDRESS, 80))
        read_answer(connection)
        for _ in range(REQUESTS - 1):
            connection.sendall(REQUEST)
            read_answer(connection)
