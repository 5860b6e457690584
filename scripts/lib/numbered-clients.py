#!/usr/bin/env python3
"""Clients that can be told apart: each has a port of its own, and its number in the path of its requests.

usage: numbered-clients.py ADDRESS[:PORT] FIRST-LAST [--add N] [--at-once N] [--pace CONNECTIONS-A-SECOND] [--requests N]

Client FIRST comes from port FIRST, and asks for /?n=FIRST (and --add) on one connection as often as --requests says. The server
closes it, so that the port is free at once. Use ports below those that the kernel gives to others (net.ipv4.ip_local_port_range). With --at-once that many
are open at the same time; all of a group have connected before the first of them asks.
"""

import argparse
import resource
import socket
import sys
import time


def main():
    options = arguments()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    host, _, port = options.server.partition(':')
    first, last = (int(end) for end in options.ports.split('-'))
    clients = list(range(first, last + 1))
    began = time.monotonic()
    for start in range(0, len(clients), options.at_once):
        if options.pace:
            time.sleep(max(0.0, began + start / options.pace - time.monotonic()))
        group = clients[start:start + options.at_once]
        connections = [(client, connect(host, int(port or 80), client)) for client in group]
        for request in range(options.requests):
            last = 'Connection: close\r\n' if request == options.requests - 1 else ''
            for client, connection in connections:
                connection.sendall(f'GET /?n={client + options.add} HTTP/1.1\r\nHost: lab\r\n{last}\r\n'.encode())
            for client, connection in connections:
                answer(connection)
        for _, connection in connections:
            if connection.recv(1):
                sys.exit('the server says more than one answer')
            connection.close()


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument('server')
    parser.add_argument('ports')
    parser.add_argument('--at-once', type=int, default=1)
    parser.add_argument('--pace', type=float)
    parser.add_argument('--requests', type=int, default=1)
    parser.add_argument('--add', type=int, default=0)
    return parser.parse_args()


def connect(host, port, client):
    connection = socket.socket()
    connection.settimeout(60)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    connection.bind(('', client))
    connection.connect((host, port))
    return connection


def answer(connection):
    """Reads one answer with a Content-Length."""
    text = b''
    while b'\r\n\r\n' not in text:
        text += more(connection)
    head, _, body = text.partition(b'\r\n\r\n')
    length = next(int(line.split(b':')[1]) for line in head.split(b'\r\n') if line.lower().startswith(b'content-length:'))
    while len(body) < length:
        body += more(connection)
    if b' 200 ' not in head.split(b'\r\n')[0]:
        sys.exit(f'the answer is {head[:60]!r}')


def more(connection):
    piece = connection.recv(65536)
    if not piece:
        sys.exit('the server closed the connection')
    return piece


main()
