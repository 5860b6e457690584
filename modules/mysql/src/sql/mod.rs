//! The one reading of a client's SQL: what the statements of a text do, as far as the module must know it.
//!
//! [`read`] cuts a text into statements and names the effects of each. It is a pure function of the text and of the
//! [`Dialect`] of the server that runs it. It builds no tree: most statements are recognised as plain without being cut
//! into tokens.
//!
//! What the servers refuse as a syntax error may have effects here: they do nothing with it, whatever the module thinks.

mod comment;
mod constant;
mod cursor;
mod dialect;
mod effect;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod invariants;
mod lexer;
mod literal;
mod name;
mod plain;
mod reading;
mod script;
mod statement;
mod targets;
#[cfg(test)]
mod tests;

pub(crate) use constant::evaluate;
pub(crate) use dialect::{Charset, Dialect};
pub(crate) use effect::{
    AndThen, Assignment, Effect, Kill, KillScope, Lock, Step, Table, Target, TransactionScope, Value,
    Variable, Victim, XaStep,
};
pub(crate) use name::Name;
pub(crate) use reading::{Mention, mentions, read};
pub(crate) use script::{Class, Script, Source, Statement};
