//! The engine's output: the rules for every packet, as the test server sees it.

use std::collections::HashMap;

use common_core::control::{FlowId, ToIntercept};
use common_core::flow::Flow;
use common_core::wire::{Flags, Segment, Seq};
use tcpcopy::output::Output;

use super::MSS;

/// The newest connection of a flow, as its server sees it.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    pub(crate) iss: Option<Seq>,
    /// All bytes ever sent.
    pub(crate) stream: Vec<u8>,
    pub(crate) fin: Option<usize>,
    /// The copy's last acknowledgement: the server's next sequence number, as far as the copy knows.
    pub(crate) acknowledged: Option<Seq>,
    /// The server's last acknowledgement, the SYN's number included.
    pub(crate) taken: u32,
}

impl Peer {
    /// The copy's next sequence number.
    pub(crate) fn next(&self) -> Seq {
        self.iss.unwrap_or_default() + 1 + self.stream.len() as u32 + u32::from(self.fin.is_some())
    }

    fn receive(&mut self, segment: &Segment<'_>) {
        if segment.flags.has(Flags::SYN) {
            assert!(segment.payload.is_empty() && !segment.flags.has(Flags::ACK));
            assert!(segment.options.mss.is_some());
            if self.iss != Some(segment.seq) {
                *self = Self { iss: Some(segment.seq), ..Self::default() };
            }
            return;
        }
        if segment.flags.has(Flags::RST) {
            assert!(segment.payload.is_empty(), "a reset with payload");
            return;
        }
        let Some(iss) = self.iss else { panic!("a segment without a connection: {segment:?}") };
        assert!(segment.flags.has(Flags::ACK));
        self.acknowledged = Some(segment.ack);
        let at = segment.seq.distance(iss + 1);
        if at == -1 && segment.payload.is_empty() {
            return; // the probe of a window that is closed from the start
        }
        let at = usize::try_from(at).expect("nothing before the first byte");
        if segment.payload.is_empty() && !segment.flags.has(Flags::FIN) {
            let control = self.stream.len() + usize::from(self.fin.is_some());
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
    /// The lowest of the resets sent last.
    pub(crate) reset_at: Option<Seq>,
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
        assert!(self.routes.values().any(|other| *other == flow), "sent without a route: {flow}");
        if segment.flags.has(Flags::RST) && self.reset_at.is_none_or(|at| segment.seq.before(at)) {
            self.reset_at = Some(segment.seq);
        }
        self.peers.entry(flow).or_default().receive(&segment);
    }

    fn control(&mut self, message: &ToIntercept) {
        match message {
            ToIntercept::RouteAdd { id, flow, .. } => {
                let before = self.routes.insert(*id, *flow);
                assert!(before.is_none_or(|before| before == *flow), "an id used twice");
                let namesakes = self.routes.values().filter(|other| *other == flow).count();
                assert_eq!(namesakes, 1, "two ids for {flow}");
            }
            ToIntercept::RouteDel { id } => assert!(self.routes.remove(id).is_some(), "no such route"),
            ToIntercept::Payload { id, .. } => {
                assert!(self.routes.contains_key(id), "payload without a route");
            }
            other => panic!("{other:?} is not the engine's to send"),
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
