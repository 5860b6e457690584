//! Where a statement names the tables that it writes.

use super::lexer::{Kind, Token};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Targets {
    /// It writes none.
    Nowhere,
    /// INSERT and REPLACE: before the columns, or the values.
    Inserted,
    /// UPDATE: before SET.
    Updated,
    /// DELETE: before WHERE.
    Deleted,
    Anywhere,
}

impl Targets {
    /// Of a statement that begins with INSERT, REPLACE, UPDATE or DELETE.
    pub(super) fn of(verb: &[u8]) -> Self {
        match verb.first() {
            Some(b'U' | b'u') => Self::Updated,
            Some(b'D' | b'd') => Self::Deleted,
            _ => Self::Inserted,
        }
    }

    /// They are all before this token.
    pub(super) fn end_at(self, token: &Token<'_>) -> bool {
        match self {
            Self::Nowhere => true,
            Self::Inserted => {
                token.kind == Kind::Mark(b'(')
                    || ["VALUES", "VALUE", "SELECT", "SET"].iter().any(|word| token.is(word))
            }
            Self::Updated => token.is("SET"),
            Self::Deleted => token.is("WHERE"),
            Self::Anywhere => false,
        }
    }
}
