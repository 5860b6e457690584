//! The packets that the filters pass, case by case. Cases without frame metadata also run in the kernel.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::libc::{ETH_P_8021AD, ETH_P_8021Q};
use socket2::SockRef;

use super::interpreter::{Metadata, run};
use super::{HEAD, MAX_INSTRUCTIONS, Program, Service, ServiceAnswers};
use crate::clock::Clock;
use common_core::flow::{Endpoint, Flow};
use common_core::payload_prefix::PayloadPrefix;
use common_core::time::Time;
use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Seq, Timestamps};

pub(super) const CLIENT: &str = "10.0.0.9:50000";
pub(super) const SERVICE: &str = "10.0.0.1:80";
const TARGET: &str = "10.0.0.2:80";
pub(super) const CLIENT_6: &str = "[fd00::9]:50000";
pub(super) const SERVICE_6: &str = "[fd00::1]:80";
const TARGET_6: &str = "[fd00::2]:80";

const HOST: u32 = 0;
const OTHER_HOST: u32 = 3;
const OUTGOING: u32 = 4;

fn endpoint(text: &str) -> Endpoint {
    text.parse::<std::net::SocketAddr>().unwrap().into()
}

fn service(text: &str) -> Service {
    let endpoint = endpoint(text);
    Service { ip: Some(endpoint.ip), port: endpoint.port }
}

pub(super) fn packet(from: &str, to: &str, flags: Flags, payload: usize) -> Vec<u8> {
    packet_of(from, to, flags, &vec![0; payload])
}

pub(super) fn packet_of(from: &str, to: &str, flags: Flags, payload: &[u8]) -> Vec<u8> {
    let flow = Flow { client: endpoint(from), server: endpoint(to) };
    let timestamps = Some(Timestamps { value: 1, echo: 2 });
    let options = Options { timestamps, ..Options::default() };
    let outgoing = Outgoing { seq: Seq(1), ack: Seq(2), flags, window: 9, options, payload: (payload, &[]) };
    let packet = PacketBuilder::new().build(&flow, &outgoing).to_vec();
    assert!(!packet.is_empty());
    packet
}

/// The same packet with `bytes` inserted at `at`.
fn insert(mut packet: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    packet.splice(at..at, bytes.iter().copied());
    packet
}

/// The same packet with the bytes at `at` replaced.
fn patch(mut packet: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    packet[at..at + bytes.len()].copy_from_slice(bytes);
    packet
}

/// An IPv4 packet with `words` words of header options.
pub(super) fn with_ip_options(packet: Vec<u8>, words: u8) -> Vec<u8> {
    let total = u16::try_from(packet.len() + 4 * usize::from(words)).unwrap();
    let packet = insert(packet, 20, &vec![1; 4 * usize::from(words)]);
    patch(patch(packet, 0, &[0x45 + words]), 2, &total.to_be_bytes())
}

/// An IPv6 packet whose extension headers are `types`, 16 bytes each.
pub(super) fn with_extensions(packet: Vec<u8>, types: &[u8]) -> Vec<u8> {
    let mut packet = packet;
    for each in types.iter().rev() {
        let next = packet[6];
        packet = insert(packet, 40, &[[next, 1, 1, 12].as_slice(), &[0; 12]].concat());
        packet[6] = *each;
    }
    let length = u16::try_from(packet.len() - 40).unwrap();
    patch(packet, 4, &length.to_be_bytes())
}

fn passes(program: &Program, packet: &[u8], packet_type: u32, protocol: i32) -> bool {
    let passed = kept(program, packet, packet_type, protocol);
    assert!(passed == 0 || passed == u32::MAX);
    passed > 0
}

/// The number of bytes of a packet that pass.
pub(super) fn kept(program: &Program, packet: &[u8], packet_type: u32, protocol: i32) -> u32 {
    let protocol = protocol.cast_unsigned();
    run(program, packet, Metadata { packet_type, protocol, ..Metadata::default() })
}

pub(super) fn kernel_passes(program: &Program, packet: &[u8]) -> bool {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    SockRef::from(&theirs).attach_filter(&program.to_sock_filters()).unwrap();
    theirs.set_nonblocking(true).unwrap();
    ours.send(packet).unwrap();
    let mut buffer = vec![0; 1 << 17];
    match theirs.recv(&mut buffer) {
        Ok(received) => {
            assert_eq!(&buffer[..received], packet, "passed, but not whole");
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            false
        }
    }
}

/// Checks received frames in the interpreter and in the kernel, which must agree.
fn check_received(program: &Program, cases: &[(&str, Vec<u8>, bool)]) {
    for (name, packet, wanted) in cases {
        assert_eq!(passes(program, packet, HOST, 0), *wanted, "{name}");
        assert_eq!(kernel_passes(program, packet), *wanted, "{name}, in the kernel");
    }
}

fn clients_filter() -> Program {
    Program::clients(&[service(SERVICE), service(SERVICE_6)], &[endpoint(TARGET), endpoint(TARGET_6)])
}

#[test]
fn all_client_segments_but_pure_acknowledgements_pass() {
    let (ack, push) = (Flags::ACK, Flags::ACK | Flags::PSH);
    let data = |payload| packet(CLIENT, SERVICE, push, payload);
    let pure = || packet(CLIENT, SERVICE, ack, 0);
    let to_6 = |flags, payload| packet(CLIENT_6, SERVICE_6, flags, payload);
    let beyond = [0x20, 0x10];
    check_received(
        &clients_filter(),
        &[
            ("pure ACK", pure(), false),
            ("pure ACK with padding of the link layer", insert(pure(), 52, &[0; 6]), false),
            ("pure ACK with IP options", with_ip_options(pure(), 3), false),
            ("one byte", data(1), true),
            ("one byte with IP options", with_ip_options(data(1), 10), true),
            ("a GSO segment of 64 KB", data(65535 - 52), true),
            ("a BIG TCP segment", patch(data(65535 - 52), 2, &[0, 0]), true),
            ("SYN", packet(CLIENT, SERVICE, Flags::SYN, 0), true),
            ("FIN", packet(CLIENT, SERVICE, Flags::FIN | ack, 0), true),
            ("RST", packet(CLIENT, SERVICE, Flags::RST, 0), true),
            ("first fragment", patch(data(100), 6, &[0x20, 0]), true),
            ("later fragment", patch(data(100), 6, &beyond), false),
            ("last fragment", patch(data(100), 6, &[0, 0x10]), false),
            ("UDP", patch(data(100), 9, &[17]), false),
            ("another port", packet(CLIENT, "10.0.0.1:81", push, 9), false),
            ("another address", packet(CLIENT, "10.0.0.3:80", push, 9), false),
            ("our own copy", packet(CLIENT, TARGET, push, 9), false),
            ("the answer to our own copy", packet(TARGET, SERVICE, push, 9), false),
            ("the service's answer", packet(SERVICE, CLIENT, push, 9), false),
            ("IPv6 pure ACK", to_6(ack, 0), false),
            ("IPv6 data", to_6(push, 1), true),
            ("IPv6 SYN", to_6(Flags::SYN, 0), true),
            ("IPv6 pure ACK after an extension header", with_extensions(to_6(ack, 0), &[60]), false),
            ("IPv6 data after an extension header", with_extensions(to_6(push, 1), &[0]), true),
            ("IPv6 after two extension headers", with_extensions(to_6(ack, 0), &[0, 43]), true),
            ("IPv6 fragment", with_extensions(to_6(push, 8), &[44]), false),
            ("IPv6 BIG TCP", patch(with_extensions(to_6(push, 8), &[0]), 4, &[0, 0]), true),
            ("IPv6 our own copy", packet(CLIENT_6, TARGET_6, push, 9), false),
            ("IPv6 another address", packet(CLIENT_6, "[fd00::3]:80", push, 9), false),
            (
                "IPv6 an address that differs in its first word",
                packet(CLIENT_6, "[fe00::1]:80", push, 9),
                false,
            ),
            ("cut off in the TCP header", data(1)[..30].to_vec(), false),
            ("one byte only", vec![0x45], false),
            ("ARP", vec![0, 1, 8, 0, 6, 4, 0, 1], false),
        ],
    );
}

#[test]
fn of_outgoing_segments_only_the_syn_acks_and_resets_of_services_pass() {
    let program = clients_filter();
    let syn_ack = Flags::SYN | Flags::ACK;
    for (from, to, flags, payload, wanted) in [
        (SERVICE, CLIENT, syn_ack, 0, true),
        (SERVICE_6, CLIENT_6, syn_ack, 0, true),
        (SERVICE, CLIENT, Flags::ACK, 900, false),
        (SERVICE, CLIENT, Flags::RST | Flags::ACK, 0, true),
        (SERVICE, CLIENT, Flags::RST, 0, true),
        (SERVICE_6, CLIENT_6, Flags::RST, 0, true),
        (SERVICE, CLIENT, Flags::FIN | Flags::ACK, 0, false),
        ("10.0.0.1:81", CLIENT, Flags::RST, 0, false),
        (TARGET, CLIENT, Flags::RST, 0, false),
        (CLIENT, SERVICE, Flags::RST, 0, false),
        ("10.0.0.1:81", CLIENT, syn_ack, 0, false),
        (TARGET, CLIENT, syn_ack, 0, false),
        // A client on this host, and a copy: their packets are captured as outgoing and then as incoming.
        (CLIENT, SERVICE, Flags::SYN, 0, false),
        (CLIENT, SERVICE, Flags::ACK, 900, false),
        (CLIENT, TARGET, Flags::SYN, 0, false),
    ] {
        let packet = packet(from, to, flags, payload);
        assert_eq!(passes(&program, &packet, OUTGOING, 0), wanted, "{from} > {to} {flags:?}");
    }
}

#[test]
fn of_a_service_without_prefixes_the_heads_of_all_answers_pass() {
    let (quiet, wanted) = ("10.0.0.1:81", [service(SERVICE), service(SERVICE_6)]);
    let services = [&wanted[..], &[service(quiet)]].concat();
    let answers = wanted.map(|service| ServiceAnswers { service, answers: &[&[]], whole: &[] });
    let program = Program::conversations(&services, &answers, &[endpoint(TARGET)]);
    let (ack, syn_ack) = (Flags::ACK, Flags::SYN | Flags::ACK);
    for (from, to, flags, payload, wanted) in [
        (SERVICE, CLIENT, syn_ack, 0, u32::MAX),
        (SERVICE, CLIENT, ack, 1, HEAD),
        (SERVICE, CLIENT, ack, 65_535 - 52, HEAD),
        (SERVICE, CLIENT, ack, 0, 0),
        (SERVICE, CLIENT, ack | Flags::RST, 0, u32::MAX),
        (SERVICE_6, CLIENT_6, ack, 900, HEAD),
        (SERVICE_6, CLIENT_6, ack, 0, 0),
        (quiet, CLIENT, syn_ack, 0, u32::MAX),
        (quiet, CLIENT, ack, 900, 0),
        ("10.0.0.1:82", CLIENT, ack, 900, 0),
        (TARGET, CLIENT, ack, 900, 0),
        (CLIENT, SERVICE, ack, 900, 0),
    ] {
        let packet = packet(from, to, flags, payload);
        assert_eq!(kept(&program, &packet, OUTGOING, 0), wanted, "{from} > {to} {flags:?} +{payload}");
    }
    check_received(
        &program,
        &[
            ("the client", packet(CLIENT, SERVICE, ack, 9), true),
            ("the answer, on its way in", packet(SERVICE, CLIENT, ack, 900), false),
        ],
    );
}

/// Two prefixes of different lengths.
const ANSWERS: &[PayloadPrefix] = &[&[None, Some(7), None, Some(9)], &[Some(1), Some(2), Some(3)]];

#[test]
fn only_answers_with_a_wanted_prefix_pass() {
    let answers = [SERVICE, SERVICE_6].map(|text| ServiceAnswers {
        service: service(text),
        answers: ANSWERS,
        whole: &[],
    });
    let program = Program::conversations(&answers.map(|each| each.service), &answers, &[endpoint(TARGET)]);
    let ack = Flags::ACK | Flags::PSH;
    let long = [&[1, 2, 3][..], &[0; 3000]].concat();
    for (name, payload, wanted) in [
        ("the one", &[5, 7, 5, 9, 5][..], true),
        ("no more than the one", &[5, 7, 5, 9], true),
        ("the other", &long, true),
        ("both ways", &[1, 7, 3, 9], true),
        ("no more than the other", &[1, 2, 3], true),
        ("less than any", &[1, 2], false),
        ("too little for the one", &[5, 7, 5], false),
        ("neither", &[5, 7, 5, 5, 9], false),
        ("later on", &[0, 1, 2, 3, 4], false),
        ("nothing", &[], false),
    ] {
        let wanted = if wanted { HEAD } else { 0 };
        let v4 = packet_of(SERVICE, CLIENT, ack, payload);
        let v6 = packet_of(SERVICE_6, CLIENT_6, ack, payload);
        // A TCP header without options.
        let short = patch([&v4[..40], payload].concat(), 32, &[0x50]);
        for (dress, packet) in [
            ("", v4.clone()),
            (" with IP options", with_ip_options(v4.clone(), 10)),
            (" with a short TCP header", short),
            (" over IPv6", v6.clone()),
            (" after an extension header", with_extensions(v6, &[60])),
        ] {
            assert_eq!(kept(&program, &packet, OUTGOING, 0), wanted, "{name}{dress}");
        }
        assert_eq!(
            kept(&program, &packet_of(TARGET, CLIENT, ack, payload), OUTGOING, 0),
            0,
            "{name}, a target's"
        );
        assert_eq!(kept(&program, &packet_of("10.0.0.1:81", CLIENT, ack, payload), OUTGOING, 0), 0);
        check_received(&program, &[(name, v4, false)]);
    }
    let syn_ack = packet(SERVICE, CLIENT, Flags::SYN | Flags::ACK, 0);
    assert_eq!(kept(&program, &syn_ack, OUTGOING, 0), u32::MAX);
}

#[test]
fn services_of_one_port_share_their_prefixes() {
    let other: &[PayloadPrefix] = &[&[Some(4)]];
    let wanted = |text: &str, answers| ServiceAnswers { service: service(text), answers, whole: &[] };
    let any = |port, answers| ServiceAnswers { service: Service { ip: None, port }, answers, whole: &[] };
    let says = |list: &[ServiceAnswers], from: &str, payload: &[u8]| {
        let services: Vec<_> = list.iter().map(|each| each.service).collect();
        let program = Program::conversations(&services, list, &[]);
        kept(&program, &packet_of(from, CLIENT, Flags::ACK, payload), OUTGOING, 0) > 0
    };
    let two_ports = [wanted(SERVICE, ANSWERS), wanted("10.0.0.1:81", other), any(82, &[])];
    for (from, payload, wanted) in [
        (SERVICE, &[1, 2, 3][..], true),
        (SERVICE, &[4, 5, 6], false),
        ("10.0.0.1:81", &[1, 2, 3], false),
        ("10.0.0.1:81", &[4, 5, 6], true),
        ("10.0.0.1:82", &[4, 5, 6], false),
    ] {
        assert_eq!(says(&two_ports, from, payload), wanted, "{from} {payload:?}");
    }
    let one_port = [wanted(SERVICE, ANSWERS), any(80, other)];
    assert!(
        says(&one_port, SERVICE, &[1, 2, 3])
            && says(&one_port, SERVICE, &[4])
            && !says(&one_port, SERVICE, &[9])
    );
    let many: Vec<_> = many(20_000, 20_000, false)
        .iter()
        .map(|each| ServiceAnswers {
            service: Service { ip: Some(each.ip), port: each.port },
            answers: if each.port == 1007 { other } else { ANSWERS },
            whole: &[],
        })
        .collect();
    assert!(says(&many, "11.0.0.7:1007", &[4]) && says(&many, "11.0.0.8:1008", &[1, 2, 3]));
}

#[test]
fn a_service_without_an_address_is_its_port_on_any_but_a_target() {
    let program = Program::clients(
        &[Service { ip: None, port: 80 }, service("10.0.0.1:443"), service("10.0.0.5:443")],
        &[endpoint(TARGET), endpoint("10.0.0.7:443")],
    );
    let case = |to, wanted| (to, packet(CLIENT, to, Flags::SYN, 0), wanted);
    check_received(
        &program,
        &[
            case(SERVICE, true),
            case("192.168.7.7:80", true),
            case(TARGET, false),
            case("10.0.0.1:443", true),
            case("10.0.0.5:443", true),
            case("10.0.0.2:443", false),
            case("10.0.0.7:443", false),
            case("10.0.0.7:80", true),
        ],
    );
    let to_6 = packet(CLIENT_6, "[fd00::77]:80", Flags::SYN, 0);
    check_received(&program, &[("IPv6 with any address", to_6, true)]);
    let syn_ack = packet(TARGET, CLIENT, Flags::SYN | Flags::ACK, 0);
    assert!(!passes(&program, &syn_ack, OUTGOING, 0), "a target on this host is no service");
}

#[test]
fn mirrored_traffic_passes_as_received() {
    assert!(passes(&clients_filter(), &packet(CLIENT, SERVICE, Flags::SYN, 0), OTHER_HOST, 0));
}

#[test]
fn a_received_frame_with_a_second_tag_passes() {
    let tagged = insert(packet(CLIENT, SERVICE, Flags::ACK, 0), 0, &[0x40, 5, 8, 0]);
    let plain = packet(SERVICE, CLIENT, Flags::ACK, 900);
    let answers = Program::answers(&[endpoint(TARGET)]);
    for tag in [ETH_P_8021Q, ETH_P_8021AD] {
        assert!(passes(&clients_filter(), &tagged, HOST, tag));
        assert!(passes(&answers, &tagged, HOST, tag));
        assert!(!passes(&clients_filter(), &plain, OUTGOING, tag));
        assert!(passes(&answers, &packet(TARGET, CLIENT, Flags::ACK, 0), OUTGOING, tag));
    }
}

#[test]
fn every_segment_of_the_servers_passes() {
    let program = Program::answers(&[endpoint(TARGET), endpoint(TARGET_6)]);
    let ack = Flags::ACK;
    let cases = [
        ("pure ACK", packet(TARGET, CLIENT, ack, 0), true),
        ("data", packet(TARGET, CLIENT, ack, 900), true),
        ("IPv6", packet(TARGET_6, CLIENT_6, ack, 0), true),
        ("to the server", packet(CLIENT, TARGET, ack, 9), false),
        ("another port", packet("10.0.0.2:81", CLIENT, ack, 9), false),
        ("another server", packet(SERVICE, CLIENT, ack, 9), false),
        ("later fragment", patch(packet(TARGET, CLIENT, ack, 9), 6, &[0x20, 1]), false),
    ];
    check_received(&program, &cases);
    for (name, packet, wanted) in &cases {
        assert_eq!(passes(&program, packet, OUTGOING, 0), *wanted, "{name}, leaving");
    }
}

#[test]
fn without_servers_or_services_nothing_passes() {
    let syn = packet(CLIENT, SERVICE, Flags::SYN, 0);
    let none = [("SYN", syn, false)];
    check_received(&Program::answers(&[]), &none);
    check_received(&Program::clients(&[], &[]), &none);
    check_received(&super::nothing(), &none);
}

/// `count` endpoints of different addresses, on `ports` different ports.
fn many(count: u32, ports: u32, v6: bool) -> Vec<Endpoint> {
    (0..count)
        .map(|i| {
            let ip = if v6 {
                IpAddr::from((0xfd_u128 << 120 | u128::from(i)).to_be_bytes())
            } else {
                IpAddr::from((0x0b00_0000 + i).to_be_bytes())
            };
            Endpoint::new(ip, u16::try_from(1000 + i % ports).unwrap())
        })
        .collect()
}

#[test]
fn lists_too_long_for_the_kernel_make_the_filter_broader_but_never_narrower() {
    let pure = packet(CLIENT, "11.0.0.0:1000", Flags::ACK, 0);
    for (count, ports, v6) in [
        (100, 1, false),
        (100, 100, false),
        (1500, 1, false),
        (3000, 1, true),
        (100, 100, true),
        (20_000, 20_000, false),
    ] {
        let list = many(count, ports, v6);
        let services: Vec<_> =
            list.iter().map(|each| Service { ip: Some(each.ip), port: each.port }).collect();
        let program = Program::clients(&services, &[endpoint(TARGET)]);
        assert!(program.instructions.len() <= MAX_INSTRUCTIONS);
        let client = if v6 { CLIENT_6 } else { CLIENT };
        for each in [list.first(), list.last()].into_iter().flatten() {
            let to = each.to_string();
            check_received(&program, &[("a listed service", packet(client, &to, Flags::SYN, 0), true)]);
            let program = Program::answers(&list);
            check_received(&program, &[("a listed server", packet(&to, client, Flags::ACK, 0), true)]);
        }
        check_received(&program, &[("pure ACK", pure.clone(), false)]);
    }
    // Lists that fit are matched exactly.
    let services: Vec<_> =
        many(250, 1, false).iter().map(|each| Service { ip: Some(each.ip), port: each.port }).collect();
    let other = packet(CLIENT, "12.0.0.0:1000", Flags::SYN, 0);
    check_received(&Program::clients(&services, &[]), &[("another address", other, false)]);
}

#[test]
fn a_list_much_longer_than_a_filter_is_handled_quickly() {
    let servers: Vec<_> =
        (0..300_000_u32).map(|n| endpoint(&format!("[fd00::{:x}:{:x}]:80", n >> 16, n & 0xffff))).collect();
    let clock = Clock::start();
    let program = Program::answers(&servers);
    // A linear search for each would take half a minute.
    let taken = clock.now().since(Time::ZERO);
    assert!(taken < Duration::from_secs(5), "{taken:?}");
    assert_eq!(program.instructions.len(), Program::answers(&servers[..100]).instructions.len());
    check_received(&program, &[("a server", packet("[fd00::99]:80", CLIENT_6, Flags::ACK, 0), true)]);
}

#[test]
fn answers_that_are_wanted_whole_pass_whole() {
    let answers = [ServiceAnswers { service: service(SERVICE), answers: ANSWERS, whole: &ANSWERS[1..] }];
    // Without addresses, of a port beside one with other prefixes, and of all ports.
    for count in [1, 2, 300] {
        let others = (0..count).map(|number| Service { ip: None, port: 100 + number });
        let services: Vec<_> = answers.iter().map(|each| each.service).chain(others).collect();
        let program = Program::conversations(&services, &answers, &[]);
        for (payload, wanted) in [(&[5, 7, 5, 9, 5][..], HEAD), (&[1, 2, 3, 4], u32::MAX), (&[1, 2, 4, 4], 0)]
        {
            let packet = packet_of(SERVICE, CLIENT, Flags::ACK, payload);
            assert_eq!(kept(&program, &packet, OUTGOING, 0), wanted, "{payload:?}, {count} services");
        }
    }
}

/// The filter of a mirror, with all answers of the service that begin with a greeting.
pub(super) fn mirror_filter(tunnels: bool) -> Program {
    const GREETING: PayloadPrefix = &[Some(7)];
    let services = [service(SERVICE), service(SERVICE_6)];
    let answers = services.map(|service| ServiceAnswers { service, answers: &[GREETING], whole: &[] });
    Program::mirrored(&services, &answers, &[endpoint(TARGET), endpoint(TARGET_6)], tunnels)
}

#[test]
fn the_service_tells_the_direction_of_mirrored_packets() {
    let (ack, push) = (Flags::ACK, Flags::ACK | Flags::PSH);
    for (client, service, elsewhere, target) in
        [(CLIENT, SERVICE, "10.0.0.3:80", TARGET), (CLIENT_6, SERVICE_6, "[fd00::3]:80", TARGET_6)]
    {
        for packet_type in [HOST, OTHER_HOST, OUTGOING] {
            for (name, packet, bytes) in [
                ("a request", packet(client, service, push, 9), u32::MAX),
                ("a SYN", packet(client, service, Flags::SYN, 0), u32::MAX),
                ("an acknowledgement", packet(client, service, ack, 0), 0),
                ("a SYN-ACK", packet(service, client, Flags::SYN | ack, 0), u32::MAX),
                ("a reset", packet(service, client, Flags::RST, 0), u32::MAX),
                ("a greeting", packet_of(service, client, push, &[7, 1]), HEAD),
                ("another answer", packet_of(service, client, push, &[8, 1]), 0),
                ("a request elsewhere", packet(client, elsewhere, push, 9), 0),
                ("a SYN-ACK from elsewhere", packet(elsewhere, client, Flags::SYN | ack, 0), 0),
                ("a copy", packet(client, target, push, 9), 0),
            ] {
                for tunnels in [false, true] {
                    let kept = kept(&mirror_filter(tunnels), &packet, packet_type, 0);
                    // With tunnels, the payload counts, of which there are two bytes.
                    let whole = u32::try_from(packet.len()).unwrap();
                    let bytes = if tunnels && bytes == HEAD { whole + 126 } else { bytes };
                    assert_eq!(kept, bytes, "{name}, {client}, type {packet_type}, {tunnels}");
                }
            }
        }
    }
}
