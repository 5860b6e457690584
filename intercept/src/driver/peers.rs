//! The table of peers, which is also the output of the router.

use std::net::IpAddr;

use common_core::control::FromIntercept;

use super::control_port::MAX_PEERS;
use super::peer::Peer;
use crate::router::{Host, Output, PeerId};

/// Peers by their [`PeerId`]. The ids of removed peers are reused.
#[derive(Default)]
pub(super) struct Peers {
    slots: Vec<Option<Peer>>,
    overflowed: u64,
}

impl Peers {
    /// The number of peers.
    pub(super) fn len(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// The number of peers on the host of `ip`.
    pub(super) fn of(&self, ip: IpAddr) -> usize {
        self.slots.iter().flatten().filter(|peer| Host::from(peer.ip()) == Host::from(ip)).count()
    }

    /// Whether another peer with this address is accepted: no host gets more than are left.
    pub(super) fn have_room(&self, ip: IpAddr) -> bool {
        self.of(ip) < MAX_PEERS.saturating_sub(self.len())
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

    /// There may be something to read that no event will report.
    pub(super) fn any_readable(&self) -> bool {
        self.slots.iter().flatten().any(|peer| peer.readable)
    }

    /// Answers dropped because a queue was full.
    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed
    }
}

impl Output for Peers {
    fn send(&mut self, id: PeerId, message: &FromIntercept<'_>) {
        let Some(peer) = self.get_mut(id) else { return };
        if !peer.connection_mut().queue(|out| message.encode(out))
            && matches!(message, FromIntercept::ServerSegment(_))
        {
            self.overflowed += 1;
        }
    }
}

fn index(id: PeerId) -> usize {
    usize::try_from(id.0).unwrap_or(usize::MAX)
}
