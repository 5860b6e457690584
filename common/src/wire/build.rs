//! Builds the IP packets that are sent.

use etherparse::{IpNumber, Ipv4Header, Ipv6Header, TcpHeader, TcpOptionElement};
use std::net::IpAddr;

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

/// Turns segments into IP packets with complete checksums, in one buffer that is used again and again.
#[derive(Debug, Default)]
pub struct PacketBuilder {
    buffer: Vec<u8>,
}

/// Hops that a copy may take; Linux's own default.
const TTL: u8 = 64;

impl PacketBuilder {
    /// A builder with an empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The complete packet, from its IP header on; empty if it cannot be built: addresses of different families, or
    /// a payload that no IP packet can carry.
    pub fn build(&mut self, flow: &Flow, segment: &Outgoing<'_>) -> &[u8] {
        self.build_with(flow, segment, |tcp| checksum(flow, tcp, tcp.len()))
    }

    /// The same for a packet that is still to be cut into segments: its checksum field has the sum of the
    /// pseudo-header only, as whoever cuts it expects (`struct virtio_net_hdr`, `VIRTIO_NET_HDR_F_NEEDS_CSUM`).
    pub fn build_long(&mut self, flow: &Flow, segment: &Outgoing<'_>) -> &[u8] {
        self.build_with(flow, segment, |tcp| checksum(flow, &[], tcp.len()).map(|byte| !byte))
    }

    fn build_with(&mut self, flow: &Flow, segment: &Outgoing<'_>, sum: impl Fn(&[u8]) -> [u8; 2]) -> &[u8] {
        self.buffer.clear();
        if self.write(flow, segment, sum).is_none() {
            self.buffer.clear();
        }
        &self.buffer
    }

    fn write(&mut self, flow: &Flow, segment: &Outgoing<'_>, sum: impl Fn(&[u8]) -> [u8; 2]) -> Option<()> {
        let mut tcp = TcpHeader::new(flow.client.port, flow.server.port, segment.seq.0, segment.window);
        tcp.acknowledgment_number = segment.ack.0;
        tcp.fin = segment.flags.has(Flags::FIN);
        tcp.syn = segment.flags.has(Flags::SYN);
        tcp.rst = segment.flags.has(Flags::RST);
        tcp.psh = segment.flags.has(Flags::PSH);
        tcp.ack = segment.flags.has(Flags::ACK);
        write_options(&mut tcp, &segment.options)?;
        let (first, second) = segment.payload;
        let length = tcp.header_len() + first.len() + second.len();

        match (flow.client.ip, flow.server.ip) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let length = u16::try_from(length).ok()?;
                let mut ip =
                    Ipv4Header::new(length, TTL, IpNumber::TCP, source.octets(), destination.octets())
                        .ok()?;
                ip.dont_fragment = true;
                ip.header_checksum = ip.calc_header_checksum();
                ip.write(&mut self.buffer).ok()?;
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let ip = Ipv6Header {
                    payload_length: u16::try_from(length).ok()?,
                    next_header: IpNumber::TCP,
                    hop_limit: TTL,
                    source: source.octets(),
                    destination: destination.octets(),
                    ..Ipv6Header::default()
                };
                ip.write(&mut self.buffer).ok()?;
            }
            _ => return None,
        }
        let start = self.buffer.len();
        tcp.write(&mut self.buffer).ok()?;
        self.buffer.extend_from_slice(first);
        self.buffer.extend_from_slice(second);
        // The checksum field (bytes 16 and 17) was written as zero, so the sum runs once over header and payload.
        let sum = sum(&self.buffer[start..]);
        self.buffer[start + 16..start + 18].copy_from_slice(&sum);
        Some(())
    }
}

fn write_options(tcp: &mut TcpHeader, options: &Options) -> Option<()> {
    let mut elements = [const { TcpOptionElement::Noop }; 8];
    let mut used = 0;
    let mut push = |element| {
        elements[used] = element;
        used += 1;
    };
    if let Some(mss) = options.mss {
        push(TcpOptionElement::MaximumSegmentSize(mss));
    }
    if let Some(shift) = options.window_scale {
        push(TcpOptionElement::Noop);
        push(TcpOptionElement::WindowScale(shift));
    }
    if let Some(timestamps) = options.timestamps {
        push(TcpOptionElement::Noop);
        push(TcpOptionElement::Noop);
        push(TcpOptionElement::Timestamp(timestamps.value, timestamps.echo));
    }
    if used > 0 {
        tcp.set_options(&elements[..used]).ok()?;
    }
    Some(())
}

/// The TCP checksum over `bytes` and the pseudo-header of a segment of `length` bytes (RFC 9293 section 3.1), network
/// byte order.
fn checksum(flow: &Flow, bytes: &[u8], length: usize) -> [u8; 2] {
    use etherparse::checksum::Sum16BitWords;
    let mut sum = Sum16BitWords::new();
    sum = match (flow.client.ip, flow.server.ip) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            sum.add_4bytes(source.octets()).add_4bytes(destination.octets())
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            sum.add_16bytes(source.octets()).add_16bytes(destination.octets())
        }
        _ => sum,
    };
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    sum.add_4bytes(length.to_be_bytes())
        .add_2bytes([0, IpNumber::TCP.0])
        .add_slice(bytes)
        .ones_complement()
        .to_ne_bytes()
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
                    etherparse::NetHeaders::Ipv4(ip, _) => tcp.calc_checksum_ipv4(&ip, &payload).unwrap(),
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
