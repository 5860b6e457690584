//! The account as text: its first line answers "did it work?".

use std::fmt::{self, Write};

use crate::ledger::{DropReason, Ledger};

use super::headline::Headline;
use super::hint::hints;
use super::number::Grouped;
use super::{InterceptAccount, LinkAccount, OutputAccount, ProtocolAccount, Report, WorkerAccount};

/// The account in one line, for the log of a running tcpcopy; with a hint as long as nothing arrives.
#[must_use]
pub fn short(account: &Report<'_>) -> String {
    let ledger = account.ledger;
    let mut text = String::new();
    let up = account.links.iter().filter(|link| link.up).count();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{}; {} bytes pending, {} of {} links up",
        Headline(account),
        Grouped(ledger.bytes.pending),
        up,
        account.links.len()
    );
    let waits = ledger.turns.oldest_waiting_seconds.0;
    if waits > 0 {
        let _ = write!(text, ", the oldest turn waits for {waits} s");
    }
    let failed = account.inject.failed.total();
    if failed > 0 {
        let _ = write!(text, ", {} sends failed", Grouped(failed));
    }
    if ledger.bytes.replayed == 0
        && let Some(hint) = hints(account).first()
    {
        let _ = write!(text, "; hint: {hint}");
    }
    text
}

/// The complete account, for the end of a run.
#[must_use]
pub fn complete(account: &Report<'_>) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_complete(&mut text, account);
    text
}

fn write_complete(f: &mut String, account: &Report<'_>) -> fmt::Result {
    let Report { ledger, capture, inject, links, .. } = account;
    writeln!(f, "{}", Headline(account))?;
    if !account.balanced {
        writeln!(
            f,
            "  THE ACCOUNT DOES NOT BALANCE: a defect of tcpcopy, please report it with these lines"
        )?;
    }
    for hint in hints(account) {
        writeln!(f, "  hint: {hint}")?;
    }
    write_dropped(f, ledger)?;
    let Ledger { packets, sessions, bytes, turns, tcp, .. } = ledger;
    line(
        f,
        "sessions",
        &[
            ("seen", sessions.seen),
            ("joined in mid-stream", sessions.joined),
            ("active", sessions.active),
            ("replayed whole", sessions.replayed),
            ("incomplete", sessions.incomplete.total()),
        ],
    )?;
    line(
        f,
        "bytes",
        &[
            ("captured", bytes.captured),
            ("duplicate", bytes.duplicate),
            ("pending", bytes.pending),
            ("replayed", bytes.replayed),
            ("dropped", bytes.dropped.total()),
        ],
    )?;
    line(
        f,
        "turns",
        &[
            ("seen", turns.seen),
            ("sent after the answer", turns.answered),
            ("after a shorter answer", turns.answer_ended),
            ("after waiting in vain", turns.waited_in_vain),
            ("at once", turns.at_once),
            ("when a module said so", turns.module_ready),
            ("dropped", turns.dropped),
            ("acknowledged, then cut off without an answer", turns.cut_off),
            ("more than 1 s late", turns.late),
        ],
    )?;
    write_pace(f, ledger)?;
    line(
        f,
        "packets",
        &[
            ("captured", packets.captured),
            ("of clients", packets.client),
            ("SYN-ACKs", packets.online_syn_ack),
            ("online answers", packets.online_answers),
            ("our own", packets.own),
            ("unrelated", packets.unrelated),
            ("unreadable", packets.unreadable),
            ("stray", packets.stray),
            ("from loopback", packets.loopback),
            ("received by the kernel", capture.kernel_received),
            ("dropped by the kernel", capture.kernel_dropped),
            ("left unread at the end", capture.unread),
        ],
    )?;
    line(
        f,
        "connections",
        &[
            ("accepted", tcp.connected),
            ("rebuilt", tcp.rebuilt),
            ("taken up in mid-stream", tcp.taken_up),
            ("refused", tcp.refused),
            ("stale reset", tcp.stale_reset),
        ],
    )?;
    line(
        f,
        "segments",
        &[
            ("sent", tcp.segments_sent),
            ("pure ACKs", tcp.pure_acks_sent),
            ("SYNs again", tcp.syn_retries),
            ("data again", tcp.retransmitted),
            ("fast", tcp.fast_retransmits),
            ("by time-out", tcp.timeouts),
            ("window probes", tcp.window_probes),
        ],
    )?;
    line(
        f,
        "answers",
        &[
            ("received", tcp.answers),
            ("stray", tcp.answers_stray),
            ("duplicate", tcp.answers_duplicate),
            ("out of order", tcp.answers_out_of_order),
            ("payload bytes", tcp.answer_bytes),
        ],
    )?;
    line(f, "inject", &[("sent", inject.sent), ("failed", inject.failed.total())])?;
    for (symbol, meaning, count) in inject.failed.occurred() {
        writeln!(f, "    {symbol} ({meaning}) {}", Grouped(count))?;
    }
    write_protocols(f, ledger, &account.protocols)?;
    links.iter().try_for_each(|link| write_link(f, link))?;
    write_workers(f, &account.workers)?;
    write_output(f, account.output)
}

/// Where the rest went, by reason; a session is counted under the first.
fn write_dropped(f: &mut String, ledger: &Ledger) -> fmt::Result {
    for reason in DropReason::ALL {
        let (bytes, sessions) = (ledger.bytes.dropped.get(reason), ledger.sessions.incomplete.get(reason));
        if bytes > 0 || sessions > 0 {
            writeln!(
                f,
                "  not replayed: {}, {} bytes, {} sessions",
                reason.name(),
                Grouped(bytes),
                Grouped(sessions)
            )?;
        }
    }
    Ok(())
}

/// How late the copy is, and the way to both sides. What is not known is left out.
fn write_pace(f: &mut String, ledger: &Ledger) -> fmt::Result {
    let figures = [
        ("longest wait of a turn", ledger.turns.longest_wait_ms.0, "ms"),
        ("oldest turn that waits", ledger.turns.oldest_waiting_seconds.0, "s"),
        ("round trip to the test server", ledger.tcp.round_trip_us.micros(), "us"),
        ("round trip to the clients", ledger.sessions.client_round_trip_us.micros(), "us"),
    ];
    let known = figures.iter().filter(|(_, value, _)| *value > 0);
    let list: Vec<String> =
        known.map(|(name, value, unit)| format!("{name} {} {unit}", Grouped(*value))).collect();
    if list.is_empty() { Ok(()) } else { writeln!(f, "  pace: {}", list.join(", ")) }
}

/// What protocol modules have counted.
fn write_protocols(f: &mut String, ledger: &Ledger, protocols: &[ProtocolAccount]) -> fmt::Result {
    for protocol in protocols {
        let name = protocol.name;
        for group in protocol.others() {
            let counters: Vec<(&str, u64)> =
                group.counters.iter().map(|(name, count)| (&**name, *count)).collect();
            line(f, &format!("{name} {}", group.name.replace('_', " ")), &counters)?;
        }
        write_errors(f, ledger, protocol)?;
    }
    let modules = &ledger.modules;
    if modules.online_bytes > 0 {
        line(f, "bytes of the online server's answers", &[("heard", modules.online_bytes)])?;
    }
    Ok(())
}

/// The errors of both servers side by side.
fn write_errors(f: &mut String, ledger: &Ledger, protocol: &ProtocolAccount) -> fmt::Result {
    let errors = protocol.errors();
    if errors.is_empty() {
        return Ok(());
    }
    let heard = ledger.packets.online_answers > 0;
    let online =
        if heard { "online / test server" } else { "test server; the online server's were not captured" };
    let list: Vec<String> = (errors.iter())
        .map(|errors| match heard {
            true => format!("{} {} / {}", errors.code, Grouped(errors.online), Grouped(errors.test)),
            false => format!("{} {}", errors.code, Grouped(errors.test)),
        })
        .collect();
    writeln!(f, "  {} errors ({online}): {}", protocol.name, list.join(", "))
}

fn write_link(f: &mut String, link: &LinkAccount) -> fmt::Result {
    let state = if link.up { "up" } else { "down" };
    write!(
        f,
        "  link {}: {state}, connected {} times, lost {} times",
        link.intercept, link.connects, link.lost
    )?;
    match &link.last_problem {
        Some(problem) if link.up => writeln!(f, "; last problem: {problem}")?,
        Some(problem) => writeln!(f, ": {problem}")?,
        None => writeln!(f)?,
    }
    let Some(statistics) = link.statistics else { return Ok(()) };
    let InterceptAccount { captured, kernel_dropped, unreadable, unrouted, forwarded, overflowed } =
        statistics;
    line(
        f,
        "  intercept, all its links",
        &[
            ("captured", captured),
            ("forwarded", forwarded),
            ("unrouted", unrouted),
            ("unreadable", unreadable),
            ("dropped by its kernel", kernel_dropped),
            ("overflowed", overflowed),
        ],
    )
}

/// Whether all have their share of the work.
fn write_workers(f: &mut String, workers: &[WorkerAccount]) -> fmt::Result {
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

/// What the user was not told.
fn write_output(f: &mut String, output: OutputAccount) -> fmt::Result {
    let OutputAccount { log_lines_lost, statistics_skipped } = output;
    if log_lines_lost + statistics_skipped == 0 {
        return Ok(());
    }
    line(f, "log", &[("lines lost", log_lines_lost), ("--stats-json skipped", statistics_skipped)])
}

/// `name: first 1, second 2`. Counters that are rarely anything are shown only then; the first always.
fn line(f: &mut String, name: &str, counters: &[(&str, u64)]) -> fmt::Result {
    let shown = counters.iter().enumerate().filter(|(index, (_, count))| *index == 0 || *count > 0);
    let list: Vec<String> = shown.map(|(_, (label, count))| format!("{label} {}", Grouped(*count))).collect();
    writeln!(f, "  {name}: {}", list.join(", "))
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
