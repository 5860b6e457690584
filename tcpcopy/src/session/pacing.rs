//! What is learnt of how a test server answers. It is a property of the server, so all its sessions share it.
//!
//! There are two questions. Does a pushed write of a server that has acknowledged all end the answer, or does more
//! follow, and how much later? And are its answers as long as the online server's, so that counting bytes tells their
//! ends?

use std::time::Duration;

use common_core::time::Time;

use crate::session::lengths::Lengths;

/// What one round of the event loop may take. Pieces of one answer that are seen apart are at least this far apart,
/// so a shorter quiet time would be of no use.
const ROUND: Duration = Duration::from_micros(100);

/// The longest pause within an answer: what comes later is a message of its own.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// After so many answers without a pause, at the lower bound of the quiet time, the server is taken not to pause.
const ENDS_TO_TRUST: u16 = 16;

/// After so many answers in a row without a pause, the quiet time of a server that has paused is halved.
const ENDS_TO_RELAX: u16 = 512;

/// But no more of them than have waited for so long together, nor fewer than some.
const REMEMBERED_FOR: Duration = Duration::from_secs(1);
const ENDS_TO_RELAX_MIN: u16 = 8;

/// One answer in so many is waited for longer, to see whether the server pauses after all. Where a turn is always
/// waiting, nothing else would show it: the next turn would have gone before the rest of the answer came.
const PROBES: u16 = 64;

/// An answer that lacks more than this, in bytes, more likely pauses than ends.
const MUCH: u64 = 16 << 10;

/// The score from which on the lengths of answers tell nothing, and the highest score. See [`Pacing::compare`].
const UNLIKE: u16 = 16;
const UNLIKE_MAX: u16 = 8192;

/// The least time that more is waited for where an answer is shorter than expected, by count or by a known length.
const REST_WAIT: Duration = Duration::from_millis(20);

/// The time within which an answer begins, if there is one: before anything is known, and its bounds.
const RESPONSE_START: Duration = Duration::from_millis(250);
const RESPONSE_MIN: Duration = Duration::from_micros(200);
const RESPONSE_MAX: Duration = Duration::from_secs(2);

/// The quiet time: how long nothing must follow what looks like the end of an answer.
#[derive(Debug)]
struct Quiet {
    time: Duration,
    /// Its lower bound while no pause has been seen, before it goes to 0; and what a probe waits at least.
    probe: Duration,
    /// Ends without a pause that are still to come before the time gets shorter.
    ends_left: u16,
    /// The server has been seen to pause, and the time has not gone down to 0 since.
    pauses: bool,
}

impl Quiet {
    const fn new(start: Duration, probe: Duration) -> Self {
        Self { time: start, probe, ends_left: ENDS_TO_TRUST, pauses: false }
    }

    /// What looked like the end of an answer was its end.
    fn was_end(&mut self) {
        if self.time.is_zero() {
            return;
        }
        if !self.pauses && self.time > self.probe {
            self.time = (self.time / 2).max(self.probe);
            return;
        }
        self.ends_left -= 1;
        if self.ends_left == 0 {
            self.time = if self.pauses && self.time > ROUND { self.time / 2 } else { Duration::ZERO };
            self.pauses &= !self.time.is_zero();
            self.ends_left = self.ends_to_relax();
        }
    }

    /// A long time gets shorter after fewer ends, for each of them has waited so long: one session whose answers pause for
    /// long now and then must not hold up those of all others.
    fn ends_to_relax(&self) -> u16 {
        let ends = REMEMBERED_FOR.as_micros() / self.time.as_micros().max(1);
        u16::try_from(ends).unwrap_or(u16::MAX).clamp(ENDS_TO_RELAX_MIN, ENDS_TO_RELAX)
    }

    /// What looked like the end of an answer was none: more came after `pause`.
    fn was_pause(&mut self, pause: Duration) {
        if pause >= PAUSE_MAX {
            return;
        }
        // It is to cover most pauses, with a margin; but one long pause is no rule.
        let wanted = pause + pause / 4 + ROUND;
        self.time = if wanted > self.time {
            let first = if self.pauses { Duration::ZERO } else { self.probe };
            wanted.min((self.time + (wanted - self.time) / 4).max(first))
        } else if self.time > wanted * 16 || !self.pauses && self.time > self.probe {
            (self.time / 2).max(wanted)
        } else {
            self.time - (self.time - wanted) / 64
        };
        self.pauses = true;
        self.ends_left = self.ends_to_relax();
    }
}

/// Which of the two quiet times: of answers that lack little, or of those that lack much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Little,
    Much,
}

impl Kind {
    /// By what the answer lacks, in bytes.
    pub(super) fn of(missing: u64) -> Self {
        if missing > MUCH { Self::Much } else { Self::Little }
    }
}

/// How an answer compares to what the client had read of the online server's. "In all" includes the surplus of earlier
/// answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// As much as the client had read, in all.
    Equal,
    /// More in all, and the surplus has grown: the client sent on while it was reading, or the answers are longer.
    Longer,
    /// More in all, but the surplus has shrunk: the client catches up.
    CaughtUp,
    /// More in all, and the surplus is the same: the client stays behind.
    Behind,
    /// Less than the client had read, in all.
    Shorter,
}

/// What has been learnt of one test server.
#[derive(Debug)]
pub(crate) struct Pacing {
    little: Quiet,
    much: Quiet,
    /// The score of evidence that its answers are not as long as the online server's.
    unlike: u16,
    /// How long an answer takes to begin, on average; `None` before the first.
    response: Option<Duration>,
    /// Answers until the next probe.
    until_probe: u16,
    lengths: Lengths,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            little: Quiet::new(Duration::from_millis(10), Duration::from_millis(2)),
            // At first longer than a server's retransmission takes, which looks the same.
            much: Quiet::new(Duration::from_millis(300), Duration::from_millis(20)),
            unlike: UNLIKE,
            response: None,
            until_probe: PROBES,
            lengths: Lengths::default(),
        }
    }
}

impl Pacing {
    /// Answers are as long as the online server's, so that counting bytes tells their ends. Not so before the first
    /// answer.
    pub(super) fn is_alike(&self) -> bool {
        self.unlike < UNLIKE
    }

    /// How long nothing must follow what looks like the end of an answer, where the server might pause; longer for a
    /// `probe`.
    pub(super) fn quiet(&self, kind: Kind, probe: bool) -> Duration {
        let quiet = self.kind(kind);
        if probe { quiet.time.max(quiet.probe) } else { quiet.time }
    }

    /// When that time is over, if the last segment came at `last`: rounded up by a quarter of it at most, so that the
    /// times of many sessions fall together and one timer serves them.
    pub(super) fn quiet_until(&self, last: Time, kind: Kind, probe: bool) -> Time {
        let quiet = self.quiet(kind, probe);
        if quiet.is_zero() { last } else { (last + quiet).next_multiple_of(quiet / 4) }
    }

    /// After so long without another segment, an answer has most likely ended.
    pub(super) fn probe_time(&self) -> Duration {
        self.little.time.max(self.little.probe)
    }

    /// The server has been seen to pause in the middle of answers.
    pub(super) fn pauses(&self) -> bool {
        self.little.pauses || self.much.pauses
    }

    /// How long nothing must follow the end of an answer that is shorter than expected.
    pub(super) fn rest_wait(&self, kind: Kind) -> Duration {
        self.kind(kind).time.max(REST_WAIT)
    }

    /// The length of this server's answer where the client had read `acked_bytes` bytes, if it has been the same for long.
    pub(super) fn length(&self, acked_bytes: u32) -> Option<u64> {
        self.lengths.of(acked_bytes)
    }

    /// An answer was `length` bytes long where the client had read `acked_bytes`. Of no interest where counting bytes is
    /// enough.
    pub(super) fn learn_length(&mut self, acked_bytes: u32, length: u64) {
        if !self.is_alike() {
            self.lengths.learn(acked_bytes, length);
        }
    }

    /// How long after its turn an answer has most likely begun, if there is one.
    pub(super) fn response(&self) -> Duration {
        self.response.map_or(RESPONSE_START, |response| (response * 4).clamp(RESPONSE_MIN, RESPONSE_MAX))
    }

    /// An answer has begun `time` after its turn was let go.
    pub(super) fn began_after(&mut self, time: Duration) {
        let time = time.min(RESPONSE_MAX);
        self.response = Some(self.response.map_or(time, |response| (response * 7 + time) / 8));
    }

    fn kind(&self, kind: Kind) -> &Quiet {
        match kind {
            Kind::Little => &self.little,
            Kind::Much => &self.much,
        }
    }

    fn kind_mut(&mut self, kind: Kind) -> &mut Quiet {
        match kind {
            Kind::Little => &mut self.little,
            Kind::Much => &mut self.much,
        }
    }

    /// Counts an answer that is to come; true if it is to be a probe.
    pub(super) fn probes(&mut self) -> bool {
        self.until_probe -= 1;
        let probes = self.until_probe == 0;
        if probes {
            self.until_probe = PROBES;
        }
        probes
    }

    /// What looked like the end of an answer was one.
    pub(super) fn was_end(&mut self, kind: Kind) {
        self.kind_mut(kind).was_end();
    }

    /// What looked like the end of an answer was a pause.
    pub(super) fn was_pause(&mut self, kind: Kind, pause: Duration) {
        self.kind_mut(kind).was_pause(pause);
    }

    /// An answer has ended: takes its length as evidence. A surplus counts little, for a client that sends on while
    /// it reads makes one too, and an equal answer makes up for many. A shorter answer cannot come from the client:
    /// it counts most.
    pub(super) fn compare(&mut self, length: Length) {
        self.unlike = match length {
            Length::Equal => self.unlike.saturating_sub(UNLIKE),
            Length::Longer => (self.unlike + 1).min(UNLIKE_MAX),
            Length::Behind => self.unlike,
            Length::CaughtUp => self.unlike.saturating_sub(2),
            Length::Shorter => (self.unlike + UNLIKE_MAX / 2).min(UNLIKE_MAX),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn quiet(pacing: &Pacing) -> Duration {
        pacing.quiet(Kind::Little, false)
    }

    fn ends(pacing: &mut Pacing, count: u16) {
        (0..count).for_each(|_| pacing.was_end(Kind::Little));
    }

    fn compare(pacing: &mut Pacing, count: u16, length: Length) {
        (0..count).for_each(|_| pacing.compare(length));
    }

    #[test]
    fn a_server_that_never_pauses_is_soon_not_waited_for() {
        for kind in [Kind::Little, Kind::Much] {
            let mut pacing = Pacing::default();
            assert!(pacing.quiet(kind, false) >= 2 * MS);
            (0..ENDS_TO_TRUST + 4).for_each(|_| pacing.was_end(kind));
            assert_eq!(pacing.quiet(kind, false), Duration::ZERO);
            assert!(pacing.quiet(kind, true) >= 2 * MS, "but for a probe");
        }
    }

    #[test]
    fn two_writes_settle_at_what_covers_the_pause() {
        for trusted in [0, ENDS_TO_TRUST] {
            let mut pacing = Pacing::default();
            ends(&mut pacing, trusted + 4);
            for round in 0..10_000 {
                pacing.was_pause(Kind::Little, MS);
                pacing.was_end(Kind::Little);
                assert!((MS..=5 * MS).contains(&quiet(&pacing)), "{:?}", quiet(&pacing));
                assert!(round < 1000 || quiet(&pacing) < MS * 3 / 2, "{:?}", quiet(&pacing));
            }
            ends(&mut pacing, 10 * ENDS_TO_RELAX);
            assert_eq!(quiet(&pacing), Duration::ZERO, "it has stopped pausing");
        }
    }

    #[test]
    fn pauses_now_and_then_are_remembered_between() {
        let mut pacing = Pacing::default();
        for _ in 0..100 {
            pacing.was_pause(Kind::Little, MS);
            ends(&mut pacing, 100);
            assert!(quiet(&pacing) > MS);
        }
    }

    #[test]
    fn one_long_pause_is_no_rule_and_a_message_of_its_own_no_pause() {
        let mut pacing = Pacing::default();
        ends(&mut pacing, ENDS_TO_TRUST + 4);
        pacing.was_pause(Kind::Little, 10 * PAUSE_MAX);
        assert_eq!(quiet(&pacing), Duration::ZERO);
        (0..100).for_each(|_| pacing.was_pause(Kind::Little, MS));
        pacing.was_pause(Kind::Little, 40 * MS);
        assert!(quiet(&pacing) < 15 * MS);
        (0..100).for_each(|_| pacing.was_pause(Kind::Little, 40 * MS));
        assert!(quiet(&pacing) > 40 * MS, "many are");
    }

    #[test]
    fn a_session_that_pauses_for_long_now_and_then_holds_up_no_other() {
        let mut pacing = Pacing::default();
        ends(&mut pacing, ENDS_TO_TRUST + 4);
        let mut waited = Duration::ZERO;
        for _ in 0..10 {
            pacing.was_pause(Kind::Little, PAUSE_MAX * 9 / 10);
            for _ in 0..500 {
                waited += quiet(&pacing);
                pacing.was_end(Kind::Little);
            }
        }
        assert!(waited < 5000 * 25 * MS, "{:?} a turn", waited / 5000);
    }

    #[test]
    fn one_answer_in_so_many_probes() {
        let mut pacing = Pacing::default();
        let probes = (0..10 * PROBES).filter(|_| pacing.probes()).count();
        assert_eq!(probes, 10);
    }

    #[test]
    fn lengths_tell_ends_where_answers_are_alike() {
        let mut pacing = Pacing::default();
        assert!(!pacing.is_alike(), "nothing is known");
        pacing.compare(Length::Equal);
        assert!(pacing.is_alike());
        pacing.compare(Length::Shorter);
        assert!(!pacing.is_alike());
        compare(&mut pacing, UNLIKE_MAX / UNLIKE, Length::Equal);
        assert!(pacing.is_alike(), "it answers alike again");
        compare(&mut pacing, UNLIKE, Length::Longer);
        assert!(!pacing.is_alike(), "the client never catches up");
    }

    #[test]
    fn a_client_that_sends_on_while_it_reads_makes_no_answers_longer() {
        let mut pacing = Pacing::default();
        pacing.compare(Length::Equal);
        for _ in 0..1000 {
            compare(&mut pacing, 10, Length::Longer);
            compare(&mut pacing, 5, Length::CaughtUp);
            assert!(pacing.is_alike());
        }
    }

    #[test]
    fn random_lengths_tell_nothing() {
        let mut pacing = Pacing::default();
        for _ in 0..100 {
            pacing.compare(Length::Shorter);
            for _ in 0..1000 {
                pacing.compare(Length::Longer);
                pacing.compare(Length::CaughtUp);
                assert!(!pacing.is_alike());
            }
        }
    }

    #[test]
    fn the_response_time_follows_the_server() {
        let mut pacing = Pacing::default();
        assert_eq!(pacing.response(), RESPONSE_START);
        (0..100).for_each(|_| pacing.began_after(MS));
        assert!((4 * MS..5 * MS).contains(&pacing.response()), "{:?}", pacing.response());
        (0..100).for_each(|_| pacing.began_after(Duration::ZERO));
        assert_eq!(pacing.response(), RESPONSE_MIN);
    }
}
