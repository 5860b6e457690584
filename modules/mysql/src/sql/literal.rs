//! The bytes that strings and names in quotes stand for.

use std::borrow::Cow;

use super::dialect::Modes;
use super::lexer::{Kind, Token};

/// A name without its quotes, or the text of a string.
pub(super) fn unquoted<'t>(token: &Token<'t>, modes: Modes) -> Cow<'t, [u8]> {
    let bytes = match token.kind {
        Kind::UserVariable => &token.bytes[1..],
        Kind::SystemVariable => &token.bytes[2..],
        _ => token.bytes,
    };
    let (Some(&quote @ (b'\'' | b'"' | b'`')), true) = (bytes.first(), bytes.len() >= 2) else {
        return Cow::Borrowed(bytes);
    };
    let inside = &bytes[1..bytes.len() - 1];
    let is_name = quote == b'`' || (quote == b'"' && modes.ansi_quotes);
    let has_escapes = !is_name && !modes.no_backslash_escapes;
    if inside.contains(&quote) || (has_escapes && inside.contains(&b'\\')) {
        return Cow::Owned(unescaped(inside, quote, has_escapes, modes));
    }
    Cow::Borrowed(inside)
}

fn unescaped(inside: &[u8], quote: u8, has_escapes: bool, modes: Modes) -> Vec<u8> {
    let mut text = Vec::with_capacity(inside.len());
    let mut at = 0;
    while at < inside.len() {
        let width = modes.charset.width(&inside[at..]);
        match inside[at] {
            b'\\' if has_escapes && at + 1 < inside.len() => {
                let byte = inside[at + 1];
                // In a pattern of LIKE these two keep their backslash.
                if let b'%' | b'_' = byte {
                    text.push(b'\\');
                }
                text.push(escaped(byte));
                at += 2;
            }
            byte if byte == quote && width == 1 => {
                text.push(quote);
                at += 2;
            }
            _ => {
                text.extend_from_slice(&inside[at..at + width]);
                at += width;
            }
        }
    }
    text
}

fn escaped(byte: u8) -> u8 {
    match byte {
        b'0' => 0,
        b'b' => 8,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'Z' => 0x1A,
        byte => byte,
    }
}

/// The bytes of `x'...'` and `0x...`.
pub(super) fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let value = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (odd, pairs) = digits.split_at(digits.len() % 2);
    let first = odd.first().map(value);
    let rest = pairs.chunks(2).map(|pair| Some(value(&pair[0])? << 4 | value(&pair[1])?));
    first.into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::dialect::Charset;
    use crate::sql::lexer::Lexer;

    fn modes(no_backslash_escapes: bool, charset: Charset) -> Modes {
        Modes { is_mariadb: false, version: 90700, ansi_quotes: false, no_backslash_escapes, charset }
    }

    fn decoded(text: &[u8], modes: Modes) -> Vec<u8> {
        unquoted(&Lexer::new(text, 0, modes).next(), modes).into_owned()
    }

    #[test]
    fn escapes_are_undone_as_the_servers_do() {
        let plain = modes(false, Charset::Transparent);
        assert_eq!(decoded(br"'\0\b\n\r\t\Z\_\%\q\\'", plain), b"\0\x08\n\r\t\x1a\\_\\%q\\");
        assert_eq!(decoded(b"'a''b'", plain), b"a'b");
        assert_eq!(decoded(b"'a\"\"b'", plain), b"a\"\"b");
        assert_eq!(decoded(b"`a``b\\`", plain), b"a`b\\");
        assert_eq!(decoded(b"@'a b'", plain), b"a b");
        assert_eq!(decoded(b"@a.b", plain), b"a.b");
        assert_eq!(decoded(b"@@session", plain), b"session");
        assert_eq!(decoded(br"'\n''\'", modes(true, Charset::Transparent)), br"\n'\");
        assert_eq!(decoded(b"'\x95\x5cn\\n'", modes(false, Charset::Gbk)), b"\x95\x5cn\n");
    }

    #[test]
    fn hexadecimal_digits() {
        assert_eq!(hex(b"4142"), Some(b"AB".to_vec()));
        assert_eq!(hex(b"142"), Some(b"\x01B".to_vec()));
        assert_eq!(hex(b""), Some(Vec::new()));
        assert_eq!(hex(b"4g"), None);
    }
}
