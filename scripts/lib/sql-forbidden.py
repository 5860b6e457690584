"""Statements that must not reach the test server, in many ways: sql-forbidden.py HOST USER PASSWORD mariadb|mysql PART

PART is "shutdown", which production refuses (the user has no such right), or "restart". After each way the client writes a
row, which shows whether the test server lives.
"""

import struct
import sys

import mysql.connector
import pymysql

HOST, USER, PASSWORD, KIND, PART = sys.argv[1:]
SERVER = {"host": HOST, "user": USER, "password": PASSWORD, "database": "sbtest", "ssl_disabled": True, "autocommit": True}
VERB = PART.upper()


def plain():
    return pymysql.connect(client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS, **SERVER)


def run(link, statement):
    cursor = link.cursor()
    cursor.execute(statement)
    while cursor.nextset():
        pass
    cursor.close()


def refused(do, *arguments):
    try:
        do(*arguments)
    except (pymysql.Error, mysql.connector.Error, struct.error):
        return
    sys.exit(f"production does not refuse {arguments[1:]}")


def binary(link, statement):
    with mysql.connector.connect(use_pure=True, **SERVER) as other:
        other.cursor(prepared=True).execute(statement)


def command(link, statement):
    """COM_SHUTDOWN."""
    link._execute_command(8, statement)
    link._read_ok_packet()


LITERAL = [
    VERB, VERB.lower(), f"SELECT 1; {VERB}", f"/*!50000 {VERB} */", f"/*!{VERB}*/", f"/* {'c' * 300} */ {VERB}",
    f"-- c\n# d\n{VERB} /* e */", f"SELECT ';', \"\\\"\", `id` FROM sbtest1 LIMIT 1; ; {VERB}",
]
WAYS = [(run, way) for way in LITERAL] + [(binary, VERB)]
if KIND == "mariadb":
    WAYS += [(run, way) for way in (f"EXECUTE IMMEDIATE '{VERB}'", f"EXECUTE IMMEDIATE CONCAT('{VERB[:4]}', '{VERB[4:]}')",
                                    f"/*M!100100 {VERB} */", f"SET STATEMENT max_statement_time = 5 FOR {VERB}",
                                    f"BEGIN NOT ATOMIC IF 1 THEN {VERB}; END IF; END")]
    WAYS += [(command, b"")]


def prepared(link, *source):
    for statement in source:
        run(link, statement)
    run(link, "EXECUTE s")


SOURCES = [
    (f"PREPARE s FROM '{VERB}'",),
    (f"SET @s = '{VERB}'", "PREPARE s FROM @s"),
    (f"SET @a = '{VERB[:4]}', @b = '{VERB[4:]}'", "SET @s = CONCAT(@a, @b)", "PREPARE s FROM @s"),
    (f"SELECT '{VERB}' INTO @s", "PREPARE s FROM @s"),
]

for number, (how, way) in enumerate(WAYS):
    with plain() as link:
        refused(how, link, way)
        run(link, f"INSERT INTO said VALUES ({number})")
for number, source in enumerate(SOURCES):
    with plain() as link:
        refused(prepared, link, *source)
        run(link, f"INSERT INTO said VALUES (100 + {number})")
print(len(WAYS) + len(SOURCES))
