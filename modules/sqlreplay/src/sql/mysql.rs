//! Tokens of SQL as MySQL and MariaDB read it with their usual modes. Source: dev.mysql.com, "Language Structure".

use postgres_wire::tokens::Token;

#[derive(Debug, Clone)]
pub(crate) struct Mysql<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Mysql<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        loop {
            match self.rest() {
                [b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C, ..] => self.at += 1,
                // What a server executes in a comment is no comment. Its end is none of a name, either.
                [b'/', b'*', b'!', ..] => self.skip_version(3),
                [b'/', b'*', b'M', b'!', ..] => self.skip_version(4),
                [b'*', b'/', ..] => self.at += 2,
                [b'/', b'*', rest @ ..] => {
                    let end = rest.windows(2).position(|two| two == b"*/");
                    self.at += end.map_or(rest.len(), |end| end + 2) + 2;
                }
                [b'#', ..] => self.skip_line(),
                [b'-', b'-', rest @ ..] if rest.first().is_none_or(|byte| *byte <= b' ') => self.skip_line(),
                _ => return,
            }
        }
    }

    fn skip_version(&mut self, before: usize) {
        self.at += before;
        self.take_while(|byte| byte.is_ascii_digit());
    }

    fn skip_line(&mut self) {
        self.take_while(|byte| byte != b'\n');
    }

    /// Moves behind the closing quote.
    fn skip_quoted(&mut self, quote: u8, escapes: bool) {
        self.at += 1;
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
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

impl<'t> Iterator for Mysql<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        self.skip_blanks();
        let start = self.at;
        let since = |tokens: &Self| tokens.text.get(start..tokens.at).unwrap_or_default();
        Some(match *self.rest() {
            [] => return None,
            // Quotation marks are strings, but for ANSI_QUOTES.
            [quote @ (b'\'' | b'"'), ..] => {
                self.skip_quoted(quote, true);
                Token::Literal(since(self))
            }
            [b'B' | b'b' | b'X' | b'x' | b'N' | b'n', b'\'', ..] => {
                self.at += 1;
                self.skip_quoted(b'\'', true);
                Token::Literal(since(self))
            }
            [b'`', ..] => {
                self.skip_quoted(b'`', false);
                let inside = since(self).get(1..).unwrap_or_default();
                Token::Quoted(inside.strip_suffix(b"`").unwrap_or(inside))
            }
            [b'?', ..] => {
                self.at += 1;
                Token::Parameter(0)
            }
            [b'0'..=b'9', ..] => {
                let number = self.take_while(|byte| is_name(byte) || byte == b'.');
                // Names may begin with digits.
                let is_number =
                    number.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b'x'));
                if is_number { Token::Number(number) } else { Token::Word(number) }
            }
            [byte, ..] if is_name(byte) => Token::Word(self.take_while(is_name)),
            [byte, ..] => {
                self.at += 1;
                Token::Other(byte)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_as_the_servers_cut_it() {
        let tokens: Vec<String> = Mysql::new(
            b"SELECT 'it\\'s', \"a\"\"b\", `c``d`, 0x1F, 1st, ? # x'\n-- y\n--1 /* 'z */ /*!50000 FROM*/ t /*M! x*/ N'u",
        )
        .map(|token| match token {
            Token::Word(text) => format!("w{}", String::from_utf8_lossy(text)),
            Token::Literal(text) => format!("l{}", String::from_utf8_lossy(text)),
            Token::Quoted(text) => format!("q{}", String::from_utf8_lossy(text)),
            Token::Number(text) => format!("n{}", String::from_utf8_lossy(text)),
            Token::Parameter(_) => "?".to_owned(),
            Token::Other(byte) => char::from(byte).to_string(),
        })
        .collect();
        assert_eq!(
            tokens.join(" "),
            "wSELECT l'it\\'s' , l\"a\"\"b\" , qc``d , n0x1F , w1st , ? - - n1 wFROM wt wx lN'u"
        );
        for cut in 0..60 {
            let text = &b"SELECT 'a\\'b' /* c */ /*! d */ `e` -- f\n # g"[..cut.min(43)];
            assert!(Mysql::new(text).count() <= text.len());
        }
    }
}
