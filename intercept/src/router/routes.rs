//! The table of routes: from flows to links, and from links to their flows.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};

use common::control::{AnswerPayload, FlowId};
use common::flow::Flow;

use super::LinkId;

/// The hash of all tables here. Keyed at random: peers choose what is put in.
pub(super) type Hasher = RandomState;

/// One link's interest in a flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscriber {
    pub(super) link: LinkId,
    pub(super) id: FlowId,
    pub(super) mode: AnswerPayload,
}

/// The links that want a flow: hardly ever more than one, so that one is found without another step.
struct Subscribers {
    first: Subscriber,
    others: Vec<Subscriber>,
}

impl Subscribers {
    fn of_link(&mut self, link: LinkId) -> Option<&mut Subscriber> {
        std::iter::once(&mut self.first).chain(&mut self.others).find(|subscriber| subscriber.link == link)
    }
}

#[derive(Default)]
struct LinkRoutes {
    greeted: bool,
    flows: HashMap<FlowId, Flow, Hasher>,
}

/// All routes. Between a link and a flow there is at most one.
#[derive(Default)]
pub(super) struct Routes {
    by_flow: HashMap<Flow, Subscribers, Hasher>,
    by_link: HashMap<LinkId, LinkRoutes, Hasher>,
    count: usize,
    greeted: usize,
}

impl Routes {
    pub(super) fn open(&mut self, link: LinkId) {
        self.close(link);
        self.by_link.insert(link, LinkRoutes::default());
    }

    pub(super) fn close(&mut self, link: LinkId) {
        let Some(closed) = self.by_link.remove(&link) else { return };
        self.greeted -= usize::from(closed.greeted);
        for flow in closed.flows.values() {
            self.unsubscribe(link, flow);
        }
    }

    pub(super) fn greet(&mut self, link: LinkId) {
        if let Some(routes) = self.by_link.get_mut(&link) {
            self.greeted += usize::from(!routes.greeted);
            routes.greeted = true;
        }
    }

    pub(super) fn greeted(&self, link: LinkId) -> bool {
        self.by_link.get(&link).is_some_and(|routes| routes.greeted)
    }

    /// Links that have been greeted.
    pub(super) fn links_greeted(&self) -> usize {
        self.greeted
    }

    /// Routes of all links.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Routes of one link.
    pub(super) fn len_of(&self, link: LinkId) -> usize {
        self.by_link.get(&link).map_or(0, |routes| routes.flows.len())
    }

    /// Adds a route without payload. What the link had under this name, or for this flow, is replaced.
    pub(super) fn add(&mut self, link: LinkId, id: FlowId, flow: Flow) {
        self.remove(link, id);
        let Some(routes) = self.by_link.get_mut(&link) else { return };
        let subscriber = Subscriber { link, id, mode: AnswerPayload::None };
        match self.by_flow.entry(flow) {
            Entry::Vacant(entry) => {
                entry.insert(Subscribers { first: subscriber, others: Vec::new() });
                self.count += 1;
            }
            Entry::Occupied(entry) => {
                let subscribers = entry.into_mut();
                if let Some(same) = subscribers.of_link(link) {
                    routes.flows.remove(&same.id);
                    *same = subscriber;
                } else {
                    subscribers.others.push(subscriber);
                    self.count += 1;
                }
            }
        }
        routes.flows.insert(id, flow);
    }

    /// Ends a route; one that does not stand is as good as ended.
    pub(super) fn remove(&mut self, link: LinkId, id: FlowId) {
        if let Some(flow) = self.by_link.get_mut(&link).and_then(|routes| routes.flows.remove(&id)) {
            self.unsubscribe(link, &flow);
        }
    }

    pub(super) fn set_mode(&mut self, link: LinkId, id: FlowId, mode: AnswerPayload) {
        let flow = self.by_link.get(&link).and_then(|routes| routes.flows.get(&id));
        let subscribers = flow.and_then(|flow| self.by_flow.get_mut(flow));
        if let Some(subscriber) = subscribers.and_then(|subscribers| subscribers.of_link(link)) {
            subscriber.mode = mode;
        }
    }

    pub(super) fn subscribers(&self, flow: &Flow) -> Option<impl Iterator<Item = &Subscriber>> {
        self.by_flow.get(flow).map(|them| std::iter::once(&them.first).chain(&them.others))
    }

    fn unsubscribe(&mut self, link: LinkId, flow: &Flow) {
        let Some(subscribers) = self.by_flow.get_mut(flow) else { return };
        self.count -= 1;
        if subscribers.first.link != link {
            subscribers.others.retain(|subscriber| subscriber.link != link);
        } else if let Some(next) = subscribers.others.pop() {
            subscribers.first = next;
        } else {
            self.by_flow.remove(flow);
        }
    }
}
