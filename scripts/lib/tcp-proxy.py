"""A proxy that uses the PROXY protocol: tcp-proxy.py PORT ADDRESS SERVER_PORT VERSION

Forwards connections from 127.0.0.1:PORT to ADDRESS:SERVER_PORT, after a header of version 1 or 2.
"""

import asyncio
import socket
import struct
import sys

PORT, ADDRESS, SERVER_PORT, VERSION = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


def header(port):
    source = "192.0.2.1"
    if VERSION == 1:
        return b"PROXY TCP4 %s %s %d %d\r\n" % (source.encode(), ADDRESS.encode(), port, SERVER_PORT)
    addresses = socket.inet_aton(source) + socket.inet_aton(ADDRESS) + struct.pack("!HH", port, SERVER_PORT)
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", len(addresses)) + addresses


async def forward(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def serve(reader, writer):
    server_reader, server_writer = await asyncio.open_connection(ADDRESS, SERVER_PORT)
    server_writer.write(header(writer.get_extra_info("peername")[1]))
    await asyncio.gather(forward(reader, server_writer), forward(server_reader, writer))


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", PORT)
    await server.serve_forever()


asyncio.run(main())
