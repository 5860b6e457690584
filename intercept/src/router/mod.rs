//! The router: which captured segment goes to which tcpcopy. Free of I/O.

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
use common_core::shard::Shard;
use common_core::time::Time;
use common_core::wire::{Flags, Segment, Seq};
use common_os::io::Captured;

use delayed::Delayed;
use routes::{Hasher, Routes, Subscriber};
use targets::Targets;

pub use crate::shares::Host;

/// How long an answer waits for its route. The SYN is injected right after its route is announced, on another path:
/// what comes later than this was asked for by nobody.
const DELAY: Duration = Duration::from_secs(1);

/// The name of a control link, chosen by the driver; may be used again once the link is closed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct PeerId(pub u32);

/// Where a router's messages go.
pub trait Output {
    /// Sends a message over a link. One that the link has no room for is dropped: TCP sends its segment again.
    fn send(&mut self, link: PeerId, message: &FromIntercept<'_>);
}

/// Limits of a router, and what it knows of its host.
#[derive(Clone, Debug)]
pub struct RouterConfig {
    /// Links that have said hello, at most; from one host, as many as are left.
    pub max_links: usize,
    /// Routes of all links together, at most; from one host, as many as are left. Each takes about 200 bytes.
    pub max_routes: usize,
    /// Targets that one link may announce.
    pub max_targets_per_link: usize,
    /// Targets of all links together, at most; from one host, as many as are left.
    pub max_targets: usize,
    /// Answers that wait for their route, at most; the oldest gives way.
    pub max_delayed: usize,
    /// Whose clients' answers are captured: where that is not all of them, each link must be for this share.
    pub share: Shard,
    /// The addresses of this host, those of the loopback networks excepted.
    pub local_addresses: Vec<IpAddr>,
}

impl Default for RouterConfig {
    fn default() -> Self {
        Self {
            max_links: 128,
            max_routes: 1 << 20,
            max_targets_per_link: 1024,
            max_targets: 1 << 14,
            max_delayed: 1 << 16,
            share: Shard::ALL,
            local_addresses: Vec::new(),
        }
    }
}

/// All routes of one intercept.
///
/// Call order: [`Router::handle_link_opened`] first and [`Router::handle_link_closed`] last for each link; everything
/// else as it happens; [`Router::handle_timeout`] when [`Router::poll_timeout`] has come.
pub struct Router {
    config: RouterConfig,
    local: HashSet<IpAddr, Hasher>,
    routes: Routes,
    targets: Targets,
    delayed: Delayed,
    counters: Statistics,
}

impl Router {
    /// A router without links.
    #[must_use]
    pub fn new(config: RouterConfig) -> Self {
        Self {
            local: config.local_addresses.iter().copied().collect(),
            routes: Routes::new(config.max_links, config.max_routes),
            targets: Targets::new(config.max_targets_per_link, config.max_targets),
            delayed: Delayed::new(config.max_delayed),
            counters: Statistics::default(),
            config,
        }
    }

    /// The addresses of this host have changed.
    pub fn set_local_addresses(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.local.clear();
        self.local.extend(addresses);
    }

    /// A peer has connected from this host. Nothing is sent to it before its hello.
    pub fn handle_link_opened(&mut self, link: PeerId, host: Host) {
        self.routes.open(link, host);
    }

    /// A link is gone, and its routes and targets with it.
    pub fn handle_link_closed(&mut self, link: PeerId) {
        self.routes.close(link);
        self.targets.close(link);
    }

    /// A peer sent a message.
    ///
    /// # Errors
    /// Why the link is to be cut off, for the peer and for the log.
    pub fn handle_message(
        &mut self,
        now: Time,
        link: PeerId,
        message: ToIntercept,
        out: &mut dyn Output,
    ) -> Result<(), RefuseReason> {
        match (message, self.routes.greeted(link)) {
            (ToIntercept::Hello { version, share }, None) => self.handle_hello(link, version, share, out),
            // The hello comes first, and once.
            (ToIntercept::Hello { .. }, Some(_)) | (_, None) => Err(RefuseReason::Malformed),
            (ToIntercept::Target(target), Some(host)) => self.targets.add(link, host, target),
            (ToIntercept::RouteAdd { id, flow }, Some(_)) => self.handle_route(now, link, id, flow, out),
            (ToIntercept::RouteDel { id }, Some(_)) => {
                self.routes.remove(link, id);
                Ok(())
            }
            (ToIntercept::Payload { id, mode }, Some(_)) => {
                self.routes.set_mode(link, id, mode);
                Ok(())
            }
            (ToIntercept::Ping { nonce }, Some(_)) => {
                out.send(link, &FromIntercept::Pong { nonce });
                Ok(())
            }
        }
    }

    fn handle_hello(
        &mut self,
        link: PeerId,
        version: u16,
        share: Shard,
        out: &mut dyn Output,
    ) -> Result<(), RefuseReason> {
        if version != VERSION {
            return Err(RefuseReason::Version(VERSION));
        }
        if self.config.share != Shard::ALL && self.config.share != share {
            return Err(RefuseReason::Workers(self.config.share.count()));
        }
        if !self.routes.greet(link) {
            return Err(RefuseReason::TooManyLinks);
        }
        out.send(link, &FromIntercept::Hello { version: VERSION });
        Ok(())
    }

    fn handle_route(
        &mut self,
        now: Time,
        link: PeerId,
        id: FlowId,
        flow: Flow,
        out: &mut dyn Output,
    ) -> Result<(), RefuseReason> {
        if !self.routes.add(link, id, flow) {
            return Err(RefuseReason::TooManyRoutes);
        }
        self.handle_timeout(now);
        if let Some(answer) = self.delayed.take(&flow) {
            self.counters.forwarded += 1;
            out.send(link, &FromIntercept::ServerSegment(ServerSegment { id, ..answer }));
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
        // A host that forwards the answers sees each come in and go out; what goes out is one of its own only if it
        // comes from one of its addresses. Over loopback its own are seen going out and coming in.
        if captured.outgoing != self.is_local(segment.source.ip) {
            return;
        }
        let flow = Flow { client: segment.destination, server: segment.source };
        if let Some(subscribers) = self.routes.subscribers(&flow) {
            for subscriber in subscribers {
                self.counters.forwarded += 1;
                out.send(subscriber.link, &FromIntercept::ServerSegment(answer(&segment, subscriber)));
            }
        } else if answers_syn(&segment) {
            let anybody = Subscriber { link: PeerId(0), id: FlowId(0), mode: AnswerPayload::None };
            let kept = ServerSegment { payload: &[], ..answer(&segment, &anybody) };
            self.counters.unrouted += self.delayed.keep(now + DELAY, flow, kept);
        } else {
            self.counters.unrouted += 1;
        }
    }

    fn is_local(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.local.contains(&ip)
    }

    /// When [`Router::handle_timeout`] is to be called; [`Time::NEVER`] if nothing is waited for.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        self.delayed.next_deadline()
    }

    /// Time has passed: answers that waited in vain are given up.
    pub fn handle_timeout(&mut self, now: Time) {
        self.counters.unrouted += self.delayed.expire(now);
    }

    /// What the router has counted. Kernel drops and overflow are the driver's to add.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.counters
    }

    /// Routes that stand, of all links.
    #[must_use]
    pub fn routes(&self) -> usize {
        self.routes.len()
    }

    /// The servers whose answers are wanted, each once, in order: what a capture filter is derived from.
    pub fn targets(&self) -> impl Iterator<Item = Endpoint> + '_ {
        self.targets.iter()
    }

    /// Whether payload of some flow's answers is wanted; else their headers are enough.
    #[must_use]
    pub fn wants_payload(&self) -> bool {
        self.routes.want_payload()
    }

    /// Another number whenever [`Router::targets`] has changed.
    #[must_use]
    pub fn targets_version(&self) -> u64 {
        self.targets.version()
    }
}

/// The answer to one subscriber, with as much payload as it asked for.
fn answer<'a>(segment: &Segment<'a>, subscriber: &Subscriber) -> ServerSegment<'a> {
    let wanted = match subscriber.mode {
        AnswerPayload::None => 0,
        AnswerPayload::Head(bytes) => usize::from(bytes),
        AnswerPayload::All => usize::MAX,
    };
    ServerSegment {
        id: subscriber.id,
        seq: segment.seq,
        ack: segment.ack,
        flags: segment.flags,
        window: segment.window,
        payload_len: segment.payload_len,
        options: segment.options,
        payload: &segment.payload[..segment.payload.len().min(wanted)],
    }
}

/// Whether a segment is the answer to a SYN, which is the only one that can overtake its route: all others answer
/// what tcpcopy sent after having heard this one.
fn answers_syn(segment: &Segment<'_>) -> bool {
    let accepted = segment.flags.has(Flags::SYN | Flags::ACK);
    // RFC 9293 section 3.10.7.1: a reset that answers a segment without acknowledgement has sequence number zero.
    let refused = segment.flags.has(Flags::RST | Flags::ACK) && segment.seq == Seq(0);
    accepted || refused
}

#[cfg(test)]
mod tests;
