"""Connections that choose a database in many ways: sql-databases.py HOST USER PASSWORD DIRECTORY

Each chooses "other" after "sbtest", or the other way round. When all have, the file "chosen" appears; when there is a file
"broken", each writes a row, without the name of a database.
"""

import os
import sys
import time

import mysql.connector
import pymysql

HOST, USER, PASSWORD, DIRECTORY = sys.argv[1:]
os.chdir(DIRECTORY)
SERVER = {"host": HOST, "user": USER, "password": PASSWORD, "ssl_disabled": True, "autocommit": True}
COMMENT = f"/* {'c' * 300} */"


def run(link, statement):
    link.query(statement)
    while link._result.has_next:
        link.next_result()


def text(*statements):
    def choose(link):
        for statement in statements:
            try:
                run(link, statement)
            except pymysql.Error:
                pass
    return choose


WAYS = {
    "plain": text("USE other"),
    "comment": text(f"{COMMENT} USE other"),
    "comment inside": text(f"USE {COMMENT} other"),
    "several": text("SELECT 1; USE other"),
    "first of several": text("USE other; SELECT 1"),
    "twice": text("USE other; USE sbtest; INSERT INTO said VALUES ('twice inside'); USE `other`"),
    "executable": text("/*!50000 USE other */"),
    "executable verb": text("/*!USE*/ `other`"),
    "quoted": text("SELECT '; USE sbtest', \"; USE sbtest\"; USE other -- ; USE sbtest"),
    "refused": text("USE other", "USE nowhere", "SELECT 1; USE nowhere; USE sbtest"),
    "not reached": text("USE other; SELECT nothing FROM nowhere; USE sbtest"),
    "not executed": text("USE other", "SELECT 'USE sbtest' /* USE sbtest */ -- USE sbtest"),
    "init db": lambda link: link.select_db("other"),
    "back": text("SELECT 1; USE other", f"{COMMENT} USE sbtest"),
    "dropped": text("CREATE DATABASE gone; USE gone; DROP DATABASE gone; USE other"),
    "none": text("CREATE DATABASE gone", "USE gone", "DROP DATABASE gone"),
}

links = {}
for way, choose in WAYS.items():
    links[way] = pymysql.connect(database="sbtest", client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS, **SERVER)
    choose(links[way])
# A statement belongs to the database in which it was prepared.
prepared = mysql.connector.connect(database="sbtest", use_pure=True, **SERVER)
cursors = [prepared.cursor(prepared=True) for _ in range(2)]
for cursor, database in zip(cursors, ("other", "sbtest")):
    prepared.cmd_init_db(database)
    cursor.execute("INSERT INTO said VALUES (?)", (f"prepared in {database}",))
for link in links.values():
    run(link, "DO 1")
open("chosen", "w").close()
while not os.path.exists("broken"):
    time.sleep(0.05)
for n in range(2):
    for way, link in links.items():
        try:
            run(link, f"INSERT INTO said VALUES ('{way} {n}')")
        except pymysql.Error:
            assert way == "none", way
    for cursor in cursors:
        cursor.execute("INSERT INTO said VALUES (?)", (f"again {n}",))
