//! If nothing arrives: the hop at which everything stops.

use super::super::Report;
use super::super::number::Grouped;
use crate::ledger::DropReason;

/// The hop at which everything stops, if one does.
pub(super) fn first(account: &Report<'_>) -> Option<String> {
    let ledger = account.ledger;
    let (packets, tcp) = (&ledger.packets, &ledger.tcp);
    let hint = if packets.captured == 0 {
        "no packet was captured: check the port and address in -x, -i and -F, and that clients connect"
    } else if packets.client == 0 {
        return Some(format!(
            "{} packets were captured, none of them of a client to a service in -x: check -x, -i and -F",
            Grouped(packets.captured)
        ));
    } else if ledger.sessions.seen == 0 && ledger.bytes.captured == 0 {
        "clients are connected, but said nothing since the start: their connections are copied once they do"
    } else if account.is_connected() || all_is_tls(account) || packets.loopback == packets.client {
        return None;
    } else if account.links.iter().all(|link| !link.up && link.connects == 0) {
        "no intercept was ever reached: start intercept on the assistant host, open its port, check -s"
    } else if account.inject.sent == 0 {
        // Nothing is to be answered: all was dropped before, or the sends failed, which has hints of its own.
        return None;
    } else if tcp.refused > 0 {
        "the test server refuses connections: is the service of -x running and listening there?"
    } else if tcp.answers > 0 {
        "the test server answers but no connection came about: check its firewall and its backlog"
    } else {
        no_answer(account)
    };
    Some(hint.to_owned())
}

/// Connections to the test server are of no use then, and may not even be waited for.
fn all_is_tls(account: &Report<'_>) -> bool {
    let sessions = &account.ledger.sessions;
    let tls = sessions.incomplete.get(DropReason::Tls);
    tls > 0 && tls == sessions.replayed + sessions.incomplete.total()
}

/// SYNs leave and nothing comes back: intercept's counters tell on which side of it.
fn no_answer(account: &Report<'_>) -> &'static str {
    let (captured, unrouted) =
        account.intercepts().fold((0, 0), |(c, u), seen| (c + seen.captured, u + seen.unrouted));
    if captured == 0 {
        "packets were sent, intercept captured no answer: (1) is the target of -x up, and its firewall open? (2) on the \
         test host, does 'ip route get CLIENT ipproto tcp sport PORT from TARGET' name the assistant? (3) does rp_filter \
         there drop the copies ('nstat -az TcpExtIPReversePathFilter' counts them, 'sysctl \
         net.ipv4.conf.all.rp_filter=2' lets them in)? (4) does intercept's -i name the right interface, and its -F fit \
         the answers? Without -F it follows -x"
    } else if unrouted > 0 {
        "intercept sees answers, but of other connections: is the test server reached under the address that it answers \
         from (NAT, containers)?"
    } else {
        "intercept captures, but no answer to what was sent: leave its -F out, it then follows -x; check the test host's \
         firewall and rp_filter"
    }
}
