//! Who may log in to the test server, with which password, and to which database.

use std::collections::BTreeMap;
use std::path::PathBuf;

use module_kit::Endpoint;
use module_kit::secret::{Secret, SecretSource};
use module_kit::users::Users;
use postgres_wire::login::credential::{Credential, CredentialError};

use crate::pgpass::{Pgpass, PgpassError};

/// The `[postgres]` table of the configuration.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Passwords by user, or by `user@database`, which goes first; `*` is everybody else. An `md5` hash or SCRAM's keys may
    /// stand for a password.
    pub users: BTreeMap<String, SecretSource>,
    /// Whom sessions log in as whose own login was not seen.
    pub default: Option<DefaultLogin>,
    /// Passwords may be sent in the clear where the test server asks for it.
    pub allow_clear: bool,
    /// A file with more passwords, in the form of libpq's `.pgpass`: for users whom `users` does not have.
    pub pgpass: Option<PathBuf>,
    /// Users who have another name on the test server.
    pub user_names: BTreeMap<String, String>,
    /// Databases that have another name on the test server.
    pub database_names: BTreeMap<String, String>,
}

/// The login of sessions whose own login was not seen.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultLogin {
    /// The user.
    pub user: String,
    /// Its password; without one, that of the user in `[postgres.users]`, if it is there.
    pub password: Option<SecretSource>,
    /// The database; without one, the server takes that with the user's name.
    #[serde(default)]
    pub database: String,
}

/// A password cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read from where it should come from.
    #[error(transparent)]
    Source(#[from] module_kit::secret::CredentialsError),
    /// The `.pgpass` file cannot be used.
    #[error(transparent)]
    Pgpass(#[from] PgpassError),
    /// It is none.
    #[error("the password of user {user} cannot be used: {problem}")]
    Credential {
        /// Whose.
        user: String,
        /// Why.
        problem: CredentialError,
    },
}

/// The settings with the passwords that were read.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    users: Users,
    pgpass: Pgpass,
    pub(crate) default: Option<Login>,
    pub(crate) allow_clear: bool,
    user_names: BTreeMap<String, String>,
    database_names: BTreeMap<String, String>,
}

/// A user with a password and a database.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) user: Vec<u8>,
    pub(crate) password: Option<Secret>,
    pub(crate) database: Vec<u8>,
}

impl Logins {
    pub(crate) fn resolve(settings: &Settings) -> Result<Self, SettingsError> {
        let users = Users::resolve(&settings.users)?;
        for user in settings.users.keys() {
            check(user, users.password(user.as_bytes()))?;
        }
        let default = settings.default.as_ref().map(|login| {
            let password = login.password.as_ref().map(SecretSource::resolve).transpose()?;
            check(&login.user, password.as_ref())?;
            let (user, database) = (login.user.clone().into_bytes(), login.database.clone().into_bytes());
            Ok::<_, SettingsError>(Login { user, password, database })
        });
        Ok(Self {
            default: default.transpose()?,
            users,
            pgpass: settings.pgpass.as_deref().map(Pgpass::read).transpose()?.unwrap_or_default(),
            allow_clear: settings.allow_clear,
            user_names: settings.user_names.clone(),
            database_names: settings.database_names.clone(),
        })
    }

    /// The password of `user` in `database`, both as the client calls them, on this test server.
    pub(crate) fn password(&self, user: &[u8], database: &[u8], server: &Endpoint) -> Option<Secret> {
        let of_file = || self.pgpass.password(server, self.database_name(database), self.user_name(user));
        self.users.password_in(user, database).cloned().or_else(of_file)
    }

    /// Whether the configuration names the user.
    pub(crate) fn names(&self, user: &[u8]) -> bool {
        self.users.names(user) || self.default.as_ref().is_some_and(|login| login.user == user)
    }

    /// The name of the client's `user` on the test server.
    pub(crate) fn user_name<'n>(&'n self, user: &'n [u8]) -> &'n [u8] {
        renamed(&self.user_names, user)
    }

    /// The name of the client's `database` on the test server.
    pub(crate) fn database_name<'n>(&'n self, database: &'n [u8]) -> &'n [u8] {
        renamed(&self.database_names, database)
    }
}

fn renamed<'n>(names: &'n BTreeMap<String, String>, name: &'n [u8]) -> &'n [u8] {
    std::str::from_utf8(name).ok().and_then(|name| names.get(name)).map_or(name, |name| name.as_bytes())
}

/// Whether the password can be used.
fn check(user: &str, password: Option<&Secret>) -> Result<(), SettingsError> {
    let Some(password) = password else { return Ok(()) };
    Credential::read(password.bytes())
        .map(drop)
        .map_err(|problem| SettingsError::Credential { user: user.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(password: &str) -> SecretSource {
        SecretSource::Plain(password.to_owned().into())
    }

    #[test]
    fn names_are_those_of_the_test_server_and_passwords_those_of_the_clients_names() {
        let settings = Settings {
            users: BTreeMap::from([
                ("app@shop".to_owned(), plain("at shop")),
                ("*".to_owned(), plain("all")),
            ]),
            user_names: BTreeMap::from([("app".to_owned(), "app2".to_owned())]),
            database_names: BTreeMap::from([("shop".to_owned(), "shop_test".to_owned())]),
            ..Settings::default()
        };
        let logins = Logins::resolve(&settings).unwrap();
        let server = Endpoint::new(std::net::Ipv4Addr::LOCALHOST.into(), 5432);
        assert_eq!(logins.password(b"app", b"shop", &server).unwrap().bytes(), b"at shop");
        assert_eq!(logins.password(b"app", b"other", &server).unwrap().bytes(), b"all");
        assert_eq!((logins.user_name(b"app"), logins.user_name(b"x")), (&b"app2"[..], &b"x"[..]));
        assert_eq!(logins.database_name(b"shop"), b"shop_test");
        assert!(logins.names(b"app") && !logins.names(b"other"));
    }

    #[test]
    fn what_is_no_password_is_an_error_that_shows_no_secret() {
        let verifier = "SCRAM-SHA-256$4096:hunter2";
        let users = BTreeMap::from([("app".to_owned(), plain(verifier))]);
        let error = Logins::resolve(&Settings { users, ..Settings::default() }).unwrap_err().to_string();
        assert!(error.contains("user app") && error.contains("scram-keys:"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        let default = DefaultLogin {
            user: "app".to_owned(),
            password: Some(plain("hunter2")),
            database: String::new(),
        };
        let settings = Settings { default: Some(default), ..Settings::default() };
        let shown = format!("{settings:?} {:?}", Logins::resolve(&settings).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
