"""A client that keeps its connections between phases, so that faults can occur between phases.

sql-phases.py HOST USER PASSWORD CONNECTIONS COMMANDS GO DONE

For each line from the fifo GO, every connection sends COMMANDS text commands, and as many executions of a statement that
it prepared at its start. Then a line is written to the file DONE. The commands are UPDATE and SELECT. In a phase whose
name ends in "delete" they are DELETE, which distinguishes them from earlier commands. A phase whose name ends in "begin"
opens a transaction before them; one whose name ends in "commit" commits it after them.
"""

import sys

import mysql.connector


class Held:
    """One connection, with a statement prepared on it."""

    def __init__(self, number, **server):
        self.number = number
        self.link = mysql.connector.connect(database="sbtest", autocommit=True, ssl_disabled=True, use_pure=True, **server)
        self.text = self.link.cursor()
        self.select = self.link.cursor(prepared=True)
        self.delete = self.link.cursor(prepared=True)
        self.execute(self.select, "SELECT k FROM sbtest1 WHERE id = %s")
        self.execute(self.delete, "DELETE FROM sbtest1 WHERE id = %s + 1000000")

    def execute(self, cursor, statement):
        cursor.execute(statement, (self.number,))
        if cursor.description:
            cursor.fetchall()

    def phase(self, name, commands):
        if name.endswith("begin"):
            self.text.execute("START TRANSACTION")
        for _ in range(commands):
            if name.endswith("delete"):
                self.text.execute(f"DELETE FROM sbtest2 WHERE id = {self.number} + 1000000")
                self.execute(self.delete, self.delete.statement)
            else:
                self.text.execute(f"UPDATE sbtest2 SET k = k + 1 WHERE id = {self.number} + 1")
                self.execute(self.select, self.select.statement)
        if name.endswith("commit"):
            self.text.execute("COMMIT")


def main(host, user, password, connections, commands, go, done):
    held = [Held(n, host=host, user=user, password=password) for n in range(int(connections))]
    with open(done, "w", buffering=1) as said:
        said.write("connected\n")
        with open(go) as lines:
            for line in lines:
                for one in held:
                    one.phase(line.strip(), int(commands))
                said.write(f"{line.strip()} done\n")


main(*sys.argv[1:])
