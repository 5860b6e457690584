//! The state of the client's connection: what a new connection is told, what it cannot be given, and what depends on that.
//!
//! Three things happen to a statement of the client ([`Run`]). Whatever happens, production has executed it, so that its
//! effects belong to the state that the client believes in ([`effects`]). What a new connection can be told is in a list
//! ([`repeats`]). What it cannot be given is *held* by the present connection, and lost with it ([`held`]). Statements that
//! depend on lost state are not sent ([`dependence`]).
//!
//! docs/MYSQL_STATE.md has the tables.

mod dependence;
mod effects;
mod held;
mod names;
mod record;
mod repeats;
mod sets;
mod task;
mod transactions;
mod values;
mod variable;

pub(crate) use self::dependence::Decision;
pub(crate) use self::effects::Place;
pub(crate) use self::held::Kind;
use self::held::{Held, Xa};
pub(crate) use self::repeats::{ChangeId, Said};
use self::repeats::{Repeat, Repeats};
pub(crate) use self::task::Task;
pub(crate) use self::variable::Variable;
use super::reading::UNKNOWN_SERVER;
use super::transaction::Transaction;
use crate::auth::greeting::Version;
use crate::online::entry::{Begun, Unsaid};
use crate::sql::{Charset, Dialect, Lock};
use crate::statements::table::Serial;

/// What becomes of a statement of the client here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    /// It is sent.
    Sent,
    /// It is not sent.
    LeftOut,
    /// It was dropped on its way: the next one goes to a new connection.
    Dropped,
    /// It is not sent, because production has refused it: it has no effects.
    Refused,
}

/// What the user wants of statements that depend on lost state (`--on-lost-state`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLostState {
    /// They are not sent.
    #[default]
    Drop,
    /// They are sent.
    Run,
}

/// The state of a connection, as the client believes it to be.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionState {
    on_lost: OnLostState,
    repeats: Repeats,
    pub(crate) transaction: Transaction,
    /// The text that has begun the transaction, as long as that has only read.
    begin: Vec<u8>,
    /// What the present connection holds.
    held: Held,
    /// What connections have held that are gone.
    lost: Held,
    /// What was before the last change, which a server may refuse.
    before: Option<Box<Before>>,
    /// The change of several statements of one packet that were sent last: one may have failed, so that those after it were not
    /// executed. The end of the answer shows that all were.
    in_doubt: Option<ChangeId>,
    last_change: ChangeId,
    autocommit: bool,
    /// The id that the test server has given last, since the client has set another.
    last_insert_id: Option<u64>,
    /// A SET is for the next transaction or INSERT only.
    has_next: bool,
    last: LastStatement,
    /// Transactions have ended whose beginning was never seen.
    pub(crate) starts_missed: u64,
    /// That of the login.
    charset: Charset,
    sets_several: Option<bool>,
    dialect: Dialect,
}

/// The statement before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastStatement {
    /// It was sent on the present connection.
    Sent,
    /// The same; it may have given LAST_INSERT_ID() a value, and is not answered.
    Inserts,
    /// It was not sent on the present connection: ROW_COUNT() and FOUND_ROWS() do not belong to it.
    NotSent,
}

/// The state before a change.
#[derive(Debug, Clone)]
struct Before {
    change: ChangeId,
    held: Held,
    lost: Held,
    autocommit: bool,
    dialect: Dialect,
}

impl Before {
    fn of(state: &ConnectionState, change: ChangeId) -> Self {
        let (held, lost) = (state.held.clone(), state.lost.clone());
        Self { change, held, lost, autocommit: state.autocommit, dialect: state.dialect }
    }
}

impl ConnectionState {
    pub(crate) fn new(from_start: bool, on_lost: OnLostState) -> Self {
        Self {
            on_lost,
            repeats: Repeats::default(),
            transaction: Transaction::new(from_start),
            begin: Vec::new(),
            held: Held::default(),
            lost: Held::default(),
            before: None,
            in_doubt: None,
            last_change: ChangeId::default(),
            autocommit: true,
            last_insert_id: None,
            has_next: false,
            last: LastStatement::Sent,
            starts_missed: 0,
            charset: Charset::default(),
            sets_several: None,
            dialect: Dialect {
                is_mariadb: UNKNOWN_SERVER.is_mariadb,
                version: UNKNOWN_SERVER.number,
                ansi_quotes: Some(false),
                no_backslash_escapes: Some(false),
                charset: Charset::default(),
                several: true,
                in_mysql: false,
            },
        }
    }

    /// The memory that is allocated, roughly, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let before = |before: &Before| size_of::<Before>() + before.held.memory() + before.lost.memory();
        self.repeats.memory()
            + self.begin.capacity()
            + self.held.memory()
            + self.lost.memory()
            + self.before.as_deref().map_or(0, before)
    }

    /// The client logs in to this database, with this character set, or becomes another user.
    pub(crate) fn log_in(&mut self, database: &[u8], charset: Charset) {
        self.clear();
        (self.charset, self.dialect.charset) = (charset, charset);
        self.starts_in(database);
    }

    /// The client was logged in before the session was joined: this is assumed.
    pub(crate) fn assume(&mut self, database: &[u8], charset: Charset) {
        (self.charset, self.dialect.charset) = (charset, charset);
        self.starts_in(database);
    }

    /// The session had this when it was joined, as the online server tells. Returns the kinds of state that are lost.
    ///
    /// `uncertain` user variables were said with values that may be wrong. They stay: triggers and procedures read them out of
    /// sight. What reads them in sight is left out. `unprepared` could not be prepared.
    pub(crate) fn joined<'n>(
        &mut self,
        unsaid: Unsaid,
        uncertain: impl Iterator<Item = &'n [u8]>,
        unprepared: impl Iterator<Item = &'n [u8]>,
    ) -> Vec<Kind> {
        let mut kinds = Vec::new();
        match unsaid.transaction {
            Begun::Perhaps => {}
            Begun::No => self.transaction = Transaction::No,
            Begun::Read => {
                self.transaction = Transaction::Open { wrote: false };
                self.begin = b"BEGIN".to_vec();
            }
            Begun::Wrote => {
                self.transaction = Transaction::Lost;
                kinds.push(Kind::Transaction);
            }
        }
        if unsaid.table_lock {
            self.lost.locks.insert(Lock::Tables);
            kinds.push(Kind::TableLock);
        }
        if unsaid.user_lock {
            self.lost.user_locks.insert_unknown();
            kinds.push(Kind::UserLock);
        }
        if unsaid.temporary_table {
            // Their names are not told: nothing is known to depend on them.
            kinds.push(Kind::TemporaryTable);
        }
        unprepared.for_each(|name| self.lost.prepared.insert(name));
        if !self.lost.prepared.is_empty() {
            kinds.push(Kind::Prepared);
        }
        uncertain.for_each(|name| self.lost.user_variables.insert(name));
        // What the client sets before it reads it is no loss.
        if self.on_lost == OnLostState::Run && !self.lost.user_variables.is_empty() {
            kinds.push(Kind::UserVariable);
        }
        kinds
    }

    /// COM_RESET_CONNECTION: the client stays in its database.
    pub(crate) fn reset(&mut self) {
        let database = self.database().map(Vec::from).unwrap_or_default();
        self.clear();
        self.starts_with(Said::Reset, Variable::Login);
        self.starts_in(&database);
    }

    fn clear(&mut self) {
        let Self { on_lost, last_change, charset, starts_missed, dialect, .. } = *self;
        *self = Self {
            last_change,
            charset,
            starts_missed,
            dialect: Dialect {
                charset,
                ansi_quotes: Some(false),
                no_backslash_escapes: Some(false),
                ..dialect
            },
            ..Self::new(true, on_lost)
        };
    }

    fn starts_in(&mut self, database: &[u8]) {
        if !database.is_empty() {
            self.starts_with(Said::Database(database.into()), Variable::Database);
        }
        self.repeats_changed();
    }

    /// An entry before all statements.
    fn starts_with(&mut self, said: Said, variable: Variable) {
        let (change, place, sets) = (self.next_change(), Serial::default(), vec![variable]);
        // The list is empty but for others of these.
        let _ = self.repeats.push(Repeat { change, place, said, sets, reads: Vec::new() }, |_| false);
    }

    /// COM_INIT_DB.
    pub(crate) fn use_database(&mut self, name: &[u8], place: Place<'_>) {
        self.change(place);
        self.used(name, place);
    }

    /// COM_SET_OPTION.
    pub(crate) fn set_options(&mut self, options: [u8; 2], place: Place<'_>) {
        self.change(place);
        self.say(Said::Options(options), vec![Variable::Options], Vec::new(), place);
    }

    /// What a server may refuse comes next.
    fn change(&mut self, place: Place<'_>) {
        self.before = Some(Box::new(Before::of(self, place.change)));
    }

    /// The test server is of this kind and version.
    pub(crate) fn set_server(&mut self, version: Version) {
        (self.dialect.is_mariadb, self.dialect.version) = (version.is_mariadb, version.number);
    }

    /// What COM_SET_OPTION has said of several statements in one packet.
    pub(crate) fn sets_several(&self) -> Option<bool> {
        self.sets_several
    }

    /// How the test server reads the client's next text. How many statements a packet may have is not known here.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Whether the turns since the beginning of the transaction are void if the connection breaks.
    pub(crate) fn is_tentative(&self) -> bool {
        self.transaction.is_tentative()
    }

    /// The database that the client is in.
    pub(crate) fn database(&self) -> Option<&[u8]> {
        match self.repeats.setting(&Variable::Database).map(|repeat| &repeat.said) {
            Some(Said::Database(name)) => Some(name),
            _ => None,
        }
    }

    /// The number of the client's next command that changes the state.
    pub(crate) fn next_change(&mut self) -> ChangeId {
        self.last_change.0 = self.last_change.0.wrapping_add(1);
        self.last_change
    }

    /// The client goes on. If the end of the answer to several statements was not seen, only the servers know which of them
    /// were executed: what they set is as good as unknown.
    pub(crate) fn next_command(&mut self) {
        let Some(change) = self.in_doubt.take() else { return };
        for variable in self.repeats.set_by(change) {
            match variable {
                Variable::Database => self.held.insert(&Variable::unknown_database()),
                _ => self.held.insert(&variable),
            }
            if variable == Variable::session(b"sql_mode") {
                (self.dialect.ansi_quotes, self.dialect.no_backslash_escapes) = (None, None);
            }
        }
        self.repeats.refuse(change);
        self.repeats_changed();
    }

    /// A server has refused a change.
    pub(crate) fn refuse(&mut self, change: ChangeId) {
        self.in_doubt.take_if(|doubt| *doubt == change);
        self.repeats.refuse(change);
        if let Some(before) = self.before.take_if(|before| before.change == change) {
            let Before { held, lost, autocommit, dialect, .. } = *before;
            (self.held, self.lost, self.autocommit, self.dialect) = (held, lost, autocommit, dialect);
        }
        self.repeats_changed();
    }

    /// The test server has refused a change, which production may have made: what it would have made is lost.
    pub(crate) fn refused_by_test(&mut self, change: ChangeId) {
        self.in_doubt.take_if(|doubt| *doubt == change);
        self.repeats.refuse(change);
        if let Some(before) = self.before.as_deref().filter(|before| before.change == change) {
            let (tables, variables) = (&self.held.temporary_tables, &self.held.user_variables);
            self.lost.temporary_tables.insert_new(tables, &before.held.temporary_tables);
            self.lost.user_variables.insert_new(variables, &before.held.user_variables);
            self.held = before.held.clone();
            (self.autocommit, self.dialect) = (before.autocommit, before.dialect);
        }
        self.repeats_changed();
    }

    /// Commands of the client were never captured: whatever everything depends on may have ended in them. Returns whether a
    /// transaction is lost.
    pub(crate) fn client_lost(&mut self) -> bool {
        for held in [&mut self.held, &mut self.lost] {
            held.end_what_all_depends_on();
        }
        self.before = None;
        self.transaction.client_lost()
    }

    /// The connection to the test server is gone. Returns the kinds of state that are lost with it.
    pub(crate) fn connection_lost(&mut self) -> Vec<Kind> {
        self.next_command();
        if self.last == LastStatement::Inserts {
            // Its answer was not seen, perhaps because it is that to a later statement of a command.
            self.held.last_insert_id = true;
        }
        let is_cut = self.transaction.connection_lost(!self.begin.is_empty());
        let kinds = is_cut.then_some(Kind::Transaction).into_iter().chain(self.held.kinds()).collect();
        self.lost.take(&mut self.held);
        self.before = None;
        self.last = LastStatement::NotSent;
        kinds
    }

    /// What a new connection is told, in order. `prepared` are the statements that can be prepared again. `is_named`: the
    /// login has named the first database.
    pub(crate) fn tasks(&self, prepared: &[Serial], is_named: bool) -> Vec<Task> {
        let mut tasks = Vec::new();
        let mut prepared = prepared.iter().copied().peekable();
        let all = self.repeats.all().iter();
        for repeat in all.skip_while(|repeat| is_named && matches!(repeat.said, Said::Database(_))) {
            while let Some(serial) = prepared.next_if(|serial| *serial < repeat.place) {
                tasks.push(Task::Prepare(serial));
            }
            if repeat.said != Said::Nothing {
                tasks.push(Task::Say { said: repeat.said.clone(), sets: repeat.sets.clone() });
            }
        }
        tasks.extend(prepared.map(Task::Prepare));
        tasks.extend(self.last_insert_id.map(Task::LastInsertId));
        if self.transaction.is_open() && !self.begin.is_empty() {
            tasks.push(Task::Begin(self.begin.as_slice().into()));
        }
        tasks
    }

    /// The test server has not accepted what it was told again. Returns the kinds of state that are lost.
    pub(crate) fn not_restored(&mut self, sets: &[Variable]) -> Vec<Kind> {
        let mut lost = Held::default();
        for variable in sets {
            lost.insert(variable);
        }
        let kinds = lost.kinds().collect();
        self.lost.take(&mut lost);
        kinds
    }

    /// The test server has answered OK. `is_last`: to the last command. `id`: that of the inserted row, as far as it can be
    /// seen.
    pub(crate) fn test_ok(&mut self, in_transaction: bool, id: Option<u64>, is_last: bool) {
        self.transaction.test_answer(in_transaction && self.held.xa != Xa::Prepared, is_last);
        match id {
            Some(0) => {}
            Some(id) => {
                if self.last_insert_id.replace(id).is_none() {
                    self.repeats.forget(&Variable::last_insert_id());
                }
                (self.held.last_insert_id, self.lost.last_insert_id) = (false, false);
            }
            None => self.held.last_insert_id |= self.last == LastStatement::Inserts,
        }
        if is_last {
            self.in_doubt = None;
            self.answered();
        }
    }

    /// The test server has answered the last command with an error.
    pub(crate) fn test_error(&mut self) {
        self.answered();
    }

    fn answered(&mut self) {
        if self.last == LastStatement::Inserts {
            self.last = LastStatement::Sent;
        }
    }

    /// What the list says last of these is asked for with each command.
    fn repeats_changed(&mut self) {
        self.dialect.in_mysql = self.database().is_some_and(|name| name.eq_ignore_ascii_case(b"mysql"));
        self.sets_several = match self.repeats.setting(&Variable::Options).map(|repeat| &repeat.said) {
            Some(Said::Options(options)) => Some(*options == [0, 0]),
            _ => None,
        };
    }
}
