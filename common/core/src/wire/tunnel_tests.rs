//! Headers byte by byte, as the documents draw them.

use proptest::prelude::*;

use super::*;

const V4: [u8; 24] =
    [0x45, 0, 0, 24, 0, 7, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, b'd', b'a', b't', b'a'];

fn v6() -> Vec<u8> {
    [&[0x60, 0, 0, 0, 0, 4, 6, 64][..], &[0xfd; 32], b"data"].concat()
}

fn outer_v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let header = [0x45, 0, total[0], total[1], 0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    [&header[..], payload].concat()
}

fn outer_v6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[0x60, 0, 0, 0, length[0], length[1], protocol, 64][..], &[0x20; 32], payload].concat()
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let (port, length) = (port.to_be_bytes(), u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
    [&[0xc0, 0, port[0], port[1], length[0], length[1], 0, 0][..], payload].concat()
}

fn frame(tags: &[u8], packet: &[u8]) -> Vec<u8> {
    let kind: [u8; 2] = if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [8, 0] };
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], tags, &kind, packet].concat()
}

/// All tunnels with this packet, each with its name: what stands after the outer IP header, and its protocol.
fn tunnels(packet: &[u8]) -> Vec<(&'static str, u8, Vec<u8>)> {
    let plain = frame(&[], packet);
    let kind: [u8; 2] = if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [8, 0] };
    let vxlan = |inner: &[u8]| [&[8, 0, 0, 0, 0, 0, 42, 0][..], inner].concat();
    vec![
        ("VXLAN", UDP, udp(4789, &vxlan(&plain))),
        ("VXLAN of Linux", UDP, udp(8472, &vxlan(&plain))),
        ("VXLAN with a VLAN tag", UDP, udp(4789, &vxlan(&frame(&[0x81, 0, 0, 7], packet)))),
        ("VXLAN with QinQ", UDP, udp(4789, &vxlan(&frame(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8], packet)))),
        ("Geneve", UDP, udp(6081, &[&[0, 0, 0x65, 0x58, 0, 0, 42, 0][..], &plain].concat())),
        (
            "Geneve with options, and IP in it",
            UDP,
            udp(
                6081,
                &[&[3, 0x40, kind[0], kind[1], 0, 0, 42, 0][..], &[1, 2, 0x80, 2], &[9; 8], packet].concat(),
            ),
        ),
        ("GRE with IP in it", GRE, [&[0, 0, kind[0], kind[1]][..], packet].concat()),
        ("GRE with Ethernet in it", GRE, [&[0, 0, 0x65, 0x58][..], &plain].concat()),
        (
            "GRE with all fields",
            GRE,
            [&[0xb0, 0, kind[0], kind[1]][..], &[1, 2, 0, 0], &[3; 4], &[4; 4], packet].concat(),
        ),
        ("ERSPAN I", GRE, [&[0, 0, 0x88, 0xbe][..], &plain].concat()),
        (
            "ERSPAN II",
            GRE,
            [&[0x10, 0, 0x88, 0xbe][..], &[0, 0, 0, 9], &[0x10, 1, 0, 5, 0, 0, 0, 3], &plain].concat(),
        ),
        (
            "ERSPAN III",
            GRE,
            [
                &[0x10, 0, 0x22, 0xeb][..],
                &[0, 0, 0, 9],
                &[0x20, 1, 0, 5, 1, 2, 3, 4, 0, 0, 0x80, 0x00],
                &plain,
            ]
            .concat(),
        ),
        (
            "ERSPAN III with a subheader, and IP in it",
            GRE,
            [
                &[0x10, 0, 0x22, 0xeb][..],
                &[0, 0, 0, 9],
                &[0x20, 1, 0, 5, 1, 2, 3, 4, 0, 0, 0x88, 0x01],
                &[7; 8],
                packet,
            ]
            .concat(),
        ),
    ]
}

#[test]
fn every_tunnel_is_removed_from_either_family() {
    for packet in [V4.to_vec(), v6()] {
        for (name, protocol, tunnel) in tunnels(&packet) {
            assert_eq!(decapsulated(&outer_v4(protocol, &tunnel)), packet, "{name} in IPv4");
            assert_eq!(decapsulated(&outer_v6(protocol, &tunnel)), packet, "{name} in IPv6");
        }
    }
}

#[test]
fn a_tunnel_that_is_cut_in_its_headers_stays() {
    for (name, protocol, tunnel) in tunnels(&V4) {
        let whole = outer_v4(protocol, &tunnel);
        for length in 0..whole.len() - V4.len() {
            assert_eq!(decapsulated(&whole[..length]), &whole[..length], "{name}, {length} bytes");
        }
        // The inner packet may be cut: its own length says so.
        let cut = &whole[..whole.len() - 2];
        assert_eq!(decapsulated(cut), &V4[..V4.len() - 2], "{name}");
    }
}

#[test]
fn tunnels_in_tunnels_are_removed_up_to_the_fourth() {
    let mut packet = V4.to_vec();
    for depth in 1..=6 {
        packet = outer_v4(GRE, &[&[0, 0, 8, 0][..], &packet].concat());
        let expected = if depth <= 4 { V4.len() } else { V4.len() + (depth - 4) * 24 };
        assert_eq!(decapsulated(&packet).len(), expected, "{depth} tunnels");
    }
    let (_, _, vxlan) = tunnels(&V4).remove(0);
    let (_, protocol, erspan) = tunnels(&outer_v6(UDP, &vxlan)).remove(10);
    assert_eq!(decapsulated(&outer_v4(protocol, &erspan)), V4);
}

#[test]
fn options_and_extension_headers_precede_a_tunnel() {
    let (_, _, vxlan) = tunnels(&V4).remove(0);
    let mut options = outer_v4(UDP, &[&[1, 1, 1, 1][..], &vxlan].concat());
    options[0] = 0x46;
    assert_eq!(decapsulated(&options), V4);
    let extension = [&[UDP, 0, 1, 4, 0, 0, 0, 0][..], &vxlan].concat();
    assert_eq!(decapsulated(&outer_v6(60, &extension)), V4);
}

#[test]
fn what_is_no_tunnel_stays() {
    let plain = frame(&[], &V4);
    let vxlan = |flags: u8| outer_v4(UDP, &udp(4789, &[&[flags, 0, 0, 0, 0, 0, 42, 0][..], &plain].concat()));
    let mut later_fragment = vxlan(8);
    later_fragment[7] = 9;
    let geneve = |start: [u8; 4]| outer_v4(UDP, &udp(6081, &[&start[..], &[0, 0, 42, 0], &plain].concat()));
    let gre = |start: [u8; 4], rest: &[u8]| outer_v4(GRE, &[&start[..], rest].concat());
    for (name, packet) in [
        ("TCP", V4.to_vec()),
        ("a later fragment", later_fragment),
        ("VXLAN without identifier", vxlan(0)),
        ("another port", outer_v4(UDP, &udp(4790, &[&[8, 0, 0, 0, 0, 0, 42, 0][..], &plain].concat()))),
        ("Geneve of another version", geneve([0x40, 0, 0x65, 0x58])),
        ("a control message of Geneve", geneve([0, 0x80, 0x65, 0x58])),
        ("Geneve with another protocol", geneve([0, 0, 0x88, 0x47])),
        ("GRE of PPTP", gre([0, 1, 0x08, 0], &V4)),
        ("GRE with source routes", gre([0x40, 0, 8, 0], &V4)),
        ("GRE with another protocol", gre([0, 0, 8, 6], &V4)),
        (
            "ERSPAN II of another version",
            gre([0x10, 0, 0x88, 0xbe], &[&[0, 0, 0, 9, 0x30, 1, 0, 5, 0, 0, 0, 3][..], &plain].concat()),
        ),
        (
            "ERSPAN III of another frame type",
            gre(
                [0x10, 0, 0x22, 0xeb],
                &[&[0, 0, 0, 9, 0x20, 1, 0, 5, 1, 2, 3, 4, 0, 0, 0x84, 0][..], &plain].concat(),
            ),
        ),
        (
            "ARP in VXLAN",
            outer_v4(
                UDP,
                &udp(4789, &[&[8, 0, 0, 0, 0, 0, 42, 0][..], &[0; 12], &[8, 6], &[0; 28]].concat()),
            ),
        ),
    ] {
        assert_eq!(decapsulated(&packet), packet, "{name}");
    }
}

proptest! {
    #[test]
    fn any_bytes_give_a_part_of_themselves(packet in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(packet.ends_with(decapsulated(&packet)));
    }
}
