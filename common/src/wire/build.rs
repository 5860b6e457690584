//! Builds the IP packets that are sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::flow::Flow;
use crate::wire::{Flags, Options, Seq};

/// A segment to be sent from a flow's client to its server.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Sequence number of the first payload byte (of the SYN, if that is set).
    pub seq: Seq,
    /// Acknowledgement number; written only with [`Flags::ACK`].
    pub ack: Seq,
    /// Control bits.
    pub flags: Flags,
    /// Window as it stands in the header: scaled already.
    pub window: u16,
    /// Options; those that are `None` are left out.
    pub options: Options,
    /// The payload in two parts, as a ring buffer gives them; either may be empty.
    pub payload: (&'a [u8], &'a [u8]),
}

/// An IP packet that is still to be cut into segments, its payload where it was.
#[derive(Debug, Clone, Copy)]
pub struct LongPacket<'a> {
    /// IP and TCP header. Their lengths and checksums are as whoever cuts the packet expects them (`struct virtio_net_hdr`,
    /// `VIRTIO_NET_HDR_F_NEEDS_CSUM`): TCP's checksum field has the sum of the pseudo-header only. Empty if there is no
    /// such packet, see [`PacketBuilder::build`].
    pub headers: &'a [u8],
    /// The payload in two parts, either of which may be empty.
    pub payload: (&'a [u8], &'a [u8]),
}

/// Turns segments into IP packets with complete checksums, in one buffer that is used again and again.
#[derive(Debug)]
pub struct PacketBuilder {
    /// Never shorter than the longest headers; what is behind the packet is left from others.
    buffer: Vec<u8>,
}

/// Hops that a copy may take; Linux's own default.
const TTL: u8 = 64;

/// The protocol number of TCP.
const TCP: u8 = 6;

/// Bytes of the headers, options left out.
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const TCP_HEADER: usize = 20;

/// Bytes of the options, padding included, that all together can take: segment size, window scale, timestamps.
const OPTIONS_MAX: usize = 20;

/// Bytes of the longest headers.
const HEADERS_MAX: usize = IPV6_HEADER + TCP_HEADER + OPTIONS_MAX;

impl Default for PacketBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl PacketBuilder {
    /// A builder with a buffer for headers.
    #[must_use]
    pub fn new() -> Self {
        Self { buffer: vec![0; HEADERS_MAX] }
    }

    /// The complete packet, from its IP header on; empty if it cannot be built: addresses of different families, or
    /// a payload that no IP packet can carry.
    pub fn build(&mut self, flow: &Flow, segment: &Outgoing<'_>) -> &[u8] {
        let (first, second) = segment.payload;
        let Some(headers) = self.write_headers(flow, segment) else { return &[] };
        let end = headers.end + first.len() + second.len();
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        let packet = &mut self.buffer[..end];
        let (head, tail) = packet[headers.end..].split_at_mut(first.len());
        head.copy_from_slice(first);
        tail.copy_from_slice(second);
        // The sum runs once over header and payload.
        let checksum = !fold(headers.pseudo_header + sum(&packet[headers.tcp..]));
        packet[headers.tcp + 16..headers.tcp + 18].copy_from_slice(&checksum.to_ne_bytes());
        packet
    }

    /// The same for a packet that is still to be cut into segments; its payload is not copied.
    pub fn build_long<'a>(&'a mut self, flow: &Flow, segment: &Outgoing<'a>) -> LongPacket<'a> {
        let headers = match self.write_headers(flow, segment) {
            Some(Headers { tcp, end, pseudo_header }) => {
                self.buffer[tcp + 16..tcp + 18].copy_from_slice(&fold(pseudo_header).to_ne_bytes());
                &self.buffer[..end]
            }
            None => &[],
        };
        LongPacket { headers, payload: segment.payload }
    }

    /// Begins a packet; `None` if there is none such.
    fn write_headers(&mut self, flow: &Flow, segment: &Outgoing<'_>) -> Option<Headers> {
        let (options, options_length) = options(&segment.options);
        let header_length = TCP_HEADER + options_length;
        let length = header_length + segment.payload.0.len() + segment.payload.1.len();
        // All of it at fixed places, so that nothing is checked piece by piece.
        let buffer = self.buffer.first_chunk_mut::<HEADERS_MAX>()?;
        let (tcp, pseudo_header) = match (flow.client.ip, flow.server.ip) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                buffer[..IPV4_HEADER].copy_from_slice(&ipv4_header(source, destination, length)?);
                let addresses = sum(&source.octets()) + sum(&destination.octets());
                (IPV4_HEADER, addresses)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                buffer[..IPV6_HEADER].copy_from_slice(&ipv6_header(source, destination, length)?);
                let addresses = sum(&source.octets()) + sum(&destination.octets());
                (IPV6_HEADER, addresses)
            }
            _ => return None,
        };
        // RFC 9293 section 3.1. It is below 64 KB, as the IP header has it.
        let pseudo_header = pseudo_header + sum(&(length as u16).to_be_bytes()) + sum(&[0, TCP]);
        buffer[tcp..tcp + TCP_HEADER].copy_from_slice(&tcp_header(flow, segment, header_length));
        buffer[tcp + TCP_HEADER..tcp + TCP_HEADER + OPTIONS_MAX].copy_from_slice(&options);
        Some(Headers { tcp, end: tcp + header_length, pseudo_header })
    }
}

/// Headers in a packet that is being built.
struct Headers {
    /// Where TCP's begins; its checksum is zero yet.
    tcp: usize,
    /// Where it ends.
    end: usize,
    /// The sum of the pseudo-header, not folded.
    pseudo_header: u64,
}

/// The IP header of a segment of `length` bytes. `None` if there is no such packet.
///
/// By hand, as the other headers here: this is done for every request, and takes a fifth of what it takes through
/// header structures.
fn ipv4_header(source: Ipv4Addr, destination: Ipv4Addr, length: usize) -> Option<[u8; IPV4_HEADER]> {
    let total = u16::try_from(IPV4_HEADER + length).ok()?;
    let mut header = [0; IPV4_HEADER];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&total.to_be_bytes());
    header[6] = 0x40; // do not fragment
    header[8] = TTL;
    header[9] = TCP;
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&destination.octets());
    let checksum = !fold(sum(&header));
    header[10..12].copy_from_slice(&checksum.to_ne_bytes());
    Some(header)
}

fn ipv6_header(source: Ipv6Addr, destination: Ipv6Addr, length: usize) -> Option<[u8; IPV6_HEADER]> {
    let mut header = [0; IPV6_HEADER];
    header[0] = 0x60;
    header[4..6].copy_from_slice(&u16::try_from(length).ok()?.to_be_bytes());
    header[6] = TCP;
    header[7] = TTL;
    header[8..24].copy_from_slice(&source.octets());
    header[24..40].copy_from_slice(&destination.octets());
    Some(header)
}

/// The sum that checksums are made of (RFC 1071), not folded, of bytes that begin at an even place. In the host's byte
/// order and by words of four bytes: section 2 of the RFC says why that makes no difference.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    let words: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
    words + u64::from(u32::from_ne_bytes(last))
}

/// The sum as two bytes in network order, read in the host's.
fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// The TCP header (RFC 9293 section 3.1) without options and with a checksum of zero.
fn tcp_header(flow: &Flow, segment: &Outgoing<'_>, header_length: usize) -> [u8; TCP_HEADER] {
    let ack = if segment.flags.has(Flags::ACK) { segment.ack } else { Seq(0) };
    let mut header = [0; TCP_HEADER];
    header[0..2].copy_from_slice(&flow.client.port.to_be_bytes());
    header[2..4].copy_from_slice(&flow.server.port.to_be_bytes());
    header[4..8].copy_from_slice(&segment.seq.0.to_be_bytes());
    header[8..12].copy_from_slice(&ack.0.to_be_bytes());
    header[12] = ((header_length / 4) << 4) as u8;
    header[13] = segment.flags.0;
    header[14..16].copy_from_slice(&segment.window.to_be_bytes());
    header
}

/// The options, each padded in front to four bytes, and how many bytes they are.
fn options(options: &Options) -> ([u8; OPTIONS_MAX], usize) {
    const NOTHING: u8 = 1;
    let mut bytes = [NOTHING; OPTIONS_MAX];
    let mut length = 0;
    if let Some(mss) = options.mss {
        let [high, low] = mss.to_be_bytes();
        bytes[length..length + 4].copy_from_slice(&[2, 4, high, low]);
        length += 4;
    }
    if let Some(shift) = options.window_scale {
        bytes[length + 1..length + 4].copy_from_slice(&[3, 3, shift]);
        length += 4;
    }
    if let Some(timestamps) = options.timestamps {
        bytes[length + 2..length + 4].copy_from_slice(&[8, 10]);
        bytes[length + 4..length + 8].copy_from_slice(&timestamps.value.to_be_bytes());
        bytes[length + 8..length + 12].copy_from_slice(&timestamps.echo.to_be_bytes());
        length += 12;
    }
    (bytes, length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Endpoint;
    use crate::wire::{Segment, Timestamps};
    use etherparse::{PacketHeaders, TransportHeader};

    fn flow(client: &str, server: &str) -> Flow {
        let endpoint = |text: &str| Endpoint::from(text.parse::<std::net::SocketAddr>().unwrap());
        Flow { client: endpoint(client), server: endpoint(server) }
    }

    fn full() -> Options {
        Options {
            mss: Some(1460),
            window_scale: Some(7),
            timestamps: Some(Timestamps { value: 0x0102_0304, echo: 9 }),
        }
    }

    #[test]
    fn what_is_built_is_read_back_and_its_checksum_is_right() {
        let flows = [flow("10.0.0.1:1234", "10.0.0.2:80"), flow("[fd00::1]:1234", "[fd00::2]:80")];
        for flow in flows {
            for length in [0_usize, 1, 2, 7, 1448] {
                let payload: Vec<u8> = (0..length).map(|i| i as u8).collect();
                let (first, second) = payload.split_at(length / 3);
                let outgoing = Outgoing {
                    seq: Seq(u32::MAX),
                    ack: Seq(77),
                    flags: Flags::ACK | Flags::PSH,
                    window: 4096,
                    options: full(),
                    payload: (first, second),
                };
                let mut builder = PacketBuilder::new();
                let packet = builder.build(&flow, &outgoing).to_vec();
                let segment = Segment::parse(&packet).unwrap();
                assert_eq!(segment.source, flow.client);
                assert_eq!(segment.destination, flow.server);
                assert_eq!(segment.seq, Seq(u32::MAX));
                assert_eq!(segment.ack, Seq(77));
                assert_eq!(segment.flags, Flags::ACK | Flags::PSH);
                assert_eq!(segment.options, full());
                assert_eq!(segment.payload, payload);
                assert_eq!(segment.payload_len as usize, length);

                let headers = PacketHeaders::from_ip_slice(&packet).unwrap();
                let Some(TransportHeader::Tcp(tcp)) = headers.transport else { panic!("no TCP header") };
                let expected = match headers.net.unwrap() {
                    etherparse::NetHeaders::Ipv4(ip, _) => {
                        assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                        assert!(ip.dont_fragment);
                        tcp.calc_checksum_ipv4(&ip, &payload).unwrap()
                    }
                    etherparse::NetHeaders::Ipv6(ip, _) => tcp.calc_checksum_ipv6(&ip, &payload).unwrap(),
                    etherparse::NetHeaders::Arp(_) => panic!("ARP"),
                };
                assert_eq!(tcp.checksum, expected);
            }
        }
    }

    #[test]
    fn what_cannot_be_sent_is_empty() {
        let mixed = flow("10.0.0.1:1234", "[fd00::2]:80");
        let outgoing = Outgoing {
            seq: Seq(0),
            ack: Seq(0),
            flags: Flags::SYN,
            window: 1,
            options: full(),
            payload: (&[], &[]),
        };
        assert!(PacketBuilder::new().build(&mixed, &outgoing).is_empty());
        let huge = vec![0; 70_000];
        let flow = flow("10.0.0.1:1234", "10.0.0.2:80");
        assert!(
            PacketBuilder::new().build(&flow, &Outgoing { payload: (&huge, &[]), ..outgoing }).is_empty()
        );
    }
}
