//! The report as text: its first line answers "did it work?".

use std::fmt::{self, Display, Formatter};

use crate::ledger::{DropReason, Ledger};

use super::headline::Headline;
use super::hint::hints;
use super::number::Grouped;
use super::{InterceptCounters, InterceptStats, OutputStats, ProtocolStats, Report, WorkerSummary};

/// The report in one line, for the log of a running tcpcopy. It has a hint until something is replayed.
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
        let Report { ledger, intercepts, inject, .. } = self.0;
        let connected = intercepts.iter().filter(|intercept| intercept.connected).count();
        write!(
            f,
            "{}; {} bytes pending, {connected} of {} intercepts connected",
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
        match hints(self.0).first() {
            Some(hint) if ledger.bytes.replayed == 0 => write!(f, "; hint: {hint}"),
            _ => Ok(()),
        }
    }
}

struct Complete<'r>(&'r Report<'r>);

impl Display for Complete<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let report = self.0;
        writeln!(f, "{}", Headline(report))?;
        if !report.balanced {
            writeln!(
                f,
                "  THE LEDGER DOES NOT BALANCE: a defect of tcpcopy, please report it with these lines"
            )?;
        }
        hints(report).iter().try_for_each(|hint| writeln!(f, "  hint: {hint}"))?;
        write_dropped(f, report.ledger)?;
        write_sessions(f, report.ledger)?;
        write_packets(f, report)?;
        write_tcp(f, report)?;
        report.protocols.iter().try_for_each(|protocol| write_protocol(f, report.ledger, protocol))?;
        if report.ledger.modules.online_bytes > 0 {
            line(f, "online server", &[("payload bytes for modules", report.ledger.modules.online_bytes)])?;
        }
        report.intercepts.iter().try_for_each(|intercept| write_intercept(f, intercept))?;
        write_workers(f, &report.workers)?;
        write_output(f, report.output)
    }
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

fn write_sessions(f: &mut Formatter<'_>, ledger: &Ledger) -> fmt::Result {
    let Ledger { sessions, bytes, turns, .. } = ledger;
    let counters = [
        ("seen", sessions.seen),
        ("joined mid-stream", sessions.joined),
        ("active", sessions.active),
        ("complete", sessions.replayed),
        ("incomplete", sessions.incomplete.total()),
    ];
    line(f, "sessions", &counters)?;
    let counters = [
        ("captured", bytes.captured),
        ("duplicate", bytes.duplicate),
        ("pending", bytes.pending),
        ("replayed", bytes.replayed),
        ("dropped", bytes.dropped.total()),
    ];
    line(f, "bytes", &counters)?;
    let counters = [
        ("seen", turns.seen),
        ("sent after the answer", turns.answered),
        ("after a shorter answer", turns.answer_ended),
        ("after an answer timeout", turns.timed_out),
        ("at once", turns.at_once),
        ("when a module was ready", turns.module_ready),
        ("dropped", turns.dropped),
        ("acknowledged, then closed without an answer", turns.cut_off),
        ("more than 1 s late", turns.late),
    ];
    line(f, "turns", &counters)?;
    write_delays(f, ledger)
}

/// How late the copy is, and the distance to both sides. Unknown figures are left out.
fn write_delays(f: &mut Formatter<'_>, ledger: &Ledger) -> fmt::Result {
    let figures = [
        ("longest wait of a turn", ledger.turns.longest_wait_ms.0, "ms"),
        ("oldest waiting turn", ledger.turns.oldest_waiting_seconds.0, "s"),
        ("round trip to the test server", ledger.tcp.round_trip_us.micros(), "us"),
        ("round trip to the clients", ledger.sessions.client_round_trip_us.micros(), "us"),
    ];
    let known = figures.iter().filter(|(_, value, _)| *value > 0);
    let list: Vec<String> =
        known.map(|(name, value, unit)| format!("{name} {} {unit}", Grouped(*value))).collect();
    if list.is_empty() { Ok(()) } else { writeln!(f, "  delays: {}", list.join(", ")) }
}

fn write_packets(f: &mut Formatter<'_>, report: &Report<'_>) -> fmt::Result {
    let (packets, capture) = (&report.ledger.packets, &report.capture);
    let counters = [
        ("captured", packets.captured),
        ("from clients", packets.client),
        ("SYN-ACKs", packets.online_syn_ack),
        ("online answers", packets.online_answers),
        ("tcpcopy's own", packets.own),
        ("unrelated", packets.unrelated),
        ("unreadable", packets.unreadable),
        ("stray", packets.stray),
        ("from loopback", packets.loopback),
        ("received by the kernel", capture.kernel_received),
        ("dropped by the kernel", capture.kernel_dropped),
        ("left unread at the end", capture.unread),
    ];
    line(f, "packets", &counters)
}

fn write_tcp(f: &mut Formatter<'_>, report: &Report<'_>) -> fmt::Result {
    let (tcp, inject) = (&report.ledger.tcp, report.inject);
    let counters = [
        ("accepted", tcp.connected),
        ("reopened", tcp.reconnected),
        ("opened mid-stream", tcp.joined),
        ("refused", tcp.refused),
        ("stale ones reset", tcp.stale_reset),
    ];
    line(f, "connections", &counters)?;
    let counters = [
        ("sent", tcp.segments_sent),
        ("pure ACKs", tcp.pure_acks_sent),
        ("SYN retries", tcp.syn_retries),
        ("retransmitted", tcp.retransmitted),
        ("fast retransmits", tcp.fast_retransmits),
        ("timeouts", tcp.timeouts),
        ("window probes", tcp.window_probes),
    ];
    line(f, "segments", &counters)?;
    let counters = [
        ("received", tcp.segments_received),
        ("stray", tcp.received_stray),
        ("duplicate", tcp.received_duplicate),
        ("out of order", tcp.received_out_of_order),
        ("payload bytes", tcp.answer_bytes),
    ];
    line(f, "answers", &counters)?;
    line(f, "inject", &[("sent", inject.sent), ("failed", inject.failed.total())])?;
    for (symbol, meaning, count) in inject.failed.occurred() {
        writeln!(f, "    {symbol} ({meaning}) {}", Grouped(count))?;
    }
    Ok(())
}

/// A module's counters. The errors of both servers stand side by side.
fn write_protocol(f: &mut Formatter<'_>, ledger: &Ledger, protocol: &ProtocolStats) -> fmt::Result {
    let name = protocol.name;
    for group in protocol.others() {
        let counters: Vec<(&str, u64)> =
            group.counters.iter().map(|(name, count)| (&**name, *count)).collect();
        line(f, &format!("{name} {}", group.name.replace('_', " ")), &counters)?;
    }
    let errors = protocol.errors();
    if errors.is_empty() {
        return Ok(());
    }
    let (servers, list): (_, Vec<String>) = if ledger.packets.online_answers > 0 {
        let counts = errors.iter().map(|e| format!("{} {} / {}", e.code, Grouped(e.online), Grouped(e.test)));
        ("online / test server", counts.collect())
    } else {
        let counts = errors.iter().map(|e| format!("{} {}", e.code, Grouped(e.test)));
        ("test server; the online server's were not captured", counts.collect())
    };
    writeln!(f, "  {name} errors ({servers}): {}", list.join(", "))
}

fn write_intercept(f: &mut Formatter<'_>, intercept: &InterceptStats) -> fmt::Result {
    let InterceptStats { address, connected, connects, disconnects, last_error, statistics } = intercept;
    let state = if *connected { "connected" } else { "not connected" };
    write!(f, "  intercept {address}: {state}, {connects} connects, {disconnects} disconnects")?;
    match last_error {
        Some(error) => writeln!(f, ", last error: {error}")?,
        None => writeln!(f)?,
    }
    let Some(statistics) = statistics else { return Ok(()) };
    let InterceptCounters { captured, kernel_dropped, unreadable, unrouted, forwarded, overflowed } =
        *statistics;
    let counters = [
        ("captured", captured),
        ("forwarded", forwarded),
        ("unrouted", unrouted),
        ("unreadable", unreadable),
        ("dropped by its kernel", kernel_dropped),
        ("dropped at a full queue", overflowed),
    ];
    line(f, "  packets of this intercept", &counters)
}

/// Each worker's part, which shows whether the load is balanced.
fn write_workers(f: &mut Formatter<'_>, workers: &[WorkerSummary]) -> fmt::Result {
    for (index, worker) in workers.iter().enumerate() {
        let counters = [
            ("packets", worker.packets),
            ("sessions", worker.sessions),
            ("bytes replayed", worker.bytes_replayed),
            ("packets dropped by the kernel", worker.kernel_dropped),
        ];
        line(f, &format!("worker {} of {}", index + 1, workers.len()), &counters)?;
    }
    Ok(())
}

fn write_output(f: &mut Formatter<'_>, output: OutputStats) -> fmt::Result {
    let OutputStats { log_lines_lost, statistics_skipped } = output;
    if log_lines_lost + statistics_skipped == 0 {
        return Ok(());
    }
    line(f, "log", &[("lines lost", log_lines_lost), ("--stats-json skipped", statistics_skipped)])
}

/// `name: first 1, second 2`. Zero counters are left out, except the first.
fn line(f: &mut Formatter<'_>, name: &str, counters: &[(&str, u64)]) -> fmt::Result {
    let shown = counters.iter().enumerate().filter(|(index, (_, count))| *index == 0 || *count > 0);
    let list: Vec<String> = shown.map(|(_, (label, count))| format!("{label} {}", Grouped(*count))).collect();
    writeln!(f, "  {name}: {}", list.join(", "))
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
