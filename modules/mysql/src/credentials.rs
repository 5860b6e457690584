//! Who may log in to the test server, and with which password.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use common::process::secret_file::{self, SecretFileError};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use zeroize::Zeroizing;

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

/// Where a password comes from.
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

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Sources)
    }
}

/// Reads a [`SecretSource`], and complains in words that help without a value among them.
struct Sources;

impl<'de> Visitor<'de> for Sources {
    type Value = SecretSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a password, { env = \"NAME\" } or { file = \"path\" }")
    }

    fn visit_str<E: Error>(self, password: &str) -> Result<SecretSource, E> {
        Ok(SecretSource::Plain(Zeroizing::new(password.to_owned())))
    }

    fn visit_string<E: Error>(self, password: String) -> Result<SecretSource, E> {
        Ok(SecretSource::Plain(Zeroizing::new(password)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretSource, A::Error> {
        let mut source = None;
        while let Some(name) = map.next_key::<String>()? {
            let next = match &*name {
                "env" => SecretSource::Env { env: map.next_value()? },
                "file" => SecretSource::File { file: map.next_value()? },
                _ => return Err(A::Error::unknown_field(&name, &["env", "file"])),
            };
            if source.replace(next).is_some() {
                return Err(A::Error::custom("a password comes from env or from file: name one of them"));
            }
        }
        source.ok_or_else(|| A::Error::custom("a password comes from env or from file, and neither is named"))
    }
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
    /// The file is not one to read a password from.
    #[error("cannot read a password from {}: {problem}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        problem: SecretFileError,
    },
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
                let content = secret_file::read(file, LENGTH_MAX)
                    .map_err(|problem| CredentialsError::File { path: file.clone(), problem })?;
                let line = content.split(|&byte| byte == b'\n').next().unwrap_or_default();
                Ok(Secret::new(line.strip_suffix(b"\r").unwrap_or(line)))
            }
        }
    }
}

/// No file with a password is longer, in bytes.
const LENGTH_MAX: u64 = 64 << 10;

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

    /// Is there a password for this user, at some database at least? What is meant for everybody else names nobody.
    pub(crate) fn names(&self, user: &[u8]) -> bool {
        let is_of = |name: &[u8]| name.strip_prefix(user).is_some_and(|rest| matches!(rest, [] | [b'@', ..]));
        user != b"*"
            && self
                .users
                .range(user.to_vec()..)
                .take_while(|(name, _)| name.starts_with(user))
                .any(|(name, _)| is_of(name))
    }

    /// The password of `user`, who goes to `database`.
    pub(crate) fn password(&self, user: &[u8], database: &[u8]) -> Option<Secret> {
        let at_database = [user, b"@", database].concat();
        [&at_database[..], user, b"*"].into_iter().find_map(|name| self.users.get(name)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn plain(password: &str) -> SecretSource {
        SecretSource::Plain(password.to_owned().into())
    }

    /// A file of its own for each test, taken away at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str, content: &[u8], mode: u32) -> Self {
            let path = std::env::temp_dir().join(format!("tcpcopy-password-{name}-{}", std::process::id()));
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            Self(path)
        }

        fn source(&self) -> SecretSource {
            SecretSource::File { file: self.0.clone() }
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn the_most_particular_name_decides() {
        let users = [("app@shop", "at shop"), ("app", "of app"), ("*", "of all")];
        let users = users.map(|(name, password)| (name.to_owned(), plain(password))).into();
        let credentials = Credentials::resolve(&Settings { users, ..Settings::default() }).unwrap();
        let password = |user: &[u8], database: &[u8]| {
            credentials.password(user, database).map(|it| String::from_utf8_lossy(it.bytes()).into_owned())
        };
        for (user, database, expected) in [
            ("app", "shop", "at shop"),
            ("app", "other", "of app"),
            ("app", "", "of app"),
            ("other", "shop", "of all"),
            // Who has the name of another at a database is another.
            ("app@shop", "", "at shop"),
        ] {
            assert_eq!(password(user.as_bytes(), database.as_bytes()).as_deref(), Some(expected));
        }
        assert!(Credentials::default().password(b"app", b"shop").is_none());
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
    fn a_file_holds_a_password_in_its_first_line() {
        for (name, content, expected) in [
            ("bare", &b"se cret"[..], &b"se cret"[..]),
            ("line", b"secret\n", b"secret"),
            ("dos", b"secret\r\nmore\r\n", b"secret"),
            ("empty", b"", b""),
        ] {
            let file = Scratch::new(name, content, 0o600);
            assert_eq!(file.source().resolve().unwrap().bytes(), expected, "{name}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_or_that_is_none_is_refused() {
        for mode in [0o640, 0o604, 0o660, 0o644] {
            let file = Scratch::new(&format!("mode-{mode:o}"), b"secret", mode);
            let error = file.source().resolve().unwrap_err().to_string();
            assert!(error.contains("chmod 600") && !error.contains("secret"), "{error}");
        }
        for (path, part) in [("/dev/zero", "no regular file"), ("/none/there", "No such file")] {
            let error = SecretSource::File { file: path.into() }.resolve().unwrap_err().to_string();
            assert!(error.contains(part) && error.contains(path), "{error}");
        }
    }

    #[test]
    fn a_password_is_never_cut() {
        let long = [b'x'; 5000];
        assert_eq!(Scratch::new("long", &long, 0o600).source().resolve().unwrap().bytes(), long);
        let error =
            Scratch::new("longer", &[b'x'; 70_000], 0o600).source().resolve().unwrap_err().to_string();
        assert!(error.contains("more than 65536 bytes") && !error.contains("xxx"), "{error}");
    }

    #[test]
    fn an_environment_variable_holds_a_password_or_is_named() {
        let source = |name: &str| SecretSource::Env { env: name.to_owned() };
        let path = std::env::var("PATH").unwrap();
        assert_eq!(source("PATH").resolve().unwrap().bytes(), path.as_bytes());
        let error = source("TCPCOPY_NO_SUCH_PASSWORD").resolve().unwrap_err().to_string();
        assert!(error.contains("TCPCOPY_NO_SUCH_PASSWORD") && error.contains("set it"), "{error}");
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
