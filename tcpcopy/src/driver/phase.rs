//! The phases of a worker, from the work to its end in good order.

use std::time::Duration;

use common_core::time::Time;

/// Limit of an end in good order.
pub(super) const END_LIMIT: Duration = Duration::from_secs(5);
/// Limit, within [`END_LIMIT`], of reading the packets that the capture sockets have queued.
const EMPTY_LIMIT: Duration = Duration::from_secs(2);
/// Time without any progress after which the sessions of capture files are given up: longer than all attempts to connect.
const FINISH_LIMIT: Duration = Duration::from_secs(15);
/// Time reserved at the end of [`END_LIMIT`] to reset each remaining session. At most a half of the limit is reserved, so
/// that pending data has the other half.
const RESET_TIME: Duration = Duration::from_micros(15);
const RESET_TIME_MAX: Duration = Duration::from_millis(2500);

/// A phase of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It copies.
    Running,
    /// All packets of the capture files are read. Sessions finish for as long as there is progress.
    Finishing {
        /// Grows with each progress.
        progress: u64,
        /// When the rest is given up.
        until: Time,
    },
    /// The capture is stopped; the packets that it has queued are still replayed.
    Emptying {
        /// When the queue is given up.
        until: Time,
        /// When the worker must have ended.
        end: Time,
    },
    /// The engine drains: no packet comes any more, and sessions send what is pending.
    Draining {
        /// When the worker must have ended.
        end: Time,
    },
    /// All sessions are closed.
    Ended,
}

impl Phase {
    /// The first phase of the end.
    pub(super) fn emptying(now: Time) -> Self {
        Self::Emptying { until: now + EMPTY_LIMIT, end: now + END_LIMIT }
    }

    /// The phase after the last packet of capture files; `progress` is the progress so far.
    pub(super) fn finishing(now: Time, progress: u64) -> Self {
        Self::Finishing { progress, until: now + FINISH_LIMIT }
    }

    /// When the phase ends at the latest; `sessions` are the active ones.
    pub(super) fn deadline(self, sessions: u64) -> Time {
        match self {
            Self::Running => Time::NEVER,
            Self::Emptying { until, .. } | Self::Finishing { until, .. } => until,
            Self::Draining { end } => Time::ZERO + end.since(Time::ZERO).saturating_sub(reset_time(sessions)),
            Self::Ended => Time::ZERO,
        }
    }
}

/// The time reserved to reset this number of sessions.
fn reset_time(sessions: u64) -> Duration {
    RESET_TIME.saturating_mul(u32::try_from(sessions).unwrap_or(u32::MAX)).min(RESET_TIME_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_data_has_half_of_the_time_however_many_sessions_remain() {
        assert_eq!(reset_time(10_000), Duration::from_millis(150));
        for sessions in [166_667, 333_334, 500_000, u64::MAX] {
            assert_eq!(END_LIMIT - reset_time(sessions), END_LIMIT / 2, "{sessions} sessions");
        }
    }
}
