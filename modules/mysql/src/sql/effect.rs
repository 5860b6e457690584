//! What a statement does.

use std::ops::Range;

use super::name::Name;
use super::script::Source;

/// What a statement does, as far as the module must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect<'t> {
    Kill(Kill<'t>),
    /// SHUTDOWN, RESTART.
    Shutdown,
    /// Accounts are changed, or read again: CREATE USER, GRANT, SET PASSWORD, writes to `mysql.user`, FLUSH PRIVILEGES
    /// and others.
    Accounts,
    /// LOAD DATA LOCAL, LOAD XML LOCAL: the server asks the client for a file.
    LoadLocal,
    /// PREPARE in SQL.
    Prepare {
        name: Name<'t>,
        source: Source<'t>,
    },
    /// EXECUTE in SQL, with the user variables in USING. A CALL may assign to them.
    Execute {
        name: Name<'t>,
        using: Vec<Name<'t>>,
    },
    ExecuteImmediate {
        source: Source<'t>,
        using: Vec<Name<'t>>,
    },
    Deallocate(Name<'t>),
    Use(Name<'t>),
    /// One of a SET.
    Set(Assignment<'t>),
    Transaction(Step<'t>),
    /// Ends a transaction, and does something else.
    ImplicitCommit,
    Xa(XaStep),
    Lock(Lock),
    /// UNLOCK TABLES releases [`Lock::Tables`] and [`Lock::GlobalRead`]. It ends a transaction too if tables are locked.
    Unlock(Lock),
    /// CREATE TEMPORARY TABLE or SEQUENCE.
    CreateTemporary(Table<'t>),
    /// DROP TABLE or SEQUENCE. DROP DATABASE drops no temporary table.
    Drop {
        tables: Vec<Table<'t>>,
        only_temporary: bool,
    },
    DropDatabase(Name<'t>),
    /// A table, which may be a temporary one, gets another name: from, to.
    Rename(Table<'t>, Table<'t>),
    HandlerOpen {
        table: Table<'t>,
        alias: Option<Name<'t>>,
    },
    HandlerRead(Table<'t>),
    HandlerClose(Table<'t>),
    /// GET_LOCK(), with its name if that is a string.
    GetLock(Option<Name<'t>>),
    /// RELEASE_LOCK(), with its name if that is a string.
    ReleaseLock(Option<Name<'t>>),
    ReleaseAllLocks,
    /// A user variable gets a value that only the server knows: `@a := `, INTO @a, CALL p(@a).
    AssignsUnknown(Name<'t>),
    /// LAST_INSERT_ID(expression).
    SetsLastInsertId,
    /// LAST_INSERT_ID(), `@@last_insert_id`, `@@identity`.
    UsesLastInsertId,
    /// ROW_COUNT(), FOUND_ROWS(): what the statement before has left.
    UsesDiagnostics,
    /// It cannot be read for certain: a string that never ends, or a mode of the session that is not known and would matter.
    Unreadable,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kill<'t> {
    pub(crate) scope: KillScope,
    pub(crate) victim: Victim<'t>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KillScope {
    Connection,
    /// The statement that it executes.
    Query,
}

/// Who is killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Victim<'t> {
    /// The connection with this id, which stands in these bytes of the text.
    Number { id: u32, range: Range<usize> },
    /// The query with this id (MariaDB).
    QueryId { id: u64, range: Range<usize> },
    /// All connections of a user (MariaDB), without the host.
    User(Name<'t>),
    /// `CURRENT_USER`.
    CurrentUser,
    /// Known on the server only.
    Expression,
}

/// One assignment of a SET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment<'t> {
    pub(crate) target: Target<'t>,
    pub(crate) value: Value<'t>,
    /// The expression, behind the `=`: for NAMES and CHARACTER SET all that follows, for transactions the characteristics.
    pub(crate) expression: &'t [u8],
}

/// What is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target<'t> {
    User(Name<'t>),
    /// A variable of the session, or of a stored program, also where no scope is named.
    Session(Name<'t>),
    Global(Name<'t>),
    /// PERSIST, PERSIST_ONLY.
    Persist(Name<'t>),
    /// SET NAMES.
    Names,
    /// SET CHARACTER SET.
    CharacterSet,
    /// SET TRANSACTION, and `SET @@transaction_isolation` without a scope, which is for the next transaction only.
    Transaction(TransactionScope),
    /// SET ROLE.
    Role,
    ResourceGroup,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionScope {
    Next,
    Session,
    Global,
}

/// What a value depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'t> {
    /// On nothing: the statement may be said again at any time.
    Constant,
    /// On these variables, with the values that they have before the SET, also where it assigns to them too: the statement
    /// may be said again when they have been set again.
    Variables(Vec<Variable<'t>>),
    /// On more: tables, time, chance.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Variable<'t> {
    User(Name<'t>),
    /// Of the session.
    Session(Name<'t>),
    Global(Name<'t>),
}

/// A statement about transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step<'t> {
    Begin,
    Commit(AndThen),
    Rollback(AndThen),
    Savepoint(Name<'t>),
    RollbackTo(Name<'t>),
    ReleaseSavepoint(Name<'t>),
}

/// What comes behind a COMMIT or ROLLBACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AndThen {
    Nothing,
    /// CHAIN: another transaction.
    Chain,
    /// RELEASE: the server closes the connection.
    Release,
    /// Nothing is said: `completion_type` decides, which is nothing by default.
    Unsaid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum XaStep {
    Start,
    End,
    Prepare,
    Commit,
    Rollback,
    Recover,
}

/// Locks that last longer than a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// LOCK TABLES, FLUSH TABLES ... FOR EXPORT and WITH READ LOCK of named tables.
    Tables,
    /// FLUSH TABLES WITH READ LOCK.
    GlobalRead,
    /// LOCK INSTANCE FOR BACKUP.
    Instance,
    /// BACKUP STAGE, BACKUP LOCK (MariaDB).
    Backup,
}

/// A table's name, with its database if that is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table<'t> {
    pub(crate) database: Option<Name<'t>>,
    pub(crate) name: Name<'t>,
}
