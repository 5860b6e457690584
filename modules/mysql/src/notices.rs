//! Words to the user: each once, and not without end.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// So many different notices are given.
const NOTICES_MAX: usize = 200;

/// What the user was told.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    given: Mutex<HashSet<String>>,
}

impl Notices {
    /// Logs `text` as a warning, unless something was said about `subject` before.
    pub(crate) fn once(&self, subject: String, text: impl FnOnce() -> String) {
        if self.is_new(subject) {
            log::warn!("mysql: {}", text());
        }
    }

    fn is_new(&self, subject: String) -> bool {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.contains(&subject) || given.len() >= NOTICES_MAX {
            return false;
        }
        given.insert(subject);
        if given.len() == NOTICES_MAX {
            log::warn!("mysql: no more of such notices are shown; the counters go on");
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_and_not_without_end() {
        let notices = Notices::default();
        assert!(notices.is_new("app".to_owned()));
        assert!(!notices.is_new("app".to_owned()));
        let new = (0..1000).filter(|user| notices.is_new(user.to_string())).count();
        assert_eq!(new, NOTICES_MAX - 1);
    }
}
