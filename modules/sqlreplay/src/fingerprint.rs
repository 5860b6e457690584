//! Statements that differ only in their values, as one.

use crate::protocol::Protocol;
use crate::sql::{Token, Tokens};

/// A longer text is cut, in bytes.
const LENGTH_MAX: usize = 400;

/// The statement with `?` in place of its values; lists of values become `?, ...`; without comments.
#[must_use]
pub fn fingerprint(sql: &[u8], protocol: Protocol) -> String {
    let mut text = String::with_capacity(sql.len().min(LENGTH_MAX));
    let mut last = Kind::Start;
    for token in Tokens::new(sql, protocol) {
        let kind = match token {
            Token::Word(_) | Token::Quoted(_) => Kind::Word,
            Token::Literal(_) | Token::Number(_) | Token::Parameter(_) => Kind::Value,
            Token::Other(byte) => Kind::Other(byte),
        };
        // The sign of a value: behind a name, it subtracts.
        if kind == Kind::Value && text.ends_with('-') && is_operator(before_sign(&text)) {
            text.pop();
        }
        // The second and later values of a list.
        if kind == Kind::Value && (text.ends_with("?, ") || text.ends_with("..., ")) {
            text.truncate(text.len() - 2);
            if text.ends_with('?') {
                text.push_str(", ...");
            }
            last = Kind::Value;
            continue;
        }
        if needs_blank(last, kind) && !text.ends_with(' ') {
            text.push(' ');
        }
        match token {
            Token::Word(word) => text.push_str(&String::from_utf8_lossy(word).to_lowercase()),
            Token::Quoted(name) => {
                text.push('"');
                text.push_str(&String::from_utf8_lossy(name));
                text.push('"');
            }
            Token::Literal(_) | Token::Number(_) | Token::Parameter(_) => text.push('?'),
            Token::Other(b',') => text.push_str(", "),
            Token::Other(byte) => text.push(char::from(byte)),
        }
        if text.len() > LENGTH_MAX {
            let end = (0..=LENGTH_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
            text.truncate(end);
            text.push_str(" ...");
            return text;
        }
        last = kind;
    }
    while text.ends_with([';', ' ']) {
        text.pop();
    }
    text
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Start,
    Word,
    Value,
    Other(u8),
}

fn before_sign(text: &str) -> Option<char> {
    text.trim_end_matches('-').trim_end().chars().last()
}

fn is_operator(before: Option<char>) -> bool {
    before.is_some_and(|before| "+-*/=<>,(%|&^~!@#".contains(before))
}

fn needs_blank(last: Kind, next: Kind) -> bool {
    let is_tight = |byte: u8| matches!(byte, b'(' | b'.' | b',' | b'[' | b':');
    match (last, next) {
        (Kind::Start, _) => false,
        (Kind::Other(before), Kind::Other(after)) => {
            before == b')' && !matches!(after, b')' | b',' | b';' | b'.' | b':' | b'[')
        }
        (Kind::Other(before), _) => !is_tight(before),
        (_, Kind::Other(after)) => !matches!(after, b',' | b')' | b';' | b'.' | b'(' | b'[' | b']' | b':'),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_differ_in_values_are_the_same() {
        for (sql, expected) in [
            ("SELECT 1", "select ?"),
            ("SELECT  abalance FROM t /* x */ WHERE aid = 5;", "select abalance from t where aid = ?"),
            ("select Abalance from T where aid=$1", "select abalance from t where aid = ?"),
            ("UPDATE t SET a = a + -5 WHERE b = 'x''y'", "update t set a = a + ? where b = ?"),
            ("UPDATE t SET a = a + 5 WHERE b = 'x'", "update t set a = a + ? where b = ?"),
            ("SELECT * FROM \"T a\" WHERE x IN (1, 2,3)", "select * from \"T a\" where x in(?, ...)"),
            ("SELECT * FROM \"T a\" WHERE x IN (1, 2,3, 4)", "select * from \"T a\" where x in(?, ...)"),
            ("INSERT INTO t VALUES (1, -2, now(), -3)", "insert into t values(?, ..., now(), ?)"),
            ("SELECT 3 - 4, a -5", "select ? - ?, a - ?"),
            ("SELECT count(*) FROM a.b WHERE x::int >= 5", "select count(*) from a.b where x::int >= ?"),
        ] {
            assert_eq!(fingerprint(sql.as_bytes(), Protocol::Postgres), expected);
        }
        assert_eq!(
            fingerprint(b"SELECT `a` FROM t WHERE b = \"x\" AND c IN (?, ?) # z", Protocol::Mysql),
            "select \"a\" from t where b = ? and c in(?, ...)"
        );
        assert!(fingerprint(&b"a ".repeat(1000), Protocol::Postgres).len() < 500);
        assert!(fingerprint("ä ".repeat(1000).as_bytes(), Protocol::Postgres).ends_with(" ..."));
    }
}
