"""Clients that stay connected and send requests: protocol-clients.py PROTOCOL ADDRESS PORT SESSIONS DIRECTORY

Creates DIRECTORY/PROTOCOL.open after the first request of every session. Every session then sends about seven requests a
second, until DIRECTORY/stop exists. Ends with an error if a server did not answer.
"""

import os
import socket
import struct
import subprocess
import sys
import time

PROTOCOL, ADDRESS, PORT, SESSIONS, DIRECTORY = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]


def plain():
    connection = socket.create_connection((ADDRESS, PORT), 5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def exactly(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            sys.exit("the connection was closed")
        data += piece
    return data


# Each opens a session, and returns what makes it talk once.


def http(_number):
    import http.client

    connection = http.client.HTTPConnection(ADDRESS, PORT, timeout=5)

    def talk():
        connection.request("GET", "/")
        if b"Hello" not in connection.getresponse().read():
            sys.exit("a wrong answer")

    return talk


def h2c(_number):
    import h2.connection
    import h2.events

    connection, protocol = plain(), h2.connection.H2Connection()
    protocol.initiate_connection()

    def talk():
        stream = protocol.get_next_available_stream_id()
        names = [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "lab")]
        protocol.send_headers(stream, names, end_stream=True)
        connection.sendall(protocol.data_to_send())
        ended = False
        while not ended:
            data = connection.recv(65536)
            if not data:
                sys.exit("the connection was closed")
            for event in protocol.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    protocol.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                ended = ended or isinstance(event, h2.events.StreamEnded) and event.stream_id == stream
            connection.sendall(protocol.data_to_send())

    return talk


def grpc(_number):
    import grpc as library

    options = [("grpc.use_local_subchannel_pool", 1)]
    call = library.insecure_channel("%s:%d" % (ADDRESS, PORT), options).unary_unary("/lab.Echo/Say")
    return lambda: call(b"a message", timeout=5)


def websocket(_number):
    from websockets.sync.client import connect

    connection = connect("ws://%s:%d/" % (ADDRESS, PORT))

    def talk():
        connection.send("a message")
        connection.recv(5)

    return talk


def sse(_number):
    connection = plain()
    connection.sendall(b"GET /events HTTP/1.1\r\nHost: lab\r\nAccept: text/event-stream\r\n\r\n")
    return lambda: exactly(connection, 16)


def redis(number, protocol=2):
    import redis as library

    connection = library.Redis(ADDRESS, PORT, protocol=protocol, single_connection_client=True)
    return lambda: connection.incr("counter-%d" % number)


def redis3(number):
    return redis(number, 3)


def memcached(number):
    from pymemcache.client.base import Client

    connection = Client((ADDRESS, PORT), timeout=5, no_delay=True)
    connection.set("key-%d" % number, "0", noreply=False)
    return lambda: connection.incr("key-%d" % number, 1)


def memcached_binary(number):
    import bmemcached

    connection = bmemcached.Client(["%s:%d" % (ADDRESS, PORT)])
    return lambda: connection.set("key-%d" % number, "value") or sys.exit("not set")


def mqtt(number):
    from paho.mqtt.client import CallbackAPIVersion, Client

    connection = Client(CallbackAPIVersion.VERSION2, "lab-%d" % number)
    connection.connect(ADDRESS, PORT)
    connection.loop_start()
    return lambda: connection.publish("lab/%d" % number, "a message", qos=1).wait_for_publish(5)


def amqp(number):
    import pika

    channel = pika.BlockingConnection(pika.ConnectionParameters(ADDRESS, PORT)).channel()
    return lambda: channel.queue_declare("queue-%d" % number)


def smtp(_number):
    import smtplib

    connection = smtplib.SMTP(ADDRESS, PORT, "lab", 5)
    return lambda: connection.sendmail("a@example.org", ["b@example.org"], "Subject: a message\r\n\r\nText\r\n")


def imap(_number):
    import imaplib

    connection = imaplib.IMAP4(ADDRESS, PORT, 5)
    connection.login("lab", "lab")
    return connection.noop


def ftp(_number):
    import ftplib

    connection = ftplib.FTP()
    connection.connect(ADDRESS, PORT, 5)
    connection.login("lab", "lab")
    return connection.pwd


def ssh(_number):
    command = ["ssh", "-F", "none", "-i", DIRECTORY + "/ssh-key", "-p", str(PORT), "-o", "StrictHostKeyChecking=no",
               "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "root@" + ADDRESS, "cat"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def talk():
        process.stdin.write(b"a line\n")
        process.stdin.flush()
        return process.stdout.readline() == b"a line\n" or sys.exit("a wrong answer")

    return talk


def tls(_number):
    import ssl

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = context.wrap_socket(plain())

    def talk():
        connection.sendall(b"a line\n")
        exactly(connection, 7)

    return talk


def postgres(_number):
    import pg8000.native

    connection = pg8000.native.Connection("lab", ADDRESS, "postgres", PORT, timeout=5)
    return lambda: connection.run("SELECT 1")


def mysql(_number):
    import pymysql

    connection = pymysql.connect(host=ADDRESS, port=PORT, user="lab", password="lab", connect_timeout=5)

    def talk():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    return talk


def kafka(_number):
    connection, number = plain(), 0

    def talk():
        nonlocal number
        number += 1
        request = struct.pack("!HHIh", 3, 9, number, 3) + b"lab" + b"\0\0\0\0\0"  # Metadata
        connection.sendall(struct.pack("!I", len(request)) + request)
        exactly(connection, 12)

    return talk


def mongo(_number):
    import pymongo

    connection = pymongo.MongoClient(ADDRESS, PORT, directConnection=True, maxPoolSize=1, serverSelectionTimeoutMS=5000)
    return lambda: connection.lab.command("ping")


def dns(number):
    connection = plain()

    def talk():
        query = struct.pack("!HHHHHH", 100 + number, 0x0100, 1, 0, 0, 0) + b"\3www\3lab\0" + struct.pack("!HH", 1, 1)
        connection.sendall(struct.pack("!H", len(query)) + query)
        exactly(connection, struct.unpack("!H", exactly(connection, 2))[0])

    return talk


def binary(_number, first=b""):
    connection = plain()

    def talk(text=b"a message"):
        connection.sendall(struct.pack("!HH", 0xB10B, len(text)) + text)
        exactly(connection, 4 + len(text))

    if first:
        talk(first)
    return talk


def greeted(number):
    return binary(number, b"greeting")


sessions = [globals()[PROTOCOL](number) for number in range(SESSIONS)]
opened, rounds = DIRECTORY + "/" + PROTOCOL + ".open", 0
while not os.path.exists(DIRECTORY + "/stop"):
    for talk in sessions:
        talk()
    if rounds == 0:
        open(opened, "w").close()
    rounds += 1
    time.sleep(0.15)
print(rounds * SESSIONS, "times")
os._exit(0)
