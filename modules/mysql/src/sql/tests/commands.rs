//! Statements that must not run as they are, and SQL in strings.

use super::{both, effects_in, on_mariadb, on_mysql};
use crate::sql::tests::MYSQL;

#[test]
fn a_kill_shows_its_victim() {
    for (text, effect) in [
        ("KILL 42", "kill connection 42 at 5..7"),
        ("kill Query 7 ;", "kill query 7 at 11..12"),
        ("KILL CONNECTION 7", "kill connection 7 at 16..17"),
        ("KILL '42'", "kill connection 42 at 5..9"),
        ("KILL/**/42", "kill connection 42 at 8..10"),
        ("KILL 42 -- the worker", "kill connection 42 at 5..7"),
        ("KILL 4294967295", "kill connection 4294967295 at 5..15"),
        ("KILL 4294967296", "kill connection ?"),
        ("KILL @id", "kill connection ?"),
        ("KILL ?", "kill connection ?"),
        ("KILL 7 + 1", "kill connection ?"),
        ("KILL (7)", "kill connection ?"),
        ("KILL -7", "kill connection ?"),
        ("KILL '+7'", "kill connection ?"),
        ("KILL 7.5", "kill connection ?"),
        ("KILL 0x07", "kill connection ?"),
        ("KILL CONNECTION_ID()", "kill connection ?"),
        ("KILL", "kill connection ?"),
    ] {
        both(text, effect);
    }
}

#[test]
fn mariadb_kills_in_more_ways() {
    on_mariadb("KILL HARD CONNECTION 7", "kill connection 7 at 21..22");
    on_mariadb("KILL SOFT QUERY 7", "kill query 7 at 16..17");
    on_mariadb("KILL QUERY ID 7", "kill query id 7 at 14..15");
    on_mariadb("KILL QUERY ID @a", "kill query ?");
    on_mariadb("KILL USER app", "kill connection user app");
    on_mariadb("KILL QUERY USER 'app'@'localhost'", "kill query user app");
    on_mariadb("KILL USER CURRENT_USER()", "kill connection current user");
    on_mariadb(
        "SET STATEMENT max_statement_time=1, @@x = (SELECT 1 FOR UPDATE) FOR KILL 5",
        "kill connection 5 at 73..74",
    );
}

#[test]
fn a_kill_is_found_wherever_it_is() {
    both("SELECT 1; KILL 5", " | kill connection 5 at 15..16");
    both("/*!50000 KILL 5 */", "kill connection 5 at 14..15");
    both("/*!KILL 5*/", "kill connection 5 at 8..9");
    on_mariadb("/*M!100100 KILL 5 */", "kill connection 5 at 16..17");
    on_mysql("/*M!100100 KILL 5 */", "");
    let long = format!("/*{}*/ KILL 5", "x".repeat(300));
    both(&long, "kill connection 5 at 310..311");
    both("SELECT 1 /* ; */ ; -- ;\n KILL 5 # ;", " | kill connection 5 at 30..31");
    both("EXPLAIN KILL 5", "");
    both("EXPLAIN ANALYZE FORMAT=JSON KILL 5", "kill connection 5 at 33..34");
}

#[test]
fn what_only_looks_like_one() {
    for text in [
        "SELECT 'KILL 5'",
        "SELECT 1 /* ; KILL 5 */",
        "SELECT 1 -- ; KILL 5",
        "SELECT 1 # ; KILL 5",
        "SELECT `; KILL 5`",
        "SELECT '\\'; KILL 5; -- '",
        "SELECT ''';KILL 5'",
        "INSERT INTO t VALUES ('a@b;c')",
        "SELECT kill FROM t",
        "/*!999999 KILL 5 */ SELECT 1",
        "",
        " /* x */ ",
    ] {
        both(text, "");
    }
}

#[test]
fn servers_are_shut_down() {
    for text in [
        "SHUTDOWN",
        "shutdown wait for all slaves",
        "RESTART",
        "/*! SHUTDOWN */",
        "CLONE LOCAL DATA DIRECTORY '/x'",
    ] {
        both(text, "Shutdown");
    }
    both("SELECT 1;SHUTDOWN", " | Shutdown");
    both("SELECT shutdown FROM t", "");
}

#[test]
fn sql_in_strings() {
    both("PREPARE s FROM 'KILL n'", "prepare s 'KILL n'");
    both("prepare `my s` from \"SELECT 'a\"\"b'\"", "prepare my s 'SELECT 'a\"b''");
    both("PREPARE s FROM 'SELECT ''\\n'''", "prepare s 'SELECT '\n''");
    both("PREPARE s FROM @sql", "prepare s @sql");
    on_mariadb("PREPARE s FROM CONCAT('KI', @x) ", "prepare s (CONCAT('KI', @x))");
    on_mariadb("EXECUTE IMMEDIATE 'SHUT' 'DOWN'", "immediate 'SHUTDOWN'");
    on_mariadb("EXECUTE IMMEDIATE 'KILL ?' USING @a", "immediate 'KILL ?' @a");
    on_mariadb("EXECUTE IMMEDIATE CONCAT('a') USING @a, 5", "immediate 'a' @a");
    on_mariadb("EXECUTE IMMEDIATE @a", "immediate @a");
    on_mariadb("EXECUTE IMMEDIATE CONCAT('KILL ', 5)", "immediate 'KILL 5'");
    on_mariadb("EXECUTE IMMEDIATE _utf8'KILL 5'", "immediate 'KILL 5'");
    on_mariadb("PREPARE s FROM x'4b494c4c2035'", "prepare s 'KILL 5'");
    on_mariadb("PREPARE s FROM kill", "prepare s (kill)");
    both("EXECUTE s", "execute s");
    both("EXECUTE s USING @a, @`b c`", "execute s @a @b c");
    both("DEALLOCATE PREPARE s", "deallocate s");
    both("DROP PREPARE s", "deallocate s");
}

#[test]
fn the_rest_of_the_issue() {
    both("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", "LoadLocal");
    both("LOAD XML /* */ CONCURRENT LOCAL INFILE 'x' INTO TABLE t", "LoadLocal");
    both("LOAD DATA INFILE 'local' INTO TABLE t", "");
    both("LOAD DATA LOCAL INFILE 'x' INTO TABLE t (a, @b) SET c = @b + 1", "LoadLocal, assigns @b");
    both("LOAD INDEX INTO CACHE t", "commits");
    both("SELECT 1; USE db2", " | use db2");
    both("/*x*/USE `a b`", "use a b");
    both("USE shop;", "use shop");
}

#[test]
fn a_text_is_bytes() {
    assert_eq!(effects_in(b"KILL 5\0", MYSQL), "kill connection 5 at 5..6");
    assert_eq!(effects_in(b"SELECT '\xff\xfe;'; KILL 5", MYSQL), " | kill connection 5 at 19..20");
    assert_eq!(effects_in(b"\0\xff", MYSQL), "");
}
