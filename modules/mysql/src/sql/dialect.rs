//! How a server reads a text.

use super::constant::evaluate;
use super::effect::{Assignment, Target, Variable};

/// How the server that runs a text reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) is_mariadb: bool,
    /// 80032 is 8.0.32, 101104 is 10.11.4.
    pub(crate) version: u32,
    /// `sql_mode`: `"` quotes a name, and not a string. `None`: unknown.
    pub(crate) ansi_quotes: Option<bool>,
    /// `sql_mode`: a backslash in a string is a character as any other. `None`: unknown.
    pub(crate) no_backslash_escapes: Option<bool>,
    pub(crate) charset: Charset,
    /// The client may send several statements in one packet. If unknown: it may.
    pub(crate) several: bool,
    /// The current database is `mysql`: a table `user` is one of the tables of accounts.
    pub(crate) in_mysql: bool,
}

/// What the lexer must know: a dialect of which all is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Modes {
    pub(super) is_mariadb: bool,
    pub(super) version: u32,
    pub(super) ansi_quotes: bool,
    pub(super) no_backslash_escapes: bool,
    pub(super) charset: Charset,
}

/// A character set of the client, as far as the ends of strings depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Charset {
    /// No byte below 0x80 is a part of a longer character: UTF-8, Latin 1, and most others.
    #[default]
    Transparent,
    /// In these the second byte of a character may be a backslash, a backquote or a letter.
    Big5,
    Gbk,
    Gb18030,
    /// Also cp932.
    Sjis,
}

const ANSI_QUOTES: u64 = 1 << 2;
const NO_BACKSLASH_ESCAPES: u64 = 1 << 20;

impl Dialect {
    /// After the client has made this assignment. `known` tells the values of variables.
    #[must_use]
    pub(crate) fn after(
        self,
        assignment: &Assignment<'_>,
        known: &dyn Fn(&Variable<'_>) -> Option<Vec<u8>>,
    ) -> Self {
        let is = |name: &[u8], one: &str| name.eq_ignore_ascii_case(one.as_bytes());
        match &assignment.target {
            Target::Session(name) if is(name.bytes(), "sql_mode") => {
                let known_or_mode = |variable: &Variable<'_>| {
                    known(variable).or_else(|| match variable {
                        Variable::Session(name) if is(name.bytes(), "sql_mode") => self.mode_names(),
                        _ => None,
                    })
                };
                match evaluate(assignment.expression, self, &known_or_mode) {
                    Some(value) => self.with_sql_mode(&value),
                    None => Self { ansi_quotes: None, no_backslash_escapes: None, ..self },
                }
            }
            Target::Session(name) if is(name.bytes(), "character_set_client") => {
                let value = evaluate(assignment.expression, self, known).unwrap_or_default();
                let id = std::str::from_utf8(&value).ok().and_then(|value| value.parse().ok());
                Self { charset: id.map_or_else(|| Charset::named(&value), Charset::of_collation), ..self }
            }
            Target::Names | Target::CharacterSet => {
                let value = evaluate(assignment.expression, self, known).unwrap_or_default();
                Self { charset: Charset::named(&value), ..self }
            }
            _ => self,
        }
    }

    /// With this value of `sql_mode`: a list of names, or a number.
    #[must_use]
    pub(crate) fn with_sql_mode(self, value: &[u8]) -> Self {
        let number = std::str::from_utf8(value).ok().and_then(|value| value.parse::<u64>().ok());
        let has = |bit: u64, names: &[&str]| match number {
            Some(number) => number & bit != 0,
            None => value
                .split(|&byte| byte == b',')
                .any(|mode| names.iter().any(|name| mode.eq_ignore_ascii_case(name.as_bytes()))),
        };
        // The combinations of other systems are MariaDB's.
        let ansi = ["ANSI_QUOTES", "ANSI", "ORACLE", "DB2", "MAXDB", "MSSQL", "POSTGRESQL"];
        Self {
            ansi_quotes: Some(has(ANSI_QUOTES, &ansi)),
            no_backslash_escapes: Some(has(NO_BACKSLASH_ESCAPES, &["NO_BACKSLASH_ESCAPES"])),
            ..self
        }
    }

    /// The two modes as a value of `sql_mode`, if they are known.
    fn mode_names(self) -> Option<Vec<u8>> {
        let quotes = if self.ansi_quotes? { "ANSI_QUOTES" } else { "" };
        let escapes = if self.no_backslash_escapes? { ",NO_BACKSLASH_ESCAPES" } else { "" };
        Some([quotes, escapes].concat().into_bytes())
    }

    /// One of the readings that are possible.
    pub(super) fn modes(self) -> Modes {
        Modes {
            is_mariadb: self.is_mariadb,
            version: self.version,
            ansi_quotes: self.ansi_quotes.unwrap_or_default(),
            no_backslash_escapes: self.no_backslash_escapes.unwrap_or_default(),
            charset: self.charset,
        }
    }

    /// The dialects that it may be, as far as that matters to this text.
    pub(super) fn candidates(self, text: &[u8]) -> impl Iterator<Item = Self> {
        const KNOWN: [bool; 2] = [false, true];
        let options = move |mode: Option<bool>, byte: u8| match mode {
            None if memchr::memchr(byte, text).is_some() => KNOWN.into_iter().take(2),
            _ => KNOWN.into_iter().take(1),
        };
        let or = |mode: Option<bool>, guess: bool| Some(mode.unwrap_or(guess));
        options(self.ansi_quotes, b'"').flat_map(move |quotes| {
            options(self.no_backslash_escapes, b'\\').map(move |escapes| Self {
                ansi_quotes: or(self.ansi_quotes, quotes),
                no_backslash_escapes: or(self.no_backslash_escapes, escapes),
                ..self
            })
        })
    }
}

impl Charset {
    /// By the name of a character set or of a collation.
    pub(crate) fn named(name: &[u8]) -> Self {
        let name = name.split(|&byte| byte == b'_').next().unwrap_or_default();
        let is = |one: &str| name.eq_ignore_ascii_case(one.as_bytes());
        match () {
            () if is("big5") => Self::Big5,
            () if is("gbk") => Self::Gbk,
            () if is("gb18030") => Self::Gb18030,
            () if is("sjis") || is("cp932") => Self::Sjis,
            () => Self::Transparent,
        }
    }

    /// By the id of a collation, as in a login.
    pub(crate) fn of_collation(id: u16) -> Self {
        match id {
            1 | 84 => Self::Big5,
            13 | 88 | 95 | 96 => Self::Sjis,
            28 | 87 => Self::Gbk,
            248..=250 => Self::Gb18030,
            _ => Self::Transparent,
        }
    }

    pub(super) fn is_transparent(self) -> bool {
        self == Self::Transparent
    }

    /// Bytes of the first character; 1 for what is none.
    pub(super) fn width(self, text: &[u8]) -> usize {
        let is_pair = match (self, text) {
            (Self::Transparent, _) | (_, [] | [_]) => false,
            (Self::Gb18030, &[0x81..=0xFE, b'0'..=b'9', 0x81..=0xFE, b'0'..=b'9', ..]) => return 4,
            (Self::Gbk | Self::Gb18030, &[first, second, ..]) => {
                matches!(first, 0x81..=0xFE) && matches!(second, 0x40..=0x7E | 0x80..=0xFE)
            }
            (Self::Big5, &[first, second, ..]) => {
                matches!(first, 0xA1..=0xF9) && matches!(second, 0x40..=0x7E | 0xA1..=0xFE)
            }
            (Self::Sjis, &[first, second, ..]) => {
                matches!(first, 0x81..=0x9F | 0xE0..=0xFC) && matches!(second, 0x40..=0x7E | 0x80..=0xFC)
            }
        };
        1 + usize::from(is_pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALECT: Dialect = Dialect {
        is_mariadb: true,
        version: 101_114,
        ansi_quotes: Some(false),
        no_backslash_escapes: Some(false),
        charset: Charset::Transparent,
        several: true,
        in_mysql: false,
    };

    #[test]
    fn modes_are_read_from_names_and_numbers() {
        for (value, quotes, escapes) in [
            ("", false, false),
            ("ansi_quotes,", true, false),
            ("STRICT_TRANS_TABLES,NO_BACKSLASH_ESCAPES", false, true),
            ("ANSI", true, false),
            ("ORACLE", true, false),
            ("4", true, false),
            ("1048576", false, true),
            ("1048580", true, true),
            ("NO_ANSI_QUOTES", false, false),
        ] {
            let dialect = DIALECT.with_sql_mode(value.as_bytes());
            assert_eq!(dialect.ansi_quotes, Some(quotes), "{value}");
            assert_eq!(dialect.no_backslash_escapes, Some(escapes), "{value}");
        }
    }

    #[test]
    fn unknown_modes_give_several_readings_of_texts_where_they_matter() {
        let unknown = Dialect { ansi_quotes: None, no_backslash_escapes: None, ..DIALECT };
        let count = |text: &[u8]| unknown.candidates(text).count();
        assert_eq!(count(b"SELECT 'a'"), 1);
        assert_eq!(count(b"SELECT \"a\""), 2);
        assert_eq!(count(b"SELECT 'a\\b'"), 2);
        assert_eq!(count(b"SELECT \"a\\b\""), 4);
        assert_eq!(DIALECT.candidates(b"SELECT \"a\\b\"").count(), 1);
    }

    #[test]
    fn charsets_by_name_and_by_id() {
        assert_eq!(Charset::named(b"GBK"), Charset::Gbk);
        assert_eq!(Charset::named(b"gbk_chinese_ci"), Charset::Gbk);
        assert_eq!(Charset::named(b"cp932"), Charset::Sjis);
        assert_eq!(Charset::named(b"utf8mb4"), Charset::Transparent);
        assert_eq!(Charset::of_collation(28), Charset::Gbk);
        assert_eq!(Charset::of_collation(45), Charset::Transparent);
        assert_eq!(Charset::Gb18030.width(b"\x81\x30\x81\x30"), 4);
        assert_eq!(Charset::Gbk.width(b"\x81"), 1);
    }
}
