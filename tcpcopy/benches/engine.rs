//! How fast the engine is alone, without sockets: `cargo bench -p tcpcopy --bench engine`.
//!
//! A thousand keep-alive connections send requests of 100 bytes in turn; each is answered with 200 bytes before the
//! next round. Requests and answers are timed apart. The median of all rounds counts, because other processes use the
//! machine, too.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use common_core::control::{FlowId, ServerSegment, ToIntercept};
use common_core::flow::{Endpoint, Flow};
use common_core::time::{Stamp, Time};
use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Segment, Seq};
use common_os::clock::Clock;
use common_os::io::Captured;
use tcpcopy::engine::Engine;
use tcpcopy::output::Output;
use tcpcopy::settings::{EngineConfig, Multiplying, OnReconnect, Shaping, Transfer};

const SESSIONS: usize = 1000;
const ROUNDS: u32 = 2000;
const REQUEST: usize = 100;
const ANSWER: u32 = 200;

const ONLINE: Endpoint = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 80);
const TARGET: Endpoint = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 80);

/// Remembers what each session's server has to acknowledge.
struct Wire {
    ids: Vec<FlowId>,
    next: Vec<Seq>,
    sent: u64,
}

impl Output for Wire {
    fn inject(&mut self, packet: &[u8]) {
        self.sent += 1;
        // Parsing is not the engine's work: only the fields that are needed, at their fixed places.
        let seq = u32::from_be_bytes([packet[24], packet[25], packet[26], packet[27]]);
        let session = u16::from_be_bytes([packet[20], packet[21]]) as usize - 1024;
        let header = usize::from(packet[32] >> 4) * 4;
        let syn = u32::from(packet[33] & Flags::SYN.0 != 0);
        self.next[session] = Seq(seq) + (packet.len() - 20 - header) as u32 + syn;
    }

    fn control(&mut self, message: &ToIntercept) {
        if let ToIntercept::RouteAdd { id, .. } = message {
            self.ids.push(*id);
        }
    }
}

fn main() {
    let mut engine = Engine::new(config(), Time::ZERO);
    let mut wire = Wire { ids: Vec::new(), next: vec![Seq(0); SESSIONS], sent: 0 };
    let mut now = Time::ZERO + Duration::from_secs(1);
    engine.handle_link_up(now, &mut wire);

    let mut builder = PacketBuilder::new();
    for session in 0..SESSIONS {
        let syn = client_packet(&mut builder, session, Seq(0), Seq(0), Flags::SYN, &[]);
        engine.handle_packet(now, Captured { packet: &syn, outgoing: false, stamp: Stamp::FIRST }, &mut wire);
        let syn_ack = answer(&wire, session, Seq(0), Flags::SYN | Flags::ACK, 0);
        engine.handle_answer(now, &syn_ack, &mut wire);
    }
    engine.flush(now, &mut wire);

    let clock = Clock::start();
    let (mut requests, mut answers) = (Vec::new(), Vec::new());
    let payload = [b'x'; REQUEST];
    for round in 0..ROUNDS {
        now = now + Duration::from_millis(1);
        let seq = Seq(1) + round * REQUEST as u32;
        let ack = Seq(1) + round * ANSWER;
        let packets: Vec<Vec<u8>> = (0..SESSIONS)
            .map(|session| client_packet(&mut builder, session, seq, ack, Flags::ACK | Flags::PSH, &payload))
            .collect();

        let started = clock.now();
        for packet in &packets {
            engine.handle_packet(now, Captured { packet, outgoing: false, stamp: Stamp::FIRST }, &mut wire);
        }
        engine.flush(now, &mut wire);
        requests.push(clock.now() - started);

        let list: Vec<ServerSegment<'_>> = (0..SESSIONS)
            .map(|session| answer(&wire, session, ack, Flags::ACK | Flags::PSH, ANSWER))
            .collect();
        let started = clock.now();
        for answer in &list {
            engine.handle_answer(now, answer, &mut wire);
        }
        engine.flush(now, &mut wire);
        answers.push(clock.now() - started);
        engine.handle_timeout(now, &mut wire);
    }

    let ledger = engine.ledger();
    assert!(ledger.balances(), "{ledger:#?}");
    let count = u64::from(ROUNDS) * SESSIONS as u64;
    assert_eq!(ledger.bytes.replayed, count * REQUEST as u64, "{ledger:#?}");
    report("client segments", requests);
    report("answers", answers);
}

fn report(what: &str, mut rounds: Vec<Duration>) {
    rounds.sort_unstable();
    let each = rounds[rounds.len() / 2].as_nanos() as f64 / SESSIONS as f64;
    println!("{what:16} {each:7.1} ns each, {:.2} million a second", 1000.0 / each);
}

fn client_packet(
    builder: &mut PacketBuilder,
    session: usize,
    seq: Seq,
    ack: Seq,
    flags: Flags,
    payload: &[u8],
) -> Vec<u8> {
    let client = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1)), 1024 + session as u16);
    let segment =
        Outgoing { seq, ack, flags, window: 501, options: Options::default(), payload: (payload, &[]) };
    let packet = builder.build(&Flow { client, server: ONLINE }, &segment).to_vec();
    assert!(Segment::parse(&packet).is_ok());
    packet
}

fn answer(wire: &Wire, session: usize, seq: Seq, flags: Flags, payload_len: u32) -> ServerSegment<'static> {
    ServerSegment {
        id: wire.ids[session],
        seq,
        ack: wire.next[session],
        flags,
        window: 501,
        payload_len,
        options: Options { mss: Some(1460), window_scale: Some(7), timestamps: Some(Default::default()) },
        payload: &[],
        tail: &[],
    }
}

fn config() -> EngineConfig {
    EngineConfig {
        sees_copies: true,
        multiplying: Multiplying::default(),
        shaping: Shaping::default(),
        transfers: vec![Transfer {
            online_ip: None,
            online_port: 80,
            target: TARGET,
            protocol: None,
            on_reconnect: OnReconnect::Recognise,
        }],
        only_from_syn: false,
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
