//! The router: which captured segment is sent to which tcpcopy. Free of I/O.

mod delayed;
mod routes;
mod targets;

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use common_core::answer_payload::AnswerPayload;
use common_core::control::{
    FlowId, FromIntercept, RefuseReason, ServerSegment, Statistics, ToIntercept, VERSION,
};
use common_core::flow::{Endpoint, Flow};
use common_core::time::Time;
use common_core::wire::{Flags, Segment, Seq};
use common_os::io::Captured;

use delayed::Delayed;
use routes::{Hasher, Routes, Subscriber};
use targets::Targets;

pub use crate::host_quota::Host;

/// How long an answer waits for its route. tcpcopy announces the route just before it injects the SYN, on another path: an
/// answer without route after this time was never asked for.
const DELAY: Duration = Duration::from_secs(1);

/// A connected tcpcopy, or one worker of it: the name of its control connection, chosen by the driver. It may be reused once
/// the peer is gone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct PeerId(pub u32);

/// Where a router's messages go.
pub trait Output {
    /// Sends a message to a peer. A message for which its queue has no room is dropped: TCP sends the segment again.
    fn send(&mut self, peer: PeerId, message: &FromIntercept<'_>);
}

/// Limits of a router, and the addresses of its host.
#[derive(Clone, Debug)]
pub struct RouterConfig {
    /// Limit of peers that have sent their hello; one host gets as many as are left.
    pub max_peers: usize,
    /// Limit of the routes of all peers together, divided in the same way. Each takes about 200 bytes.
    pub max_routes: usize,
    /// Limit of the targets of one peer.
    pub max_targets_per_peer: usize,
    /// Limit of the targets of all peers together, divided among hosts in the same way.
    pub max_targets: usize,
    /// Limit of the answers that wait for their route; a new one replaces the oldest.
    pub max_delayed: usize,
    /// The addresses of this host, except those of the loopback networks.
    pub local_addresses: Vec<IpAddr>,
}

impl Default for RouterConfig {
    fn default() -> Self {
        Self {
            max_peers: 128,
            max_routes: 1 << 20,
            max_targets_per_peer: 1024,
            max_targets: 1 << 14,
            max_delayed: 1 << 16,
            local_addresses: Vec::new(),
        }
    }
}

/// All routes of one intercept.
///
/// Call order: [`Router::handle_peer_connected`] first and [`Router::handle_peer_gone`] last for each peer, and
/// [`Router::handle_timeout`] at the time of [`Router::poll_timeout`].
pub struct Router {
    local: HashSet<IpAddr, Hasher>,
    routes: Routes,
    targets: Targets,
    delayed: Delayed,
    counters: Statistics,
}

impl Router {
    /// A router without peers.
    #[must_use]
    pub fn new(config: RouterConfig) -> Self {
        Self {
            local: config.local_addresses.into_iter().collect(),
            routes: Routes::new(config.max_peers, config.max_routes),
            targets: Targets::new(config.max_targets_per_peer, config.max_targets),
            delayed: Delayed::new(config.max_delayed),
            counters: Statistics::default(),
        }
    }

    /// The addresses of this host have changed.
    pub fn set_local_addresses(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.local.clear();
        self.local.extend(addresses);
    }

    /// A peer has connected from this host. Nothing is sent to it before its hello.
    pub fn handle_peer_connected(&mut self, peer: PeerId, host: Host) {
        self.routes.open(peer, host);
    }

    /// A peer is gone: its routes and targets end with it.
    pub fn handle_peer_gone(&mut self, peer: PeerId) {
        self.routes.close(peer);
        self.targets.close(peer);
    }

    /// A peer sent a message.
    ///
    /// # Errors
    /// Why the peer must be disconnected.
    pub fn handle_message(
        &mut self,
        now: Time,
        peer: PeerId,
        message: ToIntercept,
        out: &mut dyn Output,
    ) -> Result<(), RefuseReason> {
        match (message, self.routes.greeted(peer)) {
            (ToIntercept::Hello { version }, None) => self.handle_hello(peer, version, out),
            // The hello is the first message, and only the first.
            (ToIntercept::Hello { .. }, Some(_)) | (_, None) => Err(RefuseReason::Malformed),
            (ToIntercept::Target(target), Some(host)) => self.targets.add(peer, host, target),
            (ToIntercept::RouteAdd { id, flow }, Some(_)) => self.handle_route(now, peer, id, flow, out),
            (ToIntercept::RouteDel { id }, Some(_)) => {
                self.routes.remove(peer, id);
                Ok(())
            }
            (ToIntercept::Payload { id, mode }, Some(_)) => {
                self.routes.set_mode(peer, id, mode);
                Ok(())
            }
            (ToIntercept::Ping { nonce }, Some(_)) => {
                out.send(peer, &FromIntercept::Pong { nonce });
                Ok(())
            }
        }
    }

    fn handle_hello(&mut self, peer: PeerId, version: u16, out: &mut dyn Output) -> Result<(), RefuseReason> {
        if version != VERSION {
            return Err(RefuseReason::Version(VERSION));
        }
        if !self.routes.greet(peer) {
            return Err(RefuseReason::TooManyConnections);
        }
        out.send(peer, &FromIntercept::Hello { version: VERSION });
        Ok(())
    }

    fn handle_route(
        &mut self,
        now: Time,
        peer: PeerId,
        id: FlowId,
        flow: Flow,
        out: &mut dyn Output,
    ) -> Result<(), RefuseReason> {
        if !self.routes.add(peer, id, flow) {
            return Err(RefuseReason::TooManyRoutes);
        }
        self.handle_timeout(now);
        if let Some(answer) = self.delayed.take(&flow) {
            self.counters.forwarded += 1;
            out.send(peer, &FromIntercept::ServerSegment(ServerSegment { id, ..answer }));
        }
        Ok(())
    }

    /// A packet was captured.
    pub fn handle_packet(&mut self, now: Time, captured: Captured<'_>, out: &mut dyn Output) {
        self.counters.captured += 1;
        let Ok(segment) = Segment::parse(captured.packet) else {
            self.counters.unreadable += 1;
            return;
        };
        // A host that forwards answers captures each twice, incoming and outgoing. An outgoing packet counts only if its
        // source is this host; an incoming one, which over loopback is a second copy, only if its source is not.
        let flow = Flow { client: segment.destination, server: segment.source };
        if captured.outgoing != self.is_local(segment.source.ip) {
            if captured.outgoing && self.routes.subscribers(&flow).is_some() {
                self.counters.relayed += 1;
            }
            return;
        }
        if let Some(subscribers) = self.routes.subscribers(&flow) {
            for (index, subscriber) in subscribers.enumerate() {
                self.counters.forwarded += 1;
                self.counters.shared += u64::from(index == 1);
                out.send(subscriber.peer, &FromIntercept::ServerSegment(answer(&segment, subscriber)));
            }
        } else if answers_syn(&segment) {
            let prober = segment.destination.ip;
            self.counters.probed += u64::from(self.routes.have_peer_on(prober.into()));
            self.counters.probed_local += u64::from(self.is_local(prober));
            let anybody = Subscriber { peer: PeerId(0), id: FlowId(0), mode: AnswerPayload::None };
            let kept = ServerSegment { payload: &[], tail: &[], ..answer(&segment, &anybody) };
            self.counters.unrouted += self.delayed.keep(now + DELAY, flow, kept);
        } else {
            self.counters.unrouted += 1;
        }
    }

    fn is_local(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.local.contains(&ip)
    }

    /// When [`Router::handle_timeout`] must be called; [`Time::NEVER`] if no answer waits.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        self.delayed.next_deadline()
    }

    /// Drops answers whose route has not come in time.
    pub fn handle_timeout(&mut self, now: Time) {
        self.counters.unrouted += self.delayed.expire(now);
    }

    /// The router's counters. The driver adds kernel drops and overflow.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.counters
    }

    /// The number of routes of all peers.
    #[must_use]
    pub fn routes(&self) -> usize {
        self.routes.len()
    }

    /// The servers whose answers are wanted, each once, sorted. The capture filter is derived from them.
    pub fn targets(&self) -> impl Iterator<Item = Endpoint> + '_ {
        self.targets.iter()
    }

    /// Whether some route asks for payload; otherwise headers suffice.
    #[must_use]
    pub fn wants_payload(&self) -> bool {
        self.routes.want_payload()
    }

    /// A number that changes whenever [`Router::targets`] does.
    #[must_use]
    pub fn targets_version(&self) -> u64 {
        self.targets.version()
    }
}

/// The answer to one subscriber, with as much payload as it asked for.
fn answer<'a>(segment: &Segment<'a>, subscriber: &Subscriber) -> ServerSegment<'a> {
    let (head, tail) = match subscriber.mode {
        AnswerPayload::None => (0, 0),
        AnswerPayload::All => (usize::MAX, 0),
        AnswerPayload::Ends { head, tail } => (usize::from(head), usize::from(tail)),
    };
    let (payload, rest) = segment.payload.split_at(segment.payload.len().min(head));
    // The capture may have cut the segment.
    let is_whole = segment.payload.len() == segment.payload_len as usize;
    let tail = if is_whole { &rest[rest.len() - rest.len().min(tail)..] } else { &[] };
    ServerSegment {
        id: subscriber.id,
        seq: segment.seq,
        ack: segment.ack,
        flags: segment.flags,
        window: segment.window,
        payload_len: segment.payload_len,
        options: segment.options,
        payload,
        tail,
    }
}

/// Whether a segment answers a SYN. Only such a segment can overtake its route: all others answer segments that tcpcopy sent
/// after it had received this one.
fn answers_syn(segment: &Segment<'_>) -> bool {
    let accepted = segment.flags.has(Flags::SYN | Flags::ACK);
    // RFC 9293 section 3.10.7.1: a reset that answers a segment without acknowledgement has sequence number zero.
    let refused = segment.flags.has(Flags::RST | Flags::ACK) && segment.seq == Seq(0);
    accepted || refused
}

#[cfg(test)]
mod tests;
