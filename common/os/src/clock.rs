//! The clock. Only this file reads it.

use common_core::time::Time;

/// The clock of a process, which only the event loops read.
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

    /// Milliseconds of the wall clock since 1970; zero if it is set to an earlier time. The wall clock may jump: use it for a
    /// number that should be larger after a restart, not to measure time.
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
