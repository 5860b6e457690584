//! The values of variables, as far as the list of what was said tells them.

use std::borrow::Cow;

use super::ConnectionState;
use super::repeats::{Repeat, Said};
use super::variable::Variable;
use crate::sql::{self, Effect, Source, Target};

/// A value may depend on another, and this on another, up to this number.
const DEPTH_MAX: usize = 8;

impl ConnectionState {
    /// The value of a variable that a text may name, if it is known.
    pub(crate) fn value(&self, variable: &sql::Variable<'_>) -> Option<Vec<u8>> {
        self.value_before(self.repeats.all().len(), variable, DEPTH_MAX)
    }

    fn value_before(&self, end: usize, variable: &sql::Variable<'_>, depth: usize) -> Option<Vec<u8>> {
        let (wanted, is_user) = match variable {
            sql::Variable::User(name) => (Variable::user(name.bytes()), true),
            sql::Variable::Session(name) => (Variable::session(name.bytes()), false),
            sql::Variable::Global(_) => return None,
        };
        if depth == 0 || self.held.has(&wanted) || self.lost.has(&wanted) {
            return None;
        }
        let before = self.repeats.all().get(..end)?;
        let is_mode = !is_user && wanted == Variable::session(b"sql_mode");
        let Some(at) = before.iter().rposition(|repeat| repeat.sets.contains(&wanted)) else {
            return is_mode.then(Vec::new);
        };
        let text = query(&before[at])?;
        let script = sql::read(text, self.dialect);
        let assigned = script.effects().rev_set(&wanted, is_user)?;
        if is_mode && is_default(assigned) {
            return Some(Vec::new());
        }
        let known = |variable: &sql::Variable<'_>| self.value_before(at, variable, depth - 1);
        sql::evaluate(assigned, self.dialect, &known).map(Cow::into_owned)
    }

    /// The text that a PREPARE or EXECUTE IMMEDIATE names, if it is known.
    pub(crate) fn resolve(&self, source: &Source<'_>) -> Option<Vec<u8>> {
        self.resolve_before(self.repeats.all().len(), source)
    }

    fn resolve_before(&self, end: usize, source: &Source<'_>) -> Option<Vec<u8>> {
        match source {
            Source::Literal(text) => Some(text.to_vec()),
            Source::Variable(name) => self.value_before(end, &sql::Variable::User(name.clone()), DEPTH_MAX),
            Source::Expression(expression) => {
                let known = |variable: &sql::Variable<'_>| self.value_before(end, variable, DEPTH_MAX);
                sql::evaluate(expression, self.dialect, &known).map(Cow::into_owned)
            }
        }
    }

    /// The text of the statement that SQL has prepared under this name, if it is known.
    pub(crate) fn prepared_text(&self, name: &[u8]) -> Option<Vec<u8>> {
        let wanted = Variable::prepared(name);
        let all = self.repeats.all();
        let at = all.iter().rposition(|repeat| repeat.sets.contains(&wanted))?;
        let script = sql::read(query(&all[at])?, self.dialect);
        let source = script.effects().find_map(|effect| match effect {
            Effect::Prepare { source, .. } => Some(source),
            _ => None,
        })?;
        self.resolve_before(at, source)
    }
}

/// The server's own `sql_mode` is not known. The modes that matter here are taken to be off in it.
pub(super) fn is_default(expression: &[u8]) -> bool {
    expression.trim_ascii().eq_ignore_ascii_case(b"DEFAULT")
}

fn query(repeat: &Repeat) -> Option<&[u8]> {
    match &repeat.said {
        Said::Query(text) => Some(text),
        _ => None,
    }
}

trait Assigned<'e, 't: 'e>: Iterator<Item = &'e Effect<'t>> + Sized {
    /// The expression that is assigned last to this variable.
    fn rev_set(self, wanted: &Variable, is_user: bool) -> Option<&'t [u8]> {
        let assigned = self.filter_map(|effect| match effect {
            Effect::Set(assignment) => {
                let variable = match (&assignment.target, is_user) {
                    (Target::User(name), true) => Variable::user(name.bytes()),
                    (Target::Session(name), false) => Variable::session(name.bytes()),
                    _ => return None,
                };
                (variable == *wanted).then_some(assignment.expression)
            }
            _ => None,
        });
        assigned.last()
    }
}

impl<'e, 't: 'e, I: Iterator<Item = &'e Effect<'t>>> Assigned<'e, 't> for I {}
