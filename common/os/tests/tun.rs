//! A TUN device: a server of this host answers what is written, and the answers can be read. Needs root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod namespace;

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::time::Duration;

use common_core::flow::{Endpoint, Flow};
use common_core::network::Networks;
use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Segment, Seq};
use common_os::io::interfaces;
use common_os::io::tun::Tun;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use namespace::{isolated, sh};

const SERVERS: [&str; 2] = ["10.77.0.2:8080", "[fd77::2]:8080"];
const CLIENTS: [&str; 2] = ["198.18.0.0:5555", "[fd00:12::5]:5555"];

fn endpoint(text: &str) -> Endpoint {
    text.parse::<SocketAddr>().unwrap().into()
}

fn networks() -> Networks {
    Networks { v4: Some("198.18.0.0/15".parse().unwrap()), v6: Some("fd00:12::/64".parse().unwrap()) }
}

/// A host with the servers' addresses and the strictest check of sources.
fn host() {
    sh("ip address add 10.77.0.2/32 dev lo; ip address add fd77::2/128 dev lo nodad");
    sh("sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1");
}

/// A copied client with one connection.
struct Client {
    tun: Tun,
    flow: Flow,
    builder: PacketBuilder,
    seq: Seq,
    ack: Seq,
}

impl Client {
    fn write(&mut self, flags: Flags, payload: &[u8]) {
        let segment = self.outgoing(flags, payload);
        self.tun.write(self.builder.build(&self.flow, &segment)).unwrap();
    }

    fn outgoing<'a>(&self, flags: Flags, payload: &'a [u8]) -> Outgoing<'a> {
        let mss = flags.has(Flags::SYN).then_some(1000);
        Outgoing {
            seq: self.seq,
            ack: self.ack,
            flags,
            window: 65_000,
            options: Options { mss, ..Options::default() },
            payload: (payload, &[]),
        }
    }

    /// The flags, the first number and the length of the next segment of the server that `wanted` accepts.
    fn read(&mut self, wanted: impl Fn(&Segment<'_>) -> bool) -> (Flags, Seq, u32) {
        self.read_within(Duration::from_secs(20), wanted).expect("the server does not answer")
    }

    /// The same, if it comes before the server is silent for this long.
    fn read_within(
        &mut self,
        silence: Duration,
        wanted: impl Fn(&Segment<'_>) -> bool,
    ) -> Option<(Flags, Seq, u32)> {
        let mut poll = Poll::new().unwrap();
        let (mut events, fd) = (Events::with_capacity(1), self.tun.as_raw_fd());
        poll.registry().register(&mut SourceFd(&fd), Token(0), Interest::READABLE).unwrap();
        let mut found = None;
        while found.is_none() {
            let flow = self.flow;
            let count = self.tun.receive(1, &mut |packet| {
                // The kernel sends more than TCP.
                let Ok(segment) = Segment::parse(packet) else { return };
                assert_eq!((segment.source, segment.destination), (flow.server, flow.client));
                if wanted(&segment) {
                    found = Some((segment.flags, segment.seq, segment.payload_len));
                }
            });
            if count.unwrap() == 0 {
                poll.poll(&mut events, Some(silence)).unwrap();
                if events.is_empty() {
                    return None;
                }
            }
        }
        found
    }

    fn open(tun: Tun, client: &str, server: &str) -> Self {
        let flow = Flow { client: endpoint(client), server: endpoint(server) };
        let mut client = Self { tun, flow, builder: PacketBuilder::new(), seq: Seq(1000), ack: Seq(0) };
        // Repeated, as by any client: a device that has just come up may lose packets.
        let answer = (0..20).find_map(|_| {
            client.write(Flags::SYN, &[]);
            client.read_within(Duration::from_secs(1), |_| true)
        });
        let (flags, seq, _) = answer.expect("the server does not accept");
        assert_eq!(flags, Flags::SYN | Flags::ACK);
        (client.seq, client.ack) = (Seq(1001), seq + 1);
        client.write(Flags::ACK, &[]);
        client
    }
}

#[test]
fn a_server_answers_and_long_packets_pass_both_ways() {
    for (client, server) in CLIENTS.into_iter().zip(SERVERS) {
        isolated(|| {
            host();
            let listener = TcpListener::bind(server).unwrap();
            let mut client = Client::open(Tun::create(&networks()).unwrap(), client, server);
            let (mut accepted, peer) = listener.accept().unwrap();
            assert_eq!(Endpoint::from(peer), client.flow.client);

            let data: Vec<u8> = (0..30_000_u32).map(|number| (number % 251) as u8).collect();
            let segment = client.outgoing(Flags::ACK | Flags::PSH, &data);
            let long = client.builder.build_long(&client.flow, &segment);
            let packet = [long.headers, long.payload.0].concat();
            client.tun.write_long(&packet, long.headers.len(), 1000).unwrap();
            let mut received = vec![0; data.len()];
            accepted.read_exact(&mut received).unwrap();
            assert!(received == data, "the server reads other bytes");

            std::io::Write::write_all(&mut accepted, &data[..5000]).unwrap();
            let (_, _, length) = client.read(|segment| segment.payload_len > 0);
            assert!(length > 1000, "segments of the server are not cut: {length}");
            assert_eq!(client.tun.dropped(), 0);
        });
    }
}

#[test]
fn the_device_vanishes_with_its_owner_and_a_network_belongs_to_one() {
    isolated(|| {
        host();
        let tun = Tun::create(&networks()).unwrap();
        let name = tun.name().to_owned();
        assert!(interfaces::names().contains(&name));
        let error = Tun::create(&networks()).err().unwrap();
        assert!(error.is_usage(), "{error}");
        assert!(error.to_string().starts_with("--net: 198.18.0.0/15 has a route"), "{error}");
        let own = Networks { v4: Some("10.77.0.0/16".parse().unwrap()), v6: None };
        let error = Tun::create(&own).err().unwrap().to_string();
        assert!(error.starts_with("--net: 10.77.0.2 of 10.77.0.0/16 is an address of this host"), "{error}");
        drop(tun);
        assert!(!interfaces::names().contains(&name));
        assert_eq!(Tun::create(&networks()).unwrap().name(), name);
    });
}

#[test]
fn headers_that_are_cut_short_are_refused_and_junk_ends_nothing() {
    isolated(|| {
        host();
        let tun = Tun::create(&networks()).unwrap();
        for (packet, headers) in [(&[0x45; 100][..], 200), (&[0x45; 100], 20), (&[0x60; 100], 40), (&[], 0)] {
            let error = tun.write_long(packet, headers, 1000).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        }
        for packet in [&[][..], &[0], &[0x45; 21], &[0xff; 3000]] {
            let _ = tun.write(packet);
        }
        let listener = TcpListener::bind(SERVERS[0]).unwrap();
        drop(Client::open(tun, CLIENTS[0], SERVERS[0]));
        drop(listener);
    });
}
