//! What of a recording is replayed.

use std::collections::HashMap;

use mysql_wire::command::Command;

use super::Options;
use crate::fingerprint::fingerprint;
use crate::inspect::texts::Names;
use crate::masking::mentions;
use crate::protocol::Protocol;
use crate::recording::Bytes;
use crate::recording::record::{Masked, Message, Record, Session, Statement};
use crate::sql::{Token, Tokens};

/// Applies the options to the records, in their order.
#[derive(Debug)]
pub(super) struct Selection {
    sessions: HashMap<u64, Chosen>,
    open: usize,
    left: u64,
    /// What was left out.
    pub(super) left_out: LeftOut,
}

/// How much was left out, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Sessions that the user did not choose.
    pub sessions: u64,
    /// Sessions beyond `--sessions-max`.
    pub sessions_beyond: u64,
    /// Statements that the user did not choose.
    pub filtered: u64,
    /// Statements with a password in place of which stands a mask.
    pub passwords: u64,
    /// Statements that were too long to be recorded.
    pub too_long: u64,
    /// Statements of MySQL that end other connections or the server.
    pub kills: u64,
    /// Executions whose parameters the recorder could not read, and bulks.
    pub unreadable: u64,
    /// Parameters that were masked: NULL is sent.
    pub masked_parameters: u64,
}

#[derive(Debug, Default)]
struct Chosen {
    permitted: Names<bool>,
    /// Whether the statement was that data of a COPY belong to.
    last: bool,
}

/// Whether a record is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// As it is.
    Whole,
    /// In part: its answer cannot be compared.
    Part,
    /// Not at all.
    No,
}

impl Selection {
    pub(super) fn new(options: &Options) -> Self {
        Self { sessions: HashMap::new(), open: 0, left: options.limit, left_out: LeftOut::default() }
    }

    /// Chooses; may remove messages from the record.
    pub(super) fn choose(&mut self, record: &mut Record, options: &Options) -> Choice {
        match record {
            Record::Session(session) => self.session(session, options),
            Record::Statement(statement) => self.statement(statement, options),
            Record::Answer(answer) => self.whole_if(answer.session),
            Record::Cancel(cancel) => self.whole_if(cancel.session),
            Record::End(end) => {
                let choice = self.whole_if(end.session);
                if self.sessions.remove(&end.session).is_some() {
                    self.open -= 1;
                }
                choice
            }
            // What was open when the recorder stopped has no end.
            Record::Header(_) => Choice::No,
            Record::Skipped(_) => Choice::No,
        }
    }

    /// Whether nothing more is wanted.
    pub(super) fn is_over(&self) -> bool {
        self.left == 0
    }

    fn whole_if(&self, session: u64) -> Choice {
        if self.sessions.contains_key(&session) { Choice::Whole } else { Choice::No }
    }

    fn session(&mut self, session: &Session, options: &Options) -> Choice {
        if session.refused.is_some() || !SessionNameList(&options.sessions).has(session) {
            self.left_out.sessions += 1;
            return Choice::No;
        }
        if self.open >= options.sessions_max {
            self.left_out.sessions_beyond += 1;
            return Choice::No;
        }
        self.open += 1;
        self.sessions.insert(session.session, Chosen::default());
        Choice::Whole
    }

    fn statement(&mut self, statement: &mut Statement, options: &Options) -> Choice {
        let Some(session) = self.sessions.get_mut(&statement.session) else { return Choice::No };
        if self.left == 0 {
            return Choice::No;
        }
        let executions = statement.executions() as u64;
        if statement.masked == Some(Masked::Password) {
            self.left_out.passwords += executions.max(1);
            return Choice::No;
        }
        if statement.messages.iter().any(|message| matches!(message, Message::TooLong { .. })) {
            self.left_out.too_long += executions.max(1);
            return Choice::No;
        }
        if options.protocol == Protocol::Mysql
            && let Some(kind) = statement.messages.iter().find_map(not_replayable)
        {
            match kind {
                NotReplayable::Kill => self.left_out.kills += 1,
                NotReplayable::Bulk => self.left_out.unreadable += 1,
            }
            return Choice::No;
        }
        let before = statement.messages.len();
        if options.only_select || options.filter.is_some() || options.fingerprint.is_some() {
            let permits = |sql: &Bytes| permits(&sql.0, options);
            statement.messages.retain(|message| {
                (!options.only_select || !may_write(message)) && session.keeps(message, permits)
            });
        }
        let is_empty = |message: &Message| matches!(message, Message::Sync | Message::Flush);
        if statement.messages.len() < before && statement.messages.iter().all(is_empty) {
            self.left_out.filtered += executions;
            return Choice::No;
        }
        self.left_out.filtered += executions - statement.executions() as u64;
        self.left_out.masked_parameters += masked_parameters(statement);
        self.left = self.left.saturating_sub(statement.executions() as u64);
        if statement.messages.len() < before { Choice::Part } else { Choice::Whole }
    }
}

impl Chosen {
    fn keeps(&mut self, message: &Message, permits: impl FnOnce(&Bytes) -> bool) -> bool {
        if matches!(message, Message::CopyData(_) | Message::CopyDone | Message::CopyFail(_)) {
            return self.last;
        }
        // Function calls may write, and nobody can tell.
        let is_call = matches!(message, Message::FunctionCall(_));
        let keeps = self.permitted.of(message, permits).unwrap_or(!is_call);
        if matches!(message, Message::Query(_) | Message::Execute { .. }) {
            self.last = keeps;
        }
        keeps
    }
}

/// Whether it is a command of MySQL that does more than read.
fn may_write(message: &Message) -> bool {
    const READS: &[Command] = &[
        Command::FIELD_LIST,
        // Statistics, the list of processes, debug.
        Command(0x09),
        Command(0x0A),
        Command(0x0D),
        Command::PING,
        Command::SET_OPTION,
    ];
    matches!(message, Message::Command { command, .. } if !READS.contains(&Command(*command)))
}

/// Why a command of MySQL is not replayed.
enum NotReplayable {
    /// It names a connection of the recorded server, or stops the server.
    Kill,
    /// It names a statement by its id.
    Bulk,
}

fn not_replayable(message: &Message) -> Option<NotReplayable> {
    match message {
        Message::Command { command, .. } => match Command(*command) {
            Command::PROCESS_KILL | Command::SHUTDOWN => Some(NotReplayable::Kill),
            Command::BULK_EXECUTE => Some(NotReplayable::Bulk),
            _ => None,
        },
        Message::Query(sql) | Message::Parse { sql, .. } => {
            // Nearly all statements end here.
            if !mentions(&sql.0, b"kill") && !mentions(&sql.0, b"shutdown") {
                return None;
            }
            let mut begins = true;
            let mut kills = false;
            for token in Tokens::new(&sql.0, Protocol::Mysql) {
                kills |= begins && (token.is("kill") || token.is("shutdown"));
                begins = token == Token::Other(b';');
            }
            kills.then_some(NotReplayable::Kill)
        }
        _ => None,
    }
}

struct SessionNameList<'o>(&'o [crate::cli::SessionName]);

impl SessionNameList<'_> {
    fn has(&self, session: &Session) -> bool {
        crate::cli::SessionName::any(self.0, session.session, &session.client)
    }
}

fn masked_parameters(statement: &Statement) -> u64 {
    let of = |message: &Message| match message {
        Message::Bind { parameters, .. } => {
            parameters.iter().filter(|value| **value == crate::recording::Value::Masked).count() as u64
        }
        _ => 0,
    };
    statement.messages.iter().map(of).sum()
}

fn permits(sql: &[u8], options: &Options) -> bool {
    (!options.only_select || only_reads(sql, options.protocol))
        && options.filter.as_ref().is_none_or(|filter| filter.is_match(sql))
        && options.fingerprint.as_ref().is_none_or(|wanted| *wanted == fingerprint(sql, options.protocol))
}

/// Whether the statements only read, or control transactions and the session, as far as their words tell. Functions may
/// write: the server is told to permit reading only.
fn only_reads(sql: &[u8], protocol: Protocol) -> bool {
    const READS: &[&str] = &[
        "select",
        "with",
        "values",
        "table",
        "show",
        "explain",
        "fetch",
        "declare",
        "move",
        "close",
        "begin",
        "start",
        "commit",
        "end",
        "rollback",
        "abort",
        "savepoint",
        "release",
        "set",
        "reset",
        "discard",
        "deallocate",
        "prepare",
        "execute",
        "use",
        "describe",
        "desc",
        "help",
    ];
    const WRITES: &[&str] = &[
        "insert",
        "update",
        "delete",
        "merge",
        "into",
        "share",
        "write",
        "global",
        "persist",
        // MySQL's variables that permit writing.
        "transaction_read_only",
        "tx_read_only",
    ];
    let mut begins = true;
    for token in Tokens::new(sql, protocol) {
        match token {
            Token::Other(b';') => begins = true,
            Token::Other(b'(') if begins => {}
            Token::Word(_) if begins => {
                if !READS.iter().any(|word| token.is(word)) {
                    return false;
                }
                begins = false;
            }
            Token::Word(_) if WRITES.iter().any(|word| token.is(word)) => return false,
            _ if begins => return false,
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_write_are_told_by_their_words() {
        for sql in [
            "SELECT 1",
            "(SELECT 1) UNION SELECT 2;",
            "with a as (select 1) select * from a",
            "BEGIN; SELECT 'insert';",
            "SHOW x",
            "",
            "/* x */ values (1)",
            "SELECT \"update\" FROM t",
        ] {
            assert!(only_reads(sql.as_bytes(), Protocol::Postgres), "{sql}");
        }
        for sql in [
            "INSERT INTO t VALUES (1)",
            "SELECT 1; DELETE FROM t",
            "WITH a AS (DELETE FROM t RETURNING 1) SELECT 1",
            "SELECT * INTO x FROM t",
            "SELECT 1 FOR UPDATE",
            "EXPLAIN ANALYZE UPDATE t SET a = 1",
            "COPY t FROM STDIN",
            "TRUNCATE t",
            "CALL p()",
            "'x'",
            "SET TRANSACTION READ WRITE",
        ] {
            assert!(!only_reads(sql.as_bytes(), Protocol::Postgres), "{sql}");
        }
    }

    #[test]
    fn what_names_connections_of_the_recorded_server_is_not_replayed() {
        let is_left_out = |message: Message| not_replayable(&message).is_some();
        for sql in ["KILL 5", "/* x */ kill query 5", "SELECT 1; KILL 5", "SHUTDOWN"] {
            assert!(is_left_out(Message::Query(sql.into())), "{sql}");
        }
        for sql in [
            "SELECT 'kill'",
            "SELECT kill FROM t",
            "UPDATE t SET shutdown = 1",
            "INSERT INTO kill VALUES (1)",
        ] {
            assert!(!is_left_out(Message::Query(sql.into())), "{sql}");
        }
        let command = |command| Message::Command { command, body: Bytes::default() };
        assert!(
            is_left_out(command(Command::PROCESS_KILL.0)) && is_left_out(command(Command::BULK_EXECUTE.0))
        );
        assert!(!is_left_out(command(Command::PING.0)));
    }

    #[test]
    fn only_commands_that_read_are_known_to_read() {
        let may_write = |command| may_write(&Message::Command { command, body: Bytes::default() });
        let reads: Vec<u8> = (0..=255).filter(|command| !may_write(*command)).collect();
        assert_eq!(reads, [0x04, 0x09, 0x0A, 0x0D, 0x0E, 0x1B]);
    }

    #[test]
    fn statements_of_mysql_are_told_by_their_words() {
        for (sql, reads) in [
            ("SELECT `update`, \"delete\" FROM t # insert", true),
            ("USE shop", true),
            ("DESC t", true),
            ("SET GLOBAL x = 1", false),
            ("SET SESSION transaction_read_only = 0", false),
            ("SET @@tx_read_only = 0", false),
            ("SELECT 1 /*! INTO OUTFILE 'x' */", false),
            ("REPLACE INTO t VALUES (1)", false),
        ] {
            assert_eq!(only_reads(sql.as_bytes(), Protocol::Mysql), reads, "{sql}");
        }
    }
}
