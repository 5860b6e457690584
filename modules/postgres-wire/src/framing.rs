//! Messages in a stream: a type byte and a length, which counts itself.

use thiserror::Error;

/// The length of a message's head: its type and its length, in bytes.
pub const HEAD: usize = 5;

/// The longest message: PostgreSQL allocates no more than 1 GiB, in bytes.
const LARGE: u32 = (1 << 30) - 2;

/// The longest message of a client's kinds that carry names only, in bytes (`PQ_SMALL_MESSAGE_LIMIT`).
const SMALL: u32 = 10_000;

/// The longest password message, in bytes (`PG_MAX_AUTH_TOKEN_LENGTH`).
const TOKEN: u32 = 65_535;

/// The longest message of a server's kinds that carry no data, in bytes: libpq takes a longer one for garbage.
const CONTROL: u32 = 30_000;

/// The bytes are not of this protocol, or the place in the stream is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the bytes are no message of PostgreSQL's protocol")]
pub struct NotPostgres;

/// The head of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its type.
    pub kind: u8,
    /// The length of what follows the head, in bytes.
    pub body: u32,
}

impl Head {
    /// The head that begins `bytes`, of a client's message; `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// If no message of a client begins here: found by the first byte that shows it.
    #[inline]
    pub fn of_frontend(bytes: &[u8]) -> Result<Option<Self>, NotPostgres> {
        Self::read(bytes, frontend_limit)
    }

    /// The same of a server's message.
    ///
    /// # Errors
    ///
    /// If no message of a server begins here.
    #[inline]
    pub fn of_backend(bytes: &[u8]) -> Result<Option<Self>, NotPostgres> {
        Self::read(bytes, backend_limit)
    }

    /// The length of the message with its head, in bytes.
    #[must_use]
    pub fn message(&self) -> usize {
        HEAD + self.body as usize
    }

    #[inline]
    fn read(bytes: &[u8], limit: fn(u8) -> Option<u32>) -> Result<Option<Self>, NotPostgres> {
        let Some((&kind, rest)) = bytes.split_first() else { return Ok(None) };
        let limit = limit(kind).ok_or(NotPostgres)?;
        let Some(&length) = rest.first_chunk() else {
            // The first byte of a length that is too great is sufficient: garbage is not waited for.
            let most = limit.to_be_bytes();
            return if rest.iter().zip(most).next().is_some_and(|(byte, most)| *byte > most) {
                Err(NotPostgres)
            } else {
                Ok(None)
            };
        };
        match u32::from_be_bytes(length) {
            length if length >= 4 && length <= limit => Ok(Some(Self { kind, body: length - 4 })),
            _ => Err(NotPostgres),
        }
    }
}

/// The greatest length of a client's message; `None` if there is none of this type.
#[inline]
fn frontend_limit(kind: u8) -> Option<u32> {
    Some(match kind {
        b'Q' | b'P' | b'B' | b'F' | b'd' => LARGE,
        b'C' | b'D' | b'E' | b'H' | b'S' | b'X' | b'c' | b'f' => SMALL,
        b'p' => TOKEN,
        _ => return None,
    })
}

/// The greatest length of a server's message; `None` if there is none of this type.
#[inline]
fn backend_limit(kind: u8) -> Option<u32> {
    Some(match kind {
        b'D' | b'd' | b'T' | b't' | b'V' | b'E' | b'N' | b'A' => LARGE,
        b'R' | b'S' | b'K' | b'Z' | b'C' | b'1' | b'2' | b'3' | b'I' | b'n' | b's' | b'G' | b'H' | b'W'
        | b'c' | b'v' => CONTROL,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_a_known_type_and_a_bounded_length() {
        assert_eq!(Head::of_frontend(b"Q\0\0\0\x05\0"), Ok(Some(Head { kind: b'Q', body: 1 })));
        assert_eq!(Head::of_frontend(b"S\0\0\0\x04").unwrap().unwrap().message(), 5);
        for incomplete in [&b""[..], b"Q", b"Q\0", b"Q\0\0\0"] {
            assert_eq!(Head::of_frontend(incomplete), Ok(None), "{incomplete:?}");
        }
        for garbage in [
            &b"GET"[..],
            b"\x16\x03",
            b"Q\0\0\0\x03",
            // HTTP's "PUT" and "DELETE" begin like messages, and are told by the second byte.
            b"PU",
            b"DE",
            b"S\0\0\x27\x11",
            b"p\0\x01\0\0",
            b"Q\x40\0\0\0",
        ] {
            assert_eq!(Head::of_frontend(garbage), Err(NotPostgres), "{garbage:?}");
        }
        assert_eq!(Head::of_backend(b"Z\0\0\0\x05I"), Ok(Some(Head { kind: b'Z', body: 1 })));
        for garbage in [&b"Q\0"[..], b"Z\0\0\x80\0", b"HTTP/1.1", b"R\xff"] {
            assert_eq!(Head::of_backend(garbage), Err(NotPostgres), "{garbage:?}");
        }
    }
}
