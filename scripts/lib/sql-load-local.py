"""Files that clients send with LOAD DATA LOCAL: sql-load-local.py HOST USER PASSWORD DIRECTORY PART...

Each part is one connection. Before and after each file it writes a row to the table "said", which shows whether the
connection goes on as it should. The files of DIRECTORY: "large", "lines" and "commands" (see load-local.sh).
"""

import sys

import mysql.connector
import pymysql

HOST, USER, PASSWORD, DIRECTORY, *PARTS = sys.argv[1:]
SERVER = {"host": HOST, "user": USER, "password": PASSWORD, "database": "sbtest", "ssl_disabled": True, "autocommit": True}


def plain(**more):
    return pymysql.connect(local_infile=True, **SERVER, **more)


def run(link, statement):
    cursor = link.cursor()
    cursor.execute(statement)
    cursor.close()


def say(link, what):
    run(link, f"INSERT INTO said (what) VALUES ('{what}')")


def load(name, table="loaded"):
    return f"LOAD DATA LOCAL INFILE '{DIRECTORY}/{name}' INTO TABLE {table} (what)"


def around(link, who, name, table="loaded"):
    for n in range(3):
        say(link, f"{who} before {n}")
    run(link, load(name, table))
    for n in range(3):
        say(link, f"{who} after {n}")


def pymysql_large():
    with plain() as link:
        around(link, "pymysql", "large")


def connector_large():
    with mysql.connector.connect(use_pure=True, allow_local_infile=True, **SERVER) as link:
        around(link, "connector", "large")


def commands():
    """A file whose blocks look like commands that empty a table."""
    with plain() as link:
        around(link, "commands", "commands")


def refused():
    """The server refuses; the client's next command follows at once."""
    with plain() as link:
        for n in range(100):
            try:
                run(link, load("lines"))
                sys.exit("the online server takes files")
            except pymysql.Error:
                say(link, f"refused {n}")


def several():
    """A file for a statement that is not the first of its packet."""
    with plain(client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS) as link:
        for n in range(20):
            cursor = link.cursor()
            cursor.execute(f"INSERT INTO said (what) VALUES ('first {n}'); {load('lines')}; INSERT INTO said (what) VALUES ('third {n}')")
            while cursor.nextset():
                pass
            say(link, f"after several {n}")


def absent():
    """The client has no such file, and sends an empty one."""
    with plain() as link:
        for n in range(5):
            try:
                run(link, load("absent"))
                sys.exit("there is a file of that name")
            except (OSError, pymysql.Error):
                pass
            say(link, f"absent {n}")


for part in PARTS:
    globals()[part]()
    print(part, flush=True)
