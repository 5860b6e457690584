//! Connections that the test server refuses, closes or does not answer.

use super::super::Report;
use super::super::number::Grouped;
use super::{applying, module};
use crate::ledger::DropReason;

/// With fewer answer bytes a connection on average, the test server has hardly answered.
const HARDLY_ANSWERED: u64 = 40;

/// Fewer reopened connections prove nothing.
const NOTABLE: u64 = 10;

const KEPT_ALIVE: &str =
    "give it the online server's keep-alive limits (nginx: keepalive_timeout, keepalive_requests)";

/// How the test server treats the copies' connections. There is no hint before it has accepted one.
pub(super) fn hints(report: &Report<'_>) -> Vec<String> {
    if !report.is_connected() {
        return Vec::new();
    }
    let mut hints: Vec<String> = closes(report).into_iter().collect();
    let unanswered = report.lost(DropReason::NoAnswer) && report.ledger.packets.loopback == 0;
    let lacked_intercept = report.may_have_lacked_intercept();
    hints.extend(applying([
        (
            report.lost(DropReason::Refused) && !module::is_host_refused(report),
            "the test server refused some connections: was it restarted? Is its backlog or its connection limit too small?",
        ),
        (
            unanswered && !lacked_intercept,
            "some answers never arrived: check the load of the test host, and without --tunnel its route to each client address",
        ),
        (
            unanswered && lacked_intercept,
            "some answers never arrived: no intercept was connected for a time; see the intercept lines below",
        ),
    ]));
    hints
}

/// Why the test server closes before its clients do. At most one hint.
fn closes(report: &Report<'_>) -> Option<String> {
    let (tcp, turns) = (&report.ledger.tcp, &report.ledger.turns);
    if is_mostly_reset(report) {
        return Some(if tcp.answer_bytes < tcp.connected.saturating_mul(HARDLY_ANSWERED) {
            "the test server, or somebody in the clients' names, reset most connections before they were answered: see the \
             log of the test service"
                .to_owned()
        } else {
            "the test server closes most connections before it answers: see the log of the test service"
                .to_owned()
        });
    }
    // The test server closes connections with TLS, too; they have their own hint.
    let cut_off = turns.cut_off.saturating_sub(report.ledger.sessions.incomplete.get(DropReason::Tls));
    if is_closed_after_each(report) && cut_off * 2 <= tcp.reconnected {
        return Some(format!(
            "the test server closes after nearly every answer: {} of {} connections replaced a closed one; turn its \
             keep-alive on, or {KEPT_ALIVE}",
            Grouped(tcp.reconnected),
            Grouped(tcp.connected)
        ));
    }
    let answered = turns.answered + turns.answer_ended + turns.module_ready;
    match cut_off {
        0 => None,
        // A server with keep-alive limits sometimes closes while a request is on its way.
        _ if cut_off <= answered / 10 => Some(format!(
            "the test server closed {} connections with requests unanswered: {KEPT_ALIVE}",
            Grouped(cut_off)
        )),
        _ => Some(format!(
            "the test server closed {} connections instead of answering: see the log of the test service",
            Grouped(cut_off)
        )),
    }
}

fn is_mostly_reset(report: &Report<'_>) -> bool {
    let bytes = &report.ledger.bytes;
    bytes.dropped.get(DropReason::ClosedByServer) > (bytes.replayed + bytes.dropped.total()) / 2
}

/// Most turns after the first of a session needed a new connection, and neither gaps nor refusals explain it.
fn is_closed_after_each(report: &Report<'_>) -> bool {
    let (tcp, turns) = (&report.ledger.tcp, &report.ledger.turns);
    let later = turns.released().saturating_sub(tcp.connected - tcp.reconnected.min(tcp.connected));
    let elsewhere = report.ledger.gaps.count + tcp.refused;
    tcp.reconnected >= NOTABLE && tcp.reconnected > later / 2 && tcp.reconnected > elsewhere.saturating_mul(2)
}
