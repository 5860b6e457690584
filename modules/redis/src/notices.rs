//! Words to the user: each once, and not without end, for clients decide how often something happens.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// So many different notices are given.
const LIMIT: usize = 100;

#[derive(Debug, Default)]
pub(crate) struct Notices(Mutex<HashSet<String>>);

impl Notices {
    /// Logs `text` as a warning, unless something was said about `subject` before.
    pub(crate) fn once(&self, subject: &str, text: impl FnOnce() -> String) {
        if self.is_new(subject) {
            log::warn!("redis: {}", text());
        }
    }

    fn is_new(&self, subject: &str) -> bool {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        given.len() < LIMIT && given.insert(subject.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_and_not_without_end() {
        let notices = Notices::default();
        assert!(notices.is_new("user") && !notices.is_new("user"));
        let new = (0..1000).filter(|user| notices.is_new(&user.to_string())).count();
        assert_eq!(new, LIMIT - 1);
    }
}
