"""A pool of connections that prepare statements at their start and execute them until the end.

sql-pool.py HOST USER PASSWORD SECONDS TABLE connector|pymysql

Each of the connections inserts rows of its own into TABLE, whose values depend on the row's id alone. "connector" uses the
binary protocol (mysql.connector); "pymysql" has no binary protocol, and uses PREPARE and EXECUTE ... USING of SQL, with
user variables. The number of rows is written at the end.
"""

import datetime
import sys
import threading
import time

CONNECTIONS = 5
INSERT = "INSERT INTO {} (id, what, amount, at_time, body, big) VALUES (?, ?, ?, ?, ?, ?)"
SELECT = "SELECT what FROM {} WHERE id = ?"


def values(number):
    return (
        number,
        f"row {number}" if number % 7 else "it's \\ \u00fc",
        number / 4 + 0.5,
        datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=number),
        bytes(number * k % 256 for k in range(number % 50)),
        number * 10_000_000_007,
    )


class Connector:
    def __init__(self, host, user, password, table):
        import mysql.connector

        self.link = mysql.connector.connect(
            host=host, user=user, password=password, database="sbtest", ssl_disabled=True, use_pure=True, autocommit=True
        )
        self.insert, self.select = self.link.cursor(prepared=True), self.link.cursor(prepared=True)
        self.texts = INSERT.format(table), SELECT.format(table)

    def row(self, number):
        self.insert.execute(self.texts[0], values(number))
        self.select.execute(self.texts[1], (number,))
        self.select.fetchall()


class PyMysql:
    def __init__(self, host, user, password, table):
        import pymysql

        self.link = pymysql.connect(host=host, user=user, password=password, database="sbtest", ssl_disabled=True, autocommit=True)
        self.cursor = self.link.cursor()
        self.cursor.execute("PREPARE put FROM %s", (INSERT.format(table),))
        self.cursor.execute("PREPARE got FROM %s", (SELECT.format(table),))

    def row(self, number):
        names = [f"@v{index}" for index in range(6)]
        self.cursor.execute("SET " + ", ".join(f"{name} = %s" for name in names), values(number))
        self.cursor.execute("EXECUTE put USING " + ", ".join(names))
        self.cursor.execute("EXECUTE got USING @v0")
        self.cursor.fetchall()


def main(host, user, password, seconds, table, kind):
    opened = [{"connector": Connector, "pymysql": PyMysql}[kind](host, user, password, table) for _ in range(CONNECTIONS)]
    end = time.monotonic() + float(seconds)
    rows = [0] * CONNECTIONS

    def work(index):
        while time.monotonic() < end:
            opened[index].row(rows[index] * CONNECTIONS + index + 1)
            rows[index] += 1
            time.sleep(0.01)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sum(rows), "rows")


main(*sys.argv[1:])
