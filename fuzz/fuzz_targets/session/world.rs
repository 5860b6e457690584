//! An engine, its clients and its test server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::control::Answer;
use common::flow::{Endpoint, Flow};
use common::io::Captured;
use common::time::Time;
use common::wire::{Flags, Options, Outgoing, PacketBuilder, Seq, Timestamps};
use tcpcopy::engine::Engine;
use tcpcopy::settings::{EngineConfig, Transfer};

use crate::input::Op;
use crate::network::{MSS, Network};
use crate::whim::Whimsical;

const MEMORY_LIMIT: u64 = 200_000;

/// More than all waits of a session, one after the other, for all sessions that wait on a four-tuple.
const END_OF_ALL: Duration = Duration::from_secs(3600);

/// The real server's Linux limit of a segment's payload, and the builder's.
const LONGEST: usize = 65_000;

/// Clients and online services, two of them with one copy, and the targets.
const CLIENTS: [(&str, &str, &str); 5] = [
    ("192.0.2.1:1000", "198.51.100.1:80", "203.0.113.1:80"),
    ("192.0.2.1:1001", "198.51.100.1:80", "203.0.113.1:80"),
    ("192.0.2.1:1000", "198.51.100.1:3306", "203.0.113.1:3306"),
    ("[2001:db8::1]:1000", "[2001:db8::5]:80", "[2001:db8::2]:80"),
    ("192.0.2.1:1000", "198.51.100.9:81", "203.0.113.1:80"),
];

#[derive(Clone, Copy)]
struct Client {
    original: Flow,
    copy: Flow,
    isn: Seq,
    next: Seq,
    seen: Seq,
}

pub(crate) struct World {
    engine: Engine,
    network: Network,
    now: Time,
    links: u32,
    clients: Vec<Client>,
    builder: PacketBuilder,
    bytes: Vec<u8>,
}

fn endpoint(text: &str) -> Endpoint {
    text.parse::<SocketAddr>().expect("an address of ours").into()
}

impl World {
    pub(crate) fn new(wait_for_answers: bool) -> Self {
        let transfer = |online_port, target, module: bool| Transfer {
            online_ip: None,
            online_port,
            target: endpoint(target),
            protocol: if module { Some(Arc::new(Whimsical)) } else { None },
        };
        let config = EngineConfig {
            transfers: vec![
                transfer(80, "203.0.113.1:80", false),
                transfer(80, "[2001:db8::2]:80", false),
                transfer(3306, "203.0.113.1:3306", true),
                transfer(81, "203.0.113.1:80", false),
            ],
            wait_for_answers,
            mss_v4: MSS.0,
            mss_v6: MSS.1,
            memory_limit: MEMORY_LIMIT,
            session_timeout: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(60),
            seed: 7,
            timestamp_origin: u32::MAX - 5_000,
        };
        let client = |(client, online, target): (&str, &str, &str)| Client {
            original: Flow { client: endpoint(client), server: endpoint(online) },
            copy: Flow { client: endpoint(client), server: endpoint(target) },
            isn: Seq(u32::MAX - 1_000),
            next: Seq(u32::MAX - 999),
            seen: Seq(u32::MAX),
        };
        Self {
            engine: Engine::new(config, Time::ZERO),
            network: Network::default(),
            now: Time::ZERO,
            links: 0,
            clients: CLIENTS.map(client).to_vec(),
            builder: PacketBuilder::new(),
            bytes: (0..LONGEST as u32 + 256).map(|at| (at ^ at >> 8) as u8).collect(),
        }
    }

    pub(crate) fn step(&mut self, op: &Op) {
        match *op {
            Op::Syn { client, isn } => {
                let client = self.client(client);
                client.isn = isn.to(client.next);
                client.next = client.isn + 1;
                let (flow, isn) = (client.original, client.isn);
                self.capture(flow, isn, Seq(0), Flags::SYN.0, 0, 0, false);
            }
            Op::SynAck { client, ack } => {
                let Client { original, isn, seen, .. } = *self.client(client);
                let back = Flow { client: original.server, server: original.client };
                self.capture(back, seen, ack.to(isn + 1), (Flags::SYN | Flags::ACK).0, 0, 0, true);
            }
            Op::Data { client, seen, length } => {
                let client = self.client(client);
                client.seen = client.seen + u32::from(seen);
                let Client { original, next, seen, .. } = *client;
                client.next = next + u32::from(length.min(LONGEST as u16));
                self.capture(original, next, seen, (Flags::ACK | Flags::PSH).0, length.into(), 0, false);
            }
            Op::Client { client, seq, ack, flags, length, cut } => {
                let Client { original, next, seen, .. } = *self.client(client);
                self.capture(original, seq.to(next), ack.to(seen), flags, length.into(), cut.into(), false);
            }
            Op::Raw { ref bytes, outgoing } => self.packet(bytes, outgoing),
            Op::Serve { client, length, last } => self.serve(client, length.into(), last),
            Op::Answer { client, seq, ack, flags, window, length, options } => {
                let flow = self.client(client).copy;
                let (theirs, ours) = self.peer(&flow);
                let options = options.map_or_else(Options::default, |(mss, shift)| syn_options(mss, shift));
                self.answer(&flow, seq.to(theirs), ack.to(ours), Flags(flags), window, length, options);
            }
            Op::Pass { mantissa, exponent, late } => {
                self.pass(Duration::from_micros(u64::from(mantissa) << (exponent % 20)), late);
            }
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

    fn client(&mut self, name: u8) -> &mut Client {
        let count = self.clients.len();
        &mut self.clients[usize::from(name) % count]
    }

    /// The next sequence numbers of the test server and of the copy.
    fn peer(&self, flow: &Flow) -> (Seq, Seq) {
        let peer = self.network.peers.get(flow);
        (
            peer.and_then(|peer| peer.acknowledged).unwrap_or(Seq(u32::MAX - 500)),
            peer.map_or(Seq(0), |peer| peer.next()),
        )
    }

    /// A segment passes the online host.
    #[expect(clippy::too_many_arguments, reason = "they are the fields of a header")]
    fn capture(
        &mut self,
        flow: Flow,
        seq: Seq,
        ack: Seq,
        flags: u8,
        length: usize,
        cut: usize,
        outgoing: bool,
    ) {
        // What a byte is follows from its place in the stream.
        let from = seq.0 as usize % 256;
        let payload = (&self.bytes[from..from + length.min(LONGEST)], &[][..]);
        let segment =
            Outgoing { seq, ack, flags: Flags(flags), window: 1000, options: Options::default(), payload };
        let mut packet = self.builder.build(&flow, &segment).to_vec();
        let header = if flow.client.ip.is_ipv4() { 20 } else { 40 };
        packet[header + 13] = flags;
        packet.truncate(packet.len() - cut.min(length));
        self.packet(&packet, outgoing);
    }

    fn packet(&mut self, packet: &[u8], outgoing: bool) {
        self.engine.handle_packet(self.now, Captured { packet, outgoing }, &mut self.network);
    }

    /// What a server in its right mind says next.
    fn serve(&mut self, client: u8, length: u32, last: u8) {
        let flow = self.client(client).copy;
        let Some(peer) = self.network.peers.get(&flow) else { return };
        let (ours, theirs) = (peer.next(), peer.acknowledged);
        let Some(theirs) = theirs else {
            let flags = Flags::SYN | Flags::ACK;
            return self.answer(
                &flow,
                Seq(u32::MAX - 500),
                ours,
                flags,
                2000,
                0,
                syn_options(1460, last % 10),
            );
        };
        let flags = match last {
            0 => Flags::ACK | Flags::FIN,
            1 => Flags::ACK | Flags::RST,
            2..40 => Flags::ACK,
            _ => Flags::ACK | Flags::PSH,
        };
        self.answer(&flow, theirs, ours, flags, 2000, length, Options::default());
    }

    #[expect(clippy::too_many_arguments, reason = "they are the fields of a header")]
    fn answer(
        &mut self,
        flow: &Flow,
        seq: Seq,
        ack: Seq,
        flags: Flags,
        window: u16,
        length: u32,
        options: Options,
    ) {
        let payload = &self.bytes[..(length as usize).min(1460)];
        let id = self.network.id(flow);
        let answer = Answer { id, seq, ack, flags, window, payload_len: length, options, payload };
        self.engine.handle_answer(self.now, &answer, &mut self.network);
    }

    fn pass(&mut self, time: Duration, late: bool) {
        let until = self.now + time;
        let mut at_once = 0;
        while !late && self.engine.poll_timeout() <= until {
            let due = self.engine.poll_timeout();
            at_once = if due > self.now { 0 } else { at_once + 1 };
            assert!(at_once < 4, "time stands still at {due:?}");
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
        assert!(ledger.bytes.pending <= MEMORY_LIMIT, "{} bytes are held", ledger.bytes.pending);
        assert_eq!(self.engine.is_empty(), ledger.sessions.active == 0, "{ledger:?}");
    }

    pub(crate) fn end(&mut self, abort: bool) {
        if abort {
            self.engine.abort(self.now, &mut self.network);
        } else {
            self.engine.drain(self.now, &mut self.network);
            self.pass(END_OF_ALL, false);
        }
        self.check();
        let ledger = self.engine.ledger();
        assert!(self.engine.is_empty(), "sessions are left: {ledger:?}");
        assert_eq!(ledger.bytes.pending, 0);
        assert!(self.network.routes.is_empty(), "routes are left: {:?}", self.network.routes);
        self.pass(END_OF_ALL, true);
        assert_eq!(self.engine.poll_timeout(), Time::NEVER);
    }
}

fn syn_options(mss: u16, shift: u8) -> Options {
    Options {
        mss: Some(mss),
        window_scale: Some(shift.min(14)),
        timestamps: (mss % 2 == 0).then_some(Timestamps { value: mss.into(), echo: 0 }),
    }
}
