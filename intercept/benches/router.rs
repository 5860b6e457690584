//! How many answers one thread routes, without sockets: `cargo bench -p intercept --bench router`.
//!
//! Each of the flows gets one answer a round. An answer is parsed, looked up and encoded for the control connection of
//! its tcpcopy. The median of all rounds counts, because other programs use the machine too.
#![allow(clippy::unwrap_used, reason = "a measurement that fails ends")]

use std::net::IpAddr;

use common_core::control::{FlowId, FromIntercept, Proof, ToIntercept, VERSION};
use common_core::flow::{Endpoint, Flow};
use common_core::time::{Stamp, Time};
use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Seq, Timestamps};
use common_os::clock::Clock;
use common_os::io::Captured;
use intercept::router::{Output, PeerId, Router, RouterConfig};

const ROUNDS: usize = 200;
const PEER: PeerId = PeerId(0);
/// Packets taken from a capture socket at a time, after which the control connections are written.
const BATCH: usize = 256;

/// The queue of a control connection.
#[derive(Default)]
struct Queue(Vec<u8>);

impl Output for Queue {
    fn send(&mut self, _peer: PeerId, message: &FromIntercept<'_>) {
        message.encode(&mut self.0);
    }
}

fn main() {
    println!("flows    payload  ns an answer  bytes an answer  answers a second");
    for flows in [1_000, 100_000] {
        for payload in [0, 1448] {
            measure(flows, payload);
        }
    }
}

/// The proof of a connection whose answers acknowledge this number.
const ACK: Seq = Seq(2);
const PROOF: Proof = Proof::Open { una: ACK, max: ACK, next: Seq(0) };

fn measure(flows: u32, payload: usize) {
    let mut router = Router::new(RouterConfig::default());
    let mut queue = Queue::default();
    router.handle_peer_connected(PEER, IpAddr::from([10, 0, 0, 9]));
    let hello = ToIntercept::Hello { version: VERSION, instance: 1 };
    router.handle_message(Time::ZERO, PEER, hello, &mut queue).unwrap();
    let mut builder = PacketBuilder::new();
    let payload = vec![b'x'; payload];
    let packets: Vec<Vec<u8>> = (0..flows)
        .map(|number| {
            let flow = flow(number);
            let route = ToIntercept::RouteAdd { id: FlowId(number), flow, proof: PROOF };
            router.handle_message(Time::ZERO, PEER, route, &mut queue).unwrap();
            answer(&mut builder, flow, &payload)
        })
        .collect();
    let clock = Clock::start();
    let mut bytes = 0;
    let mut rounds: Vec<u64> = (0..ROUNDS)
        .map(|_| {
            let now = clock.now();
            bytes = 0;
            for batch in packets.chunks(BATCH) {
                for packet in batch {
                    router.handle_packet(
                        now,
                        Captured { packet, outgoing: false, stamp: Stamp::FIRST },
                        &mut queue,
                    );
                }
                bytes += queue.0.len();
                queue.0.clear();
            }
            clock.now().since(now).as_nanos() as u64 / u64::from(flows)
        })
        .collect();
    rounds.sort_unstable();
    let (median, each) = (rounds[ROUNDS / 2].max(1), bytes / packets.len());
    println!("{flows:<7}  {:<7}  {median:<12}  {each:<15}  {}", payload.len(), 1_000_000_000 / median);
}

fn flow(number: u32) -> Flow {
    let [_, a, b, c] = number.to_be_bytes();
    Flow {
        client: Endpoint::new([10, 1 + a, b, c].into(), 1024 + (number % 60_000) as u16),
        server: Endpoint::new([10, 0, 0, 2].into(), 80),
    }
}

fn answer(builder: &mut PacketBuilder, flow: Flow, payload: &[u8]) -> Vec<u8> {
    let back = Flow { client: flow.server, server: flow.client };
    let timestamps = Some(Timestamps { value: 1, echo: 2 });
    let segment = Outgoing {
        seq: Seq(1),
        ack: ACK,
        flags: Flags::ACK,
        window: 502,
        options: Options { timestamps, ..Options::default() },
        payload: (payload, &[]),
    };
    builder.build(&back, &segment).to_vec()
}
