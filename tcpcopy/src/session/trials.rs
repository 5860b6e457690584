//! Trials: connections that begin in mid-stream, to find out whether the test server can make sense of that. Each
//! target has two sets of them: of sessions whose protocol is unknown, and of sessions that were joined late.

/// How many connections are spent on finding out: until a trial has passed, no more may be under way or have failed. So
/// many failures in a row end all further trials.
const TRIALS_MAX: u8 = 3;

/// What the trials of one target have shown.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    under_way: u32,
    /// Failures since the last trial that passed.
    failed: u8,
    /// One has passed, or they are presumed to: any number may be under way.
    passed: bool,
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
    pub(super) fn end(&mut self, passed: Option<bool>) {
        self.under_way = self.under_way.saturating_sub(1);
        match passed {
            Some(true) => {
                self.passed = true;
                self.failed = 0;
            }
            Some(false) => self.failed = self.failed.saturating_add(1),
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
        (0..2).for_each(|_| trials.end(Some(false)));
        assert_eq!(trials.admit(), Admission::Later);
        trials.end(None);
        assert_eq!(trials.admit(), Admission::Admitted);
        trials.end(Some(false));
        assert_eq!(trials.admit(), Admission::Refused);
    }

    #[test]
    fn after_one_success_none_waits() {
        for mut trials in [Trials::default(), Trials::presumed()] {
            assert_eq!(trials.admit(), Admission::Admitted);
            trials.end(Some(true));
            for _ in 0..5 {
                assert_eq!(trials.admit(), Admission::Admitted);
            }
        }
    }

    #[test]
    fn only_failures_in_a_row_count() {
        let mut trials = Trials::presumed();
        for passed in [false, false, true, false, false] {
            assert_eq!(trials.admit(), Admission::Admitted);
            trials.end(Some(passed));
        }
        assert_eq!(trials.admit(), Admission::Admitted);
        trials.end(Some(false));
        assert_eq!(trials.admit(), Admission::Refused);
    }
}
