//! Redis sessions: the state that a server keeps for a connection (login, database, protocol, subscriptions) is restored on
//! each new one; commands that depend on state that cannot be restored, or is not known, are left out, so that nothing is
//! written to a wrong place.
//!
//! [`resp`] finds commands in the client's stream, [`command`] tells which of them matter, [`state`] keeps what they have
//! set, and [`session`] brings all of it together. [`online`] queries the online server about its connections.
//! docs/REDIS.md says what can be replayed and how to set it up.

#![forbid(unsafe_code)]

mod command;
mod counters;
mod online;
mod resp;
mod session;
mod state;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use module_kit::marks::Marks;
use module_kit::notices::Notices;
use module_kit::online_query::OnlineQuery;
pub use module_kit::secret::{CredentialsError, SecretSource};
use module_kit::users::Users;
use module_kit::{Endpoint, Flow, Module, OnlineService, PayloadPrefix, Protocol, Report};

use crate::counters::Counters;
use crate::online::Online;
pub use crate::online::OnlineServer;
use crate::session::Session;

/// The `[redis]` table of the configuration.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Passwords on the test server, by user.
    pub users: BTreeMap<String, SecretSource>,
}

/// The protocol of Redis, for one online service.
#[derive(Debug)]
pub struct Redis(Arc<Service>);

/// Shared by the sessions of one service.
#[derive(Debug)]
struct Service {
    shared: Arc<Shared>,
    online: Option<Arc<Online>>,
    accepted: Accepted,
}

/// Shared by the sessions of all services.
#[derive(Debug)]
struct Shared {
    users: Users,
    counters: Counters,
    notices: Notices,
    marks: Marks,
}

/// Databases that the test server has let users choose: their sessions need not wait for its answer. Of bounded number.
#[derive(Debug, Default)]
struct Accepted(RwLock<HashSet<(Vec<u8>, u32)>>);

impl Accepted {
    const LIMIT: usize = 16 << 10;

    fn contains(&self, user: &[u8], database: u32) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&(user.to_vec(), database))
    }

    fn set(&self, user: &[u8], database: u32, is_accepted: bool) {
        if self.contains(user, database) != is_accepted {
            let mut accepted = self.0.write().unwrap_or_else(PoisonError::into_inner);
            if !is_accepted {
                accepted.remove(&(user.to_vec(), database));
            } else if accepted.len() < Self::LIMIT {
                accepted.insert((user.to_vec(), database));
            }
        }
    }
}

impl Redis {
    /// The protocol with these passwords of the test server; the online server is not queried.
    ///
    /// # Errors
    ///
    /// If a password cannot be read from its source.
    pub fn new(settings: &Settings) -> Result<Self, CredentialsError> {
        let shared = Shared {
            users: Users::resolve(&settings.users)?,
            counters: Counters::default(),
            notices: Notices::new("redis", "sessions", 100),
            marks: Marks::default(),
        };
        Ok(Self::of_service(Arc::new(shared), None))
    }

    /// The same for a service whose server is queried as `online` says; `usual` is where it listens if that does not say.
    /// Users and report are one for all services.
    ///
    /// # Errors
    ///
    /// If a password cannot be read from its source.
    pub fn for_service(
        &self,
        online: Option<&OnlineServer>,
        usual: Endpoint,
    ) -> Result<Self, CredentialsError> {
        let online = online.map(|settings| Online::new(settings, usual).map(Arc::new)).transpose()?;
        Ok(Self::of_service(Arc::clone(&self.0.shared), online))
    }

    fn of_service(shared: Arc<Shared>, online: Option<Arc<Online>>) -> Self {
        Self(Arc::new(Service { shared, online, accepted: Accepted::default() }))
    }
}

impl OnlineService for Redis {
    /// Errors: a command that the online server refused has changed nothing.
    fn answers(&self) -> &'static [PayloadPrefix] {
        &[&[Some(b'-')]]
    }

    fn query(&self) -> Option<Arc<dyn OnlineQuery>> {
        self.0.online.clone().map(|online| online as _)
    }
}

impl Protocol for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn module(&self, flow: &Flow, from_start: bool) -> Box<dyn Module> {
        Box::new(Session::new(Arc::clone(&self.0), flow.client, from_start))
    }

    fn online(&self) -> Option<&dyn OnlineService> {
        Some(self)
    }

    fn report(&self) -> Report {
        self.0.shared.counters.report()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_databases_are_known_by_user_in_bounded_number() {
        let accepted = Accepted::default();
        accepted.set(b"app", 3, true);
        assert!(accepted.contains(b"app", 3));
        assert!(!accepted.contains(b"app", 4) && !accepted.contains(b"other", 3));
        (0..2 * Accepted::LIMIT as u32).for_each(|number| accepted.set(b"other", number, true));
        assert_eq!(accepted.0.read().unwrap().len(), Accepted::LIMIT);
        accepted.set(b"app", 3, false);
        assert!(!accepted.contains(b"app", 3));
    }
}
