//! Redis sessions: what a server keeps for a connection (login, database, protocol, subscriptions) is said again on each
//! new one; what cannot be said again, or is not known, is left out, so that nothing is written to a wrong place.
//!
//! [`request`] finds commands in what the client says, [`command`] tells which of them matter, [`known`] keeps what they
//! have set, and [`session`] brings all of it together. [`online`] asks the online server about its connections.
//! docs/REDIS.md says what can be replayed and how to set it up.

#![forbid(unsafe_code)]

mod accepted;
mod command;
mod counters;
mod known;
mod mark;
mod notices;
mod online;
mod reply;
mod request;
mod session;
mod users;

use std::sync::Arc;

use common_core::flow::{Endpoint, Flow};
use common_core::payload_prefix::PayloadPrefix;
use module_kit::online_query::OnlineQuery;
pub use module_kit::secret::{CredentialsError, SecretSource};
use module_kit::{Module, OnlineService, Protocol, Report};

use crate::accepted::Accepted;
use crate::counters::Counters;
use crate::mark::Marks;
use crate::notices::Notices;
use crate::online::Online;
use crate::session::Session;
use crate::users::Users;
pub use crate::users::{OnlineServer, Settings};

/// The protocol of Redis, for one online service.
#[derive(Debug)]
pub struct Redis {
    shared: Arc<Shared>,
    online: Option<Arc<Online>>,
    accepted: Arc<Accepted>,
}

/// Of the online server's answers those that are errors: what it refused has changed nothing.
const ONLINE_ERRORS: &[PayloadPrefix] = &[&[Some(b'-')]];

/// What the sessions of all services share.
#[derive(Debug)]
struct Shared {
    users: Users,
    counters: Counters,
    notices: Notices,
    marks: Marks,
}

impl Redis {
    /// The protocol with these passwords of the test server; the online server is not asked.
    ///
    /// # Errors
    ///
    /// If a password cannot be read from where it should come from.
    pub fn new(settings: &Settings) -> Result<Self, CredentialsError> {
        let users = Users::resolve(settings)?;
        let shared = Shared {
            users,
            counters: Counters::default(),
            notices: Notices::default(),
            marks: Marks::default(),
        };
        Ok(Self { shared: Arc::new(shared), online: None, accepted: Arc::default() })
    }

    /// The same for a service whose server is asked as `online` says; `usual` is where it listens if that does not say.
    /// Users and report are one for all services.
    ///
    /// # Errors
    ///
    /// If a password cannot be read from where it should come from.
    pub fn for_service(
        &self,
        online: Option<&OnlineServer>,
        usual: Endpoint,
    ) -> Result<Self, CredentialsError> {
        let online = online.map(|settings| Online::new(settings, usual).map(Arc::new)).transpose()?;
        Ok(Self { shared: Arc::clone(&self.shared), online, accepted: Arc::default() })
    }
}

impl OnlineService for Redis {
    fn answers(&self) -> &'static [PayloadPrefix] {
        ONLINE_ERRORS
    }

    fn query(&self) -> Option<Arc<dyn OnlineQuery>> {
        self.online.clone().map(|online| online as _)
    }
}

impl Protocol for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn module(&self, flow: &Flow, from_start: bool) -> Box<dyn Module> {
        let (shared, accepted) = (Arc::clone(&self.shared), Arc::clone(&self.accepted));
        Box::new(Session::new(shared, accepted, self.online.clone(), flow.client, from_start))
    }

    fn online(&self) -> Option<&dyn OnlineService> {
        Some(self)
    }

    fn report(&self) -> Report {
        self.shared.counters.report()
    }
}
