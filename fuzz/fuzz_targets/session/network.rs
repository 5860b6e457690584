//! The engine's way out, and what must hold of everything that it sends.

use std::collections::HashMap;

use common::control::{FlowId, ToIntercept};
use common::flow::Flow;
use common::wire::{Flags, Segment, Seq};
use tcpcopy::output::Output;

/// The largest TCP payload that the engine is told to send, for IPv4 and IPv6.
pub(crate) const MSS: (u16, u16) = (1460, 1440);

/// The newest connection of a flow, as its server sees it.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    iss: Seq,
    connected: bool,
    stream: Vec<u8>,
    fin: Option<usize>,
    /// What the copy acknowledged last: the server's next sequence number.
    pub(crate) acknowledged: Option<Seq>,
}

impl Peer {
    /// The copy's next sequence number.
    pub(crate) fn next(&self) -> Seq {
        self.iss + 1 + self.stream.len() as u32 + u32::from(self.fin.is_some())
    }

    fn receive(&mut self, segment: &Segment<'_>) {
        if segment.flags.has(Flags::SYN) {
            assert!(segment.payload.is_empty() && !segment.flags.has(Flags::ACK));
            if !self.connected || self.iss != segment.seq {
                *self = Self { iss: segment.seq, connected: true, ..Self::default() };
            }
            return;
        }
        if segment.flags.has(Flags::RST) {
            assert!(segment.payload.is_empty());
            return;
        }
        assert!(segment.flags.has(Flags::ACK) && self.connected);
        self.acknowledged = Some(segment.ack);
        let at = segment.seq.distance(self.iss + 1);
        if at == -1 && segment.payload.is_empty() {
            return; // the probe of a window that is closed from the start
        }
        let control = self.stream.len() + usize::from(self.fin.is_some());
        let at = usize::try_from(at).expect("nothing before the first byte");
        if segment.payload.is_empty() && !segment.flags.has(Flags::FIN) {
            assert!(at <= control, "an acknowledgement from byte {at} of {control}");
            return;
        }
        assert!(at <= self.stream.len(), "a hole before byte {at} of {}", self.stream.len());
        let known = segment.payload.len().min(self.stream.len() - at);
        assert!(segment.payload[..known] == self.stream[at..at + known], "other bytes at {at} than before");
        self.stream.extend_from_slice(&segment.payload[known..]);
        let end = at + segment.payload.len();
        if segment.flags.has(Flags::FIN) {
            assert!(self.fin.is_none_or(|fin| fin == end), "a second FIN at another place");
            self.fin = Some(end);
        }
        assert!(self.fin.is_none_or(|fin| self.stream.len() <= fin), "data behind the FIN");
    }
}

#[derive(Default)]
pub(crate) struct Network {
    pub(crate) routes: HashMap<FlowId, Flow>,
    pub(crate) peers: HashMap<Flow, Peer>,
}

impl Network {
    pub(crate) fn id(&self, flow: &Flow) -> FlowId {
        self.routes.iter().find(|(_, other)| *other == flow).map_or(FlowId(u32::MAX), |(id, _)| *id)
    }
}

impl Output for Network {
    fn inject(&mut self, packet: &[u8]) {
        let segment = Segment::parse(packet).expect("what is sent can be read");
        assert_eq!(checksum(packet), 0xffff, "the checksum of {segment:?}");
        let mss = if segment.destination.ip.is_ipv4() { MSS.0 } else { MSS.1 };
        assert!(segment.payload.len() <= mss.into());
        let flow = Flow { client: segment.source, server: segment.destination };
        assert!(self.routes.values().any(|other| *other == flow), "sent without a route");
        self.peers.entry(flow).or_default().receive(&segment);
    }

    fn control(&mut self, message: &ToIntercept) {
        match message {
            ToIntercept::RouteAdd { id, flow } => {
                assert!(
                    self.routes.insert(*id, *flow).is_none_or(|before| before == *flow),
                    "an id used twice"
                );
                assert_eq!(
                    self.routes.values().filter(|other| *other == flow).count(),
                    1,
                    "two ids for a flow"
                );
            }
            ToIntercept::RouteDel { id } => assert!(self.routes.remove(id).is_some(), "no such route"),
            ToIntercept::Payload { id, .. } => {
                assert!(self.routes.contains_key(id), "payload without a route")
            }
            other => panic!("the driver sends {other:?}"),
        }
    }
}

/// The ones' complement sum over pseudo-header and segment (RFC 9293 section 3.1): all ones if it is right.
fn checksum(packet: &[u8]) -> u32 {
    let (addresses, segment) = if packet[0] >> 4 == 4 { (12..20, 20) } else { (8..40, 40) };
    let segment = &packet[segment..];
    let words = |bytes: &[u8]| -> u32 {
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum()
    };
    let mut sum = words(&packet[addresses]) + words(segment) + 6 + segment.len() as u32;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}
