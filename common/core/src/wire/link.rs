//! The link layers that captured packets can have.

use std::fmt;

/// A link type, as the registry of tcpdump.org numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: the address family in the byte order of the capturing host, then the IP packet.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// IP without link layer. The numbers 12 and 14 mean the same on some systems.
    pub const RAW: Self = Self(101);
    /// OpenBSD loopback: the address family in network byte order, then the IP packet.
    pub const LOOP: Self = Self(108);
    /// Linux "cooked" capture.
    pub const SLL: Self = Self(113);
    /// IPv4 without link layer.
    pub const IPV4: Self = Self(228);
    /// IPv6 without link layer.
    pub const IPV6: Self = Self(229);
    /// Linux "cooked" capture, version 2.
    pub const SLL2: Self = Self(276);

    /// [`ip_packet`] can remove this link layer.
    #[must_use]
    pub fn is_known(self) -> bool {
        matches!(
            self,
            Self::NULL
                | Self::ETHERNET
                | Self::RAW
                | Self(12 | 14)
                | Self::LOOP
                | Self::SLL
                | Self::IPV4
                | Self::IPV6
                | Self::SLL2
        )
    }
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NULL => f.write_str("null"),
            Self::ETHERNET => f.write_str("Ethernet"),
            Self::RAW | Self(12 | 14) => f.write_str("raw IP"),
            Self::LOOP => f.write_str("loopback"),
            Self::SLL => f.write_str("Linux cooked"),
            Self::IPV4 => f.write_str("IPv4"),
            Self::IPV6 => f.write_str("IPv6"),
            Self::SLL2 => f.write_str("Linux cooked v2"),
            Self(105 | 127 | 163) => f.write_str("IEEE 802.11"),
            Self(other) => write!(f, "link type {other}"),
        }
    }
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// VLAN tags: IEEE 802.1Q, 802.1ad, and a number in use before that was standardised.
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// The IP packet in a captured frame, without link layer and VLAN tags. `None` if there is none, or if the link type is not
/// known. Padding behind the packet stays.
#[must_use]
pub fn ip_packet(link: LinkType, frame: &[u8]) -> Option<&[u8]> {
    let (protocol, rest) = match link {
        LinkType::ETHERNET => (number(frame, 12)?, frame.get(14..)?),
        LinkType::SLL => (number(frame, 14)?, frame.get(16..)?),
        LinkType::SLL2 => (number(frame, 0)?, frame.get(20..)?),
        // The packet shows its address family itself.
        LinkType::NULL | LinkType::LOOP => return plain(frame.get(4..)?),
        LinkType::RAW | LinkType(12 | 14) | LinkType::IPV4 | LinkType::IPV6 => return plain(frame),
        _ => return None,
    };
    untagged(protocol, rest)
}

/// The IP packet after an EtherType, without VLAN tags.
fn untagged(mut protocol: u16, mut rest: &[u8]) -> Option<&[u8]> {
    while TAGS.contains(&protocol) {
        (protocol, rest) = (number(rest, 2)?, rest.get(4..)?);
    }
    plain(rest).filter(|_| matches!(protocol, IPV4 | IPV6))
}

/// The bytes, if they begin like an IP packet.
fn plain(packet: &[u8]) -> Option<&[u8]> {
    matches!(packet.first()? >> 4, 4 | 6).then_some(packet)
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: [u8; 20] = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];

    #[test]
    fn every_link_layer_is_removed() {
        let ethernet = |tags: &[u8]| [&[0; 12], tags, &[8, 0], &PACKET].concat();
        for (link, frame) in [
            (LinkType::ETHERNET, ethernet(&[])),
            (LinkType::ETHERNET, ethernet(&[0x81, 0, 0, 7])),
            (LinkType::ETHERNET, ethernet(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 7])),
            (LinkType::SLL, [&[0; 14][..], &[8, 0], &PACKET].concat()),
            (LinkType::SLL, [&[0; 14][..], &[0x81, 0, 0, 7, 8, 0], &PACKET].concat()),
            (LinkType::SLL2, [&[8, 0], &[0; 18][..], &PACKET].concat()),
            (LinkType::NULL, [&[2, 0, 0, 0][..], &PACKET].concat()),
            (LinkType::NULL, [&[0, 0, 0, 2][..], &PACKET].concat()),
            (LinkType::LOOP, [&[0, 0, 0, 2][..], &PACKET].concat()),
            (LinkType::RAW, PACKET.to_vec()),
            (LinkType(12), PACKET.to_vec()),
            (LinkType(14), PACKET.to_vec()),
            (LinkType::IPV4, PACKET.to_vec()),
        ] {
            assert!(link.is_known());
            assert_eq!(ip_packet(link, &frame), Some(&PACKET[..]), "{link}");
            for length in 0..frame.len() - PACKET.len() {
                assert_eq!(ip_packet(link, &frame[..length]), None, "{link}, {length} bytes");
            }
        }
    }

    #[test]
    fn what_is_no_ip_packet_is_refused() {
        let arp = [&[0; 12][..], &[8, 6], &PACKET].concat();
        assert_eq!(ip_packet(LinkType::ETHERNET, &arp), None);
        assert_eq!(ip_packet(LinkType(127), &PACKET), None);
        assert!(!LinkType(127).is_known());
        assert_eq!(ip_packet(LinkType::RAW, &[0x35; 20]), None);
    }
}
