//! A text that has been read: its statements.

use std::borrow::Cow;
use std::ops::Range;

use super::effect::Effect;
use super::name::Name;

/// A text that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script<'t>(Statements<'t>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Statements<'t> {
    /// Without an allocation.
    One(Statement<'t>),
    Any(Vec<Statement<'t>>),
}

/// One statement of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement<'t> {
    /// Its bytes in the text, blanks and comments around it included, without the `;`. It can be replaced by another
    /// statement.
    pub(crate) range: Range<usize>,
    pub(crate) class: Class,
    /// In the order of the text. Mostly none.
    pub(crate) effects: Vec<Effect<'t>>,
}

/// What kind of a statement it is, by its first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Blanks and comments only.
    Empty,
    /// SELECT, SHOW, DESCRIBE and others.
    Reads,
    /// INSERT, UPDATE, DELETE, REPLACE, LOAD.
    Writes,
    /// CREATE, ALTER, DROP and others.
    Defines,
    /// CALL: whatever the procedure does.
    Calls,
    /// SET, USE, BEGIN, and whatever is not known.
    Other,
}

/// Where the text of a prepared statement comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source<'t> {
    /// A string, without its quotes and escapes.
    Literal(Cow<'t, [u8]>),
    /// A user variable.
    Variable(Name<'t>),
    /// An expression (MariaDB): see [`super::evaluate`].
    Expression(&'t [u8]),
}

impl<'t> Script<'t> {
    pub(super) fn one(statement: Statement<'t>) -> Self {
        Self(Statements::One(statement))
    }

    pub(super) fn new(statements: Vec<Statement<'t>>) -> Self {
        Self(Statements::Any(statements))
    }

    /// At least one.
    pub(crate) fn statements(&self) -> &[Statement<'t>] {
        match &self.0 {
            Statements::One(statement) => std::slice::from_ref(statement),
            Statements::Any(statements) => statements,
        }
    }

    /// Of all statements, in the order of the text.
    pub(crate) fn effects(&self) -> impl Iterator<Item = &Effect<'t>> {
        self.statements().iter().flat_map(|statement| &statement.effects)
    }
}
