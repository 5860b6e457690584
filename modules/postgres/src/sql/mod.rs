//! Reading of SQL, as far as it changes the state of a connection.

mod effects;
mod plain;
mod setting;

pub(crate) use self::effects::{Argument, Effect, Setting, memory};
use self::plain::is_plain;
use postgres_wire::tokens::{Token, Tokens};

/// What a text does to the state of the connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// In order. Most statements have none.
    pub(crate) effects: Vec<Effect>,
    /// There are statements that have none.
    pub(crate) has_others: bool,
}

impl Reading {
    /// Reads a text, or its beginning.
    pub(crate) fn of(text: &[u8]) -> Self {
        if is_plain(text) { Self { effects: Vec::new(), has_others: true } } else { effects::read(text) }
    }

    pub(crate) fn memory(&self) -> usize {
        memory(&self.effects)
    }
}

/// Whether the text contains this name.
pub(crate) fn mentions(text: &[u8], name: &[u8]) -> bool {
    Tokens::new(text).any(|token: Token<'_>| token.is_name(name))
}
