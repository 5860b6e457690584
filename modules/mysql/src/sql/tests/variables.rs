//! SET, and user variables.

use super::{both, on_mariadb, on_mysql};
use crate::sql::tests::{MARIADB, MYSQL};
use crate::sql::{Mention, mentions};

#[test]
fn assignments_are_listed_in_order() {
    for (text, effects) in [
        ("SET a=1, @b=2, GLOBAL c=3, @@session.d=4", "a = 1, @b = 2, global c = 3, d = 4"),
        ("SET autocommit=0", "autocommit = 0"),
        ("SET @@autocommit := 0", "autocommit = 0"),
        ("SET SESSION a = 1, b = 2", "a = 1, b = 2"),
        ("SET LOCAL a = ON", "a = ON"),
        ("SET @@local.a = DEFAULT", "a = DEFAULT"),
        ("SET PERSIST a = 1, PERSIST_ONLY b = 2", "persist a = 1, persist b = 2"),
        ("SET @@persist.a = 1, @@PERSIST_ONLY.b = 2", "persist a = 1, persist b = 2"),
        ("SET @@global.a = 1", "global a = 1"),
        ("SET hot.key_buffer_size = 1", "key_buffer_size = 1"),
        ("SET GLOBAL hot.key_buffer_size = 1", "global key_buffer_size = 1"),
        ("SET `a` = 1", "a = 1"),
        ("SET @'a b' = 'x', @`c` = 2", "@a b = 'x', @c = 2"),
        ("SET @a = 'it''s, @b = 2'", "@a = 'it''s, @b = 2'"),
        ("SET @a = (1, 2), @b = IF(1, 2, 3)", "@a = (1, 2), @b = IF(1, 2, 3)"),
        ("SET global = 1, session = 2, names = 3", "global = 1, session = 2, names = 3"),
        ("SET role = 1", "role = 1"),
    ] {
        both(text, effects);
    }
}

#[test]
fn character_sets() {
    both("SET NAMES utf8mb4", "names = utf8mb4");
    both("SET NAMES 'utf8' COLLATE 'utf8_bin', @a = 1", "names = 'utf8' COLLATE 'utf8_bin', @a = 1");
    both("SET @a = 1, NAMES DEFAULT", "@a = 1, names = DEFAULT");
    both("SET CHARACTER SET utf8", "character set = utf8");
    both("SET CHARSET 'utf8'", "character set = 'utf8'");
    both("SET CHAR SET utf8", "character set = utf8");
}

#[test]
fn transactions_have_characteristics() {
    both("SET TRANSACTION READ ONLY", "transaction Next = READ ONLY");
    both(
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
        "transaction Session = ISOLATION LEVEL READ COMMITTED, READ WRITE",
    );
    both("SET GLOBAL TRANSACTION READ ONLY", "transaction Global = READ ONLY");
    both("SET @@transaction_isolation = 'SERIALIZABLE'", "transaction Next = 'SERIALIZABLE'");
    both("SET @@session.transaction_isolation = 'SERIALIZABLE'", "transaction_isolation = 'SERIALIZABLE'");
    both("SET transaction_isolation = 'SERIALIZABLE'", "transaction_isolation = 'SERIALIZABLE'");
    both("SET RESOURCE GROUP g", "resource group = g");
    both("SET ROLE NONE", "role = NONE");
}

#[test]
fn values_tell_what_they_depend_on() {
    for (value, said) in [
        ("@b", "from @b"),
        ("CONCAT(@@sql_mode, ',ANSI_QUOTES')", "from @@sql_mode"),
        ("@@global.a + @@session.b", "from @@global.a @@b"),
        ("REPLACE(UPPER('a'), @b, CAST(1 AS CHAR))", "from @b"),
        ("NOW()", "?"),
        ("CURRENT_TIMESTAMP", "?"),
        ("RAND() * 2", "?"),
        ("UUID()", "?"),
        ("(SELECT 1)", "(SELECT 1)"),
        ("(SELECT REPLACE(@@sql_mode, 'A', ''))", "from @@sql_mode"),
        ("(TABLE t)", "?"),
        ("(SELECT MAX(id) FROM t)", "?"),
        ("f(1)", "?"),
        ("`f`(1)", "?"),
        ("NEXT VALUE FOR s", "?"),
        ("@@timestamp", "?"),
        ("?", "?"),
        ("1 + 2 * 3", "1 + 2 * 3"),
        ("-1", "-1"),
        ("NULL", "NULL"),
        ("x'41'", "x'41'"),
        ("NOT (1)", "NOT (1)"),
        ("b'1'", "b'1'"),
        ("CASE WHEN 1 THEN 'a' ELSE 'b' END", "CASE WHEN 1 THEN 'a' ELSE 'b' END"),
    ] {
        both(&format!("SET @a = {value}"), &format!("@a = {said}"));
    }
    both("SET @a = @@last_insert_id", "@a = ?, UsesLastInsertId");
    both("SET @a = LAST_INSERT_ID()", "@a = ?, UsesLastInsertId");
    both("SET @a = ROW_COUNT()", "@a = ?, UsesDiagnostics");
    both("SET @a = GET_LOCK('x', 1)", "@a = ?, get lock x");
    both("SET @a = (@b := 5), @c = @b", "assigns @b, @a = ?, @c = from @b");
}

#[test]
fn user_variables_get_values_in_other_ways() {
    both("SELECT @a := 1", "assigns @a");
    both("SELECT 1 INTO @a", "assigns @a");
    both("SELECT 1, 2 INTO@a,@`b c`", "assigns @a, assigns @b c");
    both("SELECT a INTO @a FROM t WHERE b = @b", "assigns @a");
    both("SELECT @a = 1", "");
    both("INSERT INTO t VALUES (@a, @b)", "");
    both("UPDATE t SET a = (@x := @x + 1), b = @x := 2", "assigns @x");
    both("CALL p(@a, 1, @b)", "assigns @a, assigns @b");
    both("GET DIAGNOSTICS @n = NUMBER", "UsesDiagnostics, assigns @n");
    both("GET DIAGNOSTICS CONDITION @i @m = MESSAGE_TEXT", "UsesDiagnostics, assigns @m");
    both("EXPLAIN SELECT @a := 1", "");
    both("EXPLAIN FORMAT=JSON INTO @plan SELECT 1", "assigns @plan");
    both("EXPLAIN ANALYZE SELECT @a := 1", "assigns @a");
    on_mysql("EXPLAIN ANALYZE FOR SCHEMA b SELECT @a := 1", "assigns @a");
    on_mariadb("ANALYZE FORMAT=JSON SELECT @a := 1", "assigns @a");
    both("SELECT 'x' INTO OUTFILE '/x'", "");
}

#[test]
fn only_mariadb_has_set_statement() {
    on_mariadb("SET STATEMENT sort_buffer_size=1, x='FOR' FOR USE b", "use b");
    on_mariadb("SET STATEMENT a=1 FOR SET @b=2", "@b = 2");
    on_mysql("SET statement = 1", "statement = 1");
}

#[test]
fn what_the_statement_before_has_left() {
    both("SELECT LAST_INSERT_ID()", "UsesLastInsertId");
    both("INSERT INTO t VALUES (last_insert_id ( ))", "UsesLastInsertId");
    both("UPDATE t SET n = LAST_INSERT_ID(n + 1)", "SetsLastInsertId");
    both("SELECT @@identity, @@session.last_insert_id", "UsesLastInsertId");
    both("SELECT ROW_COUNT(), FOUND_ROWS()", "UsesDiagnostics");
    both("SELECT @@warning_count", "UsesDiagnostics");
    both("SELECT row_count, last_insert_id FROM t", "");
}

#[test]
fn names_are_found_where_they_count() {
    let named = |text: &str, name: &str| {
        mentions(
            text.as_bytes(),
            MYSQL,
            |mention| matches!(mention, Mention::Name(found) if found.may_be(name.as_bytes())),
        )
    };
    for text in [
        "SELECT * FROM tmp",
        "DELETE FROM `TMP`",
        "UPDATE shop.tmp SET a = 1",
        "SELECT 1, tmp.a FROM b",
        "/*!50000 SELECT tmp.a */",
    ] {
        assert!(named(text, "tmp"), "{text}");
    }
    for text in ["SELECT 'tmp'", "SELECT 1 /* tmp */", "SELECT tmp2", "SELECT @tmp", "SELECT \"tmp\""] {
        assert!(!named(text, "tmp"), "{text}");
    }
    let ansi = crate::sql::Dialect { ansi_quotes: None, ..MARIADB };
    assert!(mentions(
        b"SELECT * FROM \"tmp\"",
        ansi,
        |it| matches!(it, Mention::Name(name) if name.may_be(b"tmp"))
    ));
    let variable = |text: &str| {
        mentions(
            text.as_bytes(),
            MYSQL,
            |mention| matches!(mention, Mention::UserVariable(found) if found.may_be(b"a")),
        )
    };
    assert!(variable("SELECT @A"));
    assert!(variable("SELECT @'a'"));
    assert!(!variable("SELECT a, @@a, '@a', @ab"));
}
