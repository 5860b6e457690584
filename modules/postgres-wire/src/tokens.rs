//! Tokens of SQL as PostgreSQL reads it. Source: postgresql.org, "Lexical Structure".

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'t> {
    /// A keyword or a name without quotes.
    Word(&'t [u8]),
    /// What is between the quotes of a name, `""` as it is.
    Quoted(&'t [u8]),
    /// A string, with everything that makes it one.
    Literal(&'t [u8]),
    /// A number, with the letters that follow it.
    Number(&'t [u8]),
    /// `$1`.
    Parameter(u16),
    /// Any other character.
    Other(u8),
}

/// The tokens of a text, without comments. What is not terminated ends with the text.
#[derive(Debug, Clone)]
pub struct Tokens<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Tokens<'t> {
    /// The tokens of `text`.
    #[must_use]
    pub fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The place behind the last token, in bytes.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        loop {
            match self.rest() {
                [b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C, ..] => self.at += 1,
                [b'-', b'-', rest @ ..] => {
                    self.at += 2 + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                }
                [b'/', b'*', ..] => self.skip_comment(),
                _ => return,
            }
        }
    }

    /// Comments may be nested.
    fn skip_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.rest() {
                [b'/', b'*', ..] => (depth, self.at) = (depth + 1, self.at + 2),
                [b'*', b'/', ..] => {
                    (depth, self.at) = (depth.saturating_sub(1), self.at + 2);
                    if depth == 0 {
                        return;
                    }
                }
                [] => return,
                _ => self.at += 1,
            }
        }
    }

    /// Moves behind the closing `quote`; a doubled one does not close, nor does one after a backslash if these `escape`.
    fn skip_quoted(&mut self, quote: u8, escapes: bool) {
        loop {
            match self.rest() {
                [b'\\', _, ..] if escapes => self.at += 2,
                [first, second, ..] if *first == quote && *second == quote => self.at += 2,
                [first, ..] => {
                    self.at += 1;
                    if *first == quote {
                        return;
                    }
                }
                [] => return,
            }
        }
    }

    fn take_while(&mut self, is_part: impl Fn(u8) -> bool) -> &'t [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|byte| !is_part(*byte)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// `$tag$ ... $tag$`, `$1`, or a lonely `$`.
    fn dollar(&mut self) -> Token<'t> {
        let start = self.at;
        self.at += 1;
        if self.rest().first().is_some_and(u8::is_ascii_digit) {
            let digits = self.take_while(|byte| byte.is_ascii_digit());
            let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            return Token::Parameter(number.unwrap_or_default());
        }
        self.take_while(|byte| is_name(byte) && byte != b'$');
        if self.rest().first() != Some(&b'$') {
            self.at = start + 1;
            return Token::Other(b'$');
        }
        self.at += 1;
        let tag = self.text.get(start..self.at).unwrap_or_default();
        let end = self.rest().windows(tag.len()).position(|window| window == tag);
        self.at = end.map_or(self.text.len(), |end| self.at + end + tag.len());
        Token::Literal(self.text.get(start..self.at).unwrap_or_default())
    }
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_name(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        self.skip_blanks();
        let start = self.at;
        let literal = |tokens: &Self| Token::Literal(tokens.text.get(start..tokens.at).unwrap_or_default());
        Some(match *self.rest() {
            [] => return None,
            [b'\'', ..] => {
                self.at += 1;
                self.skip_quoted(b'\'', false);
                literal(self)
            }
            [b'E' | b'e', b'\'', ..] => {
                self.at += 2;
                self.skip_quoted(b'\'', true);
                literal(self)
            }
            [b'B' | b'b' | b'X' | b'x' | b'N' | b'n', b'\'', ..] => {
                self.at += 2;
                self.skip_quoted(b'\'', false);
                literal(self)
            }
            [b'"', ..] => {
                self.at += 1;
                self.skip_quoted(b'"', false);
                let inside = self.text.get(start + 1..self.at).unwrap_or_default();
                Token::Quoted(inside.strip_suffix(b"\"").unwrap_or(inside))
            }
            [b'$', ..] => self.dollar(),
            [byte, ..] if is_name_start(byte) => Token::Word(self.take_while(is_name)),
            [b'0'..=b'9', ..] => Token::Number(self.take_while(|byte| is_name(byte) || byte == b'.')),
            [byte, ..] => {
                self.at += 1;
                Token::Other(byte)
            }
        })
    }
}

impl Token<'_> {
    /// Whether it is this keyword, which is given in lower case.
    #[must_use]
    pub fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword.as_bytes()))
    }

    /// As a name: without quotes it is in lower case.
    #[must_use]
    pub fn name(&self) -> Option<Vec<u8>> {
        match self {
            Self::Word(word) => Some(word.to_ascii_lowercase()),
            Self::Quoted(name) => Some(name.to_vec()),
            _ => None,
        }
    }

    /// Whether it is this name.
    #[must_use]
    pub fn is_name(&self, name: &[u8]) -> bool {
        match self {
            Self::Word(word) => word.eq_ignore_ascii_case(name),
            Self::Quoted(quoted) => *quoted == name,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_those_of_postgresql() {
        let text = br#"SELECT 'a;''b' /* x /* y; */ ; */ , E'\';' -- ;
            "A "";" $$;$$ $t$;$$;$t$ a$1 $12 1.5e3 x'f;' + ;"#;
        let tokens: Vec<_> = Tokens::new(text).collect();
        assert_eq!(
            tokens,
            [
                Token::Word(b"SELECT"),
                Token::Literal(b"'a;''b'"),
                Token::Other(b','),
                Token::Literal(b"E'\\';'"),
                Token::Quoted(b"A \"\";"),
                Token::Literal(b"$$;$$"),
                Token::Literal(b"$t$;$$;$t$"),
                Token::Word(b"a$1"),
                Token::Parameter(12),
                Token::Number(b"1.5e3"),
                Token::Literal(b"x'f;'"),
                Token::Other(b'+'),
                Token::Other(b';'),
            ]
        );
    }

    #[test]
    fn what_is_not_terminated_ends_with_the_text() {
        for text in [&b"'abc"[..], b"\"abc", b"$$abc", b"$a$b$", b"/* /* */", b"E'\\", b"-- x", b"$", b"E'"] {
            let mut tokens = Tokens::new(text);
            assert!(tokens.by_ref().count() <= 2, "{text:?}");
            assert_eq!(tokens.at(), text.len());
        }
    }
}
