//! The first message of a connection, which has a length and no type.

use thiserror::Error;

use crate::bytes::{Fields, string, with_length};

/// The longest first message, in bytes (`MAX_STARTUP_PACKET_LENGTH`).
pub const LENGTH_MAX: usize = 10_000;

const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;

/// The longest key of a CancelRequest, in bytes.
const KEY_MAX: usize = 256;

/// A first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening<'b> {
    /// The client asks for TLS. The server answers with one byte; after `N` another first message follows.
    Ssl,
    /// The client asks for encryption by GSSAPI, in the same way.
    GssEnc,
    /// The client wants another connection's statement to be cancelled.
    Cancel {
        /// The process that serves the connection.
        pid: u32,
        /// The secret that the server gave that connection: 4 bytes, with protocol 3.2 up to 256.
        key: &'b [u8],
    },
    /// The client begins a session.
    Startup(Startup<'b>),
}

/// The start of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Startup<'b> {
    /// The protocol version is 3 and this.
    pub minor: u16,
    /// Names and values, with the zero byte at their end.
    parameters: &'b [u8],
}

/// Why a connection's first bytes are no first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoOpening {
    /// It begins with TLS, without asking.
    #[error("the client speaks TLS")]
    Tls,
    /// Tokens of GSSAPI, after the server has agreed.
    #[error("the client speaks GSSAPI")]
    Gss,
    /// A version before 3.
    #[error("the client speaks version {0} of the protocol, from before PostgreSQL 7.4")]
    Old(u16),
    /// Another protocol.
    #[error("the connection's first bytes are not PostgreSQL's protocol")]
    NotPostgres,
}

impl<'b> Opening<'b> {
    /// The first message that begins `bytes`, and its length; `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// If none begins here: found by the first byte that shows it.
    pub fn read(bytes: &'b [u8]) -> Result<Option<(Self, usize)>, NoOpening> {
        match *bytes {
            [0x16, ..] => return Err(NoOpening::Tls),
            // Lengths up to the limit begin so.
            [0, 0, high, ..] if usize::from(high) > LENGTH_MAX >> 8 => return Err(NoOpening::NotPostgres),
            [] | [0] | [0, 0, ..] => {}
            _ => return Err(NoOpening::NotPostgres),
        }
        let mut fields = Fields(bytes);
        let Some(length) = fields.u32() else { return Ok(None) };
        let length = length as usize;
        if !(8..=LENGTH_MAX).contains(&length) {
            return Err(NoOpening::NotPostgres);
        }
        // The code tells by its first byte, too: nothing longer is waited for.
        check_code(fields.0.get(..4).unwrap_or(fields.0))?;
        let Some(mut fields) = bytes.get(4..length).map(Fields) else { return Ok(None) };
        let opening = match fields.u32() {
            Some(SSL_REQUEST) if length == 8 => Self::Ssl,
            Some(GSSENC_REQUEST) if length == 8 => Self::GssEnc,
            Some(CANCEL_REQUEST) if (16..=12 + KEY_MAX).contains(&length) => {
                let pid = fields.u32().ok_or(NoOpening::NotPostgres)?;
                Self::Cancel { pid, key: fields.0 }
            }
            Some(version) if version >> 16 == 3 => {
                let startup = Startup { minor: version as u16, parameters: fields.0 };
                startup.check().ok_or(NoOpening::NotPostgres)?;
                Self::Startup(startup)
            }
            _ => return Err(NoOpening::NotPostgres),
        };
        Ok(Some((opening, length)))
    }

    /// Appends it to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let code = |out: &mut Vec<u8>, code: u32| out.extend_from_slice(&code.to_be_bytes());
        with_length(out, |out| match self {
            Self::Ssl => code(out, SSL_REQUEST),
            Self::GssEnc => code(out, GSSENC_REQUEST),
            Self::Cancel { pid, key } => {
                code(out, CANCEL_REQUEST);
                code(out, *pid);
                out.extend_from_slice(key);
            }
            Self::Startup(startup) => {
                code(out, 3 << 16 | u32::from(startup.minor));
                out.extend_from_slice(startup.parameters);
            }
        });
    }
}

/// The version, or the code of a request, as far as it is there.
fn check_code(code: &[u8]) -> Result<(), NoOpening> {
    match *code {
        [] | [0] | [0, 3, ..] => Ok(()),
        [0, major @ 1..=2, ..] => Err(NoOpening::Old(major.into())),
        [0x04] | [0x04, 0xD2, ..] => Ok(()),
        // The tag of an initial token.
        [0x60, ..] => Err(NoOpening::Gss),
        _ => Err(NoOpening::NotPostgres),
    }
}

impl<'b> Startup<'b> {
    /// Pairs of strings, then a zero byte.
    fn check(&self) -> Option<()> {
        let mut fields = Fields(self.parameters);
        while !fields.string()?.is_empty() {
            fields.string()?;
        }
        fields.end()
    }

    /// The parameters, in order. Their names may occur more than once: the last one counts.
    pub fn parameters(&self) -> impl Iterator<Item = (&'b [u8], &'b [u8])> {
        let mut fields = Fields(self.parameters);
        std::iter::from_fn(move || {
            let name = fields.string().filter(|name| !name.is_empty())?;
            Some((name, fields.string()?))
        })
    }

    /// The value of the parameter.
    #[must_use]
    pub fn parameter(&self, name: &[u8]) -> Option<&'b [u8]> {
        self.parameters().filter(|(it, _)| *it == name).last().map(|(_, value)| value)
    }
}

/// Appends the start of a session with these parameters to `out`. Names and values must not contain zero bytes.
pub fn write_startup<'p>(
    minor: u16,
    parameters: impl IntoIterator<Item = (&'p [u8], &'p [u8])>,
    out: &mut Vec<u8>,
) {
    with_length(out, |out| {
        out.extend_from_slice(&(3 << 16 | u32::from(minor)).to_be_bytes());
        for (name, value) in parameters {
            string(out, name);
            string(out, value);
        }
        out.push(0);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn startup(minor: u16) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_startup(
            minor,
            [(&b"user"[..], &b"app"[..]), (b"database", b"shop"), (b"user", b"b")],
            &mut bytes,
        );
        bytes
    }

    #[test]
    fn first_messages_are_read_and_written_again() {
        let key = [7; 256];
        for (opening, length) in [
            (Opening::Ssl, 8),
            (Opening::GssEnc, 8),
            (Opening::Cancel { pid: 9, key: &key[..4] }, 16),
            (Opening::Cancel { pid: 9, key: &key }, 268),
        ] {
            let mut bytes = Vec::new();
            opening.write(&mut bytes);
            assert_eq!(Opening::read(&bytes), Ok(Some((opening, length))));
            (0..length).for_each(|cut| assert_eq!(Opening::read(&bytes[..cut]), Ok(None)));
        }
        for minor in [0, 2, 9999] {
            let bytes = startup(minor);
            let Ok(Some((Opening::Startup(start), length))) = Opening::read(&bytes) else {
                panic!("{bytes:?}")
            };
            assert_eq!((start.minor, length), (minor, bytes.len()));
            assert_eq!((start.parameter(b"user"), start.parameter(b"options")), (Some(&b"b"[..]), None));
            assert_eq!(start.parameters().count(), 3);
            let mut again = Vec::new();
            Opening::Startup(start).write(&mut again);
            assert_eq!(again, bytes);
        }
    }

    #[test]
    fn other_protocols_are_told_by_their_first_bytes() {
        for (bytes, expected) in [
            (&b"G"[..], NoOpening::NotPostgres),
            (b"@RSYNCD: 31.0\n", NoOpening::NotPostgres),
            // A client of MySQL: length (little-endian), sequence id.
            (b"\x54\0\0\x01", NoOpening::NotPostgres),
            (b"\0\x01", NoOpening::NotPostgres),
            (b"\0\0\xff", NoOpening::NotPostgres),
            (b"\0\0\0\x07", NoOpening::NotPostgres),
            (b"\0\0\0\x20\xfe", NoOpening::NotPostgres),
            (b"\0\0\0\x10\x04\xd2\x16\x2f", NoOpening::NotPostgres),
            (b"\x16", NoOpening::Tls),
            (b"\0\0\x02\x20\x60", NoOpening::Gss),
            (b"\0\0\0\x20\0\x02", NoOpening::Old(2)),
        ] {
            let padded = [bytes, &[0; 16]].concat();
            assert_eq!(
                Opening::read(if bytes.len() == 8 { &padded } else { bytes }),
                Err(expected),
                "{bytes:?}"
            );
        }
        let mut unterminated = startup(0);
        *unterminated.last_mut().unwrap() = b'x';
        assert_eq!(Opening::read(&unterminated), Err(NoOpening::NotPostgres));
    }
}
