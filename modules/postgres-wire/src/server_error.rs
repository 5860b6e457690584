//! Errors and notices: fields, each with a letter.

use crate::bytes::Fields;

/// A code of five letters and digits.
pub type SqlState = [u8; 5];

/// What a program reads of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerError<'b> {
    /// How bad it is: `ERROR`; `FATAL` and `PANIC` end the connection. Not translated, if the server is of version 9.6 or
    /// later.
    pub severity: &'b [u8],
    /// Its code.
    pub code: SqlState,
    /// Its text, in the server's language.
    pub text: &'b [u8],
}

impl<'b> ServerError<'b> {
    /// Reads the body of an error, of which only the beginning need be there; `None` if its code is not.
    #[must_use]
    pub fn read(body: &'b [u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let (mut severity, mut code, mut text): (&[u8], _, &[u8]) = (&[], None, &[]);
        while let Some(letter) = fields.u8().filter(|letter| *letter != 0) {
            let Some(value) = fields.string() else { break };
            match letter {
                b'S' if severity.is_empty() => severity = value,
                b'V' => severity = value,
                b'C' => code = value.try_into().ok().filter(|code: &SqlState| is_code(code)),
                b'M' => text = value,
                _ => {}
            }
        }
        Some(Self { severity, code: code?, text })
    }

    /// Whether the server closes the connection.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self.severity, b"FATAL" | b"PANIC")
    }
}

fn is_code(code: &SqlState) -> bool {
    code.iter().all(|letter| letter.is_ascii_digit() || letter.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_read_where_the_text_is_cut() {
        let error = b"SFEHLER\0VERROR\0C23505\0Mdoppelter Schl\0Fnbtinsert.c\0\0";
        let read = ServerError::read(error).unwrap();
        assert_eq!((read.code, read.severity, read.is_fatal()), (*b"23505", &b"ERROR"[..], false));
        assert_eq!(read.text, b"doppelter Schl");
        assert_eq!(ServerError::read(&error[..25]).unwrap().code, *b"23505");
        assert!(ServerError::read(&error[..20]).is_none());
        assert!(ServerError::read(b"SFATAL\0C57P01\0\0").unwrap().is_fatal(), "a server of before 9.6");
        for broken in [&b""[..], b"C2350\0", b"C2350-\0", b"\0C23505\0", b"C23505"] {
            assert!(ServerError::read(broken).is_none(), "{broken:?}");
        }
    }
}
