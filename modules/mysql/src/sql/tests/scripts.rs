//! How a text is cut.

use super::{both, effects_in, on_mariadb};
use crate::sql::invariants::check;
use crate::sql::tests::{MARIADB, MYSQL};
use crate::sql::{Charset, Class, Dialect, read};

fn pieces(text: &str) -> Vec<&str> {
    read(text.as_bytes(), MYSQL).statements().iter().map(|it| &text[it.range.clone()]).collect()
}

#[test]
fn statements_are_cut_at_semicolons() {
    assert_eq!(pieces("SELECT 1"), ["SELECT 1"]);
    assert_eq!(pieces("SELECT 1 ; "), ["SELECT 1 "]);
    assert_eq!(pieces("SELECT ';' ;USE a;"), ["SELECT ';' ", "USE a"]);
    assert_eq!(
        pieces("SELECT 1; /* x */ SELECT 2 -- ;\n;SELECT 3"),
        ["SELECT 1", " /* x */ SELECT 2 -- ;\n", "SELECT 3"]
    );
    assert_eq!(pieces("SELECT 1;;; "), ["SELECT 1"]);
    assert_eq!(pieces(""), [""]);
    // Not blank for the servers, which answer one more time.
    assert_eq!(pieces("SELECT 1; -- x"), ["SELECT 1", " -- x"]);
}

/// Both servers stop there.
#[test]
fn nothing_is_executed_behind_an_empty_statement() {
    both("USE a; /* x */ ; USE b", "use a |  | Unreadable");
    both(";USE b", " | Unreadable");
    assert_eq!(pieces("SELECT 1;;USE b"), ["SELECT 1", "", "USE b"]);
}

#[test]
fn without_the_capability_there_is_one_statement() {
    let single = Dialect { several: false, ..MARIADB };
    assert_eq!(effects_in(b"USE a;", single), "use a");
    assert_eq!(effects_in(b"USE a; USE b", single), "");
    assert_eq!(effects_in(b"SELECT 1; KILL 5", single), "kill connection 5 at 15..16");
    assert_eq!(effects_in(b"BEGIN NOT ATOMIC USE a; USE b; END", single), "use a, use b");
}

#[test]
fn statements_have_classes() {
    for (text, class) in [
        ("SELECT 1", Class::Reads),
        ("(SELECT 1) UNION (SELECT 2)", Class::Reads),
        ("((SELECT @a))", Class::Reads),
        ("SHOW TABLES", Class::Reads),
        ("TABLE t", Class::Reads),
        ("DESC t", Class::Reads),
        ("EXPLAIN UPDATE t SET a = 1", Class::Reads),
        ("ANALYZE UPDATE t SET a = 1", Class::Writes),
        ("WITH RECURSIVE a AS (SELECT 1 UNION SELECT 2) SELECT * FROM a", Class::Reads),
        ("WITH a (update) AS (SELECT 1) DELETE FROM t", Class::Writes),
        ("insert into t values (1)", Class::Writes),
        ("INSERT INTO t VALUES ('@')", Class::Writes),
        ("REPLACE t VALUES (1)", Class::Writes),
        ("LOAD DATA INFILE 'x' INTO TABLE t", Class::Writes),
        ("CREATE TABLE t (a INT)", Class::Defines),
        ("GRANT a TO b", Class::Defines),
        ("CALL p()", Class::Calls),
        ("SET @a = 1", Class::Other),
        ("BEGIN", Class::Other),
        ("", Class::Empty),
        ("/* x */", Class::Empty),
        ("/*!50000 SELECT */ 1", Class::Reads),
    ] {
        assert_eq!(read(text.as_bytes(), MYSQL).statements()[0].class, class, "{text}");
    }
}

#[test]
fn lists_are_bounded() {
    let many: String = (0..2000).map(|n| format!("@a{n} = 1,")).collect();
    let text = format!("SET {many} @b = 2");
    let script = read(text.as_bytes(), MYSQL);
    let effects = &script.statements()[0].effects;
    assert_eq!(effects.len(), 512);
    assert_eq!(effects.last(), Some(&crate::sql::Effect::Unreadable));
    let text = format!("DROP TABLE {}b", "a,".repeat(2000));
    assert_eq!(effects_in(text.as_bytes(), MYSQL), "Unreadable, commits");
    let text = format!("SET @a = {}@b", "@b + ".repeat(2000));
    assert_eq!(effects_in(text.as_bytes(), MYSQL), "@a = ?");
}

/// A statement that lacks its end does not go on in the next one.
#[test]
fn a_head_ends_with_its_statement() {
    on_mariadb("SET STATEMENT a = 1; KILL 5", " | kill connection 5 at 26..27");
    on_mariadb("EXPLAIN FORMAT =; KILL 5", " | kill connection 5 at 23..24");
    both("USE; KILL 5", " | kill connection 5 at 10..11");
    both("KILL; KILL 5", "kill connection ? | kill connection 5 at 11..12");
    both("PREPARE s FROM; KILL 5", "prepare s () | kill connection 5 at 21..22");
    both("CREATE DEFINER=; KILL 5", "commits | kill connection 5 at 22..23");
    both("DROP TABLE; KILL 5", "drop , commits | kill connection 5 at 17..18");
    both("SET a =; KILL 5", "a =  | kill connection 5 at 14..15");
}

#[test]
fn texts_of_any_length_take_bounded_memory() {
    let script = "DO 1;".repeat(300_000);
    let read_script = read(script.as_bytes(), MYSQL);
    assert_eq!(read_script.statements().len(), (1 << 18) + 1);
    assert_eq!(read_script.effects().count(), 1);
    let sets = format!("SET {}@b = 2;", "@a = 1,".repeat(500)).repeat(200);
    let read_sets = read(sets.as_bytes(), MYSQL);
    assert!(read_sets.effects().count() < (1 << 15) + 600);
    assert_eq!(read_sets.effects().last(), Some(&crate::sql::Effect::Unreadable));
}

/// `0x95 0x5C` is one character in gbk, and so ends no string. In utf8 the backslash escapes the quote behind it. MySQL and
/// MariaDB read each statement of a packet when those before it have been executed.
#[test]
fn each_statement_is_read_in_the_character_set_that_those_before_it_have_set() {
    let texts: [(&[u8], &str); 3] = [
        (b"SET NAMES gbk; SELECT '\x95\\'; USE a -- '; USE b", "names = gbk |  | use a"),
        (b"SET NAMES utf8mb4; SELECT '\x95\\'; USE a -- '; USE b", "names = utf8mb4 |  | use b"),
        (
            b"SET sql_mode = 'NO_BACKSLASH_ESCAPES'; SELECT '\\'; USE a -- '; USE b",
            "sql_mode = 'NO_BACKSLASH_ESCAPES' |  | use a",
        ),
    ];
    for (text, expected) in texts {
        for dialect in [MARIADB, MYSQL] {
            assert_eq!(effects_in(text, dialect), expected);
            check(text, dialect);
        }
    }
    // Found by the fuzzer: the first statement is read in sjis.
    let first = Dialect { ansi_quotes: None, charset: Charset::Sjis, ..MYSQL };
    let text = b"SET NAMES gbk; SELECT '\x95\\'; SET sqCT\xff\xc9\x95\\'; SET \xff\xc9\x95\\'; \
        SET TE(@@sddddql_modeSES'); USE ql_mo";
    assert!(effects_in(text, first).ends_with("use ql_mo"));
    check(text, first);
}
