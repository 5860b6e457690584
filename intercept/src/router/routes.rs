//! The table of routes: from flows to peers, and from peers to their flows.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use common_core::answer_payload::AnswerPayload;
use common_core::control::{FlowId, Proof};
use common_core::flow::Flow;
use common_core::time::Time;

use super::PeerId;
use super::owners::Owners;
use super::standing::Standing;
use crate::host_quota::{Host, HostQuota};

/// The hash of all tables here. Its keys are random because peers choose the entries.
pub(super) type Hasher = RandomState;

/// A peer that wants the answers of a flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscriber {
    pub(super) peer: PeerId,
    pub(super) id: FlowId,
    pub(super) mode: AnswerPayload,
    pub(super) standing: Standing,
}

impl Subscriber {
    /// 1 if the peer wants payload.
    fn wants_payload(&self) -> usize {
        usize::from(self.mode != AnswerPayload::None)
    }
}

/// The peers that want a flow: at most two, of which one can own the server's connection. There is nearly always one, which
/// is found without another allocation.
pub(super) struct Subscribers {
    pub(super) first: Subscriber,
    pub(super) second: Option<Box<Subscriber>>,
}

impl Subscribers {
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Subscriber> {
        std::iter::once(&mut self.first).chain(self.second.as_deref_mut())
    }

    fn of_peer(&mut self, peer: PeerId) -> Option<&mut Subscriber> {
        self.iter_mut().find(|subscriber| subscriber.peer == peer)
    }

    /// The owner of the connection, and another peer that wants the flow.
    fn owner_and_other(&self) -> Option<(&Subscriber, &Subscriber)> {
        let (first, second) = (&self.first, self.second.as_deref()?);
        match (first.standing.is_proved(), second.standing.is_proved()) {
            (true, false) => Some((first, second)),
            (false, true) => Some((second, first)),
            _ => None,
        }
    }

    /// The one that makes room for a third: never the owner, otherwise the older one.
    fn to_displace(&self) -> Option<&Subscriber> {
        self.second
            .as_deref()
            .map(|second| if self.first.standing.is_proved() { second } else { &self.first })
    }
}

struct PeerRoutes {
    address: IpAddr,
    host: Host,
    /// From its hello; `None` before that.
    instance: Option<u64>,
    flows: HashMap<FlowId, Flow, Hasher>,
    /// When it was told last of another peer that wants one of its flows.
    told: Option<Time>,
}

/// A peer that owns a flow, and the address of another one that wants it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sharing {
    pub(super) owner: PeerId,
    pub(super) id: FlowId,
    pub(super) other: IpAddr,
}

/// Between two messages about that to a peer.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// All routes. A peer has at most one for each flow.
pub(super) struct Routes {
    by_flow: HashMap<Flow, Subscribers, Hasher>,
    by_peer: HashMap<PeerId, PeerRoutes, Hasher>,
    owners: Owners,
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
            owners: Owners::new(),
            routes: HostQuota::new(max_routes),
            greeted: HostQuota::new(max_peers),
            with_payload: 0,
        }
    }

    pub(super) fn open(&mut self, peer: PeerId, address: IpAddr) {
        self.close(peer);
        let (host, flows) = (Host::from(address), HashMap::default());
        self.by_peer.insert(peer, PeerRoutes { address, host, instance: None, flows, told: None });
    }

    /// Removes a peer and its routes, and frees their memory.
    pub(super) fn close(&mut self, peer: PeerId) {
        let Some(closed) = self.by_peer.remove(&peer) else { return };
        if closed.instance.is_some() {
            self.greeted.give_back(closed.host);
        }
        for flow in closed.flows.values() {
            self.unsubscribe(peer, closed.address, flow);
        }
        // Not each time: the remaining flows must be moved.
        if self.by_flow.capacity() > KEPT.max(4 * self.by_flow.len()) {
            self.by_flow.shrink_to(KEPT.max(2 * self.by_flow.len()));
        }
    }

    /// Accepts a peer that has sent its hello; false if there are too many.
    pub(super) fn greet(&mut self, peer: PeerId, instance: u64) -> bool {
        let Some(routes) = self.by_peer.get_mut(&peer) else { return false };
        if routes.instance.is_none() && self.greeted.take(routes.host) {
            routes.instance = Some(instance);
        }
        routes.instance.is_some()
    }

    /// The host of a peer that has been greeted.
    pub(super) fn greeted(&self, peer: PeerId) -> Option<Host> {
        self.by_peer.get(&peer).filter(|routes| routes.instance.is_some()).map(|routes| routes.host)
    }

    /// The address of a peer.
    pub(super) fn address(&self, peer: PeerId) -> Option<IpAddr> {
        self.by_peer.get(&peer).map(|routes| routes.address)
    }

    /// Whether a peer on this host has been greeted.
    pub(super) fn have_peer_on(&self, host: Host) -> bool {
        self.by_peer.values().any(|peer| peer.instance.is_some() && peer.host == host)
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
    pub(super) fn add(&mut self, peer: PeerId, id: FlowId, flow: Flow, proof: Proof) -> bool {
        let Some(routes) = self.by_peer.get_mut(&peer) else { return true };
        let before = routes.flows.insert(id, flow);
        if before.is_some_and(|before| before != flow)
            && let Some(before) = before
        {
            let address = routes.address;
            self.unsubscribe(peer, address, &before);
        }
        if let Some(subscribers) = self.by_flow.get_mut(&flow)
            && let Some(same) = subscribers.of_peer(peer)
        {
            self.with_payload -= same.wants_payload();
            same.mode = AnswerPayload::None;
            same.standing.update(proof);
            let old = std::mem::replace(&mut same.id, id);
            if old != id
                && let Some(routes) = self.by_peer.get_mut(&peer)
            {
                routes.flows.remove(&old);
            }
            return true;
        }
        if self.subscribe(peer, id, flow, proof) {
            return true;
        }
        if let Some(routes) = self.by_peer.get_mut(&peer) {
            routes.flows.remove(&id);
        }
        false
    }

    /// Adds a route to a flow of which the peer has none.
    fn subscribe(&mut self, peer: PeerId, id: FlowId, flow: Flow, proof: Proof) -> bool {
        let inherited = self.take_over(peer, &flow);
        let Some(routes) = self.by_peer.get(&peer) else { return true };
        if !self.routes.take(routes.host) {
            return false;
        }
        let standing = inherited.map_or_else(
            || Standing::new(proof, self.owners.is_owned(&flow, routes.address)),
            |mut standing| {
                standing.update(proof);
                standing
            },
        );
        let subscriber = Subscriber { peer, id, mode: AnswerPayload::None, standing };
        let displaced =
            self.by_flow.get(&flow).and_then(|them| them.to_displace().map(|them| (them.peer, them.id)));
        if let Some((peer, id)) = displaced {
            self.remove(peer, id);
        }
        match self.by_flow.entry(flow) {
            Entry::Vacant(entry) => drop(entry.insert(Subscribers { first: subscriber, second: None })),
            Entry::Occupied(entry) => entry.into_mut().second = Some(Box::new(subscriber)),
        }
        true
    }

    /// Ends the route that the same tcpcopy has on another connection, which must be dead: it has not been noticed yet.
    /// Returns what it had proved.
    fn take_over(&mut self, peer: PeerId, flow: &Flow) -> Option<Standing> {
        let subscribers = self.by_flow.get_mut(flow)?;
        let instance = self.by_peer.get(&peer)?.instance;
        let of_same =
            |other: &PeerId| self.by_peer.get(other).is_some_and(|other| other.instance == instance);
        let same = *subscribers.iter_mut().find(|subscriber| of_same(&subscriber.peer))?;
        self.remove(same.peer, same.id);
        Some(same.standing)
    }

    /// Ends a route; one that does not stand is as good as ended.
    pub(super) fn remove(&mut self, peer: PeerId, id: FlowId) {
        let Some(routes) = self.by_peer.get_mut(&peer) else { return };
        let address = routes.address;
        if let Some(flow) = routes.flows.remove(&id) {
            self.unsubscribe(peer, address, &flow);
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

    pub(super) fn subscribers(&mut self, flow: &Flow) -> Option<&mut Subscribers> {
        self.by_flow.get_mut(flow)
    }

    /// The peer's route of this flow.
    pub(super) fn route(&mut self, peer: PeerId, flow: &Flow) -> Option<&mut Subscriber> {
        self.by_flow.get_mut(flow)?.of_peer(peer)
    }

    /// The server has accepted a connection: the one before it on this flow is over.
    pub(super) fn forget_owner(&mut self, flow: &Flow) {
        self.owners.forget(flow);
    }

    /// The owner of this flow, if another peer wants it, too, and the owner was not told of that a while ago.
    pub(super) fn sharing_to_tell(&mut self, now: Time, flow: &Flow) -> Option<Sharing> {
        let (owner, other) = self.by_flow.get(flow)?.owner_and_other()?;
        let other = self.by_peer.get(&other.peer)?.address;
        let told = &mut self.by_peer.get_mut(&owner.peer)?.told;
        if told.is_some_and(|told| now < told + TOLD_EVERY) {
            return None;
        }
        *told = Some(now);
        Some(Sharing { owner: owner.peer, id: owner.id, other })
    }

    fn unsubscribe(&mut self, peer: PeerId, address: IpAddr, flow: &Flow) {
        let Some(subscribers) = self.by_flow.get_mut(flow) else { return };
        let Some(subscriber) = subscribers.of_peer(peer) else { return };
        self.routes.give_back(address.into());
        self.with_payload -= subscriber.wants_payload();
        if subscriber.standing.is_proved() {
            self.owners.note(flow, address);
        }
        let second = subscribers.second.take();
        if subscribers.first.peer != peer {
            // The second one is gone.
        } else if let Some(second) = second {
            subscribers.first = *second;
        } else {
            self.by_flow.remove(flow);
        }
    }
}

#[cfg(test)]
mod tests {
    use common_core::flow::Endpoint;

    use super::*;

    const PROOF: Proof = Proof::Opening { isn: common_core::wire::Seq(7), past: None };

    #[test]
    fn a_closed_peer_gives_its_memory_back() {
        let mut routes = Routes::new(2, 1 << 20);
        let flow = |number: u32| Flow {
            client: Endpoint::new([10, 1, (number >> 16) as u8, 0].into(), number as u16),
            server: Endpoint::new([10, 0, 0, 2].into(), 80),
        };
        let [small, large] = [PeerId(1), PeerId(2)];
        for peer in [small, large] {
            routes.open(peer, IpAddr::from([10, 0, 0, peer.0 as u8]));
            assert!(routes.greet(peer, peer.0.into()));
        }
        (0..10).for_each(|number| assert!(routes.add(small, FlowId(number), flow(number), PROOF)));
        (0..100_000).for_each(|number| assert!(routes.add(large, FlowId(number), flow(number), PROOF)));
        assert_eq!(routes.len(), 100_010);
        routes.close(large);
        assert_eq!((routes.len(), routes.by_flow.len()), (10, 10));
        assert!(routes.by_flow.capacity() < 2 * KEPT, "room for {} flows is left", routes.by_flow.capacity());
    }
}
