//! What a packet costs: `sudo cargo bench -p common`. Needs root; uses a network namespace of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement that fails ends")]

#[path = "../tests/namespace/mod.rs"]
mod namespace;

use std::net::SocketAddr;
use std::time::Duration;

use common::flow::Flow;
use common::io::af_packet::{AfPacket, DEFAULT_SNAP};
use common::io::bpf::Program;
use common::io::raw_ip::RawIp;
use common::io::{Capture, Inject};
use common::time::Clock;
use common::wire::{Flags, Options, Outgoing, PacketBuilder, Seq};

const PACKETS: u32 = 50_000;

fn main() {
    println!("payload   send ns   sent while captured ns   receive ns");
    for payload in [100, 1448] {
        let (online, _test) = namespace::pair(true);
        online.run(move || measure(payload));
    }
}

fn measure(payload: usize) {
    let clock = Clock::start();
    let endpoint = |text: &str| text.parse::<SocketAddr>().unwrap().into();
    let flow = Flow { client: endpoint("10.77.0.1:5555"), server: endpoint("10.77.0.2:8080") };
    let bytes = vec![7; payload];
    let segment = Outgoing {
        seq: Seq(1),
        ack: Seq(1),
        flags: Flags::ACK,
        window: 9,
        options: Options::default(),
        payload: (&bytes, &[]),
    };
    let mut builder = PacketBuilder::new();
    let packet = builder.build(&flow, &segment);
    let mut injector = RawIp::open(true, false).unwrap();
    let mut send = || {
        let start = clock.now();
        for _ in 0..PACKETS {
            injector.send(packet).unwrap();
        }
        each(clock.now() - start)
    };
    // The first packets also find the neighbour.
    send();
    let unseen = send();
    let mut capture =
        AfPacket::open(Some("io-a"), &Program::from_expression("tcp").unwrap(), 1 << 30, DEFAULT_SNAP)
            .unwrap();
    let seen = send();

    let (mut packets, mut sum) = (0_u32, 0_usize);
    let start = clock.now();
    while capture
        .receive(256, &mut |captured| {
            packets += 1;
            sum += captured.packet.len();
        })
        .unwrap()
        == 256
    {}
    let taken = clock.now() - start;
    let counters = capture.counters().unwrap();
    assert_eq!((counters.dropped, sum / packets as usize), (0, packet.len()));
    println!("{payload:7} {unseen:9} {seen:24} {:12}", taken.as_nanos() / u128::from(packets));
}

fn each(time: Duration) -> u128 {
    time.as_nanos() / u128::from(PACKETS)
}
