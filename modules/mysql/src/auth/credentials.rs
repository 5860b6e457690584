//! Who may log in to the test server, and with which password.

use std::collections::BTreeMap;

pub(crate) use module_kit::secret::Secret;
pub use module_kit::secret::{CredentialsError, SecretSource};

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
    use super::*;

    fn plain(password: &str) -> SecretSource {
        SecretSource::Plain(password.to_owned().into())
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
