//! The rules for the engine's packets, checked for every packet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use common_core::control::{FlowId, ServerSegment, ToIntercept};
use common_core::flow::{Endpoint, Flow};
use common_core::wire::{Flags, Segment, Seq};

use crate::hosts::before_move;

/// The engine's knowledge of its peer, by the answers that it received.
#[derive(Debug, Clone, Copy)]
struct Peer {
    isn: Seq,
    /// First number never sent.
    max: Seq,
    accepted: bool,
    shift: u8,
    mss: u32,
    /// First number beyond the window.
    edge: Seq,
}

/// Observes the engine's packets, and its answers.
#[derive(Debug)]
pub(crate) struct Judge {
    clients: BTreeSet<Endpoint>,
    targets: Vec<Endpoint>,
    mss: (u16, u16),
    flows: BTreeMap<FlowId, Flow>,
    peers: BTreeMap<Flow, Peer>,
    /// Forged answers make the windows unknowable.
    pub(crate) windows: bool,
}

impl Judge {
    pub(crate) fn new(
        clients: BTreeSet<Endpoint>,
        targets: Vec<Endpoint>,
        mss: (u16, u16),
        windows: bool,
    ) -> Self {
        Self { clients, targets, mss, flows: BTreeMap::new(), peers: BTreeMap::new(), windows }
    }

    /// The SYNs of these are copied, too.
    pub(crate) fn allow(&mut self, clients: impl IntoIterator<Item = Endpoint>) {
        self.clients.extend(clients);
    }

    /// Another engine takes over.
    pub(crate) fn restart(&mut self) {
        self.flows.clear();
        self.peers.clear();
    }

    pub(crate) fn control(&mut self, message: &ToIntercept) {
        if let ToIntercept::RouteAdd { id, flow, .. } = message {
            self.flows.insert(*id, *flow);
            assert!(self.targets.contains(&flow.server), "a route of no target: {flow}");
            assert!(self.clients.contains(&before_move(flow).client), "a route of no client: {flow}");
        }
    }

    /// The engine receives an answer.
    pub(crate) fn answer(&mut self, answer: &ServerSegment<'_>) {
        let Some(peer) = self.flows.get(&answer.id).and_then(|flow| self.peers.get_mut(flow)) else { return };
        if !answer.flags.has(Flags::ACK) || answer.ack.before(peer.isn + 1) || answer.ack.after(peer.max) {
            return;
        }
        if answer.flags.has(Flags::SYN) {
            if !peer.accepted {
                peer.accepted = true;
                peer.mss = u32::from(answer.options.mss.unwrap_or(536));
                peer.shift = answer.options.window_scale.unwrap_or(0);
                peer.edge = answer.ack + u32::from(answer.window);
            }
        } else {
            let edge = answer.ack + (u32::from(answer.window) << peer.shift);
            if edge.after(peer.edge) {
                peer.edge = edge;
            }
        }
    }

    /// The engine sends a packet.
    pub(crate) fn injected(&mut self, packet: &[u8]) {
        let segment = Segment::parse(packet).expect("the engine sends something that is no TCP segment");
        let flow = Flow { client: segment.source, server: segment.destination };
        assert!(self.targets.contains(&flow.server), "sent to no target: {flow}");
        assert!(self.clients.contains(&before_move(&flow).client), "sent for no client: {flow}");
        assert_eq!(segment.payload.len(), segment.payload_len as usize, "lengths of a packet disagree");
        let header = check_sums(packet, &segment);
        let own = if flow.server.ip.is_ipv4() { self.mss.0 } else { self.mss.1 };
        let size = (header - 20 + segment.payload.len()) as u32;

        if segment.flags.has(Flags::SYN) {
            assert!(
                segment.payload.is_empty() && !segment.flags.has(Flags::ACK),
                "a strange SYN: {segment:?}"
            );
            assert_eq!(segment.options.mss, Some(own), "MSS of a SYN");
            let known = self.peers.get(&flow).is_some_and(|peer| peer.isn == segment.seq);
            if !known {
                let edge = segment.seq + 1;
                let peer = Peer { isn: segment.seq, max: edge, accepted: false, shift: 0, mss: 536, edge };
                self.peers.insert(flow, peer);
            }
            return;
        }
        if segment.payload.is_empty() && !segment.flags.has(Flags::FIN) {
            return;
        }
        let peer = self.peers.get_mut(&flow).expect("data before a SYN");
        if self.windows {
            assert!(peer.accepted, "data before the SYN was answered: {segment:?}");
            assert!(
                size <= u32::from(own).min(peer.mss),
                "{size} bytes in a segment, the MSS is {}",
                peer.mss
            );
            let end = segment.seq + segment.payload_len;
            let over = end.distance(peer.edge);
            assert!(
                over <= 0 || (over == 1 && segment.payload.len() == 1) || segment.payload.is_empty(),
                "{over} bytes beyond the window: {:?} +{} on {flow}",
                segment.seq,
                segment.payload_len
            );
        }
        if segment.end().after(peer.max) {
            peer.max = segment.end();
        }
    }
}

/// Verifies both checksums by adding up everything; returns the length of the TCP header.
fn check_sums(packet: &[u8], segment: &Segment<'_>) -> usize {
    let (ip, mut sum) = match (segment.source.ip, segment.destination.ip) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header = usize::from(packet[0] & 15) * 4;
            assert_eq!(fold(add(0, &packet[..header])), 0xffff, "IP checksum");
            (header, add(add(0, &source.octets()), &destination.octets()))
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            (40, add(add(0, &source.octets()), &destination.octets()))
        }
        _ => panic!("addresses of two families"),
    };
    let tcp = &packet[ip..];
    sum = add(sum + 6 + tcp.len() as u64, tcp);
    assert_eq!(fold(sum), 0xffff, "TCP checksum");
    usize::from(tcp[12] >> 4) * 4
}

fn add(sum: u64, bytes: &[u8]) -> u64 {
    bytes
        .chunks(2)
        .fold(sum, |sum, pair| sum + (u64::from(pair[0]) << 8) + u64::from(pair.get(1).copied().unwrap_or(0)))
}

fn fold(mut sum: u64) -> u64 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}
