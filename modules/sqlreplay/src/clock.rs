//! The clock. Only this file reads it.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::recording::Micros;

/// Time since the start of a recording.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    before: Micros,
}

impl Clock {
    /// A clock that shows `before` now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn start(before: Micros) -> Self {
        Self { origin: Instant::now(), before }
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> Micros {
        Micros(self.before.0 + u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX >> 1))
    }

    /// When this clock shows `time`.
    #[must_use]
    pub fn instant(&self, time: Micros) -> tokio::time::Instant {
        (self.origin + Duration::from_micros(time.since(self.before).0)).into()
    }
}

/// The wall clock: RFC 3339, in UTC.
#[must_use]
pub(crate) fn wall_time() -> String {
    let now = Timestamp::now();
    now.round(jiff::Unit::Microsecond).unwrap_or(now).to_string()
}

/// The wall clock, in nanoseconds since 1970.
#[must_use]
pub(crate) fn nanos() -> u64 {
    u64::try_from(Timestamp::now().as_nanosecond()).unwrap_or_default()
}
