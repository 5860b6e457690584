//! Who may log in to the test server, and with which password.

use std::collections::BTreeMap;
use std::path::PathBuf;

pub(crate) use module_kit::secret::Secret;
pub use module_kit::secret::{CredentialsError, SecretSource};
use module_kit::users::Users;

use crate::auth::policy::{Policy, policy};
use crate::session::connection_state::OnLostState;

/// The `[mysql]` table of the configuration.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Passwords by user, or by `user@database`, which goes first; `*` is everybody else.
    pub users: BTreeMap<String, SecretSource>,
    /// Whom sessions log in as whose own login was not seen.
    pub default: Option<DefaultLogin>,
    /// Passwords may be sent in the clear where the test server asks for it (`mysql_clear_password`).
    pub allow_clear: bool,
    /// The test server's RSA public key, in PEM. Without it, the key that the server sends is trusted.
    pub public_key: Option<PathBuf>,
    /// What becomes of statements that depend on state which was lost with a connection (`--on-lost-state`).
    #[serde(skip)]
    pub on_lost_state: OnLostState,
    /// Statements that change accounts (CREATE USER, GRANT, SET PASSWORD, FLUSH PRIVILEGES) are copied.
    pub copy_accounts: bool,
}

/// The login of sessions whose own login was not seen.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultLogin {
    /// The user.
    pub user: String,
    /// Its password; without one, that of the user in `[mysql.users]`, if it is there.
    pub password: Option<SecretSource>,
    /// The database that statements refer to.
    #[serde(default)]
    pub database: String,
}

/// The passwords that were read.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    pub(crate) users: Users,
    pub(crate) default: Option<Login>,
    pub(crate) policy: Policy,
}

/// A user with a password and a database.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) user: Vec<u8>,
    pub(crate) password: Option<Secret>,
    pub(crate) database: Vec<u8>,
}

impl Credentials {
    pub(crate) fn resolve(settings: &Settings) -> Result<Self, CredentialsError> {
        let users = Users::resolve(&settings.users)?;
        let default = settings.default.as_ref().map(|login| {
            let (user, database) = (login.user.clone().into_bytes(), login.database.clone().into_bytes());
            let password = match &login.password {
                Some(source) => Some(source.resolve()?),
                None => users.password_in(&user, &database).cloned(),
            };
            Ok(Login { user, password, database })
        });
        let policy = policy(settings.allow_clear, settings.public_key.as_deref())?;
        Ok(Self { default: default.transpose()?, users, policy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(password: &str) -> SecretSource {
        SecretSource::Plain(password.to_owned().into())
    }

    #[test]
    fn the_default_has_a_password_of_its_own_or_that_of_its_user() {
        for (own, expected) in [(Some("own"), "own"), (None, "at shop")] {
            let default = DefaultLogin {
                user: "app".to_owned(),
                password: own.map(plain),
                database: "shop".to_owned(),
            };
            let users = BTreeMap::from([("app@shop".to_owned(), plain("at shop"))]);
            let settings = Settings { users, default: Some(default), ..Settings::default() };
            let login = Credentials::resolve(&settings).unwrap().default.unwrap();
            assert_eq!(login.password.unwrap().bytes(), expected.as_bytes());
        }
    }

    #[test]
    fn no_password_is_shown() {
        let users = BTreeMap::from([("app".to_owned(), plain("hunter2"))]);
        let settings = Settings { users, ..Settings::default() };
        let credentials = Credentials::resolve(&settings).unwrap();
        let shown = format!("{settings:?} {credentials:?}");
        assert!(shown.contains("app") && !shown.contains("hunter2"), "{shown}");
        // Nor as a list of its bytes.
        assert!(!shown.contains("104, 117"), "{shown}");
    }
}
