//! If nothing arrives: the hop where everything stops.

use super::super::Report;
use super::super::number::Grouped;
use crate::ledger::DropReason;
use crate::offline::FileStats;

/// The hop where everything stops, if there is one.
pub(super) fn first(report: &Report<'_>) -> Option<String> {
    let ledger = report.ledger;
    let (packets, tcp) = (&ledger.packets, &ledger.tcp);
    if let Some(obstacle) = report.files.as_ref().and_then(FileStats::obstacle) {
        return Some(obstacle);
    }
    let hint = if packets.captured == 0 {
        "no packet was captured: check -x (port, address), -i and -F, and that clients connect"
    } else if packets.client == 0 {
        return Some(format!(
            "{} packets were captured, none from a client to a service in -x: check -x, -i and -F",
            Grouped(packets.captured)
        ));
    } else if ledger.sessions.seen == 0 && ledger.bytes.captured == 0 {
        "clients are connected, but have sent nothing since the start: their connections are copied once they send"
    } else if !report.findings.is_empty() {
        // They say it, with the time.
        return None;
    } else if report.is_connected() || all_is_tls(report) || packets.loopback == packets.client {
        return None;
    } else if report.intercepts.iter().all(|intercept| intercept.connects == 0) {
        "no intercept was ever connected: start intercept on the assistant host, open its port, check -s"
    } else if report.inject.sent == 0 {
        // Nothing can be answered: everything was dropped before, or the sends failed, which has its own hint.
        return None;
    } else if tcp.refused > 0 {
        "the test server refuses connections: is the service of -x running and listening there?"
    } else if tcp.segments_received > 0 {
        "the test server answers, but no connection was established: check its firewall and its backlog"
    } else {
        "nothing came back from the test server: let it run for 10 s with clients, then a finding names the hop"
    };
    Some(hint.to_owned())
}

/// All sessions are TLS, so missing connections to the test server are no fault.
fn all_is_tls(report: &Report<'_>) -> bool {
    let sessions = &report.ledger.sessions;
    let tls = sessions.incomplete.get(DropReason::Tls);
    tls > 0 && tls == sessions.replayed + sessions.incomplete.total()
}
