//! MySQL and MariaDB sessions: the module logs in to the test server with its own passwords, and translates the ids that
//! only one of the servers knows.
//!
//! From the lowest floor to the highest: formats ([`mysql_wire`]), logins ([`auth`]), prepared statements ([`statements`]),
//! compressed clients ([`compression`]), answers of both servers ([`answers`]), the reading of SQL ([`sql`]), and the
//! session, with its commands ([`session`]). docs/MYSQL.md tells users what can be replayed, and how to set it up.

#![forbid(unsafe_code)]

mod answers;
mod auth;
mod compression;
mod counters;
mod online;
mod session;
mod shared;
mod sql;
mod statements;

use std::sync::Arc;

use module_kit::online_query::OnlineQuery;
use module_kit::{Endpoint, Flow, Module, OnlineService, PayloadPrefix, Protocol, Report};

use mysql_wire as wire;

use crate::auth::credentials::Credentials;
pub use crate::auth::credentials::{CredentialsError, DefaultLogin, SecretSource, Settings};
use crate::counters::Counters;
pub use crate::online::OnlineServer;
use crate::online::{Online, Query};
use crate::session::Session;
pub use crate::session::connection_state::OnLostState;
use crate::session::connections::Connections;
use crate::shared::{Shared, Warnings};
pub use mysql_wire::error_name::error_name;

/// The protocol of MySQL and MariaDB, for one online service.
#[derive(Debug)]
pub struct Mysql {
    shared: Arc<Shared>,
    connections: Arc<Connections>,
    online: Option<Arc<Online>>,
}

/// The beginnings of the online server's answers that the module needs: length (three bytes), sequence id, first byte of the
/// payload. The answer to a command has the sequence id 1; in a login ids are greater, but for COM_CHANGE_USER, where the
/// first answer may have 1.
const BEGINNINGS: &[PayloadPrefix] = &[
    // The greeting, which names the connection.
    &[None, Some(0), Some(0), Some(0), Some(10)],
    // The answer to a PREPARE, which names the statement, without optional metadata or with it.
    &[Some(12), Some(0), Some(0), Some(1), Some(0)],
    &[Some(13), Some(0), Some(0), Some(1), Some(0)],
    // The request for the file of a LOAD DATA LOCAL, which other results may precede.
    &[None, None, Some(0), None, Some(0xFB)],
    // Errors.
    &[None, None, Some(0), None, Some(0xFF)],
    // Answers in a login.
    &[None, None, Some(0), Some(2)],
    &[None, None, Some(0), Some(3)],
    &[None, None, Some(0), Some(4)],
    &[None, None, Some(0), Some(5)],
    &[None, None, Some(0), Some(6)],
    // Another method, or the cached password, at once.
    &[None, Some(0), Some(0), Some(1), Some(0xFE)],
    // Not the number of a result's columns, which has the same form.
    &[Some(2), Some(0), Some(0), Some(1), Some(1), Some(3)],
    &[Some(2), Some(0), Some(0), Some(1), Some(1), Some(4)],
];

/// Asserts what holds for the reading of any SQL, in one of the dialects.
#[cfg(feature = "testing")]
#[doc(hidden)]
pub fn check_sql(text: &[u8], dialect: u16) {
    sql::invariants::check(text, sql::invariants::dialect(dialect));
}

/// Reads SQL, for the benchmark; returns the number of effects.
#[cfg(feature = "testing")]
#[doc(hidden)]
#[must_use]
pub fn read_sql(text: &[u8]) -> usize {
    sql::read(text, sql::invariants::dialect(0)).effects().count()
}

impl Mysql {
    /// The protocol with these users.
    ///
    /// # Errors
    ///
    /// If a password cannot be read from where it should come from.
    pub fn new(settings: &Settings) -> Result<Self, CredentialsError> {
        let credentials = Credentials::resolve(settings)?;
        let shared = Shared {
            credentials,
            on_lost_state: settings.on_lost_state,
            counters: Counters::default(),
            warnings: Warnings::default(),
            copy_accounts: settings.copy_accounts,
        };
        Ok(Self { shared: Arc::new(shared), connections: Arc::default(), online: None })
    }

    /// The same for another online service: users and report are one, but connections of different servers may have the
    /// same id.
    #[must_use]
    pub fn for_another_service(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), connections: Arc::default(), online: None }
    }

    /// The same for a service whose server is queried as `online` says; `usual` is where it listens if that does not say.
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
        Ok(Self { online, ..self.for_another_service() })
    }
}

impl OnlineService for Mysql {
    fn answers(&self) -> &'static [PayloadPrefix] {
        BEGINNINGS
    }

    fn query(&self) -> Option<Arc<dyn OnlineQuery>> {
        self.online.clone().map(|online| Arc::new(Query(online)) as _)
    }
}

impl Protocol for Mysql {
    fn name(&self) -> &'static str {
        "mysql"
    }

    fn module(&self, flow: &Flow, from_start: bool) -> Box<dyn Module> {
        let session = Session::new(Arc::clone(&self.shared), Arc::clone(&self.connections), flow, from_start);
        Box::new(session.asking(self.online.clone()))
    }

    fn online(&self) -> Option<&dyn OnlineService> {
        Some(self)
    }

    fn report(&self) -> Report {
        self.shared.counters.report()
    }
}
