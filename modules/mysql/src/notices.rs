//! Words to the user: each once, and not without end. Clients decide how often something happens and what it is called, so
//! that each kind of notice has an end of its own: what is forged does not silence the rest.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A client that speaks TLS.
    Tls,
    /// A login of a user whom the configuration names.
    KnownUser,
    /// A login of somebody else, with a name that anybody can make up.
    OtherUser,
    /// A database that a client is not let into.
    Database,
    /// Connections that the test server refuses, whoever asks.
    Connection,
    /// The way the session is set up.
    Setup,
}

impl Kind {
    const COUNT: usize = 6;

    /// So many different notices of the kind are given.
    const fn limit(self) -> usize {
        match self {
            Self::Tls => 50,
            Self::KnownUser => 1000,
            Self::OtherUser | Self::Database => 100,
            Self::Connection | Self::Setup => 70,
        }
    }

    /// In the plural.
    const fn name(self) -> &'static str {
        match self {
            Self::Tls => "clients that speak TLS",
            Self::KnownUser => "logins of users in the --config file",
            Self::OtherUser => "logins of users who are not in the --config file",
            Self::Database => "databases",
            Self::Connection => "refused connections",
            Self::Setup => "what is missing",
        }
    }
}

/// What the user was told.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    given: Mutex<[HashSet<String>; Kind::COUNT]>,
}

impl Notices {
    /// Logs `text` as a warning, unless something was said about `subject` before, or enough of this kind.
    pub(crate) fn once(&self, kind: Kind, subject: String, text: impl FnOnce() -> String) {
        let Some(is_last) = self.take(kind, subject) else { return };
        log::warn!("mysql: {}", text());
        if is_last {
            log::warn!("mysql: that was the last line about {}: more of them are only counted", kind.name());
        }
    }

    /// Whether it is new; and then, whether it is the last.
    fn take(&self, kind: Kind, subject: String) -> Option<bool> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let given = &mut given[kind as usize];
        let is_new = given.len() < kind.limit() && given.insert(subject);
        is_new.then(|| given.len() == kind.limit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_and_not_without_end() {
        let notices = Notices::default();
        assert_eq!(notices.take(Kind::OtherUser, "app".to_owned()), Some(false));
        assert_eq!(notices.take(Kind::OtherUser, "app".to_owned()), None);
        let new: Vec<_> =
            (0..1000).filter_map(|user| notices.take(Kind::OtherUser, user.to_string())).collect();
        assert_eq!(new.len(), Kind::OtherUser.limit() - 1);
        assert_eq!(new.iter().position(|is_last| *is_last), Some(new.len() - 1));
        assert_eq!(notices.take(Kind::KnownUser, "app".to_owned()), Some(false), "another kind");
    }
}
