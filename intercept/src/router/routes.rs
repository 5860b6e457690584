//! The table of routes: from flows to links, and from links to their flows.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};

use common_core::answer_payload::AnswerPayload;
use common_core::control::FlowId;
use common_core::flow::Flow;

use super::PeerId;
use crate::shares::{Host, Shares};

/// The hash of all tables here. Keyed at random: peers choose what is put in.
pub(super) type Hasher = RandomState;

/// One link's interest in a flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscriber {
    pub(super) link: PeerId,
    pub(super) id: FlowId,
    pub(super) mode: AnswerPayload,
}

impl Subscriber {
    /// 1 if it wants payload.
    fn wants_payload(&self) -> usize {
        usize::from(self.mode != AnswerPayload::None)
    }
}

/// The links that want a flow: hardly ever more than one, so that one is found without another step.
struct Subscribers {
    first: Subscriber,
    others: Vec<Subscriber>,
}

impl Subscribers {
    fn of_link(&mut self, link: PeerId) -> Option<&mut Subscriber> {
        std::iter::once(&mut self.first).chain(&mut self.others).find(|subscriber| subscriber.link == link)
    }
}

struct LinkRoutes {
    host: Host,
    greeted: bool,
    flows: HashMap<FlowId, Flow, Hasher>,
}

/// All routes. Between a link and a flow there is at most one.
pub(super) struct Routes {
    by_flow: HashMap<Flow, Subscribers, Hasher>,
    by_link: HashMap<PeerId, LinkRoutes, Hasher>,
    routes: Shares,
    greeted: Shares,
    /// Routes of which payload is wanted.
    with_payload: usize,
}

/// Flows that the table keeps room for, once it has had it, whatever was closed.
const KEPT: usize = 4096;

impl Routes {
    /// At most so many links that have been greeted, and so many routes.
    pub(super) fn new(max_links: usize, max_routes: usize) -> Self {
        Self {
            by_flow: HashMap::default(),
            by_link: HashMap::default(),
            routes: Shares::new(max_routes),
            greeted: Shares::new(max_links),
            with_payload: 0,
        }
    }

    pub(super) fn open(&mut self, link: PeerId, host: Host) {
        self.close(link);
        self.by_link.insert(link, LinkRoutes { host, greeted: false, flows: HashMap::default() });
    }

    /// Ends a link and its routes, and gives their memory back.
    pub(super) fn close(&mut self, link: PeerId) {
        let Some(closed) = self.by_link.remove(&link) else { return };
        if closed.greeted {
            self.greeted.give_back(closed.host);
        }
        for flow in closed.flows.values() {
            self.unsubscribe(link, closed.host, flow);
        }
        // Not each time: what is left has to be moved.
        if self.by_flow.capacity() > KEPT.max(4 * self.by_flow.len()) {
            self.by_flow.shrink_to(KEPT.max(2 * self.by_flow.len()));
        }
    }

    /// Lets a link in that has said hello; false if there are too many.
    pub(super) fn greet(&mut self, link: PeerId) -> bool {
        let Some(routes) = self.by_link.get_mut(&link) else { return false };
        routes.greeted = routes.greeted || self.greeted.take(routes.host);
        routes.greeted
    }

    /// Where a link comes from that has been greeted.
    pub(super) fn greeted(&self, link: PeerId) -> Option<Host> {
        self.by_link.get(&link).filter(|routes| routes.greeted).map(|routes| routes.host)
    }

    /// Routes of all links.
    pub(super) fn len(&self) -> usize {
        self.routes.all()
    }

    /// Payload of some route is wanted.
    pub(super) fn want_payload(&self) -> bool {
        self.with_payload > 0
    }

    /// Adds a route without payload; false if there are too many. What the link had under this name, or for this flow, is
    /// replaced.
    pub(super) fn add(&mut self, link: PeerId, id: FlowId, flow: Flow) -> bool {
        self.remove(link, id);
        let Some(routes) = self.by_link.get_mut(&link) else { return true };
        let subscriber = Subscriber { link, id, mode: AnswerPayload::None };
        match self.by_flow.entry(flow) {
            Entry::Vacant(entry) => {
                if !self.routes.take(routes.host) {
                    return false;
                }
                entry.insert(Subscribers { first: subscriber, others: Vec::new() });
            }
            Entry::Occupied(entry) => {
                let subscribers = entry.into_mut();
                if let Some(same) = subscribers.of_link(link) {
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
    pub(super) fn remove(&mut self, link: PeerId, id: FlowId) {
        let Some(routes) = self.by_link.get_mut(&link) else { return };
        let host = routes.host;
        if let Some(flow) = routes.flows.remove(&id) {
            self.unsubscribe(link, host, &flow);
        }
    }

    pub(super) fn set_mode(&mut self, link: PeerId, id: FlowId, mode: AnswerPayload) {
        let flow = self.by_link.get(&link).and_then(|routes| routes.flows.get(&id));
        let subscribers = flow.and_then(|flow| self.by_flow.get_mut(flow));
        if let Some(subscriber) = subscribers.and_then(|subscribers| subscribers.of_link(link)) {
            self.with_payload -= subscriber.wants_payload();
            subscriber.mode = mode;
            self.with_payload += subscriber.wants_payload();
        }
    }

    pub(super) fn subscribers(&self, flow: &Flow) -> Option<impl Iterator<Item = &Subscriber>> {
        self.by_flow.get(flow).map(|them| std::iter::once(&them.first).chain(&them.others))
    }

    fn unsubscribe(&mut self, link: PeerId, host: Host, flow: &Flow) {
        let Some(subscribers) = self.by_flow.get_mut(flow) else { return };
        self.routes.give_back(host);
        self.with_payload -= subscribers.of_link(link).map_or(0, |subscriber| subscriber.wants_payload());
        if subscribers.first.link != link {
            subscribers.others.retain(|subscriber| subscriber.link != link);
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
    fn a_closed_link_gives_its_memory_back() {
        let mut routes = Routes::new(2, 1 << 20);
        let host = Host::from(std::net::IpAddr::from([10, 0, 0, 1]));
        let flow = |number: u32| Flow {
            client: Endpoint::new([10, 1, (number >> 16) as u8, 0].into(), number as u16),
            server: Endpoint::new([10, 0, 0, 2].into(), 80),
        };
        let [small, large] = [PeerId(1), PeerId(2)];
        for link in [small, large] {
            routes.open(link, host);
        }
        (0..10).for_each(|number| assert!(routes.add(small, FlowId(number), flow(number))));
        (0..100_000).for_each(|number| assert!(routes.add(large, FlowId(number), flow(number))));
        assert_eq!(routes.len(), 100_010);
        routes.close(large);
        assert_eq!((routes.len(), routes.by_flow.len()), (10, 10));
        assert!(routes.by_flow.capacity() < 2 * KEPT, "room for {} flows is left", routes.by_flow.capacity());
    }
}
