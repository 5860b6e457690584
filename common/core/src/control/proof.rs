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
        /// Payload bytes of a whole segment: what lies between is acknowledged at its multiples.
        segment: u16,
        /// The next number expected from the server. A reset without acknowledgement must have it.
        next: Seq,
    },
}

impl Proof {
    /// The limit of the numbers that a proof may name: one that named all would prove nothing.
    const POINTS_MAX: u32 = 4096;

    /// Whether an acknowledgement of a segment without SYN is one that this proof names.
    #[must_use]
    pub fn names(&self, ack: Seq) -> bool {
        match *self {
            Self::Opening { past, .. } => past == Some(ack),
            Self::Open { una, max, .. } => {
                let (at, span) = (ack.0.wrapping_sub(una.0), max.0.wrapping_sub(una.0));
                at == span || at < span && self.points() <= Self::POINTS_MAX && at.is_multiple_of(self.step())
            }
        }
    }

    /// How many acknowledgement numbers this proof names.
    #[must_use]
    pub fn points(&self) -> u32 {
        match *self {
            Self::Opening { past, .. } => 1 + u32::from(past.is_some()),
            Self::Open { una, max, .. } => max.0.wrapping_sub(una.0).div_ceil(self.step()).saturating_add(1),
        }
    }

    /// The distance of the numbers in flight that are named. A few bytes are named one by one: they may have been sent in
    /// segments of any size.
    fn step(&self) -> u32 {
        match *self {
            Self::Open { una, max, segment, .. } if max.0.wrapping_sub(una.0) >= Self::POINTS_MAX => {
                u32::from(segment.max(1))
            }
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(una: u32, max: u32, segment: u16) -> Proof {
        Proof::Open { una: Seq(una), max: Seq(max), segment, next: Seq(0) }
    }

    /// The numbers among these that a proof names.
    fn named(proof: Proof, candidates: &[u32]) -> Vec<u32> {
        candidates.iter().copied().filter(|ack| proof.names(Seq(*ack))).collect()
    }

    #[test]
    fn an_idle_connection_has_one_number() {
        assert_eq!(open(7, 7, 1448).points(), 1);
        assert_eq!(named(open(7, 7, 0), &[6, 7, 8, 7 + (1 << 31)]), [7]);
    }

    #[test]
    fn a_few_bytes_in_flight_are_named_one_by_one_and_many_by_their_segments() {
        let wraps = u32::MAX - 1;
        assert_eq!(named(open(wraps, 2, 1448), &[wraps - 1, wraps, 0, 1, 2, 3]), [wraps, 0, 1, 2]);
        let many = open(1000, 1000 + 10_000, 1448);
        assert_eq!(named(many, &[999, 1000, 1001, 2448, 11_000, 11_001, 12_584]), [1000, 2448, 11_000]);
        assert_eq!(many.points(), 8);
    }

    #[test]
    fn a_proof_that_names_too_much_names_its_end() {
        for greedy in [open(0, u32::MAX, 1), open(5, 4, 0), open(0, 1 << 20, 64)] {
            let Proof::Open { una, max, .. } = greedy else { panic!() };
            assert!(greedy.points() > Proof::POINTS_MAX);
            assert_eq!(named(greedy, &[una.0, una.0 + 64, max.0]), [max.0]);
        }
    }

    #[test]
    fn an_opening_names_the_past() {
        let proof = |past| Proof::Opening { isn: Seq(9), past };
        assert_eq!(named(proof(None), &[9, 10]), []);
        assert_eq!(named(proof(Some(Seq(5))), &[4, 5, 6, 9, 10]), [5]);
    }
}
