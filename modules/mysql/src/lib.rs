//! MySQL and MariaDB sessions: logs in to the test server by itself, and keeps what only one server knows straight.
//!
//! The way of a session: the test server's greeting ([`greeting`]), the client's own login, which is left out
//! ([`hello`]), ours in its place ([`dialogue`], [`plugin`]), and then the client's commands ([`session`]), which pass as
//! they are but for the ids of prepared statements ([`statements`]) and the few things that the test server does not
//! know. docs/MYSQL.md says what can be replayed and how to set it up.

#![forbid(unsafe_code)]

mod admission;
mod answers;
mod attributes;
mod capabilities;
mod command;
mod compression;
mod connections;
mod counters;
mod credentials;
mod dialogue;
mod edits;
mod greeting;
mod hello;
mod inflate;
mod long_data;
mod notices;
mod online;
mod packet;
mod plugin;
mod query;
mod server_error;
mod session;
mod statements;
mod transaction;
mod types;

use std::sync::Arc;

use common_core::flow::Flow;
use common_core::payload_prefix::PayloadPrefix;
use module_kit::{Module, OnlineService, Protocol, Report};

use crate::connections::Connections;
use crate::counters::Counters;
use crate::credentials::Credentials;
pub use crate::credentials::{CredentialsError, DefaultLogin, SecretSource, Settings};
use crate::notices::Notices;
use crate::session::Session;

/// The protocol of MySQL and MariaDB, for one online service.
#[derive(Debug)]
pub struct Mysql {
    shared: Arc<Shared>,
    connections: Arc<Connections>,
}

/// What must be known of the online server's answers: its greeting, which names the connection, the ids of statements
/// that it prepares, with optional metadata or without, its errors, and what it says in a login: an answer to a command
/// begins with the sequence id 1, one to a login with a greater one. To COM_CHANGE_USER it may be 1.
const BEGINNINGS: &[PayloadPrefix] = &[
    &[None, Some(0), Some(0), Some(0), Some(10)],
    &[Some(12), Some(0), Some(0), Some(1), Some(0)],
    &[Some(13), Some(0), Some(0), Some(1), Some(0)],
    &[None, None, Some(0), None, Some(0xFF)],
    &[None, None, Some(0), Some(2)],
    &[None, None, Some(0), Some(3)],
    &[None, None, Some(0), Some(4)],
    &[None, None, Some(0), Some(5)],
    &[None, None, Some(0), Some(6)],
    &[None, Some(0), Some(0), Some(1), Some(0xFE)],
    &[Some(2), Some(0), Some(0), Some(1), Some(1)],
];

/// What the sessions of all services share.
#[derive(Debug)]
struct Shared {
    credentials: Credentials,
    counters: Counters,
    notices: Notices,
}

impl Mysql {
    /// The protocol with these users.
    ///
    /// # Errors
    ///
    /// If a password cannot be read from where it should come from.
    pub fn new(settings: &Settings) -> Result<Self, CredentialsError> {
        let credentials = Credentials::resolve(settings)?;
        let shared = Shared { credentials, counters: Counters::new(), notices: Notices::default() };
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
