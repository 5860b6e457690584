//! Transactions and locks.

use super::{both, on_mariadb, on_mysql};

#[test]
fn transactions_begin_and_end() {
    for text in [
        "BEGIN",
        "begin work;",
        "/* app */ Start Transaction READ ONLY",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT",
    ] {
        both(text, "begin");
    }
    for (text, effect) in [
        ("COMMIT", "commit Unsaid"),
        ("commit work", "commit Unsaid"),
        ("COMMIT AND CHAIN", "commit Chain"),
        ("COMMIT WORK AND NO CHAIN RELEASE", "commit Release"),
        ("COMMIT AND NO CHAIN NO RELEASE", "commit Nothing"),
        ("COMMIT NO RELEASE", "commit Nothing"),
        ("COMMIT AND CHAIN NO RELEASE", "commit Chain"),
        ("ROLLBACK", "rollback Unsaid"),
        ("ROLLBACK WORK RELEASE", "rollback Release"),
        ("ROLLBACK TO a", "rollback to a"),
        ("ROLLBACK WORK TO SAVEPOINT `a b`", "rollback to a b"),
        ("SAVEPOINT a", "savepoint a"),
        ("RELEASE SAVEPOINT a", "release a"),
        ("BEGIN; SELECT 1; COMMIT", "begin |  | commit Unsaid"),
    ] {
        both(text, effect);
    }
}

#[test]
fn xa() {
    for (text, effect) in [
        ("XA START 'a'", "xa Start"),
        ("xa begin 'a','b',1 JOIN", "xa Start"),
        ("XA END 'a'", "xa End"),
        ("XA PREPARE 'a'", "xa Prepare"),
        ("XA COMMIT 'a' ONE PHASE", "xa Commit"),
        ("XA ROLLBACK 'a'", "xa Rollback"),
        ("XA RECOVER", "xa Recover"),
    ] {
        both(text, effect);
    }
}

#[test]
fn other_statements_end_a_transaction_too() {
    for text in [
        "CREATE TABLE t (a INT)",
        "CREATE TABLE IF NOT EXISTS t SELECT 1",
        "ALTER TABLE t ADD b INT",
        "TRUNCATE t",
        "TRUNCATE TABLE t",
        "CREATE INDEX i ON t (a)",
        "CREATE UNIQUE INDEX i ON t (a)",
        "DROP INDEX i ON t",
        "CREATE DATABASE d",
        "CREATE VIEW v AS SELECT 1",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "DROP VIEW v",
        "DROP PROCEDURE p",
        "DROP TRIGGER t",
        "ANALYZE TABLE t",
        "ANALYZE LOCAL TABLE t",
        "OPTIMIZE TABLE t",
        "REPAIR TABLE t",
        "CHECK TABLE t",
        "CACHE INDEX t IN c",
        "RESET MASTER",
        "START SLAVE",
        "STOP REPLICA",
        "INSTALL PLUGIN p SONAME 'x'",
        "FLUSH TABLES",
        "FLUSH LOGS",
        "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'x')",
        "ALTER INSTANCE RELOAD TLS",
    ] {
        both(text, "commits");
    }
    for text in
        ["RESET PERSIST", "SELECT 1", "CHECKSUM TABLE t", "PURGE BINARY LOGS TO 'x'", "DO 1", "HELP 'x'"]
    {
        both(text, "");
    }
}

#[test]
fn locks_outlive_their_statement() {
    both("LOCK TABLES t READ, u WRITE", "commits, lock Tables");
    both("lock table t write", "commits, lock Tables");
    both("UNLOCK TABLES", "unlock Tables");
    both("FLUSH TABLES WITH READ LOCK", "commits, lock GlobalRead");
    both("FLUSH LOCAL TABLES t, u WITH READ LOCK", "commits, lock Tables");
    both("FLUSH TABLES t FOR EXPORT", "commits, lock Tables");
    on_mysql("LOCK INSTANCE FOR BACKUP", "lock Instance");
    on_mysql("UNLOCK INSTANCE", "unlock Instance");
    on_mariadb("BACKUP STAGE START", "commits, lock Backup");
    on_mariadb("BACKUP STAGE END", "commits, unlock Backup");
    on_mariadb("BACKUP LOCK t", "commits, lock Backup");
    on_mariadb("BACKUP UNLOCK", "commits, unlock Backup");
}

#[test]
fn locks_of_users() {
    both("SELECT GET_LOCK('a', 1)", "get lock a");
    both("SELECT get_lock ( _utf8'a' , 1 )", "get lock ?");
    both("SELECT GET_LOCK(CONCAT('a', 1), 1)", "get lock ?");
    both("DO RELEASE_LOCK('a')", "release lock a");
    both("INSERT INTO t SELECT RELEASE_LOCK(a) FROM b", "release lock ?");
    both("SELECT RELEASE_ALL_LOCKS()", "ReleaseAllLocks");
    both("SELECT IS_USED_LOCK('a'), IS_FREE_LOCK('a')", "");
    both("EXPLAIN SELECT GET_LOCK('a', 1)", "");
    both("SELECT `GET_LOCK`('a', 1)", "get lock a");
}

#[test]
fn handlers() {
    both("HANDLER t OPEN", "handler open t");
    both("HANDLER a.t OPEN AS `h`", "handler open a.t as h");
    both("HANDLER t OPEN h", "handler open t as h");
    both("HANDLER h READ NEXT", "handler read h");
    both("HANDLER h CLOSE", "handler close h");
}
