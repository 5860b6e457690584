//! If little or nothing arrives: where it stops, and what to do there.

use crate::ledger::DropReason;

use super::number::Grouped;
use super::{Account, InterceptAccount};

const LOOPBACK: &str = "clients on 127.0.0.1 or ::1 cannot be copied, for no other host can answer there: let them use an \
                        address of this host, or leave them out with the service's own address in -x";

/// What the counters tell about faults outside of tcpcopy, the first fault on the way of the data first.
pub(super) fn hints(account: &Account<'_>) -> Vec<String> {
    let mut hints: Vec<String> = first_obstacle(account).into_iter().collect();
    hints.extend(bad_sends(account));
    hints.extend(losses(account).into_iter().map(str::to_owned));
    hints
}

/// The hop at which everything stops, if one does.
fn first_obstacle(account: &Account<'_>) -> Option<String> {
    let ledger = account.ledger;
    let (packets, tcp) = (&ledger.packets, &ledger.tcp);
    let hint = if packets.captured == 0 {
        "no packet was captured: check the port and address in -x, -i and -F, and that clients connect"
    } else if packets.client == 0 {
        return Some(format!(
            "{} packets were captured, none of them of a client to a service in -x: check -x, -i and -F",
            Grouped(packets.captured)
        ));
    } else if tcp.connected > 0
        || all_is_tls(account)
        || all_is_loopback(account)
        || nothing_was_sent(account)
    {
        return None;
    } else if account.links.iter().all(|link| !link.up && link.connects == 0) {
        "no intercept was ever reached: start intercept on the assistant host, open its port, check -s"
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
fn all_is_tls(account: &Account<'_>) -> bool {
    let sessions = &account.ledger.sessions;
    let tls = sessions.incomplete.get(DropReason::Tls);
    tls > 0 && tls == sessions.replayed + sessions.incomplete.total()
}

fn all_is_loopback(account: &Account<'_>) -> bool {
    account.ledger.packets.loopback == account.ledger.packets.client
}

fn nothing_was_sent(account: &Account<'_>) -> bool {
    account.inject.sent == 0 && account.inject.failed.total() > 0
}

/// SYNs leave and nothing comes back: intercept's counters tell on which side of it.
fn no_answer(account: &Account<'_>) -> &'static str {
    let seen = account.links.iter().filter_map(|link| link.statistics);
    let (captured, unrouted) = seen.fold((0, 0), |(c, u), s| (c + s.captured, u + s.unrouted));
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

/// Sends that the kernel refuses. TCP repeats them; it is no use where the cause stays.
fn bad_sends(account: &Account<'_>) -> Option<String> {
    let failed = &account.inject.failed;
    let (symbol, meaning, count) = failed.occurred().max_by_key(|(_, _, count)| *count)?;
    // Large segments fail all, however few they are.
    if symbol != "EMSGSIZE" && failed.total() < account.inject.sent / 100 {
        return None;
    }
    let cure = match &symbol[..] {
        "EPERM" => {
            "this host's firewall drops the copies (output); where that is for a conntrack rule on invalid packets, exempt \
             them with 'ip daddr TARGET tcp dport PORT notrack' in an nft output chain of priority raw"
        }
        "EMSGSIZE" => "packets are longer than the interface's MTU: lower -M to it",
        "ENOBUFS" | "EAGAIN" => "the interface's queue is full: is the way to the test server wide enough?",
        _ => "check the route to the test server ('ip route get TARGET') and the interface",
    };
    Some(format!("{} sends failed, {symbol} ({meaning}): {cure}", Grouped(count)))
}

/// Losses that one setting would lessen.
fn losses(account: &Account<'_>) -> Vec<&'static str> {
    let ledger = account.ledger;
    let (bytes, connected) = (&ledger.bytes, ledger.tcp.connected > 0);
    let dropped = |reason| bytes.dropped.get(reason) > 0 || ledger.sessions.incomplete.get(reason) > 0;
    let settled = bytes.replayed + bytes.dropped.total();
    let mostly_reset = connected && bytes.dropped.get(DropReason::ClosedByServer) > settled / 2;
    let intercept = |overran: fn(&InterceptAccount) -> bool| {
        account.links.iter().filter_map(|link| link.statistics.as_ref()).any(overran)
    };
    let candidates = [
        (
            account.capture.kernel_dropped > 0,
            "the capture buffer overflowed: enlarge it with -B; if it goes on, tcpcopy needs more CPU",
        ),
        (
            dropped(DropReason::MemoryLimit),
            "the memory limit was reached: raise it with -m, or speed the test server up",
        ),
        (
            dropped(DropReason::Displaced),
            "idle sessions were ended to make room for newer ones: more sessions take several workers (-C) or more memory \
             (-m); if there are not that many clients, somebody sends forged packets",
        ),
        (dropped(DropReason::Truncated), "packets were cut on capture: raise or leave out -S"),
        (
            dropped(DropReason::Tls),
            "TLS cannot be copied: end it in front of the service (proxy, load balancer), and name the plain port behind \
             that in -x",
        ),
        (
            dropped(DropReason::LoginFailed),
            "the test server refused logins: the log names each user and the reason; give their passwords on the test \
             server in a file, --config FILE, docs/MYSQL.md shows how, and create users that it does not have",
        ),
        (
            dropped(DropReason::ModuleFailed),
            "a protocol module could not go on with some sessions: the log says why; if the service of -x speaks another \
             protocol, say so with --protocol PORT=none",
        ),
        (ledger.packets.loopback > 0, LOOPBACK),
        (
            mostly_reset,
            "the test server resets most connections: does the assistant forward the answers to the real clients, which \
             refuse them? Then 'sysctl net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0' there; else see the log of \
             the test service",
        ),
        (
            connected && dropped(DropReason::Refused),
            "the test server refused some connections: was it restarted, is its backlog or connection limit too small?",
        ),
        (
            ledger.turns.cut_off > 0 && !mostly_reset,
            "the test server closed connections with requests unanswered: give it the online server's keep-alive limits \
             (nginx: keepalive_timeout, keepalive_requests)",
        ),
        (
            connected && dropped(DropReason::NoAnswer) && ledger.packets.loopback == 0,
            "some answers never came: check the test host's load, and its route back for all client addresses",
        ),
        (
            intercept(|s| s.kernel_dropped > 0),
            "intercept's capture buffer overflowed: its host is too slow or too busy",
        ),
        (
            intercept(|s| s.overflowed > 0),
            "an intercept's link was too slow: check the network between it and this host",
        ),
    ];
    candidates.into_iter().filter(|(applies, _)| *applies).map(|(_, text)| text).collect()
}

#[cfg(test)]
#[path = "hint_tests.rs"]
mod tests;
