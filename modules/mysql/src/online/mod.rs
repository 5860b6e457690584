//! The queries to the online server about connections that are older than the copy.
//!
//! [`conversation`] logs in and sends the [`questions`]; [`result`] reads the answers, of which [`collect`] makes an
//! [`entry::Entry`] for each connection; [`infer`] finds the types of parameters, which no server tells.

mod collect;
mod conversation;
pub(crate) mod entry;
pub(crate) mod infer;
pub(crate) mod known_types;
mod literal;
mod questions;
mod refusal;
mod result;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use module_kit::Endpoint;
use module_kit::notices::Notices;
use module_kit::online_query::{Connections, Conversation, Found, OnlineQuery, Questions};

use self::conversation::Asking;
use self::entry::Entry;
use self::known_types::KnownTypes;
use crate::auth::credentials::{CredentialsError, Secret, SecretSource};
use crate::auth::policy::{Policy, policy};

/// The time limit for a question without a setting: some answers are long.
const TIME_LIMIT: u8 = 3;

/// The `[online.mysql]` table: how to query the online server about its connections.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnlineServer {
    /// Where it listens, if not as `-x` says, or on the loopback interface.
    pub address: Option<SocketAddr>,
    /// An account that may read `performance_schema` and sees all connections (PROCESS).
    pub user: String,
    /// Its password; without, it has none.
    pub password: Option<SecretSource>,
    /// Its RSA public key, in PEM. Without it, the key that the server sends is trusted.
    pub public_key: Option<PathBuf>,
    /// The time limit for a question, in seconds; 3 without.
    pub timeout: Option<u8>,
}

/// The query to one online server, and its answer.
#[derive(Debug)]
pub(crate) struct Online {
    address: Endpoint,
    time_limit: Duration,
    user: Vec<u8>,
    password: Secret,
    policy: Policy,
    questions: Questions,
    connections: Connections<Entry>,
    /// The last question that has failed.
    failed: AtomicU64,
    pub(crate) types: KnownTypes,
    notices: Notices,
}

impl Online {
    /// `usual` is where the service listens if the settings do not say.
    pub(crate) fn new(settings: &OnlineServer, usual: Endpoint) -> Result<Self, CredentialsError> {
        let password = settings.password.as_ref().map(SecretSource::resolve).transpose()?;
        Ok(Self {
            address: settings.address.map_or(usual, Endpoint::from),
            time_limit: Duration::from_secs(settings.timeout.unwrap_or(TIME_LIMIT).max(1).into()),
            user: settings.user.clone().into_bytes(),
            password: password.unwrap_or_else(|| Secret::new(b"")),
            policy: policy(false, settings.public_key.as_deref())?,
            questions: Questions::default(),
            connections: Connections::default(),
            failed: AtomicU64::new(0),
            types: KnownTypes::default(),
            notices: Notices::new("mysql", "what the online server does not tell", 20),
        })
    }

    /// The questions, by number.
    pub(crate) fn questions(&self) -> &Questions {
        &self.questions
    }

    /// Whether the last question that is over had no answer.
    pub(crate) fn is_silent(&self) -> bool {
        self.failed.load(Ordering::Relaxed) > self.questions.answered()
    }

    /// What the answer to `question` says of this client's connection.
    pub(crate) fn take(&self, question: u64, client: &Endpoint) -> Found<Entry> {
        match self.connections.take(question, client) {
            Found::Nothing => self.connections.take(question, &named(client.port)),
            found => found,
        }
    }

    /// What the online server says of the connection is void.
    pub(crate) fn forget(&self, client: &Endpoint) {
        self.connections.forget(client);
        self.connections.forget(&named(client.port));
    }
}

/// The key of a client that the server calls by a name: its port, as far as that is no other one's.
fn named(port: u16) -> Endpoint {
    Endpoint::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
}

/// The query is shared by the sessions and by the thread that asks.
#[derive(Debug)]
pub(crate) struct Query(pub(crate) Arc<Online>);

impl OnlineQuery for Query {
    fn address(&self) -> Endpoint {
        self.0.address
    }

    fn time_limit(&self) -> Duration {
        self.0.time_limit
    }

    fn questions(&self) -> &Questions {
        &self.0.questions
    }

    fn begin(&self, question: u64) -> Box<dyn Conversation> {
        Box::new(Asking::new(Arc::clone(&self.0), question))
    }
}
