//! Tunnels in which switches and virtual networks deliver mirrored packets.
//!
//! VXLAN (RFC 7348), Geneve (RFC 8926), GRE (RFC 2784, RFC 2890), and ERSPAN I to III on GRE
//! (draft-foschiano-erspan). VLAN tags of the inner frames are removed as well. All numbers are in network byte order.

use super::link::{LinkType, ip_packet};

/// Tunnels inside one another that are removed.
const DEPTH: usize = 4;

/// IP protocols (IANA).
const UDP: u8 = 17;
const GRE: u8 = 47;
/// IPv6 extension headers of the common layout: hop-by-hop, routing, destination options (RFC 8200 section 4).
const EXTENSIONS: [u8; 3] = [0, 43, 60];
/// Extension headers that are followed.
const EXTENSIONS_MAX: usize = 4;
const UDP_HEADER: usize = 8;

/// UDP ports of VXLAN: the one of IANA, and the one that Linux used before.
pub const VXLAN_PORTS: [u16; 2] = [4789, 8472];
/// UDP port of Geneve.
pub const GENEVE_PORT: u16 = 6081;

/// EtherTypes of what a GRE or Geneve header announces.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const ETHERNET: u16 = 0x6558;
const ERSPAN: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;

/// The packet inside of all tunnels, from its IP header on. A packet without a tunnel, or with one that is not known or cut
/// short, is returned as it is.
///
/// A fragment is returned as it is, except the first one, whose inner packet is cut.
#[must_use]
pub fn decapsulated(packet: &[u8]) -> &[u8] {
    let mut packet = packet;
    for _ in 0..DEPTH {
        match inside(packet) {
            Some(inner) => packet = inner,
            None => break,
        }
    }
    packet
}

/// The packet inside of the outermost tunnel.
fn inside(packet: &[u8]) -> Option<&[u8]> {
    let (protocol, payload) = transport(packet)?;
    match protocol {
        UDP => {
            let (port, tunnel) = (number(payload, 2)?, payload.get(UDP_HEADER..)?);
            match port {
                GENEVE_PORT => geneve(tunnel),
                _ if VXLAN_PORTS.contains(&port) => vxlan(tunnel),
                _ => None,
            }
        }
        GRE => gre(payload),
        _ => None,
    }
}

/// Protocol and payload of an IP packet.
fn transport(packet: &[u8]) -> Option<(u8, &[u8])> {
    if packet.first()? >> 4 == 4 {
        let length = usize::from(packet[0] & 15) * 4;
        let is_first = number(packet, 6)? & 0x1fff == 0;
        return (length >= 20 && is_first).then_some((*packet.get(9)?, packet.get(length..)?));
    }
    let (mut protocol, mut rest) = (*packet.get(6)?, packet.get(40..)?);
    for _ in 0..EXTENSIONS_MAX {
        if !EXTENSIONS.contains(&protocol) {
            break;
        }
        let length = usize::from(*rest.get(1)?) * 8 + 8;
        (protocol, rest) = (rest[0], rest.get(length..)?);
    }
    Some((protocol, rest))
}

/// RFC 7348 section 5: the flag that a network identifier is present, and 7 bytes more.
fn vxlan(tunnel: &[u8]) -> Option<&[u8]> {
    (tunnel.first()? & 0x08 != 0).then(|| ethernet(tunnel.get(8..)?)).flatten()
}

/// RFC 8926 section 3.4: version and length of the options; the flag of a control message; the protocol.
fn geneve(tunnel: &[u8]) -> Option<&[u8]> {
    let (first, flags) = (*tunnel.first()?, *tunnel.get(1)?);
    if first >> 6 != 0 || flags & 0x80 != 0 {
        return None;
    }
    announced(number(tunnel, 2)?, tunnel.get(8 + usize::from(first & 0x3f) * 4..)?)
}

/// RFC 2890 section 2: flags of optional fields, four bytes each; the version; the protocol.
fn gre(tunnel: &[u8]) -> Option<&[u8]> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    let (flags, protocol) = (number(tunnel, 0)?, number(tunnel, 2)?);
    if flags & (ROUTING | 0x0007) != 0 {
        return None;
    }
    let fields = [CHECKSUM, KEY, SEQUENCE].iter().filter(|flag| flags & **flag != 0).count();
    let rest = tunnel.get(4 + 4 * fields..)?;
    match protocol {
        // Type I has neither a sequence number nor a header of its own.
        ERSPAN if flags & SEQUENCE == 0 => ethernet(rest),
        ERSPAN => (rest.first()? >> 4 == 1).then(|| ethernet(rest.get(8..)?)).flatten(),
        ERSPAN_III => erspan_iii(rest),
        _ => announced(protocol, rest),
    }
}

/// Type III: version 2, and in the last bytes the type of the frame, and whether a subheader of 8 bytes follows.
fn erspan_iii(tunnel: &[u8]) -> Option<&[u8]> {
    if tunnel.first()? >> 4 != 2 {
        return None;
    }
    let kind = number(tunnel, 10)?;
    let rest = tunnel.get(if kind & 1 == 0 { 12 } else { 20 }..)?;
    match kind >> 10 & 0x1f {
        0 => ethernet(rest),
        2 => ip(rest),
        _ => None,
    }
}

fn announced(protocol: u16, rest: &[u8]) -> Option<&[u8]> {
    match protocol {
        ETHERNET => ethernet(rest),
        IPV4 | IPV6 => ip(rest),
        _ => None,
    }
}

fn ethernet(frame: &[u8]) -> Option<&[u8]> {
    ip_packet(LinkType::ETHERNET, frame)
}

fn ip(packet: &[u8]) -> Option<&[u8]> {
    ip_packet(LinkType::RAW, packet)
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

#[cfg(test)]
#[path = "tunnel_tests.rs"]
mod tests;
