//! Comments, and those that are none for a server.

use super::dialect::Modes;

/// What begins like a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comment {
    /// A comment for this server.
    Skipped { end: usize },
    /// `/*! ... */`: its content is a part of the statement.
    Executable { content: usize },
    /// It never ends: the servers take the statement for a syntax error.
    Unfinished,
}

/// Reads what begins like a comment at `start`.
pub(super) fn read(text: &[u8], start: usize, modes: Modes) -> Comment {
    if text[start] != b'/' {
        let line = memchr::memchr(b'\n', &text[start..]);
        return Comment::Skipped { end: line.map_or(text.len(), |at| start + at + 1) };
    }
    let inside = start + 2;
    let head = match &text[inside..] {
        [b'!', ..] => 1,
        [b'M', b'!', ..] if modes.is_mariadb => 2,
        _ => return close(text, inside).map_or(Comment::Unfinished, |end| Comment::Skipped { end }),
    };
    let digits = version_digits(&text[inside + head..], modes);
    let content = inside + head + digits;
    if is_executed(&text[inside + head..content], head == 1, modes) {
        return Comment::Executable { content };
    }
    close_nested(text, inside).map_or(Comment::Unfinished, |end| Comment::Skipped { end })
}

/// A version has 5 or 6 digits. MySQL takes 6 only with a blank behind them; 5 are also the beginning of a longer number.
fn version_digits(text: &[u8], modes: Modes) -> usize {
    match text.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count() {
        6 if modes.is_mariadb || text.get(6).is_some_and(u8::is_ascii_whitespace) => 6,
        5 | 6 => 5,
        _ => 0,
    }
}

/// Whether this server executes a comment with this version. MariaDB does not take those of MySQL 5.7 and later for its own.
fn is_executed(version: &[u8], is_for_mysql: bool, modes: Modes) -> bool {
    let version = version.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    version <= modes.version && !(modes.is_mariadb && is_for_mysql && (50700..=99999).contains(&version))
}

/// Behind the next `*/`.
fn close(text: &[u8], from: usize) -> Option<usize> {
    memchr::memmem::find(text.get(from..)?, b"*/").map(|at| from + at + 2)
}

/// The same, with comments inside, which hold no other ones.
fn close_nested(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr::memchr2(b'*', b'/', text.get(at..)?)?;
        match text[at..] {
            [b'*', b'/', ..] => return Some(at + 2),
            [b'/', b'*', ..] => at = close(text, at + 2)?,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::dialect::Charset;

    fn modes(is_mariadb: bool) -> Modes {
        let version = if is_mariadb { 101_114 } else { 90704 };
        let (ansi_quotes, no_backslash_escapes) = (false, false);
        Modes { is_mariadb, version, ansi_quotes, no_backslash_escapes, charset: Charset::Transparent }
    }

    /// The content that is executed, and what is behind.
    fn executed(text: &str, is_mariadb: bool) -> Option<&str> {
        match read(text.as_bytes(), 0, modes(is_mariadb)) {
            Comment::Executable { content } => Some(&text[content..]),
            _ => None,
        }
    }

    /// As seen with MariaDB 10.11 and MySQL 9.7.
    #[test]
    fn versions_decide() {
        for (text, mariadb, mysql) in [
            ("/*! x */", Some(" x */"), Some(" x */")),
            ("/*!x */", Some("x */"), Some("x */")),
            ("/*!5 x */", Some("5 x */"), Some("5 x */")),
            ("/*!50000 x */", Some(" x */"), Some(" x */")),
            ("/*!50000x */", Some("x */"), Some("x */")),
            ("/*!50699 x */", Some(" x */"), Some(" x */")),
            ("/*!50700 x */", None, Some(" x */")),
            ("/*!80000 x */", None, Some(" x */")),
            ("/*!080000 x */", None, Some(" x */")),
            ("/*!99999 x */", None, None),
            ("/*!100100 x */", Some(" x */"), None),
            ("/*!100100x */", Some("x */"), Some("0x */")),
            ("/*!500001 x */", None, None),
            ("/*!500000+1 */", None, Some("0+1 */")),
            ("/*M!100100 x */", Some(" x */"), None),
            ("/*M! x */", Some(" x */"), None),
            ("/*M!80000 x */", Some(" x */"), None),
            ("/*M!120000 x */", None, None),
            ("/*+ x */", None, None),
            ("/* !x */", None, None),
        ] {
            assert_eq!(executed(text, true), mariadb, "MariaDB: {text}");
            assert_eq!(executed(text, false), mysql, "MySQL: {text}");
        }
    }

    #[test]
    fn comments_end() {
        let skipped = |text: &str| match read(text.as_bytes(), 0, modes(false)) {
            Comment::Skipped { end } => Some(text[end..].to_owned()),
            _ => None,
        };
        let rest = |text: &str| skipped(text).unwrap();
        assert_eq!(rest("/* a */b"), "b");
        assert_eq!(rest("/*/ a */b"), "b");
        assert_eq!(rest("/**/b"), "b");
        assert_eq!(rest("/* /* */b"), "b");
        assert_eq!(rest("/*!999999 a /* b */ c */d"), "d");
        assert_eq!(rest("/*!999999 a /* b /* */ c */d */"), "d */");
        assert_eq!(rest("# a\rb\nc"), "c");
        assert_eq!(rest("-- a"), "");
        for text in ["/*", "/* a", "/*/", "/*!999999 a", "/*!999999 /* */"] {
            assert_eq!(skipped(text), None, "{text}");
        }
    }
}
