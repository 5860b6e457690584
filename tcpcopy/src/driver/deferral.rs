//! When the poll need not report answers: while packets keep coming and no session waits for an answer, the worker reads
//! answers after the packets, which halves its wake-ups.

use std::time::Duration;

use common_core::time::Time;

use crate::engine::GRAIN;

/// Minimum time after the last captured packet during which answers do not wake the worker.
const DEFERRAL: Duration = Duration::from_millis(5);

/// Whether answers are deferred, and until when.
#[derive(Debug)]
pub(super) struct Deferral {
    /// [`Time::NEVER`] if answers are not deferred.
    until: Time,
}

impl Deferral {
    /// Answers are not deferred.
    pub(super) fn new() -> Self {
        Self { until: Time::NEVER }
    }

    /// Answers are deferred: the poll does not report them.
    pub(super) fn is_active(&self) -> bool {
        self.until != Time::NEVER
    }

    /// When answers must be read at the latest; [`Time::NEVER`] if they are not deferred.
    pub(super) fn deadline(&self) -> Time {
        self.until
    }

    /// Decides at the end of a round. Returns whether the decision has changed.
    ///
    /// `is_allowed` is false if some session waits for an answer, or if packets are too rare. `has_captured` tells whether
    /// the round has captured packets.
    pub(super) fn update(&mut self, now: Time, is_allowed: bool, has_captured: bool) -> bool {
        let was_active = self.is_active();
        if !is_allowed || now >= self.until && !has_captured {
            self.until = Time::NEVER;
        } else if has_captured {
            self.until = (now + DEFERRAL).next_multiple_of(GRAIN);
        }
        self.is_active() != was_active
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_deferred_while_packets_keep_coming() {
        let mut deferral = Deferral::new();
        let now = Time::ZERO + Duration::from_secs(1);
        assert!(!deferral.update(now, true, false), "no packet");
        assert!(!deferral.update(now, false, true), "an answer is awaited");
        assert!(deferral.update(now, true, true) && deferral.is_active());
        let deadline = deferral.deadline();
        assert!(deadline >= now + DEFERRAL && deadline <= now + DEFERRAL + GRAIN);
        assert!(!deferral.update(now + Duration::from_millis(1), true, false), "not over yet");
        assert!(deferral.update(deadline, true, false) && !deferral.is_active(), "no packet since");
        assert!(deferral.update(now, true, true) && deferral.update(now, false, true));
        assert_eq!(deferral.deadline(), Time::NEVER);
    }
}
