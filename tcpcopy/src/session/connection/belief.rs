//! Which segments a connection believes (RFC 9293 section 3.10.7.4, RFC 5961): a stranger who knows the addresses and ports
//! can send segments to the assistant, but does not know the sequence numbers.

use std::time::Duration;

use common_core::control::ServerSegment;
use common_core::time::Time;
use common_core::wire::Flags;

use super::Established;

/// A connection sends no more than one challenge in this time. Linux allows one in 500 ms; here a reset that overtook an answer
/// waits for the next one.
const CHALLENGE_EVERY: Duration = Duration::from_millis(200);

/// What becomes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belief {
    /// It is of the peer.
    Take,
    /// The SYN-ACK again: our acknowledgement of it has not arrived.
    Accepted,
    /// It is of nobody.
    Discard,
    /// It may be of the peer: if so, an acknowledgement draws a segment with the right numbers.
    Challenge,
}

impl Established {
    /// Judges a segment by its numbers.
    pub(super) fn judge(&self, answer: &ServerSegment<'_>) -> Belief {
        let flags = answer.flags;
        if flags.has(Flags::RST) {
            // RFC 5961 section 3.2, but a number outside of the window is challenged, too: the server answers a copy that
            // crossed its answer with a reset that has an older number, and then answers the challenge with the right one.
            return if answer.seq == self.receiver.acknowledgement() {
                Belief::Take
            } else {
                Belief::Challenge
            };
        }
        if flags.has(Flags::SYN) {
            // RFC 5961 section 4.2.
            let again = flags.has(Flags::ACK)
                && answer.seq + 1 == self.receiver.first()
                && answer.ack == self.sender.first();
            return if again { Belief::Accepted } else { Belief::Challenge };
        }
        if !flags.has(Flags::ACK) {
            return Belief::Discard;
        }
        // RFC 5961 section 5.2.
        if self.sender.can_acknowledge(answer.ack) { Belief::Take } else { Belief::Challenge }
    }

    /// A challenge may be sent now; it counts as sent.
    pub(super) fn may_challenge(&mut self, now: Time) -> bool {
        let may = self.challenge_from <= now;
        if may {
            self.challenge_from = now + CHALLENGE_EVERY;
        }
        may
    }
}
