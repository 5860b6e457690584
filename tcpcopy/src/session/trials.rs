//! Trials of one target: connections that begin in mid-stream, to find out whether the test server understands that.
//! Each target has two sets of them: sessions of an unknown protocol, and sessions that were joined late.

use std::time::Duration;

use common_core::time::Time;

/// Connections spent on finding out. Until a trial has passed, no more than this may be under way or have failed. This
/// many failures in a row end all further trials.
const TRIALS_MAX: u8 = 3;

/// This long after the last trial, one more is made: the others may hang, or have met a test server that was about to
/// end, and all later sessions depend on them. Not if three have failed and none has ever passed: each may have told
/// the test server something else than its client meant.
const ANOTHER_AFTER: Duration = Duration::from_secs(60);

/// The outcome of one target's trials.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    under_way: u32,
    /// Failures since the last trial that passed.
    failed: u8,
    /// A trial has passed, or trials are presumed to: any number may be under way.
    passed: bool,
    /// When the last trial was admitted, or failed.
    last: Time,
}

/// Whether one more session may open a connection in mid-stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Yes, and its outcome counts.
    Admitted,
    /// Not now: the trials under way will decide.
    Later,
    /// No: trials have failed.
    Refused,
}

impl Trials {
    /// Trials that are presumed to pass: none waits for the outcome of another.
    pub(crate) fn presumed() -> Self {
        Self { passed: true, ..Self::default() }
    }

    pub(super) fn admit(&mut self, now: Time) -> Admission {
        let another = now >= self.last + ANOTHER_AFTER;
        if self.failed >= TRIALS_MAX && !(another && self.passed) {
            return Admission::Refused;
        }
        if !self.passed && !another && u32::from(self.failed) + self.under_way >= u32::from(TRIALS_MAX) {
            return Admission::Later;
        }
        self.under_way += 1;
        self.last = now;
        Admission::Admitted
    }

    /// A trial has passed, or trials are presumed to.
    pub(super) fn have_passed(&self) -> bool {
        self.passed
    }

    /// A trial is over: it has passed, failed, or shown nothing (`None`).
    pub(super) fn end(&mut self, now: Time, passed: Option<bool>) {
        self.under_way = self.under_way.saturating_sub(1);
        match passed {
            Some(true) => {
                self.passed = true;
                self.failed = 0;
            }
            Some(false) => {
                self.failed = self.failed.saturating_add(1);
                self.last = now;
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_micros(1_000_000);

    #[test]
    fn three_failures_are_enough() {
        let mut trials = Trials::default();
        for _ in 0..3 {
            assert_eq!(trials.admit(NOW), Admission::Admitted);
        }
        assert_eq!(trials.admit(NOW), Admission::Later);
        (0..2).for_each(|_| trials.end(NOW, Some(false)));
        assert_eq!(trials.admit(NOW), Admission::Later);
        trials.end(NOW, None);
        assert_eq!(trials.admit(NOW), Admission::Admitted);
        trials.end(NOW, Some(false));
        assert_eq!(trials.admit(NOW), Admission::Refused);
    }

    #[test]
    fn after_one_success_none_waits() {
        for mut trials in [Trials::default(), Trials::presumed()] {
            assert_eq!(trials.admit(NOW), Admission::Admitted);
            trials.end(NOW, Some(true));
            for _ in 0..5 {
                assert_eq!(trials.admit(NOW), Admission::Admitted);
            }
        }
    }

    #[test]
    fn only_failures_in_a_row_count() {
        let mut trials = Trials::presumed();
        for passed in [false, false, true, false, false] {
            assert_eq!(trials.admit(NOW), Admission::Admitted);
            trials.end(NOW, Some(passed));
        }
        assert_eq!(trials.admit(NOW), Admission::Admitted);
        trials.end(NOW, Some(false));
        assert_eq!(trials.admit(NOW), Admission::Refused);
    }

    #[test]
    fn where_trials_may_pass_failed_ones_are_not_the_last_word() {
        let mut trials = Trials::presumed();
        for _ in 0..TRIALS_MAX {
            assert_eq!(trials.admit(NOW), Admission::Admitted);
            trials.end(NOW, Some(false));
        }
        let later = NOW + ANOTHER_AFTER;
        assert_eq!(trials.admit(NOW + ANOTHER_AFTER / 2), Admission::Refused);
        assert_eq!(trials.admit(later), Admission::Admitted);
        assert_eq!(trials.admit(later), Admission::Refused, "but one");
        trials.end(later, Some(true));
        (0..10).for_each(|_| assert_eq!(trials.admit(later), Admission::Admitted));
    }

    #[test]
    fn hanging_trials_are_not_the_last_word_and_failed_ones_of_an_unknown_protocol_are() {
        let mut trials = Trials::default();
        for _ in 0..TRIALS_MAX {
            assert_eq!(trials.admit(NOW), Admission::Admitted);
        }
        let later = NOW + ANOTHER_AFTER;
        assert_eq!(trials.admit(NOW + ANOTHER_AFTER / 2), Admission::Later);
        assert_eq!(trials.admit(later), Admission::Admitted);
        assert_eq!(trials.admit(later), Admission::Later, "but one");
        (0..TRIALS_MAX).for_each(|_| trials.end(later, Some(false)));
        assert_eq!(trials.admit(later + ANOTHER_AFTER), Admission::Refused);
    }
}
