//! The cost of a packet: `sudo cargo bench -p common-os`. Needs root; uses network namespaces of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement that fails ends")]

#[path = "../tests/namespace/mod.rs"]
mod namespace;

use std::net::SocketAddr;
use std::time::Duration;

use common_core::flow::{Endpoint, Flow};
use common_core::time::Time;
use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Seq};
use common_os::clock::Clock;
use common_os::io::af_packet::{AfPacket, DEFAULT_SNAP, Room};
use common_os::io::bpf::{Program, Service};
use common_os::io::injector::Injector;
use common_os::io::raw_ip::RawIp;
use common_os::io::{Capture, Inject};

const ROOM: Room = Room { frame: 2048, packets: 4096, queue: 64 << 20, snap: DEFAULT_SNAP };
const ROUNDS: usize = 400;
/// Packets of a round, as a busy event loop reads at a time.
const PACKETS: u32 = 250;

fn main() {
    println!(
        "nanoseconds a packet, delivery to the other host included (medians of {ROUNDS} rounds of {PACKETS})"
    );
    println!("payload  raw IP  link layer  raw IP, watched  link layer, watched  raw IP, captured  receive");
    for payload in [100, 1448] {
        let (online, _test) = namespace::pair(true);
        online.run(move || short(payload));
    }
    println!("payload  long packet  for 1448 bytes of it");
    for segments in [14, 40] {
        let (online, _test) = namespace::pair(true);
        online.run(move || long(segments * 1448));
    }
}

fn flow() -> Flow {
    let endpoint = |text: &str| Endpoint::from(text.parse::<SocketAddr>().unwrap());
    Flow { client: endpoint("10.77.0.1:5555"), server: endpoint("10.77.0.2:8080") }
}

fn segment(payload: &[u8]) -> Outgoing<'_> {
    // Nobody answers a reset.
    let flags = Flags::RST;
    Outgoing {
        seq: Seq(1),
        ack: Seq(1),
        flags,
        window: 9,
        options: Options::default(),
        payload: (payload, &[]),
    }
}

fn short(payload: usize) {
    let clock = Clock::start();
    let (flow, bytes) = (flow(), vec![7; payload]);
    let mut builder = PacketBuilder::new();
    let packet = builder.build(&flow, &segment(&bytes));
    let send = |injector: &mut dyn Inject| {
        let start = clock.now();
        for _ in 0..PACKETS {
            injector.send(packet).unwrap();
        }
        injector.flush().unwrap();
        clock.now() - start
    };
    let mut raw = RawIp::open(true, false).unwrap();
    let mut direct = acquainted(packet, flow);
    let (by_raw, by_link) = (0..ROUNDS).map(|_| (send(&mut raw), send(&mut direct))).unzip();

    // As in tcpcopy, whose own capture also filters the packets that it sends.
    let services = [Service { ip: None, port: 8080 }];
    let clients = Program::clients(&services, &[flow.server]);
    let watching = AfPacket::open(Some("io-a"), &clients, ROOM).unwrap();
    let (raw_watched, link_watched) = (0..ROUNDS).map(|_| (send(&mut raw), send(&mut direct))).unzip();
    drop(watching);

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
        "{payload:7}  {:6}  {:10}  {:15}  {:19}  {:16}  {:7}",
        each(by_raw),
        each(by_link),
        each(raw_watched),
        each(link_watched),
        each(captured),
        each(received)
    );
}

fn long(payload: usize) {
    let clock = Clock::start();
    let (flow, bytes) = (flow(), vec![7; payload]);
    let mut direct = acquainted(PacketBuilder::new().build(&flow, &segment(&[7])), flow);
    let mut builder = PacketBuilder::new();
    let packet = builder.build_long(&flow, &segment(&bytes));
    let send = |_| {
        let start = clock.now();
        for _ in 0..PACKETS {
            direct.send_long(&packet, 1448).unwrap();
        }
        clock.now() - start
    };
    let whole = each((0..ROUNDS).map(send).collect());
    println!("{payload:7}  {whole:11}  {:20}", whole * 1448 / payload as u128);
}

/// An injector that has looked up the next hop, as it does with the first packet of each second.
fn acquainted(packet: &[u8], flow: Flow) -> Injector {
    let mut injector = Injector::open([flow.server.ip]).unwrap();
    let clock = Clock::start();
    while injector.long_payload(flow.server.ip) == 0 {
        assert!(clock.now() < Time::from_micros(10_000_000), "the neighbour does not answer");
        injector.handle_time(clock.now());
        injector.send(packet).unwrap();
        injector.flush().unwrap();
    }
    injector
}

/// Nanoseconds a packet in the median round.
fn each(mut rounds: Vec<Duration>) -> u128 {
    rounds.sort();
    rounds[rounds.len() / 2].as_nanos() / u128::from(PACKETS)
}
