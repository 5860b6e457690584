//! A checked view of one captured TCP segment.

use std::net::IpAddr;

use etherparse::{IpNumber, LaxIpSlice, TcpOptionElement, TcpSlice};
use thiserror::Error;

use crate::flow::Endpoint;
use crate::wire::tcp::sequence_end;
use crate::wire::{Flags, Options, Seq, Timestamps};

/// Why a packet cannot be read as a TCP segment.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum ParseError {
    /// The bytes are no IPv4 or IPv6 packet, or cut short inside the headers.
    #[error("malformed or truncated IP or TCP header")]
    Malformed,
    /// A fragment (RFC 791, RFC 8200): its TCP segment cannot be read.
    #[error("IP fragment")]
    Fragment,
    /// Another transport protocol.
    #[error("not TCP")]
    NotTcp,
    /// Another transport protocol, where UDP is expected.
    #[error("not UDP")]
    NotUdp,
}

/// One TCP segment, addresses and header decoded, payload borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    /// Source.
    pub source: Endpoint,
    /// Destination.
    pub destination: Endpoint,
    /// Sequence number of the first payload byte (of the SYN, if that is set).
    pub seq: Seq,
    /// Acknowledgement number; significant only with [`Flags::ACK`].
    pub ack: Seq,
    /// Control bits.
    pub flags: Flags,
    /// Window as sent, not scaled.
    pub window: u16,
    /// The options read.
    pub options: Options,
    /// The payload bytes that were captured.
    pub payload: &'a [u8],
    /// The payload's length on the wire in bytes: more than `payload.len()` where the snap length cut it.
    pub payload_len: u32,
}

impl<'a> Segment<'a> {
    /// Reads a segment from a packet that starts at its IP header.
    ///
    /// Checksums are not verified: on a host with offloads, captured packets carry partial ones. Link-layer padding
    /// behind the IP packet is cut off. A total length of zero (BIG TCP, or a segment not yet cut up by the network
    /// card) means all that was captured.
    ///
    /// # Errors
    /// [`ParseError`] says why the packet cannot be followed.
    pub fn parse(packet: &'a [u8]) -> Result<Self, ParseError> {
        let (ip, _) = LaxIpSlice::from_slice(packet).map_err(|_| ParseError::Malformed)?;
        let (source, destination, announced) = match &ip {
            LaxIpSlice::Ipv4(v4) => {
                let header = v4.header();
                let length = usize::from(header.total_len()).checked_sub(header.slice().len());
                (IpAddr::V4(header.source_addr()), IpAddr::V4(header.destination_addr()), length)
            }
            LaxIpSlice::Ipv6(v6) => {
                let header = v6.header();
                // The payload length of IPv6 counts extension headers: take off those that stand before TCP.
                let extensions = v6.extensions().slice().len();
                let length = usize::from(header.payload_length()).checked_sub(extensions);
                (IpAddr::V6(header.source_addr()), IpAddr::V6(header.destination_addr()), length)
            }
        };
        let payload = ip.payload();
        if payload.fragmented {
            return Err(ParseError::Fragment);
        }
        if payload.ip_number != IpNumber::TCP {
            return Err(ParseError::NotTcp);
        }
        let tcp = TcpSlice::from_slice(payload.payload).map_err(|_| ParseError::Malformed)?;
        let captured = tcp.payload();
        let on_wire = match announced {
            Some(length) if length >= tcp.header_slice().len() => length - tcp.header_slice().len(),
            _ => captured.len(),
        };
        Ok(Self {
            source: Endpoint::new(source, tcp.source_port()),
            destination: Endpoint::new(destination, tcp.destination_port()),
            seq: Seq(tcp.sequence_number()),
            ack: Seq(tcp.acknowledgment_number()),
            flags: Flags(tcp.header_slice()[13]),
            window: tcp.window_size(),
            options: read_options(&tcp),
            payload: captured,
            payload_len: u32::try_from(on_wire.max(captured.len())).unwrap_or(u32::MAX),
        })
    }

    /// The first sequence number after this segment.
    #[must_use]
    pub fn end(&self) -> Seq {
        sequence_end(self.seq, self.flags, self.payload_len)
    }
}

/// The options up to the first malformed one: the bytes after it cannot be trusted.
fn read_options(tcp: &TcpSlice<'_>) -> Options {
    let mut options = Options::default();
    for element in tcp.options_iterator().map_while(Result::ok) {
        match element {
            TcpOptionElement::MaximumSegmentSize(mss) => options.mss = Some(mss),
            // RFC 7323 section 2.3: a shift above 14 is taken as 14.
            TcpOptionElement::WindowScale(shift) => options.window_scale = Some(shift.min(14)),
            TcpOptionElement::Timestamp(value, echo) => {
                options.timestamps = Some(Timestamps { value, echo });
            }
            _ => {}
        }
    }
    options
}
