//! Each hint, from the account of a run that needs it.

mod module;

use nix::errno::Errno;

use super::super::{CaptureStats, InjectStats, InterceptStats, ProtocolStats, Service};
use super::*;
use crate::ledger::{Largest, Ledger};

/// The data of a report.
struct Run {
    ledger: Ledger,
    capture: CaptureStats,
    inject: InjectStats,
    intercept: InterceptStats,
    services: Vec<Service>,
    protocols: Vec<ProtocolStats>,
}

impl Run {
    /// A run that captures and sends, and has an intercept, but no answer yet.
    fn unanswered() -> Self {
        let mut ledger = Ledger::default();
        (ledger.packets.captured, ledger.packets.client) = (1000, 1000);
        ledger.tcp.segments_sent = 1000;
        ledger.sessions.seen = 100;
        Self {
            ledger,
            capture: CaptureStats::default(),
            inject: InjectStats { sent: 1000, ..InjectStats::default() },
            intercept: InterceptStats { connected: true, connects: 1, ..InterceptStats::default() },
            services: vec![Service { port: 80, protocol: None, module: None, is_queried: false }],
            protocols: Vec::new(),
        }
    }

    /// A run that copies.
    fn working() -> Self {
        let mut run = Self::unanswered();
        run.ledger.tcp.connected = 100;
        run.ledger.tcp.segments_received = 1000;
        run.ledger.tcp.answer_bytes = 100_000;
        run.ledger.bytes.replayed = 1000;
        (run.ledger.turns.seen, run.ledger.turns.at_once, run.ledger.turns.answered) = (1000, 100, 900);
        run.count(InterceptCounters { captured: 1000, forwarded: 1000, ..InterceptCounters::default() });
        run
    }

    fn count(&mut self, statistics: InterceptCounters) {
        self.intercept.statistics = Some(statistics);
    }

    /// The service of `-x` on this port, without its module.
    fn serve(&mut self, port: u16, module: Option<&'static str>) {
        self.services = vec![Service { port, protocol: None, module, is_queried: false }];
    }

    /// The service is Redis, and the online server is asked about it, or not.
    fn use_redis(&mut self, is_queried: bool) {
        self.services = vec![Service { port: 6380, protocol: Some("redis"), module: None, is_queried }];
    }

    /// So many samples of round trips, in microseconds.
    fn round_trips(&mut self, test: u64, clients: u64, samples: u32) {
        for _ in 0..samples {
            self.ledger.tcp.round_trip_us.add(std::time::Duration::from_micros(test));
            self.ledger.sessions.client_round_trip_us.add(std::time::Duration::from_micros(clients));
        }
    }

    fn fail(&mut self, errno: Errno, times: u64) {
        self.inject.failed.add(&errno.into(), times);
    }

    fn hints(&self) -> Vec<String> {
        hints(&Report {
            capture: self.capture,
            intercepts: vec![self.intercept.clone()],
            services: self.services.clone(),
            protocols: self.protocols.clone(),
            ..Report::of(&self.ledger, &self.inject)
        })
    }

    /// The service of `-x` has a module, which has counted this.
    fn use_module(&mut self, name: &'static str, counted: &[(&'static str, &[(&'static str, u64)])]) {
        self.services = vec![Service { port: 1, protocol: Some(name), module: None, is_queried: false }];
        let mut report = module_kit::Report::default();
        counted.iter().for_each(|(group, counters)| report.group(group, counters.iter().copied()));
        self.protocols = vec![ProtocolStats { name, groups: report.groups }];
        self.ledger.packets.online_answers = 100;
    }

    /// Sessions of a service that lost their state.
    fn lose_state(&mut self, port: u16) {
        self.serve(port, None);
        self.ledger.bytes.dropped.add(DropReason::StateLost, 85);
        self.ledger.sessions.incomplete.add(DropReason::StateLost, 3);
    }
}

/// A change of the run, and words of the hints that it must get, in order.
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
            (|run| run.ledger.packets.captured = 0, &["check -x (port, address)"]),
            (|run| run.ledger.packets.client = 0, &["1 000 packets were captured, none from a client"]),
            (|run| run.ledger.sessions.seen = 0, &["have sent nothing since the start"]),
            (
                |run| (run.intercept.connected, run.intercept.connects) = (false, 0),
                &["no intercept was ever connected"],
            ),
            // Nothing was sent, so no hint mentions answers.
            (|run| run.inject.sent = 0, &[]),
            (|run| run.ledger.tcp.refused = 1, &["refuses connections"]),
            (|run| run.ledger.tcp.segments_received = 1, &["no connection was established"]),
            (|_| {}, &["let it run for 10 s"]),
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
                    run.ledger.tcp.segments_received = 3;
                },
                &["TLS cannot be copied: terminate TLS in front"],
            ),
            (|run| run.ledger.packets.loopback = 1000, &["clients on 127.0.0.1"]),
            (|run| run.ledger.packets.loopback = 1, &["nothing came back", "clients on 127.0.0.1"]),
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
                &["5 sends failed, EPERM (Operation not permitted): the firewall of this host"],
            ),
            (|run| run.fail(Errno::ENETUNREACH, 5), &["ip route get TARGET"]),
        ],
    );
    check(
        Run::working,
        &[
            (|run| run.fail(Errno::EPERM, 500), &["notrack"]),
            (|run| run.fail(Errno::EMSGSIZE, 1), &["lower -M"]),
            (|run| run.fail(Errno::ENOBUFS, 10), &["has been full: is it fast enough?"]),
            (|run| run.fail(Errno::ENOTCONN, 10), &["no intercept was connected for a time"]),
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
            (|run| run.ledger.sessions.incomplete.add(DropReason::Evicted, 1), &["-C"]),
            (|run| run.ledger.bytes.dropped.add(DropReason::Truncated, 1), &["-S"]),
            (|run| run.ledger.sessions.incomplete.add(DropReason::NoFreePort, 1), &["-c"]),
            (|run| run.ledger.bytes.dropped.add(DropReason::NotChosen, 1), &[]),
            (|run| run.ledger.bytes.dropped.add(DropReason::Tls, 1), &["TLS"]),
            (|run| run.ledger.bytes.dropped.add(DropReason::Refused, 1), &["backlog"]),
            (|run| run.ledger.bytes.dropped.add(DropReason::LoginFailed, 1), &["file for --config"]),
            (|run| run.ledger.bytes.dropped.add(DropReason::ModuleFailed, 1), &["--protocol PORT=none"]),
            (
                |run| run.ledger.sessions.incomplete.add(DropReason::NoAnswer, 1),
                &["its route to each client address"],
            ),
            (
                |run| {
                    run.ledger.packets.loopback = 10;
                    run.ledger.bytes.dropped.add(DropReason::NoAnswer, 1);
                },
                &["clients on 127.0.0.1"],
            ),
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
                |run| run.count(InterceptCounters { kernel_dropped: 1, ..Default::default() }),
                &["the capture buffer of intercept"],
            ),
            (
                |run| run.count(InterceptCounters { overflowed: 1, ..Default::default() }),
                &["control connection was too slow"],
            ),
        ],
    );
}

#[test]
fn a_lost_control_connection_is_the_cause() {
    let was_lost = || {
        let mut run = Run::working();
        run.intercept.disconnects = 1;
        run
    };
    check(
        was_lost,
        &[
            (|_| {}, &[]),
            (
                |run| run.ledger.bytes.dropped.add(DropReason::NoAnswer, 1),
                &["no intercept was connected for a time"],
            ),
            (
                |run| run.ledger.bytes.dropped.add(DropReason::MemoryLimit, 1),
                &["while no intercept is connected"],
            ),
        ],
    );
}

#[test]
fn connections_that_the_server_closes_are_told_apart() {
    check(
        Run::working,
        &[
            // Now and then, with a request on its way: its keep-alive limits.
            (|run| run.ledger.turns.cut_off = 1, &["keepalive_requests"]),
            (|run| run.ledger.turns.cut_off = 90, &["keepalive_requests"]),
            // It seldom answers: no matter of limits.
            (|run| run.ledger.turns.cut_off = 91, &["instead of answering: see the log"]),
            // It does not understand TLS.
            (
                |run| {
                    run.ledger.turns.cut_off = 20;
                    run.ledger.sessions.incomplete.add(DropReason::Tls, 20);
                },
                &["TLS cannot be copied"],
            ),
            (|run| run.ledger.bytes.dropped.add(DropReason::ClosedByServer, 999), &[]),
            (
                |run| run.ledger.bytes.dropped.add(DropReason::ClosedByServer, 1001),
                &["closes most connections before it answers"],
            ),
            (
                |run| {
                    run.ledger.tcp.answer_bytes = 100;
                    run.ledger.bytes.dropped.add(DropReason::ClosedByServer, 1001);
                },
                &["in the clients' names"],
            ),
        ],
    );
}

#[test]
fn a_server_without_keep_alive_is_named() {
    // A hundred sessions of ten turns.
    let closes_each = || {
        let mut run = Run::working();
        (run.ledger.tcp.connected, run.ledger.tcp.reconnected) = (1000, 900);
        (run.ledger.turns.at_once, run.ledger.turns.answered) = (1000, 0);
        run
    };
    check(
        closes_each,
        &[
            (|_| {}, &["closes after nearly every answer: 900 of 1 000 connections"]),
            (|run| (run.ledger.tcp.connected, run.ledger.tcp.reconnected) = (550, 450), &[]),
            (|run| (run.ledger.tcp.connected, run.ledger.tcp.reconnected) = (109, 9), &[]),
            // Rebuilt for what was not captured.
            (|run| run.ledger.gaps.count = 450, &[]),
            (|run| run.ledger.turns.cut_off = 900, &["instead of answering"]),
            (|run| run.ledger.turns.cut_off = 450, &["closes after nearly every answer"]),
        ],
    );
}

#[test]
fn lost_state_names_its_cures() {
    check(
        Run::working,
        &[
            (
                |run| {
                    run.ledger.bytes.dropped.add(DropReason::StateLost, 85);
                    run.ledger.sessions.incomplete.add(DropReason::StateLost, 3);
                },
                &["3 of 100 sessions ended early, 85 bytes"],
            ),
            (|run| run.ledger.bytes.dropped.add(DropReason::StateUnknown, 1), &["--stateless PORT"]),
            (
                |run| {
                    run.use_redis(false);
                    run.ledger.sessions.incomplete.add(DropReason::StateUnknown, 2);
                },
                &["[online.redis]"],
            ),
            (
                |run| {
                    run.use_redis(true);
                    run.ledger.sessions.incomplete.add(DropReason::StateUnknown, 2);
                },
                &["before the online server had reported their state"],
            ),
        ],
    );
}

#[test]
fn what_is_known_to_keep_state_is_not_to_be_declared_stateless() {
    for (port, says) in [(8080, true), (5432, false)] {
        let mut run = Run::working();
        run.lose_state(port);
        let hints = run.hints();
        assert!(hints[0].starts_with("3 of 100 sessions ended early, 85 bytes"), "{hints:#?}");
        assert_eq!(hints[0].contains("--stateless PORT"), says, "{hints:#?}");
    }
}

#[test]
fn a_stateful_service_without_its_module_is_named() {
    check(
        Run::working,
        &[
            (|run| run.serve(5432, None), &[]),
            (
                |run| {
                    run.serve(5432, None);
                    run.ledger.bytes.dropped.add(DropReason::ClosedByServer, 10);
                },
                &["port 5432 (PostgreSQL) is copied without a protocol module"],
            ),
            (
                |run| {
                    run.serve(3306, Some("mysql"));
                    run.ledger.sessions.incomplete.add(DropReason::StateLost, 10);
                },
                &["10 of 100 sessions", "(--protocol 3306=mysql)"],
            ),
            (
                |run| {
                    run.serve(3306, Some("mysql"));
                    run.services[0].protocol = Some("mysql");
                    run.ledger.bytes.dropped.add(DropReason::ClosedByServer, 10);
                },
                &[],
            ),
            (|run| run.ledger.bytes.dropped.add(DropReason::ClosedByServer, 10), &[]),
            (
                |run| {
                    run.serve(5432, None);
                    run.ledger.bytes.dropped.add(DropReason::Tls, 1);
                },
                &["(PostgreSQL: sslmode=disable)"],
            ),
        ],
    );
}

#[test]
fn a_copy_that_is_late_is_measured() {
    check(
        Run::working,
        &[
            (|run| run.ledger.turns.late = 9, &[]),
            (
                |run| (run.ledger.turns.late, run.ledger.turns.longest_wait_ms) = (10, Largest(25_300)),
                &["10 of 1 000 turns were sent more than 1 s after their capture, the latest after 25 s"],
            ),
            (
                |run| {
                    run.ledger.turns.at_once = 1_000_000;
                    run.ledger.turns.late = 10;
                },
                &[],
            ),
            (|run| run.ledger.turns.oldest_waiting_seconds = Largest(5), &[]),
            (
                |run| run.ledger.turns.oldest_waiting_seconds = Largest(6),
                &["the oldest turn has waited for 6 s; the test server, or the network to it, is slower"],
            ),
            (
                |run| {
                    run.intercept.connected = false;
                    run.ledger.turns.oldest_waiting_seconds = Largest(60);
                },
                &[],
            ),
            (|run| (run.ledger.turns.timed_out, run.ledger.turns.answered) = (50, 850), &[]),
            (
                |run| (run.ledger.turns.timed_out, run.ledger.turns.answered) = (51, 849),
                &["51 of 1 000 turns were sent after a timeout"],
            ),
        ],
    );
    check(
        Run::unanswered,
        &[(|run| run.ledger.turns.oldest_waiting_seconds = Largest(60), &["let it run for 10 s"])],
    );
}

#[test]
fn a_test_server_far_away_is_named() {
    let late = || {
        let mut run = Run::working();
        run.ledger.turns.late = 500;
        run
    };
    check(
        late,
        &[
            (
                |run| run.round_trips(30_000, 2_100, 300),
                &[
                    "the copy is late: 500 of",
                    "a round trip to the test server takes 30.0 ms, one to the clients 2.1 ms",
                ],
            ),
            (|run| run.round_trips(30_000, 2_100, 10), &["is slower than production"]),
            (|run| run.round_trips(30_000, 10_000, 300), &["is slower than production"]),
            (|run| run.round_trips(900, 100, 300), &["is slower than production"]),
            // -W: nothing waits for an answer.
            (
                |run| {
                    run.round_trips(30_000, 2_100, 300);
                    (run.ledger.turns.at_once, run.ledger.turns.answered) = (1000, 0);
                },
                &["is slower than production"],
            ),
        ],
    );
    check(Run::working, &[(|run| run.round_trips(30_000, 2_100, 300), &[])]);
}
