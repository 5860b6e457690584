//! The state that the sessions of all services share.

use module_kit::notices::Notices;

use crate::counters::Counters;
use crate::key_cache::KeyCache;
use crate::settings::Logins;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) logins: Logins,
    pub(crate) keys: KeyCache,
    pub(crate) counters: Counters,
    pub(crate) warnings: Warnings,
}

/// Warnings by kind: forged ones of one kind do not silence the others.
#[derive(Debug)]
pub(crate) struct Warnings {
    pub(crate) encryption: Notices,
    /// Logins of users whom the configuration names.
    pub(crate) known_users: Notices,
    /// Logins with a name that anybody can make up.
    pub(crate) other_users: Notices,
    pub(crate) connections: Notices,
    pub(crate) setup: Notices,
}

impl Default for Warnings {
    fn default() -> Self {
        let notices = |kind, limit| Notices::new("postgres", kind, limit);
        Self {
            encryption: notices("clients that encrypt", 50),
            known_users: notices("logins of users in the --config file", 1000),
            other_users: notices("logins of users who are not in the --config file", 100),
            connections: notices("refused connections", 70),
            setup: notices("what is missing", 70),
        }
    }
}
