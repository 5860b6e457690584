//! What is counted for the user. Counting takes no lock: it is done for each command.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use module_kit::Report;

use crate::command::Command;
use crate::plugin::Plugin;

/// How a login at the test server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With a password.
    Accepted,
    /// The captured answer, or none, was good enough.
    WithoutPassword,
    Refused,
}

/// Why something that a client said was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// Names a statement that was prepared before the session was joined, or never.
    UnknownStatement,
    /// Names a statement that the test server could not prepare, or has lost.
    FailedStatement,
    /// Has parameters whose types were said in what was lost.
    UnknownTypes,
    /// Has values that went to a connection that is gone.
    LostLongData,
    /// KILL of a connection that has no known copy.
    Kill,
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
    /// Bytes that are no command: the session was joined, or goes on behind a loss, inside of one.
    OutOfStep,
}

impl LeftOut {
    const NAMES: [&'static str; 11] = [
        "unknown_statement",
        "failed_statement",
        "unknown_types",
        "lost_long_data",
        "kill",
        "shutdown",
        "replication",
        "file",
        "unreadable",
        "bulk_execute",
        "out_of_step",
    ];
}

/// Things that happen and are worth a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happened {
    /// A statement was prepared again on a new connection.
    PreparedAgain,
    /// The types of its parameters were said again.
    TypesAgain,
    /// The text of a statement was not kept for that.
    TextNotKept,
    /// The test server did not let a client into its database on a new connection.
    DatabaseRefused,
    /// The id of a statement was told by order, its answer not being seen.
    IdAssumed,
    /// A connection was lost inside a transaction.
    TransactionCut,
    /// A transaction was open when the session was joined, or its beginning was lost.
    TransactionStartMissed,
    /// A KILL was turned on the right copy.
    KillMapped,
    /// Query attributes were left out of a statement.
    AttributesLeftOut,
    /// A client speaks compressed.
    Compressed,
    /// A session was joined late, and logged in with the default login.
    Joined,
}

impl Happened {
    const NAMES: [&'static str; 11] = [
        "prepared_again",
        "types_again",
        "statement_text_not_kept",
        "database_refused",
        "statement_id_assumed",
        "transaction_cut",
        "transaction_start_missed",
        "kill_mapped",
        "query_attributes_left_out",
        "compressed_client",
        "joined_with_default_login",
    ];
}

/// All counters of the protocol.
#[derive(Debug)]
pub(crate) struct Counters {
    logins: [[AtomicU64; Plugin::COUNT]; 3],
    commands: [AtomicU64; 256],
    left_out: [AtomicU64; LeftOut::NAMES.len()],
    happened: [AtomicU64; Happened::NAMES.len()],
    /// Connections that the test server refused, by what it said.
    pub(crate) refusals: Codes,
    pub(crate) server_errors: Codes,
    pub(crate) online_errors: Codes,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            logins: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            commands: std::array::from_fn(|_| AtomicU64::new(0)),
            left_out: std::array::from_fn(|_| AtomicU64::new(0)),
            happened: std::array::from_fn(|_| AtomicU64::new(0)),
            refusals: Codes::default(),
            server_errors: Codes::default(),
            online_errors: Codes::default(),
        }
    }

    pub(crate) fn login(&self, outcome: Outcome, plugin: Plugin) {
        add(&self.logins[outcome as usize][plugin as usize], 1);
    }

    pub(crate) fn command(&self, command: Command) {
        add(&self.commands[usize::from(command.0)], 1);
    }

    pub(crate) fn left_out(&self, reason: LeftOut) {
        add(&self.left_out[reason as usize], 1);
    }

    pub(crate) fn happened(&self, what: Happened, times: u64) {
        if times > 0 {
            add(&self.happened[what as usize], times);
        }
    }

    pub(crate) fn report(&self) -> Report {
        let mut report = Report::default();
        let outcomes = ["accepted", "without_password", "refused"];
        let logins = outcomes.iter().zip(&self.logins).flat_map(|(outcome, plugins)| {
            let name = move |plugin: Plugin| format!("{outcome}_{}", plugin.name());
            Plugin::ALL.into_iter().zip(plugins).map(move |(plugin, count)| (name(plugin), load(count)))
        });
        report.group("logins", logins);
        report.group("refused_connections", self.refusals.list());
        let commands = (0..=u8::MAX).zip(&self.commands);
        report.group("commands", commands.map(|(byte, count)| (Command(byte).name(), load(count))));
        report.group("server_errors", self.server_errors.list());
        report.group("online_errors", self.online_errors.list());
        report.group("left_out", LeftOut::NAMES.into_iter().zip(self.left_out.iter().map(load)));
        report.group("sessions", Happened::NAMES.into_iter().zip(self.happened.iter().map(load)));
        report
    }
}

/// How many different error codes are counted; what is more counts as `other`.
const CODES: usize = 63;

/// Errors by code: a table that only grows, and whose places are taken without a lock.
#[derive(Debug)]
pub(crate) struct Codes {
    /// 0 is a place that is free.
    places: [(AtomicU16, AtomicU64); CODES],
    other: AtomicU64,
}

impl Default for Codes {
    fn default() -> Self {
        Self {
            places: std::array::from_fn(|_| (AtomicU16::new(0), AtomicU64::new(0))),
            other: AtomicU64::new(0),
        }
    }
}

impl Codes {
    pub(crate) fn add(&self, code: u16) {
        for (place, count) in &self.places {
            let taken = place.compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed);
            if taken.is_ok() || taken == Err(code) {
                return add(count, 1);
            }
        }
        add(&self.other, 1);
    }

    fn list(&self) -> Vec<(String, u64)> {
        let named =
            |(code, count): &(AtomicU16, AtomicU64)| (code.load(Ordering::Relaxed).to_string(), load(count));
        let mut list: Vec<_> = self.places.iter().map(named).filter(|(_, count)| *count > 0).collect();
        list.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        list.push(("other".to_owned(), load(&self.other)));
        list
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_code_and_none_is_lost() {
        let counters = Counters::new();
        for code in 1..=200 {
            counters.server_errors.add(code);
            counters.server_errors.add(1);
        }
        let report = counters.report();
        let [errors] = &report.groups[..] else { panic!("one group is expected: {report:?}") };
        assert_eq!(errors.name, "server_errors");
        assert_eq!(errors.counters[0], ("1".into(), 201));
        assert_eq!(errors.counters.iter().map(|(_, count)| count).sum::<u64>(), 400);
    }

    #[test]
    fn logins_are_named_by_outcome_and_method() {
        let counters = Counters::new();
        counters.login(Outcome::Refused, Plugin::Native);
        let report = counters.report();
        assert_eq!(report.groups[0].counters, [("refused_mysql_native_password".into(), 1)]);
    }
}
