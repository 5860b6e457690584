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

/// An IP packet that the device, or the kernel, still has to cut into segments. Borrows its payload.
#[derive(Debug, Clone, Copy)]
pub struct LongPacket<'a> {
    /// IP and TCP header, with lengths and checksums as segmentation offload expects them (`struct virtio_net_hdr`,
    /// `VIRTIO_NET_HDR_F_NEEDS_CSUM`): TCP's checksum field holds the sum of the pseudo-header only. Empty if the packet
    /// cannot be built, see [`PacketBuilder::build`].
    pub headers: &'a [u8],
    /// The payload in two parts, either of which may be empty.
    pub payload: (&'a [u8], &'a [u8]),
}

/// Turns segments into IP packets with complete checksums, in one buffer that it reuses.
#[derive(Debug)]
pub struct PacketBuilder {
    /// Never shorter than the longest headers. Bytes after the packet are left over from earlier packets.
    buffer: Vec<u8>,
}

/// Hops that a copy may take; Linux's own default.
const TTL: u8 = 64;

/// The protocol number of TCP.
const TCP: u8 = 6;

/// Header lengths without options, in words of four bytes.
const IPV4_WORDS: usize = 5;
const IPV6_WORDS: usize = 10;
const TCP_WORDS: usize = 5;

/// Length of all options together, in bytes, padding included: segment size, window scale, timestamps.
const OPTIONS_MAX: usize = 5;

/// Length of the longest headers, in bytes.
const HEADERS_MAX: usize = 4 * (IPV6_WORDS + TCP_WORDS + OPTIONS_MAX);

/// Offset of the checksum in the TCP header, in bytes.
const CHECKSUM: usize = 16;

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
        // The payload is summed in its source: reading bytes that were just written would stall the processor.
        let second = if first.len() % 2 == 0 { sum(second) } else { sum(second).swap_bytes() };
        let payload = u64::from(sum(first)) + u64::from(second);
        let checksum = !fold(headers.pseudo_header + headers.tcp_sum + payload);
        headers.write_checksum(packet, checksum);
        packet
    }

    /// The headers of a packet that segmentation offload will cut; the payload is not copied.
    pub fn build_long<'a>(&'a mut self, flow: &Flow, segment: &Outgoing<'a>) -> LongPacket<'a> {
        let headers: &[u8] = match self.write_headers(flow, segment) {
            Some(headers) => {
                let packet = &mut self.buffer[..headers.end];
                headers.write_checksum(packet, fold(headers.pseudo_header));
                packet
            }
            None => &[],
        };
        LongPacket { headers, payload: segment.payload }
    }

    /// Begins a packet; `None` if it cannot be built.
    fn write_headers(&mut self, flow: &Flow, segment: &Outgoing<'_>) -> Option<Headers> {
        let header_words = TCP_WORDS + options_words(&segment.options);
        let length = 4 * header_words + segment.payload.0.len() + segment.payload.1.len();
        // All headers stand at fixed offsets, so that one bounds check serves many fields.
        let mut words =
            Words { places: self.buffer.first_chunk_mut::<HEADERS_MAX>()?.as_chunks_mut().0, at: 0 };
        let addresses = match (flow.client.ip, flow.server.ip) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                write_ipv4(&mut words, source, destination, length)?
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                write_ipv6(&mut words, source, destination, length)?
            }
            _ => return None,
        };
        let tcp = 4 * words.at;
        let tcp_sum = write_tcp(&mut words, flow, segment, header_words);
        // RFC 9293 section 3.1.
        let pseudo_header = addresses + length as u64 + u64::from(TCP);
        Some(Headers { tcp, end: 4 * words.at, pseudo_header, tcp_sum })
    }
}

/// Headers in a packet that is being built.
struct Headers {
    /// Offset of the TCP header, whose checksum is still zero.
    tcp: usize,
    /// Offset of its end.
    end: usize,
    /// The sum of the pseudo-header, not folded.
    pseudo_header: u64,
    /// The sum of the TCP header with its options, not folded.
    tcp_sum: u64,
}

impl Headers {
    fn write_checksum(&self, packet: &mut [u8], checksum: u16) {
        let place = self.tcp + CHECKSUM;
        packet[place..place + 2].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// A header is a row of words in network byte order.
struct Words<'a> {
    places: &'a mut [[u8; 4]],
    at: usize,
}

impl Words<'_> {
    /// Writes the next word and returns it, to be added to the checksum.
    #[inline]
    fn push(&mut self, word: u32) -> u64 {
        if let Some(place) = self.places.get_mut(self.at) {
            *place = word.to_be_bytes();
        }
        self.at += 1;
        u64::from(word)
    }
}

/// Writes the IPv4 header before `length` bytes of TCP header and payload. Returns the sum of the words of both addresses,
/// for the checksum of TCP; `None` if the packet would be longer than IP allows.
///
/// Headers are written by hand because this runs for every request: it takes a fifth of the time that header structures
/// take.
fn write_ipv4(words: &mut Words<'_>, source: Ipv4Addr, destination: Ipv4Addr, length: usize) -> Option<u64> {
    const DO_NOT_FRAGMENT: u32 = 0x4000;
    let total = u32::from(u16::try_from(4 * IPV4_WORDS + length).ok()?);
    let lengths = 0x4500_0000 | total;
    let protocol = u32::from(TTL) << 24 | u32::from(TCP) << 16;
    let addresses = u64::from(source.to_bits()) + u64::from(destination.to_bits());
    let checksum = !fold(u64::from(lengths) + u64::from(DO_NOT_FRAGMENT) + u64::from(protocol) + addresses);
    words.push(lengths);
    words.push(DO_NOT_FRAGMENT);
    words.push(protocol | u32::from(checksum));
    words.push(source.to_bits());
    words.push(destination.to_bits());
    Some(addresses)
}

/// Writes the IPv6 header; see [`write_ipv4`].
fn write_ipv6(words: &mut Words<'_>, source: Ipv6Addr, destination: Ipv6Addr, length: usize) -> Option<u64> {
    words.push(0x6000_0000);
    words.push(u32::from(u16::try_from(length).ok()?) << 16 | u32::from(TCP) << 8 | u32::from(TTL));
    let mut addresses = 0;
    for address in [source, destination] {
        for place in [96, 64, 32, 0] {
            addresses += words.push((address.to_bits() >> place) as u32);
        }
    }
    Some(addresses)
}

/// Writes the TCP header (RFC 9293 section 3.1) of `header_words` words with a checksum of zero, and returns its sum.
fn write_tcp(words: &mut Words<'_>, flow: &Flow, segment: &Outgoing<'_>, header_words: usize) -> u64 {
    const NOTHING: u32 = 1;
    let ack = if segment.flags.has(Flags::ACK) { segment.ack } else { Seq(0) };
    let flags = (header_words as u32) << 28 | u32::from(segment.flags.0) << 16;
    let mut sum = words.push(u32::from(flow.client.port) << 16 | u32::from(flow.server.port));
    sum += words.push(segment.seq.0);
    sum += words.push(ack.0);
    sum += words.push(flags | u32::from(segment.window));
    sum += words.push(0);
    // The options, padded in front to whole words.
    if let Some(mss) = segment.options.mss {
        sum += words.push(2 << 24 | 4 << 16 | u32::from(mss));
    }
    if let Some(shift) = segment.options.window_scale {
        sum += words.push(NOTHING << 24 | 3 << 16 | 3 << 8 | u32::from(shift));
    }
    if let Some(timestamps) = segment.options.timestamps {
        sum += words.push(NOTHING << 24 | NOTHING << 16 | 8 << 8 | 10);
        sum += words.push(timestamps.value);
        sum += words.push(timestamps.echo);
    }
    sum
}

/// Length of the options, in words of four bytes.
fn options_words(options: &Options) -> usize {
    usize::from(options.mss.is_some())
        + usize::from(options.window_scale.is_some())
        + 3 * usize::from(options.timestamps.is_some())
}

/// The folded checksum sum (RFC 1071) of bytes that begin at an even offset.
///
/// It adds words of four bytes in the host's byte order. By section 2 of the RFC this changes only the order of the two
/// bytes of the sum.
fn sum(bytes: &[u8]) -> u16 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    let words: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
    u16::from_be(fold(words + u64::from(u32::from_ne_bytes(last))))
}

/// Folds a sum of four-byte words into two bytes.
fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
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
