//! Removes VLAN tags (IEEE 802.1Q) that the kernel leaves on captured packets.

use nix::libc::{ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6};

/// Removes the VLAN tags before the IP header.
///
/// The kernel removes the outermost tag of a received packet. A further tag precedes the packet: two bytes of its own, then
/// the protocol that follows. `sll_protocol` does not show it on every kernel, because some put the innermost protocol there;
/// so the bytes decide. `wire_length` is the length of the packet before it was cut.
pub(super) fn strip(mut packet: &[u8], mut wire_length: usize) -> &[u8] {
    while let [_, _, high, low, rest @ ..] = packet {
        let next = i32::from(u16::from_be_bytes([*high, *low]));
        let tag = matches!(next, ETH_P_IP | ETH_P_IPV6 | ETH_P_8021Q | ETH_P_8021AD);
        // In an IP packet these two bytes are its length or a part of its flow label, which may have any value.
        if !tag || starts_with_ip(packet, wire_length) {
            break;
        }
        packet = rest;
        wire_length = wire_length.saturating_sub(4);
    }
    packet
}

/// Checks more than the version, which may equal the priority of a tag: the stated length must fit, and either the checksum
/// must be right, or TCP, UDP or an extension header must follow.
fn starts_with_ip(packet: &[u8], wire_length: usize) -> bool {
    let stated =
        |at| packet.get(at..at + 2).map_or(usize::MAX, |b| usize::from(u16::from_be_bytes([b[0], b[1]])));
    let header_length = usize::from(packet[0] & 15) * 4;
    match packet[0] >> 4 {
        4 => {
            header_length >= 20
                && stated(2) <= wire_length
                && packet.get(..header_length).is_some_and(|header| checksum(header) == 0xffff)
        }
        6 => {
            stated(4).saturating_add(40) <= wire_length
                && packet.get(6).is_some_and(|next| matches!(next, 0 | 6 | 17 | 43 | 44 | 60))
        }
        _ => false,
    }
}

/// The sum over an IPv4 header (RFC 791 section 3.1): all ones if it is undamaged.
fn checksum(header: &[u8]) -> u32 {
    let words = header.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    (folded & 0xffff) + (folded >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use common_core::flow::{Endpoint, Flow};
    use common_core::wire::{Datagram, Flags, Options, Outgoing, PacketBuilder, Segment, Seq};

    fn packet(client: &str, server: &str, payload: usize) -> Vec<u8> {
        let endpoint = |text: &str| Endpoint::from(text.parse::<std::net::SocketAddr>().unwrap());
        let flow = Flow { client: endpoint(client), server: endpoint(server) };
        let payload = vec![0; payload];
        let segment = Outgoing {
            seq: Seq(1),
            ack: Seq(2),
            flags: Flags::ACK,
            window: 9,
            options: Options::default(),
            payload: (&payload, &[]),
        };
        PacketBuilder::new().build(&flow, &segment).to_vec()
    }

    #[test]
    fn a_flow_label_that_looks_like_a_tag_is_none() {
        let endpoint = |text: &str| Endpoint::from(text.parse::<std::net::SocketAddr>().unwrap());
        let (source, destination) = (endpoint("[fd00::17]:53"), endpoint("[fd00::1]:5353"));
        let mut datagram = Vec::new();
        let whole = Datagram { source, destination, hops: 64, payload: b"answer", payload_len: 6 };
        assert!(whole.write(&mut datagram));
        for mut packet in [packet("[fd00::1]:1000", "[fd00::2]:80", 0), datagram] {
            for label in [[0x08, 0x00], [0x86, 0xdd], [0x81, 0x00], [0x88, 0xa8]] {
                packet[2..4].copy_from_slice(&label);
                assert_eq!(stripped(&packet), packet, "{label:02x?}");
            }
        }
    }

    fn stripped(packet: &[u8]) -> &[u8] {
        strip(packet, packet.len())
    }

    #[test]
    fn tags_of_every_priority_are_removed() {
        let inner = [
            (ETH_P_IP, packet("10.0.0.1:1", "10.0.0.2:80", 9)),
            (ETH_P_IPV6, packet("[fd00::1]:1", "[fd00::2]:80", 900)),
        ];
        for (protocol, inner) in inner {
            for first in 0..=255 {
                let [_, _, high, low] = protocol.to_be_bytes();
                let one = [&[first, 0x45, high, low], inner.as_slice()].concat();
                assert!(stripped(&one) == inner);
                let two = [&[first, 1, 0x81, 0], one.as_slice()].concat();
                assert!(stripped(&two) == inner);
                let three = [&[first, 1, 0x81, 0, first, 7, 0x81, 0], one.as_slice()].concat();
                assert!(stripped(&three) == inner);
            }
        }
    }

    #[test]
    fn a_packet_whose_length_or_flow_label_looks_like_a_tag_stays() {
        for protocol in [ETH_P_IP, ETH_P_IPV6, ETH_P_8021Q, ETH_P_8021AD] {
            let v4 = packet("10.0.0.1:1", "10.0.0.2:80", usize::try_from(protocol).unwrap() - 40);
            assert_eq!(i32::from(u16::from_be_bytes([v4[2], v4[3]])), protocol);
            assert!(stripped(&v4) == v4);
            for payload in [0, 9, 0x4500 - 20, 0x6000 - 20] {
                let mut v6 = packet("[fd00::1]:1", "[fd00::2]:80", payload);
                v6[2..4].copy_from_slice(&protocol.to_be_bytes()[2..]);
                assert!(stripped(&v6) == v6);
                assert_eq!(strip(&v6[..60], v6.len()), &v6[..60], "cut by the snap length");
            }
        }
    }

    #[test]
    fn tags_without_a_packet_are_no_segment() {
        for length in 0..200 {
            let tags: Vec<u8> = [1, 2, 0x81, 0].into_iter().cycle().take(length).collect();
            assert!(stripped(&tags).len() < 4);
            assert!(Segment::parse(stripped(&tags)).is_err());
        }
    }
}
