//! The router: which captured segment is sent to which tcpcopy. Free of I/O.

mod admission;
mod announced;
mod datagrams;
mod delayed;
mod guesses;
mod owners;
mod packets;
mod routes;
mod standing;
mod tunnels;

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use common_core::control::{
    FlowId, FromIntercept, Proof, RefuseReason, ServerSegment, Statistics, ToIntercept, VERSION,
};
use common_core::flow::{Endpoint, Flow};
use common_core::time::Time;

use admission::Services;
use announced::Announced;
use delayed::Delayed;
use guesses::Guesses;
use routes::{Hasher, Routes, Sharing};
use standing::Evidence;
use tunnels::Tunnels;

pub use crate::host_quota::Host;
pub use admission::{AllowedTarget, TargetPolicy};
pub use guesses::Guesser;
pub use tunnels::Rejected;

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
    /// Which targets are served.
    pub policy: TargetPolicy,
    /// All peers have proved the key.
    pub trusts_peers: bool,
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
            policy: TargetPolicy::default(),
            trusts_peers: false,
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
    targets: Announced,
    services: Services,
    policy: TargetPolicy,
    tunnels: Tunnels,
    trusts_peers: bool,
    /// Peers that must be refused because of what others have announced.
    refused: Vec<(PeerId, RefuseReason)>,
    /// The time of the last call.
    now: Time,
    delayed: Delayed,
    guesses: Guesses,
    counters: Statistics,
}

impl Router {
    /// A router without peers.
    #[must_use]
    pub fn new(config: RouterConfig) -> Self {
        Self {
            local: config.local_addresses.into_iter().collect(),
            routes: Routes::new(config.max_peers, config.max_routes),
            targets: Announced::new(config.max_targets_per_peer, config.max_targets),
            services: Services::new(),
            policy: config.policy,
            tunnels: Tunnels::default(),
            trusts_peers: config.trusts_peers,
            refused: Vec::new(),
            now: Time::ZERO,
            delayed: Delayed::new(config.max_delayed),
            guesses: Guesses::new(),
            counters: Statistics::default(),
        }
    }

    /// The addresses of this host have changed.
    pub fn set_local_addresses(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.local.clear();
        self.local.extend(addresses);
    }

    /// Which targets are served, from now on.
    pub fn set_policy(&mut self, policy: TargetPolicy) {
        self.policy = policy;
    }

    /// A peer has connected from this address. Nothing is sent to it before its hello.
    pub fn handle_peer_connected(&mut self, peer: PeerId, address: IpAddr) {
        self.routes.open(peer, address);
    }

    /// A peer is gone: its routes and targets end with it.
    pub fn handle_peer_gone(&mut self, peer: PeerId) {
        self.routes.close(peer);
        self.targets.close(peer);
        self.services.close(self.now, peer);
        self.tunnels.close(peer);
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
        self.now = now;
        match (message, self.routes.greeted(peer)) {
            (ToIntercept::Hello { version, instance }, None) => {
                self.handle_hello(peer, version, instance, out)
            }
            // The hello is the first message, and only the first.
            (ToIntercept::Hello { .. }, Some(_)) | (_, None) => Err(RefuseReason::Malformed),
            (_, Some(host)) if self.guesses.are_too_many(host) => Err(RefuseReason::CutOff),
            (ToIntercept::Target(target), Some(_)) if !self.reaches(peer, &target) => {
                Err(RefuseReason::TargetNotAllowed(target))
            }
            (ToIntercept::Target(target), Some(host)) => self.handle_target(now, peer, host, (target, false)),
            (ToIntercept::DatagramTarget(target), Some(host)) => {
                self.handle_target(now, peer, host, (target, true))
            }
            (ToIntercept::Service(service), Some(host)) => {
                self.handle_service(peer, host, service);
                Ok(())
            }
            (ToIntercept::RouteAdd { id, flow, proof }, Some(_)) => {
                self.handle_route(now, peer, id, flow, proof, out)
            }
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
            (ToIntercept::Tunnel, Some(_)) => self.handle_tunnel(peer, out),
        }
    }

    fn handle_hello(
        &mut self,
        peer: PeerId,
        version: u16,
        instance: u64,
        out: &mut dyn Output,
    ) -> Result<(), RefuseReason> {
        if version != VERSION {
            return Err(RefuseReason::Version(VERSION));
        }
        if !self.routes.greet(peer, instance) {
            return Err(RefuseReason::TooManyConnections);
        }
        out.send(peer, &FromIntercept::Hello { version: VERSION });
        Ok(())
    }

    /// Only at the peer's own address: nobody can have another's test server refused.
    fn handle_service(&mut self, peer: PeerId, host: Host, service: Endpoint) {
        if self.routes.address(peer) != Some(service.ip) {
            return;
        }
        self.services.add(peer, host, service);
        let reason = RefuseReason::TargetIsCopied(service);
        self.refused.extend(self.targets.peers_with(&service).map(|peer| (peer, reason)));
    }

    /// Peers that must be refused because of what another peer has announced.
    pub fn take_refused(&mut self) -> Vec<(PeerId, RefuseReason)> {
        std::mem::take(&mut self.refused)
    }

    fn handle_route(
        &mut self,
        now: Time,
        peer: PeerId,
        id: FlowId,
        flow: Flow,
        proof: Proof,
        out: &mut dyn Output,
    ) -> Result<(), RefuseReason> {
        self.handle_timeout(now);
        // What an open connection's route was compared with when it came does not change.
        let compares = matches!(proof, Proof::Opening { .. })
            || self.delayed.get(&flow).is_some() && self.routes.route(peer, &flow).is_none();
        if !self.routes.add(peer, id, flow, proof) {
            return Err(RefuseReason::TooManyRoutes);
        }
        if compares
            && let Some(answer) = self.delayed.get(&flow)
            && let Some(subscriber) = self.routes.route(peer, &flow)
        {
            if subscriber.standing.accept_early(Evidence::from(answer)) {
                self.counters.forwarded += 1;
                out.send(peer, &FromIntercept::ServerSegment(ServerSegment { id, ..*answer }));
                self.delayed.take(&flow);
                self.note_proved(now, peer);
            } else {
                let points = subscriber.standing.acceptance_points();
                self.note_refuted(now, peer, points);
            }
        }
        self.tell_of_sharing(now, &flow, out);
        Ok(())
    }

    fn note_proved(&mut self, now: Time, peer: PeerId) {
        if let Some(host) = self.routes.greeted(peer) {
            self.guesses.proved(now, host);
        }
    }

    fn note_refuted(&mut self, now: Time, peer: PeerId, points: u32) {
        if let Some(host) = self.routes.greeted(peer) {
            self.guesses.refuted(now, host, points);
        }
    }

    /// Only the owner of a connection is told that another peer wants its answers: nobody else learns that it is copied.
    fn tell_of_sharing(&mut self, now: Time, flow: &Flow, out: &mut dyn Output) {
        if let Some(Sharing { owner, id, other }) = self.routes.sharing_to_tell(now, flow) {
            out.send(owner, &FromIntercept::Shared { id, host: other });
        }
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

    /// Hosts that are to be named in the log: most of their routes are of connections that are not their own.
    pub fn take_guessers(&mut self) -> Vec<Guesser> {
        self.guesses.take_named()
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

#[cfg(test)]
mod tests;
