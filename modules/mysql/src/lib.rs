//! MySQL and MariaDB sessions: the module logs in to the test server with its own passwords, and translates the ids that
//! only one of the servers knows.
//!
//! From the lowest floor to the highest: formats ([`wire`]), logins ([`auth`]), prepared statements ([`statements`]),
//! compressed clients ([`compression`]), answers of both servers ([`answers`]), and the session, with its commands
//! ([`session`]). docs/MYSQL.md tells users what can be replayed, and how to set it up.

#![forbid(unsafe_code)]

mod answers;
mod auth;
mod compression;
mod counters;
mod session;
mod shared;
mod statements;
mod wire;

use std::sync::Arc;

use module_kit::{Flow, Module, OnlineService, PayloadPrefix, Protocol, Report};

use crate::auth::credentials::Credentials;
pub use crate::auth::credentials::{CredentialsError, DefaultLogin, SecretSource, Settings};
use crate::counters::Counters;
use crate::session::Session;
use crate::session::connections::Connections;
use crate::shared::{Shared, Warnings};

/// The protocol of MySQL and MariaDB, for one online service.
#[derive(Debug)]
pub struct Mysql {
    shared: Arc<Shared>,
    connections: Arc<Connections>,
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
    &[Some(2), Some(0), Some(0), Some(1), Some(1)],
];

impl Mysql {
    /// The protocol with these users.
    ///
    /// # Errors
    ///
    /// If a password cannot be read from where it should come from.
    pub fn new(settings: &Settings) -> Result<Self, CredentialsError> {
        let credentials = Credentials::resolve(settings)?;
        let shared = Shared { credentials, counters: Counters::default(), warnings: Warnings::default() };
        Ok(Self { shared: Arc::new(shared), connections: Arc::default() })
    }

    /// The same for another online service: users and report are one, but connections of different servers may have the
    /// same id.
    #[must_use]
    pub fn for_another_service(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), connections: Arc::default() }
    }
}

impl OnlineService for Mysql {
    fn answers(&self) -> &'static [PayloadPrefix] {
        BEGINNINGS
    }
}

impl Protocol for Mysql {
    fn name(&self) -> &'static str {
        "mysql"
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
