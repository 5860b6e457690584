//! Log lines about control connections: an event that all workers meet is logged by one of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common_core::log_limiter::{Limits, LogLimiter};
use common_core::time::Time;
use log::Level;

/// The other workers meet the same event within 10 s.
const LIMITS: Limits = Limits { lines: 1, period: Duration::from_secs(10), keys: 1024 };

/// The log of the control connections of all workers. Its clones are one log.
#[derive(Debug, Clone)]
pub struct ConnLog {
    lines: Arc<Mutex<LogLimiter<(String, u64)>>>,
    from_start: bool,
}

impl ConnLog {
    /// `from_start` is false if the caller itself reports errors before the first connection is up.
    #[must_use]
    pub fn new(from_start: bool) -> Self {
        Self { lines: Arc::new(Mutex::new(LogLimiter::new(LIMITS))), from_start }
    }

    /// Whether errors before the first connection is up are logged.
    pub(super) fn is_from_start(&self) -> bool {
        self.from_start
    }

    /// Logs a line, on debug level if another worker has just logged it.
    ///
    /// `connects` tells how often this worker's connection has come up: a line that a worker repeats after a new connection is
    /// a new event.
    pub(super) fn log(&self, now: Time, connects: u64, level: Level, line: String) {
        log::log!(if self.is_new(now, connects, &line) { level } else { Level::Debug }, "{line}");
    }

    fn is_new(&self, now: Time, connects: u64, line: &str) -> bool {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.admit(now, (line.to_owned(), connects)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_many_workers_is_logged_once() {
        let log = ConnLog::new(true);
        let is_new =
            |seconds, connects, line| log.is_new(Time::ZERO + Duration::from_secs(seconds), connects, line);
        assert_eq!((0..64).filter(|_| is_new(1, 0, "refused")).count(), 1);
        assert!(is_new(1, 0, "silent"), "another event");
        assert!(is_new(2, 1, "refused"), "again, after a new connection");
        assert!(!is_new(10, 1, "refused"));
        assert!(is_new(12, 1, "refused"), "a worker whose connection breaks later than the others'");
    }
}
