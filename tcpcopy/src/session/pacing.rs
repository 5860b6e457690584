//! How a test server answers, as learnt from its answers. All its sessions share this knowledge.
//!
//! There are two questions. Does a pushed write of a server that has acknowledged all end the answer, or does more
//! follow, and how much later? And are the server's answers as long as the online server's, so that counting bytes tells
//! their ends?

use std::time::Duration;

use common_core::time::Time;

use crate::session::lengths::Lengths;

/// The duration of one round of the event loop. Pieces of an answer that arrive in different rounds are at least this far
/// apart, so a shorter idle gap would be of no use.
const ROUND: Duration = Duration::from_micros(100);

/// The longest pause within an answer: bytes that come later are a message of their own.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Answers without a pause, at the lower bound of the idle gap, after which the server counts as one that never pauses.
const ENDS_TO_TRUST: u16 = 16;

/// Consecutive answers without a pause after which the idle gap of a server that has paused is halved.
const ENDS_TO_RELAX: u16 = 512;

/// But no more answers than have waited for this long together, and no fewer than the minimum.
const REMEMBERED_FOR: Duration = Duration::from_secs(1);
const ENDS_TO_RELAX_MIN: u16 = 8;

/// One answer in this many gets more time, to find out whether the server has begun to pause. Nothing else would show it
/// if a turn is always waiting: that turn would go before the rest of the answer comes.
const PROBES: u16 = 64;

/// An answer with more missing bytes than this more likely pauses than ends.
const LARGE: u64 = 16 << 10;

/// The score from which the lengths of answers tell nothing, and the highest score. See [`Pacing::compare`].
const UNLIKE: u16 = 16;
const UNLIKE_MAX: u16 = 8192;

/// The shortest wait for the rest of an answer that is shorter than expected, by count or by a known length.
const REST_WAIT: Duration = Duration::from_millis(20);

/// The time in which an answer begins, if there is one: before anything is known, and its bounds.
const RESPONSE_START: Duration = Duration::from_millis(250);
const RESPONSE_MIN: Duration = Duration::from_micros(200);
const RESPONSE_MAX: Duration = Duration::from_secs(2);

/// How long nothing must follow the apparent end of an answer before it counts as the end.
#[derive(Debug)]
struct IdleGap {
    time: Duration,
    /// Its lower bound while no pause has been seen, before it goes to 0; and the shortest wait of a probe.
    probe: Duration,
    /// Ends without a pause that must still come before the time gets shorter.
    ends_left: u16,
    /// The server has paused, and the time has not gone down to 0 since.
    pauses: bool,
}

impl IdleGap {
    const fn new(start: Duration, probe: Duration) -> Self {
        Self { time: start, probe, ends_left: ENDS_TO_TRUST, pauses: false }
    }

    /// An apparent end was an end.
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

    /// A long gap gets shorter after fewer ends, because each end has waited that long: one session whose answers sometimes
    /// pause for long must not hold up all others.
    fn ends_to_relax(&self) -> u16 {
        let ends = REMEMBERED_FOR.as_micros() / self.time.as_micros().max(1);
        u16::try_from(ends).unwrap_or(u16::MAX).clamp(ENDS_TO_RELAX_MIN, ENDS_TO_RELAX)
    }

    /// An apparent end was a pause: more came after it.
    fn was_pause(&mut self, pause: Duration) {
        if pause >= PAUSE_MAX {
            return;
        }
        // The gap should cover most pauses, with a margin; but one long pause is no rule.
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

/// How many bytes an answer lacks at its apparent end. Each kind has an idle gap of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shortfall {
    Small,
    Large,
}

impl Shortfall {
    pub(super) fn of(missing: u64) -> Self {
        if missing > LARGE { Self::Large } else { Self::Small }
    }
}

/// The length of an answer beside the bytes that the client had read of the online server's answer. "In all" includes the
/// surplus of earlier answers.
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

/// The knowledge about one test server.
#[derive(Debug)]
pub(crate) struct Pacing {
    small: IdleGap,
    large: IdleGap,
    /// Score of the evidence that its answers are not as long as the online server's.
    unlike: u16,
    /// Average time until an answer begins; `None` before the first.
    response: Option<Duration>,
    /// Answers until the next probe.
    until_probe: u16,
    lengths: Lengths,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            small: IdleGap::new(Duration::from_millis(10), Duration::from_millis(2)),
            // At first longer than a server's retransmission, which looks like a pause.
            large: IdleGap::new(Duration::from_millis(300), Duration::from_millis(20)),
            unlike: UNLIKE,
            response: None,
            until_probe: PROBES,
            lengths: Lengths::default(),
        }
    }
}

impl Pacing {
    /// Answers are as long as the online server's, so that counting bytes tells their ends. False before the first answer.
    pub(super) fn is_alike(&self) -> bool {
        self.unlike < UNLIKE
    }

    /// How long nothing must follow the apparent end of an answer; longer for a `probe`.
    fn idle_gap(&self, shortfall: Shortfall, probe: bool) -> Duration {
        let gap = self.gap(shortfall);
        if probe { gap.time.max(gap.probe) } else { gap.time }
    }

    /// When the idle gap after the segment at `last` is over. It is rounded up by a quarter at most, so that the gaps of
    /// many sessions end together and one timer serves them.
    pub(super) fn idle_until(&self, last: Time, shortfall: Shortfall, probe: bool) -> Time {
        let gap = self.idle_gap(shortfall, probe);
        if gap.is_zero() { last } else { (last + gap).next_multiple_of(gap / 4) }
    }

    /// After this time without another segment an answer has most likely ended.
    pub(super) fn probe_time(&self) -> Duration {
        self.small.time.max(self.small.probe)
    }

    /// The server has paused in the middle of answers.
    pub(super) fn pauses(&self) -> bool {
        self.small.pauses || self.large.pauses
    }

    /// How long the rest of an answer is waited for that is shorter than expected.
    pub(super) fn rest_wait(&self, shortfall: Shortfall) -> Duration {
        self.gap(shortfall).time.max(REST_WAIT)
    }

    /// The length of this server's answer if the client had read `acked_bytes` bytes, once it has often been the same.
    pub(super) fn length(&self, acked_bytes: u32) -> Option<u64> {
        self.lengths.of(acked_bytes)
    }

    /// An answer was `length` bytes long, and the client had read `acked_bytes`. Lengths are learnt only while counting
    /// bytes is not enough.
    pub(super) fn learn_length(&mut self, acked_bytes: u32, length: u64) {
        if !self.is_alike() {
            self.lengths.learn(acked_bytes, length);
        }
    }

    /// The time after its turn in which an answer most likely begins, if there is one.
    pub(super) fn response(&self) -> Duration {
        self.response.map_or(RESPONSE_START, |response| (response * 4).clamp(RESPONSE_MIN, RESPONSE_MAX))
    }

    /// An answer has begun `time` after its turn was released.
    pub(super) fn began_after(&mut self, time: Duration) {
        let time = time.min(RESPONSE_MAX);
        self.response = Some(self.response.map_or(time, |response| (response * 7 + time) / 8));
    }

    fn gap(&self, shortfall: Shortfall) -> &IdleGap {
        match shortfall {
            Shortfall::Small => &self.small,
            Shortfall::Large => &self.large,
        }
    }

    fn gap_mut(&mut self, shortfall: Shortfall) -> &mut IdleGap {
        match shortfall {
            Shortfall::Small => &mut self.small,
            Shortfall::Large => &mut self.large,
        }
    }

    /// Counts the next answer; true if it is a probe.
    pub(super) fn probes(&mut self) -> bool {
        self.until_probe -= 1;
        let probes = self.until_probe == 0;
        if probes {
            self.until_probe = PROBES;
        }
        probes
    }

    /// An apparent end of an answer was an end.
    pub(super) fn was_end(&mut self, shortfall: Shortfall) {
        self.gap_mut(shortfall).was_end();
    }

    /// An apparent end of an answer was a pause.
    pub(super) fn was_pause(&mut self, shortfall: Shortfall, pause: Duration) {
        self.gap_mut(shortfall).was_pause(pause);
    }

    /// An answer has ended: takes its length as evidence. A surplus weighs little, because a client that sends on while it
    /// reads makes one, too, and an equal answer makes up for many. A shorter answer cannot come from the client: it weighs
    /// most.
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

    fn gap(pacing: &Pacing) -> Duration {
        pacing.idle_gap(Shortfall::Small, false)
    }

    fn ends(pacing: &mut Pacing, count: u16) {
        (0..count).for_each(|_| pacing.was_end(Shortfall::Small));
    }

    fn compare(pacing: &mut Pacing, count: u16, length: Length) {
        (0..count).for_each(|_| pacing.compare(length));
    }

    #[test]
    fn a_server_that_never_pauses_is_soon_not_waited_for() {
        for shortfall in [Shortfall::Small, Shortfall::Large] {
            let mut pacing = Pacing::default();
            assert!(pacing.idle_gap(shortfall, false) >= 2 * MS);
            (0..ENDS_TO_TRUST + 4).for_each(|_| pacing.was_end(shortfall));
            assert_eq!(pacing.idle_gap(shortfall, false), Duration::ZERO);
            assert!(pacing.idle_gap(shortfall, true) >= 2 * MS, "but for a probe");
        }
    }

    #[test]
    fn two_writes_settle_at_what_covers_the_pause() {
        for trusted in [0, ENDS_TO_TRUST] {
            let mut pacing = Pacing::default();
            ends(&mut pacing, trusted + 4);
            for round in 0..10_000 {
                pacing.was_pause(Shortfall::Small, MS);
                pacing.was_end(Shortfall::Small);
                assert!((MS..=5 * MS).contains(&gap(&pacing)), "{:?}", gap(&pacing));
                assert!(round < 1000 || gap(&pacing) < MS * 3 / 2, "{:?}", gap(&pacing));
            }
            ends(&mut pacing, 10 * ENDS_TO_RELAX);
            assert_eq!(gap(&pacing), Duration::ZERO, "it has stopped pausing");
        }
    }

    #[test]
    fn pauses_now_and_then_are_remembered_between() {
        let mut pacing = Pacing::default();
        for _ in 0..100 {
            pacing.was_pause(Shortfall::Small, MS);
            ends(&mut pacing, 100);
            assert!(gap(&pacing) > MS);
        }
    }

    #[test]
    fn one_long_pause_is_no_rule_and_a_message_of_its_own_no_pause() {
        let mut pacing = Pacing::default();
        ends(&mut pacing, ENDS_TO_TRUST + 4);
        pacing.was_pause(Shortfall::Small, 10 * PAUSE_MAX);
        assert_eq!(gap(&pacing), Duration::ZERO);
        (0..100).for_each(|_| pacing.was_pause(Shortfall::Small, MS));
        pacing.was_pause(Shortfall::Small, 40 * MS);
        assert!(gap(&pacing) < 15 * MS);
        (0..100).for_each(|_| pacing.was_pause(Shortfall::Small, 40 * MS));
        assert!(gap(&pacing) > 40 * MS, "many are");
    }

    #[test]
    fn a_session_that_pauses_for_long_now_and_then_holds_up_no_other() {
        let mut pacing = Pacing::default();
        ends(&mut pacing, ENDS_TO_TRUST + 4);
        let mut waited = Duration::ZERO;
        for _ in 0..10 {
            pacing.was_pause(Shortfall::Small, PAUSE_MAX * 9 / 10);
            for _ in 0..500 {
                waited += gap(&pacing);
                pacing.was_end(Shortfall::Small);
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
