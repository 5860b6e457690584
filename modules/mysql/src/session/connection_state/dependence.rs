//! Which statements depend on state that is lost.

use std::cell::Cell;

use super::held::Xa;
use super::sets::Sets;
use super::{ConnectionState, Kind, LastStatement, OnLostState, Place, Run};
use crate::session::transaction::Transaction;
use crate::sql::{self, AndThen, Class, Effect, Lock, Mention, Script, Statement, Step, XaStep};

/// What becomes of a packet's statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// All of them may be sent.
    Send,
    /// Only these may not, by their place in the script; the first depends on state of this kind.
    Without(Vec<usize>, Kind),
    /// None of them may.
    LeaveOut(Kind),
}

impl Decision {
    /// This statement, by its place in the script, may not be sent.
    pub(crate) fn leaves_out(&self, number: usize) -> bool {
        match self {
            Self::Send => false,
            Self::Without(statements, _) => statements.contains(&number),
            Self::LeaveOut(_) => true,
        }
    }
}

/// The version of MySQL that resolves a statement when it is prepared, not each time it is executed.
const PREPARES_ONCE_SINCE: u32 = 80_022;

impl ConnectionState {
    /// Nothing is lost: every statement may be sent.
    pub(crate) fn is_whole(&self) -> bool {
        self.on_lost == OnLostState::Run
            || self.last != LastStatement::NotSent
                && self.transaction != Transaction::Lost
                && self.lost.is_empty()
    }

    /// A kind of state that is lost, if one is: a statement of which nothing is known may depend on it.
    pub(crate) fn first_lost(&self) -> Option<Kind> {
        let transaction = (self.transaction == Transaction::Lost).then_some(Kind::Transaction);
        transaction.into_iter().chain(self.lost.kinds()).next()
    }

    /// Which of the statements may be sent.
    pub(crate) fn decide(&self, script: &Script<'_>, text: &[u8], place: Place<'_>) -> Decision {
        if self.is_whole() {
            return Decision::Send;
        }
        let statements = script.statements();
        if let [statement] = statements {
            return self.depends(statement, text).map_or(Decision::Send, Decision::LeaveOut);
        }
        // Each changes what the next ones depend on.
        let mut state = self.clone();
        let (mut without, mut first, mut sent) = (Vec::new(), None, 0);
        for (index, statement) in statements.iter().enumerate() {
            let kind = state.depends(statement, text);
            let run = if kind.is_some() { Run::LeftOut } else { Run::Sent };
            state.statement(statement, text, run, place, true);
            match kind {
                Some(kind) => {
                    first.get_or_insert(kind);
                    without.push(index);
                }
                None => sent += usize::from(statement.class != Class::Empty),
            }
        }
        match first {
            None => Decision::Send,
            Some(kind) if sent == 0 => Decision::LeaveOut(kind),
            Some(kind) => Decision::Without(without, kind),
        }
    }

    /// The kind of lost state that a statement depends on.
    pub(super) fn depends(&self, statement: &Statement<'_>, text: &[u8]) -> Option<Kind> {
        self.depends_within(statement, text, true)
    }

    fn depends_within(&self, statement: &Statement<'_>, text: &[u8], is_outer: bool) -> Option<Kind> {
        let text = text.get(statement.range.clone()).unwrap_or_default();
        let has = |is_wanted: fn(&Effect<'_>) -> bool| statement.effects.iter().any(is_wanted);
        if statement.class == Class::Empty && statement.effects.is_empty() {
            return None;
        }
        if self.last == LastStatement::NotSent && has(|effect| matches!(effect, Effect::UsesDiagnostics)) {
            return Some(Kind::Diagnostics);
        }
        if self.transaction != Transaction::Lost && self.lost.is_empty() || self.is_repeatable(statement) {
            return None;
        }
        self.blocks(statement)
            .or_else(|| {
                let is_lost = self.lost.last_insert_id;
                (is_lost && has(|effect| matches!(effect, Effect::UsesLastInsertId)))
                    .then_some(Kind::LastInsertId)
            })
            .or_else(|| self.names_lost(statement, text))
            .or_else(|| is_outer.then(|| self.executes_dependent(statement)).flatten())
    }

    /// A prepared statement with this text goes on with the types that user variables had when it was prepared: prepared on a
    /// new connection it would do something else. Source: MySQL 8.0.22 release notes, "prepared statements".
    pub(crate) fn keeps_types_of_variables(&self, text: &[u8]) -> bool {
        !self.dialect.is_mariadb
            && self.dialect.version >= PREPARES_ONCE_SINCE
            && sql::mentions(text, self.dialect, |mention| matches!(mention, Mention::UserVariable(_)))
    }

    /// It does nothing but set what a new connection is told, so that the connection needs it in any case.
    fn is_repeatable(&self, statement: &Statement<'_>) -> bool {
        let mut sets = Sets::default();
        statement.class == Class::Other
            && !statement.effects.is_empty()
            && statement.effects.iter().all(|effect| match effect {
                Effect::Set(assignment) => {
                    sets.add(assignment, self);
                    sets.is_repeatable()
                }
                Effect::Use(_) => true,
                Effect::Prepare { source: sql::Source::Literal(_), .. } => true,
                Effect::Prepare { source: sql::Source::Variable(name), .. } => {
                    !self.lost.user_variables.has(name.bytes())
                }
                Effect::Deallocate(name) => !self.lost.prepared.has(name.bytes()),
                _ => false,
            })
    }

    /// State is lost on which everything depends, but for what begins anew.
    fn blocks(&self, statement: &Statement<'_>) -> Option<Kind> {
        let has = |is_wanted: fn(&Effect<'_>) -> bool| statement.effects.iter().any(is_wanted);
        let begins = has(|effect| matches!(effect, Effect::Transaction(Step::Begin)));
        let goes_on = has(|effect| match effect {
            Effect::Transaction(Step::Commit(then) | Step::Rollback(then)) => {
                matches!(then, AndThen::Chain | AndThen::Release)
            }
            Effect::ImplicitCommit | Effect::Xa(XaStep::Start) => true,
            _ => false,
        });
        if self.transaction == Transaction::Lost && !begins && !goes_on {
            return Some(Kind::Transaction);
        }
        let locks = self.lost.locks;
        let locks_anew = begins || has(|effect| matches!(effect, Effect::Lock(Lock::Tables)));
        let locks_begin_anew = locks_anew && locks.are_only(Lock::Tables);
        if !locks.is_empty() && !locks_begin_anew {
            return Some(Kind::TableLock);
        }
        if !self.lost.user_locks.is_empty() {
            return Some(Kind::UserLock);
        }
        if self.lost.xa == Xa::Open
            && !has(|effect| matches!(effect, Effect::Xa(XaStep::Start | XaStep::Recover)))
        {
            return Some(Kind::Xa);
        }
        (!self.lost.session_variables.is_empty()).then_some(Kind::SessionVariable)
    }

    /// It names something that is lost.
    fn names_lost(&self, statement: &Statement<'_>, text: &[u8]) -> Option<Kind> {
        let lost = &self.lost;
        for effect in &statement.effects {
            if let Effect::Execute { name, .. } | Effect::Deallocate(name) = effect
                && lost.prepared.has(name.bytes())
            {
                return Some(Kind::Prepared);
            }
        }
        if lost.temporary_tables.is_empty() && lost.handlers.is_empty() && lost.user_variables.is_empty() {
            return None;
        }
        let mut assigned = 0;
        let (mut created, mut opened) = (None, None);
        for effect in &statement.effects {
            match effect {
                // A procedure may read what it gets.
                Effect::AssignsUnknown(name) if statement.class != Class::Calls => {
                    assigned += usize::from(lost.user_variables.has(name.bytes()));
                }
                Effect::Set(sql::Assignment { target: sql::Target::User(name), .. }) => {
                    assigned += usize::from(lost.user_variables.has(name.bytes()));
                }
                // Production has it still, and refuses another, or keeps it.
                Effect::CreateTemporary(table) if replaces(text) => created = Some(&table.name),
                Effect::HandlerOpen { table, alias } => opened = Some(alias.as_ref().unwrap_or(&table.name)),
                _ => {}
            }
        }
        let kind = Cell::new(None);
        let found = |of| {
            kind.set(Some(of));
            true
        };
        sql::mentions(text, self.dialect, |mention| match mention {
            Mention::Name(name) if lost.temporary_tables.has(name.bytes()) => {
                !created.is_some_and(|created| created.may_be(name.bytes())) && found(Kind::TemporaryTable)
            }
            Mention::Name(name) if lost.handlers.has(name.bytes()) => {
                !opened.is_some_and(|opened| opened.may_be(name.bytes())) && found(Kind::Handler)
            }
            Mention::UserVariable(name) if lost.user_variables.has(name.bytes()) => {
                // Where it is named once for each time that it is assigned, it is not read.
                let is_assigned = assigned > 0;
                assigned = assigned.saturating_sub(1);
                !is_assigned && found(Kind::UserVariable)
            }
            Mention::Name(_) | Mention::UserVariable(_) => false,
        })
        .then(|| kind.get().unwrap_or(Kind::TemporaryTable))
    }

    /// It executes a text that depends on what is lost, or that is not known.
    fn executes_dependent(&self, statement: &Statement<'_>) -> Option<Kind> {
        statement.effects.iter().find_map(|effect| {
            let text = match effect {
                Effect::Execute { name, .. } => self.prepared_text(name.bytes()),
                Effect::ExecuteImmediate { source, .. } => self.resolve(source),
                _ => return None,
            };
            let Some(text) = text else { return Some(Kind::Prepared) };
            let script = sql::read(&text, self.dialect);
            script.statements().iter().find_map(|inner| self.depends_within(inner, &text, false))
        })
    }
}

/// A statement that creates a temporary table is CREATE OR REPLACE.
fn replaces(text: &[u8]) -> bool {
    let find = |word: &[u8]| text.windows(word.len()).position(|window| window.eq_ignore_ascii_case(word));
    find(b"replace").is_some_and(|at| find(b"temporary").is_some_and(|temporary| at < temporary))
}
