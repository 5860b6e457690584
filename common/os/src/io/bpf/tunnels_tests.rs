//! What passes of packets in tunnels, in the interpreter and in the kernel.

use super::filter_tests::{
    CLIENT, CLIENT_6, SERVICE, SERVICE_6, kept, kernel_passes, mirror_filter, packet, packet_of,
    with_extensions, with_ip_options,
};
use super::{Program, Service};
use common_core::wire::{Flags, decapsulated};

const WHOLE: u32 = u32::MAX;

fn outer(is_v6: bool, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    if is_v6 {
        let [high, low] = length.to_be_bytes();
        return [&[0x60, 0, 0, 0, high, low, protocol, 64][..], &[0x20; 32], payload].concat();
    }
    let [high, low] = (length + 20).to_be_bytes();
    [&[0x45, 0, high, low, 0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2][..], payload].concat()
}

fn udp(port: u16, header: &[u8], payload: &[u8]) -> (u8, Vec<u8>) {
    let [high, low] = port.to_be_bytes();
    (17, [&[0xc0, 0, high, low, 0, 0, 0, 0][..], header, payload].concat())
}

fn gre(header: &[u8], payload: &[u8]) -> (u8, Vec<u8>) {
    (47, [header, payload].concat())
}

/// The packet in each tunnel: IP protocol, and what follows the outer IP header.
fn tunnels(packet: &[u8]) -> Vec<(&'static str, (u8, Vec<u8>))> {
    let kind: [u8; 2] = if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [8, 0] };
    let frame = |tags: &[u8]| [&[2; 12][..], tags, &kind, packet].concat();
    let vxlan = [8, 0, 0, 0, 0, 0, 42, 0];
    let erspan_iii = |last: [u8; 2]| {
        [&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 9, 0x20, 1, 0, 5, 1, 2, 3, 4, 0, 0][..], &last].concat()
    };
    vec![
        ("VXLAN", udp(4789, &vxlan, &frame(&[]))),
        ("VXLAN of Linux", udp(8472, &vxlan, &frame(&[0x81, 0, 0, 7]))),
        ("VXLAN with QinQ", udp(4789, &vxlan, &frame(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8]))),
        ("Geneve", udp(6081, &[0, 0, 0x65, 0x58, 0, 0, 42, 0], &frame(&[]))),
        ("Geneve with options", udp(6081, &[1, 0, 0x65, 0x58, 0, 0, 42, 0, 1, 2, 3, 0], &frame(&[]))),
        ("Geneve with IP", udp(6081, &[0, 0, kind[0], kind[1], 0, 0, 42, 0], packet)),
        ("GRE with IP", gre(&[0, 0, kind[0], kind[1]], packet)),
        ("GRE with a key", gre(&[0x20, 0, 0x65, 0x58, 0, 0, 0, 1], &frame(&[]))),
        ("GRE with all fields", gre(&[&[0xb0, 0, kind[0], kind[1]][..], &[1; 12]].concat(), packet)),
        ("ERSPAN I", gre(&[0, 0, 0x88, 0xbe], &frame(&[]))),
        (
            "ERSPAN II",
            gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 9, 0x10, 1, 0, 5, 0, 0, 0, 3], &frame(&[0x81, 0, 0, 7])),
        ),
        ("ERSPAN III", gre(&erspan_iii([0x80, 0]), &frame(&[]))),
        ("ERSPAN III, subheader", gre(&[&erspan_iii([0x80, 1])[..], &[7; 8]].concat(), &frame(&[]))),
    ]
}

#[test]
fn ports_and_flags_of_the_inner_segment_decide() {
    let (ack, push) = (Flags::ACK, Flags::ACK | Flags::PSH);
    let program = mirror_filter(true);
    for (client, service) in [(CLIENT, SERVICE), (CLIENT_6, SERVICE_6)] {
        let head = 128 + u32::from(client == CLIENT_6) * 20;
        for (what, inner, wanted) in [
            ("a request", packet(client, service, push, 9), WHOLE),
            ("a SYN", packet(client, service, Flags::SYN, 0), WHOLE),
            ("an acknowledgement", packet(client, service, ack, 0), 0),
            ("a SYN-ACK", packet(service, client, Flags::SYN | ack, 0), WHOLE),
            ("a reset", packet(service, client, Flags::RST, 0), WHOLE),
            ("a greeting", packet_of(service, client, push, &[7; 300]), head),
            ("another answer", packet_of(service, client, push, &[8; 300]), 0),
            ("other traffic", packet(client, &service.replace(":80", ":81"), push, 9), 0),
        ] {
            for (name, (protocol, tunnel)) in tunnels(&inner) {
                for is_v6 in [false, true] {
                    let packet = outer(is_v6, protocol, &tunnel);
                    assert_eq!(decapsulated(&packet), inner, "{name}");
                    // The headers of the inner segment: IPv4 or IPv6, TCP with timestamps.
                    let headers = u32::try_from(packet.len() - inner.len()).unwrap() + 52;
                    let wanted = if wanted == head { headers + head } else { wanted };
                    assert_eq!(kept(&program, &packet, 0, 0), wanted, "{what} in {name}, {client}, {is_v6}");
                    if wanted == 0 || wanted == WHOLE {
                        assert_eq!(kernel_passes(&program, &packet), wanted > 0, "{what} in {name}, kernel");
                    }
                }
            }
        }
    }
}

#[test]
fn what_the_filter_does_not_look_into_passes() {
    let program = mirror_filter(true);
    let other = packet(CLIENT, "10.0.0.3:9", Flags::ACK, 0);
    let (_, (protocol, vxlan)) = tunnels(&other).remove(0);
    let nested = outer(false, protocol, &vxlan);
    let six = with_extensions(packet(CLIENT_6, "[fd00::3]:9", Flags::ACK, 0), &[60]);
    for (inner, passes) in [(&nested, true), (&six, true), (&other, false)] {
        for (name, (protocol, tunnel)) in tunnels(inner) {
            let packet = outer(true, protocol, &tunnel);
            assert_eq!(kept(&program, &packet, 0, 0) > 0, passes, "{name}");
            assert_eq!(kernel_passes(&program, &packet), passes, "{name}, in the kernel");
        }
    }
}

#[test]
fn a_long_list_of_services_leaves_room_for_it() {
    let services: Vec<Service> = (0..2000_u16)
        .map(|at| Service {
            ip: Some(std::net::Ipv4Addr::from(0x0a01_0000 + u32::from(at)).into()),
            port: 1000 + at,
        })
        .collect();
    let program = Program::mirrored(&services, &[], &[], true);
    let request = packet(CLIENT, "10.1.5.220:2500", Flags::ACK, 9);
    let (_, (protocol, tunnel)) = tunnels(&request).remove(0);
    let packet = outer(false, protocol, &tunnel);
    assert!(kept(&program, &packet, 0, 0) > 0);
    assert!(kernel_passes(&program, &packet), "in the kernel");
}

#[test]
fn options_count() {
    let program = mirror_filter(true);
    let request = |payload| with_ip_options(packet(CLIENT, SERVICE, Flags::ACK, payload), 3);
    for (payload, passes) in [(0, false), (1, true)] {
        let (_, (protocol, tunnel)) = tunnels(&request(payload)).remove(0);
        let packet = with_ip_options(outer(false, protocol, &tunnel), 2);
        assert_eq!(kept(&program, &packet, 0, 0) > 0, passes, "{payload} bytes");
        assert_eq!(kernel_passes(&program, &packet), passes, "{payload} bytes, in the kernel");
    }
}

#[test]
fn other_protocols_and_ports_are_dropped() {
    let program = mirror_filter(true);
    let request = packet(CLIENT, SERVICE, Flags::ACK, 9);
    let mut fragment = outer(false, 17, &tunnels(&request).remove(0).1.1);
    fragment[7] = 9;
    let cases = [
        ("a later fragment", fragment),
        ("another UDP port", outer(false, 17, &udp(53, &[8, 0, 0, 0, 0, 0, 42, 0], &request).1)),
        ("IPsec", outer(false, 50, &request)),
        ("GRE with source routes", outer(false, 47, &gre(&[0x40, 0, 8, 0], &request).1)),
        ("GRE with another protocol", outer(true, 47, &gre(&[0, 0, 8, 6], &request).1)),
        ("Geneve with another protocol", outer(true, 17, &udp(6081, &[0, 0, 8, 6, 0, 0, 42, 0], &request).1)),
    ];
    for (name, packet) in cases {
        assert_eq!(kept(&program, &packet, 0, 0), 0, "{name}");
        assert!(!kernel_passes(&program, &packet), "{name}, in the kernel");
    }
    let tunnel = outer(false, 17, &tunnels(&request).remove(0).1.1);
    assert_eq!(kept(&mirror_filter(false), &tunnel, 0, 0), 0, "without --decap");
}
