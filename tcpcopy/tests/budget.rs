//! However many sessions there are, no call of the engine takes long: the driver has other sources to look after.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use common::control::{Answer, AnswerPayload, FlowId, ToIntercept};
use common::flow::{Endpoint, Flow};
use common::io::Captured;
use common::module::{Actions, Module, Protocol, Said};
use common::time::Time;
use common::wire::{Flags, Options, Outgoing, PacketBuilder, Segment, Seq};
use tcpcopy::engine::Engine;
use tcpcopy::output::Output;
use tcpcopy::settings::{EngineConfig, Transfer};

const ONLINE: Endpoint = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 80);
const TARGET: Endpoint = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 80);
const START: Time = Time::from_micros(1_000_000);

const SESSIONS: usize = 5000;
/// Packets that one call may send.
const FEW: usize = 1500;

/// Flows as announced, packets since they were last taken.
#[derive(Default)]
struct Wire {
    flows: Vec<FlowId>,
    sent: Vec<(Flags, Seq)>,
}

impl Output for Wire {
    fn inject(&mut self, packet: &[u8]) {
        let segment = Segment::parse(packet).unwrap();
        self.sent.push((segment.flags, segment.seq));
    }

    fn control(&mut self, message: &ToIntercept) {
        if let ToIntercept::RouteAdd { id, .. } = message {
            self.flows.push(*id);
        }
    }
}

struct Rig {
    engine: Engine,
    wire: Wire,
}

impl Rig {
    /// Clients that have begun to connect, each with a SYN sent to the test server.
    fn new() -> Self {
        let mut rig = Self::without_clients();
        rig.engine.handle_link_up(START, &mut rig.wire);
        rig.connect(SESSIONS);
        assert_eq!(rig.wire.sent.len(), SESSIONS);
        // The head start of the link is over, with nothing to resume.
        rig.until_done(START + Duration::from_millis(20));
        rig
    }

    fn without_clients() -> Self {
        Self { engine: Engine::new(config(), START), wire: Wire::default() }
    }

    fn connect(&mut self, clients: usize) {
        let mut builder = PacketBuilder::new();
        for session in 0..clients {
            let client = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1)), 1024 + session as u16);
            let syn = Outgoing {
                seq: Seq(0),
                ack: Seq(0),
                flags: Flags::SYN,
                window: 500,
                options: Options::default(),
                payload: (&[], &[]),
            };
            let packet = builder.build(&Flow { client, server: ONLINE }, &syn);
            self.engine.handle_packet(START, Captured { packet, outgoing: false }, &mut self.wire);
        }
        assert_eq!(self.wire.flows.len(), clients);
    }

    /// The test server accepts all connections.
    fn accept(&mut self, now: Time) {
        let syns: Vec<_> = self.wire.sent.drain(..).collect();
        for (id, (_, seq)) in self.wire.flows.clone().into_iter().zip(syns) {
            let answer = answer(id, seq + 1, Flags::SYN | Flags::ACK);
            self.engine.handle_answer(now, &answer, &mut self.wire);
        }
        self.engine.flush(now, &mut self.wire);
        self.wire.sent.clear();
    }

    /// Calls the engine as long as it asks for it; the number of calls in which something was sent.
    fn until_done(&mut self, now: Time) -> usize {
        let mut calls = 0;
        while self.engine.poll_timeout() <= now {
            let before = self.wire.sent.len();
            self.engine.handle_timeout(now, &mut self.wire);
            let sent = self.wire.sent.len() - before;
            assert!(sent <= FEW, "{sent} packets in one call");
            calls += usize::from(sent > 0);
        }
        calls
    }
}

/// The first that the test server says.
fn answer(id: FlowId, ack: Seq, flags: Flags) -> Answer<'static> {
    let options = Options::default();
    Answer { id, seq: Seq(7), ack, flags, window: 500, payload_len: 0, options, payload: &[] }
}

fn config() -> EngineConfig {
    let transfer = Transfer { online_ip: None, online_port: 80, target: TARGET, protocol: None };
    EngineConfig {
        transfers: vec![transfer],
        wait_for_answers: true,
        mss_v4: 1460,
        mss_v6: 1440,
        memory_limit: 1 << 30,
        session_timeout: Duration::from_secs(600),
        keepalive_timeout: Duration::from_secs(7200),
        seed: 1,
        timestamp_origin: 0,
    }
}

fn count(wire: &Wire, flag: Flags) -> usize {
    wire.sent.iter().filter(|(flags, _)| flags.has(flag)).count()
}

#[test]
fn the_end_of_many_sessions_is_begun_a_part_at_a_time() {
    let mut rig = Rig::new();
    let now = START + Duration::from_millis(30);
    rig.accept(now);
    rig.engine.drain(now, &mut rig.wire);
    assert!((1..=FEW).contains(&count(&rig.wire, Flags::FIN)), "the first part at once");
    assert!(rig.until_done(now) >= SESSIONS / FEW);
    assert_eq!(count(&rig.wire, Flags::FIN), SESSIONS);
    assert!(rig.engine.ledger().balances());
}

#[test]
fn timers_that_expire_together_are_done_with_a_part_at_a_time() {
    let mut rig = Rig::new();
    rig.wire.sent.clear();
    assert!(rig.until_done(START + Duration::from_secs(1)) > SESSIONS / FEW);
    assert_eq!(count(&rig.wire, Flags::SYN), SESSIONS, "each SYN was sent again");
}

#[test]
fn sessions_that_waited_for_a_link_go_on_a_part_at_a_time() {
    let mut rig = Rig::without_clients();
    rig.connect(SESSIONS);
    assert_eq!(rig.wire.sent, [], "nobody would report an answer");
    rig.engine.handle_link_up(START, &mut rig.wire);
    assert!(rig.until_done(START + Duration::from_millis(20)) >= SESSIONS / FEW);
    assert_eq!(count(&rig.wire, Flags::SYN), SESSIONS);
}

/// However many SYNs come for one four-tuple: the sessions that wait there are memory, too.
#[test]
fn sessions_that_wait_are_within_the_memory_limit() {
    let room = 64;
    let mut rig = Rig {
        engine: Engine::new(EngineConfig { memory_limit: room * 1536, ..config() }, START),
        wire: Wire::default(),
    };
    rig.engine.handle_link_up(START, &mut rig.wire);
    let client = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1)), 1024);
    let mut builder = PacketBuilder::new();
    for number in 0..500 {
        let syn = Outgoing {
            seq: Seq(number << 16),
            ack: Seq(0),
            flags: Flags::SYN,
            window: 500,
            options: Options::default(),
            payload: (&[], &[]),
        };
        let packet = builder.build(&Flow { client, server: ONLINE }, &syn);
        rig.engine.handle_packet(START, Captured { packet, outgoing: false }, &mut rig.wire);
        let active = rig.engine.ledger().sessions.active;
        assert!(active <= room + 1, "{active} sessions");
    }
    let sessions = &rig.engine.ledger().sessions;
    assert_eq!(sessions.seen, 500, "each is in the account");
    assert!(rig.engine.ledger().balances());
}

/// Keeps all that the test server says.
struct Hoarder(Vec<u8>);

impl Module for Hoarder {
    fn connected(&mut self, actions: &mut Actions) {
        actions.answers(AnswerPayload::All);
    }

    fn client(&mut self, _: &[u8], _: &mut Actions) {}

    fn answer(&mut self, said: Said<'_>, _: &mut Actions) {
        self.0.extend_from_slice(said.bytes);
    }

    fn memory(&self) -> usize {
        self.0.capacity()
    }
}

struct Hoarders;

impl Protocol for Hoarders {
    fn name(&self) -> &'static str {
        "hoarder"
    }

    fn module(&self, _: &Flow, _: bool) -> Box<dyn Module> {
        Box::new(Hoarder(Vec::new()))
    }
}

/// Clients say nothing any more; it is the test server that fills the memory.
#[test]
fn what_modules_keep_of_answers_is_within_the_memory_limit() {
    const LIMIT: u64 = 1 << 20;
    let mut config = EngineConfig { memory_limit: LIMIT, ..config() };
    config.transfers[0].protocol = Some(Arc::new(Hoarders));
    let mut rig = Rig { engine: Engine::new(config, START), wire: Wire::default() };
    rig.engine.handle_link_up(START, &mut rig.wire);
    rig.connect(20);
    rig.accept(START);
    let said = [b'x'; 1000];
    for round in 0..100 {
        for id in rig.wire.flows.clone() {
            let (seq, ack) = (Seq(8 + round * 1000), Seq(1));
            let answer = Answer { seq, payload_len: 1000, payload: &said, ..answer(id, ack, Flags::ACK) };
            rig.engine.handle_answer(START, &answer, &mut rig.wire);
            let memory = rig.engine.ledger().modules.memory;
            assert!(memory <= LIMIT, "{memory} bytes after {round} rounds");
        }
    }
    assert!(rig.engine.ledger().modules.memory > 0, "nothing was kept");
    assert!(rig.engine.ledger().balances());
}
