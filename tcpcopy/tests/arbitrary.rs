//! The engine under arbitrary input: whatever is captured, answered, timed or cut, it does not panic, does not hang,
//! loses no byte from its account, sends only well-formed packets, and comes to an end.
//!
//! `PROPTEST_CASES=100000 cargo test -p tcpcopy --test arbitrary` for a long run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use common::control::{Answer, AnswerPayload, FlowId, ToIntercept};
use common::flow::{Endpoint, Flow};
use common::io::Captured;
use common::module::{Actions, Module, Protocol};
use common::time::Time;
use common::wire::{Flags, Options, Outgoing, PacketBuilder, Segment, Seq, Timestamps};
use proptest::collection::vec;
use proptest::prelude::*;
use tcpcopy::engine::Engine;
use tcpcopy::ledger::DropReason;
use tcpcopy::output::Output;
use tcpcopy::settings::{EngineConfig, Transfer};

const MEMORY_LIMIT: u64 = 300_000;
const SESSION_TIMEOUT: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(60);
/// More than all waits of a session one after the other, with as many waiting sessions as a four-tuple has.
const END_OF_ALL: Duration = Duration::from_secs(3600);
/// No scenario takes a hundredth of it.
const HANG: Duration = Duration::from_secs(10);

/// Client and online service. The first two would be one connection on the test server.
const TUPLES: [(&str, &str); 6] = [
    ("192.0.2.1:1000", "198.51.100.1:80"),
    ("192.0.2.1:1000", "198.51.100.2:80"),
    ("192.0.2.1:1001", "198.51.100.1:80"),
    ("192.0.2.2:1000", "198.51.100.1:3306"),
    ("[2001:db8::1]:1000", "[2001:db8::ffff]:80"),
    ("192.0.2.3:1000", "198.51.100.1:81"),
];

// ---- what can happen

/// A sequence number near one that means something, or not.
#[derive(Debug, Clone, Copy)]
enum Near {
    At,
    Off(i32),
    Any(u32),
}

impl Near {
    fn to(self, seq: Seq) -> Seq {
        match self {
            Self::At => seq,
            Self::Off(distance) => seq + distance as u32,
            Self::Any(value) => Seq(value),
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    Syn {
        tuple: usize,
        isn: Near,
    },
    SynAck {
        tuple: usize,
        ack: Near,
    },
    /// A segment at an offset from the client's next; `seen`: answer bytes seen since the segment before.
    Client {
        tuple: usize,
        seq: Near,
        seen: Near,
        flags: u8,
        length: usize,
        cut: usize,
    },
    Raw {
        bytes: Vec<u8>,
        outgoing: bool,
    },
    /// What a server in its right mind says next: acknowledges all, says `length` bytes, or closes.
    Serve {
        tuple: usize,
        length: u32,
        window: u16,
        last: u8,
    },
    /// Acknowledges so many percent of what is not acknowledged yet, and says so several times.
    Acknowledge {
        tuple: usize,
        percent: u8,
        window: u16,
        times: u8,
    },
    /// Anything, near what the copy has sent and acknowledged.
    Answer {
        tuple: usize,
        seq: Near,
        ack: Near,
        flags: u8,
        window: u16,
        length: u32,
        options: bool,
    },
    /// Time passes, with every time-out on time, or with one very late.
    Pass {
        micros: u64,
        late: bool,
    },
    LinkUp,
    LinkDown,
    Flush,
    Drain,
    Abort,
}

fn near() -> impl Strategy<Value = Near> {
    prop_oneof![
        24 => Just(Near::At),
        4 => (-3000_i32..3000).prop_map(Near::Off),
        1 => (-100_000_i32..100_000).prop_map(Near::Off),
        1 => prop::sample::select(vec![1 << 26, (1 << 26) + 1, -(1 << 26), i32::MAX, i32::MIN, 1 << 23]).prop_map(Near::Off),
        1 => any::<u32>().prop_map(Near::Any),
    ]
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => Just(0_usize),
        4 => 1_usize..4,
        6 => 1_usize..1500,
        1 => 1500_usize..65_495,
        1 => Just(65_495_usize),
    ]
}

fn client_flags() -> impl Strategy<Value = u8> {
    prop_oneof![
        24 => Just(0x18_u8),
        12 => Just(0x10_u8),
        1 => Just(0x11_u8),
        1 => Just(0x14_u8),
        1 => Just(0x04_u8),
        1 => any::<u8>(),
    ]
}

fn answer_flags() -> impl Strategy<Value = u8> {
    prop_oneof![
        6 => Just(0x10_u8),
        3 => Just(0x18_u8),
        2 => Just(0x12_u8),
        1 => Just(0x11_u8),
        1 => Just(0x14_u8),
        1 => any::<u8>(),
    ]
}

fn tuple() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0_usize), 1 => 0..TUPLES.len()]
}

fn op() -> impl Strategy<Value = Op> {
    let window = || prop_oneof![2 => Just(0_u16), 2 => 1_u16..20, 4 => Just(u16::MAX), 1 => any::<u16>()];
    let answer_length = prop_oneof![
        4 => Just(0_u32),
        6 => 1_u32..3000,
        1 => prop::sample::select(vec![65_535, i32::MAX as u32, i32::MAX as u32 - 1000, u32::MAX]),
        1 => any::<u32>(),
    ];
    let micros =
        prop_oneof![4 => 0_u64..1000, 4 => 0_u64..300_000, 2 => 0_u64..5_000_000, 1 => 0_u64..70_000_000];
    prop_oneof![
        2 => (tuple(), near()).prop_map(|(tuple, isn)| Op::Syn { tuple, isn }),
        1 => (tuple(), near()).prop_map(|(tuple, ack)| Op::SynAck { tuple, ack }),
        24 => (tuple(), near(), near(), client_flags(), length(), prop_oneof![9 => Just(0_usize), 1 => 1_usize..100])
            .prop_map(|(tuple, seq, seen, flags, length, cut)| Op::Client { tuple, seq, seen, flags, length, cut }),
        1 => (vec(any::<u8>(), 0..80), any::<bool>()).prop_map(|(bytes, outgoing)| Op::Raw { bytes, outgoing }),
        16 => (tuple(), 0_u32..3000, window(), 0_u8..40)
            .prop_map(|(tuple, length, window, last)| Op::Serve { tuple, length, window, last }),
        8 => (tuple(), near(), near(), answer_flags(), window(), answer_length, any::<bool>())
            .prop_map(|(tuple, seq, ack, flags, window, length, options)| {
                Op::Answer { tuple, seq, ack, flags, window, length, options }
            }),
        6 => (tuple(), prop_oneof![Just(0_u8), 0_u8..=100], window(), prop_oneof![Just(1_u8), 1_u8..6])
            .prop_map(|(tuple, percent, window, times)| Op::Acknowledge { tuple, percent, window, times }),
        10 => (micros, any::<bool>()).prop_map(|(micros, late)| Op::Pass { micros, late }),
        2 => Just(Op::LinkUp),
        1 => Just(Op::LinkDown),
        6 => Just(Op::Flush),
        1 => prop_oneof![8 => Just(Op::Flush), 1 => Just(Op::Drain), 1 => Just(Op::Abort)],
    ]
}

// ---- the test server's view: what must hold for everything that is sent

/// A connection as its server sees it.
#[derive(Debug, Default)]
struct Peer {
    /// Initial sequence number, and all bytes ever sent behind it.
    iss: Option<Seq>,
    stream: Vec<u8>,
    fin: Option<usize>,
    /// What the copy acknowledged last: the server's next sequence number, as far as it knows.
    acknowledged: Seq,
    /// What the server acknowledged last, the SYN's number included.
    taken: u32,
}

impl Peer {
    fn next(&self) -> Seq {
        self.iss.unwrap_or_default() + 1 + self.stream.len() as u32 + u32::from(self.fin.is_some())
    }

    fn check(&mut self, segment: &Segment<'_>) {
        if segment.flags.has(Flags::SYN) {
            assert!(segment.payload.is_empty() && segment.options.mss.is_some());
            if self.iss != Some(segment.seq) {
                *self = Self { iss: Some(segment.seq), ..Self::default() };
            }
            return;
        }
        if segment.flags.has(Flags::ACK) && !segment.flags.has(Flags::RST) {
            self.acknowledged = segment.ack;
        }
        if segment.flags.has(Flags::RST) || segment.payload.is_empty() && !segment.flags.has(Flags::FIN) {
            assert!(segment.payload.is_empty(), "a reset with payload");
            return;
        }
        let Some(iss) = self.iss else { panic!("data without a connection") };
        let at = segment.seq.distance(iss + 1);
        assert!(
            at >= 0 && at as usize <= self.stream.len(),
            "a hole before {at}, {} sent",
            self.stream.len()
        );
        let at = at as usize;
        let known = segment.payload.len().min(self.stream.len() - at);
        assert_eq!(segment.payload[..known], self.stream[at..at + known], "other bytes at {at} than before");
        self.stream.extend_from_slice(&segment.payload[known..]);
        let end = at + segment.payload.len();
        if segment.flags.has(Flags::FIN) {
            assert!(self.fin.is_none_or(|fin| fin == end), "a second FIN elsewhere");
            self.fin = Some(end);
        }
        assert!(self.fin.is_none_or(|fin| self.stream.len() <= fin), "data behind the FIN");
    }
}

#[derive(Default)]
struct Network {
    routes: HashMap<FlowId, Flow>,
    peers: HashMap<Flow, Peer>,
    /// The lowest of the resets sent last.
    reset_at: Option<Seq>,
}

impl Network {
    fn id(&self, flow: &Flow) -> FlowId {
        self.routes.iter().find(|(_, other)| *other == flow).map_or(FlowId(12_345), |(id, _)| *id)
    }
}

impl Output for Network {
    fn inject(&mut self, packet: &[u8]) {
        let segment = Segment::parse(packet).expect("a packet that can be read");
        assert_eq!(tcp_sum(packet), 0xffff, "checksum of {segment:?}");
        let flow = Flow { client: segment.source, server: segment.destination };
        assert!(self.routes.values().any(|other| *other == flow), "no route for {flow}");
        if segment.flags.has(Flags::RST) && self.reset_at.is_none_or(|at| segment.seq.before(at)) {
            self.reset_at = Some(segment.seq);
        }
        self.peers.entry(flow).or_default().check(&segment);
    }

    fn control(&mut self, message: &ToIntercept) {
        match message {
            ToIntercept::RouteAdd { id, flow } => {
                let before = self.routes.insert(*id, *flow);
                assert!(before.is_none_or(|before| before == *flow), "a flow id used twice");
                let namesakes = self.routes.values().filter(|other| *other == flow).count();
                assert_eq!(namesakes, 1, "two ids for {flow}");
            }
            ToIntercept::RouteDel { id } => assert!(self.routes.remove(id).is_some(), "no such route"),
            ToIntercept::Payload { id, .. } => assert!(self.routes.contains_key(id), "payload without route"),
            other => panic!("{other:?} is not the engine's to send"),
        }
    }
}

/// The ones' complement sum over pseudo-header and segment; all ones if the checksum is right.
fn tcp_sum(packet: &[u8]) -> u32 {
    let (addresses, segment) =
        if packet[0] >> 4 == 4 { (12..20, &packet[20..]) } else { (8..40, &packet[40..]) };
    let words = |bytes: &[u8]| -> u32 {
        let pairs = bytes
            .chunks(2)
            .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
        pairs.sum()
    };
    let mut sum = words(&packet[addresses]) + words(segment) + 6 + segment.len() as u32;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

// ---- a module that does all a module can do

struct Whimsical;

struct Whim(u64);

impl Protocol for Whimsical {
    fn name(&self) -> &'static str {
        "whimsical"
    }

    fn module(&self, flow: &Flow, from_start: bool) -> Box<dyn Module> {
        Box::new(Whim(u64::from(flow.client.port) + u64::from(from_start)))
    }
}

impl Whim {
    fn act(&mut self, length: usize, actions: &mut Actions) {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(length as u64 | 1);
        match (self.0 >> 33) % 64 {
            0..20 => actions.pass(length),
            20..24 => actions.pass(length / 2),
            24..28 => actions.drop(length / 2),
            28 => actions.drop(usize::MAX),
            29..36 => actions.send(b"of the module's own"),
            36..44 => actions.ready(),
            44 => actions.fail("a whim"),
            45 => actions.answers(AnswerPayload::None),
            46 => actions.answers(AnswerPayload::All),
            47 => actions.answers(AnswerPayload::Head(7)),
            _ => {}
        }
    }
}

impl Module for Whim {
    fn connected(&mut self, actions: &mut Actions) {
        self.act(0, actions);
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        self.act(bytes.len(), actions);
        self.act(bytes.len(), actions);
    }

    fn answer(&mut self, _skipped: u64, bytes: &[u8], actions: &mut Actions) {
        self.act(bytes.len(), actions);
    }
}

// ---- the world

#[derive(Debug, Clone, Copy)]
struct Client {
    client: Endpoint,
    online: Endpoint,
    flow: Flow,
    isn: Seq,
    next: Seq,
    seen: Seq,
}

struct World {
    engine: Engine,
    network: Network,
    now: Time,
    links: u32,
    clients: Vec<Client>,
    builder: PacketBuilder,
    payload: Vec<u8>,
}

fn endpoint(text: &str) -> Endpoint {
    Endpoint::from(text.parse::<SocketAddr>().unwrap())
}

impl World {
    fn new(wait_for_answers: bool) -> Self {
        let transfer = |online_port, target, protocol| Transfer {
            online_ip: None,
            online_port,
            target: endpoint(target),
            protocol,
        };
        let whimsical: Arc<dyn Protocol> = Arc::new(Whimsical);
        let transfers = vec![
            transfer(80, "203.0.113.1:80", None),
            transfer(3306, "203.0.113.1:3306", Some(whimsical)),
            transfer(80, "[2001:db8::2]:80", None),
            // Another service copied to the same target.
            transfer(81, "203.0.113.1:80", None),
        ];
        let clients = TUPLES.map(|(client, online)| {
            let (client, online) = (endpoint(client), endpoint(online));
            let found = transfers.iter().find(|transfer| {
                transfer.online_port == online.port && transfer.target.ip.is_ipv4() == client.ip.is_ipv4()
            });
            let flow = Flow { client, server: found.unwrap().target };
            Client {
                client,
                online,
                flow,
                isn: Seq(u32::MAX - 2000),
                next: Seq(u32::MAX - 1999),
                seen: Seq(u32::MAX),
            }
        });
        let config = EngineConfig {
            transfers,
            wait_for_answers,
            mss_v4: 1460,
            mss_v6: 1440,
            memory_limit: MEMORY_LIMIT,
            session_timeout: SESSION_TIMEOUT,
            keepalive_timeout: KEEPALIVE_TIMEOUT,
            seed: 1,
            timestamp_origin: u32::MAX - 5000,
        };
        let mut payload: Vec<u8> = (0..65_536_u32).map(|at| (at ^ at >> 8) as u8).collect();
        // One in forty segments looks like TLS.
        payload[37..40].copy_from_slice(&[0x16, 0x03, 0x01]);
        Self {
            engine: Engine::new(config, Time::ZERO),
            network: Network::default(),
            now: Time::ZERO,
            links: 0,
            clients: clients.to_vec(),
            builder: PacketBuilder::new(),
            payload,
        }
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Syn { tuple, isn } => {
                let client = &mut self.clients[tuple];
                client.isn = isn.to(client.next);
                client.next = client.isn + 1;
                self.capture(tuple, client_segment(self.clients[tuple].isn, Flags::SYN), 0, 0);
            }
            Op::SynAck { tuple, ack } => {
                let client = self.clients[tuple];
                let back = Flow { client: client.online, server: client.client };
                let syn_ack = Outgoing {
                    ack: ack.to(client.isn + 1),
                    ..client_segment(client.seen, Flags::SYN | Flags::ACK)
                };
                let packet = self.builder.build(&back, &syn_ack).to_vec();
                self.packet(&packet, true);
            }
            Op::Client { tuple, seq, seen, flags, length, cut } => {
                let client = &mut self.clients[tuple];
                client.seen = seen.to(client.seen);
                let at = seq.to(client.next);
                if let Near::At = seq {
                    client.next = at + length as u32;
                }
                let segment = Outgoing { ack: client.seen, ..client_segment(at, Flags(flags)) };
                self.capture(tuple, segment, length, cut);
            }
            Op::Raw { ref bytes, outgoing } => self.packet(bytes, outgoing),
            Op::Serve { tuple, length, window, last } => self.serve(tuple, length, window, last),
            Op::Answer { tuple, seq, ack, flags, window, length, options } => {
                let flow = self.clients[tuple].flow;
                let (next, acknowledged) = self
                    .network
                    .peers
                    .get(&flow)
                    .map_or_else(Default::default, |peer| (peer.next(), peer.acknowledged));
                self.answer(
                    &flow,
                    (seq.to(acknowledged), ack.to(next)),
                    Flags(flags),
                    window,
                    length,
                    options,
                );
            }
            Op::Acknowledge { tuple, percent, window, times } => {
                let flow = self.clients[tuple].flow;
                let Some(peer) = self.network.peers.get_mut(&flow) else { return };
                let Some(iss) = peer.iss else { return };
                let open = peer.next().0.wrapping_sub((iss + peer.taken).0);
                peer.taken += (u64::from(open) * u64::from(percent) / 100) as u32;
                let (seq, ack) = (peer.acknowledged, iss + peer.taken);
                for _ in 0..times {
                    self.answer(&flow, (seq, ack), Flags::ACK, window, 0, true);
                }
            }
            Op::Pass { micros, late } => self.pass(Duration::from_micros(micros), late),
            Op::LinkUp => {
                self.links += 1;
                self.engine.handle_link_up(self.now, &mut self.network);
            }
            Op::LinkDown if self.links == 0 => {}
            Op::LinkDown => {
                self.links -= 1;
                self.engine.handle_link_down(self.now);
            }
            Op::Flush => self.engine.flush(self.now, &mut self.network),
            Op::Drain => self.engine.drain(self.now, &mut self.network),
            Op::Abort => self.engine.abort(self.now, &mut self.network),
        }
        self.check();
    }

    fn all(&mut self, ops: &[Op]) {
        for op in ops {
            self.step(op);
        }
    }

    fn capture(&mut self, tuple: usize, segment: Outgoing<'_>, length: usize, cut: usize) {
        let client = self.clients[tuple];
        let flow = Flow { client: client.client, server: client.online };
        let payload = &self.payload[segment.seq.0 as usize % 40..][..length];
        let mut packet = self.builder.build(&flow, &Outgoing { payload: (payload, &[]), ..segment }).to_vec();
        // All eight control bits; the builder writes five.
        packet[if flow.client.ip.is_ipv4() { 20 } else { 40 } + 13] = segment.flags.0;
        packet.truncate(packet.len().saturating_sub(cut));
        self.packet(&packet, false);
    }

    fn packet(&mut self, packet: &[u8], outgoing: bool) {
        self.engine.handle_packet(self.now, Captured { packet, outgoing }, &mut self.network);
    }

    fn serve(&mut self, tuple: usize, length: u32, window: u16, last: u8) {
        let flow = self.clients[tuple].flow;
        let Some(peer) = self.network.peers.get_mut(&flow) else { return };
        let (next, acknowledged) = (peer.next(), peer.acknowledged);
        peer.taken = next.0.wrapping_sub(peer.iss.unwrap_or_default().0);
        if acknowledged == Seq(0) && peer.stream.is_empty() {
            return self.answer(&flow, (Seq(u32::MAX - 500), next), Flags::SYN | Flags::ACK, window, 0, true);
        }
        let flags = match last {
            0 => Flags::ACK | Flags::FIN,
            1 => Flags::ACK | Flags::RST,
            2..12 => Flags::ACK,
            _ => Flags::ACK | Flags::PSH,
        };
        self.answer(&flow, (acknowledged, next), flags, window, length, true);
    }

    fn answer(
        &mut self,
        flow: &Flow,
        (seq, ack): (Seq, Seq),
        flags: Flags,
        window: u16,
        length: u32,
        options: bool,
    ) {
        let offered = Options {
            mss: Some(window.min(1460)),
            window_scale: Some((length % 15) as u8),
            timestamps: Some(Timestamps { value: length, echo: 0 }),
        };
        let answer = Answer {
            id: self.network.id(flow),
            seq,
            ack,
            flags,
            window,
            payload_len: length,
            options: if options { offered } else { Options::default() },
            payload: &self.payload[..(length as usize).min(1460)],
        };
        self.engine.handle_answer(self.now, &answer, &mut self.network);
    }

    fn pass(&mut self, time: Duration, late: bool) {
        let until = self.now + time;
        let mut rounds = 0;
        while !late && self.engine.poll_timeout() <= until {
            let due = self.engine.poll_timeout();
            rounds = if due > self.now { 0 } else { rounds + 1 };
            assert!(rounds < 4, "time stands still at {due:?}");
            self.now = self.now.max(due);
            self.timeout();
        }
        self.now = until;
        self.timeout();
    }

    fn timeout(&mut self) {
        self.engine.handle_timeout(self.now, &mut self.network);
        assert!(self.engine.poll_timeout() > self.now, "a time-out is not done with");
        self.engine.flush(self.now, &mut self.network);
        self.check();
    }

    fn check(&self) {
        let ledger = self.engine.ledger();
        assert!(ledger.balances(), "{ledger:?}");
        assert!(ledger.bytes.pending <= MEMORY_LIMIT, "{} bytes pending", ledger.bytes.pending);
        assert_eq!(self.engine.is_empty(), ledger.sessions.active == 0, "{ledger:?}");
    }

    fn end(&mut self, abort: bool) {
        if abort {
            self.engine.abort(self.now, &mut self.network);
        } else {
            self.engine.drain(self.now, &mut self.network);
            self.pass(END_OF_ALL, false);
        }
        self.check();
        let ledger = self.engine.ledger();
        assert!(self.engine.is_empty(), "sessions are left: {ledger:?}");
        assert_eq!(ledger.bytes.pending, 0, "{ledger:?}");
        assert!(self.network.routes.is_empty(), "routes are left: {:?}", self.network.routes);
        self.pass(END_OF_ALL, true);
        assert_eq!(self.engine.poll_timeout(), Time::NEVER);
    }
}

fn client_segment(seq: Seq, flags: Flags) -> Outgoing<'static> {
    Outgoing { seq, ack: Seq(0), flags, window: 1000, options: Options::default(), payload: (&[], &[]) }
}

fn run(ops: &[Op], wait_for_answers: bool, abort: bool) {
    let mut world = World::new(wait_for_answers);
    world.all(ops);
    world.end(abort);
}

/// Runs a scenario in a thread of its own, for one that hangs cannot be ended: then the process is.
fn run_watched(ops: &[Op], wait_for_answers: bool, abort: bool) {
    let (done, finished) = channel::<()>();
    std::thread::scope(|scope| {
        let running = scope.spawn(move || {
            let _done = done;
            run(ops, wait_for_answers, abort);
        });
        if let Err(RecvTimeoutError::Timeout) = finished.recv_timeout(HANG) {
            let text = format!(
                "the engine hangs after {ops:?}, wait_for_answers {wait_for_answers}, abort {abort}\n"
            );
            // Not eprintln: what that captures goes with the process.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
            std::process::exit(101);
        }
        if let Err(panic) = running.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn nothing_breaks_the_engine(
        ops in vec(op(), 1..300),
        wait_for_answers in prop::bool::weighted(0.8),
        abort in any::<bool>(),
    ) {
        run_watched(&ops, wait_for_answers, abort);
    }
}

// ---- what arbitrary input has found

/// A segment of the first client.
fn segment(seq: Near, seen: Near, flags: u8, length: usize) -> Op {
    Op::Client { tuple: 0, seq, seen, flags, length, cut: 0 }
}

fn answer(length: u32) -> Op {
    Op::Serve { tuple: 0, length, window: u16::MAX, last: 39 }
}

fn started() -> World {
    let mut world = World::new(true);
    world.all(&[Op::LinkUp, Op::Syn { tuple: 0, isn: Near::Any(1000) }, answer(0), Op::Flush]);
    world
}

/// A sequence number whose payload looks like TLS.
const TLS: u32 = 40_037;

#[test]
fn a_session_given_up_while_it_waits_does_not_hang_the_engine() {
    let ops = [
        Op::LinkUp,
        Op::Syn { tuple: 0, isn: Near::Any(1000) },
        answer(0),
        segment(Near::At, Near::At, 0x18, 10),
        // The port is used again while the test server has not answered; TLS is given up at once.
        Op::Syn { tuple: 0, isn: Near::Any(TLS - 1) },
        segment(Near::At, Near::At, 0x18, 10),
        segment(Near::At, Near::At, 0x11, 0),
        Op::Pass { micros: 1_500_000, late: false },
    ];
    run_watched(&ops, true, true);
}

#[test]
fn a_session_given_up_while_it_waits_is_not_replayed() {
    let mut world = started();
    world.step(&segment(Near::At, Near::At, 0x18, 10));
    world.step(&Op::Syn { tuple: 0, isn: Near::Any(500_000_000) });
    for _ in 0..5 {
        world.step(&segment(Near::At, Near::At, 0x18, 65_000));
    }
    assert_eq!(world.engine.ledger().bytes.dropped.get(DropReason::MemoryLimit), 325_010);
    world.all(&[segment(Near::At, Near::At, 0x18, 10), answer(0), answer(0)]);
    assert_eq!(world.engine.ledger().bytes.dropped.get(DropReason::MemoryLimit), 325_020);
}

#[test]
fn what_a_client_says_while_its_copy_is_closed_is_accounted_for() {
    let ops = [
        Op::LinkUp,
        Op::Syn { tuple: 0, isn: Near::Any(1000) },
        answer(0),
        segment(Near::At, Near::At, 0x18, 10),
        answer(0),
        // Silent for longer than the keep-alive time-out: our FIN is out, the server does not close.
        Op::Pass { micros: 61_000_000, late: false },
        segment(Near::At, Near::Off(10), 0x18, 1000),
    ];
    run_watched(&ops, true, false);
}

#[test]
fn a_copy_with_nothing_to_say_ends_without_a_link() {
    let ops = [Op::LinkUp, segment(Near::At, Near::At, 0x10, 1), Op::LinkDown];
    run_watched(&ops, true, false);
}

#[test]
fn a_second_gap_leaves_the_turns_before_the_first_alone() {
    let mut world = started();
    // One turn is let go, the next waits for the answer to it, and the third is cut twice.
    world.all(&[segment(Near::At, Near::At, 0x18, 100), segment(Near::At, Near::Off(10), 0x18, 100)]);
    world.step(&segment(Near::At, Near::Off(10), 0x18, 100));
    for _ in 0..2 {
        world.clients[0].next = world.clients[0].next + 100;
        world.step(&segment(Near::At, Near::At, 0x18, 100));
    }
    world.step(&Op::Pass { micros: 3_100_000, late: false });
    assert_eq!((world.engine.ledger().gaps.count, world.engine.ledger().turns.dropped), (2, 1));
}

#[test]
fn a_late_fin_of_the_connection_before_ends_nothing() {
    let mut world = started();
    world.all(&[segment(Near::At, Near::At, 0x18, 100), Op::Flush]);
    world.step(&segment(Near::Off(-50_000), Near::At, 0x11, 0));
    world.all(&[answer(10), Op::Flush, segment(Near::At, Near::Off(10), 0x18, 100), Op::Flush]);
    let peer = &world.network.peers[&world.clients[0].flow];
    assert_eq!((peer.stream.len(), peer.fin), (200, None));
}

#[test]
fn a_challenge_to_our_reset_is_answered() {
    let mut world = started();
    world.all(&[segment(Near::At, Near::At, 0x18, 1000), Op::Flush]);
    // Given up with 1000 bytes in flight, of which the server has nothing yet.
    for gap in 1..7 {
        world.step(&segment(Near::Off(gap * 65_000), Near::At, 0x18, 60_000));
    }
    let flow = world.clients[0].flow;
    let (seq, ack) = (world.network.peers[&flow].acknowledged, world.network.peers[&flow].next() - 1000);
    assert!(world.network.reset_at == Some(ack), "no reset that the server takes");
    world.network.reset_at = None;
    world.answer(&flow, (seq, ack + 500), Flags::ACK, 100, 0, false);
    assert_eq!(world.network.reset_at, Some(ack + 500));
}

#[test]
fn late_segments_of_the_connection_before_do_not_use_up_the_tries() {
    let mut world = World::new(true);
    world.all(&[
        Op::LinkUp,
        Op::Syn { tuple: 0, isn: Near::Any(1000) },
        segment(Near::At, Near::At, 0x18, 100),
    ]);
    let flow = world.clients[0].flow;
    for late in 0..20 {
        world.answer(&flow, (Seq(7000 + late * 1000), Seq(9)), Flags::ACK, 100, 1000, false);
    }
    assert_eq!(world.engine.ledger().tcp.syn_retries, 0);
    world.step(&Op::Pass { micros: 2_100_000, late: false });
    assert_eq!(world.engine.ledger().bytes.pending, 100);
}

#[test]
fn what_comes_after_the_end_is_no_duplicate() {
    let mut world = started();
    world.all(&[segment(Near::At, Near::At, 0x18, 100), answer(10)]);
    world.all(&[segment(Near::At, Near::Off(10), 0x11, 0), Op::Flush]);
    world.step(&Op::Serve { tuple: 0, length: 0, window: 100, last: 0 });
    world.step(&segment(Near::Off(2000), Near::Off(10), 0x18, 100));
    assert_eq!(world.engine.ledger().bytes.duplicate, 0);
}
