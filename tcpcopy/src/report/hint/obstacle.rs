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
        no_answer(report)
    };
    Some(hint.to_owned())
}

/// All sessions are TLS, so missing connections to the test server are no fault.
fn all_is_tls(report: &Report<'_>) -> bool {
    let sessions = &report.ledger.sessions;
    let tls = sessions.incomplete.get(DropReason::Tls);
    tls > 0 && tls == sessions.replayed + sessions.incomplete.total()
}

/// SYNs leave and nothing comes back: intercept's counters show on which side of it.
fn no_answer(report: &Report<'_>) -> &'static str {
    let (captured, unrouted) = report
        .intercept_counters()
        .fold((0, 0), |(c, u), counters| (c + counters.captured, u + counters.unrouted));
    if captured == 0 {
        "packets were sent, but intercept captured no answer: (1) is the target of -x up, and its firewall open? (2) on \
         the test host, does 'ip route get CLIENT ipproto tcp sport PORT from TARGET' name the assistant? (3) does \
         rp_filter there drop the copies ('nstat -az TcpExtIPReversePathFilter' counts them, 'sysctl \
         net.ipv4.conf.all.rp_filter=2' admits them)? (4) does -i of intercept name the right interface, and does its -F \
         match the answers? Without -F it follows -x"
    } else if unrouted > 0 {
        "intercept captures answers, but of other connections: does the test server answer from another address than the \
         target of -x (NAT, containers)?"
    } else {
        "intercept captures packets, but no answer to the copies: leave out its -F, so that it follows -x; check the \
         firewall and rp_filter of the test host"
    }
}
