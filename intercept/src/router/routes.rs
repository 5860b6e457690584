//! The table of routes: from flows to peers, and from peers to their flows.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};

use common_core::answer_payload::AnswerPayload;
use common_core::control::FlowId;
use common_core::flow::Flow;

use super::PeerId;
use crate::host_quota::{Host, HostQuota};

/// The hash of all tables here. Its keys are random because peers choose the entries.
pub(super) type Hasher = RandomState;

/// A peer that wants the answers of a flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscriber {
    pub(super) peer: PeerId,
    pub(super) id: FlowId,
    pub(super) mode: AnswerPayload,
}

impl Subscriber {
    /// 1 if the peer wants payload.
    fn wants_payload(&self) -> usize {
        usize::from(self.mode != AnswerPayload::None)
    }
}

/// The peers that want a flow. There is nearly always one, which is found without an allocation.
struct Subscribers {
    first: Subscriber,
    others: Vec<Subscriber>,
}

impl Subscribers {
    fn of_peer(&mut self, peer: PeerId) -> Option<&mut Subscriber> {
        std::iter::once(&mut self.first).chain(&mut self.others).find(|subscriber| subscriber.peer == peer)
    }
}

struct PeerRoutes {
    host: Host,
    greeted: bool,
    flows: HashMap<FlowId, Flow, Hasher>,
}

/// All routes. A peer has at most one for each flow.
pub(super) struct Routes {
    by_flow: HashMap<Flow, Subscribers, Hasher>,
    by_peer: HashMap<PeerId, PeerRoutes, Hasher>,
    routes: HostQuota,
    greeted: HostQuota,
    /// The number of routes whose payload is wanted.
    with_payload: usize,
}

/// The table does not shrink below room for this many flows.
const KEPT: usize = 4096;

impl Routes {
    /// A table with these limits of greeted peers and of routes.
    pub(super) fn new(max_peers: usize, max_routes: usize) -> Self {
        Self {
            by_flow: HashMap::default(),
            by_peer: HashMap::default(),
            routes: HostQuota::new(max_routes),
            greeted: HostQuota::new(max_peers),
            with_payload: 0,
        }
    }

    pub(super) fn open(&mut self, peer: PeerId, host: Host) {
        self.close(peer);
        self.by_peer.insert(peer, PeerRoutes { host, greeted: false, flows: HashMap::default() });
    }

    /// Removes a peer and its routes, and frees their memory.
    pub(super) fn close(&mut self, peer: PeerId) {
        let Some(closed) = self.by_peer.remove(&peer) else { return };
        if closed.greeted {
            self.greeted.give_back(closed.host);
        }
        for flow in closed.flows.values() {
            self.unsubscribe(peer, closed.host, flow);
        }
        // Not each time: the remaining flows must be moved.
        if self.by_flow.capacity() > KEPT.max(4 * self.by_flow.len()) {
            self.by_flow.shrink_to(KEPT.max(2 * self.by_flow.len()));
        }
    }

    /// Accepts a peer that has sent its hello; false if there are too many.
    pub(super) fn greet(&mut self, peer: PeerId) -> bool {
        let Some(routes) = self.by_peer.get_mut(&peer) else { return false };
        routes.greeted = routes.greeted || self.greeted.take(routes.host);
        routes.greeted
    }

    /// The host of a peer that has been greeted.
    pub(super) fn greeted(&self, peer: PeerId) -> Option<Host> {
        self.by_peer.get(&peer).filter(|routes| routes.greeted).map(|routes| routes.host)
    }

    /// Whether a peer on this host has been greeted.
    pub(super) fn have_peer_on(&self, host: Host) -> bool {
        self.by_peer.values().any(|peer| peer.greeted && peer.host == host)
    }

    /// The number of routes of all peers.
    pub(super) fn len(&self) -> usize {
        self.routes.taken()
    }

    /// Whether some route asks for payload.
    pub(super) fn want_payload(&self) -> bool {
        self.with_payload > 0
    }

    /// Adds a route without payload; false if there are too many. It replaces the peer's route of this id and its route of
    /// this flow.
    pub(super) fn add(&mut self, peer: PeerId, id: FlowId, flow: Flow) -> bool {
        self.remove(peer, id);
        let Some(routes) = self.by_peer.get_mut(&peer) else { return true };
        let subscriber = Subscriber { peer, id, mode: AnswerPayload::None };
        match self.by_flow.entry(flow) {
            Entry::Vacant(entry) => {
                if !self.routes.take(routes.host) {
                    return false;
                }
                entry.insert(Subscribers { first: subscriber, others: Vec::new() });
            }
            Entry::Occupied(entry) => {
                let subscribers = entry.into_mut();
                if let Some(same) = subscribers.of_peer(peer) {
                    routes.flows.remove(&same.id);
                    self.with_payload -= same.wants_payload();
                    *same = subscriber;
                } else if self.routes.take(routes.host) {
                    subscribers.others.push(subscriber);
                } else {
                    return false;
                }
            }
        }
        routes.flows.insert(id, flow);
        true
    }

    /// Ends a route; one that does not stand is as good as ended.
    pub(super) fn remove(&mut self, peer: PeerId, id: FlowId) {
        let Some(routes) = self.by_peer.get_mut(&peer) else { return };
        let host = routes.host;
        if let Some(flow) = routes.flows.remove(&id) {
            self.unsubscribe(peer, host, &flow);
        }
    }

    pub(super) fn set_mode(&mut self, peer: PeerId, id: FlowId, mode: AnswerPayload) {
        let flow = self.by_peer.get(&peer).and_then(|routes| routes.flows.get(&id));
        let subscribers = flow.and_then(|flow| self.by_flow.get_mut(flow));
        if let Some(subscriber) = subscribers.and_then(|subscribers| subscribers.of_peer(peer)) {
            self.with_payload -= subscriber.wants_payload();
            subscriber.mode = mode;
            self.with_payload += subscriber.wants_payload();
        }
    }

    pub(super) fn subscribers(&self, flow: &Flow) -> Option<impl Iterator<Item = &Subscriber>> {
        self.by_flow.get(flow).map(|them| std::iter::once(&them.first).chain(&them.others))
    }

    fn unsubscribe(&mut self, peer: PeerId, host: Host, flow: &Flow) {
        let Some(subscribers) = self.by_flow.get_mut(flow) else { return };
        self.routes.give_back(host);
        self.with_payload -= subscribers.of_peer(peer).map_or(0, |subscriber| subscriber.wants_payload());
        if subscribers.first.peer != peer {
            subscribers.others.retain(|subscriber| subscriber.peer != peer);
        } else if let Some(next) = subscribers.others.pop() {
            subscribers.first = next;
        } else {
            self.by_flow.remove(flow);
        }
    }
}

#[cfg(test)]
mod tests {
    use common_core::flow::Endpoint;

    use super::*;

    #[test]
    fn a_closed_peer_gives_its_memory_back() {
        let mut routes = Routes::new(2, 1 << 20);
        let host = Host::from(std::net::IpAddr::from([10, 0, 0, 1]));
        let flow = |number: u32| Flow {
            client: Endpoint::new([10, 1, (number >> 16) as u8, 0].into(), number as u16),
            server: Endpoint::new([10, 0, 0, 2].into(), 80),
        };
        let [small, large] = [PeerId(1), PeerId(2)];
        for peer in [small, large] {
            routes.open(peer, host);
        }
        (0..10).for_each(|number| assert!(routes.add(small, FlowId(number), flow(number))));
        (0..100_000).for_each(|number| assert!(routes.add(large, FlowId(number), flow(number))));
        assert_eq!(routes.len(), 100_010);
        routes.close(large);
        assert_eq!((routes.len(), routes.by_flow.len()), (10, 10));
        assert!(routes.by_flow.capacity() < 2 * KEPT, "room for {} flows is left", routes.by_flow.capacity());
    }
}
