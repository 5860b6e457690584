//! The types of an EXECUTE's parameters. Clients bind them with the first EXECUTE of a statement and refer to them
//! afterwards, so that a new connection to the test server must get them again.
//!
//! Source: dev.mysql.com, "COM_STMT_EXECUTE".

use crate::statements::execute::FIXED;
use crate::wire::packet::Reader;

/// The types that an EXECUTE has bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BoundTypes {
    /// The number of parameters, query attributes among them.
    pub(crate) count: u16,
    /// Two bytes for each, and a name where the client sends attributes.
    pub(crate) bytes: Box<[u8]>,
}

/// The types in the payload of an EXECUTE.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ParamTypes<'a> {
    /// It binds these.
    Bound { count: u16, bytes: &'a [u8] },
    /// It refers to those bound before; the byte at `at` is zero.
    Unchanged { count: u16, at: usize },
}

/// Finds the types in the payload of an EXECUTE of a statement with parameters. `attributes`: the number of parameters
/// comes first, and each has a name. `None` if more of the payload is needed, or it cannot be read.
pub(crate) fn find(payload: &[u8], parameters: u16, attributes: bool) -> Option<ParamTypes<'_>> {
    let mut reader = Reader::new(payload.get(FIXED..)?);
    let count = if attributes { u16::try_from(reader.length()?).ok()? } else { parameters };
    reader.take(usize::from(count).div_ceil(8))?; // which are NULL
    let at = payload.len() - reader.rest().len();
    if reader.u8()? != 1 {
        return Some(ParamTypes::Unchanged { count, at });
    }
    let types = reader.rest();
    for _ in 0..count {
        reader.take(2)?;
        if attributes {
            reader.sized()?;
        }
    }
    Some(ParamTypes::Bound { count, bytes: &types[..types.len() - reader.rest().len()] })
}

/// EXECUTEs that were sent before the number of their statement's parameters was known: their types are read then.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct EarlyExecutes(Vec<Box<[u8]>>);

impl EarlyExecutes {
    /// The beginning of an EXECUTE's payload that is kept, in bytes.
    pub(crate) const HEAD: usize = 512;

    /// Only the last ones are kept.
    const MAX: usize = 8;

    /// The memory that they take, in bytes.
    pub(crate) fn kept(&self) -> usize {
        self.0.iter().map(|payload| size_of_val(payload) + payload.len()).sum()
    }

    pub(crate) fn push(&mut self, payload: &[u8]) {
        if self.0.len() == Self::MAX {
            self.0.remove(0);
            // It may refer to the one that was removed.
            self.0[0] = Box::default();
        }
        self.0.push(payload.get(..Self::HEAD).unwrap_or(payload).into());
    }

    /// The types that were bound last, if all of them can be read.
    pub(crate) fn types(&self, parameters: u16) -> Option<BoundTypes> {
        self.0.iter().fold(None, |types, payload| match find(payload, parameters, false)? {
            ParamTypes::Bound { count, bytes } => Some(BoundTypes { count, bytes: bytes.into() }),
            ParamTypes::Unchanged { .. } => types,
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
        assert_eq!(find(FIRST, 2, false), Some(ParamTypes::Bound { count: 2, bytes: b"\x03\0\xfe\0" }));
        assert_eq!(find(LATER, 2, false), Some(ParamTypes::Unchanged { count: 2, at: 11 }));
        assert_eq!(find(NAMED, 1, true), Some(ParamTypes::Bound { count: 2, bytes: b"\x03\0\0\xfe\0\x01a" }));
        for cut in 0..16 {
            assert_eq!(find(&FIRST[..cut], 2, false), None);
        }
    }

    #[test]
    fn types_are_read_once_it_is_known_how_many_they_are() {
        let types = |count, bytes: &[u8]| Some(BoundTypes { count, bytes: bytes.into() });
        let mut early = EarlyExecutes::default();
        assert_eq!(early.types(2), None);
        early.push(FIRST);
        early.push(LATER);
        assert_eq!(early.types(2), types(2, b"\x03\0\xfe\0"));
        early.push(&FIRST[..12]);
        assert_eq!(early.types(2), None, "what was said last cannot be read");
        early.push(b"\x17\x05\0\0\0\0\x01\0\0\0\0\x01\x08\0\x08\0");
        assert_eq!(early.types(2), types(2, b"\x08\0\x08\0"));
        for _ in 0..10 {
            early.push(&[LATER, &[0; 1000]].concat());
        }
        assert_eq!(early.types(2), None, "it is too long ago");
        assert!(early.kept() < EarlyExecutes::MAX * (EarlyExecutes::HEAD + 32));
    }
}
