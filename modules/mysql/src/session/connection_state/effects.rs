//! What the client's statements change.

use super::repeats::ChangeId;
use super::sets::Sets;
use super::values::is_default;
use super::variable::Variable;
use super::{ConnectionState, LastStatement, Run};
use crate::sql::{self, Assignment, Class, Dialect, Effect, Lock, Name, Script, Statement, Table, Target};
use crate::statements::table::Statements;

/// The place of a statement among those of its session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Numbers the command that it belongs to.
    pub(crate) change: ChangeId,
    pub(crate) statements: &'a Statements,
}

impl ConnectionState {
    /// Whether the effects of a script belong to the state, so that it needs a number ([`ConnectionState::next_change`]): a
    /// refusal takes them back.
    pub(crate) fn is_change(script: &Script<'_>) -> bool {
        let is_none = |effect: &Effect<'_>| {
            matches!(
                effect,
                Effect::Transaction(_)
                    | Effect::ImplicitCommit
                    | Effect::UsesLastInsertId
                    | Effect::UsesDiagnostics
                    | Effect::HandlerRead(_)
                    | Effect::Kill(_)
                    | Effect::Shutdown
                    | Effect::Accounts
                    | Effect::LoadLocal
                    | Effect::Unreadable
            )
        };
        script.effects().any(|effect| !is_none(effect))
    }

    /// The client has sent the statements of a script. `run` tells what becomes of each here.
    pub(crate) fn script(
        &mut self,
        script: &Script<'_>,
        text: &[u8],
        run: impl Fn(usize) -> Run,
        place: Place<'_>,
    ) {
        if Self::is_change(script) {
            self.change(place);
            let sent = (0..script.statements().len()).filter(|index| run(*index) == Run::Sent);
            self.in_doubt = (sent.take(2).count() > 1).then_some(place.change);
        }
        let statements = script.statements().iter().enumerate();
        for (index, statement) in statements.filter(|(index, _)| run(*index) != Run::Refused) {
            self.statement(statement, text, run(index), place, true);
        }
    }

    /// One statement, in the text that it is a part of. `is_outer`: it is not the text of an EXECUTE.
    pub(in crate::session) fn statement(
        &mut self,
        statement: &Statement<'_>,
        text: &[u8],
        run: Run,
        place: Place<'_>,
        is_outer: bool,
    ) {
        let text = text.get(statement.range.clone()).unwrap_or_default();
        if statement.class == Class::Empty && statement.effects.is_empty() {
            return;
        }
        if statement.effects.is_empty() {
            return self.without_effects(statement.class, run);
        }
        let mut sets = Sets::default();
        for effect in &statement.effects {
            match effect {
                Effect::Set(assignment) => {
                    sets.add(assignment, self);
                    self.dialect = self.dialect_after(assignment);
                }
                effect => self.effect(effect, text, run, place, is_outer),
            }
        }
        self.set(sets, text, run, place);
        if changes_variables_only(statement) {
            self.last = if run == Run::Sent { LastStatement::Sent } else { LastStatement::NotSent };
        } else {
            self.without_effects(statement.class, run);
        }
    }

    fn dialect_after(&self, assignment: &Assignment<'_>) -> Dialect {
        match &assignment.target {
            Target::Session(name)
                if name.bytes().eq_ignore_ascii_case(b"sql_mode") && is_default(assignment.expression) =>
            {
                self.dialect.with_sql_mode(b"")
            }
            _ => self.dialect.after(assignment, &|variable| self.value(variable)),
        }
    }

    /// The statement does something to data, or reads it.
    pub(crate) fn without_effects(&mut self, class: Class, run: Run) {
        let sent = run == Run::Sent;
        let may_write = matches!(class, Class::Writes | Class::Calls);
        match class {
            Class::Reads if !self.autocommit => self.transaction.read_without_autocommit(sent),
            Class::Writes | Class::Calls if run != Run::LeftOut => {
                self.transaction.write(!self.autocommit, sent);
            }
            Class::Defines | Class::Other if run != Run::LeftOut => self.transaction.write(false, sent),
            _ => {}
        }
        if self.has_next && !self.transaction.is_open() {
            self.forget_next();
        }
        if may_write && !sent {
            // Its id is the one that the client means.
            self.lost.last_insert_id = true;
        }
        if self.last == LastStatement::Inserts {
            // Its answer was not seen.
            self.held.last_insert_id = true;
        }
        self.last = match () {
            () if !sent => LastStatement::NotSent,
            () if may_write => LastStatement::Inserts,
            () => LastStatement::Sent,
        };
    }

    /// What was set for the next transaction or INSERT only is used up.
    pub(super) fn forget_next(&mut self) {
        self.has_next = false;
        self.repeats.forget(&Variable::Next);
    }

    fn effect(&mut self, effect: &Effect<'_>, text: &[u8], run: Run, place: Place<'_>, is_outer: bool) {
        let sent = run == Run::Sent;
        match effect {
            Effect::Use(name) => self.used(name.bytes(), place),
            Effect::Transaction(step) => self.step(step, text, sent),
            Effect::ImplicitCommit => self.ended(false),
            Effect::Xa(step) => self.xa(*step, sent),
            Effect::Lock(lock) => {
                if sent {
                    if *lock == Lock::Tables {
                        self.lost.locks.remove(Lock::Tables);
                    }
                    self.held.locks.insert(*lock);
                } else {
                    self.lost.locks.insert(*lock);
                }
            }
            Effect::Unlock(lock) => self.unlock(*lock),
            Effect::CreateTemporary(table) => self.created(table, sent),
            Effect::DropDatabase(name) => self.dropped(name.bytes(), place),
            Effect::Drop { tables, .. } => {
                for table in tables {
                    self.held.temporary_tables.remove(table.name.bytes());
                    self.lost.temporary_tables.remove(table.name.bytes());
                }
            }
            Effect::Rename(from, to) => {
                for tables in [&mut self.held.temporary_tables, &mut self.lost.temporary_tables] {
                    if tables.remove(from.name.bytes()) {
                        tables.insert(to.name.bytes());
                    }
                }
            }
            Effect::HandlerOpen { table, alias } => {
                let name = alias.as_ref().unwrap_or(&table.name).bytes();
                self.lost.handlers.remove(name);
                if sent { self.held.handlers.insert(name) } else { self.lost.handlers.insert(name) }
            }
            Effect::HandlerClose(table) => {
                self.held.handlers.remove(table.name.bytes());
                self.lost.handlers.remove(table.name.bytes());
            }
            Effect::GetLock(name) => {
                let locks = if sent { &mut self.held.user_locks } else { &mut self.lost.user_locks };
                match name {
                    Some(name) => locks.insert(name.bytes()),
                    None => locks.insert_unknown(),
                }
            }
            Effect::ReleaseLock(Some(name)) => {
                self.held.user_locks.remove(name.bytes());
                self.lost.user_locks.remove(name.bytes());
            }
            Effect::ReleaseLock(None) | Effect::ReleaseAllLocks => {
                self.held.user_locks.clear();
                self.lost.user_locks.clear();
            }
            Effect::AssignsUnknown(name) => {
                self.keep(None, vec![Variable::user(name.bytes())], Vec::new(), run, place);
            }
            Effect::SetsLastInsertId if sent => self.held.last_insert_id = true,
            Effect::SetsLastInsertId => self.lost.last_insert_id = true,
            Effect::Prepare { name, source } => self.prepare(name, source, text, run, place),
            Effect::Deallocate(name) => self.deallocate(name, place),
            Effect::Execute { name, using } if is_outer => {
                let text = self.prepared_text(name.bytes());
                self.inner(text.as_deref(), using, run, place);
            }
            Effect::ExecuteImmediate { source, using } if is_outer => {
                let text = self.resolve(source);
                self.inner(text.as_deref(), using, run, place);
            }
            _ => {}
        }
    }

    /// A text that SQL has prepared is executed, with these variables for its parameters.
    fn inner(&mut self, text: Option<&[u8]>, using: &[Name<'_>], run: Run, place: Place<'_>) {
        let text = text.unwrap_or_default();
        let dialect = Dialect { several: false, ..self.dialect };
        let mut may_assign = text.is_empty();
        for statement in sql::read(text, dialect).statements() {
            self.statement(statement, text, run, place, false);
            may_assign |= statement.class == Class::Calls;
        }
        for name in using.iter().filter(|_| may_assign) {
            self.keep(None, vec![Variable::user(name.bytes())], Vec::new(), run, place);
        }
    }

    fn unlock(&mut self, lock: Lock) {
        for locks in [&mut self.held.locks, &mut self.lost.locks] {
            locks.remove(lock);
            if lock == Lock::Tables {
                locks.remove(Lock::GlobalRead);
            }
        }
    }

    fn created(&mut self, table: &Table<'_>, sent: bool) {
        let name = table.name.bytes();
        if sent {
            self.lost.temporary_tables.remove(name);
            self.held.temporary_tables.insert(name);
        } else {
            self.held.temporary_tables.remove(name);
            self.lost.temporary_tables.insert(name);
        }
    }
}

/// Such a statement neither begins a transaction nor is it a part of one.
fn changes_variables_only(statement: &Statement<'_>) -> bool {
    let is_variable = |effect: &Effect<'_>| {
        matches!(
            effect,
            Effect::Set(_)
                | Effect::Use(_)
                | Effect::Prepare { .. }
                | Effect::Deallocate(_)
                | Effect::Transaction(_)
        )
    };
    statement.class == Class::Other && statement.effects.iter().all(is_variable)
}
