//! A server's ERR packet.
//!
//! Source: dev.mysql.com, "ERR_Packet".

use std::fmt;

use crate::packet::Reader;

/// MariaDB reports progress with this code, which is no error.
pub const PROGRESS: u16 = 0xFFFF;

/// A statement ends because of a KILL: MySQL's and MariaDB's errors.
pub const INTERRUPTED: &[u16] = &[1053, 1317, 1927];

/// An error as a server reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// Its number.
    pub code: u16,
    /// For the log: printable, short.
    pub message: String,
}

impl ServerError {
    /// Messages are cut to this length, in bytes.
    const MESSAGE_MAX: usize = 200;

    /// The error, if the payload is one.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        if reader.u8()? != 0xFF {
            return None;
        }
        let code = reader.u16()?;
        if reader.rest().first() == Some(&b'#') {
            reader.take(6); // the SQL state
        }
        let message = reader.rest();
        Some(Self { code, message: printable(message, Self::MESSAGE_MAX) })
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// Untrusted bytes, escaped for the log.
pub fn printable(bytes: &[u8], max: usize) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(max)]).escape_debug().to_string()
}
