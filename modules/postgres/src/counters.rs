//! The counters of the report. Counting takes no lock where it is done for each message.

use module_kit::Report;
use module_kit::counters::{Codes, Counted, Counters as Group};
use postgres_wire::login::client::Method;
use postgres_wire::server_error::SqlState;

/// The outcome of a login at the test server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Accepted,
    Refused,
}

/// Messages of clients, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    Query,
    Parse,
    Bind,
    Describe,
    Execute,
    Close,
    Flush,
    Sync,
    FunctionCall,
    CopyData,
    CopyDone,
    CopyFail,
    Terminate,
}

impl Message {
    /// From its type; none for a password message.
    pub(crate) fn of(kind: u8) -> Option<Self> {
        Some(match kind {
            b'Q' => Self::Query,
            b'P' => Self::Parse,
            b'B' => Self::Bind,
            b'D' => Self::Describe,
            b'E' => Self::Execute,
            b'C' => Self::Close,
            b'H' => Self::Flush,
            b'S' => Self::Sync,
            b'F' => Self::FunctionCall,
            b'd' => Self::CopyData,
            b'c' => Self::CopyDone,
            b'f' => Self::CopyFail,
            b'X' => Self::Terminate,
            _ => return None,
        })
    }
}

impl Counted for Message {
    const NAMES: &'static [&'static str] = &[
        "query",
        "parse",
        "bind",
        "describe",
        "execute",
        "close",
        "flush",
        "sync",
        "function_call",
        "copy_data",
        "copy_done",
        "copy_fail",
        "terminate",
    ];

    fn index(self) -> usize {
        self as usize
    }
}

/// Why messages were left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// Data of a COPY that the test server does not take.
    CopyRefused,
    /// Names a statement that was prepared before the session was joined.
    UnknownStatement,
    /// A CancelRequest for a connection that has no copy, or whose key was not captured.
    CancelUnknown,
    /// One whose victim's copy did not come to the same statement in time.
    CancelVictimBehind,
    /// One that comes too late: the victim's copy has executed the statement.
    CancelLate,
    /// Depends on state that was lost with a connection.
    StateLost,
    /// Bytes that begin no message: the session was joined, or goes on after a loss, inside of one.
    OutOfStep,
}

impl Counted for LeftOut {
    const NAMES: &'static [&'static str] = &[
        "copy_refused",
        "unknown_statement",
        "cancel_unknown",
        "cancel_victim_behind",
        "cancel_late",
        "state_lost",
        "out_of_step",
    ];

    fn index(self) -> usize {
        self as usize
    }
}

/// State that was lost with a connection, or that was never known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateLost {
    Transaction,
    TemporaryTable,
    AdvisoryLock,
    Setting,
    HeldCursor,
    /// A statement whose text was not kept.
    Prepared,
}

impl Counted for StateLost {
    const NAMES: &'static [&'static str] =
        &["transaction", "temporary_table", "advisory_lock", "setting", "held_cursor", "prepared"];

    fn index(self) -> usize {
        self as usize
    }
}

/// Events that are counted of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A session was joined late, and logged in with the default login.
    Joined,
    /// A statement was prepared again on a new connection.
    PreparedAgain,
    /// A setting was said again on a new connection.
    SaidAgain,
    /// The test server refused one of these.
    SaidAgainRefused,
    /// A COMMIT or ROLLBACK came without a BEGIN.
    TransactionStartMissed,
    /// A client asked for TLS or GSSAPI, and went on without.
    EncryptionRefusedOnline,
    /// A replica.
    Replication,
    /// A COPY that only the test server took was ended.
    CopyEnded,
    /// Keys of SCRAM were derived.
    KeysDerived,
    /// A CancelRequest was sent with the test server's key.
    CancelMapped,
    /// One was not, because its victim was idle.
    CancelOfIdle,
}

impl Counted for Event {
    const NAMES: &'static [&'static str] = &[
        "joined_with_default_login",
        "prepared_again",
        "said_again",
        "said_again_refused",
        "transaction_start_missed",
        "encryption_refused_online",
        "replication",
        "copy_ended",
        "scram_keys_derived",
        "cancel_mapped",
        "cancel_of_idle",
    ];

    fn index(self) -> usize {
        self as usize
    }
}

/// The counters of all sessions.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) logins: Codes<(Outcome, Method)>,
    /// Connections that the test server refused, whoever the user was.
    pub(crate) refusals: Codes<SqlState>,
    pub(crate) messages: Group<Message>,
    pub(crate) server_errors: Codes<SqlState>,
    pub(crate) online_errors: Codes<SqlState>,
    pub(crate) left_out: Group<LeftOut>,
    pub(crate) state_lost: Group<StateLost>,
    pub(crate) sessions: Group<Event>,
}

fn login((outcome, method): &(Outcome, Method)) -> String {
    let method = match method {
        Method::Trust => "trust",
        Method::Cleartext => "cleartext",
        Method::Md5 => "md5",
        Method::Scram => "scram",
        Method::Gss => "gss",
        Method::Other => "other",
    };
    match outcome {
        Outcome::Accepted => format!("accepted_{method}"),
        Outcome::Refused => format!("refused_{method}"),
    }
}

impl Counters {
    pub(crate) fn report(&self) -> Report {
        let mut report = Report::default();
        let code = |code: &SqlState| String::from_utf8_lossy(code).into_owned();
        self.logins.report("logins", login, &mut report);
        self.refusals.report("refused_connections", code, &mut report);
        self.messages.report("messages", &mut report);
        self.server_errors.report("server_errors", code, &mut report);
        self.online_errors.report("online_errors", code, &mut report);
        self.left_out.report("left_out", &mut report);
        self.state_lost.report("state_lost", &mut report);
        self.sessions.report("sessions", &mut report);
        report
    }
}
