//! Copies that use another client port than their clients.
//!
//! A test server may hold a connection that an earlier tcpcopy has left behind. It answers a SYN on that four-tuple with an
//! acknowledgement that proves nothing to intercept, which forwards nothing of it: nobody but the owner of a connection may learn
//! its numbers. So the SYN seems unanswered, and the copy is opened from another port.

use std::collections::HashSet;

use common_core::flow::{Endpoint, Flow};

/// Ports below need rights, and some services look at that.
const FIRST_PORT: u16 = 1024;
const PORTS: u32 = (u16::MAX - FIRST_PORT) as u32 + 1;

/// The four-tuples that such copies use.
#[derive(Debug, Default)]
pub(super) struct Moves {
    taken: HashSet<Flow>,
}

impl Moves {
    /// The copy of a client with this four-tuple has this one.
    pub(super) fn take(&mut self, flow: Flow) {
        self.taken.insert(flow);
    }

    pub(super) fn give_back(&mut self, flow: &Flow) {
        self.taken.remove(flow);
    }

    /// Another client's copy has this four-tuple.
    pub(super) fn contain(&self, flow: &Flow) -> bool {
        !self.taken.is_empty() && self.taken.contains(flow)
    }
}

/// The port that a copy takes instead of its client's. No two clients with one address get the same, and none gets one of the
/// ports that Linux gives to clients by itself. `None` if the client's is a port with rights.
pub(super) fn other_port(flow: &Flow) -> Option<Flow> {
    let at = u32::from(flow.client.port.checked_sub(FIRST_PORT)?);
    let port = u16::try_from((at + PORTS / 2) % PORTS).ok()? + FIRST_PORT;
    Some(Flow { client: Endpoint::new(flow.client.ip, port), server: flow.server })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_port(port: u16) -> Flow {
        Flow {
            client: Endpoint::new([10, 0, 0, 1].into(), port),
            server: Endpoint::new([10, 0, 0, 2].into(), 80),
        }
    }

    #[test]
    fn no_two_ports_become_one_and_none_is_a_usual_client_port() {
        assert_eq!(other_port(&from_port(1023)), None);
        let ports: HashSet<u16> =
            (1024..=u16::MAX).map(|port| other_port(&from_port(port)).unwrap().client.port).collect();
        assert_eq!((ports.len(), ports.iter().min()), (64_512, Some(&1024)));
        for port in 32_768..=60_999 {
            let other = other_port(&from_port(port)).unwrap();
            assert!(!(32_768..=60_999).contains(&other.client.port), "{port}");
            assert_eq!(other_port(&other), Some(from_port(port)));
        }
    }

    #[test]
    fn a_four_tuple_is_taken_until_it_is_given_back() {
        let mut moves = Moves::default();
        assert!(!moves.contain(&from_port(2000)));
        moves.take(from_port(2000));
        assert!(moves.contain(&from_port(2000)) && !moves.contain(&from_port(2001)));
        moves.give_back(&from_port(2000));
        assert!(!moves.contain(&from_port(2000)));
    }
}
