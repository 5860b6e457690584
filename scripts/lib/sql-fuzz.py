"""Runs random SQL scripts (sqlscript.py) and compares what they leave.

sql-fuzz.py setup FIRST COUNT                           the databases of scripts, as SQL
sql-fuzz.py run HOST USER PASSWORD mariadb|mysql any|append FIRST COUNT statements|seconds N [PAUSE]
                                                        as many sessions at a time, each with the script of its number; PAUSE
                                                        is the time between two statements, in ms
sql-fuzz.py print mariadb|mysql any|append NUMBER N     the first statements of a script
sql-fuzz.py compare ONLINE TEST any|append              dumps of both servers: a line for each script that differs, then the
                                                        numbers of such scripts, of rows that only ONLINE and only TEST has

The driver is mysql-connector or PyMySQL, by the number of the script. Only mysql-connector knows the binary protocol.
"""

import itertools
import os
import re
import signal
import sys
import threading
import time
from collections import Counter, defaultdict

import mysql.connector
import pymysql

import sqlscript


def is_binary(number):
    return number // 2 % 2 == 0


def script_of(number, kind, what):
    return sqlscript.Script(number, kind == "mariadb", what == "append", is_binary(number), directory=os.getcwd())


class Connector:
    def __init__(self, host, user, password):
        self.account = {"username": user, "password": password}
        self.link = mysql.connector.connect(host=host, user=user, password=password, ssl_disabled=True, use_pure=True, autocommit=True, allow_local_infile=True)
        self.cursors = {}

    def text(self, statement):
        # The driver takes the names of files from here, which cmd_query_iter forgets to set.
        self.link._query, self.link._local_infile_filenames = statement, None
        for result in self.link.cmd_query_iter(statement):
            if "columns" in result:
                self.link.get_rows()

    def database(self, name):
        self.link.cmd_init_db(name)

    def prepare(self, key, statement):
        self.cursors[key] = (self.link.cursor(prepared=True), statement)

    def execute(self, key, values):
        if key in self.cursors:
            cursor, statement = self.cursors[key]
            cursor.execute(statement, values)

    def reset(self):
        self.cursors = {}
        self.link.cmd_reset_connection()

    def change_user(self):
        self.cursors = {}
        self.link.cmd_change_user(**self.account)

    ERROR = mysql.connector.Error


class Plain:
    ERROR = pymysql.Error

    def __init__(self, host, user, password):
        self.link = pymysql.connect(host=host, user=user, password=password, ssl_disabled=True, autocommit=True, local_infile=True,
                                    client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)

    def text(self, statement):
        self.link.query(statement)
        while self.link._result and self.link._result.has_next:
            self.link.next_result()

    def database(self, name):
        self.link.select_db(name)

    def reset(self):
        self.link._execute_command(31, b"")
        self.link._read_ok_packet()

    change_user = reset


def run_one(server, kind, what, number, is_over, pause, results):
    refused = Counter()
    with open(f"lines-{number}", "w") as lines:
        for n in range(3):
            lines.write(f"line {n}\t{'p' * sqlscript.PAD}\n")
    driver = (Connector if is_binary(number) else Plain)(*server)
    for count, (verb, *arguments) in enumerate(script_of(number, kind, what).steps()):
        if is_over(count):
            break
        try:
            getattr(driver, verb)(*arguments)
        except driver.ERROR as error:
            code = error.args[0] if error.args else None
            if not code or code < 0 or 2000 <= code < 3000 and not (code == 2014 or code == 2068):
                results[number] = f"script {number}: {error!r} after {verb} {str(arguments)[:300]}"
                return
            refused[code] += 1
        time.sleep(pause)
    driver.link.close()
    results[number] = dict(count=count, refused=refused)


def run(host, user, password, kind, what, first, count, unit, limit, pause="0"):
    end = time.monotonic() + float(limit)
    results = {}

    def is_over(statements):
        return statements >= int(limit) if unit == "statements" else time.monotonic() >= end

    signal.alarm(int(limit) + 60)  # a client that waits for ever must not keep the case waiting
    threads = [threading.Thread(target=run_one, args=((host, user, password), kind, what, number, is_over, float(pause) / 1000, results))
               for number in range(int(first), int(first) + int(count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    broken = [result for result in results.values() if isinstance(result, str)]
    whole = [result for result in results.values() if not isinstance(result, str)]
    refused = sum((result["refused"] for result in whole), Counter())
    print(f"{sum(result['count'] for result in whole)} statements, {refused.total()} refused: {refused.most_common(8)}")
    if broken or len(results) < int(count):
        sys.exit(f"{len(threads) - len(whole)} scripts ended early: {broken[:1]}")


def show(kind, what, number, count):
    for step in itertools.islice(script_of(int(number), kind, what).steps(), int(count)):
        print(step[1].decode("utf-8", "replace") if step[0] == "text" else step)


def rows_of(dump, what):
    """The lines of a dump by script, with the table's place before each."""
    scripts, place = defaultdict(Counter), None
    with open(dump, errors="surrogateescape") as lines:
        for line in lines:
            if used := re.match(r"USE `fuzz_(\d+)_(.)`", line):
                place = used
            elif place and (line.startswith("INSERT INTO") or what == "any" and not re.match(r"/\*!\d+ SET|--|CREATE DATABASE|$", line)):
                scripts[int(place[1])][f"{place[2]}: {line.strip()}".replace("p" * sqlscript.PAD, "p...")] += 1
    return scripts


def compare(online, test, what):
    one, other = rows_of(online, what), rows_of(test, what)
    differing = missing = extra = 0
    for number in sorted(one.keys() | other.keys()):
        lost, more = one[number] - other[number], other[number] - one[number]
        if lost or more:
            differing += 1
            missing, extra = missing + lost.total(), extra + more.total()
            print(f"script {number}: {lost.total()} rows lost, {more.total()} more; lost {list(lost)[:1]}; more {list(more)[:2]}"[:900])
    print(differing, missing, extra)


def setup(first, count):
    for number in range(int(first), int(first) + int(count)):
        print(*sqlscript.setup(number), sep=";\n", end=";\n")


{"setup": setup, "run": run, "print": show, "compare": compare}[sys.argv[1]](*sys.argv[2:])
