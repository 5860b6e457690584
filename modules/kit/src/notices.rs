//! Warnings to the user: each once, and not without end, because clients decide how often something happens.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use common_core::log_limiter::{Limits, LogLimiter};
use common_core::time::Time;

/// Warnings of one kind.
#[derive(Debug)]
pub struct Notices {
    protocol: &'static str,
    kind: &'static str,
    given: Mutex<LogLimiter<String>>,
}

impl Notices {
    /// At most `limit` different warnings of `protocol` about `kind`, a plural: "logins", say. Warnings with names that
    /// anybody can make up need a kind of their own: they must not silence the others.
    #[must_use]
    pub fn new(protocol: &'static str, kind: &'static str, limit: usize) -> Self {
        let limits = Limits { lines: 1, period: Duration::MAX, keys: limit };
        Self { protocol, kind, given: Mutex::new(LogLimiter::new(limits)) }
    }

    /// Logs `text` as a warning, unless there was one about `subject` before, or enough of this kind.
    pub fn once(&self, subject: &str, text: impl FnOnce() -> String) {
        let Some(is_last) = self.admit(subject) else { return };
        log::warn!("{}: {}", self.protocol, text());
        if is_last {
            log::warn!(
                "{}: that was the last line about {}: more of them are only counted",
                self.protocol,
                self.kind
            );
        }
    }

    /// Whether it is new; and then, whether it is the last.
    fn admit(&self, subject: &str) -> Option<bool> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        // A period without end has no time.
        given.admit(Time::ZERO, subject.to_owned())?;
        Some(given.is_full())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_and_not_without_end() {
        let notices = Notices::new("test", "users", 100);
        assert_eq!(notices.admit("app"), Some(false));
        assert_eq!(notices.admit("app"), None);
        let new: Vec<_> = (0..1000).filter_map(|user: u32| notices.admit(&user.to_string())).collect();
        assert_eq!((new.len(), new[98]), (99, true));
        assert_eq!(notices.admit("app"), None);
    }
}
