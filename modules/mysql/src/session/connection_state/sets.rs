//! SET: which variables a statement sets and reads, and whether it can be said again.

use super::variable::Variable;
use super::{ConnectionState, Place, Run};
use crate::sql::{self, Assignment, Target, TransactionScope, Value};

/// The assignments of one statement.
#[derive(Debug, Default)]
pub(super) struct Sets {
    sets: Vec<Variable>,
    reads: Vec<Variable>,
    /// Some values cannot be had again.
    is_unknown: bool,
    /// It sets something of the server, too, which must not be set again.
    has_global: bool,
    autocommit: Option<bool>,
}

impl Sets {
    /// The statement may be said again.
    pub(super) fn is_repeatable(&self) -> bool {
        !self.is_unknown && !self.has_global
    }

    /// Adds an assignment to the others of its statement.
    pub(super) fn add(&mut self, assignment: &Assignment<'_>, state: &ConnectionState) {
        let expression = assignment.expression;
        match &assignment.target {
            Target::User(name) => self.sets.push(Variable::user(name.bytes())),
            Target::Session(name) if name.bytes().eq_ignore_ascii_case(b"autocommit") => {
                self.sets.push(Variable::session(name.bytes()));
                self.autocommit = Some(state.is_on(expression));
            }
            Target::Session(name) => self.sets.push(Variable::session(name.bytes())),
            Target::Names => self.sets.extend(Variable::character_sets()),
            Target::CharacterSet => {
                self.sets.extend(Variable::character_sets());
                self.reads.push(Variable::Database);
            }
            Target::Transaction(TransactionScope::Next) => self.sets.push(Variable::Next),
            Target::Transaction(TransactionScope::Session) => self.sets.extend(characteristics(expression)),
            Target::Role => self.sets.push(Variable::session(b"role")),
            Target::ResourceGroup => self.sets.push(Variable::session(b"resource group")),
            Target::Global(_) | Target::Persist(_) | Target::Transaction(TransactionScope::Global) => {
                self.has_global = true;
                return;
            }
        }
        match &assignment.value {
            Value::Constant => {}
            Value::Variables(variables) => variables.iter().for_each(|variable| self.read(variable, state)),
            Value::Unknown => self.is_unknown = true,
        }
    }

    fn read(&mut self, variable: &sql::Variable<'_>, state: &ConnectionState) {
        let variable = match variable {
            sql::Variable::User(name) => Variable::user(name.bytes()),
            sql::Variable::Session(name) => Variable::session(name.bytes()),
            sql::Variable::Global(_) => return,
        };
        self.is_unknown |= state.held.has(&variable) || state.lost.has(&variable);
        self.reads.push(variable);
    }
}

/// What a SET SESSION TRANSACTION sets.
fn characteristics(expression: &[u8]) -> impl Iterator<Item = Variable> {
    let expression = expression.to_ascii_lowercase();
    let has = move |word: &str| expression.windows(word.len()).any(|it| it == word.as_bytes());
    let level = has("isolation").then(|| Variable::session(b"transaction_isolation"));
    let access = (has("only") || has("write")).then(|| Variable::session(b"transaction_read_only"));
    level.into_iter().chain(access)
}

impl ConnectionState {
    /// Whether a value switches on. What is not known is taken for the default.
    fn is_on(&self, expression: &[u8]) -> bool {
        let is = |value: &[u8]| {
            [&b"0"[..], b"off", b"false"].iter().any(|off| value.trim_ascii().eq_ignore_ascii_case(off))
        };
        let value = self.evaluate(expression);
        !is(expression) && !value.is_some_and(|value| is(&value))
    }

    /// The value of an expression, if it is known.
    pub(super) fn evaluate(&self, expression: &[u8]) -> Option<Vec<u8>> {
        sql::evaluate(expression, self.dialect, &|variable| self.value(variable)).map(Into::into)
    }

    /// The client has set these by `text`.
    pub(super) fn set(&mut self, sets: Sets, text: &[u8], run: Run, place: Place<'_>) {
        let Sets { sets, reads, is_unknown, has_global, autocommit } = sets;
        if sets.is_empty() {
            return;
        }
        if let Some(autocommit) = autocommit {
            if autocommit && !self.autocommit {
                self.transaction.end_implicitly();
            }
            self.autocommit = autocommit;
        }
        if sets.contains(&Variable::last_insert_id()) {
            self.last_insert_id = None;
        }
        self.has_next |= sets.contains(&Variable::Next);
        let is_known = !is_unknown && !has_global && run != Run::LeftOut;
        self.keep(is_known.then_some(text), sets, reads, run, place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_has_two_characteristics() {
        let of = |text: &str| characteristics(text.as_bytes()).collect::<Vec<_>>();
        let (level, access) =
            (Variable::session(b"transaction_isolation"), Variable::session(b"transaction_read_only"));
        assert_eq!(of("READ WRITE, ISOLATION LEVEL SERIALIZABLE"), [level.clone(), access.clone()]);
        assert_eq!(of("ISOLATION LEVEL READ COMMITTED"), vec![level]);
        assert_eq!(of("Read Only"), vec![access]);
    }
}
