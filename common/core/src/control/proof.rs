//! The proof of a route: sequence numbers of a connection, which show whose connection it is.

use crate::wire::Seq;

/// Numbers of 32 bits that the sender of a connection's segments knows, and nobody who does not see them. Intercept
/// forwards the answers of a flow only while they belong to a connection that the peer has proved to be its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    /// A SYN is about to be sent.
    Opening {
        /// Its sequence number. The answer to the SYN acknowledges the next one (RFC 9293 section 3.10.7.3).
        isn: Seq,
        /// The number after the highest one that earlier connections of the flow have used. A server that holds one of
        /// them acknowledges it.
        past: Option<Seq>,
    },
    /// A connection is open, and intercept may not have seen its SYN-ACK.
    Open {
        /// The oldest number that is not acknowledged.
        una: Seq,
        /// The number after the highest one sent.
        max: Seq,
        /// The next number expected from the server. A reset without acknowledgement must have it.
        next: Seq,
    },
}

/// How far the two numbers of a segment may be from what its receiver knew when it announced the route. Segments pass other
/// ways than announcements: meanwhile either side sends more, and what was sent before comes late.
pub const PROOF_SLACK: u32 = 1 << 16;

/// The most bytes in flight of which a proof names every number: twice the congestion window of tcpcopy.
const FLIGHT_MAX: u32 = 1 << 23;

impl Proof {
    /// Whether a segment without SYN is one that this proof names.
    ///
    /// Both numbers of a segment are unknown to a stranger: an acknowledgement that is exactly one of the two ends of what is in
    /// flight, or a pair of numbers near those of the connection.
    #[must_use]
    pub fn names(&self, seq: Seq, ack: Seq) -> bool {
        match *self {
            Self::Opening { past, .. } => past == Some(ack),
            Self::Open { una, max, next } => {
                ack == una || ack == max || is_near(ack, una, max) && is_near(seq, next, next)
            }
        }
    }

    /// The same of a SYN-ACK, which acknowledges one number only: that of a SYN.
    #[must_use]
    pub fn names_acceptance(&self, ack: Seq) -> bool {
        match *self {
            Self::Opening { isn, past } => isn == ack - 1 || past == Some(ack),
            Self::Open { una, .. } => una == ack,
        }
    }

    /// The chance that [`Self::names`] is true of a segment with random numbers, in units of 1 / 2^32, rounded up.
    #[must_use]
    pub fn points(&self) -> u32 {
        match *self {
            Self::Opening { past, .. } => u32::from(past.is_some()),
            Self::Open { una, max, .. } => {
                let near = width(una, max).map_or(0, |acks| acks * u64::from(2 * PROOF_SLACK + 1));
                1 + u32::from(una != max) + near.div_ceil(1 << 32) as u32
            }
        }
    }

    /// The same for [`Self::names_acceptance`].
    #[must_use]
    pub fn acceptance_points(&self) -> u32 {
        match *self {
            Self::Opening { past, .. } => 1 + u32::from(past.is_some()),
            Self::Open { .. } => 1,
        }
    }
}

/// How many numbers are between two others, or near them; `None` if that is more than any connection has in flight.
fn width(from: Seq, to: Seq) -> Option<u64> {
    let flight = to.0.wrapping_sub(from.0);
    (flight <= FLIGHT_MAX).then_some(u64::from(flight) + 2 * u64::from(PROOF_SLACK) + 1)
}

fn is_near(number: Seq, from: Seq, to: Seq) -> bool {
    let at = number.0.wrapping_sub(from.0).wrapping_add(PROOF_SLACK);
    width(from, to).is_some_and(|width| u64::from(at) < width)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: u32 = 500;

    fn open(una: u32, max: u32) -> Proof {
        Proof::Open { una: Seq(una), max: Seq(max), next: Seq(NEXT) }
    }

    /// The acknowledgements among these that a proof names, in segments of this sequence number.
    fn named(proof: Proof, seq: u32, candidates: &[u32]) -> Vec<u32> {
        candidates.iter().copied().filter(|ack| proof.names(Seq(seq), Seq(*ack))).collect()
    }

    #[test]
    fn the_ends_of_what_is_in_flight_need_nothing_else() {
        for far in [NEXT.wrapping_sub(PROOF_SLACK + 1), NEXT + PROOF_SLACK + 1, NEXT.wrapping_add(1 << 31)] {
            assert_eq!(named(open(7, 7), far, &[6, 7, 8, 7 + (1 << 31)]), [7]);
            assert_eq!(
                named(open(u32::MAX - 1, 2), far, &[u32::MAX, 0, 2, 3, u32::MAX - 1]),
                [2, u32::MAX - 1]
            );
        }
    }

    #[test]
    fn between_and_near_them_both_numbers_must_fit() {
        let proof = open(1000, 11_000);
        let least = 1000_u32.wrapping_sub(PROOF_SLACK);
        let most = 11_000 + PROOF_SLACK;
        let candidates = [least.wrapping_sub(1), least, 1000, 5000, most, most + 1];
        for near in [NEXT.wrapping_sub(PROOF_SLACK), NEXT, NEXT + PROOF_SLACK] {
            assert_eq!(named(proof, near, &candidates), [least, 1000, 5000, most]);
        }
        assert_eq!(named(proof, NEXT + PROOF_SLACK + 1, &candidates), [1000]);
    }

    #[test]
    fn a_proof_that_names_too_much_names_its_ends() {
        for greedy in [open(0, u32::MAX), open(5, 4), open(0, FLIGHT_MAX + 1)] {
            let Proof::Open { una, max, .. } = greedy else { panic!() };
            assert_eq!(greedy.points(), 2);
            assert_eq!(named(greedy, NEXT, &[una.0, una.0 + 64, max.0]), [una.0, max.0]);
        }
    }

    /// docs/SECURITY.md has the figures.
    #[test]
    fn points_are_the_chance_of_a_guess() {
        let points = |proof: Proof| (proof.points(), proof.acceptance_points());
        assert_eq!(points(Proof::Opening { isn: Seq(9), past: None }), (0, 1));
        assert_eq!(points(Proof::Opening { isn: Seq(9), past: Some(Seq(5)) }), (1, 2));
        assert_eq!(points(open(7, 7)), (6, 1), "2^17 squared, of 2^64");
        assert_eq!(points(open(7, 8)), (7, 1));
        assert_eq!(points(open(0, 4 << 20)), (2 + 133, 1));
        assert_eq!(points(open(0, FLIGHT_MAX)), (2 + 261, 1));
    }

    #[test]
    fn an_opening_names_its_syn_and_the_past() {
        let proof = |past| Proof::Opening { isn: Seq(9), past };
        assert_eq!(named(proof(None), 0, &[9, 10]), []);
        assert_eq!(named(proof(Some(Seq(5))), 0, &[4, 5, 6, 9, 10]), [5]);
        let accepted = |past| [4, 5, 6, 9, 10, 11].map(|ack| proof(past).names_acceptance(Seq(ack)));
        assert_eq!(accepted(None), [false, false, false, false, true, false]);
        assert_eq!(accepted(Some(Seq(5))), [false, true, false, false, true, false]);
    }

    #[test]
    fn a_syn_ack_is_that_of_an_open_connection_only_while_nothing_else_is_acknowledged() {
        assert_eq!(
            [999, 1000, 1001, 1100].map(|ack| open(1000, 1100).names_acceptance(Seq(ack))),
            [false, true, false, false]
        );
    }
}
