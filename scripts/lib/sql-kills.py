"""Connections and statements that other clients kill: sql-kills.py HOST USER PASSWORD mariadb|mysql at-once|behind

Each way to say KILL has a victim and a killer. The victim writes a row "before", then a row "during" by a statement that
takes 4 s. The killer ends it after 0.4 s, so production has no such row. A victim that lost its statement only writes a row
"after". At the end the killer writes a row "killer". The ids of the victims are printed.

"behind": the victims have much to say before, so that their copies are still there when the killers' copies speak.
"""

import sys
import threading
import time

import mysql.connector
import pymysql

HOST, USER, PASSWORD, KIND, PART = sys.argv[1:]
SERVER = {"host": HOST, "user": USER, "password": PASSWORD, "database": "sbtest", "ssl_disabled": True, "autocommit": True}
MARIADB = KIND == "mariadb"
COMMENT = "/* traceparent='%s' */" % ("0" * 300)


def plain():
    return pymysql.connect(client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS, **SERVER)


def run(link, statement):
    cursor = link.cursor()
    cursor.execute(statement)
    while cursor.nextset():
        pass
    cursor.close()


def say(link, way, what):
    run(link, f"INSERT INTO said VALUES ('{way}', '{what}')")


def text(*statements):
    def kill(link, victim):
        for statement in statements:
            run(link, statement.replace("ID", str(victim)))
    return kill


def process_kill(link, victim):
    link.kill(victim)


def prepared(link, victim):
    """By the binary protocol, with the id as a parameter."""
    with mysql.connector.connect(use_pure=True, **SERVER) as other:
        other.cursor(prepared=True).execute("KILL ?", (victim,))


# Ways to end a connection, and a statement.
CONNECTION = {
    "plain": text("KILL ID"),
    "connection": text("KILL CONNECTION ID"),
    "several": text("SELECT 1; KILL ID"),
    "first": text("KILL ID; INSERT INTO said VALUES ('first', 'beside')"),
    "executable": text("/*!50000 KILL ID */"),
    "executable verb": text("/*!50000 KILL */ ID"),
    "long comment": text(COMMENT + "KILL ID"),
    "comment inside": text("KILL/**/CONNECTION -- now\n ID # end"),
    "sql prepared": text("PREPARE s FROM 'KILL ID'", "EXECUTE s"),
    "variable": text("SET @who = ID", "KILL @who"),
    "prepared variable": text("SET @kill = CONCAT('KI', 'LL ID')", "PREPARE s FROM @kill", "EXECUTE s"),
}
QUERY = {
    "query": text("KILL QUERY ID"),
    "query several": text("SELECT 1; KILL QUERY ID"),
    "query long comment": text(COMMENT + "KILL QUERY ID"),
}
if MARIADB:
    CONNECTION |= {
        "soft": text("KILL SOFT CONNECTION ID"),
        "immediate": text("EXECUTE IMMEDIATE 'KILL ID'"),
        "process kill": process_kill,
        "prepared": prepared,
        "executable of mariadb": text("/*M!100100 KILL ID */"),
    }
BEHIND = {f"behind {n}": text("KILL QUERY ID") for n in range(6)} | {f"behind connection {n}": text("KILL ID") for n in range(4)}


class Victim(threading.Thread):
    def __init__(self, way, lines, lives):
        super().__init__()
        self.way, self.lines, self.lives = way, lines, lives
        self.link = plain()
        self.during = threading.Event()

    def run(self):
        for n in range(self.lines):
            say(self.link, self.way, f"before {n}")
            time.sleep(0.02)
        self.during.set()
        try:
            run(self.link, f"INSERT INTO said SELECT '{self.way}', 'during' FROM (SELECT SLEEP(4)) AS slept")
        except pymysql.Error:
            pass
        if self.lives:
            for n in range(self.lines):
                say(self.link, self.way, f"after {n}")


def kill(way, how, lines, lives):
    victim = Victim(way, lines, lives)
    print(victim.link.thread_id(), flush=True)
    with plain() as killer:
        say(killer, way, "begin")
        victim.start()
        victim.during.wait()
        time.sleep(0.4)
        how(killer, victim.link.thread_id())
        say(killer, way, "killer")
    victim.join()


if PART == "behind":
    ways = [(way, how, 30, "connection" not in way) for way, how in BEHIND.items()]
else:
    ways = [(way, how, 1, False) for way, how in CONNECTION.items()] + [(way, how, 1, True) for way, how in QUERY.items()]
threads = [threading.Thread(target=kill, args=way) for way in ways]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
