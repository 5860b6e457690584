"""Random SQL scripts: what a session of a client says, from a grammar.

Everything is deterministic: two servers that execute a script have the same data afterwards. Each script has two databases of
its own. The rows of the table "said" tell who wrote them and in what state of the connection: database, variables, modes,
temporary tables. So a statement that runs in another state leaves a row that the other server does not have.

A script of kind "append" only adds rows, and no statement depends on rows that an earlier one added. So a lost statement
cannot change the rows of others. A script of kind "any" also changes and deletes.
"""

import random
import re

PAD = 200  # bytes of each row's statement at least: lost rows are at least so many lost bytes
WORDS = re.compile(r"\b(INSERT|INTO|VALUES|SELECT|SET|SESSION|USE|CREATE|TEMPORARY|TABLE|DROP|DELETE|FROM|BEGIN|COMMIT|ROLLBACK|PREPARE|EXECUTE|"
                   r"START|TRANSACTION|SAVEPOINT|LOCK|UNLOCK|UPDATE|NAMES|IF|EXISTS)\b")
# A comment where a blank may be. The last two have quotes and a statement in them.
COMMENTS = ["/**/", "/* c */", " /* ; */ ", " -- c\n", " #c\n", "\n", "\t", f"/* {'c' * 300} */", " /* it's \" ` */ ", " -- it's; DROP TABLE said\n"]


def literal(text):
    """Of a statement: a part that stays as it is, between marks that decorate() removes."""
    return f"\1{text}\2"


def names(seed):
    return f"fuzz_{seed}_a", f"fuzz_{seed}_b"


def setup(seed):
    """The statements that make the databases of a script."""
    for name in names(seed):
        yield from (
            f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name} CHARACTER SET utf8mb4", f"USE {name}",
            "CREATE TABLE said (who VARCHAR(20), number INT, db VARCHAR(40), value VARCHAR(400), pad VARCHAR(400))",
            "CREATE TABLE shown (id INT PRIMARY KEY, v VARCHAR(50)) ENGINE=InnoDB",
            "INSERT INTO shown VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four'), (5, 'five')",
            "CREATE TABLE child (number INT, parent INT, pad VARCHAR(400), FOREIGN KEY (parent) REFERENCES shown (id))",
            "CREATE TABLE auto (id INT PRIMARY KEY AUTO_INCREMENT, number INT, pad VARCHAR(400))",
            "CREATE TABLE changed (id INT PRIMARY KEY AUTO_INCREMENT, number INT, v VARCHAR(100)) AUTO_INCREMENT = 10",
            f"CREATE PROCEDURE given (IN a INT, OUT b INT) SET b = a + 1",
        )


class Script:
    """Steps of one session, without an end: ("text", bytes), ("database", name), ("prepare", key, text),
    ("execute", key, values), ("reset",), ("change_user",)."""

    def __init__(self, seed, mariadb, append, binary, decorated=True, directory="."):
        self.random = random.Random(seed)
        self.seed, self.mariadb, self.append, self.binary, self.decorated = seed, mariadb, append, binary, decorated
        self.directory, self.databases = directory, names(seed)
        self.number, self.statements, self.keys = 0, 0, []
        self.blocks = [
            self.variables, self.unknown_variables, self.modes, self.settings, self.characters, self.use, self.temporary, self.shadow,
            self.transaction, self.autocommit, self.sql_prepared, self.several, self.file, self.last_insert_id, self.dump,
            self.foreign_keys, self.insert_id, self.procedure, self.plain, self.plain,
        ]
        self.rare = [self.xa, self.user_lock, self.table_lock, self.handler, self.again]
        if not append:
            self.blocks += [self.changes, self.changes, self.tables]

    def steps(self):
        yield ("database", self.databases[0])
        while True:
            block = self.random.choice(self.rare if self.random.random() < 0.12 else self.blocks + [self.prepared] * self.binary)
            for step in block():
                yield self.finished(step)
                if self.random.random() < 0.2:
                    yield self.finished(self.say())

    def finished(self, step):
        if isinstance(step, str):
            self.statements += 1
            return ("text", self.decorate(step).encode("utf-8", "surrogateescape"))
        return step

    # Decoration: the meaning stays.

    def decorate(self, statement):
        pick = self.random
        parts = re.split("(\1[^\2]*\2)", statement)
        executable = self.decorated and pick.random() < 0.08 and statement.count(";") == 0
        for n, part in enumerate(parts):
            if part.startswith("\1"):
                parts[n] = part[1:-1]
            elif self.decorated:
                part = WORDS.sub(lambda word: word[0].lower() if pick.random() < 0.3 else word[0], part)
                if not executable:
                    part = re.sub(" ", lambda _: pick.choice(COMMENTS) if pick.random() < 0.06 else " ", part)
                parts[n] = part
        text = "".join(parts)
        if executable and "*/" not in text:
            return pick.choice(["/*!50000 %s */", "/*! %s*/", "/*!40101 %s */"]) % text
        if self.decorated and pick.random() < 0.08:
            text = pick.choice(COMMENTS) + text
        if self.decorated and pick.random() < 0.05:
            text += pick.choice([";", " ; ", " /* end */", " -- end"])
        return text

    # Parts of statements.

    def pad(self):
        return literal("'" + "p" * PAD + "'")

    def padding(self):
        return literal("/*" + "p" * PAD + "*/")

    def table(self, name):
        return self.random.choice([name, name, literal(f"`{name}`")])

    def value(self):
        """An expression whose value is a matter of the connection's state."""
        number = self.random.randrange(1000)
        week = f"WEEK('20{number % 20 + 10}-01-03')"
        common = [
            literal("'it''s; -- no comment /* */ # \\\\ '"), literal('"double ; ""quoted"""'), literal("'a' || 'b'"), literal("'é'"), literal("'\udce9'"),
            "@v1", "@V2", "@v3", literal("@'odd name'"), "@@session.sql_mode", "@@time_zone", "@@foreign_key_checks", "@@autocommit",
            "@@group_concat_max_len", "@@character_set_client", "@@collation_connection", "@@div_precision_increment", "1 / 3",
            f"FROM_UNIXTIME(86400 * {number})", week, f"DATE_FORMAT({literal(chr(39) + '2024-03-01' + chr(39))}, {literal(chr(39) + '%M' + chr(39))})",
            "LAST_INSERT_ID()", "DATABASE()", str(number), f"CONCAT(@v1, {literal(chr(39) + '-' + chr(39))}, @v2)", "10 DIV 3", "HEX(CONVERT('ü' USING latin1))",
            "@@sql_safe_updates", "NULL", "@@unique_checks", "@@default_week_format", "3 -2",
        ]
        return self.random.choice(common + ["@@tx_isolation" if self.mariadb else "@@transaction_isolation"])

    def say(self, value=None):
        self.number += 1
        return (f"INSERT INTO {self.table('said')} VALUES ({literal(repr('s%d' % self.seed))}, {self.number}, DATABASE(), "
                f"{value or self.value()}, {self.pad()})")

    def says(self, most=3):
        return [self.say() for _ in range(self.random.randint(1, most))]

    # Blocks. Each is a list of statements, or of other steps.

    def plain(self):
        return self.says()

    def variables(self):
        n, name = self.random.randrange(1000), self.random.choice(["@v1", "@v2", "@V3", literal("@`odd name`")])
        text = literal(f"'value {n}; '")
        return [self.random.choice([
            f"SET {name} = {n}", f"SET {name} := {text}", f"SET @v1 = {text}, @v2 = {n}", f"SET @v1 = CONCAT(@v2, {text})",
            f"SET {name} = NULL", f"SET @v3 = @v1", f"SET @v2 = @@sql_mode, @v3 = {n}", f"SET {name} = 0x4142",
        ]), self.say("@v1"), self.say("CONCAT_WS('/', @v1, @v2, @v3)")]

    def unknown_variables(self):
        n = self.random.randrange(1000)
        return [self.random.choice([
            f"SELECT {n} INTO @v1", f"SELECT @v2 := {n}", f"SET @v3 = (SELECT MAX(id) + {n} FROM shown)", "SELECT id, v FROM shown WHERE id = 2 INTO @v1, @v2",
            f"DO @v1 := {n}" if self.mariadb else f"SELECT {n} INTO @v2",
        ]), self.say("CONCAT_WS('/', @v1, @v2, @v3)"), self.say("@v2")]

    def modes(self):
        mode = self.random.choice(["", "PIPES_AS_CONCAT", "ANSI_QUOTES", "STRICT_TRANS_TABLES", "ANSI", "NO_BACKSLASH_ESCAPES", "IGNORE_SPACE,PIPES_AS_CONCAT",
                                   "STRICT_ALL_TABLES,NO_ZERO_DATE", "NO_UNSIGNED_SUBTRACTION", "HIGH_NOT_PRECEDENCE"])
        mode = literal(f"'{mode}'")
        return [self.random.choice([
            f"SET sql_mode = {mode}", f"SET SESSION sql_mode = {mode}", f"SET @@session.sql_mode = {mode}", f"SET @@sql_mode := {mode}",
            "SET sql_mode = CONCAT(@@sql_mode, ',PIPES_AS_CONCAT')", "SET @v1 = @@sql_mode, sql_mode = ''", "SET sql_mode = DEFAULT",
            "SET @mode = 'ANSI_QUOTES', sql_mode = @mode", f"SET LOCAL sql_mode = {mode}",
        ]), self.say(literal("'a' || 'b'")), self.say(literal('"double"')), self.say(literal("'back\\\\slash'")), self.say("@@sql_mode"),
            self.say(literal("'x'") + self.too_long())]

    def too_long(self):
        return "" if self.random.random() < 0.5 else literal(", 'too many values'")

    def settings(self):
        n = self.random.randrange(8)
        zone = self.random.choice(["+00:00", "+05:30", "-08:00", "SYSTEM"])
        return [self.random.choice([
            f"SET time_zone = {literal(repr(zone))}", f"SET SESSION time_zone = {literal(repr(zone))}", f"SET default_week_format = {n}",
            f"SET group_concat_max_len = {1000 + n}", f"SET div_precision_increment = {n}", f"SET lc_time_names = {literal(repr(self.random.choice(['de_DE', 'fr_FR', 'en_US'])))}",
            "SET foreign_key_checks = 1, unique_checks = 0", "SET unique_checks = ON", f"SET sql_safe_updates = {n % 2}", f"SET @@time_zone = {literal(repr(zone))}, @v1 = {n}",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            f"SET @@session.group_concat_max_len = @@session.group_concat_max_len + {n}",
        ]), self.say("CONCAT_WS('/', @@time_zone, @@default_week_format, @@group_concat_max_len, @@div_precision_increment, @@unique_checks)"),
            self.say("FROM_UNIXTIME(86400 * 365)")]

    def characters(self):
        return [self.random.choice(["SET NAMES latin1", "SET NAMES utf8mb4", "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin'", "SET CHARACTER SET latin1", "SET NAMES DEFAULT",
                                    "SET character_set_client = latin1", "SET collation_connection = utf8mb4_bin"]),
                self.say(literal("'é'")), self.say(literal("'\udce9'")), self.say("CONCAT_WS('/', @@character_set_client, @@collation_connection)")]

    def use(self):
        name = self.random.choice(self.databases)
        return [self.random.choice([
            f"USE {name}", f"USE {literal('`' + name + '`')}", f"{literal('/* ' + 'c' * 300 + ' */')} USE {name}", f"SELECT 1; USE {name}",
            f"/*!50000 USE */ {name}", ("database", name), f"USE {name}; SELECT 1", "USE nowhere_at_all", f"SELECT ';', \"'\"; USE {name}",
        ]), *self.says()]

    def temporary(self):
        name, n = self.random.choice(["t_1", "t_2", "t_3"]), self.random.randrange(1000)
        steps = [self.random.choice([
            f"CREATE TEMPORARY TABLE {self.table(name)} (id INT, v VARCHAR(50))", f"CREATE TEMPORARY TABLE IF NOT EXISTS {name} (id INT, v VARCHAR(50))",
            f"CREATE TEMPORARY TABLE {name} LIKE shown", f"CREATE TEMPORARY TABLE {name} AS SELECT id, v FROM shown",
        ]), f"INSERT INTO {self.table(name)} VALUES ({n}, {literal(repr('temporary %d' % n))})"]
        steps += [self.say(f"(SELECT CONCAT(COUNT(*), ':', COALESCE(SUM(id), 0)) FROM {self.table(name)})"), self.say()]
        if self.random.random() < 0.7:
            steps += [self.random.choice([f"DROP TEMPORARY TABLE {self.table(name)}", f"DROP TABLE IF EXISTS {name}", f"DROP TEMPORARY TABLE IF EXISTS {name}, t_9"])]
        return steps + [self.say(f"(SELECT CONCAT({literal(repr('left '))}, COUNT(*)) FROM {name})")] * (self.random.random() < 0.3)

    def shadow(self):
        """A temporary table with the name of another: what deletes its rows must never delete the other's."""
        n = self.random.randrange(1000)
        steps = ["CREATE TEMPORARY TABLE shown (id INT, v VARCHAR(50))", f"INSERT INTO shown VALUES ({n}, 'shadow')", self.say("(SELECT GROUP_CONCAT(id) FROM shown)"),
                 self.random.choice(["DELETE FROM shown", f"UPDATE {self.table('shown')} SET v = 'shadow'", "TRUNCATE TABLE shown", "DELETE FROM `shown` WHERE id > 0", "INSERT INTO shown VALUES (8, 'x')"]),
                 self.say("(SELECT COUNT(*) FROM shown)")]
        if self.binary and self.random.random() < 0.3:
            steps += [("prepare", "shadow", "DELETE FROM shown WHERE id >= ?"), ("execute", "shadow", (0,)), self.say("(SELECT COUNT(*) FROM shown)")]
        if self.random.random() < 0.2:
            return steps + ["ALTER TABLE shown RENAME TO t_4", "DELETE FROM t_4", "DROP TEMPORARY TABLE t_4"]
        return steps + ["DROP TEMPORARY TABLE shown", self.say("(SELECT GROUP_CONCAT(id, v ORDER BY id) FROM shown)")]

    def transaction(self):
        steps = [self.random.choice(["BEGIN", "START TRANSACTION", "BEGIN WORK", "START TRANSACTION WITH CONSISTENT SNAPSHOT"]), *self.says()]
        if self.random.random() < 0.5:
            steps += ["SAVEPOINT one", self.say(), self.random.choice(["ROLLBACK TO one", "ROLLBACK TO SAVEPOINT one", "RELEASE SAVEPOINT one"]), self.say()]
        steps += [self.random.choice(["COMMIT", "COMMIT WORK", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "CREATE TABLE IF NOT EXISTS made (id INT)", "BEGIN"])]
        return steps + [self.say(), "COMMIT"]

    def autocommit(self):
        steps = [self.random.choice(["SET autocommit = 0", "SET @@autocommit = OFF", "SET SESSION autocommit = 0, @v1 = 1"])]
        for _ in range(self.random.randint(1, 3)):
            steps += [*self.says(), self.random.choice(["COMMIT", "COMMIT", "ROLLBACK"])]
        return steps + [self.say("@@autocommit"), self.random.choice(["SET autocommit = 1", "SET @@session.autocommit = ON"])]

    def sql_prepared(self):
        key, n = self.random.choice(["p1", "p2", "P3"]), self.random.randrange(1000)
        self.number += 2
        text = f"INSERT INTO said SELECT ?, ?, DATABASE(), CONCAT(?, COALESCE(@v1, 0)), ?"
        values = f"SET @a = {literal(repr('s%d' % self.seed))}, @b = {self.number}, @c = {n}, @d = {self.pad()}"
        quoted = literal(f"'{text}'")
        steps = self.random.choice([[f"PREPARE {key} FROM {quoted}"], [f"PREPARE {key} FROM {quoted}"], [f"SET @text = {quoted}", f"PREPARE {key} FROM @text"],
                                     [f"SET @text = {quoted}; PREPARE {key} FROM @text"]])
        steps += [values, f"EXECUTE {key} USING @a, @b, @c, @d {self.padding()}", *self.says(1), f"SET @b = {self.number - 1}", f"EXECUTE {key} USING @a, @b, @c, @d {self.padding()}"]
        self.number += 1
        if self.mariadb and self.random.random() < 0.3:
            steps += [f"EXECUTE IMMEDIATE {quoted} USING 's{self.seed}', {self.number}, {n}, {self.pad()}"]
        if self.random.random() < 0.2:
            self.number += 1
            steps += [f"USE {self.databases[1]}", f"SET @b = {self.number}", f"EXECUTE {key} USING @a, @b, @c, @d {self.padding()}"]
        return steps + [f"DEALLOCATE PREPARE {key}"] * (self.random.random() < 0.4)

    def several(self):
        return ["; ".join(self.random.sample([self.say(), self.say("@v1"), "SET @v1 = 5", f"USE {self.databases[1]}", f"USE {self.databases[0]}", "SELECT 1",
                                              "SET sql_mode = ''", f"SET @v2 = {literal(chr(39) + 'a;b' + chr(39))}"], 4)), self.say()]

    def file(self):
        self.number += 1
        name = f"{self.directory}/lines-{self.seed}"
        # Without decoration: mysql-connector looks for these words itself.
        load = f"LOAD DATA LOCAL INFILE '{name}' INTO TABLE said (value, pad) SET who = 's{self.seed}', number = {self.number}, db = DATABASE()"
        return [("text", load.encode()), *self.says(1)]

    def last_insert_id(self):
        n = self.random.randrange(1, 100000)
        return [self.random.choice([f"SELECT LAST_INSERT_ID({n})", f"DO LAST_INSERT_ID({n})", f"SET last_insert_id = {n}"]), self.say("LAST_INSERT_ID()"), self.say(), self.say("LAST_INSERT_ID()")]

    def insert_id(self):
        """As mysqlbinlog says it: the id is for the next statement only."""
        self.number += 1
        return [f"SET insert_id = {self.number * 10}; INSERT INTO auto (number, pad) VALUES ({self.number}, {self.pad()})", self.say("LAST_INSERT_ID()")]

    def dump(self):
        """The head and the foot of a dump."""
        return ["/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */", "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */",
                "/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */", "/*!40103 SET TIME_ZONE='+00:00' */", self.say("CONCAT_WS('/', @@foreign_key_checks, @@sql_mode, @@time_zone)"),
                self.child(77), "/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */", "/*!40101 SET SQL_MODE=@OLD_SQL_MODE */",
                "/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */", self.say("CONCAT_WS('/', @@foreign_key_checks, @@sql_mode, @@time_zone)")]

    def child(self, parent):
        self.number += 1
        return f"INSERT INTO child VALUES ({self.number}, {parent}, {self.pad()})"

    def foreign_keys(self):
        return ["SET foreign_key_checks = 0", self.child(99), self.child(1), "SET foreign_key_checks = 1", self.child(98), self.child(2)]

    def procedure(self):
        return [f"CALL given({self.random.randrange(1000)}, @v{self.random.randint(1, 3)})", self.say("CONCAT_WS('/', @v1, @v2, @v3)")]

    def prepared(self):
        """By the binary protocol. Statements live on, and are executed again later."""
        if not self.keys or self.random.random() < 0.3:
            self.keys.append(f"key {len(self.keys)}")
            yield ("prepare", self.keys[-1], self.random.choice([
                "INSERT INTO said VALUES (?, ?, DATABASE(), ?, ?)", "INSERT INTO said SELECT ?, ?, DATABASE(), CONCAT(?, COALESCE(@v1, 0)), ?",
                "/* c */ INSERT INTO said VALUES (?, ?, DATABASE(), CONCAT(?, @@time_zone, @@sql_mode), ?)", "INSERT INTO said VALUES (?, ?, 'a' || 'b', ?, ?)",
            ]))
        for _ in range(3):
            self.number += 1
            yield ("execute", self.random.choice(self.keys[-4:]), (f"s{self.seed}", self.number, f"binary {self.number}", "p" * PAD))

    def xa(self):
        name = literal(f"'x{self.seed}'")
        return [f"XA START {name}", *self.says(), f"XA END {name}", *self.random.choice([[f"XA COMMIT {name} ONE PHASE"], [f"XA PREPARE {name}", f"XA COMMIT {name}"], [f"XA ROLLBACK {name}"]]), self.say()]

    def user_lock(self):
        name = literal(f"'lock {self.seed}'")
        return [f"SELECT GET_LOCK({name}, 0)", self.say(f"IS_USED_LOCK({name}) IS NOT NULL"), self.random.choice([f"DO RELEASE_LOCK({name})", "SELECT RELEASE_ALL_LOCKS()"]), self.say(f"IS_USED_LOCK({name}) IS NOT NULL")]

    def table_lock(self):
        return [f"LOCK TABLES {self.databases[0]}.said WRITE, {self.databases[1]}.said WRITE", *self.says(), "UNLOCK TABLES", self.say()]

    def handler(self):
        return ["HANDLER shown OPEN AS h", "HANDLER h READ FIRST", self.say(), "HANDLER h READ NEXT", "HANDLER h CLOSE"]

    def again(self):
        """The state of the connection ends; its statements, too."""
        self.keys = []
        return [self.random.choice([("reset",), ("change_user",)]), ("database", self.databases[0]), *self.says()]

    # Blocks that change rows of before.

    def changes(self):
        n = self.random.randrange(10, 20)
        text = literal(repr("changed %d; it" % self.random.randrange(1000)))
        return self.random.sample([
            f"INSERT INTO changed (number, v) VALUES ({n}, {text}), ({n + 1}, {text})", f"UPDATE changed SET v = {text} WHERE number = {n}", f"DELETE FROM changed WHERE id = {n}",
            f"REPLACE INTO changed VALUES ({n}, {n}, {text})", f"INSERT INTO changed (id, number) VALUES ({n}, 1) ON DUPLICATE KEY UPDATE number = number + 1",
            f"INSERT INTO changed (number, v) SELECT number, v FROM changed WHERE number = {n} ORDER BY id LIMIT 2", "UPDATE changed SET number = number + 1 ORDER BY id LIMIT 3",
            f"DELETE FROM changed WHERE number = {n} ORDER BY id LIMIT 1", f"UPDATE changed, shown SET changed.v = shown.v WHERE shown.id = changed.id - 10",
            f"INSERT IGNORE INTO changed VALUES ({n}, 0, NULL)", f"INSERT INTO auto (number) VALUES ({n})", f"UPDATE shown SET v = {text} WHERE id = {n % 5 + 1}",
        ], 4) + [self.say("LAST_INSERT_ID()"), self.say("(SELECT CONCAT_WS('/', COUNT(*), SUM(number), MAX(id)) FROM changed)")]

    def tables(self):
        n = self.random.randrange(3)
        return self.random.choice([
            [f"CREATE TABLE made_{n} (id INT PRIMARY KEY, v INT)", f"INSERT INTO made_{n} VALUES (1, 1), (2, 2)", f"ALTER TABLE made_{n} ADD COLUMN w INT DEFAULT 5", self.say(f"(SELECT SUM(w) FROM made_{n})")],
            [f"DROP TABLE IF EXISTS made_{n}", f"CREATE TABLE made_{n} AS SELECT id, v FROM shown"], [f"TRUNCATE TABLE changed"], [f"CREATE OR REPLACE VIEW looked AS SELECT id FROM shown WHERE id > {n}", self.say("(SELECT COUNT(*) FROM looked)")],
            [f"CREATE TRIGGER trigger_{n} BEFORE INSERT ON changed FOR EACH ROW BEGIN IF NEW.number > 15 THEN SET NEW.v = " + literal("'kill; shutdown'") + "; END IF; SET @v1 = NEW.number; END", "INSERT INTO changed (number) VALUES (16)", self.say("@v1"), f"DROP TRIGGER trigger_{n}"],
            [f"RENAME TABLE made_{n} TO made_9", f"DROP TABLE made_9"], [f"CREATE PROCEDURE kept_{n}() BEGIN INSERT INTO changed (number) VALUES (19); SELECT 1; SELECT 2; END", f"CALL kept_{n}()", f"DROP PROCEDURE kept_{n}"],
        ])
