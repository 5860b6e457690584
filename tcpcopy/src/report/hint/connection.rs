//! Connections that the test server refuses, closes or forgets.

use super::super::Report;
use super::super::number::Grouped;
use super::applying;
use crate::ledger::DropReason;

/// Below so many bytes for each connection, the test server has hardly answered any.
const HARDLY_ANSWERED: u64 = 40;

/// Fewer connections may be rebuilt for any reason.
const NOTABLE: u64 = 10;

const KEPT_ALIVE: &str =
    "give it the online server's keep-alive limits (nginx: keepalive_timeout, keepalive_requests)";

/// How the test server treats our connections. Nothing is said before it has accepted one.
pub(super) fn hints(account: &Report<'_>) -> Vec<String> {
    if !account.is_connected() {
        return Vec::new();
    }
    let mut hints: Vec<String> = closes(account).into_iter().collect();
    let unanswered = account.lost(DropReason::NoAnswer) && account.ledger.packets.loopback == 0;
    let unlinked = account.was_unlinked();
    hints.extend(applying([
        (
            account.lost(DropReason::Refused),
            "the test server refused some connections: was it restarted, is its backlog or connection limit too small?",
        ),
        (
            unanswered && !unlinked,
            "some answers never came: check the test host's load, and its route back for all client addresses",
        ),
        (
            unanswered && unlinked,
            "some answers never came: no intercept was reached for a time; see the lines of the links below",
        ),
    ]));
    hints
}

/// Why the test server closes before its clients do: one hint at most.
fn closes(account: &Report<'_>) -> Option<String> {
    let (tcp, turns) = (&account.ledger.tcp, &account.ledger.turns);
    if is_mostly_reset(account) {
        return Some(if tcp.answer_bytes < tcp.connected.saturating_mul(HARDLY_ANSWERED) {
            "the test server resets most connections: does the assistant forward the answers to the real clients, which \
             refuse them? Then 'sysctl net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0' there; else see the log of \
             the test service"
                .to_owned()
        } else {
            "the test server closes most connections before it has answered: see the log of the test service"
                .to_owned()
        });
    }
    // Sessions with TLS are closed as well.
    let cut_off = turns.cut_off.saturating_sub(account.ledger.sessions.incomplete.get(DropReason::Tls));
    if is_closed_after_each(account) && cut_off * 2 <= tcp.rebuilt {
        return Some(format!(
            "the test server closes after nearly every answer: {} of {} connections were opened in place of another; turn \
             its keep-alive on, or {KEPT_ALIVE}",
            Grouped(tcp.rebuilt),
            Grouped(tcp.connected)
        ));
    }
    let answered = turns.answered + turns.answer_ended + turns.module_ready;
    match cut_off {
        0 => None,
        // Now and then it closes while a request is on its way.
        _ if cut_off <= answered / 10 => Some(format!(
            "the test server closed {} connections with requests unanswered: {KEPT_ALIVE}",
            Grouped(cut_off)
        )),
        _ => Some(format!(
            "the test server closed {} connections instead of answering: the log of the test service says why",
            Grouped(cut_off)
        )),
    }
}

fn is_mostly_reset(account: &Report<'_>) -> bool {
    let bytes = &account.ledger.bytes;
    bytes.dropped.get(DropReason::ClosedByServer) > (bytes.replayed + bytes.dropped.total()) / 2
}

/// Connections were rebuilt for most turns but the first of each session, and not for what was not captured.
fn is_closed_after_each(account: &Report<'_>) -> bool {
    let (tcp, turns) = (&account.ledger.tcp, &account.ledger.turns);
    let later = turns.let_go().saturating_sub(tcp.connected - tcp.rebuilt.min(tcp.connected));
    let elsewhere = account.ledger.gaps.count + tcp.refused;
    tcp.rebuilt >= NOTABLE && tcp.rebuilt > later / 2 && tcp.rebuilt > elsewhere.saturating_mul(2)
}
