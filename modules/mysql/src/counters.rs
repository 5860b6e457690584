//! The counters of the report. Counting takes no lock: it is done for each command.

use module_kit::counters::{Codes, Counted, Counters as Group};
use module_kit::{Loss, Report};

use crate::auth::plugin::Plugin;
use crate::session::connection_state::Kind;
use crate::wire::command::{Command, NAMES};

/// The outcome of a login at the test server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// With a password.
    Accepted,
    /// The captured answer, or none, was sufficient.
    WithoutPassword,
    Refused,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::WithoutPassword => "without_password",
            Self::Refused => "refused",
        }
    }
}

/// Why a command was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// Names a statement that was prepared before the session was joined, or never.
    UnknownStatement,
    /// Names a statement that the test server could not prepare, or has lost.
    FailedStatement,
    /// Has parameters whose types were bound in lost bytes.
    UnknownTypes,
    /// Has values that went to a lost connection.
    LostLongData,
    /// KILL of a connection that has no known copy.
    Kill,
    /// KILL QUERY: the statement that it broke in production is over on the test server.
    KillLate,
    /// KILL: the copy of its victim did not come to the same place in time.
    KillVictimBehind,
    /// SHUTDOWN.
    Shutdown,
    /// A replica's commands.
    Replication,
    /// A file that the test server did not ask for.
    File,
    /// Would have to be changed, and is too long for that, or cannot be read.
    Unreadable,
    /// COM_STMT_BULK_EXECUTE, which the test server does not know.
    Bulk,
    /// Commands of a session whose state the online server has not told yet.
    UnknownState,
    /// Depends on state that was lost with a connection.
    StateLost,
    /// Changes accounts.
    Accounts,
    /// SQL that cannot be read for certain.
    UnreadableSql,
    /// The online server has refused it.
    RefusedOnline,
    /// Bytes that begin no command: the session was joined, or goes on after a loss, inside of one.
    OutOfStep,
}

impl LeftOut {
    /// How the ledger counts the bytes.
    pub(crate) fn loss(self) -> Loss {
        match self {
            Self::StateLost => Loss::StateLost,
            _ => Loss::LeftOut,
        }
    }
}

impl Counted for LeftOut {
    const NAMES: &'static [&'static str] = &[
        "unknown_statement",
        "failed_statement",
        "unknown_types",
        "lost_long_data",
        "kill",
        "kill_late",
        "kill_victim_behind",
        "shutdown",
        "replication",
        "file",
        "unreadable",
        "bulk_execute",
        "unknown_state",
        "state_lost",
        "accounts",
        "unreadable_sql",
        "refused_online",
        "out_of_step",
    ];

    fn index(self) -> usize {
        self as usize
    }
}

/// Events that are counted of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A statement was prepared again on a new connection.
    PreparedAgain,
    /// A SET, or another statement that makes a connection's state, was said again on a new connection.
    SaidAgain,
    /// The types of its parameters were sent again.
    TypesAgain,
    /// The text of a statement was not kept for a new connection.
    TextNotKept,
    /// The test server did not let a client into its database on a new connection.
    DatabaseRefused,
    /// The id of a statement was inferred from the order, because the answer was not seen.
    IdAssumed,
    /// A connection was lost inside a transaction.
    TransactionCut,
    /// A transaction was open when the session was joined, or its beginning was lost.
    TransactionStartMissed,
    /// A KILL was sent with the id of the right copy.
    KillMapped,
    /// The same, but the statement that it broke in production was over on the test server.
    KilledLate,
    /// A KILL QUERY was for a connection that executed nothing.
    KillOfIdle,
    /// Query attributes were left out of a statement.
    AttributesLeftOut,
    /// A client compresses.
    Compressed,
    /// A session was joined late, and logged in with the default login.
    Joined,
    /// The online server has told the state of a session that was joined late.
    KnownByOnline,
    /// The same, with user variables of which it does not tell the values for certain.
    VariablesUncertain,
    /// An EXECUTE was sent with types that were inferred from its values.
    TypesInferred,
}

impl Counted for Event {
    const NAMES: &'static [&'static str] = &[
        "prepared_again",
        "said_again",
        "types_again",
        "statement_text_not_kept",
        "database_refused",
        "statement_id_assumed",
        "transaction_cut",
        "transaction_start_missed",
        "kill_mapped",
        "killed_late",
        "kill_of_idle",
        "query_attributes_left_out",
        "compressed_client",
        "joined_with_default_login",
        "known_by_online_server",
        "variables_uncertain",
        "types_inferred",
    ];

    fn index(self) -> usize {
        self as usize
    }
}

/// A command that was sent to the test server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent(pub(crate) Command);

impl Counted for Sent {
    const NAMES: &'static [&'static str] = &NAMES;

    fn index(self) -> usize {
        usize::from(self.0.0)
    }
}

/// The counters of all sessions.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) logins: Codes<(Outcome, Plugin)>,
    /// Connections that the test server refused, by error code.
    pub(crate) refusals: Codes<u16>,
    pub(crate) commands: Group<Sent>,
    pub(crate) server_errors: Codes<u16>,
    pub(crate) online_errors: Codes<u16>,
    pub(crate) left_out: Group<LeftOut>,
    pub(crate) sessions: Group<Event>,
    /// State that was lost with a connection, by kind.
    pub(crate) state_lost: Group<Kind>,
}

impl Counters {
    pub(crate) fn report(&self) -> Report {
        let mut report = Report::default();
        let login = |(outcome, plugin): &(Outcome, Plugin)| format!("{}_{}", outcome.name(), plugin.name());
        self.logins.report("logins", login, &mut report);
        self.refusals.report("refused_connections", u16::to_string, &mut report);
        self.commands.report("commands", &mut report);
        self.server_errors.report("server_errors", u16::to_string, &mut report);
        self.online_errors.report("online_errors", u16::to_string, &mut report);
        self.left_out.report("left_out", &mut report);
        self.sessions.report("sessions", &mut report);
        self.state_lost.report("state_lost", &mut report);
        report
    }
}
