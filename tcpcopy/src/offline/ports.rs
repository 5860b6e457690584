//! Fresh client ports for each repeat of the files, so that a repeated session is a new one for the test server.

/// The ports that clients usually use, and those below.
const FIRST: u32 = 1024;
const HIGH: u32 = 65_536 - FIRST;
const LOW: u32 = FIRST - 1;

/// The port in the repeat of this number of the client port `port`. Ports rotate, so no two clients get the same one, and
/// the repeats are as far apart as possible.
pub(super) fn shifted(port: u16, repeat: u32, repeats: u32) -> u16 {
    let rotated = |port: u32, first: u32, count: u32| {
        let step = u64::from(count) * u64::from(repeat) / u64::from(repeats.max(1));
        first + ((u64::from(port - first) + step) % u64::from(count)) as u32
    };
    let port = u32::from(port);
    let new = match port {
        0 => 0,
        1..FIRST => rotated(port, 1, LOW),
        _ => rotated(port, FIRST, HIGH),
    };
    u16::try_from(new).unwrap_or_default()
}

/// Writes a port into a packet that is known to be a TCP segment. The checksum becomes wrong; it is not verified.
pub(super) fn write(packet: &mut [u8], port: u16, is_source: bool) {
    let Some(tcp) = tcp_offset(packet) else { return };
    let at = if is_source { tcp } else { tcp + 2 };
    if let Some(place) = packet.get_mut(at..at + 2) {
        place.copy_from_slice(&port.to_be_bytes());
    }
}

/// Where the TCP header begins.
fn tcp_offset(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    if first >> 4 == 4 {
        return Some(usize::from(first & 15) * 4);
    }
    let (mut next, mut at) = (*packet.get(6)?, 40);
    // Hop-by-hop options, routing, destination options (RFC 8200 section 4).
    while matches!(next, 0 | 43 | 60) {
        (next, at) = (*packet.get(at)?, at + (usize::from(*packet.get(at + 1)?) + 1) * 8);
    }
    (next == 6).then_some(at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use common_core::flow::{Endpoint, Flow};
    use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Segment, Seq};

    use super::*;

    #[test]
    fn no_two_clients_share_a_port() {
        for (repeat, repeats) in [(0, 1), (1, 2), (6, 7), (99_999, 100_000)] {
            let ports: BTreeSet<u16> = (1..=u16::MAX).map(|port| shifted(port, repeat, repeats)).collect();
            assert_eq!(ports.len(), 65_535);
            assert!(!ports.contains(&0));
            assert!((FIRST as u16..=u16::MAX).all(|port| shifted(port, repeat, repeats) >= 1024));
        }
        assert_eq!(shifted(40_000, 0, 9), 40_000, "the first pass changes nothing");
        let of_one: BTreeSet<u16> = (0..100).map(|repeat| shifted(40_000, repeat, 100)).collect();
        assert_eq!(of_one.len(), 100, "each repeat has a port of its own");
    }

    #[test]
    fn a_port_is_written_where_it_is_read() {
        for (client, server) in [("10.0.0.1:5", "10.0.0.2:80"), ("[fd00::1]:5", "[fd00::2]:80")] {
            let endpoint = |text: &str| Endpoint::from(text.parse::<std::net::SocketAddr>().unwrap());
            let flow = Flow { client: endpoint(client), server: endpoint(server) };
            let segment = Outgoing {
                seq: Seq(1),
                ack: Seq(2),
                flags: Flags::ACK,
                window: 9,
                options: Options::default(),
                payload: (b"ab", &[]),
            };
            let mut packet = PacketBuilder::new().build(&flow, &segment).to_vec();
            write(&mut packet, 4711, true);
            write(&mut packet, 4712, false);
            let read = Segment::parse(&packet).unwrap();
            assert_eq!((read.source.port, read.destination.port, read.payload), (4711, 4712, &b"ab"[..]));
        }
    }

    #[test]
    fn extension_headers_are_passed_over() {
        let mut packet = vec![0; 40 + 8 + 16 + 20];
        (packet[0], packet[6], packet[40], packet[48], packet[49]) = (0x60, 0, 60, 6, 1);
        assert_eq!(tcp_offset(&packet), Some(64));
        packet[48] = 17;
        assert_eq!(tcp_offset(&packet), None);
        assert_eq!(tcp_offset(&packet[..41]), None);
    }
}
