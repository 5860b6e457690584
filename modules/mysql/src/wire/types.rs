//! The types of an EXECUTE's parameters: clients send them with the first one and then no more. On a new connection the test
//! server must be told them again.
//!
//! Source: dev.mysql.com, "COM_STMT_EXECUTE".

use crate::wire::packet::Reader;

/// Bytes of an EXECUTE before its parameters: command, id, flags, iterations.
const FIXED: usize = 10;

/// Types as an EXECUTE has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Types {
    /// How many: those of query attributes are among them.
    pub(crate) count: u16,
    /// Two bytes each, and a name each where the client sends attributes.
    pub(crate) bytes: Box<[u8]>,
}

/// What an EXECUTE says of types.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said<'a> {
    /// They are here.
    Here { count: u16, bytes: &'a [u8] },
    /// They are those of before; the byte that says so stands at `at`.
    AsBefore { count: u16, at: usize },
}

/// Finds the types in the payload of an EXECUTE of a statement with parameters; `attributes`: their number comes first, and
/// they have names. `None` if more of the payload is needed, or it cannot be read.
pub(crate) fn find(payload: &[u8], parameters: u16, attributes: bool) -> Option<Said<'_>> {
    let mut reader = Reader::new(payload.get(FIXED..)?);
    let count = if attributes { u16::try_from(reader.length()?).ok()? } else { parameters };
    reader.take(usize::from(count).div_ceil(8))?; // which are NULL
    let at = payload.len() - reader.rest().len();
    if reader.u8()? != 1 {
        return Some(Said::AsBefore { count, at });
    }
    let types = reader.rest();
    for _ in 0..count {
        reader.take(2)?;
        if attributes {
            reader.sized()?;
        }
    }
    Some(Said::Here { count, bytes: &types[..types.len() - reader.rest().len()] })
}

/// EXECUTEs that were sent before it was known how many parameters their statement has: what they say of types is read then.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Unread(Vec<Box<[u8]>>);

impl Unread {
    /// So much of an EXECUTE's payload is kept, in bytes.
    pub(crate) const HEAD: usize = 512;

    /// So many are kept, the last ones.
    const MAX: usize = 8;

    /// What is kept, in bytes.
    pub(crate) fn kept(&self) -> usize {
        self.0.iter().map(|payload| size_of_val(payload) + payload.len()).sum()
    }

    /// An EXECUTE was sent.
    pub(crate) fn push(&mut self, payload: &[u8]) {
        if self.0.len() == Self::MAX {
            self.0.remove(0);
            // As the one before it: what it has said, nobody knows.
            self.0[0] = Box::default();
        }
        self.0.push(payload.get(..Self::HEAD).unwrap_or(payload).into());
    }

    /// The types that were said last, if that can be told.
    pub(crate) fn types(&self, parameters: u16) -> Option<Types> {
        self.0.iter().fold(None, |types, payload| match find(payload, parameters, false)? {
            Said::Here { count, bytes } => Some(Types { count, bytes: bytes.into() }),
            Said::AsBefore { .. } => types,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &[u8] = b"\x17\x05\0\0\0\0\x01\0\0\0\0\x01\x03\0\xfe\0\x2a\0\0\0\x01x";
    const LATER: &[u8] = b"\x17\x05\0\0\0\0\x01\0\0\0\0\0\x2a\0\0\0\x01x";
    const NAMED: &[u8] = b"\x17\x05\0\0\0\x08\x01\0\0\0\x02\0\x01\x03\0\0\xfe\0\x01a\x2a\0\0\0\x01x";

    #[test]
    fn types_are_found_once_all_of_them_are_here() {
        assert_eq!(find(FIRST, 2, false), Some(Said::Here { count: 2, bytes: b"\x03\0\xfe\0" }));
        assert_eq!(find(LATER, 2, false), Some(Said::AsBefore { count: 2, at: 11 }));
        assert_eq!(find(NAMED, 1, true), Some(Said::Here { count: 2, bytes: b"\x03\0\0\xfe\0\x01a" }));
        for cut in 0..16 {
            assert_eq!(find(&FIRST[..cut], 2, false), None);
        }
    }

    #[test]
    fn types_are_read_once_it_is_known_how_many_they_are() {
        let types = |count, bytes: &[u8]| Some(Types { count, bytes: bytes.into() });
        let mut unread = Unread::default();
        assert_eq!(unread.types(2), None);
        unread.push(FIRST);
        unread.push(LATER);
        assert_eq!(unread.types(2), types(2, b"\x03\0\xfe\0"));
        unread.push(&FIRST[..12]);
        assert_eq!(unread.types(2), None, "what was said last cannot be read");
        unread.push(b"\x17\x05\0\0\0\0\x01\0\0\0\0\x01\x08\0\x08\0");
        assert_eq!(unread.types(2), types(2, b"\x08\0\x08\0"));
        for _ in 0..10 {
            unread.push(&[LATER, &[0; 1000]].concat());
        }
        assert_eq!(unread.types(2), None, "it is too long ago");
        assert!(unread.kept() < Unread::MAX * (Unread::HEAD + 32));
    }
}
