//! Results of the text protocol, row by row. They come from the network: of bounded length, and anything may be in them.
//!
//! Source: dev.mysql.com, "Text Resultset", of a client without CLIENT_DEPRECATE_EOF.

use crate::wire::packet::{HEADER, Header, Reader};
use crate::wire::server_error::ServerError;

/// A packet from the stream.
pub(super) struct Packets {
    bytes: Vec<u8>,
    /// Those before are done with.
    at: usize,
}

/// The server's bytes are none of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Packets {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), at: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The sequence id and the payload of the next packet, if it is here. It has no more than `longest` bytes.
    pub(super) fn next(&mut self, longest: usize) -> Result<Option<(u8, &[u8])>, Unreadable> {
        let rest = &self.bytes[self.at..];
        let Some(header) = Header::read(rest) else { return Ok(None) };
        if header.length > longest || header.goes_on() {
            return Err(Unreadable);
        }
        let Some(payload) = rest.get(HEADER..HEADER + header.length) else { return Ok(None) };
        self.at += HEADER + header.length;
        Ok(Some((header.sequence, payload)))
    }
}

/// The progress of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// The number of columns comes.
    Start,
    /// So many definitions of columns come, then the end of them.
    Columns(usize),
    /// Rows of so many columns come.
    Rows(usize),
}

/// What a packet of a result is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A part that matters not.
    Form,
    /// A row: its columns, `None` for NULL.
    Row(Vec<Option<&'a [u8]>>),
    End,
    Error(ServerError),
}

impl Progress {
    /// The next packet of a result.
    pub(super) fn read<'a>(&mut self, payload: &'a [u8]) -> Result<Piece<'a>, Unreadable> {
        if let Some(error) = ServerError::read(payload) {
            return Ok(Piece::Error(error));
        }
        let is_end = payload.first() == Some(&0xFE) && payload.len() < 9;
        match *self {
            Self::Start => {
                let columns = Reader::new(payload).length().filter(|columns| (1..=64).contains(columns));
                *self = Self::Columns(columns.ok_or(Unreadable)? as usize);
                Ok(Piece::Form)
            }
            Self::Columns(_) if !is_end => Ok(Piece::Form),
            Self::Columns(columns) => {
                *self = Self::Rows(columns);
                Ok(Piece::Form)
            }
            Self::Rows(_) if is_end => Ok(Piece::End),
            Self::Rows(columns) => row(payload, columns).map(Piece::Row).ok_or(Unreadable),
        }
    }
}

fn row(payload: &[u8], columns: usize) -> Option<Vec<Option<&[u8]>>> {
    const NULL: u8 = 0xFB;
    let mut reader = Reader::new(payload);
    let mut row = Vec::with_capacity(columns);
    for _ in 0..columns {
        row.push(match *reader.rest().first()? {
            NULL => reader.u8().map(|_| None)?,
            _ => Some(reader.sized()?),
        });
    }
    reader.rest().is_empty().then_some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_all_of_its_columns_and_nothing_else() {
        assert_eq!(row(b"\x01a\xfb\x00", 3), Some(vec![Some(&b"a"[..]), None, Some(&b""[..])]));
        assert_eq!(row(b"\x01a\xfb", 3), None);
        assert_eq!(row(b"\x01a\xfb\x00\x00", 3), None);
        assert_eq!(row(b"\x05a", 1), None);
    }

    #[test]
    fn a_result_is_read_from_its_head_to_its_end() {
        let mut progress = Progress::Start;
        assert_eq!(progress.read(b"\x01"), Ok(Piece::Form));
        assert_eq!(progress.read(b"\x03defanything"), Ok(Piece::Form));
        assert_eq!(progress.read(b"\xfe\0\0\x02\0"), Ok(Piece::Form));
        assert_eq!(progress.read(b"\x0242"), Ok(Piece::Row(vec![Some(b"42")])));
        assert_eq!(progress.read(b"\xfe\0\0\x02\0"), Ok(Piece::End));
        assert_eq!(Progress::Start.read(b"\0\0\0\x02\0\0\0"), Err(Unreadable), "an OK has no rows");
        assert_eq!(Progress::Start.read(b"\xfbname"), Err(Unreadable), "the server asks for a file");
        assert!(matches!(Progress::Start.read(b"\xff\x7a\x04#42S02no"), Ok(Piece::Error(_))));
    }

    #[test]
    fn packets_that_are_too_long_are_refused() {
        let mut packets = Packets::new();
        packets.push(&[0xFF, 0xFF, 0xFF, 0]);
        assert_eq!(packets.next(usize::MAX), Err(Unreadable));
        let mut packets = Packets::new();
        packets.push(b"HTTP/1.1 400 Bad Request");
        assert_eq!(packets.next(64 << 10), Err(Unreadable));
    }
}
