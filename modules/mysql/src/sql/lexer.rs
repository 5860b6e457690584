//! Cuts a text into tokens.

use super::comment::{self, Comment};
use super::dialect::Modes;

/// The version of MySQL that has strings in dollars.
const DOLLAR_QUOTES_SINCE: u32 = 90_000;

/// Cuts a text into tokens. A copy of it is a place in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    modes: Modes,
    /// Inside `/*! ... */`: the next `*/` is a blank.
    in_executable: bool,
}

/// A token and where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    /// With its quotes.
    pub(super) bytes: &'t [u8],
    pub(super) start: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword, or a name without quotes.
    Word,
    /// A name in quotes.
    QuotedName,
    /// A string.
    Text,
    Number,
    /// `@name`, also with the name in quotes.
    UserVariable,
    /// `@@name`; of `@@session.name` the part before the dot.
    SystemVariable,
    /// `:=`.
    Assign,
    /// Any other character.
    Mark(u8),
    /// A string, a quoted name or a comment that never ends: the rest of the text.
    Unfinished,
    End,
}

impl Token<'_> {
    pub(super) fn end(&self) -> usize {
        self.start + self.bytes.len()
    }

    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.bytes.eq_ignore_ascii_case(keyword.as_bytes())
    }

    /// Nothing of the statement is behind it.
    pub(super) fn ends_statement(&self) -> bool {
        matches!(self.kind, Kind::Mark(b';') | Kind::End | Kind::Unfinished)
    }
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t [u8], at: usize, modes: Modes) -> Self {
        Self { text, at, modes, in_executable: false }
    }

    pub(super) fn text(&self) -> &'t [u8] {
        self.text
    }

    pub(super) fn modes(&self) -> Modes {
        self.modes
    }

    pub(super) fn in_executable(&self) -> bool {
        self.in_executable
    }

    pub(super) fn next(&mut self) -> Token<'t> {
        loop {
            let blanks = self.text[self.at..].iter().take_while(|byte| class(**byte) == Class::Blank).count();
            let start = self.at + blanks;
            let Some(&byte) = self.text.get(start) else {
                let kind = if self.in_executable { Kind::Unfinished } else { Kind::End };
                self.in_executable = false;
                return self.token(kind, start, start);
            };
            return match class(byte) {
                Class::Name => {
                    let quoted = if byte == b'$' { self.dollar_quoted(start) } else { None };
                    quoted.unwrap_or_else(|| self.token(Kind::Word, start, self.name_end(start)))
                }
                Class::Mark => self.token(Kind::Mark(byte), start, start + 1),
                Class::Digit => self.number(start),
                Class::Quote => {
                    let kind =
                        if byte == b'"' && self.modes.ansi_quotes { Kind::QuotedName } else { Kind::Text };
                    self.quoted(kind, start, start)
                }
                Class::Backquote => self.quoted(Kind::QuotedName, start, start),
                Class::Blank | Class::Other => match self.other(byte, start) {
                    Some(token) => token,
                    None => continue,
                },
            };
        }
    }

    /// A mark, a variable; nothing for a comment.
    fn other(&mut self, byte: u8, start: usize) -> Option<Token<'t>> {
        let next = self.text.get(start + 1).copied();
        let is_comment = match (byte, next) {
            (b'#', _) => true,
            (b'-', Some(b'-')) => self.text.get(start + 2).is_none_or(|&byte| byte <= b' ' || byte == 0x7F),
            (b'/', Some(b'*')) => true,
            (b'*', Some(b'/')) if self.in_executable => {
                self.in_executable = false;
                self.at = start + 2;
                return None;
            }
            (b'@', Some(b'@')) => {
                return Some(self.token(Kind::SystemVariable, start, self.name_end(start + 2)));
            }
            (b'@', Some(b'\'' | b'"' | b'`')) => {
                return Some(self.quoted(Kind::UserVariable, start, start + 1));
            }
            (b'@', _) => return Some(self.token(Kind::UserVariable, start, self.variable_end(start + 1))),
            (b':', Some(b'=')) => return Some(self.token(Kind::Assign, start, start + 2)),
            _ => false,
        };
        if !is_comment {
            return Some(self.token(Kind::Mark(byte), start, start + 1));
        }
        match comment::read(self.text, start, self.modes) {
            Comment::Skipped { end } => self.at = end,
            Comment::Executable { content } => {
                self.at = content;
                self.in_executable = true;
            }
            Comment::Unfinished => {
                self.in_executable = false;
                return Some(self.token(Kind::Unfinished, start, self.text.len()));
            }
        }
        None
    }

    fn token(&mut self, kind: Kind, start: usize, end: usize) -> Token<'t> {
        self.at = end;
        Token { kind, bytes: &self.text[start..end], start }
    }

    /// `$$ ... $$` and `$tag$ ... $tag$`: MySQL 9, for the bodies of programs in other languages.
    fn dollar_quoted(&mut self, start: usize) -> Option<Token<'t>> {
        if self.modes.is_mariadb || self.modes.version < DOLLAR_QUOTES_SINCE {
            return None;
        }
        let tag = start + 1 + memchr::memchr(b'$', &self.text[start + 1..self.name_end(start)])?;
        let quote = &self.text[start..=tag];
        Some(match memchr::memmem::find(&self.text[tag + 1..], quote) {
            Some(at) => self.token(Kind::Text, start, tag + 1 + at + quote.len()),
            None => self.token(Kind::Unfinished, start, self.text.len()),
        })
    }

    /// The end of the characters of a name.
    fn name_end(&self, start: usize) -> usize {
        self.run_end(start, |byte| matches!(class(byte), Class::Name | Class::Digit))
    }

    fn variable_end(&self, start: usize) -> usize {
        let belongs = |byte| byte == b'.' || matches!(class(byte), Class::Name | Class::Digit);
        self.run_end(start, belongs)
    }

    fn run_end(&self, start: usize, belongs: impl Fn(u8) -> bool) -> usize {
        if self.modes.charset.is_transparent() {
            let run = self.text[start..].iter().take_while(|byte| belongs(**byte)).count();
            return start + run;
        }
        let mut at = start;
        while let Some(&byte) = self.text.get(at)
            && belongs(byte)
        {
            at += self.width(at);
        }
        at
    }

    /// Bytes of the character there.
    fn width(&self, at: usize) -> usize {
        self.modes.charset.width(&self.text[at..])
    }

    /// A number, or a name that begins with digits.
    fn number(&mut self, start: usize) -> Token<'t> {
        let digits =
            |from: usize| from + self.text[from..].iter().take_while(|it| it.is_ascii_digit()).count();
        let is_digit = |at: usize| self.text.get(at).is_some_and(u8::is_ascii_digit);
        let mut end = digits(start);
        let has_fraction = self.text.get(end) == Some(&b'.') && is_digit(end + 1);
        if has_fraction {
            end = digits(end + 1);
        }
        if let Some(b'e' | b'E') = self.text.get(end) {
            let sign = usize::from(matches!(self.text.get(end + 1), Some(b'+' | b'-')));
            if is_digit(end + 1 + sign) {
                end = digits(end + 1 + sign);
            }
        }
        let whole = self.name_end(end);
        if whole == end || has_fraction {
            return self.token(Kind::Number, start, end);
        }
        let is_prefixed = matches!(&self.text[start..whole], [b'0', b'x' | b'b', ..]);
        self.token(if is_prefixed { Kind::Number } else { Kind::Word }, start, whole)
    }

    /// What is in quotes from `open` on.
    fn quoted(&mut self, kind: Kind, start: usize, open: usize) -> Token<'t> {
        let quote = self.text[open];
        let is_name = quote == b'`' || (quote == b'"' && self.modes.ansi_quotes);
        let has_escapes = !is_name && !self.modes.no_backslash_escapes;
        let mut at = open + 1;
        loop {
            let Some(found) = self.find(at, quote, has_escapes) else {
                return self.token(Kind::Unfinished, start, self.text.len());
            };
            let is_doubled = self.text.get(found + 1) == Some(&quote);
            if self.text[found] == quote && !is_doubled {
                return self.token(kind, start, found + 1);
            }
            // An escaped byte, or a doubled quote.
            at = found + 2;
        }
    }

    /// The next quote, or backslash if those matter.
    fn find(&self, from: usize, quote: u8, has_escapes: bool) -> Option<usize> {
        let rest = self.text.get(from..)?;
        if self.modes.charset.is_transparent() {
            let found =
                if has_escapes { memchr::memchr2(quote, b'\\', rest) } else { memchr::memchr(quote, rest) };
            return found.map(|at| from + at);
        }
        let mut at = from;
        while let Some(&byte) = self.text.get(at) {
            let width = self.width(at);
            if width == 1 && (byte == quote || (has_escapes && byte == b'\\')) {
                return Some(at);
            }
            at += width;
        }
        None
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// A NUL too: the servers refuse it inside of a statement.
    Blank,
    Name,
    Digit,
    Quote,
    Backquote,
    /// Nothing but itself.
    Mark,
    /// It may begin a comment, a variable or `:=`; or it is a mark.
    Other,
}

fn class(byte: u8) -> Class {
    CLASSES[usize::from(byte)]
}

static CLASSES: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut classes = [Class::Mark; 256];
    let mut byte = 0;
    while byte < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "it is below 256")]
        let class = match byte as u8 {
            b' ' | b'\t' | b'\n' | 0x0B | 0x0C | b'\r' | 0 => Class::Blank,
            b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'$' | 0x80..=0xFF => Class::Name,
            b'0'..=b'9' => Class::Digit,
            b'\'' | b'"' => Class::Quote,
            b'`' => Class::Backquote,
            b'/' | b'*' | b'-' | b'#' | b'@' | b':' => Class::Other,
            _ => Class::Mark,
        };
        classes[byte] = class;
        byte += 1;
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::dialect::Charset;

    const MODES: Modes = Modes {
        is_mariadb: false,
        version: 90700,
        ansi_quotes: false,
        no_backslash_escapes: false,
        charset: Charset::Transparent,
    };

    fn kinds_in(text: &[u8], modes: Modes) -> Vec<(Kind, String)> {
        let mut lexer = Lexer::new(text, 0, modes);
        let mut kinds = Vec::new();
        loop {
            let token = lexer.next();
            if token.kind == Kind::End {
                return kinds;
            }
            kinds.push((token.kind, String::from_utf8_lossy(token.bytes).into_owned()));
        }
    }

    fn words_in(text: &[u8], modes: Modes) -> String {
        kinds_in(text, modes).into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>().join("|")
    }

    fn kinds(text: &str) -> Vec<(Kind, String)> {
        kinds_in(text.as_bytes(), MODES)
    }

    fn words(text: &str) -> String {
        words_in(text.as_bytes(), MODES)
    }

    #[test]
    fn words_and_numbers() {
        assert_eq!(words("SELECT a$1,_b FROM 1a.2b"), "SELECT|a$1|,|_b|FROM|1a|.|2b");
        for number in ["1", "1.5", "1e5", "1.5E-3", "0x1F", "0b01"] {
            assert_eq!(kinds(number), [(Kind::Number, number.to_owned())]);
        }
        assert_eq!(kinds("1a")[0].0, Kind::Word);
        assert_eq!(words("1..2"), "1|.|.|2");
    }

    #[test]
    fn strings_end_where_the_server_ends_them() {
        assert_eq!(words(r"'a''b' 'a\';' x"), r"'a''b'|'a\';'|x");
        assert_eq!(words(r#""a;""b" `c\` x"#), r#""a;""b"|`c\`|x"#);
        assert_eq!(words(r"'\\' x"), r"'\\'|x");
        let no_escapes = Modes { no_backslash_escapes: true, ..MODES };
        assert_eq!(words_in(br"'\' x", no_escapes), r"'\'|x");
        let ansi = Modes { ansi_quotes: true, ..MODES };
        assert_eq!(kinds_in(br#""a\" x"#, ansi)[0], (Kind::QuotedName, r#""a\""#.to_owned()));
    }

    #[test]
    fn what_never_ends_is_said_once() {
        for text in ["'a", "'a\\", "`a", "\"a;", "@'a", "/* a", "/*!50000 1", "/*!999999 a", "/*! /* 1 */"] {
            let kinds = kinds(text);
            assert_eq!(kinds.last().unwrap().0, Kind::Unfinished, "{text}");
            assert_eq!(kinds.iter().filter(|(kind, _)| *kind == Kind::Unfinished).count(), 1, "{text}");
        }
    }

    #[test]
    fn variables() {
        assert_eq!(
            words("@a.b:=1 @'x y',@`q` @@session.x @@y @"),
            "@a.b|:=|1|@'x y'|,|@`q`|@@session|.|x|@@y|@"
        );
        assert_eq!(kinds("@\u{e9}")[0], (Kind::UserVariable, "@\u{e9}".to_owned()));
    }

    #[test]
    fn dollars_quote_in_mysql_9() {
        let mariadb = Modes { is_mariadb: true, version: 101_114, ..MODES };
        assert_eq!(words("AS $$ a; ' $$; x"), "AS|$$ a; ' $$|;|x");
        assert_eq!(words("$a1$ ; $$ $a$ $a1$ x"), "$a1$ ; $$ $a$ $a1$|x");
        assert_eq!(kinds("$a$ x").last().unwrap().0, Kind::Unfinished);
        assert_eq!(words("$a b$ t$$x 1$$"), "$a|b$|t$$x|1$$");
        assert_eq!(words_in(b"$$a;", mariadb), "$$a|;");
    }

    #[test]
    fn a_character_of_two_bytes_may_end_with_a_backslash() {
        // 0x95 0x5C is one character in gbk and sjis, and ends nothing in a quoted name either.
        let text = b"'\x95\x5c' x";
        assert!(kinds_in(text, MODES)[0].0 == Kind::Unfinished);
        for charset in [Charset::Gbk, Charset::Sjis, Charset::Gb18030] {
            let modes = Modes { charset, ..MODES };
            assert_eq!(kinds_in(text, modes).len(), 2);
            assert_eq!(kinds_in(b"`\x95\x60` x", modes).len(), 2);
            assert_eq!(kinds_in(b"\x95\x60 x", modes).len(), 2);
        }
        let modes = Modes { charset: Charset::Big5, ..MODES };
        assert_eq!(kinds_in(b"'\xa5\x5c' x", modes).len(), 2);
        // The server skips one byte behind a backslash.
        assert_eq!(kinds_in(b"'\\\xa5\x5c' x'", modes).len(), 1);
    }
}
