"""Connections of others on the test server, which no KILL may hit: sql-strangers.py SOCKET CONNECTIONS

Every second one executes a statement all the time. The line "connected" says that all are there.
"""

import sys
import threading

import pymysql


def busy(link):
    link.cursor().execute("SELECT SLEEP(1000)")


links = [pymysql.connect(unix_socket=sys.argv[1], user="root", program_name="stranger") for _ in range(int(sys.argv[2]))]
for link in links[::2]:
    threading.Thread(target=busy, args=(link,), daemon=True).start()
print("connected", flush=True)
threading.Event().wait()
