//! If little or nothing arrives: where it stops, and what to do there.

use crate::ledger::DropReason;

use super::number::Grouped;
use super::{Account, InterceptAccount};

/// What the counters tell about faults outside of tcpcopy, the first fault on the way of the data first.
pub(super) fn hints(account: &Account<'_>) -> Vec<String> {
    let blocked = first_obstacle(account);
    blocked.into_iter().chain(losses(account)).collect()
}

/// The hop at which everything stops, if one does.
fn first_obstacle(account: &Account<'_>) -> Option<String> {
    let ledger = account.ledger;
    let (packets, tcp) = (&ledger.packets, &ledger.tcp);
    if packets.captured == 0 {
        return Some(
            "no packet was captured: check the port and address in -x, the interface in -i, and that clients connect"
                .to_owned(),
        );
    }
    if packets.client == 0 {
        return Some(format!(
            "{} packets were captured, none of them of a client to a service in -x: check -x and -F",
            Grouped(packets.captured)
        ));
    }
    if tcp.connected > 0 {
        return None;
    }
    if !account.links.is_empty() && account.links.iter().all(|link| !link.up && link.connects == 0) {
        return Some(
            "no intercept was ever reached: start intercept on the assistant host, open its port, check -s"
                .to_owned(),
        );
    }
    if account.inject.sent == 0 {
        let (symbol, meaning, _) = account.inject.failed.occurred().max_by_key(|(_, _, count)| *count)?;
        return Some(format!(
            "no packet could be sent, {symbol} ({meaning}): check the route to the test server and the output rules of \
             this host's firewall"
        ));
    }
    if tcp.refused > 0 {
        return Some(
            "the test server refuses connections: is the service of -x running and listening there?"
                .to_owned(),
        );
    }
    if tcp.answers > 0 {
        return Some(
            "the test server answers but no connection came about: check its firewall and its backlog"
                .to_owned(),
        );
    }
    Some(no_answer(account))
}

/// SYNs leave and nothing comes back: intercept's counters tell on which side of it.
fn no_answer(account: &Account<'_>) -> String {
    let seen = account.links.iter().filter_map(|link| link.statistics);
    let (captured, unrouted) = seen.fold((0, 0), |(c, u), s| (c + s.captured, u + s.unrouted));
    if captured == 0 {
        return "packets were sent, intercept saw no answer: on the test host, route the clients' addresses to the \
                assistant (ip route add CLIENTS via ASSISTANT) and let rp_filter pass them (sysctl \
                net.ipv4.conf.all.rp_filter=0); check the interface that intercept captures on, and firewalls between"
            .to_owned();
    }
    if unrouted > 0 {
        return "intercept sees answers, but of other connections: is the test server reached under the address that it \
                answers from (NAT, containers)?"
            .to_owned();
    }
    "intercept captures, but no answer to what was sent: check its -F, and the test host's firewall and rp_filter"
        .to_owned()
}

/// Losses that one setting would lessen.
fn losses(account: &Account<'_>) -> Vec<String> {
    let ledger = account.ledger;
    let dropped = |reason| ledger.bytes.dropped.get(reason) > 0 || ledger.sessions.incomplete.get(reason) > 0;
    let intercept = |overran: fn(&InterceptAccount) -> bool| {
        account.links.iter().filter_map(|link| link.statistics.as_ref()).any(overran)
    };
    let mut hints = Vec::new();
    let mut hint = |applies: bool, text: &str| {
        if applies {
            hints.push(text.to_owned());
        }
    };
    hint(account.capture.kernel_dropped > 0, "the capture buffer overflowed: give it more with -B");
    hint(
        dropped(DropReason::MemoryLimit),
        "the memory limit was reached: raise it with -m, or speed the test server up",
    );
    hint(dropped(DropReason::Truncated), "packets were cut on capture: raise or leave out -S");
    hint(dropped(DropReason::Tls), "TLS sessions cannot be copied: copy behind the point where TLS ends");
    hint(
        ledger.tcp.connected > 0 && dropped(DropReason::Refused),
        "the test server refused some connections: was it restarted, is its backlog or connection limit too small?",
    );
    hint(
        ledger.tcp.connected > 0 && dropped(DropReason::NoAnswer),
        "some answers never came: check the test host's load, and its route back for all client addresses",
    );
    hint(
        intercept(|s| s.kernel_dropped > 0),
        "intercept's capture buffer overflowed: its host is too slow or too busy",
    );
    hint(
        intercept(|s| s.overflowed > 0),
        "an intercept's link was too slow: check the network between it and this host",
    );
    hints
}

#[cfg(test)]
mod tests {
    use super::super::{CaptureAccount, InjectAccount, LinkAccount};
    use super::*;
    use crate::ledger::Ledger;

    /// What an account is made of.
    struct Run {
        ledger: Ledger,
        capture: CaptureAccount,
        inject: InjectAccount,
        link: LinkAccount,
    }

    /// The hints for a run that captures, sends and has a link, after `change`.
    fn hints_of(change: impl FnOnce(&mut Run)) -> String {
        let mut run = Run {
            ledger: Ledger::default(),
            capture: CaptureAccount::default(),
            inject: InjectAccount { sent: 10, ..InjectAccount::default() },
            link: LinkAccount { up: true, connects: 1, ..LinkAccount::default() },
        };
        run.ledger.packets.captured = 10;
        run.ledger.packets.client = 10;
        run.ledger.tcp.segments_sent = 10;
        change(&mut run);
        let account = Account {
            version: "1",
            uptime_seconds: 1,
            balanced: true,
            ledger: &run.ledger,
            capture: run.capture,
            inject: &run.inject,
            links: vec![run.link],
        };
        hints(&account).join("\n")
    }

    /// As [`hints_of`], where intercept has sent counters.
    fn no_answer_hints(captured: u64, unrouted: u64) -> String {
        hints_of(|run| {
            run.link.statistics =
                Some(InterceptAccount { captured, unrouted, ..InterceptAccount::default() });
        })
    }

    #[test]
    fn the_first_obstacle_is_named() {
        let unsendable = hints_of(|run| {
            run.inject.sent = 0;
            run.inject.failed.add(&nix::errno::Errno::EPERM.into());
        });
        for (found, expected) in [
            (hints_of(|run| run.ledger.packets.captured = 0), "check the port and address in -x"),
            (hints_of(|run| run.ledger.packets.client = 0), "none of them of a client"),
            (hints_of(|run| (run.link.up, run.link.connects) = (false, 0)), "no intercept was ever reached"),
            (unsendable, "no packet could be sent, EPERM"),
            (hints_of(|run| run.ledger.tcp.refused = 1), "refuses connections"),
            (hints_of(|run| run.ledger.tcp.answers = 1), "no connection came about"),
            (no_answer_hints(0, 0), "ip route add"),
            (no_answer_hints(5, 5), "NAT"),
            (no_answer_hints(5, 0), "check its -F"),
        ] {
            assert!(found.contains(expected) && found.lines().count() == 1, "{expected}: {found}");
        }
    }

    #[test]
    fn a_run_that_works_gets_no_hint() {
        assert_eq!(hints_of(|run| run.ledger.tcp.connected = 1), "");
    }

    #[test]
    fn losses_name_the_setting() {
        for (reason, expected) in [
            (DropReason::MemoryLimit, "-m"),
            (DropReason::Truncated, "-S"),
            (DropReason::Tls, "TLS ends"),
            (DropReason::Refused, "backlog"),
            (DropReason::NoAnswer, "route back"),
        ] {
            let found = hints_of(|run| {
                run.ledger.tcp.connected = 1;
                run.ledger.bytes.dropped.add(reason, 1);
            });
            assert!(found.contains(expected) && found.lines().count() == 1, "{expected}: {found}");
        }
    }

    #[test]
    fn overflows_are_told_apart() {
        let found = hints_of(|run| {
            run.ledger.tcp.connected = 1;
            run.capture.kernel_dropped = 1;
            run.link.statistics =
                Some(InterceptAccount { kernel_dropped: 1, overflowed: 1, ..InterceptAccount::default() });
        });
        assert_eq!(found.lines().count(), 3, "{found}");
    }
}
