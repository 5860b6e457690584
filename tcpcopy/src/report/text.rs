//! The report as text: its first line answers "did it work?". Counters have their names in `--stats-json`.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;
use serde_json::Value;

use crate::ledger::{DropReason, Ledger};

use super::headline::Headline;
use super::hint::hints;
use super::number::Grouped;
use super::{FindingStats, InterceptStats, ProtocolStats, Report};

/// The report in one line, for the log of a running tcpcopy. It has the faults that are present, or a hint until something is
/// replayed.
#[must_use]
pub fn short(report: &Report<'_>) -> String {
    Short(report).to_string()
}

/// The complete report, for the end of a run.
#[must_use]
pub fn complete(report: &Report<'_>) -> String {
    Complete(report).to_string()
}

struct Short<'r>(&'r Report<'r>);

impl Display for Short<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Report { ledger, intercepts, inject, recent, .. } = self.0;
        let connected = intercepts.iter().filter(|intercept| intercept.connected).count();
        write!(
            f,
            "{recent}; since the start: {}; {} bytes pending, {connected} of {} intercepts connected",
            Headline(self.0),
            Grouped(ledger.bytes.pending),
            intercepts.len()
        )?;
        let waits = ledger.turns.oldest_waiting_seconds.0;
        if waits > 0 {
            write!(f, ", the oldest turn has waited for {waits} s")?;
        }
        if inject.failed.total() > 0 {
            write!(f, ", {} sends failed", Grouped(inject.failed.total()))?;
        }
        let mut present = self.0.findings.iter().filter(|finding| finding.present).peekable();
        if present.peek().is_some() {
            return present.try_for_each(|finding| {
                write!(f, "; {} since {}: {}", finding.name, finding.begun, finding.evidence)
            });
        }
        match hints(self.0).first() {
            Some(hint) if ledger.bytes.replayed == 0 => write!(f, "; hint: {hint}"),
            _ => Ok(()),
        }
    }
}

struct Complete<'r>(&'r Report<'r>);

impl Display for Complete<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Report { ledger, inject, .. } = self.0;
        writeln!(f, "{}", Headline(self.0))?;
        if !self.0.balanced {
            writeln!(
                f,
                "  THE LEDGER DOES NOT BALANCE: a defect of tcpcopy, please report it with these lines"
            )?;
        }
        self.0.findings.iter().try_for_each(|finding| write_finding(f, finding))?;
        hints(self.0).iter().try_for_each(|hint| writeln!(f, "  hint: {hint}"))?;
        write_dropped(f, ledger)?;
        write_group(f, "sessions", &ledger.sessions)?;
        write_group(f, "bytes", &ledger.bytes)?;
        write_group(f, "gaps", &ledger.gaps)?;
        write_group(f, "turns", &ledger.turns)?;
        write_group(f, "packets", &ledger.packets)?;
        write_group(f, "capture", &self.0.capture)?;
        write_group(f, "files", &self.0.files)?;
        write_group(f, "tcp", &ledger.tcp)?;
        write_group(f, "inject", inject)?;
        for (symbol, meaning, count) in inject.failed.occurred() {
            writeln!(f, "    {symbol} ({meaning}) {}", Grouped(count))?;
        }
        write_group(f, "modules", &ledger.modules)?;
        self.0.protocols.iter().try_for_each(|protocol| write_protocol(f, ledger, protocol))?;
        self.0.intercepts.iter().try_for_each(|intercept| write_intercept(f, intercept))?;
        for (index, worker) in self.0.workers.iter().enumerate() {
            write_group(f, &format!("worker {} of {}", index + 1, self.0.workers.len()), worker)?;
        }
        write_group(f, "output", &self.0.output)
    }
}

/// What was logged, and how long it lasted.
fn write_finding(f: &mut Formatter<'_>, finding: &FindingStats) -> fmt::Result {
    let FindingStats { present, begun, seconds, line, .. } = finding;
    let end = if *present { "not over" } else { "over" };
    writeln!(f, "  finding of {begun}, {end} after {} s: {line}", Grouped(*seconds))
}

/// Bytes and sessions that were not replayed, by reason. A session counts under its first reason.
fn write_dropped(f: &mut Formatter<'_>, ledger: &Ledger) -> fmt::Result {
    for reason in DropReason::ALL {
        let (bytes, sessions) = (ledger.bytes.dropped.get(reason), ledger.sessions.incomplete.get(reason));
        if bytes > 0 || sessions > 0 {
            let (name, bytes, sessions) = (reason.name(), Grouped(bytes), Grouped(sessions));
            writeln!(f, "  not replayed: {name}, {bytes} bytes, {sessions} sessions")?;
        }
    }
    Ok(())
}

/// A module's counters. The errors of both servers stand side by side; those that both sent equally often come last.
fn write_protocol(f: &mut Formatter<'_>, ledger: &Ledger, protocol: &ProtocolStats) -> fmt::Result {
    let name = protocol.name;
    for group in protocol.others() {
        write_counters(
            f,
            &format!("{name} {}", group.name),
            group.counters.iter().map(|(name, count)| (name, *count)),
        )?;
    }
    let errors = protocol.errors();
    if errors.is_empty() {
        return Ok(());
    }
    if ledger.packets.online_answers == 0 {
        let counts = errors.iter().map(|e| format!("{} {}", e.code, Grouped(e.test))).collect();
        return write_errors(f, name, "test server; the online server's were not captured", counts);
    }
    let (equal, different): (Vec<_>, Vec<_>) = errors.iter().partition(|e| e.online == e.test);
    let different =
        different.iter().map(|e| format!("{} {} / {}", e.code, Grouped(e.online), Grouped(e.test)));
    write_errors(f, name, "online / test server", different.collect())?;
    let equal = equal.iter().map(|e| format!("{} {}", e.code, Grouped(e.test)));
    write_errors(f, name, "equally often on both servers", equal.collect())
}

fn write_errors(f: &mut Formatter<'_>, protocol: &str, servers: &str, counts: Vec<String>) -> fmt::Result {
    if counts.is_empty() {
        return Ok(());
    }
    writeln!(f, "  {protocol} errors ({servers}): {}", counts.join(", "))
}

fn write_intercept(f: &mut Formatter<'_>, intercept: &InterceptStats) -> fmt::Result {
    let InterceptStats {
        address, connected, connects, disconnects, last_error, shared_with, statistics, ..
    } = intercept;
    let state = if *connected { "connected" } else { "not connected" };
    write!(f, "  intercept {address}: {state}, {connects} connects, {disconnects} disconnects")?;
    if let Some(error) = last_error {
        write!(f, ", last error: {error}")?;
    }
    if let Some(host) = shared_with {
        write!(f, ", {host} announces the same connections")?;
    }
    writeln!(f)?;
    statistics.iter().try_for_each(|statistics| write_group(f, "  statistics", statistics))
}

/// A line with the counters of a group, under their names in `--stats-json`. Counts by reason are summed.
fn write_group(f: &mut Formatter<'_>, name: &str, group: &impl Serialize) -> fmt::Result {
    let Ok(Value::Object(fields)) = serde_json::to_value(group) else { return Ok(()) };
    let counters = fields.iter().filter_map(|(name, value)| match value {
        Value::Object(by_reason) => Some((name, by_reason.values().filter_map(Value::as_u64).sum())),
        value => Some((name, value.as_u64()?)),
    });
    write_counters(f, name, counters)
}

/// `name: first 1, second 2`. Counters that are zero are left out, and so is a line without any.
fn write_counters<N: Display>(
    f: &mut Formatter<'_>,
    name: &str,
    counters: impl Iterator<Item = (N, u64)>,
) -> fmt::Result {
    let counted = counters.filter(|(_, count)| *count > 0);
    let list: Vec<String> = counted.map(|(name, count)| format!("{name} {}", Grouped(count))).collect();
    if list.is_empty() { Ok(()) } else { writeln!(f, "  {name}: {}", list.join(", ")) }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
