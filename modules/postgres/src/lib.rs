//! PostgreSQL sessions: the module logs in to the test server with its own passwords, gives each new connection the state
//! that the client believes in, and stays in step where the servers answer differently.
//!
//! [`answers`] finds the test server's messages, [`sql`] reads what statements do to a connection, [`session`] brings all of
//! it together; the messages and logins are those of `postgres_wire`. docs/POSTGRES.md tells users what can be replayed,
//! and how to set it up.

#![forbid(unsafe_code)]

mod answers;
mod counters;
mod key_cache;
mod pgpass;
mod session;
mod settings;
mod shared;
mod sql;
mod sqlstate;

use std::sync::Arc;

pub use module_kit::secret::{CredentialsError, SecretSource};
use module_kit::{Flow, Module, OnlineService, PayloadPrefix, Protocol, Report};

use crate::counters::Counters;
use crate::key_cache::KeyCache;
pub use crate::pgpass::PgpassError;
use crate::session::connections::Connections;
use crate::session::{BEGINNINGS, Session, WHOLE};
use crate::settings::Logins;
pub use crate::settings::{DefaultLogin, Settings, SettingsError};
use crate::shared::{Shared, Warnings};
pub use crate::sqlstate::error_name;

/// The protocol of PostgreSQL, for one online service.
#[derive(Debug)]
pub struct Postgres {
    shared: Arc<Shared>,
    connections: Arc<Connections>,
}

impl Postgres {
    /// The protocol with these users.
    ///
    /// # Errors
    ///
    /// If a password cannot be read from where it should come from, or is none.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let shared = Shared {
            logins: Logins::resolve(settings)?,
            keys: KeyCache::default(),
            counters: Counters::default(),
            warnings: Warnings::default(),
        };
        Ok(Self { shared: Arc::new(shared), connections: Arc::default() })
    }

    /// The same for another online service: users and report are one.
    #[must_use]
    pub fn for_another_service(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), connections: Arc::default() }
    }
}

impl OnlineService for Postgres {
    fn answers(&self) -> &'static [PayloadPrefix] {
        BEGINNINGS
    }

    fn whole_answers(&self) -> &'static [PayloadPrefix] {
        WHOLE
    }
}

impl Protocol for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn module(&self, flow: &Flow, from_start: bool) -> Box<dyn Module> {
        Box::new(Session::new(Arc::clone(&self.shared), Arc::clone(&self.connections), flow, from_start))
    }

    fn online(&self) -> Option<&dyn OnlineService> {
        Some(self)
    }

    fn report(&self) -> Report {
        self.shared.counters.report()
    }
}
