//! What a peer has proved about a route.

use common_core::control::{Proof, ServerSegment};
use common_core::wire::{Flags, Segment, Seq};

/// The fields of a segment that a proof is held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    pub(super) flags: Flags,
    pub(super) seq: Seq,
    pub(super) ack: Seq,
}

impl From<&Segment<'_>> for Evidence {
    fn from(segment: &Segment<'_>) -> Self {
        Self { flags: segment.flags, seq: segment.seq, ack: segment.ack }
    }
}

impl From<&ServerSegment<'_>> for Evidence {
    fn from(answer: &ServerSegment<'_>) -> Self {
        Self { flags: answer.flags, seq: answer.seq, ack: answer.ack }
    }
}

/// Whose segment it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Of a connection that the peer is known to have opened.
    Own,
    /// The same, which is known by this segment.
    Proving,
    /// Of another connection, as far as is known.
    Foreign,
    /// The same, and it refutes the proof: the points of the guess.
    Refuting(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing has been captured that proves or refutes.
    Announced,
    /// The server's connection is the peer's.
    Proved,
    /// A segment has refuted the proof, which may become true later: the SYN has not been answered.
    Doubted,
    /// A segment has refuted the proof for good. Numbers in flight may not be held against one segment after the other:
    /// sooner or later every number is acknowledged.
    Refuted,
}

/// The standing of one peer's route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    stage: Stage,
    proof: Proof,
    /// The SYN before. Its answer may be a late one.
    earlier: Option<Seq>,
}

impl Standing {
    /// A route that was not there before. `owned`: the server's connection is known to be the peer's.
    pub(super) fn new(proof: Proof, owned: bool) -> Self {
        let stage = if owned { Stage::Proved } else { Stage::Announced };
        Self { stage, proof, earlier: None }
    }

    /// The route is announced again, with another proof or with the same.
    pub(super) fn update(&mut self, proof: Proof) {
        if let Proof::Opening { isn, .. } = self.proof
            && !matches!(proof, Proof::Opening { isn: new, .. } if new == isn)
        {
            self.earlier = Some(isn);
        }
        match self.stage {
            Stage::Proved => {}
            Stage::Doubted if proof == self.proof => {}
            _ => self.stage = Stage::Announced,
        }
        self.proof = proof;
    }

    /// The server's connection is the peer's.
    pub(super) fn is_proved(&self) -> bool {
        self.stage == Stage::Proved
    }

    /// The peer has sent a SYN, and nothing is known of an answer.
    pub(super) fn is_opening(&self) -> bool {
        self.stage != Stage::Proved && matches!(self.proof, Proof::Opening { .. })
    }

    /// Judges a segment of the flow's server.
    pub(super) fn judge(&mut self, segment: Evidence) -> Verdict {
        if segment.flags.has(Flags::SYN | Flags::ACK) {
            return self.judge_acceptance(segment.ack);
        }
        if self.stage == Stage::Proved {
            return Verdict::Own;
        }
        if self.is_reset_of(segment) {
            return Verdict::Proving;
        }
        if !segment.flags.has(Flags::ACK) || self.stage == Stage::Refuted {
            return Verdict::Foreign;
        }
        if self.proof.names(segment.seq, segment.ack) {
            return self.prove();
        }
        let stage = match self.proof {
            Proof::Opening { .. } => Stage::Doubted,
            Proof::Open { .. } => Stage::Refuted,
        };
        let as_refusal = if segment.flags.has(Flags::RST) { self.acceptance_points() } else { 0 };
        self.refute(stage, self.proof.points() + as_refusal)
    }

    /// An answer to a SYN was captured before the route was announced. True if it is that of the peer's SYN.
    pub(super) fn accept_early(&mut self, answer: Evidence) -> bool {
        let is_own = self.is_acceptance_of(answer.ack);
        if is_own && answer.flags.has(Flags::SYN) {
            self.stage = Stage::Proved;
        }
        is_own
    }

    /// A server accepts a connection: the one before it is over, whosever it was.
    fn judge_acceptance(&mut self, ack: Seq) -> Verdict {
        if self.is_acceptance_of(ack) {
            return self.prove();
        }
        let points = self.acceptance_points();
        self.earlier = None;
        self.refute(Stage::Refuted, points)
    }

    fn is_acceptance_of(&self, ack: Seq) -> bool {
        self.stage != Stage::Refuted && self.proof.names_acceptance(ack) || self.earlier == Some(ack - 1)
    }

    /// The numbers that the answer to a SYN is compared with.
    pub(super) fn acceptance_points(&self) -> u32 {
        self.proof.acceptance_points() + u32::from(self.earlier.is_some())
    }

    /// The acknowledgement is that of a SYN of the peer.
    fn has_opened(&self, ack: Seq) -> bool {
        let opening = match self.proof {
            Proof::Opening { isn, .. } if self.stage != Stage::Refuted => Some(isn),
            _ => None,
        };
        opening == Some(ack - 1) || self.earlier == Some(ack - 1)
    }

    /// A reset that only the peer's segments can have caused.
    fn is_reset_of(&self, segment: Evidence) -> bool {
        segment.flags.has(Flags::RST)
            && if segment.flags.has(Flags::ACK) {
                self.has_opened(segment.ack)
            } else {
                self.stage != Stage::Refuted
                    && matches!(self.proof, Proof::Open { next, .. } if next == segment.seq)
            }
    }

    fn prove(&mut self) -> Verdict {
        let before = std::mem::replace(&mut self.stage, Stage::Proved);
        if before == Stage::Proved { Verdict::Own } else { Verdict::Proving }
    }

    fn refute(&mut self, stage: Stage, points: u32) -> Verdict {
        let before = std::mem::replace(&mut self.stage, stage);
        let is_news = match before {
            Stage::Announced => true,
            // The SYN's number has not been compared with anything so far.
            Stage::Doubted => stage == Stage::Refuted,
            Stage::Proved | Stage::Refuted => false,
        };
        if is_news { Verdict::Refuting(points) } else { Verdict::Foreign }
    }
}

#[cfg(test)]
mod tests {
    use common_core::control::PROOF_SLACK;

    use super::*;

    const SYN_ACK: Flags = Flags(Flags::SYN.0 | Flags::ACK.0);
    const RST_ACK: Flags = Flags(Flags::RST.0 | Flags::ACK.0);

    fn opening(isn: u32) -> Proof {
        Proof::Opening { isn: Seq(isn), past: None }
    }

    fn open(una: u32, max: u32) -> Proof {
        Proof::Open { una: Seq(una), max: Seq(max), next: Seq(500) }
    }

    impl Standing {
        fn of(proof: Proof) -> Self {
            Self::new(proof, false)
        }

        /// The verdict; what proves is the peer's own.
        fn sees(&mut self, flags: Flags, ack: u32) -> Verdict {
            self.meets(Evidence { flags, seq: Seq(0), ack: Seq(ack) })
        }

        fn meets(&mut self, segment: Evidence) -> Verdict {
            match self.judge(segment) {
                Verdict::Proving => Verdict::Own,
                verdict => verdict,
            }
        }
    }

    #[test]
    fn the_answer_to_the_syn_proves_and_nothing_before_it_is_shown() {
        let mut route = Standing::of(opening(99));
        assert_eq!(route.sees(Flags::ACK, 4711), Verdict::Refuting(0), "its SYN was not compared with that");
        assert_eq!(route.sees(Flags::ACK, 4711), Verdict::Foreign, "counted once");
        assert_eq!(route.sees(SYN_ACK, 100), Verdict::Own);
        assert_eq!(route.sees(Flags::ACK, 4711), Verdict::Own);
        assert_eq!(route.sees(SYN_ACK, 100), Verdict::Own, "again");
    }

    #[test]
    fn the_next_connection_on_the_four_tuple_must_be_proved_anew() {
        let mut route = Standing::of(opening(99));
        route.sees(SYN_ACK, 100);
        assert_eq!(route.sees(SYN_ACK, 4711), Verdict::Foreign, "the connection before is over");
        assert_eq!(route.sees(Flags::ACK, 4712), Verdict::Foreign);
        assert_eq!(route.sees(SYN_ACK, 100), Verdict::Foreign, "a refuted SYN must be announced again");
        route.update(opening(99));
        assert_eq!(route.sees(SYN_ACK, 100), Verdict::Own);
    }

    #[test]
    fn a_second_connection_of_the_peer_keeps_what_it_had() {
        let mut route = Standing::of(opening(99));
        route.sees(SYN_ACK, 100);
        route.update(opening(5000));
        assert_eq!(route.sees(Flags::ACK, 150), Verdict::Own, "the server still holds the first");
        assert_eq!(route.sees(SYN_ACK, 100), Verdict::Own, "the first, late");
        assert_eq!(route.sees(SYN_ACK, 5001), Verdict::Own);
        assert_eq!(route.sees(SYN_ACK, 5000), Verdict::Foreign);
    }

    #[test]
    fn a_refusal_proves_itself_and_nothing_else() {
        let mut route = Standing::of(opening(99));
        assert_eq!(route.sees(RST_ACK, 101), Verdict::Refuting(1));
        assert_eq!(route.sees(RST_ACK, 100), Verdict::Own);
        assert_eq!(route.sees(Flags::ACK, 7), Verdict::Foreign);
        assert_eq!(
            route.sees(Flags::RST, 100),
            Verdict::Foreign,
            "without ACK there is no number to prove it"
        );
    }

    #[test]
    fn numbers_in_flight_prove_or_are_void() {
        let far = 1100 + 2 * PROOF_SLACK;
        for (ack, is_own) in [(900, true), (1000, true), (1050, true), (1100, true), (far, false)] {
            let mut route = Standing::of(open(1000, 1100));
            assert_eq!(route.sees(Flags::ACK, ack) == Verdict::Own, is_own, "{ack}");
            assert_eq!(route.is_proved(), is_own);
            assert_eq!(route.sees(Flags::ACK, 1050) == Verdict::Own, is_own, "refuted for good");
            route.update(open(1000, 1100));
            assert_eq!(route.sees(Flags::ACK, 1050), Verdict::Own, "it is announced again");
        }
        assert_eq!(Standing::of(open(1000, 1100)).sees(Flags::ACK, far), Verdict::Refuting(7));
        assert_eq!(
            Standing::of(open(1000, 1100)).sees(SYN_ACK, 1000),
            Verdict::Own,
            "nothing else was sent yet"
        );
        assert_eq!(Standing::of(open(1000, 1100)).sees(SYN_ACK, 1001), Verdict::Refuting(1));
    }

    #[test]
    fn each_comparison_is_counted() {
        let mut route = Standing::of(opening(99));
        assert_eq!(route.sees(Flags::ACK, 4711), Verdict::Refuting(0));
        assert_eq!(route.sees(SYN_ACK, 101), Verdict::Refuting(1), "now the SYN's number was compared");
        assert_eq!(route.sees(SYN_ACK, 100), Verdict::Foreign);
        route.update(opening(199));
        assert_eq!(route.sees(SYN_ACK, 101), Verdict::Refuting(2), "the one before, too");
    }

    #[test]
    fn a_reset_without_acknowledgement_needs_the_next_number_of_the_server() {
        let mut route = Standing::of(open(1000, 1100));
        let reset = |seq| Evidence { flags: Flags::RST, seq: Seq(seq), ack: Seq(0) };
        assert_eq!(route.meets(reset(499)), Verdict::Foreign);
        assert_eq!(route.meets(reset(500)), Verdict::Own);
        assert!(!route.is_proved());
    }

    #[test]
    fn the_past_proves_that_the_server_holds_an_older_connection_of_the_peer() {
        let mut route = Standing::of(Proof::Opening { isn: Seq(99), past: Some(Seq(50)) });
        assert_eq!(route.sees(Flags::ACK, 51), Verdict::Refuting(1));
        assert_eq!(route.sees(Flags::ACK, 50), Verdict::Own);
        assert_eq!(route.sees(Flags::ACK, 40), Verdict::Own, "proved");
    }

    #[test]
    fn what_a_peer_owned_is_its_own_until_another_connection_is_accepted() {
        let mut route = Standing::new(opening(99), true);
        assert_eq!(route.sees(Flags::ACK, 4711), Verdict::Own);
        assert_eq!(route.sees(SYN_ACK, 4711), Verdict::Foreign);
        assert_eq!(route.sees(Flags::ACK, 4712), Verdict::Foreign);
    }
}
