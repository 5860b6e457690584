//! What holds for all texts.

use proptest::prelude::*;

use super::{MARIADB, MYSQL, effects_in};
use crate::sql::invariants::{check, dialect};

/// Statements in tokens, and whether a comment may be between two: `^` means not.
const STATEMENTS: &[&str] = &[
    "KILL 5",
    "KILL QUERY 5",
    "USE db2",
    "SET @a = 1 , @b := @a , time_zone = 'x;y' , GLOBAL c = 3 , @@session ^. d = 4",
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "SET SESSION TRANSACTION READ ONLY",
    "PREPARE s FROM 'SELECT\"a\";'",
    "EXECUTE s USING @a , @b",
    "DEALLOCATE PREPARE s",
    "BEGIN",
    "START TRANSACTION",
    "COMMIT AND CHAIN",
    "ROLLBACK TO SAVEPOINT a",
    "SAVEPOINT a",
    "XA START 'x'",
    "LOCK TABLES a READ , b WRITE",
    "UNLOCK TABLES",
    "FLUSH TABLES WITH READ LOCK",
    "FLUSH STATUS , PRIVILEGES",
    "GRANT SELECT ON * . * TO app",
    "CREATE USER app",
    "UPDATE mysql . user SET a = 1",
    "CREATE TEMPORARY TABLE IF NOT EXISTS a . t ( id INT )",
    "DROP TEMPORARY TABLE t , u",
    "ALTER TABLE a RENAME TO b",
    "HANDLER t OPEN AS h",
    "SELECT GET_LOCK ( 'a' , 1 ) , RELEASE_LOCK ( 'b' )",
    "SELECT LAST_INSERT_ID ( 5 ) , ROW_COUNT ( )",
    "SELECT a , @b := 2 FROM t INTO @c , @d",
    "INSERT INTO t VALUES ( 'it''s' , \"x\\\"y\" , `z` )",
    "LOAD DATA LOCAL INFILE 'x' INTO TABLE t",
    "CREATE PROCEDURE p ( ) BEGIN IF a THEN KILL 5 ; END IF ; SELECT CASE WHEN a THEN b END ; END",
    "CALL p ( @a )",
    "SHUTDOWN",
    "SELECT 1",
];

const BLANKS: &[&str] = &[
    " ",
    "\n",
    "\t",
    "/**/",
    "/* ; ' \" ` */",
    "/*! */",
    "/*!50000*/",
    "/*!999999 ; KILL 7 ' */",
    "# ; '\n",
    "-- ; `\n",
    "/* /* */",
    "/*/ @x := */",
    " /* x */ -- y\n /* z */ ",
];

/// The tokens of a statement with something between, in another case.
fn spelled(statement: &str, blanks: &[usize], upper: bool) -> String {
    let mut text = String::new();
    for (at, token) in statement.split(' ').enumerate() {
        match token.strip_prefix('^') {
            Some(token) => text.push_str(token),
            None => {
                if at > 0 {
                    text.push_str(BLANKS[blanks[at % blanks.len()] % BLANKS.len()]);
                }
                // What is in quotes keeps its case.
                let keeps = token.contains(['\'', '"', '`']);
                text.push_str(&if keeps || upper { token.to_owned() } else { token.to_lowercase() });
            }
        }
    }
    text
}

/// The effects without what the spelling changes: places in the text.
fn effects(text: &str, is_mariadb: bool) -> String {
    let effects = effects_in(text.as_bytes(), if is_mariadb { MARIADB } else { MYSQL });
    let mut words: Vec<&str> = Vec::new();
    for word in effects.split(' ') {
        match words.last() {
            Some(&"at") => drop(words.pop()),
            _ => words.push(word),
        }
    }
    // Expressions are quoted as they are written.
    words.join(" ").to_lowercase()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn blanks_and_case_change_nothing(
        picked in proptest::collection::vec(0..STATEMENTS.len(), 1..4),
        blanks in proptest::collection::vec(0..BLANKS.len(), 1..12),
        upper: bool,
        is_mariadb: bool,
    ) {
        let plain: Vec<_> = picked.iter().map(|at| spelled(STATEMENTS[*at], &[0], true)).collect();
        let other: Vec<_> = picked.iter().map(|at| spelled(STATEMENTS[*at], &blanks, upper)).collect();
        let end = BLANKS[blanks[0]];
        let other = format!("{end}{}", other.join(&format!("{end};{end}")));
        let expected = effects(&plain.join(";"), is_mariadb);
        prop_assume!(!expected.contains("names =") && !expected.contains("transaction"));
        prop_assert_eq!(effects(&other, is_mariadb), expected, "{}", other);
    }

    #[test]
    fn quotes_of_names_change_nothing(is_mariadb: bool, name in "[a-z][a-z0-9_]{1,8}") {
        prop_assume!(!["if", "as", "open", "to", "work", "not", "column", "index", "key"].contains(&name.as_str()));
        for text in ["USE ~", "CREATE TEMPORARY TABLE ~ (a INT)", "DROP TABLE ~, b.~", "SAVEPOINT ~", "SET @~ = 1",
            "EXECUTE ~", "HANDLER ~ OPEN", "SELECT 1 INTO @~"] {
            let bare = effects(&text.replace('~', &name), is_mariadb);
            prop_assert_eq!(effects(&text.replace('~', &format!("`{name}`")), is_mariadb), bare, "{}", text);
        }
    }

    #[test]
    fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200), number: u16) {
        check(&bytes, dialect(number));
    }

    #[test]
    fn any_tokens_can_be_read(
        tokens in proptest::collection::vec(0..TOKENS.len(), 0..40),
        glue in proptest::collection::vec(any::<bool>(), 40),
        number: u16,
    ) {
        let mut text = String::new();
        for (token, blank) in tokens.iter().zip(glue) {
            text.push_str(TOKENS[*token]);
            if blank {
                text.push(' ');
            }
        }
        check(text.as_bytes(), dialect(number));
    }
}

const TOKENS: &[&str] = &[
    "SELECT",
    "INSERT",
    "UPDATE",
    "KILL",
    "USE",
    "SET",
    "PREPARE",
    "EXECUTE",
    "IMMEDIATE",
    "FROM",
    "BEGIN",
    "NOT",
    "ATOMIC",
    "END",
    "IF",
    "THEN",
    "ELSE",
    "CASE",
    "WHEN",
    "LOOP",
    "WHILE",
    "DO",
    "REPEAT",
    "UNTIL",
    "FOR",
    "DECLARE",
    "HANDLER",
    "CREATE",
    "PROCEDURE",
    "TEMPORARY",
    "TABLE",
    "DROP",
    "RENAME",
    "ALTER",
    "GRANT",
    "FLUSH",
    "PRIVILEGES",
    "COMMIT",
    "ROLLBACK",
    "TO",
    "STATEMENT",
    "GLOBAL",
    "SESSION",
    "TRANSACTION",
    "INTO",
    "CALL",
    "LOCAL",
    "DATA",
    "LOAD",
    "EXPLAIN",
    "ANALYZE",
    "WITH",
    "AS",
    "XA",
    "START",
    "mysql",
    "user",
    "GET_LOCK",
    "LAST_INSERT_ID",
    "(",
    ")",
    ",",
    ";",
    ".",
    "=",
    ":=",
    ":",
    "@a",
    "@@b",
    "@@session.c",
    "@",
    "1",
    "5",
    "'x'",
    "\"y\"",
    "`z`",
    "'",
    "\"",
    "`",
    "\\",
    "/*",
    "*/",
    "/*!",
    "/*!50000",
    "/*M!",
    "/*!999999",
    "-- ",
    "#",
    "\n",
    "$$",
    "$a$",
    "?",
    "\u{e9}",
    "_utf8",
];
