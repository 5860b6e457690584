//! Comments of all kinds, at all places.

use super::{both, effects_in, on_mariadb, on_mysql};
use crate::sql::tests::{MARIADB, MYSQL};
use crate::sql::{Charset, Dialect};

#[test]
fn a_comment_may_be_anywhere() {
    for comment in [
        " ",
        "\n",
        "\t\r\n",
        "/**/",
        "/* ; ' */",
        "/*/ */",
        "# ' ;\n",
        "-- ;\n",
        "--\n",
        "--\t\"\n",
        "/*! */",
        "/*!50000 */",
        "/*!999999 ; KILL 9 */",
        "/*!999999 /* ; */ KILL 9 */",
        "/*+ x */",
    ] {
        for (text, effect) in [
            ("USE~db2", "use db2"),
            ("~USE~`db2`~;", "use db2"),
            ("SET~@a~=~1~,~@b~:=~2", "@a = 1, @b = 2"),
            ("ROLLBACK~TO~SAVEPOINT~a~", "rollback to a"),
            ("PREPARE~s~FROM~'x'~", "prepare s 'x'"),
            ("DROP~TEMPORARY~TABLE~IF~EXISTS~a~.~b~,~c~", "drop temporary a.b c"),
            ("SELECT~1~;~USE~db2~", " | use db2"),
        ] {
            both(&text.replace('~', comment), effect);
        }
    }
}

#[test]
fn what_an_executable_comment_holds_is_executed() {
    both("/*!50000 USE db2 */", "use db2");
    both("USE /*!50000 db2 */", "use db2");
    both("/*!USE*//*!db2*/", "use db2");
    both("SELECT 1 /*!50000 , GET_LOCK('a', 1) */", "get lock a");
    both("/*!40101 SET @OLD=@@SQL_MODE, SQL_MODE='ANSI' */;", "@OLD = from @@SQL_MODE, SQL_MODE = 'ANSI'");
    on_mariadb("/*!80000 USE db2 */", "");
    on_mysql("/*!80000 USE db2 */", "use db2");
    on_mysql("/*!080000 USE db2 */", "use db2");
    on_mysql("/*!101100 USE db2 */", "");
    on_mariadb("/*!101100 USE db2 */", "use db2");
}

/// Both servers take the first statement for a syntax error.
#[test]
fn a_comment_that_holds_a_semicolon_is_cut() {
    both("SELECT 1 /*!50000 ; KILL 5 */", "Unreadable | kill connection ?");
}

#[test]
fn what_never_ends_is_unreadable() {
    for text in ["USE a /* x", "USE a /*!50000 ", "USE a 'x", "USE a `x", "USE a \"x"] {
        both(text, "use a, Unreadable");
    }
    both("SELECT @a; USE a; USE b /*", " | use a | use b, Unreadable");
}

#[test]
fn modes_decide_what_a_quote_is() {
    let ansi = Dialect { ansi_quotes: Some(true), ..MYSQL };
    assert_eq!(effects_in(b"USE \"a\"\"b\\\"", ansi), "use a\"b\\");
    assert_eq!(effects_in(b"SELECT @a, '\\'; USE b; -- '", MYSQL), "");
    let no_escapes = Dialect { no_backslash_escapes: Some(true), ..MYSQL };
    assert_eq!(effects_in(b"SELECT @a, '\\'; USE b; -- '", no_escapes), " | use b | ");
}

#[test]
fn unknown_modes_matter_only_where_readings_differ() {
    let unknown = Dialect { ansi_quotes: None, no_backslash_escapes: None, ..MARIADB };
    let effects = |text: &str| effects_in(text.as_bytes(), unknown);
    assert_eq!(effects("SELECT 1; USE b"), " | use b");
    assert_eq!(effects("SET @a = 'x'; KILL 5"), "@a = 'x' | kill connection 5 at 19..20");
    assert_eq!(effects("SELECT '\\'; KILL 5; -- '"), "Unreadable");
    assert_eq!(effects("SET @a = 'it\\'s'"), "Unreadable");
    assert_eq!(effects("SELECT '\\\\n'; KILL 5"), " | kill connection 5 at 19..20");
    assert_eq!(effects("SELECT \"a\"; KILL 5"), " | kill connection 5 at 17..18");
    assert_eq!(effects("INSERT INTO t VALUES ('it\\'s')"), "");
    assert_eq!(effects("PREPARE s FROM 'SELECT \\'a\\''"), "Unreadable");
}

#[test]
fn a_mode_that_is_set_counts_for_the_next_statement() {
    both(
        "SET sql_mode = 'NO_BACKSLASH_ESCAPES'; SELECT '\\'; KILL 5; -- '",
        "sql_mode = 'NO_BACKSLASH_ESCAPES' |  | kill connection 5 at 56..57 | ",
    );
    both("SET sql_mode = ANSI; USE \"a;b\"", "sql_mode = ANSI | use a;b");
    both(
        "SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES'); USE \"a;b\"",
        "sql_mode = from @@sql_mode | use a;b",
    );
    both("SET sql_mode = @old; USE \"a;b\"", "sql_mode = from @old | Unreadable");
    both("SET sql_mode = @old; USE b", "sql_mode = from @old | use b");
    both("SET GLOBAL sql_mode = ANSI; PREPARE s FROM \"a;b\"", "global sql_mode = ANSI | prepare s 'a;b'");
}

#[test]
fn a_character_set_decides_what_a_backslash_is() {
    let gbk = Dialect { charset: Charset::Gbk, ..MYSQL };
    let text = b"SELECT @a, '\x95\x5c'; KILL 5; -- '";
    assert_eq!(effects_in(text, MYSQL), "");
    assert_eq!(effects_in(text, gbk), " | kill connection 5 at 22..23 | ");
    let text = b"SET NAMES gbk; SELECT '\x95\x5c'; KILL 5; -- '";
    assert_eq!(effects_in(text, MYSQL), "names = gbk |  | kill connection 5 at 33..34 | ");
    let text = b"SET character_set_client = 28; SELECT '\x95\x5c'; KILL 5; -- '";
    assert_eq!(effects_in(text, MYSQL), "character_set_client = 28 |  | kill connection 5 at 49..50 | ");
    let text = b"SET CHARACTER SET 'gbk'; SET NAMES DEFAULT; SELECT @a, '\x95\x5c'; KILL 5; -- '";
    assert_eq!(effects_in(text, MYSQL), "character set = 'gbk' | names = DEFAULT | ");
}
