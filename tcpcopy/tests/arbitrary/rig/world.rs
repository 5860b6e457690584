//! The engine, its clients and its test server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common_core::control::ServerSegment;
use common_core::flow::{Endpoint, Flow};
use common_core::time::{Stamp, Time};
use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Seq, Timestamps};
use common_os::io::Captured;
use module_kit::Protocol;
use tcpcopy::engine::Engine;
use tcpcopy::settings::{EngineConfig, Multiplying, OnReconnect, Shaping, Transfer};

use super::MSS;
use super::network::{Network, Peer};
use super::op::{Near, Op};
use super::whim::Whimsical;

const MEMORY_LIMIT: u64 = 300_000;
const SESSION_TIMEOUT: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(60);
/// More than all waits of a session one after the other, with as many waiting sessions as a four-tuple has.
const END_OF_ALL: Duration = Duration::from_secs(3600);

/// The test server's initial numbers: they wrap soon.
const SERVER_ISN: Seq = Seq(u32::MAX - 500);

/// Client and online service. The first two would be one connection on the test server.
pub(crate) const TUPLES: [(&str, &str); 6] = [
    ("192.0.2.1:1000", "198.51.100.1:80"),
    ("192.0.2.1:1000", "198.51.100.2:80"),
    ("192.0.2.1:1001", "198.51.100.1:80"),
    ("192.0.2.2:1000", "198.51.100.1:3306"),
    ("[2001:db8::1]:1000", "[2001:db8::ffff]:80"),
    ("192.0.2.3:1000", "198.51.100.1:81"),
];

#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    client: Endpoint,
    online: Endpoint,
    /// As the test server sees it.
    pub(crate) flow: Flow,
    isn: Seq,
    pub(crate) next: Seq,
    seen: Seq,
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) network: Network,
    now: Time,
    links: u32,
    pub(crate) clients: Vec<Client>,
    builder: PacketBuilder,
    payload: Vec<u8>,
}

fn endpoint(text: &str) -> Endpoint {
    text.parse::<SocketAddr>().expect("an address of ours").into()
}

impl World {
    pub(crate) fn new(wait_for_answers: bool) -> Self {
        let transfer = |online_port, target, protocol| Transfer {
            online_ip: None,
            online_port,
            target: endpoint(target),
            protocol,
            on_reconnect: OnReconnect::Recognise,
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
            let flow = Flow { client, server: found.expect("a transfer for each").target };
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
            sees_copies: true,
            multiplying: Multiplying::default(),
            shaping: Shaping::default(),
            transfers,
            only_from_syn: false,
            wait_for_answers,
            mss_v4: MSS.0,
            mss_v6: MSS.1,
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

    pub(crate) fn step(&mut self, op: &Op) {
        match *op {
            Op::Syn { tuple, isn } => {
                let client = self.client(tuple);
                client.isn = isn.to(client.next);
                client.next = client.isn + 1;
                let syn = client_segment(client.isn, Flags::SYN);
                self.capture(tuple, syn, 0, 0);
            }
            Op::SynAck { tuple, ack } => {
                let client = *self.client(tuple);
                let back = Flow { client: client.online, server: client.client };
                let syn_ack = Outgoing {
                    ack: ack.to(client.isn + 1),
                    ..client_segment(client.seen, Flags::SYN | Flags::ACK)
                };
                let packet = self.builder.build(&back, &syn_ack).to_vec();
                self.packet(&packet, true);
            }
            Op::Client { tuple, seq, seen, flags, length, cut } => {
                let client = self.client(tuple);
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
            Op::ServerSegment { tuple, seq, ack, flags, window, length, options } => {
                let flow = self.client(tuple).flow;
                let peer = self.network.peers.get(&flow);
                let theirs = peer.and_then(|peer| peer.acknowledged).unwrap_or(SERVER_ISN);
                let ours = peer.map_or(Seq(0), Peer::next);
                let options = options.map_or_else(Options::default, |(mss, shift)| offered(mss, shift));
                self.answer(&flow, (seq.to(theirs), ack.to(ours)), Flags(flags), window, length, options);
            }
            Op::Acknowledge { tuple, percent, window, times } => {
                let flow = self.client(tuple).flow;
                let Some(peer) = self.network.peers.get_mut(&flow) else { return };
                let Some(iss) = peer.iss else { return };
                let open = peer.next().0.wrapping_sub((iss + peer.taken).0);
                peer.taken += (u64::from(open) * u64::from(percent) / 100) as u32;
                let seq = peer.acknowledged.unwrap_or(SERVER_ISN);
                let ack = iss + peer.taken;
                for _ in 0..times {
                    self.answer(&flow, (seq, ack), Flags::ACK, window, 0, offered(1460, 0));
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

    fn client(&mut self, tuple: usize) -> &mut Client {
        let count = self.clients.len();
        &mut self.clients[tuple % count]
    }

    pub(crate) fn all(&mut self, ops: &[Op]) {
        for op in ops {
            self.step(op);
        }
    }

    fn capture(&mut self, tuple: usize, segment: Outgoing<'_>, length: usize, cut: usize) {
        let client = *self.client(tuple);
        let flow = Flow { client: client.client, server: client.online };
        let payload = &self.payload[segment.seq.0 as usize % 40..][..length];
        let mut packet = self.builder.build(&flow, &Outgoing { payload: (payload, &[]), ..segment }).to_vec();
        // All eight control bits; the builder writes five.
        packet[if flow.client.ip.is_ipv4() { 20 } else { 40 } + 13] = segment.flags.0;
        packet.truncate(packet.len().saturating_sub(cut));
        self.packet(&packet, false);
    }

    fn packet(&mut self, packet: &[u8], outgoing: bool) {
        self.engine.handle_packet(
            self.now,
            Captured { packet, outgoing, stamp: Stamp::FIRST },
            &mut self.network,
        );
    }

    fn serve(&mut self, tuple: usize, length: u32, window: u16, last: u8) {
        let flow = self.client(tuple).flow;
        let Some(peer) = self.network.peers.get_mut(&flow) else { return };
        let (next, acknowledged) = (peer.next(), peer.acknowledged);
        peer.taken = next.0.wrapping_sub(peer.iss.unwrap_or_default().0);
        let Some(acknowledged) = acknowledged else {
            let options = offered(window.min(MSS.0), last % 10);
            return self.answer(&flow, (SERVER_ISN, next), Flags::SYN | Flags::ACK, window, 0, options);
        };
        let flags = match last {
            0 => Flags::ACK | Flags::FIN,
            1 => Flags::ACK | Flags::RST,
            2..12 => Flags::ACK,
            _ => Flags::ACK | Flags::PSH,
        };
        self.answer(&flow, (acknowledged, next), flags, window, length, Options::default());
    }

    pub(crate) fn answer(
        &mut self,
        flow: &Flow,
        (seq, ack): (Seq, Seq),
        flags: Flags,
        window: u16,
        length: u32,
        options: Options,
    ) {
        let answer = ServerSegment {
            id: self.network.id(flow),
            seq,
            ack,
            flags,
            window,
            payload_len: length,
            options,
            payload: &self.payload[..(length as usize).min(1460)],
            tail: &self.payload[..(length as usize).saturating_sub(1460).min(9)],
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
        // Segments of no session wait for a verdict.
        let idle = ledger.sessions.active == 0 && ledger.bytes.pending == 0;
        assert_eq!(self.engine.is_empty(), idle, "{ledger:?}");
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
        assert_eq!(ledger.bytes.pending, 0, "{ledger:?}");
        assert_eq!((ledger.turns.memory, ledger.gaps.out_of_order), (0, 0), "{ledger:?}");
        assert_eq!(ledger.turns.waiting.total(), 0, "{ledger:?}");
        assert!(self.network.routes.is_empty(), "routes are left: {:?}", self.network.routes);
        self.pass(END_OF_ALL, true);
        assert_eq!(self.engine.poll_timeout(), Time::NEVER);
    }
}

fn client_segment(seq: Seq, flags: Flags) -> Outgoing<'static> {
    Outgoing { seq, ack: Seq(0), flags, window: 1000, options: Options::default(), payload: (&[], &[]) }
}

fn offered(mss: u16, shift: u8) -> Options {
    let timestamps = mss.is_multiple_of(2).then_some(Timestamps { value: mss.into(), echo: 0 });
    Options { mss: Some(mss), window_scale: Some(shift.min(14)), timestamps }
}
