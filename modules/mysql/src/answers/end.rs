//! The end of a result, as the last bytes of a segment show it.
//!
//! Source: dev.mysql.com, "EOF_Packet", "OK_Packet", "Text Resultset".

use crate::wire::packet::{HEADER, Header};

/// Bytes at the end of a segment that show whether a result ends there: an OK packet in the form of an EOF, without
/// optional fields.
pub(crate) const TAIL: u8 = 11;

/// SERVER_STATUS_IN_TRANS: a transaction is open.
const IN_TRANSACTION: u16 = 1;

/// SERVER_MORE_RESULTS_EXISTS: another result follows.
const MORE_RESULTS: u16 = 8;

/// SERVER_STATUS_CURSOR_EXISTS: rows are fetched later, so that the answer ends after the definitions of its columns.
const CURSOR: u16 = 64;

/// A packet that ends a list of rows or of definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) sequence: u8,
    status: u16,
}

impl End {
    /// The packet of this kind that `bytes` end with. `as_ok`: client and server have agreed on CLIENT_DEPRECATE_EOF.
    ///
    /// A row may end with the same bytes. Then an answer is taken to end too early, which is no worse than to count bytes.
    pub(crate) fn find(bytes: &[u8], as_ok: bool) -> Option<Self> {
        // The status is in the same place: after two numbers of one byte, or after the number of warnings.
        let (header, payload) = last_packet(bytes, if as_ok { 7 } else { 5 })?;
        // In the form of an OK packet: no rows affected, and no id.
        let is_end = payload[0] == 0xFE && (!as_ok || payload[1..3] == [0, 0]);
        is_end.then(|| Self::new(header, payload))
    }

    /// The same for the OK packet of a statement without rows, whose numbers are of one byte each.
    pub(crate) fn find_ok(bytes: &[u8]) -> Option<Self> {
        let (header, payload) = last_packet(bytes, 7)?;
        (payload[0] == 0 && payload[1..3].iter().all(|number| *number < 0xFB))
            .then(|| Self::new(header, payload))
    }

    fn new(header: Header, payload: &[u8]) -> Self {
        Self { sequence: header.sequence, status: u16::from_le_bytes([payload[3], payload[4]]) }
    }

    pub(crate) fn is_in_transaction(self) -> bool {
        self.status & IN_TRANSACTION != 0
    }

    pub(crate) fn has_more_results(self) -> bool {
        self.status & MORE_RESULTS != 0
    }

    pub(crate) fn has_cursor(self) -> bool {
        self.status & CURSOR != 0
    }
}

/// The packet with a payload of `length` bytes that ends with `bytes`.
fn last_packet(bytes: &[u8], length: usize) -> Option<(Header, &[u8])> {
    let packet = bytes.get(bytes.len().checked_sub(HEADER + length)?..)?;
    let header = Header::read(packet).filter(|header| header.length == length)?;
    Some((header, &packet[HEADER..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_an_end_are_found_at_the_end_of_a_segment() {
        let eof = b"some row\x05\0\0\x07\xfe\0\0\x03\0";
        let ok = b"some row\x07\0\0\x07\xfe\0\0\x0a\0\0\0";
        assert_eq!(End::find(eof, false), Some(End { sequence: 7, status: 3 }));
        assert_eq!(End::find(ok, true), Some(End { sequence: 7, status: 10 }));
        assert_eq!((End::find(eof, true), End::find(ok, false)), (None, None));
        assert!(End::find(ok, true).is_some_and(|end| end.has_more_results() && !end.is_in_transaction()));
        for cut in 0..9 {
            assert_eq!(End::find(&ok[ok.len() - cut..], true), None);
            assert_eq!(End::find(&eof[eof.len() - cut.min(8)..], false), None);
        }
        assert_eq!(End::find(b"some row\x07\0\0\x07\xfe\x01\0\x0a\0\0\0", true), None);
        let call = b"some row\x07\0\0\x09\0\x01\0\x02\0\0\0";
        assert_eq!((End::find_ok(call), End::find(call, true)), (Some(End { sequence: 9, status: 2 }), None));
        assert_eq!(End::find_ok(b"some row\x07\0\0\x09\0\xfc\x10\x27\0\0\0"), None, "a longer number");
    }
}
