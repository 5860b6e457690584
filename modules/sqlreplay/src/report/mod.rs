//! What came of a replay.

mod html;
mod latency;
mod text;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use serde::Serialize;

pub use self::html::About;
use self::latency::Latencies;
pub use self::latency::Percentiles;
use crate::recording::Micros;

/// Differences, reasons and codes of which examples are kept.
const KINDS_MAX: usize = 200;

/// A statement that was played.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) fingerprint: Option<Arc<str>>,
    /// The statements that it executes.
    pub(crate) executions: u64,
    /// The recorded duration.
    pub(crate) recorded: Option<Micros>,
    /// The duration now.
    pub(crate) took: Micros,
    /// From its intended time to its start, whatever was the reason.
    pub(crate) behind: Option<Micros>,
    /// From the time when it could have been sent to its start: the replayer's own delay.
    pub(crate) lag: Micros,
    /// The code of its error.
    pub(crate) error: Option<String>,
}

/// Counts, differences and latencies.
#[derive(Debug, Default)]
pub struct Report {
    /// Statements that were executed.
    executed: u64,
    /// Those that failed.
    failed: u64,
    /// Those whose answer was compared with the recorded one.
    compared: u64,
    /// Those whose answer differs.
    differing: u64,
    /// Statements that were not sent: no connection, or the replay was stopped.
    pub(crate) not_run: u64,
    /// Statements that were ended at their time limit.
    pub(crate) timed_out: u64,
    /// Connections that broke.
    pub(crate) broken: u64,
    /// Cancels that were sent, those at time limits included.
    pub(crate) cancels: u64,
    /// How long it took.
    pub(crate) span: Micros,
    not_connected: u64,
    problems: BTreeMap<String, u64>,
    errors: BTreeMap<String, u64>,
    differences: BTreeMap<(String, Arc<str>), u64>,
    latencies: Latencies,
}

/// Deadlocks and lock time-outs: SQLSTATEs of PostgreSQL, numbers of MySQL.
const LOCK_ERRORS: &[&str] = &["40P01", "40001", "55P03", "1205", "1213", "3572"];

/// The report for programs.
#[derive(Debug, Serialize)]
pub struct Figures<'r> {
    executed: u64,
    failed: u64,
    compared: u64,
    differing: u64,
    not_run: u64,
    timed_out: u64,
    lock_errors: u64,
    connections_broken: u64,
    connections_failed: u64,
    cancels: u64,
    seconds: Micros,
    statements_per_second: f64,
    errors: &'r BTreeMap<String, u64>,
    problems: &'r BTreeMap<String, u64>,
    differences: Vec<Difference<'r>>,
    /// From a statement's intended time to its start.
    behind: Option<Percentiles>,
    /// The part of it that the replayer itself has caused.
    lag: Option<Percentiles>,
    statements: Vec<latency::OfFingerprint<'r>>,
}

#[derive(Debug, Serialize)]
struct Difference<'r> {
    statement: &'r str,
    difference: &'r str,
    count: u64,
}

impl Report {
    /// A statement was answered. `difference` is missing if it was not compared.
    pub(crate) fn add(&mut self, played: Played, difference: Option<Option<String>>) {
        let count = played.executions;
        self.executed += count;
        if let Some(sqlstate) = &played.error {
            self.failed += 1;
            add(&mut self.errors, sqlstate.clone());
        }
        if let Some(difference) = difference {
            self.compared += count;
            if let Some(difference) = difference {
                // A group without an execution can differ, too: a Parse that fails.
                self.differing += 1;
                let text = played.fingerprint.clone().unwrap_or_else(|| "(no statement)".into());
                add(&mut self.differences, (difference, text));
            }
        }
        self.latencies.add(&played);
    }

    /// A connection was not made, for this reason.
    pub(crate) fn not_connected(&mut self, reason: &str) {
        self.not_connected += 1;
        add(&mut self.problems, reason.to_owned());
    }

    /// Whether everything was executed, and answered as recorded.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.differing == 0
            && self.not_run == 0
            && self.not_connected == 0
            && self.broken == 0
            && self.timed_out == 0
    }

    /// Whether anything was executed at all, if there was something.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.executed == 0 && self.not_run > 0
    }

    /// For programs.
    #[must_use]
    pub fn figures(&self) -> Figures<'_> {
        let mut differences: Vec<_> = self
            .differences
            .iter()
            .map(|((difference, statement), count)| Difference { statement, difference, count: *count })
            .collect();
        differences.sort_by_key(|it| std::cmp::Reverse(it.count));
        let of = |sqlstate: &str| self.errors.get(sqlstate).copied().unwrap_or_default();
        Figures {
            executed: self.executed,
            failed: self.failed,
            compared: self.compared,
            differing: self.differing,
            not_run: self.not_run,
            timed_out: self.timed_out,
            lock_errors: LOCK_ERRORS.iter().map(|code| of(code)).sum(),
            connections_broken: self.broken,
            connections_failed: self.not_connected,
            cancels: self.cancels,
            seconds: self.span,
            statements_per_second: self.executed as f64 / self.span.seconds().max(1e-6),
            errors: &self.errors,
            problems: &self.problems,
            differences,
            behind: self.latencies.behind(),
            lag: self.latencies.lag(),
            statements: self.latencies.worst_first(),
        }
    }
}

fn add<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    if counts.len() < KINDS_MAX || counts.contains_key(&key) {
        *counts.entry(key).or_default() += 1;
    }
}

/// Prints to the standard output; nobody may be there to read it.
pub(crate) fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
