"""An HTTP server on port 80 that answers "Expect: 100-continue" with 417 and closes.

Prints a line for each request: "refused" for these, "answered" for others, which get 200; and "stray" for a connection
that does not begin with a request.
"""

import re
import socketserver
import sys

REQUEST = re.compile(rb"[A-Z]+ \S+ HTTP/1\.[01]\r\n")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
EXPECT = re.compile(rb"\r\nexpect: *100-continue", re.IGNORECASE)


def tell(*words):
    """One write: lines of several threads stay lines."""
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


class Connection(socketserver.StreamRequestHandler):
    """Reads requests until one is refused or the peer has gone."""

    def handle(self):
        while line := self.rfile.readline(65536):
            if not REQUEST.fullmatch(line):
                tell("stray", repr(line[:40]))
                return
            head = b"\r\n"
            while (field := self.rfile.readline(65536)) not in (b"\r\n", b""):
                head += field
            if EXPECT.search(head):
                self.wfile.write(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                tell("refused")
                return
            length = LENGTH.search(head)
            self.rfile.read(int(length[1]) if length else 0)
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            tell("answered")


class Server(socketserver.ThreadingTCPServer):
    """Whose threads end with it."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024


Server(("", 80), Connection).serve_forever()
