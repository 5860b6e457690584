//! What takes memory is limited: sessions, of which those that have nothing to do make room for others, and turns.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use common::control::{Answer, FlowId, ToIntercept};
use common::flow::{Endpoint, Flow};
use common::io::Captured;
use common::time::Time;
use common::wire::{Flags, Options, Outgoing, PacketBuilder, Segment, Seq};
use tcpcopy::engine::Engine;
use tcpcopy::ledger::{DropReason, Ledger};
use tcpcopy::output::Output;
use tcpcopy::settings::{EngineConfig, Transfer};

const ONLINE: Endpoint = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 80);
const TARGET: Endpoint = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 80);

/// Sessions that there is room for.
const ROOM: u16 = 100;
const SESSION_BYTES: u64 = 1536;

/// What was sent to the test server: by whom, and what it has to acknowledge.
#[derive(Default)]
struct Wire {
    ids: HashMap<Endpoint, FlowId>,
    sent: Vec<(Endpoint, Flags, Seq)>,
}

impl Output for Wire {
    fn inject(&mut self, packet: &[u8]) {
        let segment = Segment::parse(packet).unwrap();
        let opens = u32::from(segment.flags.has(Flags::SYN));
        self.sent.push((segment.source, segment.flags, segment.seq + (segment.payload_len + opens)));
    }

    fn control(&mut self, message: &ToIntercept) {
        if let ToIntercept::RouteAdd { id, flow } = message {
            self.ids.insert(flow.client, *id);
        }
    }
}

struct Rig {
    engine: Engine,
    wire: Wire,
    builder: PacketBuilder,
    now: Time,
}

impl Rig {
    fn new() -> Self {
        Self::with_memory(u64::from(ROOM) * SESSION_BYTES)
    }

    fn with_memory(memory_limit: u64) -> Self {
        let now = Time::from_micros(10_000_000);
        let transfer = Transfer { online_ip: None, online_port: 80, target: TARGET, protocol: None };
        let config = EngineConfig {
            transfers: vec![transfer],
            wait_for_answers: true,
            mss_v4: 1460,
            mss_v6: 1440,
            memory_limit,
            session_timeout: Duration::from_secs(600),
            keepalive_timeout: Duration::from_secs(7200),
            seed: 1,
            timestamp_origin: 0,
        };
        let mut rig = Self {
            engine: Engine::new(config, Time::ZERO),
            wire: Wire::default(),
            builder: PacketBuilder::new(),
            now,
        };
        rig.engine.handle_link_up(now, &mut rig.wire);
        rig
    }

    fn ledger(&self) -> &Ledger {
        self.engine.ledger()
    }

    fn displaced(&self) -> u64 {
        self.ledger().sessions.incomplete.get(DropReason::Displaced)
    }

    fn after(&mut self, time: Duration) {
        self.now = self.now + time;
        self.engine.handle_timeout(self.now, &mut self.wire);
    }

    /// A client says this, having seen so much of the answer.
    fn say_after(&mut self, client: u16, seq: u32, seen: u32, flags: Flags, payload: &[u8]) {
        let client = Endpoint::new(Ipv4Addr::new(10, 1, 0, 1).into(), 1024 + client);
        let segment = Outgoing {
            seq: Seq(seq),
            ack: Seq(1 + seen),
            flags,
            window: 500,
            options: Options::default(),
            payload: (payload, &[]),
        };
        let packet = self.builder.build(&Flow { client, server: ONLINE }, &segment);
        self.engine.handle_packet(self.now, Captured { packet, outgoing: false }, &mut self.wire);
    }

    fn say(&mut self, client: u16, seq: u32, flags: Flags, payload: &[u8]) {
        self.say_after(client, seq, 0, flags, payload);
    }

    fn connect(&mut self, client: u16) {
        self.say(client, 0, Flags::SYN, &[]);
    }

    fn data(&mut self, client: u16, seq: u32) {
        self.say(client, seq, Flags::ACK | Flags::PSH, b"x");
    }

    /// The test server accepts and acknowledges all that was sent.
    fn answer(&mut self) {
        loop {
            self.engine.flush(self.now, &mut self.wire);
            let sent = std::mem::take(&mut self.wire.sent);
            if sent.is_empty() {
                return;
            }
            for (client, flags, ack) in sent.into_iter().filter(|(_, flags, _)| !flags.has(Flags::RST)) {
                let (seq, flags) = match flags.has(Flags::SYN) {
                    true => (Seq(7), Flags::SYN | Flags::ACK),
                    false => (Seq(8), Flags::ACK),
                };
                let id = self.wire.ids[&client];
                let options = Options::default();
                let answer =
                    Answer { id, seq, ack, flags, window: 500, payload_len: 0, options, payload: &[] };
                self.engine.handle_answer(self.now, &answer, &mut self.wire);
            }
        }
    }
}

#[test]
fn what_a_forged_segment_has_left_goes_before_an_idle_client() {
    let mut rig = Rig::new();
    rig.connect(0);
    rig.data(0, 1);
    rig.answer();
    rig.after(Duration::from_secs(1));
    for forged in 1..=ROOM {
        rig.data(forged, 5000);
        rig.answer();
    }
    assert_eq!((rig.ledger().sessions.active, rig.ledger().bytes.pending), (u64::from(ROOM) + 1, 0));

    rig.connect(1000);
    assert_eq!(rig.displaced(), 0, "a moment ago is not long enough");
    rig.after(Duration::from_secs(2));
    (1001..1051).for_each(|newcomer| rig.connect(newcomer));
    rig.answer();
    assert_eq!((rig.displaced(), rig.ledger().sessions.active), (50, u64::from(ROOM) + 1));

    let (joined, replayed) = (rig.ledger().sessions.joined, rig.ledger().bytes.replayed);
    rig.data(0, 2);
    rig.answer();
    assert_eq!(rig.ledger().sessions.joined, joined, "the idle client's session goes on");
    assert_eq!(rig.ledger().bytes.replayed, replayed + 1);
    assert!(rig.ledger().balances());
}

#[test]
fn of_idle_clients_the_one_goes_that_has_been_idle_longest() {
    let mut rig = Rig::new();
    for client in 0..=ROOM {
        rig.connect(client);
        rig.data(client, 1);
        rig.answer();
        rig.after(Duration::from_millis(10));
    }
    // The first has spoken again since.
    rig.data(0, 2);
    rig.answer();
    rig.after(Duration::from_secs(2));
    rig.connect(1000);
    rig.answer();
    assert_eq!(rig.displaced(), 1);
    rig.data(0, 3);
    rig.data(2, 2);
    rig.answer();
    assert_eq!(rig.ledger().sessions.joined, 0);
    rig.after(Duration::from_secs(2));
    rig.data(1, 2);
    rig.answer();
    assert_eq!((rig.displaced(), rig.ledger().sessions.joined), (2, 1), "it was the second");
    assert!(rig.ledger().balances());
}

#[test]
fn who_has_something_to_do_stays() {
    let mut rig = Rig::new();
    (0..ROOM).for_each(|client| rig.data(client, 5000));
    rig.after(Duration::from_secs(2));
    rig.connect(1000);
    rig.connect(1001);
    let sessions = &rig.ledger().sessions;
    assert_eq!((rig.displaced(), sessions.incomplete.get(DropReason::MemoryLimit)), (0, 2));
    assert!(rig.ledger().balances());
}

/// The test server is slow: 5000 turns of a byte wait, which take some hundred bytes each.
#[test]
fn turns_take_more_memory_than_their_bytes() {
    let mut rig = Rig::with_memory(256 << 10);
    rig.connect(0);
    rig.answer();
    (0..5000).for_each(|turn| rig.say_after(0, 1 + turn, turn, Flags::ACK | Flags::PSH, b"x"));
    let ledger = rig.ledger();
    assert_eq!(ledger.sessions.active, 1, "it stays, and is not copied");
    assert_eq!(ledger.bytes.dropped.get(DropReason::MemoryLimit), 5000);
    assert_eq!((ledger.bytes.pending, ledger.turns.memory), (0, 0));
    assert!(ledger.balances());
}
