//! What a connection holds that another cannot be given.

use module_kit::counters::Counted;

use super::names::Names;
use super::variable::Variable;
use crate::sql::Lock;

/// A kind of state that cannot be said again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An open transaction that has done more than read.
    Transaction,
    TemporaryTable,
    /// Locks of tables, of the instance, of a backup.
    TableLock,
    /// GET_LOCK().
    UserLock,
    Xa,
    /// HANDLER ... OPEN.
    Handler,
    /// A value that only the server knew.
    UserVariable,
    SessionVariable,
    /// A statement that was prepared in SQL, whose text was not kept.
    Prepared,
    LastInsertId,
    /// ROW_COUNT() and FOUND_ROWS() of the statement before.
    Diagnostics,
}

impl Counted for Kind {
    const NAMES: &'static [&'static str] = &[
        "transaction",
        "temporary_table",
        "table_lock",
        "user_lock",
        "xa",
        "handler",
        "user_variable",
        "session_variable",
        "prepared",
        "last_insert_id",
        "diagnostics",
    ];

    fn index(self) -> usize {
        self as usize
    }
}

/// What is held, or was lost with a connection, but for the transaction.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) temporary_tables: Names,
    pub(crate) locks: Locks,
    pub(crate) user_locks: Names,
    pub(crate) xa: Xa,
    pub(crate) handlers: Names,
    pub(crate) user_variables: Names,
    pub(crate) session_variables: Names,
    pub(crate) prepared: Names,
    pub(crate) last_insert_id: bool,
}

/// A transaction of XA.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Xa {
    #[default]
    No,
    /// It ends with its connection.
    Open,
    /// XA PREPARE was sent: it outlives the connection.
    Prepared,
}

/// Locks by kind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Locks(u8);

impl Locks {
    fn bit(lock: Lock) -> u8 {
        match lock {
            Lock::Tables => 1,
            Lock::GlobalRead => 2,
            Lock::Instance => 4,
            Lock::Backup => 8,
        }
    }

    pub(crate) fn insert(&mut self, lock: Lock) {
        self.0 |= Self::bit(lock);
    }

    pub(crate) fn remove(&mut self, lock: Lock) {
        self.0 &= !Self::bit(lock);
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All of these are of this kind.
    pub(crate) fn are_only(self, lock: Lock) -> bool {
        self.0 & !Self::bit(lock) == 0
    }
}

impl Held {
    pub(crate) fn is_empty(&self) -> bool {
        self.kinds().next().is_none()
    }

    /// The kinds of which there is something.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> {
        let kinds = [
            (Kind::TemporaryTable, !self.temporary_tables.is_empty()),
            (Kind::TableLock, !self.locks.is_empty()),
            (Kind::UserLock, !self.user_locks.is_empty()),
            (Kind::Xa, self.xa == Xa::Open),
            (Kind::Handler, !self.handlers.is_empty()),
            (Kind::UserVariable, !self.user_variables.is_empty()),
            (Kind::SessionVariable, !self.session_variables.is_empty()),
            (Kind::Prepared, !self.prepared.is_empty()),
            (Kind::LastInsertId, self.last_insert_id),
        ];
        kinds.into_iter().filter_map(|(kind, is_there)| is_there.then_some(kind))
    }

    /// The value of this variable is one that only the connection has.
    pub(crate) fn has(&self, variable: &Variable) -> bool {
        match variable {
            Variable::User(name) => self.user_variables.has(name),
            Variable::Session(_) if *variable == Variable::last_insert_id() => self.last_insert_id,
            Variable::Session(name) => self.session_variables.has(name),
            Variable::Prepared(name) => self.prepared.has(name),
            Variable::Login | Variable::Database | Variable::Next | Variable::Options => false,
        }
    }

    pub(crate) fn insert(&mut self, variable: &Variable) {
        match variable {
            Variable::User(name) => self.user_variables.insert(name),
            Variable::Session(_) if *variable == Variable::last_insert_id() => self.last_insert_id = true,
            Variable::Session(name) => self.session_variables.insert(name),
            Variable::Prepared(name) => self.prepared.insert(name),
            Variable::Login | Variable::Database | Variable::Next | Variable::Options => {}
        }
    }

    pub(crate) fn remove(&mut self, variable: &Variable) {
        match variable {
            Variable::User(name) => drop(self.user_variables.remove(name)),
            Variable::Session(_) if *variable == Variable::last_insert_id() => self.last_insert_id = false,
            Variable::Session(name) => drop(self.session_variables.remove(name)),
            Variable::Prepared(name) => drop(self.prepared.remove(name)),
            Variable::Login | Variable::Database | Variable::Next | Variable::Options => {}
        }
    }

    /// Forgets the kinds on which every statement depends.
    pub(crate) fn end_what_all_depends_on(&mut self) {
        (self.locks, self.xa) = (Locks::default(), Xa::No);
        self.user_locks.clear();
        self.session_variables.clear();
    }

    /// Moves all of `other` here.
    pub(crate) fn take(&mut self, other: &mut Self) {
        self.temporary_tables.take(&mut other.temporary_tables);
        self.locks.0 |= std::mem::take(&mut other.locks).0;
        self.user_locks.take(&mut other.user_locks);
        if std::mem::take(&mut other.xa) == Xa::Open {
            self.xa = Xa::Open;
        }
        self.handlers.take(&mut other.handlers);
        self.user_variables.take(&mut other.user_variables);
        self.session_variables.take(&mut other.session_variables);
        self.prepared.take(&mut other.prepared);
        self.last_insert_id |= std::mem::take(&mut other.last_insert_id);
    }

    /// The memory that is allocated, roughly, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let names = [
            &self.temporary_tables,
            &self.user_locks,
            &self.handlers,
            &self.user_variables,
            &self.session_variables,
            &self.prepared,
        ];
        names.into_iter().map(Names::memory).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_held_is_lost() {
        let mut held = Held::default();
        assert!(held.is_empty());
        held.temporary_tables.insert(b"t");
        held.locks.insert(Lock::Tables);
        held.locks.insert(Lock::Backup);
        held.xa = Xa::Open;
        let mut lost = Held::default();
        lost.take(&mut held);
        assert!(held.is_empty());
        assert!(lost.kinds().eq([Kind::TemporaryTable, Kind::TableLock, Kind::Xa]));
        assert!(!lost.locks.are_only(Lock::Tables));
        lost.locks.remove(Lock::Backup);
        assert!(lost.locks.are_only(Lock::Tables) && !lost.locks.is_empty());
    }
}
