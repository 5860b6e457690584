//! Who owned the connections whose routes have ended.

use std::hash::BuildHasher;
use std::net::IpAddr;

use common_core::flow::Flow;

use super::routes::Hasher;

/// Remembers the address of the peer that had proved a connection to be its own, after its route has ended: when a control
/// connection breaks or tcpcopy starts again, the test server still holds its connections, and the next answers are its own.
///
/// The table has a fixed size. A newer flow takes the place of an older one: what is forgotten must be proved again.
pub(super) struct Owners {
    hasher: Hasher,
    /// A half of the flow's hash and one of its owner's; zero for nobody.
    places: Vec<(u32, u32)>,
}

/// A mebibyte, of which untouched pages take no memory.
const PLACES: usize = 1 << 17;

impl Owners {
    pub(super) fn new() -> Self {
        Self { hasher: Hasher::default(), places: vec![(0, 0); PLACES] }
    }

    /// The connection of this flow is that of a peer at `owner`.
    pub(super) fn note(&mut self, flow: &Flow, owner: IpAddr) {
        let (index, tag) = self.place(flow);
        self.places[index] = (tag, self.tag_of(owner));
    }

    /// The server's connection of this flow was last proved to be that of a peer at `owner`.
    pub(super) fn is_owned(&self, flow: &Flow, owner: IpAddr) -> bool {
        let (index, tag) = self.place(flow);
        self.places[index] == (tag, self.tag_of(owner))
    }

    /// The server has accepted another connection.
    pub(super) fn forget(&mut self, flow: &Flow) {
        let (index, tag) = self.place(flow);
        if self.places[index].0 == tag {
            self.places[index] = (0, 0);
        }
    }

    fn place(&self, flow: &Flow) -> (usize, u32) {
        let hash = self.hasher.hash_one(flow);
        (hash as usize % PLACES, (hash >> 32) as u32)
    }

    /// Never zero.
    fn tag_of(&self, owner: IpAddr) -> u32 {
        self.hasher.hash_one(owner) as u32 | 1
    }
}

#[cfg(test)]
mod tests {
    use common_core::flow::Endpoint;

    use super::*;

    #[test]
    fn only_the_owner_of_the_last_connection_is_known() {
        let ip = |last| IpAddr::from([10, 0, 0, last]);
        let flow = |port| Flow { client: Endpoint::new(ip(1), port), server: Endpoint::new(ip(2), 80) };
        let mut owners = Owners::new();
        assert!(!owners.is_owned(&flow(1), ip(9)));
        owners.note(&flow(1), ip(9));
        assert!(owners.is_owned(&flow(1), ip(9)));
        assert!(!owners.is_owned(&flow(1), ip(8)) && !owners.is_owned(&flow(2), ip(9)));
        owners.note(&flow(1), ip(8));
        assert!(!owners.is_owned(&flow(1), ip(9)) && owners.is_owned(&flow(1), ip(8)));
        owners.forget(&flow(2));
        owners.forget(&flow(1));
        assert!(!owners.is_owned(&flow(1), ip(8)));
    }
}
