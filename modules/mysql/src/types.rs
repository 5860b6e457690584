//! The types of an EXECUTE's parameters: clients send them with the first one and then no more. On a new connection the test
//! server must be told them again.
//!
//! Source: dev.mysql.com, "COM_STMT_EXECUTE".

use crate::packet::Reader;

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
}
