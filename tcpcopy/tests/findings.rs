//! The engine's own counters lead to the findings: clients, an engine and a test server that fails after an hour, in simulated
//! time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod rig;

use std::time::Duration;

use common_core::wire::Flags;
use rig::Rig;
use tcpcopy::findings::{
    Change, Detector, Finding, Intercept, Own, Probe, Sample, Setup, Target, TargetSample,
};

/// How the test server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Answers,
    /// Nothing comes back.
    Silent,
    /// Its kernel acknowledges.
    Hangs,
    /// It accepts connections, and somebody resets them.
    Reset,
}

/// A run, a second at a time.
struct Run {
    rig: Rig,
    detector: Detector,
    second: u16,
    probe: Option<Probe>,
    /// Each client sends one request, and closes when it has read the answer of production.
    clients: bool,
}

impl Run {
    fn new() -> Self {
        let mut rig = Rig::with_memory(1 << 30);
        rig.after(Duration::from_millis(20));
        let address = "10.0.0.2:80".parse::<std::net::SocketAddr>().unwrap().into();
        let intercept = "10.0.0.3:36524".parse::<std::net::SocketAddr>().unwrap().into();
        let setup = Setup {
            targets: vec![Target { service: 80, address }],
            intercepts: vec![intercept],
            ..Setup::default()
        };
        Self { rig, detector: Detector::new(setup), second: 0, probe: None, clients: true }
    }

    /// A second passes in steps of 50 ms.
    fn second(&mut self, server: Server) -> Vec<Change> {
        let client = self.second;
        for step in 0..20 {
            match step {
                0 if self.clients => {
                    self.rig.connect(client);
                    self.rig.online_says(client, 0, 1, Flags::SYN | Flags::ACK, &[]);
                    self.rig.data(client, 1);
                }
                4 if self.clients => self.rig.say_after(client, 2, 10, Flags::FIN | Flags::ACK, &[]),
                _ => {}
            }
            match server {
                Server::Silent => self.rig.lose(),
                Server::Hangs => self.rig.answer(),
                Server::Reset if step == 2 => {
                    self.rig.accept();
                    self.rig.reset(client);
                }
                Server::Reset => self.rig.accept(),
                Server::Answers => {
                    self.rig.answer();
                    if step == 2 && self.clients {
                        self.rig.hear(client, 0, Flags::PSH, b"0123456789");
                    }
                    self.rig.answer();
                }
            }
            self.rig.after(Duration::from_millis(50));
        }
        self.second += 1;
        let sample = self.sample();
        let changes = self.detector.tick(sample);
        if let Some(wanted) = self.detector.poll_probe() {
            self.probe = Some(Probe { request: wanted.request, own: Own::Accepted, foreign: wanted.foreign });
        }
        changes
    }

    fn sample(&self) -> Sample {
        let ledger = self.rig.ledger();
        let target = self.rig.engine.targets().next().unwrap();
        Sample {
            now: self.rig.now,
            client_packets: ledger.packets.client,
            opened: ledger.sessions.seen,
            online_syn_acks: ledger.packets.online_syn_ack,
            replayed: ledger.bytes.replayed,
            lag: ledger.at(self.rig.now).turns.oldest_waiting_seconds.0,
            sent: ledger.tcp.segments_sent,
            intercepts: vec![Intercept {
                connected: true,
                reports: u64::from(self.second),
                ..Intercept::default()
            }],
            targets: vec![TargetSample { counts: target, hop: None, probe: self.probe.clone() }],
            ..Sample::default()
        }
    }

    fn quiet(&mut self, seconds: u32, server: Server) {
        for number in 0..seconds {
            let changes = self.second(server);
            assert!(changes.is_empty(), "{server:?}, second {number}: {changes:?}");
        }
    }

    fn changes(&mut self, seconds: u32, server: Server) -> Vec<(u32, Change)> {
        (1..=seconds).flat_map(|number| self.second(server).into_iter().map(move |it| (number, it))).collect()
    }
}

#[test]
fn a_fault_after_an_hour_of_success_is_found_by_the_counters_of_the_engine() {
    for (server, expected) in [
        (Server::Silent, Finding::SourcesDropped),
        (Server::Hangs, Finding::ServerHangs),
        (Server::Reset, Finding::Reset),
    ] {
        let mut run = Run::new();
        run.quiet(3600, Server::Answers);
        let changes = run.changes(60, server);
        let [(seconds, Change::Begun(finding, line))] = &changes[..] else {
            panic!("{server:?}: {changes:?}")
        };
        assert_eq!(*finding, expected, "{line}");
        assert!(*seconds <= 10, "{server:?}: after {seconds} s");
        let changes = run.changes(60, Server::Answers);
        let [(seconds, Change::Ended(finding, _))] = &changes[..] else { panic!("{server:?}: {changes:?}") };
        assert!(*finding == expected && *seconds <= 10, "{server:?}: over after {seconds} s");
        run.quiet(600, Server::Answers);
    }
}

#[test]
fn without_clients_nothing_is_found() {
    let mut run = Run::new();
    run.quiet(60, Server::Answers);
    run.clients = false;
    // What the last client sent is answered.
    run.quiet(3, Server::Answers);
    run.quiet(3600, Server::Silent);
    run.clients = true;
    run.quiet(60, Server::Answers);
}
