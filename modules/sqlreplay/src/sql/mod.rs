//! Tokens of SQL, in the dialect of a protocol.

mod mysql;

pub(crate) use postgres_wire::tokens::Token;
use postgres_wire::tokens::Tokens as Postgres;

use self::mysql::Mysql;
use crate::protocol::Protocol;

/// The tokens of a text, without comments. What is not terminated ends with the text.
#[derive(Debug, Clone)]
pub(crate) enum Tokens<'t> {
    Postgres(Postgres<'t>),
    Mysql(Mysql<'t>),
}

impl<'t> Tokens<'t> {
    pub(crate) fn new(text: &'t [u8], protocol: Protocol) -> Self {
        match protocol {
            Protocol::Postgres => Self::Postgres(Postgres::new(text)),
            Protocol::Mysql => Self::Mysql(Mysql::new(text)),
        }
    }

    /// The place behind the last token, in bytes.
    pub(crate) fn at(&self) -> usize {
        match self {
            Self::Postgres(tokens) => tokens.at(),
            Self::Mysql(tokens) => tokens.at(),
        }
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        match self {
            Self::Postgres(tokens) => tokens.next(),
            Self::Mysql(tokens) => tokens.next(),
        }
    }
}
