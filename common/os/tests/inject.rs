//! Injection through the kernel's routing, and whether it is captured. Needs root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod namespace;
mod sniffer;

use std::net::{SocketAddr, TcpListener, TcpStream};

use common_core::flow::{Endpoint, Flow};
use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Seq};
use common_os::io::Inject;
use common_os::io::bpf::{Program, Service};
use common_os::io::raw_ip::RawIp;
use namespace::{isolated, pair, sh};
use sniffer::Sniffer;

fn endpoint(text: &str) -> Endpoint {
    text.parse::<SocketAddr>().unwrap().into()
}

fn packet(client: &str, server: &str, flags: Flags, payload: usize) -> Vec<u8> {
    let flow = Flow { client: endpoint(client), server: endpoint(server) };
    let payload = vec![7; payload];
    let options = Options { mss: Some(1400), ..Options::default() };
    let segment =
        Outgoing { seq: Seq(1000), ack: Seq(0), flags, window: 8192, options, payload: (&payload, &[]) };
    PacketBuilder::new().build(&flow, &segment).to_vec()
}

#[test]
fn a_server_answers_an_injected_syn() {
    for (offloads, client, server) in [
        (true, "10.77.0.1:5555", "10.77.0.2:8080"),
        (false, "10.77.0.1:5555", "10.77.0.2:8080"),
        (true, "[fd77::1]:5555", "[fd77::2]:8080"),
        (false, "[fd77::1]:5555", "[fd77::2]:8080"),
    ] {
        let (online, test) = pair(offloads);
        let _listener = test.run(move || TcpListener::bind(server).unwrap());
        let mut sniffer = online.run(move || {
            let sniffer = Sniffer::open(Some("io-a"), &Program::answers(&[endpoint(server)]));
            let mut injector = RawIp::open(true, true).unwrap();
            injector.send(&packet(client, server, Flags::SYN, 0)).unwrap();
            sniffer
        });
        let all = sniffer.until(|seen| seen.flags.has(Flags::SYN));
        let answer = &all[0];
        assert!(!answer.outgoing);
        assert_eq!(answer.flags, Flags::SYN | Flags::ACK);
        assert_eq!(answer.ack, Seq(1001));
        assert_eq!((answer.source, answer.destination), (endpoint(server), endpoint(client)));
    }
}

/// The online service and the test server have the same port, and the clients are not on this host.
#[test]
fn our_own_copies_are_not_captured() {
    for (service, target, forged) in [
        ("10.77.0.1:8080", "10.77.0.2:8080", "10.77.0.99:4000"),
        ("[fd77::1]:8080", "[fd77::2]:8080", "[fd77::99]:4000"),
    ] {
        let (online, test) = pair(true);
        let listener = online.run(move || TcpListener::bind(service).unwrap());
        let services = [Service { ip: None, port: 8080 }];
        let mut sniffer = online.run(move || {
            let sniffer = Sniffer::open(None, &Program::clients(&services, &[endpoint(target)]));
            let mut injector = RawIp::open(true, true).unwrap();
            for flags in [Flags::SYN, Flags::ACK | Flags::PSH, Flags::FIN | Flags::ACK, Flags::RST] {
                injector.send(&packet(forged, target, flags, 100)).unwrap();
            }
            sniffer
        });
        test.run(move || drop(TcpStream::connect(service).unwrap()));
        let fin = Flags::FIN | Flags::ACK;
        let all = sniffer.until(|seen| seen.destination == endpoint(service) && seen.flags == fin);
        assert!(
            all.iter().all(|seen| seen.destination == endpoint(service) || seen.source == endpoint(service)),
            "{all:?}"
        );
        drop(listener);
    }
}

/// Everything on one host: online service, test server, and the copies between them.
#[test]
fn our_own_copies_are_not_captured_on_loopback() {
    isolated(|| {
        let (service, target) = ("127.0.0.1:8080", "127.0.0.2:8080");
        let _listeners = [service, target].map(|each| TcpListener::bind(each).unwrap());
        let filter = Program::clients(&[Service { ip: None, port: 8080 }], &[endpoint(target)]);
        let mut sniffer = Sniffer::open(None, &filter);
        let mut answers = Sniffer::open(None, &Program::answers(&[endpoint(target)]));
        let mut injector = RawIp::open(true, false).unwrap();
        injector.send(&packet("127.0.0.9:4000", target, Flags::SYN, 0)).unwrap();
        answers.until(|seen| seen.flags.has(Flags::SYN | Flags::ACK));
        let connection = TcpStream::connect(service).unwrap();
        let client = Endpoint::from(connection.local_addr().unwrap());
        let all = sniffer.until(|seen| seen.source == client && seen.flags == Flags::SYN);
        let ends: Vec<_> = all.iter().map(|seen| (seen.source, seen.destination)).collect();
        assert_eq!(ends, [(client, endpoint(service)), (endpoint(service), client)]);
    });
}

#[test]
fn a_packet_that_cannot_be_sent_is_an_error() {
    let (online, test) = pair(true);
    let _listener = test.run(|| TcpListener::bind("10.77.0.2:8080").unwrap());
    let mut sniffer = online.run(|| {
        let sniffer = Sniffer::open(Some("io-a"), &Program::answers(&[endpoint("10.77.0.2:8080")]));
        let mut injector = RawIp::open(true, true).unwrap();
        let mut fails = |packet: Vec<u8>| injector.send(&packet).unwrap_err().raw_os_error();
        for (client, server) in [("10.77.0.1:5555", "10.77.0.2:8080"), ("[fd77::1]:5555", "[fd77::2]:8080")] {
            assert_eq!(fails(packet(client, server, Flags::ACK, 1500)), Some(nix::libc::EMSGSIZE));
        }
        assert_eq!(
            fails(packet("10.77.0.1:5555", "192.0.2.1:80", Flags::ACK, 9)),
            Some(nix::libc::ENETUNREACH)
        );
        injector.send(&packet("10.77.0.1:5555", "10.77.0.2:8080", Flags::SYN, 0)).unwrap();
        sniffer
    });
    let all = sniffer.until(|seen| seen.flags.has(Flags::SYN));
    assert_eq!(all[0].ack, Seq(1001), "a packet after a failure arrives");
}

/// Also thousands of times: the memory of the errors that the kernel keeps is limited.
#[test]
fn a_full_queue_is_an_error_each_time_and_passes() {
    let (online, test) = pair(true);
    test.run(|| sh("ip link set io-b address 02:00:00:00:77:02"));
    let _listener = test.run(|| TcpListener::bind("[::]:8080").unwrap());
    for (client, server) in [("10.77.0.1:5555", "10.77.0.2:8080"), ("[fd77::1]:5555", "[fd77::2]:8080")] {
        let mut sniffer = online.run(move || {
            let sniffer = Sniffer::open(Some("io-a"), &Program::answers(&[endpoint(server)]));
            let mut injector = RawIp::open(true, true).unwrap();
            // Otherwise packets would wait until the neighbour is resolved, and fail later.
            sh("ip neigh replace 10.77.0.2 lladdr 02:00:00:00:77:02 dev io-a nud permanent");
            sh("ip neigh replace fd77::2 lladdr 02:00:00:00:77:02 dev io-a nud permanent");
            sh("tc qdisc add dev io-a root pfifo limit 0");
            let data = packet(client, server, Flags::ACK, 100);
            for _ in 0..5000 {
                let failed = injector.send(&data).unwrap_err().raw_os_error();
                assert_eq!(failed, Some(nix::libc::ENOBUFS));
            }
            sh("tc qdisc del dev io-a root");
            injector.send(&packet(client, server, Flags::SYN, 0)).unwrap();
            sniffer
        });
        let all = sniffer.until(|seen| seen.flags.has(Flags::SYN));
        assert_eq!(all[0].ack, Seq(1001), "a packet after the queue has emptied arrives");
    }
}
