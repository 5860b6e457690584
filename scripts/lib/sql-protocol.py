"""Commands of drivers other than queries: sql-protocol.py HOST USER PASSWORD OTHER-USER OTHER-PASSWORD DIRECTORY [LEFT-OUT...]

Each function is one connection. All its commands must reach the test server and leave the same data there; the case
compares the data.
"""

import os
import sys

import mysql.connector
import pymysql

HOST, USER, PASSWORD, OTHER, OTHER_PASSWORD, DIRECTORY, *LEFT_OUT = sys.argv[1:]


def connector(**more):
    more = {"user": USER, "password": PASSWORD, "database": "sbtest", "autocommit": True} | more
    return mysql.connector.connect(host=HOST, ssl_disabled=True, use_pure=True, **more)


def plain(**more):
    more = {"user": USER, "password": PASSWORD, "database": "sbtest", "autocommit": True} | more
    return pymysql.connect(host=HOST, ssl_disabled=True, **more)


def run(link, statement, values=()):
    cursor = link.cursor()
    cursor.execute(statement, values)
    rows = cursor.fetchall()
    cursor.close()
    return rows


def known():
    """MySQL tells its public key to this driver; the other one can log in only after that, without TLS."""
    plain().close()
    plain(user=OTHER, password=OTHER_PASSWORD).close()


def tables():
    with connector() as link:
        run(link, "CREATE TABLE said (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(100), body LONGBLOB)")


def say(link, what, body=b""):
    cursor = link.cursor()
    cursor.execute("INSERT INTO said (what, body) VALUES (%s, %s)", (what, body))
    cursor.close()


def prepared():
    with connector() as link:
        first, second = (link.cursor(prepared=True) for _ in range(2))
        for n in range(20):
            first.execute("INSERT INTO said (what, body) VALUES (?, ?)", (f"first {n}", b"x" * n))
            second.execute("SELECT what FROM said WHERE id = ?", (n,))
            second.fetchall()
        first.close()  # its number is free, and not used again
        third = link.cursor(prepared=True)
        third.execute("INSERT INTO said (what) VALUES (?)", ("third",))
        second.execute("SELECT what FROM said WHERE id = ?", (1,))
        second.fetchall()


def failed_prepares():
    with connector() as link:
        good = link.cursor(prepared=True)
        for n in range(5):
            try:
                link.cursor(prepared=True).execute("SELECT nothing FROM nowhere WHERE id = ?", (n,))
            except mysql.connector.Error:
                pass
            good.execute("INSERT INTO said (what) VALUES (?)", (f"after failure {n}",))


def long_data():
    with connector() as link:
        cursor = link.cursor(prepared=True)
        # The driver sends bytes of a prepared statement by COM_STMT_SEND_LONG_DATA if they are streams.
        with open(os.path.join(DIRECTORY, "stream"), "rb") as stream:
            cursor.execute("INSERT INTO said (what, body) VALUES (?, ?)", ("long data", stream))


def attributes():
    """Of a statement, where the server knows them; values of an execution may have been sent before it."""
    with connector() as link:
        cursor = link.cursor()
        cursor.add_attribute("name", "value")
        cursor.execute("INSERT INTO said (what) VALUES ('with an attribute')")
        cursor = link.cursor(prepared=True)
        for n in range(3):
            cursor.add_attribute(f"name {n}", n)
            cursor.execute("INSERT INTO said (what, body) VALUES (?, ?)", (f"with attributes {n}", b"z" * n))
        with open(os.path.join(DIRECTORY, "stream"), "rb") as stream:
            cursor.execute("INSERT INTO said (what, body) VALUES (?, ?)", ("long data with attributes", stream))
        say(link, "after attributes")


def large_packet():
    with plain(max_allowed_packet=64 << 20) as link:
        say(link, "17 MB", b"y" * (17 << 20))
        say(link, "after 17 MB")


def exactly_16_megabytes():
    with plain(max_allowed_packet=64 << 20) as link:
        start, end = "INSERT INTO said (what) SELECT 'exact' /*", "*/"
        cursor = link.cursor()
        cursor.execute(start + "z" * ((1 << 24) - 2 - len(start) - len(end)) + end)
        say(link, "after exactly 16 MB")


def change_user():
    with connector() as link:
        say(link, "before change")
        link.cmd_change_user(username=OTHER, password=OTHER_PASSWORD, database="sbtest")
        run(link, "SET autocommit = 1")
        say(link, "after change")
        assert run(link, "SELECT CURRENT_USER()")[0][0].startswith(OTHER)
        cursor = link.cursor(prepared=True)
        cursor.execute("INSERT INTO said (what) VALUES (?)", ("prepared after change",))


def reset_connection():
    with connector() as link:
        cursor = link.cursor(prepared=True)
        cursor.execute("INSERT INTO said (what) VALUES (?)", ("before reset",))
        cursor.close()
        link.cmd_reset_connection()
        run(link, "SET autocommit = 1")
        cursor = link.cursor(prepared=True)
        cursor.execute("INSERT INTO said (what) VALUES (?)", ("after reset",))


def multi_statements():
    with plain(client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS) as link:
        cursor = link.cursor()
        cursor.execute("INSERT INTO said (what) VALUES ('one of two'); SELECT 1; INSERT INTO said (what) VALUES ('two of two')")
        while cursor.nextset():
            pass
        say(link, "after multi")


def procedure():
    with plain() as link:
        run(link, "CREATE PROCEDURE twice() BEGIN SELECT 1; SELECT 2; INSERT INTO said (what) VALUES ('called'); END")
        cursor = link.cursor()
        cursor.callproc("twice")
        while cursor.nextset():
            pass
        say(link, "after call")


def local_infile():
    with plain(local_infile=True) as link:
        run(link, f"LOAD DATA LOCAL INFILE '{DIRECTORY}/lines' INTO TABLE said (what)")
        say(link, "after file")


def errors():
    with plain() as link:
        for statement in ("SELEC 1", "SELECT * FROM nowhere", "INSERT INTO said (id) VALUES (1), (1)"):
            try:
                run(link, statement)
            except pymysql.Error:
                pass
        say(link, "after errors")


def commands():
    with plain() as link:
        link.ping(reconnect=False)
        link.select_db("mysql")
        link.select_db("sbtest")
        say(link, "after ping and use")
    with connector() as link:
        link.cmd_statistics()
        link.cmd_ping()
        say(link, "after statistics")


def compressed():
    with connector(compress=True) as link:
        for n in range(20):
            say(link, f"compressed {n}", b"c" * n * 1000)
        cursor = link.cursor(prepared=True)
        cursor.execute("INSERT INTO said (what) VALUES (?)", ("compressed and prepared",))


def without_database():
    with connector(database=None) as link:
        run(link, "USE sbtest")
        say(link, "used later")


def transaction():
    with plain(autocommit=False) as link:
        say(link, "rolled back")
        link.rollback()
        say(link, "committed")
        link.commit()


known()
tables()
for part in (
    prepared, failed_prepares, long_data, attributes, large_packet, exactly_16_megabytes, change_user, reset_connection,
    multi_statements, procedure, local_infile, errors, commands, compressed, without_database, transaction,
):
    if part.__name__ in LEFT_OUT:
        continue
    part()
    print(part.__name__, flush=True)
