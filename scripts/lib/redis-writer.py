"""Writes each key once to a Redis server over persistent connections, for the cases that break connections.

redis-writer.py ADDRESS PREFIX [--database N] [--user U] [--password P] [--connections N] [--writes N] [--pipeline N]
  [--rate N] [--hold READY GO] [--late-select] [--multi]

Each connection logs in and selects its database once, like the client libraries. With --late-select it does so after
other commands, and first sends a SELECT that the server refuses. With --multi each write is a transaction in three turns.
With --hold it then writes one key, creates the file READY and waits for a line from the pipe GO. All writes of a run have
the same length.
"""

import argparse
import socket
import time


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in map(str.encode, words))


class Connection:
    def __init__(self, options, number):
        self.prefix = f"{options.prefix}:{number:03}"
        self.written = 0
        self.multi = options.multi
        self.socket = socket.create_connection((options.address, 6379))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answers = self.socket.makefile("rb")
        if options.password:
            login = [options.user, options.password] if options.user else [options.password]
            self.ask([command("AUTH", *login)])
        if options.late_select:
            self.ask([command("PING")] * 2, b"+PONG\r\n")
            self.ask([command("SELECT", "99")], b"-ERR DB index is out of range\r\n")
        if options.database:
            self.ask([command("SELECT", str(options.database))])

    def ask(self, commands, expected=b"+OK\r\n"):
        self.socket.sendall(b"".join(commands))
        for _ in commands:
            answer = self.answers.readline()
            if answer != expected:
                raise SystemExit(f"the server answers {answer!r}")

    def write(self, count):
        if self.multi:
            self.ask([command("MULTI")])
            self.ask([self.set(self.written)], b"+QUEUED\r\n")
            self.ask([command("EXEC")], b"*1\r\n")
            self.answers.readline()
            self.written += 1
            return
        numbers = range(self.written, self.written + count)
        self.ask([self.set(number) for number in numbers])
        self.written += count

    def set(self, number):
        return command("SET", f"{self.prefix}:{number:07}", f"{number:07}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("prefix")
    parser.add_argument("--database", type=int, default=0)
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--writes", type=int, default=20000)
    parser.add_argument("--pipeline", type=int, default=1)
    parser.add_argument("--rate", type=float, default=5000)
    parser.add_argument("--late-select", action="store_true")
    parser.add_argument("--multi", action="store_true")
    parser.add_argument("--hold", nargs=2, metavar=("READY", "GO"))
    options = parser.parse_args()
    connections = [Connection(options, number) for number in range(options.connections)]
    if options.hold:
        for connection in connections:
            connection.write(1)
        open(options.hold[0], "w").close()
        open(options.hold[1]).readline()
    start, written = time.monotonic(), 0
    while written < options.writes:
        for connection in connections:
            connection.write(options.pipeline)
            written += options.pipeline
        early = start + written / options.rate - time.monotonic()
        if early > 0:
            time.sleep(early)


main()
