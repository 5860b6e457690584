//! The table of peers, which is also the output of the router.

use std::collections::HashMap;
use std::net::IpAddr;

use common_core::control::FromIntercept;

use super::control_port::{MAX_PEERS, RESERVED};
use super::hosts::Hosts;
use super::peer::Peer;
use crate::router::{Host, Output, PeerId};

/// Bytes queued for one tcpcopy: about 140 000 answers, two seconds of a busy server.
pub(super) const QUEUE: usize = 4 << 20;

/// For a peer of which nothing is known yet.
const STRANGER_QUEUE: usize = 256 * 1024;

/// Bytes queued for all peers of one host, and for all peers. Beyond, no queue grows until some of it is written.
const HOST_QUEUES: usize = 16 << 20;
const ALL_QUEUES: usize = 64 << 20;

/// Peers by their [`PeerId`]. The ids of removed peers are reused.
#[derive(Default)]
pub(super) struct Peers {
    slots: Vec<Option<Peer>>,
    overflowed: u64,
}

impl Peers {
    /// The number of peers.
    pub(super) fn len(&self) -> usize {
        self.iter().count()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.slots.iter().flatten()
    }

    /// The number of peers on the host of `ip`.
    pub(super) fn of(&self, ip: IpAddr) -> usize {
        self.iter().filter(|peer| peer.host() == Host::from(ip)).count()
    }

    /// Whether another peer on this host is accepted: no host gets more than are left, and the last places are for hosts that
    /// are known.
    pub(super) fn have_room(&self, host: Host, hosts: &Hosts) -> bool {
        let (mut all, mut strangers, mut own) = (0, 0, 0);
        for peer in self.iter() {
            all += 1;
            strangers += usize::from(!hosts.knows(peer.host()));
            own += usize::from(peer.host() == host);
        }
        let left = MAX_PEERS - all;
        let left =
            if hosts.knows(host) { left } else { left.min((MAX_PEERS - RESERVED).saturating_sub(strangers)) };
        own < left
    }

    /// The peer that must make room for one on `host`: the oldest one of the unknown host that has most of them. An
    /// unknown host displaces nobody who will not still have as many as itself.
    pub(super) fn to_displace(&self, host: Host, hosts: &Hosts) -> Option<PeerId> {
        let mut counts: HashMap<Host, usize> = HashMap::new();
        for peer in self.iter().filter(|peer| !hosts.knows(peer.host())) {
            *counts.entry(peer.host()).or_default() += 1;
        }
        let own = counts.remove(&host).unwrap_or(0);
        let least = if hosts.knows(host) { 1 } else { own + 2 };
        let (most, _) =
            counts.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| *count >= least)?;
        let of_most = self.slots.iter().enumerate().filter_map(|(index, peer)| {
            let peer = peer.as_ref().filter(|peer| peer.host() == most)?;
            Some((peer.since(), u32::try_from(index).ok()?))
        });
        of_most.min().map(|(_, index)| PeerId(index))
    }

    /// Limits what is queued in the next round.
    pub(super) fn limit_queues(&mut self) {
        let all: usize = self.iter().map(Peer::queued).sum();
        if all <= STRANGER_QUEUE {
            // Nothing is near a limit: the usual case costs nothing more.
            return self.slots.iter_mut().flatten().for_each(|peer| peer.set_limit(fair_share(peer)));
        }
        let mut by_host: HashMap<Host, usize> = HashMap::new();
        for peer in self.iter() {
            *by_host.entry(peer.host()).or_default() += peer.queued();
        }
        for peer in self.slots.iter_mut().flatten() {
            let is_full =
                all > ALL_QUEUES || by_host.get(&peer.host()).is_some_and(|bytes| *bytes > HOST_QUEUES);
            peer.set_limit(if is_full { peer.queued() } else { fair_share(peer) });
        }
    }

    /// The id of the next peer.
    pub(super) fn vacant(&self) -> PeerId {
        let index = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        PeerId(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Adds a peer under the id that [`Self::vacant`] returned.
    pub(super) fn insert(&mut self, id: PeerId, peer: Peer) {
        let index = index(id);
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        self.slots[index] = Some(peer);
    }

    pub(super) fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.slots.get_mut(index(id))?.as_mut()
    }

    pub(super) fn remove(&mut self, id: PeerId) -> Option<Peer> {
        self.slots.get_mut(index(id))?.take()
    }

    /// All ids, in use or not: peers may be added and removed during the iteration.
    pub(super) fn ids(&self) -> impl Iterator<Item = PeerId> + use<> {
        (0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX)).map(PeerId)
    }

    /// The same, in a round that begins with the one of this number.
    pub(super) fn ids_from(&self, first: u32) -> impl Iterator<Item = PeerId> + use<> {
        let count = u32::try_from(self.slots.len()).unwrap_or(u32::MAX).max(1);
        (0..count).map(move |index| PeerId((first % count + index) % count))
    }

    /// Answers dropped because a queue was full.
    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed
    }
}

fn fair_share(peer: &Peer) -> usize {
    if peer.is_known { QUEUE } else { STRANGER_QUEUE }
}

impl Output for Peers {
    fn send(&mut self, id: PeerId, message: &FromIntercept<'_>) {
        let Some(peer) = self.get_mut(id) else { return };
        let queued = peer.connection_mut().queue(|out| message.encode(out));
        if matches!(message, FromIntercept::ServerSegment(_) | FromIntercept::DatagramAnswer(_)) {
            let counter = if queued { &mut peer.answers } else { &mut peer.overflowed };
            *counter += 1;
            self.overflowed += u64::from(!queued);
        }
    }
}

fn index(id: PeerId) -> usize {
    usize::try_from(id.0).unwrap_or(usize::MAX)
}
