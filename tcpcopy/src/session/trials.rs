//! Trials: connections that begin in mid-stream, to find out whether the test server can make sense of that. Each
//! target has two sets of them: of sessions whose protocol is unknown, and of sessions that were joined late.

use std::time::Duration;

use common::time::Time;

/// How many connections are spent on finding out: until a trial has passed, no more may be under way or have failed. So
/// many failures in a row end all further trials.
const TRIALS_MAX: u8 = 3;

/// Connections that break within this time may have one cause.
const ONE_EVENT: Duration = Duration::from_secs(1);

/// What the trials of one target have shown.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    under_way: u32,
    /// Failures since the last trial that passed.
    failed: u8,
    last_failure: Time,
    /// One has passed, or they are presumed to: any number may be under way.
    passed: bool,
    /// One has passed.
    proven: bool,
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

    pub(super) fn admit(&mut self) -> Admission {
        if self.failed >= TRIALS_MAX {
            return Admission::Refused;
        }
        if !self.passed && u32::from(self.failed) + self.under_way >= u32::from(TRIALS_MAX) {
            return Admission::Later;
        }
        self.under_way += 1;
        Admission::Admitted
    }

    /// One has passed, or they are presumed to.
    pub(super) fn have_passed(&self) -> bool {
        self.passed
    }

    /// A trial is over: it has passed, failed, or shown nothing (`None`).
    pub(super) fn end(&mut self, now: Time, passed: Option<bool>) {
        self.under_way = self.under_way.saturating_sub(1);
        match passed {
            Some(true) => {
                (self.passed, self.proven) = (true, true);
                self.failed = 0;
            }
            // A server that is started again breaks all trials at once: where one has passed, that is one failure.
            Some(false) if self.proven && now.since(self.last_failure) < ONE_EVENT => {}
            Some(false) => {
                self.failed = self.failed.saturating_add(1);
                self.last_failure = now;
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_are_enough() {
        let mut trials = Trials::default();
        for _ in 0..3 {
            assert_eq!(trials.admit(), Admission::Admitted);
        }
        assert_eq!(trials.admit(), Admission::Later);
        (0..2).for_each(|_| trials.end(Time::ZERO, Some(false)));
        assert_eq!(trials.admit(), Admission::Later);
        trials.end(Time::ZERO, None);
        assert_eq!(trials.admit(), Admission::Admitted);
        trials.end(Time::ZERO, Some(false));
        assert_eq!(trials.admit(), Admission::Refused);
    }

    #[test]
    fn after_one_success_none_waits() {
        for mut trials in [Trials::default(), Trials::presumed()] {
            assert_eq!(trials.admit(), Admission::Admitted);
            trials.end(Time::ZERO, Some(true));
            for _ in 0..5 {
                assert_eq!(trials.admit(), Admission::Admitted);
            }
        }
    }

    #[test]
    fn only_failures_in_a_row_count() {
        let mut trials = Trials::presumed();
        for (second, passed) in (1..).zip([false, false, true, false, false]) {
            assert_eq!(trials.admit(), Admission::Admitted);
            trials.end(Time::ZERO + Duration::from_secs(second), Some(passed));
        }
        assert_eq!(trials.admit(), Admission::Admitted);
        trials.end(Time::ZERO + Duration::from_secs(6), Some(false));
        assert_eq!(trials.admit(), Admission::Refused);
    }

    #[test]
    fn a_server_that_is_started_again_breaks_many_and_has_failed_once() {
        let mut trials = Trials::default();
        assert_eq!(trials.admit(), Admission::Admitted);
        trials.end(Time::ZERO, Some(true));
        for _ in 0..10 {
            assert_eq!(trials.admit(), Admission::Admitted);
        }
        (0..10).for_each(|_| trials.end(Time::ZERO + Duration::from_secs(9), Some(false)));
        assert_eq!(trials.admit(), Admission::Admitted);
    }
}
