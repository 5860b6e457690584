//! The state that the sessions of all services share.

use module_kit::notices::Notices;

use crate::auth::credentials::Credentials;
use crate::counters::Counters;
use crate::session::connection_state::OnLostState;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) credentials: Credentials,
    pub(crate) on_lost_state: OnLostState,
    pub(crate) counters: Counters,
    pub(crate) warnings: Warnings,
    /// Statements that change accounts are copied.
    pub(crate) copy_accounts: bool,
}

/// Warnings by kind: forged ones of one kind do not silence the others.
#[derive(Debug)]
pub(crate) struct Warnings {
    pub(crate) tls: Notices,
    /// Logins of users whom the configuration names.
    pub(crate) known_users: Notices,
    /// Logins with a name that anybody can make up.
    pub(crate) other_users: Notices,
    pub(crate) databases: Notices,
    pub(crate) connections: Notices,
    pub(crate) setup: Notices,
}

impl Default for Warnings {
    fn default() -> Self {
        let notices = |kind, limit| Notices::new("mysql", kind, limit);
        Self {
            tls: notices("clients that speak TLS", 50),
            known_users: notices("logins of users in the --config file", 1000),
            other_users: notices("logins of users who are not in the --config file", 100),
            databases: notices("databases", 100),
            connections: notices("refused connections", 70),
            setup: notices("what is missing", 70),
        }
    }
}
