//! Which way the injector uses, and how it follows changes of routes and neighbours. Needs root.
//!
//! Captures on the sending host see packets that go through the kernel's routing, but not those on the direct way. So a
//! sniffer there distinguishes the two.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod namespace;
mod sniffer;

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

use common_core::flow::{Endpoint, Flow};
use common_core::time::Time;
use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Seq};
use common_os::io::Inject;
use common_os::io::bpf::Program;
use common_os::io::injector::Injector;
use namespace::{Host, isolated, pair, sh};
use nix::libc::EMSGSIZE;
use sniffer::Sniffer;

const TARGET: &str = "10.77.0.2:8080";
const TARGET_V6: &str = "[fd77::2]:8080";

fn endpoint(text: &str) -> Endpoint {
    text.parse::<SocketAddr>().unwrap().into()
}

/// An injector, and a sniffer on its host.
struct Online {
    injector: Injector,
    sniffer: Sniffer,
    target: Endpoint,
    now: Time,
    sent: u32,
}

impl Online {
    fn new(target: &str) -> Self {
        let target = endpoint(target);
        let injector = Injector::open([target.ip]).unwrap();
        let sniffer = Sniffer::open(None, &Program::from_expression("tcp").unwrap());
        Self { injector, sniffer, target, now: Time::ZERO, sent: 0 }
    }

    /// Sends a packet that nobody answers; its payload length is its number.
    fn send(&mut self) -> u32 {
        self.sent += 1;
        self.send_sized(self.sent as usize).unwrap();
        self.sent
    }

    fn send_sized(&mut self, payload: usize) -> Result<(), Option<i32>> {
        let client = if self.target.ip.is_ipv4() { "10.99.0.1:5555" } else { "[fd99::1]:5555" };
        let flow = Flow { client: endpoint(client), server: self.target };
        let payload = vec![7; payload];
        let segment = Outgoing {
            seq: Seq(1000),
            ack: Seq(0),
            flags: Flags::RST,
            window: 8192,
            options: Options::default(),
            payload: (&payload, &[]),
        };
        let mut builder = PacketBuilder::new();
        let sent = self.injector.send(builder.build(&flow, &segment));
        let flushed = |()| self.injector.flush().map_err(|lost| lost.error);
        sent.and_then(flushed).map_err(|error| error.raw_os_error())
    }

    /// Lets enough time pass for the next check for changes.
    fn later(&mut self) {
        self.now = self.now + Duration::from_millis(100);
        self.injector.handle_time(self.now);
    }

    /// Sends a packet; true if it went through the kernel's routing.
    fn by_kernel(&mut self) -> bool {
        let number = self.send();
        self.sniffer.pending().iter().any(|seen| seen.outgoing && seen.payload_len == number)
    }

    /// Sends packets until they go directly: the first one goes through the kernel's routing.
    fn settle(&mut self) {
        self.later();
        assert!(self.by_kernel(), "the first packet asks the kernel");
        assert!(!self.by_kernel() && !self.by_kernel(), "the others need not");
    }
}

/// A segment of a client that is on none of the two hosts.
fn segment(client: &str, target: &str, seq: Seq, ack: Seq, flags: Flags, payload: &[u8]) -> (Flow, Vec<u8>) {
    let flow = Flow { client: endpoint(client), server: endpoint(target) };
    let options = Options { mss: flags.has(Flags::SYN).then_some(1400), ..Options::default() };
    let segment = Outgoing { seq, ack, flags, window: 8192, options, payload: (payload, &[]) };
    (flow, PacketBuilder::new().build(&flow, &segment).to_vec())
}

/// Sends `payload`, in two parts, as segments of `size` bytes.
fn send_long(online: &mut Online, flow: &Flow, ack: Seq, payload: &[u8], size: u16) -> std::io::Result<()> {
    let flags = Flags::ACK | Flags::PSH;
    let payload = payload.split_at(payload.len() / 3);
    let segment = Outgoing { seq: Seq(1000), ack, flags, window: 8192, options: Options::default(), payload };
    let mut builder = PacketBuilder::new();
    let packet = builder.build_long(flow, &segment);
    online.injector.send_long(&packet, size)
}

/// Two hosts with permanent neighbour entries for each other, so that none must be resolved.
fn acquainted() -> (Host, Host) {
    let (online, test) = pair(true);
    let mac = test.run(|| mac_of("io-b"));
    online.run(move || {
        sh(&format!("ip neigh replace 10.77.0.2 lladdr {mac} dev io-a nud reachable"));
        sh(&format!("ip neigh replace fd77::2 lladdr {mac} dev io-a nud reachable"));
    });
    (online, test)
}

fn mac_of(interface: &str) -> String {
    output(&format!("ip -j link show {interface} | jq -r '.[0].address'"))
}

fn output(command: &str) -> String {
    let output = std::process::Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Packets that arrive on an interface of `host`, by the number of their payload bytes.
fn arrivals(host: &Host, interface: &'static str) -> Sniffer {
    host.run(move || Sniffer::open(Some(interface), &Program::from_expression("tcp").unwrap()))
}

fn wait_for(sniffer: &mut Sniffer, number: u32) {
    sniffer.until(|seen| !seen.outgoing && seen.payload_len == number);
}

#[test]
fn packets_after_the_first_go_directly() {
    for target in [TARGET, TARGET_V6] {
        let (online, test) = acquainted();
        let mut arriving = arrivals(&test, "io-b");
        let sent = online.run(move || {
            let mut online = Online::new(target);
            online.settle();
            online.sent
        });
        wait_for(&mut arriving, sent);
    }
}

#[test]
fn an_unknown_neighbour_is_resolved() {
    for target in [TARGET, TARGET_V6] {
        let (online, test) = pair(true);
        let mut arriving = arrivals(&test, "io-b");
        let (first, mut sender) = online.run(move || {
            let mut online = Online::new(target);
            (online.send(), online)
        });
        // The kernel queues the packet while it resolves the neighbour.
        wait_for(&mut arriving, first);
        let last = online.run(move || {
            sender.settle();
            sender.sent
        });
        wait_for(&mut arriving, last);
    }
}

#[test]
fn a_neighbour_with_a_new_address_is_followed() {
    for target in [TARGET, TARGET_V6] {
        let (online, test) = acquainted();
        let mut arriving = arrivals(&test, "io-b");
        let mut sender = online.run(move || {
            let mut online = Online::new(target);
            online.settle();
            online
        });
        test.run(|| sh("ip link set io-b address 02:00:00:00:77:02"));
        online.run(move || {
            let ip = target.parse::<SocketAddr>().unwrap().ip();
            sh(&format!("ip neigh replace {ip} lladdr 02:00:00:00:77:02 dev io-a nud reachable"));
            sender.settle();
            assert_eq!(sender.sent, 6);
        });
        wait_for(&mut arriving, 6);
    }
}

/// As for the kernel's own traffic: a stale neighbour entry is used and verified.
#[test]
fn a_neighbour_in_use_is_verified() {
    let (online, _test) = acquainted();
    online.run(|| {
        sh("ip neigh change 10.77.0.2 dev io-a nud stale");
        let mut online = Online::new(TARGET);
        online.settle();
        let state = output("ip -j neigh show to 10.77.0.2 dev io-a | jq -r '.[0].state[0]'");
        assert_ne!(state, "STALE");
    });
}

#[test]
fn a_neighbour_that_is_gone_is_left_to_the_kernel() {
    let (online, _test) = acquainted();
    online.run(|| {
        let mut online = Online::new(TARGET);
        online.settle();
        sh("ip neigh del 10.77.0.2 dev io-a");
        online.later();
        online.send();
        assert_eq!(
            output("ip -j neigh show to 10.77.0.2 dev io-a | jq length"),
            "1",
            "the kernel looks for it"
        );
    });
}

#[test]
fn a_changed_route_is_followed() {
    let (online, test) = acquainted();
    let peer = test.thread.to_string();
    online.run(move || {
        sh(&["ip link add io-c type veth peer name io-d netns", &peer].join(" "));
        sh("ip address add 10.78.0.1/24 dev io-c; ip link set io-c up");
        sh("ip route add 10.79.0.1 via 10.77.0.2 dev io-a");
    });
    let mac = test.run(|| {
        sh("ip address add 10.78.0.2/24 dev io-d; ip link set io-d up");
        mac_of("io-d")
    });
    let (mut first, mut second) = (arrivals(&test, "io-b"), arrivals(&test, "io-d"));
    let mut sender = online.run(move || {
        sh(&format!("ip neigh replace 10.78.0.2 lladdr {mac} dev io-c nud reachable"));
        let mut online = Online::new("10.79.0.1:8080");
        online.settle();
        online
    });
    wait_for(&mut first, 3);
    online.run(move || {
        sh("ip route replace 10.79.0.1 via 10.78.0.2 dev io-c");
        sender.settle();
    });
    wait_for(&mut second, 6);
    assert!(first.pending().is_empty());
}

/// A real server reads the payload of one long packet, whoever has cut it: without offloads the sending kernel does.
#[test]
fn a_long_packet_arrives_as_segments() {
    for offloads in [true, false] {
        for (client, target) in [("10.77.0.9:5555", TARGET), ("[fd77::9]:5555", TARGET_V6)] {
            let (online, test) = pair(offloads);
            let mac = online.run(|| mac_of("io-a"));
            let (bytes, answers) = mpsc::channel();
            test.run(move || {
                for client in ["10.77.0.9", "fd77::9"] {
                    sh(&format!("ip neigh replace {client} lladdr {mac} dev io-b nud permanent"));
                }
                let listener = TcpListener::bind(target).unwrap();
                std::thread::spawn(move || {
                    let mut all = vec![0; 40_001];
                    listener.accept().unwrap().0.read_exact(&mut all).unwrap();
                    bytes.send(all).unwrap();
                });
            });
            let payload: Vec<u8> = (0..40_001_u32).map(|i| ((i * i) >> 7) as u8).collect();
            let sent = payload.clone();
            let mut arriving = arrivals(&test, "io-b");
            online.run(move || {
                let mut online = Online::new(target);
                let (flow, syn) = segment(client, target, Seq(999), Seq(0), Flags::SYN, &[]);
                online.injector.send(&syn).unwrap();
                online.injector.flush().unwrap();
                let seen = online.sniffer.until(|seen| seen.source == flow.server);
                let ack = seen.iter().find(|seen| seen.source == flow.server).unwrap().seq + 1;
                online.settle();
                assert!(online.injector.long_payload(flow.server.ip) > sent.len());
                send_long(&mut online, &flow, ack, &sent, 1400).unwrap();
            });
            let all =
                answers.recv_timeout(Duration::from_secs(20)).expect("the server has not got all of it");
            assert!(all == payload, "the server has got something else");
            let seen = arriving.pending();
            let largest = seen.iter().map(|seen| seen.payload_len).max();
            assert_eq!(largest, Some(if offloads { 40_001 } else { 1400 }));
        }
    }
}

#[test]
fn a_packet_that_cannot_be_cut_is_refused() {
    let (online, _test) = acquainted();
    online.run(|| {
        let mut online = Online::new(TARGET);
        let flow = Flow { client: endpoint("10.77.0.9:5555"), server: endpoint(TARGET) };
        let send = |online: &mut Online, size| send_long(online, &flow, Seq(1), &[7; 20_000], size);
        let long = |online: &Online| online.injector.long_payload(flow.server.ip);
        assert_eq!(long(&online), 0, "the way is not known");
        assert!(send(&mut online, 1400).is_err());
        online.settle();
        assert!(long(&online) > 0);
        assert_eq!(send(&mut online, 1480).unwrap_err().raw_os_error(), Some(EMSGSIZE));
        assert_eq!(long(&online), 0, "until the way is looked up again");
    });
    isolated(|| {
        let mut online = Online::new("127.0.0.2:8080");
        online.send();
        online.later();
        assert_eq!(online.injector.long_payload(online.target.ip), 0, "loopback");
    });
}

#[test]
fn an_interface_that_goes_down_is_left_to_the_kernel() {
    let (online, _test) = acquainted();
    online.run(|| {
        let mut online = Online::new(TARGET);
        online.settle();
        sh("ip link set io-a down");
        // Before the next check for changes: packets in flight are lost.
        assert_eq!(online.send_sized(9), Err(Some(nix::libc::ENETDOWN)));
        assert_eq!(online.send_sized(9), Err(Some(nix::libc::ENETUNREACH)));
    });
}

#[test]
fn a_packet_that_is_too_long_is_an_error() {
    for target in [TARGET, TARGET_V6] {
        let (online, _test) = acquainted();
        online.run(move || {
            let mut online = Online::new(target);
            online.settle();
            assert_eq!(online.send_sized(1500), Err(Some(EMSGSIZE)));
            online.send();
        });
    }
}

#[test]
fn a_path_narrower_than_its_interface_is_left_to_the_kernel() {
    let (online, _test) = acquainted();
    online.run(|| {
        sh("ip route add 10.77.0.2/32 dev io-a mtu 1200");
        let mut online = Online::new(TARGET);
        online.later();
        assert!(online.by_kernel() && online.by_kernel() && online.by_kernel());
        assert_eq!(online.send_sized(1300), Err(Some(EMSGSIZE)));
    });
}

#[test]
fn packets_never_bypass_ipsec() {
    // One policy blocks, the other one holds packets until there are keys.
    for rule in ["action block", "tmpl src 10.77.0.1 dst 10.77.0.2 proto esp mode tunnel"] {
        let (online, test) = acquainted();
        let mut arriving = arrivals(&test, "io-b");
        online.run(move || {
            let mut online = Online::new(TARGET);
            online.settle();
            let selector = "dir out src 0.0.0.0/0 dst 10.77.0.2/32";
            sh(&format!("ip xfrm policy add {selector} {rule}"));
            // The kernel does not notify of a new policy.
            online.now = online.now + Duration::from_secs(1);
            online.injector.handle_time(online.now);
            for _ in 0..3 {
                let _refused_or_kept = online.send_sized(100);
            }
            sh(&format!("ip xfrm policy delete {selector}"));
            assert_eq!(online.send_sized(200), Ok(()));
        });
        let all = arriving.until(|seen| seen.payload_len == 200);
        assert!(all.iter().all(|seen| seen.payload_len != 100), "sent in the clear");
    }
}

#[test]
fn an_interface_that_is_no_ethernet_is_left_to_the_kernel() {
    isolated(|| {
        let mut online = Online::new("127.0.0.2:8080");
        online.later();
        assert!(online.by_kernel() && online.by_kernel() && online.by_kernel());

        sh("ip tuntap add io-t mode tun; ip address add 10.80.0.1/24 dev io-t; ip link set io-t up");
        let mut online = Online::new("10.80.0.2:8080");
        online.later();
        for _ in 0..3 {
            online.send();
        }
    });
}

#[test]
fn a_destination_that_was_not_announced_is_left_to_the_kernel() {
    let (online, test) = acquainted();
    let mut arriving = arrivals(&test, "io-b");
    online.run(|| {
        let mut online = Online::new("10.77.0.3:8080");
        online.target = endpoint(TARGET);
        online.later();
        assert!(online.by_kernel() && online.by_kernel());
    });
    wait_for(&mut arriving, 2);
}

/// An interface goes down while packets wait for the end of the batch: all of them are lost and reported.
#[test]
fn every_queued_packet_that_is_lost_is_counted() {
    let (online, _test) = acquainted();
    online.run(|| {
        let mut online = Online::new(TARGET);
        online.settle();
        let (_, packet) = segment("10.99.0.1:5555", TARGET, Seq(1), Seq(0), Flags::RST, b"put off");
        for _ in 0..7 {
            online.injector.send(&packet).unwrap();
        }
        assert_eq!(online.injector.unsent(), 7, "they wait for the end of the batch");
        sh("ip link set io-a down");
        let lost = online.injector.flush().unwrap_err();
        assert_eq!((lost.packets, lost.error.raw_os_error()), (7, Some(nix::libc::ENETDOWN)));
        assert_eq!(online.injector.unsent(), 0);
        online.injector.flush().unwrap();
    });
}
