"""A wire that swaps packets: swapper.py FROM TO EVERY

Forwards frames between two interfaces. Of the long ones that come from FROM, every EVERY-th is sent after the next one. Where
offloads are on, frames are longer than the MTU: the kernel's header goes with each of them.
"""

import select
import socket
import sys

FROM, TO, EVERY = sys.argv[1], sys.argv[2], int(sys.argv[3])
LONG = 1000
ETH_P_ALL, SOL_PACKET, PACKET_VNET_HDR, PACKET_OUTGOING = 3, 263, 15, 4


def opened(name):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    wire.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
    wire.bind((name, 0))
    wire.setblocking(False)
    return wire


def received(wire):
    while True:
        try:
            frame, address = wire.recvfrom(1 << 17)
        except BlockingIOError:
            return
        if address[2] != PACKET_OUTGOING:
            yield frame


def send(wire, frame):
    try:
        wire.send(frame)
    except OSError as error:
        print(error, file=sys.stderr)


swapped = {FROM: opened(FROM), TO: opened(TO)}
held, count = None, 0
print("forwarding", flush=True)
while True:
    ready, _, _ = select.select(swapped.values(), [], [], 0.001 if held else None)
    if not ready and held:
        send(swapped[TO], held)
        held = None
    for wire in ready:
        if wire is swapped[TO]:
            for frame in received(wire):
                send(swapped[FROM], frame)
            continue
        for frame in received(wire):
            count += len(frame) > LONG
            if held is None and len(frame) > LONG and count % EVERY == 0:
                held = frame
                continue
            send(swapped[TO], frame)
            if held is not None:
                send(swapped[TO], held)
                held = None
