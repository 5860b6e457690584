//! The answers of UDP servers (`--udp`): each goes to all peers that have named its server as their target.

use common_core::control::{DatagramAnswer, FromIntercept, RefuseReason};
use common_core::flow::{Endpoint, Flow};
use common_core::time::Time;
use common_core::wire::Datagram;
use common_os::io::Captured;

use super::admission::admit;
use super::{Host, Output, PeerId, Router};

/// Peers of one host that may name the same target: each gets every answer, so more of them would multiply the traffic.
const PEERS_OF_HOST_MAX: usize = 4;

impl Router {
    /// A target, of which the user's policy decides whether its transport is served.
    ///
    /// # Errors
    /// Why the peer must be disconnected.
    pub(super) fn handle_target(
        &mut self,
        now: Time,
        peer: PeerId,
        host: Host,
        (target, is_datagrams): (Endpoint, bool),
    ) -> Result<(), RefuseReason> {
        if is_datagrams != self.policy.datagrams {
            return Err(RefuseReason::OtherTransport);
        }
        admit(now, &self.policy, &self.services, target)?;
        if is_datagrams
            && !self.targets.is_of(peer, &target)
            && self.targets.count_of_host(host, &target) >= PEERS_OF_HOST_MAX
        {
            return Err(RefuseReason::TooManyRoutes);
        }
        self.targets.add(peer, host, target)
    }

    /// A packet was captured, and datagrams are served.
    pub(super) fn handle_datagram(&mut self, captured: Captured<'_>, out: &mut dyn Output) {
        let Ok(datagram) = Datagram::parse(captured.packet) else {
            self.counters.unreadable += 1;
            return;
        };
        let flow = Flow { client: datagram.destination, server: datagram.source };
        if !self.policy.loopback && (flow.client.ip.is_loopback() || flow.server.ip.is_loopback()) {
            self.counters.withheld += 1;
            return;
        }
        // As of segments: a host that forwards answers captures each twice.
        let is_target = self.targets.contains(&flow.server);
        if captured.outgoing != self.is_local(flow.server.ip) {
            self.counters.relayed += u64::from(captured.outgoing && is_target);
            return;
        }
        if !is_target {
            self.counters.unrouted += 1;
            return;
        }
        let answer =
            FromIntercept::DatagramAnswer(DatagramAnswer { flow, payload_len: datagram.payload_len });
        for peer in self.targets.peers_with(&flow.server) {
            self.counters.forwarded += 1;
            out.send(peer, &answer);
        }
    }
}
