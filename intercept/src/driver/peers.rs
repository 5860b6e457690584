//! The table of peers: what the router's messages go out through.

use std::net::IpAddr;

use common_core::control::FromIntercept;

use super::MAX_PEERS;
use super::peer::Peer;
use crate::router::{Host, Output, PeerId};

/// Peers by the number of their link; numbers of peers that are gone are used again.
#[derive(Default)]
pub(super) struct Peers {
    slots: Vec<Option<Peer>>,
    overflowed: u64,
}

impl Peers {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// How many there are from one host.
    pub(super) fn of(&self, ip: IpAddr) -> usize {
        self.slots.iter().flatten().filter(|peer| Host::from(peer.ip()) == Host::from(ip)).count()
    }

    /// Whether another one from there is taken: no host gets more than are left.
    pub(super) fn have_room(&self, ip: IpAddr) -> bool {
        self.of(ip) < MAX_PEERS.saturating_sub(self.len())
    }

    /// The number that the next peer gets.
    pub(super) fn vacant(&self) -> PeerId {
        let index = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        PeerId(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Adds a peer under the number that [`Self::vacant`] gave.
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

    /// The numbers in use or not, in order: peers may come and go on the way.
    pub(super) fn ids(&self) -> impl Iterator<Item = PeerId> + use<> {
        (0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX)).map(PeerId)
    }

    /// Something may be left to read, for which no event will come.
    pub(super) fn any_readable(&self) -> bool {
        self.slots.iter().flatten().any(|peer| peer.readable)
    }

    /// Answers dropped for want of room in a queue.
    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed
    }
}

impl Output for Peers {
    fn send(&mut self, link: PeerId, message: &FromIntercept<'_>) {
        let Some(peer) = self.get_mut(link) else { return };
        if !peer.link_mut().queue(|out| message.encode(out))
            && matches!(message, FromIntercept::ServerSegment(_))
        {
            self.overflowed += 1;
        }
    }
}

fn index(id: PeerId) -> usize {
    usize::try_from(id.0).unwrap_or(usize::MAX)
}
