//! Passwords of users on the test server, where they are not those of the online server.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use module_kit::secret::{CredentialsError, Secret, SecretSource};

/// The name of the user that AUTH with a password alone is about.
pub(crate) const DEFAULT: &[u8] = b"default";

/// The `[redis]` table of the configuration.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Passwords on the test server, by user.
    pub users: BTreeMap<String, SecretSource>,
}

/// The `[online.redis]` table: how to ask the online server about its connections.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OnlineServer {
    /// Where it listens, if that is not as `-x` says, or on the loopback interface.
    pub address: Option<SocketAddr>,
    /// An account that may say CLIENT LIST; without, the default user.
    pub user: Option<String>,
    /// Its password; without, none is said.
    pub password: Option<SecretSource>,
    /// How long a question may take, in seconds; 1 without.
    pub timeout: Option<u8>,
}

/// The passwords, at hand.
#[derive(Debug, Default)]
pub(crate) struct Users(BTreeMap<Vec<u8>, Secret>);

impl Users {
    pub(crate) fn resolve(settings: &Settings) -> Result<Self, CredentialsError> {
        let resolve =
            |(name, source): (&String, &SecretSource)| Ok((name.clone().into_bytes(), source.resolve()?));
        settings.users.iter().map(resolve).collect::<Result<_, _>>().map(Self)
    }

    /// The password of `user` on the test server, if it is another there.
    pub(crate) fn password(&self, user: &[u8]) -> Option<&Secret> {
        self.0.get(user)
    }
}
