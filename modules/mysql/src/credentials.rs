//! Who may log in to the test server, and with which password.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use zeroize::Zeroizing;

/// The `[mysql]` table of the configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Passwords by user, or by `user@database`, which goes first; `*` is everybody else.
    pub users: BTreeMap<String, SecretSource>,
    /// Whom sessions log in as whose own login was not seen.
    pub default: Option<DefaultLogin>,
    /// Passwords may be sent in the clear where the test server asks for it (`mysql_clear_password`).
    pub allow_clear: bool,
}

/// The login of sessions whose own login was not seen.
#[derive(Debug, Deserialize)]
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

/// Where a password comes from.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum SecretSource {
    /// The password itself.
    Plain(Zeroizing<String>),
    /// An environment variable.
    Env {
        /// Its name.
        env: String,
    },
    /// A file whose first line it is, readable by its owner only.
    File {
        /// Its path.
        file: PathBuf,
    },
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("password"),
            Self::Env { env } => write!(f, "environment variable {env}"),
            Self::File { file } => write!(f, "file {}", file.display()),
        }
    }
}

/// A password cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The environment variable is not set, or is not UTF-8.
    #[error(
        "environment variable {0}, which should hold a password, is not set: set it for tcpcopy, or give the password in another way"
    )]
    Env(String),
    /// The file cannot be read.
    #[error("cannot read a password from {}: {source}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file can be read by others.
    #[error("{} holds a password and can be read by others: chmod 600 {}", .0.display(), .0.display())]
    Readable(PathBuf),
}

impl SecretSource {
    fn resolve(&self) -> Result<Secret, CredentialsError> {
        match self {
            Self::Plain(password) => Ok(Secret::new(password.as_bytes())),
            Self::Env { env } => match std::env::var(env).map(Zeroizing::new) {
                Ok(password) => Ok(Secret::new(password.as_bytes())),
                Err(_) => Err(CredentialsError::Env(env.clone())),
            },
            Self::File { file } => {
                let failed = |source| CredentialsError::File { path: file.clone(), source };
                let mode = std::fs::metadata(file).map_err(failed)?.mode();
                if mode & 0o077 != 0 {
                    return Err(CredentialsError::Readable(file.clone()));
                }
                let content = Zeroizing::new(std::fs::read(file).map_err(failed)?);
                let line = content.split(|&byte| byte == b'\n').next().unwrap_or_default();
                Ok(Secret::new(line.strip_suffix(b"\r").unwrap_or(line)))
            }
        }
    }
}

/// A password.
#[derive(Clone)]
pub(crate) struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl Secret {
    pub(crate) fn new(password: &[u8]) -> Self {
        Self(Arc::new(Zeroizing::new(password.to_vec())))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// All passwords, at hand.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    users: BTreeMap<Vec<u8>, Secret>,
    pub(crate) default: Option<Login>,
    pub(crate) allow_clear: bool,
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
        let mut users = BTreeMap::new();
        for (name, source) in &settings.users {
            users.insert(name.clone().into_bytes(), source.resolve()?);
        }
        let mut credentials = Self { users, default: None, allow_clear: settings.allow_clear };
        if let Some(login) = &settings.default {
            let (user, database) = (login.user.as_bytes(), login.database.as_bytes());
            let password = match &login.password {
                Some(source) => Some(source.resolve()?),
                None => credentials.password(user, database),
            };
            credentials.default = Some(Login { user: user.to_vec(), password, database: database.to_vec() });
        }
        Ok(credentials)
    }

    /// The password of `user`, who goes to `database`.
    pub(crate) fn password(&self, user: &[u8], database: &[u8]) -> Option<Secret> {
        let at_database = [user, b"@", database].concat();
        [&at_database[..], user, b"*"].into_iter().find_map(|name| self.users.get(name)).cloned()
    }
}
