//! Names: of tables, variables, statements.

use std::borrow::Cow;
use std::fmt;

/// A name without its quotes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Name<'t>(Cow<'t, [u8]>);

impl<'t> Name<'t> {
    pub(crate) fn new(bytes: impl Into<Cow<'t, [u8]>>) -> Self {
        Self(bytes.into())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether a server may take both for one name.
    pub(crate) fn may_be(&self, other: &[u8]) -> bool {
        may_be_same(&self.0, other)
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// Whether a server may take both for one name. The servers compare without case, and for some names without accents
/// (`utf8_general_ci`), one character with one character: so a character outside of ASCII may be any other one.
pub(crate) fn may_be_same(a: &[u8], b: &[u8]) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    let (Ok(a), Ok(b)) = (std::str::from_utf8(a), std::str::from_utf8(b)) else { return true };
    let is_same = |(a, b): (char, char)| !a.is_ascii() || !b.is_ascii() || a.eq_ignore_ascii_case(&b);
    a.chars().count() == b.chars().count() && a.chars().zip(b.chars()).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_the_most_tolerant_server_does() {
        assert!(may_be_same(b"Orders", b"oRDERS"));
        assert!(!may_be_same(b"orders", b"order"));
        assert!(!may_be_same(b"orders", b"border"));
        assert!(may_be_same("caf\u{e9}".as_bytes(), b"CAFE"));
        assert!(!may_be_same("caf\u{e9}".as_bytes(), b"CAVE"));
        assert!(!may_be_same("\u{e9}\u{e9}".as_bytes(), "\u{e9}".as_bytes()));
        assert!(may_be_same(b"\xff", b"a"), "no UTF-8");
    }
}
