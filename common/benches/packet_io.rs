//! What a packet costs: `sudo cargo bench -p common`. Needs root; uses network namespaces of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement that fails ends")]

#[path = "../tests/namespace/mod.rs"]
mod namespace;

use std::net::SocketAddr;
use std::time::Duration;

use common::flow::{Endpoint, Flow};
use common::io::af_packet::{AfPacket, DEFAULT_SNAP, Room};
use common::io::bpf::{Program, Service};
use common::io::injector::Injector;
use common::io::raw_ip::RawIp;
use common::io::{Capture, Inject};
use common::time::{Clock, Time};
use common::wire::{Flags, Options, Outgoing, PacketBuilder, Seq};

const ROOM: Room = Room { frame: 2048, packets: 4096, queue: 64 << 20, snap: DEFAULT_SNAP };
const ROUNDS: usize = 400;
/// Packets of a round: what a busy event loop finds at a time.
const PACKETS: u32 = 250;

fn main() {
    println!(
        "payload  raw IP ns  link layer ns  raw IP, captured ns  receive ns   (medians of {ROUNDS} rounds of {PACKETS})"
    );
    for payload in [100, 1448] {
        let (online, _test) = namespace::pair(true);
        online.run(move || measure(payload));
    }
}

fn measure(payload: usize) {
    let clock = Clock::start();
    let endpoint = |text: &str| Endpoint::from(text.parse::<SocketAddr>().unwrap());
    let flow = Flow { client: endpoint("10.77.0.1:5555"), server: endpoint("10.77.0.2:8080") };
    let bytes = vec![7; payload];
    let segment = Outgoing {
        seq: Seq(1),
        ack: Seq(1),
        // Nobody answers a reset.
        flags: Flags::RST,
        window: 9,
        options: Options::default(),
        payload: (&bytes, &[]),
    };
    let mut builder = PacketBuilder::new();
    let packet = builder.build(&flow, &segment);
    let send = |injector: &mut dyn Inject| {
        injector.handle_time(Time::ZERO);
        let start = clock.now();
        for _ in 0..PACKETS {
            injector.send(packet).unwrap();
        }
        clock.now() - start
    };
    let mut raw = RawIp::open(true, false).unwrap();
    let mut injector = Injector::open([flow.server.ip]).unwrap();
    // The first packets also find the neighbour.
    send(&mut raw);
    send(&mut injector);
    let (by_raw, by_link) = (0..ROUNDS).map(|_| (send(&mut raw), send(&mut injector))).unzip();

    let services = [Service { ip: None, port: 8080 }];
    let clients = Program::clients(&services, &[flow.server]);
    let watched = AfPacket::open(Some("io-a"), &clients, ROOM).unwrap();
    let (raw_watched, link_watched) = (0..ROUNDS).map(|_| (send(&mut raw), send(&mut injector))).unzip();
    drop(watched);
    println!("watched {} {}", each(raw_watched), each(link_watched));

    let tcp = Program::from_expression("tcp").unwrap();
    let mut capture = AfPacket::open(Some("io-a"), &tcp, ROOM).unwrap();
    let mut receive = || {
        let start = clock.now();
        let mut bytes = 0;
        let received = capture.receive(1000, &mut |captured| bytes += captured.packet.len()).unwrap();
        let taken = clock.now() - start;
        assert_eq!((received, bytes), (PACKETS as usize, PACKETS as usize * packet.len()));
        taken
    };
    let (captured, received) = (0..ROUNDS).map(|_| (send(&mut raw), receive())).unzip();
    println!(
        "{payload:7}  {:9}  {:13}  {:19}  {:10}",
        each(by_raw),
        each(by_link),
        each(captured),
        each(received)
    );
}

/// Nanoseconds for a packet in the median round.
fn each(mut rounds: Vec<Duration>) -> u128 {
    rounds.sort();
    rounds[rounds.len() / 2].as_nanos() / u128::from(PACKETS)
}
