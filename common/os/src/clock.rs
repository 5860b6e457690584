//! The clock: the only place that reads it.

use common_core::time::Time;

/// The one clock of a process, read by its event loop only.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// Starts a clock whose [`Time::ZERO`] is now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn start() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    /// Milliseconds of the wall clock since 1970; zero if it is set before. It may jump: fit for a number that should
    /// be larger after a restart, not for measuring.
    #[must_use]
    pub fn unix_millis() -> u64 {
        let since_epoch = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }
}
