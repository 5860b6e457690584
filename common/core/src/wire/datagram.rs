//! UDP over IPv4 and IPv6: a checked view of a captured datagram, and the packet of a copy.

use std::net::IpAddr;

use etherparse::{
    IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header, LaxIpSlice, PacketBuilder, UdpHeaderSlice,
};

use crate::flow::Endpoint;
use crate::wire::ParseError;

/// Length of the UDP header in bytes (RFC 768).
const HEADER: usize = 8;

/// One UDP datagram, its payload borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Source.
    pub source: Endpoint,
    /// Destination.
    pub destination: Endpoint,
    /// Time to live, or hop limit.
    pub hops: u8,
    /// The payload bytes that were captured.
    pub payload: &'a [u8],
    /// The payload's length on the wire in bytes: more than `payload.len()` where the snap length cut it.
    pub payload_len: u16,
}

impl<'a> Datagram<'a> {
    /// Reads a datagram from a packet that starts at its IP header.
    ///
    /// Checksums are not verified: on a host with offloads, captured packets carry partial ones. What follows the length of the
    /// UDP header is left out.
    ///
    /// # Errors
    /// [`ParseError`] says why the packet cannot be copied.
    pub fn parse(packet: &'a [u8]) -> Result<Self, ParseError> {
        let (ip, _) = LaxIpSlice::from_slice(packet).map_err(|_| ParseError::Malformed)?;
        let (source, destination, hops) = match &ip {
            LaxIpSlice::Ipv4(v4) => {
                let header = v4.header();
                (header.source_addr().into(), header.destination_addr().into(), header.ttl())
            }
            LaxIpSlice::Ipv6(v6) => {
                let header = v6.header();
                (header.source_addr().into(), header.destination_addr().into(), header.hop_limit())
            }
        };
        let content = ip.payload();
        if content.fragmented {
            return Err(ParseError::Fragment);
        }
        if content.ip_number != IpNumber::UDP {
            return Err(ParseError::NotUdp);
        }
        let udp = UdpHeaderSlice::from_slice(content.payload).map_err(|_| ParseError::Malformed)?;
        let length = usize::from(udp.length()).checked_sub(HEADER).ok_or(ParseError::Malformed)?;
        let rest = content.payload.get(HEADER..).unwrap_or_default();
        Ok(Self {
            source: Endpoint::new(source, udp.source_port()),
            destination: Endpoint::new(destination, udp.destination_port()),
            hops,
            payload: rest.get(..length).unwrap_or(rest),
            payload_len: udp.length() - HEADER as u16,
        })
    }

    /// All of the payload was captured.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.payload.len() == usize::from(self.payload_len)
    }

    /// Writes the packet of this datagram to `packet`, whose bytes it replaces: IP header, UDP header with its checksum, payload.
    /// Routers on its way may fragment it. False if the addresses are of two families, or the payload is too long; nothing is
    /// written then.
    #[must_use]
    pub fn write(&self, packet: &mut Vec<u8>) -> bool {
        packet.clear();
        let builder = match (self.source.ip, self.destination.ip) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let header = Ipv4Header {
                    source: source.octets(),
                    destination: destination.octets(),
                    time_to_live: self.hops,
                    dont_fragment: false,
                    ..Ipv4Header::default()
                };
                PacketBuilder::ip(etherparse::IpHeaders::Ipv4(header, etherparse::Ipv4Extensions::default()))
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let header = Ipv6Header {
                    source: source.octets(),
                    destination: destination.octets(),
                    hop_limit: self.hops,
                    flow_label: Ipv6FlowLabel::ZERO,
                    ..Ipv6Header::default()
                };
                PacketBuilder::ip(etherparse::IpHeaders::Ipv6(header, etherparse::Ipv6Extensions::default()))
            }
            _ => return false,
        };
        let written = builder.udp(self.source.port, self.destination.port).write(packet, self.payload);
        if written.is_err() {
            packet.clear();
        }
        written.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        text.parse::<SocketAddr>().unwrap().into()
    }

    fn query(source: &str, destination: &str) -> Datagram<'static> {
        let (source, destination) = (endpoint(source), endpoint(destination));
        Datagram { source, destination, hops: 63, payload: b"query", payload_len: 5 }
    }

    fn written(datagram: &Datagram<'_>) -> Vec<u8> {
        let mut packet = vec![1, 2, 3];
        assert!(datagram.write(&mut packet));
        packet
    }

    #[test]
    fn what_is_written_is_read() {
        for (source, destination) in [("10.0.0.1:5353", "10.0.0.17:53"), ("[fd00::1]:5353", "[fd00::17]:53")]
        {
            let datagram = query(source, destination);
            let packet = written(&datagram);
            assert_eq!(Datagram::parse(&packet).unwrap(), datagram);
            // etherparse verifies nothing of this kind, so the sum is checked by hand: with the pseudo-header it is zero.
            let (header, addresses) = if source.starts_with('[') { (40, 8..40) } else { (20, 12..20) };
            let mut summed = packet[addresses].to_vec();
            summed.extend([0, 17, 0, 13]);
            summed.extend(&packet[header..]);
            summed.push(0);
            let words = summed.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
            let sum: u32 = words.sum();
            assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "{source}");
        }
    }

    #[test]
    fn padding_is_left_out_and_a_cut_is_seen() {
        let mut packet = written(&query("10.0.0.1:5353", "10.0.0.17:53"));
        packet.extend([0; 13]);
        assert_eq!(Datagram::parse(&packet).unwrap().payload, b"query");
        packet.truncate(30);
        let cut = Datagram::parse(&packet).unwrap();
        assert_eq!((cut.payload, cut.payload_len, cut.is_whole()), (&b"qu"[..], 5, false));
    }

    #[test]
    fn other_packets_are_told_apart() {
        let packet = written(&query("10.0.0.1:5353", "10.0.0.17:53"));
        let changed = |offset: usize, byte: u8| {
            let mut packet = packet.clone();
            packet[offset] = byte;
            Datagram::parse(&packet).map(|_| ())
        };
        assert_eq!(changed(9, 6), Err(ParseError::NotUdp));
        assert_eq!(changed(6, 0x20), Err(ParseError::Fragment));
        assert_eq!(changed(25, 7), Err(ParseError::Malformed), "a length below that of the header");
        assert_eq!(Datagram::parse(&packet[..24]).map(|_| ()), Err(ParseError::Malformed));
    }

    #[test]
    fn two_families_are_no_packet() {
        let mut packet = Vec::new();
        assert!(!query("10.0.0.1:5353", "[fd00::17]:53").write(&mut packet));
        assert!(packet.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Datagram::parse(&bytes);
        }
    }
}
