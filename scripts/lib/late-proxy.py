"""Forwards connections and gives the answers late: late-proxy.py PORT SERVER_PORT MILLISECONDS"""

import asyncio
import sys

PORT, SERVER_PORT, DELAY = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000


async def forward(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except ConnectionError:
        pass
    writer.close()


async def forward_late(reader, writer):
    loop = asyncio.get_running_loop()
    try:
        while data := await reader.read(65536):
            loop.call_later(DELAY, writer.write, data)
    except ConnectionError:
        pass
    loop.call_later(DELAY, writer.close)


async def serve(reader, writer):
    server_reader, server_writer = await asyncio.open_connection("127.0.0.1", SERVER_PORT)
    await asyncio.gather(forward(reader, server_writer), forward_late(server_reader, writer))


async def main():
    async with await asyncio.start_server(serve, port=PORT, backlog=1000) as server:
        await server.serve_forever()


asyncio.run(main())
