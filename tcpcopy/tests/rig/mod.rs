//! An engine with clients that send a byte at a time, and a test server that answers on request.

#![allow(dead_code, reason = "each of the tests uses a part of it")]

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use common_core::control::{FlowId, ServerSegment, ToIntercept};
use common_core::flow::{Endpoint, Flow};
use common_core::time::{Stamp, Time};
use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Segment, Seq, Timestamps, is_marked};
use common_os::io::Captured;
use module_kit::Protocol;
use tcpcopy::engine::Engine;
use tcpcopy::ledger::Ledger;
use tcpcopy::output::{Beginning, Output};
use tcpcopy::settings::{EngineConfig, Multiplying, OnReconnect, Shaping, Transfer};

const ONLINE: Endpoint = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 80);
/// How long a session joined in mid-stream waits for a reset of the online server.
const VERDICT_WAIT: Duration = Duration::from_millis(5);

const TARGET: Endpoint = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 80);

/// The segments sent to the test server: the sender, and the acknowledgement that they need.
#[derive(Default)]
pub(crate) struct Wire {
    ids: HashMap<Endpoint, FlowId>,
    /// The clients whose flows have routes.
    routes: HashSet<Endpoint>,
    sent: Vec<(Endpoint, Flags, Seq)>,
    /// Packets with the mark of a copy's SYN.
    pub(crate) marked: usize,
    /// All payload, in the order in which it was sent.
    pub(crate) payload: Vec<u8>,
    /// The sessions that began.
    pub(crate) beginnings: Vec<Beginning>,
}

impl Output for Wire {
    fn inject(&mut self, packet: &[u8]) {
        let segment = Segment::parse(packet).unwrap();
        let flags = u32::from(segment.flags.has(Flags::SYN)) + u32::from(segment.flags.has(Flags::FIN));
        self.payload.extend_from_slice(segment.payload);
        self.marked += usize::from(is_marked(&segment));
        self.sent.push((segment.source, segment.flags, segment.seq + (segment.payload_len + flags)));
    }

    fn control(&mut self, message: &ToIntercept) {
        if let ToIntercept::RouteAdd { id, flow, .. } = message {
            self.ids.insert(flow.client, *id);
            self.routes.insert(flow.client);
        } else if let ToIntercept::RouteDel { id } = message {
            let ids = &self.ids;
            self.routes.retain(|client| ids.get(client) != Some(id));
        }
    }

    fn session_begins(&mut self, beginning: &Beginning) {
        self.beginnings.push(*beginning);
    }
}

impl Wire {
    /// Packets that the test server has not answered yet.
    pub(crate) fn sent(&self) -> usize {
        self.sent.len()
    }

    /// Of these, the ones with this flag.
    pub(crate) fn count(&self, flag: Flags) -> usize {
        self.sent.iter().filter(|(_, flags, _)| flags.has(flag)).count()
    }
}

pub(crate) struct Rig {
    pub(crate) engine: Engine,
    pub(crate) wire: Wire,
    builder: PacketBuilder,
    pub(crate) now: Time,
    /// The last acknowledgement of the test server to each client.
    acknowledged: HashMap<Endpoint, Seq>,
    /// What the test server has said to each client on its present connection, in bytes, its FIN included.
    said: HashMap<Endpoint, u32>,
}

impl Rig {
    pub(crate) fn with_memory(memory_limit: u64) -> Self {
        Self::new(memory_limit, None, OnReconnect::Resume).link_up()
    }

    pub(crate) fn with_on_reconnect(on_reconnect: OnReconnect) -> Self {
        Self::new(1 << 30, None, on_reconnect).link_up()
    }

    pub(crate) fn with_protocol(protocol: impl Protocol + 'static) -> Self {
        Self::with_memory_and_protocol(1 << 30, protocol)
    }

    pub(crate) fn with_memory_and_protocol(memory_limit: u64, protocol: impl Protocol + 'static) -> Self {
        Self::new(memory_limit, Some(Arc::new(protocol)), OnReconnect::Resume).link_up()
    }

    pub(crate) fn without_link() -> Self {
        Self::new(1 << 30, None, OnReconnect::Resume)
    }

    pub(crate) fn only_from_syn() -> Self {
        let config = |config| EngineConfig { only_from_syn: true, ..config };
        Self::with_config(1 << 30, None, OnReconnect::Resume, config).link_up()
    }

    fn new(memory_limit: u64, protocol: Option<Arc<dyn Protocol>>, on_reconnect: OnReconnect) -> Self {
        Self::with_config(memory_limit, protocol, on_reconnect, |config| config)
    }

    /// With this change of the configuration.
    pub(crate) fn changed(change: impl FnOnce(EngineConfig) -> EngineConfig) -> Self {
        Self::with_config(1 << 30, None, OnReconnect::Resume, change).link_up()
    }

    fn with_config(
        memory_limit: u64,
        protocol: Option<Arc<dyn Protocol>>,
        on_reconnect: OnReconnect,
        change: impl FnOnce(EngineConfig) -> EngineConfig,
    ) -> Self {
        let now = Time::from_micros(10_000_000);
        let transfer = Transfer { online_ip: None, online_port: 80, target: TARGET, protocol, on_reconnect };
        let config = EngineConfig {
            sees_copies: true,
            multiplying: Multiplying::default(),
            shaping: Shaping::default(),
            transfers: vec![transfer],
            only_from_syn: false,
            wait_for_answers: true,
            mss_v4: 1460,
            mss_v6: 1440,
            memory_limit,
            session_timeout: Duration::from_secs(600),
            keepalive_timeout: Duration::from_secs(7200),
            seed: 1,
            timestamp_origin: 0,
        };
        Self {
            engine: Engine::new(change(config), Time::ZERO),
            wire: Wire::default(),
            builder: PacketBuilder::new(),
            now,
            acknowledged: HashMap::new(),
            said: HashMap::new(),
        }
    }

    fn client(number: u16) -> Endpoint {
        Endpoint::new(Ipv4Addr::new(10, 1, 0, 1).into(), 1024 + number)
    }

    pub(crate) fn link_up(mut self) -> Self {
        self.engine.handle_link_up(self.now, &mut self.wire);
        self
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        self.engine.ledger()
    }

    pub(crate) fn after(&mut self, time: Duration) {
        self.now = self.now + time;
        self.engine.handle_timeout(self.now, &mut self.wire);
    }

    /// A client sends this, and acknowledges `seen` answer bytes. A segment of no session waits for the online server's verdict.
    pub(crate) fn say_after(&mut self, client: u16, seq: u32, seen: u32, flags: Flags, payload: &[u8]) {
        self.capture(client, seq, Seq(1 + seen), flags, payload);
        if !self.wire.routes.contains(&Self::client(client)) && !flags.has(Flags::SYN) {
            self.after(VERDICT_WAIT);
        }
    }

    /// Somebody sends this data, and acknowledges `ack`.
    pub(crate) fn forge(&mut self, client: u16, seq: u32, ack: u32, payload: &[u8]) {
        self.capture(client, seq, Seq(ack), Flags::ACK | Flags::PSH, payload);
    }

    fn capture(&mut self, client: u16, seq: u32, ack: Seq, flags: Flags, payload: &[u8]) {
        let client = Self::client(client);
        let segment = Outgoing {
            seq: Seq(seq),
            ack,
            flags,
            window: 500,
            options: Options::default(),
            payload: (payload, &[]),
        };
        let packet = self.builder.build(&Flow { client, server: ONLINE }, &segment);
        self.engine.handle_packet(
            self.now,
            Captured { packet, outgoing: false, stamp: Stamp::FIRST },
            &mut self.wire,
        );
    }

    pub(crate) fn say(&mut self, client: u16, seq: u32, flags: Flags, payload: &[u8]) {
        self.say_after(client, seq, 0, flags, payload);
    }

    /// A client sends `length` bytes, of which the capture keeps the first `kept`.
    pub(crate) fn say_cut(&mut self, client: u16, seq: u32, length: usize, kept: usize) {
        let client = Self::client(client);
        let segment = Outgoing {
            seq: Seq(seq),
            ack: Seq(1),
            flags: Flags::ACK | Flags::PSH,
            window: 500,
            options: Options::default(),
            payload: (&vec![b'a'; length], &[]),
        };
        let packet = self.builder.build(&Flow { client, server: ONLINE }, &segment);
        let packet = &packet[..packet.len() - (length - kept)];
        self.engine.handle_packet(
            self.now,
            Captured { packet, outgoing: false, stamp: Stamp::FIRST },
            &mut self.wire,
        );
    }

    /// The online server sends this to a client.
    pub(crate) fn online_says(&mut self, client: u16, seq: u32, ack: u32, flags: Flags, payload: &[u8]) {
        let client = Self::client(client);
        let segment = Outgoing {
            seq: Seq(seq),
            ack: Seq(ack),
            flags,
            window: 500,
            options: Options::default(),
            payload: (payload, &[]),
        };
        let packet = self.builder.build(&Flow { client: ONLINE, server: client }, &segment);
        self.engine.handle_packet(
            self.now,
            Captured { packet, outgoing: true, stamp: Stamp::FIRST },
            &mut self.wire,
        );
    }

    /// A client opens a connection, with these timestamps.
    pub(crate) fn connect_with(&mut self, client: u16, value: u32, echo: u32) {
        let segment = Outgoing {
            seq: Seq(0),
            ack: Seq(0),
            flags: Flags::SYN,
            window: 500,
            options: Options { timestamps: Some(Timestamps { value, echo }), ..Options::default() },
            payload: (&[], &[]),
        };
        let flow = Flow { client: Self::client(client), server: ONLINE };
        let packet = self.builder.build(&flow, &segment);
        self.engine.handle_packet(
            self.now,
            Captured { packet, outgoing: false, stamp: Stamp::FIRST },
            &mut self.wire,
        );
    }

    pub(crate) fn connect(&mut self, client: u16) {
        self.say(client, 0, Flags::SYN, &[]);
    }

    /// A client opens a connection to another port of the online server.
    pub(crate) fn connect_to(&mut self, client: u16, port: u16) {
        let segment = Outgoing {
            seq: Seq(0),
            ack: Seq(0),
            flags: Flags::SYN,
            window: 500,
            options: Options::default(),
            payload: (&[], &[]),
        };
        let flow = Flow { client: Self::client(client), server: Endpoint::new(ONLINE.ip, port) };
        let packet = self.builder.build(&flow, &segment);
        let captured = Captured { packet, outgoing: false, stamp: Stamp::FIRST };
        self.engine.handle_packet(self.now, captured, &mut self.wire);
    }

    pub(crate) fn data(&mut self, client: u16, seq: u32) {
        self.say(client, seq, Flags::ACK | Flags::PSH, b"x");
    }

    /// The test server resets the connection of a client.
    pub(crate) fn reset(&mut self, client: u16) {
        let said = self.said.get(&Self::client(client)).copied().unwrap_or(0);
        self.hear(client, said, Flags::RST, &[]);
    }

    /// The test server closes the connection of a client.
    pub(crate) fn close(&mut self, client: u16) {
        self.hear(client, 0, Flags::FIN, &[]);
    }

    /// The test server sends this to a client, after `said` bytes.
    pub(crate) fn hear(&mut self, client: u16, said: u32, flags: Flags, payload: &[u8]) {
        let client = Self::client(client);
        let id = self.wire.ids[&client];
        let (options, payload_len) = (Options::default(), payload.len() as u32);
        let (seq, ack) = (Seq(8) + said, self.acknowledged.get(&client).copied().unwrap_or(Seq(0)));
        let flags = if flags.has(Flags::RST) { flags } else { flags | Flags::ACK };
        if flags.has(Flags::FIN) || !payload.is_empty() {
            let end = said + payload.len() as u32 + u32::from(flags.has(Flags::FIN));
            let so_far = self.said.entry(client).or_default();
            *so_far = end.max(*so_far);
        }
        let answer =
            ServerSegment { id, seq, ack, flags, window: 500, payload_len, options, payload, tail: &[] };
        self.engine.handle_answer(self.now, &answer, &mut self.wire);
        self.engine.flush(self.now, &mut self.wire);
    }

    /// The test server sends `length` bytes to a client, after `said` bytes, without their payload.
    pub(crate) fn hear_length(&mut self, client: u16, said: u64, length: u32) {
        self.hear_segment(client, said, 0, length, &[]);
    }

    /// The test server sends this to a client, after `said` bytes, and acknowledges all but the last `behind` bytes that it
    /// has acknowledged before: the segment was overtaken.
    pub(crate) fn hear_late(&mut self, client: u16, said: u64, behind: u32, payload: &[u8]) {
        self.hear_segment(client, said, behind, payload.len() as u32, payload);
    }

    fn hear_segment(&mut self, client: u16, said: u64, behind: u32, payload_len: u32, payload: &[u8]) {
        let client = Self::client(client);
        let (id, ack) = (self.wire.ids[&client], self.acknowledged[&client] - behind);
        let flags = Flags::ACK | Flags::PSH;
        let (seq, options) = (Seq(8) + said as u32, Options::default());
        let answer =
            ServerSegment { id, seq, ack, flags, window: 500, payload_len, options, payload, tail: &[] };
        self.engine.handle_answer(self.now, &answer, &mut self.wire);
        self.engine.flush(self.now, &mut self.wire);
    }

    /// All that was sent since the test server's last answer is lost.
    pub(crate) fn lose(&mut self) {
        self.engine.flush(self.now, &mut self.wire);
        self.wire.sent.clear();
    }

    /// The test server accepts the connections; everything else that was sent is lost.
    pub(crate) fn accept(&mut self) {
        self.engine.flush(self.now, &mut self.wire);
        let sent = std::mem::take(&mut self.wire.sent);
        self.acknowledge(sent.into_iter().filter(|(_, flags, _)| flags.has(Flags::SYN)));
    }

    /// The test server accepts and acknowledges all that was sent.
    pub(crate) fn answer(&mut self) {
        loop {
            self.engine.flush(self.now, &mut self.wire);
            let sent = std::mem::take(&mut self.wire.sent);
            if sent.is_empty() {
                return;
            }
            self.acknowledge(sent.into_iter().filter(|(_, flags, _)| !flags.has(Flags::RST)));
        }
    }

    fn acknowledge(&mut self, sent: impl Iterator<Item = (Endpoint, Flags, Seq)>) {
        for (client, flags, ack) in sent {
            let said = self.said.entry(client).or_default();
            let (seq, flags) = if flags.has(Flags::SYN) {
                *said = 0;
                (Seq(7), Flags::SYN | Flags::ACK)
            } else {
                (Seq(8 + *said), Flags::ACK)
            };
            let id = self.wire.ids[&client];
            let options = Options::default();
            self.acknowledged.insert(client, ack);
            let answer = ServerSegment {
                id,
                seq,
                ack,
                flags,
                window: 500,
                payload_len: 0,
                options,
                payload: &[],
                tail: &[],
            };
            self.engine.handle_answer(self.now, &answer, &mut self.wire);
        }
    }
}
