//! Each hint, from the account of a run that needs it.

use nix::errno::Errno;

use super::super::{CaptureAccount, InjectAccount, LinkAccount, OutputAccount};
use super::*;
use crate::ledger::Ledger;

/// What an account is made of.
struct Run {
    ledger: Ledger,
    capture: CaptureAccount,
    inject: InjectAccount,
    link: LinkAccount,
}

impl Run {
    /// One that captures and sends, and has a link; nothing has come back yet.
    fn unanswered() -> Self {
        let mut ledger = Ledger::default();
        (ledger.packets.captured, ledger.packets.client) = (1000, 1000);
        ledger.tcp.segments_sent = 1000;
        Self {
            ledger,
            capture: CaptureAccount::default(),
            inject: InjectAccount { sent: 1000, ..InjectAccount::default() },
            link: LinkAccount { up: true, connects: 1, ..LinkAccount::default() },
        }
    }

    /// One that copies.
    fn working() -> Self {
        let mut run = Self::unanswered();
        run.ledger.tcp.connected = 100;
        run.ledger.tcp.answers = 1000;
        run.ledger.bytes.replayed = 1000;
        run.intercept(InterceptAccount { captured: 1000, forwarded: 1000, ..InterceptAccount::default() });
        run
    }

    fn intercept(&mut self, statistics: InterceptAccount) {
        self.link.statistics = Some(statistics);
    }

    fn fail(&mut self, errno: Errno, times: u64) {
        self.inject.failed.add(&errno.into(), times);
    }

    fn hints(&self) -> Vec<String> {
        hints(&Account {
            version: "1",
            uptime_seconds: 1,
            balanced: true,
            ledger: &self.ledger,
            capture: self.capture,
            inject: &self.inject,
            links: vec![self.link.clone()],
            protocols: Vec::new(),
            workers: Vec::new(),
            output: OutputAccount::default(),
        })
    }
}

/// What makes the run differ, and words of the hints that it must get, in order.
type Case<'a> = (fn(&mut Run), &'a [&'a str]);

/// Every run gets these hints and no other.
fn check(start: fn() -> Run, cases: &[Case<'_>]) {
    for (index, (change, expected)) in cases.iter().enumerate() {
        let mut run = start();
        change(&mut run);
        let hints = run.hints();
        assert_eq!(hints.len(), expected.len(), "case {index} {expected:?}: {hints:#?}");
        for (hint, part) in hints.iter().zip(*expected) {
            assert!(hint.contains(part) && !hint.contains(['\n', '\t']), "case {index} {part}: {hint}");
            assert!(!hint.contains("  "), "a line is broken badly: {hint}");
        }
    }
}

#[test]
fn the_first_obstacle_is_named() {
    check(
        Run::unanswered,
        &[
            (|run| run.ledger.packets.captured = 0, &["check the port and address in -x"]),
            (|run| run.ledger.packets.client = 0, &["1 000 packets were captured, none of them of a client"]),
            (|run| (run.link.up, run.link.connects) = (false, 0), &["no intercept was ever reached"]),
            (|run| run.ledger.tcp.refused = 1, &["refuses connections"]),
            (|run| run.ledger.tcp.answers = 1, &["no connection came about"]),
            (|_| {}, &["rp_filter=2"]),
            (|run| run.intercept(InterceptAccount::default()), &["its -F fit the answers"]),
            (
                |run| run.intercept(InterceptAccount { captured: 5, unrouted: 5, ..Default::default() }),
                &["NAT"],
            ),
            (
                |run| run.intercept(InterceptAccount { captured: 5, ..Default::default() }),
                &["leave its -F out"],
            ),
        ],
    );
}

#[test]
fn what_cannot_be_copied_at_all_is_no_fault_of_the_way() {
    check(
        Run::unanswered,
        &[
            (
                |run| {
                    run.ledger.sessions.incomplete.add(DropReason::Tls, 3);
                    run.ledger.bytes.dropped.add(DropReason::Tls, 1500);
                    run.ledger.tcp.answers = 3;
                },
                &["TLS cannot be copied: end it in front"],
            ),
            (|run| run.ledger.packets.loopback = 1000, &["clients on 127.0.0.1"]),
            (
                |run| run.ledger.packets.loopback = 1,
                &["intercept captured no answer", "clients on 127.0.0.1"],
            ),
        ],
    );
}

#[test]
fn sends_that_fail_name_the_cure() {
    let nothing_sent = || {
        let mut run = Run::unanswered();
        run.inject.sent = 0;
        run
    };
    check(
        nothing_sent,
        &[
            (
                |run| run.fail(Errno::EPERM, 5),
                &["5 sends failed, EPERM (Operation not permitted): this host's firewall"],
            ),
            (|run| run.fail(Errno::ENETUNREACH, 5), &["ip route get TARGET"]),
        ],
    );
    check(
        Run::working,
        &[
            (|run| run.fail(Errno::EPERM, 500), &["notrack"]),
            (|run| run.fail(Errno::EMSGSIZE, 1), &["lower -M"]),
            (|run| run.fail(Errno::ENOBUFS, 10), &["queue is full"]),
            (|run| run.fail(Errno::EPERM, 9), &[]),
        ],
    );
}

#[test]
fn losses_name_the_setting() {
    check(
        Run::working,
        &[
            (|_| {}, &[]),
            (|run| run.ledger.bytes.dropped.add(DropReason::MemoryLimit, 1), &["-m"]),
            (|run| run.ledger.sessions.incomplete.add(DropReason::Displaced, 1), &["-C"]),
            (|run| run.ledger.bytes.dropped.add(DropReason::Truncated, 1), &["-S"]),
            (|run| run.ledger.bytes.dropped.add(DropReason::Tls, 1), &["TLS"]),
            (|run| run.ledger.bytes.dropped.add(DropReason::Refused, 1), &["backlog"]),
            (|run| run.ledger.bytes.dropped.add(DropReason::LoginFailed, 1), &["--config FILE"]),
            (|run| run.ledger.bytes.dropped.add(DropReason::ModuleFailed, 1), &["--protocol PORT=none"]),
            (|run| run.ledger.turns.cut_off = 1, &["keepalive_requests"]),
            (|run| run.ledger.sessions.incomplete.add(DropReason::NoAnswer, 1), &["route back"]),
            (
                |run| {
                    run.ledger.packets.loopback = 10;
                    run.ledger.bytes.dropped.add(DropReason::NoAnswer, 1);
                },
                &["clients on 127.0.0.1"],
            ),
            (|run| run.ledger.bytes.dropped.add(DropReason::ClosedByServer, 999), &[]),
            (|run| run.ledger.bytes.dropped.add(DropReason::ClosedByServer, 1001), &["ip_forward=0"]),
            (|run| run.ledger.bytes.dropped.add(DropReason::Shutdown, 5000), &[]),
        ],
    );
}

#[test]
fn overflows_are_told_apart() {
    check(
        Run::working,
        &[
            (|run| run.capture.kernel_dropped = 1, &["the capture buffer overflowed: enlarge it with -B"]),
            (
                |run| run.intercept(InterceptAccount { kernel_dropped: 1, ..Default::default() }),
                &["intercept's capture buffer"],
            ),
            (
                |run| run.intercept(InterceptAccount { overflowed: 1, ..Default::default() }),
                &["link was too slow"],
            ),
        ],
    );
}
